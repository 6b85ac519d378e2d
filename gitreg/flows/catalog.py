"""The catalog of a registry at its newest known commit: by name, by alias, and in pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gitreg.core.catalog import CatalogModel, CatalogVersion, catalog_model
from gitreg.core.snapshot import Snapshot
from gitreg.flows.workspace import Workspace


class Catalog:
    """Every living model of a registry, read at the commit that its branch has when a method is called."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws

    def _snapshot(self) -> Snapshot:
        return self._ws.current()[1]

    def model(self, name: str) -> CatalogModel:
        """One model by its name, without regard to case and along a rename. Raises NotFound."""
        snapshot = self._snapshot()
        return catalog_model(snapshot, snapshot.find_model(name), {})

    def names(self) -> list[str]:
        """The names of all living models, in code point order."""
        return self._snapshot().models()

    def models(self, names: Collection[str] | None = None) -> Iterator[CatalogModel]:
        """The models of exactly these names that live, or all; by name, read as they are asked for."""
        snapshot = self._snapshot()
        for name in snapshot.models() if names is None else sorted(names):
            if snapshot.model(name) is not None:
                yield catalog_model(snapshot, name, {})

    def versions(
        self, *, names: Collection[str] | None = None, run: str | None = None
    ) -> Iterator[CatalogVersion]:
        """The versions of all models, of those of exactly these names, or that one run of an experiment made."""
        for model in self.models(names):
            yield from (each for each in model.versions if run is None or run_of(each) == run)


def run_of(version: CatalogVersion) -> str | None:
    """The id of the experiment run that made a version, if its record says."""
    run = version.source.get("run")
    found = run.get("id") if isinstance(run, dict) else None
    return found if isinstance(found, str) else None
