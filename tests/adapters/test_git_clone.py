"""Repositories named by URL: cached, brought up to date, usable offline, and never more than a repository."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from git_kit import MAIN, git, hub_and_clone, init, land, pin

from gitreg.adapters.git.clone import normalise, open_url
from gitreg.adapters.git.repository import GitRepository
from gitreg.errors import ConfigError, Undecided, UsageError


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, tmp_path)


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    path, _ = hub_and_clone(tmp_path, {"gitreg.yaml": "x"})
    git(path, "update-ref", "refs/gitreg/requests/1", "main")
    git(path, "tag", "v1", "main")
    return path


def test_a_url_is_cloned_once_and_fetched_every_time(hub: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "clones"
    first = open_url(hub.as_uri(), cache)
    assert first.warning is None
    with first.repository as repository:
        head = git(hub, "rev-parse", "main")
        assert repository.top is None
        assert repository.has_origin
        assert repository.hub_ref(MAIN) == repository.resolve("main") == head
        assert repository.hub_refs("refs/gitreg/") == {"refs/gitreg/requests/1": head}
        assert repository.tree(head).read("gitreg.yaml") is not None
        assert git(repository.git_dir, "for-each-ref", "refs/heads", "refs/tags") == ""
        assert cache.stat().st_mode & 0o777 == 0o700
    with GitRepository.open(hub) as repository:
        new = land(repository, {"b": "y"}).new
    with open_url(hub.as_uri(), cache).repository as repository:
        assert repository.hub_ref(MAIN) == new
        assert repository.git_dir == first.repository.git_dir


def test_what_is_written_there_goes_to_the_hub(hub: Path, tmp_path: Path) -> None:
    with open_url(hub.as_uri(), tmp_path / "cache").repository as repository:
        assert repository.followable("main") is None
        update = land(repository, {"b": "y"})
        assert not repository.follow("main", update.old, update.new or "")
    assert git(hub, "rev-parse", "main") == update.new


def test_the_default_branch_is_the_other_side_s(hub: Path, tmp_path: Path) -> None:
    git(hub, "branch", "-q", "-m", "main", "trunk")
    with open_url(hub.as_uri(), tmp_path / "cache").repository as repository:
        assert repository.head_branch() == "trunk"
        assert repository.resolve("refs/remotes/origin/HEAD") == repository.resolve("trunk")
        assert repository.hub_refs("refs/heads/").keys() == {"refs/heads/trunk"}
        assert repository.resolve("trunk") == git(hub, "rev-parse", "trunk")


def test_an_empty_hub_can_be_opened(tmp_path: Path) -> None:
    hub, _ = hub_and_clone(tmp_path)
    with open_url(hub.as_uri(), tmp_path / "cache").repository as repository:
        assert repository.hub_ref(MAIN) is None
        land(repository, {"gitreg.yaml": "x"})
    assert git(hub, "rev-parse", "main")


def test_a_sha256_hub_can_be_opened(tmp_path: Path) -> None:
    top = init(tmp_path / "r256", {"gitreg.yaml": "x"}, "--object-format=sha256")
    with open_url(top.as_uri(), tmp_path / "cache").repository as repository:
        head = repository.hub_ref(MAIN)
        assert head == git(top, "rev-parse", "main")
        assert repository.tree(head).read("gitreg.yaml") is not None


def test_offline_the_clone_is_shown_as_it_was(hub: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    head = git(hub, "rev-parse", "main")
    open_url(hub.as_uri(), cache).repository.close()
    hub.rename(tmp_path / "moved.git")
    opened = open_url(hub.as_uri(), cache)
    with opened.repository as repository:
        assert repository.hub_ref(MAIN) == head
    assert opened.warning is not None
    assert "as last fetched" in opened.warning
    assert "could not be reached" in opened.warning


def test_without_a_clone_offline_is_undecided_and_leaves_nothing(tmp_path: Path) -> None:
    for url in (f"file://{tmp_path}/nowhere", "http://alice:t0ken@127.0.0.1:1/x.git"):
        with pytest.raises(Undecided, match="could not be reached") as caught:
            open_url(url, tmp_path / "cache")
        assert "t0ken" not in caught.value.message
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock", ".lock"]


def test_the_rest_of_a_process_that_died_is_no_clone(hub: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    opened = open_url(hub.as_uri(), cache)
    opened.repository.close()
    opened.repository.git_dir.rename(opened.repository.git_dir.with_suffix(".new"))
    with open_url(hub.as_uri(), cache).repository as repository:
        assert repository.hub_ref(MAIN) == git(hub, "rev-parse", "main")
    assert not list(cache.glob("*.new"))


def _open(arguments: tuple[str, str]) -> str | None:
    with open_url(*arguments).repository as repository:
        return repository.hub_ref(MAIN)


def test_two_processes_may_clone_at_once(hub: Path, tmp_path: Path) -> None:
    head = git(hub, "rev-parse", "main")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_open, [(hub.as_uri(), os.fspath(tmp_path / "cache"))] * 4) == [head] * 4


def test_a_folder_serves_as_a_url(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "売上 100%;#'\"\\"
    hub.rename(odd)
    monkeypatch.chdir(tmp_path)
    for name in (os.fspath(odd), odd.name, odd.as_uri()):
        with open_url(name, tmp_path / "cache").repository as repository:
            assert repository.hub_ref(MAIN) == git(odd, "rev-parse", "main")
    assert len(list((tmp_path / "cache").glob("*.lock"))) == 1


@pytest.mark.parametrize(
    "url",
    ["", "-oProxyCommand=touch it-ran", "--upload-pack=touch it-ran", "ext::sh -c touch% it-ran", "ssh://-oProxyCommand=x/y",
     "::x", "fd::17", "foo://host/x", "ftp://host/x", "https://host/\nx", "a\0b", "EXT::x"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        open_url(url, tmp_path / "cache")
    assert caught.value.hint
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "url",
    [
        "https://host/x.git",
        "ssh://git@host:22/x.git",
        "git@host:org/x.git",
        "host:x",
        "git://host/x",
        "file:///x",
        "[::1]:x",
    ],
)
def test_addresses_are_passed_on_as_they_are(url: str) -> None:
    assert normalise(url) == url


def test_a_hub_of_another_owner_is_not_trusted(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_url(hub.as_uri(), tmp_path / "cache").repository.close()
    monkeypatch.setattr(
        "gitreg.adapters.git.run._OWN", {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1", "LC_ALL": "C"}
    )
    with pytest.raises(ConfigError, match="another user owns it"):
        open_url(hub.as_uri(), tmp_path / "cache")


def test_a_hook_s_git_variables_do_not_lead_elsewhere(hub: Path, tmp_path: Path) -> None:
    other = init(tmp_path / "other", {"b": "x"})
    before = (other / ".git" / "config").read_text()
    code = f"""
from gitreg.adapters.git.clone import open_url
with open_url({hub.as_uri()!r}, {os.fspath(tmp_path / "cache")!r}).repository as repository:
    print(repository.hub_ref("refs/heads/main"))
"""
    variables = {"GIT_DIR": os.fspath(other / ".git"), "GIT_WORK_TREE": os.fspath(other)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (git(hub, "rev-parse", "main") + "\n", "")
    assert (other / ".git" / "config").read_text() == before
