"""A version of a model that does not exist yet joins the change request that makes the model."""

from __future__ import annotations

import pytest
from flow_kit import Desk, blocking, git, message, new_version
from test_flow_change import merged

from gitreg.core.names import parse_reference
from gitreg.core.plan.register import NewModel, plan_of_model
from gitreg.core.snapshot import Snapshot
from gitreg.errors import NotFound, Refused
from gitreg.flows.change import close, open_branch, refresh
from gitreg.flows.copy import copy
from gitreg.flows.land import Landed, LandingMode, Preview, land
from gitreg.flows.pending import making
from gitreg.flows.propose import Proposed
from gitreg.flows.register import register

CHURN = NewModel(title="Churn", description="who leaves", tags={"team": "growth"})
MODES = [LandingMode.REQUEST, LandingMode.WHERE_ALLOWED]


def make(
    desk: Desk, new: NewModel = CHURN, mode: LandingMode = LandingMode.REQUEST, person: str = "dan"
) -> Proposed:
    """Somebody asks for the model ``churn``."""
    ws = desk(person)
    found = land(ws, making(ws, "churn", new, mode), mode)
    assert isinstance(found, Proposed)
    return found


def add(
    desk: Desk, content: bytes, mode: LandingMode = LandingMode.REQUEST, person: str = "dan", **said: object
) -> Proposed:
    """Somebody registers a version of ``churn``."""
    found = register(desk(person), new_version(desk.payload(content), "churn", **said), mode)
    assert isinstance(found, Proposed)
    return found


def asked_for(desk: Desk, found: Proposed) -> Snapshot:
    """The registry as a request would make it."""
    return desk.now_on(found.request.branch)


@pytest.mark.parametrize("mode", MODES)
def test_first_version_joins_the_request_that_makes_its_model(desk: Desk, mode: LandingMode) -> None:
    opened = make(desk, mode=mode)
    assert (opened.request.id, opened.request.title) == ("1", "New model churn")
    found = add(desk, b"one\n", mode, description="the first")
    assert (found.request.id, found.how, found.request.title) == ("1", "renewed", "Register churn/1")
    assert found.request.branch == opened.request.branch
    assert blocking(found.findings) == []
    there = asked_for(desk, found)
    model, notes = there.model("churn"), there.notes("churn", 1)
    assert model is not None
    assert (model.title, model.description, model.tags) == (CHURN.title, CHURN.description, CHURN.tags)
    assert notes is not None
    assert notes.description == "the first"
    assert "churn" not in desk.now_on().models()
    merged(desk, "1")
    assert desk.now_on().numbers("churn") == [1]


def test_what_a_person_wrote_into_model_yaml_is_kept_byte_for_byte(desk: Desk) -> None:
    opened = make(desk)
    before = desk.show("models/churn/model.yaml", opened.request.branch)
    found = add(desk, b"one\n")
    assert desk.show("models/churn/model.yaml", found.request.branch) == before


def test_joined_request_is_signed_anew(desk: Desk) -> None:
    make(desk)
    found = add(desk, b"one\n")
    assert found.request.author is not None
    assert found.request.author.body["change"] == found.request.change_id
    assert found.request.author.signature.valid


def test_the_same_version_again_is_adopted(desk: Desk) -> None:
    make(desk)
    add(desk, b"one\n")
    with desk.unchanged():
        assert add(desk, b"one\n").how == "adopted"


def test_making_the_model_again_keeps_the_version_that_joined(desk: Desk) -> None:
    """MLflow's ``register_model`` makes the model each time, and says nothing of it."""
    make(desk)
    add(desk, b"one\n")
    for new in (CHURN, NewModel()):
        with desk.unchanged():
            found = make(desk, new)
        assert (found.request.id, found.how, found.plan.title) == ("1", "adopted", "Register churn/1")


def test_making_a_pending_model_otherwise_is_refused(desk: Desk) -> None:
    make(desk)
    with desk.unchanged(), pytest.raises(Refused, match="change #1 makes the model 'churn' already") as error:
        make(desk, NewModel(description="mine"))
    assert "gitreg change show 1" in message(error)


def test_second_version_gets_a_request_of_its_own_and_a_number_by_a_refresh(desk: Desk) -> None:
    make(desk)
    add(desk, b"one\n")
    second = add(desk, b"two\n", description="the second")
    assert (second.request.id, second.how, second.request.title) == ("2", "opened", "Register churn/1")
    model = asked_for(desk, second).model("churn")
    assert model is not None
    assert model.description == CHURN.description
    merged(desk, "1")
    again = refresh(desk("dan"), "2")
    assert (again.request.id, again.plan.title) == ("2", "Register churn/2")
    assert not any(path.endswith("model.yaml") for path in again.plan.edits)
    merged(desk, "2")
    snapshot = desk.now_on()
    assert snapshot.numbers("churn") == [1, 2]
    notes = snapshot.notes("churn", 2)
    assert notes is not None
    assert notes.description == "the second"


