"""DVC's listing of a directory: the JSON of its ``.dir`` object, whose md5 names the directory.

``[{"md5": "<hex>", "relpath": "<path with />"}, …]``, sorted by path, as ``dvc_data.hashfile.tree.Tree.as_bytes``
writes it (https://github.com/iterative/dvc-data). It holds no sizes and no sha256.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gitreg.core.digest import payload_paths_problem

_MD5 = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class Child:
    """One file of a directory: its path inside (with ``/``) and the name of its object."""

    path: str
    md5: str


class ListingError(ValueError):
    """Bytes are no listing that gitreg admits."""


def dump_listing(children: Iterable[Child]) -> bytes:
    """The bytes of the ``.dir`` object of a directory with these files."""
    listed = sorted(
        ({"md5": child.md5, "relpath": child.path} for child in children), key=lambda c: c["relpath"]
    )
    return json.dumps(listed, sort_keys=True).encode()


def listing_name(listing: bytes) -> str:
    """The object name of a listing."""
    return f"{hashlib.md5(listing, usedforsecurity=False).hexdigest()}.dir"


def load_listing(listing: bytes) -> tuple[Child, ...]:
    """The files of a directory.

    Raises:
        ListingError: it is not of the form above, or one of its paths could lead astray.
    """
    try:
        entries = json.loads(listing)
    except (ValueError, RecursionError):
        raise ListingError("it is not JSON") from None
    if not isinstance(entries, list):
        raise ListingError("it is not a list")
    children = tuple(map(_child, entries))
    problem = payload_paths_problem(child.path for child in children)
    if problem:
        raise ListingError(problem)
    return children


def _child(entry: object) -> Child:
    if not isinstance(entry, dict) or entry.keys() != {"md5", "relpath"}:
        raise ListingError("an entry has other keys than md5 and relpath")
    md5, path = entry["md5"], entry["relpath"]
    if not isinstance(path, str):
        raise ListingError("a path is not text")
    if not isinstance(md5, str) or not _MD5.match(md5):
        raise ListingError(f"the md5 of {path!r} is not 32 lower-case hex digits")
    return Child(path, md5)
