"""Strict YAML: the part of YAML that every reader of every language understands alike, and nothing else.

Everything is checked on libyaml's event stream, before anything is composed: PyYAML's own composer keeps the last of
duplicate keys, expands aliases, resolves YAML 1.1's ``no`` and ``1:30``, and (in C) crashes on deep nesting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import yaml

from gitreg.core.decode import Where
from gitreg.core.names import MAX_INTEGER

#: Largest manifest, in bytes; records and stage files may be ``MAX_RECORD_BYTES``.
MAX_BYTES = 64 * 1024
MAX_RECORD_BYTES = 1024 * 1024
MAX_DEPTH = 32

#: What turns a text into events: libyaml, or PyYAML's own parser (ten times slower) where it was built without.
PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# C0 and C1 controls but for tab and newlines, line separators, byte order marks, and what reorders text on a
# reviewer's screen (https://trojansource.codes): nobody can review what they cannot see.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
# YAML 1.1 wants the dot and the exponent's sign, YAML 1.2 and JSON readers take the same.
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+][0-9]+)?\Z")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
# What one reader or another takes for something else than text: YAML 1.1's types (https://yaml.org/type/) and
# YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema). Words first, then what begins otherwise.
_LOOK_ALIKE_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_LOOK_ALIKE = re.compile(
    r"""(?:
      [-+]?\.(?:inf|nan)                                             # not JSON
    | [-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-f_]+)                      # other bases
    | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?               # base 60
    | [-+]?(?:[0-9][0-9_]*)?\.?[0-9_]*(?:e[-+]?[0-9]+)?              # any other number
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:t|[ \t]+)[0-9].*)?         # dates
    | =|<<
    )\Z""",
    re.VERBOSE | re.IGNORECASE,
)

_LONGEST_LOOK_ALIKE = 64
_NUMERIC_OR_TIME = re.compile(r"[-+.0-9_:xXoOa-fA-FtTzZ \t]+\Z")


class YamlError(ValueError):
    """A text is not strict YAML. ``line`` and ``column`` count from 1; ``fix`` says what to write instead."""

    def __init__(
        self, message: str, line: int | None = None, column: int | None = None, fix: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.fix = fix


def load_yaml(data: bytes, most: int = MAX_BYTES) -> object:
    """The one value of a strict YAML document of at most ``most`` bytes.

    Returns dicts with text keys, lists, text, ints, floats, booleans and None.

    Raises:
        YamlError: with the place of the first thing wrong.
    """
    text = _decode(data, most)
    try:
        return _Builder(text).document()
    except yaml.YAMLError as error:
        raise _syntax_error(error) from None


def locate(data: bytes, where: Where) -> tuple[int, int] | None:
    """Line and column (from 1) of the value at ``where``, or of the nearest value around it.

    For a key of a mapping it is the key's place. None where the text is not strict YAML.
    """
    return locate_all(data, [where])[0]


def locate_all(data: bytes, places: Sequence[Where]) -> list[tuple[int, int] | None]:
    """As ``locate``, for several values in one pass over the text."""
    try:
        builder = _Builder(data.decode(), marks={})
        builder.document()
    except (YamlError, yaml.YAMLError, UnicodeDecodeError):
        return [None] * len(places)
    assert builder.marks is not None
    return [_nearest(builder.marks, where) for where in places]


def _nearest(marks: Mapping[Where, tuple[int, int]], where: Where) -> tuple[int, int] | None:
    around = (where[:length] for length in range(len(where), -1, -1))
    return next((marks[each] for each in around if each in marks), None)


def _decode(data: bytes, most: int) -> str:
    if len(data) > most:
        raise YamlError(f"the file is larger than {most // 1024} KiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlError(
            "the file is not UTF-8", line, fix="save it as UTF-8 without a byte order mark"
        ) from None
    unseen = _UNSEEN.search(text)
    if unseen:
        line = text.count("\n", 0, unseen.start()) + 1
        column = unseen.start() - text.rfind("\n", 0, unseen.start())
        code = f"U+{ord(unseen.group()):04X}"
        raise YamlError(f"the file holds the invisible character {code}", line, column, "remove it")
    return text


def _syntax_error(error: yaml.YAMLError) -> YamlError:
    mark = getattr(error, "problem_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    message = str(getattr(error, "problem", None) or error).split("\n")[0]
    if "maximum nesting depth" in message:  # newer builds of libyaml have a bound of their own
        return YamlError(f"nested deeper than {MAX_DEPTH} levels", line, column, "flatten it")
    return YamlError(f"not YAML: {message}", line, column)


class _Builder:
    """Builds the value from the event stream in one pass; ``marks`` collects places if it is a dict."""

    def __init__(self, text: str, marks: dict[Where, tuple[int, int]] | None = None) -> None:
        self._parser = PARSER(text)
        self.marks = marks

    def document(self) -> object:
        next_event = self._parser.get_event
        next_event()  # the start of the stream
        start = next_event()
        if isinstance(start, yaml.StreamEndEvent):
            raise YamlError("the file is empty", 1, 1)
        if start.version or start.tags:
            _refuse(start, "a YAML directive is not allowed", "remove the line that begins with %")
        value = self._value(next_event(), 0, ())
        next_event()  # the end of the document
        more = next_event()
        if not isinstance(more, yaml.StreamEndEvent):
            _refuse(more, "a second document begins here", "keep one document in a file")
        return value

    def _value(self, event: Any, depth: int, where: Where) -> object:
        if self.marks is not None:
            self.marks.setdefault(where, _place(event))
        kind = type(event)
        if kind is yaml.ScalarEvent:
            return _scalar(event)
        if kind is yaml.AliasEvent:
            _refuse(event, f"the alias *{event.anchor} is not allowed", "write the value out")
        _refuse_decoration(event)
        if depth >= MAX_DEPTH:
            _refuse(event, f"nested deeper than {MAX_DEPTH} levels", "flatten it")
        if kind is yaml.MappingStartEvent:
            return self._mapping(depth + 1, where)
        return self._sequence(depth + 1, where)

    def _mapping(self, depth: int, where: Where) -> dict[str, object]:
        found: dict[str, object] = {}
        next_event, marks = self._parser.get_event, self.marks
        here: Where = ()  # told apart only where places are collected: a tuple for each value is not free
        while type(event := next_event()) is not yaml.MappingEndEvent:
            key = _key(event)
            if key in found:
                _refuse(event, f"the key {key!r} stands here twice", "keep one of them")
            if marks is not None:
                here = (*where, key)
                marks[here] = _place(event)
            found[key] = self._value(next_event(), depth, here)
        return found

    def _sequence(self, depth: int, where: Where) -> list[object]:
        found: list[object] = []
        next_event, marks = self._parser.get_event, self.marks
        here: Where = ()
        while type(event := next_event()) is not yaml.SequenceEndEvent:
            if marks is not None:
                here = (*where, len(found))
            found.append(self._value(event, depth, here))
        return found


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _refuse(event: Any, message: str, fix: str | None = None) -> NoReturn:
    raise YamlError(message, *_place(event), fix)


def _refuse_decoration(event: Any) -> None:
    if event.anchor is not None:
        _refuse(event, f"the anchor &{event.anchor} is not allowed", "write the value out where it is used")
    if event.tag is not None:
        _refuse(event, f"the tag {event.tag} is not allowed", "remove it")


def _key(event: Any) -> str:
    if type(event) is not yaml.ScalarEvent:
        _refuse(event, "a key must be plain text", "write each key as text")
    if event.value == "<<" and event.implicit[0]:
        _refuse(event, "the merge key << is not allowed", "write the values out")
    key = _scalar(event)
    if not isinstance(key, str):
        _refuse(event, f"the key {event.value!r} is not text", f'write "{event.value}"')
    return key


def _scalar(event: Any) -> str | int | float | bool | None:
    if event.anchor is not None or event.tag is not None:
        _refuse_decoration(event)
    value: str = event.value
    return _plain(event, value) if event.implicit[0] else value


def _plain(event: Any, value: str) -> str | int | float | bool | None:
    """What an unquoted scalar means, or a refusal where readers differ."""
    if value[:1].isalpha() and (value[0] not in "yYnNoOtTfF" or value.lower() not in _LOOK_ALIKE_WORDS):
        return value  # the common case first
    if value in _WORDS:
        return _WORDS[value]
    if _INTEGER.match(value):
        if len(value) > 17 or abs(int(value)) > MAX_INTEGER or value == "-0":
            _refuse(event, f"{value[:40]} is not an integer that every reader holds exactly", "quote it")
        return int(value)
    if _FLOAT.match(value):
        return _float(event, value)
    if looks_like_another_type(value):
        _refuse(event, f"{value[:40]!r} means different things to different readers", _clearer(value))
    return value


def looks_like_another_type(value: str) -> bool:
    """Whether some YAML reader takes this unquoted text for a number, a date or a boolean."""
    if value[:1].isalpha():
        return value.lower() in _LOOK_ALIKE_WORDS
    if len(value) > _LONGEST_LOOK_ALIKE:  # the thorough pattern is quadratic: bound it
        return _NUMERIC_OR_TIME.match(value) is not None
    return _LOOK_ALIKE.match(value) is not None


def _float(event: Any, value: str) -> float:
    found = float(value) if len(value) <= 64 else float("inf")
    if found in (float("inf"), float("-inf")):
        _refuse(event, f"{value[:40]} is not a number that every reader holds", "write fewer digits")
    return found


def _clearer(value: str) -> str:
    if value.lower() in {"yes", "on", "y", "true"}:
        return f'write true, or "{value}" for the text'
    if value.lower() in {"no", "off", "n", "false"}:
        return f'write false, or "{value}" for the text'
    try:
        number = float(value)
    except ValueError:
        return f'write "{value}" for the text'
    if number - number != 0:  # infinite or not a number
        return f'write "{value}" for the text'
    shown = show_float(number) if set(value) & set(".eE") else str(int(number))
    return f'write {shown} for the number, or "{value}" for the text'


def show_float(value: float) -> str:
    """A finite float as strict YAML writes it: with a dot, and a sign before its exponent. Raises ValueError."""
    if value - value != 0:
        raise ValueError(f"{value} is not a finite number")
    text = repr(float(value))
    mantissa, e, exponent = text.partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}" if e else mantissa


def dump_yaml(value: object) -> str:
    """Writes a value as strict block YAML, keys in their order; ``load_yaml`` gives the same value back.

    Raises:
        ValueError: strict YAML cannot say it: infinite, not a number, an integer out of range, a key of over 1000
            characters (as written), half a surrogate pair, no plain value at all.
    """
    return "".join(f"{line}\n" for line in block_lines(value))


def block_lines(value: object, indent: str = "") -> Iterator[str]:
    """The lines of a value in block style, each with ``indent`` in front and without its newline."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{indent}{show_key(key)}:", item, indent)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            yield from _item(item, indent)
    else:
        yield indent + flow_text(value)


