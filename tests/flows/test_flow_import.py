"""Imports of models of another system: into a registry of one person, into a team's, again, and after a break."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flow_kit import Desk, blocking, git, message
from import_kit import Shelf, listed

from gitreg.core.plan.imports import LeftOut
from gitreg.core.ports import Identity
from gitreg.core.snapshot import Snapshot
from gitreg.errors import NotFound, Refused, Undecided
from gitreg.flows.asked import verify_request
from gitreg.flows.change import approve, merge, refresh
from gitreg.flows.importing import MODELS_PER_REQUEST, import_models
from gitreg.flows.land import Landed, LandingMode
from gitreg.flows.propose import Proposed
from gitreg.flows.workspace import Workspace
from gitreg.surfaces.cli.progress import RichProgress


def shelf() -> Shelf:
    """Two models, one of them with gaps, stages and aliases."""
    source = Shelf()
    source.has(
        "loans",
        listed(5, "Production", "champion", description="The best", tags={"team": "risk"}),
        listed(2, "Archived"),
        listed(7, "Staging", "next"),
        title="Loans",
    )
    return source.has("churn", listed(1))


def now(ws: Workspace) -> Snapshot:
    ws.repository.fetch()
    return ws.current()[1]


def places(snapshot: Snapshot, model: str) -> dict[str, list[object]]:
    return {name: [pin.version for pin in held.versions] for name, held in snapshot.stages(model).items()}


class TestInARegistryOfOnePerson:
    def test_each_model_lands_as_a_change(self, solo: Desk) -> None:
        ws = solo("solo")
        found = import_models(ws, shelf())
        assert [change.plan.title for change in found.changes if isinstance(change, Landed)] == [
            "Import churn (1 version) from shelf",
            "Import loans (3 versions) from shelf",
        ]
        assert (found.models, found.here, found.left) == ({"churn": (1,), "loans": (2, 5, 7)}, 0, ())
        snapshot = now(ws)
        assert places(snapshot, "loans") == {"production": [5], "archived": [2], "staging": [7]}
        record = snapshot.demand_record("loans", 5)
        assert (record.created_by, record.metrics) == (Identity("Ada", ""), {"auc": 0.75})
        notes = snapshot.notes("loans", 5)
        assert notes is not None
        assert (notes.description, notes.tags) == ("The best", {"team": "risk"})

    def test_a_second_import_reads_no_bytes_and_does_nothing(self, solo: Desk) -> None:
        ws, source = solo("solo"), shelf()
        import_models(ws, source)
        source.brought.clear()
        with solo.unchanged("solo"):
            found = import_models(ws, source)
        assert (found.changes, found.here, found.left, source.brought) == ((), 4, (), [])

    def test_what_is_new_there_is_brought(self, solo: Desk) -> None:
        ws, source = solo("solo"), shelf()
        import_models(ws, source)
        source.has("loans", *source.models["loans"].versions, listed(8))
        source.brought.clear()
        found = import_models(ws, source)
        assert (found.models, source.brought) == ({"loans": (8,)}, ["loans/8"])

    def test_some_models_alone_are_brought(self, solo: Desk) -> None:
        found = import_models(solo("solo"), shelf(), only=["churn"])
        assert found.models == {"churn": (1,)}
        with pytest.raises(NotFound) as error:
            import_models(solo("solo"), shelf(), only=["charm"])
        assert "https://shelf.example.com has no model 'charm'" in message(error)

    def test_a_dry_run_writes_and_reads_nothing(self, solo: Desk) -> None:
        source = shelf()
        with solo.unchanged("solo"):
            found = import_models(solo("solo"), source, dry_run=True)
        assert (found.models, found.changes) == ({"churn": (1,), "loans": (2, 5, 7)}, ())
        assert source.brought == []

    def test_what_cannot_be_had_is_left_and_the_rest_comes(self, solo: Desk) -> None:
        source = shelf()
        source.gone = {
            "loans/5": NotFound("there is nothing at s3://gone"),
            "churn/1": Undecided("no answer"),
        }
        found = import_models(solo("solo"), source)
        assert found.models == {"churn": (), "loans": (2, 7)}
        assert found.left == (
            LeftOut("churn/1", "no answer"),
            LeftOut("loans/5", "there is nothing at s3://gone"),
        )
        source.gone = {}
        assert import_models(solo("solo"), source).models == {"churn": (1,), "loans": (5,)}

    def test_a_store_that_answers_nothing_is_not_asked_for_ever(self, solo: Desk) -> None:
        source = Shelf().has("many", *(listed(number) for number in range(1, 20)))
        source.gone = {f"many/{number}": Undecided("no answer") for number in range(1, 20)}
        with pytest.raises(
            Undecided, match="5 versions in a row could not be read, many/5 the last: no answer"
        ):
            import_models(solo("solo"), source)
        assert len(source.brought) == 5

    def test_a_version_that_is_here_with_other_bytes_is_told(self, solo: Desk) -> None:
        """The registry has a model of that name, with versions 1 to 3 of its own."""
        source = Shelf().has("credit-risk", listed(3), listed(4))
        objects = solo.objects()
        found = import_models(solo("solo"), source)
        assert found.models == {"credit-risk": (4,)}
        assert found.left == (LeftOut("credit-risk/3", "it is here already, with other bytes"),)
        assert len(solo.objects() - objects) == 1

    def test_models_whose_names_differ_in_case_do_not_both_come(self, solo: Desk) -> None:
        source = Shelf().has("Loans", listed(1)).has("loans", listed(2))
        found = import_models(solo("solo"), source, per_change=2)
        assert found.models == {"Loans": (1,)}
        assert found.left == (LeftOut("loans", "the name is taken by 'Loans'"),)

    def test_a_model_that_verify_does_not_let_through_keeps_no_other_from_coming(self, solo: Desk) -> None:
        place = solo.root / "solo"
        policy = (place / "policy.yaml").read_text()
        frozen = '{name: production, windows: [{from: "2026-11-01T00:00", to: "2026-12-31T00:00"}], '
        (place / "policy.yaml").write_text(policy.replace("{name: production, ", frozen))
        git(place, "commit", "-q", "-a", "-m", "Freeze production")
        found = import_models(solo("solo"), shelf())
        assert found.models == {"churn": (1,)}
        (left,) = found.left
        assert left.subject == "loans"
        assert "GR309 loans/5 may not enter production" in left.why

    def test_two_people_may_import_at_once(self, solo: Desk) -> None:
        """What somebody else has landed meanwhile is not landed twice."""
        ws, source = solo("solo"), shelf()
        original = source.model

        def slower(name: str):  # type: ignore[no-untyped-def]
            if source.model is not original:
                source.model = original  # type: ignore[method-assign]
                import_models(solo("solo"), source)
            return original(name)

        source.model = slower  # type: ignore[method-assign]
        found = import_models(ws, source)
        assert found.changes == ()
        assert now(ws).versions("loans") == [2, 5, 7]


class TestInATeam:
    def test_all_models_are_one_request_that_their_owners_approve(self, desk: Desk) -> None:
        ws = desk("bo")
        found = import_models(ws, shelf())
        (change,) = found.changes
        assert isinstance(change, Proposed)
        assert change.request.title == "Import 2 models (4 versions) from shelf"
        assert set(blocking(change.findings)) == {"GR401"}
        reasons = {finding.message.partition(" needs ")[0] for finding in change.findings}
        assert {"importing versions", "entering production", "moving @champion"} <= reasons
        approve(desk("alice"), change.request.id)
        merge(ws, change.request.id)
        snapshot = now(ws)
        assert places(snapshot, "loans") == {"production": [5], "archived": [2], "staging": [7]}
        assert import_models(ws, shelf()).changes == ()

    def test_an_open_request_is_adopted_and_no_bytes_are_read_again(self, desk: Desk) -> None:
        ws, source = desk("bo"), shelf()
        (first,) = import_models(ws, source).changes
        source.brought.clear()
        with desk.unchanged():
            (second,) = import_models(ws, source).changes
        assert isinstance(first, Proposed)
        assert isinstance(second, Proposed)
        assert (second.how, second.request.id, source.brought) == ("adopted", first.request.id, [])

    def test_what_somebody_else_says_on_the_branch_is_not_believed(self, desk: Desk) -> None:
        """Dan, who may push, puts other bytes into Bo's import: run again, Bo would propose them in his own name."""
        ws, source = desk("bo"), shelf()
        (first,) = import_models(ws, source).changes
        assert isinstance(first, Proposed)
        path, clone = "models/loans/versions/5/version.yaml", desk.root / "dan"
        git(clone, "fetch", "-q", "origin", first.request.branch)
        git(clone, "checkout", "-q", "FETCH_HEAD")
        record = (clone / path).read_text()
        digest = now(ws).demand_record("credit-risk", 1).artifact.digest
        (clone / path).write_text(re.sub("sha256:[0-9a-f]{64}", digest, record))
        git(clone, "commit", "-q", "-a", "--amend", "-m", "Import")
        git(clone, "push", "-q", "-f", "origin", f"HEAD:refs/heads/{first.request.branch}")
        source.brought.clear()
        (again,) = import_models(ws, source).changes
        assert isinstance(again, Proposed)
        assert (again.how, len(source.brought)) == ("renewed", 4)
        assert desk.show(path, again.request.branch) == record.removesuffix("\n")

    def test_what_is_new_there_renews_the_request(self, desk: Desk) -> None:
        ws, source = desk("bo"), shelf()
        import_models(ws, source)
        source.has("churn", listed(1), listed(2))
        source.brought.clear()
        (change,) = import_models(ws, source).changes
        assert isinstance(change, Proposed)
        assert (change.how, source.brought) == ("renewed", ["churn/2"])
        assert len(ws.forge.requests()) == 1

    def test_many_models_are_several_requests(self, desk: Desk) -> None:
        found = import_models(desk("bo"), shelf(), per_change=1)
        assert [change.plan.title for change in found.changes] == [
            "Import churn (1 version) from shelf",
            "Import loans (3 versions) from shelf",
        ]
        assert MODELS_PER_REQUEST == 100

    def test_an_overtaken_request_is_refreshed(self, desk: Desk) -> None:
        ws = desk("bo")
        first, second = import_models(ws, shelf(), per_change=1).changes
        assert isinstance(first, Proposed)
        assert isinstance(second, Proposed)
        approve(desk("alice"), first.request.id)
        merge(ws, first.request.id)
        refresh(ws, second.request.id)
        approve(desk("alice"), second.request.id)
        verdict = verify_request(ws, second.request.id)
        assert [f.rule for f in verdict.findings if f.outcome.value != "warning"] == []

    def test_nothing_lands_directly(self, desk: Desk) -> None:
        with desk.unchanged(), pytest.raises(Refused, match="nothing may land on it directly"):
            import_models(desk("bo"), shelf(), LandingMode.DIRECT)


def test_a_terminal_shows_the_models_and_what_is_stored_at_once(solo: Desk) -> None:
    """A terminal has one live display, so the bars of the uploads stand below the one that counts."""
    ws = replace(solo("solo"), progress=RichProgress())
    assert len(import_models(ws, shelf()).changes) == 2


def test_history_has_who_imported_when(solo: Desk) -> None:
    import_models(solo("solo"), shelf())
    told = git(solo.root / "solo", "log", "-2", "--format=%an %s")
    assert told == "Dan Import loans (3 versions) from shelf\nDan Import churn (1 version) from shelf"
