"""Judge commits of the registry's branch as the landings that they are, each against its first parent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gitreg.core.findings import exit_code
from gitreg.core.layout import REGISTRY_FILE
from gitreg.core.ports import ChangeRequest, Commit, Pusher
from gitreg.core.tree import Candidate, raw_changes
from gitreg.core.verify.checks import ALL, ARTIFACTS, asked_for
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.evidence import Landing
from gitreg.errors import Refused
from gitreg.flows.landers import opening_of, signer_of
from gitreg.flows.verify import Verdict, Way, candidate_of, judge
from gitreg.flows.workspace import Workspace

#: Commits that an audit looks at.
MOST_AUDITED = 1_000_000


def line_between(ws: Workspace, old: str | None, new: str, most: int) -> Sequence[Commit] | None:
    """The commits after ``old`` (None: from the first on) on the first-parent line of ``new``, oldest first.

    None if ``old`` is not on that line, or more than ``most`` commits back.
    """
    found: list[Commit] = []
    for commit in ws.repository.first_parents(new):
        if commit.oid == old:
            return found[::-1]
        if len(found) == most:
            return None
        found.append(commit)
    return found[::-1] if old is None else None


def replay(
    ws: Workspace,
    commits: Sequence[Commit],
    *,
    received: datetime | None = None,
    pusher: Pusher | None = None,
    checks: Collection[str] = ALL,
    requests: Mapping[str, ChangeRequest] | None = None,
    queued: bool = False,
) -> Iterator[Verdict]:
    """The verdict on each commit, in their order, up to the first that may not stand: the next would build on it.

    Commits from before there was a registry are passed over.

    Args:
        received: the clock of the server that is asked to take them now; None for commits that have landed.
        pusher: who brings them, as far as the transport knows; else whoever signed a commit brings it.
        checks: the groups of rules that say something (gitreg.core.verify.checks); the caller names the others.
        requests: by commit the request that it lands, where that is known; else the forge is asked.
        queued: the commits wait in a merge queue, and have not landed.
    """
    asks = received is None and requests is None
    landed = ws.forge.landed([commit.oid for commit in commits]) if asks else requests or {}
    for commit in commits:
        if not _holds_registry(ws, commit.oid) and not _holds_registry(ws, _base_of(commit)):
            continue
        request = landed.get(commit.oid)
        by = pusher or signer_of(ws, commit)
        verdict = _verdict(ws, commit, request, received, by, checks, queued=queued)
        yield verdict
        if exit_code(verdict.findings):
            return


def _base_of(commit: Commit) -> str:
    return commit.parents[0] if commit.parents else ""


def _holds_registry(ws: Workspace, commit: str) -> bool:
    snapshot = ws.snapshot(commit)
    return snapshot.blob(snapshot.layout.path(REGISTRY_FILE)) is not None


def _verdict(
    ws: Workspace,
    commit: Commit,
    landed: ChangeRequest | None,
    received: datetime | None,
    pusher: Pusher | None,
    checks: Collection[str],
    *,
    queued: bool,
) -> Verdict:
    """``landed`` is the request that the commit landed, as it was when it was open."""
    base = _base_of(commit)
    branch = commit.parents[1] if len(commit.parents) > 1 else None
    tree = ws.repository.tree(commit.oid)
    if branch is None:
        found = Candidate(tree, tuple(raw_changes(ws.snapshot(base).tree, tree)))
    else:
        found = candidate_of(ws, base, branch)
    landing = Landing(
        commit.oid,
        ws.target,
        commit.time,
        ws.repository.commit(base).time if base else None,
        received,
        len(commit.parents),
        tuple(raw_changes(found.tree, tree)) if branch else (),
        queued,
    )
    moment = received or commit.time
    way = Way(branch, landing, pusher, moment)
    request = replace(landed, author=opening_of(ws, landed)) if landed else None
    judged, request = judge(ws, base, found, request, way, artifacts=ARTIFACTS in checks)
    findings = asked_for(evaluate(judged), checks)
    return Verdict(base, commit.oid, judged, findings, found, request)


def demand_line(ws: Workspace, old: str | None, new: str, most: int) -> Sequence[Commit]:
    """As ``line_between``. Raises Refused where that is None."""
    found = line_between(ws, old, new, most)
    if found is None:
        raise Refused(
            f"{(old or '')[:12]} is not among the last {most} commits on the first-parent line of {new[:12]}",
            "name a commit of the registry's branch itself",
        )
    return found
