"""What a change means: from paths that differ to typed changes, moves and kinds."""

from __future__ import annotations

import json

import pytest
from registry_kit import NOW, base_files, snapshot

from gitreg.core.delta import (
    AliasMoved,
    Change,
    Delta,
    EvidenceAdded,
    MarkerTampered,
    ModelCreated,
    ModelDeleted,
    ModelEdited,
    ModelRenamed,
    NotesEdited,
    PointerRemoved,
    RecordTampered,
    RulesChanged,
    StageChanged,
    Transition,
    UnknownChange,
    UnmanagedChanged,
    VersionDeleted,
    VersionRegistered,
    delta,
    kinds,
    transitions,
)
from gitreg.core.manifest import StageAssignment
from gitreg.core.names import NONE
from gitreg.core.plan.alias import plan_set_alias
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.transition import plan_demote, plan_promote, plan_rollback
from gitreg.core.ports import FILE, Entry
from gitreg.core.record import Pin
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import RawChange, raw_changes

CREDIT = "models/credit-risk"
V3 = f"{CREDIT}/versions/3"


def pin(version: int) -> Pin:
    return Pin(version, "sha256:" + str(version) * 64)


PINS = {version: pin(version) for version in (1, 2, 3)}


def between(base: Snapshot, head: dict[str, bytes]) -> Delta:
    after = snapshot(head)
    return delta(base, after, tuple(raw_changes(base.tree, after.tree)))


def edited(edits: dict[str, bytes | None], base: dict[str, bytes] | None = None) -> dict[str, bytes]:
    files = {**(base_files() if base is None else base), **edits}
    return {path: data for path, data in files.items() if data is not None}


def meaning(edits: dict[str, bytes | None]) -> list[Change]:
    return list(between(snapshot(base_files()), edited(edits)).changes)


def of_plan(plan: Plan) -> tuple[list[str], list[Transition]]:
    """The kinds of change and the moves that a plan's edits turn out to be."""
    base = snapshot(base_files())
    found = between(base, edited(dict(plan.edits)))
    return kinds(found, base.policy()), transitions(found, base.policy())


def removed(folder: str) -> dict[str, bytes | None]:
    return {path: None for path in base_files() if path.startswith(f"{folder}/")}


BASE = base_files()
NEW_VERSION: dict[str, bytes | None] = {
    f"{CREDIT}/versions/4/version.yaml": BASE[f"{V3}/version.yaml"].replace(b"version: 3", b"version: 4"),
    f"{CREDIT}/versions/4/model.onnx.dvc": BASE[f"{V3}/model.onnx.dvc"],
}


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ({}, []),
        (NEW_VERSION, [VersionRegistered("credit-risk", 4, copied=False)]),
        (
            {**NEW_VERSION, f"{CREDIT}/versions/4/notes.yaml": b"kind: VersionNotes"},
            [VersionRegistered("credit-risk", 4, copied=False)],
        ),
        (
            {**NEW_VERSION, f"{CREDIT}/versions/4/evidence/holdout.yaml": b"kind: Evidence"},
            [
                EvidenceAdded("credit-risk", 4, "holdout", retraction=False),
                VersionRegistered("credit-risk", 4, copied=False),
            ],
        ),
        (
            {f"{V3}/evidence/holdout.retracted.yaml": b"x"},
            [EvidenceAdded("credit-risk", 3, "holdout", retraction=True)],
        ),
        ({f"{V3}/notes.yaml": b"x"}, [NotesEdited("credit-risk", 3)]),
        ({f"{V3}/notes.yaml": None}, [NotesEdited("credit-risk", 3)]),
        ({f"{CREDIT}/model.yaml": b"x"}, [ModelEdited("credit-risk")]),
        ({"models/new/model.yaml": b"x"}, [ModelCreated("new")]),
        ({f"{V3}/version.yaml": b"x"}, [RecordTampered(f"{V3}/version.yaml", removed=False)]),
        ({f"{V3}/version.yaml": None}, [RecordTampered(f"{V3}/version.yaml", removed=True)]),
        ({f"{V3}/other.dvc": b"x"}, [RecordTampered(f"{V3}/other.dvc", removed=False)]),
        ({f"{CREDIT}/stages/staging.yaml": None}, [PointerRemoved(f"{CREDIT}/stages/staging.yaml")]),
        ({f"{CREDIT}/model.yaml": None}, [MarkerTampered(f"{CREDIT}/model.yaml")]),
        ({"models/churn/tombstone.yaml": b"x"}, [MarkerTampered("models/churn/tombstone.yaml")]),
        ({"models/churn/tombstone.yaml": None}, [MarkerTampered("models/churn/tombstone.yaml")]),
        ({"models/new/tombstone.yaml": b"x"}, [MarkerTampered("models/new/tombstone.yaml")]),
        ({"models/x": b"x", f"{V3}/a/b": b"x"}, [UnknownChange(f"{V3}/a/b"), UnknownChange("models/x")]),
        ({"policy.yaml": b"x"}, [RulesChanged("policy.yaml")]),
        ({".github/workflows/verify.yml": b"x"}, [RulesChanged(".github/workflows/verify.yml")]),
        ({"train.py": b"x"}, [UnmanagedChanged("train.py")]),
    ],
)
def test_a_change_is_what_differs(edits: dict[str, bytes | None], expected: list[Change]) -> None:
    assert meaning(edits) == expected


