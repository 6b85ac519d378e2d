"""Register a version: look at the payload, plan, upload, and only then let a manifest refer to the bytes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from gitreg.core.digest import artifact_digest
from gitreg.core.formats import artifact_format
from gitreg.core.manifest import Artifact
from gitreg.core.plan.register import Details, Registration
from gitreg.core.ports import Payload
from gitreg.core.snapshot import Snapshot
from gitreg.flows.land import Landed, LandingMode, Planner, Preview, Proposed, demand_landable, land, preview
from gitreg.flows.pending import registering
from gitreg.flows.workspace import Workspace


@dataclass(frozen=True)
class NewVersion(Details):
    """A version to register: the file or directory at ``path``, with what is said of it.

    ``format`` is told by the names of the files where it is None; ``again`` registers bytes that are registered
    already.
    """

    model: str
    path: str
    format: str | None = None
    again: bool = False


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
    payload = store.inspect(new.path)
    make_plan = _planner(ws, base, new, payload, mode)
    if dry_run:
        return preview(ws, make_plan)
    demand_landable(ws, base, make_plan(base), mode)
    store.upload(new.path, payload, ws.progress)
    return land(ws, make_plan, mode)


def _planner(ws: Workspace, base: Snapshot, new: NewVersion, payload: Payload, mode: LandingMode) -> Planner:
    registration = Registration(
        model=new.model,
        artifact=Artifact(
            path=payload.pointer.path,
            digest=artifact_digest(payload.files),
            size=payload.pointer.size,
            files=payload.pointer.files,
            format=new.format or _format(payload),
        ),
        pointer=payload.pointer,
        created_by=ws.author(base),
        created_at=ws.clock(),
        nonce=secrets.token_hex(8) if new.again else None,
        **new.details(),
    )
    return registering(ws, registration, mode)


def _format(payload: Payload) -> str:
    return artifact_format(payload.pointer.path, (file.path for file in payload.files))
