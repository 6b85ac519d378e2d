"""JSON Schema (draft 2020-12): the published contract of the manifests, and the schemas in a team's own gates.

Both are checked with jsonschema, and told in the words of :mod:`gitreg.core.decode`. Stricter than the standard, as
strict YAML is: ``1.0`` is no integer, ``true`` no number, and what is not finite is nothing at all. Nothing is ever
fetched. A team's schema is somebody else's program, so it runs on a budget: see :func:`check_instance`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from gitreg.core.codec.pattern import PatternError, compile_pattern
from gitreg.core.codec.problems import FORMATS, Problem, refusal, told
from gitreg.core.decode import Where, show_value
from gitreg.errors import Bug

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

#: jsonschema's keywords: (validator, the keyword's value, instance, schema around it) -> errors.
Keyword: TypeAlias = "Callable[[Any, Any, Any, Any], Iterable[ValidationError] | None]"

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: How many steps the check of one instance against a team's schema may take: a second or two.
MAX_STEPS = 500_000


class Schemas:
    """The published schemas, by kind (``ModelVersion``) or by file (``modelversion``, ``modelversion.schema.json``)."""

    def __init__(self, documents: Mapping[str, object]) -> None:
        self._documents = {name.split(".")[0].lower(): document for name, document in documents.items()}
        self._validators: dict[str, Any] = {}

    def problems(self, kind: str, value: object) -> list[Problem]:
        """What in a parsed manifest its schema does not allow, in the order of places; empty if it is valid."""
        return told(self._validator(kind.lower()).iter_errors(value))

    def _validator(self, name: str) -> Any:
        if name not in self._validators:
            from referencing import Registry

            if name not in self._documents:
                raise Bug(f"there is no schema for manifests of the kind {name!r}")
            schema = self._documents[name]
            self._validators[name] = _contract_class()(
                schema, registry=Registry(), format_checker=_format_checker()
            )
        return self._validators[name]


def check_instance(schema: Mapping[str, object], value: object) -> list[Problem]:
    """What in ``value`` a team's own schema does not allow; empty if it is valid.

    It cannot harm: ``$ref`` leads only to places inside the schema; patterns are matched in linear time
    (:mod:`gitreg.core.codec.pattern`); the whole may take ``MAX_STEPS``. A schema that cannot be used, and a check that
    was ended, are problems too (at the root): what could not be checked has not passed. ``format`` only annotates,
    as the standard has it.
    """
    unusable = schema_problems(schema)
    if unusable:
        place = "/".join(str(part) for part in unusable[0].where)
        return [Problem((), f"this schema cannot be used: {place and f'at {place}: '}{unusable[0].message}")]
    infinite = [Problem(where, f"{number} is not a finite number") for where, number in _not_finite(value)]
    return infinite or _checked_on_budget(schema, value)


def schema_problems(schema: Mapping[str, object]) -> list[Problem]:
    """Why a team's schema cannot be used (``where`` leads to places in the schema); empty if it can."""
    try:
        return told(_metaschema_errors(schema)) or [
            Problem(where, problem)
            for where, part in _parts(schema)
            for problem in _part_problems(schema, where, part)
        ]
    except RecursionError:
        return [Problem((), "it is nested too deeply")]


# A team's schema: what is wrong with it, and how it is checked on a budget

# What gives a $ref another meaning, swaps jsonschema's classes in mid-flight or makes its work quadratic.
_UNSUPPORTED = frozenset({"$schema", "$id", "$dynamicRef", "unevaluatedItems", "unevaluatedProperties"})
_AT_ROOT = frozenset({"$schema", "$id"})


def _metaschema_errors(schema: object) -> Iterator[ValidationError]:
    from jsonschema import Draft202012Validator

    metaschema: Any = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    yield from metaschema.iter_errors(schema)


def _parts(value: object, where: Where = ()) -> Iterator[tuple[Where, Mapping[str, object]]]:
    """Every mapping in a schema. Some may be data (in ``const``); to judge them as schemas harms nobody."""
    if isinstance(value, Mapping):
        yield where, value
    for key, item in _items(value):
        yield from _parts(item, (*where, key))


def _items(value: object) -> Iterable[tuple[str | int, object]]:
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value if isinstance(value, list) else ())


def _part_problems(root: Mapping[str, object], where: Where, part: Mapping[str, object]) -> Iterator[str]:
    dialect = part.get("$schema", DIALECT)
    if isinstance(dialect, str) and dialect.rstrip("#") != DIALECT:
        yield f"it is read as draft 2020-12, not as {show_value(dialect)}"
    for key in sorted((_UNSUPPORTED if where else _UNSUPPORTED - _AT_ROOT) & part.keys()):
        yield f"{key} is not supported {'below the root' if key in _AT_ROOT else 'here'}"
    target = part.get("$ref")
    if isinstance(target, str):
        yield from _target_problems(root, target)
    yield from _pattern_problems(part)


def _target_problems(root: Mapping[str, object], target: str) -> Iterator[str]:
    found = _follow(root, target)
    if found is None:
        yield f"the $ref {show_value(target)} leads nowhere: nothing is fetched; write #/$defs/NAME, and it there"
    elif next(_metaschema_errors(found), None):
        yield f"the $ref {show_value(target)} leads to something that is no schema"


def _follow(root: object, target: str) -> object:
    """What a JSON pointer in a fragment (RFC 6901, section 6) leads to; None if to nothing, or to elsewhere."""
    if target != "#" and not target.startswith("#/"):
        return None
    found = root
    for part in unquote(target).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isascii() and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, Mapping):
            found = found.get(key)
        else:
            return None
    return found