def _entry(lead: str, item: object, indent: str) -> Iterator[str]:
    if is_inline(item):
        yield f"{lead} {flow_text(item)}"
    else:
        yield lead
        yield from block_lines(item, indent + "  ")


def _item(item: object, indent: str) -> Iterator[str]:
    if is_inline(item):
        yield f"{indent}- {flow_text(item)}"
        return
    first, *rest = block_lines(item, indent + "  ")
    yield f"{indent}- {first[len(indent) + 2 :]}"
    yield from rest


_INLINE_WIDTH = 120


def is_inline(value: object) -> bool:
    """Scalars and empty collections always; else small mappings of scalars, as ``{version: 3, digest: …}``."""
    if not isinstance(value, dict | list | tuple) or not value:
        return True
    if not isinstance(value, dict) or len(value) > 3:
        return False
    return (
        not any(isinstance(v, dict | list | tuple) for v in value.values())
        and len(flow_text(value)) <= _INLINE_WIDTH
    )


def flow_text(value: object) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{show_key(k)}: {flow_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow_text, value)) + "]"
    return show_scalar(value)


_LONGEST_KEY = 1000


def show_key(key: str) -> str:
    """A mapping's key as strict YAML writes it. Raises ValueError."""
    text = show_scalar(key)
    if not isinstance(key, str) or len(text) > _LONGEST_KEY:  # YAML looks 1024 characters ahead for the colon
        raise ValueError(f"{text[:40]} cannot be a key")
    return text


def show_scalar(value: object) -> str:
    """One scalar as strict YAML writes it, on one line, quoted where it must be. Raises ValueError."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return str(value)
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, str):
        return _text(str(value))
    raise ValueError(f"{str(value)[:40]} cannot be written as strict YAML")


_SAFE_PLAIN = re.compile(r"[^\W\d_][\w./@+-]*(?: [\w./@+()-]+)*\Z")


def _text(value: str) -> str:
    if len(value) <= 200 and _SAFE_PLAIN.match(value) and not looks_like_another_type(value):
        return value
    return '"' + _ESCAPED.sub(_escape, value) + '"'


_ESCAPED = re.compile(
    r'["\\]|[^\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|' + _UNSEEN.pattern
)
_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if "\ud800" <= character <= "\udfff":
        raise ValueError(f"U+{ord(character):04X} is half a character")
    return _NAMED.get(character) or f"\\u{ord(character):04x}"
