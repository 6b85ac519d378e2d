"""The Python API: open a registry, read it, pull from it.

>>> import gitreg
>>> registry = gitreg.open_registry("path/to/checkout")        # or a bare repository, or a URL
>>> registry.resolve("credit-risk/production").record.metrics["roc_auc"]
0.945
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from gitreg.core.manifest import Model, VersionNotes
from gitreg.core.names import Version, parse_reference
from gitreg.core.ports import Progress
from gitreg.core.record import ModelVersion
from gitreg.core.resolve import Resolution, resolve, resolve_all
from gitreg.core.snapshot import Snapshot
from gitreg.errors import NotFound, UsageError
from gitreg.wiring import Opened, Options, read_snapshot
from gitreg.wiring import open_registry as _open
from gitreg.wiring import workspace as _workspace
from gitreg.wiring.ground import folder_made

if TYPE_CHECKING:
    from gitreg.core.findings import Finding
    from gitreg.core.history import Event
    from gitreg.core.search import SearchHit
    from gitreg.flows.workspace import Workspace


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """A version with what its surroundings say of it: its stage (``none`` if no stage names it), its aliases."""

    model: str
    record: ModelVersion
    stage: str
    aliases: tuple[str, ...]
    notes: VersionNotes | None

    @property
    def version(self) -> Version:
        """The version's number."""
        return self.record.version

    def as_json(self) -> dict[str, object]:
        """The summary as plain values."""
        notes = self.notes
        deprecated = notes.deprecated if notes else None
        return {
            **self.record.as_yaml(),
            "model": self.model,
            "stage": self.stage,
            "aliases": list(self.aliases),
            "description": notes.description if notes else None,
            "tags": dict(notes.tags) if notes else {},
            "card": dict(notes.card) if notes else {},
            "deprecated": {"reason": deprecated.reason, "use": deprecated.use} if deprecated else None,
        }


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model: its manifest, its newest version (None if it has none), and what its stages and aliases name."""

    model: Model
    latest: Version | None
    stages: dict[str, tuple[Version, ...]]
    aliases: dict[str, Version]

    def as_json(self) -> dict[str, object]:
        """The summary as plain values."""
        return {
            "name": self.model.name,
            "title": self.model.title,
            "description": self.model.description,
            "owners": list(self.model.owners),
            "task": self.model.task,
            "tags": dict(self.model.tags),
            "latest": self.latest,
            "stages": {stage: list(versions) for stage, versions in self.stages.items()},
            "aliases": dict(self.aliases),
        }


class Registry:
    """A registry at one commit. Everything is read from that commit; nothing is cached on disk.

    Reading starts one ``git`` process, which :meth:`close` or the end of a ``with`` block ends.

    Errors are :class:`gitreg.errors.GitregError`: ``NotFound``, ``Refused``, ``Undecided`` and so on.
    """

    def __init__(
        self, opened: Opened, snapshot: Snapshot, options: Options, progress: Progress | None = None
    ) -> None:
        self._opened = opened
        self._options = options
        self._progress = progress
        self.snapshot = snapshot

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the git process that reads for this registry, as the program's end does; a later read starts one."""
        self._opened.repository.close()

    @property
    def commit(self) -> str | None:
        """The commit that is read; None for a working tree."""
        return self.snapshot.commit

    @cached_property
    def workspace(self) -> Workspace:
        """What the flows that write work with."""
        return _workspace(self._opened, self._options, self._progress)

    def resolve(self, reference: str) -> Resolution:
        """The version that ``name/3``, ``name/latest``, ``name/production`` or ``name@champion`` means.

        Raises NotFound, UsageError (not a reference), Refused (a pointer contradicts its record).
        """
        with self._as_fetched():
            return resolve(self.snapshot, parse_reference(reference))

    def resolve_all(self, reference: str) -> list[Resolution]:
        """Every version that a reference means, highest first: of a stage that holds several, all."""
        with self._as_fetched():
            return resolve_all(self.snapshot, parse_reference(reference))

    @contextmanager
    def _as_fetched(self) -> Iterator[None]:
        """In a clone, what is not there may only not have been fetched: a NotFound says so."""
        try:
            yield
        except NotFound as error:
            repository = self._opened.repository
            if self.commit is None or repository.top is None or not repository.has_origin:
                raise
            more = "git fetch brings what has landed since the last one"
            raise NotFound(error.message, f"{error.hint}; {more}" if error.hint else more) from None

    def models(self) -> list[ModelSummary]:
        """Every living model, by name."""
        return [self.model(name) for name in self.snapshot.models()]

    def model(self, name: str) -> ModelSummary:
        """One model. Raises NotFound."""
        spelled = self.snapshot.find_model(name)
        model = self.snapshot.model(spelled)
        assert model is not None, "find_model found it"
        files = self.snapshot.stages(spelled)
        order = [name for name in self.snapshot.policy().stage_names if name in files]
        stages = {name: files[name] for name in [*order, *(name for name in files if name not in order)]}
        return ModelSummary(
            model=model,
            latest=self.snapshot.latest(spelled),
            stages={s: tuple(pin.version for pin in a.versions) for s, a in stages.items() if a.versions},
            aliases={n: a.pin.version for n, a in self.snapshot.aliases(spelled).items() if a.pin},
        )

    def versions(self, name: str) -> list[VersionSummary]:
        """The living versions of a model, lowest first. Raises NotFound."""
        model = self.snapshot.find_model(name)
        return [self._summary(model, version) for version in self.snapshot.versions(model)]

    def version(self, reference: str) -> VersionSummary:
        """One version with its surroundings. Raises as :meth:`resolve`."""
        found = self.resolve(reference)
        return self._summary(found.model, found.record.version)

    def _summary(self, model: str, version: Version) -> VersionSummary:
        return VersionSummary(
            model=model,
            record=self.snapshot.demand_record(model, version),
            stage=self.snapshot.stage_of(model, version),
            aliases=tuple(self.snapshot.aliases_of(model, version)),
            notes=self.snapshot.notes(model, version),
        )

    def search(self, filter: str) -> Iterator[SearchHit]:
        """The living versions that satisfy a filter (docs/search.md). Raises UsageError where it is malformed."""
        from gitreg.core.search import parse_filter, search

        return search(self.snapshot, parse_filter(filter))

    def pull(self, reference: str, directory: str | os.PathLike[str] = ".") -> str:
        """Downloads an artifact into a directory (made if need be), verified byte for byte; returns its path.

        What is there already is left as it is. Raises as :meth:`resolve`, and Refused (something else is there; the
        bytes are not the record's, or the version is external), Undecided (the remote does not answer), UsageError
        (the directory cannot be one). What fails leaves nothing behind.
        """
        from gitreg.flows.pull import pull

        folder = os.fspath(directory)
        with folder_made(folder):
            return pull(self.workspace, self.snapshot, parse_reference(reference), folder)[1]

    def history(self, name: str | None = None) -> Iterator[Event]:
        """What happened, newest first; of one model if it is named. Raises NotFound."""
        from gitreg.errors import ConfigError
        from gitreg.flows.history import history

        if self.commit is None:
            raise ConfigError("a working tree has no history", "leave --worktree out")
        return history(self.workspace, self.commit, name)

    def validate(self) -> list[Finding]:
        """Every finding in the whole registry; an empty list is a valid one."""
        from gitreg.core.verify.engine import validate

        return validate(self.snapshot, self.workspace.schemas)


def open_registry(
    path_or_url: str | os.PathLike[str] = ".",
    rev: str | None = None,
    *,
    at: datetime | None = None,
    worktree: bool = False,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Registry:
    """Opens the registry in a checkout, in a bare repository or at a URL (``#folder`` names its folder in it).

    Args:
        rev: the commit, branch or tag to read; by default the registry's branch as last fetched.
        at: reads the registry as it was at that moment (aware).
        worktree: reads the files as they lie in the checkout.
        options: for surfaces that have their own; ``path_or_url`` is ignored then.

    Raises:
        ConfigError: no repository, no registry, or no such branch. NotFound: no such revision.
        UsageError: ``worktree`` together with ``rev`` or ``at``.
        Undecided: a URL that does not answer.
    """
    if worktree and (rev is not None or at is not None):
        raise UsageError(
            "the working tree has no other point in time", "leave --worktree out, or --rev and --at"
        )
    chosen = options or Options(registry=os.fspath(path_or_url))
    opened = _open(chosen)
    if worktree:
        from gitreg.wiring import open_worktree

        snapshot = Snapshot(open_worktree(opened.repository), opened.root)
    else:
        snapshot = read_snapshot(opened, rev, at)
    return Registry(opened, snapshot, chosen, progress)
