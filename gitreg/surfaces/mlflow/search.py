"""Filters, orders and pages, as MLflow's SQL store answers them; the grammar is read by MLflow's own parsers.

https://mlflow.org/docs/latest/ml/search/search-models/
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.store.model_registry import (
    SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
    SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD,
)
from mlflow.utils.search_utils import SearchModelUtils, SearchModelVersionUtils, SearchUtils

from gitreg.core.filter import like
from gitreg.core.names import version_key
from gitreg.surfaces.mlflow.entities import source_of

if TYPE_CHECKING:
    from gitreg.core.catalog import CatalogModel, CatalogVersion
    from gitreg.flows.catalog import Catalog

T = TypeVar("T")
#: What to order by, and whether the lowest comes first.
Order = tuple[tuple[str, bool], ...]

_STRING_COMPARATORS = frozenset({"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"})
_TAG_COMPARATORS = frozenset({"=", "!=", "LIKE", "ILIKE"})
_NUMERIC_COMPARATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
#: The attributes that may be compared with a list.
_LISTED = frozenset({"name", "run_id"})
_USUAL_VERSION_ORDER = ("last_updated_timestamp DESC", "name ASC", "version_number DESC")


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison of a filter: ``kind`` is ``attribute`` or ``tag``; ``value`` is text, a number or a list."""

    kind: str
    key: str
    comparator: str
    value: Any

    def allows(self, found: str | int | None) -> bool:
        """Whether a value passes; nothing that is compared with what is not there is true, as in SQL."""
        if found is None:
            return False
        match self.comparator:
            case "LIKE":
                return like(str(found), self.value)
            case "ILIKE":
                return like(str(found), self.value, ignore_case=True)
            case "IN":
                return found in self.value
            case "NOT IN":
                return found not in self.value
        return _NUMERIC_COMPARATORS[self.comparator](found, self.value)


@dataclass(frozen=True, slots=True)
class Search:
    """A search as it was asked for, understood.

    ``nothing``: it is for prompts, of which a git registry has none.
    """

    clauses: tuple[Clause, ...]
    order: Order
    offset: int
    limit: int
    nothing: bool

    def names(self) -> set[str] | None:
        """The only names that the filter lets through; None if it does not list them."""
        found: set[str] | None = None
        for clause in self.clauses:
            if (clause.kind, clause.key) == ("attribute", "name") and clause.comparator in {"=", "IN"}:
                listed = {clause.value} if clause.comparator == "=" else set(clause.value)
                found = listed if found is None else found & listed
        return found

    def run(self) -> str | None:
        """The only run that the filter lets through; None if it does not name one."""
        runs = (
            c.value for c in self.clauses if (c.kind, c.key, c.comparator) == ("attribute", "run_id", "=")
        )
        return next(runs, None)

    def page(self, found: Sequence[T]) -> tuple[list[T], bytes | None]:
        """The page that was asked for, and the token of the next one."""
        end = self.offset + self.limit
        token = SearchUtils.create_page_token(end) if end < len(found) else None
        return list(found[self.offset : end]), token


def model_search(
    filter_string: str | None, max_results: int | None, order_by: Sequence[str] | None, page_token: Any
) -> Search:
    """A search for models. Raises MlflowException."""
    default, most = SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT, SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD
    limit = _limit(max_results, default, most)
    with _understood():
        parsed = _clauses(SearchModelUtils.parse_search_filter(filter_string))
        order = [SearchUtils.parse_order_by_for_search_registered_models(each) for each in order_by or ()]
    for clause in parsed:
        _demand_comparator(clause)
    updated = SearchUtils.VALID_TIMESTAMP_ORDER_BY_KEYS
    keys = [("updated" if key in updated else key, ascending) for key, ascending in order]
    return _search(parsed, _complete(keys, ("name", True)), page_token, limit)


def version_search(
    filter_string: str | None, max_results: int | None, order_by: Sequence[str] | None, page_token: Any
) -> Search:
    """A search for versions. Raises MlflowException."""
    default, most = SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT, SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD
    limit = _limit(max_results, default, most)
    with _understood():
        parsed = _clauses(SearchModelVersionUtils.parse_search_filter(filter_string))
        order = [
            SearchModelVersionUtils.parse_order_by_for_search_model_versions(each)
            for each in order_by or _USUAL_VERSION_ORDER
        ]
    keys = [(_VERSION_KEYS.get(key, key), ascending) for _, key, ascending in order]
    clauses = tuple(_with_number(clause) for clause in parsed)
    return _search(clauses, _complete(keys, ("name", True), ("number", False)), page_token, limit)


_VERSION_KEYS = {
    "version_number": "number",
    "last_updated_timestamp": "updated",
    "creation_timestamp": "created",
}


def _search(clauses: tuple[Clause, ...], order: Order, page_token: Any, limit: int) -> Search:
    with _understood():
        offset = SearchUtils.parse_start_offset_from_page_token(page_token)
        if offset < 0:
            raise ValueError("its page begins before the first")
    about_prompts = [clause for clause in clauses if clause.kind == "tag" and clause.key == IS_PROMPT_TAG_KEY]
    nothing = bool(about_prompts) and _asks_for_prompts(about_prompts[0])
    return Search(tuple(c for c in clauses if c not in about_prompts), order, offset, limit, nothing)


def _asks_for_prompts(clause: Clause) -> bool:
    return (clause.comparator, clause.value.lower()) in {("=", "true"), ("!=", "false")}


