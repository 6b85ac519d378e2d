"""An open change request and its verdict, apart from the rest of its life, which imports far more."""

from __future__ import annotations

from gitreg.core.ports import ChangeRequest
from gitreg.errors import NotFound, Refused
from gitreg.flows.verify import Verdict, verify
from gitreg.flows.workspace import Workspace


def verify_request(ws: Workspace, id: str) -> Verdict:
    """Judges an open change request against the registry's branch as it is now."""
    ws.repository.fetch()
    request = open_request(ws, id)
    return verify(ws, ws.tip(), head_of(request), request)


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
