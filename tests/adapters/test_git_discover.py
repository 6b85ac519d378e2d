"""Finding the registry and the repository around a folder."""

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


def test_a_registry_at_the_root(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"gitreg.yaml": "x", "models/a/model.yaml": "x"})
    for start in (top, top / "models" / "a", top / ".git"):
        assert discover(start) == Found(top, "")


def test_a_registry_in_a_folder(tmp_path: Path) -> None:
    top = init(
        tmp_path / "repo",
        {"teams/売上 1/registry/gitreg.yaml": "x", "teams/売上 1/registry/models/a": "x", "src/x": ""},
    )
    registry = top / "teams" / "売上 1" / "registry"
    for start in (registry, registry / "models"):
        assert discover(start) == Found(top, "teams/売上 1/registry")
    for start in (top, top / "src", registry.parent):
        assert discover(start) == Found(top, None)


def test_the_nearest_registry_counts(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"gitreg.yaml": "x", "inner/gitreg.yaml": "x"})
    assert discover(top / "inner") == Found(top, "inner")


def test_a_registry_in_a_linked_worktree_and_through_a_symlink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = init(tmp_path / "repo", {"sub/gitreg.yaml": "x"})
    git(top, "worktree", "add", "-q", "-b", "side", "../linked")
    assert discover(tmp_path / "linked" / "sub") == Found(tmp_path / "linked", "sub")
    (tmp_path / "short").symlink_to(top / "sub")
    assert discover(tmp_path / "short") == Found(top, "sub")
    monkeypatch.chdir(top / "sub")
    assert discover(".") == Found(top, "sub")


def test_a_repository_does_not_reach_beyond_the_next(tmp_path: Path) -> None:
    outer = init(tmp_path / "outer", {"gitreg.yaml": "x"})
    inner = init(outer / "inner", {"x": "x"})
    assert discover(inner) == Found(inner, None)


def test_a_bare_repository_says_nothing_of_where_the_registry_is(tmp_path: Path) -> None:
    hub, _ = hub_and_clone(tmp_path, {"gitreg.yaml": "x"})
    assert discover(hub) == Found(hub, None)


def test_a_bare_repository_inside_a_checkout_is_content(tmp_path: Path) -> None:
    """Else a clone could bring a configuration along that git obeys."""
    top = init(tmp_path / "repo", {"gitreg.yaml": "x"})
    (top / "trap").mkdir()
    git(top / "trap", "init", "-q", "--bare")
    assert discover(top / "trap") == Found(top, "")
    assert discover(top / "trap", named=True) == Found(top / "trap", None)
    assert discover(top / ".git", named=True) == discover(top, named=True) == Found(top, "")


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
