"""The life of a change request: open, approve, refresh, merge, close."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from gitreg.core.findings import Finding, Outcome
from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.replan import replan
from gitreg.core.ports import ChangeRequest, NewRequest, Signer
from gitreg.core.report.change_request import change_request_body
from gitreg.core.report.diff import edits_diff
from gitreg.core.verify.approvals import (
    APPROVE,
    REVOKE,
    approval_statement,
    approvals_given,
    approvals_needed,
    author_of,
    evidence_digests,
)
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.evidence import Unknown
from gitreg.core.verify.reviews import part_of
from gitreg.core.verify.rule import Judged
from gitreg.errors import ConfigError, GitregError, Refused
from gitreg.flows.asked import head_of, open_request, verify_request
from gitreg.flows.automerge import AutoMerge, ask_to_merge, demand_by_hand
from gitreg.flows.commit import landing_time
from gitreg.flows.land import Preview, rejected, retried
from gitreg.flows.propose import Proposed, as_opened, needs, new_request, open_request_of, propose
from gitreg.flows.verify import Way, candidate_of, judge, planned, verify, write_candidate
from gitreg.flows.workspace import Workspace

#: How long an approval holds where nothing shorter is asked for.
DEFAULT_VALIDITY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Merged:
    """A change that stands on the registry's branch as ``commit``; ``already``: since an earlier call."""

    request: ChangeRequest
    commit: str
    followed: bool
    already: bool = False


class Overtaken(Refused):
    """The base changed what the request changes; it must be planned again."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A branch's change request, what verify says of it, and what the forge says to merging it by itself.

    ``automerge`` is None where the forge was not asked.
    """

    request: ChangeRequest
    findings: tuple[Finding, ...]
    automerge: AutoMerge | None


def open_branch(ws: Workspace, branch: str) -> Opened:
    """Opens a change request for a branch that a person made by hand, such as an edit of ``policy.yaml``.

    Raises NotFound (no such branch), Refused (nothing in it is new).
    """
    new, judged, old_head = _asked_for(ws, branch)
    if old_head is not None and ws.forge.provider != "local":
        demand_by_hand(ws, judged, open_request_of(ws, branch))
    request = ws.forge.open(new, ws.signer, old_head, ws.clock())
    findings = tuple(evaluate(as_opened(ws, judged, request)))
    return Opened(request, findings, ask_to_merge(ws, judged, request))


def preview_branch(ws: Workspace, branch: str) -> Preview:
    """What ``open_branch`` would open; writes nothing."""
    new, judged, _ = _asked_for(ws, branch)
    return _preview(new.title, branch, judged)


def _preview(title: str, branch: str, judged: Judged) -> Preview:
    edits: dict[str, bytes | None] = {}
    for raw in judged.delta.raw:
        blob = judged.head.blob(raw.path)
        edits[raw.path] = blob.data if blob else None
    return Preview(title, branch, edits_diff(judged.base, edits), change_request_body(judged))


def _asked_for(ws: Workspace, branch: str) -> tuple[NewRequest, Judged, str | None]:
    """The request of a branch, what it does, and where the branch is on the hub."""
    ws.repository.fetch()
    base, head = ws.tip(), ws.repository.resolve(f"refs/heads/{branch}")
    old_head = ws.repository.hub_ref(f"refs/heads/{branch}")
    if old_head is not None and ws.repository.merge_base(old_head, head) != old_head:
        raise Refused(
            f"the branch {branch!r} lacks commits that somebody pushed to it", "git pull brings them"
        )
    found = candidate_of(ws, base, head)
    if not found.changes and not found.conflicts:
        raise Refused(
            f"the branch {branch!r} changes nothing that {ws.branch} does not have", "commit something to it"
        )
    judged, _ = judge(ws, base, found)
    title = ws.repository.commit(head).message.split("\n")[0] or branch
    return new_request(ws, judged, title, branch, head, ws.clock()), judged, old_head


@dataclass(frozen=True, slots=True)
class Said:
    """An approval, or its revocation, as it was given: ``place`` is its ref or URL.

    ``findings`` is what the request then needs; None where that was not looked at, or could not be.
    """

    place: str
    signed: bool
    findings: tuple[Finding, ...] | None = None


