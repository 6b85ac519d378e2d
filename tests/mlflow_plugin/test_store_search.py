"""Filters, orders and pages: gitreg's store answers as MLflow's SQL store, which is the specification."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flow_kit import SOLO_REGISTRY, registration, rules
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils.search_utils import SearchUtils
from mlflow_kit import OPEN_POLICY, Seed, Sides, code, git_store, made_sides, make_checkout, names, sql_store

from gitreg.core.catalog import CatalogModel
from gitreg.core.plan.register import NewModel, plan_register
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.flows.catalog import Catalog
from gitreg.surfaces.mlflow.search import Clause

IS_PROMPT = "tags.`mlflow.prompt.is_prompt`"


def seed(has: Seed) -> None:
    """Names, tags, runs and sources that filters can tell apart, each made at another time."""
    has.model("Alpha", {"team": "risk", "odd key": "100%"})
    has.version("Alpha", "s3://bucket/one", "r1", {"best": "yes"})
    has.model("alphabet", {"team": "Risk", "note": "two\nlines"})
    has.version("alphabet", "s3://bucket/two", "r2", {"best": "no", "a.b": "c"})
    has.model("beta_1", {"team": "growth"})
    has.version("beta_1", "s3://bucket/100%", "r1")
    has.model("betaX1")
    has.version("betaX1", "dbfs:/x", None, {"best": "YES"})
    has.version("Alpha", None, "r3")
    has.model("gamma ü")
    has.version("gamma ü", "s3://bucket/one", "R1", {"best": "yes", "a.b": "d"})
    has.version("Alpha", "s3://bucket/three", "r1", {"best": "no"})


@pytest.fixture(scope="module")
def template(database_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_sides(database_template, tmp_path_factory.mktemp("search"), seed)


@pytest.fixture(scope="module")
def both(template: Path) -> Iterator[Sides]:
    """Both stores; nothing here writes."""
    sql = sql_store(template / "mlflow.db")
    yield Sides(template, sql, git_store(template / "solo"))
    sql._dispose_engine()


def models(store: AbstractStore, *asked: Any) -> tuple[list[str], object]:
    """The names of the models of a page, in order, and the token of the next one."""
    found = store.search_registered_models(*asked)
    return names(found), found.token


def versions(store: AbstractStore, *asked: Any) -> tuple[list[tuple[str, int]], object]:
    found = store.search_model_versions(*asked)
    return [(each.name, each.version) for each in found], found.token


def same(both: Sides, search: Callable[..., object], *asked: Any) -> object:
    """What both stores say to a search, which is the same."""
    said, expected = both.ask(lambda store: list(search(store, *asked)))  # type: ignore[call-overload]
    assert said == expected
    return said


ON_NAMES = [
    None,
    "",
    "name = 'Alpha'",
    'name = "Alpha"',
    "name='alpha'",
    "name != 'Alpha'",
    "name LIKE 'alpha%'",
    "name like 'Alpha'",
    "name ILIKE 'ALPHA%'",
    "name LIKE '%a_1'",
    "name LIKE 'beta_1'",
    "name LIKE '%'",
    "name LIKE ''",
    "name IN ('Alpha', 'beta_1', 'nothing')",
    "name IN ('Alpha')",
    "name NOT IN ('Alpha', 'beta_1')",
    "name = 'Alpha' AND name = 'beta_1'",
    "name LIKE 'a%' AND name != 'alphabet'",
    "attribute.name = 'Alpha'",
    "name = 'nothing'",
]
ON_TAGS = [
    "tags.best = 'yes'",
    "tag.best = 'yes'",
    "tags.best != 'yes'",
    "tags.best LIKE 'y%'",
    "tags.best ILIKE 'y%'",
    "tags.`a.b` = 'c'",
    "tags.nothing = 'x'",
    "tags.nothing != 'x'",
    "tags.best = 'yes' AND tags.`a.b` = 'd'",
    "tags.best != 'yes' AND tags.best != 'no'",
    "name = 'Alpha' AND tags.best = 'no'",
    f"{IS_PROMPT} = 'true'",
    f"{IS_PROMPT} != 'true'",
    f"{IS_PROMPT} = 'false'",
    f"{IS_PROMPT} != 'false'",
    f"{IS_PROMPT} LIKE 'true'",
    f"{IS_PROMPT} != 'true' AND name LIKE 'a%'",
    f"name = 'Alpha' AND {IS_PROMPT} = 'TRUE'",
]
#: Filters that are not understood, or of which something is not allowed.
BAD = [
    "name",
    "name =",
    "name = Alpha",
    "name = 5",
    "name < 'x'",
    "name = 'a' OR name = 'b'",
    "name = 'a'; name = 'b'",
    "nonsense = 'x'",
    "nonsense.name = 'x'",
    "tags.best < 'x'",
    "tags.best = 5",
    "tags.best IN ('yes', 'no')",
    "name IN 'Alpha'",
    "name IN ()",
    "name IN (5)",
    "name IN ('a' 'b')",
    "name IS NULL",
    "name = 'unfinished",
    "params.x = '1'",
    "creation_timestamp > 5",
    "%$!",
]


@pytest.mark.parametrize(
    "filter",
    [
        *ON_NAMES,
        *ON_TAGS,
        *BAD,
        "tags.team ILIKE 'risk'",
        "tags.`odd key` LIKE '100%'",
        "tags.note LIKE '%lines'",
    ],
)
def test_models(both: Sides, filter: str | None) -> None:
    same(both, models, filter, 100)


@pytest.mark.parametrize(
    "filter",
    [
        *ON_NAMES,
        *ON_TAGS,
        *BAD,
        "run_id = 'r1'",
        "run_id = 'R1'",
        "run_id != 'r1'",
        "run_id LIKE 'r%'",
        "run_id ILIKE 'r%'",
        "run_id IN ('r1', 'r2')",
        "run_id NOT IN ('r1', 'r2')",
        "run_id = 'r1' AND run_id = 'r2'",
        "run_id = 'r1' AND name = 'Alpha'",
        "source_path = 's3://bucket/one'",
        "source_path LIKE 's3://%'",
        "source_path LIKE '%100%'",
        "source_path != 's3://bucket/one'",
        "source_path IN ('s3://bucket/one')",
        "version_number = 1",
        "version_number != 1",
        "version_number > 1",
        "version_number >= 2",
        "version_number < 2",
        "version_number <= 2 AND name = 'Alpha'",
        "version_number = '2'",
        "version_number = 'two'",
        "version_number = 1.5",
        "version_number LIKE '1'",
        "version_number IN (1, 2)",
        "run_id = 5",
        "run_id > 'r1'",
        "current_stage = 'None'",
    ],
)
def test_versions(both: Sides, filter: str | None) -> None:
    same(both, versions, filter, 100)


MODEL_ORDERS = [
    None,
    [],
    ["name"],
    ["name ASC"],
    ["name DESC"],
    ["timestamp"],
    ["last_updated_timestamp DESC"],
    ["last_updated_timestamp ASC", "name DESC"],
    ["name DESC", "timestamp ASC"],
    ["timestamp", "last_updated_timestamp"],
    ["name", "name DESC"],
    ["creation_timestamp"],
    ["nonsense"],
    ["name SIDEWAYS"],
    ["name ASC DESC"],
    [""],
    ["`name`"],
    [5],
]


@pytest.mark.parametrize("order", MODEL_ORDERS, ids=repr)
@pytest.mark.parametrize("filter", [None, "tags.team ILIKE '%r%'"])
def test_orders_of_models(both: Sides, filter: str | None, order: list[str] | None) -> None:
    same(both, models, filter, 100, order)


VERSION_ORDERS = [
    None,
    [],
    ["name"],
    ["name DESC"],
    ["version_number"],
    ["version_number DESC", "name DESC"],
    ["creation_timestamp"],
    ["creation_timestamp DESC"],
    ["last_updated_timestamp"],
    ["last_updated_timestamp DESC", "creation_timestamp ASC"],
    ["version_number ASC", "version_number DESC"],
    ["timestamp"],
    ["run_id"],
    ["nonsense"],
    ["name SIDEWAYS"],
]


@pytest.mark.parametrize("order", VERSION_ORDERS, ids=repr)
def test_orders_of_versions(both: Sides, order: list[str] | None) -> None:
    same(both, versions, None, 100, order)


@pytest.mark.parametrize("search", [models, versions])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 100])
def test_pages(both: Sides, search: Callable[..., object], size: int) -> None:
    for order in (None, ["name DESC"], ["last_updated_timestamp ASC"]):
        token: Any = None
        for _ in range(10):
            page = same(both, search, None, size, order, token)
            token = page[1]  # type: ignore[index]
            if token is None:
                break
        assert token is None


TOKENS = [
    "",
    "nonsense",
    "é",
    SearchUtils.create_page_token(3),
    SearchUtils.create_page_token(3).decode(),
    SearchUtils.create_page_token(1000),
    SearchUtils.create_page_token(0),
    SearchUtils.create_page_token("x"),
    "e30=",  # {}
    "W10=",  # []
    "eyJvZmZzZXQiOiBbXX0=",  # {"offset": []}
]


@pytest.mark.parametrize("search", [models, versions])
@pytest.mark.parametrize("token", TOKENS, ids=repr)
def test_page_tokens(both: Sides, search: Callable[..., object], token: Any) -> None:
    same(both, search, None, 2, None, token)


@pytest.mark.parametrize("size", [1000, 1001, "5"], ids=repr)
def test_sizes_of_pages_of_models(both: Sides, size: Any) -> None:
    same(both, models, None, size)


@pytest.mark.parametrize("size", [0, -1, 200_000, 200_001, "5", None, 1.5], ids=repr)
def test_sizes_of_pages_of_versions(both: Sides, size: Any) -> None:
    if (
        size is None
    ):  # what MLflow's abstract store says the default is, though its SQL store does not know it
        assert versions(both.git, None, None) == versions(both.git, None, 10_000)
    else:
        same(both, versions, None, size)


@pytest.mark.parametrize("size", [0, -1, 1.5], ids=repr)
def test_a_page_of_no_models_has_no_next_one(both: Sides, size: Any) -> None:
    """MLflow's SQL store answers a token that it does not take back."""
    with pytest.raises(MlflowException, match="positive integer") as error:
        both.git.search_registered_models(None, size)
    assert code(error.value) == "INVALID_PARAMETER_VALUE"


