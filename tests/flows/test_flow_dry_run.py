"""``--dry-run`` of the commands that work on change requests: it says what would be done, and writes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_kit import Desk, git, promote

from gitreg.flows.land import land
from gitreg.surfaces.cli.main import run


@pytest.fixture
def clone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Alice's clone, with an open change request of Dan's; nothing may be written while a test runs."""
    land(desk("dan"), promote(3, "staging"))
    monkeypatch.setenv("GITREG_SSH_KEY", os.fspath(desk.keys / "alice"))
    folder = desk.root / "alice"
    with desk.unchanged("origin.git"):
        yield folder


@pytest.mark.parametrize(
    ("command", "shows"),
    [
        (["approve", "1"], "You would sign:"),
        (["refresh", "1"], "# Promote credit-risk/3 to staging"),
        (["merge", "1"], "# Merge change #1: Promote credit-risk/3 to staging"),
        (["close", "1"], "Change #1 (open) would be closed"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_says_what_would_be_done(
    clone: Path, command: list[str], shows: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["-C", os.fspath(clone), "change", *command, "--dry-run"])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert out.startswith(shows)


def test_shows_the_statement_that_would_be_signed(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", os.fspath(clone), "change", "approve", "1", "--dry-run", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["type"] == "approve"
    assert len(said["change"]) == 64


def test_shows_the_difference_that_would_land(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", os.fspath(clone), "change", "merge", "1", "--dry-run"]) == 0
    assert "+  - {version: 3" in capsys.readouterr().out


def test_of_a_branch_made_by_hand(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(clone, "switch", "--quiet", "--create", "stricter")
    policy = clone / "policy.yaml"
    policy.write_text(policy.read_text() + "# stricter\n")
    git(clone, "commit", "--quiet", "--all", "--message", "Say it")
    assert run(["-C", os.fspath(clone), "change", "open", "stricter", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Say it")
    assert "+# stricter" in out
