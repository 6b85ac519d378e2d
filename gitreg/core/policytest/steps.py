"""What the steps of a case do: the plans that gitreg's commands would make, those that policy forbids too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from gitreg.core.codec.edit import edit_yaml
from gitreg.core.decode import Where
from gitreg.core.manifest import Alias, StageAssignment
from gitreg.core.names import Version, is_semver, parse_reference
from gitreg.core.plan.alias import plan_clear_alias, plan_set_alias
from gitreg.core.plan.annotate import plan_annotate
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.evidence import NewEvidence, plan_evidence, plan_retract
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import NewModel, Registration, plan_register
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.transition import plan_demote, plan_promote, plan_rollback
from gitreg.core.policytest.case import (
    AddEvidence,
    Annotate,
    Delete,
    Demote,
    EvidenceFacts,
    Facts,
    Promote,
    Register,
    Remove,
    Rename,
    Replace,
    Retract,
    Rollback,
    SetAlias,
    Step,
    Write,
)
from gitreg.core.policytest.people import NOBODY, BrokenCase, identity
from gitreg.core.ports import DvcPointer
from gitreg.core.record import Artifact
from gitreg.core.resolve import resolve
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import edited
from gitreg.errors import GitregError, NotFound, UsageError

Edits = Mapping[str, bytes | None]

#: The size in bytes of an artifact that nobody made.
MADE_UP_SIZE = 1000


def taken(snapshot: Snapshot, steps: Sequence[Step], where: Where, now: datetime) -> Snapshot:
    """The registry after some steps, one by one; ``where`` leads to them in the case. Raises BrokenCase."""
    for index, step in enumerate(steps):
        edits = step_edits(snapshot, step, (*where, index), now)
        snapshot = snapshot.with_tree(edited(snapshot.tree, edits))
    return snapshot


def taken_at_once(snapshot: Snapshot, steps: Sequence[Step], where: Where, now: datetime) -> Snapshot:
    """The registry after some steps that are one change: a pointer that several of them move counts one move."""
    base, moved = snapshot, set[str]()
    for index, step in enumerate(steps):
        edits = dict(step_edits(snapshot, step, (*where, index), now))
        if not isinstance(step, Write | Remove | Replace):
            edits |= {path: _as_one_move(snapshot, path, edits[path]) for path in moved & edits.keys()}
            moved |= edits.keys()
        snapshot = snapshot.with_tree(edited(snapshot.tree, edits))
    back = {path: blob.data for path in moved if (blob := base.blob(path)) and _is_back(base, snapshot, path)}
    return snapshot.with_tree(edited(snapshot.tree, back)) if back else snapshot


def _is_back(base: Snapshot, snapshot: Snapshot, path: str) -> bool:
    """Whether a pointer names again what it named before the change."""
    kind = base.layout.place(path).kind or ""
    match kind and base.manifest(kind, path), kind and snapshot.manifest(kind, path):
        case StageAssignment(versions=before), StageAssignment(versions=after):
            return before == after
        case Alias(pin=before), Alias(pin=after):
            return before == after
    return False


def _as_one_move(snapshot: Snapshot, path: str, data: bytes | None) -> bytes | None:
    """A pointer's new text with the serial, and what it held before, of the move that is in the change already."""
    kind = snapshot.layout.place(path).kind or ""
    before = snapshot.manifest(kind, path) if kind in {"StageAssignment", "Alias"} else None
    if data is None or not isinstance(before, StageAssignment | Alias):
        return data
    kept: dict[tuple[str, ...], object] = {("serial",): before.serial}
    if isinstance(before, StageAssignment):
        kept |= {("previous",): [pin.as_yaml() for pin in before.previous]}
    return edit_yaml(data, kept)


def step_edits(snapshot: Snapshot, step: Step, where: Where, now: datetime) -> Edits:
    """The edits of one step. Raises BrokenCase where it cannot be taken."""
    try:
        return _edits(snapshot, step, where, now)
    except BrokenCase:
        raise
    except GitregError as error:
        raise BrokenCase(where, error.message, error.hint) from None
    except ValueError as error:
        raise BrokenCase(where, str(error)) from None


def _edits(snapshot: Snapshot, step: Step, where: Where, now: datetime) -> Edits:
    match step:
        case Write(files):
            return {placed(snapshot, path): content.encode() for path, content in files.items()}
        case Remove(paths):
            return {_there(snapshot, path)[0]: None for path in paths}
        case Replace(path, old, new):
            return _replaced(snapshot, path, old, new)
    return _plan(snapshot, step, where, now).edits


def placed(snapshot: Snapshot, path: str) -> str:
    """A path of a case from the repository's root: as it stands behind a slash, else in the registry's folder."""
    return path[1:] if path.startswith("/") else snapshot.layout.path(path)


