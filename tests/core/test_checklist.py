"""The checklist says point by point what the verdict says as a whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from registry_kit import NOW

from gitreg.core.codec.schema import Schemas
from gitreg.core.findings import Outcome
from gitreg.core.plan.alias import plan_clear_alias
from gitreg.core.plan.transition import plan_demote, plan_promote, plan_rollback
from gitreg.core.ports import Conversation, Hand, Review
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.checklist import ChecklistItem, approval_points, beyond, checklist
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.evidence import Evidence, Unknown
from gitreg.core.verify.rule import Judged
from tests.core.report_kit import POLICY, after, change, credit_risk, laid

BASE = credit_risk()
#: The rules whose points are on the list.
LISTED = {"GR108", "GR301", "GR302", "GR303", "GR304", "GR305", "GR306", "GR309", "GR310", "GR401"}


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


def hosted(*reviewers: str, pusher: str | None = "bo-gh") -> Conversation:
    """A request that Erin opened on GitHub, and who approved it."""
    reviews = tuple(Review(account, "approved", "b" * 40, NOW) for account in reviewers)
    hands = (Hand("pusher", pusher),)
    return Conversation(
        "github", "b" * 40, Hand("author", "erin-gh"), hands, reviews, writers=frozenset(reviewers)
    )


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
    "a review": {"approvals": (), "conversation": hosted("alice-gh")},
    "no review": {"approvals": (), "conversation": hosted()},
    "a review of a hand": {"approvals": (), "conversation": hosted("alice-gh", pusher="alice-gh")},
    "a forge that does not answer": {"conversation": Unknown("no network")},
    "an unknown pusher": {"conversation": hosted("alice-gh", pusher=None)},
}


#: The same registry, where production is frozen on Tuesdays, and staging on Sundays of a zone.
WINDOWS = laid(
    BASE,
    {
        "policy.yaml": POLICY.replace(
            b"    holds: 1\n", b"    holds: 1\n    windows: [{days: [tue], zone: Europe/Berlin}]\n"
        ).replace(
            b"from: [none, archived]", b"from: [none, archived], windows: [{days: [sun], zone: Asia/Tokyo}]"
        )
    },
)
FREEZES: dict[str, dict[str, object]] = {
    "frozen": {},
    "open": {"now": datetime(2026, 12, 3, tzinfo=UTC)},
    "unknown zone": {"zones": {"Asia/Tokyo": Unknown("no database")}},
    "unknown zones": {"zones": dict.fromkeys(["Asia/Tokyo", "Europe/Berlin"], Unknown("no database"))},
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_the_list_and_the_verdict_agree(head: Snapshot, world: dict[str, object], schemas: Schemas) -> None:
    agree(change(BASE, head, schemas, **world))


@pytest.mark.parametrize("world", FREEZES.values(), ids=FREEZES)
@pytest.mark.parametrize("head", sorted(HEADS.keys() - {"rules"}))
def test_they_agree_on_freezes(head: str, world: dict[str, object], schemas: Schemas) -> None:
    after_it = laid(HEADS[head], {"policy.yaml": WINDOWS.blob("policy.yaml").data})  # type: ignore[union-attr]
    agree(change(WINDOWS, after_it, schemas, **world))


def agree(judged: Judged) -> None:
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

    def test_say_until_when_a_stage_is_frozen(self, schemas: Schemas) -> None:
        head = after(WINDOWS, plan_promote(WINDOWS, "credit-risk", 3, "production"))
        frozen = items(change(WINDOWS, head, schemas), "GR309")
        assert [(item.subject, item.text, item.outcome) for item in frozen] == [
            ("credit-risk/3 → production", "staging is not frozen now", None),
            (
                "credit-risk/3 → production",
                "production is frozen until 2026-12-02 00:00 (Europe/Berlin)",
                Outcome.FAIL,
            ),
        ]
        unknown = {"Europe/Berlin": Unknown("no database")}
        item = items(change(WINDOWS, head, schemas, zones=unknown), "GR309")[1]
        assert item.text == "whether production is frozen is not known: no database"
        assert item.outcome is Outcome.UNDECIDED

    def test_say_how_the_environment_is_pinned(self, schemas: Schemas) -> None:
        gate = b"      - {card: [intended_use]}\n"
        policy = POLICY.replace(gate, gate + b"      - {environment: {allow: [NumPy, onnxruntime]}}\n")
        base, head = (laid(side, {"policy.yaml": policy}) for side in (BASE, promoted(3)))
        (pinned,) = items(change(base, head, schemas), "GR310")
        assert (pinned.text, pinned.outcome) == (
            "the record names Python 3.11 and 2 requirements, pinned",
            None,
        )
        (bare,) = items(change(base, laid(FORCED, {"policy.yaml": policy}), schemas), "GR310")
        assert bare.outcome is Outcome.FAIL
        assert bare.text == "the record names no Python version; the record lists no requirements"


class TestBeyond:
    def test_are_the_findings_that_no_point_tells(self, schemas: Schemas) -> None:
        judged = change(BASE, FORCED, schemas, author=None)
        findings, points = evaluate(judged), checklist(judged)
        others = beyond(points, findings)
        barring = {f.rule for f in findings if f.outcome is not Outcome.WARNING}
        told = {f.rule for f in others if f.outcome is not Outcome.WARNING}
        assert told == barring - {p.rule for p in points if p.outcome}
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

    @pytest.mark.parametrize(
        ("pusher", "who"), [("bo-gh", "nobody has approved; alice may"), ("alice-gh", "nobody has approved")]
    )
    def test_do_not_ask_who_had_a_hand(self, pusher: str, who: str, schemas: Schemas) -> None:
        judged = change(BASE, promoted(3), schemas, approvals=(), conversation=hosted(pusher=pusher))
        (item,) = items(judged, "GR401")
        assert item.text.endswith(f": {who}")

    def test_do_not_ask_bots(self, schemas: Schemas) -> None:
        policy = POLICY.replace(b"{id: alice,", b"{id: alice, bot: true,")
        base, head = laid(BASE, {"policy.yaml": policy}), laid(promoted(3), {"policy.yaml": policy})
        (item,) = items(change(base, head, schemas, author="bo", approvals=()), "GR401")
        assert item.text.endswith(": nobody has approved; erin may")

    @pytest.mark.parametrize(
        ("world", "said", "outcome"),
        [
            ({"author": "bo", "approvals": ({"by": "alice"},)}, ": bo", None),
            ({"author": "erin", "approvals": ({"by": "alice"},)}, ": nobody so far", Outcome.FAIL),
            ({"author": "erin", "approvals": Unknown("no network")}, ": nobody so far", Outcome.UNDECIDED),
        ],
    )
    def test_name_the_owners_of_rules(
        self, world: dict[str, object], said: str, outcome: Outcome | None, schemas: Schemas
    ) -> None:
        policy = POLICY.replace(b"owners: [risk-owners]", b"owners: [ml-platform]")
        base = laid(BASE, {"policy.yaml": policy})
        judged = change(base, laid(base, {"policy.yaml": policy + b"# more\n"}), schemas, **world)
        item = items(judged, "GR401")[-1]
        asked = "changing the rules needs one of their owners (ml-platform) as author or as one who approves"
        assert (item.text, item.outcome) == (asked + said, outcome)
        agree(judged)

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