def test_defaults(both: Sides) -> None:
    same(both, models)
    same(both, versions)
    assert models(both.git, None, None) == models(both.git)


def test_a_page_in_the_order_of_names_looks_at_no_other_model(
    both: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    whole = Catalog.heads

    def watched(catalog: Catalog, *args: Any) -> Iterator[CatalogModel]:
        for model in whole(catalog, *args):
            seen.append(model.name)
            yield model

    monkeypatch.setattr(Catalog, "heads", watched)
    for asked in (None, f"{IS_PROMPT} != 'true'", "name LIKE '%a%'"):
        seen.clear()
        assert models(both.git, asked, 2)[0] == ["Alpha", "alphabet"] == seen


def test_a_page_before_the_first(both: Sides) -> None:
    with pytest.raises(MlflowException) as error:
        models(both.git, None, 2, None, SearchUtils.create_page_token(-1))
    assert code(error.value) == "INVALID_PARAMETER_VALUE"


def test_a_pattern_of_many_wildcards_costs_no_more_than_its_length(both: Sides) -> None:
    """A regular expression of the same meaning tries more ways than there are atoms."""
    begin = time.process_time()
    assert both.git.search_model_versions(f"source_path ILIKE '{'%a' * 40}%b'") == []
    assert Clause("attribute", "name", "LIKE", "%a" * 40 + "%b").allows("a" * 10_000) is False
    assert time.process_time() - begin < 5


def test_ilike_knows_the_capitals_of_all_scripts(both: Sides) -> None:
    """As PostgreSQL does; sqlite knows those of ASCII alone."""
    assert models(both.git, "name ILIKE '%Ü'")[0] == ["gamma ü"]


def test_semver_versions(tmp_path: Path) -> None:
    """They are in the order of their precedence, and filters on numbers pass them over."""
    files: dict[str, bytes] = {path: data for path, data in rules(OPEN_POLICY, SOLO_REGISTRY).items() if data}
    commits: list[tuple[str, dict[str, bytes | None]]] = [("Begin the registry", dict(files))]
    for number in ("1.2.0", "1.10.0", "1.10.0-rc.1"):
        asked = registration("fraud", 1, version=number, create=NewModel(scheme="semver"), nonce=number)
        plan = plan_register(Snapshot(MemoryTree(files)), asked)
        commits.append((plan.title, dict(plan.edits)))
        files |= {path: data for path, data in plan.edits.items() if data}
    store = git_store(make_checkout(tmp_path, commits))
    found = [("fraud", "1.2.0"), ("fraud", "1.10.0-rc.1"), ("fraud", "1.10.0")]
    assert versions(store, None, 10, ["version_number ASC"])[0] == found
    assert versions(store, "version_number > 0")[0] == versions(store, "version_number != 1")[0] == []
    assert store.get_model_version("fraud", "1.10.0").version == "1.10.0"
    assert store.get_model_version_by_alias("fraud", "latest").version == "1.10.0"
    assert store.get_model_version_download_uri("fraud", "1.2.0").endswith("/?model=fraud&version=1.2.0")


def test_nothing_is_a_prompt_or_a_webhook(both: Sides) -> None:
    event = WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)
    for found in (
        both.git.search_prompts(),
        both.git.search_prompts(filter_string="name = 'x'", max_results=5),
        both.git.list_webhooks(),
        both.git.list_webhooks_by_event(event, max_results=100, page_token=None),
    ):
        assert (list(found), found.token) == ([], None)