def _there(snapshot: Snapshot, path: str) -> tuple[str, bytes]:
    place = placed(snapshot, path)
    blob = snapshot.blob(place)
    if blob is None:
        raise NotFound(f"there is no file {place!r}")
    return place, blob.data


def _replaced(snapshot: Snapshot, path: str, old: str, new: str) -> Edits:
    place, data = _there(snapshot, path)
    count = data.count(old.encode())
    if count != 1:
        raise UsageError(f"the text to be replaced stands {count} times in {place!r}", "name it exactly")
    return {place: data.replace(old.encode(), new.encode())}


def _plan(snapshot: Snapshot, step: Step, where: Where, now: datetime) -> Plan:
    match step:
        case Promote(reference, to):
            return plan_promote(snapshot, *_version(snapshot, reference), to, even_if_barred=True)
        case Demote(reference, to):
            return plan_demote(snapshot, *_version(snapshot, reference), to, even_if_barred=True)
        case Rollback(model, stage):
            return plan_rollback(snapshot, snapshot.find_model(model), stage, even_if_barred=True)
        case SetAlias(alias, version):
            return _alias(snapshot, alias, version)
        case Delete(target):
            return _delete(snapshot, target, now)
        case Rename(model, to):
            return plan_rename(snapshot, model, to, now, even_if_barred=True)
    return _record_plan(snapshot, step, where, now)


def _record_plan(snapshot: Snapshot, step: Step, where: Where, now: datetime) -> Plan:
    match step:
        case Register(model, facts, version):
            number = len(snapshot.numbers(snapshot.spelling(model) or model)) + 1
            asked = registration(snapshot, model, f"new {number}", facts, where, now, version)
            return plan_register(snapshot, asked)
        case Annotate(reference, description, tags, card):
            edits: dict[tuple[str, ...], object] = {("tags", key): value for key, value in tags.items()}
            edits |= {("card", key): value for key, value in card.items()}
            edits |= {("description",): description} if description is not None else {}
            return plan_annotate(snapshot, *_version(snapshot, reference), edits)
        case AddEvidence(reference, facts):
            return evidence_plan(snapshot, *_version(snapshot, reference), facts, where, now)
        case Retract(reference, name):
            reason = "retracted by a case"
            return plan_retract(snapshot, *_version(snapshot, reference), name, reason, NOBODY, now)
    raise AssertionError(f"a step of the type {type(step).__name__} has edits of its own")


def _version(snapshot: Snapshot, reference: str) -> tuple[str, Version]:
    found = resolve(snapshot, parse_reference(reference))
    return found.model, found.record.version


def _alias(snapshot: Snapshot, alias: str, version: Version | None) -> Plan:
    wanted = parse_reference(alias)
    if wanted.alias is None:
        raise UsageError(f"{alias!r} is no alias", "write MODEL@ALIAS")
    model = snapshot.find_model(wanted.model)
    if version is None:
        return plan_clear_alias(snapshot, model, wanted.alias)
    return plan_set_alias(snapshot, model, wanted.alias, version, even_if_barred=True)


def _delete(snapshot: Snapshot, target: str, now: datetime) -> Plan:
    if "/" in target.removeprefix("models:/") or "@" in target:
        return plan_delete_version(snapshot, *_version(snapshot, target), None, now, even_if_used=True)
    return plan_delete_model(snapshot, snapshot.find_model(target), None, now, even_if_used=True)


def evidence_plan(
    snapshot: Snapshot, model: str, version: Version, facts: EvidenceFacts, where: Where, now: datetime
) -> Plan:
    """The plan that adds evidence on a version."""
    new = NewEvidence(
        name=facts.name,
        dataset=facts.dataset,
        dataset_digest=f"sha256:{_sha256(facts.dataset)}",
        metrics=facts.metrics,
        created_by=identity(snapshot.policy(), facts.by, (*where, "by")),
        created_at=now,
    )
    return plan_evidence(snapshot, model, version, new)


def registration(
    snapshot: Snapshot,
    model: str,
    bytes_: str,
    facts: Facts,
    where: Where,
    now: datetime,
    version: str | None = None,
) -> Registration:
    """A registration of bytes that nobody made: ``bytes_`` tells those of one version from another's."""
    digest = _sha256(f"{model} {bytes_}")
    artifact = Artifact("model.bin", f"sha256:{digest}", MADE_UP_SIZE, 1, facts.format)
    return Registration(
        model=model,
        artifact=artifact,
        pointer=DvcPointer(artifact.path, digest[:32], artifact.size, 1),
        created_by=identity(snapshot.policy(), facts.by, (*where, "by")),
        created_at=now,
        create=NewModel(scheme="semver" if version is not None and is_semver(version) else None),
        version=version,
        metrics=facts.metrics,
        params=facts.params,
        signature=facts.signature,
        environment=facts.environment,
        source=facts.source,
        card=facts.card,
        tags=facts.tags,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
