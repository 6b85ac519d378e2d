"""What ``gitreg hook`` works with: a bare repository, what its pre-receive hook guards, and what a push brings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.adapters.git.pusher import DEFAULT_VARIABLE
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.layout import REGISTRY_FILE, Layout
from gitreg.core.ports import Guard, Pusher, RefUpdate
from gitreg.core.snapshot import Snapshot
from gitreg.errors import ConfigError, GitregError, NotFound, UsageError
from gitreg.wiring import Opened, Options, discovered, open_registry, open_store, registries_in, workspace

if TYPE_CHECKING:
    from gitreg.adapters.git.hook import HookSettings
    from gitreg.flows.workspace import Workspace


def install_hook(
    options: Options,
    branch: str | None,
    folders: tuple[str, ...],
    user_from: str | None,
    most_bytes: int | None,
) -> tuple[Path, HookSettings]:
    """Puts the hook into the bare repository that the options mean; returns where it lies, and what it guards.

    What is not given stays as an earlier installation was told.

    Raises:
        ConfigError: that is no bare repository, or nothing says which branch is the registry's.
        Refused: another hook is there.
    """
    from gitreg.adapters.git.hook import HookSettings, install, settings_of

    repository = _bare(options)
    with suppress(NotFound):
        known = settings_of(repository.git_dir)
        branch, folders = branch or known.branch, folders or known.folders
        user_from = user_from or known.user_from
        options = replace(options, remote=options.remote or known.remote)
    chosen = branch or _registry_branch(options) or repository.head_branch()
    if chosen is None:
        raise ConfigError("nothing says which branch is the registry's", "name it with --branch")
    remote = options.remote
    if remote and "://" not in remote and "/" in remote:
        remote = os.path.abspath(remote)  # the hook runs elsewhere
    folders = tuple(_folder_inside(folder) for folder in folders)
    _demand_registries(repository, chosen, folders)
    settings = HookSettings(chosen, folders, remote, user_from or DEFAULT_VARIABLE)
    return install(repository.git_dir, settings, most_bytes), settings


def _folder_inside(folder: str) -> str:
    """A folder as paths in a repository have it: ``.`` is its root. Raises UsageError if it leads out."""
    plain = os.path.normpath(folder)
    if os.path.isabs(plain) or plain.split(os.sep)[0] == os.pardir:
        raise UsageError(
            f"--folder: {folder!r} is not inside the repository", "name it from the repository's root"
        )
    return "" if plain == os.curdir else plain


def _demand_registries(repository: GitRepository, branch: str, folders: Sequence[str]) -> None:
    """A folder that holds no registry would be guarded in vain. Raises ConfigError."""
    tip = repository.hub_ref(f"refs/heads/{branch}")
    for folder in folders if tip else ():
        if tip and not _holds(repository, tip, folder):
            raise ConfigError(
                f"there is no registry in {folder!r} on {branch}", "check --folder and --branch"
            )


def _bare(options: Options) -> GitRepository:
    from gitreg.adapters.git.hook import demand_bare

    repository, _ = discovered(options.registry or options.directory, named=True)
    demand_bare(None if repository.top else repository.git_dir)
    return repository


def _registry_branch(options: Options) -> str | None:
    try:
        return open_registry(options).branch
    except ConfigError:  # nothing was pushed yet
        return None


def hook_status(options: Options) -> tuple[HookSettings, list[str]]:
    """What the hook in a bare repository guards, and what keeps it from doing so. Raises NotFound if there is none."""
    from gitreg.adapters.git.hook import settings_of, shortcomings

    repository = _bare(options)
    settings = settings_of(repository.git_dir)
    problems = shortcomings(repository.git_dir)
    branches = repository.hub_refs("refs/heads/")
    tip = branches.get(f"refs/heads/{settings.branch}")
    if branches and tip is None:
        problems.append(f"the branch {settings.branch} does not exist, though others do")
    found = registries_in(repository.tree(tip)) if tip else []
    problems += (
        [f"there is no registry on {settings.branch}"] if tip and not (found or settings.folders) else []
    )
    problems += [f"{f} holds no registry" for f in settings.folders if tip and not _holds(repository, tip, f)]
    for root in settings.folders or found:
        problems += _remote_problem(Opened(repository, root, settings.branch), tip, settings.remote)
    return settings, problems


def _holds(repository: GitRepository, tip: str, folder: str) -> bool:
    return repository.tree(tip).read(Layout(folder).path(REGISTRY_FILE)) is not None


def _remote_problem(opened: Opened, tip: str | None, remote: str | None) -> Iterator[str]:
    """Why the hook will not find the artifacts of a registry, if it will not."""
    if tip is None:
        return
    try:
        open_store(opened, Snapshot(opened.repository.tree(tip), opened.root, tip), remote)
    except GitregError as error:
        yield f"{error.message}; gitreg hook install --remote URL says where"


def pushed_refs(lines: bytes) -> list[RefUpdate]:
    """What git tells a pre-receive hook: ``old new ref`` a line, zeros for nothing. Raises UsageError."""
    found = []
    for line in lines.decode("utf-8", "surrogateescape").split("\n")[:-1]:
        old, _, rest = line.partition(" ")
        new, _, ref = rest.partition(" ")
        if not (old and new and ref):
            raise UsageError(f"{line!r} is not 'old new ref'", "git runs this as a pre-receive hook")
        found.append(RefUpdate(ref, old if old.strip("0") else None, new if new.strip("0") else None))
    return found


def guarded(git_dir: str, updates: Sequence[RefUpdate]) -> Iterator[tuple[Workspace, Guard, Pusher | None]]:
    """For each registry in a bare repository what a push to it is judged with.

    A repository without a registry has one, too: its refs are guarded.
    """
    from gitreg.adapters.forge.local.forge import LocalForge
    from gitreg.adapters.git.hook import settings_of
    from gitreg.adapters.git.pusher import pusher_in
    from gitreg.flows.receive import pending

    settings = settings_of(Path(git_dir).resolve())
    pusher = pusher_in(os.environ, settings.user_from)
    guard = LocalForge(GitRepository.open(git_dir, alone=True), settings.branch)
    repository = GitRepository.open(git_dir, alone=True, pending=pending(guard, updates))
    options = Options(directory=git_dir, remote=settings.remote)
    for root in settings.folders or _roots(repository, f"refs/heads/{settings.branch}", updates):
        yield workspace(Opened(repository, root, settings.branch), options), guard, pusher


def _roots(repository: GitRepository, ref: str, updates: Sequence[RefUpdate]) -> list[str]:
    """The folders of all registries that a branch had, or that a push brings; the root where there is none."""
    from gitreg.core.verify.rules.refs import MOST_REFS

    before = [update.old for update in updates if update.ref == ref and update.old]
    after = [update.new for update in updates if update.ref.startswith("refs/heads/") and update.new]
    tips = [*before, *after[:MOST_REFS]]
    found = {root for tip in tips for root in registries_in(repository.tree(tip))}
    return sorted(found) or [""]
