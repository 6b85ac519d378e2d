"""Import models from another system: take the bytes, store them, and only then let a change refer to them.

An import can be killed at any point and run again: what is here is left alone, and what was stored is not stored again.
It is bounded: a change has so many models at most, and the bytes of one version alone lie on this machine at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from gitreg.core.names import Version
from gitreg.core.plan.imports import (
    ImportedModel,
    ImportedVersion,
    LeftOut,
    home_of,
    import_branch,
    plan_imports,
    registration_of,
    unread,
    weigh_imports,
)
from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.register import NewModel, Registration
from gitreg.core.ports import ArtifactStore, Identity
from gitreg.core.record import ImportedFrom
from gitreg.core.snapshot import Snapshot
from gitreg.errors import ConfigError, NotFound, Refused, Undecided, UsageError
from gitreg.flows.land import Landed, LandingMode, Rejected, demand_landable, direct_obstacle, land
from gitreg.flows.pending import own_proposal
from gitreg.flows.propose import Proposed
from gitreg.flows.register import NewVersion, inspected, upload
from gitreg.flows.workspace import Workspace

#: How many models a change request has at most: each of its versions is read byte for byte when it is judged.
MODELS_PER_REQUEST = 100
#: After so many versions in a row that could not be read, what holds them does not answer.
MOST_UNREAD = 5


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """One version as another system lists it.

    Attributes:
        version: its number here.
        name: the version as that system writes it.
        created_at: when it was registered there, in UTC.
        created_by: who did (None: the system does not know).
        format: of its artifact, as far as it is known before that is read.
        stage: the stage that it is in there (None: in none).
    """

    version: Version
    name: str
    created_at: datetime
    created_by: str | None = None
    format: str = "custom"
    stage: str | None = None
    aliases: tuple[str, ...] = ()
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceModel:
    """One model as another system lists it; ``left`` is what of it no registry of gitreg's could hold."""

    name: str
    new: NewModel = field(default_factory=NewModel)
    versions: tuple[SourceVersion, ...] = ()
    left: tuple[LeftOut, ...] = ()


