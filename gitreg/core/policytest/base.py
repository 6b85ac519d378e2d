"""The registry before a case's change: the registry as it is, or one with made-up models, after some steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from gitreg.core.codec.schema import Schemas
from gitreg.core.decode import Where
from gitreg.core.findings import Outcome
from gitreg.core.manifest import Alias, StageAssignment
from gitreg.core.names import NONE, Version, version_key
from gitreg.core.plan.plan import Plan, checked, dumped, new_file
from gitreg.core.plan.register import version_files
from gitreg.core.policytest.case import CaseBase, CaseModel
from gitreg.core.policytest.people import BrokenCase, shifted
from gitreg.core.policytest.steps import evidence_plan, registration, taken
from gitreg.core.ports import Blob, Entry, Tree
from gitreg.core.record import Pin
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import edited
from gitreg.core.verify.engine import validate
from gitreg.errors import GitregError

#: How long before the change everything was made that a case makes up.
MADE_BEFORE = timedelta(days=365)


def base_of(base: CaseBase, current: Snapshot, schemas: Schemas, now: datetime) -> Snapshot:
    """The registry that a case describes. Raises BrokenCase, also where it is not a valid one."""
    made = shifted(now, -MADE_BEFORE)
    before = current if base.models is None else _made_up(base.models, current, made)
    found = taken(before, base.steps, ("base", "steps"), made)
    if base.models is not None:
        _demand_valid(found, schemas)
    return found


def _demand_valid(snapshot: Snapshot, schemas: Schemas) -> None:
    wrong = [f for f in validate(snapshot, schemas) if f.outcome is not Outcome.WARNING]
    if wrong:
        place = f"{wrong[0].location}: " if wrong[0].location else ""
        raise BrokenCase(
            ("base",),
            f"the registry that it describes is not valid: {place}{wrong[0].rule} {wrong[0].message}",
            wrong[0].fix,
        )


def _made_up(models: Mapping[str, CaseModel], current: Snapshot, made: datetime) -> Snapshot:
    """The registry's rules and unmanaged files, with other models."""
    snapshot = current.with_tree(_Without(current.tree, current.layout.models))
    for name, model in models.items():
        where = ("base", "models", name)
        try:
            edits = dict(_model_files(snapshot, name, model, where, made))
            checked(snapshot, Plan("register", name, (), edits))
        except BrokenCase:
            raise
        except (GitregError, ValueError) as error:
            raise BrokenCase(where, str(error)) from None
        snapshot = snapshot.with_tree(edited(snapshot.tree, edits))
        snapshot = _with_evidence(snapshot, name, model, where, made)
    return snapshot


class _Without(Tree):
    """A tree without one folder, which is not looked into: it may be of any size."""

    def __init__(self, tree: Tree, folder: str) -> None:
        self._tree = tree
        self._folder = folder

    def _is_in(self, path: str) -> bool:
        return path == self._folder or path.startswith(f"{self._folder}/")

    def read(self, path: str) -> Blob | None:
        """See :class:`gitreg.core.ports.Tree`."""
        return None if self._is_in(path) else self._tree.read(path)

    def list(self, path: str) -> Mapping[str, Entry]:
        """See :class:`gitreg.core.ports.Tree`."""
        if self._is_in(path):
            return {}
        parent, _, name = self._folder.rpartition("/")
        found = self._tree.list(path)
        return {key: entry for key, entry in found.items() if key != name} if path == parent else found

    def blob(self, oid: str) -> bytes:
        """See :class:`gitreg.core.ports.Tree`."""
        return self._tree.blob(oid)


Files: TypeAlias = Iterator[tuple[str, bytes | None]]


def _model_files(snapshot: Snapshot, name: str, model: CaseModel, where: Where, made: datetime) -> Files:
    scheme = "semver" if any(isinstance(each.version, str) for each in model.versions) else "integer"
    yield snapshot.layout.model(name), new_file("Model", {"name": name, "versions": scheme})
    pins: dict[Version, Pin] = {}
    for index, each in enumerate(model.versions):
        place = (*where, "versions", index)
        if each.version in pins:
            raise BrokenCase((*place, "version"), f"version {each.version} stands here twice")
        asked = registration(snapshot, name, str(each.version), each.facts, place, made)
        pins[each.version] = Pin(each.version, asked.artifact.digest)
        yield from version_files(snapshot, name, each.version, asked).items()
    yield from _stage_files(snapshot, name, model, pins, where)
    yield from _alias_files(snapshot, name, model, pins)


def _stage_files(
    snapshot: Snapshot, name: str, model: CaseModel, pins: Mapping[Version, Pin], where: Where
) -> Files:
    stages = dict.fromkeys([*(each.stage for each in model.versions if each.stage != NONE), *model.previous])
    for stage in stages:
        held = [pins[each.version] for each in model.versions if each.stage == stage]
        before = []
        for index, version in enumerate(model.previous.get(stage, ())):
            if version not in pins:
                place = (*where, "previous", stage, index)
                raise BrokenCase(place, f"there is no version {version} of {name!r} in this case")
            before.append(pins[version])
        order = sorted(held, key=lambda pin: version_key(pin.version))
        assignment = StageAssignment(name, stage, 1, tuple(order), tuple(before))
        yield snapshot.layout.stage(name, stage), dumped(assignment.as_yaml())


def _alias_files(snapshot: Snapshot, name: str, model: CaseModel, pins: Mapping[Version, Pin]) -> Files:
    for each in model.versions:
        for alias in each.aliases:
            file = Alias(name, alias, 1, pins[each.version])
            yield snapshot.layout.alias(name, alias), dumped(file.as_yaml())


def _with_evidence(snapshot: Snapshot, name: str, model: CaseModel, where: Where, made: datetime) -> Snapshot:
    for index, each in enumerate(model.versions):
        for number, facts in enumerate(each.evidence):
            place = (*where, "versions", index, "evidence", number)
            try:
                plan = evidence_plan(snapshot, name, each.version, facts, place, made)
            except BrokenCase:
                raise
            except GitregError as error:
                raise BrokenCase(place, error.message, error.hint) from None
            snapshot = snapshot.with_tree(edited(snapshot.tree, plan.edits))
    return snapshot
