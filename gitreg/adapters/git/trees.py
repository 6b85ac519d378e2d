"""Makes trees: the folders along the changed paths are rebuilt, every other one is named again by its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitreg.adapters.git.objects import ObjectReader, is_path, missing
from gitreg.adapters.git.writes import ObjectWriter, replaced_rows, tree_content
from gitreg.core.ports import EXECUTABLE, FILE, FOLDER, SUBMODULE, SYMLINK, Entry
from gitreg.errors import UsageError

_TYPES = {FILE: "blob", EXECUTABLE: "blob", SYMLINK: "blob", FOLDER: "tree", SUBMODULE: "commit"}


@dataclass(slots=True)
class _Change:
    """What is to become of one path: itself (where ``given``), then what lies below it."""

    given: bool = False
    entry: Entry | None = None
    below: dict[str, _Change] = field(default_factory=dict)

    def sets_something_below(self) -> bool:
        return any(child.entry is not None or child.sets_something_below() for child in self.below.values())


class TreeWriter:
    """Makes trees for ``writer`` to store.

    Args:
        reader: reads the repository's objects.
        writer: takes the new trees; new objects that wait there may be named in them.
    """

    def __init__(self, reader: ObjectReader, writer: ObjectWriter) -> None:
        self._reader = reader
        self._writer = writer
        #: The new trees: their content, raw and parsed.
        self.made: dict[str, tuple[bytes, Mapping[str, Entry]]] = {}

    def changed(self, base: str, changes: Mapping[str, Entry | None]) -> str:
        """Makes the tree ``base`` (a tree or commit id; "" is the empty tree) with ``changes``; returns its id.

        A path set to an entry replaces whatever was there: a file gives way to a folder of its name and the other way
        round, and an entry of mode ``FOLDER`` puts a whole folder there. None removes a file or a folder; a folder
        that becomes empty vanishes.

        Raises:
            UsageError: a path cannot stand in a tree, or is to be a file and a folder at once.
            Undecided: an object that ``changes`` or ``base`` names is missing.
        """
        plan = _plan(changes)
        self._demand_objects(changes)
        root = Entry(FOLDER, _root(self._reader, base) if base else self._empty())
        changed = self._rebuilt(root, plan)
        return changed.oid if changed is not None else self._empty()

    def _empty(self) -> str:
        return self._writer.add("tree", b"")

    def _demand_objects(self, changes: Mapping[str, Entry | None]) -> None:
        """Neighbours may be missing, as in a partial clone, and nobody minds; what is new must be here."""
        for path, entry in changes.items():
            if entry is None or entry.mode == SUBMODULE:
                continue
            if entry.mode not in _TYPES:
                raise UsageError(f"{path!r} cannot have the mode {entry.mode!r}")
            if self._type_of(entry.oid) != _TYPES[entry.mode]:
                raise missing(f"the {_TYPES[entry.mode]} {entry.oid} for {path!r}")

    def _type_of(self, oid: str) -> str | None:
        waiting = self._writer.type_of(oid)
        if waiting is not None:
            return waiting
        found = self._reader.info(oid)
        return found.type if found is not None else None

    def _rebuilt(self, was: Entry | None, change: _Change) -> Entry | None:
        """What stands at a path after ``change``, where ``was`` stood."""
        now = change.entry if change.given else was
        if not change.below:
            return now
        is_folder = now is not None and now.mode == FOLDER
        if change.given and now is not None and not is_folder and change.sets_something_below():
            raise UsageError(
                f"a path cannot be a file and a folder at once: {', '.join(sorted(change.below))}"
            )
        old = now.oid if now is not None and is_folder else None
        before = {} if old is None else self._reader.listing(old)
        after = dict(before)
        for name, child in change.below.items():
            entry = self._rebuilt(before.get(name), child)
            if entry is None:
                after.pop(name, None)
            else:
                after[name] = entry
        differing = [name for name in change.below if before.get(name) != after.get(name)]
        return self._made(old, before, after, differing) if differing else now

    def _made(
        self, old: str | None, before: Mapping[str, Entry], after: Mapping[str, Entry], names: Sequence[str]
    ) -> Entry | None:
        if not after:
            return None
        raw = self._reader.kept_content(old) if old is not None else None
        content = replaced_rows(raw, before, after, names) if raw is not None else None
        if content is None:
            content = tree_content(after)
        oid = self._writer.add("tree", content)
        self.made[oid] = (content, after)
        return Entry(FOLDER, oid)


def _root(reader: ObjectReader, base: str) -> str:
    found = reader.info(f"{base}^{{tree}}")
    if found is None:
        raise missing(f"the commit {base} or its tree")
    return found.oid


def _plan(changes: Mapping[str, Entry | None]) -> _Change:
    root = _Change()
    for path, entry in changes.items():
        _demand_path(path)
        node = root
        for name in path.split("/"):
            node = node.below.setdefault(name, _Change())
        node.given, node.entry = True, entry
    return root


def _demand_path(path: str) -> None:
    names = path.split("/")
    # What git would not check out: https://git-scm.com/docs/git-fsck (hasDotgit).
    if not is_path(path) or any(name.casefold() == ".git" for name in names):
        raise UsageError(f"{path!r} cannot be a path in a git tree")
    if any("\ud800" <= character <= "\udc7f" or "\udd00" <= character <= "\udfff" for character in path):
        raise UsageError(f"{path!r} holds a lone surrogate, which no file system can store")
