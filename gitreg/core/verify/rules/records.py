"""GR202: records are added once, under their model's name, and never edited or removed."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import EvidenceAdded, RecordTampered, VersionRegistered
from gitreg.core.findings import Finding
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR202", "records", "Records are added once, and never edited or removed")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at every record that the change touches."""
    for tampered in judged.delta.of(RecordTampered):
        yield RULE.finding(
            "a record is removed without a tombstone" if tampered.removed else "a record is edited",
            tampered.path,
            "gitreg version delete leaves a tombstone"
            if tampered.removed
            else "register a new version instead",
        )
    for added in judged.delta.of(VersionRegistered):
        yield from _named(judged, added)
        yield from _copied(judged, added)
    for evidence in judged.delta.of(EvidenceAdded):
        yield from _evidence(judged, evidence)


def _named(judged: Judged, added: VersionRegistered) -> Iterator[Finding]:
    """A rename leaves former names in records; a new record has no such excuse."""
    try:
        record = judged.head.record(added.model, added.version)
    except InvalidManifest:
        return
    if record is not None and record.model != added.model:
        path = judged.head.layout.version(added.model, added.version)
        yield RULE.finding(
            f"model is {record.model!r}, but the version is registered under {added.model!r}",
            judged.head.locate(path, "model"),
        )


def _copied(judged: Judged, added: VersionRegistered) -> Iterator[Finding]:
    """What a record says of its own registry can be looked up; of another one, only whether it fits itself."""
    try:
        record = judged.head.record(added.model, added.version)
    except InvalidManifest:
        return
    origin = record.copied_from if record else None
    if record is None or origin is None:
        return
    if origin.digest != record.artifact.digest:
        problem = "copied_from names other bytes than this version's"
    elif judged.base.confirms_copy(record) is False:
        problem = f"copied_from names version {origin.version} of {origin.model!r}, which is not here with these bytes"
    else:
        return
    path = judged.head.layout.version(added.model, added.version)
    yield RULE.finding(problem, judged.head.locate(path, "copied_from"), "gitreg copy writes what is so")


def _evidence(judged: Judged, added: EvidenceAdded) -> Iterator[Finding]:
    """Evidence is about bytes: its digest must be that of the version's artifact."""
    path = judged.head.layout.version(added.model, added.version, f"evidence/{added.name}.yaml")
    if added.retraction:
        if judged.head.blob(path) is None:
            retraction = f"{path.removesuffix('.yaml')}.retracted.yaml"
            yield RULE.finding(f"there is no evidence {added.name!r} to retract", retraction)
        return
    try:
        record = judged.head.record(added.model, added.version)
        evidence = judged.head.manifest("Evidence", path)
    except InvalidManifest:
        return
    digest = getattr(evidence, "digest", None)
    if record is None or digest != record.artifact.digest:
        yield RULE.finding(
            "the evidence is about other bytes than this version's", judged.head.locate(path, "digest")
        )


RECORDS = ChangeRule(RULE, check)
