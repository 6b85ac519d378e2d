"""Two versions beside each other: what is the same, what changed, and which metrics became better."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from gitreg.core.manifest import VersionNotes
from gitreg.core.record import ModelVersion

#: Where PEP 508 ends a requirement's name (https://peps.python.org/pep-0508/#names).
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?![\w/:+])")
_NORMAL = re.compile(r"[-_.]+")


class Status(StrEnum):
    """What became of a value on the way from one version to the other."""

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


class Trend(StrEnum):
    """Which way a metric went."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Side:
    """A version with its notes; ``model`` is what its model is called now."""

    model: str
    record: ModelVersion
    notes: VersionNotes | None = None

    @property
    def name(self) -> str:
        """As people refer to it."""
        return f"{self.model}/{self.record.version}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One value in both versions: None in ``one`` where it was added, in ``other`` where it was removed."""

    key: str
    status: Status
    one: object = None
    other: object = None

    def as_json(self) -> dict[str, object]:
        """The entry as plain values."""
        return {"key": self.key, "status": self.status.value, "one": self.one, "other": self.other}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric in both versions.

    ``difference`` is ``other - one`` and ``percent`` that in percent of ``one``'s size; each None where it does not
    exist. ``trend`` is None where nobody said which way is better, or only one version has the metric.
    """

    key: str
    status: Status
    one: float | None
    other: float | None
    difference: float | None = None
    percent: float | None = None
    trend: Trend | None = None

    def as_json(self) -> dict[str, object]:
        """The metric as plain values."""
        return {
            "key": self.key,
            "status": self.status.value,
            "one": self.one,
            "other": self.other,
            "difference": self.difference,
            "percent": self.percent,
            "trend": self.trend.value if self.trend else None,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a version ``other`` has that differs from ``one``, part by part; unchanged values stand there too.

    ``signature`` has an entry for each input and output field (``inputs.age``, ``outputs[].score``), ``environment``
    one for ``python`` and for each required distribution.
    """

    one: str
    other: str
    artifact: tuple[Entry, ...]
    metrics: tuple[Metric, ...]
    params: tuple[Entry, ...]
    signature: tuple[Entry, ...]
    environment: tuple[Entry, ...]
    source: tuple[Entry, ...]
    notes: tuple[Entry, ...]

    @property
    def parts(self) -> dict[str, tuple[Entry, ...]]:
        """Every part but the metrics, by its name."""
        names = ("artifact", "params", "signature", "environment", "source", "notes")
        return {name: getattr(self, name) for name in names}

    def as_json(self) -> dict[str, object]:
        """The comparison as plain values."""
        parts = {name: [entry.as_json() for entry in entries] for name, entries in self.parts.items()}
        metrics = [metric.as_json() for metric in self.metrics]
        return {"one": self.one, "other": self.other, "metrics": metrics, **parts}


def compare(one: Side, other: Side, direction: Callable[[str], str | None]) -> Comparison:
    """Compares two versions, of one model or of two.

    Args:
        one: where one comes from: the elder, or the one that holds a stage.
        other: where one goes to.
        direction: ``higher`` or ``lower``, which way a metric is better; None where nobody said so.
    """
    return Comparison(
        one.name,
        other.name,
        entries(one.record.artifact.as_yaml(), other.record.artifact.as_yaml()),
        tuple(_metrics(one.record.metrics, other.record.metrics, direction)),
        entries(one.record.params, other.record.params),
        entries(_fields(one.record.signature), _fields(other.record.signature)),
        entries(_environment(one.record.environment), _environment(other.record.environment)),
        entries(source_values(one.record.source), source_values(other.record.source)),
        notes_entries(one.notes, other.notes),
    )


def entries(one: Mapping[str, object], other: Mapping[str, object]) -> tuple[Entry, ...]:
    """Each key of two mappings, in their order, with what became of its value."""
    keys = dict.fromkeys((*one, *other))
    return tuple(Entry(key, _status(key, one, other), one.get(key), other.get(key)) for key in keys)


def changed(found: tuple[Entry, ...]) -> list[Entry]:
    """The entries that are not the same on both sides."""
    return [entry for entry in found if entry.status is not Status.SAME]


def _status(key: str, one: Mapping[str, object], other: Mapping[str, object]) -> Status:
    if key not in one:
        return Status.ADDED
    if key not in other:
        return Status.REMOVED
    return Status.SAME if _equal(one[key], other[key]) else Status.CHANGED


