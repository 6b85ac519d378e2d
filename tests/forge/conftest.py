"""What tests of the fake forges share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from forge_contract import Desk

from forge.fake_github_kit import Team, make_template, team
from forge.github_world import World, world
from gitreg.adapters.forge.github import merge as github_merge
from gitreg.adapters.forge.github import retry as github_retry


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every team begins with."""
    folder = tmp_path_factory.mktemp("template")
    make_template(folder)
    return folder


@pytest.fixture
def acme(template: Path, tmp_path: Path) -> Iterator[Team]:
    """A public repository on a fake GitHub, and its people."""
    with team(template, tmp_path) as made:
        yield made


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A repository on a fake GitHub that is seeded as all forges' tests have it; gitreg does not pause there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setattr(github_retry, "PAUSE", 0.0)
    monkeypatch.setattr(github_merge, "PAUSE", 0.0)
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def alice(hub: World) -> Desk:
    """Alice at work there."""
    return hub.desk("alice-gh")
