"""Registered models: every call answers as MLflow's own store does, but for what git adds."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from mlflow.entities.model_registry import RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow_kit import Sides, answer, code, model_tags, plain

Call = Callable[[AbstractStore], Any]


#: What changes something, and is asked of both stores.
CHANGES: dict[str, Call] = {
    "create": lambda s: s.create_registered_model("fraud", model_tags({"a": "1", "b": "2"}), "who cheats"),
    "create without anything": lambda s: s.create_registered_model("fraud"),
    "create with a tag twice": lambda s: s.create_registered_model(
        "fraud", [RegisteredModelTag("a", "1"), RegisteredModelTag("a", "2")]
    ),
    "describe": lambda s: s.update_registered_model("churn", "who leaves"),
    "describe with no words": lambda s: s.update_registered_model("churn", ""),
    "describe anew": lambda s: s.update_registered_model("credit-risk", "who does not"),
    "take the description away": lambda s: s.update_registered_model("credit-risk", None),
    "rename": lambda s: s.rename_registered_model("churn", "attrition"),
    "delete": lambda s: s.delete_registered_model("churn"),
    "tag": lambda s: s.set_registered_model_tag("churn", RegisteredModelTag("team", "growth")),
    "tag anew": lambda s: s.set_registered_model_tag("credit-risk", RegisteredModelTag("team", "other")),
    "tag with odd letters": lambda s: s.set_registered_model_tag(
        "churn", RegisteredModelTag("a.b c/d", "ü: #")
    ),
    "tag with no words": lambda s: s.set_registered_model_tag("churn", RegisteredModelTag("empty", "")),
    "untag": lambda s: s.delete_registered_model_tag("credit-risk", "team"),
}
#: What changes nothing: questions, and what is refused or so already.
REST: dict[str, Call] = {
    "create what is there": lambda s: s.create_registered_model("churn"),
    "create nothing": lambda s: s.create_registered_model(""),
    "create None": lambda s: s.create_registered_model(None),
    "create with a slash": lambda s: s.create_registered_model("a/b"),
    "create with a colon": lambda s: s.create_registered_model("a:b"),
    "create a folder": lambda s: s.create_registered_model(".."),
    "create with a bad tag": lambda s: s.create_registered_model("fraud", model_tags({"a" * 251: "1"})),
    "get": lambda s: s.get_registered_model("credit-risk"),
    "get what is not there": lambda s: s.get_registered_model("nothing"),
    "get nothing": lambda s: s.get_registered_model(""),
    "say what it says already": lambda s: s.update_registered_model("credit-risk", "who pays back"),
    "describe what is not there": lambda s: s.update_registered_model("nothing", "x"),
    "rename to what it is": lambda s: s.rename_registered_model("churn", "churn"),
    "rename to what is there": lambda s: s.rename_registered_model("churn", "credit-risk"),
    "rename what is not there": lambda s: s.rename_registered_model("nothing", "fraud"),
    "rename to nothing": lambda s: s.rename_registered_model("churn", ""),
    "rename to a path": lambda s: s.rename_registered_model("churn", "a/b"),
    "delete what is not there": lambda s: s.delete_registered_model("nothing"),
    "tag the same": lambda s: s.set_registered_model_tag("credit-risk", RegisteredModelTag("team", "risk")),
    "tag with a bad key": lambda s: s.set_registered_model_tag("churn", RegisteredModelTag("a\nb", "")),
    "tag with no key": lambda s: s.set_registered_model_tag("churn", RegisteredModelTag("", "")),
    "tag with None": lambda s: s.set_registered_model_tag("churn", RegisteredModelTag(None, "x")),
    "tag what is not there": lambda s: s.set_registered_model_tag("nothing", RegisteredModelTag("a", "b")),
    "untag what has none": lambda s: s.delete_registered_model_tag("churn", "team"),
    "untag what is not there": lambda s: s.delete_registered_model_tag("nothing", "team"),
    "latest versions of none": lambda s: s.get_latest_versions("churn"),
    "latest versions of what is not there": lambda s: s.get_latest_versions("nothing"),
    "latest alias of none": lambda s: s.get_model_version_by_alias("churn", "latest"),
}


@pytest.mark.parametrize("call", CHANGES.values(), ids=CHANGES.keys())
def test_changes(call: Call, sides: Sides) -> None:
    for each in (call, lambda store: store.search_registered_models()):
        said, expected = sides.ask(each)
        assert said == expected


@pytest.mark.parametrize("call", REST.values(), ids=REST.keys())
def test_what_changes_nothing(call: Call, shared: Sides) -> None:
    shared.demand_same_without_change(call)


def test_a_store_is_pickled_without_what_is_open(sides: Sides) -> None:
    again = pickle.loads(pickle.dumps(sides.git))
    assert plain(again.get_registered_model("churn")) == plain(sides.git.get_registered_model("churn"))
    again.update_registered_model("churn", "by another process")
    assert sides.git.get_registered_model("churn").description == "by another process"


# What git adds


@pytest.mark.parametrize("name", ["Churn", "CHURN"])
def test_names_that_differ_by_case_are_one_name(sides: Sides, name: str) -> None:
    with pytest.raises(MlflowException) as error:
        sides.git.create_registered_model(name)
    assert code(error.value) == "RESOURCE_ALREADY_EXISTS"
    assert sides.git.get_registered_model(name).name == "churn"


def test_former_names_lead_to_the_present_one(sides: Sides) -> None:
    sides.git.rename_registered_model("credit-risk", "lending")
    sides.git.rename_registered_model("lending", "loans")
    assert sides.git.get_registered_model("credit-risk").name == "loans"
    assert sides.git.get_model_version_by_alias("lending", "champion").version == 3
    sides.git.set_registered_model_tag("credit-risk", RegisteredModelTag("by", "its former name"))
    assert sides.git.get_registered_model("loans").tags["by"] == "its former name"


@pytest.mark.parametrize("end", ["rename", "delete"])
def test_what_ends_a_name_takes_no_other_for_it(sides: Sides, end: str) -> None:
    calls: dict[str, Call] = {
        "rename": lambda s: s.rename_registered_model("Churn", "attrition"),
        "delete": lambda s: s.delete_registered_model("Churn"),
    }
    assert sides.ask(calls[end]) == ("error: RESOURCE_DOES_NOT_EXIST",) * 2
    assert sides.git.get_registered_model("churn").name == "churn"


def test_a_name_that_is_made_again_goes_on_counting(sides: Sides) -> None:
    for _ in range(2):
        sides.git.create_model_version("churn", sides.model)
    sides.git.delete_registered_model("churn")
    sides.git.create_registered_model("churn")
    assert sides.git.create_model_version("churn", sides.model).version == 3


def test_a_model_is_deleted_with_its_aliases(sides: Sides) -> None:
    sides.git.create_model_version("churn", sides.model)
    for alias in ("champion", "challenger"):
        sides.git.set_registered_model_alias("churn", alias, 1)
    sides.git.delete_registered_model("churn")
    assert answer(lambda s: s.get_registered_model("churn"), sides.git) == "error: RESOURCE_DOES_NOT_EXIST"


def test_a_model_in_use_is_not_deleted(sides: Sides) -> None:
    with pytest.raises(MlflowException, match="cannot be deleted") as error:
        sides.git.delete_registered_model("credit-risk")
    assert code(error.value) == "PERMISSION_DENIED"
    assert sides.git.get_registered_model("credit-risk").aliases == {
        "best": 3,
        "challenger": 5,
        "champion": 3,
    }
