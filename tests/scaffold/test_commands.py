"""``gitreg init --forge`` and ``gitreg forge scaffold``: what they write into a repository, and when they refuse."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from flow_kit import git
from scaffold_kit import COMMIT

from gitreg.api import open_registry
from gitreg.surfaces.cli.main import run
from gitreg.wiring import scaffold as wiring

ACTION = f"acme/gitreg@{COMMIT}"
GITHUB = {
    ".github/CODEOWNERS",
    ".github/gitreg-ruleset.json",
    ".github/workflows/gitreg-audit.yml",
    ".github/workflows/gitreg-promote.yml",
    ".github/workflows/gitreg-verify.yml",
}


@pytest.fixture(autouse=True)
def dan(tmp_path: Path, alone: None) -> None:
    """git knows Dan."""
    with (tmp_path / "home" / "gitconfig").open("a") as config:
        config.write("[user]\nname = Dan\nemail = dan@example.com\n")


def begin(folder: Path, *options: str, forge: str = "github") -> int:
    return run(
        ["init", os.fspath(folder), "--forge", forge, "--account", "dan-gh", "--action", ACTION, *options]
    )


def scaffold(folder: Path, *options: str) -> int:
    return run(["-C", os.fspath(folder), "forge", "scaffold", *options])


def test_a_registry_on_github_begins_with_all_files_in_one_commit(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    assert begin(folder, "--remote", "s3://bucket/dvc") == 0
    assert git(folder, "rev-list", "--count", "HEAD") == "1"
    assert git(folder, "status", "--porcelain") == ""
    assert set(git(folder, "ls-files", ".github").splitlines()) == GITHUB
    with open_registry(folder) as registry:
        assert registry.validate() == []
        assert registry.snapshot.registry().forge.provider == "github"
        assert [person.github for person in registry.snapshot.policy().people] == ["dan-gh"]
    verify = yaml.safe_load((folder / ".github/workflows/gitreg-verify.yml").read_text())
    uses = [step for step in verify["jobs"]["gitreg"]["steps"] if "gitreg@" in step["uses"]]
    assert [step["with"]["remote"] for step in uses] == ["s3"]
    assert scaffold(folder, "--check") == 0


def test_in_a_monorepo_the_workflows_are_at_the_root_and_others_lines_stay(tmp_path: Path) -> None:
    top = tmp_path / "mono"
    (top / "docs").mkdir(parents=True)
    git(top, "init", "-q", "-b", "main")
    (top / "docs" / "CODEOWNERS").write_text("* @everybody\n")
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "before")
    assert begin(top / "ml" / "registry") == 0
    owners = (top / "docs" / "CODEOWNERS").read_text()
    assert owners.startswith("* @everybody\n")
    assert "/ml/registry/policy.yaml @dan-gh" in owners
    assert not (top / ".github" / "CODEOWNERS").exists()
    verify = yaml.safe_load((top / ".github/workflows/gitreg-verify.yml").read_text())
    assert {"directory": "ml/registry"}.items() <= verify["jobs"]["rerun"]["steps"][-1]["with"].items()
    assert scaffold(top / "ml" / "registry", "--check") == 0
    assert begin(top / "second") == 1  # the gate of the first is not written over
    assert not (top / "second").exists()


def test_a_registry_on_gitlab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "models"
    assert begin(folder, forge="gitlab") == 0
    found = set(git(folder, "ls-files", ".git*").splitlines())
    assert {".gitlab-ci.yml", ".gitlab/gitreg.yml", ".gitlab/CODEOWNERS"} <= found
    (folder / ".gitlab-ci.yml").write_text("build: {script: [make]}\n")
    capsys.readouterr()
    assert scaffold(folder, "--check") == 0
    assert "include: [{local: .gitlab/gitreg.yml}]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--forge", "github", "--action", ACTION], "--account"),
        (["--forge", "github", "--account", "a b", "--action", ACTION], "can be no account"),
        (["--forge", "github", "--account", "dan", "--action", "acme/gitreg@v1"], "names no commit"),
        (["--forge", "github", "--account", "dan", "--action", ACTION, "--solo"], "exclude"),
        (["--forge", "gitlab", "--account", "dan", "--action", ACTION, "--hook"], "exclude"),
        (["--account", "dan"], "hosted forge"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_made(
    tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", os.fspath(tmp_path / "new"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_branch_that_would_be_more_than_a_name_to_ci_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert begin(tmp_path / "new", "--branch", 'main"||"1"=="1', forge="gitlab") == 1
    assert "branch" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_check_says_which_file_differs_and_scaffold_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "models"
    begin(folder)
    policy = folder / "policy.yaml"
    policy.write_text(
        policy.read_text()
        .replace("people:\n", "people:\n  - {id: eve, github: eve-gh}\n")
        .replace("maintainers: [dan]", "maintainers: [dan, eve]")
    )
    (folder / ".github" / "workflows" / "gitreg-audit.yml").unlink()
    capsys.readouterr()
    assert scaffold(folder, "--check", "--format", "json") == 1
    found = json.loads(capsys.readouterr().out)
    assert set(found["differing"]) == {".github/CODEOWNERS", ".github/workflows/gitreg-audit.yml"}
    assert not (folder / ".github" / "workflows" / "gitreg-audit.yml").exists()
    head = git(folder, "rev-parse", "HEAD")
    assert scaffold(folder) == 0
    assert "/policy.yaml @eve-gh @dan-gh" in (folder / ".github" / "CODEOWNERS").read_text()
    assert git(folder, "rev-parse", "HEAD") == head
    assert git(folder, "diff", "--cached", "--name-only") == ""
    assert scaffold(folder, "--check") == 0


def test_another_commit_of_gitreg_is_pinned_on_demand_alone(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    begin(folder)
    newer = "acme/gitreg@" + "e" * 40
    assert scaffold(folder, "--check", "--action", newer) == 1
    assert scaffold(folder, "--action", newer) == 0
    assert scaffold(folder, "--check") == 0
    changed = git(folder, "diff", "--name-only").splitlines()
    assert len(changed) == 3
    assert all(path.startswith(".github/workflows/") for path in changed)


def test_a_local_registry_needs_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "models"
    assert run(["init", os.fspath(folder)]) == 0
    assert scaffold(folder) == 2
    assert "needs no files" in capsys.readouterr().err


def test_nothing_is_written_through_a_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, outside = tmp_path / "models", tmp_path / "outside"
    begin(folder)
    outside.mkdir()
    git(folder, "rm", "-q", "-r", ".github")
    (folder / ".github").symlink_to(outside)
    assert scaffold(folder, "--action", ACTION) == 2
    assert "symbolic link" in capsys.readouterr().err
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("recorded", "found"),
    [
        (
            {"url": "https://github.com/acme/gitreg.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"acme/gitreg/.github/actions/gitreg@{COMMIT}",
        ),
        (
            {"url": "https://ghe.example.com/ml/gitreg", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"ml/gitreg/.github/actions/gitreg@{COMMIT}",
        ),
        ({"url": "file:///srv/gitreg", "dir_info": {"editable": True}}, None),
        ({"url": "ssh://git@github.com/acme/gitreg", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}, None),
        (None, None),
    ],
)
def test_the_commit_of_the_installation_is_what_pip_recorded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    recorded: dict[str, object] | None,
    found: str | None,
) -> None:
    text = None if recorded is None else json.dumps(recorded)
    monkeypatch.setattr(wiring, "_direct_url", lambda _: text)
    code = run(["init", os.fspath(tmp_path / "new"), "--forge", "github", "--account", "dan-gh"])
    if found is None:
        assert code == 2
        assert "give --action OWNER/REPOSITORY@COMMIT" in capsys.readouterr().err
    else:
        assert code == 0
        assert found in (tmp_path / "new" / ".github/workflows/gitreg-verify.yml").read_text()


def test_until_the_registry_is_published_all_goes_into_its_first_commit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, hub = tmp_path / "models", tmp_path / "hub.git"
    assert begin(folder) == 0
    welcome = capsys.readouterr().out
    steps = ["second person", "--amend", "git remote add origin", "git push -u origin main", "doctor --forge"]
    assert sorted(steps, key=welcome.index) == steps
    assert "register" not in welcome

    owners = folder / ".github/CODEOWNERS"
    owners.write_text("")
    assert scaffold(folder) == 0
    assert "Next: take them into the first commit" in capsys.readouterr().out

    git(tmp_path, "init", "-q", "--bare", os.fspath(hub))
    git(folder, "remote", "add", "origin", os.fspath(hub))
    git(folder, "push", "-q", "-u", "origin", "main")
    owners.write_text("")
    assert scaffold(folder) == 0
    assert "Next: commit them on a branch" in capsys.readouterr().out
