"""What the store refuses, and how it says so: never with a code that MLflow's client goes on repeating."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flow_kit import git
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import ERROR_CODE_TO_HTTP_STATUS, MlflowException
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.tracking._model_registry import utils
from mlflow_kit import Sides, code, git_store, model_tags, version_tags

from gitreg import errors
from gitreg.errors import GitregError
from gitreg.surfaces.mlflow.errors import code_of
from gitreg.surfaces.mlflow.store import GitregStore

PROMPT = "mlflow.prompt.is_prompt"


def test_every_method_of_mlflow_s_store_is_there() -> None:
    """MLflow does not enforce it: what is not overridden answers None, or is not implemented."""
    empty = {
        name
        for name, method in inspect.getmembers(AbstractStore, inspect.isfunction)
        if getattr(method, "__isabstractmethod__", False)
        or "NotImplementedError" in inspect.getsource(method)
    }
    assert len(empty) >= 21
    assert [
        name for name in sorted(empty) if getattr(GitregStore, name) is getattr(AbstractStore, name)
    ] == []


def test_the_arguments_are_called_as_in_mlflow() -> None:
    for name, method in inspect.getmembers(AbstractStore, inspect.isfunction):
        ours = inspect.signature(getattr(GitregStore, name)).parameters
        if getattr(method, "__isabstractmethod__", False):
            assert list(ours) == list(inspect.signature(method).parameters), name


def test_no_error_has_a_code_that_is_repeated() -> None:
    kinds = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, GitregError)
    ]
    assert len(kinds) > 5
    for kind in kinds:
        assert ERROR_CODE_TO_HTTP_STATUS[code_of(kind("x"))] < 500


@pytest.mark.parametrize("raised", [OSError("No space left on device"), AssertionError(), KeyError("x")])
def test_what_nobody_foresaw_is_told_once_and_logged(
    shared: Sides, raised: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """MLflow's server would answer 500, which its client repeats for minutes."""

    def fail() -> None:
        raise raised

    monkeypatch.setattr(shared.git, "_session", fail)
    with pytest.raises(MlflowException, match=f"gitreg failed: {type(raised).__name__}") as error:
        shared.git.get_registered_model("churn")
    assert code(error.value) == "ABORTED"
    assert error.value.__cause__ is raised
    (record,) = caplog.records
    assert (record.name, record.exc_info and record.exc_info[1]) == ("gitreg.mlflow", raised)


# Prompts and webhooks

REFUSED: dict[str, Callable[[Any], Any]] = {
    "make a prompt": lambda s: s.create_prompt("p", "what", {}),
    "make a prompt by hand": lambda s: s.create_registered_model("p", model_tags({PROMPT: "true"})),
    "make a model a prompt": lambda s: s.set_registered_model_tag(
        "churn", RegisteredModelTag(PROMPT, "true")
    ),
    "make a version a prompt": lambda s: s.set_model_version_tag(
        "credit-risk", 1, ModelVersionTag(PROMPT, "true")
    ),
    "register a prompt": lambda s: s.create_model_version(
        "churn", "dummy-source", tags=version_tags({PROMPT: "true"})
    ),
    "make a prompt's version": lambda s: s.create_prompt_version("churn", "hello {{name}}"),
    "get a prompt's version": lambda s: s.get_prompt_version("credit-risk", 1),
    "delete a prompt": lambda s: s.delete_prompt("churn"),
    "delete a prompt's version": lambda s: s.delete_prompt_version("credit-risk", 5),
    "tag a prompt": lambda s: s.set_prompt_tag("churn", "a", "b"),
    "move a prompt's alias": lambda s: s.set_prompt_alias("credit-risk", "champion", 5),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED.keys())
def test_prompts(shared: Sides, call: Callable[[Any], Any]) -> None:
    before = git(shared.place, "rev-parse", "HEAD")
    with pytest.raises(MlflowException, match="keep prompts in the tracking store") as error:
        call(shared.git)
    assert code(error.value) == "INVALID_PARAMETER_VALUE"
    assert git(shared.place, "rev-parse", "HEAD") == before


