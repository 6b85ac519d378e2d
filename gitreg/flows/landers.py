"""Who landed a file: the person whose signature is on the change that brought it, as history tells."""

from __future__ import annotations

from gitreg.core.delta import delta
from gitreg.core.ports import ChangeRequest, Commit, Pusher, Statement
from gitreg.core.tree import change_id, raw_changes
from gitreg.core.verify.approvals import author_of
from gitreg.core.verify.evidence import Evidence
from gitreg.core.verify.reviews import titles_of
from gitreg.errors import Undecided
from gitreg.flows.workspace import Workspace


def who_landed(ws: Workspace, base: str, path: str) -> str | None:
    """The person who proposed the change by which ``path`` came to the first-parent line of ``base``.

    None if it is not there. A file that a rename of its model carried along was landed before that.

    Raises:
        Undecided: the change is signed by nobody whom the policy of that time knew, or history is cut off.
    """
    added = ws.repository.added_in(base, path)
    if added is None:
        return None
    commit = ws.repository.commit(added)
    former = _former_path(ws, commit, path)
    if former is not None:
        return who_landed(ws, commit.parents[0], former)
    person = author_of_landed(ws, commit)
    if person is None:
        raise Undecided(f"nobody known signed the change {added[:12]}, which brought {path}")
    return person


def _former_path(ws: Workspace, commit: Commit, path: str) -> str | None:
    """Where the same file lay before, if the commit renamed its model."""
    head = ws.snapshot(commit.oid)
    model = head.place(path).model
    blob = head.blob(path)
    if not commit.parents or blob is None:
        return None
    before = ws.snapshot(commit.parents[0])
    for name in head.model_folders():
        redirect = head.redirect(name)
        if redirect is not None and redirect.to == model and before.redirect(name) is None:
            former = head.layout.model(name, path.removeprefix(head.layout.model(model, "")))
            there = before.blob(former)
            if there is not None and there.oid == blob.oid:
                return former
    return None


def author_of_landed(ws: Workspace, commit: Commit) -> str | None:
    """The person who signed the opening of the request that a commit landed, or else the commit; None if nobody known.

    Judged by the policy of that time: keys may have been exchanged since.
    """
    if not commit.parents:
        return None
    base, policy = ws.snapshot(commit.parents[0]), ws.snapshot(commit.parents[0]).policy()
    request = ws.forge.landed([commit.oid]).get(commit.oid)
    raw = tuple(raw_changes(base.tree, ws.repository.tree(commit.oid)))
    evidence = Evidence(
        target=f"refs/heads/{base.registry().branch}",
        registry=base.registry().id,
        hub=ws.forge.hub_id(),
        change_id=change_id(raw),
        request=request.id if request else "",
        author=opening_of(ws, request),
        pusher=signer_of(ws, commit),
        conversation=ws.forge.conversation(request, ()) if request else None,
        opened=request.opened_at if request else None,
        titles=titles_of(delta(base, ws.snapshot(commit.oid), raw), policy),
    )
    return author_of(evidence, policy)


def opening_of(ws: Workspace, request: ChangeRequest | None) -> Statement | None:
    """The signed opening of a request, over or not. On a hosted forge none is signed, so it is not asked."""
    return ws.forge.opening(request.id) if request and ws.forge.provider == "local" else None


def signer_of(ws: Workspace, commit: Commit) -> Pusher | None:
    """Whose key signed a commit."""
    signature = ws.forge.who_signed(commit)
    return Pusher(key=signature.key) if signature is not None and signature.valid else None
