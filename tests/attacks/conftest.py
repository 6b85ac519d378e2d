"""Fixtures of the attacks: the registry for three people, made once and copied for each case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_kit import Desk, copy_template, make_template, pin

from attacks.attack_kit import Ground


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Path:
    public = {path.stem: path.read_text().strip() for path in keys.glob("*.pub")}
    return make_template(tmp_path_factory.mktemp("team"), public)


@pytest.fixture
def ground(template: Path, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    pin(monkeypatch, tmp_path / "home")
    desk = Desk(copy_template(template, tmp_path / "team"), keys)
    sentinel = desk.root / "sentinel"
    sentinel.mkdir()
    (sentinel / "untouched").write_text("untouched\n")
    yield Ground(desk, tmp_path / "canary", sentinel)
    desk.close()
