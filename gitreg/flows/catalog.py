"""The catalog of a registry at its newest known commit: by name, by alias, and in pages.

It is read from an index (:mod:`gitreg.flows.catalog_index`). A model of which a manifest is broken is left out of
lists, with a warning; whoever asks for it by name is told what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from gitreg.core import catalog_rows as rows
from gitreg.core.catalog import CatalogModel, CatalogVersion, catalog_model
from gitreg.core.names import Version, fold
from gitreg.core.read_index import IndexView, ModelRow, VersionRow
from gitreg.flows.catalog_index import read_index
from gitreg.flows.workspace import Workspace

T = TypeVar("T")


class Catalog:
    """Every living model of a registry, read at the commit that its branch has when a method is called.

    It is for one thread. Every method may raise ConfigError where there is no registry, InvalidManifest where
    ``gitreg.yaml`` is broken, and Undecided where git does not answer.
    """

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._warned: set[tuple[str, str]] = set()

    def model(self, name: str) -> CatalogModel:
        """One model by its name, without regard to case and along a rename. Raises NotFound, InvalidManifest."""
        return self._found(name, _read_model) or self._unread(name)

    def head(self, name: str) -> CatalogModel:
        """As ``model``, with no other versions than the highest of each stage (``none`` is one).

        They are in the order of the lowest versions of these stages.
        """
        return self._found(name, _read_head) or self._unread(name)

    def version(self, name: str, version: Version) -> CatalogVersion | None:
        """A living version of a model, which is found as by ``model``; None if there is none."""
        return self._version(name, lambda view, row: view.version(row.name, str(version)))

    def aliased(self, name: str, alias: str) -> CatalogVersion | None:
        """The version that an alias of a model, found as by ``model``, names without regard to case; None if none."""

        def choose(view: IndexView, row: ModelRow) -> VersionRow | None:
            version = rows.aliased(row, alias)
            return None if version is None else view.version(row.name, version)

        return self._version(name, choose)

    def latest(self, name: str) -> CatalogVersion | None:
        """The highest living version of a model, which is found as by ``model``; None if it has none."""

        def choose(view: IndexView, row: ModelRow) -> VersionRow | None:
            return max(view.highest([row.name]), key=lambda each: each.position, default=None)

        return self._version(name, choose)

    def _version(
        self, name: str, choose: Callable[[IndexView, ModelRow], VersionRow | None]
    ) -> CatalogVersion | None:
        def ask(view: IndexView, row: ModelRow) -> tuple[CatalogVersion | None]:
            found = choose(view, row)
            return (None if found is None else rows.read_versions([found])[0],)

        found = self._found(name, ask)
        if found is None:
            self._unread(name)
            return None
        return found[0]

    def _found(self, name: str, ask: Callable[[IndexView, ModelRow], T]) -> T | None:
        """What the index says of a living model; None if it knows none of this name that can be read."""

        def look_up(view: IndexView) -> T | None:
            row = view.model(name, fold(name))
            if row is not None and row.kind == rows.REDIRECT:
                row = view.model(row.document, "")
            return None if row is None or row.kind != rows.MODEL else ask(view, row)

        return read_index(self._ws, look_up)

    def _unread(self, name: str) -> CatalogModel:
        """What the manifests themselves say of a model that the index does not have: as a rule, what is wrong."""
        snapshot = self._ws.current()[1]
        return catalog_model(snapshot, snapshot.find_model(name), {})

    def names(self) -> list[str]:
        """The names of all living models, in code point order."""

        def ask(view: IndexView) -> tuple[list[str], list[ModelRow]]:
            return view.names(rows.MODEL), view.models(rows.BROKEN)

        names, broken = read_index(self._ws, ask)
        self._warn(broken)
        return names

    def models(self, names: Collection[str] | None = None) -> Iterator[CatalogModel]:
        """The models of exactly these names that live, or all; by name."""
        return iter(self._listed(names, lambda view: view.versions(names)))

    def heads(self, names: Collection[str] | None = None) -> Iterator[CatalogModel]:
        """As ``models``, with no other versions than the highest of each stage, as :meth:`head` has them."""
        return iter(self._listed(names, lambda view: view.highest(names)))

    def _listed(
        self, names: Collection[str] | None, versions: Callable[[IndexView], Iterator[VersionRow]]
    ) -> list[CatalogModel]:
        def ask(view: IndexView) -> tuple[list[CatalogModel], list[ModelRow]]:
            found: dict[str, list[CatalogVersion]] = {}
            for version in rows.read_versions(versions(view)):
                found.setdefault(version.model, []).append(version)
            models = view.models(rows.MODEL, names)
            return [rows.read_model(row, found.get(row.name, ())) for row in models], view.models(
                rows.BROKEN, names
            )

        models, broken = read_index(self._ws, ask)
        self._warn(broken)
        return models

    def versions(
        self, *, names: Collection[str] | None = None, run: str | None = None
    ) -> Iterator[CatalogVersion]:
        """The versions of all models, of those of exactly these names, or that one run of an experiment made."""

        def ask(view: IndexView) -> tuple[list[CatalogVersion], list[ModelRow]]:
            found = rows.read_versions(view.versions(names, run))
            return found, view.models(rows.BROKEN, names)

        versions, broken = read_index(self._ws, ask)
        self._warn(broken)
        return iter(versions)

    def _warn(self, broken: list[ModelRow]) -> None:
        """Says which models are left out, once for each reason."""
        for row in broken:
            if (row.name, row.document) not in self._warned:
                self._warned.add((row.name, row.document))
                self._ws.warn(f"the model {row.name!r} is left out: {row.document}")


def _read_model(view: IndexView, row: ModelRow) -> CatalogModel:
    return rows.read_model(row, rows.read_versions(view.versions([row.name])))


def _read_head(view: IndexView, row: ModelRow) -> CatalogModel:
    return rows.read_model(row, rows.read_versions(view.highest([row.name])))


def run_of(version: CatalogVersion) -> str | None:
    """The id of the experiment run that made a version, if its record says."""
    return rows.run_of_source(version.source)
