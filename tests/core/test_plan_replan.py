"""An overtaken change is planned again: what it meant, asked of another base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from registry_kit import NOW, base_files, snapshot

from gitreg.core.plan.alias import plan_clear_alias, plan_set_alias
from gitreg.core.plan.annotate import plan_annotate, plan_edit_model
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.evidence import NewEvidence, plan_evidence
from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.register import NewModel, Registration, plan_model, plan_register
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.replan import replan
from gitreg.core.plan.transition import plan_demote, plan_promote, plan_rollback
from gitreg.core.ports import DvcPointer, Identity
from gitreg.core.record import Artifact
from gitreg.core.snapshot import Snapshot
from gitreg.errors import GitregError, NotFound, Refused

#: The base registry, with an alias that names something.
BASE = base_files() | {
    "models/credit-risk/aliases/champion.yaml": (
        b"apiVersion: gitreg/v1\nkind: Alias\nmodel: credit-risk\nalias: champion\nserial: 2\n"
        b"version: 2\ndigest: sha256:" + b"2" * 64 + b"\n"
    )
}
BO = Identity("Bo", "bo@example.com")
CREDIT = "models/credit-risk"
SEVERAL = "the change does several things at once and cannot be planned again"
Make = Callable[[Snapshot], Plan]


def after(base: dict[str, bytes], *plans: Make) -> dict[str, bytes]:
    files = dict(base)
    for make in plans:
        found = {**files, **make(snapshot(files)).edits}
        files = {path: data for path, data in found.items() if data is not None}
    return files


def register(seed: int, model: str = "credit-risk", **more: object) -> Make:
    asked = Registration(
        model,
        Artifact("model.onnx", f"sha256:{seed:064x}", 10, 1, "onnx"),
        DvcPointer("model.onnx", f"{seed:032x}", 10, 1),
        BO,
        NOW,
        card={"limitations": "one country"},
    )
    return lambda now: plan_register(now, replace(asked, **more))  # type: ignore[arg-type]


def evidence(name: str) -> Make:
    new = NewEvidence(name, "holdout", "sha256:" + "0" * 64, {"brier": 0.1}, BO, NOW)
    return lambda now: plan_evidence(now, "credit-risk", 3, new)


def again(first: Make, meanwhile: Make) -> Plan:
    """The change that ``first`` made to the base registry, planned again after ``meanwhile`` has landed."""
    head = snapshot(after(BASE, first))
    return replan(snapshot(BASE), head, snapshot(after(BASE, meanwhile)), NOW)


PLANS: dict[str, Make] = {
    "promote": lambda now: plan_promote(now, "credit-risk", 3, "production"),
    "demote to a stage": lambda now: plan_demote(now, "credit-risk", 2),
    "demote to none": lambda now: plan_demote(now, "credit-risk", 3),
    "rollback": lambda now: plan_rollback(now, "credit-risk", "production"),
    "set alias": lambda now: plan_set_alias(now, "credit-risk", "shadow", 3),
    "clear alias": lambda now: plan_clear_alias(now, "credit-risk", "champion"),
    "annotate": lambda now: plan_annotate(now, "credit-risk", 3, {("card", "limitations"): "none"}),
    "first notes": lambda now: plan_annotate(now, "fraud", "1.0.0", {("description",): "payments"}),
    "edit model": lambda now: plan_edit_model(now, "credit-risk", {("task",): "scoring"}),
    "delete version": lambda now: plan_delete_version(now, "fraud", "1.0.0", "leaked", NOW),
    "delete model": lambda now: plan_delete_model(now, "fraud", "leaked", NOW),
    "rename": lambda now: plan_rename(now, "fraud", "alert", NOW),
    "second rename": lambda now: plan_rename(now, "credit-risk", "loans", NOW),
    "new model": lambda now: plan_model(now, "loans", NewModel(title="Loans")),
    "evidence": evidence("shadow"),
    "register": register(4),
    "register with its model": register(4, "loans", create=NewModel(title="Loans")),
}


@pytest.mark.parametrize("name", sorted(PLANS))
def test_a_change_planned_again_after_an_unrelated_one_is_the_same(name: str) -> None:
    first = PLANS[name]
    plan = again(first, lambda now: plan_model(now, "unrelated", NewModel()))
    assert plan.edits == first(snapshot(BASE)).edits


def test_a_version_is_deleted_with_its_aliases_again() -> None:
    def set_alias(alias: str, version: str) -> Make:
        return lambda now: plan_set_alias(now, "fraud", alias, version)

    def delete(now: Snapshot) -> Plan:
        return plan_delete_version(now, "fraud", "1.0.0", "leaked", NOW, clear_aliases=True)

    base = after(BASE, set_alias("newest", "1.0.0"))
    moved = after(base, set_alias("best", "1.0.0"))
    plan = replan(snapshot(base), snapshot(after(base, delete)), snapshot(moved), NOW)
    assert plan.edits == delete(snapshot(moved)).edits
    assert {path for path in plan.edits if "/aliases/" in path} == {
        "models/fraud/aliases/best.yaml",
        "models/fraud/aliases/newest.yaml",
    }


def test_a_registration_takes_the_next_number() -> None:
    plan = again(register(4), register(5))
    assert plan.title == "Register credit-risk/5"
    for path, data in plan.edits.items():
        assert path.startswith(f"{CREDIT}/versions/5/")
        assert path.endswith(".dvc") or b"version: 5\n" in (data or b"")


def test_a_second_rename_turns_the_redirects_that_it_finds() -> None:
    plan = again(PLANS["second rename"], PLANS["annotate"])
    assert plan.title == "Rename credit-risk to loans"
    assert b"limitations: none" in (plan.edits["models/loans/versions/3/notes.yaml"] or b"")
    turned = [path for path, data in plan.edits.items() if path.endswith("redirect.yaml") and data]
    assert sorted(turned) == [f"{CREDIT}/redirect.yaml", "models/credit-scoring/redirect.yaml"]


def number_by_hand(number: int) -> Make:
    """A registration of another version than the next one."""

    def make(now: Snapshot) -> Plan:
        plan = register(5)(now)
        there = next(path.split("/")[3] for path in plan.edits)
        edits = {
            path.replace(f"/{there}/", f"/{number}/"): (data or b"").replace(
                f"version: {there}".encode(), f"version: {number}".encode()
            )
            for path, data in plan.edits.items()
        }
        return replace(plan, edits=edits)

    return make


def test_a_registration_goes_on_from_what_was_imported_meanwhile() -> None:
    assert again(register(4), number_by_hand(9)).title == "Register credit-risk/10"


def test_an_import_keeps_its_number() -> None:
    assert again(number_by_hand(9), register(4)).title == "Register credit-risk/9"
    with pytest.raises(Refused, match="version 9 of 'credit-risk' exists by now"):
        again(number_by_hand(9), number_by_hand(9))


def test_a_registration_brings_its_evidence_along() -> None:
    def both(now: Snapshot) -> Plan:
        plan = register(4)(now)
        shadow = BASE[f"{CREDIT}/versions/3/evidence/holdout.yaml"].replace(b"version: 3", b"version: 4")
        return replace(plan, edits={**plan.edits, f"{CREDIT}/versions/4/evidence/holdout.yaml": shadow})

    plan = again(both, register(5))
    assert b"version: 5\n" in (plan.edits[f"{CREDIT}/versions/5/evidence/holdout.yaml"] or b"")


def test_a_promotion_makes_room_for_whom_it_finds() -> None:
    base = after(BASE, register(4), lambda now: plan_promote(now, "credit-risk", 4, "staging"))
    head = snapshot(after(base, lambda now: plan_promote(now, "credit-risk", 3, "production")))
    moved = after(base, lambda now: plan_promote(now, "credit-risk", 4, "production"))
    plan = replan(snapshot(base), head, snapshot(moved), NOW)
    assert plan == plan_promote(snapshot(moved), "credit-risk", 3, "production")


def test_two_edits_of_notes_both_stay() -> None:
    plan = again(
        PLANS["annotate"], lambda now: plan_annotate(now, "credit-risk", 3, {("tags", "team"): "risk"})
    )
    text = plan.edits[f"{CREDIT}/versions/3/notes.yaml"] or b""
    assert b"limitations: none\n" in text
    assert b"tags: {team: risk}\n" in text


@pytest.mark.parametrize(
    ("first", "meanwhile", "error", "message"),
    [
        (PLANS["promote"], PLANS["promote"], NothingToDo, "credit-risk/3 is already in production"),
        (PLANS["set alias"], PLANS["set alias"], NothingToDo, "credit-risk@shadow already names version 3"),
        (
            PLANS["delete version"],
            PLANS["delete version"],
            NotFound,
            "version 1.0.0 of 'fraud' was deleted",
        ),
        (
            PLANS["evidence"],
            PLANS["evidence"],
            Refused,
            f"{CREDIT}/versions/3/evidence/shadow.yaml exists by now",
        ),
        (
            register(4, "fraud", version="1.1.0"),
            register(5, "fraud", version="1.1.0"),
            Refused,
            "version 1.1.0 of 'fraud' exists by now",
        ),
        (
            register(4, "fraud", version="1.1.0"),
            PLANS["delete model"],
            NotFound,
            "no model is called 'fraud'",
        ),
        (register(4, "fraud", version="1.1.0"), PLANS["rename"], NotFound, "no model is called 'fraud'"),
    ],
)
def test_what_cannot_be_done_any_more_is_refused(
    first: Make, meanwhile: Make, error: type[GitregError], message: str
) -> None:
    with pytest.raises(error) as caught:
        again(first, meanwhile)
    assert caught.value.message == message


def several(*plans: Make) -> Make:
    def make(now: Snapshot) -> Plan:
        found = [each(now) for each in plans]
        return replace(found[0], edits={path: data for plan in found for path, data in plan.edits.items()})

    return make


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (several(PLANS["edit model"], PLANS["set alias"]), SEVERAL),
        (several(register(4), PLANS["edit model"]), SEVERAL),
        (several(register(4), evidence("shadow")), SEVERAL),
        (
            several(PLANS["demote to none"], PLANS["demote to a stage"]),
            "the change moves several versions and cannot be planned again",
        ),
    ],
)  # fmt: skip
def test_a_change_that_no_single_plan_makes_is_refused(first: Make, message: str) -> None:
    with pytest.raises(Refused) as caught:
        again(first, PLANS["new model"])
    assert (caught.value.message, caught.value.hint) == (message, "make it again in parts")


@pytest.mark.parametrize("path", ["policy.yaml", f"{CREDIT}/stages/staging.yaml", "train.py"])
def test_a_change_made_by_hand_is_refused(path: str) -> None:
    head = snapshot({**BASE, path: BASE.get(path, b"x").replace(b"serial: 5", b"serial: 7") + b"# by hand\n"})
    with pytest.raises(Refused):
        replan(snapshot(BASE), head, snapshot(BASE), NOW)
