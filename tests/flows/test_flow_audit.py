"""History judged again: each commit of the registry's branch as the landing that it was; and who landed a file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flow_kit import MAIN, Desk, blocking, describe, git, landed, new_version, promote, proposed

from gitreg.core.plan.evidence import NewEvidence, plan_evidence
from gitreg.core.plan.rename import plan_rename
from gitreg.core.verify.checks import APPROVALS, STRUCTURE
from gitreg.core.verify.evidence import Unknown
from gitreg.errors import Refused, Undecided
from gitreg.flows.change import approve, merge, verify_request
from gitreg.flows.landers import who_landed
from gitreg.flows.register import register
from gitreg.flows.replay import MOST_AUDITED, demand_line, replay
from gitreg.flows.verify import Verdict, verify

EVIDENCE = "models/credit-risk/versions/3/evidence/holdout.yaml"
RECORD = "models/credit-risk/versions/4/version.yaml"


def audited(desk: Desk, since: str) -> list[Verdict]:
    ws = desk("dan")
    ws.repository.fetch()
    return list(replay(ws, demand_line(ws, since, ws.tip(), MOST_AUDITED), checks=(STRUCTURE, APPROVALS)))


def evidence(desk: Desk, person: str, name: str = "holdout", **metrics: float) -> NewEvidence:
    measured = metrics or {"roc_auc": 0.9}
    return NewEvidence(name, "holdout", "sha256:" + "d" * 64, measured, desk(person).identity, desk.now)


def add_evidence(desk: Desk, person: str, version: int = 3, name: str = "holdout", **metrics: float) -> None:
    new = evidence(desk, person, name, **metrics)
    found = proposed(desk(person), lambda s: plan_evidence(s, "credit-risk", version, new))
    merge(desk("bo"), found.request.id)


def test_what_was_merged_on_a_requests_approvals_stands(desk: Desk) -> None:
    begin = desk.refs()[MAIN]
    proposed(desk("dan"), promote(2, "production"))
    approve(desk("alice"), "1")
    merge(desk("bo"), "1")
    desk.later(days=90)
    (verdict,) = audited(desk, begin)
    assert blocking(verdict.findings) == []
    assert verdict.request is not None
    assert verdict.request.id == "1"


def test_an_approval_that_was_given_afterwards_does_not_count(desk: Desk) -> None:
    begin = desk.refs()[MAIN]
    found = proposed(desk("dan"), promote(2, "production"))
    ws = desk("dan")
    head = found.request.head
    assert head is not None
    git(desk.root / "dan", "push", "-q", "origin", f"{head}:main")
    desk.later(minutes=5)
    ws = desk("alice")
    ws.repository.fetch()
    (verdict,) = audited(desk, begin)
    assert "GR401" in blocking(verdict.findings)


def test_what_went_around_the_rules_is_found_where_it_landed(desk: Desk) -> None:
    begin = desk.refs()[MAIN]
    ws = desk("dan")
    plan = promote(2, "production")(ws.current()[1])
    bad = desk.commit(plan.edits)
    desk.commit({"README": "later"})
    verdicts = audited(desk, begin)
    assert [verdict.head for verdict in verdicts] == [bad]
    assert {"GR311", "GR401"} <= set(blocking(verdicts[0].findings))


def test_a_line_that_does_not_lead_there(desk: Desk) -> None:
    ws = desk("dan")
    other = desk.commit({"README": "x"}, branch="other")
    ws.repository.fetch()
    with pytest.raises(Refused, match="not among the last"):
        demand_line(ws, other, ws.tip(), MOST_AUDITED)


# Who landed a file


def test_a_file_was_landed_by_whoever_opened_its_request(desk: Desk) -> None:
    add_evidence(desk, "alice")
    ws = desk("dan")
    ws.repository.fetch()
    assert who_landed(ws, ws.tip(), EVIDENCE) == "alice"
    assert who_landed(ws, ws.tip(), RECORD) is None


def test_a_file_from_a_commit_that_nobody_signed(desk: Desk) -> None:
    ws = desk("dan")
    with pytest.raises(Undecided, match="nobody known signed"):
        who_landed(ws, ws.tip(), "models/credit-risk/versions/3/version.yaml")


def test_a_rename_does_not_make_its_author_the_one_who_landed_the_files(desk: Desk) -> None:
    add_evidence(desk, "alice")
    found = proposed(desk("dan"), lambda s: plan_rename(s, "credit-risk", "credit-scoring", desk.now))
    approve(desk("alice"), found.request.id)
    merge(desk("bo"), found.request.id)
    ws = desk("dan")
    ws.repository.fetch()
    assert who_landed(ws, ws.tip(), EVIDENCE.replace("credit-risk", "credit-scoring")) == "alice"


BY = "gates: [{metric: roc_auc, min: 0.85, evidence: holdout, by: [platform]}]"


@pytest.fixture
def gated(desk: Desk) -> Desk:
    """Staging takes evidence that the platform's people landed, and not whoever registered the version."""
    policy = (desk.show("policy.yaml") or "") + "\n"
    roles = "roles:\n  all: {members: [everybody], may: [all]}\n  platform: {members: [ml-platform], may: [evidence]}\n"
    desk.commit({"policy.yaml": policy.replace("gates: [{metric: roc_auc, min: 0.5}]", BY) + roles})
    register(desk("dan"), new_version(desk.payload()))
    merge(desk("dan"), "1")
    return desk


