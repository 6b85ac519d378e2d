"""The ``Repository`` port on a real repository.

Where there is a remote ``origin``, it is the hub, and its refs are known as of the last fetch: its ``refs/heads/X``
as ``refs/remotes/origin/X``, its ``refs/gitreg/*`` under their own names. Else this repository is the hub itself.

To open, to ask for a branch and to read files costs the one process of :class:`ObjectReader` and no import beyond
the standard library; what only writing needs (``following``, ``trees``) is imported when something is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.adapters.git import refs
from gitreg.adapters.git.commits import parse_commit, with_signature
from gitreg.adapters.git.discover import Place, locate
from gitreg.adapters.git.objects import GitTree, ObjectReader, missing
from gitreg.adapters.git.run import attempt, failure, redact, run
from gitreg.core.ports import FILE, Commit, Credentials, Entry, Identity, RefUpdate, Repository, Step, Tree
from gitreg.errors import Bug, ConfigError, GitregError, NotFound, Undecided, UsageError

if TYPE_CHECKING:
    from gitreg.adapters.git.following import Checkouts
    from gitreg.adapters.git.trees import TreeWriter

ORIGIN = "origin"
_BRANCHES = "refs/heads/"
_OWN_REFS = "refs/gitreg/"
_TRACKED = f"refs/remotes/{ORIGIN}/"
_FETCHED = (f"+{_BRANCHES}*:{_TRACKED}*", f"+{_OWN_REFS}*:{_OWN_REFS}*")
_WHO_HINT = 'git config --global user.name "Your Name"; git config --global user.email you@example.com'
_DEEPEN = "git fetch --unshallow"


# What may follow the name of a ref in a revision.
_SUFFIX = re.compile(r"[~^:]|@\{")


def _rivals(ref: str) -> list[str]:
    """The full names to which git completes a name, beside the name itself; the earlier, the sooner it takes them."""
    return [
        f"refs/{ref}",
        f"refs/tags/{ref}",
        f"{_BRANCHES}{ref}",
        f"refs/remotes/{ref}",
        f"refs/remotes/{ref}/HEAD",
    ]


class GitRepository(Repository):
    """A repository on disk: a checkout, a linked worktree of one, or a bare repository. See ``open``."""

    def __init__(
        self, place: Place, *, alone: bool = False, pending: Mapping[str, str | None] | None = None
    ) -> None:
        #: What is asked when ``origin`` is a web server that wants to know who pushes or fetches.
        self.credentials: Credentials | None = None
        self._place = place
        self._alone = alone
        self._pending = dict(pending or {})
        self._folder = os.fspath(place.folder)
        # The branches whose checkouts the last update moved along, until somebody asks.
        self._followed: dict[str, str | None] = {}
        self.reader = ObjectReader(self._folder)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        alone: bool = False,
        pending: Mapping[str, str | None] | None = None,
    ) -> GitRepository:
        """The repository of ``path``: a folder inside a checkout, or a bare repository.

        Args:
            path: the folder.
            alone: this repository is the hub, even if it has an ``origin``.
            pending: refs that are read as if they had these values (None: deleted): a push that a hook looks at.

        Raises:
            ConfigError: it is neither.
        """
        return cls(locate(path), alone=alone, pending=pending)

    def again(self) -> GitRepository:
        """The same repository, with a reading process of its own."""
        other = GitRepository(self._place, alone=self._alone, pending=self._pending)
        other.credentials = self.credentials
        return other

    def __enter__(self) -> GitRepository:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the reading process; a later read starts another."""
        self.reader.close()

    @property
    def top(self) -> Path | None:
        """The checkout's top folder; None for a bare repository."""
        return self._place.top

    @property
    def git_dir(self) -> Path:
        """The git folder of this checkout."""
        return self._place.git_dir

    @property
    def common_dir(self) -> Path:
        """The git folder that all checkouts of the repository share."""
        return self._place.common_dir

    @property
    def is_shallow(self) -> bool:
        """See :class:`gitreg.core.ports.Repository`."""
        return bool(self._boundary())

    def head_branch(self) -> str | None:
        """The short name of the branch that is checked out, possibly unborn; None if HEAD is detached."""
        from gitreg.adapters.git import checkout

        return checkout.checked_out_branch(self._place)

    @cached_property
    def has_origin(self) -> bool:
        """See :class:`gitreg.core.ports.Repository`."""
        if self._alone:
            return False
        config = self.common_dir / "config"
        text = config.read_text(encoding="utf-8", errors="replace") if config.is_file() else ""
        if _sets_url(text):
            return True
        # Included files and rare spellings are left to git.
        unusual = ORIGIN in text or "[include" in text.lower()
        return unusual and attempt(["config", "--get-all", f"remote.{ORIGIN}.url"], self._folder).code == 0

    def origin_url(self) -> str | None:
        """From where git fetches the hub's refs, perhaps with a user and a password in it; None without ``origin``."""
        if not self.has_origin:
            return None
        return run(["remote", "get-url", ORIGIN], self._folder).decode(errors="replace").splitlines()[0]

    def fetch(self) -> None:
        """See :class:`gitreg.core.ports.Repository`.

        Raises:
            Undecided: ``origin`` could not be reached; as LostRace, others fetch here all the time.
        """
        self._checkouts.mend()
        if not self.has_origin:
            return
        refs.fetch(self._folder, _FETCHED, self._remote_name, self.credentials)

    def fetch_commit(self, ref: str, oid: str) -> None:
        """See :class:`gitreg.core.ports.Repository`. Nothing is asked for what is here: a commit never changes."""
        if not (refs.is_ref(ref) and refs.is_oid(oid)):
            raise Bug(f"{ref!r} and {oid!r} name no commit to fetch")
        if self._commit_named(oid) is None and self.has_origin:
            refs.bring(self._folder, ref, self._remote_name, self.credentials)
        if self._commit_named(oid) is None:
            raise Undecided(f"{ref} is not at {oid} any more", "try again")

    def resolve(self, rev: str) -> str:
        """The commit that ``rev`` names: as git reads it, else as a branch of ``origin``.

        Raises:
            NotFound: it names none.
            UsageError: it names several, as a tag and a branch of one name.
            ConfigError: it names a branch without commits.
        """
        self._demand_one_meaning(rev)
        oid = self._commit_named(rev) or self._commit_on_origin(rev)
        if oid is not None:
            return oid
        branch = self.head_branch()
        if branch and self._commit_named("HEAD") is None and rev in {"HEAD", "@", *_names_of(branch)}:
            raise ConfigError(f"the branch {branch!r} has no commits yet", "gitreg init makes its first one")
        raise NotFound(
            f"there is no revision {rev!r} here", "name a commit, a branch or a tag; git fetch may bring it"
        )

    def _demand_one_meaning(self, rev: str) -> None:
        """git takes a tag before the branch of that name, and warns; anybody who may push may have made the tag.

        Only a full name that exists, ``HEAD`` and an id mean one thing whatever else there is.
        """
        name = _SUFFIX.split(rev)[0]
        if name in {"", "@", "HEAD"} or refs.is_oid(name) or not rev.isprintable():
            return
        if name.startswith("refs/"):
            several = any(self._commits(_rivals(name))) and name not in self._refs_below(name)
        else:
            several = self._is_several(name)
        if several:
            raise UsageError(
                f"{name!r} is ambiguous: several tags and branches are called so",
                f"say which: refs/heads/{name}, refs/remotes/{name} or a commit's id; or delete the other",
            )

    def _is_several(self, name: str) -> bool:
        """A local branch may be behind the origin's; a tag that is called like that is taken for it."""
        tag, *others = self._commits([f"refs/tags/{name}", *_rivals(name)])
        on_origin = self.hub_ref(_BRANCHES + name) if self.has_origin and tag else None
        return len({oid for oid in others if oid}) > 1 or (on_origin is not None and on_origin != tag)

    def _commits(self, names: Sequence[str]) -> list[str | None]:
        """The commits that some refs lead to; None for those that lead to none."""
        found = self.reader.infos([f"{name}^{{commit}}" for name in names])
        return [None if head is None else head.oid for head in found]

    def _commit_named(self, rev: str) -> str | None:
        if not rev or ":" in rev or not rev.isprintable():
            return None
        if "@{" in rev:  # an upstream that is not configured would end the reading process
            args = ["rev-parse", "--verify", "--quiet", "--end-of-options", rev + "^{commit}"]
            return attempt(args, self._folder).stdout.decode().strip() or None
        found = self.reader.info(rev + "^{commit}")
        return found.oid if found is not None else None

    def _commit_on_origin(self, branch: str) -> str | None:
        oid = self.hub_ref(_BRANCHES + branch) if self.has_origin else None
        return self._commit_named(oid) if oid is not None else None

    def hub_ref(self, ref: str) -> str | None:
        """See :class:`gitreg.core.ports.Repository`."""
        local = self._local_name(ref)
        if local is None or not refs.is_ref(local):
            return None
        return self._pending[local] if local in self._pending else self._ref(local)

    def hub_refs(self, prefix: str) -> Mapping[str, str]:
        """See :class:`gitreg.core.ports.Repository`. ``prefix`` ends in a slash."""
        local = self._local_name(prefix)
        if local is None or not refs.is_ref(local + "x"):
            return {}
        found: dict[str, str | None] = {}
        if not refs.is_absent(self.common_dir, local):
            found |= self._refs_below(local)
        found |= {name: oid for name, oid in self._pending.items() if name.startswith(local)}
        return {prefix + name.removeprefix(local): oid for name, oid in found.items() if oid is not None}

    def _local_name(self, ref: str) -> str | None:
        """What the hub's ``ref`` is called here; None if it is not fetched."""
        if not self.has_origin or ref.startswith(_OWN_REFS):
            return ref
        if ref.startswith(_BRANCHES) and ref != f"{_BRANCHES}HEAD":
            return _TRACKED + ref.removeprefix(_BRANCHES)
        return None

    def _ref(self, ref: str) -> str | None:
        """The object that ``ref``, and no other, names.

        git completes names (https://git-scm.com/docs/gitrevisions, "<refname>"): without a ``refs/gitreg/x`` the
        branch ``refs/heads/refs/gitreg/x`` would answer, which anybody may have made, or an object if the name ends
        like git-describe's. So a quick answer counts only where git completes none of the other names.
        """
        found, *others = self.reader.infos([ref, *_rivals(ref)])
        if found is not None and not any(others):
            return found.oid
        return None if refs.is_absent(self.common_dir, ref) else self._refs_below(ref).get(ref)

    def real_refs(self, refs: Sequence[str]) -> Mapping[str, str]:
        """See :class:`gitreg.core.ports.Repository`. What is pending is left aside."""
        found = self._refs_below(*refs) if refs else {}
        return {ref: found[ref] for ref in refs if ref in found}

    def _refs_below(self, *patterns: str) -> dict[str, str]:
        """Names may have any bytes but LF: whoever may push has chosen them."""
        fields = "--format=%(objectname) %(symref) %(refname)"
        out = run(["for-each-ref", fields, "--end-of-options", *patterns], self._folder)
        lines = out.decode("utf-8", "surrogateescape").split("\n")[:-1]
        rows = (line.split(" ", 2) for line in lines)
        return {name: oid for oid, target, name in rows if not target}

    def commit(self, oid: str) -> Commit:
        """See :class:`gitreg.core.ports.Repository`. Raises Undecided if it is missing or no commit."""
        found = self.reader.read(oid)
        if found is None or found.type != "commit":
            raise missing(f"the commit {oid}")
        return parse_commit(found.oid, found.data)

    def tree(self, oid: str) -> Tree:
        """See :class:`gitreg.core.ports.Repository`. That it exists is found out by the first read."""
        return GitTree(self.reader, oid)

    def blobs(self, oids: Sequence[str]) -> Iterator[bytes | None]:
        """See :class:`gitreg.core.ports.Repository`."""
        found = self.reader.reads(oids)
        return (each.data if each is not None and each.type == "blob" else None for each in found)

    def merge_base(self, one: str, other: str) -> str | None:
        """See :class:`gitreg.core.ports.Repository`.

        Raises:
            Undecided: a commit is missing, or history is cut off on the way, so that there may be a better one.
        """
        done = attempt(["merge-base", "--end-of-options", one, other], self._folder)
        if done.code not in {0, 1}:
            raise failure(done.stderr)
        base = done.stdout.decode().split("\n")[0] or None
        boundary = self._boundary()
        if boundary and not boundary.isdisjoint(self._not_below(base, one, other)):
            raise Undecided("this shallow clone does not tell where the two branches part", _DEEPEN)
        return base

    def _not_below(self, base: str | None, *tips: str) -> list[str]:
        excluded = [f"^{base}"] if base else []
        return run(["rev-list", "--end-of-options", *tips, *excluded], self._folder).decode().split()

    def _boundary(self) -> frozenset[str]:
        """The commits whose parents a shallow clone left out."""
        try:
            return frozenset((self.common_dir / "shallow").read_text(encoding="ascii").split())
        except FileNotFoundError:
            return frozenset()

    def first_parents(self, tip: str) -> Iterator[Commit]:
        """See :class:`gitreg.core.ports.Repository`."""
        boundary = self._boundary()
        commit = self.commit(tip)
        yield commit
        while commit.parents:
            if commit.oid in boundary:
                raise Undecided(f"this shallow clone's history ends at {commit.oid}", _DEEPEN)
            commit = self.commit(commit.parents[0])
            yield commit

    def steps(self, base: str | None, tip: str, folder: str) -> Iterator[Step] | None:
        """See :class:`gitreg.core.ports.Repository`. Raises Undecided if an object is missing."""
        from gitreg.adapters.git import first_parents

        if base is not None and self._commit_named(base) is None:
            return None  # it went with a history that was rewritten
        return first_parents.steps(self._folder, base, tip, folder)

    def inner_commits(self, base: str, head: str, most: int) -> Sequence[Commit]:
        """See :class:`gitreg.core.ports.Repository`."""
        args = ["rev-list", f"--max-count={most}", "--end-of-options", head, f"^{base}"]
        found = run(args, self._folder).decode().split()
        if not self._boundary().isdisjoint(found):
            raise Undecided("this shallow clone does not have all commits of the branch", _DEEPEN)
        return [self.commit(oid) for oid in found]

    def added_in(self, tip: str, path: str) -> str | None:
        """See :class:`gitreg.core.ports.Repository`. Files that are never edited are meant: it is their last change."""
        if self.tree(tip).read(path) is None:
            return None
        args = ["--literal-pathspecs", "rev-list", "--first-parent", "--max-count=1", "--end-of-options"]
        found = run([*args, tip, "--", path], self._folder).decode().strip()
        if not found or found in self._boundary():
            raise Undecided(f"this shallow clone does not tell when {path} was added", _DEEPEN)
        return found

    def at_time(self, tip: str, moment: datetime) -> str:
        """See :class:`gitreg.core.ports.Repository`.

        Raises:
            NotFound: all of history is younger.
            Undecided: what is there is younger, and history is cut off.
        """
        for commit in self.first_parents(tip):
            if commit.time <= moment:
                return commit.oid
        when = moment.astimezone(UTC).isoformat(timespec="seconds")
        raise NotFound(f"history begins after {when}", "name a later time")

    def identity(self) -> Identity:
        """See :class:`gitreg.core.ports.Repository`. git is asked, as it alone knows all its places to look."""
        done = attempt(["-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"], self._folder)
        match = re.match(r"(.+) <(.+)> [0-9]+ [+-][0-9]+\n", done.stdout.decode(errors="replace"))
        if match:
            return Identity(match[1], match[2])
        if done.code == 0 or re.search(r"ident|auto-detect|who you are", done.stderr):
            raise ConfigError("git does not know who you are", _WHO_HINT)
        raise failure(done.stderr)

    def write_blob(self, data: bytes) -> str:
        """See :class:`gitreg.core.ports.Repository`."""
        return run(["hash-object", "-w", "--stdin"], self._folder, stdin=data).decode().strip()

    def write_tree(self, base: str, changes: Mapping[str, Entry | None]) -> str:
        """See :class:`gitreg.core.ports.Repository`, and :class:`gitreg.adapters.git.trees.TreeWriter`."""
        from gitreg.adapters.git.trees import TreeWriter
        from gitreg.adapters.git.writes import ObjectWriter

        writer = ObjectWriter(self._folder, self.common_dir)
        trees = TreeWriter(self.reader, writer)
        oid = trees.changed(base, changes)
        writer.flush()
        self._keep(trees)
        return oid

    def _keep(self, trees: TreeWriter) -> None:
        """What was just written need not be read again."""
        for oid, (content, listing) in trees.made.items():
            self.reader.keep(oid, content, listing)

    def write_change(
        self,
        parents: Sequence[str],
        edits: Mapping[str, bytes | None],
        message: str,
        author: Identity,
        time: datetime,
        sign: Callable[[bytes], str] | None = None,
        committer: Identity | None = None,
    ) -> tuple[str, Mapping[str, Entry | None]]:
        """See :class:`gitreg.core.ports.Repository`. All objects are written by one process."""
        from gitreg.adapters.git.trees import TreeWriter
        from gitreg.adapters.git.writes import ObjectWriter, commit_content

        _demand_oids(*parents)
        writer = ObjectWriter(self._folder, self.common_dir)
        trees = TreeWriter(self.reader, writer)
        entries = {
            path: None if data is None else Entry(FILE, writer.add("blob", data))
            for path, data in edits.items()
        }
        tree = trees.changed(parents[0], entries)
        commit = None
        content = commit_content(tree, parents, message, author, committer or author, time)
        if content is not None:
            commit = writer.add("commit", content if sign is None else with_signature(content, sign(content)))
        writer.flush()
        self._keep(trees)
        commit = commit or self.write_commit(tree, parents, message, author, time, sign, committer)
        return commit, entries

    def write_commit(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        author: Identity,
        time: datetime,
        sign: Callable[[bytes], str] | None = None,
        committer: Identity | None = None,
    ) -> str:
        """See :class:`gitreg.core.ports.Repository`. Unsigned, the same arguments make the same commit."""
        _demand_oids(tree, *parents)
        extra = _signatory("AUTHOR", author, time) | _signatory("COMMITTER", committer or author, time)
        args = ["-c", "i18n.commitEncoding=UTF-8", "commit-tree", "--no-gpg-sign", tree]
        for parent in parents:
            args += ["-p", parent]
        done = run(args, self._folder, stdin=message.encode(errors="replace"), extra=extra)
        oid = done.decode().strip()
        return oid if sign is None else self._signed(oid, sign)

    def _signed(self, oid: str, sign: Callable[[bytes], str]) -> str:
        found = self.reader.read(oid)
        if found is None:
            raise missing(f"the commit {oid}")
        data = with_signature(found.data, sign(found.data))
        args = ["hash-object", "-t", "commit", "-w", "--stdin"]
        return run(args, self._folder, stdin=data).decode().strip()

    def update(self, updates: Sequence[RefUpdate]) -> None:
        """See :class:`gitreg.core.ports.Repository`.

        Raises:
            LostRace: a ref is not at its old value; nothing moved.
            Refused: the hub declined, or a checkout would be disturbed; nothing moved.
            Undecided: the hub could not be reached.
        """
        if not updates:
            return
        if self.has_origin:
            refs.push(self._folder, updates, self._remote_name, self.credentials)
            self._note(updates)
            return
        if not any(self._checkouts.on(update.ref) for update in updates):
            refs.move_here(self._folder, updates)
            return
        with self._checkouts.moved(updates):
            refs.move_here(self._folder, updates)
        self._followed = {update.ref: update.new for update in updates}

    @property
    def _checkouts(self) -> Checkouts:
        """Made anew each time: the reading process ends when nothing has the repository any more."""
        from gitreg.adapters.git.following import Checkouts

        return Checkouts(self._place, self._ref, self._empty_tree)

    def in_line(self) -> AbstractContextManager[None]:
        """See :class:`gitreg.core.ports.Repository`, and :mod:`gitreg.adapters.git.line`."""
        from gitreg.adapters.git.line import in_line

        return in_line(self.common_dir)

    def _note(self, updates: Sequence[RefUpdate]) -> None:
        """Notes what a push did. The hub has moved; if that cannot be noted, the next fetch will find it."""
        names = ((self._local_name(update.ref), update.new) for update in updates)
        with suppress(GitregError):
            refs.track(self._folder, [(name, new) for name, new in names if name is not None])

    def followable(self, branch: str) -> str | None:
        """See :class:`gitreg.core.ports.Repository`.

        What moves at ``origin`` disturbs no checkout here. Where this repository is the hub, a move of a branch that
        is checked out anywhere would, unless that checkout is clean.
        """
        return None if self.has_origin else self._checkouts.obstacle(_BRANCHES + branch)

    def follow(self, branch: str, old: str | None, new: str) -> bool:
        """See :class:`gitreg.core.ports.Repository`.

        With an ``origin`` it is the checkout that the repository was opened in that follows, and only by a
        fast-forward; without, it is every clean checkout of the branch, as ``update`` has moved the branch itself.
        """
        from gitreg.adapters.git import checkout

        if self._followed.pop(_BRANCHES + branch, None) == new:
            return True
        find = checkout.own_checkouts if self.has_origin else checkout.all_checkouts
        folders = find(self._place, branch)
        if not folders:
            return False
        return self._checkouts.follow(folders, _BRANCHES + branch, old, new)

    def _empty_tree(self) -> str:
        return self.write_tree("", {})

    def _remote_name(self) -> str:
        """``origin`` and its address, for messages."""
        from git import Repo

        with Repo(self._folder) as opened:
            url = opened.config_reader().get_value(f'remote "{ORIGIN}"', "url", default="")
        return f"{ORIGIN} ({redact(str(url))})" if url else ORIGIN


def _signatory(role: str, who: Identity, time: datetime) -> dict[str, str]:
    """The variables that tell git who a commit's author or committer is."""
    date = f"@{int(time.timestamp())} +0000"
    return {f"GIT_{role}_NAME": who.name, f"GIT_{role}_EMAIL": who.email, f"GIT_{role}_DATE": date}


def _demand_oids(*oids: str) -> None:
    for oid in oids:
        if not refs.is_oid(oid):
            raise Bug(f"{oid!r} is no object id")


def _sets_url(config: str) -> bool:
    """Whether git's configuration, in the spelling that git itself writes, gives ``origin`` an address."""
    section = ""
    for line in map(str.strip, config.splitlines()):
        if line.startswith("["):
            section = line
        elif section == f'[remote "{ORIGIN}"]' and re.match(r"url\s*=", line):
            return True
    return False


def _names_of(branch: str) -> set[str]:
    return {branch, _BRANCHES + branch, f"{ORIGIN}/{branch}", _TRACKED + branch}
