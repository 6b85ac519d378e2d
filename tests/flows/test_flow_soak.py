"""Soak: a version has stood in a stage all through a period, as the branch's first-parent line shows."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from flow_kit import SOLO_POLICY, Desk, blocking, describe, git, landed, message, promote, proposed

from gitreg.core.findings import Finding, Outcome
from gitreg.core.plan.transition import plan_demote
from gitreg.errors import Undecided
from gitreg.flows.change import merge
from gitreg.flows.land import Landed, LandingMode, Rejected, land
from gitreg.flows.verify import verify
from gitreg.wiring import Options


@pytest.fixture
def soaking(solo: Desk) -> Iterator[Desk]:
    """A registry for one person, where production takes a day in staging; version 3 has just entered it."""
    policy = SOLO_POLICY.replace("holds: 1,", "holds: 1, soak: {in: staging, for: 24h},")
    (solo.root / "solo/policy.yaml").write_text(policy)
    git(solo.root / "solo", "commit", "-q", "-a", "-m", "Soak")
    landed(solo("solo"), promote(3, "staging"))
    yield solo
    solo.close()


def attempt(desk: Desk, version: int = 3) -> str:
    """What becomes of a promotion to production."""
    try:
        found = land(desk("solo"), promote(version, "production"))
    except Rejected as error:
        return " ".join(blocking(error.findings))
    assert isinstance(found, Landed)
    return "landed"


def test_too_early(soaking: Desk) -> None:
    soaking.later(hours=23, minutes=59)
    with (
        soaking.unchanged("solo"),
        pytest.raises(Rejected, match="has not been in staging for 1 day") as error,
    ):
        land(soaking("solo"), promote(3, "production"))
    assert "wait" in message(error)


def test_long_enough(soaking: Desk) -> None:
    soaking.later(hours=24)
    assert attempt(soaking) == "landed"


def test_other_changes_do_not_interrupt(soaking: Desk) -> None:
    soaking.later(hours=12)
    landed(soaking("solo"), describe("fine", 3))
    soaking.later(hours=12)
    assert attempt(soaking) == "landed"


def test_a_break_begins_it_anew(soaking: Desk) -> None:
    soaking.later(hours=12)
    landed(soaking("solo"), lambda s: plan_demote(s, "credit-risk", 3, "none"))
    soaking.later(minutes=1)
    landed(soaking("solo"), promote(3, "staging"))
    soaking.later(hours=12)
    assert attempt(soaking) == "GR306"
    soaking.later(hours=12)
    assert attempt(soaking) == "landed"


def test_a_break_in_mid_window_counts_whoever_is_back_at_its_ends(soaking: Desk) -> None:
    """The stage file at the window's begin and end may be alike; in between it was not."""
    path = "models/credit-risk/stages/staging.yaml"
    checkout = soaking.root / "solo"
    before = (checkout / path).read_text()
    soaking.later(days=3)
    for text in (before.replace("serial: ", "serial: 9"), before):
        (checkout / path).write_text(text)
        git_at(soaking, "commit", "-q", "-a", "-m", "x")
    assert attempt(soaking) == "GR306"


def git_at(desk: Desk, *args: str) -> None:
    """Plain git at the desk's moment."""
    moment = f"@{int(desk.now.timestamp())} +0000"
    dates = {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
    subprocess.run(["git", *args], cwd=desk.root / "solo", env=os.environ | dates, check=True)


def test_a_merged_branch_counts_from_its_merge(desk: Desk) -> None:
    """The commit on the branch is two days old, but it has been live for an hour."""
    policy = desk.show("policy.yaml")
    assert policy is not None
    text = policy.replace("    holds: 1", "    soak: {in: staging, for: 24h}\n    holds: 1") + "\n"
    desk.now = desk.now.replace(month=11, day=29)
    desk.commit({"policy.yaml": text})
    proposed(desk("dan"), promote(3, "staging"))
    desk.later(days=2)
    merge(desk("bo"), "1")
    desk.later(hours=1)
    found = proposed(desk("dan"), promote(3, "production"))
    assert "GR306" in blocking(found.findings)
    desk.later(hours=23)
    found = proposed(desk("dan"), promote(3, "production"))
    assert "GR306" not in blocking(found.findings)


def test_never_been_there(soaking: Desk) -> None:
    soaking.later(days=30)
    landed(soaking("solo"), lambda s: plan_demote(s, "credit-risk", 1, "none"))
    with pytest.raises(Rejected, match="credit-risk/1 has not been in staging"):
        land(soaking("solo"), promote(1, "production"))


@pytest.mark.parametrize(("depth", "outcome"), [(1, Outcome.UNDECIDED), (50, None)])
def test_shallow_clone(soaking: Desk, depth: int, outcome: Outcome | None) -> None:
    """Where history is cut off within the window nobody can tell."""
    soaking.later(hours=36)
    (soaking.root / "solo/README.md").write_text("later\n")
    git(soaking.root / "solo", "add", "README.md")
    git_at(soaking, "commit", "-q", "-m", "later")
    git(soaking.root, "clone", "-q", f"--depth={depth}", (soaking.root / "solo").as_uri(), "shallow")
    soaking.later(hours=1)
    ws = soaking.work(Options(os.fspath(soaking.root / "shallow")))
    git(soaking.root / "shallow", "config", "user.name", "Dan")
    git(soaking.root / "shallow", "config", "user.email", "dan@example.com")
    found = land(ws, promote(3, "production"), mode=LandingMode.REQUEST)
    soak: list[Finding] = [finding for finding in found.findings if finding.rule == "GR306"]  # type: ignore[union-attr]
    assert [finding.outcome for finding in soak] == ([outcome] if outcome else [])
    if outcome:
        assert "shallow" in soak[0].message
        with pytest.raises(Undecided, match="is undecided"):
            land(ws, promote(3, "production"), mode=LandingMode.DIRECT)


def test_shallow_clone_that_reaches_behind_the_window(soaking: Desk) -> None:
    """It need not be whole: the window alone is walked."""
    landed_at = soaking.now
    soaking.later(hours=25)
    git(soaking.root, "clone", "-q", "--depth=1", (soaking.root / "solo").as_uri(), "shallow")
    ws = soaking.work(Options(os.fspath(soaking.root / "shallow")))
    assert ws.repository.commit(ws.tip()).time == landed_at
    git(soaking.root / "shallow", "config", "user.name", "Dan")
    git(soaking.root / "shallow", "config", "user.email", "dan@example.com")
    assert land(ws, promote(3, "production"), mode=LandingMode.REQUEST).findings == ()  # type: ignore[union-attr]


def test_verify_of_a_shallow_branch(desk: Desk) -> None:
    """Where two branches part is not known in a clone of depth one: undecided, never a guess."""
    proposed(desk("dan"), promote(3, "staging"))
    desk.commit({"README.md": "more\n"})
    shallow = desk.root / "shallow"
    git(desk.root, "clone", "-q", "--depth=1", "--no-single-branch", desk.origin.as_uri(), "shallow")
    ws = desk.work(Options(os.fspath(shallow)))
    branch = next(ref for ref in desk.refs() if ref.startswith("refs/heads/gitreg/"))
    with pytest.raises(Undecided, match="shallow") as error:
        verify(ws, ws.tip(), desk.refs()[branch])
    assert "--unshallow" in message(error)
    git(shallow, "fetch", "-q", "--unshallow")
    assert verify(ws, ws.tip(), desk.refs()[branch]).findings == ()
