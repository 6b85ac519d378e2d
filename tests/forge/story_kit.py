"""What the stories on hosted forges share: people with clones and tokens, who use gitreg's command line alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flow_kit import bytes_of, git, registration, store_object

from gitreg.core.plan.register import NewModel, plan_register
from gitreg.core.plan.transition import plan_promote
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.surfaces.cli.main import run

#: When a registry was begun: an approval in the very second of the rules would not count.
BEGUN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
SOURCE = "acme/gitreg@3f786850e387550fdab836ed7e6dc881de23001b"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@dataclass
class Person:
    """Somebody with a clone, a name in git and a token for the forge."""

    name: str
    folder: Path
    environment: Mapping[str, str]
    capsys: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    keys: Path

    def __call__(self, *args: str, code: int | None = 0, **more: str) -> Said:
        """Runs gitreg in the clone; ``code`` is the exit code that it must have (None: any)."""
        with self.patch.context() as patch:
            names = {"NAME": self.name.title(), "EMAIL": f"{self.name}@example.com"}
            for role in ("AUTHOR", "COMMITTER"):
                for key, value in names.items():
                    patch.setenv(f"GIT_{role}_{key}", value)
            patch.setenv("GITREG_SSH_KEY", os.fspath(self.keys / self.name))
            for key, value in {**self.environment, **more}.items():
                patch.setenv(key, value)
            self.capsys.readouterr()
            found = run(["-C", os.fspath(self.folder), *args])
        printed = self.capsys.readouterr()
        assert code is None or found == code, (found, printed.out, printed.err)
        return Said(found, printed.out, printed.err)

    def git(self, *args: str) -> str:
        return git(self.folder, *args)

    def commit(self, *args: str, when: datetime | None = None) -> None:
        """Commits everything by hand, as of now or of another moment."""
        who = ["-c", f"user.name={self.name.title()}", "-c", f"user.email={self.name}@example.com"]
        self.git("add", "-A")
        with self.patch.context() as patch:
            if when is not None:
                patch.setenv("GIT_COMMITTER_DATE", when.isoformat())
            self.git(*who, "commit", "-q", *args)

    def adds_notes(self, url: str, branch: str) -> None:
        """Pushes one commit more to a request's branch, which edits a version's notes."""
        self.git("fetch", "-q", url, branch)
        self.git("checkout", "-q", "-B", "more", "FETCH_HEAD")
        header = "apiVersion: gitreg/v1\nkind: VersionNotes\nmodel: credit-risk\nversion: 1\n"
        notes = self.folder / "models/credit-risk/versions/1/notes.yaml"
        notes.write_text(f"{header}description: new\n")
        self.commit("-m", "One thing more")
        self.git("push", "-q", url, f"HEAD:{branch}")


@dataclass
class Payloads:
    """Files to register."""

    folder: Path
    _made: list[Path] = field(default_factory=list)

    def __call__(self, content: bytes) -> str:
        path = self.folder / str(len(self._made)) / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        self._made.append(path)
        return os.fspath(path)


def stage_first_version(folder: Path, artifacts: Path) -> None:
    """Puts version 1 of credit-risk into staging of a registry that nobody has published yet."""
    store_object(artifacts, bytes_of(1))
    files = {name: (folder / name).read_bytes() for name in ("gitreg.yaml", "policy.yaml")}
    new = registration("credit-risk", 1, create=NewModel(title="Credit risk"))
    for plan in (lambda s: plan_register(s, new), lambda s: plan_promote(s, "credit-risk", 1, "staging")):
        made = plan(Snapshot(MemoryTree(files)))
        files |= {path: data for path, data in made.edits.items() if data is not None}
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
