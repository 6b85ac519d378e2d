"""Reads a commit object.

Format: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects#_git_commit_objects; the order of the lines is what
``git fsck`` demands. Any other order is refused: git's own readers would not agree on the parents.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from gitreg.core.ports import Commit, Identity
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
    return Commit(oid, head["tree"].decode(), parents, author, time, _text(message, encoding))


def _text(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _person(text: str) -> tuple[Identity, datetime]:
    match = _PERSON.match(text)
    if match is None:
        raise ValueError(text)
    return Identity(match["name"], match["email"]), datetime.fromtimestamp(int(match["time"]), UTC)


def _corrupt(oid: str) -> Undecided:
    return Undecided(f"the commit {oid} is corrupt", "git fsck tells more")
