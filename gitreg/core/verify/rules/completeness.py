"""GR106: a version is its record and exactly one DVC pointer, which agree; or a tombstone alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.digest import artifact_digest
from gitreg.core.findings import Finding
from gitreg.core.names import Version, parse_version
from gitreg.core.payload import external_payload
from gitreg.core.ports import DvcPointer
from gitreg.core.record import ModelVersion
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule
from gitreg.errors import UsageError

RULE = Rule(
    "GR106",
    "completeness",
    "A version is its record and exactly one DVC pointer, which agree; or a tombstone",
)


def check(scope: Scope) -> Iterator[Finding]:
    """Looks into every version folder concerned."""
    parts = (
        place.path.removeprefix(f"{scope.snapshot.layout.models}/").split("/") for _, place in scope.files
    )
    in_versions = (part for part in parts if len(part) > 2 and part[1] == "versions")
    for (model, _, folder), files in groupby(in_versions, key=lambda part: part[:3]):
        version = parse_version(folder)
        if version is not None:
            yield from _version(scope, model, version, {part[3] for part in files if len(part) > 3})


def _version(scope: Scope, model: str, version: Version, names: set[str]) -> Iterator[Finding]:
    layout = scope.snapshot.layout
    folder = layout.version(model, version, "")
    if "tombstone.yaml" in names:
        for name in sorted(names - {"tombstone.yaml"}):
            yield RULE.finding(
                f"{name} lies beside the tombstone of a deleted version", folder + name, "remove it"
            )
        return
    if "version.yaml" not in names:
        yield RULE.finding(
            "the version has no version.yaml", layout.version(model, version), "register it with gitreg"
        )
        return
    pointers = sorted(name for name in names if name.endswith(".dvc"))
    if len(pointers) != 1:
        yield RULE.finding(
            f"the version has {len(pointers) or 'no'} .dvc files; it needs exactly one",
            layout.version(model, version),
        )
        return
    try:
        record = scope.snapshot.record(model, version)
    except InvalidManifest:
        return
    if record is not None:
        yield from _agreement(scope, model, record, folder + pointers[0])


def _agreement(scope: Scope, model: str, record: ModelVersion, path: str) -> Iterator[Finding]:
    artifact = record.artifact
    if not path.endswith(f"/{artifact.path}.dvc"):
        yield RULE.finding(
            f"the record's artifact is {artifact.path!r}, so this file should be {artifact.path}.dvc", path
        )
        return
    try:
        pointer = scope.snapshot.dvc_pointer(model, record)
    except InvalidManifest:
        return
    if pointer is None:
        return
    for key, of_pointer, of_record in (
        ("path", pointer.path, artifact.path),
        ("size", pointer.size, artifact.size),
        ("files", pointer.files, artifact.files),
    ):
        if of_pointer != of_record:
            yield RULE.finding(
                f"artifact.{key} is {of_record}, but the .dvc file says {of_pointer}",
                scope.snapshot.locate(scope.snapshot.layout.version(model, record.version), "artifact", key),
                "records are never edited: register the artifact again",
            )
    yield from _external(scope, model, record, pointer)


def _external(scope: Scope, model: str, record: ModelVersion, pointer: DvcPointer) -> Iterator[Finding]:
    """Of an external artifact the one file is its address: all that is said of the bytes follows from that."""
    artifact = record.artifact
    if artifact.uri is None:
        return
    try:
        right = external_payload(artifact.uri)
    except UsageError as error:
        problem: str | None = error.message
    else:
        said = DvcPointer(artifact.path, pointer.md5, artifact.size, artifact.files)
        told = (said, artifact.digest) == (right.pointer, artifact_digest(right.files))
        problem = None if told else "path, digest, size, files and the .dvc file are not those of its address"
    if problem:
        yield RULE.finding(
            f"the artifact is external: {problem}",
            scope.snapshot.locate(scope.snapshot.layout.version(model, record.version), "artifact", "uri"),
            "register it with gitreg register --external",
        )


COMPLETENESS = SnapshotRule(RULE, check)
