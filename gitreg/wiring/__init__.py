"""From configuration to concrete adapters: the one place that names them.

Everything costly is imported inside functions, since ``gitreg resolve`` is run by deploy tooling in a loop.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import ref as weak

from gitreg.adapters.git.discover import discover
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.codec.load import InvalidManifest
from gitreg.core.layout import DVC_CONFIG, REGISTRY_FILE, Layout
from gitreg.core.ports import ArtifactStore, Credential, Credentials, Forge, Progress, Signer, Tree
from gitreg.core.snapshot import Snapshot
from gitreg.errors import ConfigError, GitregError, NotFound, UsageError

if TYPE_CHECKING:
    from gitreg.core.codec.schema import Schemas
    from gitreg.core.read_index import CatalogIndex
    from gitreg.flows.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Options:
    """Where a command works, as its options say.

    ``directory`` is ``-C``; ``registry`` is ``-R``: a folder, a bare repository or a URL, with ``#folder`` where the
    registry is in a folder of it; ``remote`` is ``--remote``, ``key`` is ``--key``. ``warn`` takes a line for people.
    ``trusted`` are the only branches whose ``gitreg.yaml`` may say which branch is the registry's (None: whatever is
    there), as CI checks out what others wrote; then they are fetched first.
    """

    directory: str = "."
    registry: str | None = None
    remote: str | None = None
    key: str | None = None
    warn: Callable[[str], None] = field(default=lambda line: None)
    trusted: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A repository, the registry's folder in it ("" is the root), and the registry's branch."""

    repository: GitRepository
    root: str
    branch: str


#: The branches on which a registry is looked for where nothing says which one is the repository's main one.
USUAL_BRANCHES = ("main", "master")


def open_registry(options: Options) -> Opened:
    """Finds the registry that the options mean.

    Raises:
        ConfigError: no repository, or no registry in it. Undecided: a URL that does not answer, never seen before.
    """
    if options.registry is None:
        repository, inside = discovered(options.directory)
        return _opened(repository, None, inside, options.trusted)
    place, folder = options.registry, ""
    if not os.path.isdir(os.path.join(options.directory, place)):
        place, _, folder = place.partition("#")
    base = os.path.join(options.directory, place)
    if _is_address(place) and not os.path.exists(base):
        return _cloned(place, folder, options)
    if not options.registry or not os.path.isdir(base):
        raise ConfigError(f"there is no folder {place!r}", "-R takes a folder, a bare repository or a URL")
    repository, inside = discovered(base, named=True)
    return _opened(repository, folder or None, inside, options.trusted)


def open_again(opened: Opened) -> Opened:
    """The same registry for another thread: what reads a repository is not shared between threads."""
    return replace(opened, repository=opened.repository.again())


def _is_address(place: str) -> bool:
    """Whether git takes it for the address of another machine: https://git-scm.com/docs/git-clone#_git_urls."""
    return ":" in place.partition("/")[0]


def discovered(start: str, *, named: bool = False) -> tuple[GitRepository, str]:
    """The repository around a folder, and the folder in it. A bare one is its own hub, even if it was cloned."""
    if not os.path.isdir(start):
        raise ConfigError(f"there is no folder {start!r}", "check -C")
    found = discover(start, named=named)
    repository = GitRepository.open(found.repository)
    if repository.top is None:
        repository = GitRepository.open(found.repository, alone=True)
    return repository, found.inside


def _cloned(url: str, folder: str, options: Options) -> Opened:
    from gitreg.adapters.git.clone import open_url

    clone = open_url(url, clone_cache(), credentials(None))
    if clone.warning:
        options.warn(clone.warning)
    return _opened(clone.repository, folder or None, trusted=options.trusted)


def clone_cache() -> str:
    """The folder of the cached clones of what is named by URL."""
    return os.path.join(_cache_folder(), "clones")


def _cache_folder() -> str:
    from platformdirs import user_cache_dir

    return os.environ.get("GITREG_CACHE_DIR") or user_cache_dir("gitreg")


def credentials(opened: Opened | None) -> Credentials:
    """What git shows a web server; it is looked up when a server asks.

    The repository keeps this and is not kept by it: its reading process ends when nobody has the repository any more.
    """
    kept = weak(opened.repository) if opened else None
    root, branch = (opened.root, opened.branch) if opened else ("", "")

    def look_up(scheme: str, host: str) -> Credential | None:
        from gitreg.wiring.forge import credential

        repository = kept() if kept else None
        return credential(Opened(repository, root, branch) if repository else None, scheme, host)

    return look_up


