"""Landing a plan: directly where something enforces the rules, else as a request; nothing twice, nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from flow_kit import (
    MAIN,
    REGISTRY,
    Desk,
    blocking,
    describe,
    git,
    landed,
    message,
    new_version,
    promote,
    proposed,
)

from gitreg.adapters.forge.local.forge import LocalForge
from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.register import NewModel, plan_model
from gitreg.core.snapshot import Snapshot
from gitreg.errors import ConfigError, LostRace, NotFound, Refused, Undecided
from gitreg.flows.land import Landed, LandingMode, Rejected, land, preview, retried
from gitreg.flows.propose import Proposed
from gitreg.flows.register import register

# Directly


def test_solo_lands_directly(solo: Desk) -> None:
    ws = solo("solo")
    before = solo.refs("solo")[MAIN]
    found = landed(ws, promote(3, "staging"))
    commit = ws.repository.commit(found.commit)
    assert solo.refs("solo") == {MAIN: found.commit}
    assert commit.parents == (before,)
    assert commit.message == "Promote credit-risk/3 to staging\n"
    assert (commit.author.name, commit.time) == ("Dan", solo.now)
    assert ws.snapshot(found.commit).stage_of("credit-risk", 3) == "staging"


def test_clean_checkout_follows(solo: Desk) -> None:
    found = landed(solo("solo"), promote(3, "staging"))
    assert found.followed
    assert git(solo.root / "solo", "status", "--porcelain") == ""
    assert "version: 3" in (solo.root / "solo/models/credit-risk/stages/staging.yaml").read_text()


@pytest.mark.parametrize("kind", ["edited", "staged", "untracked in the way"])
def test_dirty_checkout_of_a_local_hub_is_refused(solo: Desk, kind: str) -> None:
    checkout = solo.root / "solo"
    if kind == "untracked in the way":
        (checkout / "models/credit-risk/versions/3/notes.yaml").write_text("mine\n")
    else:
        with (checkout / "policy.yaml").open("a") as policy:
            policy.write("# mine\n")
        if kind == "staged":
            git(checkout, "add", "policy.yaml")
    ws = solo("solo")
    with solo.unchanged("solo"), pytest.raises(Refused, match=r"uncommitted|untracked") as error:
        landed(ws, describe("fine", 3))
    assert "commit, stash or move them away first" in message(error)


def test_dirty_local_hub_is_refused_before_anything_is_uploaded(solo: Desk) -> None:
    with (solo.root / "solo/policy.yaml").open("a") as policy:
        policy.write("# mine\n")
    with solo.unchanged("solo"), pytest.raises(Refused, match="uncommitted"):
        register(solo("solo"), new_version(solo.payload()))


def test_request_in_a_dirty_local_hub_is_fine(solo: Desk) -> None:
    with (solo.root / "solo/policy.yaml").open("a") as policy:
        policy.write("# mine\n")
    found = land(solo("solo"), promote(3, "staging"), mode=LandingMode.REQUEST)
    assert found.request.id == "1"  # type: ignore[union-attr]
    assert (solo.root / "solo/policy.yaml").read_text().endswith("# mine\n")


def test_direct_is_refused_where_nothing_enforces(desk: Desk) -> None:
    with desk.unchanged(), pytest.raises(Refused, match="nothing enforces the rules") as error:
        land(desk("dan"), describe("fine"), mode=LandingMode.DIRECT)
    assert "--direct" in message(error)


def test_direct_is_refused_on_a_hosted_forge_where_no_hook_runs(desk: Desk) -> None:
    text = REGISTRY.replace("requests", "hook").replace("provider: local", "provider: github")
    assert "provider: github" in text
    desk.commit({"gitreg.yaml": text})
    ws = desk("dan")
    ws = replace(ws, make_forge=lambda: LocalForge(ws.repository, "main"))
    with desk.unchanged(), pytest.raises(Refused, match="nothing enforces the rules"):
        land(ws, describe("fine"), mode=LandingMode.DIRECT)


def test_direct_is_for_the_kinds_in_policy(desk: Desk) -> None:
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook")})
    assert isinstance(land(desk("dan"), describe("fine"), mode=LandingMode.DIRECT), Landed)
    with desk.unchanged(), pytest.raises(Refused, match="'promote' as direct"):
        land(desk("dan"), promote(3, "staging"), mode=LandingMode.DIRECT)


def test_a_hook_registry_opens_requests_by_default(desk: Desk) -> None:
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook")})
    assert proposed(desk("dan"), describe("fine")).how == "opened"


ROLES = """\
roles:
  writers: {members: [everybody], may: [annotate]}