def _pattern_problems(part: Mapping[str, object]) -> Iterator[str]:
    keyed = part.get("patternProperties")
    for pattern in (part.get("pattern"), *(keyed if isinstance(keyed, Mapping) else ())):
        try:
            compile_pattern(pattern) if isinstance(pattern, str) else None
        except PatternError as error:
            yield f"the pattern {show_value(pattern)} cannot be used: {error}"


def _not_finite(value: object, where: Where = ()) -> Iterator[tuple[Where, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield where, value
    for key, item in _items(value):
        yield from _not_finite(item, (*where, key))


# The steps that are left to the check that runs; jsonschema hands nothing of ours to its keywords.
_left: ContextVar[int] = ContextVar("steps left")


class _Spent(Exception):
    """No steps are left."""


def _spend(steps: int) -> None:
    left = _left.get() - steps
    _left.set(left)
    if left < 0:
        raise _Spent


def _checked_on_budget(schema: Mapping[str, object], value: object) -> list[Problem]:
    from referencing import Registry

    bare = {
        key: item for key, item in schema.items() if key != "$schema"
    }  # which would call for another class
    before = _left.set(MAX_STEPS)
    try:
        return told(_team_class()(bare, registry=Registry()).iter_errors(value))
    except (_Spent, RecursionError):
        problem = f"checking it against this schema takes more than {MAX_STEPS} steps; simplify the schema"
        return [Problem((), problem)]
    finally:
        _left.reset(before)


@cache
def _team_class() -> Any:
    from jsonschema import Draft202012Validator

    keywords: dict[str, Keyword] = dict(Draft202012Validator.VALIDATORS) | _KEYWORDS
    keywords |= {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties(_is_in),
    }
    return _keyword_class({name: _counted(keyword) for name, keyword in keywords.items()})


def _counted(keyword: Keyword) -> Keyword:
    """The keyword, at the price of what it may look at: its own entries, and those of the instance."""

    def run(validator: Any, value: Any, instance: Any, schema: Any) -> Iterable[ValidationError] | None:
        _spend(1 + sum(len(each) for each in (value, instance) if isinstance(each, dict | list)))
        return keyword(validator, value, instance, schema)

    return run


def _is_in(pattern: str, text: str) -> bool:
    _spend(1 + len(text))
    return compile_pattern(pattern).search(text) is not None


def _pattern(validator: Any, source: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _is_in(source, instance):
        yield _error("")  # told from the pattern


def _pattern_properties(validator: Any, forms: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    for source, form in forms.items():
        for key, item in _entries(instance):
            if _is_in(source, key):
                yield from _descend(validator, item, form, key)


# Keywords, where jsonschema's own would backtrack, be quadratic, hide a place or depend on hash order


def _keyword_class(keywords: Mapping[str, Keyword]) -> Any:
    from jsonschema import Draft202012Validator, validators

    checker = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: type(value) is int,
            "number": lambda _, value: type(value) is int or (type(value) is float and math.isfinite(value)),
        }
    )
    extend: Any = validators.extend  # its stub has no types
    return extend(Draft202012Validator, keywords, type_checker=checker)


@cache
def _contract_class() -> Any:
    no_patterns = _additional_properties(
        lambda pattern, key: False
    )  # the published schemas have none for keys
    return _keyword_class(_KEYWORDS | {"additionalProperties": no_patterns})


def _error(message: str, *path: str) -> ValidationError:
    from jsonschema.exceptions import ValidationError

    return ValidationError(message, path=path)


def _entries(instance: object) -> Iterable[tuple[str, object]]:
    return instance.items() if isinstance(instance, dict) else ()


def _descend(validator: Any, item: object, form: object, key: str) -> Iterator[ValidationError]:
    if form is False:  # jsonschema would leave the place out
        yield _error("nothing may stand here", key)
    else:
        yield from validator.descend(item, form, path=key)


def _required(validator: Any, keys: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    for key in keys if isinstance(instance, dict) else ():
        if key not in instance:
            yield _error(f"the key {show_value(key)} is missing")


def _properties(validator: Any, forms: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    for key, form in forms.items() if isinstance(instance, dict) else ():
        if key in instance:
            yield from _descend(validator, instance[key], form, key)


def _property_names(validator: Any, form: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    for key, _ in _entries(instance):
        yield from _descend(validator, key, form, key)


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    seen: set[object] = set()
    for item in instance if wanted and isinstance(instance, list) else ():
        key = _hashable(item)
        if key in seen:
            yield _error(f"{show_value(item)} stands here twice")
            return
        seen.add(key)


def _hashable(value: object) -> object:
    """Equal for what JSON Schema calls equal: 1 and 1.0, but not 1 and true."""
    if isinstance(value, dict):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    return (value, isinstance(value, bool))


_KEYWORDS: dict[str, Keyword] = {
    "required": _required,
    "properties": _properties,
    "propertyNames": _property_names,
    "uniqueItems": _unique_items,
}


def _additional_properties(is_in: Callable[[str, str], bool]) -> Keyword:
    def keyword(validator: Any, form: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for key, item in _entries(instance):
            if key in known or any(is_in(pattern, key) for pattern in patterns):
                continue
            if form is False:
                yield _error(_unknown(key, [name for name in known if name not in instance]), key)
            else:
                yield from validator.descend(item, form, path=key)

    return keyword


def _unknown(key: str, known: Sequence[str]) -> str:
    import difflib

    close = difflib.get_close_matches(key, known, 1)
    return f"the key {show_value(key)} is unknown here" + (f"; did you mean {close[0]!r}?" if close else "")


@cache
def _format_checker() -> Any:
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, read in FORMATS.items():
        checker.checks(name)(lambda value, read=read: refusal(read, value) is None)
    return checker
