"""Races: processes that register and promote in one registry at once, and the proof that nothing is lost.

    python benchmarks/concurrency.py                                    # 500 operations of 8 processes, each way
    python benchmarks/concurrency.py --operations 40 --way direct       # fewer, one way

Each process is an interpreter of its own and opens the registry anew for every operation, as the command line does.
There are four ways to race:

- ``direct``: a bare hub of a registry whose changes land directly. Every other process works in the hub itself, the
  rest in clones of their own, so that ``update-ref`` and ``push`` meet.
- ``requests``: the same hub, where every operation opens a change request and merges it, after a refresh if the
  request was overtaken.
- ``clone``: one clone of such a hub, in which all of them work.
- ``checkout``: one checkout without an origin, in which all of them work; its files move along with its branch.

After a race the registry is replayed: each commit that landed is judged against its first parent as the landing that
it is, with every byte of every new version read back; ``validate`` and ``git fsck --strict`` have nothing to say; each
registered artifact is there exactly once; the numbers of each model have no gap; each operation is exactly one commit.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from gitreg.api import open_registry
from gitreg.core.codec.yaml import dump_yaml
from gitreg.core.findings import Finding
from gitreg.core.names import Version
from gitreg.core.plan.init import NewRegistry, registry_files
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.transition import plan_promote
from gitreg.core.ports import Commit, Identity
from gitreg.core.snapshot import Snapshot
from gitreg.flows.change import Overtaken, merge, refresh
from gitreg.flows.land import Landed, land
from gitreg.flows.propose import Proposed
from gitreg.flows.register import NewVersion, register
from gitreg.flows.replay import replay
from gitreg.flows.workspace import Workspace
from gitreg.wiring import Options, workspace
from gitreg.wiring import open_registry as open_for_writing

WAYS = ("direct", "requests", "clone", "checkout")
MODELS = ("churn", "credit-risk", "売上予測")
#: What a process does, in turn: its own new version goes to staging, then to production, where only one has room.
ROUND = ("register", "register", "staging", "production")
#: How often a process may find its change request overtaken by another.
REFRESHES = 50
_WHO = Identity("Racer", "racer@example.com")
_ID = "2b6d1f5e-6c0f-4a53-9c1d-5f1f7a0e8d42"


def environment(home: Path) -> dict[str, str]:
    """The variables of the racing processes: an identity, and nothing of the machine's configuration."""
    passed = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "GITREG_", "DVC_"))}
    who = {f"GIT_{role}_{key}": v for role in ("AUTHOR", "COMMITTER") for key, v in _PERSON.items()}
    dvc = {
        f"DVC_{key}_DIR": os.fspath(home / "dvc") for key in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")
    }
    plain = {"HOME": os.fspath(home), "GIT_CONFIG_NOSYSTEM": "1", "DVC_NO_ANALYTICS": "1"}
    return passed | who | dvc | plain


_PERSON = {"NAME": _WHO.name, "EMAIL": _WHO.email}


@dataclass(frozen=True)
class Ground:
    """Where a race takes place: the hub (a bare repository or a checkout), and the folder of each process."""

    root: Path
    way: str
    hub: Path
    desks: tuple[Path, ...]


def prepare(root: Path, way: str, processes: int) -> Ground:
    """A registry with three models and no version, and a desk for each process."""
    home, seed = root / "home", root / "seed"
    home.mkdir(parents=True)
    _git(root, "init", "-q", "--initial-branch=main", os.fspath(seed))
    for path, data in _files(way, root / "artifacts"):
        (seed / path).parent.mkdir(parents=True, exist_ok=True)
        (seed / path).write_bytes(data)
    _git(seed, "add", "-A", "-f")
    _git(seed, "commit", "-q", "-m", "Begin the registry")
    if way == "checkout":
        return Ground(root, way, seed, (seed,) * processes)
    hub = root / "hub.git"
    _git(root, "clone", "-q", "--bare", "--no-local", os.fspath(seed), os.fspath(hub))
    clones = [root / "clone-0"] if way == "clone" else [root / f"clone-{n}" for n in range(0, processes, 2)]
    for clone in clones:
        _git(root, "clone", "-q", "--no-local", os.fspath(hub), os.fspath(clone))
    desks = clones * processes if way == "clone" else [d for clone in clones for d in (clone, hub)]
    return Ground(root, way, hub, tuple(desks[:processes]))


def _files(way: str, artifacts: Path) -> Iterator[tuple[str, bytes]]:
    new = NewRegistry(_ID, "race", "main", os.fspath(artifacts), _WHO, solo=True)
    files = dict(registry_files(new))
    if way == "requests":
        files["gitreg.yaml"] = files["gitreg.yaml"].replace(b"enforcement: solo", b"enforcement: requests")
    yield from files.items()
    for model in MODELS:
        body = {"apiVersion": "gitreg/v1", "kind": "Model", "name": model}
        yield f"models/{model}/model.yaml", dump_yaml(body).encode()


