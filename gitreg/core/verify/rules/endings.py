"""GR204: what ends, ends with a marker that tells the truth: deletions, renames, and markers themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import MarkerTampered, ModelDeleted, ModelRenamed, VersionDeleted
from gitreg.core.findings import Finding
from gitreg.core.layout import Place, Sort
from gitreg.core.manifest import Alias, StageAssignment
from gitreg.core.names import Version
from gitreg.core.record import Pin
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import files_below
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule(
    "GR204", "endings", "Deletions and renames leave markers that tell the truth, and nothing else changes"
)


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at every deletion, rename and edit of a marker."""
    for tampered in judged.delta.of(MarkerTampered):
        yield RULE.finding(
            "this may only end with a tombstone or a redirect, which are never edited", tampered.path
        )
    for deleted in judged.delta.of(VersionDeleted):
        yield from _version(judged, deleted)
    for gone in judged.delta.of(ModelDeleted):
        yield from _model(judged, gone.model)
    for renamed in judged.delta.of(ModelRenamed):
        yield from _rename(judged, renamed)


def _version(judged: Judged, deleted: VersionDeleted) -> Iterator[Finding]:
    path = judged.head.layout.version(deleted.model, deleted.version, "tombstone.yaml")
    try:
        tombstone = judged.head.version_tombstone(deleted.model, deleted.version)
        digest = _digest(judged.base, deleted.model, deleted.version)
    except InvalidManifest:
        return
    if tombstone is not None and tombstone.digest != digest:
        yield RULE.finding(
            "the tombstone's digest is not that of the deleted version", judged.head.locate(path, "digest")
        )


def _digest(snapshot: Snapshot, model: str, version: Version) -> str | None:
    record = snapshot.record(model, version)
    if record is not None:
        return record.artifact.digest
    tombstone = snapshot.version_tombstone(model, version)
    return tombstone.digest if tombstone else None


def _model(judged: Judged, model: str) -> Iterator[Finding]:
    path = judged.head.layout.model(model, "tombstone.yaml")
    try:
        pointers: list[StageAssignment | Alias] = [
            *judged.base.stages(model).values(),
            *judged.base.aliases(model).values(),
        ]
        tombstone = judged.head.model_tombstone(model)
        expected = _every_pin(judged.base, model)
    except InvalidManifest:
        return
    for pointer in pointers:
        if pointer.versions if isinstance(pointer, StageAssignment) else pointer.pin:
            name = pointer.stage if isinstance(pointer, StageAssignment) else f"@{pointer.alias}"
            yield RULE.finding(
                f"{model!r} is deleted while {name} names a version of it", path, f"empty {name} first"
            )
    if tombstone is not None and set(tombstone.versions) != expected:
        yield RULE.finding("the tombstone does not list exactly the versions that the model had", path)


def _every_pin(snapshot: Snapshot, model: str) -> set[Pin]:
    tombstone = snapshot.model_tombstone(model)
    pins = set(tombstone.versions) if tombstone else set()
    for version in snapshot.numbers(model):
        digest = _digest(snapshot, model, version)
        if digest is not None:
            pins.add(Pin(version, digest))
    return pins


def _rename(judged: Judged, renamed: ModelRenamed) -> Iterator[Finding]:
    base, head = judged.base, judged.head
    redirect = head.layout.model(renamed.model, "redirect.yaml")
    if base.blob(base.layout.model(renamed.model)) is None:
        yield RULE.finding(f"{renamed.model!r} was no living model, so nothing can be renamed", redirect)
        return
    if base.tree.list(base.layout.model(renamed.to, "").rstrip("/")):
        yield RULE.finding(f"the name {renamed.to!r} is taken", head.locate(redirect, "to"))
        return
    yield from _turned(head, renamed)
    before, after = _files(base, renamed.model), _files(head, renamed.to)
    for file in sorted(before.keys() | after.keys()):
        if file not in before or file not in after or not _carried(judged, before[file], after[file]):
            yield RULE.finding(
                f"{file}: a rename carries every file over, and changes no more than the name", redirect
            )


def _turned(head: Snapshot, renamed: ModelRenamed) -> Iterator[Finding]:
    """Redirects that led to the old name lead to the new one."""
    for former in head.model_folders():
        try:
            redirect = head.redirect(former)
        except InvalidManifest:
            continue
        if redirect is not None and redirect.to == renamed.model:
            yield RULE.finding(
                f"the redirect of {former!r} leads on to {renamed.model!r}, which is {renamed.to!r} now",
                head.locate(head.layout.model(former, "redirect.yaml"), "to"),
                f"write to: {renamed.to}",
            )


def _files(snapshot: Snapshot, model: str) -> dict[str, tuple[str, Place]]:
    folder = snapshot.layout.model(model, "").rstrip("/")
    found = files_below(snapshot.tree, folder)
    return {path[len(folder) + 1 :]: (entry.oid, snapshot.layout.place(path)) for path, entry in found}


def _carried(judged: Judged, before: tuple[str, Place], after: tuple[str, Place]) -> bool:
    place = before[1]
    if place.sort is Sort.POINTER:
        return _same_pointer(judged, place, after[1])
    return place.kind == "Model" or before[0] == after[0]


def _same_pointer(judged: Judged, before: Place, after: Place) -> bool:
    try:
        old = cast("StageAssignment | Alias", judged.base.manifest(before.kind or "", before.path))
        new = cast("StageAssignment | Alias", judged.head.manifest(after.kind or "", after.path))
    except InvalidManifest:
        return False
    if isinstance(old, StageAssignment) and isinstance(new, StageAssignment):
        same = (old.stage, old.versions, old.previous) == (new.stage, new.versions, new.previous)
    elif isinstance(old, Alias) and isinstance(new, Alias):
        same = (old.alias, old.pin) == (new.alias, new.pin)
    else:
        return False
    return same and new.serial == old.serial + 1


ENDINGS = ChangeRule(RULE, check)