def _opened(
    repository: GitRepository, root: str | None, inside: str = "", trusted: tuple[str, ...] | None = None
) -> Opened:
    """The registry in the folder ``root`` or, where nobody named one, around the folder ``inside``."""
    problem: GitregError | None = None
    if trusted is not None:
        repository.credentials = credentials(None)
        repository.fetch()
    for commit in _looks(repository) if trusted is None else _tips(repository, trusted):
        tree = repository.tree(commit)
        found = _find_root(tree, inside) if root is None else root
        if found is None or tree.read(Layout(found).path(REGISTRY_FILE)) is None:
            problem = problem or ConfigError(
                f"no registry here: no {Layout(root or '').path(REGISTRY_FILE)} is committed",
                "run gitreg init, or name one with -C or -R",
            )
            continue
        try:
            return Opened(repository, found, Snapshot(tree, found, commit).registry().branch)
        except InvalidManifest as error:
            problem = error
    if trusted is not None:
        raise problem or ConfigError(
            f"no branch {' or '.join(map(repr, trusted))} says which branch is the registry's",
            "let the default branch hold the registry's gitreg.yaml",
        )
    place = os.fspath(repository.top or repository.git_dir)
    raise problem or ConfigError(f"{place!r} has no commits yet", "gitreg init makes the first one")


def _looks(repository: GitRepository) -> Iterator[str]:
    """Commits whose ``gitreg.yaml`` may say which branch is the registry's, those to be trusted most first.

    What is checked out comes last: it may be a change that is being judged, which does not choose its judge.
    """
    named = ("refs/remotes/origin/HEAD",) if repository.top else ("HEAD", "refs/remotes/origin/HEAD")
    usual = _tips(repository, USUAL_BRANCHES)
    for ref in named:
        with suppress(NotFound, ConfigError):
            yield repository.resolve(ref)
    yield from usual
    with suppress(NotFound, ConfigError):
        yield repository.resolve("HEAD")


def _tips(repository: GitRepository, branches: Sequence[str]) -> Iterator[str]:
    """The newest commits of those of some branches that the hub has."""
    yield from filter(None, (repository.hub_ref(f"refs/heads/{branch}") for branch in branches))


def _find_root(tree: Tree, inside: str) -> str | None:
    """The registry that nobody named: the nearest one around ``inside``, or the one top folder that is one."""
    parts = inside.split("/") if inside else []
    for depth in range(len(parts), -1, -1):
        around = "/".join(parts[:depth])
        if tree.read(Layout(around).path(REGISTRY_FILE)) is not None:
            return around
    folders = registries_in(tree)
    if len(folders) > 1:
        raise UsageError(
            f"the repository holds several registries: {', '.join(folders)}",
            "go into one with -C, or name it with -R REPOSITORY#FOLDER",
        )
    return folders[0] if folders else None


def registries_in(tree: Tree) -> list[str]:
    """Those of the root and of the top folders that are registries."""
    folders = ["", *sorted(tree.list(""))]
    return [folder for folder in folders if tree.read(Layout(folder).path(REGISTRY_FILE)) is not None]


def select_commit(opened: Opened, rev: str | None = None, at: datetime | None = None) -> str:
    """The commit that ``--rev`` and ``--at`` choose: by default the registry's branch as last fetched."""
    repository = opened.repository
    tip = repository.resolve(rev) if rev is not None else _published(opened)
    return tip if at is None else repository.at_time(tip, at)


def _published(opened: Opened) -> str:
    repository = opened.repository
    tip = repository.hub_ref(f"refs/heads/{opened.branch}")
    if tip is None or repository.tree(tip).read(Layout(opened.root).path(REGISTRY_FILE)) is None:
        from gitreg.flows.workspace import unpublished

        raise unpublished(opened.branch)
    return tip


def read_snapshot(opened: Opened, rev: str | None = None, at: datetime | None = None) -> Snapshot:
    """The registry at the commit that ``--rev`` and ``--at`` choose."""
    commit = select_commit(opened, rev, at)
    return Snapshot(opened.repository.tree(commit), opened.root, commit)


def workspace(opened: Opened, options: Options, progress: Progress | None = None) -> Workspace:
    """Everything that a flow works with."""
    from gitreg.flows.workspace import NoProgress, Workspace

    opened.repository.credentials = credentials(opened)
    return Workspace(
        repository=opened.repository,
        root=opened.root,
        branch=opened.branch,
        make_forge=lambda: make_forge(opened, options.warn),
        open_store=lambda snapshot: open_store(opened, snapshot, options.remote),
        load_schemas=load_schemas,
        find_signer=lambda: find_signer(opened.repository, options.key),
        open_worktree=lambda: open_worktree(opened.repository),
        open_index=lambda: open_index(opened),
        clock=lambda: datetime.now(UTC).replace(microsecond=0),
        pause=time.sleep,
        progress=progress or NoProgress(),
        warn=options.warn,
    )


