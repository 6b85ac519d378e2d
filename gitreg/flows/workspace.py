"""What every flow works with: a repository, where the registry lies in it, and the ways out to the world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from gitreg.core.codec.schema import Schemas
from gitreg.core.layout import REGISTRY_FILE
from gitreg.core.manifest import Registry
from gitreg.core.ports import ArtifactStore, Forge, Identity, Progress, ProgressTask, Repository, Signer, Tree
from gitreg.core.read_index import CatalogIndex
from gitreg.core.snapshot import ParseCache, Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.errors import ConfigError

#: Snapshots that a workspace keeps.
KEPT_SNAPSHOTS = 4
#: Parsed manifests that they share before a new snapshot begins with none.
KEPT_MANIFESTS = 5000


class NoProgress:
    """A ``Progress`` that shows nothing."""

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[ProgressTask]:
        """See :class:`gitreg.core.ports.Progress`."""
        yield _NoTask()

    def count(self, label: str, total: int) -> AbstractContextManager[ProgressTask]:
        """See :class:`gitreg.core.ports.Progress`."""
        return self.task(label, total)


class _NoTask:
    def advance(self, amount: int) -> None:
        """See :class:`gitreg.core.ports.ProgressTask`."""


@dataclass
class Workspace:
    """One registry as a process works with it.

    The callables open what is costly, and only when a flow asks: ``make_forge`` the forge, ``open_store`` the DVC
    remote that a snapshot's ``.dvc/config`` names, ``load_schemas`` the JSON Schemas, ``find_signer`` the person's SSH
    key (None if there is none), ``open_worktree`` the files as they lie in the checkout, ``open_index`` where what
    lists and look-ups read is kept. ``clock`` gives the moment in UTC; ``pause`` waits that many seconds; ``warn``
    takes a line for people. ``find_author`` says for whom a process that serves others works at this moment, as the
    snapshot's policy knows them (None: for itself); ``demand_allowed`` raises Refused where they may not propose a
    change of some kind.
    """

    repository: Repository
    root: str
    branch: str
    make_forge: Callable[[], Forge]
    open_store: Callable[[Snapshot], ArtifactStore]
    load_schemas: Callable[[], Schemas]
    find_signer: Callable[[], Signer | None]
    open_worktree: Callable[[], Tree]
    open_index: Callable[[], CatalogIndex]
    clock: Callable[[], datetime]
    pause: Callable[[float], None]
    progress: Progress = field(default_factory=NoProgress)
    warn: Callable[[str], None] = field(default=lambda line: None)
    find_author: Callable[[Snapshot], Identity | None] = field(default=lambda base: None)
    demand_allowed: Callable[[Snapshot, str], None] = field(default=lambda base, kind: None)
    _snapshots: dict[str, Snapshot] = field(default_factory=dict, repr=False)
    _parsed: ParseCache = field(default_factory=dict, repr=False)

    @property
    def target(self) -> str:
        """The full name of the registry's branch."""
        return f"refs/heads/{self.branch}"

    @cached_property
    def forge(self) -> Forge:
        """Where change requests live."""
        return self.make_forge()

    @cached_property
    def schemas(self) -> Schemas:
        """The JSON Schemas of all kinds."""
        return self.load_schemas()

    @cached_property
    def index(self) -> CatalogIndex:
        """What lists and look-ups read, where it is kept."""
        return self.open_index()

    @cached_property
    def signer(self) -> Signer | None:
        """The person's SSH key."""
        return self.find_signer()

    @cached_property
    def identity(self) -> Identity:
        """Who works here, from git's configuration. Raises ConfigError."""
        return self.repository.identity()

    def author(self, base: Snapshot) -> Identity:
        """Who asks for a change of ``base``: whoever the process serves, or else who works here.

        It is what they are called in commits and manifests, and decides nothing. Raises ConfigError.
        """
        return self.find_author(base) or self.identity

    def tip(self) -> str:
        """The newest known commit of the registry's branch. Raises ConfigError if it has none."""
        commit = self.repository.hub_ref(self.target)
        if commit is None:
            raise unpublished(self.branch)
        return commit

    def snapshot(self, commit: str) -> Snapshot:
        """The registry at a commit ("" is before the first). The last few are kept, with all that was read of them."""
        found = self._snapshots.pop(commit, None) or self._opened(commit)
        self._snapshots[commit] = found
        while len(self._snapshots) > KEPT_SNAPSHOTS:
            del self._snapshots[next(iter(self._snapshots))]
        return found

    def _opened(self, commit: str) -> Snapshot:
        """A snapshot that shares what others have parsed: from one commit to the next hardly a file changes."""
        if len(self._parsed) > KEPT_MANIFESTS:
            self._parsed = {}
        tree = self.repository.tree(commit) if commit else MemoryTree({})
        return Snapshot(tree, self.root, commit or None, self._parsed)

    def current(self) -> tuple[str, Snapshot]:
        """The registry's branch as last fetched: its commit, and the registry there, known to be one."""
        commit = self.tip()
        snapshot = self.snapshot(commit)
        if snapshot.blob(snapshot.layout.path(REGISTRY_FILE)) is None:
            raise unpublished(self.branch)
        snapshot.registry()
        return commit, snapshot

    def registry(self) -> Registry:
        """``gitreg.yaml`` on the registry's branch."""
        return self.current()[1].registry()


def unpublished(branch: str) -> ConfigError:
    """The error of a registry that is known here, but not to the hub."""
    return ConfigError(
        f"no registry on the branch {branch!r}, as far as is known here",
        f"git fetch origin may bring it; git push origin {branch} publishes what is only here",
    )
