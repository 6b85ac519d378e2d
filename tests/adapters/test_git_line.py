"""Writers stand in line: across threads and processes, past those who died, and not for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gitreg.adapters.git.line import NAME, in_line

HOLD = """
import sys
from pathlib import Path
from gitreg.adapters.git.line import in_line
with in_line(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that has the lock until its input ends."""
    command = [sys.executable, "-c", HOLD, os.fspath(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_one_thread_at_a_time(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        with in_line(tmp_path):
            inside += 1
            most = max(most, inside)
            time.sleep(0.005)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)


def test_whoever_waits_too_long_goes_on_without(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        begin = time.monotonic()
        with in_line(tmp_path, patience=0.1):
            assert time.monotonic() - begin < 5
            assert other.poll() is None
        other.kill()
        begin = time.monotonic()
        with in_line(tmp_path):  # the kernel let go of what the killed one held
            assert time.monotonic() - begin < 5


def test_a_failure_gives_the_place_up(tmp_path: Path) -> None:
    with pytest.raises(KeyError), in_line(tmp_path):
        raise KeyError
    begin = time.monotonic()
    with in_line(tmp_path):
        assert time.monotonic() - begin < 1


def test_a_folder_that_cannot_be_locked_is_written_without(tmp_path: Path) -> None:
    with in_line(tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists()
    (tmp_path / NAME).mkdir()
    with in_line(tmp_path):
        pass