def _limit(asked: Any, default: int, most: int) -> int:
    limit = default if asked is None else asked
    if not isinstance(limit, int) or limit < 1:
        raise MlflowException.invalid_parameter_value(
            f"max_results must be a positive integer, not {limit!r}"
        )
    if limit > most:
        raise MlflowException.invalid_parameter_value(f"max_results must be at most {most}, not {limit}")
    return limit


@contextmanager
def _understood() -> Iterator[None]:
    """What MLflow's parsers stumble over is bad input, also where they have no code for it."""
    try:
        yield
    except MlflowException as error:
        raise MlflowException.invalid_parameter_value(error.message) from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise MlflowException.invalid_parameter_value(f"the search is not understood: {error}") from None


def _clauses(parsed: Iterable[Mapping[str, Any]]) -> tuple[Clause, ...]:
    return tuple(Clause(each["type"], each["key"], each["comparator"], each["value"]) for each in parsed)


def _complete(keys: Sequence[tuple[str, bool]], *ends: tuple[str, bool]) -> Order:
    """An order that leaves no two alike. Raises MlflowException for a key that is there twice."""
    names = [name for name, _ in keys]
    if len(set(names)) != len(names):
        raise MlflowException.invalid_parameter_value(f"order_by has a field twice: {', '.join(names)}")
    return (*keys, *(end for end in ends if end[0] not in names))


def _demand_comparator(clause: Clause) -> None:
    allowed = _TAG_COMPARATORS if clause.kind == "tag" else _STRING_COMPARATORS
    if clause.comparator not in allowed or (
        clause.comparator in {"IN", "NOT IN"} and clause.key not in _LISTED
    ):
        raise MlflowException.invalid_parameter_value(
            f"Invalid comparator for {clause.kind} {clause.key}: {clause.comparator}"
        )


def _with_number(clause: Clause) -> Clause:
    """A clause on a version, checked, with a number where the attribute is one."""
    if clause.kind != "attribute" or clause.key not in SearchModelVersionUtils.NUMERIC_ATTRIBUTES:
        _demand_comparator(clause)
        return clause
    if clause.comparator not in _NUMERIC_COMPARATORS:
        raise MlflowException.invalid_parameter_value(
            f"Invalid comparator for attribute {clause.key}: {clause.comparator}"
        )
    try:
        if isinstance(clause.value, float):
            raise ValueError
        return Clause(clause.kind, clause.key, clause.comparator, int(clause.value))
    except (TypeError, ValueError):
        raise MlflowException.invalid_parameter_value(
            f"Invalid value for numeric attribute '{clause.key}': {clause.value!r}"
        ) from None


def find_models(catalog: Catalog, asked: Search) -> tuple[list[CatalogModel], bytes | None]:
    """The page of models that was asked for, and the token of the next one.

    Where names alone decide, no other model than those of the page is looked at.
    """
    if asked.nothing:
        return [], None
    by_name = [clause for clause in asked.clauses if clause.kind == "attribute"]
    listed = asked.names()
    names = [
        name
        for name in catalog.names()
        if (listed is None or name in listed) and all(clause.allows(name) for clause in by_name)
    ]
    tags = [clause for clause in asked.clauses if clause.kind == "tag"]
    first, ascending = asked.order[0]
    if first == "name" and not tags:
        page, token = asked.page(sorted(names, reverse=not ascending))
        return sorted(catalog.heads(page), key=lambda model: model.name, reverse=not ascending), token
    found = [m for m in catalog.heads(names) if all(clause.allows(m.tags.get(clause.key)) for clause in tags)]
    return asked.page(_ordered(found, asked.order, _MODEL_VALUES))


def find_versions(catalog: Catalog, asked: Search) -> tuple[list[CatalogVersion], bytes | None]:
    """The page of versions that was asked for, and the token of the next one."""
    if asked.nothing:
        return [], None
    found = [
        version
        for version in catalog.versions(names=asked.names(), run=asked.run())
        if all(clause.allows(_value(version, clause)) for clause in asked.clauses)
    ]
    return asked.page(_ordered(found, asked.order, _VERSION_VALUES))


def _ordered(found: list[T], order: Order, values: Mapping[str, Callable[[T], Any]]) -> list[T]:
    for key, ascending in reversed(order):
        found.sort(key=values[key], reverse=not ascending)
    return found


def _value(version: CatalogVersion, clause: Clause) -> str | int | None:
    if clause.kind == "tag":
        return version.tags.get(clause.key)
    return _ATTRIBUTES[clause.key](version)


def _number(version: CatalogVersion) -> int | None:
    """The number of a version; SemVer versions have none, and no comparison with a number finds them."""
    return version.version if isinstance(version.version, int) else None


def _run(version: CatalogVersion) -> str | None:
    from gitreg.flows.catalog import run_of

    return run_of(version)


_ATTRIBUTES: Mapping[str, Callable[[CatalogVersion], str | int | None]] = {
    "name": lambda version: version.model,
    "version_number": _number,
    "run_id": _run,
    "source_path": source_of,
}
_MODEL_VALUES: Mapping[str, Callable[[CatalogModel], Any]] = {
    "name": lambda model: model.name,
    "updated": lambda model: model.updated_at,
}
_VERSION_VALUES: Mapping[str, Callable[[CatalogVersion], Any]] = {
    "name": lambda version: version.model,
    "number": lambda version: (isinstance(version.version, str), version_key(version.version)),
    "created": lambda version: version.created_at,
    "updated": lambda version: version.updated_at,
}
