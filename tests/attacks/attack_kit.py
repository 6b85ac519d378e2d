"""How an attack is written: a function that does to a registry what an attacker can, with plain git.

The attacker is Dan, who may push any branch to the origin. What he pushed is judged in Bo's clone, by default as
``gitreg verify --base main --head attacker``. A case's docstring says what the attacker hopes for; ``@attack`` says
what he gets. ``test_attacks.py`` runs every case of every family, and asserts what must hold for each of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flow_kit import MAIN, Desk, bytes_of, git, registration, store_object

from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import plan_register
from gitreg.core.snapshot import Snapshot
from gitreg.surfaces.cli.main import run

ATTACKER, JUDGE, OWNER = "dan", "bo", "alice"
BRANCH = "attacker"
#: Exit codes by the outcome that a case expects. ``harmless``: it may land, and what was hoped for does not happen.
OUTCOMES = {"fail": 1, "undecided": 3, "harmless": 0}


#: What trees hold, by what names them: a commit's or a tree's id, which is its content's for ever.
_TREES: dict[str, dict[str, tuple[str, str, str]]] = {}


@dataclass(frozen=True, slots=True)
class Node:
    """What stands at a path: a mode and the bytes of a blob; or, for a submodule, the id of a commit."""

    mode: str
    content: bytes = b""
    oid: str | None = None


def executable(content: str) -> Node:
    """A file with the executable bit."""
    return Node("100755", content.encode())


def symlink(target: str) -> Node:
    """A symbolic link."""
    return Node("120000", target.encode())


def submodule(commit: str) -> Node:
    """A link to a commit of another repository."""
    return Node("160000", oid=commit)


#: What an edit puts at a path; None removes it.
Edit = Node | bytes | str | None


@dataclass(frozen=True, slots=True)
class Ran:
    """What the command left.

    ``seconds`` are those of the clock, of isolated cases those of the processor; ``peak`` is the most memory that it or
    git had, in bytes, of isolated cases alone.
    """

    code: int
    out: str
    err: str
    seconds: float
    peak: int = 0

    @property
    def report(self) -> Any:
        """The JSON report of ``verify`` or ``validate``."""
        return json.loads(self.out)

    def said(self) -> str:
        """What a failed test shows: the findings, a line each; or whatever was printed."""
        if not self.out.startswith("{"):
            return f"exit code {self.code}\n{self.out}{self.err}"
        lines = [f"{f['rule']} {f['outcome']} {f['path']}: {f['message']}" for f in self.report["findings"]]
        return "\n".join([f"exit code {self.code}", *lines, self.err])

    def rules(self, *outcomes: str) -> set[str]:
        """The ids of the rules that found something of these outcomes; of any outcome, if the output is not JSON."""
        if not self.out.startswith("{"):
            return set(re.findall(r"\bGR[0-9]{3}\b", self.out))
        return {found["rule"] for found in self.report["findings"] if found["outcome"] in outcomes}


@dataclass
class Ground:
    """A registry to be attacked: the people's clones, the origin and the DVC remote of ``desk``.

    Nothing may ever make ``canary``, which the payloads of the attacks touch, nor change what is in ``sentinel``.
    """

    desk: Desk
    canary: Path
    sentinel: Path

    @property
    def root(self) -> Path:
        """The folder that everything is in."""
        return self.desk.root

    @property
    def clone(self) -> Path:
        """The attacker's clone."""
        return self.root / ATTACKER

    @property
    def judge(self) -> Path:
        """The clone in which the attack is judged."""
        return self.root / JUDGE

    @property
    def payload(self) -> str:
        """A shell command that shows that it was run."""
        return f"touch {self.canary}"

    def git(self, *args: str, stdin: bytes = b"", folder: str = ATTACKER, check: bool = True) -> str:
        """Plain git, in the attacker's clone; what it printed."""
        return git(self.root / folder, *args, stdin=stdin, check=check)

    def gitreg(self, *args: str, person: str = ATTACKER, code: int = 0) -> None:
        """The command line as a person runs it in their clone, signing with their key; ``code`` is its exit code."""
        before = os.environ.get("GITREG_SSH_KEY")
        os.environ["GITREG_SSH_KEY"] = os.fspath(self.desk.keys / person)
        try:
            ended = run(["-C", os.fspath(self.root / person), *args])
        finally:
            os.environ.pop("GITREG_SSH_KEY")
            if before is not None:
                os.environ["GITREG_SSH_KEY"] = before
        assert ended == code, f"gitreg {' '.join(args)} ended with {ended}"

    # -- reading

    def tip(self, branch: str = "main") -> str:
        """The commit that a branch of the origin names; the registry's where there is no such branch."""
        found = git(self.desk.origin, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        return found or git(self.desk.origin, "rev-parse", MAIN)

    def read_bytes(self, path: str, branch: str = "main") -> bytes:
        """A file on a branch of the origin, as it is stored."""
        command = ["git", "cat-file", "blob", f"{self.tip(branch)}:{path}"]
        return subprocess.run(command, cwd=self.desk.origin, capture_output=True, check=True).stdout

    def read(self, path: str, branch: str = "main") -> str:
        """A file on a branch of the origin."""
        return self.read_bytes(path, branch).decode()

    def snapshot(self, branch: str = "main") -> Snapshot:
        """The registry as gitreg reads a branch of the origin."""
        return self.desk.now_on(branch)

    # -- writing, in the attacker's clone

    def blob(self, content: bytes | str) -> str:
        """Stores a blob; its id."""
        return self._store("blob", content.encode() if isinstance(content, str) else content)

    def _store(self, kind: str, data: bytes) -> str:
        """Writes a loose object as git does, which costs no process: https://git-scm.com/docs/gitformat-loose."""
        whole = f"{kind} {len(data)}\0".encode() + data
        oid = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        place = self.clone / ".git" / "objects" / oid[:2] / oid[2:]
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(zlib.compress(whole))
        return oid

    def raw_tree(self, entries: Iterable[tuple[str, str, str]], *, ordered: bool = True) -> str:
        """Stores a tree of (mode, name, id) as it is, whatever git thinks of the names; ``ordered`` as git would."""

        def place(entry: tuple[str, str, str]) -> bytes:
            return os.fsencode(entry[1]) + (b"/" if entry[0] == "040000" else b"")

        rows = sorted(entries, key=place) if ordered else list(entries)
        data = b"".join(
            mode.lstrip("0").encode() + b" " + os.fsencode(name) + b"\0" + bytes.fromhex(oid)
            for mode, name, oid in rows
        )
        return self._store("tree", data)

    def entries(self, tree: str) -> dict[str, tuple[str, str, str]]:
        """The (mode, name, id) of a tree, by name."""
        if tree not in _TREES:
            rows = (row.split("\t", 1) for row in self.git("ls-tree", "-z", tree).split("\0") if row)
            _TREES[tree] = {name: (told.split(" ")[0], name, told.split(" ")[2]) for told, name in rows}
        return dict(_TREES[tree])

    def tree(self, edits: Mapping[str, Edit], base: str = "") -> str:
        """The tree of ``base`` (a commit or tree; "" is an empty one), with paths set or removed; any name will do."""
        entries = self.entries(base) if base else {}
        below: dict[str, dict[str, Edit]] = {}
        for path, edit in edits.items():
            name, _, rest = path.partition("/")
            if rest:
                below.setdefault(name, {})[rest] = edit
        for name, inner in below.items():
            mode, _, oid = entries.pop(name, ("", name, ""))
            oid = self.tree(inner, oid if mode == "040000" else "")
            if self.entries(oid):
                entries[name] = ("040000", name, oid)
        for name, edit in edits.items():
            if "/" not in name:
                entries.pop(name, None)
                entries |= {} if edit is None else {name: self._entry(name, edit)}
        return self.raw_tree(entries.values())

    def _entry(self, name: str, edit: Node | bytes | str) -> tuple[str, str, str]:
        node = (
            edit
            if isinstance(edit, Node)
            else Node("100644", edit if isinstance(edit, bytes) else edit.encode())
        )
        return node.mode, name, node.oid or self.blob(node.content)

    def commit(
        self,
        tree: str,
        *parents: str,
        title: str = "by hand",
        when: datetime | None = None,
        who: str = ATTACKER,
    ) -> str:
        """Stores a commit of a tree; by default as of the desk's time, and the attacker's."""
        date = f"{int((when or self.desk.now).timestamp())} +0000"
        told = {"NAME": who.capitalize(), "EMAIL": f"{who}@example.com", "DATE": date}
        env = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in told.items()}
        command = ["git", "commit-tree", tree, *(word for parent in parents for word in ("-p", parent))]
        done = subprocess.run(
            command,
            cwd=self.clone,
            input=title.encode(),
            capture_output=True,
            env=os.environ | env,
            check=True,
        )
        return done.stdout.decode().strip()

    def push(self, commit: str, branch: str = BRANCH) -> str:
        """Pushes a commit to a branch of the origin, over whatever is there; returns it."""
        self.git("push", "-q", "--force", "origin", f"{commit}:refs/heads/{branch}")
        return commit

    def edit(self, edits: Mapping[str, Edit], *, branch: str = BRANCH, **said: Any) -> str:
        """One commit on top of a branch (of main, if there is no such branch), pushed. ``said``: see :meth:`commit`."""
        start = self.tip(branch)
        self.git("fetch", "-q", "origin")
        return self.push(self.commit(self.tree(edits, start), start, **said), branch)

    def land(self, edits: Mapping[str, Edit], **said: Any) -> str:
        """One commit on the registry's branch: what was there before the attack."""
        return self.edit(edits, branch="main", **said)

    def plan(self, *makers: Callable[[Snapshot], Plan], branch: str = BRANCH, **said: Any) -> str:
        """Commits what gitreg itself would write, a commit for each plan."""
        commit = self.tip(branch)
        for make in makers:
            commit = self.edit(make(self.snapshot(commit)).edits, branch=branch, **said)
        return commit

    def new_version(self, number: int = 4, **said: Any) -> dict[str, bytes | None]:
        """What registers a version of ``credit-risk`` whose artifact is on the remote; ``said`` as a person says it."""
        store_object(self.desk.artifacts, bytes_of(number))
        made = registration("credit-risk", number, **said)
        return dict(plan_register(self.snapshot(), made).edits)

    def replace(self, path: str, old: str, new: str, *, branch: str = BRANCH) -> str:
        """Edits one place of one file on a branch."""
        text = self.read(path, branch)
        assert text.count(old) == 1, f"{old!r} is in {path} {text.count(old)} times"
        return self.edit({path: text.replace(old, new)}, branch=branch)


