"""What git is run with, and what its failures come to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from git_kit import git, init, pin

from gitreg.adapters.git.run import attempt, environment, failure, redact, run
from gitreg.errors import ConfigError, GitregError, Refused, Undecided


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, tmp_path)


def test_only_harmless_variables_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = {
        "GIT_SSH_COMMAND": "ssh -i key",
        "GIT_ASKPASS": "/bin/askpass",
        "SSH_ASKPASS": "/bin/askpass",
        "GIT_SSL_CAINFO": "/etc/ca.pem",
        "GIT_AUTHOR_NAME": "Alice",
        "GIT_COMMITTER_EMAIL": "alice@example.com",
        "GIT_CONFIG_COUNT": "0",
    }
    dropped = {
        "GIT_DIR": "/elsewhere",
        "GIT_WORK_TREE": "/elsewhere",
        "GIT_INDEX_FILE": "/elsewhere",
        "GIT_OBJECT_DIRECTORY": "/elsewhere",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "/elsewhere",
        "GIT_AUTHOR_DATE": "2001-01-01",
        "GIT_COMMITTER_DATE": "2001-01-01",
        "GIT_NAMESPACE": "x",
        "GIT_TRACE": "1",
        "GIT_EXTERNAL_DIFF": "evil",
        "GIT_CONFIG": "x",
        "GIT_REPLACE_REF_BASE": "refs/x",
        "GIT_SHALLOW_FILE": "x",
    }
    for name, value in (passed | dropped | {"GIT_ALLOW_PROTOCOL": "ext"}).items():
        monkeypatch.setenv(name, value)
    result = environment()
    assert passed.items() <= result.items()
    assert not dropped.keys() & result.keys()
    assert result["GIT_ALLOW_PROTOCOL"] == "file:git:http:https:ssh"
    assert result["GIT_TERMINAL_PROMPT"] == "0"
    assert result["GIT_GRAFT_FILE"] == "/dev/null"


def test_the_quarantine_passes_inside_a_hook_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/hub/incoming")
    monkeypatch.setenv("GIT_ALTERNATE_OBJECT_DIRECTORIES", "/hub/objects")
    assert "GIT_OBJECT_DIRECTORY" not in environment()
    monkeypatch.setenv("GIT_QUARANTINE_PATH", "/hub/incoming")
    assert environment()["GIT_OBJECT_DIRECTORY"] == "/hub/incoming"
    assert environment()["GIT_ALTERNATE_OBJECT_DIRECTORIES"] == "/hub/objects"


def test_hooks_and_monitors_of_the_repository_do_not_run(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    sign = tmp_path / "it-ran"
    script = top / "evil"
    script.write_text(f"#!/bin/sh\ntouch {sign}\n")
    script.chmod(0o755)
    (top / ".git" / "hooks" / "reference-transaction").symlink_to(script)
    git(top, "config", "core.fsmonitor", os.fspath(script))
    run(["status"], top)
    run(["update-ref", "refs/heads/x", "HEAD"], top)
    assert not sign.exists()
    git(top, "update-ref", "refs/heads/y", "HEAD")
    assert sign.exists()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:s3cret@host/x.git", "https://host/x.git"),
        ("https://s3cret@host/x.git", "https://host/x.git"),
        ("unable to access 'https://u:s3@cret@host/x/': no", "unable to access 'https://host/x/': no"),
        ("git@host:x.git", "git@host:x.git"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_credentials_are_not_shown(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        "ssh: Could not resolve hostname nowhere: unknown\nfatal: Could not read from remote repository.",
        "fatal: unable to access 'https://u:t0ken@host/x/': Could not resolve host: host",
        "fatal: '/nowhere' does not appear to be a git repository\nfatal: Could not read from remote repository.",
        "ssh: connect to host x port 22: Connection timed out\nfatal: Could not read from remote repository.",
        "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
        "fatal: could not read Username for 'https://host': terminal prompts disabled",
        "remote: Repository not found.\nfatal: repository 'https://u:t0ken@host/x/' not found",
        "error: RPC failed; curl 56 GnuTLS recv error\nfatal: early EOF",
        "fatal: the remote end hung up unexpectedly",
    ],
)
def test_an_unreachable_remote_is_undecided(text: str) -> None:
    error = failure(text, "origin (https://host/x)")
    assert isinstance(error, Undecided)
    assert error.message.startswith("origin (https://host/x) could not be reached: ")
    assert "t0ken" not in error.message
    assert "\n" not in error.message


def test_other_failures(tmp_path: Path) -> None:
    assert isinstance(failure("fatal: bad object 1234"), Undecided)
    assert isinstance(
        failure("error: insufficient permission for adding an object to repository database"), Refused
    )
    assert isinstance(failure("fatal: transport 'ext' not allowed"), ConfigError)
    assert failure("hint: x\nfatal: it is odd\nhint: more\n").message == "git failed: it is odd"
    assert failure("").message == "git failed: it gave no reason"
    with pytest.raises(GitregError, match="not a git command"):
        run(["no-such-command"], tmp_path)
    with pytest.raises(ConfigError, match="no folder"):
        attempt(["version"], tmp_path / "nowhere")


def test_a_repository_of_another_owner_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    # git's own switch for its tests: it takes every repository for another user's.
    monkeypatch.setattr(
        "gitreg.adapters.git.run._OWN", {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1", "LC_ALL": "C"}
    )
    with pytest.raises(ConfigError, match="another user owns it") as caught:
        run(["rev-parse", "HEAD"], top)
    assert caught.value.hint is not None
    assert f"git config --global --add safe.directory {top}" in caught.value.hint
