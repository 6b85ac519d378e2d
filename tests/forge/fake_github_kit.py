"""People with clones around a repository on a fake GitHub."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from forge.bare import Bare
from forge.fake_github import FakeGitHub
from forge.fake_github_state import GitHubRepository

#: Each person's role in ``acme/models``; Mallory has none.
PEOPLE = {"dan": "write", "alice": "write", "bo": "admin", "rita": "read", "mallory": "none"}
NAME = "acme/models"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API answered."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def message(self) -> str:
        """The error's sentence, and the sentences below it."""
        below = self.body.get("errors", [])
        return " | ".join([self.body["message"], *(str(one) for one in below)])


class Team:
    """A checkout in ``folder``, everybody's tokens, and the API as a client sees it."""

    def __init__(self, github: FakeGitHub, folder: Path) -> None:
        self.github, self.folder = github, folder
        self.tokens = {login: github.personal_token(login) for login in PEOPLE}
        self._branches, self._at = {"main"}, "main"

    @property
    def repo(self) -> GitHubRepository:
        """The repository as the host has it."""
        return self.github.repo(NAME)

    def git(self, *args: str, check: bool = True) -> str:
        """Runs git in the checkout; what it printed, errors too where they are no surprise."""
        return _git(self.folder, *args, check=check)

    def commit(self, branch: str, files: Mapping[str, str], login: str = "dan", start: str = "main") -> str:
        """A commit on a branch of the checkout, which begins at ``start``; returns its id."""
        if branch not in self._branches:
            self.git("checkout", "-q", "-b", branch, start)
            self._branches.add(branch)
        elif self._at != branch:
            self.git("checkout", "-q", branch)
        self._at = branch
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        self.git("add", "-A")
        who = ("-c", f"user.name={login.title()}", "-c", f"user.email={login}@example.com")
        self.git(*who, "commit", "-q", "--allow-empty", "-m", f"Changes {' '.join(files)}")
        return self.git("rev-parse", "HEAD")

    def push(self, login: str, *refs: str, check: bool = True) -> str:
        """Pushes as somebody; what git said."""
        return self.git("push", self.github.remote(NAME, self.tokens.get(login, login)), *refs, check=check)

    def propose(
        self, branch: str = "gitreg/change", login: str = "dan", files: Mapping[str, str] | None = None
    ) -> int:
        """A branch with a commit, and its pull request."""
        self.commit(branch, files or {"stage.yaml": "version: 2\n"}, login)
        self.push(login, branch)
        return self.github.open_pull(login, branch)

    def api(self, login: str | None, method: str, path: str, body: Any = None, *, name: str = NAME) -> Reply:
        """Calls the API; a path beginning with ``~`` is below the repository, a ``login`` may be a token."""
        headers = {"Authorization": f"Bearer {self.tokens.get(login, login)}"} if login else {}
        url = self.github.api + path.replace("~", f"/repos/{name}", 1)
        got = requests.request(method, url, json=body, headers=headers, timeout=10)
        return Reply(got.status_code, got.json() if got.content else None, got.headers)


def _git(folder: Path, *args: str, check: bool = True) -> str:
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }
    done = subprocess.run(["git", *args], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return (done.stdout + ("" if check else done.stderr)).strip()


def make_template(folder: Path) -> None:
    """A checkout (``work``) whose ``main`` has one commit, and a bare repository that has the objects alone."""
    work = folder / "work"
    work.mkdir(parents=True)
    (work / "README.md").write_text("models\n")
    (work / "stage.yaml").write_text("version: 1\n")
    _git(work, "init", "-q", "--template=", "-b", "main")
    _git(work, "add", "-A")
    _git(work, "-c", "user.name=Bo", "-c", "user.email=bo@example.com", "commit", "-q", "-m", "The registry")
    bare = Bare.create(folder / "bare")
    # One pack is copied faster than many loose objects.
    bare.text("-c", "fetch.unpackLimit=1", "fetch", "-q", str(work), "main")
    _git(work, "repack", "-adq")


@contextmanager
def team(template: Path, root: Path, *, private: bool = False) -> Iterator[Team]:
    """A team whose repository has a ``main`` of one commit. Every exchange must have been as GitHub describes it."""
    with FakeGitHub(root / "host") as github:
        for login in PEOPLE:
            github.add_person(login, f"{login}@example.com")
        bare = root / "host" / f"{NAME}.git"
        shutil.copytree(template / "bare", bare)
        shutil.copytree(template / "work", root / "work")
        repo = github.adopt_repository(NAME, bare, PEOPLE, private=private)
        made = Team(github, root / "work")
        with github.moving(repo, "bo"):
            repo.bare.move("refs/heads/main", made.git("rev-parse", "main"))
        yield made
    github.demand_conforming()


def ruleset(**parameters: Any) -> dict[str, Any]:
    """A ruleset of the default branch: a review, the check ``gitreg``, no deletion and no force-push."""
    review = {
        "dismiss_stale_reviews_on_push": False,
        "require_code_owner_review": False,
        "require_last_push_approval": False,
        "required_approving_review_count": 1,
        "required_review_thread_resolution": False,
    }
    checks = {
        "strict_required_status_checks_policy": False,
        "required_status_checks": [{"context": "gitreg", "integration_id": 15368}],
    }
    for name, value in parameters.items():
        (review if name in review else checks)[name] = value
    return {
        "name": "gitreg",
        "target": "branch",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}},
        "rules": [
            {"type": "deletion"},
            {"type": "non_fast_forward"},
            {"type": "pull_request", "parameters": review},
            {"type": "required_status_checks", "parameters": checks},
        ],
    }
