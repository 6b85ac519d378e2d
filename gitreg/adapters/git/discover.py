"""Finds repositories on disk, by looking at names alone: it runs no git.

What makes a repository is git's own rule (https://git-scm.com/docs/gitrepository-layout): a folder
with ``HEAD``, ``objects`` and ``refs``, called ``.git``, named by a file ``.git``, or by itself (bare).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitreg.errors import ConfigError

_HINT = "go to a checkout, or name a repository with -R"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository lies: its checkout's top folder (None: bare), this checkout's and the shared git folder."""

    top: Path | None
    git_dir: Path
    common_dir: Path

    @property
    def folder(self) -> Path:
        """Where to run git."""
        return self.top or self.git_dir


@dataclass(frozen=True, slots=True)
class Found:
    """A repository, and the starting point in it, relative to the repository's root ("" is the root, or it is bare).

    Which registry that is in, only what is committed can say: the files of a checkout may be those of a change that is
    judged here, and that brings a registry of its own.
    """

    repository: Path
    inside: str


def locate(path: str | os.PathLike[str]) -> Place:
    """The repository of the folder ``path``: a bare repository, or a folder inside a checkout.

    Raises:
        ConfigError: it is neither.
    """
    start = os.path.realpath(path)
    if _is_bare(start):
        return _place(None, start)
    for folder in _upwards(start):
        git_dir = _git_dir_of(folder)
        if git_dir is not None:
            return _place(folder, git_dir)
    raise ConfigError(f"{os.fspath(path)!r} is not in a git repository", _HINT)


def discover(start: str | os.PathLike[str], *, named: bool = False) -> Found:
    """The repository around the folder ``start``.

    A bare repository inside a checkout is content, which may have come with a clone and whose configuration must
    not be obeyed; unless a person ``named`` it.

    Raises:
        ConfigError: ``start`` is not in a git repository.
    """
    origin = os.path.realpath(start)
    if named and _is_bare(origin):
        return Found(Path(origin), "")
    for folder in _upwards(origin):
        if _git_dir_of(folder) is not None:
            return Found(Path(folder), _inside(folder, os.path.abspath(start)))
    if _is_bare(origin):
        return Found(Path(origin), "")
    raise ConfigError(f"{os.fspath(start)!r} is not in a git repository", _HINT)


def _inside(top: str, start: str) -> str:
    """``start`` relative to ``top``, as it is written: a link inside of the checkout does not lead elsewhere in it."""
    for folder in _upwards(start):
        if os.path.realpath(folder) == top:
            return start[len(folder) :].strip("/")
    return os.path.realpath(start)[len(top) :].strip("/")


def _upwards(folder: str) -> Iterator[str]:
    yield folder
    while (parent := os.path.dirname(folder)) != folder:
        yield (folder := parent)


def _git_dir_of(folder: str) -> str | None:
    """The git folder of the checkout whose top is ``folder``; None if it is none."""
    dot_git = os.path.join(folder, ".git")
    if os.path.isfile(dot_git):
        return _named_by(dot_git)
    return dot_git if _is_git_dir(dot_git) else None


def _named_by(file: str) -> str:
    """The git folder that a ``.git`` file names."""
    with open(file, encoding="utf-8", errors="surrogateescape") as opened:
        key, _, target = opened.read(1 << 16).partition(": ")
    git_dir = os.path.join(os.path.dirname(file), target.rstrip("\r\n"))
    if key != "gitdir" or not os.path.isdir(git_dir):
        raise ConfigError(f"{file!r} does not name a git folder", "git worktree repair may mend it")
    return os.path.realpath(git_dir)


def _place(top: str | None, git_dir: str) -> Place:
    common = git_dir
    pointer = os.path.join(git_dir, "commondir")
    if os.path.isfile(pointer):
        with open(pointer, encoding="utf-8", errors="surrogateescape") as opened:
            common = os.path.realpath(os.path.join(git_dir, opened.read().rstrip("\r\n")))
    return Place(None if top is None else Path(top), Path(git_dir), Path(common))


def _is_bare(folder: str) -> bool:
    return _is_git_dir(folder) and os.path.basename(folder) != ".git"


def _is_git_dir(folder: str) -> bool:
    names = ("HEAD", "objects", "refs")
    return all(os.path.lexists(os.path.join(folder, name)) for name in names)
