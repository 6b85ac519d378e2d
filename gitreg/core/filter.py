"""The filters of ``gitreg search``, in the manner of SQL's WHERE: how one is read, and what it matches.

    name = 'credit-risk' AND tags.team = 'risk' AND (metrics.roc_auc > 0.9 OR stage IN ('staging', 'production'))

Keys are ``name``, ``version``, ``stage``, ``alias``, ``format``, ``task``, ``owner``, ``created_at``, ``deprecated``,
and ``tags.K``, ``params.K``, ``metrics.K``; a K with odd characters stands in backticks. Operators are ``=``, ``!=``,
``<``, ``<=``, ``>``, ``>=``, ``LIKE``, ``ILIKE`` (``%`` is any text, ``_`` any character) and ``IN (…)``; AND binds
closer than OR. Texts stand in single or double quotes, doubled inside.

A version that has nothing under a key satisfies no comparison with it, ``!=`` neither; only NOT turns that round. Of
several aliases or owners any one may satisfy. A version's own tag goes before its model's of the same name.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import lru_cache
from typing import NoReturn, Protocol, TypeAlias

from gitreg.core.decode import DecodeError, show_time, timestamp
from gitreg.core.names import fold, parse_version, version_key
from gitreg.errors import UsageError

#: The most characters of a filter, and how deep its parentheses and NOTs may nest.
MAX_CHARACTERS = 10_000
MAX_DEPTH = 50

Value: TypeAlias = str | int | float | bool | datetime


class Sort(Enum):
    """What stands under a key, which says how it compares."""

    TEXT = auto()
    NAME = auto()  # text without regard to case, as wherever names are looked up
    VERSION = auto()
    NUMBER = auto()
    TIME = auto()
    FLAG = auto()
    SCALAR = auto()  # compares as what it is compared with: as text with text, as number with number


_FIELDS = {
    "name": Sort.NAME,
    "version": Sort.VERSION,
    "stage": Sort.NAME,
    "alias": Sort.NAME,
    "format": Sort.TEXT,
    "task": Sort.TEXT,
    "owner": Sort.TEXT,
    "created_at": Sort.TIME,
    "deprecated": Sort.FLAG,
}
_MAPPINGS = {"tags": Sort.TEXT, "params": Sort.SCALAR, "metrics": Sort.NUMBER}


@dataclass(frozen=True, slots=True)
class Key:
    """What is compared: a field, or the entry ``name`` of ``tags``, ``params`` or ``metrics``."""

    field: str
    name: str | None = None

    @property
    def sort(self) -> Sort:
        """What stands under it."""
        return _FIELDS[self.field] if self.name is None else _MAPPINGS[self.field]

    def __str__(self) -> str:
        return self.field if self.name is None else f"{self.field}.{self.name}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """``key operator value``; ``IN`` has any number of values, every other operator one."""

    key: Key
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class And:
    """All of its parts; without parts, everything."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of its parts or more."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Whatever its part does not match."""

    part: Filter


Filter: TypeAlias = Comparison | And | Or | Not


class SearchRow(Protocol):
    """A version as a filter sees it."""

    def values(self, key: Key) -> Sequence[object]:
        """What the version has under a key; empty (or None) if nothing."""
        ...


# Reading a filter


def parse_filter(text: str) -> Filter:
    """Reads a filter; an empty one matches every version. Raises UsageError, which shows the place."""
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"the filter has {len(text)} characters; at most {MAX_CHARACTERS} are allowed")
    return _Parser(text).filter()


@dataclass(frozen=True, slots=True)
class _Token:
    sort: str
    text: str
    start: int

    def is_word(self, word: str) -> bool:
        return self.sort == "word" and self.text.upper() == word


_TOKEN = re.compile(
    r"""(?P<string>'(?:[^']|'')*+'|"(?:[^"]|"")*+")"""
    r"|(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))"
    r"|(?P<word>[^\W\d]\w*+\.`(?:[^`]|``)*+`|[^\W\d][\w./-]*+)"
    r"|(?P<symbol><=|>=|!=|[=<>(),])"
    r"|(?P<other>\S)"
)
_SPACE = re.compile(r"\s*")
_WORD_OPERATORS = ("LIKE", "ILIKE", "IN")


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while match := _TOKEN.match(text, at := _space_after(text, at)):
        yield _Token(match.lastgroup or "", match[0], at)
        at = match.end()
    yield _Token("end", "", len(text))


