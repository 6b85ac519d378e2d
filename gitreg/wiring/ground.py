"""Where a registry is to begin: a folder and a repository, made if need be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gitreg.adapters.git.discover import discover
from gitreg.adapters.git.repository import GitRepository
from gitreg.errors import ConfigError, UsageError


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a registry is to begin: a repository, a folder in it, a branch; and whether there is an ``origin``."""

    repository: GitRepository
    root: str
    branch: str
    has_origin: bool


@contextmanager
def broken_ground(directory: str, branch: str | None) -> Iterator[Ground]:
    """The repository around a folder, both made if need be; what was made goes again if the block fails.

    ``branch`` is by default the one that is checked out, and ``main`` in a new repository.

    Raises:
        UsageError: that can be no branch, or no folder. ConfigError: the repository is bare, or its HEAD is detached.
    """
    from gitreg.adapters.git.refs import is_ref

    if branch is not None and (branch[:1] == "-" or branch == "HEAD" or not is_ref(f"refs/heads/{branch}")):
        raise UsageError(f"{branch!r} cannot name a branch", "give --branch main, say")
    with folder_made(directory), ExitStack() as undo:
        path = Path(directory).resolve()
        try:
            top = discover(path, named=True).repository
        except ConfigError:
            top = path
            _init(path, branch or "main", undo)
        yield _ground(top, path, branch)
        undo.pop_all()


def _init(path: Path, branch: str, undo: ExitStack) -> None:
    import shutil

    from gitreg.adapters.git.run import run

    if not os.path.lexists(path / ".git"):
        undo.callback(shutil.rmtree, path / ".git", ignore_errors=True)
    run(["init", "--quiet", f"--initial-branch={branch}"], path)


def _ground(top: Path, path: Path, branch: str | None) -> Ground:
    repository = GitRepository.open(top, alone=True)
    if repository.top is None:
        raise ConfigError(
            f"{os.fspath(path)!r} is a bare repository", "gitreg init works in a checkout; push from there"
        )
    chosen = branch or repository.head_branch()
    if chosen is None:
        raise ConfigError("no branch is checked out here", "name the registry's with --branch")
    root = path.relative_to(repository.top).as_posix()
    return Ground(repository, "" if root == "." else root, chosen, GitRepository.open(top).has_origin)


@contextmanager
def folder_made(folder: str) -> Iterator[None]:
    """Makes a folder if need be; what was made goes again if the block fails. Raises UsageError if it can be none."""
    missing = []
    place = os.path.abspath(folder)
    while not os.path.lexists(place):
        missing.append(place)
        place = os.path.dirname(place)
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{folder!r} is not a directory", "name another one") from None
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for made in missing:
                os.rmdir(made)
        raise
