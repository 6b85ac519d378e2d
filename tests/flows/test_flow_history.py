"""History: who moved what and when, read off git; and names that lead on after a rename."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from flow_kit import BEGIN, Desk, describe, git, landed, new_version, promote, proposed

from gitreg.api import open_registry
from gitreg.core.history import Event
from gitreg.core.names import parse_reference
from gitreg.core.plan.alias import plan_clear_alias, plan_set_alias
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.evidence import NewEvidence, plan_evidence, plan_retract
from gitreg.core.plan.register import NewModel
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.transition import plan_demote, plan_rollback
from gitreg.core.resolve import resolve
from gitreg.errors import ConfigError, NotFound, Refused, Undecided, UsageError
from gitreg.flows.change import approve, merge
from gitreg.flows.copy import copy
from gitreg.flows.history import history
from gitreg.flows.register import register


def told(desk: Desk, model: str | None = None, folder: str = "solo") -> list[Event]:
    ws = desk(folder)
    ws.repository.fetch()
    return list(history(ws, ws.tip(), model))


def lines(events: list[Event]) -> list[str]:
    return [f"{event.kind} {event.model}: {event.what}" for event in events]


def test_template(solo: Desk) -> None:
    assert lines(told(solo)) == [
        "alias credit-risk: @champion: none → 1",
        "promote credit-risk: version 2: none → staging",
        "promote credit-risk: version 1: staging → production",
        "promote credit-risk: version 1: none → staging",
        "register credit-risk: registered version 3",
        "register credit-risk: registered version 2",
        "register credit-risk: created the model",
        "register credit-risk: registered version 1",
        "rules : changed policy.yaml, gitreg.yaml, .dvc/config",
    ]
    assert told(solo)[-1].time == BEGIN


def test_every_kind(solo: Desk) -> None:
    ws = solo("solo")
    new = NewEvidence("holdout", "holdout", "sha256:" + "d" * 64, {"roc_auc": 0.9}, ws.identity, solo.now)
    plans = [
        describe("fine", 3),
        lambda s: plan_evidence(s, "credit-risk", 3, new),
        lambda s: plan_retract(s, "credit-risk", 3, "holdout", "wrong", ws.identity, solo.now),
        promote(2, "production"),
        lambda s: plan_rollback(s, "credit-risk", "production"),
        lambda s: plan_demote(s, "credit-risk", 1, "none"),
        lambda s: plan_clear_alias(s, "credit-risk", "champion"),
        lambda s: plan_delete_version(s, "credit-risk", 3, "wrong", solo.now),
        lambda s: plan_rename(s, "credit-risk", "risk", solo.now),
    ]
    for plan in plans:
        solo.later(minutes=1)
        landed(solo("solo"), plan)
    copy(ws, parse_reference("risk/1"), ws, "other", create=NewModel())
    landed(solo("solo"), lambda s: plan_delete_model(s, "other", "no", solo.now))
    assert lines(told(solo))[:-9] == [
        "delete other: deleted the model",
        "register other: created the model",
        "copy other: registered version 1",
        "rename credit-risk: renamed to risk",
        "delete credit-risk: deleted version 3",
        "alias credit-risk: @champion: 1 → none",
        "demote credit-risk: version 1: production → none",
        "rollback credit-risk: version 1: archived → production (rolled back)",
        "rollback credit-risk: version 2: production → archived (rolled back)",
        "displaced credit-risk: version 1: production → archived (gave way)",
        "promote credit-risk: version 2: staging → production",
        "evidence credit-risk: retracted evidence holdout of version 3",
        "evidence credit-risk: added evidence holdout of version 3",
        "annotate credit-risk: edited the notes of version 3",
    ]


def test_who(desk: Desk) -> None:
    """Dan made the change, Bo landed it, as request 1."""
    proposed(desk("dan"), promote(3, "staging"))
    desk.later(hours=1)
    found = merge(desk("bo"), "1")
    event = told(desk, folder="alice")[0]
    assert (event.what, event.request, event.commit) == ("version 3: none → staging", "1", found.commit)
    assert (event.author.name, event.time) == ("Dan", desk.now)
    assert event.merged_by is not None
    assert event.merged_by.name == "Bo"
    direct = told(desk, folder="alice")[1]
    assert (direct.author.name, direct.merged_by, direct.request) == ("Dan", None, None)


def test_change_by_hand_is_told_too(solo: Desk) -> None:
    """Only what differs counts, whatever a commit says of itself."""
    checkout = solo.root / "solo"
    record = checkout / "models/credit-risk/versions/1/version.yaml"
    record.write_text(record.read_text().replace("roc_auc: 0.9", "roc_auc: 0.99"))
    git(checkout, "commit", "-q", "-a", "-m", "Fix a typo")
    (event,) = told(solo)[:-9]
    assert event.kind == "irregular"
    assert "models/credit-risk/versions/1/version.yaml" in event.what
    assert lines(told(solo, "credit-risk"))[0].startswith("irregular")


def test_commits_that_change_nothing_here_are_left_out(desk: Desk) -> None:
    desk.commit({"README.md": "unrelated\n"})
    assert len(told(desk, folder="dan")) == 9


def test_one_model(solo: Desk) -> None:
    register(solo("solo"), new_version(solo.payload(), "churn", create=NewModel()))
    assert lines(told(solo, "churn")) == [
        "register churn: created the model",
        "register churn: registered version 1",
    ]
    assert len(told(solo, "credit-risk")) == 8
    with pytest.raises(NotFound, match="nosuch"):
        told(solo, "nosuch")


def test_former_names(solo: Desk) -> None:
    landed(solo("solo"), lambda s: plan_rename(s, "credit-risk", "risk", solo.now))
    landed(solo("solo"), lambda s: plan_rename(s, "risk", "eu-risk", solo.now))
    found = lines(told(solo, "eu-risk"))
    assert not [line for line in found if "irregular" in line]
    assert found[:2] == ["rename risk: renamed to eu-risk", "rename credit-risk: renamed to risk"]
    assert "register credit-risk: registered version 1" in found
    assert lines(told(solo, "credit-risk")) == found
    assert lines(told(solo, "CREDIT-risk")) == found


def test_of_a_deleted_model(solo: Desk) -> None:
    landed(solo("solo"), lambda s: plan_clear_alias(s, "credit-risk", "champion"))
    for version in (1, 2):
        landed(solo("solo"), lambda s, v=version: plan_demote(s, "credit-risk", v, "none"))
    landed(solo("solo"), lambda s: plan_delete_model(s, "credit-risk", "over", solo.now))
    assert lines(told(solo, "credit-risk"))[0] == "delete credit-risk: deleted the model"


def test_at_a_revision_and_at_a_time(solo: Desk) -> None:
    landed(solo("solo"), promote(3, "staging"))
    folder = solo.root / "solo"
    early = BEGIN + timedelta(hours=5, minutes=30)
    for said in ({"rev": "main~3"}, {"at": early}, {"rev": "HEAD~1", "at": early}):
        with open_registry(folder, **said) as registry:  # type: ignore[arg-type]
            assert next(event.what for event in registry.history()) == "version 1: staging → production"
            assert registry.resolve("credit-risk/production").record.version == 1
            with pytest.raises(NotFound):
                registry.resolve("credit-risk@champion")
    with pytest.raises(NotFound, match="history begins after"):
        open_registry(folder, at=BEGIN - timedelta(hours=1))
    with pytest.raises(NotFound, match="no revision"):
        open_registry(folder, "nosuch")


@pytest.mark.parametrize("said", [{"rev": "main"}, {"at": BEGIN}])
def test_a_working_tree_has_no_other_point(solo: Desk, said: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="working tree"):
        open_registry(solo.root / "solo", worktree=True, **said)  # type: ignore[arg-type]
    with open_registry(solo.root / "solo", worktree=True) as registry, pytest.raises(ConfigError):
        list(registry.history())


def test_shallow_clone(desk: Desk) -> None:
    shallow = desk.root / "shallow"
    git(desk.root, "clone", "-q", "--depth=2", desk.origin.as_uri(), os.fspath(shallow))
    with open_registry(shallow) as registry:
        assert registry.resolve("credit-risk/production").record.version == 1
        with pytest.raises(Undecided, match="shallow") as error:
            list(registry.history())
    assert error.value.hint == "git fetch --unshallow"


# Renames and redirects


def test_redirect_is_followed_with_a_warning(solo: Desk) -> None:
    landed(solo("solo"), lambda s: plan_rename(s, "credit-risk", "risk", solo.now))
    with open_registry(solo.root / "solo") as registry:
        for reference in ("credit-risk/production", "credit-risk@champion", "credit-risk/1", "Credit-Risk/1"):
            found = registry.resolve(reference)
            assert (found.model, found.record.version) == ("risk", 1)
            assert found.warnings == (
                f"{reference.split('/')[0].split('@')[0]!r} was renamed to 'risk'; use the new name",
            )
        assert registry.resolve("risk/1").warnings == ()
        assert registry.validate() == []
        assert [model.model.name for model in registry.models()] == ["risk"]


def test_redirects_never_chain(solo: Desk) -> None:
    for old, new in (("credit-risk", "b"), ("b", "c"), ("c", "d")):
        landed(solo("solo"), lambda s, o=old, n=new: plan_rename(s, o, n, solo.now))
    with open_registry(solo.root / "solo") as registry:
        for name in ("credit-risk", "b", "c", "d"):
            assert registry.resolve(f"{name}/1").model == "d"
        assert registry.validate() == []


def test_a_former_name_stays_taken(solo: Desk) -> None:
    landed(solo("solo"), lambda s: plan_rename(s, "credit-risk", "risk", solo.now))
    register(solo("solo"), new_version(solo.payload(), "other", create=NewModel()))
    for taken in ("credit-risk", "Credit-Risk", "risk"):
        with solo.unchanged("solo"), pytest.raises(Refused, match="is taken by"):
            landed(solo("solo"), lambda s, t=taken: plan_rename(s, "other", t, solo.now))


def test_rename_in_a_team_takes_the_approvals_of_what_is_held(desk: Desk) -> None:
    found = proposed(desk("bo"), lambda s: plan_rename(s, "credit-risk", "risk", desk.now))
    assert [finding.rule for finding in found.findings] == ["GR401"]
    approve(desk("alice"), "1")
    merge(desk("bo"), "1")
    assert open_registry(desk.root / "bo").resolve("credit-risk@champion").model == "risk"


def test_rename_asked_for_twice_is_one_request(desk: Desk) -> None:
    for expected in ("opened", "adopted"):
        assert proposed(desk("bo"), lambda s: plan_rename(s, "credit-risk", "risk", desk.now)).how == expected
        desk.later(minutes=5)


def test_what_a_pointer_names_is_not_deleted(solo: Desk) -> None:
    for version, problem in ((1, "is in production"), (2, "is in staging")):
        with solo.unchanged("solo"), pytest.raises(Refused, match=problem):
            landed(
                solo("solo"), lambda s, v=version: plan_delete_version(s, "credit-risk", v, None, solo.now)
            )
    landed(solo("solo"), lambda s: plan_set_alias(s, "credit-risk", "mine", 3))
    with solo.unchanged("solo"), pytest.raises(Refused, match="@mine names version 3"):
        landed(solo("solo"), lambda s: plan_delete_version(s, "credit-risk", 3, None, solo.now))
    with solo.unchanged("solo"), pytest.raises(Refused):
        landed(solo("solo"), lambda s: plan_delete_model(s, "credit-risk", None, solo.now))


def test_deleted_version(solo: Desk, tmp_path: Path) -> None:
    landed(solo("solo"), lambda s: plan_delete_version(s, "credit-risk", 3, "wrong", solo.now))
    ws = solo("solo")
    snapshot = ws.snapshot(ws.tip())
    with pytest.raises(NotFound, match="was deleted"):
        resolve(snapshot, parse_reference("credit-risk/3"))
    assert resolve(snapshot, parse_reference("credit-risk/latest")).record.version == 2
