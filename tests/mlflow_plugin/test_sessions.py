"""Threads and processes that use one store: each reads for itself, and leaves no process behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flow_kit import make_solo

from gitreg.surfaces.mlflow.session import KEPT, Session, Sessions
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


def lent_models(sessions: Sessions) -> list[str]:
    with sessions.lent() as session:
        return models(session)


def test_many_threads_at_once_have_a_session_each_and_leave_few_open(sessions: Sessions) -> None:
    before, together = readers(), threading.Barrier(20)

    def read() -> int:
        with sessions.lent() as mine:
            assert models(mine) == ["credit-risk"]
            together.wait(60)  # all have one at once
            assert models(mine) == ["credit-risk"]
            return id(mine)

    with ThreadPoolExecutor(20) as pool:
        found = [future.result() for future in [pool.submit(read) for _ in range(20)]]
    assert len(set(found)) == 20
    assert len(readers() - before) <= KEPT


def test_threads_that_come_and_go_use_one_session(sessions: Sessions) -> None:
    before = readers()
    for _ in range(3):
        in_a_thread(lambda: lent_models(sessions))
    assert len(readers() - before) == 1


def test_a_block_in_a_block_has_the_same_session(sessions: Sessions) -> None:
    with sessions.lent() as outer, sessions.lent() as inner:
        assert inner is outer is sessions.mine


def test_what_fails_gives_its_session_back(sessions: Sessions) -> None:
    with pytest.raises(ValueError, match="no"), sessions.lent() as first:
        raise ValueError("no")
    with sessions.lent() as second:
        assert second is first


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_forked_process_reads_for_itself(sessions: Sessions) -> None:
    with sessions.lent() as here:
        assert models(here) == ["credit-risk"]
        child = os.fork()
        if child == 0:
            with sessions.lent() as mine:
                os._exit(0 if mine is not here and models(mine) == ["credit-risk"] else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert models(here) == ["credit-risk"]
