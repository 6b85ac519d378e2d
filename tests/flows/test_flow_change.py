"""The life of a change request: whose approval counts, of what, for how long; and how it ends."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flow_kit import MAIN, NOW, Desk, blocking, describe, git, landed, message, new_version, promote, proposed

from gitreg.core.findings import Outcome
from gitreg.core.plan.evidence import NewEvidence, plan_evidence
from gitreg.core.plan.plan import NothingToDo
from gitreg.core.plan.transition import plan_demote
from gitreg.core.policy import login_address
from gitreg.core.ports import ArtifactStore, Identity, RefUpdate
from gitreg.core.verify.approvals import approval_statement, evidence_digests
from gitreg.errors import ConfigError, NotFound, Refused, Undecided
from gitreg.flows.change import Overtaken, approve, close, merge, open_branch, refresh, verify_request
from gitreg.flows.land import Landed, LandingMode, Rejected, land
from gitreg.flows.propose import Proposed
from gitreg.flows.register import register
from gitreg.surfaces.cli.main import run


@pytest.fixture
def request_(desk: Desk) -> Proposed:
    """Bo asks for version 2 to go live, which takes Alice's approval."""
    return proposed(desk("bo"), promote(2, "production"))


def why_not(desk: Desk, id: str = "1") -> list[str]:
    """What verify says of a request's approvals, warnings too."""
    return [
        finding.message for finding in verify_request(desk("dan"), id).findings if finding.rule == "GR401"
    ]


def merged(desk: Desk, id: str = "1") -> str:
    return merge(desk("bo"), id).commit


# Whose approval counts


def test_needs_an_approval(desk: Desk, request_: Proposed) -> None:
    assert why_not(desk) == ["entering production needs 1 approval of risk-owners, and has 0"]
    with desk.unchanged(), pytest.raises(Rejected, match="GR401"):
        merge(desk("bo"), "1")


def test_a_signed_approval_counts(desk: Desk, request_: Proposed) -> None:
    ref = approve(desk("alice"), "1")
    assert ref in desk.refs()
    assert ref.startswith(f"refs/gitreg/approvals/{request_.request.change_id}/")
    assert blocking(verify_request(desk("dan"), "1").findings) == []


def test_who_is_in_no_group_is_heard_but_not_counted(desk: Desk, request_: Proposed) -> None:
    approve(desk("dan"), "1")
    assert why_not(desk) == [
        "entering production needs 1 approval of risk-owners, and has 0",
        "the approval of dan does not count: dan is in no group that is asked (risk-owners)",
    ]


def test_own_approval_is_refused(desk: Desk) -> None:
    proposed(desk("alice"), promote(2, "production"))
    with desk.unchanged(), pytest.raises(Refused, match="your own change") as error:
        approve(desk("alice"), "1")
    assert "somebody else" in message(error)


def test_own_approval_does_not_count_however_it_came(desk: Desk) -> None:
    found = proposed(desk("alice"), promote(2, "production"))
    state_by_hand(desk, "alice", found)
    assert why_not(desk)[0] == "entering production needs 1 approval of risk-owners, and has 0"
    assert "it is the author's own" in why_not(desk)[1]


def state_by_hand(desk: Desk, person: str, found: Proposed, **other: object) -> str:
    """Files an approval as the flow does, without what the flow refuses."""
    ws = desk(person)
    verdict = verify_request(ws, found.request.id)
    judged = verdict.judged
    digests = evidence_digests(judged.head, judged.delta, judged.policy)
    body = approval_statement(judged.evidence, digests, desk.now, desk.now + timedelta(days=1)) | other
    assert ws.signer is not None
    return ws.forge.state(found.request.change_id, body, ws.signer, desk.now)


def test_nobody_approves_what_was_opened_for_them(desk: Desk) -> None:
    """A server opens requests for its users: the signature is its own, and they are the commits' authors."""
    server = desk("bo")
    server.find_author = lambda base: Identity("alice", "Alice+mlflow@example.com")
    found = proposed(server, promote(2, "production"))
    with desk.unchanged(), pytest.raises(Refused, match="your own change"):
        approve(desk("alice"), "1")
    state_by_hand(desk, "alice", found)
    assert why_not(desk)[0] == "entering production needs 1 approval of risk-owners, and has 0"
    assert "it is the commit author's own" in why_not(desk)[1]
    with pytest.raises(Rejected, match="GR401"):
        merge(desk("bo"), "1")


