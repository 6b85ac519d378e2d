"""Reads objects through one long-lived ``git cat-file`` process, and the files of a commit from them.

The protocol is https://git-scm.com/docs/git-cat-file#_batch_output: a question ends in NUL, an answer's head is one
line, ``<id> SP <type> SP <size>`` or ``<question> SP missing``. What git takes as a question is any revision
(https://git-scm.com/docs/gitrevisions), so a path may be read as something else than a path; such a path is looked
up folder by folder instead.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, NamedTuple, TypeVar

from gitreg.adapters.git.run import SETTINGS, environment, not_started, run
from gitreg.core.ports import EXECUTABLE, FILE, FOLDER, READ_LIMIT, SUBMODULE, SYMLINK, Blob, Entry, Tree
from gitreg.errors import ConfigError, Undecided

#: How many entries of folders are kept parsed, over all folders.
KEPT_ENTRIES = 250_000
#: How often git is asked for what is below one folder by its path before the folders on the way are listed instead.
_PATIENCE = 12
#: How many objects are asked for at a time: git answers only as fast as it is read, so the questions must fit a pipe.
_AT_A_TIME = 100
#: The largest object, in bytes, that is asked for together with others: all of them are held.
_SMALL = 1 << 14
#: How many larger trees are kept as they are, so that one that differs little is made of them.
_KEPT_CONTENTS = 4
#: ``cat-file --batch-command -z`` came with 2.38.
OLDEST_GIT = (2, 39)

_CHUNK = 1 << 16
_HEAD = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) ([a-z]+) ([0-9]+)\n\Z")
_T = TypeVar("_T")


class Header(NamedTuple):
    """An object's id, type (``blob``, ``tree``, ``commit``, ``tag``) and size in bytes."""

    oid: str
    type: str
    size: int


class Object(NamedTuple):
    """An object's id, type and content; a blob's is cut at ``READ_LIMIT + 1`` bytes."""

    oid: str
    type: str
    data: bytes


class _Gone(Exception):
    """The process ended in the middle of an answer."""


