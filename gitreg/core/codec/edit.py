"""Edits of YAML text that keep people's comments, key order and spelling of everything they do not touch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from gitreg.core.codec.yaml import (
    _PARSER,
    MAX_RECORD_BYTES,
    YamlError,
    _block,
    _flow,
    _is_inline,
    dump_yaml,
    load_yaml,
    show_scalar,
)

#: As a new value: take the key away.
REMOVE: Final = object()


def edit_yaml(data: bytes, changes: Mapping[tuple[str, ...], object]) -> bytes:
    """The text with the values at some key paths replaced, added (at their mapping's end) or removed.

    Parents that are missing are made. The result reads as the old value with just these changes.

    Raises:
        YamlError: ``data`` is not strict YAML.
    """
    for where, value in changes.items():
        data = _edit(data, where, value)
    return data


def _edit(data: bytes, where: tuple[str, ...], value: object) -> bytes:
    old = load_yaml(data, MAX_RECORD_BYTES)
    expected = _changed(old, where, value)
    if expected == old:
        return data
    edited = _spliced(data.decode(), where, value, expected).encode()
    if _reads_as(edited, expected):
        return edited
    return dump_yaml(expected).encode()  # a layout we cannot splice: right, though its comments are lost


def _reads_as(data: bytes, expected: object) -> bool:
    try:
        return load_yaml(data, 2 * MAX_RECORD_BYTES) == expected
    except YamlError:
        return False


def _changed(old: object, where: tuple[str, ...], value: object) -> object:
    if not where:
        return value
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
    colon = text.index(":", entry.key_end) + 1
    old = entry.value
    comment = text[colon : old.start].split("\n")[0].rstrip() if old.start > colon else ""
    if _is_inline(value):
        body = f" {_flow(value)}" + (f"  {comment.strip()}" if "#" in comment else "")
    else:
        block = "\n".join(_block(value, " " * (parent.column + 2)))
        body = (comment if "#" in comment else "") + "\n" + block
    tail = text[max(old.end, colon) :]
    return text[:colon] + body + ("\n" if tail and tail[0] not in "\r\n \t" else "") + tail


def _appended(text: str, parent: _Node, key: str, value: object) -> str:
    line_end = _after_line(text, parent.end)
    lead = " " * parent.column + show_scalar(key) + ":"
    if _is_inline(value):
        added = f"{lead} {_flow(value)}\n"
    else:
        added = f"{lead}\n" + "".join(f"{line}\n" for line in _block(value, " " * (parent.column + 2)))
    head = text[:line_end]
    return head + ("" if head.endswith("\n") else "\n") + added + text[line_end:]


def _removed(text: str, parent: _Node, entry: _Entry) -> str:
    line_start = text.rfind("\n", 0, entry.key_start) + 1
    return text[:line_start] + text[_after_line(text, max(entry.value.end, entry.key_end)) :]


def _after_line(text: str, index: int) -> int:
    if index and text[index - 1] == "\n":
        return index  # a block scalar's end
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def _compose(text: str) -> _Node | None:
    events: Iterator[Any] = yaml.parse(text, Loader=_PARSER)
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
