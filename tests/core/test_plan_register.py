"""Register: numbers, names, the same bytes again, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from registry_kit import NOW, base_files, snapshot

from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.register import ADOPTION_WINDOW, NewModel, Registration, plan_model, plan_register
from gitreg.core.ports import DvcPointer, Identity
from gitreg.core.record import Artifact, CopiedFrom
from gitreg.core.tree import edited
from gitreg.errors import GitregError, NotFound, Refused, UsageError

BASE = base_files()
DIGEST = "sha256:" + "4" * 64
ASKED = Registration(
    model="credit-risk",
    artifact=Artifact("model.onnx", DIGEST, 1004, 1, "onnx"),
    pointer=DvcPointer("model.onnx", "d4" * 16, 1004, 1),
    created_by=Identity("Dan", "dan@example.com"),
    created_at=NOW,
)
MAX = b"9007199254740991"


def planned(files: dict[str, bytes] | None = None, **changes: object) -> Plan:
    return plan_register(snapshot({**BASE, **(files or {})}), replace(ASKED, **changes))  # type: ignore[arg-type]


def test_a_version_is_its_record_and_its_pointer() -> None:
    plan = planned(metrics={"roc_auc": 0.96}, params={"trees": 50})
    assert {path: (data or b"").decode() for path, data in plan.edits.items()} == {
        "models/credit-risk/versions/4/version.yaml": (
            "apiVersion: gitreg/v1\nkind: ModelVersion\nmodel: credit-risk\nversion: 4\n"
            'created_at: "2026-12-01T12:00:00Z"\ncreated_by: {name: Dan, email: dan@example.com}\n'
            f'artifact:\n  path: model.onnx\n  digest: "{DIGEST}"\n  size: 1004\n  files: 1\n  format: onnx\n'
            "params: {trees: 50}\nmetrics: {roc_auc: 0.96}\n"
        ),
        "models/credit-risk/versions/4/model.onnx.dvc": (
            f"outs:\n- md5: {'d4' * 16}\n  size: 1004\n  hash: md5\n  path: model.onnx\n"
        ),
    }
    assert (plan.kind, plan.title) == ("register", "Register credit-risk/4")


@pytest.mark.parametrize(
    "said", [{"description": "tuned"}, {"tags": {"team": "risk"}}, {"card": {"limitations": "one country"}}]
)
def test_what_people_say_stands_in_notes(said: dict[str, object]) -> None:
    plan = planned(**said)
    head = snapshot(BASE)
    notes = head.with_tree(edited(head.tree, plan.edits)).notes("credit-risk", 4)
    assert notes is not None
    assert {key: getattr(notes, key) for key in said} == said


def copied(origin: CopiedFrom, **changes: object) -> Plan:
    return planned(copied_from=origin, artifact=replace(ASKED.artifact, digest=origin.digest), **changes)


HERE = CopiedFrom("6f1f77a4-9d3a-4f0e-8a55-0d6c1f2b3a4c", "credit-risk", 3, "sha256:" + "3" * 64)
ELSEWHERE = CopiedFrom("7f0c2a3e-5b1d-4c8e-9a44-0d6f3a1b2c5d", "scores", 7, "sha256:" + "7" * 64)


def test_a_copy_of_what_is_here_is_another_kind() -> None:
    plan = copied(HERE, model="fraud", version="1.1.0")
    assert (plan.kind, plan.title) == ("copy", "Copy credit-risk/3 to fraud/1.1.0")


def test_bytes_that_are_there_are_copied_again_only_if_asked_for() -> None:
    with pytest.raises(NothingToDo, match="credit-risk/3 already has these bytes"):
        copied(HERE)
    assert copied(HERE, nonce="x").title == "Copy credit-risk/3 to credit-risk/4"


def test_a_copy_from_elsewhere_is_a_registration_that_says_so() -> None:
    plan = copied(ELSEWHERE)
    assert (plan.kind, plan.title) == ("register", "Copy scores/7 to credit-risk/4")
    assert plan.branch != planned(artifact=replace(ASKED.artifact, digest=ELSEWHERE.digest)).branch


@pytest.mark.parametrize(
    "origin", [replace(HERE, version=9), replace(HERE, model="loans"), replace(HERE, version=2)]
)
def test_what_is_not_here_cannot_be_copied(origin: CopiedFrom) -> None:
    with pytest.raises(Refused, match=r"this registry has no version \d of '[a-z-]+' with these bytes"):
        copied(origin, model="fraud", version="1.1.0")


@pytest.mark.parametrize("asked", ["Credit-Risk", "credit-scoring", "CREDIT-SCORING"])
def test_a_model_is_found_without_regard_to_case_and_along_a_redirect(asked: str) -> None:
    assert planned(model=asked) == planned()


def test_numbers_go_on_behind_a_deleted_version() -> None:
    grave = BASE["models/fraud/versions/0.9.0/tombstone.yaml"].replace(b"fraud", b"credit-risk")
    folder = "models/credit-risk/versions/7/tombstone.yaml"
    assert planned({folder: grave.replace(b"0.9.0", b"7")}).title == "Register credit-risk/8"


def test_a_deleted_models_name_can_be_made_again_and_its_numbers_go_on() -> None:
    plan = planned(model="churn", create=NewModel(title="Churn"))
    assert plan.title == "Register churn/2"
    assert (
        plan.edits["models/churn/model.yaml"]
        == b"apiVersion: gitreg/v1\nkind: Model\nname: churn\ntitle: Churn\n"
    )


def test_a_new_model_begins_with_version_1_or_the_one_asked_for() -> None:
    assert planned(model="売上", create=NewModel()).title == "Register 売上/1"
    assert (
        planned(model="new", create=NewModel(scheme="semver"), version="0.1.0").title == "Register new/0.1.0"
    )


def test_create_is_no_matter_where_the_model_is_there() -> None:
    assert planned(create=NewModel(title="Another")).edits == planned().edits


def test_the_same_bytes_are_adopted_unless_asked_for_again() -> None:
    same = replace(ASKED.artifact, digest="sha256:" + "2" * 64)
    with pytest.raises(
        NothingToDo, match=r"credit-risk/2 already has these bytes \(sha256:222222222222…\)"
    ) as caught:
        planned(artifact=same)
    assert caught.value.exit_code == 0
    assert planned(artifact=same, nonce="x").title == "Register credit-risk/4"
    assert planned(model="fraud", version="1.1.0", artifact=replace(same, digest="sha256:" + "a" * 64)).edits


def test_only_the_newest_versions_are_searched_for_the_same_bytes() -> None:
    record = BASE["models/credit-risk/versions/3/version.yaml"]
    many = {
        f"models/credit-risk/versions/{n}/version.yaml": record.replace(b"version: 3", b"version: %d" % n)
        for n in range(4, ADOPTION_WINDOW + 4)
    }
    old = replace(ASKED.artifact, digest="sha256:" + "2" * 64)
    assert planned(many, artifact=old).title == f"Register credit-risk/{ADOPTION_WINDOW + 4}"


@pytest.mark.parametrize(
    ("changes", "error", "code", "message", "hint"),
    [
        ({"model": "loans"}, NotFound, 1, "no model is called 'loans'", "add --create to make a new model"),
        ({"model": "churn"}, NotFound, 1, "no model is called 'churn'", "add --create to make a new model"),
        (
            {"version": "4"},
            UsageError,
            2,
            "'credit-risk' numbers its versions by itself",
            "leave --version out",
        ),
        (
            {"model": "fraud"},
            UsageError,
            2,
            "'fraud' has SemVer versions, so the new one needs a number",
            "give --version, higher than 1.0.0",
        ),
        (
            {"model": "new", "create": NewModel(scheme="semver")},
            UsageError,
            2,
            "'new' has SemVer versions, so the new one needs a number",
            "give --version 0.1.0, say",
        ),
        (
            {"model": "fraud", "version": "1.1"},
            UsageError,
            2,
            "'1.1' is not a SemVer version without build metadata",
            "write 1.4.0 or 2.0.0-rc.1",
        ),
        (
            {"model": "fraud", "version": "0.9.0"},
            Refused,
            1,
            "version 0.9.0 of 'fraud' exists, or existed and was deleted",
            "give another --version",
        ),
        (
            {"model": "new", "create": NewModel(scheme="letters"), "version": "1.0.0"},
            UsageError,
            2,
            "models/new/model.yaml would not be valid: versions: 'letters' is not 'integer' or 'semver'",
            None,
        ),
        (
            {"model": "aux", "create": NewModel()},
            UsageError,
            2,
            "'aux' cannot name a model: Windows reserves it as a device name",
            None,
        ),
        (
            {"model": "Churn", "create": NewModel()},
            Refused,
            1,
            "the name 'Churn' is taken by 'churn'",
            "choose another name",
        ),
        ({"metrics": {"roc_auc": float("nan")}}, UsageError, 2, "nan is not a finite number", None),
        (
            {"created_by": Identity("", "dan@example.com")},
            UsageError,
            2,
            "models/credit-risk/versions/4/version.yaml would not be valid: created_by.name: 0 characters; "
            "1 to 250 are allowed",
            None,
        ),
    ],
)
def test_refusals(
    changes: dict[str, object], error: type[GitregError], code: int, message: str, hint: str | None
) -> None:
    with pytest.raises(error) as caught:
        planned(**changes)
    assert caught.value.message.partition(";")[0] == message.partition(";")[0]
    assert (caught.value.exit_code, caught.value.hint) == (code, hint)


def test_the_largest_number_is_the_last_one() -> None:
    record = BASE["models/credit-risk/versions/3/version.yaml"].replace(b"version: 3", b"version: " + MAX)
    with pytest.raises(Refused, match="'credit-risk' has no number left for another version"):
        planned({f"models/credit-risk/versions/{MAX.decode()}/version.yaml": record})


def test_a_model_is_made_once() -> None:
    plan = plan_model(snapshot(BASE), "loans", NewModel(owners=("risk",), tags={"team": "risk"}))
    assert plan.edits == {
        "models/loans/model.yaml": (
            b"apiVersion: gitreg/v1\nkind: Model\nname: loans\nowners:\n  - risk\ntags: {team: risk}\n"
        )
    }
    for name, says in (
        ("credit-risk", "^there is a model 'credit-risk' already$"),
        ("Credit-Risk", "the name 'Credit-Risk' is taken by 'credit-risk'"),
        ("credit-scoring", "'credit-scoring'"),
    ):
        with pytest.raises(Refused, match=says):
            plan_model(snapshot(BASE), name, NewModel())


def test_the_branch_follows_from_the_bytes_and_outlives_a_move_of_the_base() -> None:
    one = planned()
    grave = BASE["models/fraud/versions/0.9.0/tombstone.yaml"].replace(b"fraud", b"credit-risk")
    moved = planned({"models/credit-risk/versions/4/tombstone.yaml": grave.replace(b"0.9.0", b"4")})
    assert (moved.title, moved.branch) == ("Register credit-risk/5", one.branch)
    assert planned(nonce="x").branch != one.branch
    assert planned(artifact=replace(ASKED.artifact, digest="sha256:" + "5" * 64)).branch != one.branch
