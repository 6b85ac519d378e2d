"""Fixtures of the command line's tests: a registry of one's own, copied from one that was made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli_kit import Registry, pin, standard_story, write


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with the standard story."""
    return write(standard_story(), tmp_path_factory.mktemp("template") / "registry.git")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's configuration reaches a test."""
    home = tmp_path / "home"
    home.mkdir()
    pin(monkeypatch, home)


@pytest.fixture
def registry_repo(template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Registry:
    """The standard registry, to be read and written."""
    shutil.copytree(template, tmp_path / "registry.git")
    return Registry(tmp_path / "registry.git", capsys)


@pytest.fixture
def shared_repo(template: Path, capsys: pytest.CaptureFixture[str]) -> Registry:
    """The standard registry itself: for what writes nothing."""
    return Registry(template, capsys)
