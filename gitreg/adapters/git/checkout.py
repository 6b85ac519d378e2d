"""Checkouts of a branch that moves: whether moving it would disturb one, and moving a clean one along.

To follow is what ``git merge --ff-only`` does, without its hooks: the two-tree form of ``git read-tree -m -u``
(https://git-scm.com/docs/git-read-tree#_two_tree_merge), which touches nothing unless all of it can be done.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from gitreg.adapters.git.discover import Place, locate
from gitreg.adapters.git.run import Done, attempt, failure, run
from gitreg.errors import LostRace

_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
}
_NO_SUBMODULES = "--ignore-submodules=all"
_INDEX_LOCKED = re.compile(r"index\.lock': File exists")
#: How long another git may hold the index, and how long between two looks, in seconds.
_PATIENCE = 2.0
_INTERVAL = 0.02


def checked_out_branch(place: Place) -> str | None:
    """The branch (short name, possibly unborn) of the checkout or bare repository; None if HEAD is detached."""
    head = (place.git_dir / "HEAD").read_text(encoding="utf-8", errors="surrogateescape").rstrip("\n")
    if head.endswith("/.invalid"):  # the reftable format keeps HEAD elsewhere
        head = "ref: " + attempt(["symbolic-ref", "-q", "HEAD"], place.folder).stdout.decode().strip()
    prefix = "ref: refs/heads/"
    return head.removeprefix(prefix) if head.startswith(prefix) else None


def own_checkouts(place: Place, branch: str) -> list[Path]:
    """The checkout that the repository was opened in, if ``branch`` is checked out there."""
    return [place.top] if place.top is not None and checked_out_branch(place) == branch else []


def all_checkouts(place: Place, branch: str) -> list[Path]:
    """Every checkout of the repository, linked ones too, where ``branch`` is checked out."""
    own = own_checkouts(place, branch)
    if not (place.common_dir / "worktrees").is_dir():
        return own
    others = (folder for folder in _worktrees(place, branch) if folder != place.top and folder.is_dir())
    return [*own, *others]


def _worktrees(place: Place, branch: str) -> Iterator[Path]:
    """Format: https://git-scm.com/docs/git-worktree#_porcelain_format."""
    records = run(["worktree", "list", "--porcelain", "-z"], place.folder).split(b"\0\0")
    for record in records:
        fields = os.fsdecode(record).split("\0")
        if f"branch refs/heads/{branch}" in fields:
            yield Path(os.path.realpath(fields[0].removeprefix("worktree ")))


def obstacle(folder: Path, base: str) -> str | None:
    """Why the checkout in ``folder`` cannot be moved; None if it is just what the tree ``base`` holds.

    Untracked files do not count; those in the way are found by ``follow``.
    """
    git_dir = locate(folder).git_dir
    for name, action in _UNDER_WAY.items():
        if (git_dir / name).exists():
            return f"{action} is under way in {os.fspath(folder)!r}"
    staged = ["diff-index", "--cached", "--quiet", "--no-ext-diff", _NO_SUBMODULES, "--end-of-options", base]
    if _is_unstaged(folder) or _differs(staged, folder):
        return f"you have uncommitted changes in {os.fspath(folder)!r}"
    return None


def _is_unstaged(folder: Path) -> bool:
    """Whether files differ from the index. Touched ones do not count: git remembers their new times first."""
    unstaged = ["diff-files", "--quiet", "--no-ext-diff", _NO_SUBMODULES]
    if not _differs(unstaged, folder):
        return False
    _on_index(["update-index", "-q", "--refresh"], folder)
    return _differs(unstaged, folder)


def _differs(args: list[str], folder: Path) -> bool:
    done = attempt(args, folder)
    if done.code not in {0, 1}:
        raise failure(done.stderr)
    return done.code == 1


def switch(folder: Path, old: str, new: str) -> bool:
    """Moves the index and the files from the tree ``old`` to ``new``; whether it did. HEAD stays."""
    args = ["read-tree", "-m", "-u", "--no-recurse-submodules", "--end-of-options", old, new]
    return _on_index(args, folder).code == 0


def _on_index(args: list[str], folder: Path) -> Done:
    """Runs a command that locks the index, as soon as no other git has it: a person's prompt may ask for the status.

    Raises:
        LostRace: another git has it for too long, or died with it.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        done = attempt(args, folder)
        if not _INDEX_LOCKED.search(done.stderr):
            return done
        if time.monotonic() > end:
            raise LostRace(
                f"another git is at work in {os.fspath(folder)!r}",
                f"wait until it ends; if there is none, remove {os.fspath(locate(folder).git_dir / 'index.lock')}",
            )
        time.sleep(_INTERVAL)
