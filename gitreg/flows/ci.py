"""Judge what a run of CI is about: a change request, what a merge queue would land, or what a push has landed.

Nothing that could be passed over is a pass: a request that has moved on, a branch that is not the registry's, history
that is cut off. What CI tells names only commits and requests; which branch is the registry's, by what rules and on
whose approvals is read from that branch and from the forge.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from gitreg.core.ci_event import CiEvent, EventKind
from gitreg.core.findings import Finding, sort_findings
from gitreg.core.ports import ChangeRequest, Commit
from gitreg.core.tree import change_id, raw_changes
from gitreg.core.verify.checks import ALL, APPROVALS
from gitreg.core.verify.rules.refs import RULE as REFS
from gitreg.errors import GitregError, NotFound, Refused, Undecided, UsageError
from gitreg.flows.asked import verify_request
from gitreg.flows.replay import MOST_AUDITED, line_between, replay
from gitreg.flows.unasked import limited, only
from gitreg.flows.verify import Verdict, change_of, verify
from gitreg.flows.workspace import Workspace

#: Commits that one run of a merge queue may try.
MOST_QUEUED = 1000

_DEEP_HINT = 'check out all of history: actions/checkout with fetch-depth: 0; in GitLab CI GIT_DEPTH: "0"'
#: How GitHub's merges and squashes name their request. Anybody may write this, so it is but where to look.
_NUMBERED = re.compile(r"(?:\AMerge pull request #|\(#)([1-9][0-9]{0,14})\b")


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on each commit or change that an event is about, oldest first, and what is wrong with the event.

    ``base`` is the commit that is taken on trust ("" is none), ``head`` the last that the event is about; ``commits``
    are all that are to be judged, of which those behind one that may not stand have no verdict.
    """

    event: CiEvent
    base: str
    head: str
    commits: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    problems: tuple[Finding, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, most severe first."""
        found = (finding for verdict in self.verdicts for finding in verdict.findings)
        return tuple(sort_findings([*self.problems, *found]))


def judge_event(ws: Workspace, event: CiEvent, checks: Collection[str] = ALL) -> Judgement:
    """Judges what a run of CI is about, by the rules of ``checks`` alone; the rest of the world is not asked.

    Raises:
        UsageError: the event moves nothing, or another branch than the registry's.
        Refused: a request asks to be merged into another branch, or is over.
        Undecided: the checkout lacks history, or the request has moved on since.
    """
    if event.kind is EventKind.OTHER:
        raise UsageError(
            f"this run was started by {event.name!r}, which brings no change that could be judged",
            "name one: gitreg verify CHANGE, or --head REV; or gitreg audit, for what has landed",
        )
    _demand_trunk(ws, event)
    if ws.repository.is_shallow:
        raise Undecided("history is cut off in this checkout, and verdicts rest on it", _DEEP_HINT)
    ws.repository.fetch()
    if event.kind is EventKind.PUSH:
        return _of_push(ws, event, checks)
    return _of_group(ws, event, checks) if event.kind is EventKind.GROUP else _of_request(ws, event, checks)


def _demand_trunk(ws: Workspace, event: CiEvent) -> None:
    """A check that passes is shown beside a commit, whatever branch it was about; so only one branch may give it."""
    if event.branch == ws.branch:
        return
    if event.kind is EventKind.PUSH:
        raise UsageError(
            f"{event.branch!r} was pushed, which is not the registry's branch {ws.branch!r}, so nothing was judged",
            f"let the job run on pushes of {ws.branch} alone, and on change requests",
        )
    number = f"change #{event.request}" if event.request else "what is queued"
    raise Refused(
        f"{number} asks to be merged into {event.branch!r}, not into the registry's branch {ws.branch!r}",
        f"change the request's target to {ws.branch}",
    )


def _here(ws: Workspace, commit: str | None) -> str:
    """A commit that must be in the checkout. Raises Undecided."""
    if commit is None or not _is_here(ws, commit):
        raise Undecided(
            f"the commit {(commit or '')[:12]} that this run is about is not in this checkout",
            "check out what started the run, as actions/checkout does if it is given no ref",
        )
    return commit


def _is_here(ws: Workspace, commit: str) -> bool:
    try:
        ws.repository.commit(commit)
    except GitregError:
        return False
    return True


# Requests


def _of_request(ws: Workspace, event: CiEvent, checks: Collection[str]) -> Judgement:
    if APPROVALS in checks and ws.forge.provider != "local":
        verdict = _asked_on_forge(ws, event, checks)
    else:
        verdict = verify(limited(ws, checks), ws.tip(), _here(ws, event.head))
    return Judgement(event, verdict.base, verdict.head, (verdict.head,), (only(verdict, checks),))


def _asked_on_forge(ws: Workspace, event: CiEvent, checks: Collection[str]) -> Verdict:
    """The verdict on the request as it is now, which must be as it was at the event."""
    _demand_unmoved(event, ws.forge.request(event.request).head)
    verdict = verify_request(limited(ws, checks), event.request)
    _demand_unmoved(event, verdict.head)
    return verdict


def _demand_unmoved(event: CiEvent, head: str | None) -> None:
    if head is not None and head != event.head:
        raise Undecided(
            f"this run is about {(event.head or '')[:12]}, and change #{event.request} has moved on to {head[:12]}",
            "look at the newer run",
        )


# Merge queues


def _of_group(ws: Workspace, event: CiEvent, checks: Collection[str]) -> Judgement:
    """Judges all that would land: a queue may land a request with those before it, even if their own runs failed."""
    head = _here(ws, event.head)
    base = _where_it_leaves(ws, event, head)
    has_landed = base is not None and line_between(ws, base, ws.tip(), MOST_AUDITED) is not None
    commits = line_between(ws, base, head, MOST_QUEUED) if has_landed else None
    if not commits:
        raise Undecided(
            f"{head[:12]} does not lead from the registry's branch by a line of first parents",
            "let the queue merge into the branch, one request after the other",
        )
    requests = _requests_of(ws, event, commits) if APPROVALS in checks else {}
    return _replayed(limited(ws, checks), event, base, commits, checks, requests)


def _where_it_leaves(ws: Workspace, event: CiEvent, head: str) -> str | None:
    """The last commit of the registry's branch that the queue builds on; if all has landed, where the event says."""
    base = ws.repository.merge_base(ws.tip(), head)
    return event.base if base == head and event.base is not None else base


def _requests_of(ws: Workspace, event: CiEvent, commits: Sequence[Commit]) -> Mapping[str, ChangeRequest]:
    """The open request that each commit would land."""
    hints = {commits[-1].oid: event.request} if event.request else {}
    found = {each.oid: _request_of(ws, each, hints.get(each.oid, "")) for each in commits}
    return {commit: request for commit, request in found.items() if request is not None}


def _request_of(ws: Workspace, commit: Commit, number: str) -> ChangeRequest | None:
    """By its second parent, or what it does. A squash or rebase has neither: then by a number, if it does the same."""
    base = commit.parents[0] if commit.parents else ""
    id = change_id(raw_changes(ws.snapshot(base).tree, ws.repository.tree(commit.oid)))
    head = commit.parents[1] if len(commit.parents) > 1 else None
    found = ws.forge.about(id, head)
    if found is not None or head is not None:
        return found
    said = _NUMBERED.search(commit.message.split("\n")[0])
    return next((r for n in (number, said[1] if said else "") if n and (r := _same(ws, n, base, id))), None)


def _same(ws: Workspace, number: str, base: str, id: str) -> ChangeRequest | None:
    """The open request of a number, if it would do on ``base`` exactly what ``id`` names."""
    try:
        request = ws.forge.request(number)
    except NotFound:
        return None
    if request.state != "open" or request.target != ws.branch or request.head is None:
        return None
    return request if change_of(ws, base, request.head) == id else None


# Pushes


def _of_push(ws: Workspace, event: CiEvent, checks: Collection[str]) -> Judgement:
    """Judges what a push has landed. A branch that did not go on from where it was is a finding by itself."""
    if event.head is None:
        return _rewritten(ws, event, "it was deleted")
    head = _here(ws, event.head)
    before = event.base
    if before is not None and not _is_here(ws, before):
        return _rewritten(ws, event, f"it was at {before[:12]}, a commit that is gone")
    commits = line_between(ws, before, head, MOST_AUDITED)
    if commits is None:
        return _rewritten(ws, event, f"{head[:12]} does not go on from {(before or '')[:12]}, where it was")
    if event.forced and before is not None:
        return _rewritten(ws, event, f"the push from {before[:12]} to {head[:12]} was forced")
    asking = limited(ws, checks)
    if before is None:
        found = _replayed(asking, event, None, commits, checks, None)
        return replace(found, problems=(_begun(ws, head),))
    start = _audited_before(asking, before)
    left = line_between(ws, start, before, MOST_AUDITED) or ()
    return _replayed(asking, event, start, [*left, *commits], checks, None)


def _audited_before(ws: Workspace, before: str) -> str | None:
    """The last commit up to ``before`` that an earlier run has audited; None if none is known to have been.

    Where nobody keeps that, the earlier pushes are taken to have been judged.
    """
    audited = ws.forge.audited()
    if audited is None:
        return before
    return next((c.oid for c in ws.repository.first_parents(before) if c.oid in audited), None)


def _begun(ws: Workspace, head: str) -> Finding:
    """A branch that was deleted, and made again at an older commit, has an impeccable history."""
    return REFS.warning(
        f"{ws.target}: this push made the branch, at {head[:12]}; whether it has been further already, it does not say",
        fix="make sure that this is the registry's first push",
    )


def _rewritten(ws: Workspace, event: CiEvent, how: str) -> Judgement:
    finding = REFS.finding(
        f"{ws.target}: history was rewritten: {how}",
        fix="find out who did that; put the branch back, and forbid it in the forge's settings",
    )
    return Judgement(event, event.base or "", event.head or "", problems=(finding,))


# Both


def _replayed(
    ws: Workspace,
    event: CiEvent,
    base: str | None,
    commits: Sequence[Commit],
    checks: Collection[str],
    requests: Mapping[str, ChangeRequest] | None,
) -> Judgement:
    queued = event.kind is EventKind.GROUP
    verdicts = tuple(replay(ws, commits, checks=checks, requests=requests, queued=queued))
    oids = tuple(commit.oid for commit in commits)
    return Judgement(event, base or "", oids[-1] if oids else base or "", oids, verdicts)
