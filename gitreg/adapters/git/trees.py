"""Writes trees: the folders along the changed paths are rebuilt, every other one is named again by its id."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field

from gitreg.adapters.git.objects import ObjectReader, is_path, missing
from gitreg.adapters.git.run import SETTINGS, environment, failure, not_started
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


def write_tree(reader: ObjectReader, folder: str, base: str, changes: Mapping[str, Entry | None]) -> str:
    """Stores the tree ``base`` (a tree or commit id; "" is the empty tree) with ``changes``; returns its id.

    A path set to an entry replaces whatever was there: a file gives way to a folder of its name and the other way
    round, and an entry of mode ``FOLDER`` puts a whole folder there. None removes a file or a folder; a folder
    that becomes empty vanishes.

    Args:
        reader: reads the repository's objects.
        folder: where git runs.
        base: what is changed.
        changes: by path.

    Raises:
        UsageError: a path cannot stand in a tree, or is to be a file and a folder at once.
        Undecided: an object that ``changes`` or ``base`` names is missing.
    """
    plan = _plan(changes)
    _demand_objects(reader, changes)
    with _TreeMaker(folder) as maker:
        root = Entry(FOLDER, _root(reader, base) if base else maker.make({}))
        changed = _rebuild(reader, maker, root, plan)
        return changed.oid if changed is not None else maker.make({})


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


def _demand_objects(reader: ObjectReader, changes: Mapping[str, Entry | None]) -> None:
    """Neighbours may be missing, as in a partial clone, so git is told not to mind; what is new must be here."""
    for path, entry in changes.items():
        if entry is None or entry.mode == SUBMODULE:
            continue
        if entry.mode not in _TYPES:
            raise UsageError(f"{path!r} cannot have the mode {entry.mode!r}")
        found = reader.info(entry.oid)
        if found is None or found.type != _TYPES[entry.mode]:
            raise missing(f"the {_TYPES[entry.mode]} {entry.oid} for {path!r}")


def _rebuild(reader: ObjectReader, maker: _TreeMaker, was: Entry | None, change: _Change) -> Entry | None:
    """What stands at a path after ``change``, where ``was`` stood."""
    now = change.entry if change.given else was
    if not change.below:
        return now
    is_folder = now is not None and now.mode == FOLDER
    if change.given and now is not None and not is_folder and change.sets_something_below():
        raise UsageError(f"a path cannot be a file and a folder at once: {', '.join(sorted(change.below))}")
    before = reader.listing(now.oid) if now is not None and is_folder else {}
    after = dict(before)
    for name, child in change.below.items():
        entry = _rebuild(reader, maker, before.get(name), child)
        if entry is None:
            after.pop(name, None)
        else:
            after[name] = entry
    if after == before:
        return now
    return Entry(FOLDER, maker.make(after)) if after else None


class _TreeMaker(AbstractContextManager["_TreeMaker"]):
    """One ``git mktree`` process (https://git-scm.com/docs/git-mktree); it sorts what it is given."""

    def __init__(self, folder: str) -> None:
        try:
            self._process = subprocess.Popen(
                ["git", *SETTINGS, "mktree", "-z", "--batch", "--missing"],
                cwd=folder,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise not_started(error, folder) from error

    def make(self, entries: Mapping[str, Entry]) -> str:
        """Stores one tree; returns its id."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(b"".join(_record(name, entry) for name, entry in entries.items()) + b"\0")
            process.stdin.flush()
        answer = process.stdout.readline()
        if not answer.endswith(b"\n"):
            _, stderr = process.communicate()
            raise failure(stderr.decode(errors="replace"))
        return answer.decode().strip()

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError, ValueError):
            self._process.communicate()


def _record(name: str, entry: Entry) -> bytes:
    head = f"{entry.mode} {_TYPES.get(entry.mode, 'blob')} {entry.oid}\t"
    return head.encode() + name.encode("utf-8", "surrogateescape") + b"\0"
