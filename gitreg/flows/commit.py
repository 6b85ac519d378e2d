"""Build the commit of a plan, which nothing names until it lands or is proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from gitreg.core.plan.plan import Plan
from gitreg.core.ports import Entry, Identity
from gitreg.core.tree import Candidate, laid_over
from gitreg.flows.verify import candidate_of
from gitreg.flows.workspace import Workspace


def committed(ws: Workspace, base_commit: str, plan: Plan, *, signed: bool = False) -> tuple[str, Candidate]:
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
