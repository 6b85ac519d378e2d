"""What the tests of the commands share: a small registry with a history, and the command line in process."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gitreg.core.plan.alias import plan_set_alias
from gitreg.core.plan.annotate import Edits, plan_annotate
from gitreg.core.plan.evidence import NewEvidence, plan_evidence
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import NewModel, Registration, plan_register
from gitreg.core.plan.transition import plan_promote
from gitreg.core.ports import DvcPointer, Identity
from gitreg.core.record import Artifact
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.surfaces.cli.main import run

ALICE = Identity("Alice", "alice@example.com")
BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
DATA_DIGEST = "sha256:" + "d" * 64

RULES = {
    "gitreg.yaml": """\
apiVersion: gitreg/v1
kind: Registry
id: 6f1c7d4e-2b0a-4c55-9a0e-0d6a4f3b2c1d
name: test
branch: main
""",
    "policy.yaml": """\
apiVersion: gitreg/v1
kind: Policy
people: [{id: alice, email: alice@example.com}]
groups: {owners: [alice]}
rules: {owners: [owners]}
stages:
  - name: staging
    from: [none, archived]
    gates: [{metric: roc_auc, min: 0.5}, {metric: latency, max: 100, direction: lower}]
  - {name: production, from: [staging], holds: 1, replaced: archived}
  - {name: archived, from: [none, staging, production]}
