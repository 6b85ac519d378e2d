"""The values of which events are made, each checked. What is not of its form is Undecided: it cannot be judged."""

from __future__ import annotations

import re

from gitreg.errors import Undecided

#: In characters; git itself takes no longer names of refs where they are files.
MOST_BRANCH = 1000

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_NUMBER = re.compile(r"[1-9][0-9]{0,14}\Z")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)")
_HINT = "gitreg ci event shows what was found; name what to judge: gitreg verify --base REV --head REV"


def commit(value: object, where: str) -> str:
    """The full id of a commit. Raises Undecided; zeros are none."""
    found = commit_or_none(value, where)
    if found is None:
        raise wrong(where, value, "the id of a commit")
    return found


def commit_or_none(value: object, where: str) -> str | None:
    """As ``commit``; None for zeros, by which git says that there is none."""
    if not isinstance(value, str) or not _COMMIT.match(value):
        raise wrong(where, value, "the id of a commit")
    return value if value.strip("0") else None


def number(value: object, where: str) -> str:
    """The number of a request, as text."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _NUMBER.match(text):
        raise wrong(where, value, "the number of a request")
    return text


def branch(value: object, where: str) -> str:
    """The short name of a branch (https://git-scm.com/docs/git-check-ref-format)."""
    if not isinstance(value, str) or not is_branch(value):
        raise wrong(where, value, "the name of a branch")
    return value


def is_branch(name: str) -> bool:
    """Whether a branch can be called so."""
    is_bounded = 0 < len(name) <= MOST_BRANCH and name[0] not in "-./" and name[-1] not in "./"
    return is_bounded and name not in {"@", "HEAD"} and _FORBIDDEN.search(name) is None


def wrong(where: str, value: object, expected: str) -> Undecided:
    """The error of a value that is not of its form."""
    shown = repr(value)
    return Undecided(
        f"{where} is {shown[:80]}{'…' if len(shown) > 80 else ''}, and no {expected.partition(' ')[2]}", _HINT
    )
