"""What a change means: from differing paths to typed changes of the domain.

Only the two trees are looked at; branch names, titles and messages say nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias, TypeVar

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.layout import Place, Sort
from gitreg.core.manifest import Alias, Redirect, StageAssignment
from gitreg.core.names import NONE, Version, parse_version
from gitreg.core.policy import KINDS, Policy
from gitreg.core.record import ModelVersion, Pin
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import RawChange

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VersionRegistered:
    """A record was added.

    ``copied``: the base has what it says that it was copied from, with the same bytes. ``imported``: it says that it
    comes from another system, or its number is an integer that was never used, and does not go on from the highest that
    ever was.
    """

    model: str
    version: Version
    copied: bool
    imported: bool = False


@dataclass(frozen=True, slots=True)
class VersionDeleted:
    """A tombstone took the place of a record."""

    model: str
    version: Version


@dataclass(frozen=True, slots=True)
class EvidenceAdded:
    """Evidence (or its retraction) was added to a version, old or new."""

    model: str
    version: Version
    name: str
    retraction: bool


@dataclass(frozen=True, slots=True)
class NotesEdited:
    """What people say about a version changed."""

    model: str
    version: Version


@dataclass(frozen=True, slots=True)
class ModelCreated:
    """A model was registered."""

    model: str


@dataclass(frozen=True, slots=True)
class ModelEdited:
    """What people say about a model changed."""

    model: str


@dataclass(frozen=True, slots=True)
class ModelDeleted:
    """A tombstone took the place of a model."""

    model: str


@dataclass(frozen=True, slots=True)
class ModelRenamed:
    """A model moved to another name; a redirect took its place, and older redirects to it were turned along."""

    model: str
    to: str


@dataclass(frozen=True, slots=True)
class StageChanged:
    """A stage file changed; ``old`` or ``new`` is None where there is none (or none that can be read)."""

    model: str
    stage: str
    path: str
    old: StageAssignment | None
    new: StageAssignment | None

    @property
    def entered(self) -> tuple[Pin, ...]:
        """The versions that came in."""
        before = {pin.version for pin in self.old.versions} if self.old else set()
        return tuple(pin for pin in (self.new.versions if self.new else ()) if pin.version not in before)

    @property
    def left(self) -> tuple[Pin, ...]:
        """The versions that went out."""
        after = {pin.version for pin in self.new.versions} if self.new else set()
        return tuple(pin for pin in (self.old.versions if self.old else ()) if pin.version not in after)

    @property
    def is_rollback(self) -> bool:
        """Whether the stage holds exactly what it held before its last edit."""
        if self.old is None or self.new is None or not self.old.previous:
            return False
        return set(self.new.versions) == set(self.old.previous) != set(self.old.versions)


@dataclass(frozen=True, slots=True)
class AliasMoved:
    """An alias file changed; ``old`` or ``new`` is None where there is none (or none that can be read)."""

    model: str
    alias: str
    path: str
    old: Alias | None
    new: Alias | None


@dataclass(frozen=True, slots=True)
class RulesChanged:
    """A rules file changed."""

    path: str


@dataclass(frozen=True, slots=True)
class UnmanagedChanged:
    """A file that the registry does not look at changed."""

    path: str


@dataclass(frozen=True, slots=True)
class RecordTampered:
    """A record was edited, or removed without a tombstone in its place."""

    path: str
    removed: bool


@dataclass(frozen=True, slots=True)
class PointerRemoved:
    """A stage or alias file was removed from a living model."""

    path: str


@dataclass(frozen=True, slots=True)
class MarkerTampered:
    """A tombstone or redirect was edited or removed."""

    path: str


@dataclass(frozen=True, slots=True)
class UnknownChange:
    """A file below ``models/`` that is nothing gitreg knows was added or edited."""

    path: str


Change: TypeAlias = (
    VersionRegistered
    | VersionDeleted
    | EvidenceAdded
    | NotesEdited
    | ModelCreated
    | ModelEdited
    | ModelDeleted
    | ModelRenamed
    | StageChanged
    | AliasMoved
    | RulesChanged
    | UnmanagedChanged
    | RecordTampered
    | PointerRemoved
    | MarkerTampered
    | UnknownChange
)


@dataclass(frozen=True, slots=True)
class Transition:
    """One version moves from a stage to another (``none`` where no stage names it).

    ``displaced``: it gives way to a version that enters the stage it leaves, and goes where policy sends such ones.
    ``rollback``: the stage that is restored by this move, if it is part of a rollback. ``imported``: the same change
    imports the version, so that this is where it was in another system.
    """

    model: str
    pin: Pin
    source: str
    target: str
    displaced: bool = False
    rollback: str | None = None
    imported: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """A change: its raw paths, and what they mean."""

    raw: tuple[RawChange, ...]
    changes: tuple[Change, ...]

    def of(self, type_: type[T]) -> list[T]:
        """The changes of one type."""
        return [change for change in self.changes if isinstance(change, type_)]

    @property
    def models(self) -> list[str]:
        """The models concerned, by name."""
        names = {m for c in self.changes if (m := getattr(c, "model", None))}
        return sorted(names | {c.to for c in self.of(ModelRenamed)})

    @property
    def imported(self) -> frozenset[tuple[str, Version]]:
        """The versions that it imports: each with its model."""
        return frozenset((c.model, c.version) for c in self.of(VersionRegistered) if c.imported)


def delta(base: Snapshot, head: Snapshot, raw: Sequence[RawChange]) -> Delta:
    """Says what raw path changes from ``base`` to ``head`` mean. Places are judged by the base's layout."""
    places = [(change, base.place(change.path)) for change in raw]
    moved, rest = _whole_models(base, head, places)
    return Delta(tuple(raw), (*moved, *_each(base, head, rest)))