def _git(folder: Path, *args: str) -> str:
    home = folder / "home" if (folder / "home").is_dir() else folder.parent / "home"
    done = subprocess.run(
        ["git", *args], cwd=folder, env=environment(home), check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@dataclass(frozen=True)
class Task:
    """What one process is told: its number, its desk, how many operations it has, and where payloads lie."""

    number: int
    desk: str
    way: str
    operations: int
    payloads: str


@dataclass
class Account:
    """What one process did: a commit for each operation, the artifact digest of each registration, its retries."""

    commits: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    retries: list[int] = field(default_factory=list)


class Racer:
    """One process of a race."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.account = Account()
        self._newest: tuple[str, str] | None = None
        self._pauses = 0

    def run(self) -> Account:
        """All operations, one after another."""
        for number in range(self.task.operations):
            self._pauses = 0
            self._one(number)
            self.account.retries.append(self._pauses)
        return self.account

    def _one(self, number: int) -> None:
        ws = self._open()
        try:
            kind = ROUND[number % len(ROUND)]
            commit = self._register(ws, number) if kind == "register" else self._promote(ws, kind)
            self.account.commits.append(commit)
        finally:
            ws.repository.close()  # type: ignore[attr-defined]

    def _open(self) -> Workspace:
        options = Options(registry=self.task.desk)
        return replace(workspace(open_for_writing(options), options), pause=self._pause)

    def _pause(self, seconds: float) -> None:
        self._pauses += 1
        time.sleep(seconds)

    def _register(self, ws: Workspace, number: int) -> str:
        model = MODELS[(self.task.number + number // 2) % len(MODELS)]
        content = f"version {number} of process {self.task.number}\n".encode()
        file = Path(self.task.payloads) / f"{self.task.number}-{number}" / "model.onnx"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        found = register(ws, NewVersion(model, os.fspath(file), "onnx", metrics={"roc_auc": 0.9}))
        digest = f"sha256:{sha256(content).hexdigest()}"
        self.account.digests.append(digest)
        self._newest = model, digest
        return self._landed(ws, found)

    def _promote(self, ws: Workspace, stage: str) -> str:
        assert self._newest is not None, "a round begins with a registration"
        model, digest = self._newest

        def plan(snapshot: Snapshot) -> Plan:
            return plan_promote(snapshot, model, _number(snapshot, model, digest), stage)

        return self._landed(ws, land(ws, plan))

    def _landed(self, ws: Workspace, found: Any) -> str:
        """The commit that an operation became on the registry's branch."""
        if isinstance(found, Landed):
            return found.commit
        assert isinstance(found, Proposed)
        for _ in range(REFRESHES):
            try:
                return merge(ws, found.request.id).commit
            except Overtaken:
                self._pauses += 1
                refresh(ws, found.request.id)
        return merge(ws, found.request.id).commit


def _number(snapshot: Snapshot, model: str, digest: str) -> Version:
    """The version that these bytes became."""
    return next(
        v for v in snapshot.versions(model) if snapshot.demand_record(model, v).artifact.digest == digest
    )


@dataclass(frozen=True)
class Race:
    """How a race went: the account of each process, and the wall time from the start to the last one's end."""

    ground: Ground
    accounts: tuple[Account, ...]
    seconds: float

    @property
    def operations(self) -> int:
        """How many there were."""
        return sum(len(account.commits) for account in self.accounts)

    @property
    def retries(self) -> list[int]:
        """How often each operation was begun again."""
        return [count for account in self.accounts for count in account.retries]

    def figures(self) -> str:
        """One line for people."""
        retries = self.retries
        return (
            f"{self.ground.way}: {len(self.accounts)} processes, {self.operations} operations, "
            f"{sum(retries)} retries (at most {max(retries)} of one), {self.seconds:.1f} s, "
            f"{self.operations / self.seconds:.1f} operations/s"
        )


def run(ground: Ground, operations: int) -> Race:
    """Lets the processes race: they begin together, and share ``operations``.

    Raises:
        RuntimeError: one of them failed; the message has what it printed.
    """
    count = len(ground.desks)
    shares = [operations // count + (n < operations % count) for n in range(count)]
    tasks = [
        Task(n, os.fspath(desk), ground.way, share, os.fspath(ground.root / "payloads"))
        for n, (desk, share) in enumerate(zip(ground.desks, shares, strict=True))
    ]
    racers = [_start(task, ground.root / "home") for task in tasks]
    for racer in racers:
        _expect(racer, "ready")
    begin = time.perf_counter()
    for racer in racers:
        _say(racer, "go")
    answers = [racer.communicate() for racer in racers]
    seconds = time.perf_counter() - begin
    failed = [err for racer, (_, err) in zip(racers, answers, strict=True) if racer.returncode]
    if failed:
        raise RuntimeError(f"{len(failed)} of {count} processes failed; the first said:\n{failed[0]}")
    return Race(ground, tuple(Account(**json.loads(out)) for out, _ in answers), seconds)


def _start(task: Task, home: Path) -> subprocess.Popen[str]:
    racer = subprocess.Popen(
        [sys.executable, __file__, "--race"],
        env=environment(home) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _say(racer, json.dumps(asdict(task)))
    return racer


def _say(racer: subprocess.Popen[str], line: str) -> None:
    assert racer.stdin is not None
    racer.stdin.write(line + "\n")
    racer.stdin.flush()


def _expect(racer: subprocess.Popen[str], line: str) -> None:
    assert racer.stdout is not None
    if racer.stdout.readline().strip() != line:
        raise RuntimeError(f"a process did not start:\n{racer.communicate()[1]}")


def race() -> None:
    """A racing process: reads its task, says when it is ready, waits for the start, and gives its account."""
    import dvc.repo  # noqa: F401  # what takes long to import is no part of the race

    racer = Racer(Task(**json.loads(sys.stdin.readline())))
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(racer.run())))


def problems(race: Race) -> list[str]:
    """Everything that is not as it must be after a race; see the module."""
    ground = race.ground
    options = Options(registry=os.fspath(ground.hub))
    ws = workspace(open_for_writing(options), options)
    with open_registry(ground.hub) as registry:
        line = list(ws.repository.first_parents(ws.tip()))
        return [
            *_miscounted(race, [commit.oid for commit in line]),
            *_lost(race, _registered(registry.snapshot)),
            *(f"validate: {_shown(finding)}" for finding in registry.validate()),
            *_invalid(ws, line[-2::-1]),
            *_damage(ground),
        ]


def _miscounted(race: Race, line: list[str]) -> Iterator[str]:
    """Each operation is one commit of the first-parent line, and nothing else is."""
    told = [commit for account in race.accounts for commit in account.commits]
    if len(set(told)) != len(told) or set(told) != set(line[:-1]):
        yield f"{len(told)} operations, {len(set(told))} commits told of, {len(line) - 1} on the branch"


def _registered(snapshot: Snapshot) -> Mapping[str, Mapping[Version, str]]:
    """By model and version, the digest of its bytes."""
    return {
        model: {v: snapshot.demand_record(model, v).artifact.digest for v in snapshot.versions(model)}
        for model in snapshot.models()
    }


def _lost(race: Race, found: Mapping[str, Mapping[Version, str]]) -> Iterator[str]:
    """Each registered artifact is there once, under a number of its own, and the numbers have no gap."""
    told = sorted(digest for account in race.accounts for digest in account.digests)
    there = sorted(digest for versions in found.values() for digest in versions.values())
    if told != there:
        yield f"{len(told)} registrations, {len(there)} versions, {len(set(there))} of them different"
    for model, versions in found.items():
        if sorted(versions, key=int) != list(range(1, len(versions) + 1)):
            yield f"{model} has the numbers {sorted(versions, key=int)}"


def _invalid(ws: Workspace, line: Sequence[Commit]) -> Iterator[str]:
    """What verify says of the commits, and whether each was judged and does anything at all."""
    verdicts = list(replay(ws, line))
    for verdict in verdicts:
        yield from (f"{verdict.head}: {_shown(finding)}" for finding in verdict.findings)
        if not verdict.candidate.changes:
            yield f"{verdict.head} changes nothing"
    if len(verdicts) != len(line):
        yield f"{len(verdicts)} of {len(line)} commits were judged"


def _shown(finding: Finding) -> str:
    return f"{finding.rule} {finding.location or '-'}: {finding.message}"


def _damage(ground: Ground) -> Iterator[str]:
    """What git says of the repository, and of the checkout if there is one."""
    for name in {ground.hub, *ground.desks}:
        done = subprocess.run(
            ["git", "fsck", "--strict", "--no-dangling"],
            cwd=name,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            yield f"git fsck in {name.name}: {done.stderr.strip()}"
    for checkout in {ground.hub, *ground.desks} if ground.way in {"clone", "checkout"} else ():
        if checkout.suffix != ".git" and (status := _git(checkout, "status", "--porcelain")):
            yield f"{checkout.name} is not clean: {status}"
    left = [path for path in ground.hub.rglob("*.lock") if path.is_file()]
    if left:
        yield f"locks are left: {left}"


def main() -> None:
    """Races each way and prints the figures; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--operations", type=int, default=500)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--way", choices=WAYS, action="append")
    parser.add_argument("--race", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.race:
        return race()
    found: list[str] = []
    for way in chosen.way or WAYS:
        found += _measured(way, chosen.processes, chosen.operations)
    sys.exit(1 if found else 0)


def _measured(way: str, processes: int, operations: int) -> list[str]:
    work = Path(tempfile.mkdtemp(prefix="gitreg-race-"))
    try:
        done = run(prepare(work, way, processes), operations)
        print(done.figures(), flush=True)
        found = problems(done)
        print("\n".join(found) or "  every number unique, nothing lost, every state valid", flush=True)
        return found
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