HERE = "6f1f77a4-9d3a-4f0e-8a55-0d6c1f2b3a4c"
ELSEWHERE = "7f0c2a3e-5b1d-4c8e-9a44-0d6f3a1b2c5d"


@pytest.mark.parametrize(
    ("registry", "model", "version", "digit", "copied"),
    [
        (HERE, "credit-risk", 3, "3", True),
        (HERE, "credit-scoring", 3, "3", True),  # a former name
        (HERE, "Credit-Risk", 3, "3", False),
        (HERE, "credit-risk", 2, "2", False),  # which has other bytes than this one
        (HERE, "credit-risk", 2, "3", False),
        (HERE, "credit-risk", 4, "3", False),  # itself, which the base does not have
        (HERE, "fraud", "0.9.0", "3", False),  # deleted
        (HERE, "churn", 1, "3", False),
        (ELSEWHERE, "credit-risk", 3, "3", False),
    ],
)
def test_a_copy_is_what_the_base_confirms(
    registry: str, model: str, version: object, digit: str, copied: bool
) -> None:
    origin = f"copied_from: {{registry: {registry}, model: {model}, version: {version}, digest: sha256:{digit * 64}}}"
    record = BASE[f"{V3}/version.yaml"].replace(b"version: 3", b"version: 4") + origin.encode() + b"\n"
    found = meaning({**NEW_VERSION, f"{CREDIT}/versions/4/version.yaml": record})
    assert found == [VersionRegistered("credit-risk", 4, copied=copied)]


@pytest.mark.parametrize(
    ("model", "numbers", "imported"),
    [
        ("credit-risk", [4], []),
        ("credit-risk", [4, 5, 6], []),
        ("credit-risk", [9], [9]),
        ("credit-risk", [4, 6, 7], [6, 7]),
        ("credit-risk", [2, 4], []),  # 2 is there, which is another rule's
        ("churn", [2], []),
        ("churn", [1], []),  # was deleted
        ("churn", [3], [3]),
        ("loans", [1, 2], []),
        ("loans", [2], [2]),
    ],
)
def test_what_does_not_go_on_from_the_highest_number_is_imported(
    model: str, numbers: list[int], imported: list[int]
) -> None:
    base = snapshot(BASE)
    raw = [
        RawChange(f"models/{model}/versions/{number}/version.yaml", None, Entry(FILE, "0" * 40))
        for number in numbers
    ]
    found = delta(base, base, raw)
    assert [each.version for each in found.of(VersionRegistered) if each.imported] == imported
    assert ("import" in kinds(found, base.policy())) == bool(imported)


