"""Land a plan: as a change request, or straight on the registry's branch where policy allows it.

Nothing is checked out. A change is built as git objects and pushed with the expected old value, so a crash at any
point leaves the old state or the new one. A lost race is fetched, planned again and retried.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import TypeVar

from gitreg.core.codec.load import InvalidManifest, load_value
from gitreg.core.delta import delta, kinds
from gitreg.core.findings import Finding, Outcome
from gitreg.core.plan.plan import Plan
from gitreg.core.ports import (
    Blob,
    ChangeRequest,
    Conversation,
    Entry,
    Hand,
    Identity,
    NewRequest,
    Pusher,
    RefUpdate,
)
from gitreg.core.report.change_request import change_request_body
from gitreg.core.report.diff import edits_diff
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import Candidate, change_id, laid_over
from gitreg.core.verify.approvals import approvals_needed, opening_statement, owners_needed
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.reviews import reviewers
from gitreg.core.verify.rule import Judged
from gitreg.core.verify.rules.artifacts import ARTIFACTS
from gitreg.errors import LostRace, Refused, Undecided
from gitreg.flows.automerge import AutoMerge, ask_to_merge, demand_by_hand
from gitreg.flows.verify import Way, candidate_of, judge, planned
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


@dataclass(frozen=True, slots=True)
class Proposed:
    """A plan that has become a change request; ``how`` is ``opened``, ``adopted`` (it was open) or ``renewed``.

    ``automerge`` is what the forge says to merging it by itself; None where it was not asked.
    """

    plan: Plan
    request: ChangeRequest
    how: str
    findings: tuple[Finding, ...]
    automerge: AutoMerge | None = None


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
    commit, found = _committed(ws, base_commit, plan, signed=True)
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


def propose(
    ws: Workspace,
    base_commit: str,
    plan: Plan,
    branch: str,
    renewed: ChangeRequest | None = None,
) -> Proposed:
    """Opens the change request of a plan, or adopts the open one that asks for the same.

    Args:
        renewed: the request that the plan takes the place of (a refresh).
    """
    open_already = renewed or open_request_of(ws, branch)
    old_head = ws.repository.hub_ref(f"refs/heads/{branch}")
    if open_already is not None and old_head is not None:
        found = candidate_of(ws, base_commit, old_head)
        is_ours = (
            open_already.target == ws.branch
        )  # else somebody gave it another base, which opening takes back
        asks_the_same = is_ours and _asks_the_same(ws.snapshot(base_commit), plan, found, open_already)
        if asks_the_same and not (renewed and _is_behind(ws, base_commit, old_head)):
            judged, _ = judge(ws, base_commit, found, open_already, Way(old_head), artifacts=False)
            demand_by_hand(ws, judged, open_already)
            automerge = ask_to_merge(ws, judged, replace(open_already, head=old_head))  # just what was judged
            return Proposed(plan, open_already, "adopted", needs(judged), automerge)
    _demand_own_branch(ws, base_commit, old_head, branch)
    head, found = _committed(ws, base_commit, plan)
    judged, _ = judge(ws, base_commit, found, artifacts=False)
    now = ws.clock()
    new = new_request(ws, judged, plan.title, branch, head, now)
    demand_by_hand(ws, judged, open_already)
    request = ws.forge.open(new, ws.signer, old_head, now)
    ws.repository.follow(branch, old_head, head)  # somebody may be looking at it
    how = "renewed" if open_already else "opened"
    findings = needs(as_opened(ws, judged, request))
    return Proposed(plan, request, how, findings, ask_to_merge(ws, judged, request))


def new_request(
    ws: Workspace, judged: Judged, title: str, branch: str, head: str, now: datetime
) -> NewRequest:
    """What opens the request for a change: its text, and on a hosted forge whom it asks and where it is filed."""
    needed = approvals_needed(judged.base, judged.delta, judged.policy)
    groups = [*(each.need.group for each in needed), *owners_needed(judged.delta, judged.policy)]
    return NewRequest(
        title=title,
        body=change_request_body(judged),
        branch=branch,
        target=ws.branch,
        head=head,
        change_id=judged.evidence.change_id,
        statement=opening_statement(judged.evidence, now),
        reviewers=reviewers(judged.policy, ws.forge.provider, groups),
        labels=("gitreg", *judged.kinds),
    )


def as_opened(ws: Workspace, judged: Judged, request: ChangeRequest) -> Judged:
    """A change as it is judged just after its request was opened: its author is known, and nobody has approved it."""
    evidence = replace(judged.evidence, author=request.author, request=request.id)
    if ws.forge.provider != "local" and request.head is not None:
        author = Hand("author", request.account)
        found = Conversation(ws.forge.provider, request.head, author)
        evidence = replace(evidence, conversation=found, evidence_changed=None)
    return replace(judged, evidence=evidence)


def needs(judged: Judged) -> tuple[Finding, ...]:
    """What a request still needs. To read its artifacts back from the remote is left to who verifies it."""
    return tuple(finding for finding in evaluate(judged) if finding.rule != ARTIFACTS.rule.id)


def _is_behind(ws: Workspace, base_commit: str, head: str) -> bool:
    """Whether a hosted forge that merges only what is up to date would not take the branch: a refresh mends that."""
    return ws.forge.provider != "local" and ws.repository.merge_base(base_commit, head) != base_commit


def open_request_of(ws: Workspace, branch: str) -> ChangeRequest | None:
    """The open request of a branch."""
    return next(iter(ws.forge.requests(branch=branch)), None)


#: What a plan says of the moment and the person that made it. Whoever asks for the same later asks for the same.
_WHEN_AND_WHO = frozenset({"created_at", "created_by", "deleted_at", "renamed_at"})


def _asks_the_same(base: Snapshot, plan: Plan, found: Candidate, request: ChangeRequest) -> bool:
    """Whether a request's branch, laid over the current base, is what its author signed and what the plan does."""
    signed = request.change_id  # "" where nothing is signed
    if found.conflicts or (signed and change_id(found.changes) != signed):
        return False
    there = {change.path: change.new for change in found.changes}
    return there.keys() == plan.edits.keys() and all(
        _says_the_same(base.layout.place(path).kind, data, found.tree.read(path))
        for path, data in plan.edits.items()
    )


