"""What a rule is, and what rules look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.codec.schema import Schemas
from gitreg.core.delta import Delta, Transition, kinds, transitions
from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.layout import Place
from gitreg.core.names import NONE, Version, parse_version
from gitreg.core.policy import Policy
from gitreg.core.ports import FOLDER, Entry
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import RawChange, entry_at, files_below
from gitreg.core.verify.evidence import Evidence
from gitreg.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its stable id, its name (of its file, its tests and its page in the documentation), its sentence."""

    id: str
    name: str
    title: str

    def finding(
        self,
        message: str,
        location: Location | str | None = None,
        fix: str | None = None,
        outcome: Outcome = Outcome.FAIL,
    ) -> Finding:
        """A finding of this rule; a bare path is a location without a line."""
        place = Location(location) if isinstance(location, str) else location
        return Finding(self.id, message, place, fix, outcome)

    def undecided(
        self, message: str, location: Location | str | None = None, fix: str | None = None
    ) -> Finding:
        """Says that the rule could not be judged, which is never a pass."""
        return self.finding(message, location, fix, Outcome.UNDECIDED)

    def warning(
        self, message: str, location: Location | str | None = None, fix: str | None = None
    ) -> Finding:
        """Something worth knowing that stands in nobody's way."""
        return self.finding(message, location, fix, Outcome.WARNING)


@dataclass(frozen=True)
class Scope:
    """The part of one snapshot that structural rules look at.

    ``versions`` maps each model concerned to the version folders concerned; None is all of everything.
    """

    snapshot: Snapshot
    schemas: Schemas
    versions: Mapping[str, frozenset[str]] | None = None
    rules_files: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether the whole registry is looked at."""
        return self.versions is None

    @cached_property
    def policy(self) -> Policy | None:
        """The snapshot's policy; None if it cannot be read, which the manifest rule reports."""
        try:
            return self.snapshot.policy()
        except (InvalidManifest, ConfigError):
            return None

    @cached_property
    def models(self) -> list[str]:
        """The folders of the models concerned that exist."""
        folders = self.snapshot.model_folders() if self.versions is None else sorted(self.versions)
        return [name for name in folders if self.snapshot.tree.list(self.folder(name))]

    def folder(self, model: str) -> str:
        """A model's folder."""
        return self.snapshot.layout.model(model, "").rstrip("/")

    def version_folders(self, model: str) -> list[str]:
        """The version folders concerned that exist. Those of a whole model are listed only for the whole registry."""
        if self.versions is None:
            return sorted(self.snapshot.version_folders(model))
        chosen = self.versions.get(model, frozenset())
        return sorted(name for name in chosen if self._is_there(f"{self.folder(model)}/versions/{name}"))

    def _is_there(self, path: str) -> bool:
        tree = self.snapshot.tree
        return bool(tree.list(path)) or entry_at(tree, path) is not None

    def version_numbers(self, model: str) -> list[Version]:
        """Those of the version folders that are named like a version."""
        parsed = (parse_version(folder) for folder in self.version_folders(model))
        return [version for version in parsed if version is not None]

    @cached_property
    def files(self) -> list[tuple[Entry, Place]]:
        """Every file concerned below ``models/``, with what it is."""
        return [(entry, self.snapshot.layout.place(path)) for path, entry in self._paths()]

    def _paths(self) -> Iterator[tuple[str, Entry]]:
        models = self.snapshot.layout.models
        if self.versions is None or not self.snapshot.tree.list(models):
            yield from self._at(models)
            return
        for model in sorted(self.versions):
            yield from self._of_model(model)

    def _of_model(self, model: str) -> Iterator[tuple[str, Entry]]:
        folder = self.folder(model)
        inside = self.snapshot.tree.list(folder)
        if not inside:
            yield from self._at(folder)  # a file, where a model's folder belongs
        for name, entry in sorted(inside.items()):
            if name != "versions" or entry.mode != FOLDER:
                yield from self._at(f"{folder}/{name}", entry)
        for version in self.version_folders(model):
            yield from self._at(f"{folder}/versions/{version}")

    def _at(self, path: str, entry: Entry | None = None) -> Iterator[tuple[str, Entry]]:
        """The file at a path, or every file below it; ``entry`` is what stands there, if that is known."""
        if entry is None and not self.snapshot.tree.list(path):
            entry = entry_at(self.snapshot.tree, path)
        if entry is not None and entry.mode != FOLDER:
            yield path, entry
        else:
            yield from files_below(self.snapshot.tree, path)


@dataclass(frozen=True)
class Judged:
    """One change as the change rules see it: both sides, what differs, and what was found out about the world."""

    base: Snapshot
    head: Snapshot
    delta: Delta
    conflicts: tuple[RawChange, ...]
    evidence: Evidence
    schemas: Schemas
    bootstrap: bool = False

    @cached_property
    def policy(self) -> Policy:
        """The base's policy: a change never loosens the rules by which it is judged.

        A bootstrap has its own; where that cannot be read, the manifest rule says so.
        """
        try:
            return (self.head if self.bootstrap else self.base).policy()
        except (InvalidManifest, ConfigError):
            if not self.bootstrap:
                raise
            return Policy()

    @cached_property
    def transitions(self) -> list[Transition]:
        """Every move of a version between stages."""
        return transitions(self.delta, self.policy)

    @cached_property
    def kinds(self) -> list[str]:
        """The kinds of change in it."""
        return ["bootstrap"] if self.bootstrap else kinds(self.delta, self.policy)

    def at_stage(self, move: Transition) -> Location:
        """Where the head says that a version is in the stage it moved to (or where the stage it left says so)."""
        stage = move.target if move.target != NONE else move.source
        path = self.head.layout.stage(move.model, stage)
        try:
            assignment = self.head.stage(move.model, stage)
        except InvalidManifest:
            return Location(path)
        pins = assignment.versions if assignment else ()
        index = next((i for i, pin in enumerate(pins) if pin.version == move.pin.version), None)
        return self.head.locate(path, "versions", *(() if index is None else (index,)))


@dataclass(frozen=True, slots=True)
class SnapshotRule:
    """A rule that one revision must satisfy by itself."""

    rule: Rule
    check: Callable[[Scope], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """A rule about how a change gets from its base to its head."""

    rule: Rule
    check: Callable[[Judged], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class PushedRef:
    """One ref of a push: where it was and where it shall be (None: nowhere).

    ``is_trunk``: it is the registry's branch; then ``goes_on`` says whether its old place is on the first-parent line
    of its new one. ``objection`` is what the forge has against a ref of gitreg's own. ``names_itself``: a registry on
    another branch says that this is its branch, so that readers might follow it. ``is_elsewhere``: the ref is not where
    the push says that it is (or stands for another ref): ``old`` is only what the pusher claims.
    """

    ref: str
    old: str | None
    new: str | None
    is_trunk: bool = False
    goes_on: bool = False
    objection: str | None = None
    names_itself: bool = False
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class PushRule:
    """A rule about the refs of one push."""

    rule: Rule
    check: Callable[[tuple[PushedRef, ...]], Iterable[Finding]]
