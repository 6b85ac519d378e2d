"""What the tests of gitreg's GitHub adapter share: people with tokens at work on one repository of a fake GitHub."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from forge_contract import NOW, TRUNK, Desk, seed

from forge.bare import Person
from forge.fake_github import FakeGitHub
from forge.fake_github_state import GitHubRepository
from forge.git_host import Fault
from gitreg.adapters.forge.address import Address
from gitreg.adapters.forge.github.forge import GithubForge
from gitreg.adapters.forge.tokens import Token
from gitreg.adapters.git.repository import GitRepository

HUB = "acme/models"
PULLS = f"/repos/{HUB}/pulls"
PEOPLE = {"alice-gh": "alice@example.com", "bob-gh": "bob@example.com", "carol-gh": "carol@example.com"}


@dataclass
class World:
    """A fake GitHub with a seeded repository; ``warnings`` are what desks were told."""

    github: FakeGitHub
    hub: GitHubRepository
    folder: Path
    warnings: list[str] = field(default_factory=list)
    _serial: Iterator[int] = field(default_factory=itertools.count)

    def forge(
        self,
        repository: GitRepository,
        token: str,
        environment: Mapping[str, str] | None = None,
        source: str = "GH_TOKEN",
    ) -> GithubForge:
        """The forge as one token sees it."""
        return GithubForge(
            repository,
            TRUNK,
            self.address(),
            Token(token, "GitHub token", source),
            environment or {},
            self.warnings.append,
        )

    def address(self, name: str = HUB) -> Address:
        host = self.github.url.removeprefix("http://")
        return Address("github", "http", host, name, self.github.api)

    def desk(
        self, login: str, token: str | None = None, environment: Mapping[str, str] | None = None
    ) -> Desk:
        """A clone of one person, who pushes and asks with a token of theirs."""
        value = token or self.github.personal_token(login)
        path = self.folder / f"{login}-{next(self._serial)}"
        url = self.github.remote(self.hub.full_name, value)
        _git("clone", "-q", self.hub.bare.path, path)  # quicker than over HTTP
        _git("-C", path, "remote", "set-url", "origin", url)
        repository = GitRepository.open(path)
        return Desk(repository, self.forge(repository, value, environment))


def _git(*args: str | Path) -> None:
    subprocess.run(["git", *args], check=True, capture_output=True)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A GitHub whose clock stands at ``NOW``; at the end all exchanges must have been as GitHub describes them."""
    with FakeGitHub(folder / "github", NOW) as github:
        for login, email in PEOPLE.items():
            github.add_person(login, email)
        hub = github.add_repository(HUB, dict.fromkeys(PEOPLE, "write") | {"alice-gh": "admin"})
        with GitRepository.open(hub.bare.path) as repository:
            seed(repository)
        yield World(github, hub, folder)
    github.demand_conforming()


def fork_of(hub: World, login: str, branch: str) -> tuple[str, str]:
    """A fork with a commit on a branch, and the number of its pull request."""
    fork = hub.github.fork(hub.hub, login)
    base, person = fork.bare.branch("main"), Person("Bob", "bob@example.com", NOW)
    assert base
    blob = fork.bare.text("hash-object", "-w", "--stdin", stdin=b"from a fork\n")
    tree = fork.bare.text("mktree", stdin=f"100644 blob {blob}\tfork.txt\n".encode())
    head = fork.bare.write_commit(tree, [base], "From a fork\n", person, person)
    with hub.github.moving(fork, login):
        fork.bare.move(f"refs/heads/{branch}", head)
    return head, str(hub.github.open_pull(login, f"{login}:{branch}"))


class Meanwhile(Fault):
    """Does something just before a call is answered, once; nothing fails."""

    def __init__(self, action: Callable[[], object], method: str, path: str) -> None:
        super().__init__(None, method, path)
        self.action = action

    def meets(self, method: str, path: str) -> bool:
        """Never; but the call is noticed."""
        if super().meets(method, path):
            self.times = 0
            self.action()
        return False


class Exactly(Fault):
    """A fault of one path, and not of what is below it."""

    def meets(self, method: str, path: str) -> bool:
        """Whether it is about this call."""
        return super().meets(method, path) and path == self.path