"""


def test_direct_landing_is_for_those_with_a_role(desk: Desk) -> None:
    """Nobody signs an opening where nothing is opened: whose key signs for this person says who they are."""
    policy = f"{desk.show('policy.yaml')}\n{ROLES}".replace(
        "[annotate]\nstages", "[annotate, promote]\nstages"
    )
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook"), "policy.yaml": policy})
    assert isinstance(land(desk("dan"), describe("fine"), mode=LandingMode.DIRECT), Landed)
    with desk.unchanged(), pytest.raises(Rejected, match="may not propose a change of the kind promote"):
        land(desk("dan"), promote(3, "staging"), mode=LandingMode.DIRECT)
    for stranger in (None, "mallory"):
        with desk.unchanged(), pytest.raises((Rejected, Undecided), match="GR308"):
            land(desk("dan", key=stranger), describe("other"), mode=LandingMode.DIRECT)


def test_direct_landing_is_verified(solo: Desk) -> None:
    for path in solo.artifacts.rglob("*"):
        if path.is_file():
            path.unlink()
    with solo.unchanged("solo"), pytest.raises(Rejected, match="GR501") as error:
        landed(solo("solo"), promote(3, "staging"))
    assert blocking(error.value.findings) == ["GR501"]


def test_what_cannot_be_checked_does_not_land(solo: Desk) -> None:
    (solo.root / "artifacts").rename(solo.root / "elsewhere")
    with pytest.raises(Undecided, match="GR501"):
        landed(solo("solo"), promote(3, "staging"))


# Where allowed


WHERE_ALLOWED = LandingMode.WHERE_ALLOWED


def new_model(name: str) -> Callable[[Snapshot], Plan]:
    return lambda snapshot: plan_model(snapshot, name, NewModel())


def edit_checkout(solo: Desk, policy: str) -> None:
    """The one person changes their policy by hand."""
    (solo.root / "solo/policy.yaml").write_text(policy)
    git(solo.root / "solo", "commit", "-q", "-a", "-m", "by hand")


def test_where_allowed_one_person_lands_all_kinds_directly(solo: Desk) -> None:
    ws = solo("solo")
    for make_plan in (describe("fine"), promote(3, "staging"), promote(3, "production"), new_model("churn")):
        assert isinstance(land(ws, make_plan, WHERE_ALLOWED), Landed)
    assert isinstance(register(solo("solo"), new_version(solo.payload()), WHERE_ALLOWED), Landed)


def test_where_allowed_what_needs_an_approval_becomes_a_request(solo: Desk) -> None:
    """Into production somebody must let it; into staging, beside it, nobody."""
    policy = (solo.root / "solo/policy.yaml").read_text()
    guarded = policy.replace("holds: 1,", "holds: 1, approvals: [{group: bosses, count: 1}],")
    edit_checkout(solo, guarded + "groups: {bosses: [alice]}\npeople: [{id: alice, email: a@example.com}]\n")
    ws = solo("solo")
    assert isinstance(land(ws, promote(3, "staging"), WHERE_ALLOWED), Landed)
    before = solo.refs("solo")[MAIN]
    found = land(ws, promote(3, "production"), WHERE_ALLOWED)
    assert isinstance(found, Proposed)
    assert set(blocking(found.findings)) == {"GR401"}
    assert solo.refs("solo")[MAIN] == before


def test_where_allowed_what_is_not_direct_becomes_a_request(desk: Desk) -> None:
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook")})
    assert isinstance(land(desk("dan"), describe("fine"), WHERE_ALLOWED), Landed)
    before = desk.refs()[MAIN]
    assert isinstance(land(desk("dan"), promote(3, "staging"), WHERE_ALLOWED), Proposed)
    assert isinstance(register(desk("dan"), new_version(desk.payload()), WHERE_ALLOWED), Proposed)
    assert desk.refs()[MAIN] == before


def test_where_allowed_all_becomes_requests_where_nothing_enforces(desk: Desk) -> None:
    before = desk.refs()[MAIN]
    assert isinstance(land(desk("dan"), describe("fine"), WHERE_ALLOWED), Proposed)
    assert isinstance(land(desk("dan"), promote(3, "staging"), WHERE_ALLOWED), Proposed)
    assert desk.refs()[MAIN] == before


def test_where_allowed_a_plan_of_several_kinds_goes_as_its_strictest(desk: Desk) -> None:
    """What counts is what a plan does, not what it is called."""
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook")})

    def as_a_note(snapshot: Snapshot) -> Plan:
        return replace(promote(3, "staging")(snapshot), kind="annotate")

    assert isinstance(land(desk("dan"), as_a_note, WHERE_ALLOWED), Proposed)


def test_where_allowed_what_the_rules_forbid_is_no_request(solo: Desk) -> None:
    for path in solo.artifacts.rglob("*"):
        if path.is_file():
            path.unlink()
    with solo.unchanged("solo"), pytest.raises(Rejected, match="GR501"):
        land(solo("solo"), promote(3, "staging"), WHERE_ALLOWED)


# As a change request


def test_request_is_opened(desk: Desk) -> None:
    before = desk.refs()
    found = proposed(desk("dan"), promote(3, "staging"))
    after = desk.refs()
    assert (found.how, found.request.id, found.request.title) == (
        "opened",
        "1",
        "Promote credit-risk/3 to staging",
    )
    assert after.keys() - before.keys() == {f"refs/heads/{found.plan.branch}", "refs/gitreg/requests/1"}
    assert after[MAIN] == before[MAIN]
    assert git(desk.origin, "rev-parse", f"{found.request.head}^") == before[MAIN]
    assert found.findings == ()


def test_opening_needs_no_key_but_then_nobody_knows_who(desk: Desk) -> None:
    found = proposed(desk("bo", key=None), promote(2, "production"))
    assert found.request.author is None
    assert blocking(found.findings) == ["GR401", "GR401"]


def test_second_run_adopts(desk: Desk) -> None:
    first = proposed(desk("dan"), promote(3, "staging"))
    with desk.unchanged():
        second = proposed(desk("dan"), promote(3, "staging"))
        third = proposed(desk("bo"), promote(3, "staging"))
    assert (second.how, third.how) == ("adopted", "adopted")
    assert second.request.head == third.request.head == first.request.head


def test_adopted_when_the_base_moved_elsewhere(desk: Desk) -> None:
    first = proposed(desk("dan"), promote(3, "staging"))
    desk.commit({"README.md": "unrelated\n"})
    again = proposed(desk("dan"), promote(3, "staging"))
    assert (again.how, again.request.head) == ("adopted", first.request.head)


def test_planned_again_after_the_base_moved_under_it(desk: Desk) -> None:
    ws = desk("dan")
    first = register(ws, new_version(desk.payload(b"mine\n")))
    assert first.plan.title == "Register credit-risk/4"  # type: ignore[union-attr]
    other = register(desk("bo"), new_version(desk.payload(b"theirs\n")))
    land_request(desk, other.request.id)  # type: ignore[union-attr]
    again = register(desk("dan"), new_version(desk.payload(b"mine\n")))
    assert (again.how, again.plan.title) == ("renewed", "Register credit-risk/5")  # type: ignore[union-attr]
    assert again.request.id == first.request.id  # type: ignore[union-attr]
    assert again.request.branch == first.request.branch  # type: ignore[union-attr]


def land_request(desk: Desk, id: str) -> None:
    from gitreg.flows.change import merge

    merge(desk("alice"), id)


def test_foreign_commits_on_the_branch_are_kept(desk: Desk) -> None:
    first = proposed(desk("dan"), promote(3, "staging"))
    desk.commit({"README.md": "more\n"}, person="bo", branch=first.request.branch)
    with desk.unchanged(), pytest.raises(Refused, match="commits that gitreg did not make") as error:
        land(desk("dan"), promote(3, "staging"))
    assert "close its change request" in message(error)


def test_a_branch_without_request_is_taken_over_only_if_it_is_gitregs(desk: Desk) -> None:
    plan = preview(desk("dan"), promote(3, "staging"))
    desk.commit({"a": "1"}, branch=plan.branch)
    desk.commit({"b": "2"}, branch=plan.branch)
    with desk.unchanged(), pytest.raises(Refused, match="gitreg did not make"):
        land(desk("dan"), promote(3, "staging"))


def test_nothing_to_do(desk: Desk) -> None:
    with desk.unchanged(), pytest.raises(NothingToDo) as error:
        land(desk("dan"), promote(2, "staging"))
    assert error.value.exit_code == 0


def test_unknown_version(desk: Desk) -> None:
    with desk.unchanged(), pytest.raises(NotFound):
        land(desk("dan"), promote(9, "staging"))


def test_checkout_of_a_clone_is_not_touched(desk: Desk) -> None:
    checkout = desk.root / "dan"
    (checkout / "policy.yaml").write_text("# mine\n")
    git(checkout, "add", "policy.yaml")
    (checkout / "new.txt").write_text("mine\n")
    before = git(checkout, "status", "--porcelain"), git(checkout, "rev-parse", "HEAD")
    proposed(desk("dan"), promote(3, "staging"))
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook")}, person="bo")
    assert not landed(desk("dan"), describe("fine"), mode=LandingMode.DIRECT).followed
    assert (git(checkout, "status", "--porcelain"), git(checkout, "rev-parse", "HEAD")) == before


def test_clean_checkout_of_a_clone_follows(desk: Desk) -> None:
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook")}, person="bo")
    found = landed(desk("dan"), describe("fine"), mode=LandingMode.DIRECT)
    assert found.followed
    assert git(desk.root / "dan", "rev-parse", "HEAD") == found.commit == desk.refs()[MAIN]
    assert git(desk.root / "dan", "status", "--porcelain") == ""


def test_nobody_known_to_git_lands_nothing(desk: Desk) -> None:
    for key in ("user.name", "user.email"):
        git(desk.root / "dan", "config", "--unset", key)
    with desk.unchanged(), pytest.raises(ConfigError, match="who you are"):
        land(desk("dan"), promote(3, "staging"))


def test_unreachable_origin(desk: Desk) -> None:
    desk.origin.rename(desk.root / "gone.git")
    with pytest.raises(Undecided, match="could not be reached"):
        land(desk("dan"), promote(3, "staging"))


# Dry run


@pytest.mark.parametrize("folder", ["dan", "alice"])
def test_dry_run_writes_nothing(desk: Desk, folder: str) -> None:
    count = git(desk.root / folder, "count-objects", "-v")
    with desk.unchanged("origin.git", folder):
        shown = preview(desk(folder), promote(2, "production"))
    assert git(desk.root / folder, "count-objects", "-v") == count
    assert "+  - {version: 2" in shown.diff
    assert "risk-owners" in shown.body
    assert shown.title == "Promote credit-risk/2 to production"


def test_dry_run_of_a_registration_uploads_nothing(desk: Desk) -> None:
    with desk.unchanged("origin.git", "dan"):
        shown = register(desk("dan"), new_version(desk.payload()), dry_run=True)
    assert "versions/4/version.yaml" in shown.diff  # type: ignore[union-attr]


# Races


def test_two_clones_register_at_once(desk: Desk) -> None:
    """Direct landings from several processes' worth of clones: each gets a number of its own."""
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook"), "policy.yaml": direct_policy(desk)})
    works = [desk(person) for person in ("alice", "bo", "dan")]
    news = [new_version(desk.payload(f"bytes of {n}\n".encode())) for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = list(
            pool.map(lambda pair: register(*pair, mode=LandingMode.DIRECT), zip(works, news, strict=True))
        )
    assert sorted(one.plan.title for one in found) == [f"Register credit-risk/{n}" for n in (4, 5, 6)]
    snapshot = desk.now_on()
    records = [snapshot.demand_record("credit-risk", number) for number in (4, 5, 6)]
    assert len({record.artifact.digest for record in records}) == 3


def direct_policy(desk: Desk) -> str:
    policy = desk.show("policy.yaml")
    assert policy is not None
    return policy.replace("direct: [annotate]", "direct: [annotate, register]") + "\n"


def test_two_processes_open_requests_at_once(desk: Desk) -> None:
    """The command in two processes: the requests get distinct numbers, and each its own branch."""
    commands = [
        [
            *(sys.executable, "-m", "gitreg", "-C", os.fspath(desk.root / person)),
            *("register", "credit-risk", desk.payload(person.encode() * 9), "--metric", "roc_auc=0.9"),
        ]
        for person in ("dan", "bo")
    ]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]
    printed = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], printed
    requests = {ref for ref in desk.refs() if ref.startswith("refs/gitreg/requests/")}
    assert requests == {"refs/gitreg/requests/1", "refs/gitreg/requests/2"}
    assert len([ref for ref in desk.refs() if ref.startswith("refs/heads/gitreg/")]) == 2


