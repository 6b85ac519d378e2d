"""The registries that the other tests are about are valid themselves."""

from __future__ import annotations

from pathlib import Path

from flow_kit import Desk

from gitreg.api import open_registry


def test_templates_are_valid(desk: Desk, solo: Desk) -> None:
    assert open_registry(desk.root / "dan").validate() == []
    assert open_registry(solo.root / "solo").validate() == []


def test_sources_are_free_of_the_machine(desk: Desk, team_template: Path) -> None:
    assert str(team_template) not in (desk.root / "dan" / ".git" / "config").read_text()
