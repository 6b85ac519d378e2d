"""A bare repository as a forge's own code reads and moves it: with git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

#: What git's hooks are told where a ref is made or deleted.
NOTHING = "0" * 40


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
    """Runs git in one repository; ``environment`` is a push's quarantine while its hook runs."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, path: Path, branch: str = "main") -> Bare:
        """A new one, whose HEAD is ``branch``."""
        path.mkdir(parents=True)
        made = cls(path)
        made.text("init", "-q", "--bare", "--template=", "-b", branch, ".")
        return made

    def within(self, environment: Mapping[str, str]) -> Bare:
        """The same repository with the objects of a push that is not accepted yet."""
        return replace(self, environment=environment)

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
        done = self.run(*args, stdin=stdin, env=env)
        if done.returncode:
            raise RuntimeError(f"git {' '.join(args)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="surrogateescape").rstrip("\n")

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
        return self.run("merge-base", "--is-ancestor", old, new).returncode == 0

    def merge_base(self, one: str, other: str) -> str | None:
        """Their best common ancestor."""
        return self.run("merge-base", one, other).stdout.decode().strip() or None

    def merged_tree(self, base: str, head: str) -> str | None:
        """The tree of their merge; None if they conflict."""
        done = self.run("merge-tree", "--write-tree", "--no-messages", base, head)
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
        listed = self.text("rev-list", "--reverse", "--topo-order", head, f"^{base}").split()
        return self._read(listed) if listed else []

    def _read(self, oids: Sequence[str]) -> list[GitCommit]:
        form = "%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x01"
        shown = self.text("show", "-s", f"--format={form}", *oids)
        return [_commit(part.lstrip("\n")) for part in shown.split("\x01") if part.strip("\n")]

    def files(self, base: str, head: str) -> list[ChangedFile]:
        """The paths that differ, each with its patch."""
        raw = self.text("diff-tree", "-r", "--no-renames", "-z", "--numstat", base, head).split("\0")
        counts = {path: (added, deleted) for added, deleted, path in (r.split("\t") for r in raw if r)}
        fields = self.text("diff-tree", "-r", "--no-renames", "-z", "--raw", base, head).split("\0")
        found = []
        for meta, path in zip(fields[::2], fields[1::2], strict=False):
            _, _, old, new, status = meta.split(" ")
            patch = self.text("diff-tree", "-p", "--no-renames", base, head, "--", f":(literal){path}")
            added, deleted = (-1 if n == "-" else int(n) for n in counts[path])
            hunks = patch[patch.find("@@") :] if "@@" in patch else ""
            found.append(ChangedFile(status, path, old if status == "D" else new, added, deleted, hunks))
        return found

    def size(self, base: str, head: str) -> tuple[int, int, int]:
        """What ``head`` changes since it left ``base``: files, lines added, lines deleted."""
        lines = [
            line.split("\t")
            for line in self.text("diff", "--no-renames", "--numstat", f"{base}...{head}").splitlines()
        ]
        added, deleted = (sum(int(line[n]) for line in lines if line[n] != "-") for n in (0, 1))
        return len(lines), added, deleted

    def count(self, base: str, head: str) -> int:
        """How many commits ``head`` has that ``base`` has not."""
        return int(self.text("rev-list", "--count", head, f"^{base}"))

    def blob(self, rev: str, path: str) -> bytes | None:
        """A file's content at a revision."""
        done = self.run("cat-file", "blob", f"{rev}:{path}")
        return done.stdout if done.returncode == 0 else None


def _commit(text: str) -> GitCommit:
    oid, tree, parents, *people, message = text.split("\0")
    author, committer = (Person(n, e, _moment(at)) for n, e, at in (people[:3], people[3:]))
    return GitCommit(oid, tree, tuple(parents.split()), author, committer, message.rstrip("\n"))


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
