"""Small typed readers of plain YAML values: the fast half of the contract whose published half is ``schemas/``.

A property test holds the two equal. Readers take a value and where it stands, and return it typed, or raise
:class:`DecodeError` on the first thing wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

from gitreg.core.names import (
    MAX_INTEGER,
    Version,
    is_semver,
    model_name_problem,
    payload_name_problem,
    pointer_name_problem,
)
from gitreg.core.ports import Identity

T = TypeVar("T")
#: The keys and indices that lead to a value from the document's root.
Where: TypeAlias = tuple[str | int, ...]
Reader: TypeAlias = Callable[[object, Where], T]

API_VERSION = "gitreg/v1"
MAX_TEXT = 16_384
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
# The ranges are spelled out, because newer Pythons read 24:00 as the next day.
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z\Z")


class DecodeError(ValueError):
    """A value is not what its kind asks for. ``where`` leads to it, ``message`` says what is expected."""

    def __init__(self, where: Where, message: str) -> None:
        super().__init__(message)
        self.where = where
        self.message = message


class Fields:
    """The keys of one mapping, each to be taken once; ``done`` refuses any that is left."""

    def __init__(self, value: object, where: Where) -> None:
        self._rest = dict(any_mapping(value, where))
        self._where = where

    def take(self, key: str, read: Reader[T]) -> T:
        """The value of a key that must be there."""
        if key not in self._rest:
            raise DecodeError(self._where, f"the key {key!r} is missing")
        return read(self._rest.pop(key), (*self._where, key))

    def maybe(self, key: str, read: Reader[T], default: T) -> T:
        """The value of a key that may be there."""
        return self.take(key, read) if key in self._rest else default

    def done(self) -> None:
        """Raises DecodeError if the mapping has keys that nobody took."""
        for key in self._rest:
            raise DecodeError((*self._where, key), f"the key {key!r} is unknown here")


def header(fields: Fields, kind: str) -> None:
    """Takes the two keys that begin every manifest."""
    fields.take("apiVersion", constant(API_VERSION))
    fields.take("kind", constant(kind))


def any_mapping(value: object, where: Where) -> Mapping[str, object]:
    """A mapping with text keys (the codec admits no others)."""
    if not isinstance(value, dict):
        raise DecodeError(where, "a mapping is expected")
    return value


def constant(expected: str) -> Reader[str]:
    """Exactly this text."""
    return one_of(expected)


def one_of(*choices: str) -> Reader[str]:
    """One of these texts."""

    def read(value: object, where: Where) -> str:
        if not isinstance(value, str) or value not in choices:
            raise DecodeError(where, f"{show_value(value)} is not {' or '.join(repr(c) for c in choices)}")
        return value

    return read


def text(most: int = MAX_TEXT, least: int = 0) -> Reader[str]:
    """Text of bounded length, in characters."""

    def read(value: object, where: Where) -> str:
        if not isinstance(value, str):
            raise DecodeError(where, f"text is expected, not {show_value(value)}")
        if not least <= len(value) <= most:
            raise DecodeError(where, f"{len(value)} characters; {least} to {most} are allowed")
        return value

    return read


def matching(pattern: re.Pattern[str], what: str, most: int) -> Reader[str]:
    """Text of bounded length that matches a pattern (which must end in ``\\Z``)."""
    bounded = text(most)

    def read(value: object, where: Where) -> str:
        found = bounded(value, where)
        if not pattern.match(found):
            raise DecodeError(where, f"{show_value(found)} is not {what}")
        return found

    return read


def integer(least: int = -MAX_INTEGER, most: int = MAX_INTEGER) -> Reader[int]:
    """An integer in a range; ``1.0`` and ``true`` are none."""

    def read(value: object, where: Where) -> int:
        if type(value) is not int:
            raise DecodeError(where, f"an integer is expected, not {show_value(value)}")
        if not least <= value <= most:
            raise DecodeError(where, f"{value} is not between {least} and {most}")
        return value

    return read


def number(value: object, where: Where) -> float:
    """A finite number; ``true`` is none. Integers stay integers."""
    if type(value) not in (int, float) or value != value or value in (float("inf"), float("-inf")):
        raise DecodeError(where, f"a number is expected, not {show_value(value)}")
    return value  # type: ignore[return-value]  # narrowed by type() above


def boolean(value: object, where: Where) -> bool:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        raise DecodeError(where, f"true or false is expected, not {show_value(value)}")
    return value


def anything(value: object, where: Where) -> object:
    """Any value that YAML can say."""
    return value


def scalar(value: object, where: Where) -> str | int | float | bool | None:
    """Text, a finite number, true, false or null."""
    if isinstance(value, str):
        return text()(value, where)
    if value is None or isinstance(value, bool):
        return value
    return number(value, where)


def nullable(read: Reader[T]) -> Reader[T | None]:
    """The value, or null."""
    return lambda value, where: None if value is None else read(value, where)


def array(read: Reader[T], *, most: int, least: int = 0) -> Reader[tuple[T, ...]]:
    """A list of bounded length."""

    def read_all(value: object, where: Where) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise DecodeError(where, f"a list is expected, not {show_value(value)}")
        if not least <= len(value) <= most:
            raise DecodeError(where, f"{len(value)} entries; {least} to {most} are allowed")
        return tuple(read(item, (*where, index)) for index, item in enumerate(value))

    return read_all


def mapping(read: Reader[T], *, key: Reader[str] | None = None, most: int = 1000) -> Reader[dict[str, T]]:
    """A mapping of bounded size from keys of one form to values of one form."""
    read_key = key or text(250, 1)

    def read_all(value: object, where: Where) -> dict[str, T]:
        found = any_mapping(value, where)
        if len(found) > most:
            raise DecodeError(where, f"{len(found)} keys; at most {most} are allowed")
        return {read_key(k, (*where, k)): read(v, (*where, k)) for k, v in found.items()}

    return read_all


def digest(value: object, where: Where) -> str:
    """``sha256:`` and 64 lower-case hex digits."""
    if not isinstance(value, str) or not _DIGEST.match(value):
        raise DecodeError(where, f"{show_value(value)} is not 'sha256:' and 64 lower-case hex digits")
    return value


def timestamp(value: object, where: Where) -> datetime:
    """A moment in UTC to the second, as ``2026-11-20T10:00:00Z`` (RFC 3339)."""
    if isinstance(value, str) and _TIMESTAMP.match(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise DecodeError(where, f'{show_value(value)} is not a UTC time such as "2026-11-20T10:00:00Z"')


#: A short text that says something, such as a name.
short = text(250, 1)
#: A text of about a line, such as an address.
line = text(1000)
tags: Reader[dict[str, str]] = mapping(text(5000), most=1000)
metrics: Reader[dict[str, float]] = mapping(number)
uuid = matching(_UUID, "a UUID in lower case", 36)


def identity(value: object, where: Where) -> Identity:
    """A person: a name and an e-mail address."""
    fields = Fields(value, where)
    found = Identity(fields.take("name", short), fields.take("email", text(254)))
    fields.done()
    return found


def show_time(moment: datetime) -> str:
    """The inverse of :func:`timestamp`. Not by strftime, whose years before 1000 have three digits on some systems."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def version(value: object, where: Where) -> Version:
    """A positive integer, or SemVer text."""
    if isinstance(value, str):
        if is_semver(value):
            return value
        raise DecodeError(where, f"{show_value(value)} is neither a number nor a SemVer version")
    return integer(1)(value, where)


def model_name(value: object, where: Where) -> str:
    """A model's name."""
    return _named(value, where, model_name_problem)


def pointer_name(value: object, where: Where) -> str:
    """A stage's or alias's name."""
    return _named(value, where, pointer_name_problem)


def payload_name(value: object, where: Where) -> str:
    """The file name of an artifact."""
    return _named(value, where, payload_name_problem, "name an artifact")


def _named(
    value: object, where: Where, problem_of: Callable[[str], str | None], what: str = "be a name"
) -> str:
    name = text()(value, where)
    problem = problem_of(name)
    if problem:
        raise DecodeError(where, f"{show_value(name)} cannot {what}: {problem}")
    return name


def show_value(value: object) -> str:
    """A value, short enough for one line of a message."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    shown = _WORDS[value] if value is None or isinstance(value, bool) else repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


_WORDS = {True: "true", False: "false", None: "null"}
