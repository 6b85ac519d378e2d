"""A change with a history of its own: it lands as one merge, is judged as one, and its commits stay to be read."""

from __future__ import annotations

from collections.abc import Callable

from flow_kit import MAIN, Desk, blocking, landed, proposed

from gitreg.core.plan.annotate import plan_annotate
from gitreg.core.plan.plan import Plan, Step
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import edited
from gitreg.flows.history import history

REF = "models/credit-risk/versions/1/notes.yaml"


def said(*texts: str) -> Callable[[Snapshot], Plan]:
    """Describes a version again and again; a step for each text."""

    def make_plan(snapshot: Snapshot) -> Plan:
        steps: list[Step] = []
        now = snapshot
        for text in texts:
            plan = plan_annotate(now, "credit-risk", 1, {("description",): text})
            steps.append(Step(f"It says {text}\n\nAs of old.", plan.edits))
            now = Snapshot(edited(now.tree, plan.edits), now.root)
        return Plan("annotate", "Describe it", ("story",), steps[-1].edits, tuple(steps))

    return make_plan


def test_steps_land_as_one_change(solo: Desk) -> None:
    ws = solo("solo")
    before = solo.refs("solo")[MAIN]
    found = landed(ws, said("one", "two"))
    merge = ws.repository.commit(found.commit)
    assert merge.parents[0] == before
    second = ws.repository.commit(merge.parents[1])
    first = ws.repository.commit(second.parents[0])
    assert (first.parents, second.tree) == ((before,), merge.tree)
    assert [first.message, second.message] == ["It says one\n\nAs of old.\n", "It says two\n\nAs of old.\n"]
    assert (
        solo.show(REF, first.oid, "solo")
        != solo.show(REF, second.oid, "solo")
        == solo.show(REF, "main", "solo")
    )
    assert next(iter(history(ws, found.commit, "credit-risk"))).commit == found.commit


def test_request_with_steps_is_adopted_and_renewed(desk: Desk) -> None:
    ws = desk("bo")
    first = proposed(ws, said("one", "two"))
    assert blocking(first.findings) == []
    again = proposed(ws, said("one", "two"))
    assert (again.how, again.request.head) == ("adopted", first.request.head)
    renewed = proposed(ws, said("one", "three"))
    assert (renewed.how, renewed.request.id) == ("renewed", first.request.id)
