"""What is still missing for a promotion: planned even where policy forbids it, and judged as a change request is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gitreg.core.findings import Finding, exit_code, verdict
from gitreg.core.names import Reference
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.transition import plan_promote
from gitreg.core.ports import ChangeRequest, Pusher
from gitreg.core.resolve import Resolution, resolve
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.checklist import ChecklistItem, beyond, checklist
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.rule import Judged
from gitreg.errors import GitregError
from gitreg.flows.verify import Way, judge_on, planned
from gitreg.flows.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Explanation:
    """A promotion that nobody made, and what the rules say of it.

    ``points`` are those of the checklist, ``findings`` what is beyond it; ``request`` is the open change request that
    asks for just this, if there is one. Without one it is judged as if whoever asks proposed it: the person whose key
    is here, and on a hosted forge the one whose address git has.
    """

    version: Resolution
    plan: Plan
    judged: Judged
    request: ChangeRequest | None
    points: tuple[ChecklistItem, ...]
    findings: tuple[Finding, ...]
    verdict: str
    exit_code: int


def explain(
    ws: Workspace, base: Snapshot, history: str, wanted: Reference, stage: str, now: datetime | None = None
) -> Explanation:
    """Judges the promotion of a version into a stage, on the registry as ``base`` has it.

    Args:
        history: the commit whose first-parent line says how long stages are as they are.
        now: the moment of judgement, if not this one.

    Raises:
        NotFound: no such version or stage. NothingToDo: it is there already.
    """
    found = resolve(base, wanted)
    plan = plan_promote(base, found.model, found.record.version, stage, even_if_barred=True)
    way = Way(pusher=_who_asks(ws), moment=now)  # whose word does not count where there is a request
    judged, request = judge_on(ws, base, history, planned(ws, base, plan.edits), way=way)
    findings = evaluate(judged)
    points = tuple(checklist(judged))
    others = tuple(beyond(points, findings))
    return Explanation(found, plan, judged, request, points, others, verdict(findings), exit_code(findings))


def _who_asks(ws: Workspace) -> Pusher | None:
    """The person whose key or, on a hosted forge, address is here; what cannot be read leaves the author unknown."""
    try:
        if ws.forge.provider != "local":
            return Pusher(user=ws.identity.email)
        signer = ws.signer
        return Pusher(key=signer.public_key) if signer else None
    except GitregError:
        return None
