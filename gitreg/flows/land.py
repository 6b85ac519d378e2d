"""Land a plan: as a change request, or straight on the registry's branch where policy allows it.

Nothing is checked out. A change is built as git objects and pushed with the expected old value, so a crash at any
point leaves the old state or the new one. A lost race is fetched, planned again and retried.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from gitreg.core.delta import delta, kinds
from gitreg.core.findings import Finding, Outcome
from gitreg.core.plan.plan import Plan
from gitreg.core.ports import Pusher, RefUpdate
from gitreg.core.report.change_request import change_request_body
from gitreg.core.report.diff import edits_diff
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.approvals import approvals_needed, owners_needed
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.rule import Judged
from gitreg.errors import LostRace, Refused, Undecided
from gitreg.flows.commit import committed
from gitreg.flows.propose import Proposed, propose
from gitreg.flows.verify import Way, judge, planned
from gitreg.flows.workspace import Workspace

#: How often a lost race is run again, and how often although nothing has moved since: then nobody was faster, and
#: something is in the way for good. A slow desk loses many races in a row while quick ones land change after change.
ATTEMPTS = 400
STANDSTILLS = 20
#: The longest pause before a race is run again, in seconds.
LONGEST_PAUSE = 1.0

T = TypeVar("T")
Planner = Callable[[Snapshot], Plan]


class LandingMode(Enum):
    """How a plan gets onto the registry's branch.

    ``DIRECT`` lands it at once or fails; ``REQUEST`` opens a change request whatever it is. ``WHERE_ALLOWED`` lands at
    once what policy and its enforcement let land so and what needs nobody's approval, and opens a change request for
    the rest. ``USUAL`` lands at once in a registry of one person, and opens a change request in any other.
    """

    USUAL = "usual"
    DIRECT = "direct"
    REQUEST = "request"
    WHERE_ALLOWED = "where allowed"


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done (``--dry-run``): the edits as a diff, and the change request's title, branch and text."""

    title: str
    branch: str
    diff: str
    body: str


@dataclass(frozen=True, slots=True)
class Landed:
    """A plan that stands on the registry's branch as ``commit``; ``followed``: a clean checkout moved along."""

    plan: Plan
    commit: str
    followed: bool


class Rejected(Refused):
    """A change that verify does not let through."""

    def __init__(self, what: str, findings: tuple[Finding, ...]) -> None:
        blocking = [finding for finding in findings if finding.outcome is not Outcome.WARNING]
        first = blocking[0]
        place = f"{first.location}: " if first.location else ""
        more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
        super().__init__(f"{what} is not allowed: {place}{first.rule} {first.message}{more}", first.fix)
        self.findings = findings
        self.undecided = all(finding.outcome is Outcome.UNDECIDED for finding in blocking)


def land(ws: Workspace, make_plan: Planner, mode: LandingMode = LandingMode.USUAL) -> Landed | Proposed:
    """Plans on the current base and lands the plan.

    Args:
        make_plan: from the registry as it is to the plan; asked again after a lost race.

    Raises:
        Refused: policy does not allow it; Rejected: verify has findings.
    """
    ws.repository.fetch()
    return retried(ws, lambda: _land(ws, make_plan, mode))


def retried(ws: Workspace, attempt: Callable[[], T]) -> T:
    """Runs ``attempt`` again after each lost race, on what was fetched anew."""
    seen: object = None  # it costs something to look, and hardly any race is lost
    standstills = 0
    for _ in range(ATTEMPTS - 1):
        try:
            with ws.repository.in_line():
                return attempt()
        except LostRace:
            ws.pause(random.uniform(0, LONGEST_PAUSE))  # noqa: S311  # only to keep racers apart
            ws.repository.fetch()
            before, seen = seen, _movable(ws)
            standstills = standstills + 1 if seen == before else 0
            if standstills == STANDSTILLS:
                raise
    return attempt()


def _movable(ws: Workspace) -> object:
    """Where everything is that races are about: the hub's branches and its change requests."""
    return [ws.repository.hub_refs(prefix) for prefix in ("refs/heads/", "refs/gitreg/requests/")]


def preview(ws: Workspace, make_plan: Planner) -> Preview:
    """Plans on the current base and writes nothing."""
    ws.repository.fetch()
    base_commit, base = ws.current()
    plan = make_plan(base)
    judged, _ = judge(ws, base_commit, planned(ws, base, plan.edits), artifacts=False)
    return Preview(plan.title, plan.branch, edits_diff(base, plan.edits), change_request_body(judged))


