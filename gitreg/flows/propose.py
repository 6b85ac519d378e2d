"""Propose a plan: a branch, and the change request that asks to merge it.

What asks for the same already is adopted, so that a command that is run twice makes one request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from gitreg.core.codec.load import InvalidManifest, load_value
from gitreg.core.findings import Finding
from gitreg.core.plan.plan import Plan
from gitreg.core.ports import Blob, ChangeRequest, Conversation, Hand, NewRequest
from gitreg.core.report.change_request import change_request_body
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import Candidate, change_id
from gitreg.core.verify.approvals import approvals_needed, opening_statement, owners_needed
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.reviews import reviewers
from gitreg.core.verify.rule import Judged
from gitreg.core.verify.rules.artifacts import ARTIFACTS
from gitreg.errors import Refused
from gitreg.flows.automerge import AutoMerge, ask_to_merge, demand_by_hand
from gitreg.flows.commit import committed
from gitreg.flows.verify import Way, candidate_of, judge
from gitreg.flows.workspace import Workspace


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
        must_move = renewed is not None and _is_behind(ws, base_commit, old_head)
        adopted = None if must_move else _adopted(ws, base_commit, plan, open_already, old_head)
        if adopted is not None:
            return adopted
    _demand_own_branch(ws, base_commit, old_head, branch)
    head, found = committed(ws, base_commit, plan)
    judged, _ = judge(ws, base_commit, found, artifacts=False)
    now = ws.clock()
    new = new_request(ws, judged, plan.title, branch, head, now)
    demand_by_hand(ws, judged, open_already)
    request = ws.forge.open(new, ws.signer, old_head, now)
    ws.repository.follow(branch, old_head, head)  # somebody may be looking at it
    how = "renewed" if open_already else "opened"
    findings = needs(as_opened(ws, judged, request))
    return Proposed(plan, request, how, findings, ask_to_merge(ws, judged, request))


def _adopted(
    ws: Workspace, base_commit: str, plan: Plan, request: ChangeRequest, head: str
) -> Proposed | None:
    """The open request, whose branch is at ``head``, if it asks for just what the plan does."""
    if request.target != ws.branch:  # somebody gave it another base, which opening takes back
        return None
    found = candidate_of(ws, base_commit, head)
    if not _asks_the_same(ws.snapshot(base_commit), plan, found, request):
        return None
    judged, _ = judge(ws, base_commit, found, request, Way(head), artifacts=False)
    demand_by_hand(ws, judged, request)
    automerge = ask_to_merge(ws, judged, replace(request, head=head))  # just what was judged
    return Proposed(plan, request, "adopted", needs(judged), automerge)


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
