"""GR501: the bytes of a version are on the base's remote, and are the ones that its record names."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import VersionRegistered, serves
from gitreg.core.digest import artifact_digest
from gitreg.core.findings import Finding
from gitreg.core.names import Version
from gitreg.core.ports import DvcPointer
from gitreg.core.record import ModelVersion
from gitreg.core.verify.evidence import Unknown
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR501", "artifacts", "The bytes are on the remote, and are the ones that the record names")


def check(judged: Judged) -> Iterator[Finding]:
    """New versions are read byte for byte; of versions that enter a stage it is looked up that all is there.

    What leaves need not be there: a version whose bytes are lost must be easy to take down.
    """
    new = {(added.model, added.version) for added in judged.delta.of(VersionRegistered)}
    for model, version in sorted(new, key=str):
        for record, pointer in _artifact(judged, model, version):
            yield from _contents(judged, model, record, pointer)
    for move in judged.transitions:
        if serves(move, judged.policy) and (move.model, move.pin.version) not in new:
            for record, pointer in _artifact(judged, move.model, move.pin.version):
                yield from _presence(judged, move.model, record, pointer)


def _artifact(judged: Judged, model: str, version: Version) -> Iterator[tuple[ModelVersion, DvcPointer]]:
    try:
        record = judged.head.record(model, version)
        pointer = judged.head.dvc_pointer(model, record) if record else None
    except InvalidManifest:
        return
    if record is not None and pointer is not None:
        yield record, pointer


def _contents(judged: Judged, model: str, record: ModelVersion, pointer: DvcPointer) -> Iterator[Finding]:
    path = judged.head.layout.version(model, record.version)
    found = judged.evidence.contents.get(pointer, Unknown("nobody looked"))
    if isinstance(found, Unknown):
        yield RULE.undecided(f"the artifact of {model}/{record.version} could not be read: {found.why}", path)
    elif isinstance(found, str):
        yield RULE.finding(f"the artifact of {model}/{record.version}: {found}", path, "register it again")
    elif artifact_digest(found) != record.artifact.digest:
        yield RULE.finding(
            f"the bytes on the remote have the digest {artifact_digest(found)[:19]}…, but the record says"
            f" {record.artifact.digest[:19]}…",
            judged.head.locate(path, "artifact", "digest"),
            "register it again",
        )
    elif (sum(file.size for file in found), len(found)) != (record.artifact.size, record.artifact.files):
        yield RULE.finding(
            f"the artifact has {sum(file.size for file in found)} bytes in {len(found)} files, but the record says"
            f" {record.artifact.size} in {record.artifact.files}",
            judged.head.locate(path, "artifact", "size"),
            "register it again",
        )


def _presence(judged: Judged, model: str, record: ModelVersion, pointer: DvcPointer) -> Iterator[Finding]:
    path = judged.head.layout.version(model, record.version, f"{record.artifact.path}.dvc")
    found = judged.evidence.presence.get(pointer, Unknown("nobody looked"))
    if isinstance(found, Unknown):
        yield RULE.undecided(f"whether the artifact of {model}/{record.version} is there: {found.why}", path)
    elif found.missing or found.corrupt:
        count = len(found.missing)
        missing = "1 object is missing" if count == 1 else f"{count} objects are missing"
        what = missing if found.missing else found.corrupt[0]
        yield RULE.finding(
            f"the artifact of {model}/{record.version} is not whole on the remote: {what}", path
        )


ARTIFACTS = ChangeRule(RULE, check)
