from __future__ import annotations

from typing import Any

import pytest
from cli_kit import Registry, digest_of

from gitreg.core.codec.yaml import load_yaml


def alias(registry: Registry, path: str, request: int = 1) -> dict[str, Any]:
    """An alias file as the open request would have it."""
    text = registry.proposed(path, request)
    assert text is not None
    found = load_yaml(text.encode())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("target", ["3", "latest", "credit-risk/3", "models:/Credit-Risk/latest"])
def test_set_names_a_version(registry_repo: Registry, target: str) -> None:
    out = registry_repo("alias", "set", "credit-risk", "newest", target).out
    assert out.startswith("Change #1 opened: Point credit-risk@newest at version 3\n")
    found = alias(registry_repo, "models/credit-risk/aliases/newest.yaml")
    assert (found["version"], found["digest"], found["serial"]) == (3, digest_of(3), 1)


def test_set_takes_a_stage_or_another_alias(registry_repo: Registry) -> None:
    path = "models/credit-risk/aliases/spare.yaml"
    registry_repo("alias", "set", "credit-risk", "spare", "staging")
    assert alias(registry_repo, path)["version"] == 2
    registry_repo("change", "close", "1")
    registry_repo("alias", "set", "credit-risk", "spare", "credit-risk@champion")
    assert alias(registry_repo, path, request=2)["version"] == 1


def test_delete_leaves_an_empty_alias(registry_repo: Registry) -> None:
    registry_repo("alias", "delete", "Credit-Risk", "Champion")
    found = alias(registry_repo, "models/credit-risk/aliases/champion.yaml")
    assert (found["version"], found["digest"], found["serial"]) == (None, None, 2)


def test_a_dry_run_writes_nothing(registry_repo: Registry) -> None:
    assert "+version: 3" in registry_repo.writes_nothing("alias", "set", "credit-risk", "newest", "3").out
    assert "+version: null" in registry_repo.writes_nothing("alias", "delete", "credit-risk", "champion").out


def test_what_is_so_already_is_done(shared_repo: Registry) -> None:
    before = shared_repo.refs()
    result = shared_repo("alias", "set", "credit-risk", "champion", "production")
    assert (result.out, result.err) == ("", "gitreg: credit-risk@champion already names version 1\n")
    assert shared_repo.refs() == before


def test_list(registry_repo: Registry) -> None:
    header, line = registry_repo("alias", "list", "credit-risk").out.splitlines()
    assert header.split() == ["alias", "version", "digest", "stage", "protected"]
    assert line.split() == ["champion", "1", digest_of(1), "production", "yes"]


def test_list_as_json_after_a_deletion(registry_repo: Registry) -> None:
    registry_repo("alias", "set", "credit-risk", "newest", "3")
    registry_repo("change", "merge", "1")
    registry_repo("alias", "delete", "credit-risk", "newest")
    registry_repo("change", "merge", "2")
    assert registry_repo.json("alias", "list", "credit-risk") == [
        {"alias": "champion", "version": 1, "digest": digest_of(1), "stage": "production", "protected": True},
        {"alias": "newest", "version": None, "digest": None, "stage": None, "protected": False},
    ]


def test_a_model_without_aliases(shared_repo: Registry) -> None:
    result = shared_repo("alias", "list", "churn")
    assert result.out == ""
    assert result.err.startswith("No aliases yet")
    assert shared_repo.json("alias", "list", "churn") == []


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["set", "credit-risk", "champion", "3"], 1, "@champion may name only versions in production"),
        (["set", "credit-risk", "newest", "churn/1.2.0"], 2, "'churn/1.2.0' is a version of 'churn'"),
        (["set", "credit-risk", "newest", "9"], 1, "version 9 of 'credit-risk' does not exist"),
        (["set", "credit-risk", "newest", "archived"], 1, "no version of 'credit-risk' is in archived"),
        (["set", "credit-risk", "newest", "v3"], 2, "is not a reference"),
        (["set", "credit-risk", "staging", "3"], 2, "'staging' is the name of a stage"),
        (["set", "credit-risk", "latest", "3"], 2, "'latest' cannot name an alias: it is reserved"),
        (["set", "credit-risk", "../../x", "3"], 2, "'../../x' cannot name an alias"),
        (["set", "credit-risk", "\udcff", "3"], 2, "ALIAS: '\\udcff' is not UTF-8 text"),
        (["set", "nosuch", "newest", "3"], 1, "no model is called 'nosuch'"),
        (["delete", "credit-risk", "newest"], 1, "'credit-risk' has no alias 'newest'"),
        (["list", "nosuch"], 1, "no model is called 'nosuch'"),
    ],
)
def test_bad_input_is_refused(shared_repo: Registry, args: list[str], code: int, said: str) -> None:
    assert said in shared_repo.refuses("alias", *args, code=code)
