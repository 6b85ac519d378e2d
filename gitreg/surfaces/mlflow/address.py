"""The address under which a client of a server finds a version's bytes.

What a program reads for itself it reads where its registry is. A client of ``mlflow server`` is as a rule on another
machine: it is told the address of the repository that the server's own is a clone of, where git knows one that leads
there from elsewhere.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from gitreg.surfaces.mlflow.uri import FRESH_FOR, REMOTE_SCHEMES

if TYPE_CHECKING:
    from gitreg.surfaces.mlflow.session import Session

#: MLflow's handler that tells a client where a version's bytes are (``mlflow.server.handlers``). Its others use what
#: the store answers themselves.
_ASKS = "_get_model_version_download_uri"
# https://git-scm.com/docs/git-clone#_git_urls: "An alternative scp-like syntax", unless a slash is before the colon.
_SCP = re.compile(r"(?P<host>(?:[^/@:]+@)?[^/:@]+):(?P<path>[^:].*)\Z")


def download_uri(session: Session, model: str, version: str) -> str:
    """The URI of a version's bytes for whoever asks at this moment."""
    uri = session.uri.absolute()
    if _is_for_client():
        uri = replace(uri, changes=None, artifacts="copy", refresh=FRESH_FOR)
        elsewhere = None if uri.is_remote else public_address(session.opened.repository.origin_url() or "")
        if elsewhere is not None:
            uri = replace(uri, place=elsewhere, folder=session.opened.root)
    return str(uri.at(model, version))


def _is_for_client() -> bool:
    flask = sys.modules.get("flask")  # only a server has loaded it
    return flask is not None and flask.has_request_context() and flask.request.endpoint == _ASKS


def public_address(origin: str) -> str | None:
    """A remote's URL without what is secret in it; None for one that leads nowhere from another machine.

    Whoever logs in by HTTP does so by credentials of their own. The user of an ssh URL is part of the address.
    """
    scp = _SCP.match(origin) if "://" not in origin else None
    parts = urlsplit(f"ssh://{scp['host']}/{quote(scp['path'].lstrip('/'))}" if scp else origin)
    if parts.scheme not in REMOTE_SCHEMES.values() or not parts.hostname:
        return None
    user = f"{parts.username}@" if parts.username and parts.scheme == "ssh" else ""
    place = f"{user}{parts.netloc.rpartition('@')[2]}"
    return urlunsplit((parts.scheme, place, parts.path, "", ""))
