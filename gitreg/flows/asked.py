"""An open change request and its verdict, apart from the rest of its life, which imports far more."""

from __future__ import annotations

from gitreg.core.ports import ChangeRequest
from gitreg.errors import NotFound, Refused, Undecided
from gitreg.flows.verify import Verdict, verify
from gitreg.flows.workspace import Workspace

#: How often a request is judged anew since it, or the branch, moved meanwhile.
ATTEMPTS = 3


def verify_request(ws: Workspace, id: str) -> Verdict:
    """Judges an open change request against the registry's branch as it is now.

    A hosted forge is read in many steps, so both are looked at again afterwards. Raises Undecided if they keep moving.
    """
    for _ in range(ATTEMPTS):
        ws.repository.fetch()
        request = open_request(ws, id)
        base, head = ws.tip(), head_of(request)
        verdict = verify(ws, base, head, request)
        if ws.forge.provider == "local" or _still(ws, id, base, head):
            return verdict
    raise Undecided(f"change #{id.lstrip('#!')} moved each time that it was judged", "try again in a moment")


def _still(ws: Workspace, id: str, base: str, head: str) -> bool:
    ws.repository.fetch()
    request = ws.forge.request(id)
    return (request.state, request.target, request.head, ws.tip()) == ("open", ws.branch, head, base)


def open_request(ws: Workspace, id: str) -> ChangeRequest:
    """The request of that number, known to be open and about the registry's branch. Raises NotFound, Refused."""
    request = ws.forge.request(id)
    if request.state != "open":
        raise Refused(f"change #{request.id} is {request.state}", "gitreg change list shows the open ones")
    if request.target != ws.branch:
        raise Refused(
            f"change #{request.id} asks to be merged into {request.target!r}, not into {ws.branch}",
            "close it, and make the change again",
        )
    return request


def head_of(request: ChangeRequest) -> str:
    """The last commit of a request's branch. Raises NotFound."""
    if request.head is None:
        raise NotFound(
            f"the branch {request.branch!r} of change #{request.id} is gone", "close the change request"
        )
    return request.head
