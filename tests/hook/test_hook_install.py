"""Installing the hook: what it refuses, what it sets, and what it says of a repository; and who pushes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from flow_kit import Desk, git

from gitreg.adapters.git.pusher import pusher_in
from gitreg.core.ports import Pusher
from gitreg.surfaces.cli.main import run


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An empty bare repository."""
    folder = tmp_path / "models.git"
    git(tmp_path, "init", "-q", "--bare", "--initial-branch=main", os.fspath(folder))
    return folder


def install(folder: Path, *options: str) -> int:
    return run(["-R", os.fspath(folder), "hook", "install", *options])


def said(capsys: pytest.CaptureFixture[str]) -> str:
    found = capsys.readouterr()
    return found.out + found.err


def config(folder: Path, key: str) -> str:
    return git(folder, "config", "--get-all", key, check=False)


def test_sets_what_git_itself_has_to_check(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(bare, "--max-size", "1MiB", "--remote", "s3://bucket/models") == 0
    assert config(bare, "receive.fsckObjects") == "true"
    assert config(bare, "receive.maxInputSize") == str(1 << 20)
    assert config(bare, "gitreg.remote") == "s3://bucket/models"
    assert config(bare, "gitreg.branch") == "main"
    assert os.access(bare / "hooks" / "pre-receive", os.X_OK)
    assert "it guards the branch main" in said(capsys)


def test_may_be_run_again_and_keeps_the_repositorys_name(bare: Path) -> None:
    assert install(bare) == 0
    name = git(bare, "cat-file", "-p", "refs/gitreg/hub")
    assert install(bare, "--branch", "live") == 0
    assert config(bare, "gitreg.branch") == "live"
    assert git(bare, "cat-file", "-p", "refs/gitreg/hub") == name == config(bare, "gitreg.hub")


def test_a_copy_gets_a_name_of_its_own(bare: Path, tmp_path: Path) -> None:
    install(bare)
    copy = tmp_path / "copy.git"
    git(tmp_path, "clone", "-q", "--mirror", os.fspath(bare), os.fspath(copy))
    install(copy)
    assert git(copy, "cat-file", "-p", "refs/gitreg/hub") != git(bare, "cat-file", "-p", "refs/gitreg/hub")


def test_takes_the_branch_from_the_registry_that_is_there(desk: Desk) -> None:
    git(desk.origin, "symbolic-ref", "HEAD", "refs/heads/other")
    assert install(desk.origin) == 0
    assert config(desk.origin, "gitreg.branch") == "main"


def test_another_hook_is_not_overwritten(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    assert install(bare) == 1
    assert "is another hook" in said(capsys)
    assert hook.read_text() == "#!/bin/sh\n"
    assert config(bare, "gitreg.branch") == ""


def test_a_checkout_has_no_use_for_it(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(desk.root / "dan") == 2
    assert "a hook guards a bare repository" in said(capsys)


def test_hooks_that_are_looked_for_elsewhere(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(bare, "config", "core.hooksPath", "/etc/hooks")
    assert install(bare) == 1
    assert "core.hooksPath leads to '/etc/hooks'" in said(capsys)


def test_a_size_that_is_none(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(bare, "--max-size", "much") == 2
    assert "write 64MiB" in said(capsys)


def status(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = run(["-R", os.fspath(folder), "hook", "status"])
    return code, said(capsys)


def test_status_of_a_guarded_repository(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(bare)
    assert status(bare, capsys) == (0, "The hook guards the branch main.\n")
    run(["-R", os.fspath(bare), "hook", "status", "--format", "json"])
    assert json.loads(capsys.readouterr().out) == {
        "branch": "main",
        "remote": None,
        "guards": True,
        "problems": [],
    }


def test_status_says_what_is_missing(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(bare, capsys)[0] == 1
    install(bare)
    (bare / "hooks" / "pre-receive").chmod(0o644)
    git(bare, "config", "receive.fsckObjects", "false")
    git(bare, "config", "--unset", "receive.maxInputSize")
    git(bare, "config", "core.hooksPath", "/etc/hooks")
    code, text = status(bare, capsys)
    assert code == 1
    for problem in ("not executable", "core.hooksPath", "fsckObjects", "maxInputSize"):
        assert problem in text
    (bare / "hooks" / "pre-receive").unlink()
    assert "there is no hook" in status(bare, capsys)[1]
    (bare / "hooks" / "pre-receive").write_text("#!/bin/sh\n")
    assert "is not gitreg's hook" in status(bare, capsys)[1]


# Who pushes


def test_the_login_counts_first(tmp_path: Path) -> None:
    auth = tmp_path / "auth"
    auth.write_text("publickey ssh-ed25519 AAAA\n")
    environment = {"REMOTE_USER": "dan", "GL_USER": "bo", "SSH_USER_AUTH": os.fspath(auth)}
    assert pusher_in(environment) == Pusher(user="dan")
    assert pusher_in(environment, "GL_USER") == Pusher(user="bo")
    assert pusher_in(environment, "NOT_SET") == Pusher(key="ssh-ed25519 AAAA")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "password\n",
        "publickey\n",
        "publickey ssh-ed25519\n",
        "publickey ssh-rsa A\npublickey ssh-rsa B\n",
    ],
)
def test_a_connection_that_names_no_single_key(tmp_path: Path, text: str) -> None:
    auth = tmp_path / "auth"
    auth.write_text(text)
    assert pusher_in({"SSH_USER_AUTH": os.fspath(auth)}) is None
    assert pusher_in({"SSH_USER_AUTH": os.fspath(tmp_path / "gone")}) is None
    assert pusher_in({"GIT_AUTHOR_NAME": "alice", "USER": "alice"}) is None


def test_the_key_of_an_ssh_connection_says_who_pushes(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hook_kit import commit, push
    from test_hook_pushes import DESCRIBED, NOTES

    auth = tmp_path / "auth"
    auth.write_text(f"publickey {' '.join((desk.keys / 'dan.pub').read_text().split()[:2])}\n")
    monkeypatch.setenv("SSH_USER_AUTH", os.fspath(auth))
    commit(desk, {NOTES: DESCRIBED})
    code, answer = push(desk.root / "dan", "work:main")
    assert code == 0, answer


def test_a_registry_for_a_guarded_repository(
    bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "config", "--global", "user.name", "Alice")
    git(tmp_path, "config", "--global", "user.email", "alice@example.com")
    assert run(["init", os.fspath(tmp_path / "models"), "--hook"]) == 0
    assert "\nenforcement: hook" in (tmp_path / "models" / "gitreg.yaml").read_text()
    install(bare)
    git(tmp_path / "models", "push", "-q", os.fspath(bare), "main")
    assert git(bare, "rev-parse", "main") == git(tmp_path / "models", "rev-parse", "main")
    assert run(["init", os.fspath(tmp_path / "both"), "--hook", "--solo"]) == 2
    assert "exclude each other" in said(capsys)


def test_what_is_not_given_stays_as_it_was(bare: Path) -> None:
    install(bare, "--remote", "s3://bucket/models", "--user-from", "GL_USER", "--max-size", "1MiB")
    install(bare, "--branch", "live")
    kept = [config(bare, key) for key in ("gitreg.remote", "gitreg.userFrom", "receive.maxInputSize")]
    assert kept == ["s3://bucket/models", "GL_USER", str(1 << 20)]
    assert git(bare, "symbolic-ref", "HEAD") == "refs/heads/live"


def test_a_registry_on_a_branch_that_is_not_guarded(
    bare: Path, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where ``git init`` made ``master`` and ``gitreg init`` made ``main``: nothing would guard it."""
    from hook_kit import push

    install(bare, "--branch", "master", "--remote", os.fspath(desk.artifacts))
    first = git(desk.root / "dan", "rev-list", "--max-parents=0", "origin/main")
    code, answer = push(desk.root / "dan", f"{first}:refs/heads/main", url=os.fspath(bare))
    assert code
    assert "says that this branch is the registry's" in answer
    install(bare, "--branch", "main")
    code, answer = push(desk.root / "dan", f"{first}:refs/heads/main", url=os.fspath(bare))
    assert code == 0, answer
    install(bare, "--branch", "master")
    assert "the branch master does not exist, though others do" in status(bare, capsys)[1]


def test_status_says_where_artifacts_will_not_be_found(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(desk.origin, capsys)[0] == 0
    git(desk.origin, "config", "--unset", "gitreg.remote")
    code, text = status(desk.origin, capsys)
    assert code == 1
    assert "gitreg hook install --remote URL says where" in text
