"""The port to the read index: what was derived from a registry, and is kept to be asked quickly."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol


class ModelRow(NamedTuple):
    """What an index keeps of a folder of ``models/``; what is in ``document``, only its writer knows.

    ``kind`` says what the folder is, ``folded`` is the form under which names are the same. Times are in microseconds
    since 1970.
    """

    name: str
    folded: str
    kind: str
    document: str = ""
    created: int = 0
    updated: int = 0


class VersionRow(NamedTuple):
    """What an index keeps of a version: ``position`` orders those of one model.

    ``created`` is in microseconds since 1970, ``updated`` (0: unknown) in seconds. ``aliases`` and ``document`` only
    their writer understands.
    """

    model: str
    version: str
    position: int
    stage: str
    aliases: str
    run: str | None
    created: int
    updated: int
    document: str


class VersionPlace(NamedTuple):
    """What of a :class:`VersionRow` changes with what is around the version."""

    version: str
    position: int
    stage: str
    aliases: str
    updated: int


class IndexView(Protocol):
    """An index at one moment."""

    def state(self) -> str:
        """What the index is of, as its writer said; "" if it holds nothing."""
        ...

    def names(self, kind: str) -> list[str]:
        """The names of all rows of one kind, in code point order."""
        ...

    def model(self, name: str, folded: str) -> ModelRow | None:
        """The row of this very name, or else the first that is the same name when folded."""
        ...

    def models(self, kind: str, names: Collection[str] | None = None) -> list[ModelRow]:
        """The rows of one kind, all or of exactly these names, in code point order."""
        ...

    def versions(self, names: Collection[str] | None = None, run: str | None = None) -> Iterator[VersionRow]:
        """Versions of all models, or of exactly these, or of one run: by model, then by position."""
        ...

    def version(self, model: str, version: str) -> VersionRow | None:
        """One version of exactly this model."""
        ...

    def highest(self, names: Collection[str] | None = None) -> Iterator[VersionRow]:
        """The highest version in each stage (``none`` is one), of all models or of exactly these.

        By model, then by the lowest version that is in the stage.
        """
        ...

    def times(self, models: Collection[str]) -> dict[str, dict[str, tuple[int, int]]]:
        """By model and version ("" is the model itself) when history touched it first and last; see ``set_times``."""
        ...


class IndexEditor(IndexView, Protocol):
    """An index while it is brought up to date: what is done comes into effect as one."""

    def clear(self) -> None:
        """Forgets everything."""
        ...

    def set_state(self, state: str) -> None:
        """Says what the index is of from now on."""
        ...

    def set_model(self, row: ModelRow) -> None:
        """Puts a folder's row in place of the one it had."""
        ...

    def drop_model(self, name: str) -> None:
        """Forgets a folder and its versions, but not when it was touched."""
        ...

    def set_versions(self, rows: Iterable[VersionRow]) -> None:
        """Puts versions in place of those that they were."""
        ...

    def drop_versions(self, model: str, versions: Iterable[str]) -> None:
        """Forgets some versions of a model."""
        ...

    def places(self, model: str) -> list[VersionPlace]:
        """Where the versions of a model are placed, by position."""
        ...

    def set_places(self, model: str, places: Iterable[VersionPlace]) -> None:
        """Places versions that are there."""
        ...

    def oldest(self, model: str) -> int | None:
        """When the first of a model's versions was made, in microseconds since 1970; None if it has none."""
        ...

    def set_times(self, model: str, times: Mapping[str, tuple[int, int]]) -> None:
        """Puts when a model and its versions were touched in place of what was known; empty forgets it."""
        ...


class IndexDamaged(Exception):
    """An index holds what its writer would not have put there, or cannot be read. It is to be made anew."""


class CatalogIndex(Protocol):
    """Where what was derived from a registry is kept. It may be lost at any time; other processes share it."""

    def reading(self) -> AbstractContextManager[IndexView]:
        """The index as it is at this moment. Raises IndexDamaged."""
        ...

    def editing(self) -> AbstractContextManager[IndexEditor]:
        """Waits until nobody else edits; if the block fails, nothing was done. Raises IndexDamaged."""
        ...

    def discard(self) -> None:
        """Throws it away: what is asked for next is empty."""
        ...
