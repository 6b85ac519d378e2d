"""Standing in line: those who write through the same git folder do so one after another, instead of racing.

This is courtesy and no safety: what keeps a change from being lost is that every ref moves from its expected old value.
But each who loses such a race has planned, written and judged in vain, and with many at once most of the work is that.
So whoever cannot have the lock (the folder is read-only, the file system has none), or waits too long for it (a large
artifact is read back in front of them), goes on without. See :mod:`gitreg.adapters.filelock`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitreg.adapters.filelock import FileLock

#: The file's name in the git folder.
NAME = "gitreg-line"
#: How long others are waited for, and the longest pause between two looks, in seconds.
PATIENCE = 30.0
_PAUSE = 0.04


@contextmanager
def in_line(common_dir: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Runs the block when nobody else runs one for the same folder, or after ``patience`` seconds."""
    lock = None
    with suppress(OSError):
        lock = FileLock.take(common_dir / NAME, patience, _PAUSE)
    try:
        yield
    finally:
        if lock is not None:
            lock.close()
