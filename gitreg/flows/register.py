"""Register a version: look at the payload, plan, upload, and only then let a manifest refer to the bytes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from gitreg.core.digest import artifact_digest
from gitreg.core.payload import artifact_format, external_payload
from gitreg.core.plan.register import Details, Registration
from gitreg.core.ports import ArtifactStore, DvcPointer, Payload, Progress
from gitreg.core.record import EXTERNAL, Artifact
from gitreg.core.snapshot import Snapshot
from gitreg.flows.land import Landed, LandingMode, Planner, Preview, demand_landable, land, preview
from gitreg.flows.pending import registering
from gitreg.flows.propose import Proposed
from gitreg.flows.workspace import Workspace


@dataclass(frozen=True)
class NewVersion(Details):
    """A version to register: the file or directory at ``path``, with what is said of it.

    ``format`` is the artifact's ("" is by its files' names), ``name`` what it is to be called ("" is as at ``path``).
    With ``uri`` nothing is read at ``path``: the version is external, and only that address is stored. ``again``
    registers bytes that are registered already; with a ``nonce``, who asks so twice while a change request is open asks
    for the same.
    """

    model: str
    path: str = ""
    format: str = ""
    again: bool = False
    name: str = ""
    uri: str | None = None
    nonce: str | None = None


def register(
    ws: Workspace, new: NewVersion, mode: LandingMode = LandingMode.USUAL, *, dry_run: bool = False
) -> Landed | Proposed | Preview:
    """Registers a version of a model.

    The plan is made once before the upload, so that what is refused costs no transfer; a registration that dies
    half-way may leave an object in the remote that nothing refers to, never the reverse.
    """
    ws.repository.fetch()
    _, base = ws.current()
    store = ws.open_store(base)
    found = inspected(store, new)
    make_plan = _planner(ws, base, new, found, mode)
    if dry_run:
        return preview(ws, make_plan)
    demand_landable(ws, base, make_plan(base), mode)
    upload(store, new, found.payload, ws.progress)
    return land(ws, make_plan, mode)


@dataclass(frozen=True, slots=True)
class Inspected:
    """A version's payload, and how its record and its ``.dvc`` file speak of it."""

    payload: Payload
    artifact: Artifact
    pointer: DvcPointer


def inspected(store: ArtifactStore, new: NewVersion) -> Inspected:
    """Reads what is to be registered. Raises as :meth:`gitreg.core.ports.ArtifactStore.inspect`."""
    payload = store.inspect(new.path) if new.uri is None else external_payload(new.uri)
    pointer = replace(payload.pointer, path=new.name) if new.name else payload.pointer
    return Inspected(payload, _artifact(new, payload, pointer), pointer)


def upload(store: ArtifactStore, new: NewVersion, payload: Payload, progress: Progress) -> None:
    """Stores what :func:`inspected` saw; of an external version its address."""
    if new.uri is None:
        store.upload(new.path, payload, progress)
    else:
        store.upload_bytes(new.uri.encode(), payload)


def _planner(ws: Workspace, base: Snapshot, new: NewVersion, found: Inspected, mode: LandingMode) -> Planner:
    registration = Registration(
        model=new.model,
        artifact=found.artifact,
        pointer=found.pointer,
        created_by=ws.author(base),
        created_at=ws.clock(),
        nonce=new.nonce or (secrets.token_hex(8) if new.again else None),
        **new.details(),
    )
    return registering(ws, registration, mode)


def _artifact(new: NewVersion, payload: Payload, pointer: DvcPointer) -> Artifact:
    by_name = artifact_format(pointer.path, payload.files)
    return Artifact(
        path=pointer.path,
        digest=artifact_digest(payload.files),
        size=pointer.size,
        files=pointer.files,
        format=(new.format or by_name) if new.uri is None else EXTERNAL,
        uri=new.uri,
    )
