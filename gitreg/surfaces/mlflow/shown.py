"""Addresses and errors as they may be shown and kept: in one line, and without what is secret in them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

# Up to the last "@" before the path: a password may have one, too.
_USERINFO = re.compile(r"(?<=://)[^/\s?#]*@")


def clean(text: str) -> str:
    """A text without what UTF-8 cannot say (lone surrogates)."""
    return text.encode(errors="replace").decode()


def without_credentials(text: str) -> str:
    """A text with what may be secret taken out of the web addresses in it: user, password and token."""
    return _USERINFO.sub("", text)


def source_address(uri: str) -> str:
    """The address of artifacts or of a run, whose parameters may say what it is (``?versionId=``): those stay."""
    from gitreg.core.payload import without_secrets

    try:
        return clean(without_secrets(uri))
    except ValueError:
        return "the source"


def server_address(uri: str) -> str:
    """The address of a server or a database, which is the same without its user and its parameters."""
    bare = clean(without_credentials(uri))
    parts = urlsplit(bare)
    return bare if not parts.query else urlunsplit(parts._replace(query="", fragment=""))


def error_line(error: BaseException) -> str:
    """What an error of somebody else's code says."""
    return without_credentials(" ".join(str(error).split()))[:300] or type(error).__name__
