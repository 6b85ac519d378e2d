"""``gitreg register --external``, and what the other commands say of such a version."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_kit import Registry, git

import gitreg
from gitreg.surfaces.cli.main import run

URI = "https://api.example.com/models/large-2"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Registry:
    """A registry of one person with one external version."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.fspath(tmp_path / "gitconfig"))
    for name, value in (("user.name", "Dan"), ("user.email", "dan@example.com")):
        git(tmp_path, "config", "--global", name, value)
    folder = tmp_path / "registry"
    assert run(["init", os.fspath(folder), "--solo"]) == 0
    found = Registry(folder, capsys)
    found("register", "assistant", "--external", URI, "--create", "--metric", "roc_auc=0.9")
    return found


def test_the_address_is_told(registry: Registry, tmp_path: Path) -> None:
    resolved = registry.json("resolve", "assistant/1")
    assert (resolved["format"], resolved["external_uri"]) == ("external", URI)
    assert f"GITREG_EXTERNAL_URI={URI}\n" in registry("resolve", "assistant/1", "--format", "env").out
    assert f"address     {URI}" in registry("version", "show", "assistant/1").out
    assert registry.json("show", "assistant/1")["artifact"]["uri"] == URI
    assert "external" in registry("search", "format = 'external'").out
    assert registry("validate").code == 0


def test_pull_refuses_it_in_the_command_and_in_python(registry: Registry, tmp_path: Path) -> None:
    said = registry.refuses("pull", "assistant/1", "-o", os.fspath(tmp_path / "out"), code=1)
    assert f"not in this registry, but at {URI}" in said
    with (
        gitreg.open_registry(registry.folder) as opened,
        pytest.raises(gitreg.GitregError, match="not in this registry"),
    ):
        opened.pull("assistant/1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_versions_have_no_address(shared_repo: Registry) -> None:
    assert "external_uri" not in shared_repo.json("resolve", "credit-risk/1")
    assert "address" not in shared_repo("show", "credit-risk/1").out


def test_the_same_address_is_not_registered_twice(registry: Registry) -> None:
    assert "already has these bytes" in registry("register", "assistant", "--external", URI).err
    registry("register", "assistant", "--external", URI, "--again")
    assert [each["version"] for each in registry.json("version", "list", "assistant")] == [2, 1]


def test_a_path_or_an_address(registry: Registry) -> None:
    for args in ([], ["model.onnx", "--external", URI]):
        assert "PATH or --external" in registry.refuses("register", "assistant", *args, code=2)


def test_a_dry_run_writes_nothing(registry: Registry) -> None:
    shown = registry.writes_nothing("register", "assistant", "--external", f"{URI}-b")
    assert f'uri: "{URI}-b"' in shown.out or f"uri: {URI}-b" in shown.out
