"""Regular expressions out of other people's JSON Schemas, matched in time that grows with the text alone.

Python's ``re`` tries one way after the other: ``(a+)+$`` keeps it busy for years on fifty letters. Here a pattern
becomes an automaton whose states are followed all at once (https://swtch.com/~rsc/regexp/regexp1.html), so that a
character costs at most one step for each state. The syntax is the part of ECMA 262, which JSON Schema asks for, that
this can carry: no look-around, no back references. ``^`` and ``$`` are the ends of the text; ``\\d``, ``\\w`` and
``\\s`` are ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

MAX_LENGTH = 200
MAX_STATES = 2000

_ESCAPE = r"\\(?:[dDwWsSfnrtv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^0-9A-Za-z])"
_TOKEN = re.compile(
    rf"""
      (?P<open>\((?:\?:)?) | (?P<close>\)) | (?P<bar>\|)
    | (?P<repeat>(?:[*+?]|\{{(?P<least>[0-9]{{1,4}})(?P<comma>,(?P<most>[0-9]{{1,4}})?)?\}})\??)
    | (?P<place>\^|\$|\\[bBAZ])
    | (?P<set>\[\^?(?:{_ESCAPE}|[^\\\[\]])+\] | {_ESCAPE} | \.)
    | (?P<letter>[^\\\[\]{{}}()*+?|])
    """,
    re.VERBOSE | re.DOTALL,
)
_SPELLED: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class PatternError(ValueError):
    """A regular expression is none, or more than is carried here; the message says which."""


@dataclass(slots=True)
class _State:
    """Goes on to ``then`` with a character that passes ``takes``, or with none where ``holds`` allows it."""

    then: list[int] = field(default_factory=list)
    takes: Callable[[str], object] | None = None
    holds: Callable[[str, int], bool] | None = None


class Pattern:
    """A compiled pattern. Raises PatternError where it cannot be one."""

    def __init__(self, source: str) -> None:
        self._states = [_State()]  # the first is the end: whoever reaches it has found the pattern
        self._start = _Parser(source).whole()(self, 0)

    def add(self, state: _State) -> int:
        """Adds a state; its number."""
        if len(self._states) >= MAX_STATES:
            raise PatternError("its repetitions are too many")
        self._states.append(state)
        return len(self._states) - 1

    def loop(self, body: _Build, then: int) -> int:
        """Adds a state that goes through ``body`` and back to itself, or on to ``then``."""
        number = self.add(_State([then]))
        self._states[number].then.append(body(self, number))
        return number

    def is_in(self, text: str, spend: Callable[[int], None]) -> bool:
        """Whether some part of ``text`` matches. ``spend`` is told of every step, and may raise to end it."""
        current: set[int] = set()
        for index in range(len(text) + 1):
            self._reach(self._start, text, index, current)
            spend(1 + len(current))
            if 0 in current:
                return True
            if index < len(text):
                current = self._step(text, index, current)
        return False

    def _step(self, text: str, index: int, current: Iterable[int]) -> set[int]:
        following: set[int] = set()
        for number in current:
            state = self._states[number]
            if state.takes and state.takes(text[index]):
                self._reach(state.then[0], text, index + 1, following)
        return following

    def _reach(self, number: int, text: str, index: int, reached: set[int]) -> None:
        """Adds a state, and all that can be reached from it without taking a character."""
        waiting = [number]
        while waiting:
            number = waiting.pop()
            state = self._states[number]
            if number in reached or (state.holds and not state.holds(text, index)):
                continue
            reached.add(number)
            if not state.takes:
                waiting += state.then


#: Builds a part of a pattern into an automaton, in front of a state; the number of its first state. Every build adds
#: a state, so that the number of states bounds the work, whatever repeats whatever.
_Build: TypeAlias = Callable[[Pattern, int], int]


class _Parser:
    """Reads a pattern: alternatives of sequences of repeated atoms."""

    def __init__(self, source: str) -> None:
        if len(source) > MAX_LENGTH:
            raise PatternError(f"it is longer than {MAX_LENGTH} characters")
        self._tokens = _tokens(source)
        self._next = 0

    def whole(self) -> _Build:
        """The whole pattern."""
        build = self._alternatives()
        if self._peek():
            raise PatternError("a ')' has no '('")
        return build

    def _peek(self) -> str:
        return self._tokens[self._next].lastgroup or "" if self._next < len(self._tokens) else ""

    def _take(self) -> re.Match[str]:
        self._next += 1
        return self._tokens[self._next - 1]

    def _alternatives(self) -> _Build:
        options = [self._sequence()]
        while self._peek() == "bar":
            self._take()
            options.append(self._sequence())
        return lambda pattern, then: pattern.add(_State([option(pattern, then) for option in options]))

    def _sequence(self) -> _Build:
        parts: list[_Build] = []
        while self._peek() not in {"", "bar", "close"}:
            part = self._atom()
            if self._peek() == "repeat":
                part = _repeated(part, *_bounds(self._take()))
            parts.append(part)
        return lambda pattern, then: _chain(pattern, parts, pattern.add(_State([then])))

    def _atom(self) -> _Build:
        token = self._take()
        kind, text = token.lastgroup, token.group()
        if kind == "open":
            return self._group()
        if kind == "repeat":
            raise PatternError(f"{text!r} has nothing to repeat; look-around is not supported")
        if kind == "place":
            holds = _PLACES[text]
            return lambda pattern, then: pattern.add(_State([then], holds=holds))
        takes = text.__eq__ if kind == "letter" else _set(text)
        return lambda pattern, then: pattern.add(_State([then], takes=takes))

    def _group(self) -> _Build:
        build = self._alternatives()
        if self._peek() != "close":
            raise PatternError("a '(' has no ')'")
        self._take()
        return build


def _tokens(source: str) -> Sequence[re.Match[str]]:
    tokens: list[re.Match[str]] = []
    index = 0
    while index < len(source):
        token = _TOKEN.match(source, index)
        if token is None:
            raise PatternError(f"{source[index : index + 10]!r} is not supported in a pattern")
        tokens.append(token)
        index = token.end()
    return tokens


def _bounds(token: re.Match[str]) -> tuple[int, int | None]:
    if token["least"] is None:
        return _SPELLED[token.group()[0]]
    least = int(token["least"])
    if token["comma"] is None:
        return least, least
    most = None if token["most"] is None else int(token["most"])
    if most is not None and most < least:
        raise PatternError(f"{token.group()!r} has its bounds the wrong way round")
    return least, most


def _repeated(part: _Build, least: int, most: int | None) -> _Build:
    def build(pattern: Pattern, then: int) -> int:
        if most is None:
            then = pattern.loop(part, then)
        else:
            end = then
            for _ in range(most - least):
                then = pattern.add(_State([part(pattern, then), end]))
        return _chain(pattern, [part] * least, pattern.add(_State([then])))

    return build


def _chain(pattern: Pattern, parts: Sequence[_Build], then: int) -> int:
    for part in reversed(parts):
        then = part(pattern, then)
    return then


@lru_cache(maxsize=256)
def _set(text: str) -> Callable[[str], object]:
    """Whether a character is in a set, as ``[a-z_]``, ``\\d`` or ``.``."""
    if text == ".":
        return re.compile(r"[^\n\r]").match
    if text[0] == "[":
        if "--" in text:
            raise PatternError(f"write a hyphen in {text!r} as \\-")
        # Python keeps these three for set operations to come, and warns.
        text = re.sub(r"\\.|[&|~]", lambda found: found[0] if len(found[0]) > 1 else f"\\{found[0]}", text)
    try:
        return re.compile(text, re.ASCII).match
    except re.error as error:
        raise PatternError(f"{text!r} is not a set of characters: {error.msg}") from None


def _is_word(text: str, index: int) -> bool:
    return 0 <= index < len(text) and text[index].isascii() and (text[index].isalnum() or text[index] == "_")


def _at_edge(text: str, index: int) -> bool:
    return _is_word(text, index - 1) != _is_word(text, index)


_PLACES: dict[str, Callable[[str, int], bool]] = {
    "^": lambda text, index: index == 0,
    "$": lambda text, index: index == len(text),
    "\\A": lambda text, index: index == 0,
    "\\Z": lambda text, index: index == len(text),
    "\\b": _at_edge,
    "\\B": lambda text, index: not _at_edge(text, index),
}


@lru_cache(maxsize=256)
def compile_pattern(source: str) -> Pattern:
    """The compiled pattern. Raises PatternError."""
    return Pattern(source)
