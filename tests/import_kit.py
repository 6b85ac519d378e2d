"""Another system's registry for the tests of imports: in memory, with real files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from flow_kit import BEGIN

from gitreg.core.names import Version
from gitreg.core.plan.imports import LeftOut
from gitreg.core.plan.register import NewModel
from gitreg.errors import GitregError
from gitreg.flows.importing import SourceModel, SourceVersion
from gitreg.flows.register import NewVersion


def listed(number: Version, stage: str | None = None, *aliases: str, **said: object) -> SourceVersion:
    """A version as the other system lists it."""
    version = SourceVersion(number, str(number), BEGIN, "Ada", "onnx", stage, aliases)
    return replace(version, **said)  # type: ignore[arg-type]


@dataclass
class Shelf:
    """A ``Source``. ``gone`` has the errors of versions whose bytes cannot be had; ``brought`` what was asked for."""

    models: dict[str, SourceModel] = field(default_factory=dict)
    gone: dict[str, GitregError] = field(default_factory=dict)
    brought: list[str] = field(default_factory=list)
    system: str = "shelf"
    registry: str = "https://shelf.example.com"

    def has(self, name: str, *versions: SourceVersion, **said: object) -> Shelf:
        """With one more model, or another one of that name."""
        new = NewModel(scheme="integer", **said)  # type: ignore[arg-type]
        self.models[name] = SourceModel(name, new, versions)
        return self

    def names(self) -> Sequence[str]:
        return list(self.models)

    def others(self) -> Sequence[LeftOut]:
        return []

    def model(self, name: str) -> SourceModel:
        return self.models[name]

    @contextmanager
    def bring(self, model: str, version: SourceVersion, warn: Callable[[str], None]) -> Iterator[NewVersion]:
        what = f"{model}/{version.name}"
        self.brought.append(what)
        if what in self.gone:
            raise self.gone[what]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(f"the bytes of {what}\n".encode())
            yield NewVersion(model=model, path=str(path), metrics={"auc": 0.75})
