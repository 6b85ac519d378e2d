"""What an artifact's digest is, and which paths may stand inside a directory that has one.

A file's digest is its sha256. A directory's is the sha256 of its *listing*: for each file, sorted by the UTF-8 bytes
of its path, one line ``<sha256 hex> <size in bytes> <path inside the directory>`` ended by a newline. Nothing else of
the directory counts: no modes, no times, no empty folders. With GNU tools, inside the directory::

    find . -type f -printf '%P\\n' | LC_ALL=C sort | while IFS= read -r path; do
        printf '%s %s %s\\n' "$(sha256sum < "$path" | cut -d' ' -f1)" "$(stat -c %s "$path")" "$path"
    done | sha256sum

The path ends the line and holds no control characters, so that no two listings of different content read alike.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

from gitreg.core.names import fold
from gitreg.core.ports import ListedFile

# DVC never looks into the first three (https://dvc.org/doc/user-guide/project-structure/dvcignore-files), and refuses
# to work in a project where a tracked directory holds one of the others; git keeps its own store in the first.
_FOREIGN_NAMES = frozenset({".git", ".hg", ".dvc", ".dvcignore", "dvc.yaml"})


def artifact_digest(files: Iterable[ListedFile]) -> str:
    """``sha256:`` and the digest, in hex, of a file (listed once, with path "") or of a directory.

    Raises:
        ValueError: no files, or a path that :func:`payload_paths_problem` refuses.
    """
    listed = sorted(files, key=lambda file: file.path)  # code points sort like their UTF-8 bytes
    if [file.path for file in listed] == [""]:
        return f"sha256:{listed[0].sha256}"
    problem = payload_paths_problem(file.path for file in listed)
    if problem or not listed:
        raise ValueError(problem or "an artifact has at least one file")
    lines = "".join(f"{file.sha256} {file.size} {file.path}\n" for file in listed)
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def payload_paths_problem(paths: Iterable[str]) -> str | None:
    """Says why these paths cannot be the files of one directory on every file system; None if they can."""
    folded: list[tuple[str, str]] = []
    for path in paths:
        problem = payload_path_problem(path)
        if problem:
            return f"{path!r}: {problem}"
        folded.append(("\0".join(map(fold, path.split("/"))), path))
    # Sorted so, all that is in one folder stands together. To remember each folder would take memory without bound.
    folded.sort()
    return next(filter(None, (_clash(one, other) for (_, one), (_, other) in pairwise(folded))), None)


def _clash(one: str, other: str) -> str | None:
    """Says why two neighbours of the sorted paths cannot stand side by side; None if they can."""
    if one == other:
        return f"{one!r}: it is listed twice"
    names, twins = one.split("/"), other.split("/")
    for depth, (name, twin) in enumerate(zip(names, twins, strict=False), 1):
        if name != twin:
            if fold(name) != fold(twin):
                return None
            told = "the same name as {!r} where case or form does not count".format("/".join(names[:depth]))
            return f"{'/'.join(twins[:depth])!r}: {told}"
    return f"{min(one, other, key=len)!r}: a file and a folder at once"


def payload_path_problem(path: str) -> str | None:
    """Says why ``path`` (relative, with ``/``) cannot name a file inside a directory; None if it can."""
    if "\\" in path or not path.isprintable():
        return "it holds a backslash, a control character, or one that cannot be seen"
    if unicodedata.normalize("NFC", path) != path:
        return "it is not in Unicode normal form NFC"
    for name in path.split("/"):
        if name in {"", ".", ".."}:
            return "it is not a plain relative path"
        folded = fold(name)
        if folded in _FOREIGN_NAMES or folded.endswith(".dvc"):
            return f"{name!r} is a name that git or DVC take for their own"
    return None
