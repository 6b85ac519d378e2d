"""The watch over the attacks notices what it is there for; and where nobody attacks, a change may land."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence

import pytest
from flow_kit import describe

from attacks import attack_watch
from attacks.attack_kit import CASES, Build, Ground, attack
from attacks.attack_watch import judge

Judge = Callable[..., object]


@pytest.fixture
def judged(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Judge]:
    """Judges a harmless change by a gitreg that does something else; ``build`` is another one."""
    known = len(CASES)

    def run(bad: Callable[[], object] | str = "", build: Build | None = None) -> object:
        attack(outcome="harmless", isolated=isinstance(bad, str) and bool(bad))(build or harmless)
        if callable(bad):
            monkeypatch.setattr(attack_watch, "run", lambda args: bad() and 0)
        elif bad:
            monkeypatch.setattr(attack_watch, "PROGRAM", ("-c", bad))
        return judge(CASES[-1], ground, monkeypatch, capsys)

    yield run
    del CASES[known:]


def harmless(ground: Ground) -> Sequence[str] | None:
    """Nothing."""
    ground.plan(describe("fine"))
    return None


def test_a_harmless_change_may_land(judged: Judge) -> None:
    ran = judged()
    assert isinstance(ran, attack_watch.Ran)
    assert (ran.code, ran.report["findings"]) == (0, [])


def test_what_is_executed(judged: Judge, ground: Ground) -> None:
    with pytest.raises(AssertionError, match="a payload was executed"):
        judged(lambda: subprocess.run(ground.payload, shell=True, check=True))


@pytest.mark.parametrize("place", ["sentinel/untouched", "sentinel/new", "bo/policy.yaml", "artifacts/x"])
def test_what_is_written(judged: Judge, ground: Ground, place: str) -> None:
    with pytest.raises(AssertionError):
        judged(lambda: (ground.root / place).write_text("x"))


@pytest.mark.parametrize("folder", ["origin.git", "bo", "alice"])
def test_refs_that_move(judged: Judge, ground: Ground, folder: str) -> None:
    with pytest.raises(AssertionError):
        judged(lambda: ground.git("update-ref", "refs/heads/x", "HEAD", folder=folder))


def test_connections(judged: Judge) -> None:
    def connect() -> None:
        with socket.socket() as one:
            one.connect_ex(("127.0.0.1", 9))

    with pytest.raises((AssertionError, OSError)):
        judged(connect)


def test_connections_of_a_process(judged: Judge) -> None:
    code = "import socket, contextlib\nwith contextlib.suppress(OSError): socket.create_connection(('127.0.0.1', 9))"
    with pytest.raises(AssertionError, match="it reached out: connect"):
        judged(code)


def test_connections_by_other_programs(judged: Judge) -> None:
    with pytest.raises(AssertionError, match=r"it reached out: .*ssh"):
        judged(lambda: subprocess.run(["ssh", "example.com"], check=False))


def test_what_never_ends(judged: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack_watch, "MOST_SECONDS", 0.1)
    with pytest.raises(AssertionError, match="it did not end"):
        judged("import time; time.sleep(60)")


def test_what_takes_time(judged: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack_watch, "MOST_SECONDS", 0.5)
    monkeypatch.setattr(attack_watch, "PATIENCE", 1000)
    with pytest.raises(AssertionError):
        judged("import time\nwhile time.process_time() < 1: pass")


def test_what_takes_memory(judged: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack_watch, "MOST_MEMORY", 100 << 20)
    with pytest.raises(AssertionError, match="MiB"):
        judged("x = b'x' * (200 << 20)")


def test_what_a_child_takes(judged: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack_watch, "MOST_MEMORY", 100 << 20)
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = bytes(1) * (200 << 20)'])"
    with pytest.raises(AssertionError, match="MiB"):
        judged(code)


def test_a_case_says_what_is_to_be_found() -> None:
    with pytest.raises(AssertionError, match="says what is to be found"):
        attack()
