"""What the tests of the catalog share: histories of plans, written at once, and a branch that moves along them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from flow_kit import BEGIN, MAIN, SOLO_POLICY, SOLO_REGISTRY, fast_import, git, registration, rules

from gitreg.adapters.cache.index import SqliteIndex
from gitreg.core.codec.edit import REMOVE
from gitreg.core.plan.alias import plan_clear_alias, plan_set_alias
from gitreg.core.plan.annotate import plan_annotate, plan_edit_model
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import NewModel, plan_model, plan_register
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.transition import plan_demote, plan_promote
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.errors import GitregError, NotFound
from gitreg.flows.catalog import Catalog
from gitreg.flows.workspace import Workspace
from gitreg.wiring import Options, open_registry, workspace

Planner = Callable[[Snapshot], Plan]
LATER = BEGIN + timedelta(days=40)


def hour(number: int) -> datetime:
    """When commit ``number`` of a history was made; the first is 0."""
    return BEGIN + timedelta(hours=number)


@dataclass
class History:
    """Commits, an hour apart, and the files as they are after the last one. ``root`` is the registry's folder."""

    root: str = ""
    commits: list[tuple[str, Mapping[str, bytes | None]]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def begun(cls, root: str = "", registry: str = SOLO_REGISTRY) -> History:
        history = cls(root)
        prefix = f"{root}/" if root else ""
        history.edit({prefix + path: data for path, data in rules(SOLO_POLICY, registry).items()})
        return history

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(MemoryTree(self.files), self.root)

    def edit(self, edits: Mapping[str, bytes | None]) -> int:
        """A commit by hand; returns its number."""
        self.commits.append(("edit", edits))
        for path, data in edits.items():
            if data is None:
                del self.files[path]
            else:
                self.files[path] = data
        return len(self.commits) - 1

    def plan(self, make: Planner) -> int:
        """A commit of gitreg's; returns its number."""
        return self.edit(make(self.snapshot).edits)

    def register(self, model: str, number: int) -> int:
        return self.plan(lambda s: plan_register(s, registration(model, number, create=NewModel())))

    def promote(self, model: str, version: int, stage: str) -> int:
        return self.plan(lambda s: plan_promote(s, model, version, stage))

    def alias(self, model: str, alias: str, version: int) -> int:
        return self.plan(lambda s: plan_set_alias(s, model, alias, version))

    def describe(self, model: str, version: int, text: str) -> int:
        return self.plan(lambda s: plan_annotate(s, model, version, {("description",): text}))

    def write(self, folder: Path) -> list[str]:
        """Puts it into a new bare repository; returns the commits' ids."""
        git(folder.parent, "init", "-q", "--bare", "--initial-branch=main", os.fspath(folder))
        fast_import(folder, self.commits)
        return git(folder, "rev-list", "--first-parent", "--reverse", MAIN).split()


def opened(folder: Path, registry: str = "") -> Workspace:
    options = Options(registry=f"{folder}#{registry}" if registry else os.fspath(folder))
    return workspace(open_registry(options), options)


def afresh(ws: Workspace) -> Catalog:
    """A catalog that has to derive everything, and keeps nothing."""
    return Catalog(replace(ws, open_index=lambda: SqliteIndex(None), warn=lambda line: None))


def said(catalog: Catalog) -> list[object]:
    """Everything that a catalog says."""
    return [catalog.names(), list(catalog.models()), list(catalog.heads()), list(catalog.versions())]


def wander(seed: int, length: int) -> History:
    """A history of plans and edits by hand, drawn at random: no two alike, and each valid where it was made."""
    draw = random.Random(seed)
    history = History.begun()
    names = ["fraud", "churn", "売上予測", "Other one"]
    while len(history.commits) < length:
        try:
            draw.choice(_STEPS)(history, draw, names)
        except GitregError:
            continue  # what is drawn may not be possible here
    return history


def _some(history: History, draw: random.Random) -> tuple[str, int]:
    models = history.snapshot.models()
    if not models:
        raise NotFound("there are no models")
    model = draw.choice(models)
    version = draw.choice(history.snapshot.numbers(model) or [1])
    assert isinstance(version, int)
    return model, version


def _make(history: History, draw: random.Random, names: list[str]) -> None:
    history.plan(lambda s: plan_model(s, draw.choice(names), NewModel(tags={"team": "a"})))


def _register(history: History, draw: random.Random, names: list[str]) -> None:
    history.register(draw.choice([*names, *history.snapshot.models() * 2]), draw.randrange(10_000))


def _move(history: History, draw: random.Random, names: list[str]) -> None:
    model, version = _some(history, draw)
    stage = draw.choice(["staging", "production", "archived", None])
    history.plan(
        lambda s: plan_promote(s, model, version, stage) if stage else plan_demote(s, model, version)
    )


def _point(history: History, draw: random.Random, names: list[str]) -> None:
    model, version = _some(history, draw)
    alias = draw.choice(["champion", "Shadow", "next"])
    clear = draw.random() < 0.3
    history.plan(
        lambda s: plan_clear_alias(s, model, alias) if clear else plan_set_alias(s, model, alias, version)
    )


def _annotate(history: History, draw: random.Random, names: list[str]) -> None:
    model, version = _some(history, draw)
    value = draw.choice(["x", "y", REMOVE])
    if draw.random() < 0.5:
        history.plan(lambda s: plan_edit_model(s, model, {("tags", "t"): value}))
    else:
        history.plan(lambda s: plan_annotate(s, model, version, {("tags", "t"): value}))


def _delete(history: History, draw: random.Random, names: list[str]) -> None:
    model, version = _some(history, draw)
    if draw.random() < 0.4:
        history.plan(lambda s: plan_delete_model(s, model, None, LATER))
    else:
        history.plan(lambda s: plan_delete_version(s, model, version, None, LATER))


def _rename(history: History, draw: random.Random, names: list[str]) -> None:
    model, _ = _some(history, draw)
    history.plan(lambda s: plan_rename(s, model, f"{draw.choice(names)} {draw.randrange(9)}", LATER))


def _break(history: History, draw: random.Random, names: list[str]) -> None:
    """A manifest of any kind is broken by hand, and mended by the next commit."""
    path = draw.choice([path for path in history.files if path.startswith("models/")] or [""])
    if path.endswith(".yaml"):
        content = history.files[path]
        history.edit({path: b"kind: [\n"})
        history.edit({path: content})


_STEPS = [_make, _register, _register, _move, _move, _point, _point, _annotate, _delete, _rename, _break]
