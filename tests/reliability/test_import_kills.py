"""An import that is killed at any step leaves a registry that is whole, and when it is run again all is there."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from crash_kit import Steps, in_child, telling
from flow_kit import Desk, copy_template, git, make_solo, pin
from import_kit import Shelf, listed

from gitreg.flows.importing import import_models

#: How many of the telling steps the suite takes, evenly spread; which ones they are goes round with the days.
KILLS = 3


def shelf() -> Shelf:
    """What is imported: two models, three versions."""
    source = Shelf().has("loans", listed(2, "Production", "champion"), listed(5, "Staging", tags={"a": "b"}))
    return source.has("churn", listed(1))


def imported(root: Path, steps: Steps | None = None) -> int:
    """Imports into the registry in a folder, and is killed on the way if the steps say so."""
    desk = Desk(root, root / "no keys")
    ws = desk("solo")
    if steps is not None:
        steps.begin()
    import_models(ws, shelf())
    return 0


def left(root: Path) -> tuple[object, ...]:
    """Everything that an import makes: each model's files and its title in history, and the stored bytes.

    Commits and blobs are the same whenever the clock stands still.
    """
    assert git(root / "solo", "fsck", "--strict", "--no-dangling") == ""
    desk = Desk(root, root / "no keys")
    found = git(root / "solo", "rev-parse", "main"), git(root / "solo", "status", "--porcelain")
    return *found, sorted(name for name in desk.objects() if not name.endswith(".tmp"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solo(tmp_path_factory.mktemp("import-kills"))


def test_a_killed_import_goes_on_where_it_was(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin(monkeypatch, tmp_path / "home")
    whole = copy_template(template, tmp_path / "whole")
    told = tmp_path / "steps"

    def counted() -> int:
        steps = Steps(None)
        imported(whole, steps)
        told.write_text("\n".join(steps.labels))
        return 0

    imported(copy_template(template, tmp_path / "warm"))  # loads what every fork needs
    assert in_child(counted, tmp_path / "log") == 0, (tmp_path / "log").read_text()
    labels = told.read_text().splitlines()
    expected = left(whole)
    every = telling(labels)
    apart = max(1, len(every) // KILLS)
    for fatal in every[datetime.now(UTC).toordinal() % apart :: apart]:
        root = copy_template(template, tmp_path / f"killed-{fatal}")
        code = in_child(lambda root=root, n=fatal: imported(root, Steps(n)), tmp_path / "log")  # type: ignore[misc]
        assert code == -9, f"step {fatal} ({labels[fatal]}): {(tmp_path / 'log').read_text()}"
        assert git(root / "solo", "fsck", "--strict", "--no-dangling") == ""
        for lock in (root / "solo" / ".git").glob("*.lock"):
            os.unlink(lock)
        imported(root)
        assert left(root) == expected, f"killed before step {fatal} ({labels[fatal]})"
        shutil.rmtree(root)
