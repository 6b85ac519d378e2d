"""gitreg is killed at every step at which it touches the world, and nothing is broken, lost or there twice.

``crash_kit.py`` says what a step is, and runs them all:

    python tests/reliability/crash_kit.py

Here, for the sake of time, each run of the suite kills at every twelfth step that follows a change; which ones they are
goes round with the days. In any case a kill is at the very first step and the counting is right.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from crash_kit import STORIES, changes_something, share, telling

KIT = Path(__file__).with_name("crash_kit.py")
SOURCE = Path(__file__).parent.parent.parent
EVERY = 12


@pytest.mark.parametrize("registry", sorted({story.registry for story in STORIES.values()}))
def test_a_kill_at_any_step_leaves_nothing_broken(registry: str) -> None:
    today = datetime.now(UTC).toordinal() % EVERY
    done = subprocess.run(
        [sys.executable, os.fspath(KIT), registry, f"{today}/{EVERY}"],
        env={**os.environ, "PYTHONPATH": os.fspath(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [f"{story['story']}: {line}" for story in told for line in story["wrong"]]
    assert wrong == [], "\n".join(wrong)
    assert done.returncode == 0, done.stderr
    assert {story["story"] for story in told} == {n for n, s in STORIES.items() if s.registry == registry}
    for story in told:
        assert story["killed"], story["story"]
        assert any(changes_something(label) for label in story["steps"]), story["story"]


def test_no_step_that_follows_a_change_is_left_out() -> None:
    labels = [
        "git cat-file",
        "git hash-object",
        "os.rename a b",
        "git for-each-ref",
        "git read-tree --dry-run",
        "exit",
    ]
    assert telling(labels) == [0, 2, 3]
    thirds = [share(f"{day}/3")(labels) for day in range(3)]
    assert sorted(number for third in thirds for number in third) == telling(labels)
    assert list(share("")(labels)) == [0, 1, 2, 3, 4, 5]
    assert list(share("4")(labels)) == [4]
