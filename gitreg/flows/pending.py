"""What does not exist yet, but is proposed: models that an open change request makes, and one's own imports.

Who makes a model and at once registers a version of it, as MLflow's clients do, would else have to wait in between for
a review: so the version joins the request. Which models a request makes is read off what it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import ModelCreated, VersionRegistered, delta
from gitreg.core.names import Version
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import (
    NewModel,
    Registration,
    plan_first_version,
    plan_model,
    plan_of_model,
    plan_register,
)
from gitreg.core.ports import BRANCH_PREFIX, FILE, ChangeRequest
from gitreg.core.record import ModelVersion
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import change_id
from gitreg.errors import AlreadyExists, NotFound
from gitreg.flows.land import LandingMode, Planner, goes_directly
from gitreg.flows.propose import open_request_of
from gitreg.flows.verify import candidate_of
from gitreg.flows.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Pending:
    """A model that an open change request makes, alone or with its first version.

    ``edits`` is what the request changes: ``model_file`` is the content of ``model.yaml``, ``version`` the record.
    """

    request: ChangeRequest
    edits: Mapping[str, bytes | None]
    model_file: bytes
    version: ModelVersion | None


def pending_model(ws: Workspace, base: Snapshot, name: str) -> Pending | None:
    """The open change request that makes a model of exactly this name; None if there is none, or the name is taken.

    A request that has been tampered with, that does anything else besides, or whose files cannot be read, is none.
    """
    if base.living_model(name) is not None:
        return None
    request = open_request_of(ws, plan_of_model("", name, {}).branch)
    if request is None or request.head is None or base.commit is None:
        return None
    found = candidate_of(ws, base.commit, request.head)
    if found.conflicts or (request.change_id and change_id(found.changes) != request.change_id):
        return None
    head = base.with_tree(found.tree)
    changes = delta(base, head, found.changes).changes
    others = [change for change in changes if change != ModelCreated(name)]
    if len(others) == len(changes) or len(others) > 1:
        return None
    if any(change.new is not None and change.new.mode != FILE for change in found.changes):
        return None
    version = None
    try:
        head.model(name)
        for each in others:
            if not isinstance(each, VersionRegistered) or each.model != name:
                return None
            version = head.record(name, each.version)
    except InvalidManifest:
        return None
    edits = {change.path: found.tree.blob(change.new.oid) for change in found.changes if change.new}
    return Pending(request, edits, edits[base.layout.model(name)], version)


def pending_version(ws: Workspace, base: Snapshot, name: str, version: Version) -> ChangeRequest | None:
    """The open change request that asks for a version, going by what it says of itself; None if there is none.

    Of numbers only the next one is looked for: a request for any other is planned anew before it lands.
    """
    model = base.living_model(name) or name
    if isinstance(version, int) and version != base.top_number(model) + 1:
        return None
    return next((each for each in ws.forge.requests() if _asks_for(each, f"{model}/{version}")), None)


def _asks_for(request: ChangeRequest, subject: str) -> bool:
    copied = request.title.startswith("Copy ") and request.title.endswith(f" to {subject}")
    return request.branch.startswith(BRANCH_PREFIX) and (copied or request.title == f"Register {subject}")


def making(ws: Workspace, name: str, new: NewModel, mode: LandingMode) -> Planner:
    """Plans a new model; a change request that makes it and says the same of it is adopted as it is.

    The planner raises as :func:`gitreg.core.plan.register.plan_model`; AlreadyExists where the request says something
    else.
    """

    def make_plan(base: Snapshot) -> Plan:
        plan = plan_model(base, name, new)
        pending = None if goes_directly(ws, base, plan, mode) else pending_model(ws, base, name)
        if pending is None:
            return plan
        if new != NewModel() and pending.model_file != plan.edits[base.layout.model(name)]:
            id = pending.request.id
            raise AlreadyExists(
                f"change #{id} makes the model {name!r} already, and says something else of it",
                f"gitreg change show {id} shows what; edit the model once that is merged",
            )
        return plan_of_model(pending.request.title, name, pending.edits)

    return make_plan


def registering(ws: Workspace, asked: Registration, mode: LandingMode) -> Planner:
    """Plans a registration or a copy; the first version of a model that is still a change request joins that request.

    The next ones get requests of their own, which make the model as the first one does. Once that is merged, a refresh
    gives them the next numbers.

    The planner raises as :func:`gitreg.core.plan.register.plan_register`.
    """

    def make_plan(base: Snapshot) -> Plan:
        is_plain = asked.create in (None, NewModel())
        pending = pending_model(ws, base, asked.model) if is_plain else None
        if pending is None:
            return plan_register(base, asked)
        plan = plan_first_version(base, asked, pending.model_file)
        if goes_directly(ws, base, plan, mode):
            if asked.create is not None:
                return plan_register(base, asked)
            raise NotFound(
                f"no model is called {asked.model!r} yet",
                f"change #{pending.request.id} makes it: merge that first",
            )
        return plan_of_model(plan.title, asked.model, plan.edits) if _joins(ws, asked, pending) else plan

    return make_plan


def _joins(ws: Workspace, asked: Registration, pending: Pending) -> bool:
    """Whether a version takes its place in the request that makes its model: nothing else has it, or this very one."""
    is_free = pending.version is None or (
        asked.nonce is None and pending.version.artifact.digest == asked.artifact.digest
    )
    return is_free and _may_renew(ws, pending.request)


def _may_renew(ws: Workspace, request: ChangeRequest) -> bool:
    """A request that somebody signed is renewed by whoever has the key: anybody else would take it over."""
    author = request.author
    if author is None or not author.signature.valid:
        return True
    return ws.signer is not None and ws.signer.public_key == author.signature.key


def own_proposal(ws: Workspace, base: Snapshot, branch: str) -> Snapshot | None:
    """The registry as it will be with the open request of a branch, if whoever works here has signed just that.

    Nothing else is taken for theirs: anybody may push to the branch, and what is said there, of a version's bytes say,
    would be proposed again in their name.
    """
    request = open_request_of(ws, branch) if ws.signer is not None and base.commit is not None else None
    if ws.signer is None or base.commit is None or request is None or request.head is None:
        return None
    signature = request.author.signature if request.author is not None else None
    if signature is None or not signature.valid or signature.key != ws.signer.public_key:
        return None
    found = candidate_of(ws, base.commit, request.head)
    is_signed = not found.conflicts and change_id(found.changes) == request.change_id
    return base.with_tree(found.tree) if is_signed else None
