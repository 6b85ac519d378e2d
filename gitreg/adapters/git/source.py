"""A repository that is only read: its tags, and whole files and folders at any of its commits.

It is no registry of gitreg's and nothing in it is trusted: names go into no command but as object ids, and what is
written is plain files, whatever git's attributes or filters say.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gitreg.adapters.git.clone import open_url
from gitreg.adapters.git.objects import missing
from gitreg.adapters.git.repository import ORIGIN, GitRepository
from gitreg.adapters.git.run import SETTINGS, attempt, environment, failure, not_started, reach, redact, run
from gitreg.core.ports import (
    EXECUTABLE,
    FILE,
    FOLDER,
    READ_LIMIT,
    SYMLINK,
    Credentials,
    Entry,
    Identity,
    Tag,
    Tree,
)
from gitreg.core.tree import entry_at
from gitreg.errors import ConfigError, Refused

#: How a file begins that stands for one that is kept elsewhere: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_LFS = b"version https://git-lfs.github.com/spec/"
_FIELDS = (
    *("refname", "objecttype", "objectname", "*objecttype", "*objectname"),
    *("taggername", "taggeremail:trim", "taggerdate:unix", "contents:subject", "contents:body"),
)


class GitSource:
    """One repository as :func:`open_source` opens it.

    Attributes:
        repository: it, as git knows it.
        label: how messages call it, and records: without secrets.
        top: the checkout's top folder; None where there is no checkout.
    """

    def __init__(self, repository: GitRepository, label: str) -> None:
        self.repository = repository
        self.label = label
        self.top = repository.top

    def tags(self) -> Iterator[Tag]:
        """Every tag of a commit, annotated or not, in the order of their names."""
        layout = "".join(f"%({field})%00" for field in _FIELDS)
        listed = run(["for-each-ref", f"--format={layout}", "refs/tags/"], self.repository.git_dir)
        parts = listed.decode(errors="replace").split("\0")
        for at in range(0, len(parts) - len(_FIELDS), len(_FIELDS)):
            tag = _tag(dict(zip(_FIELDS, parts[at : at + len(_FIELDS)], strict=True)))
            if tag is not None:
                yield tag

    def head(self) -> str:
        """The commit that the repository's main branch has. Raises NotFound, ConfigError."""
        if self.repository.has_origin and self.top is None:
            return self.repository.resolve(f"refs/remotes/{ORIGIN}/HEAD")
        return self.repository.resolve("HEAD")

    def tree(self, commit: str) -> Tree:
        """The files of a commit."""
        return self.repository.tree(commit)

    def save(self, commit: str, path: str, target: str) -> bool:
        """Writes the file or folder that git has at a path of a commit to ``target``; False if there is none.

        Raises:
            Refused: it is or holds a link, a submodule, or a pointer of Git LFS.
        """
        tree = self.tree(commit)
        entry = entry_at(tree, path)
        if entry is None:
            return False
        self._save(tree, path, entry, Path(target))
        return True

    def _save(self, tree: Tree, path: str, entry: Entry, target: Path) -> None:
        if entry.mode == FOLDER:
            target.mkdir()
            for name, inner in tree.list(path).items():
                self._save(tree, f"{path}/{name}", inner, target / name)
        elif entry.mode in {FILE, EXECUTABLE}:
            self._write(path, entry.oid, target)
        else:
            kind = "symbolic link" if entry.mode == SYMLINK else "submodule"
            raise Refused(f"{path!r} is a {kind}", "a version holds plain files alone")

    def _write(self, path: str, oid: str, target: Path) -> None:
        header = self.repository.reader.info(oid)
        if header is None:
            raise missing(f"the file {path!r}")
        if header.size > READ_LIMIT:
            self._stream(oid, target)
            return
        found = self.repository.reader.read(oid)
        data = found.data if found is not None else b""
        if data.startswith(_LFS):
            raise Refused(
                f"{path!r} is kept in Git LFS, and not in git", "register its bytes with gitreg register"
            )
        target.write_bytes(data)

    def _stream(self, oid: str, target: Path) -> None:
        folder = self.repository.git_dir
        with open(target, "xb") as stream:
            try:
                done = subprocess.run(
                    ["git", *SETTINGS, "cat-file", "blob", oid],
                    cwd=folder,
                    env=environment(),
                    stdout=stream,
                    stderr=subprocess.PIPE,
                    check=False,
                )
            except OSError as error:
                raise not_started(error, folder) from error
        if done.returncode:
            raise failure(done.stderr.decode(errors="replace"))


def _tag(said: dict[str, str]) -> Tag | None:
    name = said["refname"].lstrip("\n").removeprefix("refs/tags/")
    if said["objecttype"] == "commit":
        return Tag(name, said["objectname"], None, None)
    if said["objecttype"] != "tag" or said["*objecttype"] != "commit":
        return None
    try:
        time = datetime.fromtimestamp(int(said["taggerdate:unix"]), UTC)
    except (ValueError, OverflowError, OSError):  # no tagger, or a date that no calendar has
        return Tag(name, said["*objectname"], None, None)
    message = "\n\n".join(filter(None, (said["contents:subject"].strip(), said["contents:body"].strip())))
    return Tag(
        name, said["*objectname"], Identity(said["taggername"], said["taggeremail:trim"]), time, message
    )


def open_source(
    place: str, cache_dir: str | os.PathLike[str], credentials: Credentials | None = None
) -> GitSource:
    """Opens a repository to read: a folder of a checkout, a bare repository, or a URL through the cached clone.

    Raises:
        ConfigError: there is no such repository. UsageError: no such protocol may be used.
        Undecided: the other side does not answer.
    """
    if os.path.isdir(place):
        repository = GitRepository.open(place, alone=True)
        return GitSource(repository, _address(repository) or os.path.realpath(place))
    if ":" not in place.partition("/")[0]:
        raise ConfigError(f"there is no folder {place!r}", "name a checkout, a bare repository or a URL")
    clone = open_url(place, cache_dir, credentials).repository
    fetch = [
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--prune",
        ORIGIN,
        "+refs/tags/*:refs/tags/*",
    ]
    done = reach(fetch, clone.git_dir, credentials)
    if done.code:
        raise failure(done.stderr, redact(place))
    return GitSource(clone, redact(place))


def _address(repository: GitRepository) -> str | None:
    """Where a checkout was cloned from, if it was: others find the repository there."""
    done = attempt(["config", "--get", f"remote.{ORIGIN}.url"], repository.git_dir)
    return redact(done.stdout.decode(errors="replace").strip()) or None
