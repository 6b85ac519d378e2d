"""What the tests of the flows share: three people with SSH keys, each with a clone of one registry, and its artifacts.

Everything is real: git, ssh-keygen, a folder as DVC remote. Only the clock stands still where a test puts it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gitreg.core.findings import Finding, Outcome
from gitreg.core.names import Version
from gitreg.core.plan.alias import plan_set_alias
from gitreg.core.plan.annotate import plan_annotate
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import NewModel, Registration, plan_register
from gitreg.core.plan.transition import plan_promote
from gitreg.core.ports import DvcPointer, Identity
from gitreg.core.record import Artifact
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.flows.land import Landed, land
from gitreg.flows.propose import Proposed
from gitreg.flows.register import NewVersion
from gitreg.flows.workspace import Workspace
from gitreg.wiring import Options, open_registry, workspace

PEOPLE = ("alice", "bo", "dan")
BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
#: The moment at which every test begins: ten days after the template's last commit.
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
MAIN = "refs/heads/main"

REGISTRY = """\
apiVersion: gitreg/v1
kind: Registry
id: 6f1c7d4e-2b0a-4c55-9a0e-0d6a4f3b2c1d
name: test
branch: main
forge: {provider: local}
enforcement: requests
versions: integer
"""
#: What everybody's git is told: nothing lives so long here that it must be tidied up, or outlive a crash.
GITCONFIG = """\
[init]
    defaultBranch = main
[core]
    fsync = none
[gc]
    auto = 0
[maintenance]
    auto = false
[receive]
    autogc = false
"""
#: Another registry, of one person.
SOLO_REGISTRY = REGISTRY.replace("requests", "solo").replace("6f1c7d4e", "9b3e5a70")
#: Dan registers, Bo runs the platform, Alice owns the risk. Production takes Alice's approval.
POLICY = """\
apiVersion: gitreg/v1
kind: Policy
people:
  - {id: dan, email: dan@example.com, keys: [DAN]}
  - {id: bo, email: bo@example.com, keys: [BO]}
  - {id: alice, email: alice@example.com, keys: [ALICE]}
groups:
  everybody: [dan, bo, alice]
  ml-platform: [bo]
  risk-owners: [alice]
rules:
  owners: [everybody]
  approvals: [{group: risk-owners, count: 1}]
direct: [annotate]
stages:
  - name: staging
    from: [none, archived]
    gates: [{metric: roc_auc, min: 0.5}]
  - name: production
    from: [staging]
    holds: 1
    replaced: archived
    approvals: [{group: risk-owners, count: 1, expire: 14d}]
    rollback: {approvals: [{group: ml-platform, count: 1}]}
  - {name: archived, from: [none, staging, production]}
aliases: [{name: champion, stage: production, protected: true}]
"""
DVC_CONFIG = (
    "[core]\n    remote = storage\n    analytics = false\n['remote \"storage\"']\n    url = ../../artifacts\n"
)
SOLO_POLICY = """\
apiVersion: gitreg/v1
kind: Policy
rules: {owners: []}
direct: [all]
stages:
  - {name: staging}
  - {name: production, holds: 1, replaced: archived}
  - {name: archived}
"""


def bytes_of(number: int) -> bytes:
    """The artifact of version ``number`` of the template's model."""
    return b"model %d\n" % number * 40


def registration(model: str, number: int, **said: Any) -> Registration:
    """A version whose artifact is ``bytes_of(number)``."""
    content = bytes_of(number)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Registration(
        model=model,
        artifact=Artifact("model.onnx", digest, len(content), 1, "onnx"),
        pointer=DvcPointer("model.onnx", md5, len(content), 1),
        created_by=Identity("Dan", "dan@example.com"),
        created_at=BEGIN,
        metrics={"roc_auc": 0.9},
        **said,
    )


