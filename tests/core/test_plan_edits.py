"""Aliases, annotations, evidence, deletions and renames: what they write, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from registry_kit import NOW, base_files, snapshot

from gitreg.core.plan.alias import plan_clear_alias, plan_set_alias
from gitreg.core.plan.annotate import REMOVE, plan_annotate, plan_edit_model
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.evidence import NewEvidence, plan_evidence, plan_retract
from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.rename import plan_rename
from gitreg.core.ports import Identity
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import edited
from gitreg.errors import GitregError, NotFound, Refused, UsageError

#: The base registry, with an alias that names something.
BASE = base_files() | {
    "models/credit-risk/aliases/champion.yaml": (
        b"apiVersion: gitreg/v1\nkind: Alias\nmodel: credit-risk\nalias: champion\nserial: 2\n"
        b"version: 2\ndigest: sha256:" + b"2" * 64 + b"\n"
    )
}
CREDIT = "models/credit-risk"
BO = Identity("Bo", "bo@example.com")
ZERO = "sha256:" + "0" * 64
VERSIONS = "gitreg version list credit-risk shows all"
MODELS = "gitreg model list shows all"


def registry(files: dict[str, bytes | None] | None = None) -> Snapshot:
    found = {**BASE, **(files or {})}
    return snapshot({path: data for path, data in found.items() if data is not None})


def text(plan: Plan, path: str) -> str:
    data = plan.edits[path]
    assert data is not None
    return data.decode()


def refused(
    make: Callable[[], Plan], error: type[GitregError], message: str, hint: str | None = None
) -> None:
    with pytest.raises(error) as caught:
        make()
    assert (caught.value.message, caught.value.hint) == (message, hint)


# Aliases


def test_an_alias_is_pinned_and_counted_on() -> None:
    plan = plan_set_alias(registry(), "credit-risk", "shadow", 3)
    assert text(plan, f"{CREDIT}/aliases/shadow.yaml") == (
        "apiVersion: gitreg/v1\nkind: Alias\nmodel: credit-risk\nalias: shadow\nserial: 1\nversion: 3\n"
        f'digest: "sha256:{"3" * 64}"\n'
    )
    assert (plan.kind, plan.title) == ("alias", "Point credit-risk@shadow at version 3")


def test_clearing_an_alias_leaves_its_file_with_what_people_wrote_in_it() -> None:
    path = f"{CREDIT}/aliases/champion.yaml"
    base = registry({path: b"# the live one\n" + BASE[path]})
    plan = plan_clear_alias(base, "credit-risk", "CHAMPION")
    assert text(plan, path) == (
        "# the live one\napiVersion: gitreg/v1\nkind: Alias\nmodel: credit-risk\nalias: champion\nserial: 3\n"
        "version: null\ndigest: null\n"
    )


@pytest.mark.parametrize(
    ("alias", "version", "error", "message", "hint"),
    [
        ("champion", 9, NotFound, "version 9 of 'credit-risk' does not exist", VERSIONS),
        ("champion", 2, NothingToDo, "credit-risk@champion already names version 2", None),
        (
            "Champion",
            3,
            Refused,
            "@Champion may name only versions in production, and credit-risk/3 is not",
            "gitreg promote credit-risk/3 --to production",
        ),
        ("v2", 3, UsageError, "'v2' cannot name an alias: it is reserved", None),
        ("Staging", 3, UsageError, "'Staging' is the name of a stage", "choose another alias"),
        ("canary", 3, UsageError, "'canary' is the name of a stage", "choose another alias"),
    ],
)  # fmt: skip
def test_refusals_of_an_alias(
    alias: str, version: int, error: type[GitregError], message: str, hint: str | None
) -> None:
    retired = BASE[f"{CREDIT}/stages/staging.yaml"].replace(b"stage: staging", b"stage: canary")
    base = registry({f"{CREDIT}/stages/canary.yaml": retired.split(b"versions:")[0] + b"versions: []\n"})
    refused(lambda: plan_set_alias(base, "credit-risk", alias, version), error, message, hint)


def test_an_alias_that_names_nothing_is_not_cleared() -> None:
    message = "'credit-risk' has no alias 'shadow'"
    hint = "gitreg alias list credit-risk shows all"
    refused(lambda: plan_clear_alias(registry(), "credit-risk", "shadow"), NotFound, message, hint)


def test_the_branch_of_an_alias_follows_from_its_target_and_serial() -> None:
    plan = plan_set_alias(registry(), "credit-risk", "shadow", 3)
    assert plan.branch == plan_set_alias(registry(), "credit-risk", "shadow", 3).branch
    assert plan.branch != plan_set_alias(registry(), "credit-risk", "shadow", 1).branch
    assert plan.branch != plan_clear_alias(registry(), "credit-risk", "champion").branch


# Annotations


def test_annotations_keep_comments_and_order() -> None:
    path = f"{CREDIT}/versions/3/notes.yaml"
    base = registry({path: BASE[path].replace(b"card:", b"card:   # for the auditors")})
    plan = plan_annotate(
        base,
        "credit-risk",
        3,
        {("card", "limitations"): "Trained on two countries.", ("tags", "team"): "risk"},
    )
    assert text(plan, path) == (
        "apiVersion: gitreg/v1\nkind: VersionNotes\nmodel: credit-risk\nversion: 3\n"
        "card:   # for the auditors\n  intended_use: Loans up to 50,000 euros.\n"
        "  limitations: Trained on two countries.\ntags: {team: risk}\n"
    )
    assert (plan.kind, plan.title) == ("annotate", "Annotate credit-risk/3")


def test_the_first_annotation_makes_the_file() -> None:
    plan = plan_annotate(registry(), "fraud", "1.0.0", {("description",): "payments"})
    assert text(plan, "models/fraud/versions/1.0.0/notes.yaml") == (
        'apiVersion: gitreg/v1\nkind: VersionNotes\nmodel: fraud\nversion: "1.0.0"\ndescription: payments\n'
    )


def test_a_models_keys_are_set_and_taken_away() -> None:
    plan = plan_edit_model(registry(), "credit-risk", {("task",): REMOVE, ("owners",): ["ml-platform"]})
    assert text(plan, f"{CREDIT}/model.yaml") == (
        "apiVersion: gitreg/v1\nkind: Model\nname: credit-risk\ntitle: Will a loan be paid back?\n"
        "owners:\n  - ml-platform\n"
    )


def annotated(version: int, key: str, value: object) -> Callable[[], Plan]:
    return lambda: plan_annotate(registry(), "credit-risk", version, {tuple(key.split(".")): value})


NOTES = f"{CREDIT}/versions/3/notes.yaml"
INVALID, UNSAID = f"{NOTES} would not be valid:", f"{NOTES} cannot say so:"
PLACE = "it says the same as the file's path"


@pytest.mark.parametrize(
    ("make", "error", "message", "hint"),
    [
        (annotated(3, "card.limitations", "Trained on one country."), NothingToDo, f"{NOTES} says so already", None),
        (annotated(3, "tags.team", REMOVE), NothingToDo, f"{NOTES} says so already", None),
        (annotated(9, "description", "x"), NotFound, "version 9 of 'credit-risk' does not exist", VERSIONS),
        (annotated(3, "tags.team", 3), UsageError, f"{INVALID} tags.team: text is expected, not 3", None),
        (annotated(3, "version", 2), UsageError, f"version of {NOTES} cannot be edited", PLACE),
        (annotated(3, "model", REMOVE), UsageError, f"model of {NOTES} cannot be edited", PLACE),
        (annotated(3, "description", float("inf")), UsageError, f"{UNSAID} inf is not a finite number", None),
        (
            lambda: plan_edit_model(registry(), "fraud", {("versions",): "integer"}),
            Refused,
            "'fraud' has versions, so how they are numbered stays",
            "make a new model",
        ),
        (
            lambda: plan_edit_model(registry(), "fraud", {("name",): "alert"}),
            UsageError,
            "name of models/fraud/model.yaml cannot be edited",
            PLACE,
        ),
    ],
)  # fmt: skip
def test_refusals_of_annotations(
    make: Callable[[], Plan], error: type[GitregError], message: str, hint: str | None
) -> None:
    refused(make, error, message, hint)


def test_the_branch_of_an_annotation_follows_from_what_it_makes_of_what() -> None:
    plan = annotated(3, "description", "x")()
    assert plan.branch == annotated(3, "description", "x")().branch
    assert plan.branch != annotated(3, "description", "y")().branch


# Evidence


def evidence(name: str = "shadow", brier: float = 0.1, **changes: object) -> NewEvidence:
    said = {"dataset": "holdout", "dataset_digest": ZERO, "metrics": {"brier": brier}} | changes
    return NewEvidence(name, created_by=BO, created_at=NOW, **said)  # type: ignore[arg-type]


def test_evidence_is_about_the_bytes_of_its_version() -> None:
    plan = plan_evidence(registry(), "credit-risk", 3, evidence(source="https://ci.example.com/7"))
    assert text(plan, f"{CREDIT}/versions/3/evidence/shadow.yaml") == (
        "apiVersion: gitreg/v1\nkind: Evidence\nmodel: credit-risk\nversion: 3\nname: shadow\n"
        f'digest: "sha256:{"3" * 64}"\ndataset: {{name: holdout, digest: "{ZERO}"}}\nmetrics: {{brier: 0.1}}\n'
        'source: "https://ci.example.com/7"\ncreated_at: "2026-12-01T12:00:00Z"\n'
        "created_by: {name: Bo, email: bo@example.com}\n"
    )


def test_a_retraction_lies_beside_what_it_retracts() -> None:
    plan = plan_retract(registry(), "credit-risk", 3, "holdout", "leaked", BO, NOW)
    assert text(plan, f"{CREDIT}/versions/3/evidence/holdout.retracted.yaml") == (
        "apiVersion: gitreg/v1\nkind: EvidenceRetraction\nmodel: credit-risk\nversion: 3\nname: holdout\n"
        'reason: leaked\ncreated_at: "2026-12-01T12:00:00Z"\ncreated_by: {name: Bo, email: bo@example.com}\n'
    )
    assert plan.title == "Retract evidence holdout of credit-risk/3"


TAKEN = "and evidence is never edited"
LETTERS = "use letters, digits, '_' and '-'"


@pytest.mark.parametrize(
    ("version", "new", "error", "message", "hint"),
    [
        (9, evidence(), NotFound, "version 9 of 'credit-risk' does not exist", VERSIONS),
        (3, evidence("holdout"), Refused, f"credit-risk/3 has evidence 'holdout', {TAKEN}", "choose another name"),
        (3, evidence("HoldOut"), Refused, f"credit-risk/3 has evidence 'HoldOut', {TAKEN}", "choose another name"),
        (3, evidence("../holdout"), UsageError, "'../holdout' cannot name evidence", LETTERS),
        (3, evidence("a.retracted"), UsageError, "'a.retracted' cannot name evidence", LETTERS),
        (3, evidence("nul"), UsageError, "'nul' cannot name evidence", LETTERS),
        (3, evidence(brier=float("nan")), UsageError, "nan is not a finite number", None),
    ],
)  # fmt: skip
def test_refusals_of_evidence(
    version: int, new: NewEvidence, error: type[GitregError], message: str, hint: str | None
) -> None:
    refused(lambda: plan_evidence(registry(), "credit-risk", version, new), error, message, hint)


@pytest.mark.parametrize("changes", [{"metrics": {}}, {"dataset_digest": "md5:0"}, {"dataset": ""}])
def test_evidence_that_would_be_no_manifest_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"evidence/shadow\.yaml would not be valid"):
        plan_evidence(registry(), "credit-risk", 3, evidence(**changes))


@pytest.mark.parametrize("name", ["shadow", "holdout.retracted"])
def test_only_evidence_that_counts_is_retracted(name: str) -> None:
    message = f"credit-risk/3 has no evidence {name!r} that counts"
    make = lambda: plan_retract(registry(), "credit-risk", 3, name, "leaked", BO, NOW)  # noqa: E731
    refused(make, Refused, message, "gitreg show lists its evidence")


def test_other_results_under_the_same_name_are_another_branch() -> None:
    plans = [plan_evidence(registry(), "credit-risk", 3, each) for each in (evidence(), evidence(brier=0.2))]
    assert plans[0].branch != plans[1].branch
    later = NewEvidence("shadow", "holdout", ZERO, {"brier": 0.1}, BO, NOW.replace(day=2))
    assert plan_evidence(registry(), "credit-risk", 3, later).branch == plans[0].branch


# Deletions


def test_a_tombstone_takes_the_place_of_a_version() -> None:
    plan = plan_delete_version(registry(), "fraud", "1.0.0", "leaked", NOW)
    folder = "models/fraud/versions/1.0.0"
    assert {path for path, data in plan.edits.items() if data is None} == {
        f"{folder}/version.yaml",
        f"{folder}/model.onnx.dvc",
    }
    assert text(plan, f"{folder}/tombstone.yaml") == (
        'apiVersion: gitreg/v1\nkind: VersionTombstone\nmodel: fraud\nversion: "1.0.0"\n'
        f'digest: "sha256:{"a" * 64}"\ndeleted_at: "2026-12-01T12:00:00Z"\nreason: leaked\n'
    )


def test_a_version_may_be_deleted_with_its_aliases() -> None:
    base = registry()
    for alias in ("newest", "Best"):
        base = base.with_tree(edited(base.tree, plan_set_alias(base, "fraud", alias, "1.0.0").edits))
    with pytest.raises(Refused, match=r"names version 1\.0\.0, which so cannot be deleted"):
        plan_delete_version(base, "fraud", "1.0.0", None, NOW)
    plan = plan_delete_version(base, "fraud", "1.0.0", None, NOW, clear_aliases=True)
    head = base.with_tree(edited(base.tree, plan.edits))
    assert {name: alias.pin for name, alias in head.aliases("fraud").items()} == {
        "Best": None,
        "newest": None,
    }
    assert head.version_tombstone("fraud", "1.0.0") is not None
    assert (plan.kind, plan.title) == ("delete", "Delete fraud/1.0.0")


def test_a_version_in_a_stage_is_not_deleted_for_its_aliases_sake() -> None:
    with pytest.raises(Refused, match="credit-risk/2 is in production and cannot be deleted"):
        plan_delete_version(registry(), "credit-risk", 2, None, NOW, clear_aliases=True)


def test_a_tombstone_of_a_model_lists_every_version_that_it_had() -> None:
    plan = plan_delete_model(registry(), "fraud", None, NOW)
    assert text(plan, "models/fraud/tombstone.yaml") == (
        "apiVersion: gitreg/v1\nkind: ModelTombstone\nmodel: fraud\nversions:\n"
        f'  - {{version: "0.9.0", digest: "sha256:{"9" * 64}"}}\n'
        f'  - {{version: "1.0.0", digest: "sha256:{"a" * 64}"}}\n'
        'deleted_at: "2026-12-01T12:00:00Z"\n'
    )
    assert {data for path, data in plan.edits.items() if not path.endswith("fraud/tombstone.yaml")} == {None}


def test_a_model_without_versions_leaves_a_tombstone_without_versions() -> None:
    model = b"apiVersion: gitreg/v1\nkind: Model\nname: churn\n"
    plan = plan_delete_model(
        registry({"models/new/model.yaml": model.replace(b"churn", b"new")}), "new", None, NOW
    )
    assert text(plan, "models/new/tombstone.yaml").endswith("versions: []\n")
    again = plan_delete_model(registry({"models/churn/model.yaml": model}), "churn", None, NOW)
    assert f'versions:\n  - {{version: 1, digest: "sha256:{"c" * 64}"}}\n' in text(
        again, "models/churn/tombstone.yaml"
    )


STAGE_HINT = "gitreg demote credit-risk/{} --to none"


@pytest.mark.parametrize(
    ("make", "error", "message", "hint"),
    [
        (
            lambda: plan_delete_version(registry(), "credit-risk", 3, None, NOW),
            Refused,
            "credit-risk/3 is in staging and cannot be deleted",
            STAGE_HINT.format(3),
        ),
        (
            lambda: plan_delete_model(registry(), "credit-risk", None, NOW),
            Refused,
            "credit-risk/1 is in archived and cannot be deleted",
            STAGE_HINT.format(1),
        ),
        (
            lambda: plan_delete_version(
                registry({f"{CREDIT}/stages/production.yaml": None}), "credit-risk", 2, None, NOW
            ),
            Refused,
            "credit-risk@champion names version 2, which so cannot be deleted",
            "gitreg alias delete credit-risk champion",
        ),
        (
            lambda: plan_delete_version(registry(), "fraud", "0.9.0", None, NOW),
            NotFound,
            "version 0.9.0 of 'fraud' was deleted",
            "gitreg version list fraud shows all",
        ),
        (
            lambda: plan_delete_model(registry(), "churn", None, NOW),
            NotFound,
            "no model is called 'churn'",
            MODELS,
        ),
        (
            lambda: plan_delete_model(registry(), "credit-scoring", None, NOW),
            NotFound,
            "no model is called 'credit-scoring'",
            MODELS,
        ),
    ],
)
def test_refusals_of_deletions(
    make: Callable[[], Plan], error: type[GitregError], message: str, hint: str | None
) -> None:
    refused(make, error, message, hint)


def test_a_reason_that_is_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="reason: 6000 characters; 0 to 5000 are allowed"):
        plan_delete_version(registry(), "fraud", "1.0.0", "x" * 6000, NOW)
    with pytest.raises(UsageError, match="reason: 6000 characters; 0 to 5000 are allowed"):
        plan_delete_model(registry(), "fraud", "x" * 6000, NOW)


# Renames


def test_a_rename_carries_every_file_over_and_leaves_redirects() -> None:
    plan = plan_rename(registry(), "credit-risk", "loans", NOW)
    for path, data in BASE.items():
        if path.startswith(f"{CREDIT}/"):
            new = plan.edits[path.replace("credit-risk", "loans", 1)]
            assert plan.edits[path] is None
            assert new is not None
            assert ("/versions/" in path) <= (new == data), "records and notes are moved as they are"
    redirect = 'to: loans\nrenamed_at: "2026-12-01T12:00:00Z"\n'
    for former in ("credit-risk", "credit-scoring"):
        expected = f"apiVersion: gitreg/v1\nkind: Redirect\nmodel: {former}\n{redirect}"
        assert text(plan, f"models/{former}/redirect.yaml") == expected
    assert text(plan, "models/loans/model.yaml") == BASE[f"{CREDIT}/model.yaml"].decode().replace(
        "name: credit-risk", "name: loans"
    )
    staging = BASE[f"{CREDIT}/stages/staging.yaml"].decode()
    assert text(plan, "models/loans/stages/staging.yaml") == staging.replace(
        "model: credit-risk", "model: loans"
    ).replace("serial: 5", "serial: 6")


@pytest.mark.parametrize(
    ("model", "to", "error", "message", "hint"),
    [
        ("nobody", "loans", NotFound, "no model is called 'nobody'", MODELS),
        ("credit-scoring", "loans", NotFound, "no model is called 'credit-scoring'", MODELS),
        ("fraud", "con", UsageError, "'con' cannot name a model: Windows reserves it as a device name", None),
        ("fraud", "Churn", Refused, "the name 'Churn' is taken by 'churn'", "choose another name"),
        ("fraud", "Fraud", Refused, "the name 'Fraud' is taken by 'fraud'", "choose another name"),
        (
            "credit-risk",
            "sandbox-credit",
            Refused,
            "archived of 'sandbox-credit' would hold 2 versions, and at most 1 may be there",
            "gitreg demote credit-risk/1 --to none first",
        ),
    ],
)  # fmt: skip
def test_refusals_of_a_rename(
    model: str, to: str, error: type[GitregError], message: str, hint: str | None
) -> None:
    policy = BASE["policy.yaml"].replace(
        b"{production: {soak: null,", b"{archived: {holds: 1}, production: {soak: null,"
    )
    pin = b"  - {version: 2, digest: sha256:" + b"2" * 64 + b"}\n"
    archived = BASE[f"{CREDIT}/stages/archived.yaml"].replace(b"previous: []", pin + b"previous: []")
    base = registry({"policy.yaml": policy, f"{CREDIT}/stages/archived.yaml": archived})
    refused(lambda: plan_rename(base, model, to, NOW), error, message, hint)