def test_lost_race_is_planned_again(desk: Desk) -> None:
    """Somebody lands between the plan and the push, so the plan is made again, on what is there then."""
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook"), "policy.yaml": direct_policy(desk)})
    ws, seen = desk("dan"), []

    def make_plan(snapshot):  # type: ignore[no-untyped-def]
        seen.append(snapshot.commit)
        if len(seen) == 1:
            desk.commit({"README.md": "meanwhile\n"}, person="bo")
        return describe("fine")(snapshot)

    found = landed(ws, make_plan, mode=LandingMode.DIRECT)
    assert len(seen) == 2
    assert git(desk.origin, "rev-parse", f"{found.commit}^") == seen[1]
    assert desk.show("README.md") == "meanwhile"


def test_a_race_against_nobody_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves, so something is in the way: a lock that a git left behind when it died, say."""
    monkeypatch.setattr("gitreg.flows.land.STANDSTILLS", 2)
    ws = desk("dan")
    lock = desk.origin / "refs" / "heads" / "main.lock"
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook"), "policy.yaml": direct_policy(desk)})
    lock.touch()
    with desk.unchanged(), pytest.raises(LostRace, match="refs/heads/main"):
        land(ws, describe("fine"), mode=LandingMode.DIRECT)
    lock.unlink()
    assert landed(ws, describe("fine"), mode=LandingMode.DIRECT)


def test_a_race_against_quicker_ones_is_run_until_it_is_won(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sits far from the hub loses often while others are busy; it is never told to try again by hand."""
    desk.commit({"gitreg.yaml": REGISTRY.replace("requests", "hook"), "policy.yaml": direct_policy(desk)})
    monkeypatch.setattr("gitreg.flows.land.STANDSTILLS", 2)
    ws, attempts = desk("dan"), []

    def make_plan(snapshot):  # type: ignore[no-untyped-def]
        attempts.append(snapshot.commit)
        if len(attempts) < 5:
            desk.commit({"README.md": f"{len(attempts)}\n"}, person="bo")
        return describe("fine")(snapshot)

    assert landed(ws, make_plan, mode=LandingMode.DIRECT)
    assert len(set(attempts)) == 5


