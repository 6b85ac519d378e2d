"""An import of a registry of GTO's that is killed at any step goes on where it was when it is run again."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from crash_kit import Steps, in_child, telling
from flow_kit import Desk, copy_template, git, make_solo, pin
from gto_kit import write_story

from gitreg.flows.gto_files import GtoSource
from gitreg.flows.import_gto import import_gto
from gitreg.wiring.foreign import open_foreign

#: How many of the telling steps the suite takes, evenly spread; which ones they are goes round with the days.
KILLS = int(os.environ.get("GITREG_KILLS", "2"))


def imported(root: Path, story: Path, steps: Steps | None = None) -> int:
    """Imports into the registry in a folder, and is killed on the way if the steps say so."""
    ws = Desk(root, root / "no keys")("solo")
    repository, open_store = open_foreign(os.fspath(story))
    if steps is not None:
        steps.begin()
    source = GtoSource(repository, open_store, {"nlp/sentiment": "sentiment"}, {"prod": "production"})
    return 0 if list(import_gto(ws, source, ("nlp/sentiment", "churn", "old"))) else 1


def left(root: Path) -> tuple[object, ...]:
    """Everything that an import makes; commits are the same whenever the clock stands still."""
    assert git(root / "solo", "fsck", "--strict", "--no-dangling") == ""
    found = git(root / "solo", "rev-parse", "main"), git(root / "solo", "status", "--porcelain")
    objects = Desk(root, root / "no keys").objects()
    return *found, sorted(name for name in objects if not name.endswith(".tmp"))


def test_a_killed_import_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("TMPDIR", os.fspath(tmp_path))  # where a killed process leaves what it took
    (tmp_path / "template").mkdir()
    template, story = make_solo(tmp_path / "template"), write_story(tmp_path / "story")
    whole, told = copy_template(template, tmp_path / "whole"), tmp_path / "steps"

    def counted() -> int:
        steps = Steps(None)
        imported(whole, story, steps)
        told.write_text("\n".join(steps.labels))
        return 0

    imported(copy_template(template, tmp_path / "warm"), story)  # loads what every fork needs
    assert in_child(counted, tmp_path / "log") == 0, (tmp_path / "log").read_text()
    labels = told.read_text().splitlines()
    expected = left(whole)
    every = telling(labels)
    apart = max(1, len(every) // KILLS)
    for fatal in every[datetime.now(UTC).toordinal() % apart :: apart]:
        root = copy_template(template, tmp_path / f"killed-{fatal}")
        work = lambda root=root, n=fatal: imported(root, story, Steps(n))  # type: ignore[misc]  # noqa: E731
        assert in_child(work, tmp_path / "log") == -9, f"step {fatal} ({labels[fatal]})"
        for lock in (root / "solo" / ".git").glob("*.lock"):
            os.unlink(lock)
        imported(root, story)
        assert left(root) == expected, f"killed before step {fatal} ({labels[fatal]})"
        shutil.rmtree(root)
