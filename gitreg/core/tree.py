"""Trees as data: what differs between two, one laid over another, and the candidate of a change.

The candidate is the base's tree plus the raw path changes of a branch since its merge base. git's own content merge
is never asked: its rename detection can carry an unapproved version into another file without a conflict.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitreg.core.ports import FILE, FOLDER, READ_LIMIT, SUBMODULE, Blob, Entry, Tree
from gitreg.errors import Undecided


@dataclass(frozen=True, slots=True)
class RawChange:
    """One path that differs: what stood there and what stands there now (None: nothing)."""

    path: str
    old: Entry | None
    new: Entry | None


#: How many folders may lie in each other; git itself ends at a few thousand (core.maxTreeDepth).
MOST_LEVELS = 100
#: How many paths and folders of a change, or below a folder, are looked at. A few hundred bytes of trees that name
#: each other can stand for billions of files (https://kate.io/blog/git-bomb/).
MOST_STEPS = 1_000_000


class _Walk:
    """Counts the steps of one walk. Raises Undecided where it goes too far or too deep."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def step(self, path: str) -> str:
        self._left -= 1
        if self._left < 0:
            raise Undecided(f"there are more than {self._most} files and folders to be looked at")
        if path.count("/") > MOST_LEVELS:
            raise Undecided(f"{path[:40]!r}… lies deeper than {MOST_LEVELS} folders")
        return path


def raw_changes(old: Tree, new: Tree, folder: str = "") -> Iterator[RawChange]:
    """Every path that differs, in path order; equal subtrees are not opened. No renames, no content.

    Raises:
        Undecided: more than ``MOST_STEPS`` paths and folders differ, or one lies deeper than ``MOST_LEVELS``.
    """
    return _compared(old, new, folder, _Walk(MOST_STEPS))


def _compared(old: Tree, new: Tree, folder: str, walk: _Walk) -> Iterator[RawChange]:
    before, after = old.list(folder), new.list(folder)
    # The differing names first: of a folder of many thousands few differ, and only those are sorted.
    differing = {name for name, entry in before.items() if after.get(name) != entry}
    for name in sorted(differing | (after.keys() - before.keys())):
        path = walk.step(f"{folder}/{name}" if folder else name)
        yield from _differing(old, new, path, before.get(name), after.get(name), walk)


def _differing(
    old: Tree, new: Tree, path: str, one: Entry | None, other: Entry | None, walk: _Walk
) -> Iterator[RawChange]:
    folders = [entry is not None and entry.mode == FOLDER for entry in (one, other)]
    if any(folders):
        yield from _compared(old if folders[0] else _NOTHING, new if folders[1] else _NOTHING, path, walk)
    file, other_file = (None if is_folder else e for is_folder, e in zip(folders, (one, other), strict=True))
    if file or other_file:
        yield RawChange(path, file, other_file)


def files_below(tree: Tree, folder: str) -> Iterator[tuple[str, Entry]]:
    """Every file below a folder, with its path from the repository's root; folders are walked, never followed.

    Raises:
        Undecided: as :func:`raw_changes`, with five times as many steps: a registry has more than a change of it.
    """
    return _files_in(tree, folder, tree.list(folder), _Walk(5 * MOST_STEPS))


def _files_in(
    tree: Tree, folder: str, listing: Mapping[str, Entry], walk: _Walk
) -> Iterator[tuple[str, Entry]]:
    entries = {f"{folder}/{name}" if folder else name: listing[name] for name in sorted(listing)}
    inside = tree.lists([path for path, entry in entries.items() if entry.mode == FOLDER])
    for path, entry in entries.items():
        walk.step(path)
        if entry.mode == FOLDER:
            yield from _files_in(tree, path, next(inside), walk)
        else:
            yield path, entry


def entry_at(tree: Tree, path: str) -> Entry | None:
    """What stands at a path; None if nothing does."""
    folder, _, name = path.rpartition("/")
    return tree.list(folder).get(name)