def _equal(one: object, other: object) -> bool:
    """``true`` is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


# Metrics


def _metrics(
    one: Mapping[str, float], other: Mapping[str, float], direction: Callable[[str], str | None]
) -> Iterator[Metric]:
    for entry in entries(one, other):
        before, after = one.get(entry.key), other.get(entry.key)
        if before is None or after is None:
            yield Metric(entry.key, entry.status, before, after)
        else:
            trend = _trend(before, after, direction(entry.key))
            yield Metric(entry.key, entry.status, before, after, *_difference(before, after), trend)


def _difference(one: float, other: float) -> tuple[float | None, float | None]:
    """In decimal, so that 0.945 - 0.94 is 0.005."""
    before, after = Decimal(repr(one)), Decimal(repr(other))
    percent = (after - before) / abs(before) * 100 if before else None
    return _finite(after - before), None if percent is None else _finite(percent)


def _finite(value: Decimal) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _trend(one: float, other: float, direction: str | None) -> Trend | None:
    if one == other:
        return Trend.SAME
    if direction is None:
        return None
    return Trend.BETTER if (other > one) == (direction == "higher") else Trend.WORSE


# Signatures


def _fields(signature: Mapping[str, object]) -> dict[str, object]:
    return {path: shown for side, schema in signature.items() for path, shown in _schema(side, schema, False)}


def _schema(path: str, schema: object, required: bool) -> Iterator[tuple[str, str]]:
    """A JSON Schema, field by field: where it is, and what it may be."""
    inner = schema if isinstance(schema, Mapping) else {}
    properties, items, demanded = (inner.get(key) for key in ("properties", "items", "required"))
    shown = {"properties": Mapping, "items": Mapping, "required": list}
    own = {k: v for k, v in inner.items() if not isinstance(v, shown.get(k, ()))}
    yield path, _kind(own if inner else schema) + (", required" if required else "")
    if isinstance(properties, Mapping):
        wanted = demanded if isinstance(demanded, list) else []
        for name, child in properties.items():
            yield from _schema(f"{path}.{name}", child, name in wanted)
    if isinstance(items, Mapping):
        yield from _schema(f"{path}[]", items, False)


def _kind(schema: object) -> str:
    """The type alone where a schema says no more."""
    if isinstance(schema, Mapping) and schema.keys() == {"type"} and isinstance(schema["type"], str):
        return schema["type"]
    return json.dumps(schema, ensure_ascii=False)


# Environments


def _environment(environment: Mapping[str, object]) -> dict[str, object]:
    python = {"python": environment["python"]} if "python" in environment else {}
    lines = environment.get("requirements")
    found: dict[str, object] = {}
    for line in lines if isinstance(lines, list) else []:
        name, rest = _requirement(str(line))
        found[name] = f"{found[name]}; {rest}" if name in found else rest
    return {**python, **found}


def _requirement(line: str) -> tuple[str, str]:
    """The normalised name (PEP 503) of what a line requires, and the rest of it; a line without one is its own name."""
    match = _REQUIREMENT.match(line)
    if match is None:
        return line.strip(), "required"
    return _NORMAL.sub("-", match[1]).lower(), line[match.end() :].strip() or "any version"


# Source and notes


def source_values(source: Mapping[str, object]) -> dict[str, object]:
    """A record's source, flat: ``run.id``, ``data.train`` (a data set's digest) and so on."""
    return dict(_flat("", source))


def _flat(path: str, value: object) -> Iterator[tuple[str, object]]:
    """The leaves of nested mappings by their dotted paths; entries of a list by their ``name``, if they have one."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{path}.{key}" if path else key, item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            name = item.get("name", index) if isinstance(item, Mapping) else index
            yield f"{path}.{name}", item.get("digest") if isinstance(item, Mapping) else item
    else:
        yield path, value


def notes_entries(one: VersionNotes | None, other: VersionNotes | None) -> tuple[Entry, ...]:
    """What people say about two versions, or about one before and after an edit."""
    return entries(_notes(one), _notes(other))


def _notes(notes: VersionNotes | None) -> dict[str, object]:
    if notes is None:
        return {}
    described = {"description": notes.description} if notes.description else {}
    deprecated = {"deprecated": notes.deprecated.reason} if notes.deprecated else {}
    tags = {f"tags.{key}": value for key, value in notes.tags.items()}
    card = {f"card.{key}": value for key, value in notes.card.items()}
    return {**described, **deprecated, **tags, **card}
