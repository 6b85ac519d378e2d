"""What the git tests share: plain git, a fixed identity and clock, repositories in every layout."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import FILE, Entry, Identity, RefUpdate

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
ALICE = Identity("Alice", "alice@example.com")
MAIN = "refs/heads/main"


def pin(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """An environment in which git knows nobody but Alice, no other configuration, and one moment."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    (home / "gitconfig").write_text(
        "[user]\nname = Alice\nemail = alice@example.com\n[init]\ndefaultBranch = main\n"
    )


def git(
    folder: Path, *args: str, stdin: bytes = b"", check: bool = True, env: Mapping[str, str] | None = None
) -> str:
    dates = {"GIT_AUTHOR_DATE": "@1795168800 +0000", "GIT_COMMITTER_DATE": "@1795168800 +0000"}
    done = subprocess.run(
        ["git", *args],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env=os.environ | dates | dict(env or {}),
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def put(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)


def commit_files(folder: Path, files: Mapping[str, str | bytes], message: str = "a change") -> str:
    """Writes and commits files in a checkout; returns the commit."""
    put(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def init(folder: Path, files: Mapping[str, str | bytes] | None = None, *options: str) -> Path:
    """A new checkout, with one commit if there are ``files``."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", *options)
    if files:
        commit_files(folder, files)
    return folder


def hub_and_clone(base: Path, files: Mapping[str, str | bytes] | None = None) -> tuple[Path, Path]:
    """A bare hub whose ``main`` holds ``files`` (None: it is empty), and a checkout cloned from it."""
    hub, work = base / "hub.git", base / "work"
    hub.mkdir(parents=True)
    git(hub, "init", "-q", "--bare")
    if files is not None:
        git(init(base / "seed", files), "push", "-q", os.fspath(hub), "main")
    git(base, "clone", "-q", "--no-local", os.fspath(hub), os.fspath(work))
    return hub, work


def hook(bare: Path, name: str, script: str) -> None:
    file = bare / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("#!/bin/sh\n" + script)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def change(repository: GitRepository, base: str | None, files: Mapping[str, str | None]) -> str:
    """A commit on ``base`` with files set, or removed where None."""
    changes = {
        path: None if text is None else Entry(FILE, repository.write_blob(text.encode()))
        for path, text in files.items()
    }
    tree = repository.write_tree(base or "", changes)
    return repository.write_commit(tree, [base] if base else [], "a change\n", ALICE, NOW)


def land(repository: GitRepository, files: Mapping[str, str | None], ref: str = MAIN) -> RefUpdate:
    """Moves the hub's ``ref`` by a commit with ``files``, as a flow does; returns the move."""
    old = repository.hub_ref(ref)
    update = RefUpdate(ref, old, change(repository, old, files))
    repository.update([update])
    return update


def is_root() -> bool:
    return os.geteuid() == 0