def store_object(artifacts: Path, content: bytes) -> Path:
    """Puts content into a DVC remote as DVC does; returns where."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    place = artifacts / "files" / "md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def git(
    folder: Path,
    *args: str,
    stdin: bytes = b"",
    check: bool = True,
    when: datetime | None = None,
) -> str:
    """Plain git; what it printed. ``when`` is what a commit is dated, if not now."""
    dates = {f"GIT_{role}_DATE": when.isoformat() for role in ("AUTHOR", "COMMITTER")} if when else {}
    done = subprocess.run(
        ["git", *args], cwd=folder, input=stdin, capture_output=True, env=os.environ | dates, check=False
    )
    assert not check or done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def fast_import(folder: Path, commits: list[tuple[str, Mapping[str, bytes | None]]]) -> None:
    """Commits on ``main`` of a repository, an hour apart from ``BEGIN`` on."""
    stream = []
    for number, (title, edits) in enumerate(commits):
        seconds = int((BEGIN + timedelta(hours=number)).timestamp())
        who = f"Dan <dan@example.com> {seconds} +0000".encode()
        stream += [b"commit " + MAIN.encode(), b"author " + who, b"committer " + who, _data(title.encode())]
        for path, data in edits.items():
            name = json.dumps(path, ensure_ascii=False).encode()
            stream += [b"D " + name] if data is None else [b"M 100644 inline " + name, _data(data)]
    # One pack is copied faster than many loose objects.
    git(folder, "-c", "fastimport.unpackLimit=1", "fast-import", "--quiet", stdin=b"\n".join([*stream, b""]))


def _data(content: bytes) -> bytes:
    return b"data %d\n" % len(content) + content


def rules(policy: str, registry: str = REGISTRY) -> dict[str, bytes | None]:
    """The rules files of a registry."""
    texts = {"gitreg.yaml": registry, "policy.yaml": policy, ".dvc/config": DVC_CONFIG}
    return {path: text.encode() for path, text in texts.items()}


def story(policy: str, registry: str = REGISTRY) -> list[tuple[str, Mapping[str, bytes | None]]]:
    """The template's commits: three versions; 1 in production, 2 in staging, champion names 1."""
    files: dict[str, bytes] = {}
    commits: list[tuple[str, Mapping[str, bytes | None]]] = []

    def commit(title: str, edits: Mapping[str, bytes | None]) -> None:
        commits.append((title, edits))
        files.update({path: data for path, data in edits.items() if data is not None})

    def plan(make: Callable[[Snapshot], Plan]) -> None:
        made = make(Snapshot(MemoryTree(files)))
        commit(made.title, made.edits)

    commit("Begin the registry", rules(policy, registry))
    for number in (1, 2, 3):
        new = registration("credit-risk", number, create=NewModel(title="Credit risk"))
        plan(lambda snapshot, new=new: plan_register(snapshot, new))
    for version, stage in ((1, "staging"), (1, "production"), (2, "staging")):
        plan(lambda snapshot, v=version, s=stage: plan_promote(snapshot, "credit-risk", v, s))
    plan(lambda snapshot: plan_set_alias(snapshot, "credit-risk", "champion", 1))
    return commits


def make_keys(folder: Path) -> dict[str, str]:
    """An SSH key for each person in ``folder``; the public halves."""
    for person in (*PEOPLE, "mallory"):
        command = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            person,
            "-f",
            os.fspath(folder / person),
        ]
        subprocess.run(command, check=True)
    return {person: (folder / f"{person}.pub").read_text().strip() for person in (*PEOPLE, "mallory")}


def policy_for(keys: Mapping[str, str], text: str = POLICY) -> str:
    """A policy with people's keys put in."""
    for person in PEOPLE:
        text = text.replace(f"[{person.upper()}]", f'["{keys[person]}"]')
    return text


