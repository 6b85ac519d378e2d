"""The changes beside moves and registrations, a line of Markdown each; and how values that differ are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.compare import Entry, Status, changed, entries, notes_entries
from gitreg.core.delta import (
    AliasMoved,
    Change,
    EvidenceAdded,
    MarkerTampered,
    ModelCreated,
    ModelDeleted,
    ModelEdited,
    ModelRenamed,
    NotesEdited,
    PointerRemoved,
    RecordTampered,
    RulesChanged,
    StageChanged,
    UnknownChange,
    UnmanagedChanged,
    VersionDeleted,
    VersionRegistered,
)
from gitreg.core.manifest import EvidenceRecord, Model
from gitreg.core.names import Version
from gitreg.core.report.markdown import escape
from gitreg.core.report.show import short_digest, show_plain
from gitreg.core.verify.rule import Judged

T = TypeVar("T")

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
#: How many characters of a value are shown where several stand in a line.
CELL = 60


def change_lines(judged: Judged) -> list[str]:
    """A line for each change that is neither a move of a version nor its registration."""
    return [line for change in judged.delta.changes for line in _line(judged, change)]


def _line(judged: Judged, change: Change) -> Iterator[str]:
    match change:
        case ModelCreated(model):
            facts = _model_facts(readable(lambda: judged.head.model(model)))
            yield f"makes the model {escape(model)}" + (f": {values_line(facts)}" if facts else "")
        case ModelEdited(model):
            yield f"edits {escape(model)}: {_edited(_model_entries(judged, model))}"
        case NotesEdited(model, version):
            old = readable(lambda: judged.base.notes(model, version))
            new = readable(lambda: judged.head.notes(model, version))
            yield f"edits the notes of {name_of(model, version)}: {_edited(notes_entries(old, new))}"
        case EvidenceAdded():
            yield _evidence(judged, change)
        case AliasMoved(model, alias):
            pins = [file.pin if file else None for file in (change.old, change.new)]
            ends = [
                f"version {pin.version} ({short_digest(pin.digest)})" if pin else "nothing" for pin in pins
            ]
            yield f"alias {escape(alias)} of {escape(model)}: {escape(ends[0])} → {escape(ends[1])}"
        case StageChanged(model, stage):
            if not change.entered and not change.left:
                yield f"edits {escape(stage)} of {escape(model)}, but moves no version"
        case VersionRegistered():
            pass  # has its own section
        case _:
            yield _ending(judged, change)


def _ending(judged: Judged, change: Change) -> str:
    match change:
        case VersionDeleted(model, version):
            tombstone = readable(lambda: judged.head.version_tombstone(model, version))
            return f"**deletes** {name_of(model, version)}{_reason(tombstone.reason if tombstone else None)}"
        case ModelDeleted(model):
            gone = readable(lambda: judged.head.model_tombstone(model))
            count = f" with {len(gone.versions)} versions" if gone else ""
            return f"**deletes** the model {escape(model)}{count}{_reason(gone.reason if gone else None)}"
        case ModelRenamed(model, to):
            return f"**renames** {escape(model)} to {escape(to)}"
        case RulesChanged(path):
            return f"**changes the rules** in {escape(path)}"
        case RecordTampered(path, removed):
            return f"⚠ {'removes' if removed else 'edits'} the record {escape(path)}"
        case PointerRemoved(path):
            return f"⚠ removes the pointer {escape(path)}"
        case MarkerTampered(path):
            return f"⚠ edits or removes {escape(path)}"
        case UnmanagedChanged(path):
            return f"changes {escape(path)}, which is no part of the registry"
        case UnknownChange(path):
            return f"⚠ adds or edits {escape(path)}, which is no file that gitreg knows"
    raise AssertionError(f"a change of the type {type(change).__name__} has a line of its own")


def _reason(reason: str | None) -> str:
    return f": {escape(reason)}" if reason else ""


def _edited(found: tuple[Entry, ...]) -> str:
    return differences(changed(found), 4) or "nothing that counts"


def _model_entries(judged: Judged, model: str) -> tuple[Entry, ...]:
    one, other = readable(lambda: judged.base.model(model)), readable(lambda: judged.head.model(model))
    return entries(_model_facts(one), _model_facts(other))


def _model_facts(model: Model | None) -> dict[str, object]:
    if model is None:
        return {}
    facts: dict[str, object] = {
        "title": model.title,
        "description": model.description,
        "owners": ", ".join(model.owners),
        "task": model.task,
        "versions": model.scheme,
    }
    return {key: value for key, value in facts.items() if value} | {
        f"tags.{k}": v for k, v in model.tags.items()
    }


def _evidence(judged: Judged, change: EvidenceAdded) -> str:
    what = f"evidence {escape(change.name)} of {name_of(change.model, change.version)}"
    if change.retraction:
        return f"**retracts** the {what}"
    path = judged.head.layout.version(change.model, change.version, f"evidence/{change.name}.yaml")
    found = readable(lambda: judged.head.manifest("Evidence", path))
    if not isinstance(found, EvidenceRecord):
        return f"adds the {what}, which cannot be read"
    return f"adds the {what}, on {escape(found.dataset)}: {values_line(found.metrics, 5)}"


# How values are written


def readable(read: Callable[[], T]) -> T | None:
    """What is read; None where it is broken, which verify reports."""
    try:
        return read()
    except InvalidManifest:
        return None


def name_of(model: str, version: Version | str) -> str:
    """A version as people refer to it."""
    return escape(f"{model}/{version}")


def differences(found: Sequence[Entry], most: int = 8) -> str:
    """What became of some values, beyond ``most`` of them only counted; "" if there are none."""
    more = f"; and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(_change(entry) for entry in found[:most]) + more


def _change(entry: Entry) -> str:
    key, one, other = escape(entry.key, CELL), _value(entry.one), _value(entry.other)
    if entry.status is Status.ADDED:
        return f"{key} added ({other})"
    return f"{key} removed ({one})" if entry.status is Status.REMOVED else f"{key} {one} → {other}"


def _value(value: object) -> str:
    text = show_plain(value)
    return escape(short_digest(text) if _DIGEST.match(text) else text, CELL)


def values_line(values: Mapping[str, object], most: int = 20) -> str:
    """``key = value`` for some values, beyond ``most`` of them only counted."""
    more = f", and {len(values) - most} more" if len(values) > most else ""
    shown = (escape(f"{key} = {show_plain(value)}", 2 * CELL) for key, value in list(values.items())[:most])
    return ", ".join(shown) + more