def open_index(opened: Opened) -> CatalogIndex:
    """Where the catalog of a registry is kept: in the git folder, or where that may not be written in the cache."""
    from hashlib import sha256

    from gitreg.adapters.cache.index import SqliteIndex

    repository = opened.repository
    # What is another registry, or reads another ref of the same name, gets another file: one file is of one commit.
    what = "\0".join((opened.root, opened.branch, str(repository.has_origin)))
    name = f"catalog-{sha256(what.encode()).hexdigest()[:16]}.sqlite"
    for folder in (repository.common_dir / "gitreg", _own_folder(repository)):
        if SqliteIndex.can_be_in(folder, name):
            return SqliteIndex(folder / name)
    return SqliteIndex(None)


def _own_folder(repository: GitRepository) -> Path:
    """Where this person keeps what belongs into a git folder that they may not write."""
    from hashlib import sha256

    place = os.fsencode(os.path.realpath(repository.common_dir))
    return Path(_cache_folder()) / "catalogs" / sha256(place).hexdigest()[:32]


def make_forge(opened: Opened, warn: Callable[[str], None] = lambda line: None) -> Forge:
    """Where the registry's change requests live: its branch says, so that no change chooses who judges it.

    Raises:
        ConfigError: it is a hosted forge, and nothing says which, or there is no token for it.
    """
    from gitreg.wiring.forge import hosted_forge, settings

    provider = settings(opened).provider
    return local_forge(opened) if provider == "local" else hosted_forge(opened, provider, warn)


def local_forge(opened: Opened) -> Forge:
    """The embedded forge, on the repository's hub."""
    from gitreg.adapters.forge.local.finished import Finished
    from gitreg.adapters.forge.local.forge import LocalForge

    repository = opened.repository
    finished = Finished(repository.common_dir / "gitreg" / "finished-requests")
    return LocalForge(repository, opened.branch, finished)


def open_worktree(repository: GitRepository) -> Tree:
    """The files as they lie in the checkout. Raises ConfigError in a bare repository."""
    from gitreg.adapters.git.worktree import WorkTree

    if repository.top is None:
        raise ConfigError("a bare repository has no working tree", "leave --worktree out")
    return WorkTree(repository.top)


def open_store(opened: Opened, snapshot: Snapshot, remote: str | None) -> ArtifactStore:
    """The DVC remote that a snapshot's ``.dvc/config`` names (or ``--remote``); never the working tree's."""
    from gitreg.adapters.dvc.remote import open_store as open_dvc

    blob = snapshot.blob(snapshot.layout.path(DVC_CONFIG))
    text = blob.data.decode(errors="replace") if blob else ""
    top = opened.repository.top
    folder = None if top is None else top / opened.root
    return open_dvc(text, folder, name=remote, local_config=local_config(opened.repository, folder))


def local_config(repository: GitRepository, folder: Path | None) -> Path | None:
    """``.dvc/config.local``, for credentials; unless git tracks it, as it may then come from what is judged.

    Git is asked in the folder where the file really is: ``.dvc`` may be a link, to where the file has another name.
    """
    from gitreg.adapters.git.run import attempt

    if folder is None or not (folder / ".dvc" / "config.local").is_file():
        return None
    listed = attempt(["ls-files", "--cached", "-z", "--", "config.local"], folder / ".dvc")
    return None if listed.code or listed.stdout else folder / ".dvc" / "config.local"


def find_signer(repository: GitRepository, key: str | None) -> Signer | None:
    """The person's SSH key: ``--key``, ``GITREG_SSH_KEY``, or git's signing key. None if there is none."""
    from gitreg.adapters.forge.ssh import SshSigner, find_key

    path = find_key(_git_config(repository), key or os.environ.get("GITREG_SSH_KEY"))
    return SshSigner(path) if path else None


def _git_config(repository: GitRepository) -> Mapping[str, str]:
    from gitreg.adapters.git.run import attempt

    done = attempt(["config", "-z", "--get-regexp", r"^(user\.signingkey|gpg\.format)$"], repository.git_dir)
    entries = (entry.partition("\n") for entry in done.stdout.decode(errors="replace").split("\0") if entry)
    return {name: value for name, _, value in entries}


def load_schemas() -> Schemas:
    """The JSON Schemas: from the installed package, or in a checkout from the folder beside it."""
    import json

    from gitreg.core.codec.schema import Schemas

    folder = data_folder("schemas")
    return Schemas(
        {f.name.removesuffix(".schema.json"): json.loads(f.read_text()) for f in folder.glob("*.schema.json")}
    )


def data_folder(name: str) -> Path:
    """A folder of data that is shipped with gitreg. Raises ConfigError if the installation lacks it."""
    package = Path(__file__).parent.parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise ConfigError(f"this installation of gitreg lacks {name}/", "install gitreg again")