def make_template(
    folder: Path, keys: Mapping[str, str], policy: str = POLICY, registry: str = REGISTRY
) -> Path:
    """An origin, a clone for each person, and the DVC remote: everything a :class:`Desk` is a copy of."""
    origin = folder / "origin.git"
    git(folder, "init", "-q", "--bare", "--template=", "--initial-branch=main", os.fspath(origin))
    fast_import(origin, story(policy_for(keys, policy), registry))
    for number in (1, 2, 3):
        store_object(folder / "artifacts", bytes_of(number))
    for person in PEOPLE:
        git(folder, "clone", "-q", "--template=", "--no-local", os.fspath(origin), person)
        git(folder / person, "config", "user.name", person.capitalize())
        git(folder / person, "config", "user.email", f"{person}@example.com")
    return folder


def make_solo(folder: Path) -> Path:
    """A checkout without origin, whose registry is one person's, and the DVC remote."""
    solo = folder / "solo"
    git(folder, "init", "-q", "--template=", "--initial-branch=main", os.fspath(solo))
    fast_import(solo, story(SOLO_POLICY, SOLO_REGISTRY))
    for number in (1, 2, 3):
        store_object(folder / "artifacts", bytes_of(number))
    git(solo, "config", "user.name", "Dan")
    git(solo, "config", "user.email", "dan@example.com")
    git(solo, "reset", "-q", "--hard")
    return folder


def copy_template(template: Path, target: Path) -> Path:
    """A template of one's own; its clones fetch from the copy's origin."""
    shutil.copytree(template, target, symlinks=True)
    for config in target.glob("*/.git/config"):
        config.write_text(config.read_text().replace(os.fspath(template), os.fspath(target)))
    return target


