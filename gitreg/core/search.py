"""``gitreg search``: the living versions that a filter matches (:mod:`gitreg.core.filter`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gitreg.core.filter import And, Comparison, Filter, Key, Or, matches, parse_filter
from gitreg.core.manifest import Model, VersionNotes
from gitreg.core.names import NONE, Version, model_name_problem
from gitreg.core.record import ModelVersion
from gitreg.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A version that was found, with the stage (``none`` if no stage names it) and the aliases that it has."""

    model: str
    version: Version
    stage: str
    aliases: tuple[str, ...]
    record: ModelVersion


def search(snapshot: Snapshot, filter: Filter) -> Iterator[SearchHit]:
    """The living versions that a filter matches: models by name, each one's versions from the highest down.

    Reads no more than the filter asks for; where it says that ``name`` is this or that, no other model is opened.
    """
    for name in _models(snapshot, filter):
        model = _Model(snapshot, name)
        for version in reversed(snapshot.numbers(name)):
            row = _Row(model, version)
            if matches(filter, row) and row.record is not None:
                aliases = tuple(model.aliases.get(version, ()))
                yield SearchHit(name, version, model.stages.get(version, NONE), aliases, row.record)


def _models(snapshot: Snapshot, filter: Filter) -> Iterable[str]:
    wanted = _named(filter)
    if wanted is None:
        return snapshot.models()
    found = {snapshot.spelling(name) for name in wanted if model_name_problem(name) is None}
    return sorted(name for name in found if name is not None and snapshot.model(name) is not None)


def _named(filter: Filter) -> frozenset[str] | None:
    """The only models that a filter can match; None if any can."""
    match filter:
        case Comparison(Key("name"), "=" | "IN", values):
            return frozenset(str(value) for value in values)
        case And(parts):
            found = [names for part in parts if (names := _named(part)) is not None]
            return min(found, key=len, default=None)
        case Or(parts):
            each = [_named(part) for part in parts]
            known = [names for names in each if names is not None]
            return frozenset[str]().union(*known) if len(known) == len(each) else None
    return None


class _Model:
    """A model, each of whose files is read when it is first asked for."""

    def __init__(self, snapshot: Snapshot, name: str) -> None:
        self.snapshot = snapshot
        self.name = name

    @cached_property
    def manifest(self) -> Model | None:
        return self.snapshot.model(self.name)

    @cached_property
    def stages(self) -> dict[Version, str]:
        """The stage of each version that is in one."""
        assignments = self.snapshot.stages(self.name).items()
        return {pin.version: stage for stage, assignment in assignments for pin in assignment.versions}

    @cached_property
    def aliases(self) -> dict[Version, list[str]]:
        """The aliases of each version that has any."""
        found: dict[Version, list[str]] = {}
        for name, alias in self.snapshot.aliases(self.name).items():
            if alias.pin is not None:
                found.setdefault(alias.pin.version, []).append(name)
        return found


class _Row:
    """A version, each of whose files is read when it is first asked for."""

    def __init__(self, model: _Model, version: Version) -> None:
        self._model = model
        self._version = version

    @cached_property
    def record(self) -> ModelVersion | None:
        """None if the version was deleted."""
        return self._model.snapshot.record(self._model.name, self._version)

    @cached_property
    def _notes(self) -> VersionNotes | None:
        return self._model.snapshot.notes(self._model.name, self._version)

    def values(self, key: Key) -> Sequence[object]:
        """See :class:`gitreg.core.filter.SearchRow`."""
        match key.field:
            case "name":
                return (self._model.name,)
            case "version":
                return (self._version,)
            case "stage":
                return (self._model.stages.get(self._version, NONE),)
            case "alias":
                return self._model.aliases.get(self._version, ())
            case "deprecated":
                return (self._notes is not None and self._notes.deprecated is not None,)
            case "task" | "owner" | "tags":
                return self._said(key)
        return self._recorded(key, self.record) if self.record else ()

    def _said(self, key: Key) -> Sequence[object]:
        """What people say of the model, and of the version, which goes before."""
        manifest = self._model.manifest
        if key.field == "owner":
            return manifest.owners if manifest else ()
        if key.field == "task":
            return (manifest.task,) if manifest else ()
        own = self._notes.tags if self._notes else {}
        return (own.get(str(key.name), manifest.tags.get(str(key.name)) if manifest else None),)

    @staticmethod
    def _recorded(key: Key, record: ModelVersion) -> Sequence[object]:
        match key.field:
            case "format":
                return (record.artifact.format,)
            case "created_at":
                return (record.created_at,)
            case "params":
                return (record.params.get(str(key.name)),)
        return (record.metrics.get(str(key.name)),)


__all__ = ["SearchHit", "parse_filter", "search"]
