"""Standing in line: those who write through the same git folder do so one after another, instead of racing.

This is courtesy and no safety: what keeps a change from being lost is that every ref moves from its expected old value.
But each who loses such a race has planned, written and judged in vain, and with many at once most of the work is that.
So whoever cannot have the lock (the folder is read-only, the file system has none), or waits too long for it (a large
artifact is read back in front of them), goes on without. It is ``flock(2)``, which the kernel lets go of when its
holder dies; on NFS that is a lock of the server (https://man7.org/linux/man-pages/man2/flock.2.html, "NFS details").
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: The file's name in the git folder.
NAME = "gitreg-line"
#: How long others are waited for, and the longest pause between two looks, in seconds.
PATIENCE = 30.0
_PAUSE = 0.04


@contextmanager
def in_line(common_dir: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Runs the block when nobody else runs one for the same folder, or after ``patience`` seconds."""
    file = None
    try:
        with suppress(OSError):
            file = os.open(common_dir / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            _wait(file, time.monotonic() + patience)
        yield
    finally:
        if file is not None:
            os.close(file)


def _wait(file: int, end: float) -> None:
    while time.monotonic() < end:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(random.uniform(_PAUSE / 4, _PAUSE))  # noqa: S311  # so that they do not look all at once