def change_id(changes: Iterable[RawChange]) -> str:
    """Names a change by what it does: sha256 (hex) over its sorted raw entries. Moves of the base leave it alone."""
    rows = sorted([c.path, *((e.mode, e.oid) if e else ("", "") for e in (c.old, c.new))] for c in changes)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the base would become: ``tree``, the paths that really change, and those that both sides changed."""

    tree: Tree
    changes: tuple[RawChange, ...]
    conflicts: tuple[RawChange, ...] = ()


def candidate(base: Tree, changes: Iterable[RawChange], source: Tree) -> Candidate:
    """Lays raw path changes over ``base``; ``source`` has the new blobs."""
    landed: list[RawChange] = []
    conflicts: list[RawChange] = []
    for change in changes:
        now = _file_at(base, change.path)
        if now == change.new:
            continue  # the base has it already
        (landed if now == change.old else conflicts).append(change)
    removed = {c.path for c in landed if c.new is None}
    conflicts += [c for c in landed if c.new is not None and _blocked(base, c.path, removed)]
    torn = set(conflicts)
    kept = tuple(c for c in landed if c not in torn)
    return Candidate(OverlayTree(base, {c.path: c.new for c in kept}, source), kept, tuple(conflicts))


def laid_over(base: Tree, entries: Mapping[str, Entry | None], source: Tree) -> Candidate:
    """What files set to other entries, or removed (None), make of ``base``; ``source`` has the new blobs.

    Nothing but the paths themselves is looked at, whatever lies beside them.
    """
    paths = sorted(entries, key=lambda path: path.split("/"))  # as :func:`raw_changes` comes upon them
    return candidate(base, (RawChange(path, _file_at(base, path), entries[path]) for path in paths), source)


def _file_at(tree: Tree, path: str) -> Entry | None:
    """What stands at a path, unless it is a folder: changes speak of files alone."""
    entry = entry_at(tree, path)
    return None if entry is None or entry.mode == FOLDER else entry


def _blocked(base: Tree, path: str, removed: set[str]) -> bool:
    """Whether the base keeps a file where the path needs a folder, or a folder where it needs to be a file."""
    folders = path.split("/")[:-1]
    ancestors = ("/".join(folders[: n + 1]) for n in range(len(folders)))
    above = (ancestor for ancestor in ancestors if _file_at(base, ancestor) is not None)
    below = (inside for inside, _ in files_below(base, path))
    return any(file not in removed for file in (*above, *below))


class MemoryTree(Tree):
    """A tree from a dict of path to content; blob ids are git's (sha1)."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = {path: Blob(blob_oid(data), data) for path, data in files.items()}
        self._by_oid = {blob.oid: blob.data for blob in self._files.values()}
        self._folders: dict[str, dict[str, Entry]] = {}
        for path, blob in self._files.items():
            self._add(path, Entry(FILE, blob.oid))

    def _add(self, path: str, entry: Entry) -> None:
        folder, _, name = path.rpartition("/")
        known = folder in self._folders
        self._folders.setdefault(folder, {})[name] = entry
        if folder and not known:
            # Every folder is its own object here: comparisons look inside.
            self._add(folder, Entry(FOLDER, f"{id(self):x}:{folder}"))

    def read(self, path: str) -> Blob | None:
        """See :class:`gitreg.core.ports.Tree`."""
        return self._files.get(path)

    def list(self, path: str) -> Mapping[str, Entry]:
        """See :class:`gitreg.core.ports.Tree`."""
        return self._folders.get(path, {})

    def blob(self, oid: str) -> bytes:
        """See :class:`gitreg.core.ports.Tree`."""
        return self._by_oid[oid]


_NOTHING = MemoryTree({})


def blob_oid(data: bytes) -> str:
    """The id that git (with sha1) gives this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class OverlayTree(Tree):
    """A tree with some paths set to other entries, or removed; the new blobs come from ``source``."""

    def __init__(self, base: Tree, changes: Mapping[str, Entry | None], source: Tree) -> None:
        self._base = base
        self._changes = changes
        self._source = source
        self._own = {entry.oid for entry in changes.values() if entry}
        self._listed: dict[str, Mapping[str, Entry]] = {}
        self._touched: dict[str, set[str]] = {}
        for path in changes:
            parts = path.split("/")
            for depth, name in enumerate(parts):
                self._touched.setdefault("/".join(parts[:depth]), set()).add(name)

    def read(self, path: str) -> Blob | None:
        """See :class:`gitreg.core.ports.Tree`."""
        if path not in self._changes:
            return self._base.read(path)
        entry = self._changes[path]
        if entry is None or entry.mode == SUBMODULE:
            return None
        return Blob(entry.oid, self._source.blob(entry.oid)[: READ_LIMIT + 1])

    def list(self, path: str) -> Mapping[str, Entry]:
        """See :class:`gitreg.core.ports.Tree`."""
        touched = self._touched.get(path)
        if not touched:
            return self._base.list(path)
        if path not in self._listed:
            self._listed[path] = self._laid_over(path, touched)
        return self._listed[path]

    def _laid_over(self, path: str, touched: set[str]) -> Mapping[str, Entry]:
        found = dict(self._base.list(path))
        for name in touched:
            entry = self._entry(f"{path}/{name}" if path else name, found.get(name))
            if entry is None:
                found.pop(name, None)
            else:
                found[name] = entry
        return found

    def _entry(self, path: str, below: Entry | None) -> Entry | None:
        """What stands at a touched path: the change itself, or the folder that changes left."""
        changed = self._changes.get(path)
        if changed is not None or path not in self._touched:
            return changed
        if not self.list(path):
            return below if below and below.mode != FOLDER and path not in self._changes else None
        return Entry(FOLDER, f"{id(self):x}:{path}")

    def blob(self, oid: str) -> bytes:
        """See :class:`gitreg.core.ports.Tree`."""
        return (self._source if oid in self._own else self._base).blob(oid)

    def lists(self, paths: Sequence[str]) -> Iterator[Mapping[str, Entry]]:
        """See :class:`gitreg.core.ports.Tree`."""
        below = self._base.lists([path for path in paths if path not in self._touched])
        return (self.list(path) if path in self._touched else next(below) for path in paths)

    def blobs(self, oids: Sequence[str]) -> Iterator[bytes]:
        """See :class:`gitreg.core.ports.Tree`."""
        below = self._base.blobs([oid for oid in oids if oid not in self._own])
        return (self._source.blob(oid) if oid in self._own else next(below) for oid in oids)


def edited(base: Tree, edits: Mapping[str, bytes | None]) -> OverlayTree:
    """A tree with some files written or removed."""
    source = MemoryTree({path: data for path, data in edits.items() if data is not None})
    entries = {path: None if data is None else Entry(FILE, blob_oid(data)) for path, data in edits.items()}
    return OverlayTree(base, entries, source)
