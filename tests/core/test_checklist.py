"""The checklist says point by point what the verdict says as a whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gitreg.core.codec.schema import Schemas
from gitreg.core.findings import Outcome
from gitreg.core.plan.alias import plan_clear_alias
from gitreg.core.plan.transition import plan_demote, plan_promote, plan_rollback
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.checklist import ChecklistItem, approval_points, beyond, checklist
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.evidence import Evidence, Unknown
from gitreg.core.verify.rule import Judged
from tests.core.report_kit import POLICY, after, change, credit_risk, laid

BASE = credit_risk()
#: The rules whose points are on the list.
LISTED = {"GR108", "GR301", "GR302", "GR303", "GR304", "GR305", "GR306", "GR401"}


def promoted(version: int, stage: str = "production") -> Snapshot:
    return after(BASE, plan_promote(BASE, "credit-risk", version, stage))


def stage_file(stage: str, *versions: int, previous: int, serial: int) -> dict[str, bytes | None]:
    pins = "".join(f'  - {{version: {v}, digest: "sha256:{v:064x}"}}\n' for v in versions)
    text = (
        "apiVersion: gitreg/v1\nkind: StageAssignment\nmodel: credit-risk\n"
        f"stage: {stage}\nserial: {serial}\nversions:{'' if pins else ' []'}\n{pins}"
        f'previous:\n  - {{version: {previous}, digest: "sha256:{previous:064x}"}}\n'
    )
    return {f"models/credit-risk/stages/{stage}.yaml": text.encode()}


#: 4, a pickle without a signature, goes from no stage to production; 2 leaves every stage instead of archived.
FORCED = laid(BASE, stage_file("production", 4, previous=2, serial=3))
HEADS = {
    "promote": promoted(3),
    "to staging": promoted(4, "staging"),
    "forced": FORCED,
    "rollback": after(BASE, plan_rollback(BASE, "credit-risk", "production")),
    "demote": after(BASE, plan_demote(BASE, "credit-risk", 3, "none")),
    "alias": after(BASE, plan_clear_alias(BASE, "credit-risk", "champion")),
    "rules": laid(BASE, {"policy.yaml": POLICY + b"# more\n"}),
}
WORLDS: dict[str, dict[str, object]] = {
    "well": {},
    "no approvals": {"approvals": ()},
    "unknown approvals": {"approvals": Unknown("no network")},
    "unknown author": {"author": None},
    "own approval": {"author": "alice", "approvals": ({"by": "alice"},)},
    "not soaked": {"soaked": False},
    "unknown soak": {"soaked": Unknown("shallow")},
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_the_list_and_the_verdict_agree(head: Snapshot, world: dict[str, object], schemas: Schemas) -> None:
    judged = change(BASE, head, schemas, **world)
    blocking = [f for f in evaluate(judged) if f.outcome is not Outcome.WARNING and f.rule in LISTED]
    items = checklist(judged)
    assert {item.rule for item in items if item.outcome} == {finding.rule for finding in blocking}
    failed = {finding.rule for finding in blocking if finding.outcome is Outcome.FAIL}
    assert {item.rule for item in items if item.outcome is Outcome.FAIL} == failed


def items(judged: Judged, rule: str) -> list[ChecklistItem]:
    return [item for item in checklist(judged) if item.rule == rule]


class TestPoints:
    def test_of_a_promotion_come_move_gates_soak_approvals(self, schemas: Schemas) -> None:
        found = checklist(change(BASE, promoted(3), schemas))
        assert [item.rule for item in found] == [
            "GR301", "GR302", "GR302", "GR303", "GR304", "GR305", "GR306", "GR108", "GR401",
        ]  # fmt: skip
        assert {item.subject for item in found} == {"credit-risk/3 → production", "approvals"}
        assert {item.outcome for item in found} == {None}

    def test_of_what_gives_way_there_are_none(self, schemas: Schemas) -> None:
        found = checklist(change(BASE, promoted(3), schemas))
        assert not any("credit-risk/2" in item.subject for item in found)

    def test_say_where_a_version_may_come_from(self, schemas: Schemas) -> None:
        left, forced = items(change(BASE, FORCED, schemas), "GR301")
        assert forced.outcome is Outcome.FAIL
        assert forced.text == "moves from none to production, which takes versions from staging"
        assert (left.subject, left.outcome) == ("credit-risk/2 → none", Outcome.FAIL)
        assert left.text == "moves from production to none, though policy sends what gives way to archived"

    def test_of_a_rollback_leave_metrics_out(self, schemas: Schemas) -> None:
        judged = change(BASE, HEADS["rollback"], schemas)
        assert items(judged, "GR302") == []
        assert items(judged, "GR301")[0].text == (
            "restores what production held before its last change; its way, soak and metrics are not asked for"
        )

    def test_say_how_long_a_version_must_have_been_where(self, schemas: Schemas) -> None:
        (soaked,) = items(change(BASE, promoted(3), schemas), "GR306")
        assert (soaked.text, soaked.outcome) == ("has been in staging for 1 day", None)
        (unsure,) = items(change(BASE, promoted(3), schemas, soaked=Unknown("shallow")), "GR306")
        assert unsure.outcome is Outcome.UNDECIDED
        assert "shallow" in unsure.text

    def test_say_how_long_it_is_still(self, schemas: Schemas) -> None:
        judged = change(BASE, promoted(3), schemas, soaked=False)
        (question,) = judged.evidence.soaks
        since = judged.evidence.now - timedelta(hours=20, minutes=59, seconds=30)
        known = replace(judged.evidence, unchanged_since={question: since})
        (soon,) = items(replace(judged, evidence=known), "GR306")
        assert soon.text.endswith(
            "staging is as it is since 2026-11-30 15:00 UTC, with 3 hours and 1 minute left"
        )
        assert soon.fix == "wait until 2026-12-01 15:00:30 UTC, then verify again"

    def test_say_what_room_there_is_and_who_gives_way(self, schemas: Schemas) -> None:
        (room,) = items(change(BASE, promoted(3), schemas), "GR108")
        assert room.text == "production then has 1 of at most 1 version; version 2 gives way to archived"
        full = laid(
            BASE, {"policy.yaml": POLICY.replace(b"{name: archived, ", b"{name: archived, holds: 1, ")}
        )
        head = after(full, plan_promote(full, "credit-risk", 3, "production", even_if_barred=True))
        own, others = items(change(full, head, schemas), "GR108")
        assert own.outcome is None
        assert others.outcome is Outcome.FAIL
        assert others.text == "archived would hold 2 versions, and at most 1 may be there"

    def test_say_what_to_do(self, schemas: Schemas) -> None:
        found = checklist(change(BASE, FORCED, schemas, approvals=()))
        fixes = {item.rule: item.fix for item in found if item.outcome and item.fix}
        assert fixes["GR304"] == "export the model as another format"
        assert fixes["GR306"] == "promote it to staging first, wait, then verify again"
        assert fixes["GR401"].startswith("gitreg change approve")


class TestBeyond:
    def test_are_the_findings_that_no_point_tells(self, schemas: Schemas) -> None:
        judged = change(BASE, FORCED, schemas, author=None)
        findings, points = evaluate(judged), checklist(judged)
        others = beyond(points, findings)
        assert {f.rule for f in others} == {f.rule for f in findings} - {p.rule for p in points if p.outcome}
        assert all(
            any((p.rule, p.outcome) == (f.rule, f.outcome) for p in points)
            for f in findings
            if f not in others
        )

    def test_are_warnings_in_any_case(self, schemas: Schemas) -> None:
        judged = change(BASE, promoted(3), schemas, author="alice", approvals=({"by": "alice"},))
        assert [f.message for f in beyond(checklist(judged), evaluate(judged)) if f.rule == "GR401"] == [
            "a statement of alice does not count: it is the author's own"
        ]


class TestApprovals:
    def test_say_how_old_they_may_be(self, schemas: Schemas) -> None:
        policy = POLICY.replace(
            b"[{group: risk-owners, count: 1}]", b"[{group: risk-owners, count: 2, expire: 14d}]"
        )
        base = laid(BASE, {"policy.yaml": policy})
        head = after(base, plan_promote(base, "credit-risk", 3, "production"))
        judged = change(base, head, schemas, author="bo", approvals=())
        (item,) = items(judged, "GR401")
        assert item.text == (
            "entering production needs 2 approvals of risk-owners that are at most 14 days old: nobody has approved;"
            " alice, erin may"
        )
        (point,) = approval_points(judged)
        assert (point.members, point.given, point.author) == (("alice", "erin"), (), "bo")

    def test_name_who_has_and_who_may(self, schemas: Schemas) -> None:
        given = items(change(BASE, promoted(3), schemas), "GR401")
        assert [item.text for item in given] == [
            "entering production needs 1 approval of risk-owners: approved by alice"
        ]
        (open_,) = items(change(BASE, promoted(3), schemas, author="bo", approvals=()), "GR401")
        assert open_.text.endswith(": nobody has approved; alice, erin may")
        assert open_.outcome is Outcome.FAIL

    def test_do_not_ask_the_author(self, schemas: Schemas) -> None:
        (item,) = items(change(BASE, promoted(3), schemas, approvals=()), "GR401")
        assert item.text.endswith(": nobody has approved; alice may")

    def test_nobody_asked_about_are_unknown(self, schemas: Schemas) -> None:
        judged = change(BASE, promoted(3), schemas)
        bare = Judged(judged.base, judged.head, judged.delta, (), Evidence(), schemas)
        assert {item.outcome for item in items(bare, "GR401")} == {Outcome.UNDECIDED}
        assert {item.outcome for item in items(bare, "GR306")} == {Outcome.UNDECIDED}

    def test_a_bootstrap_needs_none(self, schemas: Schemas) -> None:
        nothing = laid(BASE, dict.fromkeys(_paths(BASE)))
        rules = laid(nothing, {"gitreg.yaml": BASE.blob("gitreg.yaml").data, "policy.yaml": POLICY})  # type: ignore[union-attr]
        assert checklist(change(nothing, rules, schemas, bootstrap=True)) == []


def _paths(snapshot: Snapshot) -> list[str]:
    from gitreg.core.tree import files_below

    return [path for path, _ in files_below(snapshot.tree, "")]