@pytest.mark.parametrize("login", ["alice", "Alice", "ALICE@example.com"])
def test_nobody_approves_what_they_asked_a_server_for(desk: Desk, login: str) -> None:
    """The policy may have no address of theirs, and a login may be spelled otherwise."""
    text = desk.show("policy.yaml") or ""
    desk.commit({"policy.yaml": text.replace("{id: alice, email: alice@example.com,", "{id: alice,")})
    if "@" in login:
        desk.commit({"policy.yaml": text})
    server = desk("bo")
    server.find_author = lambda base: Identity(login, login_address(login))
    proposed(server, promote(2, "production"))
    with desk.unchanged(), pytest.raises(Refused, match="your own change"):
        approve(desk("alice"), "1")


def test_unknown_key_is_refused(desk: Desk, request_: Proposed) -> None:
    with desk.unchanged(), pytest.raises(Refused, match=r"nobody's in policy.yaml") as error:
        approve(desk("alice", key="mallory"), "1")
    assert "--key" in message(error)


def test_unknown_key_does_not_count_however_it_came(desk: Desk, request_: Proposed) -> None:
    ws = desk("alice", key="mallory")
    judged = verify_request(ws, "1").judged
    body = approval_statement(judged.evidence, [], desk.now, desk.now + timedelta(days=1))
    assert ws.signer is not None
    ws.forge.state(request_.request.change_id, body, ws.signer, desk.now)
    assert why_not(desk)[0] == "entering production needs 1 approval of risk-owners, and has 0"
    assert "nobody's in the base's policy" in why_not(desk)[1]


def with_a_bot(desk: Desk) -> Desk:
    """Bo is a program, and one of the risk owners."""
    policy = desk.show("policy.yaml")
    assert policy is not None
    bot = policy.replace("{id: bo, ", "{id: bo, bot: true, ").replace("[alice]", "[alice, bo]")
    desk.commit({"policy.yaml": bot.replace("ml-platform: [bo]", "ml-platform: [alice]") + "\n"})
    return desk


def test_a_bot_cannot_approve(desk: Desk) -> None:
    proposed(with_a_bot(desk)("dan"), promote(2, "production"))
    with (
        desk.unchanged(),
        pytest.raises(Refused, match="the bot bo, so your approval would not count") as error,
    ):
        approve(desk("bo"), "1")
    assert "a key of your own" in message(error)


def test_a_bots_approval_does_not_count_however_it_came(desk: Desk) -> None:
    request = proposed(with_a_bot(desk)("dan"), promote(2, "production")).request
    ws = desk("bo")
    judged = verify_request(ws, "1").judged
    body = approval_statement(judged.evidence, [], desk.now, desk.now + timedelta(days=1))
    assert ws.signer is not None
    ws.forge.state(request.change_id, body, ws.signer, desk.now)
    assert why_not(desk) == [
        "entering production needs 1 approval of risk-owners, and has 0",
        "a statement of bo does not count: it is a bot's",
    ]


def test_a_bot_proposes_and_a_human_approves(desk: Desk) -> None:
    proposed(with_a_bot(desk)("bo"), promote(2, "production"))
    approve(desk("alice"), "1")
    merged(desk, "1")


def test_no_key_at_all(desk: Desk, request_: Proposed) -> None:
    with desk.unchanged(), pytest.raises(ConfigError, match="no SSH key") as error:
        approve(desk("alice", key=None), "1")
    assert "--key FILE" in message(error)


def test_persons_are_counted_not_statements(desk: Desk) -> None:
    policy = desk.show("policy.yaml")
    assert policy is not None
    desk.commit({"policy.yaml": policy.replace("count: 1, expire: 14d", "count: 2, expire: 14d") + "\n"})
    proposed(desk("bo"), promote(2, "production"))
    approve(desk("alice"), "1")
    desk.later(minutes=1)
    approve(desk("alice"), "1")
    assert why_not(desk) == ["entering production needs 2 approvals of risk-owners, and has 1 (alice)"]


