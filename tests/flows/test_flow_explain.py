"""What a promotion still lacks is what its change request would be told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flow_kit import Desk, promote, proposed, store_object

from gitreg.core.findings import Outcome
from gitreg.core.names import parse_reference
from gitreg.core.plan.plan import NothingToDo
from gitreg.errors import NotFound
from gitreg.flows.change import approve, verify_request
from gitreg.flows.explain import Explanation, explain
from gitreg.flows.workspace import Workspace

SOAK = "    soak: {in: staging, for: 24h}\n    holds: 1"


def asked(ws: Workspace, reference: str, stage: str, now: datetime | None = None) -> Explanation:
    """What is said of a promotion on the newest commit."""
    ws.repository.fetch()
    commit, base = ws.current()
    return explain(ws, base, commit, parse_reference(reference), stage, now)


def failing(found: Explanation) -> list[str]:
    return [point.rule for point in found.points if point.outcome is Outcome.FAIL]


def test_nothing_is_written(desk: Desk) -> None:
    with desk.unchanged("origin.git", "bo"):
        found = asked(desk("bo"), "credit-risk/2", "production")
    assert failing(found) == ["GR401"]
    assert found.exit_code == 1
    assert found.request is None


def test_what_policy_forbids_is_shown_point_by_point(desk: Desk) -> None:
    found = asked(desk("bo"), "credit-risk/3", "production")
    assert failing(found) == ["GR301", "GR401"]
    assert len(found.points) > 2


def test_whoever_asks_is_the_author_until_somebody_proposes_it(desk: Desk) -> None:
    alone = asked(desk("alice"), "credit-risk/2", "production")
    assert "nobody has approved" in alone.points[-1].text
    assert "alice may" not in alone.points[-1].text
    request = proposed(desk("dan"), promote(2, "production")).request
    approve(desk("alice"), request.id)
    found = asked(desk("bo"), "credit-risk/2", "production")
    assert found.request is not None
    assert found.request.id == request.id
    assert failing(found) == []
    assert found.points[-1].text.endswith("approved by alice")
    assert found.exit_code == 0
    verdict = verify_request(desk("bo"), request.id)
    assert verdict.judged.delta == found.judged.delta
    assert {f.rule for f in verdict.findings} == {f.rule for f in found.findings}


def test_nobody_known_asks(desk: Desk) -> None:
    found = asked(desk("dan", "nobody"), "credit-risk/3", "staging")
    assert found.exit_code == 0, "neither approvals nor roles are asked for"
    found = asked(desk("dan", "mallory"), "credit-risk/2", "production")
    assert "GR401" in {f.rule for f in found.findings if f.outcome is Outcome.UNDECIDED}


def test_how_long_it_is_still(desk: Desk) -> None:
    policy = desk.show("policy.yaml")
    assert policy is not None
    desk.commit({"policy.yaml": policy.replace("    holds: 1", SOAK)})
    early = datetime.fromisoformat("2026-11-20T20:15:00Z")
    found = asked(desk("bo"), "credit-risk/2", "production", early)
    (soak,) = [point for point in found.points if point.rule == "GR306"]
    assert "staging is as it is since 2026-11-20 16:00 UTC, with 19 hours and 45 minutes left" in soak.text
    late = asked(desk("bo"), "credit-risk/2", "production", early + timedelta(hours=20))
    assert "GR306" not in failing(late)


def test_an_artifact_that_is_lost(desk: Desk) -> None:
    for path in desk.artifacts.rglob("*"):
        if path.is_file():
            path.unlink()
    store_object(desk.artifacts, b"something else")
    found = asked(desk("bo"), "credit-risk/3", "staging")
    assert [f.rule for f in found.findings] == ["GR501"]
    assert found.exit_code == 1


def test_a_remote_that_does_not_answer_is_undecided(desk: Desk) -> None:
    ws = desk("bo", remote="nowhere")
    found = asked(ws, "credit-risk/3", "staging")
    assert [(f.rule, f.outcome) for f in found.findings] == [("GR501", Outcome.UNDECIDED)]
    assert found.exit_code == 3


@pytest.mark.parametrize(
    ("reference", "stage", "error"),
    [
        ("credit-risk/1", "production", NothingToDo),
        ("credit-risk/9", "production", NotFound),
        ("credit-risk/1", "nowhere", NotFound),
    ],
)
def test_what_cannot_be_planned_at_all(
    desk: Desk, reference: str, stage: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        asked(desk("bo"), reference, stage)
