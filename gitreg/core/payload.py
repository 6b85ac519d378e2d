"""What an artifact is, by the names of its files; and what is stored of one whose bytes are somewhere else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

from gitreg.core.ports import DvcPointer, ListedFile, Payload
from gitreg.core.record import EXTERNAL_FILE, MAX_URI
from gitreg.errors import UsageError

_BY_ENDING: Mapping[str, str] = {
    ".onnx": "onnx",
    ".joblib": "joblib",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".safetensors": "safetensors",
    ".skops": "skops",
    ".bentomodel": "bentoml",
}


def artifact_format(name: str, files: Iterable[ListedFile]) -> str:
    """What an artifact is, by its name and its files' names; its content is never opened."""
    if any(file.path == "MLmodel" for file in files):
        return "mlflow"
    stem, dot, ending = name.rpartition(".")
    return _BY_ENDING.get(f".{ending.lower()}", "custom") if dot and stem else "custom"


def external_payload(uri: str) -> Payload:
    """The one file that is stored of an external artifact: its address, as UTF-8, without a newline.

    Raises:
        UsageError: that can be no address in a record. It is not repeated: it may hold a secret.
    """
    problem = external_uri_problem(uri)
    if problem:
        raise UsageError(f"the address of the external artifact is of no use: {problem}")
    data = uri.encode()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    file = ListedFile("", len(data), hashlib.sha256(data).hexdigest())
    return Payload(DvcPointer(EXTERNAL_FILE, md5, len(data), 1), (file,))


def external_uri_problem(uri: str) -> str | None:
    """Says why a text cannot be the address of an external artifact; None if it can."""
    if not 0 < len(uri) <= MAX_URI:
        return f"it has {len(uri)} characters; 1 to {MAX_URI} are allowed"
    if not uri.isprintable() or uri != uri.strip():
        return "it holds a character that cannot be seen"
    try:
        is_secret = without_secrets(uri) != uri
    except ValueError:
        return "it is no URI"
    if is_secret:
        return "it holds a password or a token, and a record can be read by everybody"
    return None


# What signs or opens an address by itself: presigned URLs of S3 and Google Cloud, Azure's SAS, and the usual words.
_SECRET_PARAMETERS = frozenset(
    {
        "access_token",
        "api-key",
        "api_key",
        "apikey",
        "auth",
        "client_secret",
        "passwd",
        "password",
        "private_token",
        "secret",
        "sig",
        "signature",
        "token",
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-credential",
        "x-goog-signature",
    }
)


def without_secrets(uri: str) -> str:
    """An address without what may be secret in it: user and password, and a query or a fragment that has a token.

    Raises:
        ValueError: it is no URI.
    """
    parts = urlsplit(uri)
    user, at, host = parts.netloc.rpartition("@")
    # A bare user is a name to ssh, and a token to web servers.
    if at and (":" in user or parts.scheme.lower() in ("http", "https")):
        uri = uri.replace(f"{parts.netloc}", host, 1)
    pairs = re.split("[&;]", parts.query) + re.split("[&;]", parts.fragment)
    names = (unquote(pair.partition("=")[0]).lower() for pair in pairs)
    return re.split("[?#]", uri, maxsplit=1)[0] if any(name in _SECRET_PARAMETERS for name in names) else uri


def shown_address(uri: str) -> str:
    """As :func:`without_secrets`, of anything that somebody gave for an address."""
    try:
        return without_secrets(uri)
    except ValueError:
        return "an address that is no URI"
