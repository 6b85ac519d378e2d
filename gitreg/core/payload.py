"""What an artifact is, by the names of its files; and what is stored of one whose bytes are somewhere else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from gitreg.core.manifest import EXTERNAL_FILE, MAX_URI
from gitreg.core.ports import DvcPointer, ListedFile, Payload
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
        UsageError: that can be no address in a record.
    """
    problem = external_uri_problem(uri)
    if problem:
        raise UsageError(f"{uri[:80]!r} cannot be an external artifact's address: {problem}")
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
        parts = urlsplit(uri)
    except ValueError:
        return "it is no URI"
    if parts.password is not None or (parts.scheme in ("http", "https") and parts.username is not None):
        return "it holds a password or a token, and a record can be read by everybody"
    return None
