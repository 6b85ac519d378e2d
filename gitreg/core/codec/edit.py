"""Edits of YAML text that keep people's comments, key order and spelling of everything they do not touch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from gitreg.core.codec.yaml import (
    MAX_RECORD_BYTES,
    PARSER,
    YamlError,
    block_lines,
    dump_yaml,
    flow_text,
    is_inline,
    load_yaml,
)

#: As a new value: take the key away.
REMOVE: Final = object()


def edit_yaml(data: bytes, changes: Mapping[tuple[str, ...], object]) -> bytes:
    """The text with the values at some key paths replaced, added (at their mapping's end) or removed.

    Parents that are missing, or no mappings, are made. The result reads as the old value with just these changes.

    Raises:
        YamlError: ``data`` is not strict YAML.
        ValueError: strict YAML cannot say a new value.
    """
    for where, value in changes.items():
        data = _edit(data, where, value)
    return data


def _edit(data: bytes, where: tuple[str, ...], value: object) -> bytes:
    old = load_yaml(data, MAX_RECORD_BYTES)
    expected = _changed(old, where, value if value is REMOVE else _as_read(value))
    if _same(expected, old):
        return data
    edited = _spliced(data.decode(), where, value, expected).encode()
    if _reads_as(edited, expected):
        return edited
    return dump_yaml(expected).encode()  # a layout we cannot splice: right, though its comments are lost


def _as_read(value: object) -> object:
    return load_yaml(dump_yaml(value).encode(), MAX_RECORD_BYTES)


def _same(one: object, other: object) -> bool:
    """Unlike ``==``, tells 1, 1.0 and true apart."""
    return repr(one) == repr(other)


def _reads_as(data: bytes, expected: object) -> bool:
    try:
        return _same(load_yaml(data, 2 * MAX_RECORD_BYTES), expected)
    except YamlError:
        return False


def _changed(old: object, where: tuple[str, ...], value: object) -> object:
    if not where:
        return value
    if value is REMOVE and not isinstance(old, dict):
        return old
    found = dict(old) if isinstance(old, dict) else {}
    key, *rest = where
    if value is REMOVE and not rest:
        found.pop(key, None)
    elif value is not REMOVE or key in found:
        found[key] = _changed(found.get(key), tuple(rest), value)
    return found


@dataclass(slots=True)
class _Node:
    """One value and its place: ``[start, end)`` in characters; a block collection ends with its last content."""

    start: int
    end: int
    column: int
    flow: bool
    entries: dict[str, _Entry] | None = None


@dataclass(slots=True)
class _Entry:
    key_start: int
    key_end: int
    value: _Node = field(repr=False)


def _spliced(text: str, where: tuple[str, ...], value: object, expected: object) -> str:
    node = _compose(text)
    if node is None or node.entries is None or node.flow:
        return dump_yaml(expected)
    for depth, key in enumerate(where):
        assert node.entries is not None
        inside: Any = _inside(expected, where[: depth + 1])
        entry = node.entries.get(key)
        if entry is None:
            return _appended(text, node, key, inside)
        if inside is REMOVE:
            return _removed(text, node, entry)
        child = entry.value
        if depth + 1 == len(where) or child.entries is None or child.flow or not inside:
            return _replaced(text, node, entry, inside)
        if value is REMOVE and depth + 2 == len(where) and len(child.entries) == 1:
            return _replaced(text, node, entry, inside)
        node = child
    return text


def _inside(value: object, where: tuple[str, ...]) -> object:
    for key in where:
        if not isinstance(value, dict) or key not in value:
            return REMOVE
        value = value[key]
    return value


def _replaced(text: str, parent: _Node, entry: _Entry, value: object) -> str:
    colon = text.find(":", entry.key_end) + 1
    # A block scalar's end mark stands behind its newlines; a comment before a value, only where that begins below.
    end = colon + len(text[colon : entry.value.end].rstrip("\r\n"))
    comment = text[colon : entry.value.start].split("\n")[0].strip()
    if is_inline(value):
        return f"{text[:colon]} {flow_text(value)}{_behind(comment)}{text[end:]}"
    rest_of_line = text[end:].split("\n")[0].strip()
    if rest_of_line.startswith("#") and not comment:
        comment, end = rest_of_line, text.index(rest_of_line, end) + len(rest_of_line)
    lines = [_behind(comment), *block_lines(value, " " * (parent.column + 2))]
    return text[:colon] + _newline(text).join(lines) + text[end:]


def _behind(comment: str) -> str:
    return f"  {comment}" if comment else ""


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _appended(text: str, parent: _Node, key: str, value: object) -> str:
    line_end = _after_line(text, parent.end)
    head, newline = text[:line_end], _newline(text)
    lines = block_lines({key: value}, " " * parent.column)
    added = "".join(f"{line}{newline}" for line in lines)
    return head + ("" if head.endswith("\n") else newline) + added + text[line_end:]


def _removed(text: str, parent: _Node, entry: _Entry) -> str:
    line_start = text.rfind("\n", 0, entry.key_start) + 1
    return text[:line_start] + text[_after_line(text, max(entry.value.end, entry.key_end)) :]


def _after_line(text: str, index: int) -> int:
    if index and text[index - 1] == "\n":
        return index  # a block scalar's end
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def _compose(text: str) -> _Node | None:
    events: Iterator[Any] = yaml.parse(text, Loader=PARSER)
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            return _node(event, events)
    return None


def _node(event: Any, events: Iterator[Any]) -> _Node:
    node = _Node(event.start_mark.index, event.end_mark.index, event.start_mark.column, True)
    if isinstance(event, yaml.MappingStartEvent):
        node.flow, node.entries = bool(event.flow_style), {}
        _fill_mapping(node, node.entries, events)
    elif isinstance(event, yaml.SequenceStartEvent):
        node.flow = bool(event.flow_style)
        _fill_sequence(node, events)
    return node


def _fill_mapping(node: _Node, entries: dict[str, _Entry], events: Iterator[Any]) -> None:
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            _end(node, event)
            return
        value = _node(next(events), events)
        entries[event.value] = _Entry(event.start_mark.index, event.end_mark.index, value)
        node.end = max(value.end, event.end_mark.index)


def _fill_sequence(node: _Node, events: Iterator[Any]) -> None:
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            _end(node, event)
            return
        node.end = max(node.end, _node(event, events).end)


def _end(node: _Node, event: Any) -> None:
    """A flow collection ends at its bracket; a block's end mark stands behind comments that are not its own."""
    if node.flow:
        node.end = event.end_mark.index