def test_no_prompt_is_found(shared: Sides) -> None:
    assert shared.git.get_prompt("credit-risk") is None
    assert list(shared.git.search_prompts()) == []


WEBHOOKS: dict[str, Callable[[Any], Any]] = {
    "create": lambda s: s.create_webhook("w", "https://example.com", []),
    "get": lambda s: s.get_webhook("1"),
    "update": lambda s: s.update_webhook("1", name="x"),
    "delete": lambda s: s.delete_webhook("1"),
    "test": lambda s: s.test_webhook("1"),
}


@pytest.mark.parametrize("call", WEBHOOKS.values(), ids=WEBHOOKS.keys())
def test_webhooks(shared: Sides, call: Callable[[Any], Any]) -> None:
    with pytest.raises(MlflowException, match="the forge that hosts it") as error:
        call(shared.git)
    assert code(error.value) == "INVALID_PARAMETER_VALUE"


# Names


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a+b", r"'\+' \(U\+002B\)"),
        ("_a", "'_'"),
        ("models*", r"'\*' \(U\+002A\)"),
        ("e\u0301tat", r"'é' \(U\+00E9\)"),
        ("ends.", "ends in '.'"),
        ("con", "Windows reserves it"),
        ("x" * 129, "129 characters are too many"),
    ],
)
def test_a_name_says_what_is_wrong_with_it(shared: Sides, name: str, said: str) -> None:
    for call in (
        lambda: shared.git.create_registered_model(name),
        lambda: shared.git.rename_registered_model("churn", name),
        lambda: shared.git.copy_model_version(shared.git.get_model_version("credit-risk", 1), name),
    ):
        with pytest.raises(MlflowException, match=said) as error:
            call()
        assert code(error.value) == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("alias", ["1st", "x" * 65, "none", "con"])
def test_an_alias_that_cannot_be_a_file(shared: Sides, alias: str) -> None:
    with pytest.raises(MlflowException, match="cannot name an alias") as error:
        shared.git.set_registered_model_alias("credit-risk", alias, 1)
    assert code(error.value) == "INVALID_PARAMETER_VALUE"


def test_a_tag_that_is_too_long(shared: Sides) -> None:
    """MLflow takes twenty times as much; a registry's files are read by people."""
    with pytest.raises(MlflowException, match=r"tags\.a: 5001 characters") as error:
        shared.git.set_registered_model_tag("churn", RegisteredModelTag("a", "x" * 5001))
    assert code(error.value) == "INVALID_PARAMETER_VALUE"


# URIs


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?chnages=direct", "no parameter 'chnages'"),
        ("?changes=maybe", "changes=maybe is not known"),
        ("?model=churn&version=1", "a registry's URI names no model"),
    ],
)
def test_a_uri_that_is_not_understood(shared: Sides, query: str, said: str) -> None:
    with pytest.raises(MlflowException, match=said) as error:
        GitregStore(f"gitreg://{shared.place}{query}")
    assert code(error.value) == "INVALID_PARAMETER_VALUE"


def test_no_registry_there(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(MlflowException) as error:
            git_store(place)
        assert code(error.value) == "INVALID_PARAMETER_VALUE"


def test_a_checkout_without_a_registry(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "-c", "user.name=D", "-c", "user.email=d@e", "commit", "-q", "--allow-empty", "-m", "Begin")
    with pytest.raises(MlflowException, match="no registry") as error:
        git_store(tmp_path).search_registered_models()
    assert code(error.value) == "INVALID_PARAMETER_VALUE"


# MLflow finds it


def test_mlflow_finds_the_store_by_the_uri(sides: Sides) -> None:
    tracking = f"sqlite:///{sides.folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=tracking, registry_uri=f"gitreg://{sides.place}?changes=direct")
    assert client.get_model_version_by_alias("credit-risk", "champion").version == 3
    assert [model.name for model in client.search_registered_models()] == ["churn", "credit-risk"]
    store = utils._get_store(f"gitreg://{sides.place}?changes=direct", tracking)
    assert isinstance(store, GitregStore)
    assert (store.tracking_uri, store._uri.changes) == (tracking, "direct")
