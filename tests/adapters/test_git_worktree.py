"""A checkout's files as a tree: what git would commit, as it lies on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from git_kit import commit_files, git, init, is_root, pin, put

from gitreg.adapters.git.repository import GitRepository
from gitreg.adapters.git.worktree import WorkTree
from gitreg.core.ports import EXECUTABLE, FILE, FOLDER, READ_LIMIT, SUBMODULE, SYMLINK, Tree
from gitreg.errors import Undecided


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, tmp_path)


FILES = {
    "gitreg.yaml": "x",
    ".gitignore": "/build/\n*.onnx\n",
    "models/売上 予測/model.yaml": "x",
    "models/new\nline/model.yaml": "y",
    "empty": "",
    os.fsdecode(b"latin-\xe9"): "z",
}


def everything(tree: Tree, path: str = "") -> dict[str, tuple[str, str, bytes]]:
    """Mode, id and content of every file below ``path``, read in every way there is."""
    found: dict[str, tuple[str, str, bytes]] = {}
    for name, entry in tree.list(path).items():
        below = f"{path}/{name}" if path else name
        if entry.mode == FOLDER:
            assert tree.read(below) is None
            inside = everything(tree, below)
            assert inside, "git has no empty folders"
            found |= inside
        else:
            blob = tree.read(below)
            assert blob is not None
            assert blob.oid == entry.oid
            assert tree.blob(entry.oid) == blob.data
            found[below] = (entry.mode, blob.oid, blob.data)
    return found


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_is_what_git_would_commit(tmp_path: Path, object_format: str) -> None:
    top = init(tmp_path / "repo", FILES, f"--object-format={object_format}")
    put(top, {"gitreg.yaml": "edited\r\n", "models/added/model.yaml": "new", "run": "#!/bin/sh\n"})
    (top / "run").chmod(0o755)
    (top / "link").symlink_to("models/売上 予測")
    (top / "empty").unlink()
    (top / "models" / "new\nline" / "model.yaml").unlink()
    put(top, {"build/junk": "x", "models/売上 予測/big.onnx": "x"})
    (top / "hollow").mkdir()
    seen = everything(WorkTree(top))
    commit_files(top, {})
    with GitRepository.open(top) as repository:
        assert seen == everything(repository.tree(repository.resolve("HEAD")))
    assert {mode for mode, _, _ in seen.values()} == {FILE, EXECUTABLE, SYMLINK}


def test_what_is_ignored_or_not_there_reads_as_none(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", FILES)
    put(top, {"build/junk": "x"})
    tree = WorkTree(top)
    for path in (
        "build/junk",
        "nope",
        "models",
        "",
        ".git/config",
        "../repo/gitreg.yaml",
        "./gitreg.yaml",
        "a\0b",
    ):
        assert tree.read(path) is None, path
    for path in ("build", ".git", "gitreg.yaml", "nope", "..", "models/"):
        assert tree.list(path) == {}, path


def test_no_way_leads_through_a_symlink_or_another_repository(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"a/b": "x", "c/d": "x", "e": "x"})
    put(tmp_path, {"outside/b": "secret"})
    (top / "a").rename(top / "a2")
    (top / "a").symlink_to(tmp_path / "outside")
    git(top / "c", "init", "-q")
    commit_files(init(top / "nested"), {"x": "x"})
    (top / "e").unlink()
    os.mkfifo(top / "e")
    tree = WorkTree(top)
    listed = tree.list("")
    assert {name: entry.mode for name, entry in listed.items()} == {
        "a": SYMLINK,
        "a2": FOLDER,
        "c": SUBMODULE,
        "nested": SUBMODULE,
    }
    assert tree.read("a/b") is None
    assert tree.list("a") == {}
    assert tree.read("c/d") is None
    assert tree.list("c") == tree.list("nested") == {}
    assert tree.read("e") is None
    assert set(listed["a2"].oid) == {"0"}


def test_long_files_are_cut_but_have_their_whole_id(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"big": b"x" * (2 * READ_LIMIT + 3)})
    blob = WorkTree(top).read("big")
    assert blob is not None
    assert len(blob.data) == READ_LIMIT + 1
    assert blob.oid == git(top, "rev-parse", "HEAD:big")


def test_a_file_that_changed_since_it_was_listed_is_undecided(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    tree = WorkTree(top)
    entry = tree.list("")["a"]
    put(top, {"a": "y"})
    with pytest.raises(Undecided, match="changed"):
        tree.blob(entry.oid)
    with pytest.raises(Undecided):
        tree.blob("1" * 40)


@pytest.mark.skipif(is_root(), reason="root may read anything")
def test_an_unreadable_file_is_undecided(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    (top / "a").chmod(0)
    with pytest.raises(Undecided, match="cannot be read"):
        WorkTree(top).read("a")
