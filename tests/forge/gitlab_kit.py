"""What the tests of gitreg's GitLab adapter share: people with tokens at work on one project of a fake GitLab."""

from __future__ import annotations

import atexit
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from forge_contract import NOW, TRUNK, Desk, seed

from forge.fake_gitlab import FakeGitLab
from forge.records import Hosted
from gitreg.adapters.forge.address import Address
from gitreg.adapters.forge.gitlab.forge import GitlabForge
from gitreg.adapters.forge.tokens import JOB, Token
from gitreg.adapters.git.repository import GitRepository

HUB = "acme/risk/models"
_ORIGIN = "https://gitlab.example.com/template.git"


@dataclass
class World:
    """A fake GitLab with a seeded project; ``warnings`` are what desks were told."""

    gitlab: FakeGitLab
    hub: Hosted
    folder: Path
    warnings: list[str] = field(default_factory=list)
    _serial: Iterator[int] = field(default_factory=itertools.count)

    def address(self, name: str = HUB) -> Address:
        host = self.gitlab.url.removeprefix("http://")
        return Address("gitlab", "http", host, name, f"{self.gitlab.url}/api/v4")

    def forge(
        self, repository: GitRepository, token: str, kind: str = "GitLab access token", name: str = HUB
    ) -> GitlabForge:
        """The forge as one token sees it."""
        source = "CI_JOB_TOKEN" if kind == JOB else "GITLAB_TOKEN"
        return GitlabForge(
            repository, TRUNK, self.address(name), Token(token, kind, source), self.warnings.append
        )

    def desk(self, login: str, token: str | None = None) -> Desk:
        """A clone of one person, who pushes and asks with a token of theirs."""
        value = token or self.gitlab.personal_token(login)
        path = self.folder / f"{login}-{next(self._serial)}"
        shutil.copytree(_template() / "work", path)
        config = path / ".git" / "config"
        url = self.gitlab.remote(self.hub.full_name, value)
        config.write_text(config.read_text().replace(_ORIGIN, url))
        repository = GitRepository.open(path)
        return Desk(repository, self.forge(repository, value))


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A GitLab whose clock stands at ``NOW``. Alice is maintainer, Bob and Carol are developers, Rita only reports."""
    with FakeGitLab(folder / "gitlab", NOW) as gitlab:
        for login in ("alice", "bob", "carol", "rita"):
            gitlab.add_user(login)
        roles = {"alice": "maintainer", "bob": "developer", "carol": "developer", "rita": "reporter"}
        yield World(gitlab, gitlab.add_project(HUB, template=_template() / "hub.git", **roles), folder)
    gitlab.demand_conforming()


@cache
def _template() -> Path:
    """A seeded bare repository and a clone of it: to copy them costs no process."""
    folder = Path(tempfile.mkdtemp(prefix="gitreg-template-"))
    atexit.register(shutil.rmtree, folder)
    git = ["git", "-c", "init.templateDir=", "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "-q", "--bare", folder / "hub.git"], check=True)
    with GitRepository.open(folder / "hub.git") as repository:
        seed(repository)
    subprocess.run([*git, "clone", "-q", folder / "hub.git", folder / "work"], check=True)
    subprocess.run(["git", "-C", folder / "work", "remote", "set-url", "origin", _ORIGIN], check=True)
    return folder
