"""Rename a model: its files move, its records unchanged, and a redirect stays behind."""

from __future__ import annotations

from datetime import datetime

from gitreg.core.codec.edit import edit_yaml
from gitreg.core.decode import show_time
from gitreg.core.layout import Sort
from gitreg.core.names import fold, model_name_problem
from gitreg.core.plan.plan import Plan, demand_model, new_file
from gitreg.core.plan.transition import demand_room
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import files_below
from gitreg.errors import AlreadyExists, UsageError


def plan_rename(
    snapshot: Snapshot, model: str, to: str, now: datetime, *, even_if_barred: bool = False
) -> Plan:
    """Moves a model to a name that was never used; ``even_if_barred`` plans also what policy forbids.

    Redirects that led to the old name are turned to the new one, so that none ever leads to another.
    Raises NotFound, UsageError (bad name), AlreadyExists, Refused (a stage holds more than the new name's policy
    allows).
    """
    demand_model(snapshot, model)
    problem = model_name_problem(to)
    if problem:
        raise UsageError(f"{to!r} cannot name a model: {problem}")
    taken = next((folder for folder in snapshot.model_folders() if fold(folder) == fold(to)), None)
    if taken is not None:
        raise AlreadyExists(f"the name {to!r} is taken by {taken!r}", "choose another name")
    for assignment in () if even_if_barred else snapshot.stages(model).values():
        demand_room(snapshot, to, assignment)
    edits = _moved_files(snapshot, model, to)
    for former in [model, *_former_names(snapshot, model)]:
        body = {"model": former, "to": to, "renamed_at": show_time(now)}
        edits[snapshot.layout.model(former, "redirect.yaml")] = new_file("Redirect", body)
    return Plan("rename", f"Rename {model} to {to}", (model, to), edits)


def _moved_files(snapshot: Snapshot, model: str, to: str) -> dict[str, bytes | None]:
    edits: dict[str, bytes | None] = {}
    folder = snapshot.layout.model(model, "").rstrip("/")
    for path, entry in files_below(snapshot.tree, folder):
        data = snapshot.tree.blob(entry.oid)
        place = snapshot.layout.place(path)
        if place.kind == "Model":
            data = edit_yaml(data, {("name",): to})
        elif place.sort is Sort.POINTER:
            data = edit_yaml(data, {("model",): to, ("serial",): _serial(snapshot, path, place.kind) + 1})
        edits[path] = None
        edits[snapshot.layout.model(to, path[len(folder) + 1 :])] = data
    return edits


def _serial(snapshot: Snapshot, path: str, kind: str | None) -> int:
    return int(getattr(snapshot.manifest(kind or "", path), "serial", 0))


def _former_names(snapshot: Snapshot, model: str) -> list[str]:
    redirects = ((folder, snapshot.redirect(folder)) for folder in snapshot.model_folders())
    return [folder for folder, redirect in redirects if redirect is not None and redirect.to == model]
