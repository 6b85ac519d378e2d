"""People with clones around a repository on a fake GitHub."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

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
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    @property
    def repo(self) -> GitHubRepository:
        """The repository as the host has it."""
        return self.github.repo(NAME)

    def git(self, *args: str, check: bool = True) -> str:
        """Runs git in the checkout; what it printed, errors too where they are no surprise."""
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
        }
        done = subprocess.run(
            ["git", *args], cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return (done.stdout + ("" if check else done.stderr)).strip()

    def commit(self, branch: str, files: Mapping[str, str], login: str = "dan", start: str = "main") -> str:
        """A commit on a branch of the checkout, which begins at ``start``; returns its id."""
        known = self.git("branch", "--list", branch)
        if branch != "main":
            self.git("checkout", "-q", *((branch,) if known else ("-b", branch, start)))
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


@contextmanager
def team(root: Path, *, private: bool = False) -> Iterator[Team]:
    """A team whose repository has a ``main`` of one commit. Every exchange must have been as GitHub describes it."""
    with FakeGitHub(root / "host") as github:
        for login in PEOPLE:
            github.add_person(login, f"{login}@example.com")
        github.add_repository(NAME, PEOPLE, private=private)
        made = Team(github, root / "work")
        made.commit("main", {"README.md": "models\n", "stage.yaml": "version: 1\n"}, "bo")
        made.push("bo", "main")
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