def speak(
    ws: Workspace,
    id: str,
    *,
    signed: bool = False,
    valid_for: timedelta = DEFAULT_VALIDITY,
    revoke: bool = False,
) -> Said:
    """Approves a change request in the way that counts there, or takes that back: signed, or as a review.

    Reviews are what a hosted forge has; ``signed`` asks for a statement there, too, and so may policy. Whoever takes
    an approval back there takes back both.
    """
    if ws.forge.provider == "local" or signed:
        return Said(approve(ws, id, valid_for=valid_for, revoke=revoke), True)
    request, judged = _to_review(ws, id)
    if _asks_for_signatures(judged):
        return Said(approve(ws, id, valid_for=valid_for, revoke=revoke), True)
    revoked = None
    if revoke and ws.signer is not None and _has_signed(judged, ws.signer):
        revoked = approve(ws, id, valid_for=valid_for, revoke=True)
    try:
        place = ws.forge.review(request, _review_text(judged, revoke), withdraw=revoke)
    except Refused:
        if revoked is None:
            raise
        return Said(revoked, True)  # they had signed, and not reviewed
    return Said(place, False, _needs_now(ws, request))


def to_say(
    ws: Workspace,
    id: str,
    *,
    signed: bool = False,
    valid_for: timedelta = DEFAULT_VALIDITY,
    revoke: bool = False,
) -> dict[str, object]:
    """What ``speak`` would say, as plain values; writes nothing. Raises as ``speak`` does before it says anything."""
    if ws.forge.provider != "local" and not signed:
        request, judged = _to_review(ws, id)
        if not _asks_for_signatures(judged):
            text = _review_text(judged, revoke)
            return {"type": "review", "request": request.id, "commit": head_of(request), "text": text}
    return statement(ws, id, valid_for=valid_for, revoke=revoke)[1]


def _to_review(ws: Workspace, id: str) -> tuple[ChangeRequest, Judged]:
    """An open request, and what it does; not what is said of it there."""
    ws.repository.fetch()
    request = open_request(ws, id)
    judged, _ = judge(ws, ws.tip(), candidate_of(ws, ws.tip(), head_of(request)), artifacts=False)
    return request, judged


def _asks_for_signatures(judged: Judged) -> bool:
    needed = approvals_needed(judged.base, judged.delta, judged.policy)
    return any(each.need.signed for each in needed)


def _needs_now(ws: Workspace, request: ChangeRequest) -> tuple[Finding, ...] | None:
    """What a request lacks after a review, and whether the review counts. The review stands, also if nobody can say."""
    try:
        found = candidate_of(ws, ws.tip(), head_of(request))
        judged, _ = judge(ws, ws.tip(), found, request, Way(request.head), artifacts=False)
        return needs(judged)
    except GitregError:
        return None


def _has_signed(judged: Judged, signer: Signer) -> bool:
    statements = judged.evidence.statements
    return not isinstance(statements, Unknown) and any(
        statement.signature.key == signer.public_key for statement in statements
    )


def _review_text(judged: Judged, revoke: bool) -> str:
    """What a review says that gitreg gives, or takes back, for somebody: just what it is about."""
    change = f"the change `{judged.evidence.change_id[:12]}`"
    return f"Takes back the approval of {change}." if revoke else f"Approves {change}."


def approve(ws: Workspace, id: str, *, valid_for: timedelta = DEFAULT_VALIDITY, revoke: bool = False) -> str:
    """Signs and files an approval (or its revocation) of exactly what a change request does now.

    Returns the ref of the statement.

    Raises:
        ConfigError: there is no SSH key to sign with.
        NotFound: no such request.
        Refused: it would not count: the policy does not know the key, or it is a bot's or the author's.
    """
    change, body = statement(ws, id, valid_for=valid_for, revoke=revoke)
    return ws.forge.state(change, body, _demand_signer(ws), ws.clock())


def statement(
    ws: Workspace, id: str, *, valid_for: timedelta = DEFAULT_VALIDITY, revoke: bool = False
) -> tuple[str, dict[str, object]]:
    """The change id, and what ``approve`` would sign of it; writes nothing. Raises as ``approve``."""
    signer = _demand_signer(ws)
    ws.repository.fetch()
    request = open_request(ws, id)
    found = candidate_of(ws, ws.tip(), head_of(request))
    judged, _ = judge(ws, ws.tip(), found, request, Way(request.head), artifacts=False)
    _demand_heard(judged, request, signer, revoke)
    digests = evidence_digests(judged.head, judged.delta, judged.policy)
    now = ws.clock()
    kind = REVOKE if revoke else APPROVE
    return judged.evidence.change_id, approval_statement(judged.evidence, digests, now, now + valid_for, kind)


def _demand_heard(judged: Judged, request: ChangeRequest, signer: Signer, revoke: bool) -> None:
    person = judged.policy.person_with_key(signer.public_key)
    if person is None:
        raise Refused(
            "your SSH key is nobody's in policy.yaml, so your approval would not count",
            "ask the rules owners to add it to people, or choose another with --key",
        )
    if person.bot and not revoke:
        raise Refused(
            f"your SSH key is that of the bot {person.id}, so your approval would not count",
            "approve with a key of your own: choose another with --key",
        )
    is_own = person.id == author_of(judged.evidence, judged.policy) or part_of(person, judged.evidence)
    if is_own and not revoke:
        raise Refused(
            f"change #{request.id} is your own change, so your approval would not count",
            "ask somebody else to approve it",
        )