Placed: TypeAlias = tuple[RawChange, Place]


def _whole_models(base: Snapshot, head: Snapshot, places: list[Placed]) -> tuple[list[Change], list[Placed]]:
    """Renames and deletions of models take all their paths with them; what is left is judged path by path.

    A rename also takes the redirects along that it turns: those that led to the old name, and lead to the new one now.
    """
    found: list[Change] = []
    taken: dict[str, bool] = {}  # model -> whether its additions belong to the rename
    for change, place in places:
        if place.kind == "Redirect" and change.old is None and change.new is not None:
            redirect = _readable(head, "Redirect", place.path, Redirect)
            if redirect is not None and redirect.model == place.model:
                found.append(ModelRenamed(place.model, redirect.to))
                taken |= {place.model: False, redirect.to: True}
        if place.kind == "Model" and change.new is None and _is_buried(head, place.model):
            found.append(ModelDeleted(place.model))
            taken[place.model] = False
    renames = {renamed.model: renamed.to for renamed in found if isinstance(renamed, ModelRenamed)}
    rest = [(c, p) for c, p in places if not _belongs(c, p, taken) and not _is_turned(base, head, p, renames)]
    return found, rest


def _is_turned(base: Snapshot, head: Snapshot, place: Place, renames: Mapping[str, str]) -> bool:
    if place.kind != "Redirect" or not renames:
        return False
    old, new = (_readable(s, "Redirect", place.path, Redirect) for s in (base, head))
    return old is not None and new is not None and renames.get(old.to) == new.to


def _is_buried(head: Snapshot, model: str) -> bool:
    return set(head.tree.list(head.layout.model(model, "").rstrip("/"))) == {"tombstone.yaml"}


def _belongs(change: RawChange, place: Place, taken: dict[str, bool]) -> bool:
    if place.model not in taken:
        return False
    if taken[place.model]:
        return change.old is None or place.kind == "Redirect"
    return change.new is None or place.sort is Sort.MARKER


@dataclass(frozen=True, slots=True)
class _Versions:
    """Versions as the places name them: with a new record, with a new tombstone, with a number that is not next."""

    added: frozenset[tuple[str, str]]
    buried: frozenset[tuple[str, str]]
    out_of_turn: frozenset[tuple[str, str]]


def _each(base: Snapshot, head: Snapshot, places: Iterable[Placed]) -> Iterator[Change]:
    placed = list(places)
    added = frozenset((p.model, p.version) for c, p in placed if p.kind == "ModelVersion" and c.old is None)
    buried = frozenset(
        (p.model, p.version) for c, p in placed if p.kind == "VersionTombstone" and c.old is None
    )
    skipping = frozenset(_out_of_turn(base, added))
    versions = _Versions(added, buried, skipping)
    seen: set[Change] = set()
    for change, place in placed:
        for meaning in _meaning(base, head, change, place, versions):
            if meaning not in seen:
                seen.add(meaning)
                yield meaning


