"""Promote, demote and roll back: moves of versions between stages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from gitreg.core.manifest import StageAssignment
from gitreg.core.names import NONE, Version, version_key
from gitreg.core.plan.plan import NothingToDo, Plan, written
from gitreg.core.policy import StagePolicy
from gitreg.core.record import Pin
from gitreg.core.snapshot import Snapshot
from gitreg.errors import NotFound, Refused

#: By version: its pin, the stage it leaves, the stage it enters.
Moves: TypeAlias = Mapping[Version, tuple[Pin, str, str]]


def plan_promote(
    snapshot: Snapshot,
    model: str,
    version: Version,
    target: str,
    *,
    archive_existing: bool | None = None,
    even_if_barred: bool = False,
) -> Plan:
    """Moves a version into ``target``; versions that must give way go where the stage's policy sends them.

    Args:
        archive_existing: True sends every other holder away, also where the version is there already; False keeps them
            all, None makes only the room that policy asks for.
        even_if_barred: plans also what policy forbids, for those who ask what the rules say of it.

    Raises:
        NotFound: no such version or stage.
        Refused: policy allows no such move, or no room.
        NothingToDo: the version is there already.
    """
    pin = snapshot.demand_record(model, version).pin
    source = snapshot.stage_of(model, version)
    settings = demand_stage(snapshot, target, model)
    if source == settings.name and archive_existing:
        return _plan_alone(snapshot, model, pin, settings, even_if_barred)
    if source == settings.name:
        raise NothingToDo(f"{model}/{version} is already in {settings.name}")
    if not even_if_barred:
        _demand_source(settings, source, model, version)
    moves = {version: (pin, source, settings.name)}
    for displaced in _displaced(snapshot, model, settings, archive_existing):
        moves[displaced.version] = (displaced, settings.name, settings.replaced)
    if _restores(snapshot, model, settings.name, moves):
        title = f"Roll {settings.name} back to {model}/{version}"
        return _plan_moves(snapshot, "rollback", title, model, moves, even_if_barred)
    title = f"Promote {model}/{version} to {settings.name}"
    return _plan_moves(snapshot, "promote", title, model, moves, even_if_barred)


def _plan_alone(
    snapshot: Snapshot, model: str, stays: Pin, settings: StagePolicy, even_if_barred: bool
) -> Plan:
    """Sends every holder of a stage away but one."""
    assignment = snapshot.stage(model, settings.name)
    others = [pin for pin in (assignment.versions if assignment else ()) if pin != stays]
    if not others:
        raise NothingToDo(f"{model}/{stays.version} is already in {settings.name}, and alone there")
    goal = snapshot.policy().stage(settings.replaced, model)
    if goal is not None and not even_if_barred:
        for pin in others:
            _demand_source(goal, settings.name, model, pin.version)
    moves = {pin.version: (pin, settings.name, settings.replaced) for pin in others}
    title = f"Leave {model}/{stays.version} alone in {settings.name}"
    return _plan_moves(snapshot, "demote", title, model, moves, even_if_barred)


def _restores(snapshot: Snapshot, model: str, stage: str, moves: Moves) -> bool:
    """Whether the moves leave a stage with just what it held before: a rollback, whatever it was asked as."""
    old = snapshot.stage(model, stage)
    return old is not None and bool(old.versions) and set(_moved(old, moves).versions) == set(old.previous)


def plan_demote(
    snapshot: Snapshot,
    model: str,
    version: Version,
    target: str | None = None,
    *,
    even_if_barred: bool = False,
) -> Plan:
    """Takes a version out of its stage, to ``target``, or by default to where the stage's policy sends versions.

    Raises NotFound, Refused (policy allows no such move, or no room; not with ``even_if_barred``), NothingToDo (it is
    in no stage).
    """
    pin = snapshot.demand_record(model, version).pin
    source = snapshot.stage_of(model, version)
    if source == NONE:
        raise NothingToDo(f"{model}/{version} is in no stage")
    goal = target or demand_stage(snapshot, source, model).replaced
    settings = demand_stage(snapshot, goal, model) if goal != NONE else snapshot.policy().stage(NONE, model)
    assert settings is not None, "every policy knows none"
    if settings.name == source:
        raise NothingToDo(f"{model}/{version} is already in {source}")
    if not even_if_barred:
        _demand_source(settings, source, model, version)
    title = f"Demote {model}/{version} from {source} to {settings.name}"
    moves = {version: (pin, source, settings.name)}
    return _plan_moves(snapshot, "demote", title, model, moves, even_if_barred)


def plan_rollback(
    snapshot: Snapshot, model: str, stage: str, to: Collection[Version] = (), *, even_if_barred: bool = False
) -> Plan:
    """Restores exactly the versions that a stage held before its last edit.

    Args:
        to: what it is expected to hold then. A second rollback would undo the first; with ``to`` it does nothing.
        even_if_barred: also where there is no room.

    Raises:
        NotFound: no such stage.
        Refused: nothing to restore, something else than ``to``, a version that was deleted, or no room.
        NothingToDo: the stage holds that already.
    """
    settings = demand_stage(snapshot, stage, model)
    assignment = snapshot.stage(model, settings.name)
    if to:
        _demand_previous(assignment, model, settings.name, set(to))
    if assignment is None or not assignment.previous:
        raise Refused(
            f"{settings.name} of {model!r} has nothing to roll back to",
            f"gitreg history {model} shows what it held",
        )
    if set(assignment.previous) == set(assignment.versions):
        raise NothingToDo(f"{settings.name} of {model!r} holds what it held before")
    moves = {pin.version: (pin, settings.name, settings.replaced) for pin in assignment.versions}
    for pin in assignment.previous:
        if snapshot.record(model, pin.version) is None:
            raise Refused(
                f"{model}/{pin.version} was deleted and cannot be restored", "promote another version"
            )
        moves.pop(pin.version, None)
        if pin not in assignment.versions:
            moves[pin.version] = (pin, snapshot.stage_of(model, pin.version), settings.name)
    restored = " and ".join(f"{model}/{pin.version}" for pin in assignment.previous)
    title = f"Roll {settings.name} back to {restored}"
    return _plan_moves(snapshot, "rollback", title, model, moves, even_if_barred)


def _demand_previous(
    assignment: StageAssignment | None, model: str, stage: str, expected: set[Version]
) -> None:
    """Raises NothingToDo where a stage holds the expected versions, Refused where they are not what it held before."""
    holds = _versions(assignment.versions if assignment else ())
    before = _versions(assignment.previous if assignment else ())
    if set(holds) == expected:
        raise NothingToDo(f"{stage} of {model!r} holds {_listed(holds)} already")
    if set(before) != expected:
        raise Refused(
            f"{stage} of {model!r} held {_listed(before)} before, not {_listed(sorted(expected, key=version_key))}",
            "gitreg promote moves any version that policy lets in",
        )


def _versions(pins: Iterable[Pin]) -> list[Version]:
    return [pin.version for pin in pins]


def _listed(versions: Iterable[Version]) -> str:
    return " and ".join(f"version {version}" for version in versions) or "nothing"


def demand_stage(snapshot: Snapshot, stage: str, model: str) -> StagePolicy:
    """The policy of a stage by its name, without regard to case. Raises NotFound."""
    policy = snapshot.policy()
    name = next((n for n in policy.stage_names if n.lower() == stage.lower()), stage)
    settings = policy.stage(name, model)
    if settings is None or name == NONE:
        raise NotFound(
            f"the policy has no stage {stage!r}", f"its stages are {', '.join(policy.stage_names)}"
        )
    return settings


def _demand_source(settings: StagePolicy, source: str, model: str, version: Version) -> None:
    if settings.sources is None or source in settings.sources:
        return
    now = f"{model}/{version} is in {'no stage' if source == NONE else source}"
    hint = None
    if settings.sources:
        first = settings.sources[0]
        verb = "demote" if first == NONE else "promote"
        hint = f"gitreg {verb} {model}/{version} --to {first}"
    allowed = ", ".join(settings.sources) or "nowhere"
    raise Refused(f"{now}, and {settings.name} takes versions only from {allowed}", hint)


def _displaced(
    snapshot: Snapshot, model: str, settings: StagePolicy, archive_existing: bool | None
) -> Iterable[Pin]:
    """The holders that give way: all if asked, else the lowest ones, as many as policy's ``holds`` asks for."""
    assignment = snapshot.stage(model, settings.name)
    holders = sorted(assignment.versions if assignment else (), key=lambda pin: version_key(pin.version))
    if archive_existing:
        return holders
    excess = 0 if settings.holds is None else max(0, len(holders) + 1 - settings.holds)
    if excess and archive_existing is False:
        raise Refused(
            f"{settings.name} of {model!r} holds at most {settings.holds}, and is full",
            "leave --keep out",
        )
    return holders[:excess]