def merge(ws: Workspace, id: str) -> Merged:
    """Lands a change request that verify lets through, as a merge whose tree is the judged candidate.

    One that is merged already is left as it is: whoever was interrupted may well run it again.

    Raises:
        Overtaken: the base changed the same files; refresh plans the change again.
        Rejected: verify has findings. Undecided: something could not be checked.
    """
    ws.repository.fetch()
    return retried(ws, lambda: _merge(ws, id))


def preview_merge(ws: Workspace, id: str) -> tuple[Preview, tuple[Finding, ...]]:
    """What ``merge`` would land, and what verify says of it; writes nothing."""
    verdict = verify_request(ws, id)
    request = ws.forge.request(id)
    return _preview(
        f"Merge change #{request.id}: {request.title}", request.branch, verdict.judged
    ), verdict.findings


def _merge(ws: Workspace, id: str) -> Merged:
    request = ws.forge.request(id)
    if request.state == "merged" and request.merged_as is not None and request.target == ws.branch:
        return Merged(request, request.merged_as, ws.repository.follow(ws.branch, None, ws.tip()), True)
    request = open_request(ws, id)
    base, head = ws.tip(), head_of(request)
    verdict = verify(ws, base, head, request)
    if verdict.candidate.conflicts:
        path = verdict.candidate.conflicts[0].path
        raise Overtaken(
            f"change #{request.id} is overtaken: the base has changed {path} since",
            f"gitreg change refresh {request.id} plans it again on the current base",
        )
    if any(finding.outcome is not Outcome.WARNING for finding in verdict.findings):
        raise rejected(f"merging #{request.id}", verdict.findings)
    tree = write_candidate(ws, base, verdict.candidate)
    message = f"Merge change #{request.id}: {_inert(request.title)}\n{_trailers(verdict.judged)}"
    sign = ws.signer.sign_commit if ws.signer else None
    now = landing_time(ws, base)
    commit = ws.repository.write_commit(tree, [base, head], message, ws.identity, now, sign)
    commit = ws.forge.merge(request, commit, base, change_request_body(verdict.judged, verdict.findings))
    return Merged(request, commit, ws.repository.follow(ws.branch, base, commit))


def _inert(title: str) -> str:
    """A request's title without what a forge obeys in a commit's message: ``[skip ci]``, ``closes #1``, mentions."""
    return " ".join(re.sub(r"[^\w./:,()→ -]", " ", title).split())[:200]


def _trailers(judged: Judged) -> str:
    """Who approved, for readers of ``git log``; verify never reads it."""
    digests = evidence_digests(judged.head, judged.delta, judged.policy)
    given, _ = approvals_given(judged.evidence, digests, judged.policy)
    lines = [f"Approved-by: {person}" for person in sorted(approval.person for approval in given)]
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def refresh(ws: Workspace, id: str) -> Proposed:
    """Plans an overtaken change request again on the current base, on the same branch, under the same number."""
    ws.repository.fetch()
    return retried(ws, lambda: _refresh(ws, id))


def preview_refresh(ws: Workspace, id: str) -> Preview:
    """What ``refresh`` would make of a change request; writes nothing."""
    ws.repository.fetch()
    request = open_request(ws, id)
    plan = _replanned(ws, request)
    base_commit, base = ws.current()
    judged, _ = judge(ws, base_commit, planned(ws, base, plan.edits), artifacts=False)
    return _preview(plan.title, request.branch, judged)


def _refresh(ws: Workspace, id: str) -> Proposed:
    request = open_request(ws, id)
    try:
        plan = _replanned(ws, request)
    except NothingToDo as error:
        hint = f"nothing is left to ask for: gitreg change close {request.id}"
        raise NothingToDo(error.message, hint) from None
    return propose(ws, ws.tip(), plan, request.branch, renewed=request)


def _replanned(ws: Workspace, request: ChangeRequest) -> Plan:
    head = head_of(request)
    base_commit, base = ws.current()
    ancestor = ws.repository.merge_base(base_commit, head)
    if ancestor is None:
        raise Refused(
            f"change #{request.id} has no history in common with {ws.branch}",
            "close it, and make the change again",
        )
    return replan(ws.snapshot(ancestor), ws.snapshot(head), base, ws.clock())


def close(ws: Workspace, id: str) -> ChangeRequest:
    """Ends a change request without merging it."""
    ws.repository.fetch()
    request = open_request(ws, id)
    ws.forge.close(request)
    return request


def _demand_signer(ws: Workspace) -> Signer:
    if ws.signer is None:
        raise ConfigError(
            "there is no SSH key to sign with", "name one with --key FILE, or set git's user.signingkey"
        )
    return ws.signer
