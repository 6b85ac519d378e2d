"""Fixtures of the flows' tests: templates that are made once, and copies of them to play with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_kit import Desk, copy_template, make_solo, make_template, pin


@pytest.fixture(scope="session")
def public_keys(keys: Path) -> dict[str, str]:
    """The public halves, by person."""
    return {path.stem: path.read_text().strip() for path in keys.glob("*.pub")}


@pytest.fixture(scope="session")
def team_template(tmp_path_factory: pytest.TempPathFactory, public_keys: dict[str, str]) -> Path:
    """A registry for three people: a bare origin, and a clone for each."""
    return make_template(tmp_path_factory.mktemp("team"), public_keys)


@pytest.fixture(scope="session")
def solo_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry for one person, without an origin."""
    return make_solo(tmp_path_factory.mktemp("solo"))


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's configuration reaches a test."""
    pin(monkeypatch, tmp_path / "home")


@pytest.fixture
def desk(team_template: Path, keys: Path, tmp_path: Path) -> Iterator[Desk]:
    """The registry for three people."""
    made = Desk(copy_template(team_template, tmp_path / "team"), keys)
    yield made
    made.close()


@pytest.fixture
def solo(solo_template: Path, keys: Path, tmp_path: Path) -> Iterator[Desk]:
    """The registry for one person; its checkout is ``solo``."""
    made = Desk(copy_template(solo_template, tmp_path / "alone"), keys)
    yield made
    made.close()
