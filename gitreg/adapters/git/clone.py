"""Registries named by URL: a cached bare clone each, brought up to date whenever it is opened."""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from gitreg.adapters.filelock import FileLock
from gitreg.adapters.git.repository import ORIGIN, GitRepository
from gitreg.adapters.git.run import failure, reach, redact, run
from gitreg.core.ports import Credentials
from gitreg.errors import Undecided, UsageError

_SCHEMES = frozenset({"file", "git", "http", "https", "ssh"})
# "host:path": https://git-scm.com/docs/git-clone#_git_urls
_SCP = re.compile(r"(?:[A-Za-z0-9._~+-]+@)?[A-Za-z0-9\[][A-Za-z0-9._:\]-]+:(?!:)[^/]?.*\Z", re.DOTALL)
_HINT = "give an https://, ssh:// or file:// URL, user@host:path, or a folder"


@dataclass(frozen=True, slots=True)
class Opened:
    """A repository, and why it may be out of date (None if it was just fetched)."""

    repository: GitRepository
    warning: str | None = None


def open_url(url: str, cache_dir: str | os.PathLike[str], credentials: Credentials | None = None) -> Opened:
    """The repository at ``url`` (or in a local folder), through a bare clone under ``cache_dir``.

    Several processes may do so at once. If the other side does not answer, the clone is returned as it was.
    ``credentials`` are asked, now and later, where a web server wants to know who fetches or pushes.

    Raises:
        UsageError: ``url`` is not of a protocol that may be used.
        Undecided: the other side does not answer and there is no clone yet.
    """
    address = normalise(url)
    cache = Path(cache_dir).absolute()
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    clone = cache / hashlib.sha256(address.encode()).hexdigest()
    with FileLock.take(clone.with_suffix(".lock"), patience=math.inf):
        if not clone.is_dir():
            _clone(address, clone, credentials)
            return Opened(_opened(clone, credentials))
        repository = _opened(clone, credentials)
        try:
            repository.fetch()
        except Undecided as error:
            return Opened(repository, f"{redact(address)} is shown as last fetched: {error.message}")
        return Opened(repository)


def _opened(clone: Path, credentials: Credentials | None) -> GitRepository:
    repository = GitRepository.open(clone)
    repository.credentials = credentials
    return repository


def normalise(url: str) -> str:
    """``url`` as git is given it; a local folder as a ``file://`` URL.

    Raises:
        UsageError: it could be taken for an option, names a program to run, or uses another protocol.
    """
    if not url or url.startswith("-") or not url.isprintable():
        raise UsageError(f"{redact(url)!r} is not the address of a repository", _HINT)
    scheme, separator, rest = url.partition("://")
    if separator:
        if scheme not in _SCHEMES or rest.startswith("-"):
            raise UsageError(f"{redact(url)!r} is of no protocol that gitreg uses", _HINT)
        return url
    if re.match(r"[A-Za-z0-9+.-]*::", url):
        raise UsageError(f"{url!r} names a transport program, which gitreg does not run", _HINT)
    return url if _SCP.match(url) and not os.path.exists(url) else Path(url).absolute().as_uri()


def _clone(address: str, target: Path, credentials: Credentials | None) -> None:
    """Makes the bare clone aside and renames it into place, so that there is never half of one."""
    aside = target.with_suffix(".new")
    shutil.rmtree(aside, ignore_errors=True)  # of a process that died
    try:
        _fill(address, aside, credentials)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _fill(address: str, bare: Path, credentials: Credentials | None) -> None:
    """Not ``git clone``: its bare clones keep a second copy of the branches, which no fetch would move."""
    from git import Repo

    branch, object_format = _default_branch(address, bare.parent, credentials)
    # HEAD and origin/HEAD both tell which branch is the other side's usual one, as in any clone.
    kind = ["--bare", f"--object-format={object_format}", f"--initial-branch={branch}"]
    run(["init", "--quiet", "--template=", *kind, "--end-of-options", os.fspath(bare)], bare.parent)
    with Repo(bare) as made:
        # GitPython hands the caller's environment on, and a hook's would lead to the hook's repository.
        made.create_remote(ORIGIN, address, env={"GIT_DIR": os.fspath(bare)})
    run(["symbolic-ref", f"refs/remotes/{ORIGIN}/HEAD", f"refs/remotes/{ORIGIN}/{branch}"], bare)
    with _opened(bare, credentials) as repository:
        repository.fetch()


def _default_branch(address: str, folder: Path, credentials: Credentials | None) -> tuple[str, str]:
    """The branch that the other side's HEAD names, and its object format; those of most for an empty one."""
    outside = {"GIT_CEILING_DIRECTORIES": os.fspath(folder.parent)}
    asked = ["ls-remote", "--symref", "--end-of-options", address, "HEAD"]
    done = reach(asked, folder, credentials, extra=outside)
    if done.code:
        raise failure(done.stderr, redact(address))
    answer = done.stdout.decode()
    branch = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", answer, re.MULTILINE)
    sha256 = re.search(r"^[0-9a-f]{64}\t", answer, re.MULTILINE)
    return branch[1] if branch else "main", "sha256" if sha256 else "sha1"
