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
    files: set[str] = set()
    folders: set[str] = set()
    spellings: dict[str, str] = {}
    for path in paths:
        problem = payload_path_problem(path)
        if problem is None and path in files:
            problem = "it is listed twice"
        if problem:
            return f"{path!r}: {problem}"
        files.add(path)
        for name in (path, *_folders(path, folders)):
            twin = spellings.setdefault(fold(name), name)
            if twin != name:
                return f"{name!r}: the same name as {twin!r} where case or form does not count"
    both = sorted(files & folders)
    return f"{both[0]!r}: a file and a folder at once" if both else None


def _folders(path: str, known: set[str]) -> list[str]:
    """The folders above ``path`` that are not yet ``known``; now they are."""
    found: list[str] = []
    folder = path.rpartition("/")[0]
    while folder and folder not in known:
        known.add(folder)
        found.append(folder)
        folder = folder.rpartition("/")[0]
    return found


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