#: Builds an attack; what it returns is the command that judges it, if that is not the usual one.
Build = Callable[[Ground], Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Attack:
    """One case; see :func:`attack`."""

    build: Build
    rules: tuple[str, ...]
    outcome: str
    error: tuple[int, str] | None
    isolated: bool
    then: Callable[[Ground, Ran], None] | None
    succeeds_against: Callable[[Ground], None] | None
    xfail: str | None

    @property
    def name(self) -> str:
        """``family.case``."""
        return f"{self.build.__module__.rpartition('.')[2]}.{self.build.__name__}"

    @property
    def code(self) -> int:
        """The exit code that the command must have."""
        return self.error[0] if self.error else OUTCOMES[self.outcome]


CASES: list[Attack] = []


def attack(
    expect: str | Sequence[str] = (),
    *,
    outcome: str = "fail",
    expect_error: tuple[int, str] | None = None,
    isolated: bool = False,
    then: Callable[[Ground, Ran], None] | None = None,
    succeeds_against: Callable[[Ground], None] | None = None,
    xfail: str | None = None,
) -> Callable[[Build], Build]:
    """Makes a case of the function below it. The function returns None, or the command that judges it (without -C).

    Args:
        expect: the ids of the rules that must find something of that outcome.
        outcome: ``fail`` (exit 1), ``undecided`` (exit 3), ``harmless`` (exit 0).
        expect_error: the exit code and a text of the error line, where gitreg refuses before it judges.
        isolated: run as a process of its own, with its time and memory measured (what may hang or swell).
        then: further assertions about what the command left.
        succeeds_against: asserts, once the case is judged, that a plain tool is fooled by the same repository.
        xfail: why gitreg does not withstand it yet.
    """
    rules = (expect,) if isinstance(expect, str) else tuple(expect)
    assert rules or expect_error or outcome == "harmless", "a case says what is to be found"

    def register(build: Build) -> Build:
        assert build.__doc__, f"{build.__name__} does not say what the attacker hopes for"
        CASES.append(Attack(build, rules, outcome, expect_error, isolated, then, succeeds_against, xfail))
        return build

    return register
