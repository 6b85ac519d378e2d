"""What must be known about the world before a change can be judged, and what was found out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import Delta, RulesChanged, Transition, VersionRegistered, serves, transitions
from gitreg.core.layout import POLICY_FILE
from gitreg.core.names import NONE, Version
from gitreg.core.policy import MetricGate, Policy, StagePolicy
from gitreg.core.ports import Conversation, DvcPointer, Identity, ListedFile, Presence, Pusher, Statement
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import RawChange
from gitreg.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SoakQuestion:
    """Has ``stage`` of ``model`` been as it is at the base for ``period``?"""

    model: str
    stage: str
    period: timedelta


@dataclass(frozen=True, slots=True)
class InnerChange:
    """What one commit inside a branch does to one path.

    ``size`` is of what it leaves there, in bytes, counted up to one more than any manifest may have; None: nothing.
    """

    commit: str
    raw: RawChange
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Landing:
    """The commit that puts a change on ``ref``, the registry's branch by its full name, where there is one already.

    ``time`` is the commit's, ``parent_time`` its first parent's (None: it has none), ``received`` the clock of the
    server that was asked to take it (None: judged afterwards); all in UTC. ``astray`` is where the tree of a merge
    differs from the candidate. ``queued``: it waits in a merge queue, and has not landed.
    """

    commit: str
    ref: str
    time: datetime
    parent_time: datetime | None = None
    received: datetime | None = None
    parents: int = 1
    astray: tuple[RawChange, ...] = ()
    queued: bool = False


@dataclass(frozen=True, slots=True)
class Required:
    """The questions that a change raises.

    ``contents``: artifacts of which every byte must be read (new versions); ``presence``: artifacts that must be
    there (versions that enter a stage). ``approvals``: whether any approval is needed. ``zones``: time zones of which
    it must be known what their clocks show. ``landers``: files of which it counts who landed them. ``rules``: rules
    files of which it counts when the registry's branch last changed any; ``evidence`` the same of folders of evidence.
    """

    approvals: bool
    contents: tuple[DvcPointer, ...] = ()
    presence: tuple[DvcPointer, ...] = ()
    soaks: tuple[SoakQuestion, ...] = ()
    rules: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    landers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """An answer that could not be had, and why."""

    why: str


Contents: TypeAlias = tuple[ListedFile, ...] | str | Unknown


@dataclass(frozen=True)
class Evidence:
    """What was found out. Whatever is missing here is undecided, never a pass.

    ``now`` is the moment of judgement; ``target`` the full name of the ref that the change would move; ``registry``
    the registry's id; ``change_id`` and ``policy_blob`` what approvals must name; ``request`` the change request's
    number, if there is one; ``hub`` what tells the place of the request from copies of it. ``statements`` are the
    signed approvals and revocations that name the change, ``author`` the signed opening, ``pusher`` who brings a change
    that has no request. ``contents`` has for each pointer the files found, or a line on what is wrong with them;
    ``local_times`` what the clocks of each time zone show at ``now``, as a naive ``datetime``; ``landers`` the person
    who landed each file (None: it has not landed). ``inner`` is what the commits of the change's branch do one by one,
    where there are several, and ``written_by`` whom these commits name as authors; ``landing`` is the commit that puts
    it on the registry's branch, where one is judged.
    ``soaks`` are the answers; ``unchanged_since`` says of those that are a no since when (UTC) the stage is as it is
    now, where it is at all: what is left, for people. ``rules_changed`` is when the branch last changed one of the
    rules files that the change touches (None: not since the oldest approval that counts was given; commits' time, UTC).

    On a hosted forge, ``conversation`` is what it knows of who made the request and who reviewed it (None: nothing but
    signed statements counts), ``reviewed`` the change id of what the reviewers saw, ``opened`` when the request was
    opened (UTC), ``titles`` what somebody who has CI open this very request would call it. ``evidence_changed`` is as
    ``rules_changed``, of the evidence beside the versions that move: a review does not name it.
    """

    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    target: str = ""
    registry: str = ""
    change_id: str = ""
    policy_blob: str = ""
    request: str = ""
    hub: str = ""
    author: Statement | None = None
    pusher: Pusher | None = None
    statements: tuple[Statement, ...] | Unknown = Unknown("nobody asked for approvals")
    presence: Mapping[DvcPointer, Presence | Unknown] = field(default_factory=dict)
    contents: Mapping[DvcPointer, Contents] = field(default_factory=dict)
    soaks: Mapping[SoakQuestion, bool | Unknown] = field(default_factory=dict)
    rules_changed: datetime | Unknown | None = Unknown("nobody looked")
    unchanged_since: Mapping[SoakQuestion, datetime] = field(default_factory=dict)
    local_times: Mapping[str, datetime | Unknown] = field(default_factory=dict)
    landers: Mapping[str, str | Unknown | None] = field(default_factory=dict)
    inner: tuple[InnerChange, ...] | Unknown = ()
    written_by: tuple[Identity, ...] = ()
    landing: Landing | None = None
    conversation: Conversation | Unknown | None = None
    reviewed: str = ""
    opened: datetime | None = None
    titles: tuple[str, ...] = ()
    evidence_changed: datetime | Unknown | None = Unknown("nobody looked")


def required_evidence(base: Snapshot, head: Snapshot, delta: Delta, policy: Policy) -> Required:
    """Names what must be known to judge a change, and nothing more."""
    from gitreg.core.verify.approvals import approvals_needed

    new = [(c.model, c.version) for c in delta.of(VersionRegistered)]
    moves = transitions(delta, policy)
    entering = [(m.model, m.pin.version) for m in moves if serves(m, policy)]
    needs_approval = bool(approvals_needed(base, delta, policy))
    return Required(
        approvals=needs_approval,
        contents=tuple(dict.fromkeys(_pointers(head, new))),
        presence=tuple(dict.fromkeys(_pointers(head, [v for v in entering if v not in new]))),
        soaks=tuple(dict.fromkeys(_soaks(delta, policy))),
        rules=_rules(base, delta) if needs_approval else (),
        evidence=tuple(dict.fromkeys(_evidence_folders(base, moves))) if needs_approval else (),
        zones=tuple(sorted({*_zones(moves, policy), *zones_of_new_rules(head, delta)})),
        landers=tuple(dict.fromkeys(_landers(head, moves, policy))),
    )


def _rules(base: Snapshot, delta: Delta) -> tuple[str, ...]:
    """The policy, and the rules files that change: an approval that is older than their last change is void."""
    changed = (change.path for change in delta.of(RulesChanged))
    return tuple(dict.fromkeys([base.layout.path(POLICY_FILE), *changed]))


def _evidence_folders(base: Snapshot, moves: Iterable[Transition]) -> Iterator[str]:
    for move in moves:
        if move.target != NONE:
            yield base.layout.version(move.model, move.pin.version, "evidence")


def _pointers(head: Snapshot, versions: list[tuple[str, Version]]) -> Iterator[DvcPointer]:
    for model, version in versions:
        try:
            record = head.record(model, version)
            pointer = head.dvc_pointer(model, record) if record else None
        except InvalidManifest:
            continue  # the manifest rule reports it
        if pointer is not None:
            yield pointer


def _soaks(delta: Delta, policy: Policy) -> Iterator[SoakQuestion]:
    for move in transitions(delta, policy):
        settings = policy.stage(move.target, move.model)
        is_exempt = move.rollback or move.displaced or move.imported
        if settings and settings.soak and not is_exempt:
            yield SoakQuestion(move.model, settings.soak.stage, settings.soak.period)


def stages_in_force(move: Transition, policy: Policy) -> list[StagePolicy]:
    """The stages with freeze windows that a move would enter or leave, and whose windows it must heed.

    What gives way heeds none: the version that makes it give way does. A rollback heeds neither those of the stage
    that it restores nor of where that stage sends versions; what it takes out of another stage leaves that as any does.
    """
    if move.displaced:
        return []
    ends = [policy.stage(name, move.model) for name in (move.source, move.target)]
    restored = policy.stage(move.rollback, move.model) if move.rollback else None
    exempt = {restored.name, restored.replaced, NONE} if restored else set()
    return [stage for stage in ends if stage and stage.windows and stage.name not in exempt]


def _zones(moves: Iterable[Transition], policy: Policy) -> Iterator[str]:
    for move in moves:
        for stage in stages_in_force(move, policy):
            yield from (window.zone for window in stage.windows)


def zones_of_new_rules(head: Snapshot, delta: Delta) -> tuple[str, ...]:
    """The time zones that a changed policy names: one that nobody knows would be frozen for good."""
    if not delta.of(RulesChanged):
        return ()
    try:
        return head.policy().zones
    except (InvalidManifest, ConfigError):
        return ()  # the manifest rule reports it


def _landers(head: Snapshot, moves: Iterable[Transition], policy: Policy) -> Iterator[str]:
    """The records and the evidence that gates with ``by`` look at."""
    for move in moves:
        settings = policy.stage(move.target, move.model)
        is_exempt = move.displaced or move.rollback or move.imported
        gates = settings.gates if settings and not is_exempt else ()
        if any(isinstance(gate, MetricGate) and gate.by for gate in gates):
            version = move.pin.version
            yield head.layout.version(move.model, version)
            for name in head.evidence_names(move.model, version):
                yield head.layout.version(move.model, version, f"evidence/{name}.yaml")
