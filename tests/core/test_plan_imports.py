"""Imports: versions under their own numbers, where they were, and nothing that is here is overwritten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from registry_kit import NOW, World, base_files, shown, snapshot, verdict
from registry_kit import judged as judged_change

from gitreg.core.delta import Transition, delta, kinds, transitions
from gitreg.core.findings import Outcome
from gitreg.core.history import events
from gitreg.core.names import MAX_INTEGER, NONE, Version
from gitreg.core.plan.imports import (
    ImportedModel,
    ImportedVersion,
    LeftOut,
    plan_import,
    plan_imports,
    weigh_import,
)
from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.register import NewModel, Registration, plan_model
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.replan import replan
from gitreg.core.plan.transition import plan_promote
from gitreg.core.ports import Commit, DvcPointer, Identity
from gitreg.core.record import Artifact, ImportedFrom, Pin
from gitreg.core.report.change_request import change_request_body
from gitreg.core.tree import raw_changes
from gitreg.errors import Refused
from tests.core.test_property import SAME_SCHEMAS

BO = Identity("Bo", "bo@example.com")
Files = dict[str, bytes]


def version(number: Version, stage: str | None = None, *aliases: str, **said: Any) -> ImportedVersion:
    seed = number if isinstance(number, int) else sum(number.encode())
    more = {"format": said.pop("format", "mlflow"), "seed": said.pop("seed", seed % 1000)}
    registration = Registration(
        model="there",
        artifact=Artifact("model", f"sha256:{more['seed']:064x}", 10, 1, str(more["format"])),
        pointer=DvcPointer("model", f"{more['seed']:032x}", 10, 1),
        created_by=BO,
        created_at=NOW,
        imported_from=ImportedFrom("mlflow", "https://mlflow.example.com", "there", str(number)),
        **said,
    )
    return ImportedVersion(number, registration, stage, aliases)


def model(*versions: ImportedVersion, name: str = "loans", **said: Any) -> ImportedModel:
    return ImportedModel(name, NewModel(scheme="integer", **said), versions)


def applied(plan: Plan, files: Files | None = None) -> Files:
    found = {**(base_files() if files is None else files), **plan.edits}
    return {path: data for path, data in found.items() if data is not None}


def after(*models: ImportedModel) -> Files:
    files = base_files()
    for each in models:
        files = applied(plan_import(snapshot(files), each), files)
    return files


def left(asked: ImportedModel, files: Files | None = None) -> list[LeftOut]:
    return list(weigh_import(snapshot(files or base_files()), asked).left)


def judged(head: Files, base: Files | None = None) -> list[str]:
    """What verify says of a change, in a world where everybody who is asked has approved."""
    found = verdict(snapshot(base or base_files()), snapshot(head), SAME_SCHEMAS)
    return shown(finding for finding in found if finding.outcome is not Outcome.WARNING)


WHOLE = model(
    version(2, "Archived"),
    version(5, "production", "champion", description="The best", tags={"team": "risk"}),
    version(7, "STAGING", "Next", "challenger"),
    version(9),
    title="Loans",
    tags={"team": "risk"},
)


def test_a_whole_model_comes_as_it_is() -> None:
    plan = plan_import(snapshot(base_files()), WHOLE)
    assert (plan.kind, plan.title) == ("import", "Import loans (4 versions) from mlflow")
    head = applied(plan)
    assert judged(head) == []
    now = snapshot(head)
    assert now.versions("loans") == [2, 5, 7, 9]
    stages = {name: [pin.version for pin in held.versions] for name, held in now.stages("loans").items()}
    assert stages == {"archived": [2], "production": [5], "staging": [7]}
    names = {name: alias.pin.version for name, alias in now.aliases("loans").items() if alias.pin}
    assert names == {"champion": 5, "Next": 7, "challenger": 7}
    record = now.demand_record("loans", 5)
    assert (record.model, record.created_at, record.created_by) == ("loans", NOW, BO)
    assert record.imported_from == ImportedFrom("mlflow", "https://mlflow.example.com", "there", "5")
    notes = now.notes("loans", 5)
    assert notes is not None
    assert (notes.description, notes.tags) == ("The best", {"team": "risk"})


def test_all_of_it_is_one_kind_of_change() -> None:
    base, head = snapshot(base_files()), snapshot(after(WHOLE))
    found = delta(base, head, tuple(raw_changes(base.tree, head.tree)))
    assert kinds(found, base.policy()) == ["import"]
    assert all(move.imported for move in transitions(found, base.policy()))


def test_history_tells_what_was_imported() -> None:
    base, head = snapshot(base_files()), snapshot(after(WHOLE))
    commit = Commit("1" * 40, "2" * 40, (), BO, NOW, "Import loans")
    told = [(event.kind, event.what) for event in events(commit, base, head)]
    assert {kind for kind, _ in told} == {"import"}
    said = {what for _, what in told}
    assert {"imported version 5", "created the model", "version 5: none → production (imported)"} <= said
    assert "@champion: none → 5" in said


def test_reviewers_see_at_a_glance_what_is_imported() -> None:
    change = judged_change(snapshot(base_files()), snapshot(after(WHOLE)), SAME_SCHEMAS, World())
    body = change_request_body(change)
    assert "Versions: 4, with 40 B; models: 1. They say that they come from `mlflow` at" in body
    assert (
        "| `loans` | `2`, `5`, `7`, `9` | `archived 2`, `production 5`, `staging 7` | `Next`, `challenger`, `champion`"
        " | 40 B |" in body
    )
    assert "is imported to production; its way, soak and gates but those on formats are not asked for" in body
    assert "importing versions needs 1 approval of risk-owners" in body
    assert "gitreg promote loans" not in body


def test_what_is_here_already_is_left_as_it_is() -> None:
    files = after(WHOLE)
    with pytest.raises(NothingToDo):
        plan_import(snapshot(files), WHOLE)
    more = replace(WHOLE, versions=(*WHOLE.versions, version(1), version(12)))
    plan = plan_import(snapshot(files), more)
    assert plan.title == "Import loans (2 versions) from mlflow"
    assert judged(applied(plan, files), files) == []
    assert all("/versions/1/" in path or "/versions/12/" in path for path in plan.edits)


def test_a_renamed_model_is_found_by_its_former_name() -> None:
    files = after(WHOLE)
    files = applied(plan_rename(snapshot(files), "loans", "credit", NOW), files)
    with pytest.raises(NothingToDo):
        plan_import(snapshot(files), WHOLE)
    plan = plan_import(snapshot(files), model(version(12)))
    assert "models/credit/versions/12/version.yaml" in plan.edits
    assert judged(applied(plan, files), files) == []


def test_several_models_are_one_change_that_is_named_after_them() -> None:
    base = snapshot(base_files())
    pair = [model(version(1), name=name) for name in ("a", "b")]
    plan = plan_imports(base, pair)
    assert plan.title == "Import 2 models (2 versions) from mlflow"
    assert judged(applied(plan)) == []
    more = [model(version(1), version(2), name=name) for name in ("b", "a")]
    assert plan_imports(base, more).branch == plan.branch


def test_a_model_without_versions_is_registered() -> None:
    plan = plan_import(snapshot(base_files()), model(title="Empty"))
    assert (plan.kind, plan.title) == ("register", "Import loans (0 versions)")
    assert judged(applied(plan)) == []


@pytest.mark.parametrize(
    ("asked", "subject", "why"),
    [
        (model(version(1), name="a/b"), "a/b", "the name cannot be kept: '/'"),
        (model(version(1), name="Fraud"), "Fraud", "the name is taken by 'fraud'"),
        (model(version(1), name="churn"), "churn", "a model of that name was deleted here"),
        (model(version("1.0.0")), "loans/1.0.0", "'loans' numbers its versions otherwise"),
        (model(version(MAX_INTEGER)), f"loans/{MAX_INTEGER}", "its number leaves none"),
        (model(version(3), name="credit-risk"), "credit-risk/3", "it is here already, with other bytes"),
        (
            model(version(1, "Shadow")),
            "loans/1",
            "is in Shadow, and policy has no such stage (it has staging",
        ),
        (model(version(1, "Production"), version(2, "Production")), "loans/1", "production holds at most 1"),
        (model(version(1, "production", format="pickle")), "loans/1", "does not take the format pickle"),
        (model(version(1, None, "v2")), "loans@v2", "the name cannot be kept: it is reserved"),
        (model(version(1, None, "Staging")), "loans@Staging", "it is the name of a stage"),
        (model(version(1, None, "champion")), "loans@champion", "may name only versions in production"),
        (model(version(1, None, "a", "A")), "loans@A", "another alias is called so, but for case"),
        (model(version(1, tags={"log": "x" * 5001})), "loans/1", "its description and tags: "),
        (model(version(1), tags={"log": "x" * 5001}), "loans", "its description: "),
        (model(version(1, params={"x" * 251: 1})), "loans/1", "would not be valid"),
        (model(version(1, metrics={"loss": float("nan")})), "loans/1", "nan"),
    ],
)
def test_what_cannot_come_is_told(asked: ImportedModel, subject: str, why: str) -> None:
    found = left(asked)
    assert [each.subject for each in found] == [subject]
    assert why in found[0].why
    weighed = weigh_import(snapshot(base_files()), asked)
    if weighed.edits:
        head = {**base_files(), **{path: data for path, data in weighed.edits.items() if data is not None}}
        assert judged(head) == []


def test_what_differs_by_now_is_told_and_stays() -> None:
    files = after(model(version(1, "Staging", "next"), version(2)))
    found = left(model(version(1, "Production", "next"), version(2, None, "next")), files)
    assert found == [
        LeftOut("loans/1", "is in Production, and here in staging; that stays"),
        LeftOut("loans@next", "names version 2, and here version 1; that stays"),
    ]


def test_a_number_that_was_deleted_here_stays_unused() -> None:
    semver = ImportedModel("fraud", NewModel(scheme="semver"), (version("0.9.0"), version("1.2.0")))
    weighed = weigh_import(snapshot(base_files()), semver)
    assert (weighed.added, [each.subject for each in weighed.left]) == (("1.2.0",), ["fraud/0.9.0"])


# What the exemption is for, and what it is not for


def test_an_import_moves_no_version_that_was_here() -> None:
    """A holder that leaves beside an imported version is demoted, as if nothing came."""
    base = snapshot(base_files())
    plan = plan_import(base, model(version(9), name="credit-risk"))
    held = base.stage("credit-risk", "production")
    assert held is not None
    old = held.versions[0]
    moved = plan_promote(base, "credit-risk", 3, "production", even_if_barred=True).edits
    swapped = {
        path: (data or b"").replace(b"{version: 3", b"{version: 9").replace(b"3" * 64, b"%064x" % 9)
        for path, data in moved.items()
    }
    head = snapshot(applied(replace(plan, edits={**plan.edits, **swapped})))
    found = delta(base, head, tuple(raw_changes(base.tree, head.tree)))
    by_version = {move.pin.version: move for move in transitions(found, base.policy())}
    assert by_version[9] == Transition(
        "credit-risk", Pin(9, f"sha256:{9:064x}"), NONE, "production", imported=True
    )
    assert not by_version[old.version].displaced
    assert {"import", "demote"} <= set(kinds(found, base.policy()))


def test_an_alias_that_named_something_is_no_part_of_an_import() -> None:
    files = after(model(version(1, None, "next")))
    base = snapshot(files)
    edits = dict(plan_import(base, model(version(2))).edits)
    path = "models/loans/aliases/next.yaml"
    edits[path] = (
        files[path]
        .replace(b"serial: 1", b"serial: 2")
        .replace(b"version: 1", b"version: 2")
        .replace(b"%064x" % 1, b"%064x" % 2)
    )
    head = snapshot({**files, **{key: value for key, value in edits.items() if value}})
    found = delta(base, head, tuple(raw_changes(base.tree, head.tree)))
    assert kinds(found, base.policy()) == ["alias", "import"]


def test_a_version_that_was_imported_once_is_promoted_like_any_other() -> None:
    files = after(model(version(1)))
    base = snapshot(files)
    plan = plan_promote(base, "loans", 1, "production", even_if_barred=True)
    told = judged(applied(plan, files), files)
    assert {line.split(" ")[1] for line in told} >= {"GR301", "GR302", "GR303", "GR305", "GR306"}


# Planned again


def again(plan: Plan, moved: Files) -> Plan:
    base = snapshot(base_files())
    return replan(base, snapshot(applied(plan)), snapshot(moved), NOW)


def test_an_import_that_was_overtaken_is_planned_again() -> None:
    plan = plan_import(snapshot(base_files()), WHOLE)
    other = applied(plan_model(snapshot(base_files()), "other", NewModel()))
    found = again(plan, other)
    assert (found.kind, found.title, dict(found.edits)) == (plan.kind, plan.title, dict(plan.edits))
    assert found.branch == plan.branch
    with pytest.raises(NothingToDo):
        again(plan, after(WHOLE))


def test_one_imported_version_keeps_its_number() -> None:
    plan = plan_import(snapshot(base_files()), model(version(4), name="credit-risk"))
    moved = after(model(version(5), name="credit-risk"))
    assert set(again(plan, moved).edits) == set(plan.edits)


def test_an_import_whose_place_was_taken_is_not_planned_again() -> None:
    plan = plan_import(snapshot(base_files()), model(version(1, "production")))
    with pytest.raises(Refused, match="loans/1: is in production, and production holds at most 1"):
        again(plan, after(model(version(2, "production"))))
    with pytest.raises(Refused, match="it is here already, with other bytes"):
        again(plan, after(model(version(1, seed=77))))


def test_what_does_more_than_import_is_not_planned_again() -> None:
    base = snapshot(base_files())
    edits = {
        **plan_import(base, model(version(1))).edits,
        **plan_promote(base, "credit-risk", 2, "staging", even_if_barred=True).edits,
    }
    with pytest.raises(Refused, match="does more than to import versions"):
        again(Plan("import", "by hand", (), edits), base_files())