def test_races_are_lost_only_so_often(solo: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitreg.flows.land.ATTEMPTS", 30)
    ws, attempts = solo("solo"), []

    def lose() -> None:
        attempts.append(1)
        git(solo.root / "solo", "update-ref", f"refs/heads/other-{len(attempts)}", "HEAD")
        raise LostRace("again")

    with pytest.raises(LostRace):
        retried(ws, lose)
    assert len(attempts) == 30


# Objects of another hash


def test_sha256_repository(desk: Desk, tmp_path: Path) -> None:
    """What was planned in memory is the change that is signed and judged, whatever git hashes with."""
    from flow_kit import fast_import, store_object, story

    from gitreg.flows.change import approve, merge

    policy = desk.show("policy.yaml")
    assert policy is not None
    folder = tmp_path / "sha256" / "dan"
    folder.parent.mkdir()
    git(folder.parent, "init", "-q", "--object-format=sha256", "--initial-branch=main", os.fspath(folder))
    fast_import(folder, story(policy))
    git(folder, "config", "user.name", "Dan")
    git(folder, "config", "user.email", "dan@example.com")
    git(folder, "checkout", "-q", "--detach", "main")
    for number in (1, 2, 3):
        from flow_kit import bytes_of

        store_object(folder.parent / "artifacts", bytes_of(number))
    other = Desk(folder.parent, desk.keys)
    found = proposed(other("dan"), promote(2, "production"))
    assert blocking(found.findings) == ["GR401"]
    assert found.request.change_id == proposed(other("dan"), promote(2, "production")).request.change_id
    approve(other("dan", key="alice"), "1")
    merge(other("dan"), "1")
    other.close()


def test_create_and_register_in_one_change(desk: Desk) -> None:
    found = register(desk("dan"), new_version(desk.payload(), "churn", create=NewModel(title="Churn")))
    assert found.plan.title == "Register churn/1"  # type: ignore[union-attr]
    assert blocking(found.findings) == []  # type: ignore[union-attr]
