"""How an attack is judged: the real command, watched for what it must not do.

It must not execute what it reads, write anything but its caches, reach a network, hang, or take memory without bound.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from pathlib import Path

import pytest
from flow_kit import PEOPLE

import gitreg
from attacks.attack_kit import BRANCH, JUDGE, Attack, Ground, Ran
from gitreg.surfaces.cli.main import run

#: Seconds that a case may take: many times what it takes, for slow machines. Of isolated cases those of the processor
#: count; what waits for ever is killed.
MOST_SECONDS = 60
PATIENCE = 4
#: Bytes that a process may have at its peak.
MOST_MEMORY = 1 << 30
VERIFY = ("verify", "--base", "main", "--head", BRANCH, "--format", "json")
#: What Python runs of an isolated case.
PROGRAM = ("-m", "gitreg")
#: Nothing listens there.
NOWHERE = "http://127.0.0.1:9"

#: A program that stands for one that reaches out; it leaves a mark.
REACHES_OUT = '#!/bin/sh\necho "$0 $*" >> "$REACHED_OUT"\nexit 255\n'
#: Python reads this before anything else.
OFFLINE = """\
import os, socket

def refused(self, address, *rest):
    with open(os.environ["REACHED_OUT"], "a") as log:
        print("connect", address, file=log)
    raise OSError("there is no network here")

for name in ("connect", "connect_ex"):
    real = getattr(socket.socket, name)
    def guarded(self, address, *rest, real=real):
        local = self.family == socket.AF_UNIX
        return real(self, address, *rest) if local else refused(self, address)
    setattr(socket.socket, name, guarded)
socket.getaddrinfo = lambda *address, **said: refused(None, address)
"""


def judge(
    case: Attack, ground: Ground, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
) -> Ran:
    """Builds a case and runs its command; fails if that did what it must not."""
    command = case.build(ground) or VERIFY
    _fetch(ground)
    with monkeypatch.context() as patch:
        reached = _cut_off(ground.root.parent, patch)
        before = _everything(ground)
        ran = _isolated(ground, command) if case.isolated else _in_process(ground, command, patch, capture)
    assert not reached.exists(), f"it reached out: {reached.read_text()}"
    assert not ground.canary.exists(), "a payload was executed"
    assert _everything(ground) == before
    assert ran.code >= 0, "it did not end"
    assert ran.seconds < MOST_SECONDS
    assert ran.peak < MOST_MEMORY, f"{ran.peak >> 20} MiB"
    return ran


def _fetch(ground: Ground) -> None:
    """What a careful judge does first; the checkout stays as it is."""
    url = ground.git("config", "remote.origin.url", folder=JUDGE, check=False)
    if url not in {os.fspath(ground.desk.origin), ground.desk.origin.as_uri()}:
        return
    refs = ("+refs/gitreg/*:refs/gitreg/*", "+refs/heads/*:refs/remotes/origin/*")
    ground.git("fetch", "-q", "origin", *refs, folder=JUDGE, check=False)
    ground.git("update-ref", "refs/heads/main", "refs/remotes/origin/main", folder=JUDGE)


def _cut_off(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Replaces the ways to a network by traps; where they leave a mark."""
    traps = folder / "traps"
    traps.mkdir()
    for name in ("ssh", "curl", "wget"):
        (traps / name).write_text(REACHES_OUT)
        (traps / name).chmod(0o755)
    patch.setenv("PATH", f"{traps}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("REACHED_OUT", os.fspath(folder / "reached"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        patch.setenv(name, NOWHERE)
    return folder / "reached"


def _everything(ground: Ground) -> object:
    """Every file but those that git writes to read faster: of its own, and of the checkouts; and what is staged."""
    return dict(_files(os.fspath(ground.root))), {name: _staged(ground.root / name) for name in PEOPLE}


#: What lies in git's own folders and says nothing: objects (what names them does), gitreg's caches and its lock, and
#: what was last fetched. An index is read by :func:`_staged`.
_PASSING = {"objects", "index", "gitreg", "gitreg-line", "FETCH_HEAD"}


def _files(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each file below a folder with its size and time."""
    passing = _PASSING if folder.endswith(".git") else set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in passing:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                stat = entry.stat(follow_symlinks=False)
                yield entry.path, (stat.st_size, stat.st_mtime_ns)


def _staged(checkout: Path) -> bytes | list[bytes]:
    """What is staged: of each entry its mode, id and flags with the path, and not what it has of the file's times.

    https://git-scm.com/docs/index-format
    """
    index = checkout / ".git" / "index"
    data = index.read_bytes() if index.is_file() else b""
    if data[:8] != b"DIRC\0\0\0\2":
        return data
    entries, at = [], 12
    for _ in range(int.from_bytes(data[8:12], "big")):
        end = data.index(b"\0", at + 62)
        entries.append(data[at + 24 : at + 28] + data[at + 40 : end])
        at += (end - at + 8) // 8 * 8
    return entries


class _Clock(datetime):
    """The time of the desk whose case is judged."""

    moment: datetime

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return cls.moment.astimezone(tz)


def _in_process(
    ground: Ground,
    command: Sequence[str],
    patch: pytest.MonkeyPatch,
    capture: pytest.CaptureFixture[str],
) -> Ran:
    """At the desk's time."""
    capture.readouterr()
    _Clock.moment = ground.desk.now
    patch.setattr("gitreg.wiring.datetime", _Clock)
    _take_offline(patch)
    begin = time.monotonic()
    code = run(["-C", os.fspath(ground.judge), *command])
    seconds = time.monotonic() - begin
    out, err = capture.readouterr()
    return Ran(code, out, err, seconds)


def _take_offline(patch: pytest.MonkeyPatch) -> None:
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, getattr(socket.socket, name))
    patch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    exec(OFFLINE, {})


def _isolated(ground: Ground, command: Sequence[str]) -> Ran:
    """A process of its own, at the machine's time."""
    site = ground.root.parent / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(OFFLINE)
    path = os.pathsep.join([os.fspath(site), os.fspath(Path(gitreg.__file__).parents[1])])
    arguments = [sys.executable, *PROGRAM, "-C", os.fspath(ground.judge), *command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            arguments, stdout=out, stderr=err, env=os.environ | {"PYTHONPATH": path}, start_new_session=True
        )
        used = _wait(process)
        out.seek(0)
        err.seek(0)
        unit = 1 if sys.platform == "darwin" else 1024
        seconds, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * unit
        return Ran(process.returncode, out.read().decode(), err.read().decode(), seconds, peak)


def _wait(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    """Waits for a process, or kills it; what it and its children used."""
    begin = time.monotonic()
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return used
        if time.monotonic() - begin > PATIENCE * MOST_SECONDS:
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.02)
