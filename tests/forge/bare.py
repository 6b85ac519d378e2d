"""A bare repository as a forge's own code reads and moves it: with git."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

#: What git's hooks are told where a ref is made or deleted.
NOTHING = "0" * 40
#: Revisions that say the same for ever: a commit, all but a commit, what is between two, what lies in one.
_ID = re.compile(r"\^?[0-9a-f]{40}(?:\.\.\.[0-9a-f]{40}|:[^\n]*)?\Z")


@dataclass(frozen=True, slots=True)
class Person:
    """A name, an email and a moment, as git writes them into a commit."""

    name: str
    email: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GitCommit:
    """One commit."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One path that differs between two trees. ``status`` is git's letter; lines count -1 where bytes are binary."""

    status: str
    path: str
    oid: str
    added: int
    deleted: int
    patch: str


@dataclass(frozen=True, slots=True)
class Bare:
    """Runs git in one repository; ``environment`` is a push's quarantine while its hook runs.

    What git told of commits that are named by their ids is remembered, as it stays so: nothing here is ever pruned.
    """

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _told: dict[tuple[str, ...], subprocess.CompletedProcess[bytes]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @classmethod
    def create(cls, path: Path, branch: str = "main") -> Bare:
        """A new one, whose HEAD is ``branch``."""
        path.mkdir(parents=True)
        made = cls(path)
        made.text("init", "-q", "--bare", "--template=", "-b", branch, ".")
        return made

    def within(self, environment: Mapping[str, str]) -> Bare:
        """The same repository with the objects of a push that is not accepted yet."""
        return replace(self, environment=environment, _told={})

    def run(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs git here, without the machine's configuration."""
        own = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        own |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
        return subprocess.run(
            ["git", "-c", "gc.auto=0", *args],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            env=own | dict(self.environment) | dict(env or {}),
            check=False,
        )

    def text(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """As ``run``; what it printed, and an error if it failed."""
        return _printed(args, self.run(*args, stdin=stdin, env=env))

    def ask(
        self, *args: str, about: Sequence[str], within: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        """As ``run``, for what git answers from the revisions ``about`` alone; ``within`` are paths or none."""
        words = (*args, *about, "--", *within) if within else (*args, *about)
        known = self._told.get(words)
        if known is None:
            known = self.run(*words)
            # Beyond 1 git had no answer, for instance because a commit is not here yet.
            if known.returncode in (0, 1) and all(map(_ID.match, about)):
                self._told[words] = known
        return known

    def learn(self, *args: str, about: Sequence[str], within: Sequence[str] = ()) -> str:
        """As ``ask``; what git printed, and an error if it failed."""
        return _printed(args, self.ask(*args, about=about, within=within))

    def refs(self, *prefixes: str) -> dict[str, str]:
        """All refs (below ``prefixes``), and what they name."""
        listed = self.text("for-each-ref", "--format=%(objectname) %(refname)", *prefixes)
        return {ref: oid for oid, _, ref in (line.partition(" ") for line in listed.splitlines())}

    def resolve(self, rev: str) -> str | None:
        """The commit that ``rev`` names."""
        done = self.run("rev-parse", "-q", "--verify", "--end-of-options", rev + "^{commit}")
        return done.stdout.decode().strip() or None

    def branch(self, name: str) -> str | None:
        """The head of a branch."""
        return self.resolve(f"refs/heads/{name}")

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether ``new`` has all of ``old``."""
        return self.ask("merge-base", "--is-ancestor", about=(old, new)).returncode == 0

    def merge_base(self, one: str, other: str) -> str | None:
        """Their best common ancestor."""
        return self.ask("merge-base", about=(one, other)).stdout.decode().strip() or None

    def merged_tree(self, base: str, head: str) -> str | None:
        """The tree of their merge; None if they conflict."""
        done = self.ask("merge-tree", "--write-tree", "--no-messages", about=(base, head))
        return done.stdout.decode().strip() if done.returncode == 0 else None

    def write_commit(
        self, tree: str, parents: Sequence[str], message: str, author: Person, committer: Person
    ) -> str:
        """Stores a commit; returns its id."""
        env = {}
        for role, person in (("AUTHOR", author), ("COMMITTER", committer)):
            env |= {f"GIT_{role}_NAME": person.name, f"GIT_{role}_EMAIL": person.email}
            env[f"GIT_{role}_DATE"] = f"@{int(person.at.timestamp())} +0000"
        lines = [word for parent in parents for word in ("-p", parent)]
        return self.text("commit-tree", tree, *lines, stdin=message.encode(), env=env)

    def move(self, ref: str, new: str | None, old: str | None = None) -> bool:
        """Moves, makes or deletes a ref, if it is at ``old`` where that is given; whether it did."""
        args = ["-d", ref] if new is None else [ref, new]
        return self.run("update-ref", *args, *([old] if old else [])).returncode == 0

    def commit(self, oid: str) -> GitCommit:
        """Reads one commit."""
        return self._read([oid])[0]

    def commits(self, base: str, head: str) -> list[GitCommit]:
        """What ``head`` has and ``base`` has not, oldest first."""
        listed = self.learn("rev-list", "--reverse", "--topo-order", about=(head, f"^{base}")).split()
        return self._read(listed) if listed else []

    def _read(self, oids: Sequence[str]) -> list[GitCommit]:
        form = "%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x01"
        shown = self.learn("show", "-s", f"--format={form}", about=oids)
        return [_commit(part.lstrip("\n")) for part in shown.split("\x01") if part.strip("\n")]

    def files(self, base: str, head: str) -> list[ChangedFile]:
        """The paths that differ, each with its patch."""
        ends = (base, head)
        raw = self.learn("diff-tree", "-r", "--no-renames", "-z", "--numstat", about=ends).split("\0")
        counts = {path: (added, deleted) for added, deleted, path in (r.split("\t") for r in raw if r)}
        fields = self.learn("diff-tree", "-r", "--no-renames", "-z", "--raw", about=ends).split("\0")
        found = []
        for meta, path in zip(fields[::2], fields[1::2], strict=False):
            _, _, old, new, status = meta.split(" ")
            patch = self.learn("diff-tree", "-p", "--no-renames", about=ends, within=[f":(literal){path}"])
            added, deleted = (-1 if n == "-" else int(n) for n in counts[path])
            hunks = patch[patch.find("@@") :] if "@@" in patch else ""
            found.append(ChangedFile(status, path, old if status == "D" else new, added, deleted, hunks))
        return found

    def size(self, base: str, head: str) -> tuple[int, int, int]:
        """What ``head`` changes since it left ``base``: files, lines added, lines deleted."""
        lines = [
            line.split("\t")
            for line in self.learn(
                "diff", "--no-renames", "--numstat", about=[f"{base}...{head}"]
            ).splitlines()
        ]
        added, deleted = (sum(int(line[n]) for line in lines if line[n] != "-") for n in (0, 1))
        return len(lines), added, deleted

    def count(self, base: str, head: str) -> int:
        """How many commits ``head`` has that ``base`` has not."""
        return int(self.learn("rev-list", "--count", about=(head, f"^{base}")))

    def blob(self, rev: str, path: str) -> bytes | None:
        """A file's content at a revision."""
        done = self.ask("cat-file", "blob", about=[f"{rev}:{path}"])
        return done.stdout if done.returncode == 0 else None


def _printed(args: Sequence[str], done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode:
        raise RuntimeError(f"git {' '.join(args)}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")


def _commit(text: str) -> GitCommit:
    oid, tree, parents, *people, message = text.split("\0")
    author, committer = (Person(n, e, _moment(at)) for n, e, at in (people[:3], people[3:]))
    return GitCommit(oid, tree, tuple(parents.split()), author, committer, message.rstrip("\n"))


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
