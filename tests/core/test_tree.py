"""Trees as data, held against the plainest model there is: a dict of path to content."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.ports import EXECUTABLE, FILE, FOLDER, READ_LIMIT, SUBMODULE, Blob, Entry, Tree
from gitreg.core.tree import (
    MOST_LEVELS,
    MOST_STEPS,
    MemoryTree,
    OverlayTree,
    RawChange,
    blob_oid,
    candidate,
    change_id,
    edited,
    entry_at,
    files_below,
    raw_changes,
)
from gitreg.errors import Undecided

Files = Mapping[str, bytes]
# Few names and shallow paths, so that files, folders and their swaps meet each other often.
PATHS = ["a", "a-b", "b", "a/a", "a/b", "a/a/a", "a/a/b", "b/a", "b/a/a", "b/b"]
QUICK = settings(max_examples=150, deadline=None, derandomize=True)


def without_clashes(files: dict[str, bytes]) -> dict[str, bytes]:
    """Drops files that stand where another one needs a folder."""
    folders = {path[:i] for path in files for i, c in enumerate(path) if c == "/"}
    return {path: data for path, data in files.items() if path not in folders}


trees = st.dictionaries(st.sampled_from(PATHS), st.sampled_from([b"x", b"y", b"z"])).map(without_clashes)


def files_of(tree: Tree) -> dict[str, bytes]:
    """Everything in a tree, read back three ways that must agree."""
    found = {}
    for path, entry in files_below(tree, ""):
        blob = tree.read(path)
        assert blob is not None
        assert (blob.oid, blob.data) == (entry.oid, tree.blob(entry.oid))
        assert entry == entry_at(tree, path)
        found[path] = blob.data
    return found


def differing(old: Files, new: Files) -> dict[str, tuple[bytes | None, bytes | None]]:
    """The model of raw_changes."""
    return {p: (old.get(p), new.get(p)) for p in {*old, *new} if old.get(p) != new.get(p)}


def changes(old: Tree, new: Tree) -> list[RawChange]:
    return list(raw_changes(old, new))


def as_contents(found: list[RawChange], *trees: Tree) -> dict[str, tuple[bytes | None, bytes | None]]:
    old, new = trees
    return {
        c.path: (old.blob(c.old.oid) if c.old else None, new.blob(c.new.oid) if c.new else None)
        for c in found
    }


def test_a_blobs_id_is_gits(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"name: caf\xc3\xa9\n")
    command = ["git", "hash-object", "file"]
    of_git = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()
    assert blob_oid(b"name: caf\xc3\xa9\n") == of_git


@QUICK
@given(trees)
def test_a_tree_from_a_dict_reads_as_the_dict(files: dict[str, bytes]) -> None:
    tree = MemoryTree(files)
    assert files_of(tree) == files
    for path in PATHS:
        blob = tree.read(path)
        assert (blob.data if blob else None) == files.get(path)
        inside = {f.removeprefix(f"{path}/").split("/")[0] for f in files if f.startswith(f"{path}/")}
        assert set(tree.list(path)) == inside
        entry = entry_at(tree, path)
        assert (entry.mode if entry else None) == (FOLDER if inside else FILE if path in files else None)


@QUICK
@given(trees, trees)
def test_raw_changes_are_the_paths_that_differ(old: dict[str, bytes], new: dict[str, bytes]) -> None:
    one, other = MemoryTree(old), MemoryTree(new)
    found = changes(one, other)
    assert as_contents(found, one, other) == differing(old, new)
    assert len({c.path for c in found}) == len(found)


def test_a_change_of_mode_alone_is_a_change() -> None:
    base = MemoryTree({"run": b"x"})
    head = OverlayTree(base, {"run": Entry(EXECUTABLE, blob_oid(b"x"))}, base)
    assert changes(base, head) == [
        RawChange("run", Entry(FILE, blob_oid(b"x")), Entry(EXECUTABLE, blob_oid(b"x")))
    ]


def test_equal_folders_are_not_opened() -> None:
    class Closed(MemoryTree):
        def list(self, path: str) -> Mapping[str, Entry]:
            assert path != "same", "this folder is equal on both sides"
            return {"same": Entry(FOLDER, "1" * 40)} if not path else super().list(path)

    assert changes(Closed({}), Closed({})) == []


@QUICK
@given(trees, trees)
def test_a_tree_edited_into_another_reads_as_the_other(old: dict[str, bytes], new: dict[str, bytes]) -> None:
    edits = {path: after for path, (_, after) in differing(old, new).items()}
    tree = edited(MemoryTree(old), edits)
    assert files_of(tree) == new
    assert changes(tree, MemoryTree(new)) == []
    for path in PATHS:
        blob = tree.read(path)
        assert (blob.data if blob else None) == new.get(path)


@QUICK
@given(trees, trees, trees)
def test_edits_upon_edits_read_as_the_last_tree(
    one: dict[str, bytes], two: dict[str, bytes], three: dict[str, bytes]
) -> None:
    middle = edited(MemoryTree(one), {p: after for p, (_, after) in differing(one, two).items()})
    last = edited(middle, {p: after for p, (_, after) in differing(two, three).items()})
    assert files_of(last) == three
    assert as_contents(changes(middle, last), middle, last) == differing(two, three)


def test_a_blob_that_is_too_large_is_cut_one_byte_behind_the_limit() -> None:
    tree = edited(MemoryTree({}), {"large": b"x" * (READ_LIMIT + 10)})
    blob = tree.read("large")
    assert blob is not None
    assert len(blob.data) == READ_LIMIT + 1


def landed(base: Files, ancestor: Files, branch: Files) -> tuple[dict[str, bytes], set[str]]:
    """The model of candidate: what the base becomes, and the paths on which the two sides differ."""
    mine = differing(ancestor, branch)
    open_ = {path: after for path, (_, after) in mine.items() if base.get(path) != after}
    torn = {path for path in open_ if base.get(path) != mine[path][0]}
    kept = {path: after for path, after in open_.items() if path not in torn}
    left = {path for path in base if path not in kept or kept[path] is not None}
    for path, after in kept.items():
        above = {path[:i] for i, c in enumerate(path) if c == "/"}
        if after is not None and any(p in above or p.startswith(f"{path}/") for p in left):
            torn.add(path)
    result = {p: d for p, d in {**base, **kept}.items() if d is not None and p not in torn - set(base)}
    return {p: (base[p] if p in torn and p in base else d) for p, d in result.items()}, torn


@QUICK
@given(trees, trees, trees)
def test_the_candidate_is_the_base_with_the_branchs_changes(
    base: dict[str, bytes], ancestor: dict[str, bytes], branch: dict[str, bytes]
) -> None:
    source = MemoryTree(branch)
    found = candidate(MemoryTree(base), raw_changes(MemoryTree(ancestor), source), source)
    files, torn = landed(base, ancestor, branch)
    assert {c.path for c in found.conflicts} == torn
    assert {c.path for c in found.changes}.isdisjoint(torn)
    if not torn:
        assert files_of(found.tree) == files
        assert as_contents(list(found.changes), MemoryTree(base), source) == differing(base, files)


@QUICK
@given(trees, trees)
def test_on_a_base_that_did_not_move_the_candidate_is_the_branch(
    base: dict[str, bytes], branch: dict[str, bytes]
) -> None:
    source = MemoryTree(branch)
    found = candidate(MemoryTree(base), raw_changes(MemoryTree(base), source), source)
    assert found.conflicts == ()
    assert files_of(found.tree) == branch


@QUICK
@given(trees, trees)
def test_what_the_base_has_already_is_no_change(ancestor: dict[str, bytes], branch: dict[str, bytes]) -> None:
    source = MemoryTree(branch)
    found = candidate(MemoryTree(branch), raw_changes(MemoryTree(ancestor), source), source)
    assert (found.changes, found.conflicts) == ((), ())


@pytest.mark.parametrize(
    ("base", "branch", "torn"),
    [
        ({"a": b"x", "b": b"2"}, {"a": b"y", "b": b"1"}, set()),
        ({"a": b"z", "b": b"1"}, {"a": b"y", "b": b"1"}, {"a"}),
        ({"b": b"1"}, {"a": b"y", "b": b"1"}, {"a"}),
        ({"a": b"z", "b": b"1"}, {"b": b"1"}, {"a"}),
        ({"a/in": b"x", "b": b"1"}, {"a": b"y", "b": b"1"}, {"a"}),
        ({"a": b"x", "b": b"1", "c": b"z"}, {"a": b"x", "b": b"1", "c/in": b"y"}, {"c/in"}),
        ({"a": b"x", "b": b"1", "c/in": b"z"}, {"a": b"x", "b": b"1", "c": b"y"}, {"c"}),
    ],
    ids=[
        "other paths",
        "both edited",
        "edited here, removed there",
        "removed here, edited there",
        "edited here, a folder there",
        "a folder here, a file there",
        "a file here, a folder there",
    ],
)
def test_a_path_that_both_sides_changed_is_a_conflict(
    base: dict[str, bytes], branch: dict[str, bytes], torn: set[str]
) -> None:
    ancestor = MemoryTree({"a": b"x", "b": b"1"})
    found = candidate(MemoryTree(base), raw_changes(ancestor, MemoryTree(branch)), MemoryTree(branch))
    assert {c.path for c in found.conflicts} == torn


def test_a_change_is_named_by_its_sorted_raw_entries() -> None:
    one = RawChange("a", None, Entry(FILE, "1" * 40))
    other = RawChange("b/c", Entry(FILE, "2" * 40), None)
    rows = f'[["a",["",""],["100644","{"1" * 40}"]],["b/c",["100644","{"2" * 40}"],["",""]]]'
    assert change_id([other, one]) == hashlib.sha256(rows.encode()).hexdigest()


@QUICK
@given(trees, trees, trees, trees)
def test_two_changes_have_one_name_only_if_they_are_the_same(
    a: dict[str, bytes], b: dict[str, bytes], c: dict[str, bytes], d: dict[str, bytes]
) -> None:
    one, other = (change_id(raw_changes(MemoryTree(x), MemoryTree(y))) for x, y in ((a, b), (c, d)))
    assert (one == other) == (differing(a, b) == differing(c, d))


@QUICK
@given(trees, trees)
def test_an_unrelated_move_of_the_base_leaves_the_name_of_a_change_alone(
    ancestor: dict[str, bytes], branch: dict[str, bytes]
) -> None:
    source = MemoryTree(branch)
    raw = changes(MemoryTree(ancestor), source)
    moved = candidate(MemoryTree({**ancestor, "unrelated": b"x"}), raw, source)
    assert change_id(moved.changes) == change_id(raw)


def test_many_are_read_from_an_overlay_as_one_by_one() -> None:
    base = MemoryTree({"a/1": b"a", "b/1": b"b", "c/1": b"c"})
    tree = edited(base, {"a/1": b"new", "b/1": None, "d/1": b"d"})
    paths = ["a", "b", "c", "d", "", "nope"]
    assert list(tree.lists(paths)) == [tree.list(path) for path in paths]
    oids = [blob_oid(data) for data in (b"new", b"c", b"d", b"a")]
    assert list(tree.blobs(oids)) == [b"new", b"c", b"d", b"a"]


class Bomb(Tree):
    """A tree whose every folder has the same two folders (or files) in it: in git, a few bytes."""

    def __init__(self, entry: Entry) -> None:
        self._entries = {"a": entry, "b": entry}

    def read(self, path: str) -> Blob | None:
        return None

    def list(self, path: str) -> Mapping[str, Entry]:
        return self._entries

    def blob(self, oid: str) -> bytes:
        return b""


class TestWalks:
    def test_end_in_trees_without_end(self) -> None:
        bomb = Bomb(Entry(FOLDER, "f"))
        for walk in (raw_changes(MemoryTree({}), bomb), files_below(bomb, "")):
            with pytest.raises(Undecided, match=f"deeper than {MOST_LEVELS} folders"):
                list(walk)

    def test_end_in_trees_without_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        files = {f"{n}": b"" for n in range(200)}
        monkeypatch.setattr("gitreg.core.tree.MOST_STEPS", 39)
        with pytest.raises(Undecided, match="more than 39 files and folders"):
            list(raw_changes(MemoryTree({}), MemoryTree(files)))
        with pytest.raises(Undecided, match="more than 195 files and folders"):
            list(files_below(MemoryTree(files), ""))
        assert len(list(raw_changes(MemoryTree({}), MemoryTree(dict.fromkeys(list(files)[:39], b""))))) == 39

    def test_go_further_than_any_registry(self) -> None:
        assert MOST_STEPS >= 1_000_000
        assert list(files_below(MemoryTree({"a/" * MOST_LEVELS + "a": b""}), ""))


def test_a_submodule_has_no_content() -> None:
    base = MemoryTree({"a": b"x"})
    overlay = OverlayTree(base, {"a": Entry(SUBMODULE, "1" * 40)}, base)
    assert overlay.read("a") is None
    assert entry_at(overlay, "a") == Entry(SUBMODULE, "1" * 40)


def test_many_changes_are_laid_over_quickly() -> None:
    """Each is looked up among the others, or each conflict among all changes: not both for each."""
    files = {f"models/{n}": b"" for n in range(20_000)}
    begin = time.process_time()
    found = candidate(
        MemoryTree({"a": b""}), raw_changes(MemoryTree({}), MemoryTree(files)), MemoryTree(files)
    )
    assert all(entry_at(found.tree, path) for path in files)
    blocked = candidate(MemoryTree({"models": b""}), found.changes, MemoryTree(files))
    assert len(blocked.conflicts) == len(found.changes) == len(files)
    assert time.process_time() - begin < 30
