"""Model versions and aliases: every call answers as MLflow's own store does, but for what git adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flow_kit import git
from mlflow.entities.model_registry import ModelVersionTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow_kit import Sides, answer, code, plain, version_tags

from gitreg.surfaces.mlflow.store import GitregStore

Call = Callable[[AbstractStore], Any]
LONG = "x" * 100_001

#: What changes something, and is asked of both stores.
CHANGES: dict[str, Call] = {
    "describe": lambda s: s.update_model_version("credit-risk", 2, "two"),
    "describe with no words": lambda s: s.update_model_version("credit-risk", "2", ""),
    "describe anew": lambda s: s.update_model_version("credit-risk", 1, "the first"),
    "take the description away": lambda s: s.update_model_version("credit-risk", 1, None),
    "delete": lambda s: s.delete_model_version("credit-risk", 5),
    "tag": lambda s: s.set_model_version_tag("credit-risk", 2, ModelVersionTag("a", "2")),
    "tag anew": lambda s: s.set_model_version_tag("credit-risk", 1, ModelVersionTag("a", "2")),
    "tag with odd letters": lambda s: s.set_model_version_tag(
        "credit-risk", 1, ModelVersionTag("a.b/c d", "ü\n")
    ),
    "tag with what YAML takes for something": lambda s: s.set_model_version_tag(
        "credit-risk", 1, ModelVersionTag("yes", "null")
    ),
    "untag": lambda s: s.delete_model_version_tag("credit-risk", 1, "a"),
    "set an alias": lambda s: s.set_registered_model_alias("credit-risk", "newest", 5),
    "move an alias": lambda s: s.set_registered_model_alias("credit-risk", "champion", "4"),
    "clear an alias": lambda s: s.delete_registered_model_alias("credit-risk", "champion"),
}
#: What changes nothing: questions, and what is refused or so already.
REST: dict[str, Call] = {
    "get": lambda s: s.get_model_version("credit-risk", 1),
    "get by text": lambda s: s.get_model_version("credit-risk", "3"),
    "get what is not there": lambda s: s.get_model_version("credit-risk", 9),
    "get of what is not there": lambda s: s.get_model_version("nothing", 1),
    "get a word": lambda s: s.get_model_version("credit-risk", "one"),
    "get a fraction": lambda s: s.get_model_version("credit-risk", "1.5"),
    "get None": lambda s: s.get_model_version("credit-risk", None),
    "get nil": lambda s: s.get_model_version("credit-risk", 0),
    "get less than nil": lambda s: s.get_model_version("credit-risk", -1),
    "create for what is not there": lambda s: s.create_model_version("nothing", "/there/is/nothing"),
    "create for nothing": lambda s: s.create_model_version("", "/there/is/nothing"),
    "create with a bad tag": lambda s: s.create_model_version(
        "churn", "/there/is/nothing", tags=version_tags({"a" * 251: "1"})
    ),
    "describe nothing with None": lambda s: s.update_model_version("credit-risk", 2, None),
    "describe what is not there": lambda s: s.update_model_version("credit-risk", 9, "nine"),
    "delete what is not there": lambda s: s.delete_model_version("credit-risk", 9),
    "delete of what is not there": lambda s: s.delete_model_version("nothing", 1),
    "delete a word": lambda s: s.delete_model_version("credit-risk", "one"),
    "tag the same": lambda s: s.set_model_version_tag("credit-risk", 1, ModelVersionTag("a", "1")),
    "tag with a bad key": lambda s: s.set_model_version_tag("credit-risk", 1, ModelVersionTag("a\nb", "")),
    "tag with too much": lambda s: s.set_model_version_tag("credit-risk", 1, ModelVersionTag("a", LONG)),
    "tag what is not there": lambda s: s.set_model_version_tag("credit-risk", 9, ModelVersionTag("a", "b")),
    "untag what has none": lambda s: s.delete_model_version_tag("credit-risk", 2, "a"),
    "untag what is not there": lambda s: s.delete_model_version_tag("credit-risk", 9, "a"),
    "untag nothing": lambda s: s.delete_model_version_tag("credit-risk", 1, ""),
    "set an alias as it is": lambda s: s.set_registered_model_alias("credit-risk", "champion", 3),
    "set latest": lambda s: s.set_registered_model_alias("credit-risk", "Latest", 3),
    "set a version": lambda s: s.set_registered_model_alias("credit-risk", "V2", 3),
    "set an alias with a space": lambda s: s.set_registered_model_alias("credit-risk", "a b", 3),
    "set an alias without a name": lambda s: s.set_registered_model_alias("credit-risk", "", 3),
    "set an alias on what is not there": lambda s: s.set_registered_model_alias("credit-risk", "newest", 9),
    "set an alias of what is not there": lambda s: s.set_registered_model_alias("nothing", "newest", 1),
    "clear what is not there": lambda s: s.delete_registered_model_alias("credit-risk", "newest"),
    "clear an alias of what is not there": lambda s: s.delete_registered_model_alias("nothing", "newest"),
    "clear an alias with a space": lambda s: s.delete_registered_model_alias("credit-risk", "a b"),
    "get by alias": lambda s: s.get_model_version_by_alias("credit-risk", "champion"),
    "get the latest": lambda s: s.get_model_version_by_alias("credit-risk", "LATEST"),
    "get by an alias that is not there": lambda s: s.get_model_version_by_alias("credit-risk", "newest"),
    "get by alias of what is not there": lambda s: s.get_model_version_by_alias("nothing", "champion"),
    "get by an alias with a space": lambda s: s.get_model_version_by_alias("credit-risk", "a b"),
    "address of what is not there": lambda s: s.get_model_version_download_uri("credit-risk", 9),
}


@pytest.mark.parametrize("call", CHANGES.values(), ids=CHANGES.keys())
def test_changes(call: Call, sides: Sides) -> None:
    for each in (
        call,
        lambda store: store.get_registered_model("credit-risk"),
        lambda store: sorted(each.version for each in store.search_model_versions()),
        lambda store: store.get_model_version("credit-risk", 1),
    ):
        said, expected = sides.ask(each)
        assert said == expected


@pytest.mark.parametrize("call", REST.values(), ids=REST.keys())
def test_what_changes_nothing(call: Call, shared: Sides) -> None:
    shared.demand_same_without_change(call)


def test_times(sides: Sides) -> None:
    def times(found: Any) -> dict[int, tuple[int, int]]:
        return {v.version: (v.creation_timestamp, v.last_updated_timestamp) for v in found}

    sql, ours = (times(store.search_model_versions("name = 'credit-risk'")) for store in sides)
    assert ours == sql
    made = [[m.creation_timestamp for m in store.search_registered_models()] for store in sides]
    assert made[0] == made[1]


def test_creation(sides: Sides) -> None:
    tags = version_tags({"a": "1", "b": ""})
    for _ in range(2):  # the same bytes once more are another version
        said, expected = sides.ask(
            lambda s: s.create_model_version("churn", sides.model, None, tags, None, "new")
        )
        assert said == expected
    said, expected = sides.ask(lambda s: s.get_latest_versions("churn"))
    assert said == expected


def test_who_made_a_version_and_what_is_awaited(sides: Sides) -> None:
    made = sides.git.create_model_version("churn", sides.model)
    assert (made.user_id, made.status, made.source) == ("Dan", "READY", sides.model)
    assert made.creation_timestamp == made.last_updated_timestamp
    assert sides.git._await_model_version_creation(made, 300) is None


def test_a_deleted_number_is_not_used_again(sides: Sides) -> None:
    sides.git.delete_model_version("credit-risk", 5)
    assert sides.git.create_model_version("credit-risk", sides.model).version == 6
    assert (
        answer(lambda s: s.get_model_version("credit-risk", 5), sides.git) == "error: RESOURCE_DOES_NOT_EXIST"
    )


def test_a_version_is_deleted_with_its_aliases_in_one_commit(sides: Sides) -> None:
    checkout = sides.place
    sides.git.set_registered_model_alias("credit-risk", "newest", 5)
    before = git(checkout, "rev-parse", "HEAD")
    sides.git.delete_model_version("credit-risk", 5)
    assert git(checkout, "rev-list", f"{before}..HEAD").count("\n") == 0
    assert sides.git.get_registered_model("credit-risk").aliases == {"best": 3, "champion": 3}


def test_a_version_in_a_stage_is_not_deleted(store: GitregStore) -> None:
    with pytest.raises(MlflowException, match="is in production and cannot be deleted") as error:
        store.delete_model_version("credit-risk", 2)
    assert code(error.value) == "PERMISSION_DENIED"


def test_aliases_ignore_case(store: GitregStore) -> None:
    store.set_registered_model_alias("credit-risk", "Champion", 4)
    assert store.get_registered_model("credit-risk").aliases == {"best": 3, "challenger": 5, "champion": 4}
    assert store.get_model_version_by_alias("credit-risk", "CHAMPION").version == 4
    store.delete_registered_model_alias("Credit-Risk", "cHAMPION")
    assert store.get_registered_model("credit-risk").aliases == {"best": 3, "challenger": 5}


def test_an_alias_cannot_be_called_like_a_stage(store: GitregStore) -> None:
    with pytest.raises(MlflowException, match="is the name of a stage") as error:
        store.set_registered_model_alias("credit-risk", "Production", 2)
    assert code(error.value) == "INVALID_PARAMETER_VALUE"


def test_every_version_that_is_shown_has_its_aliases(store: GitregStore) -> None:
    found = {v.version: sorted(v.aliases) for v in store.search_model_versions("name = 'credit-risk'")}
    assert found == {1: [], 2: [], 3: ["best", "champion"], 4: [], 5: ["challenger"]}
    latest = store.get_registered_model("credit-risk").latest_versions
    assert {v.version: sorted(v.aliases) for v in latest}[3] == ["best", "champion"]


def test_the_address_of_an_artifact(sides: Sides) -> None:
    uri = f"gitreg://{sides.place}/?model=credit-risk&version=3"
    assert sides.git.get_model_version_download_uri("Credit-Risk", "3") == uri


# Copies


def test_a_copy_outlives_its_source(sides: Sides) -> None:
    source = sides.git.get_model_version("credit-risk", 1)
    copy = sides.git.copy_model_version(source, "credit-risk-eu")
    assert (copy.name, copy.version, copy.description, copy.tags) == ("credit-risk-eu", 1, "one", source.tags)
    again = sides.git.copy_model_version(source, "credit-risk-eu")
    assert again.version == 2
    sides.git.transition_model_version_stage("credit-risk", 1, "None", False)
    sides.git.delete_model_version("credit-risk", 1)
    assert (copy.source, again.source) == ("models:/credit-risk/1",) * 2
    found = sides.git.search_model_versions("source_path = 'models:/credit-risk/1'")
    assert [(each.name, each.source) for each in found] == [("credit-risk-eu", copy.source)] * 2


def test_a_copy_is_shown_as_mlflow_shows_it(sides: Sides) -> None:
    said, expected = sides.ask(
        lambda s: s.copy_model_version(s.get_model_version("credit-risk", 1), "credit-risk-eu")
    )
    assert said == expected


@pytest.mark.parametrize(
    "source", ["models:/credit-risk/3", "models:/credit-risk@champion", "models:/credit-risk/production"]
)
def test_a_registered_version_as_a_source_is_a_copy(store: GitregStore, source: str) -> None:
    made = store.create_model_version("churn", source, tags=version_tags({"by": "hand"}), description="mine")
    assert (made.name, made.version, made.description, made.tags) == ("churn", 1, "mine", {"by": "hand"})
    assert plain(store.get_model_version("churn", 1)) == plain(made)


def test_a_source_that_is_not_there(store: GitregStore) -> None:
    for source in ("/there/is/nothing", "models:/credit-risk/9", "models:/nothing/1"):
        with pytest.raises(MlflowException) as error:
            store.create_model_version("churn", source)
        assert code(error.value) == "RESOURCE_DOES_NOT_EXIST"
    assert store.get_latest_versions("churn") == []
