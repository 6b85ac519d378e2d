"""Runs workflows with act, on this machine and without a container, network or GitHub.

act (https://github.com/nektos/act) reads workflows and actions as GitHub's runner does. The actions of others are
replaced by stand-ins that do the same with plain git and venv; gitreg's own action is the real one, from this tree.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffold_kit import ACTION, ROOT

STAND_INS = Path(__file__).parent / "stand_ins"
#: By the repository of each action that is replaced: its stand-in.
OTHERS = {
    "actions/cache": "cache",
    "actions/checkout": "checkout",
    "actions/create-github-app-token": "app_token",
    "actions/setup-python": "setup_python",
}
_USES = re.compile(r"uses: ([\w-]+/[\w.-]+)(?:/\S*)?@([0-9a-f]{40})")
_SECONDS = 120
#: act may lose the last words of a step that ends at once. So steps' shells also write what they print to a file.
_BASH = """\
#!{bash}
if [ -n "$STAND_IN_NESTED" ]; then exec {bash} "$@"; fi
STAND_IN_NESTED=yes {bash} "$@" 2>&1 | tee -a "$STAND_IN_LOG"
exit "${{PIPESTATUS[0]}}"
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended, what its steps ``printed``, and act's ``log``."""

    code: int
    printed: str
    log: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def summary(self) -> str:
        """The step summaries, as act shows them."""
        return "\n".join(part.group(1) for part in re.finditer(r"Summary - ([\s\S]*?)(?=\n\[|\Z)", self.log))

    def job(self, name: str) -> str | None:
        """``succeeded`` or ``failed``; None if the job did not run."""
        found = re.search(
            rf"^\[[^]]*/{re.escape(name)} *\] \S+ +Job (succeeded|failed)", self.log, re.MULTILINE
        )
        return found[1] if found else None


@dataclass
class Act:
    """A machine that runs workflows for one repository of a forge at ``server``.

    ``whole``: the action's commit has gitreg, too, as on GitHub; else its action alone.
    """

    home: Path
    server: str
    repository: str
    token: str = "a-secret-token"
    api: str | None = None
    whole: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def run(
        self,
        checkout: Path,
        workflow: str,
        event: str,
        payload: Mapping[str, Any],
        *,
        ref: str,
        sha: str,
        actor: str = "alice",
        run_id: int = 1,
    ) -> Ran:
        """Runs one workflow of a checkout, which is where GitHub would have read it from."""
        self._prepare()
        path = self.home / "event.json"
        path.write_text(json.dumps(payload))
        inputs = payload.get("inputs") or {}
        environment = {
            "GITHUB_SERVER_URL": self.server,
            "GITHUB_API_URL": self.api or f"{self.server}/api/v3",
            "GITHUB_REPOSITORY": self.repository,
            "GITHUB_REF": ref,
            "GITHUB_SHA": sha,
            "GITHUB_RUN_ID": str(run_id),
        } | self.environment
        command = [
            str(Path(sys.executable).parent / "act"),
            event,
            *("--workflows", workflow, "--eventpath", os.fspath(path), "--actor", actor),
            *("--platform", "ubuntu-latest=-self-hosted", "--no-skip-checkout", "--action-offline-mode"),
            *("--no-cache-server", "--concurrent-jobs", "1", "--secret", f"GITHUB_TOKEN={self.token}"),
            *_options("--env", environment),
            *_options("--var", self.variables),
            *_options("--secret", self.secrets),
            *_options("--input", inputs),
            *_options("--local-repository", self._repositories(checkout / workflow)),
        ]
        done = subprocess.run(
            command,
            cwd=checkout,
            env=self._inherited(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return Ran(done.returncode, (self.home / "printed").read_text(), done.stdout)

    def _prepare(self) -> None:
        (self.home / "bin").mkdir(parents=True, exist_ok=True)
        (self.home / "printed").write_text("")
        bash = self.home / "bin" / "bash"
        bash.write_text(_BASH.format(bash=shutil.which("bash")))
        bash.chmod(0o755)

    def _inherited(self) -> dict[str, str]:
        """What a step has of this machine: little, as on GitHub's; and this tree's gitreg on the PATH."""
        folders = [os.fspath(self.home / "bin"), os.fspath(Path(sys.executable).parent)]
        kept = {key: os.environ[key] for key in ("LANG", "TMPDIR") if key in os.environ}
        return kept | {
            "HOME": os.fspath(self.home),
            "PATH": os.pathsep.join([*folders, os.environ["PATH"]]),
            "PYTHONPATH": os.fspath(ROOT),
            "GIT_CONFIG_NOSYSTEM": "1",
            "STAND_IN_LOG": os.fspath(self.home / "printed"),
            "STAND_IN_PYTHON": sys.executable,
        }

    def _repositories(self, workflow: Path) -> dict[str, str]:
        """Where act finds the action that each ``uses`` names: nothing is fetched."""
        found = set(_USES.findall(workflow.read_text() + (ACTION / "action.yml").read_text()))
        return {f"{self.server}/{repo}@{commit}": os.fspath(self._action(repo)) for repo, commit in found}

    def _action(self, repository: str) -> Path:
        if repository in OTHERS:
            return STAND_INS / OTHERS[repository]
        own = self.home / "own"
        if not own.exists():
            shutil.copytree(ACTION, own / ".github" / "actions" / "gitreg")
            for file in ("pyproject.toml", "README.md", "LICENSE"):
                shutil.copy(ROOT / file, own)
            for folder in ("gitreg", "schemas", "example-registry") if self.whole else ():
                shutil.copytree(ROOT / folder, own / folder, ignore=shutil.ignore_patterns("__pycache__"))
        return own


def _options(option: str, values: Mapping[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in (option, f"{name}={value}")]


def with_this_gitreg(text: str) -> str:
    """A workflow that uses the gitreg on the PATH: an installation of its own takes seconds."""
    return text.replace('version: ""', "version: installed")