def _space_after(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


class _Parser:
    """Recursive descent: or, and, not, comparison."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def filter(self) -> Filter:
        if self._next.sort == "end":
            return And(())
        found = self._or()
        if self._next.sort != "end":
            self._fail("AND, OR or the end is expected")
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.sort != "end"
        return token

    def _takes(self, text: str) -> bool:
        """Takes a keyword or symbol if it comes next."""
        if self._next.is_word(text) or (self._next.sort == "symbol" and self._next.text == text):
            self._take()
            return True
        return False

    def _or(self) -> Filter:
        parts = [self._and()]
        while self._takes("OR"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Filter:
        parts = [self._not()]
        while self._takes("AND"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _not(self) -> Filter:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} levels are too deep")
        found: Filter
        if self._takes("NOT"):
            found = Not(self._not())
        elif self._takes("("):
            found = self._or()
            self._demand(")")
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _demand(self, symbol: str) -> None:
        if not self._takes(symbol):
            self._fail(f"{symbol!r} is expected")

    def _comparison(self) -> Comparison:
        key = self._key()
        chosen = self._operator(key)
        values = self._list(key) if chosen == "IN" else (self._value(key, chosen),)
        return Comparison(key, chosen, values)

    def _key(self) -> Key:
        token = self._next
        if token.sort != "word":
            self._fail("a key is expected")
        field, dot, name = token.text.partition(".")
        if name.startswith("`"):
            name = name[1:-1].replace("``", "`")
        if (field in _MAPPINGS and name) or (field in _FIELDS and not dot):
            self._take()
            return Key(field, name or None)
        self._fail(_unknown_key(token.text))

    def _operator(self, key: Key) -> str:
        token = self._next
        found = token.text.upper()
        if not (token.sort == "symbol" and found not in "(),") and found not in _WORD_OPERATORS:
            self._fail(f"an operator ({', '.join((*_COMPARE, *_WORD_OPERATORS))}) is expected")
        if found in _LIKE and key.sort in {Sort.NUMBER, Sort.FLAG}:
            self._fail(f"{key} is not text, so {found} does not apply")
        if key.sort is Sort.FLAG and found not in {"=", "!="}:
            self._fail(f"{key} is true or false, so only = and != apply")
        self._take()
        return found

    def _list(self, key: Key) -> tuple[Value, ...]:
        self._demand("(")
        values = [self._value(key, "IN")]
        while self._takes(","):
            values.append(self._value(key, "IN"))
        self._demand(")")
        return tuple(values)

    def _value(self, key: Key, chosen: str) -> Value:
        literal = _literal(self._next)
        if literal is None:
            self._fail("a value is expected: a number, true, false, or text in quotes")
        wanted = Sort.TEXT if chosen in _LIKE else key.sort
        value = _OPERANDS[wanted](literal)
        if value is None:
            self._fail(f"{key} is compared with {_WANTED[wanted]}")
        self._take()
        return value

    def _fail(self, problem: str) -> NoReturn:
        """Shows what surrounds the place, with a ^ before it."""
        token = self._next
        found = f", not {token.text[:40]!r}" if token.text and problem.endswith("expected") else ""
        around = f"{self._text[max(0, token.start - 40) : token.start]}^{self._text[token.start : token.start + 40]}"
        line = "".join(c if c.isprintable() else " " for c in around)
        raise UsageError(
            f"column {token.start + 1} of the filter: {problem}{found}", f"look at the ^ in: {line}"
        )


def _unknown_key(word: str) -> str:
    field, dot, _ = word.partition(".")
    known = [*_FIELDS, *(f"{name}.…" for name in _MAPPINGS)]
    close = difflib.get_close_matches(field + ".…" if dot else field, known, 1)
    if not close and word in _MAPPINGS:
        close = [f"{word}.…"]
    return f"there is no key {word[:40]!r}" + (
        f"; did you mean {close[0]}?" if close else f" (there are {', '.join(known)})"
    )


# Values in a filter: each function takes a literal to what its sort compares with, or to None


def _literal(token: _Token) -> str | int | float | bool | None:
    """The value that a token says; None if it says none."""
    if token.sort == "string":
        quote = token.text[0]
        return token.text[1:-1].replace(quote * 2, quote)
    if token.sort == "number":
        return _number(token.text)
    return {"TRUE": True, "FALSE": False}.get(token.text.upper()) if token.sort == "word" else None


def _number(text: str) -> int | float | None:
    digits = text.lstrip("+-")
    if digits.isdigit() and len(digits) <= 16:
        return int(text)
    value = float(text)
    return value if math.isfinite(value) else None


def _as_text(literal: Value) -> Value | None:
    return literal if isinstance(literal, str) else None


def _as_number(literal: Value) -> Value | None:
    return literal if isinstance(literal, int | float) and not isinstance(literal, bool) else None


def _as_flag(literal: Value) -> Value | None:
    return literal if isinstance(literal, bool) else None


def _as_version(literal: Value) -> Value | None:
    if isinstance(literal, bool) or not isinstance(literal, int | str):
        return None
    return parse_version(str(literal))


def _as_time(literal: Value) -> Value | None:
    """A day is the moment it begins."""
    text = f"{literal}T00:00:00Z" if isinstance(literal, str) and "T" not in literal else literal
    try:
        return timestamp(text, ())
    except DecodeError:
        return None


_OPERANDS: dict[Sort, Callable[[Value], Value | None]] = {
    Sort.TEXT: _as_text,
    Sort.NAME: _as_text,
    Sort.VERSION: _as_version,
    Sort.NUMBER: _as_number,
    Sort.TIME: _as_time,
    Sort.FLAG: _as_flag,
    Sort.SCALAR: lambda literal: literal,
}
_WANTED = {
    Sort.TEXT: "text in quotes",
    Sort.NAME: "text in quotes",
    Sort.VERSION: "a version: 3, or '1.4.0'",
    Sort.NUMBER: "a number",
    Sort.TIME: "a UTC time: '2026-11-20' or '2026-11-20T10:00:00Z'",
    Sort.FLAG: "true or false",
}


# Matching


_COMPARE: dict[str, Callable[[tuple[object, ...], tuple[object, ...]], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LIKE = ("LIKE", "ILIKE")


def matches(filter: Filter, row: SearchRow) -> bool:
    """Whether a version satisfies a filter. The row is asked only for what the outcome hangs on, from left to right."""
    match filter:
        case And(parts):
            return all(matches(part, row) for part in parts)
        case Or(parts):
            return any(matches(part, row) for part in parts)
        case Not(part):
            return not matches(part, row)
        case Comparison(key):
            return any(_holds(filter, value) for value in row.values(key) if value is not None)


def _holds(comparison: Comparison, value: object) -> bool:
    if comparison.operator in _LIKE:
        text, pattern = _shown(value), str(comparison.values[0])
        return like(text, pattern, ignore_case=comparison.operator == "ILIKE")
    compares = _COMPARE["=" if comparison.operator == "IN" else comparison.operator]
    for operand in comparison.values:
        one, other = _rank(comparison.key.sort, value, operand), _rank(comparison.key.sort, operand, operand)
        if one is not None and other is not None and one[0] == other[0] and compares(one, other):
            return True
    return False


def _rank(sort: Sort, value: object, operand: Value) -> tuple[object, ...] | None:
    """What to compare a value by; its first entry tells apart what does not compare."""
    if sort is Sort.NAME:
        return ("", fold(str(value)))
    if sort is Sort.VERSION:
        return (isinstance(value, str), *version_key(value)) if isinstance(value, int | str) else None
    if sort is Sort.SCALAR and isinstance(operand, str):
        return ("text", _shown(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("number", value)
    return (type(value).__name__, value)


def _shown(value: object) -> str:
    """A value as a manifest says it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return show_time(value) if isinstance(value, datetime) else str(value)


def like(text: str, pattern: str, *, ignore_case: bool = False) -> bool:
    """SQL's LIKE: ``%`` stands for any text, ``_`` for one character. One pass over ``text``.

    An automaton whose state is a bit set (Baeza-Yates and Gonnet, 1992, https://doi.org/10.1145/135239.135243): bit n
    says that what was read so far can be the pattern's first n characters.
    """
    if ignore_case:
        text, pattern = text.casefold(), pattern.casefold()
    steps, stays, any_character = _automaton(pattern)
    states = 1
    for character in text:
        states = ((states & steps.get(character, any_character)) << 1) | (states & stays)
    return bool(states >> sum(character != "%" for character in pattern) & 1)


@lru_cache(maxsize=256)
def _automaton(pattern: str) -> tuple[dict[str, int], int, int]:
    """Which bits a character moves on; which bits a ``%`` keeps; which bits every character moves on."""
    steps: dict[str, int] = {}
    stays = any_character = 0
    bit = 1
    for character in pattern:
        if character == "%":
            stays |= bit
            continue
        if character == "_":
            any_character |= bit
        else:
            steps[character] = steps.get(character, 0) | bit
        bit <<= 1
    return {c: bits | any_character for c, bits in steps.items()}, stays, any_character
