"""Fixtures of the hook's tests: a repository for three people that a hook guards, as on a server of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flow_kit import POLICY, REGISTRY, Desk, copy_template, make_template, pin
from hook_kit import guard


@pytest.fixture(scope="session")
def guarded_template(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Path:
    """A registry whose origin is guarded by a hook; notes may land directly."""
    public = {path.stem: path.read_text().strip() for path in keys.glob("*.pub")}
    folder = tmp_path_factory.mktemp("guarded")
    return make_template(folder, public, POLICY + ROLES, REGISTRY.replace("requests", "hook"))


ROLES = """\
roles:
  scientist: {members: [everybody], may: [register, annotate, evidence, promote, demote, rollback]}
  owner: {members: [risk-owners], may: [all]}
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's configuration reaches a test."""
    pin(monkeypatch, tmp_path / "home")


@pytest.fixture
def desk(guarded_template: Path, keys: Path, tmp_path: Path) -> Iterator[Desk]:
    """The guarded registry. The hook has the real clock, so everybody has."""
    now = datetime.now(UTC).replace(microsecond=0)
    made = Desk(copy_template(guarded_template, tmp_path / "team"), keys, now)
    guard(made)
    yield made
    made.close()
