"""From a registry to its forge, its token, and what git shows a server."""

from __future__ import annotations

import os
from pathlib import Path
from weakref import ref

import pytest
from flow_kit import REGISTRY
from git_kit import commit_files, git, hub_and_clone, pin
from http_kit import serving

from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import Credential, RefUpdate
from gitreg.errors import ConfigError, Undecided
from gitreg.wiring import Opened, Options, open_registry, workspace
from gitreg.wiring.forge import address, credential, settings, token

LOCAL = "{provider: local}"
VARIABLES = [
    *("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
    *("GH_HOST", "GITHUB_SERVER_URL", "GITHUB_API_URL"),
    *("GITLAB_TOKEN", "CI_JOB_TOKEN", "GITLAB_HOST", "CI_SERVER_URL", "CI_API_V4_URL"),
]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No token of the machine's, and a ``gh`` that nobody is logged in to."""
    (tmp_path / "home").mkdir()
    gh = tmp_path / "home" / "gh"
    gh.write_text("#!/bin/sh\nexit 1\n")
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gh.parent}{os.pathsep}{os.environ['PATH']}")
    pin(monkeypatch, tmp_path / "home")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def registry(tmp_path: Path, forge: str, origin: str) -> Opened:
    """A registry whose branch has these settings, with an origin of that URL."""
    _, work = hub_and_clone(tmp_path, {"gitreg.yaml": REGISTRY.replace(LOCAL, forge)})
    git(work, "remote", "set-url", "origin", origin)
    return Opened(GitRepository.open(work), "", "main")


def test_where_a_registry_lives(tmp_path: Path) -> None:
    opened = registry(tmp_path, "{provider: github}", "git@github.com:acme/models.git")
    assert address(opened).page == "https://github.com/acme/models"


def test_the_address_is_the_one_that_git_uses(tmp_path: Path) -> None:
    """A person's git may call the server by another name."""
    opened = registry(tmp_path, "{provider: gitlab}", "lab:acme/risk/models")
    git(tmp_path / "home", "config", "--global", "url.https://gitlab.example.com/.insteadOf", "lab:")
    assert address(opened).api == "https://gitlab.example.com/api/v4"


def test_a_change_does_not_choose_where_tokens_go(tmp_path: Path) -> None:
    opened = registry(tmp_path, "{provider: github}", "git@github.com:acme/models.git")
    evil = REGISTRY.replace(LOCAL, "{provider: github, host: evil.example}")
    commit_files(tmp_path / "work", {"gitreg.yaml": evil})
    assert address(opened).host == "github.com"


def test_a_registry_on_no_forge(tmp_path: Path) -> None:
    opened = registry(tmp_path, LOCAL, "git@github.com:acme/models.git")
    with pytest.raises(ConfigError, match="on no hosted forge"):
        address(opened)
    assert settings(Opened(opened.repository, "", "unborn")).provider == "local"
    assert settings(Opened(opened.repository, "elsewhere", "main")).provider == "local"


def test_the_token_of_a_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = registry(tmp_path, "{provider: github}", "https://github.com/acme/models")
    with pytest.raises(ConfigError, match=r"no token for github\.com"):
        token(address(opened))
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_x")
    assert token(address(opened)).value == "ghs_x"


def test_what_git_shows_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = registry(tmp_path, "{provider: gitlab}", "https://git.example.com/acme/models")
    with pytest.raises(Undecided, match=r"no token for git\.example\.com"):
        credential(opened, "https", "git.example.com")
    monkeypatch.setenv("GITLAB_TOKEN", "glpat-x")
    monkeypatch.setenv("GITLAB_HOST", "git.example.com")
    expected = Credential("https", "git.example.com", "oauth2", "glpat-x")
    assert credential(opened, "https", "git.example.com") == expected
    assert credential(None, "https", "git.example.com") == expected
    assert credential(opened, "http", "git.example.com") is None
    assert credential(opened, "https", "other.example.com") is None
    assert credential(None, "https", "evil.example@git.example.com") is None
    with pytest.raises(Undecided, match="GITLAB_TOKEN is for"):
        credential(opened, "https", "gitlab.com")


def test_a_workspace_does_not_keep_its_repository(tmp_path: Path) -> None:
    """The process that reads for it would go on, and keep a disk busy."""
    opened = registry(tmp_path, LOCAL, "/nowhere")
    ended = ref(opened.repository)
    workspace(opened, Options())
    del opened
    assert ended() is None


def test_a_registry_behind_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace pushes with it, and ``-R URL`` reads with it."""
    opened = registry(tmp_path, "{provider: github}", "/nowhere")
    with serving(tmp_path, {"x-access-token": "ghp_x"}) as url:
        git(tmp_path / "work", "remote", "set-url", "origin", f"{url}/hub.git")
        monkeypatch.setenv("GITHUB_SERVER_URL", url)
        monkeypatch.setenv("GITREG_CACHE_DIR", os.fspath(tmp_path / "cache"))
        repository = workspace(opened, Options()).repository
        with pytest.raises(Undecided, match="there is no token for 127"):
            repository.fetch()
        monkeypatch.setenv("GH_TOKEN", "ghp_x")
        repository.fetch()
        main = repository.hub_ref("refs/heads/main")
        repository.update([RefUpdate("refs/heads/gitreg/x", None, main)])
        assert git(tmp_path / "hub.git", "rev-parse", "gitreg/x") == main
        read = open_registry(Options(registry=f"{url}/hub.git"))
        assert read.repository.hub_ref("refs/heads/gitreg/x") == main
        read.repository.close()
    opened.repository.close()