class ObjectReader:
    """The objects of the repository in ``folder`` (a checkout's top folder, or a bare repository).

    The process starts with the first question. It may be asked from several threads; a forked child gets a process
    of its own. ``close()``, the end of a ``with`` block, or the interpreter's exit ends it.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stop: Callable[[], object] | None = None
        self._owner = 0
        self._listings: dict[str, Mapping[str, Entry]] = {}
        self._entries = 0
        self._contents: dict[str, bytes] = {}

    def __enter__(self) -> ObjectReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process; a later question starts another."""
        with self._lock:
            self._end()

    def read(self, name: str) -> Object | None:
        """The object that ``name`` (an id, ``<id>:<path>`` or another revision) means; None if there is none.

        Raises:
            Undecided: the object is there and cannot be read.
        """
        return self._each(b"contents ", [name], _read_object)[0]

    def reads(self, names: Sequence[str]) -> Iterator[Object | None]:
        """As ``read``, for many names, as they are asked for: small objects together, in few round trips."""
        for at in range(0, len(names), _AT_A_TIME):
            part = names[at : at + _AT_A_TIME]
            headers = zip(part, self.infos(part), strict=True)
            small = [name for name, header in headers if header is not None and header.size <= _SMALL]
            found = dict(zip(small, self._each(b"contents ", small, _read_object), strict=True))
            for name in part:
                yield found[name] if name in found else self.read(name)

    def info(self, name: str) -> Header | None:
        """As ``read``, without the content."""
        return self.infos([name])[0]

    def infos(self, names: Sequence[str]) -> list[Header | None]:
        """As ``info``, for a few names in one round trip."""
        return self._each(b"info ", names, _read_header)

    def listing(self, tree: str) -> Mapping[str, Entry]:
        """The entries of the tree object ``tree``.

        Raises:
            Undecided: there is no such tree, or it is one that git itself would not make.
        """
        kept = self._listings.get(tree)
        if kept is None:
            found = self.folder(tree)
            if found is None:
                raise missing(f"the folder {tree}")
            kept = found[1]
        return kept

    def folder(self, name: str) -> tuple[str, Mapping[str, Entry]] | None:
        """The tree that ``name`` means as in ``read``, with its entries; None if there is none.

        Raises:
            Undecided: it is one that git itself would not make.
        """
        found = self.read(name)
        if found is None or found.type != "tree":
            return None
        listing = self._listings.get(found.oid)
        if listing is None:
            listing = parse_tree(found.data, found.oid)
            self.keep(found.oid, found.data, listing)
        return found.oid, listing

    def listings(self, trees: Sequence[str]) -> Iterator[Mapping[str, Entry]]:
        """As ``listing``, for many trees, as they are asked for; none is kept that is not yet."""
        kept = {tree for tree in trees if tree in self._listings}
        found = self.reads([tree for tree in trees if tree not in kept])
        return (self.listing(tree) if tree in kept else self._parsed(tree, next(found)) for tree in trees)

    def _parsed(self, tree: str, found: Object | None) -> Mapping[str, Entry]:
        if found is None or found.type != "tree":
            raise missing(f"the folder {tree}")
        return parse_tree(found.data, found.oid)

    def kept_listing(self, tree: str) -> Mapping[str, Entry] | None:
        """What ``listing`` returns, if that costs nothing."""
        return self._listings.get(tree)

    def kept_content(self, tree: str) -> bytes | None:
        """The raw content of a large tree that was read or written lately; None if it is not kept."""
        return self._contents.get(tree)

    def keep(self, tree: str, content: bytes, listing: Mapping[str, Entry]) -> None:
        """Keeps a tree that is in the repository: its raw content and its entries."""
        with self._lock:
            if tree in self._listings:
                return
            if len(content) > _SMALL:
                self._contents[tree] = content
                while len(self._contents) > _KEPT_CONTENTS:
                    del self._contents[next(iter(self._contents))]
            self._listings[tree] = listing
            self._entries += len(listing)
            while self._entries > KEPT_ENTRIES and len(self._listings) > 1:
                oldest = next(iter(self._listings))
                self._entries -= len(self._listings.pop(oldest))

    def _each(
        self, command: bytes, names: Sequence[str], answer: Callable[[IO[bytes]], _T | None]
    ) -> list[_T | None]:
        questions = [_question(name) for name in names]
        asked = [command + question for question in questions if question is not None]
        answers = iter(self._ask(b"\0".join(asked), len(asked), answer) if asked else ())
        return [None if question is None else next(answers) for question in questions]

    def _ask(self, asked: bytes, count: int, answer: Callable[[IO[bytes]], _T]) -> list[_T]:
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(asked + b"\0")
                process.stdin.flush()
                return [answer(process.stdout) for _ in range(count)]
            except (OSError, _Gone) as error:
                self._end()
                raise self._diagnosis(asked) from error
            except BaseException:
                # Interrupted: what is left of the answer would be taken for the next one.
                self._end()
                raise

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._owner == os.getpid():
            return self._process
        self._end()
        try:
            process = subprocess.Popen(
                ["git", *SETTINGS, "cat-file", "--batch-command", "-z"],
                cwd=self._folder,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise not_started(error, self._folder) from error
        self._process, self._owner = process, os.getpid()
        self._stop = weakref.finalize(self, _finish, process)
        return process

    def _end(self) -> None:
        if self._stop is not None:
            self._stop()
        self._process = self._stop = None

    def _diagnosis(self, asked: bytes) -> Undecided:
        """Why the process ended: git is too old, does not trust the repository, or met a corrupt object."""
        version = run(["version"], self._folder).decode().removeprefix("git version ").strip()
        numbers = tuple(int(number) for number in re.findall(r"[0-9]+", version)[:2])
        if numbers < OLDEST_GIT:
            raise ConfigError(f"git {version} is too old", "install git 2.39 or newer")
        run(["rev-parse", "--git-dir"], self._folder)
        name = asked.decode(errors="replace").split(" ", 1)[1]
        return Undecided(f"git could not read {name!r}", "git fsck tells what is corrupt")


def _finish(process: subprocess.Popen[bytes]) -> None:
    """Ends a process by closing its pipes: in a forked child, too, where it is not ours to kill."""
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            assert pipe is not None
            pipe.close()
    process.wait()


def _question(name: str) -> bytes | None:
    """``name`` as the process reads it; None if no object can be called so, or the answer could not be told."""
    if not name or "\n" in name or "\0" in name:
        return None
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def _read_header(pipe: IO[bytes]) -> Header | None:
    line = pipe.readline()
    if not line.endswith(b"\n"):
        raise _Gone
    match = _HEAD.match(line)
    return Header(match[1].decode(), match[2].decode(), int(match[3])) if match else None


def _read_object(pipe: IO[bytes]) -> Object | None:
    header = _read_header(pipe)
    if header is None:
        return None
    wanted = min(header.size, READ_LIMIT + 1) if header.type == "blob" else header.size
    data = _read_exactly(pipe, wanted)
    left = header.size + 1 - wanted  # one newline follows the content
    while left:
        left -= len(_read_exactly(pipe, min(left, _CHUNK)))
    return Object(header.oid, header.type, data)


def _read_exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) != size:
        raise _Gone
    return data