def _says_the_same(kind: str | None, data: bytes | None, there: Blob | None) -> bool:
    if data is None or there is None or kind is None:
        return data == (there.data if there else None)
    try:
        return _lasting(load_value(kind, data, "")) == _lasting(load_value(kind, there.data, ""))
    except InvalidManifest:  # somebody else's; what is planned here can be read
        return False


def _lasting(value: object) -> object:
    return {key: value[key] for key in value.keys() - _WHEN_AND_WHO} if isinstance(value, dict) else value


def _demand_own_branch(ws: Workspace, base_commit: str, head: str | None, branch: str) -> None:
    """A branch is only ever replaced while its head is what gitreg made on a commit of the registry's branch.

    That is a commit, or a merge of a change's own commits, which leaves what they made as it is.
    """
    if head is None:
        return
    commit = ws.repository.commit(head)
    is_merge = len(commit.parents) == 2 and ws.repository.commit(commit.parents[1]).tree == commit.tree
    start = commit.parents[0] if len(commit.parents) == 1 or is_merge else None
    if start is None or ws.repository.merge_base(base_commit, start) != start:
        raise Refused(
            f"the branch {branch!r} holds commits that gitreg did not make",
            "merge or close its change request first",
        )


def _committed(ws: Workspace, base_commit: str, plan: Plan, *, signed: bool = False) -> tuple[str, Candidate]:
    """A plan as a commit that nothing names yet, and what it would make of the base: just that is judged and landed.

    A commit that lands by itself is ``signed`` where there is a key: nothing else says whose change it is.
    """
    base = ws.snapshot(base_commit)
    ws.demand_allowed(base, plan.kind)
    author, inside = ws.author(base), base_commit
    for step in plan.steps:
        inside, _ = _commit(ws, [inside], step.message, step.edits, author)
    parents = [base_commit] if inside == base_commit else [base_commit, inside]
    commit, entries = _commit(ws, parents, plan.title, plan.edits, author, signed)
    found = laid_over(base.tree, entries, ws.repository.tree(commit))
    # A file in the place of a folder: only the comparison of the two trees tells all that goes with it.
    return commit, candidate_of(ws, base_commit, commit) if found.conflicts else found


def _commit(
    ws: Workspace,
    parents: Sequence[str],
    title: str,
    edits: Mapping[str, bytes | None],
    author: Identity,
    signed: bool = False,
) -> tuple[str, Mapping[str, Entry | None]]:
    """The commit of what edits make of its first parent, and what now stands at each path."""
    sign = ws.signer.sign_commit if signed and ws.signer else None
    now = landing_time(ws, parents[0])
    return ws.repository.write_change(parents, edits, f"{title}\n", author, now, sign, committer=ws.identity)


def landing_time(ws: Workspace, base_commit: str) -> datetime:
    """Now; or the base's date, where another machine's clock is ahead: no commit is dated before its parent."""
    return max(ws.clock(), ws.repository.commit(base_commit).time)