def test_a_tombstone_speaks_for_all_that_it_takes_the_place_of() -> None:
    plan = plan_delete_version(snapshot(BASE), "fraud", "1.0.0", None, NOW)
    assert meaning(dict(plan.edits)) == [VersionDeleted("fraud", "1.0.0")]
    plan = plan_delete_model(snapshot(BASE), "fraud", None, NOW)
    assert meaning(dict(plan.edits)) == [ModelDeleted("fraud")]


def test_a_redirect_speaks_for_all_that_moved() -> None:
    plan = plan_rename(snapshot(BASE), "credit-risk", "loans", NOW)
    assert meaning(dict(plan.edits)) == [ModelRenamed("credit-risk", "loans")]


def test_a_redirect_that_turns_elsewhere_speaks_for_itself() -> None:
    redirect = "models/credit-scoring/redirect.yaml"
    edits = dict(plan_rename(snapshot(BASE), "credit-risk", "loans", NOW).edits)
    edits[redirect] = (edits[redirect] or b"").replace(b"to: loans", b"to: fraud")
    assert meaning(edits) == [ModelRenamed("credit-risk", "loans"), MarkerTampered(redirect)]
    edits[redirect] = None
    assert meaning(edits) == [ModelRenamed("credit-risk", "loans"), MarkerTampered(redirect)]


def test_what_a_rename_edits_on_the_way_is_told() -> None:
    edits = dict(plan_rename(snapshot(BASE), "fraud", "alert", NOW).edits)
    edits["models/fraud/model.yaml"] = b"x"
    assert meaning(edits) == [ModelRenamed("fraud", "alert"), ModelEdited("fraud")]


def test_a_tombstone_beside_anything_ends_no_model() -> None:
    edits = removed("models/fraud/versions/1.0.0") | {
        "models/fraud/model.yaml": None,
        "models/fraud/tombstone.yaml": b"x",
    }
    found = meaning(edits)
    assert MarkerTampered("models/fraud/model.yaml") in found
    assert not any(isinstance(change, ModelDeleted) for change in found)


def test_pointers_are_told_with_both_sides() -> None:
    plan = plan_set_alias(snapshot(BASE), "credit-risk", "shadow", 3)
    (moved,) = meaning(dict(plan.edits))
    assert isinstance(moved, AliasMoved)
    assert (moved.model, moved.alias, moved.old) == ("credit-risk", "shadow", None)
    assert moved.new is not None
    assert moved.new.pin == PINS[3]


def test_a_pointer_that_cannot_be_read_has_no_side() -> None:
    (changed,) = meaning({f"{CREDIT}/stages/staging.yaml": b"!!x"})
    assert isinstance(changed, StageChanged)
    assert changed.new is None
    assert changed.left == (PINS[3],)
    assert not changed.is_rollback


def test_protected_files_are_the_bases_own_whoever_asked_first() -> None:
    rules = BASE["gitreg.yaml"] + b"protected: ['ci/**']\n"
    base = snapshot(edited({"gitreg.yaml": rules}))
    head = edited({"gitreg.yaml": rules + b"# and no more\n", "ci/a/b.sh": b"x", ".github/a.yml": b"x"})
    assert list(between(base, head).changes) == [
        UnmanagedChanged(".github/a.yml"),
        RulesChanged("ci/a/b.sh"),
        RulesChanged("gitreg.yaml"),
    ]


def test_the_models_of_a_change_are_named_with_their_new_names() -> None:
    plan = plan_rename(snapshot(BASE), "fraud", "alert", NOW)
    assert between(snapshot(BASE), edited(dict(plan.edits))).models == ["alert", "fraud"]


def move(version: int, source: str, target: str, **more: object) -> Transition:
    return Transition("credit-risk", PINS[version], source, target, **more)  # type: ignore[arg-type]


def test_a_promotion_displaces() -> None:
    assert of_plan(plan_promote(snapshot(BASE), "credit-risk", 3, "production")) == (
        ["promote"],
        [move(2, "production", "archived", displaced=True), move(3, "staging", "production")],
    )


