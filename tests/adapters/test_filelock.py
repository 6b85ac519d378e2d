"""Locks on files: one holder at a time, across threads and forks, past those who died."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitreg.adapters.filelock import FileLock


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    with FileLock.take(place, 1) as lock:
        assert lock.is_held
        with pytest.raises(TimeoutError):
            FileLock.take(place, 0.02)
    assert not lock.is_held
    FileLock.take(place, 1).close()


def test_what_cannot_be_locked_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock.take(tmp_path / "none" / "lock", 1)


def test_a_forked_child_has_no_part_in_it(tmp_path: Path) -> None:
    """It lives on while the lock is let go of, and lets go of nothing itself."""
    place, (wait, go) = tmp_path / "lock", os.pipe()
    lock = FileLock.take(place, 1)
    child = os.fork()
    if not child:
        os.close(go)
        held = lock.is_held
        lock.close()
        os.read(wait, 1)
        os._exit(held)
    with pytest.raises(TimeoutError):
        FileLock.take(place, 0.02)
    lock.close()
    FileLock.take(place, 1).close()
    os.close(go)
    assert os.waitpid(child, 0)[1] == 0
    os.close(wait)