def _plan_moves(
    snapshot: Snapshot, kind: str, title: str, model: str, moves: Moves, even_if_full: bool
) -> Plan:
    stages = {stage for _, *ends in moves.values() for stage in ends if stage != NONE}
    edits: dict[str, bytes | None] = {}
    serials: list[object] = []
    for stage in sorted(stages):
        old = snapshot.stage(model, stage) or StageAssignment(model, stage, 0)
        new = _moved(old, moves)
        if not even_if_full:
            demand_room(snapshot, model, new)
        path = snapshot.layout.stage(model, old.stage)
        edits[path] = written(snapshot, path, new.as_yaml(), ("serial", "versions", "previous"))
        serials.append([old.stage, old.serial])
    asked = sorted([str(version), pin.digest, source, goal] for version, (pin, source, goal) in moves.items())
    return Plan(kind, title, (model, asked, serials), edits)


def demand_room(snapshot: Snapshot, model: str, assignment: StageAssignment) -> None:
    """Raises Refused where a stage would hold more versions than policy allows for a model of that name."""
    settings = snapshot.policy().stage(assignment.stage, model)
    if settings and settings.holds is not None and len(assignment.versions) > settings.holds:
        first = min(assignment.versions, key=lambda pin: version_key(pin.version)).version
        raise Refused(
            f"{assignment.stage} of {model!r} would hold {len(assignment.versions)} versions, and at most"
            f" {settings.holds} may be there",
            f"gitreg demote {assignment.model}/{first} --to {NONE} first",
        )


def _moved(old: StageAssignment, moves: Moves) -> StageAssignment:
    stays = [pin for pin in old.versions if moves.get(pin.version, (None, None))[1] != old.stage]
    comes = [pin for pin, _, goal in moves.values() if goal == old.stage]
    versions = tuple(sorted(stays + comes, key=lambda pin: version_key(pin.version)))
    return StageAssignment(old.model, old.stage, old.serial + 1, versions, old.versions)
