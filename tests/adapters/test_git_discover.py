"""Finding the repository around a folder, and the folder in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from git_kit import git, hub_and_clone, init, pin, put

from gitreg.adapters.git.discover import Found, discover
from gitreg.errors import ConfigError


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, tmp_path)


def test_the_starting_point_in_a_checkout(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"teams/売上 1/registry/models/a": "x", "src/x": ""})
    assert discover(top) == Found(top, "")
    assert discover(top / ".git") == Found(top, ".git")
    for inside in ("src", "teams/売上 1/registry", "teams/売上 1/registry/models"):
        assert discover(top / inside) == Found(top, inside)


def test_what_lies_in_a_checkout_does_not_say_where_the_registry_is(tmp_path: Path) -> None:
    """It may be a change that is judged here."""
    top = init(tmp_path / "repo", {"registry/x": "x"})
    put(top, {"gitreg.yaml": "x"})
    assert discover(top / "registry") == Found(top, "registry")


def test_a_linked_worktree_and_a_symlink_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = init(tmp_path / "repo", {"sub/x": "x"})
    git(top, "worktree", "add", "-q", "-b", "side", "../linked")
    assert discover(tmp_path / "linked" / "sub") == Found(tmp_path / "linked", "sub")
    (tmp_path / "short").symlink_to(top / "sub")
    assert discover(tmp_path / "short") == Found(top, "sub")
    (tmp_path / "whole").symlink_to(top)
    assert discover(tmp_path / "whole" / "sub") == Found(top, "sub")
    monkeypatch.chdir(top / "sub")
    assert discover(".") == Found(top, "sub")


def test_a_symlink_inside_does_not_lead_to_another_registry(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"mine/gitreg.yaml": "x"})
    (top / "theirs").symlink_to("mine")
    assert discover(top / "theirs") == Found(top, "theirs")


def test_a_repository_does_not_reach_beyond_the_next(tmp_path: Path) -> None:
    outer = init(tmp_path / "outer", {"gitreg.yaml": "x"})
    inner = init(outer / "inner", {"x": "x"})
    assert discover(inner) == Found(inner, "")


def test_a_bare_repository_has_no_folders(tmp_path: Path) -> None:
    hub, _ = hub_and_clone(tmp_path, {"gitreg.yaml": "x"})
    assert discover(hub) == Found(hub, "")


def test_a_bare_repository_inside_a_checkout_is_content(tmp_path: Path) -> None:
    """Else a clone could bring a configuration along that git obeys."""
    top = init(tmp_path / "repo", {"gitreg.yaml": "x"})
    (top / "trap").mkdir()
    git(top / "trap", "init", "-q", "--bare")
    assert discover(top / "trap") == Found(top, "trap")
    assert discover(top / "trap", named=True) == Found(top / "trap", "")
    assert discover(top / ".git", named=True) == Found(top, ".git")


def test_outside_of_any_repository(tmp_path: Path) -> None:
    put(tmp_path, {"plain/gitreg.yaml": "x"})
    for start in (tmp_path / "plain", os.fspath(tmp_path)):
        with pytest.raises(ConfigError, match="not in a git repository") as caught:
            discover(start)
        assert caught.value.hint


def test_finding_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = init(tmp_path / "repo", {"gitreg.yaml": "x"})
    monkeypatch.setenv("PATH", "/nonexistent")
    assert discover(top) == Found(top, "")
    assert "gitreg.adapters.git.discover" in sys.modules
