"""``gitreg audit`` as a command: what it prints, and with which exit code it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_kit import git

from gitreg.surfaces.cli.main import run

TITLE = "apiVersion: gitreg/v1\nkind: Model\nname: mine\ntitle: {}\n"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of one person with one version in staging."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.fspath(tmp_path / "gitconfig"))
    for name, value in (("user.name", "Dan"), ("user.email", "dan@example.com")):
        git(tmp_path, "config", "--global", name, value)
    (tmp_path / "model.onnx").write_bytes(b"bytes")
    folder = tmp_path / "registry"
    assert run(["init", os.fspath(folder), "--solo"]) == 0
    at = ["-C", os.fspath(folder)]
    assert run([*at, "register", "mine", "../model.onnx", "--create", "--metric", "a=0.9"]) == 0
    assert run([*at, "promote", "mine/1", "--to", "staging"]) == 0
    return folder


def audit(folder: Path, *options: str) -> int:
    return run(["-C", os.fspath(folder), "audit", *options])


def test_a_history_that_kept_the_rules(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert audit(registry) == 0
    assert "3 changes up to" in (text := capsys.readouterr().out)
    assert "(artifacts not looked at): nothing to complain about" in text
    assert audit(registry, "--artifacts", "--since", "HEAD~1", "--format", "json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "pass"
    assert report["checked"]["commits"] == 1
    assert report["checked"]["artifacts"] is True


def test_the_commit_that_broke_a_rule_is_named(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = registry / "models/mine/versions/1/version.yaml"
    record.write_text(record.read_text().replace("0.9", "0.99"))
    git(registry, "commit", "-q", "-am", "better")
    bad = git(registry, "rev-parse", "HEAD").strip()
    (registry / "models/mine/model.yaml").write_text(TITLE.format("later"))
    git(registry, "commit", "-q", "-am", "later")
    capsys.readouterr()
    assert audit(registry) == 1
    text = capsys.readouterr().out
    assert f"GR202 commit {bad[:12]}: a record is edited" in text
    assert f"gitreg audit --since {bad[:12]}" in text
    assert f"4 changes up to {bad[:12]} (artifacts not looked at), and 1 newer commits not judged" in text
    assert audit(registry, "--until", "HEAD~2") == 0


def test_a_commit_of_another_line(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(registry, "checkout", "-q", "-b", "other", "HEAD~1")
    git(registry, "commit", "-q", "--allow-empty", "-m", "other")
    assert audit(registry, "--since", "other") == 1
    assert "is not among the last" in capsys.readouterr().err
    assert audit(registry, "--since", "nowhere") == 1
