"""Eight processes register and promote in one registry at once: nothing is lost, nothing is there twice.

The races are those of ``benchmarks/concurrency.py``, which runs 500 operations each way; here they are fewer, for the
sake of time. ``pytest -s`` shows the figures.
"""

from __future__ import annotations

from pathlib import Path

import concurrency
import pytest

from gitreg.adapters.git.line import NAME


@pytest.mark.parametrize(
    ("way", "operations"), [("direct", 24), ("requests", 10), ("clone", 10), ("checkout", 10)]
)
def test_nothing_is_lost_in_a_race(tmp_path: Path, way: str, operations: int) -> None:
    ground = concurrency.prepare(tmp_path / way, way, 8)
    for folder in {desk / ".git" for desk in ground.desks if way in ("clone", "checkout")}:
        (folder / NAME).mkdir()  # those who write through one git folder would stand in line, and meet nobody
    race = concurrency.run(ground, operations)
    print(f"\n{race.figures()}")
    assert race.operations == operations
    assert concurrency.problems(race) == []
    assert sum(race.retries), "nobody met anybody"


def test_a_loss_is_noticed(tmp_path: Path) -> None:
    """The proof proves something: an operation that left no trace is found, and so is a commit that is gone."""
    race = concurrency.run(concurrency.prepare(tmp_path / "race", "direct", 2), 4)
    assert concurrency.problems(race) == []
    race.accounts[0].commits.append("0" * 40)
    race.accounts[0].digests.append(f"sha256:{'0' * 64}")
    assert [line.split(",")[0] for line in concurrency.problems(race)] == ["5 operations", "5 registrations"]
    concurrency._git(race.ground.hub, "update-ref", "refs/heads/main", "main~1")
    assert [line.split(",")[2] for line in concurrency.problems(race)] == [
        " 3 on the branch",
        " 3 of them different",
    ]
