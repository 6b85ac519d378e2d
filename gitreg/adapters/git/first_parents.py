"""The first-parent line of a branch: what each commit on it did to the files of one folder.

Two of git's plumbing commands tell, whose output no configuration changes: https://git-scm.com/docs/git-rev-list says
which commits they are, https://git-scm.com/docs/git-diff-tree what each did against its first parent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gitreg.adapters.git.run import run
from gitreg.core.ports import Step, Touch
from gitreg.errors import Undecided


@dataclass(frozen=True, slots=True)
class _Commit:
    oid: str
    time: datetime
    parent: str | None


def steps(folder: str, base: str | None, tip: str, path: str) -> Iterator[Step] | None:
    """See :meth:`gitreg.core.ports.Repository.steps`; ``path`` is the folder in the repository ``folder``.

    Raises:
        Undecided: git could not read an object, or said something unexpected.
    """
    commits = _commits(folder, base, tip)
    if base is not None and (commits[0].parent if commits else tip) != base:
        return None
    return _steps(folder, commits, path)


def _commits(folder: str, base: str | None, tip: str) -> list[_Commit]:
    """The line, oldest first; if ``base`` is not on it, its oldest commit has another parent."""
    excluded = [f"^{base}"] if base is not None else []
    args = ["rev-list", "--first-parent", "--reverse", "--timestamp", "--parents", "--end-of-options"]
    lines = run([*args, tip, *excluded], folder).decode("ascii").splitlines()
    return [_commit(line.split(" ")) for line in lines]


#: The last second of the year 9999, since 1970.
_LATEST = 253402300799


def _commit(fields: Sequence[str]) -> _Commit:
    seconds, oid, *parents = fields
    # git takes any number for a date. One that no calendar has keeps nobody from reading.
    time = datetime.fromtimestamp(min(max(int(seconds), 0), _LATEST), UTC)
    return _Commit(oid, time, parents[0] if parents else None)


def _steps(folder: str, commits: Sequence[_Commit], path: str) -> Iterator[Step]:
    if not commits:
        return
    # A line names a commit and what to compare it with. What is cut off has no parent, as the first commit has none.
    asked = "".join(f"{each.oid} {each.parent}\n" if each.parent else f"{each.oid}\n" for each in commits)
    args = ["--literal-pathspecs", "diff-tree", "--stdin", "--root", "-r", "-z", "--raw", "--no-renames"]
    below = [path] if path else []
    out = run([*args, "--no-abbrev", "--", *below], folder, stdin=asked.encode())
    times = {each.oid: each.time for each in commits}
    for oid, touches in _parsed(out):
        if oid not in times:
            raise _unexpected(oid)
        yield Step(times[oid], touches)


# https://git-scm.com/docs/git-diff-tree#_raw_output_format, without renames.
_RAW = re.compile(r":[0-7]{6} [0-7]{6} ([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) [ADMT]\Z")


def _parsed(out: bytes) -> Iterator[tuple[str, tuple[Touch, ...]]]:
    """The commits of git's answer and what each touched: the id NUL, then for each file its change NUL path NUL."""
    fields = out.decode("utf-8", "surrogateescape").split("\0")
    if fields.pop():
        raise _unexpected("an answer that is cut off")
    oid, touches = "", list[Touch]()
    rest = iter(fields)
    for field in rest:
        if not field.startswith(":"):
            if oid:
                yield oid, tuple(touches)
            oid, touches = field, []
            continue
        found = _RAW.match(field)
        if found is None or not oid:
            raise _unexpected(field)
        touches.append(Touch(next(rest, ""), _blob(found[1]), _blob(found[2])))
    if oid:
        yield oid, tuple(touches)


def _blob(oid: str) -> str | None:
    return oid if oid.strip("0") else None


def _unexpected(what: str) -> Undecided:
    return Undecided(f"git diff-tree said {what[:80]!r}", "install a git that gitreg knows, 2.39 or newer")
