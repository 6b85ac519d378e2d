"""Edit what people say: a model's title, owners and tags; a version's notes, tags, card and deprecation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from gitreg.core.codec.edit import REMOVE, edit_yaml
from gitreg.core.codec.yaml import load_yaml
from gitreg.core.decode import Fields, anything
from gitreg.core.names import Version
from gitreg.core.plan.plan import NothingToDo, Plan, checked, new_file
from gitreg.core.snapshot import Snapshot
from gitreg.errors import Refused, UsageError

#: New values by key path; ``REMOVE`` takes a key away.
Edits = Mapping[tuple[str, ...], object]


def plan_edit_model(snapshot: Snapshot, model: str, edits: Edits) -> Plan:
    """Edits ``model.yaml``, keeping its comments.

    Raises NothingToDo (it says so already), UsageError (not a model's any more), Refused (versions are numbered
    already, and their scheme stays).
    """
    if ("versions",) in edits and snapshot.numbers(model):
        raise Refused(f"{model!r} has versions, so how they are numbered stays", "make a new model")
    return _plan(snapshot, snapshot.layout.model(model), edits, f"Edit {model}", None)


def plan_annotate(snapshot: Snapshot, model: str, version: Version, edits: Edits) -> Plan:
    """Edits ``notes.yaml`` of a version, keeping its comments. Raises NotFound, NothingToDo, UsageError."""
    snapshot.demand_record(model, version)
    fresh = new_file("VersionNotes", {"model": model, "version": version})
    path = snapshot.layout.version(model, version, "notes.yaml")
    return _plan(snapshot, path, edits, f"Annotate {model}/{version}", fresh)


def _plan(snapshot: Snapshot, path: str, edits: Edits, title: str, fresh: bytes | None) -> Plan:
    blob = snapshot.blob(path)
    old = blob.data if blob else fresh
    assert old is not None, "the caller found the model"
    new = _edited(old, edits, path)
    if new == old:
        raise NothingToDo(f"{path} says so already")
    start = blob.oid if blob else None
    intent = (path, start, hashlib.sha256(new).hexdigest())
    return checked(snapshot, Plan("annotate", title, intent, {path: new}))


#: What says which file this is, and so agrees with its place.
_FIXED = ("apiVersion", "kind", "name", "model", "version")


def _edited(old: bytes, edits: Edits, path: str) -> bytes:
    try:
        new = edit_yaml(old, edits)
        before, after = (Fields(load_yaml(text), ()) for text in (old, new))
    except ValueError as error:
        raise UsageError(f"{path} cannot say so: {error}") from None
    for key in _FIXED:
        if before.maybe(key, anything, None) != after.maybe(key, anything, None):
            raise UsageError(f"{key} of {path} cannot be edited", "it says the same as the file's path")
    return new


__all__ = ["REMOVE", "Edits", "plan_annotate", "plan_edit_model"]