def why_not(desk: Desk) -> list[str]:
    found = proposed(desk("dan"), promote(4, "staging"))
    verdict = verify_request(desk("dan"), found.request.id)
    return [f"{f.outcome}: {f.message}" for f in verdict.findings if f.rule == "GR302"]


def test_evidence_of_another_person_in_the_role_counts(gated: Desk) -> None:
    add_evidence(gated, "bo", 4)
    assert why_not(gated) == []


@pytest.mark.parametrize("person", ["dan", "alice"])
def test_evidence_of_the_registrant_or_of_somebody_without_the_role_does_not(
    gated: Desk, person: str
) -> None:
    add_evidence(gated, person, 4)
    (line,) = why_not(gated)
    assert line.startswith("fail: credit-risk/4 may not enter staging: no evidence on 'holdout'")


def test_evidence_by_the_registrant_does_not_count_whatever_their_role(desk: Desk) -> None:
    policy = (desk.show("policy.yaml") or "") + "\n"
    roles = "roles: {platform: {members: [everybody], may: [all]}}\n"
    desk.commit({"policy.yaml": policy.replace("gates: [{metric: roc_auc, min: 0.5}]", BY) + roles})
    register(desk("dan"), new_version(desk.payload()))
    merge(desk("dan"), "1")
    add_evidence(desk, "dan", 4)
    assert "no evidence" in why_not(desk)[0]
    add_evidence(desk, "alice", 4, "second")
    assert why_not(desk) == []


def test_bad_evidence_of_others_does_not_stand_in_the_way_but_that_which_counts_is_judged(
    gated: Desk,
) -> None:
    add_evidence(gated, "alice", 4, "hers", roc_auc=0.1)
    add_evidence(gated, "bo", 4, "his", roc_auc=0.6)
    assert "roc_auc is 0.6" in why_not(gated)[0]


def test_evidence_that_comes_with_the_promotion_has_not_landed(gated: Desk) -> None:
    """Whoever promotes would else bring their own evidence along."""
    ws = gated("bo")
    ws.repository.fetch()
    _, base = ws.current()
    edits = {
        **promote(4, "staging")(base).edits,
        **plan_evidence(base, "credit-risk", 4, evidence(gated, "bo")).edits,
    }
    gated.commit(edits, "bo", branch="both")
    ws.repository.fetch()
    verdict = verify(ws, ws.tip(), ws.repository.resolve("origin/both"))
    assert "GR302" in blocking(verdict.findings)


def test_nobody_known_is_undecided(desk: Desk) -> None:
    policy = (desk.show("policy.yaml") or "") + "\n"
    roles = "roles: {platform: {members: [everybody], may: [all]}}\n"
    desk.commit({"policy.yaml": policy.replace("gates: [{metric: roc_auc, min: 0.5}]", BY) + roles})
    add_evidence(desk, "bo", 3)
    found = proposed(desk("dan"), promote(3, "staging"))
    verdict = verify_request(desk("dan"), found.request.id)
    (finding,) = [f for f in verdict.findings if f.rule == "GR302"]
    assert finding.outcome == "undecided"
    assert "nobody known signed" in finding.message
    assert any(isinstance(who, Unknown) for who in verdict.judged.evidence.landers.values())


def test_direct_commits_are_their_signers(solo: Desk) -> None:
    begin = solo.refs("solo")[MAIN]
    ws = solo("solo", key="dan")
    found = landed(ws, describe("x"))
    verdicts = list(replay(ws, demand_line(ws, begin, found.commit, 10), checks=(STRUCTURE, APPROVALS)))
    assert [verdict.judged.evidence.pusher is not None for verdict in verdicts] == [True]
    assert blocking(verdicts[0].findings) == []
    assert timedelta(0) <= solo.now - verdicts[0].judged.evidence.now <= timedelta(minutes=1)
