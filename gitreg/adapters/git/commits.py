"""Reads a commit object.

Format: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects#_git_commit_objects; the order of the lines is what
``git fsck`` demands. Any other order is refused: git's own readers would not agree on the parents.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from gitreg.core.ports import Commit, Identity, Sealed
from gitreg.errors import Undecided

_HEAD = re.compile(
    rb"tree (?P<tree>[0-9a-f]+)\n(?P<parents>(?:parent [0-9a-f]+\n)*)"
    rb"author (?P<author>.*)\ncommitter (?P<committer>.*)\n"
)
_ENCODING = re.compile(rb"^encoding (?P<name>[A-Za-z0-9._:-]+)$", re.MULTILINE)
_PERSON = re.compile(r"(?P<name>.*?) ?<(?P<email>[^>]*)> (?P<time>[0-9]{1,12}) [+-][0-9]+\Z")


def parse_commit(oid: str, data: bytes) -> Commit:
    """The commit called ``oid`` whose raw content is ``data``.

    Raises:
        Undecided: it is malformed.
    """
    head = _HEAD.match(data)
    if head is None:
        raise _corrupt(oid)
    rest, _, message = data[head.end() - 1 :].partition(b"\n\n")
    named = _ENCODING.search(rest)
    encoding = named["name"].decode() if named else "utf-8"
    try:
        author, _ = _person(_text(head["author"], encoding))
        _, time = _person(_text(head["committer"], encoding))
    except (ValueError, OverflowError) as error:
        raise _corrupt(oid) from error
    parents = tuple(head["parents"].decode().replace("parent ", "").split())
    return Commit(oid, head["tree"].decode(), parents, author, time, _text(message, encoding), _sealed(data))


# A header's further lines begin with a space: https://git-scm.com/docs/gitformat-signature.
_SIGNATURE = re.compile(rb"^gpgsig (?P<armor>.*\n(?: .*\n)*)", re.MULTILINE)


def _sealed(data: bytes) -> Sealed | None:
    """The signature in a commit's headers. With several, git's readers would not agree on what is signed: none."""
    headers, blank, message = data.partition(b"\n\n")
    if headers.count(b"\ngpgsig") != 1:
        return None
    found = _SIGNATURE.search(headers + b"\n")
    if found is None:
        return None
    rest = (headers + b"\n")[: found.start()] + (headers + b"\n")[found.end() :]
    armor = found["armor"].replace(b"\n ", b"\n").decode("ascii", "replace")
    return Sealed(rest.removesuffix(b"\n") + blank + message, armor)


def with_signature(data: bytes, armor: str) -> bytes:
    """The raw commit ``data`` with a signature as its last header, where git puts it."""
    headers, blank, message = data.partition(b"\n\n")
    return headers + b"\ngpgsig " + armor.strip().replace("\n", "\n ").encode("ascii") + blank + message


def _text(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding, "replace")
    except (LookupError, UnicodeError):
        return raw.decode("utf-8", "replace")


def _person(text: str) -> tuple[Identity, datetime]:
    match = _PERSON.match(text)
    if match is None:
        raise ValueError(text)
    return Identity(match["name"], match["email"]), datetime.fromtimestamp(int(match["time"]), UTC)


def _corrupt(oid: str) -> Undecided:
    return Undecided(f"the commit {oid} is corrupt", "git fsck tells more")
