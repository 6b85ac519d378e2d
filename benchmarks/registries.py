"""Registries of any size, written by git fast-import: what the benchmarks measure on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from itertools import chain
from pathlib import Path
from typing import IO, TypeAlias

from gitreg.adapters.forge.local.record import MERGED, OPEN, Record, encode
from gitreg.adapters.forge.ssh import SshSigner
from gitreg.adapters.forge.statements import canonical
from gitreg.core.codec.dvcfile import dump_dvc
from gitreg.core.codec.yaml import dump_yaml
from gitreg.core.manifest import Alias, StageAssignment
from gitreg.core.plan.init import NewRegistry, registry_files
from gitreg.core.ports import DvcPointer, Identity
from gitreg.core.record import Artifact, ModelVersion, Pin
from gitreg.core.tree import blob_oid
from gitreg.core.verify.approvals import opening_statement

WHO = Identity("Bench", "bench@example.com")
WHEN = datetime(2026, 11, 20, tzinfo=UTC)
REGISTRY_ID = "2b6d1f5e-6c0f-4a53-9c1d-5f1f7a0e8d42"
GITREG = [str(Path(sys.executable).parent / "gitreg")]
# An installed gitreg has its bytecode.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | {
    "DVC_NO_ANALYTICS": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": WHO.name,
    "GIT_AUTHOR_EMAIL": WHO.email,
    "GIT_COMMITTER_NAME": WHO.name,
    "GIT_COMMITTER_EMAIL": WHO.email,
}
MAIN = "refs/heads/main"
#: How many folders fast-import is given in one: it looks through all of them for each file that it adds.
PART = 1000

Files: TypeAlias = Iterable[tuple[str, bytes]]


def model_name(number: int) -> str:
    """What the benchmarks call their models."""
    return f"model-{number:05d}"


def content_of(version: int) -> bytes:
    """The artifact of a version."""
    return b"bytes of version %d" % version


def pin_of(version: int) -> Pin:
    """A version and its digest."""
    return Pin(version, f"sha256:{sha256(content_of(version)).hexdigest()}")


def version_files(folder: str, model: str, version: int) -> Files:
    """A version as gitreg writes it."""
    content = content_of(version)
    pointer = DvcPointer("model.onnx", md5(content, usedforsecurity=False).hexdigest(), len(content), 1)
    artifact = Artifact("model.onnx", pin_of(version).digest, len(content), 1, "onnx")
    record = ModelVersion(model, version, WHEN, WHO, artifact, metrics={"roc_auc": 0.9})
    yield f"{folder}/{version}/version.yaml", _yaml(record.as_yaml())
    yield f"{folder}/{version}/model.onnx.dvc", dump_dvc(pointer)


def stage_file(model: str, stage: str, version: int, serial: int = 1) -> tuple[str, bytes]:
    """A stage file with one version in it."""
    assignment = StageAssignment(model, stage, serial, (pin_of(version),))
    return f"models/{model}/stages/{stage}.yaml", _yaml(assignment.as_yaml())


def model_files(model: str, versions: int) -> Files:
    """A model but for its versions: the last but one in production, the last in staging; an only one in production."""
    yield f"models/{model}/model.yaml", _yaml({"apiVersion": "gitreg/v1", "kind": "Model", "name": model})
    live = max(versions - 1, 1)
    yield stage_file(model, "production", live)
    if live < versions:
        yield stage_file(model, "staging", versions)
    alias = Alias(model, "champion", 1, pin_of(live))
    yield f"models/{model}/aliases/champion.yaml", _yaml(alias.as_yaml())


def _yaml(value: object) -> bytes:
    return dump_yaml(value).encode()


def git(path: Path, *args: str, stdin: str = "") -> str:
    """Plain git; what it printed."""
    done = subprocess.run(["git", *args], cwd=path, input=stdin, check=True, capture_output=True, text=True)
    return done.stdout


class Importer:
    """A ``git fast-import`` process (https://git-scm.com/docs/git-fast-import)."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe

    def commit(
        self,
        ref: str,
        when: datetime,
        files: Files,
        trees: Mapping[str, str] | None = None,
        *,
        start: str | None = None,
        merged: str | None = None,
    ) -> None:
        """A commit on ``ref``, whose first parent is ``start`` (None: the last one on ``ref`` here).

        ``trees`` are put as they are.
        """
        who = f"{WHO.name} <{WHO.email}> {int(when.timestamp())} +0000"
        self._pipe.write(f"commit {ref}\ncommitter {who}\n".encode() + _data(b"bench"))
        parents = [f"from {start}\n" if start else "", f"merge {merged}\n" if merged else ""]
        self._pipe.write("".join(parents).encode())
        for name, oid in (trees or {}).items():
            self._pipe.write(f"M 040000 {oid} {name}\n".encode())
        for name, data in files:
            self._pipe.write(f"M 100644 inline {name}\n".encode() + _data(data))

    def blob(self, data: bytes) -> str:
        """A blob; returns its id."""
        self._pipe.write(b"blob\n" + _data(data))
        return blob_oid(data)


def _data(content: bytes) -> bytes:
    return b"data %d\n" % len(content) + content + b"\n"


@contextmanager
def importing(path: Path) -> Iterator[Importer]:
    """Writes to the repository at ``path``; what was written is there, in one pack, after the block."""
    with subprocess.Popen(["git", "fast-import", "--quiet"], cwd=path, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        yield Importer(process.stdin)
    if process.returncode:
        raise RuntimeError("git fast-import failed")


def first_commit(path: Path, rules: Mapping[str, bytes], when: datetime, models: int, versions: int) -> None:
    """Begins the registry's branch."""
    names = [model_name(number) for number in range(models)]
    files = (file for name in names for file in model_files(name, versions))
    trees = {
        f"models/{name}/versions": _large_folder(path, name, versions) for name in names if versions > PART
    }
    rest = (
        file
        for name in names
        for version in range(1, 0 if trees else versions + 1)
        for file in version_files(f"models/{name}/versions", name, version)
    )
    with importing(path) as importer:
        importer.commit(MAIN, when, chain(rules.items(), files, rest), trees)


def _large_folder(path: Path, model: str, versions: int) -> str:
    """The id of a model's ``versions/``, put together from parts."""
    parts = range(versions // PART + 1)
    numbers = range(1, versions + 1)
    files = (file for n in numbers for file in version_files(str(n // PART), model, n))
    with importing(path) as importer:
        importer.commit("refs/heads/parts", WHEN, files)
    rows = (git(path, "ls-tree", f"refs/heads/parts:{part}") for part in parts)
    tree = git(path, "mktree", stdin="".join(rows)).strip()
    git(path, "update-ref", "-d", "refs/heads/parts")
    return tree


def make_registry(path: Path, models: int, versions: int, *, bare: bool = False) -> Path:
    """A solo registry with one commit, checked out or bare."""
    new = NewRegistry(REGISTRY_ID, "bench", "main", "../storage", WHO, solo=True)
    subprocess.run(["git", "init", "-q", "-b", "main", *(["--bare"] if bare else []), str(path)], check=True)
    first_commit(path, registry_files(new), WHEN, models, versions)
    if not bare:
        git(path, "reset", "-q", "--hard")
    return path


# Registries of a team


@dataclass(frozen=True)
class Team:
    """Dan, who asks, and Alice, who approves: a folder with an SSH key for each."""

    folder: Path

    def key(self, person: str) -> Path:
        """A private key."""
        return self.folder / person

    def policy(self) -> bytes:
        """Production takes a day in staging, a good metric, and an approval of Alice's."""
        keys = {person: self.key(person).with_suffix(".pub").read_text().strip() for person in PEOPLE}
        people = "".join(f'  - {{id: {person}, keys: ["{key}"]}}\n' for person, key in keys.items())
        return _POLICY.replace("PEOPLE\n", people).encode()


PEOPLE = ("dan", "alice")
_POLICY = """\
apiVersion: gitreg/v1
kind: Policy
people:
PEOPLE
groups: {data-science: [dan], risk-owners: [alice]}
rules: {owners: [risk-owners]}
roles:
  data_scientist: {members: [data-science], may: [register, annotate, promote]}
direct: [annotate]
stages:
  - {name: staging, from: [none, archived]}
  - name: production
    from: [staging]
    holds: 1
    replaced: archived
    soak: {in: staging, for: 24h}
    approvals: [{group: risk-owners, count: 1, expire: 14d}]
    gates:
      - {metric: roc_auc, min: 0.85, worse_than_holder_by_at_most: 0.005}
      - {formats: {deny: [pickle, joblib]}}
  - {name: archived, from: [none, staging, production]}
aliases: [{name: champion, stage: production, protected: true}]
"""


def make_team(folder: Path) -> Team:
    """Makes the keys."""
    folder.mkdir()
    for person in PEOPLE:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", person, "-f", str(folder / person)]
        subprocess.run(command, check=True)
    return Team(folder)


def make_team_registry(path: Path, team: Team, models: int, versions: int, commits: int = 100) -> Path:
    """A team's registry as a bare repository; the artifact of the newest version is in ``storage`` beside it.

    Its history has ``commits`` on the first-parent line, an hour apart, all but the first merges; the newest is an
    hour old.
    """
    new = NewRegistry(REGISTRY_ID, "bench", "main", str(path.parent / "storage"), WHO)
    rules = dict(registry_files(new)) | {"policy.yaml": team.policy()}
    _store_object(path.parent / "storage", content_of(versions))
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
    begin = datetime.now(UTC) - timedelta(hours=commits)
    first_commit(path, rules, begin, models, versions)
    with importing(path) as importer:
        for number in range(1, commits):
            files = [_edit(number, models, versions)]
            when = begin + timedelta(hours=number)
            importer.commit("refs/heads/merged", when - timedelta(minutes=30), files, start=MAIN)
            start = f"{MAIN}^0" if number == 1 else None
            importer.commit(MAIN, when, files, start=start, merged="refs/heads/merged")
    # fast-import makes each version of a large folder a difference from the one before it; git packs the newest whole.
    git(path, "repack", "-adfq")
    return path


def _store_object(storage: Path, content: bytes) -> None:
    """Puts an object into a DVC remote as DVC does."""
    name = md5(content, usedforsecurity=False).hexdigest()
    place = storage / "files" / "md5" / name[:2] / name[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def _edit(number: int, models: int, versions: int) -> tuple[str, bytes]:
    """By turns an edit of notes and a move between stages; no stage of the first model."""
    model = model_name(number % models)
    version = 1 + number // models % versions
    if number % 2 and model != model_name(0):
        return stage_file(model, "staging", version, serial=number + 1)
    notes = {"apiVersion": "gitreg/v1", "kind": "VersionNotes", "model": model, "version": version}
    path = f"models/{model}/versions/{version}/notes.yaml"
    return path, _yaml(notes | {"description": f"edited {number} times"})


def ask_and_approve(path: Path, team: Team, version: int) -> str:
    """Dan's request to promote a version of the first model to production, approved by Alice; returns its number."""
    _gitreg(path, team, "dan", "promote", f"{model_name(0)}/{version}", "--to", "production")
    refs = git(path, "for-each-ref", "--format=%(refname:lstrip=3)", "refs/gitreg/requests/").split()
    number = str(max(map(int, refs)))
    _gitreg(path, team, "alice", "change", "approve", number)
    return number


def _gitreg(path: Path, team: Team, person: str, *args: str) -> None:
    environment = ENVIRONMENT | {"GITREG_SSH_KEY": str(team.key(person))}
    subprocess.run([*GITREG, "-R", str(path), *args], env=environment, check=True, capture_output=True)


def file_requests(path: Path, team: Team, numbers: range, state: str = MERGED) -> None:
    """Change requests of Dan's about other changes: merged long ago, or ``open``, each with its own signature."""
    signer = SshSigner(team.key("dan"))
    body = "What moves, the metrics beside those of the version that is live, and what is missing.\n" * 20
    signature, moves = "", []
    with importing(path) as importer:
        for number in numbers:
            change = sha256(b"change %d" % number).hexdigest()
            statement = opening_statement(REGISTRY_ID, MAIN, change, WHEN)
            if state == OPEN or not signature:
                signature = signer.sign(canonical(statement))
            record = Record(
                number=number,
                title=f"Promote {model_name(1)}/{number} to production",
                body=body,
                branch=f"gitreg/promote-{number}",
                target="main",
                state=state,
                change_id=change,
                opened_at=WHEN,
                merged_as=change[:40] if state == MERGED else None,
                statement=statement,
                signature=signature,
            )
            moves.append(f"create refs/gitreg/requests/{number} {importer.blob(encode(record))}\n")
    git(path, "update-ref", "--stdin", stdin="".join(moves))
    git(path, "pack-refs", "--all")
