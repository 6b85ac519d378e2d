"""What lists and pages say of a model: its manifest and, of every living version, what a row shows.

It is derived from one revision of a model's folder and from when history touched it, so it can be kept for as long as
neither changes, and thrown away at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gitreg.core.names import NONE, Reference, Version
from gitreg.core.ports import Identity
from gitreg.core.record import Artifact, ModelVersion
from gitreg.core.snapshot import Snapshot

#: Of a model about which neither history nor a version says when it was made.
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class CatalogVersion:
    """A living version with what its surroundings say of it.

    ``stage`` is ``none`` if no stage names it; ``updated_at`` is when a change last touched the version, its notes or
    the stage that it is in; times are in UTC. ``original`` is the version of this registry that it is a copy of.
    """

    model: str
    version: Version
    created_at: datetime
    updated_at: datetime
    created_by: Identity
    artifact: Artifact
    stage: str = NONE
    aliases: tuple[str, ...] = ()
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, object] = field(default_factory=dict)
    params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    original: Reference | None = None


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A living model with its living versions, lowest first. ``aliases`` are those that name a version."""

    name: str
    created_at: datetime
    updated_at: datetime
    title: str | None = None
    description: str | None = None
    owners: tuple[str, ...] = ()
    task: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Version] = field(default_factory=dict)
    versions: tuple[CatalogVersion, ...] = ()

    def version(self, version: Version) -> CatalogVersion | None:
        """One of its living versions."""
        return next((each for each in self.versions if each.version == version), None)


@dataclass(frozen=True, slots=True)
class Touched:
    """When changes first and last touched a model (``version`` is None) or one of its versions, in UTC."""

    first: datetime
    last: datetime


#: By version, and under None of the model itself.
Times = Mapping[Version | None, Touched]


def catalog_model(snapshot: Snapshot, name: str, times: Times) -> CatalogModel:
    """What a catalog says of a living model; what ``times`` does not know is as old as the newest record says."""
    model = snapshot.model(name)
    assert model is not None, "the caller listed it"
    stages = {pin.version: stage for stage, a in snapshot.stages(name).items() for pin in a.versions}
    aliases = {alias: a.pin.version for alias, a in snapshot.aliases(name).items() if a.pin}
    named: dict[Version, list[str]] = {}
    for alias, version in aliases.items():
        named.setdefault(version, []).append(alias)
    versions = tuple(
        _version(
            snapshot,
            snapshot.demand_record(name, version),
            name,
            stages.get(version, NONE),
            tuple(named.get(version, ())),
            times.get(version),
        )
        for version in snapshot.versions(name)
    )
    span = times.get(None) or _span(versions)
    return CatalogModel(
        name=name,
        created_at=span.first,
        updated_at=span.last,
        title=model.title,
        description=model.description,
        owners=model.owners,
        task=model.task,
        tags=model.tags,
        aliases=aliases,
        versions=versions,
    )


def _span(versions: tuple[CatalogVersion, ...]) -> Touched:
    first = min((each.created_at for each in versions), default=EPOCH)
    return Touched(first, max((each.updated_at for each in versions), default=first))


def original_of(snapshot: Snapshot, record: ModelVersion) -> Reference | None:
    """The version of a snapshot's own registry that a version is a copy of."""
    origin = snapshot.original(record)
    return None if origin is None else Reference(origin.model, version=origin.version)


def _version(
    snapshot: Snapshot,
    record: ModelVersion,
    model: str,
    stage: str,
    aliases: tuple[str, ...],
    touched: Touched | None,
) -> CatalogVersion:
    notes = snapshot.notes(model, record.version)
    return CatalogVersion(
        model=model,
        version=record.version,
        created_at=record.created_at,
        updated_at=max(record.created_at, touched.last) if touched else record.created_at,
        created_by=record.created_by,
        artifact=record.artifact,
        stage=stage,
        aliases=aliases,
        description=notes.description if notes else None,
        tags=notes.tags if notes else {},
        source=record.source,
        params=record.params,
        metrics=record.metrics,
        original=original_of(snapshot, record),
    )
