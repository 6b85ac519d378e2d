"""GR107: a pointer names versions that exist, with the digests of their records."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.findings import Finding, Location
from gitreg.core.manifest import Alias, StageAssignment
from gitreg.core.record import Pin
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule

RULE = Rule("GR107", "pins", "A pointer names versions that exist, with their digests")


def check(scope: Scope) -> Iterator[Finding]:
    """Compares every pin of the models concerned with its record."""
    for _, place in scope.files:
        if place.kind not in {"StageAssignment", "Alias"}:
            continue
        try:
            manifest = scope.snapshot.manifest(place.kind, place.path)
        except InvalidManifest:
            continue
        if isinstance(manifest, StageAssignment):
            for index, pin in enumerate(manifest.versions):
                yield from _pin(scope, place.model, pin, scope.snapshot.locate(place.path, "versions", index))
        elif isinstance(manifest, Alias) and manifest.pin is not None:
            yield from _pin(scope, place.model, manifest.pin, scope.snapshot.locate(place.path, "version"))


def _pin(scope: Scope, model: str, pin: Pin, location: Location) -> Iterator[Finding]:
    try:
        record = scope.snapshot.record(model, pin.version)
    except InvalidManifest:
        return
    if record is None:
        gone = "version.yaml" not in scope.snapshot.tree.list(
            scope.snapshot.layout.version(model, pin.version, "").rstrip("/")
        ) and scope.snapshot.blob(scope.snapshot.layout.version(model, pin.version, "tombstone.yaml"))
        yield RULE.finding(
            f"version {pin.version} of {model!r} {'was deleted' if gone else 'does not exist'}", location
        )
    elif record.artifact.digest != pin.digest:
        yield RULE.finding(
            f"version {pin.version} is pinned as {pin.digest[:19]}…, but its record says"
            f" {record.artifact.digest[:19]}…",
            location,
            f"write digest: {record.artifact.digest}",
        )


PINS = SnapshotRule(RULE, check)