class Source(Protocol):
    """Another system's registry, read only.

    ``system`` and ``registry`` are as a record's ``imported_from`` has them.
    """

    @property
    def system(self) -> str:
        """What kind of registry it is."""
        ...

    @property
    def registry(self) -> str:
        """Its address, without secrets."""
        ...

    def names(self) -> Sequence[str]:
        """The names of its models, each once."""
        ...

    def others(self) -> Sequence[LeftOut]:
        """What is in it beside models, and why that does not come along."""
        ...

    def model(self, name: str) -> SourceModel:
        """A model and what is said of its versions. Raises NotFound, Undecided."""
        ...

    def bring(
        self, model: str, version: SourceVersion, warn: Callable[[str], None]
    ) -> AbstractContextManager[NewVersion]:
        """A version's bytes on this machine, for the block, and what its record is to say.

        ``warn`` takes a line on each thing that the record leaves out. Raises NotFound, Refused, UsageError (they
        cannot be had) or Undecided (what holds them does not answer).
        """
        ...


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or with ``--dry-run`` would do.

    Attributes:
        changes: what landed or was proposed, in order.
        models: the models to which something was added, with the added versions.
        here: how many versions were here already.
        left: what could not be brought here.
        notes: what the records leave out of what is known there; this is no reason to do anything.
    """

    changes: tuple[Landed | Proposed, ...]
    models: Mapping[str, tuple[Version, ...]]
    here: int
    left: tuple[LeftOut, ...]
    notes: tuple[LeftOut, ...]


@dataclass
class _Tally:
    changes: list[Landed | Proposed] = field(default_factory=list)
    models: dict[str, tuple[Version, ...]] = field(default_factory=dict)
    here: int = 0
    left: list[LeftOut] = field(default_factory=list)
    notes: list[LeftOut] = field(default_factory=list)
    unread: int = 0

    def done(self) -> Imported:
        return Imported(tuple(self.changes), self.models, self.here, tuple(self.left), tuple(self.notes))


def import_models(
    ws: Workspace,
    source: Source,
    mode: LandingMode = LandingMode.USUAL,
    *,
    only: Sequence[str] = (),
    per_change: int | None = None,
    dry_run: bool = False,
) -> Imported:
    """Imports the models of another registry, some to a change, in the order of their names.

    Args:
        only: the names of the models to import; all of them if there are none.
        per_change: how many models one change has at most; by default one where changes land by themselves, and
            ``MODELS_PER_REQUEST`` in a change request.
        dry_run: says what would be done. No bytes are read, so what is wrong with those is not found.

    Raises:
        NotFound: no such model there. Refused: nobody here may import. Undecided: the other registry does not answer.
    """
    ws.repository.fetch()
    _, base = ws.current()
    demand_landable(ws, base, Plan("import", "Import", (), {}), mode)
    names = _chosen(source, only)
    size = per_change or (1 if _is_direct(base, mode) else MODELS_PER_REQUEST)
    run = _Run(ws, source, ws.open_store(base), mode, dry_run, _Tally())
    run.tally.left += () if only else source.others()
    with ws.progress.count("Importing models", len(names)) as bar:
        for start in range(0, len(names), size):
            chunk = names[start : start + size]
            run.change(chunk)
            bar.advance(len(chunk))
    return run.tally.done()


def _chosen(source: Source, only: Sequence[str]) -> list[str]:
    there = source.names()
    missing = next((name for name in only if name not in there), None)
    if missing is not None:
        raise NotFound(f"{source.registry} has no model {missing!r}", "leave --model out to import all")
    return sorted(set(only or there))


def _is_direct(base: Snapshot, mode: LandingMode) -> bool:
    if mode is LandingMode.WHERE_ALLOWED:
        rules = base.policy().rules
        return direct_obstacle(base, ["import"]) is None and not (rules.owners or rules.approvals)
    return mode is LandingMode.DIRECT or (mode is LandingMode.USUAL and base.registry().enforcement == "solo")


@dataclass(frozen=True)
class _Run:
    """One import as it goes on."""

    ws: Workspace
    source: Source
    store: ArtifactStore
    mode: LandingMode
    dry_run: bool
    tally: _Tally

    def change(self, names: Sequence[str]) -> None:
        """Brings some models here, as one change."""
        _, base = self.ws.current()
        pending = self._pending(base, names)
        models = [self._model(base, pending, name) for name in names]
        weighed = weigh_imports(base, models)
        self.tally.left += [left for each in weighed for left in each.left]
        added = {each.model: each.added for each in weighed if each.edits}
        try:
            if added and not self.dry_run:
                self.tally.changes.append(land(self.ws, lambda now: plan_imports(now, models), self.mode))
        except NothingToDo:
            return  # somebody else was faster
        except Rejected as error:
            self.tally.left += [LeftOut(model, error.message) for model in added]
            return
        self.tally.models |= added

    def _pending(self, base: Snapshot, names: Sequence[str]) -> Snapshot | None:
        """What this very person has proposed already of an import of the same models: its bytes are stored."""
        if self.dry_run or _is_direct(base, self.mode):
            return None
        return own_proposal(self.ws, base, import_branch(names, self.source.system, self.source.registry))

    def _model(self, base: Snapshot, pending: Snapshot | None, name: str) -> ImportedModel:
        home, why = home_of(base, name)
        if why is not None:
            return ImportedModel(name)
        there = self.source.model(name)
        self.tally.left += there.left
        versions = [self._version(base, pending, home, name, each) for each in there.versions]
        return ImportedModel(name, there.new, tuple(each for each in versions if each is not None))

    def _version(
        self, base: Snapshot, pending: Snapshot | None, home: str, name: str, there: SourceVersion
    ) -> ImportedVersion | None:
        origin = ImportedFrom(self.source.system, self.source.registry, name, there.name)
        here = base.record(home, there.version)
        self.tally.here += here is not None
        known = _recorded(base, home, there, origin) or _recorded(pending, home, there, origin)
        if known is None and (self.dry_run or (here is None and base.is_taken(home, there.version))):
            known = unread(home, there.format, here.artifact if here else None)
        if known is None:
            known = self._brought(home, there, keep=here is None)
        if known is None:
            return None
        registration = replace(
            known,
            created_at=there.created_at,
            created_by=Identity(there.created_by, "") if there.created_by else self.ws.author(base),
            description=there.description,
            tags=there.tags,
            imported_from=origin,
        )
        return ImportedVersion(there.version, registration, there.stage, there.aliases)

    def _brought(self, model: str, there: SourceVersion, *, keep: bool) -> Registration | None:
        """What is to be registered, with its bytes stored if they are to be kept; None if they cannot be had."""
        subject = f"{model}/{there.name}"
        with ExitStack() as stack:
            try:
                bringing = self.source.bring(model, there, lambda line: self._note(subject, line))
                new = stack.enter_context(bringing)
                found = inspected(self.store, new)
            except Undecided as error:
                self._unread(subject, error)
                return None
            except (NotFound, Refused, UsageError, ConfigError) as error:
                self.tally.left.append(LeftOut(subject, error.message))
                return None
            self.tally.unread = 0
            if keep:
                upload(self.store, new, found.payload, self.ws.progress)
            return Registration(
                model=model,
                artifact=found.artifact,
                pointer=found.pointer,
                created_by=self.ws.identity,
                created_at=there.created_at,
                **new.details(),
            )

    def _note(self, subject: str, line: str) -> None:
        self.tally.notes.append(LeftOut(subject, line))

    def _unread(self, subject: str, error: Undecided) -> None:
        """Goes on without a version, until so many could not be read that it makes no sense."""
        self.tally.unread += 1
        if self.tally.unread >= MOST_UNREAD:
            raise Undecided(
                f"{MOST_UNREAD} versions in a row could not be read, {subject} the last: {error.message}",
                "run it again: it goes on where it was",
            ) from error
        self.tally.left.append(LeftOut(subject, error.message))


def _recorded(
    snapshot: Snapshot | None, model: str, there: SourceVersion, origin: ImportedFrom
) -> Registration | None:
    """What a registry says of a version that was imported from this very place."""
    record = snapshot.record(model, there.version) if snapshot is not None else None
    if snapshot is None or record is None or record.imported_from != origin:
        return None
    return registration_of(snapshot, model, there.version)
