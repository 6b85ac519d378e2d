"""For whom an MLflow server works at this moment: the user of the request, whom somebody has authenticated.

MLflow's own ``basic-auth`` app notes the user on the request once it has checked them (``flask.g``), whatever function
it is configured to authenticate with. Credentials that a request merely carries are nobody's word: without that app
nothing has looked at them. A proxy that authenticates says who it is in a header, which counts only where the server's
environment names it in ``GITREG_MLFLOW_USER_HEADER``, as any client can send one.
"""

from __future__ import annotations

import os
import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from gitreg.core.ports import Identity, Pusher
from gitreg.errors import Refused

if TYPE_CHECKING:
    from flask import Request

    from gitreg.core.snapshot import Snapshot

#: The environment variable that names the header in which a proxy says whom it has authenticated.
HEADER_VARIABLE = "GITREG_MLFLOW_USER_HEADER"
#: Where MLflow's ``basic-auth`` app notes the user on ``flask.g`` (``mlflow.server.auth``).
_NOTED = "mlflow_authenticated_user"
# Where MLflow's pages call, and its clients do not (``mlflow.server.handlers``).
_OF_PAGES = "/ajax-api/"
_LONGEST = 200
_NAME = re.compile(r"[^\x00-\x1f\x7f<>,;]*\w[^\x00-\x1f\x7f<>,;]*\Z")


def login() -> str | None:
    """The authenticated user of the request that this thread answers; None outside one, or where nobody looks.

    Raises:
        Refused: a proxy is to say who it is, and did not, or said it so that it cannot be told.
    """
    flask = _flask()
    if flask is None:
        return None
    header = os.environ.get(HEADER_VARIABLE)
    found = _said_by_proxy(flask.request, header) if header else flask.g.get(_NOTED)
    return None if found is None else _plain(str(found))


def is_under_permissions() -> bool:
    """Whether MLflow's ``basic-auth`` app has let the request of this thread through, by the name that it asks for."""
    flask = _flask()
    return flask is not None and flask.g.get(_NOTED) is not None


def is_page() -> bool:
    """Whether this thread answers one of MLflow's own pages."""
    flask = _flask()
    return flask is not None and _OF_PAGES in flask.request.path


def _flask() -> ModuleType | None:
    """flask, where this thread answers a request; a client's process has no requests, and need not import it."""
    flask = sys.modules.get("flask")
    return flask if flask is not None and flask.has_request_context() else None


def _said_by_proxy(request: Request, header: str) -> str:
    # Several headers of one name, a client's among them, arrive as one with commas.
    said = request.headers.get(header, "").strip()
    if not said or "," in said:
        raise Refused(
            f"the request does not say who asks: the proxy is to do so in one header {header}",
            f"let the proxy set it, and drop what clients send; {HEADER_VARIABLE} names it",
        )
    return said


def _plain(name: str) -> str:
    if len(name) > _LONGEST or not _NAME.match(name):
        raise Refused(f"the user {name[:60]!r} cannot be named as an author", "choose a plainer name")
    return name


def author(base: Snapshot) -> Identity | None:
    """What commits and records call the user: as the policy has them; else by their login, at nobody's address."""
    name = login()
    if name is None:
        return None
    from gitreg.core.policy import login_address

    person = base.policy().person_who(Pusher(user=name))
    if person is None:
        return Identity(name, login_address(name))
    return Identity(person.id, person.email or login_address(person.id))


def demand_role(base: Snapshot, kind: str) -> None:
    """Raises Refused where the policy has roles, and none that the user has may propose changes of this kind.

    What lands is judged by who pushes it, and that is the server, for all its users. So the server asks this itself.
    """
    name, policy = login(), base.policy()
    if name is None or not policy.roles:
        return
    person = policy.person_who(Pusher(user=name))
    if person is None:
        raise Refused(
            f"{name} is nobody in the policy, so has no role, and may not propose a change",
            "the rules owners may add them to people, with that id or e-mail address, and to a group",
        )
    if not policy.may_propose(person.id, kind):
        roles = ", ".join(policy.roles_of(person.id)) or "no role"
        raise Refused(
            f"{person.id} ({roles}) may not propose a change of the kind {kind}",
            "ask somebody who has a role for it",
        )
