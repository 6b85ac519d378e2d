"""Stages as MLflow moves versions between them, and what policy makes of it: room, refusals and change requests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from flow_kit import POLICY, SOLO_POLICY, SOLO_REGISTRY, git, policy_for, story
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow_kit import OPEN_POLICY, Sides, answer, code, git_store, make_checkout, model_tags, plain

from gitreg.surfaces.mlflow.store import GitregStore

Call = Callable[[AbstractStore], Any]
TAG = "gitreg.change_request"


def to(version: Any, stage: str, archive: bool = False, model: str = "credit-risk") -> Call:
    return lambda store: store.transition_model_version_stage(model, version, stage, archive)


#: What changes something, and is asked of both stores.
CHANGES: dict[str, Call] = {
    "in": to(5, "Staging"),
    "in, as policy writes it": to("5", "staging"),
    "in, loudly": to(5, "PRODUCTION"),
    "in, and all others out": to(5, "Production", True),
    "from one to another": to(4, "Production"),
    "from one to another, and all others out": to(4, "Production", True),
    "where it is, and all others out": to(2, "Production", True),
    "into none": to(2, "None"),
    "to the archive": to(2, "Archived"),
    "out of the archive": to(1, "Staging"),
}
#: What changes nothing: questions, and what is refused or so already.
REST: dict[str, Call] = {
    "where it is": to(2, "Production"),
    "where it is alone": to(4, "Staging", True),
    "out of none into none": to(5, "none"),
    "to the archive, and all others out": to(5, "Archived", True),
    "into none, and all others out": to(2, "None", True),
    "to what is no stage": to(2, "Nowhere"),
    "to no stage": to(2, ""),
    "what is not there": to(9, "Staging"),
    "of what is not there": to(1, "Staging", model="nothing"),
    "a word": to("one", "Staging"),
    "latest of production": lambda s: s.get_latest_versions("credit-risk", ["Production"]),
    "latest of some": lambda s: s.get_latest_versions("credit-risk", ["staging", "ARCHIVED"]),
    "latest of none": lambda s: s.get_latest_versions("credit-risk", ["None"]),
    "latest of all": lambda s: s.get_latest_versions("credit-risk"),
    "latest of no list": lambda s: s.get_latest_versions("credit-risk", []),
    "latest of what is no stage": lambda s: s.get_latest_versions("credit-risk", ["Nowhere"]),
}


@pytest.mark.parametrize("call", CHANGES.values(), ids=CHANGES.keys())
def test_changes(call: Call, sides: Sides) -> None:
    for each in (call, stages):
        said, expected = sides.ask(each)
        assert said == expected


@pytest.mark.parametrize("call", REST.values(), ids=REST.keys())
def test_what_changes_nothing(call: Call, shared: Sides) -> None:
    shared.demand_same_without_change(call)


def stages(store: AbstractStore, model: str = "credit-risk") -> dict[int, str]:
    found = store.search_model_versions(f"name = '{model}'", 100)
    return {each.version: each.current_stage for each in sorted(found, key=lambda v: int(v.version))}


# Policy


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Path]:
    """Makes a registry: version 1 in production, 2 in staging, 3 in none; ``champion`` names 1."""

    def make(policy: str, registry: str = SOLO_REGISTRY) -> Path:
        return make_checkout(tmp_path / "registry", story(policy, registry))

    (tmp_path / "registry").mkdir()
    return make


def test_a_stage_that_is_full_makes_room(place: Callable[..., Path]) -> None:
    store = git_store(place(SOLO_POLICY))  # production holds one
    to(2, "Production")(store)
    assert stages(store) == {1: "Archived", 2: "Production", 3: "None"}


def test_other_stages_are_called_as_policy_calls_them(place: Callable[..., Path]) -> None:
    store = git_store(
        place(OPEN_POLICY.replace("  - {name: archived}", "  - {name: Canary}\n  - {name: archived}"))
    )
    assert to(3, "canary", True)(store).current_stage == "Canary"
    assert [v.version for v in store.get_latest_versions("credit-risk", ["CANARY"])] == [3]


def test_a_stage_that_policy_does_not_have(place: Callable[..., Path]) -> None:
    store = git_store(place(OPEN_POLICY.replace("  - {name: archived}\n", "").replace("archived", "none")))
    with pytest.raises(MlflowException, match="Value must be one of None, Staging, Production") as error:
        to(1, "Archived")(store)
    assert code(error.value) == "INVALID_PARAMETER_VALUE"
    assert store.get_latest_versions("credit-risk", ["Archived"]) == []


def test_the_rule_that_does_not_let_a_version_in_is_named(place: Callable[..., Path]) -> None:
    gated = SOLO_POLICY.replace("{name: staging}", "{name: staging, gates: [{metric: roc_auc, min: 0.99}]}")
    checkout = place(SOLO_POLICY)
    store = git_store(checkout)
    (checkout / "policy.yaml").write_text(gated)
    git(checkout, "commit", "-qam", "A gate")
    with pytest.raises(MlflowException, match=r"GR302.*roc_auc") as error:
        to(3, "Staging")(store)
    assert code(error.value) == "PERMISSION_DENIED"
    assert stages(store)[3] == "None"


# Change requests


@pytest.fixture
def guarded(place: Callable[..., Path], keys: Path, monkeypatch: pytest.MonkeyPatch) -> GitregStore:
    """The store of a registry on which notes land directly, and all else is asked for; production takes an approval."""
    monkeypatch.setenv("GITREG_SSH_KEY", str(keys / "dan"))
    public = {path.stem: path.read_text().strip() for path in keys.glob("*.pub")}
    return git_store(place(policy_for(public, POLICY)))


ASKED: Mapping[str, Call] = {
    "to production": to(2, "Production"),
    "out of production": to(1, "None"),
    "rename": lambda s: s.rename_registered_model("credit-risk", "lending"),
}


@pytest.mark.parametrize("call", ASKED.values(), ids=ASKED.keys())
def test_what_policy_guards_is_asked_for(
    guarded: GitregStore, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    before = plain(guarded.get_registered_model("credit-risk")), stages(guarded)
    with caplog.at_level(logging.WARNING, "gitreg.mlflow"):
        found = call(guarded)
    assert found.tags == {TAG: "#1"}
    assert found.name == "credit-risk"
    assert (plain(guarded.get_registered_model("credit-risk")), stages(guarded)) == before
    assert "change request #1 asks for it; it is so once that is merged" in caplog.text
    assert call(guarded).tags == {TAG: "#1"}  # asked again, it is the same request


def test_a_transition_that_is_asked_for_keeps_the_stage(guarded: GitregStore) -> None:
    found = to(2, "Production")(guarded)
    assert (found.version, found.current_stage, found.tags) == (2, "Staging", {TAG: "#1"})
    assert guarded.get_model_version("credit-risk", 2).tags == {}


def test_an_alias_that_policy_guards(guarded: GitregStore, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "gitreg.mlflow"):
        guarded.delete_registered_model_alias("credit-risk", "champion")
    assert "Clear credit-risk@champion: change request #1 asks for it" in caplog.text
    assert guarded.get_registered_model("credit-risk").aliases == {"champion": 1}


def test_notes_land_at_once(guarded: GitregStore, caplog: pytest.LogCaptureFixture) -> None:
    guarded.set_registered_model_tag("credit-risk", RegisteredModelTag("a", "1"))
    guarded.set_model_version_tag("credit-risk", 1, ModelVersionTag("b", "2"))
    assert guarded.update_registered_model("credit-risk", "who pays").description == "who pays"
    assert guarded.update_model_version("credit-risk", 1, "first").tags == {"b": "2"}
    assert guarded.get_registered_model("credit-risk").tags == {"a": "1"}
    assert caplog.text == ""


def test_a_new_model_and_its_first_version_are_one_request(guarded: GitregStore, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"churn")
    made = guarded.create_registered_model("churn", model_tags({"team": "growth"}), "who leaves")
    assert (made.name, made.description, made.latest_versions) == ("churn", "who leaves", [])
    assert made.tags == {"team": "growth", TAG: "#1"}
    found = guarded.create_model_version("churn", str(tmp_path / "model.pkl"), description="first")
    assert (found.name, found.version, found.description, found.tags) == ("churn", 1, "first", {TAG: "#1"})
    assert (found.status, found.current_stage) == ("PENDING_REGISTRATION", "None")
    assert found.status_message == "it is registered when change request 1 is merged"
    assert guarded._await_model_version_creation(found, 300) is None
    missing = "error: RESOURCE_DOES_NOT_EXIST"
    assert answer(lambda s: s.get_registered_model("churn"), guarded) == missing
    for version, says in ((1, r"not found.* yet: change request 1 asks for it \(#1\)"), (2, "not found")):
        with pytest.raises(MlflowException, match=says) as error:
            guarded.get_model_version("churn", version)
        assert code(error.value) == "RESOURCE_DOES_NOT_EXIST"
        assert ("request" in error.value.message) == (version == 1)
    assert guarded.create_registered_model("churn").tags[TAG] == "#1"  # as MLflow's register_model() does
    with pytest.raises(MlflowException, match="change #1 makes the model 'churn' already") as error:
        guarded.create_registered_model("churn", description="somebody else")
    assert code(error.value) == "RESOURCE_ALREADY_EXISTS"


def test_a_version_that_a_request_asks_for_is_told_of(guarded: GitregStore, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"four")
    assert guarded.create_model_version("credit-risk", str(tmp_path / "model.pkl")).version == 4
    guarded.copy_model_version(guarded.get_model_version("credit-risk", 1), "credit-risk-eu")
    for model, version, request in (("credit-risk", 4, 1), ("Credit-Risk", 4, 1), ("credit-risk-eu", 1, 2)):
        with pytest.raises(MlflowException, match=f"change request {request} asks for it") as error:
            guarded.get_model_version(model, version)
        assert code(error.value) == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(MlflowException, match=r"version=5\) not found$"):
        guarded.get_model_version("credit-risk", 5)


def test_a_copy_is_asked_for_too(guarded: GitregStore) -> None:
    source = guarded.get_model_version("credit-risk", 1)
    copy = guarded.copy_model_version(source, "credit-risk-eu")
    assert (copy.name, copy.version, copy.status) == ("credit-risk-eu", 1, "PENDING_REGISTRATION")
    assert copy.source == "models:/credit-risk/1"


def test_a_model_whose_alias_policy_guards_is_not_deleted_yet(place: Callable[..., Path]) -> None:
    store = git_store(place(SOLO_POLICY.replace("[all]", "[demote, delete]")))
    for version in (1, 2):
        to(version, "None")(store)
    with pytest.raises(MlflowException, match=r"cannot be deleted yet \(#1 asks to clear it") as error:
        store.delete_registered_model("credit-risk")
    assert code(error.value) == "PERMISSION_DENIED"
    assert store.get_registered_model("credit-risk").aliases == {"champion": 1}


@pytest.mark.parametrize("changes", ["direct", "request"])
def test_the_uri_says_how_changes_land(changes: str, guarded: GitregStore, tmp_path: Path) -> None:
    store = git_store(tmp_path / "registry" / "solo", changes=changes)
    found = store.update_model_version("credit-risk", 3, "third")
    if changes == "request":
        assert (found.description, found.tags) == (None, {TAG: "#1"})
        assert to(2, "Production")(store).tags == {TAG: "#2"}
    else:
        assert (found.description, found.tags) == ("third", {})
        with pytest.raises(MlflowException, match="does not list 'promote' as direct") as error:
            to(2, "Production")(store)
        assert code(error.value) == "PERMISSION_DENIED"


def test_over_http_a_registration_that_waits_does_not_fail_the_run(
    guarded: GitregStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's REST client asks for what is pending, and raises where it is not found."""
    monkeypatch.setenv("_MLFLOW_SERVER_REGISTRY_STORE", "gitreg:///anything")
    copy = guarded.copy_model_version(guarded.get_model_version("credit-risk", 1), "credit-risk-eu")
    assert (copy.status, copy.tags[TAG]) == ("READY", "#1")
    assert copy.status_message == "it is registered when change request 1 is merged"


def test_who_registers_the_same_of_the_same_run_again_gets_the_open_request(
    guarded: GitregStore, tracking: str, tmp_path: Path
) -> None:
    run = MlflowClient().create_run("0").info.run_id
    (tmp_path / "model.pkl").write_bytes(b"four")
    source = str(tmp_path / "model.pkl")
    for model in ("credit-risk", "churn"):
        if model == "churn":
            guarded.create_registered_model(model)
        found = [guarded.create_model_version(model, source, run) for _ in range(2)]
        assert len({(each.version, each.tags[TAG]) for each in found}) == 1
    other = guarded.create_model_version("credit-risk", source)
    assert (other.version, other.tags[TAG]) == (4, "#3")
