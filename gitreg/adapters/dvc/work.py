"""Many files at once: threads that stop together, and the one progress bar they share."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from gitreg.core.ports import Progress, ProgressTask

#: Bytes read at a time.
CHUNK = 1 << 20

T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):
    """Another thread failed, or Ctrl-C was pressed: this thread's result is not wanted any more."""


class Meter:
    """Counts bytes for one bar (if any), from any thread; every count is where a stopped thread ends."""

    def __init__(self, task: ProgressTask | None = None) -> None:
        self._task = task
        self._lock = threading.Lock()
        self._stopped = False
        self.done = 0

    def advance(self, amount: int) -> None:
        """Counts ``amount`` more bytes. Raises Stopped where nobody waits for them."""
        with self._lock:
            if self._stopped:
                raise Stopped
            self.done += amount
            if self._task is not None:
                self._task.advance(amount)

    def stop(self) -> None:
        """Ends all threads that count here, each at its next count."""
        self._stopped = True


@contextmanager
def metered(progress: Progress, label: str, total: int) -> Iterator[Meter]:
    """A meter behind an open bar over ``total`` bytes, full in the end whatever was skipped on the way."""
    with progress.task(label, total) as task:
        meter = Meter(task)
        yield meter
        if meter.done < total:
            meter.advance(total - meter.done)


def spread(work: Callable[[T], R], items: Sequence[T], jobs: int, meter: Meter) -> list[R]:
    """The results of ``work`` on each item, in order, from ``jobs`` threads.

    The first failure, or Ctrl-C, stops the threads that count on ``meter``, and is raised when they have ended.
    """
    if len(items) <= 1:
        return [work(item) for item in items]

    def guarded(item: T) -> R:
        try:
            return work(item)
        except BaseException:
            meter.stop()
            raise

    futures: list[Future[R]] = []
    with ThreadPoolExecutor(min(jobs, len(items))) as pool:
        try:
            futures += (pool.submit(guarded, item) for item in items)
            wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:
            meter.stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    return _results(futures)


def _results(futures: Sequence[Future[R]]) -> list[R]:
    errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
    for error in errors:
        if not isinstance(error, Stopped):
            raise error
    return [future.result() for future in futures]


class Digests:
    """The names of a stream of bytes: DVC's md5 and gitreg's sha256, and its size."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self.size = 0

    def update(self, chunk: bytes) -> None:
        """Adds the next bytes."""
        self._md5.update(chunk)
        self._sha256.update(chunk)
        self.size += len(chunk)

    @property
    def md5(self) -> str:
        """In hex."""
        return self._md5.hexdigest()

    @property
    def sha256(self) -> str:
        """In hex."""
        return self._sha256.hexdigest()
