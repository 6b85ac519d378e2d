"""Plan an overtaken change again: what it meant is read off its own difference, and asked of another base."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gitreg.core.codec.edit import REMOVE, edit_yaml
from gitreg.core.codec.load import load_value
from gitreg.core.delta import (
    AliasMoved,
    Delta,
    EvidenceAdded,
    ModelCreated,
    ModelDeleted,
    ModelEdited,
    ModelRenamed,
    NotesEdited,
    StageChanged,
    VersionDeleted,
    VersionRegistered,
    delta,
    is_of_import,
    transitions,
)
from gitreg.core.manifest import ModelTombstone, VersionTombstone
from gitreg.core.names import NONE, Version
from gitreg.core.plan.alias import plan_clear_alias, plan_set_alias
from gitreg.core.plan.annotate import plan_annotate, plan_edit_model
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.imports import (
    ImportedModel,
    ImportedVersion,
    plan_imports,
    registration_of,
    weigh_imports,
)
from gitreg.core.plan.plan import Plan, demand_model
from gitreg.core.plan.register import NewModel, next_number
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.transition import plan_demote, plan_promote, plan_rollback
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import files_below, raw_changes
from gitreg.errors import Refused


def replan(old_base: Snapshot, head: Snapshot, base: Snapshot, now: datetime) -> Plan:
    """The plan on ``base`` that does what ``head`` did to ``old_base``.

    Raises:
        Refused: the change is not one that gitreg makes in one step, or cannot be done any more.
        NotFound: what it is about is not there any more.
        NothingToDo: the base is already as the change would make it.
    """
    old_base.registry()
    found = delta(old_base, head, tuple(raw_changes(old_base.tree, head.tree)))
    registered = _registered(found)
    if found.imported and not (registered and _is_by_hand(head, registered)):
        return _import(head, base, found)
    if registered is not None:
        return _register(head, base, registered, ModelCreated(registered.model) in found.changes)
    if found.of(StageChanged) and _only(found, StageChanged):
        return _move(found, base)
    deleted = _deleted_with_aliases(found)
    if deleted is not None:
        reason = _reason(head.version_tombstone(deleted.model, deleted.version))
        return plan_delete_version(base, deleted.model, deleted.version, reason, now, clear_aliases=True)
    if len(found.changes) == 1:
        return _single(old_base, head, base, found, now)
    raise Refused(
        "the change does several things at once and cannot be planned again", "make it again in parts"
    )


def _is_by_hand(head: Snapshot, registered: VersionRegistered) -> bool:
    """Whether nothing but its number makes a version an import."""
    return head.demand_record(registered.model, registered.version).imported_from is None


def _import(head: Snapshot, base: Snapshot, found: Delta) -> Plan:
    """The same versions in the same stages under the same aliases, where they are not here by now."""
    imported = found.imported
    if not all(is_of_import(change, imported) for change in found.changes):
        raise Refused(
            "the change does more than to import versions, and cannot be planned again",
            "make it again in parts",
        )
    models = sorted({model for model, _ in found.imported})
    asked = [_imported_model(head, model, found) for model in models]
    for weighed in weigh_imports(base, asked):
        if weighed.left:
            first = weighed.left[0]
            raise Refused(f"{first.subject}: {first.why}", "import again, which leaves out what cannot come")
    return plan_imports(base, asked)


def _imported_model(head: Snapshot, name: str, found: Delta) -> ImportedModel:
    model = head.model(name)
    new = (
        NewModel(model.title, model.description, model.owners, model.task, model.tags, head.scheme(name))
        if model
        else NewModel()
    )
    numbers = (version for each, version in found.imported if each == name)
    return ImportedModel(name, new, tuple(_imported_version(head, name, number) for number in numbers))


def _imported_version(head: Snapshot, name: str, number: Version) -> ImportedVersion:
    aliases = tuple(head.aliases_of(name, number))
    return ImportedVersion(number, registration_of(head, name, number), head.stage_of(name, number), aliases)


def _only(found: Delta, *types: type) -> bool:
    return all(isinstance(change, types) for change in found.changes)


def _deleted_with_aliases(found: Delta) -> VersionDeleted | None:
    """The version that a change deletes, if all else that it does is to clear the aliases that named it."""
    versions = found.of(VersionDeleted)
    moves = found.of(AliasMoved)
    if len(versions) != 1 or not moves or not _only(found, VersionDeleted, AliasMoved):
        return None
    one = versions[0]
    cleared = all(
        move.model == one.model
        and move.old is not None
        and move.old.pin is not None
        and move.old.pin.version == one.version
        and move.new is not None
        and move.new.pin is None
        for move in moves
    )
    return one if cleared else None


def _reason(tombstone: VersionTombstone | ModelTombstone | None) -> str | None:
    return tombstone.reason if tombstone else None


def _registered(found: Delta) -> VersionRegistered | None:
    """The version that a change adds, if that is all: with its evidence, and perhaps its model."""
    versions = found.of(VersionRegistered)
    if len(versions) != 1:
        return None
    one = versions[0]
    evidence = [e for e in found.of(EvidenceAdded) if (e.model, e.version) == (one.model, one.version)]
    return one if set(found.changes) <= {one, ModelCreated(one.model), *evidence} else None


def _register(head: Snapshot, base: Snapshot, change: VersionRegistered, creates: bool) -> Plan:
    """The same files; an integer version takes the next number.

    Only a change that made the model makes it again: what was deleted or renamed meanwhile does not come back so.
    """
    model, version = change.model, change.version
    if not creates:
        demand_model(base, model)
    number = _number(base, change)
    edits: dict[str, bytes | None] = {}
    folder = head.layout.version(model, version, "").rstrip("/")
    for path, entry in files_below(head.tree, folder):
        data = head.tree.blob(entry.oid)
        if number != version and path.endswith(".yaml"):
            data = edit_yaml(data, {("version",): number})
        edits[base.layout.version(model, number, path[len(folder) + 1 :])] = data
    blob = head.blob(head.layout.model(model)) if base.model(model) is None else None
    if blob is not None:
        edits[base.layout.model(model)] = blob.data
    kind = "copy" if change.copied else "register"
    return Plan(kind, f"Register {model}/{number}", (model, str(number)), edits)


def _number(base: Snapshot, change: VersionRegistered) -> Version:
    if isinstance(change.version, int) and not change.imported:
        return next_number(base, change.model)
    if base.is_taken(change.model, change.version):
        raise Refused(
            f"version {change.version} of {change.model!r} exists by now",
            "register it again under another number",
        )
    return change.version


def _move(found: Delta, base: Snapshot) -> Plan:
    policy = base.policy()
    moves = [move for move in transitions(found, policy) if not move.displaced]
    rolled_back = {(move.model, move.rollback) for move in moves if move.rollback}
    if len(rolled_back) == 1 and all(move.rollback for move in moves):
        model, stage = rolled_back.pop()
        assert stage is not None
        return plan_rollback(base, model, stage)
    if len(moves) != 1:
        raise Refused(
            "the change moves several versions and cannot be planned again", "make it again in parts"
        )
    move = moves[0]
    if move.target == NONE:
        return plan_demote(base, move.model, move.pin.version, NONE)
    return plan_promote(base, move.model, move.pin.version, move.target)


def _single(old_base: Snapshot, head: Snapshot, base: Snapshot, found: Delta, now: datetime) -> Plan:
    match found.changes[0]:
        case AliasMoved(model, alias, _, _, new) if new is not None:
            pin = new.pin
            return (
                plan_set_alias(base, model, alias, pin.version)
                if pin
                else plan_clear_alias(base, model, alias)
            )
        case NotesEdited(model, version):
            path = base.layout.version(model, version, "notes.yaml")
            return plan_annotate(base, model, version, dict(_differing(old_base, head, "VersionNotes", path)))
        case ModelEdited(model):
            return plan_edit_model(
                base, model, dict(_differing(old_base, head, "Model", base.layout.model(model)))
            )
        case VersionDeleted(model, version):
            reason = _reason(head.version_tombstone(model, version))
            return plan_delete_version(base, model, version, reason, now)
        case ModelDeleted(model):
            return plan_delete_model(base, model, _reason(head.model_tombstone(model)), now)
        case ModelRenamed(model, to):
            return plan_rename(base, model, to, now)
        case ModelCreated() | EvidenceAdded():
            return _same_files(head, base, found)
    raise Refused("the change is not one that gitreg can plan again", "make it again by hand")


def _same_files(head: Snapshot, base: Snapshot, found: Delta) -> Plan:
    """New files as they are, where the base has none of their names yet."""
    edits: dict[str, bytes | None] = {}
    for raw in found.raw:
        blob = head.blob(raw.path)
        if base.blob(raw.path) is not None:
            raise Refused(f"{raw.path} exists by now", "make the change again under another name")
        edits[raw.path] = blob.data if blob else None
    return Plan("evidence", "Add evidence", tuple(sorted(edits)), edits)


def _differing(
    old_base: Snapshot, head: Snapshot, kind: str, path: str
) -> Iterable[tuple[tuple[str, ...], object]]:
    """The keys whose values the change set or took away; of mappings the keys inside."""
    values = []
    for snapshot in (old_base, head):
        blob = snapshot.blob(path)
        values.append(load_value(kind, blob.data, path) if blob else {})
    yield from _differences(values[0], values[1], ())


def _differences(
    old: object, new: object, where: tuple[str, ...]
) -> Iterable[tuple[tuple[str, ...], object]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(old.get(key, REMOVE), new.get(key, REMOVE), (*where, key))
    elif old != new:
        yield where, new
