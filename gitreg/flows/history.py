"""The registry's history: every commit on the first-parent line is one change, judged against its first parent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from gitreg.core.history import Event, events, is_same_person, policy_of, request_named
from gitreg.core.policy import Policy
from gitreg.core.ports import Commit, Identity
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.flows.workspace import Workspace


def history(ws: Workspace, tip: str, model: str | None = None) -> Iterator[Event]:
    """What happened, newest first; of one model (and under its former names) if it is named. Raises NotFound."""
    names = None if model is None else _names(ws.snapshot(tip), model)
    number_of = _numbering(ws)
    policy = policy_of(ws.snapshot(tip))
    line = ws.repository.first_parents(tip)
    commit = next(line)
    head = ws.snapshot(commit.oid)
    while True:
        parent = next(line, None)
        base = (
            head.with_tree(MemoryTree({}))
            if parent is None
            else head.with_tree(ws.repository.tree(parent.oid))
        )
        merged = ws.repository.commit(commit.parents[1]) if len(commit.parents) > 1 else None
        for event in events(commit, base, head, names):
            landed = replace(event, request=number_of(commit))
            yield _by(landed, merged.author, policy) if merged else landed
        if parent is None:
            return
        commit, head = parent, base


def _by(landed: Event, author: Identity, policy: Policy) -> Event:
    """An event of a merge: its author made what was merged, and who made the merge has landed it."""
    merged_by = None if is_same_person(author, landed.author, policy) else landed.author
    return replace(landed, author=author, merged_by=merged_by)


def _numbering(ws: Workspace) -> Callable[[Commit], str | None]:
    """From a commit to the request that it landed: as the local forge knows, or as a hosted one wrote into its message.

    A hosted forge is not asked: to read history takes no network.
    """
    if ws.registry().forge.provider != "local":
        return lambda commit: request_named(commit.message)
    requests = {request.merged_as: request.id for request in ws.forge.requests(("merged",))}
    return lambda commit: requests.get(commit.oid)


def _names(snapshot: Snapshot, model: str) -> list[str]:
    """The model's name, and those that it had before."""
    spelled = snapshot.spelling(model)
    if spelled is None or snapshot.model_tombstone(spelled) is None:
        spelled = snapshot.find_model(model)
    redirects = ((folder, snapshot.redirect(folder)) for folder in snapshot.model_folders())
    return [spelled, *(folder for folder, redirect in redirects if redirect and redirect.to == spelled)]
