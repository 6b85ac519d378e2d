"""Locks on files, for whoever works on the same folder at the same time.

It is ``flock(2)``, which the kernel lets go of when its holder dies, so a lock is never stale; on NFS it is a lock of
the server (https://man7.org/linux/man-pages/man2/flock.2.html, "NFS details"). A child that is forked meanwhile would
hold on to it for as long as it lives, as would each of its own, so a child has no part in the locks of its parent.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from contextlib import suppress
from pathlib import Path


class FileLock:
    """A lock on a file, had from ``take`` on until it is closed, or its ``with`` block ends.

    Attributes:
        file: the descriptor of the open file, to read and write.
    """

    def __init__(self, file: int) -> None:
        self.file = file
        _OPEN.add(self)

    @classmethod
    def take(cls, place: Path, patience: float, pause: float = 0.01) -> FileLock:
        """Waits until nobody else has the lock on the file ``place``, which is made if need be.

        Args:
            patience: how long, in seconds.
            pause: the longest time between two looks, in seconds.

        Raises:
            TimeoutError: somebody else had it all the time.
            OSError: the file may not be written, or its file system has no locks.
        """
        lock = cls(os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
        try:
            lock._wait(time.monotonic() + patience, pause)
        except BaseException:
            lock.close()
            raise
        return lock

    def _wait(self, end: float, pause: float) -> None:
        while True:
            try:
                return fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TimeoutError from None
            time.sleep(random.uniform(pause / 4, pause))  # noqa: S311  # so that they do not look all at once

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_held(self) -> bool:
        """Whether this process has it."""
        return self in _OPEN

    def close(self) -> None:
        """Lets go of it. Nothing to do in a child that was forked meanwhile."""
        if self.is_held:
            _OPEN.discard(self)
            os.close(self.file)


_OPEN: set[FileLock] = set()


def _disown() -> None:
    while _OPEN:
        with suppress(OSError):
            os.close(_OPEN.pop().file)


os.register_at_fork(after_in_child=_disown)
