"""``gitreg doctor``: this machine, the registry, its remote, its hook, and the person."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli_kit import Registry, git


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry with one version, in a clone of a bare repository that gitreg's hook guards."""
    monkeypatch.setenv("GITREG_CACHE_DIR", os.fspath(tmp_path / "cache"))
    for folder in ("hub.git", "work", "artifacts"):
        (tmp_path / folder).mkdir()
    git(tmp_path / "hub.git", "init", "-q", "--bare")
    work = Registry(tmp_path / "work", capsys)
    work("init", ".", "--solo", "--remote", os.fspath(tmp_path / "artifacts"))
    (work.folder / "model.onnx").write_bytes(b"model")
    work("register", "credit-risk", "model.onnx", "--create", "--format", "json", "--direct")
    git(work.folder, "remote", "add", "origin", os.fspath(tmp_path / "hub.git"))
    git(work.folder, "push", "-q", "origin", "main")
    work("-R", "../hub.git", "hook", "install", "--remote", os.fspath(tmp_path / "artifacts"))
    return work


def points(registry: Registry, *args: str, code: int = 0) -> dict[str, dict[str, Any]]:
    found = registry("doctor", "--format", "json", *args, code=code).json
    assert found["exitCode"] == code
    return {point["name"]: point for point in found["points"]}


def test_all_is_well_with_a_guarded_registry(desk: Registry) -> None:
    found = points(desk)
    assert {name for name, point in found.items() if not point["ok"]} == {"SSH key"}
    assert found["DVC remote"]["text"] == "it answers, and has credit-risk/1"
    assert found["hook"]["text"] == "it guards the branch main"
    assert found["identity"]["text"].startswith("Alice <alice@example.com>, ")


def test_people_get_a_list(desk: Registry) -> None:
    lines = desk("doctor").out.splitlines()
    assert lines[0] == "this machine:"
    assert any(line.startswith("  [x] git ") for line in lines)
    assert any(line.startswith("  [-] SSH key ") for line in lines)
    assert lines[-1].endswith(" so")


def test_a_hook_that_is_switched_off_is_found(desk: Registry, tmp_path: Path) -> None:
    (tmp_path / "hub.git" / "hooks" / "pre-receive").chmod(0o644)
    found = points(desk)
    assert found["hook"]["ok"] is False
    assert not found["hook"]["needed"], "one person works here"
    assert "not executable" in found["hook"]["text"]


def test_the_hub_itself_and_a_copy_of_it_are_looked_at_in_the_same_way(
    desk: Registry, tmp_path: Path
) -> None:
    remote = ["--remote", os.fspath(tmp_path / "artifacts")]
    for place in ("../hub.git", (tmp_path / "hub.git").as_uri()):
        found = desk("-R", place, "doctor", "--format", "json", *remote).json["points"]
        said = {point["name"]: point["text"] for point in found}
        assert said["hook"] == "it guards the branch main"


def test_where_the_hook_is_what_enforces_the_rules_it_is_needed(desk: Registry) -> None:
    text = (desk.folder / "gitreg.yaml").read_text().replace("solo", "hook")
    (desk.folder / "gitreg.yaml").write_text(text)
    git(desk.folder, "commit", "-q", "-am", "hook")
    git(desk.folder, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert points(desk)["hook"]["needed"]
    git(desk.folder, "remote", "set-url", "origin", "ssh://git.example.com/models.git")
    assert points(desk, code=3)["hook"]["ok"] is None
    git(desk.folder, "remote", "remove", "origin")
    assert points(desk, code=1)["hook"]["ok"] is False


def test_an_object_that_the_remote_lacks_is_found(desk: Registry, tmp_path: Path) -> None:
    for path in (tmp_path / "artifacts").rglob("*"):
        if path.is_file():
            path.unlink()
    assert points(desk, code=1)["DVC remote"]["text"] == "it answers, and lacks objects of credit-risk/1"


def test_a_remote_that_is_not_there_is_found_also_without_a_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").mkdir()
    work = Registry(tmp_path / "work", capsys)
    work("init", ".", "--solo", "--remote", os.fspath(tmp_path / "artifacts"))
    (tmp_path / "artifacts").mkdir()
    assert points(work)["DVC remote"]["text"] == "it answers; there is no version yet"
    assert points(work, "--remote", "http://127.0.0.1:9/x", code=3)["DVC remote"]["ok"] is None


def test_a_key_is_the_persons_in_the_policy(
    desk: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.fspath(key)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    monkeypatch.setenv("GITREG_SSH_KEY", os.fspath(key))
    assert "nobody in policy.yaml has it" in points(desk)["SSH key"]["text"]
    monkeypatch.setenv("GITREG_SSH_KEY", os.fspath(tmp_path / "none"))
    assert points(desk)["SSH key"]["ok"] is False


def test_a_machine_without_programs_and_a_name_is_told_so(
    desk: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    only_git = tmp_path / "bin"
    only_git.mkdir()
    found = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    (only_git / "git").symlink_to(found)
    monkeypatch.setenv("PATH", os.fspath(only_git))
    said = points(desk, code=1)
    assert (said["OpenSSH"]["ok"], said["identity"]["ok"]) == (False, False)
    assert not said["identity"]["needed"]


@pytest.mark.parametrize("forge", [[], ["--forge"]])
def test_outside_of_a_registry_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], forge: list[str]
) -> None:
    found = points(Registry(tmp_path, capsys), *forge, code=1)
    assert "not in a git repository" in found["registry"]["text"]


def test_a_registry_whose_policy_cannot_be_read_is_told_so(desk: Registry) -> None:
    (desk.folder / "policy.yaml").write_text("kind: [\n")
    git(desk.folder, "commit", "-q", "-am", "broken")
    git(desk.folder, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert points(desk, code=1)["registry"]["text"].startswith("policy.yaml:")


def test_a_hosted_registry_says_where_its_forge_is_and_which_token_it_has(
    desk: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "GH_HOST", "GH_ENTERPRISE_TOKEN", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    config = desk.folder / "gitreg.yaml"
    lines = [
        line for line in config.read_text().splitlines() if not line.startswith(("forge:", "enforcement:"))
    ]
    config.write_text("\n".join([*lines, "forge: {provider: github}", ""]))
    git(desk.folder, "commit", "-q", "-am", "github")
    git(desk.folder, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert points(desk, code=1)["forge"]["ok"] is False, "origin is a folder"
    git(desk.folder, "remote", "set-url", "origin", "git@github.com:acme/models.git")
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "ghp_" + "s" * 36)
    found = points(desk)
    assert found["forge"]["text"] == "https://github.com/acme/models"
    assert found["token"]["ok"] is False
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_" + "s" * 36)
    result = desk("doctor")
    assert "a GitHub App installation token, from GITHUB_TOKEN" in result.out
    assert "ssss" not in result.out + result.err