def demand_landable(ws: Workspace, base: Snapshot, plan: Plan, mode: LandingMode) -> None:
    """Raises Refused where a plan cannot land for sure; to be asked before anything costly is done for it."""
    ws.demand_allowed(base, plan.kind)
    if not goes_directly(ws, base, plan, mode):
        return
    _demand_direct(base, [plan.kind])
    obstacle = ws.repository.followable(ws.branch)
    if obstacle is not None:
        raise Refused(obstacle, "commit, stash or move them away first")


def goes_directly(ws: Workspace, base: Snapshot, plan: Plan, mode: LandingMode) -> bool:
    """Whether a plan is to land without a change request; that it may is only certain ``WHERE_ALLOWED``."""
    match mode:
        case LandingMode.DIRECT:
            return True
        case LandingMode.REQUEST:
            return False
        case LandingMode.WHERE_ALLOWED:
            return _may_land_directly(ws, base, plan)
        case LandingMode.USUAL:
            return base.registry().enforcement == "solo"


def _may_land_directly(ws: Workspace, base: Snapshot, plan: Plan) -> bool:
    """Whether all that a plan does is of kinds that may land without a change request, and needs no approval."""
    if direct_obstacle(base, [plan.kind]) is not None:
        return False
    found = planned(ws, base, plan.edits)
    policy, meaning = base.policy(), delta(base, base.with_tree(found.tree), found.changes)
    return direct_obstacle(base, kinds(meaning, policy)) is None and not (
        approvals_needed(base, meaning, policy) or owners_needed(meaning, policy)
    )


def _land(ws: Workspace, make_plan: Planner, mode: LandingMode) -> Landed | Proposed:
    base_commit, base = ws.current()
    plan = make_plan(base)
    if goes_directly(ws, base, plan, mode):
        return _land_directly(ws, base_commit, base, plan)
    return propose(ws, base_commit, plan, plan.branch)


def _judged_for_landing(ws: Workspace, base_commit: str, plan: Plan) -> tuple[str, Judged]:
    """A plan as a commit that nothing names yet, judged as if it were pushed to the registry's branch."""
    commit, found = committed(ws, base_commit, plan, signed=True)
    pusher = Pusher(key=ws.signer.public_key) if ws.signer else None
    judged, _ = judge(ws, base_commit, found, way=Way(pusher=pusher))
    return commit, judged


def _land_directly(ws: Workspace, base_commit: str, base: Snapshot, plan: Plan) -> Landed:
    commit, judged = _judged_for_landing(ws, base_commit, plan)
    _demand_direct(base, judged.kinds)
    findings = tuple(evaluate(judged))
    if any(finding.outcome in _barring(ws, base) for finding in findings):
        raise rejected(plan.title, findings)
    ws.repository.update([RefUpdate(ws.target, base_commit, commit)])
    return Landed(plan, commit, ws.repository.follow(ws.branch, base_commit, commit))


def _barring(ws: Workspace, base: Snapshot) -> frozenset[Outcome]:
    """What keeps a change from being pushed. What is unknown here, such as a login, a hook may know: it decides.

    A repository with a hook has a name of its own; that gitreg.yaml speaks of a hook does not put one there.
    """
    is_guarded = base.registry().enforcement == "hook" and ws.forge.hub_id()
    return frozenset({Outcome.FAIL} if is_guarded else {Outcome.FAIL, Outcome.UNDECIDED})


def rejected(what: str, findings: tuple[Finding, ...]) -> Rejected | Undecided:
    """The error of a change that verify does not let through: undecided if nothing is wrong for certain."""
    error = Rejected(what, findings)
    return (
        Undecided(error.message.replace("not allowed", "undecided", 1), error.hint)
        if error.undecided
        else error
    )


def _demand_direct(base: Snapshot, kinds: Sequence[str]) -> None:
    obstacle = direct_obstacle(base, kinds)
    if obstacle is not None:
        raise Refused(
            obstacle, "leave --direct (changes=direct in a registry URI) out to open a change request"
        )


def direct_obstacle(base: Snapshot, kinds: Sequence[str]) -> str | None:
    """Why changes of these kinds may not land on the branch without a change request; None if they may."""
    registry = base.registry()
    # On a hosted forge no hook of gitreg's runs, whatever gitreg.yaml says.
    guards = {"solo", "hook"} if registry.forge.provider == "local" else {"solo"}
    if registry.enforcement not in guards:
        return "nothing enforces the rules on this registry's branch, so nothing may land on it directly"
    barred = [kind for kind in kinds if not base.policy().allows_direct(kind)]
    return f"policy.yaml does not list {barred[0]!r} as direct" if barred else None