def test_persons_are_counted_not_keys(desk: Desk, public_keys: dict[str, str]) -> None:
    policy = desk.show("policy.yaml")
    assert policy is not None
    alice = f'keys: ["{public_keys["alice"]}"'
    two = policy.replace(alice, f'{alice}, "{public_keys["mallory"]}"').replace(
        "count: 1, expire: 14d", "count: 2"
    )
    desk.commit({"policy.yaml": two.replace("[alice]", "[alice, dan]") + "\n"})
    proposed(desk("bo"), promote(2, "production"))
    approve(desk("alice"), "1")
    approve(desk("alice", key="mallory"), "1")
    assert why_not(desk) == [
        "entering production needs 2 approvals of risk-owners, and has 1 (alice)",
        "alice approved with 2 keys; persons are counted, so that is one approval",
    ]


# Of what, and for how long


def test_unrelated_move_of_the_base_keeps_an_approval(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1")
    desk.commit({"README.md": "unrelated\n"})
    register(desk("dan"), new_version(desk.payload()))
    merged(desk, "2")
    assert blocking(verify_request(desk("dan"), "1").findings) == []


def test_policy_change_on_the_base_voids(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1")
    policy = desk.show("policy.yaml")
    assert policy is not None
    desk.commit({"policy.yaml": policy + "\n# stricter days ahead\n"})
    found = why_not(desk)
    assert "has 0" in found[0]
    assert "the policy has changed since" in found[1]


def test_new_evidence_voids(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1")
    new = NewEvidence("holdout", "holdout", "sha256:" + "d" * 64, {"roc_auc": 0.1}, desk("dan").identity, NOW)
    proposed(desk("dan"), lambda snapshot: plan_evidence(snapshot, "credit-risk", 2, new))
    merged(desk, "2")
    assert "the evidence has changed since" in why_not(desk)[1]


def test_refresh_voids(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1")
    overtake(desk)
    again = refresh(desk("bo"), "1")
    assert (again.how, again.request.id, again.request.branch) == ("renewed", "1", request_.request.branch)
    assert again.request.opened_at == request_.request.opened_at
    assert why_not(desk) == ["entering production needs 1 approval of risk-owners, and has 0"]


def overtake(desk: Desk) -> None:
    """Version 3 goes to staging, so that staging.yaml on the base is another one."""
    land_request = proposed(desk("dan"), promote(3, "staging"))
    merged(desk, land_request.request.id)


def test_expired(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1", valid_for=timedelta(hours=2))
    desk.later(hours=1)
    assert why_not(desk) == []
    desk.later(hours=1)
    assert "it expired at 2026-12-01T14:00:00Z" in why_not(desk)[1]


def test_too_old_for_the_policy(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1")
    desk.later(days=14)
    assert why_not(desk) == [
        "entering production needs 1 approval of risk-owners, and has 0",
        "the approval of alice does not count for entering production: it is of 2026-12-01T12:00:00Z, and counts for"
        " 14 days",
    ]


def test_dated_in_the_future(desk: Desk, request_: Proposed) -> None:
    desk.now += timedelta(hours=1)
    state_by_hand(desk, "alice", request_)
    desk.now -= timedelta(hours=1)
    assert "dated in the future" in why_not(desk)[1]


def test_revoked_and_given_again(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1")
    desk.later(minutes=1)
    approve(desk("alice"), "1", revoke=True)
    assert "it was revoked at 2026-12-01T12:01:00Z" in why_not(desk)[1]
    desk.later(minutes=1)
    approve(desk("alice"), "1")
    assert blocking(verify_request(desk("dan"), "1").findings) == []


def test_somebody_else_cannot_revoke(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1")
    desk.later(minutes=1)
    approve(desk("dan"), "1", revoke=True)
    assert blocking(verify_request(desk("dan"), "1").findings) == []


def test_an_approval_of_one_change_is_none_of_another(desk: Desk, request_: Proposed) -> None:
    ref = approve(desk("alice"), "1")
    merged(desk)
    other = proposed(desk("bo"), promote(1, "staging"))
    merged(desk, other.request.id)
    third = proposed(desk("bo"), promote(1, "production"))
    blob = desk.refs()[ref]
    stolen = f"refs/gitreg/approvals/{third.request.change_id}/{ref.split('/')[4]}/{'0' * 32}"
    ws = desk("dan")
    ws.repository.fetch()
    ws.repository.update([RefUpdate(stolen, None, blob)])
    found = why_not(desk, third.request.id)
    assert "has 0" in found[0]
    assert "it approves another change" in found[1]


def test_a_rival_request_about_the_same_change_changes_nothing(desk: Desk, request_: Proposed) -> None:
    """Somebody opens a second, unsigned one: the author of the first is still known."""
    approve(desk("alice"), "1")
    git(desk.root / "dan", "fetch", "-q", "origin", f"{request_.request.branch}:refs/heads/rival")
    rival = open_branch(desk("dan", key=None), "rival").request
    assert (rival.id, rival.change_id) == ("2", request_.request.change_id)
    assert blocking(verify_request(desk("dan"), "1").findings) == []
    assert blocking(verify_request(desk("dan"), "2").findings) == ["GR401"]
    merged(desk)


def test_approving_reads_no_artifact(desk: Desk) -> None:
    """An approval is about the change; that the bytes are there is for verify to see."""
    register(desk("bo"), new_version(desk.payload()))

    def nobody_asked(snapshot: object) -> ArtifactStore:
        raise AssertionError("the remote was opened")

    approve(replace(desk("alice"), open_store=nobody_asked), "1")


# Merging


def test_merge_commit(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1")
    desk.commit({"README.md": "unrelated\n"})
    base = desk.refs()[MAIN]
    verdict = verify_request(desk("dan"), "1")
    found = merge(desk("bo"), "1")
    assert desk.refs()[MAIN] == found.commit
    parents = git(desk.origin, "rev-parse", f"{found.commit}^@").split()
    assert parents == [base, request_.request.head]
    changed = git(desk.origin, "diff-tree", "-r", "--name-only", base, found.commit).split()
    assert changed == [change.path for change in verdict.candidate.changes]
    for change in verdict.candidate.changes:
        assert change.new is not None
        assert git(desk.origin, "rev-parse", f"{found.commit}:{change.path}") == change.new.oid
    assert desk.show("README.md") == "unrelated"
    assert f"refs/heads/{request_.request.branch}" not in desk.refs()
    over = desk("bo").forge.request("1")
    assert (over.state, over.merged_as) == ("merged", found.commit)


def test_merged_once(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1")
    merged(desk)
    for act in (approve, refresh, close, verify_request):
        with desk.unchanged(), pytest.raises(Refused, match="change #1 is merged"):
            act(desk("alice"), "1")  # type: ignore[operator]


def test_to_merge_again_does_nothing(desk: Desk, request_: Proposed) -> None:
    """Whoever was interrupted after the push, and so was told nothing, may run it again."""
    approve(desk("alice"), "1")
    first = merge(desk("bo"), "1")
    assert not first.already
    with desk.unchanged():
        again = merge(desk("alice"), "1")
    assert (again.commit, again.already) == (first.commit, True)
    assert again.followed
    assert git(desk.root / "alice", "rev-parse", "HEAD") == first.commit


def test_a_closed_request_is_not_merged(desk: Desk, request_: Proposed) -> None:
    close(desk("dan"), "1")
    with desk.unchanged(), pytest.raises(Refused, match="change #1 is closed"):
        merge(desk("bo"), "1")


def test_clean_checkout_follows_a_merge(desk: Desk) -> None:
    proposed(desk("dan"), describe("fine"))
    found = merge(desk("dan"), "1")
    assert found.followed
    assert git(desk.root / "dan", "rev-parse", "HEAD") == found.commit
    assert git(desk.root / "dan", "status", "--porcelain") == ""


def test_number_may_be_written_with_a_hash(desk: Desk) -> None:
    proposed(desk("dan"), describe("fine"))
    assert merge(desk("dan"), "#1").request.id == "1"


def test_overtaken(desk: Desk, request_: Proposed) -> None:
    approve(desk("alice"), "1")
    overtake(desk)
    with desk.unchanged(), pytest.raises(Overtaken, match=r"models/credit-risk/stages/staging.yaml") as error:
        merge(desk("bo"), "1")
    assert "gitreg change refresh 1" in message(error)
    verdict = verify_request(desk("bo"), "1")
    assert "GR201" in blocking(verdict.findings)
    assert verdict.request is not None
    assert verdict.request.id == "1"


def test_refreshed_approved_and_merged(desk: Desk, request_: Proposed) -> None:
    overtake(desk)
    refresh(desk("bo"), "1")
    approve(desk("alice"), "1")
    merged(desk)
    snapshot = desk.now_on()
    assert [snapshot.stage_of("credit-risk", number) for number in (1, 2, 3)] == [
        "archived",
        "production",
        "staging",
    ]


def test_refresh_of_what_is_not_overtaken_keeps_it(desk: Desk, request_: Proposed) -> None:
    with desk.unchanged():
        assert refresh(desk("bo"), "1").how == "adopted"


def test_refresh_takes_the_next_number(desk: Desk) -> None:
    for content in (b"one\n", b"two\n"):
        register(desk("dan"), new_version(desk.payload(content), description=content.decode()))
    merged(desk, "1")
    with pytest.raises(Overtaken):
        merged(desk, "2")
    again = refresh(desk("dan"), "2")
    assert again.plan.title == "Register credit-risk/5"
    merged(desk, "2")
    snapshot = desk.now_on()
    notes = [snapshot.notes("credit-risk", number) for number in (4, 5)]
    assert [note.description for note in notes if note] == ["one\n", "two\n"]


def test_refresh_of_what_cannot_be_done_any_more(desk: Desk) -> None:
    proposed(desk("dan"), promote(3, "staging"))
    desk.commit({"models/credit-risk/versions/3/version.yaml": None})  # against the rules, but there it is
    with desk.unchanged(), pytest.raises((NotFound, Refused)):
        refresh(desk("dan"), "1")


def test_refresh_of_what_others_have_done_meanwhile_says_to_close_it(desk: Desk) -> None:
    made = proposed(desk("dan"), promote(3, "staging"))
    desk.commit(dict(made.plan.edits))
    with desk.unchanged(), pytest.raises(NothingToDo) as error:
        refresh(desk("dan"), "1")
    assert error.value.hint == "nothing is left to ask for: gitreg change close 1"


def test_refresh_of_foreign_history(desk: Desk, request_: Proposed) -> None:
    """A branch that has nothing in common with the registry's: said at once, without a retry."""
    ws = desk("dan")
    tree = git(desk.root / "dan", "rev-parse", "origin/main^{tree}")
    orphan = ws.repository.write_commit(tree, [], "orphan\n", ws.identity, NOW)
    ref = f"refs/heads/{request_.request.branch}"
    ws.repository.update([RefUpdate(ref, request_.request.head, orphan)])
    for act in (merge, refresh):
        with desk.unchanged(), pytest.raises(Refused, match="no history in common"):
            act(desk("bo"), "1")


def test_a_request_for_another_branch_moves_nothing(desk: Desk) -> None:
    """What a request says of its target is anybody's word; the registry's branch alone is landed on."""
    ws = desk("dan")
    proposed(ws, describe("fine"))
    ws.repository.update([RefUpdate("refs/heads/release", None, desk.refs()[MAIN])])
    ref, blob = "refs/gitreg/requests/1", desk.refs()["refs/gitreg/requests/1"]
    text = git(desk.origin, "cat-file", "blob", blob).replace('"target":"main"', '"target":"release"')
    ws.repository.update([RefUpdate(ref, blob, ws.repository.write_blob(text.encode()))])
    for act in (merge, approve, refresh):
        with desk.unchanged(), pytest.raises(Refused, match="'release'"):
            act(desk("alice"), "1")  # type: ignore[operator]


def test_tampered_branch_is_judged_as_it_is(desk: Desk, request_: Proposed) -> None:
    """Approved, then pushed to: the approval is of another change, and the opening too."""
    approve(desk("alice"), "1")
    production = desk.show("models/credit-risk/stages/production.yaml", request_.request.branch)
    assert production is not None
    desk.commit(
        {"models/credit-risk/stages/production.yaml": production + "\n# me too\n"},
        branch=request_.request.branch,
    )
    with desk.unchanged(), pytest.raises((Rejected, Undecided), match="GR401"):
        merge(desk("bo"), "1")


def test_gone_branch(desk: Desk, request_: Proposed) -> None:
    git(desk.origin, "update-ref", "-d", f"refs/heads/{request_.request.branch}")
    with desk.unchanged(), pytest.raises(NotFound, match="is gone") as error:
        merge(desk("bo"), "1")
    assert "close the change request" in message(error)
    close(desk("bo"), "1")
    assert desk("bo").forge.request("1").state == "closed"


def test_no_such_request(desk: Desk) -> None:
    for act in (merge, approve, refresh, close, verify_request):
        with desk.unchanged(), pytest.raises(NotFound, match="no change request '7'"):
            act(desk("alice"), "7")  # type: ignore[operator]


def test_close(desk: Desk, request_: Proposed) -> None:
    main = desk.refs()[MAIN]
    close(desk("dan"), "1")
    assert desk.refs().keys() == {MAIN, "refs/gitreg/requests/1"}
    assert desk.refs()[MAIN] == main
    again = proposed(desk("bo"), promote(2, "production"))
    assert (again.how, again.request.id) == ("opened", "2")


def test_merge_is_retried_when_the_base_moves_meanwhile(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between verdict and push somebody lands something else; the verdict is made anew on that."""
    proposed(desk("dan"), describe("fine"))
    ws, moved = desk("bo"), []
    push = ws.repository.update

    def overtaken_once(updates):  # type: ignore[no-untyped-def]
        if not moved:
            moved.append(desk.commit({"README.md": "meanwhile\n"}))
        push(updates)

    monkeypatch.setattr(ws.repository, "update", overtaken_once)
    found = merge(ws, "1")
    assert git(desk.origin, "rev-parse", f"{found.commit}^1") == moved[0]


def test_merge_in_a_dirty_local_hub(solo: Desk) -> None:
    checkout: Path = solo.root / "solo"
    land(solo("solo"), describe("fine"), mode=LandingMode.REQUEST)
    (checkout / "policy.yaml").write_text("# mine\n")
    with solo.unchanged("solo"), pytest.raises(Refused, match="uncommitted changes"):
        merge(solo("solo"), "1")
    git(checkout, "checkout", "-q", "policy.yaml")
    assert merge(solo("solo"), "1").followed


def test_branch_that_somebody_looks_at(solo: Desk) -> None:
    """Where the request's own branch is checked out, a clean checkout goes along; and the branch is not deleted."""
    checkout = solo.root / "solo"
    found = land(solo("solo"), promote(3, "staging"), mode=LandingMode.REQUEST)
    assert isinstance(found, Proposed)
    landed(solo("solo"), lambda snapshot: plan_demote(snapshot, "credit-risk", 2, "none"))
    git(checkout, "switch", "-q", found.request.branch)
    again = refresh(solo("solo"), "1")
    assert git(checkout, "rev-parse", "HEAD") == again.request.head
    assert git(checkout, "status", "--porcelain") == ""
    with solo.unchanged("solo"), pytest.raises(Refused, match="is checked out in") as error:
        merge(solo("solo"), "1")
    assert "switch to another branch" in message(error)
    git(checkout, "switch", "-q", "main")
    assert merge(solo("solo"), "1").followed


def test_warnings_do_not_block(desk: Desk, request_: Proposed) -> None:
    ws = desk("bo", key="mallory")
    judged = verify_request(ws, "1").judged
    body = approval_statement(judged.evidence, [], desk.now, desk.now + timedelta(days=1))
    assert ws.signer is not None
    ws.forge.state(request_.request.change_id, body, ws.signer, desk.now)
    approve(desk("alice"), "1")
    verdict = verify_request(desk("bo"), "1")
    assert {finding.outcome for finding in verdict.findings} == {Outcome.WARNING}
    assert any("nobody's in the base's policy" in finding.message for finding in verdict.findings)
    assert isinstance(merge(desk("bo"), "1").commit, str)


def test_solo_has_requests_too(solo: Desk) -> None:
    land(solo("solo"), describe("fine"), mode=LandingMode.REQUEST)
    merge(solo("solo"), "1")
    assert isinstance(land(solo("solo"), describe("finer")), Landed)


def test_a_title_says_nothing_to_a_forge_in_the_merge_s_message(desk: Desk) -> None:
    """``[skip ci]`` in a commit on the registry's branch would keep the audit from running."""
    desk.commit({"README": "x"}, branch="mine")
    git(desk.root / "dan", "fetch", "-q", "origin")
    git(desk.root / "dan", "checkout", "-q", "-B", "mine", "origin/mine")
    git(desk.root / "dan", "commit", "-q", "--amend", "-m", "[skip ci] closes #12 @team: ***NO_CI*** fine")
    git(desk.root / "dan", "push", "-q", "--force", "origin", "mine")
    request = open_branch(desk("dan"), "mine").request
    commit = merge(desk("bo"), request.id).commit
    subject = git(desk.origin, "log", "-1", "--format=%s", commit)
    assert subject == "Merge change #1: skip ci closes 12 team: NO_CI fine"


def test_the_list_has_the_authors_of_requests_that_are_over(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    proposed(desk("dan"), promote(3, "staging"))
    merged(desk)
    assert run(["-C", os.fspath(desk.root / "bo"), "change", "list", "--all", "--format", "json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["state"], one["author"]) == ("merged", "dan")
