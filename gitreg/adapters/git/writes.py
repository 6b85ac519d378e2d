"""Writes objects, many in one process.

What is to be stored is gathered and given to ``git unpack-objects`` as a pack. git stores each object by itself, as it
would after any push: with the repository's permissions, and on the disk before a ref may name it.

Formats: https://git-scm.com/docs/gitformat-pack and
https://git-scm.com/book/en/v2/Git-Internals-Git-Objects (trees, commits).
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from gitreg.adapters.git.run import run
from gitreg.core.ports import FOLDER, Entry, Identity

#: The types of objects in a pack ("OBJ_COMMIT" and so on).
_TYPES = {"commit": 1, "tree": 2, "blob": 3}
_SHA256 = re.compile(r"^\s*objectformat\s*=\s*\"?sha256", re.IGNORECASE | re.MULTILINE)


class ObjectWriter:
    """Objects for the repository whose git folder is ``common_dir``; git runs in ``folder``.

    Not to be shared between threads.
    """

    def __init__(self, folder: str, common_dir: Path) -> None:
        self._folder = folder
        self._common_dir = common_dir
        self._hash: Callable[[bytes], hashlib._Hash] | None = None
        self._waiting: dict[str, tuple[str, bytes]] = {}

    def add(self, type: str, data: bytes) -> str:
        """Takes an object (its type and its raw content); returns its id. It is stored by ``flush``."""
        oid = self._hashed(f"{type} {len(data)}\0".encode() + data).hexdigest()
        self._waiting[oid] = (type, data)
        return oid

    def type_of(self, oid: str) -> str | None:
        """The type of an object that waits to be stored; None if it is none of these."""
        found = self._waiting.get(oid)
        return found[0] if found else None

    def flush(self) -> None:
        """Stores all that waits. Raises GitregError where git cannot write; then it waits no more."""
        waiting, self._waiting = self._waiting, {}
        if waiting:
            run(["unpack-objects", "-q"], self._folder, stdin=self._pack(list(waiting.values())))

    def _pack(self, objects: Sequence[tuple[str, bytes]]) -> bytes:
        parts = [b"PACK", struct.pack(">II", 2, len(objects))]
        for type, data in objects:
            # Stored plain: git compresses what it writes by itself.
            parts += [_object_head(_TYPES[type], len(data)), zlib.compress(data, 0)]
        body = b"".join(parts)
        return body + self._hashed(body).digest()

    def _hashed(self, data: bytes) -> hashlib._Hash:
        if self._hash is None:
            self._hash = hashlib.sha256 if self._is_sha256() else _sha1
        return self._hash(data)

    def _is_sha256(self) -> bool:
        """What the repository names its objects by: git reads this from no other file, and never changes it."""
        config = self._common_dir / "config"
        text = config.read_text(encoding="utf-8", errors="replace") if config.is_file() else ""
        return _SHA256.search(text) is not None


def _sha1(data: bytes) -> hashlib._Hash:
    return hashlib.sha1(data, usedforsecurity=False)


def _object_head(type: int, size: int) -> bytes:
    """A pack's head of one object: four bits of its size beside its type, then seven at a time, the lowest first."""
    head, size = (type << 4) | (size & 15), size >> 4
    found = bytearray()
    while size:
        found.append(head | 0x80)
        head, size = size & 0x7F, size >> 7
    found.append(head)
    return bytes(found)


def tree_content(entries: Mapping[str, Entry]) -> bytes:
    """The raw content of a tree, in git's order: folders are sorted as if their names ended in a slash."""
    rows = [(_name(name), entry) for name, entry in entries.items()]
    rows.sort(key=lambda row: row[0] + b"/" if row[1].mode == FOLDER else row[0])
    return b"".join(tree_row(name, entry) for name, entry in rows)


def tree_row(name: bytes, entry: Entry) -> bytes:
    """One entry of a raw tree."""
    return b"%s %s\0%s" % (entry.mode.lstrip("0").encode(), name, bytes.fromhex(entry.oid))


def _name(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def replaced_rows(
    content: bytes, before: Mapping[str, Entry], after: Mapping[str, Entry], names: Sequence[str]
) -> bytes | None:
    """The raw tree ``after``, from that of ``before``, where they differ in ``names`` alone.

    None where that takes more than to put other ids in: so a large folder costs no more than its bytes.
    """
    for name in names:
        old, new = before.get(name), after.get(name)
        if old is None or new is None or old.mode != new.mode:
            return None
        row = tree_row(_name(name), old)
        if content.count(row) != 1:  # the end of a longer name may look the same
            return None
        content = content.replace(row, tree_row(_name(name), new))
    return content


# What git takes out of names and addresses ("crud"), or takes for their end.
_PLAIN = re.compile(r"[^\x00-\x20.,:;<>\"\\'](?:[^\x00-\x1f<>\x7f]*[^\x00-\x20.,:;<>\"\\'])?\Z")


def commit_content(
    tree: str, parents: Sequence[str], message: str, author: Identity, committer: Identity, time: datetime
) -> bytes | None:
    """The raw content of a commit as ``git commit-tree`` makes it; None where that would alter what it is given."""
    said = (author.name, author.email, committer.name, committer.email)
    if not all(map(_PLAIN.match, said)) or "\0" in message:
        return None
    when = f"{int(time.timestamp())} +0000"
    lines = [
        f"tree {tree}",
        *(f"parent {parent}" for parent in parents),
        f"author {author.name} <{author.email}> {when}",
        f"committer {committer.name} <{committer.email}> {when}",
        "",
    ]
    try:
        return "\n".join([*lines, message]).encode()
    except UnicodeEncodeError:
        return None