def missing(what: str) -> Undecided:
    """The error for an object that something names and that is not here."""
    return Undecided(f"{what} is missing from the repository", "git fetch may bring it; git fsck tells more")


def parse_tree(data: bytes, oid: str) -> dict[str, Entry]:
    """The entries of a raw tree object called ``oid``, whose length tells the repository's hash.

    Format: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects#_tree_objects: mode SP name NUL raw id.

    Raises:
        Undecided: it is malformed, or ambiguous: a name twice, or one that is empty, has a slash or leads elsewhere.
    """
    rows = _ENTRIES[len(oid)].findall(data)
    entries = {
        name.decode("utf-8", "surrogateescape"): Entry(_MODES.get(mode) or mode.decode().zfill(6), raw.hex())
        for mode, name, raw in rows
    }
    taken = sum(len(mode) + len(name) for mode, name, _ in rows) + len(rows) * (2 + len(oid) // 2)
    if taken != len(data) or len(entries) != len(rows) or not {".", ".."}.isdisjoint(entries):
        raise Undecided(f"the folder {oid} is corrupt", "git fsck tells more")
    return entries


_MODES = {mode.lstrip("0").encode(): mode for mode in (FILE, EXECUTABLE, SYMLINK, SUBMODULE, FOLDER)}
# By the length of ids in hex. No entry of another form is between two of these if all bytes are taken.
_ENTRIES = {
    length: re.compile(rb"([0-7]{1,6}) ([^/\0]+)\0(.{%d})" % (length // 2), re.DOTALL) for length in (40, 64)
}


# What git may take for something else than the path behind "<id>:": "x-g1234" is git-describe's name of object
# 1234, "x-g1234^{tree}" the tree of that. A newline could not be told from the answer's end.
_NOT_PLAIN = re.compile(r"[~^\n]|-g[0-9A-Fa-f]+\Z")


class GitTree(Tree):
    """The files of the commit or tree ``oid``.

    A folder is asked for by its path: that costs one round trip, whatever lies beside it or beside the folders above.
    Its listing is kept, and its files are looked up in it: what is not there is known at once, and a registry's large
    folders hold no files.
    """

    def __init__(self, reader: ObjectReader, oid: str) -> None:
        self._reader = reader
        self._oid = oid
        self._folders: dict[str, str | None] = {}
        self._asked: dict[str, int] = {}

    def read(self, path: str) -> Blob | None:
        """See :class:`gitreg.core.ports.Tree`. Raises Undecided for an entry whose object is missing or corrupt."""
        if not is_path(path):
            return None
        found = self._near(path)
        if found is not None:
            return Blob(found.oid, found.data) if found.type == "blob" else None
        entry = self._entry(path)
        if entry is None or entry.mode in {FOLDER, SUBMODULE}:
            return None
        return Blob(entry.oid, self.blob(entry.oid))

    def _near(self, path: str) -> Object | None:
        """What is at ``path``, where one question tells: its folder is not known, but the one around that is."""
        parent = path.rpartition("/")[0]
        if not parent or parent in self._folders or self._folders.get(parent.rpartition("/")[0]) is None:
            return None
        question = self._question(path)
        return self._reader.read(question) if question is not None else None

    def list(self, path: str) -> Mapping[str, Entry]:
        """See :class:`gitreg.core.ports.Tree`. Raises Undecided for a folder whose object is missing or corrupt."""
        if path not in self._folders:
            return self._find(path)
        folder = self._folders[path]
        return self._reader.listing(folder) if folder is not None else {}

    def blob(self, oid: str) -> bytes:
        """See :class:`gitreg.core.ports.Tree`. Raises Undecided if there is no such blob."""
        return _content(oid, self._reader.read(oid))

    def blobs(self, oids: Sequence[str]) -> Iterator[bytes]:
        """See :class:`gitreg.core.ports.Tree`. Raises Undecided if there is no such blob."""
        return (_content(oid, found) for oid, found in zip(oids, self._reader.reads(oids), strict=True))

    def lists(self, paths: Sequence[str]) -> Iterator[Mapping[str, Entry]]:
        """See :class:`gitreg.core.ports.Tree`. Raises Undecided for a folder whose object is missing or corrupt."""
        folders = [self._folder_below(path) if path else self._root() for path in paths]
        found = self._reader.listings([folder for folder in folders if folder is not None])
        return ({} if folder is None else next(found) for folder in folders)

    def _entry(self, path: str) -> Entry | None:
        parent, _, name = path.rpartition("/")
        return self.list(parent).get(name)

    def _find(self, path: str) -> Mapping[str, Entry]:
        """Finds out which folder is at ``path``; returns its entries."""
        if path and not is_path(path):
            return {}
        question = self._question(path)
        found = self._reader.folder(question) if question is not None else None
        if found is not None:
            self._remember(path, found[0])
            return found[1]
        if not path:
            raise missing(f"the commit {self._oid} or its tree")
        # git does not tell "nothing is there" from "what is there is missing"; the folder above does.
        folder = self._folder_below(path)
        self._remember(path, folder)
        return self._reader.listing(folder) if folder is not None else {}

    def _folder_below(self, path: str) -> str | None:
        """The id of the folder at ``path``, as the folder above has it."""
        entry = self._entry(path) if is_path(path) else None
        return entry.oid if entry is not None and entry.mode == FOLDER else None

    def _root(self) -> str | None:
        self.list("")
        return self._folders[""]

    def _question(self, path: str) -> str | None:
        """What to ask git for the folder at ``path``; None where the folder above is to be looked into instead."""
        if not path:
            return f"{self._oid}^{{tree}}"
        above = path.rpartition("/")[0]
        if _NOT_PLAIN.search(path) or self._reader.kept_listing(self._folders.get(above) or ""):
            return None
        while above and self._folders.get(above) is None:
            above = above.rpartition("/")[0]
        if not self._is_patient(above):
            return None
        return f"{self._folders.get(above) or self._oid}:{path[len(above) :].lstrip('/')}"

    def _is_patient(self, above: str) -> bool:
        """Whether git is still asked for what is below a folder. It reads every folder on the way anew, which costs a
        millisecond where one has ten thousand entries; whoever asks often is better served by folders listed once.
        """
        asked = self._asked[above] = self._asked.get(above, 0) + 1
        return asked <= _PATIENCE

    def _remember(self, path: str, folder: str | None) -> None:
        if len(self._folders) >= KEPT_ENTRIES:
            self._folders.clear()
            self._asked.clear()
        self._folders[path] = folder


def _content(oid: str, found: Object | None) -> bytes:
    if found is None or found.type != "blob":
        raise missing(f"the file {oid}")
    return found.data


def is_path(path: str) -> bool:
    """Whether ``path`` can be a path inside a tree (``./x`` would mean one beside the process's own folder)."""
    return "\0" not in path and not {"", ".", ".."}.intersection(path.split("/"))
