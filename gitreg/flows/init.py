"""Begin a registry: its rules files, as one commit of a branch of this repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias

from gitreg.core.layout import Layout
from gitreg.core.plan.init import NewRegistry, registry_files
from gitreg.core.ports import FILE, Entry, RefUpdate, Repository, Tree
from gitreg.core.tree import MemoryTree
from gitreg.errors import Refused

#: From the files that are there to those that a forge needs, by their paths from the repository's root.
Scaffolder: TypeAlias = Callable[[Tree], Mapping[str, bytes]]


def init(
    repository: Repository, root: str, new: NewRegistry, now: datetime, scaffold: Scaffolder | None = None
) -> str:
    """Commits a new registry's files to its branch; returns the commit.

    The branch is this repository's own: a remote hears of it when a person pushes it. A file that is there already,
    such as a .gitignore, is kept; the registry's own are never overwritten. ``scaffold`` makes the files that a hosted
    forge needs; what others have in them it keeps.

    Raises:
        Refused: a registry is there already, or the checkout has uncommitted changes.
    """
    target = f"refs/heads/{new.branch}"
    base = repository.hub_ref(target)
    layout = Layout(root)
    tree = repository.tree(base) if base else MemoryTree({})
    files = {layout.path(path): data for path, data in registry_files(new).items()}
    present = {path for path in files if tree.read(path) is not None}
    taken = sorted(present & {layout.path(own) for own in ("gitreg.yaml", "policy.yaml", ".dvc/config")})
    if taken:
        raise Refused(f"{taken[0]} exists already, and init overwrites nothing", "choose another folder")
    entries: dict[str, Entry | None] = {
        path: Entry(FILE, repository.write_blob(data)) for path, data in files.items() if path not in present
    }
    for path, data in (scaffold(tree) if scaffold else {}).items():
        entries[path] = Entry(FILE, repository.write_blob(data))
    written = repository.write_tree(base or "", entries)
    parents = [base] if base else []
    commit = repository.write_commit(written, parents, f"Begin the registry {new.name}\n", new.person, now)
    repository.update([RefUpdate(target, base, commit)])
    repository.follow(new.branch, base, commit)
    return commit