def pin(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Nothing of the machine's configuration reaches a test."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "GITREG_", "SSH_", "DVC_"))]:
        monkeypatch.delenv(name)
    home.mkdir(exist_ok=True)
    (home / "gitconfig").write_text(GITCONFIG)
    monkeypatch.setenv("HOME", os.fspath(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.fspath(home / "gitconfig"))
    monkeypatch.setenv("GITREG_CACHE_DIR", os.fspath(home / "cache"))
    for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG"):
        monkeypatch.setenv(f"DVC_{name}_DIR", os.fspath(home / f"dvc-{name.lower()}"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")


@dataclass
class Desk:
    """A copy of a template, and workspaces in it. ``now`` is what all their clocks say; ``keys`` is a folder."""

    root: Path
    keys: Path
    now: datetime = NOW
    opened: list[Workspace] = field(default_factory=list)

    @property
    def origin(self) -> Path:
        return self.root / "origin.git"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    def __call__(self, folder: str, key: str | None = "", **said: Any) -> Workspace:
        """A workspace in one of the folders, signing with the key of the person of that name."""
        named = folder if key == "" else key
        path = self.keys / named if named is not None else None
        options = Options(
            directory=os.fspath(self.root / folder),
            key=os.fspath(path) if path is not None and path.exists() else None,
            **said,
        )
        return self.work(options)

    def work(self, options: Options) -> Workspace:
        """A workspace for these options."""
        ws = workspace(open_registry(options), options)
        ws = replace(ws, clock=lambda: self.now, pause=lambda seconds: None)
        self.opened.append(ws)
        return ws

    def now_on(self, branch: str = "main") -> Snapshot:
        """The registry as it is on a branch of the origin."""
        ws = self("dan")
        ws.repository.fetch()
        return ws.snapshot(git(self.origin, "rev-parse", branch))

    def close(self) -> None:
        for ws in self.opened:
            ws.repository.close()  # type: ignore[attr-defined]

    def later(self, **said: int) -> None:
        """Lets time go by."""
        self.now += timedelta(**said)

    def payload(self, content: bytes = b"new bytes\n", name: str = "model.onnx") -> str:
        """A file to register."""
        folder = self.root / "payloads" / hashlib.sha256(content).hexdigest()[:8]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        return os.fspath(folder / name)

    def refs(self, folder: str = "origin.git") -> dict[str, str]:
        """Every ref of a repository, and what it names."""
        rows = git(self.root / folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(row.split(" ") for row in rows)

    def objects(self) -> set[str]:
        """What lies in the DVC remote."""
        return {
            path.relative_to(self.artifacts).as_posix()
            for path in self.artifacts.rglob("*")
            if path.is_file()
        }

    def state(self, *folders: str) -> object:
        """Everything that an operation that is refused must leave alone."""
        checkouts = {
            folder: (self.refs(folder), git(self.root / folder, "status", "--porcelain", check=False))
            for folder in folders or ("origin.git",)
        }
        return checkouts, self.objects()

    @contextmanager
    def unchanged(self, *folders: str) -> Iterator[None]:
        """Fails if a ref, a file or an object was made, moved or removed."""
        before = self.state(*folders)
        yield
        assert self.state(*folders) == before

    def show(self, path: str, rev: str = "main", folder: str = "origin.git") -> str | None:
        """A file at a revision; None if there is none."""
        if not git(self.root / folder, "ls-tree", "--name-only", "-z", rev, "--", path):
            return None
        return git(self.root / folder, "show", f"{rev}:{path}")

    def commit(
        self,
        edits: Mapping[str, bytes | str | None],
        person: str = "dan",
        branch: str = "main",
        when: datetime | None = None,
    ) -> str:
        """Somebody edits files by hand and pushes them to a branch of the origin; by default a minute ago.

        An approval of now counts then: in the very second in which the rules change it would not.
        """
        folder = self.root / person
        git(folder, "fetch", "-q", "origin")
        start = (
            f"origin/{branch}"
            if git(folder, "ls-remote", "origin", f"refs/heads/{branch}")
            else "origin/main"
        )
        scratch = self.root / f"scratch-{len(list(self.root.glob('scratch-*')))}"
        git(folder, "worktree", "add", "-q", "--detach", os.fspath(scratch), start)
        for path, content in edits.items():
            place = scratch / path
            if content is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        git(scratch, "add", "-A", "-f")
        git(scratch, "commit", "-q", "-m", "by hand", when=when or self.now - timedelta(minutes=1))
        git(scratch, "push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        commit = git(scratch, "rev-parse", "HEAD")
        git(folder, "worktree", "remove", "--force", os.fspath(scratch))
        return commit


def new_version(path: str, model: str = "credit-risk", **said: Any) -> NewVersion:
    """A version to register that the template's gates let through."""
    return NewVersion(model=model, path=path, format="onnx", **({"metrics": {"roc_auc": 0.9}} | said))


def promote(version: Version, stage: str, model: str = "credit-risk") -> Callable[[Snapshot], Plan]:
    """A planner."""
    return lambda snapshot: plan_promote(snapshot, model, version, stage)


def describe(text: str, version: Version = 1, model: str = "credit-risk") -> Callable[[Snapshot], Plan]:
    """A planner that edits a version's notes."""
    return lambda snapshot: plan_annotate(snapshot, model, version, {("description",): text})


def proposed(ws: Workspace, make_plan: Callable[[Snapshot], Plan]) -> Proposed:
    """Lands a plan as a change request."""
    found = land(ws, make_plan)
    assert isinstance(found, Proposed)
    return found


def landed(ws: Workspace, make_plan: Callable[[Snapshot], Plan], **said: Any) -> Landed:
    """Lands a plan directly."""
    found = land(ws, make_plan, **said)
    assert isinstance(found, Landed)
    return found


def blocking(findings: tuple[Finding, ...] | list[Finding]) -> list[str]:
    """The ids of the rules that stand in the way."""
    return [finding.rule for finding in findings if finding.outcome is not Outcome.WARNING]


def message(error: pytest.ExceptionInfo[Exception]) -> str:
    """What an error says, and its hint."""
    found = error.value
    return f"{found} | {getattr(found, 'hint', None)}"