aliases: [{name: champion, stage: production, protected: true}]
""",
    ".dvc/config": "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ../../artifacts\n",
}


def digest_of(number: int) -> str:
    return f"sha256:{number:064x}"


def registration(model: str, number: int, **said: Any) -> Registration:
    """A version whose bytes are called ``number``."""
    return Registration(
        model=model,
        artifact=Artifact("model.onnx", digest_of(number), 1_048_576 + number, 1, "onnx"),
        pointer=DvcPointer("model.onnx", f"{number:032x}", 1_048_576 + number, 1),
        created_by=ALICE,
        created_at=BEGIN + timedelta(hours=number),
        **said,
    )


@dataclass
class Story:
    """A registry that grows commit by commit: its files now, and the stream that ``git fast-import`` makes of them."""

    files: dict[str, bytes] = field(default_factory=dict)
    stream: list[bytes] = field(default_factory=list)

    def snapshot(self) -> Snapshot:
        return Snapshot(MemoryTree(self.files))

    def plan(self, plan: Plan) -> None:
        self.edit(plan.edits, plan.title)

    def edit(self, edits: Mapping[str, bytes | None], title: str) -> None:
        seconds = int((BEGIN + timedelta(hours=len(self.stream))).timestamp())
        who = f"{ALICE.name} <{ALICE.email}> {seconds} +0000".encode()
        lines = [b"commit refs/heads/main", b"author " + who, b"committer " + who, _data(title.encode())]
        for path, data in edits.items():
            name = json.dumps(path, ensure_ascii=False).encode()
            if data is None:
                lines.append(b"D " + name)
                del self.files[path]
            else:
                lines += [b"M 100644 inline " + name, _data(data)]
                self.files[path] = data
        self.stream.append(b"\n".join(lines) + b"\n")


def _data(content: bytes) -> bytes:
    return b"data %d\n" % len(content) + content


def standard_story() -> Story:
    """Three models: ``credit-risk`` with everything, ``churn`` with SemVer versions, ``売上予測モデル`` without any."""
    story = Story()
    story.edit({path: text.encode() for path, text in RULES.items()}, "Begin the registry")
    for number in (1, 2, 3):
        story.plan(plan_register(story.snapshot(), _credit_risk(number)))
    for version, stage in ((1, "staging"), (1, "production"), (2, "staging")):
        story.plan(plan_promote(story.snapshot(), "credit-risk", version, stage))
    story.plan(plan_set_alias(story.snapshot(), "credit-risk", "champion", 1))
    story.plan(plan_evidence(story.snapshot(), "credit-risk", 1, _evidence()))
    deprecation: Edits = {("deprecated",): {"reason": "leaks the target", "use": 3}}
    story.plan(plan_annotate(story.snapshot(), "credit-risk", 2, deprecation))
    churn = registration("churn", 11, version="1.2.0", create=NewModel(scheme="semver"))
    story.plan(plan_register(story.snapshot(), churn))
    empty = "apiVersion: gitreg/v1\nkind: Model\nname: 売上予測モデル\n"
    story.edit({"models/売上予測モデル/model.yaml": empty.encode()}, "New model 売上予測モデル")
    return story


def _credit_risk(number: int) -> Registration:
    fields = {f"f{n}": {"type": "number"} for n in range(8)}
    return registration(
        "credit-risk",
        number,
        create=NewModel(
            title="Credit risk", owners=("risk-team",), task="classification", tags={"tier": "1"}
        ),
        params={"n_estimators": 100 * number, "solver": "lbfgs"},
        metrics={"roc_auc": 0.9 + number / 100, "latency": 20 + number},
        signature={
            "inputs": {"type": "object", "properties": fields},
            "outputs": {"type": "array", "items": {}},
        },
        environment={"python": "3.11", "requirements": ["scikit-learn==1.7.0", "numpy>=2"]},
        source={"commit": "abc123", "run": {"system": "mlflow", "id": f"run-{number}"}},
        description=f"Version {number}.\nWith a \x1b[31mcoloured\x1b[0m line." if number == 1 else None,
        tags={"team": "risk"},
        card={"intended_use": "Decision support."} if number == 1 else {},
    )


def _evidence() -> NewEvidence:
    source = "https://ci.example.com/42"
    return NewEvidence("holdout", "holdout", DATA_DIGEST, {"roc_auc": 0.9}, ALICE, BEGIN, source)


def write(story: Story, folder: Path) -> Path:
    """A bare repository that holds the story."""
    git(folder.parent, "init", "-q", "--bare", "--template=", os.fspath(folder))
    git(folder, "fast-import", "--quiet", stdin=b"".join(story.stream))
    git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
    return folder


def pin(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """An environment in which git and gitreg know nobody but Alice, and no configuration."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "GITREG_"))]:
        monkeypatch.delenv(name)
    config = home / "gitconfig"
    config.write_text(f"[user]\nname = {ALICE.name}\nemail = {ALICE.email}\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("HOME", os.fspath(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.fspath(config))


def git(folder: Path, *args: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["git", *args], cwd=folder, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().rstrip("\n")


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Registry:
    """A registry's repository, and the command line working in it."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *args: str, code: int = 0) -> Result:
        """Runs ``gitreg ARGS`` in process; fails unless it ends with ``code``."""
        self.capture.readouterr()
        ended = run(["-C", os.fspath(self.folder), *args])
        out, err = self.capture.readouterr()
        assert ended == code, f"exit code {ended}\n{out}{err}"
        return Result(ended, out, err)

    def json(self, *args: str) -> Any:
        return self(*args, "--format", "json").json

    def refs(self) -> str:
        """Every ref and what it names."""
        return git(self.folder, "for-each-ref")

    def proposed(self, path: str, request: int = 1) -> str | None:
        """A file as the open request would have it; None if it would be gone."""
        assert git(self.folder, "for-each-ref", f"refs/gitreg/requests/{request}"), "there is no such request"
        branch = self.branch()
        listed = git(self.folder, "ls-tree", "--name-only", "-z", branch, "--", path)
        return git(self.folder, "show", f"{branch}:{path}") if listed else None

    def branch(self) -> str:
        """The only branch beside the registry's."""
        names = git(self.folder, "for-each-ref", "--format=%(refname)", "refs/heads/gitreg/").splitlines()
        assert len(names) == 1, names
        return names[0]

    def writes_nothing(self, *args: str) -> Result:
        """Runs a command with ``--dry-run``; fails if a ref moved."""
        before = self.refs()
        result = self(*args, "--dry-run")
        assert self.refs() == before
        return result

    def refuses(self, *args: str, code: int) -> str:
        """What a command that ends with ``code`` says on stderr: one line and perhaps a hint. No ref may move."""
        before = self.refs()
        result = self(*args, code=code)
        assert self.refs() == before
        assert result.out == ""
        lines = result.err.splitlines()
        assert lines[0].startswith("gitreg: "), result.err
        assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("  hint: ")), result.err
        return result.err
