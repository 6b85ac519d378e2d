"""Copy a version to another model, in this registry or in another: the same bytes, with their provenance."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gitreg.core.names import Reference
from gitreg.core.plan.register import NewModel, Registration, as_registered
from gitreg.core.ports import DvcPointer
from gitreg.core.record import CopiedFrom, ModelVersion
from gitreg.core.resolve import resolve
from gitreg.core.snapshot import Snapshot
from gitreg.errors import Refused
from gitreg.flows.land import Landed, LandingMode, Preview, demand_landable, land, preview
from gitreg.flows.pending import registering
from gitreg.flows.propose import Proposed
from gitreg.flows.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Notes:
    """What to say of a copy instead of what is said of its original."""

    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def copy(
    source: Workspace,
    reference: Reference,
    target: Workspace,
    model: str,
    *,
    version: str | None = None,
    again: bool = False,
    create: NewModel | None = None,
    notes: Notes | None = None,
    mode: LandingMode = LandingMode.USUAL,
    dry_run: bool = False,
) -> Landed | Proposed | Preview:
    """Registers the version that ``reference`` means in ``source`` under ``model`` in ``target``.

    Its record keeps params, metrics, signature and environment, and says where it came from. ``again`` copies bytes
    that one of the newest versions there has already; without it that is NothingToDo. Without ``notes`` the copy has
    those of the version.
    """
    _, snapshot = source.current()
    found = resolve(snapshot, reference)
    pointer = snapshot.dvc_pointer(found.model, found.record)
    if pointer is None:
        raise Refused(
            f"{found.model}/{found.record.version} has no .dvc file", "gitreg validate shows what is wrong"
        )
    registration = _registration(snapshot, target, found.model, found.record, pointer)
    nonce = secrets.token_hex(8) if again else None
    asked = replace(registration, model=model, version=version, create=create, nonce=nonce)
    if notes is not None:
        asked = replace(asked, description=notes.description, tags=notes.tags, card={})
    make_plan = registering(target, asked, mode)
    if dry_run:
        return preview(target, make_plan)
    target.repository.fetch()
    _, base = target.current()
    demand_landable(target, base, make_plan(base), mode)
    if target is not source:
        store = source.open_store(snapshot)
        store.copy_to(target.open_store(base), pointer, found.record.artifact.digest, target.progress)
    return land(target, make_plan, mode)


def _registration(
    snapshot: Snapshot, target: Workspace, model: str, record: ModelVersion, pointer: DvcPointer
) -> Registration:
    return replace(
        as_registered(snapshot, model, record, pointer),
        created_by=target.author(target.current()[1]),
        created_at=target.clock(),
        copied_from=CopiedFrom(snapshot.registry().id, model, record.version, record.artifact.digest),
        imported_from=None,
    )
