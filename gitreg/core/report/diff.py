"""Planned edits as a unified diff, for ``--dry-run``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from gitreg.core.report.text import printable
from gitreg.core.snapshot import Snapshot


def edits_diff(snapshot: Snapshot, edits: Mapping[str, bytes | None]) -> str:
    """What the edits do to the snapshot's files, in path order, as ``git diff`` shows it; "" if nothing.

    Control characters are escaped, and bytes that are no text are only said to differ: it is for eyes, not for
    ``git apply``.
    """
    return "\n".join(line for path in sorted(edits) for line in _file(snapshot, path, edits[path]))


def _file(snapshot: Snapshot, path: str, new: bytes | None) -> Iterator[str]:
    blob = snapshot.blob(path)
    old = blob.data if blob else None
    if old == new:
        return
    name = printable(path)
    before = "/dev/null" if old is None else f"a/{name}"
    after = "/dev/null" if new is None else f"b/{name}"
    old_lines, new_lines = _lines(old), _lines(new)
    if old_lines is None or new_lines is None:
        yield f"Binary files {before} and {after} differ"
        return
    yield from difflib.unified_diff(old_lines, new_lines, before, after, lineterm="")


def _lines(data: bytes | None) -> list[str] | None:
    """The printable lines of a text, with git's remark where the last one is not ended; None if it is no text."""
    try:
        text = (data or b"").decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    *lines, last = text.split("\n")
    unended = [printable(last) + "\n\\ No newline at end of file"] if last else []
    return [printable(line) for line in lines] + unended
