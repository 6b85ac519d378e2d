"""A checkout's files as they lie on disk, in the form of a tree."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from functools import cached_property
from typing import IO

from gitreg.adapters.git.objects import is_path
from gitreg.adapters.git.run import run
from gitreg.core.ports import (
    EXECUTABLE,
    FILE,
    FOLDER,
    READ_LIMIT,
    SUBMODULE,
    SYMLINK,
    Blob,
    Entry,
    Tree,
)
from gitreg.errors import Undecided

_CHUNK = 1 << 20


class WorkTree(Tree):
    """The files under ``top``, a checkout's top folder, that git tracks or would add: what it ignores is not there.

    Files' ids are what git would give them unfiltered (no end-of-line conversion). A folder and a submodule have
    the null id, as in ``git diff-files --raw``: what they hold is not known before it is read. The names are those
    of the first look; the contents are those of the moment of reading.
    """

    def __init__(self, top: str | os.PathLike[str]) -> None:
        self._top = os.fspath(top)
        self._places: dict[str, str] = {}

    def read(self, path: str) -> Blob | None:
        """See :class:`gitreg.core.ports.Tree`. Raises Undecided for a file that cannot be read."""
        parent, _, name = path.rpartition("/")
        if not is_path(path) or name not in self._names.get(parent, ()) or not self._is_folder(parent):
            return None
        mode = self._mode(path)
        return None if mode in {None, FOLDER, SUBMODULE} else self._load(path, mode)

    def list(self, path: str) -> Mapping[str, Entry]:
        """See :class:`gitreg.core.ports.Tree`. Raises Undecided for a file that cannot be read."""
        if not self._is_folder(path):
            return {}
        entries = ((name, self._entry(_below(path, name))) for name in sorted(self._names.get(path, ())))
        return {name: entry for name, entry in entries if entry is not None}

    def blob(self, oid: str) -> bytes:
        """See :class:`gitreg.core.ports.Tree`. Raises Undecided if the file that had this id changed since."""
        path = self._places.get(oid)
        found = self.read(path) if path is not None else None
        if found is None or found.oid != oid:
            raise Undecided(f"the file {oid} changed on disk meanwhile", "run it again")
        return found.data

    def _entry(self, path: str) -> Entry | None:
        mode = self._mode(path)
        if mode is None or (mode == FOLDER and not self._holds_something(path)):
            return None
        oid = self._null if mode in {FOLDER, SUBMODULE} else self._load(path, mode).oid
        return Entry(mode, oid)

    def _is_folder(self, path: str) -> bool:
        """Whether all of ``path`` is real folders: git knows no way through a symlink or into another repository."""
        names = path.split("/") if path else []
        return all(self._mode("/".join(names[: i + 1])) == FOLDER for i in range(len(names)))

    def _holds_something(self, path: str) -> bool:
        """Whether git would have the folder at all: it has none that are empty."""
        below = (_below(path, name) for name in self._names.get(path, ()))
        return any(self._mode(p) not in {None, FOLDER} or self._holds_something(p) for p in below)

    def _mode(self, path: str) -> str | None:
        """The mode git would give to what is on disk; None for nothing, or for what git cannot store."""
        place = os.path.join(self._top, path)
        try:
            found = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(path, error) from error
        if stat.S_ISDIR(found.st_mode):
            return SUBMODULE if os.path.lexists(os.path.join(place, ".git")) else FOLDER
        if stat.S_ISLNK(found.st_mode):
            return SYMLINK
        if stat.S_ISREG(found.st_mode):
            return EXECUTABLE if found.st_mode & stat.S_IXUSR else FILE
        return None

    def _load(self, path: str, mode: str) -> Blob:
        place = os.path.join(self._top, path)
        try:
            blob = self._load_link(place) if mode == SYMLINK else self._load_file(place)
        except OSError as error:
            raise _unreadable(path, error) from error
        self._places[blob.oid] = path
        return blob

    def _load_link(self, place: str) -> Blob:
        target = os.fsencode(os.readlink(place))
        digest = hashlib.new(self._hash, b"blob %d\0" % len(target) + target, usedforsecurity=False)
        return Blob(digest.hexdigest(), target[: READ_LIMIT + 1])

    def _load_file(self, place: str) -> Blob:
        with open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.new(self._hash, b"blob %d\0" % size, usedforsecurity=False)
            data = file.read(READ_LIMIT + 1)
            digest.update(data)
            read = len(data) + _digest_rest(file, digest)
        if read != size:
            raise OSError(None, "it changed while it was read")
        return Blob(digest.hexdigest(), data)

    @cached_property
    def _hash(self) -> str:
        return run(["rev-parse", "--show-object-format"], self._top).decode().strip()

    @cached_property
    def _null(self) -> str:
        return "0" * (hashlib.new(self._hash, usedforsecurity=False).digest_size * 2)

    @cached_property
    def _names(self) -> Mapping[str, set[str]]:
        """The names in each folder that holds a file, or a folder with one."""
        listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name"]
        names: dict[str, set[str]] = {}
        for raw in run(listing, self._top).split(b"\0"):
            path = raw.decode("utf-8", "surrogateescape").rstrip("/")
            while path:
                parent, _, name = path.rpartition("/")
                siblings = names.setdefault(parent, set())
                if name in siblings:
                    break
                siblings.add(name)
                path = parent
        return names


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _digest_rest(file: IO[bytes], digest: hashlib._Hash) -> int:
    read = 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        read += len(chunk)
    return read


def _unreadable(path: str, error: OSError) -> Undecided:
    return Undecided(f"{path!r} cannot be read: {error.strerror}", "make the file readable")