@pytest.mark.parametrize(
    ("target", "kind"), [(None, "demote"), ("archived", "promote"), (NONE, "demote")], ids=str
)
def test_a_version_is_demoted_to_no_stage_or_where_policy_sends_it(target: str | None, kind: str) -> None:
    found, moves = of_plan(plan_demote(snapshot(BASE), "credit-risk", 3, target))
    assert (found, moves) == ([kind], [move(3, "staging", target or NONE)])


def test_a_rollback_is_known_by_what_it_restores() -> None:
    assert of_plan(plan_rollback(snapshot(BASE), "credit-risk", "production")) == (
        ["rollback"],
        [
            move(1, "archived", "production", rollback="production"),
            move(2, "production", "archived", rollback="production"),
        ],
    )


def test_aliases_are_a_kind_of_their_own() -> None:
    assert of_plan(plan_set_alias(snapshot(BASE), "credit-risk", "champion", 2)) == (["alias"], [])


def test_kinds_are_told_once_and_in_the_order_of_the_list() -> None:
    base = snapshot(BASE)
    promoted = plan_promote(base, "credit-risk", 3, "production").edits
    more: dict[str, bytes | None] = {"policy.yaml": b"x", f"{V3}/notes.yaml": b"x", "train.py": b"x"}
    found = between(base, edited({**NEW_VERSION, **promoted, **more}))
    assert kinds(found, base.policy()) == ["register", "annotate", "promote", "rules"]


def staged(stage: str, serial: int, versions: list[int], previous: list[int]) -> bytes:
    pins = [[PINS[version] for version in some] for some in (versions, previous)]
    assignment = StageAssignment("credit-risk", stage, serial, tuple(pins[0]), tuple(pins[1]))
    return json.dumps(assignment.as_yaml()).encode()


def moves_of(
    policy: dict[str, str], before: dict[str, list[int]], after: dict[str, list[int]]
) -> list[Transition]:
    """The moves from one filling of the stages to another; every stage's ``previous`` is empty before."""
    text = BASE["policy.yaml"].decode()
    for old, new in policy.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    files: dict[str, bytes | None] = {"policy.yaml": text.encode()}
    path = f"{CREDIT}/stages/{{}}.yaml"
    base = edited({**files, **{path.format(s): staged(s, 1, before[s], []) for s in before}})
    head = edited({path.format(s): staged(s, 2, after[s], before[s]) for s in after}, base)
    return transitions(between(snapshot(base), head), snapshot(base).policy())


def test_nothing_is_displaced_where_nothing_enters() -> None:
    before = {"staging": [3], "production": [2], "archived": [1]}
    after = {"production": [], "archived": [1, 2]}
    assert moves_of({}, before, after) == [move(2, "production", "archived")]


def test_what_goes_elsewhere_than_policy_says_is_not_displaced() -> None:
    before = {"staging": [3], "production": [2], "archived": [1]}
    after = {"staging": [2], "production": [3]}
    found = moves_of({}, before, after)
    assert found == [move(2, "production", "staging"), move(3, "staging", "production")]


MUTUAL = {"from: [none, archived]": "replaced: production", "replaced: archived": "replaced: staging"}


def test_a_swap_displaces_nothing() -> None:
    before = {"staging": [3], "production": [2], "archived": []}
    found = moves_of(MUTUAL, before, {"staging": [2], "production": [3]})
    assert found == [move(2, "production", "staging"), move(3, "staging", "production")]


def test_what_gives_way_makes_nothing_else_give_way() -> None:
    policy = {"replaced: archived": "replaced: staging"}
    before = {"staging": [1], "production": [2], "archived": [3]}
    after = {"staging": [2], "production": [3], "archived": []}
    found = moves_of(policy, before, after)
    assert sorted(found, key=lambda each: str(each.pin.version)) == [
        move(1, "staging", NONE),
        move(2, "production", "staging", displaced=True),
        move(3, "archived", "production"),
    ]