def _out_of_turn(base: Snapshot, added: frozenset[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The new integers that do not follow, one by one, on the highest that was ever used.

    One that was used before is none of them: it cannot be registered at all (GR206).
    """
    for model in {model for model, _ in added}:
        found = (parse_version(version) for name, version in added if name == model)
        numbers = [version for version in found if isinstance(version, int)]
        try:
            fresh = sorted(number for number in numbers if not base.is_taken(model, number))
            top = base.top_number(model) if fresh else 0
        except InvalidManifest:
            continue  # nobody can tell which numbers its tombstone has; the manifest rule says so
        yield from ((model, str(n)) for n, following in zip(fresh, count(top + 1)) if n != following)


def _meaning(
    base: Snapshot, head: Snapshot, change: RawChange, place: Place, versions: _Versions
) -> Iterator[Change]:
    match place.sort:
        case Sort.UNMANAGED:
            yield UnmanagedChanged(place.path)
        case Sort.RULES:
            yield RulesChanged(place.path)
        case Sort.UNKNOWN:
            if change.new is not None:
                yield UnknownChange(place.path)
        case Sort.RECORD:
            yield from _record(base, head, change, place, versions)
        case Sort.POINTER:
            yield from _pointer(base, head, change, place)
        case Sort.ANNOTATION:
            yield from _annotation(change, place, versions)
        case Sort.MARKER:
            yield from _marker(change, place)


def _record(
    base: Snapshot, head: Snapshot, change: RawChange, place: Place, versions: _Versions
) -> Iterator[Change]:
    key = (place.model, place.version)
    version = _number(place)
    if change.new is None and key in versions.buried:
        return  # the tombstone speaks for it
    if change.old is not None:
        yield RecordTampered(place.path, removed=change.new is None)
    elif place.kind == "ModelVersion":
        record = _readable(head, "ModelVersion", place.path, ModelVersion)
        copied = record is not None and base.confirms_copy(record) is True
        is_foreign = record is not None and record.imported_from is not None
        yield VersionRegistered(place.model, version, copied, is_foreign or key in versions.out_of_turn)
    elif place.kind == "dvc" and key not in versions.added:
        yield RecordTampered(place.path, removed=False)  # another artifact beside an old record
    elif place.kind in {"Evidence", "EvidenceRetraction"}:
        yield EvidenceAdded(place.model, version, place.name, place.kind == "EvidenceRetraction")


def _pointer(base: Snapshot, head: Snapshot, change: RawChange, place: Place) -> Iterator[Change]:
    if change.new is None:
        yield PointerRemoved(place.path)
    elif place.kind == "StageAssignment":
        stages = (_readable(s, "StageAssignment", place.path, StageAssignment) for s in (base, head))
        yield StageChanged(place.model, place.name, place.path, *stages)
    else:
        aliases = (_readable(s, "Alias", place.path, Alias) for s in (base, head))
        yield AliasMoved(place.model, place.name, place.path, *aliases)


def _annotation(change: RawChange, place: Place, versions: _Versions) -> Iterator[Change]:
    if place.kind == "Model":
        if change.new is None:
            yield MarkerTampered(place.path)  # a model ends only with a tombstone or redirect
        else:
            yield ModelCreated(place.model) if change.old is None else ModelEdited(place.model)
    elif (place.model, place.version) not in versions.added | versions.buried:
        yield NotesEdited(place.model, _number(place))


def _marker(change: RawChange, place: Place) -> Iterator[Change]:
    if change.old is not None or place.kind != "VersionTombstone":
        yield MarkerTampered(place.path)
    else:
        yield VersionDeleted(place.model, _number(place))


def _number(place: Place) -> Version:
    version = parse_version(place.version)
    assert version is not None, "the layout admits no other version folder"
    return version


def _readable(snapshot: Snapshot, kind: str, path: str, type_: type[T]) -> T | None:
    """The manifest at a path; None where it is broken, which another rule reports with its place."""
    try:
        found = snapshot.manifest(kind, path)
    except InvalidManifest:
        return None
    return found if isinstance(found, type_) else None


def transitions(found: Delta, policy: Policy) -> list[Transition]:
    """Every move of a version between stages in a change."""
    by_model: dict[str, list[StageChanged]] = {}
    for change in found.of(StageChanged):
        by_model.setdefault(change.model, []).append(change)
    imported = found.imported
    return [move for model, changes in by_model.items() for move in _moves(model, changes, policy, imported)]


def _moves(
    model: str, changes: list[StageChanged], policy: Policy, imported: frozenset[tuple[str, Version]]
) -> Iterator[Transition]:
    left = {pin.version: (change.stage, pin) for change in changes for pin in change.left}
    entered = {pin.version: (change.stage, pin) for change in changes for pin in change.entered}
    rolled_back = [
        change for change in changes if change.is_rollback and not _is_plain_promotion(change, left, policy)
    ]
    pins = {version: pin for version, (_, pin) in (left | entered).items()}
    ends = {version: (_stage_in(left, version), _stage_in(entered, version)) for version in pins}
    # What is imported makes nothing give way: that it may enter at all says nothing of what was there before.
    own = {
        version for version, (source, _) in ends.items() if source != NONE or (model, version) not in imported
    }
    filled = {
        target
        for version, (source, target) in ends.items()
        if version in own and not _gives_way(source, target, model, policy)
    }
    for version, (source, target) in ends.items():
        if version not in own:
            yield Transition(model, pins[version], source, target, imported=True)
            continue
        rollback = _restores(rolled_back, source, target, model, policy)
        displaced = rollback is None and source in filled and _gives_way(source, target, model, policy)
        yield Transition(model, pins[version], source, target, displaced, rollback)


def _stage_in(found: Mapping[Version, tuple[str, Pin]], version: Version) -> str:
    return found[version][0] if version in found else NONE


def _is_plain_promotion(
    change: StageChanged, left: Mapping[Version, tuple[str, Pin]], policy: Policy
) -> bool:
    """Whether an empty stage gets back what it held by a way that is open to every version anyhow."""
    settings = policy.stage(change.stage, change.model)
    sources = {left.get(pin.version, (NONE, pin))[0] for pin in change.entered}
    is_open = settings is not None and (settings.sources is None or sources <= set(settings.sources))
    return is_open and not change.left


def _restores(
    rolled_back: list[StageChanged], source: str, target: str, model: str, policy: Policy
) -> str | None:
    for change in rolled_back:
        settings = policy.stage(change.stage, model)
        if target == change.stage or (
            source == change.stage and settings and target in {settings.replaced, NONE}
        ):
            return change.stage
    return None


def _gives_way(source: str, target: str, model: str, policy: Policy) -> bool:
    """Whether a version goes where policy sends those that give way.

    Such a version makes no other give way in its turn: else two stages that send versions to each other could be
    swapped, each move the other's excuse.
    """
    settings = policy.stage(source, model)
    return source != NONE and settings is not None and target == settings.replaced


def kinds(found: Delta, policy: Policy) -> list[str]:
    """The kinds of change (gitreg.core.policy.KINDS) in a change, each once, in that order."""
    imported = found.imported
    present = {kind for change in found.changes if (kind := _kind(change, imported))}
    present |= {_transition_kind(move, policy) for move in transitions(found, policy) if not move.displaced}
    return [kind for kind in KINDS if kind in present]


def is_of_import(change: Change, imported: frozenset[tuple[str, Version]]) -> bool:
    """Whether a change belongs to the import of the versions in it.

    So do the model that is made for them, a stage that they alone enter and nothing leaves, and an alias that named
    nothing and now names one of them.
    """
    match change:
        case VersionRegistered():
            return change.imported
        case ModelCreated(model):
            return any(name == model for name, _ in imported)
        case StageChanged(model) if change.entered and not change.left:
            return all((model, pin.version) in imported for pin in change.entered)
        case AliasMoved(model, _, _, old, new):
            was_free = old is None or old.pin is None
            return (
                was_free and new is not None and new.pin is not None and (model, new.pin.version) in imported
            )
    return False


def _kind(change: Change, imported: frozenset[tuple[str, Version]]) -> str | None:
    if is_of_import(change, imported):
        return "import"
    match change:
        case VersionRegistered(copied=copied):
            return "copy" if copied else "register"
        case ModelCreated():
            return "register"
        case NotesEdited() | ModelEdited():
            return "annotate"
        case EvidenceAdded():
            return "evidence"
        case AliasMoved():
            return "alias"
        case VersionDeleted() | ModelDeleted():
            return "delete"
        case ModelRenamed():
            return "rename"
        case RulesChanged():
            return "rules"
    return None


def serves(move: Transition, policy: Policy) -> bool:
    """Whether a version enters a stage to serve there: it neither gives way, nor goes where versions retire."""
    if move.imported:
        return True
    if move.displaced:
        return False
    return move.target == move.rollback if move.rollback else _transition_kind(move, policy) == "promote"


def _transition_kind(move: Transition, policy: Policy) -> str:
    """A version is demoted when it leaves for no stage, or for where its stage sends what gives way."""
    if move.imported:
        return "import"
    if move.rollback:
        return "rollback"
    settings = policy.stage(move.source, move.model)
    is_down = move.target == NONE or (
        move.source != NONE and settings is not None and move.target == settings.replaced
    )
    return "demote" if is_down else "promote"
