"""Threads and processes that use one store: each reads for itself, and leaves no process behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flow_kit import make_solo

from gitreg.surfaces.mlflow.session import AWAKE, Session, Sessions
from gitreg.surfaces.mlflow.uri import parse_registry_uri


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(parse_registry_uri(f"gitreg://{make_solo(tmp_path) / 'solo'}"))


def readers() -> set[int]:
    """The running git processes that this one has started."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            is_reader = b"cat-file" in (place / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and is_reader:
            found.add(int(place.name))
    return found


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it looks at /proc")


def models(session: Session) -> list[str]:
    return session.snapshot().models()


def test_many_threads_keep_few_git_processes_and_all_read_on(sessions: Sessions) -> None:
    before, together, turn = readers(), threading.Barrier(20), threading.Lock()

    def read() -> tuple[list[str], int]:
        with turn:  # a session that is put to sleep in the middle of a call wakes up again
            first = models(sessions.get())
        together.wait(60)  # all are alive, so all have a session of their own
        running = len(readers() - before)
        together.wait(60)
        assert models(sessions.get()) == first
        return first, running

    with ThreadPoolExecutor(20) as pool:
        found = [future.result() for future in [pool.submit(read) for _ in range(20)]]
    assert {tuple(names) for names, _ in found} == {("credit-risk",)}
    assert max(running for _, running in found) <= AWAKE
    assert len(readers() - before) <= AWAKE


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_thread_s_git_process_ends_with_it(sessions: Sessions) -> None:
    before = readers()
    for _ in range(3):
        in_a_thread(lambda: models(sessions.get()))
    end = time.monotonic() + 30
    while readers() - before and time.monotonic() < end:
        time.sleep(0.01)  # what is a thread's own goes just after the thread is over
    assert readers() <= before


def test_a_forked_process_reads_for_itself(sessions: Sessions) -> None:
    here = sessions.get()
    assert models(here) == ["credit-risk"]
    child = os.fork()
    if child == 0:
        mine = sessions.get()
        os._exit(0 if mine is not here and models(mine) == ["credit-risk"] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert models(sessions.get()) == ["credit-risk"]
    assert sessions.get() is here