def test_the_same_bytes_on_purpose_are_another_version(desk: Desk) -> None:
    make(desk)
    found = [add(desk, b"one\n", again=True) for _ in range(2)]
    assert [each.request.id for each in found] == ["1", "2"]


def test_somebody_elses_request_is_not_taken_over(desk: Desk) -> None:
    """The forge lets only who opened a request renew it."""
    make(desk)
    before = desk.refs()["refs/gitreg/requests/1"]
    found = add(desk, b"one\n", person="bo")
    assert (found.request.id, found.how, found.request.title) == ("2", "opened", "Register churn/1")
    assert desk.refs()["refs/gitreg/requests/1"] == before
    merged(desk, "2")
    assert desk.now_on().numbers("churn") == [1]


def test_request_with_somebody_elses_edit_is_none_that_makes_the_model(desk: Desk) -> None:
    opened = make(desk)
    desk.commit({"models/churn/model.yaml": "apiVersion: gitreg/v1\n"}, "bo", opened.request.branch)
    with desk.unchanged(), pytest.raises(NotFound, match="no model is called 'churn'"):
        add(desk, b"one\n")


@pytest.mark.parametrize("mode", ["100644", "120000", "160000"])
def test_request_that_cannot_be_read_keeps_nobody_from_making_the_model(desk: Desk, mode: str) -> None:
    """Anybody may push a branch of the name, and ask for it to be merged."""
    folder, branch = desk.root / "dan", plan_of_model("", "churn", {}).branch
    oid = "1" * 40 if mode == "160000" else git(folder, "hash-object", "-w", "--stdin", stdin=b"[[[")
    git(folder, "read-tree", "origin/main")
    git(folder, "update-index", "--add", "--cacheinfo", f"{mode},{oid},models/churn/model.yaml")
    tree = git(folder, "write-tree")
    commit = git(folder, "commit-tree", tree, "-p", "origin/main", "-m", "churn", when=desk.now)
    git(folder, "update-ref", f"refs/heads/{branch}", commit)
    open_branch(desk("dan"), branch)
    found = add(desk, b"one\n", person="bo", create=CHURN)
    assert (found.request.title, blocking(found.findings)) == ("Register churn/1", [])
    assert make(desk, person="bo").request.title == "New model churn"


def test_a_closed_request_makes_no_model(desk: Desk) -> None:
    make(desk)
    close(desk("dan"), "1")
    with desk.unchanged(), pytest.raises(NotFound, match="no model is called 'churn'"):
        add(desk, b"one\n")


def test_version_is_not_landed_directly_while_its_model_is_pending(solo: Desk) -> None:
    ws = solo("solo")
    assert isinstance(
        land(ws, making(ws, "churn", CHURN, LandingMode.REQUEST), LandingMode.REQUEST), Proposed
    )
    new = new_version(solo.payload(), "churn")
    for mode in (LandingMode.DIRECT, LandingMode.WHERE_ALLOWED, LandingMode.USUAL):
        with solo.unchanged("solo"), pytest.raises(NotFound, match="no model is called 'churn' yet") as error:
            register(ws, new, mode)
        assert "change #1" in message(error)
    found = register(ws, new, LandingMode.REQUEST)
    assert isinstance(found, Proposed)
    assert found.request.id == "1"


def test_version_that_makes_its_model_itself_lands_directly(solo: Desk) -> None:
    ws = solo("solo")
    land(ws, making(ws, "churn", CHURN, LandingMode.REQUEST), LandingMode.REQUEST)
    found = register(ws, new_version(solo.payload(), "churn", create=NewModel()))
    assert isinstance(found, Landed)


def test_copy_joins_as_well(desk: Desk) -> None:
    make(desk)
    ws = desk("dan")
    found = copy(
        ws, parse_reference("credit-risk/2"), ws, "churn", create=NewModel(), mode=LandingMode.REQUEST
    )
    assert isinstance(found, Proposed)
    assert (found.request.id, found.request.title) == ("1", "Copy credit-risk/2 to churn/1")
    merged(desk, "1")
    record = desk.now_on().record("churn", 1)
    assert record is not None
    assert record.copied_from is not None


def test_preview_shows_the_model_with_its_version(desk: Desk) -> None:
    make(desk)
    with desk.unchanged():
        found = register(desk("dan"), new_version(desk.payload(), "churn"), dry_run=True)
    assert isinstance(found, Preview)
    assert found.title == "Register churn/1"
    assert "who leaves" in found.diff


def test_overtaken_request_is_none_that_makes_the_model(desk: Desk) -> None:
    """The model is there by now: the version is its next one, under a request of its own."""
    make(desk)
    add(desk, b"one\n", person="bo")
    merged(desk, "2")
    found = add(desk, b"two\n")
    assert (found.request.id, found.request.title) == ("3", "Register churn/2")
