"""What a catalog says of models and versions, as the rows of an index, and back.

A version's row is made of its record and its notes; where it is placed (its order, stage, aliases and when it was
touched) may change without them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from gitreg.core.catalog import EPOCH, CatalogModel, CatalogVersion
from gitreg.core.manifest import Model, VersionNotes
from gitreg.core.names import Reference, Version, fold
from gitreg.core.ports import Identity
from gitreg.core.read_index import IndexDamaged, ModelRow, VersionPlace, VersionRow
from gitreg.core.record import Artifact, ModelVersion

#: Counts up whenever the rows of one registry would be others than before, or the tables are.
FORMAT = 2

#: What a folder of ``models/`` is: a living model, one that was renamed, one that ended, one that cannot be read.
MODEL, REDIRECT, DEAD, BROKEN = "model", "redirect", "dead", "broken"

#: The documents of how many versions are read as one.
_AT_A_TIME = 50
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def model_row(
    model: Model, name: str, aliases: Mapping[str, Version], created: int, updated: int
) -> ModelRow:
    """The row of a living model; times are in microseconds since 1970."""
    said = [model.title, model.description, list(model.owners), model.task, dict(model.tags), dict(aliases)]
    return ModelRow(name, fold(name), MODEL, _dumped(said), created, updated)


def version_row(
    record: ModelVersion,
    notes: VersionNotes | None,
    model: str,
    place: VersionPlace,
    original: Reference | None = None,
) -> VersionRow:
    """The row of a living version; ``original`` is the version of the same registry that it is a copy of."""
    a = record.artifact
    said = [
        record.created_by.name,
        record.created_by.email,
        [a.path, a.digest, a.size, a.files, a.format, a.uri],
        notes.description if notes else None,
        notes.tags if notes else {},
        record.source,
        record.params,
        record.metrics,
        [original.model, original.version] if original else None,
    ]
    return VersionRow(
        model=model,
        version=place.version,
        position=place.position,
        stage=place.stage,
        aliases=place.aliases,
        run=run_of_source(record.source),
        created=micros(record.created_at),
        updated=place.updated,
        document=_dumped(said),
    )


def run_of_source(source: Mapping[str, object]) -> str | None:
    """The id of the experiment run that made a version, if its record's ``source`` says."""
    run = source.get("run")
    found = run.get("id") if isinstance(run, dict) else None
    return found if isinstance(found, str) else None


def joined(aliases: Iterable[str]) -> str:
    """Aliases as a row has them; an alias holds no space."""
    return " ".join(aliases)


def _dumped(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def read_versions(rows: Iterable[VersionRow]) -> list[CatalogVersion]:
    """What rows say. Raises IndexDamaged.

    The documents of some are read as one, which is quicker; of many at a time, the garbage collector would look through
    all of them again and again.
    """
    found: list[CatalogVersion] = []
    people: dict[tuple[str, str], Identity] = {}
    rest = iter(rows)
    try:
        while some := list(islice(rest, _AT_A_TIME)):
            documents = json.loads(f"[{','.join([row.document for row in some])}]")
            found += [_version(row, people, *said) for row, said in zip(some, documents, strict=True)]
    except (ValueError, TypeError, OverflowError) as error:
        raise IndexDamaged(f"versions: {error}") from error
    return found


def _version(
    row: VersionRow,
    people: dict[tuple[str, str], Identity],
    name: str,
    email: str,
    artifact: Sequence[Any],
    description: str | None,
    tags: Mapping[str, str],
    source: Mapping[str, object],
    params: Mapping[str, str | int | float | bool | None],
    metrics: Mapping[str, float],
    original: Sequence[Any] | None,
) -> CatalogVersion:
    """``people`` are those that were met before: mostly the same few."""
    created_by = people.get((name, email))
    if created_by is None:
        created_by = people[name, email] = Identity(name, email)
    created = _moment(row.created)
    return CatalogVersion(
        row.model,
        int(row.version) if row.version.isdigit() else row.version,
        created,
        max(created, _moment(row.updated * 1_000_000)),
        created_by,
        Artifact(*artifact),
        row.stage,
        tuple(row.aliases.split()),
        description,
        tags,
        source,
        params,
        metrics,
        Reference(*original) if original else None,
    )


def read_model(row: ModelRow, versions: Iterable[CatalogVersion]) -> CatalogModel:
    """What a row says, with the versions that are to be in it. Raises IndexDamaged."""
    try:
        title, description, owners, task, tags, aliases = json.loads(row.document)
        return CatalogModel(
            name=row.name,
            created_at=_moment(row.created),
            updated_at=_moment(row.updated),
            title=title,
            description=description,
            owners=tuple(owners),
            task=task,
            tags=tags,
            aliases=aliases,
            versions=tuple(versions),
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise IndexDamaged(f"{row.name}: {error}") from error


def aliased(row: ModelRow, alias: str) -> str | None:
    """The version that an alias names, as it is written; look-ups ignore case. Raises IndexDamaged."""
    try:
        aliases: dict[str, Any] = json.loads(row.document)[5]
        folded = alias.lower()
        found = aliases.get(alias, next((aliases[a] for a in aliases if a.lower() == folded), None))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise IndexDamaged(f"{row.name}: {error}") from error
    return None if found is None else str(found)
