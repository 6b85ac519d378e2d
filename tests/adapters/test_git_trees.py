"""Writing blobs, trees and commits, held against what git itself makes of the same files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from git_kit import ALICE, NOW, commit_files, git, init, pin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import EXECUTABLE, FILE, FOLDER, SUBMODULE, SYMLINK, Entry, Identity
from gitreg.errors import Bug, GitregError, Undecided, UsageError


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[GitRepository]:
    with GitRepository.open(init(tmp_path / "repo")) as opened:
        yield opened


def git_s_tree(repository: GitRepository, files: Mapping[str, Entry]) -> str:
    """The tree that git's index makes of the same files."""
    index = {"GIT_INDEX_FILE": os.fspath(repository.git_dir / "test-index")}
    assert repository.top is not None
    git(repository.top, "read-tree", "--empty", env=index)
    rows = "".join(f"{entry.mode} {entry.oid}\t{path}\0" for path, entry in files.items())
    git(
        repository.top,
        "update-index",
        "-z",
        "--index-info",
        stdin=rows.encode("utf-8", "surrogateescape"),
        env=index,
    )
    return git(repository.top, "write-tree", "--missing-ok", env=index)


def applied(files: Mapping[str, Entry], changes: Mapping[str, Entry | None]) -> dict[str, Entry]:
    """The plain meaning of a change, on a dict: what is changed, and what is set in its place, goes first."""
    touched = [(path, entry) for path, entry in changes.items()]
    kept = {
        path: entry
        for path, entry in files.items()
        if not any(path == other or path.startswith(f"{other}/") for other, _ in touched)
        and not any(other.startswith(f"{path}/") and new is not None for other, new in touched)
    }
    return kept | {path: entry for path, entry in touched if entry is not None}


NAMES = st.sampled_from(
    ["a", "b", "a.b", "a-b", "a0", "é", "売上", "A", "-x", "x y", '"q"', "t\tb", "\udcff"]
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
MODES = st.sampled_from([FILE, FILE, EXECUTABLE, SYMLINK, SUBMODULE])
FILES = st.dictionaries(PATHS, st.tuples(MODES, st.sampled_from([b"1", b"2", b""])), max_size=8)
CHANGES = st.dictionaries(
    PATHS, st.none() | st.tuples(MODES, st.sampled_from([b"1", b"2", b"3"])), max_size=6
)


def _consistent(paths: list[str]) -> bool:
    return not any(other.startswith(f"{path}/") for path in paths for other in paths)


@settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(files=FILES, changes=CHANGES)
def test_trees_are_those_that_git_s_index_makes(
    repository: GitRepository,
    files: dict[str, tuple[str, bytes]],
    changes: dict[str, tuple[str, bytes] | None],
) -> None:
    files = {path: file for path, file in files.items() if not any(p.startswith(f"{path}/") for p in files)}
    ids: dict[bytes, str] = {}

    def entry(file: tuple[str, bytes]) -> Entry:
        mode, data = file
        if mode == SUBMODULE:
            return Entry(mode, "1" * 39 + str(len(data)))
        if data not in ids:
            ids[data] = repository.write_blob(data)
        return Entry(mode, ids[data])

    start = {path: entry(file) for path, file in files.items()}
    edits = {path: entry(file) if file is not None else None for path, file in changes.items()}
    base = repository.write_tree("", dict(start))
    assert base == git_s_tree(repository, start)
    if _consistent([path for path, new in edits.items() if new is not None]):
        assert repository.write_tree(base, edits) == git_s_tree(repository, applied(start, edits))
    else:
        with pytest.raises(UsageError, match="at once"):
            repository.write_tree(base, edits)


@pytest.fixture
def one(repository: GitRepository) -> Entry:
    return Entry(FILE, repository.write_blob(b"one"))


def names(repository: GitRepository, tree: str) -> list[str]:
    assert repository.top is not None
    return git(repository.top, "ls-tree", "-r", "-z", "--name-only", tree).split("\0")[:-1]


def test_the_empty_tree(repository: GitRepository, one: Entry) -> None:
    empty = repository.write_tree("", {})
    assert empty == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    full = repository.write_tree("", {"a/b/c": one})
    assert repository.write_tree(full, {"a/b/c": None}) == empty
    assert repository.write_tree(full, {"a": None}) == empty
    assert repository.write_tree(empty, {"nope/x": None}) == empty
    assert repository.write_tree(full, {}) == full


def test_the_last_file_takes_its_folders_with_it(repository: GitRepository, one: Entry) -> None:
    base = repository.write_tree("", {"a/b/c": one, "a/d": one})
    assert names(repository, repository.write_tree(base, {"a/b/c": None})) == ["a/d"]


def test_files_and_folders_replace_each_other(repository: GitRepository, one: Entry) -> None:
    base = repository.write_tree("", {"a/b": one, "f": one})
    assert names(repository, repository.write_tree(base, {"a": one})) == ["a", "f"]
    assert names(repository, repository.write_tree(base, {"f/x": one})) == ["a/b", "f/x"]
    assert names(repository, repository.write_tree(base, {"f/x": None})) == ["a/b", "f"]
    assert names(repository, repository.write_tree(base, {"f": None, "f/x": one})) == ["a/b", "f/x"]
    assert names(repository, repository.write_tree(base, {"a": one, "a/b": None})) == ["a", "f"]


def test_a_whole_folder_can_be_put_somewhere_and_changed(repository: GitRepository, one: Entry) -> None:
    base = repository.write_tree("", {"old/x": one, "old/y": one})
    folder = repository.tree(base).list("")["old"]
    moved = repository.write_tree(base, {"new": folder, "new/z": one, "new/y": None, "old": None})
    assert names(repository, moved) == ["new/x", "new/z"]


def test_a_commit_serves_as_base(repository: GitRepository, one: Entry) -> None:
    tree = repository.write_tree("", {"a": one})
    commit = repository.write_commit(tree, [], "x\n", ALICE, NOW)
    assert repository.write_tree(commit, {"b": one}) == repository.write_tree(tree, {"b": one})


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "./a", "a/..", ".git/config", "x/.GIT", "a\0b", "\ud800"]
)
def test_paths_that_no_tree_may_hold(repository: GitRepository, one: Entry, path: str) -> None:
    with pytest.raises(UsageError):
        repository.write_tree("", {path: one})


def test_a_tree_names_only_what_is_there(repository: GitRepository, one: Entry) -> None:
    with pytest.raises(Undecided, match="missing"):
        repository.write_tree("", {"a": Entry(FILE, "1" * 40)})
    with pytest.raises(Undecided, match="missing"):
        repository.write_tree("", {"a": Entry(FOLDER, one.oid)})
    with pytest.raises(Undecided, match="missing"):
        repository.write_tree("1" * 40, {"a": one})
    with pytest.raises(UsageError, match="mode"):
        repository.write_tree("", {"a": Entry("100666", one.oid)})


def test_neighbours_are_not_looked_at(repository: GitRepository, one: Entry) -> None:
    """Their objects may be anywhere (a partial clone): only their ids are needed."""
    base = repository.write_tree("", {"a/x": one, "b/x": Entry(FILE, repository.write_blob(b"gone"))})
    gone = repository.tree(base).list("b")["x"].oid
    (repository.git_dir / "objects" / gone[:2] / gone[2:]).unlink()
    assert names(repository, repository.write_tree(base, {"b/y": one})) == ["a/x", "b/x", "b/y"]


def test_works_alike_in_a_sha256_repository(tmp_path: Path) -> None:
    top = init(tmp_path / "r256", {"a/b": "x", "c": "y"}, "--object-format=sha256")
    with GitRepository.open(top) as repository:
        head = repository.resolve("HEAD")
        blob = repository.write_blob(b"z")
        tree = repository.write_tree(head, {"a/b": None, "d/e": Entry(FILE, blob)})
        expected = commit_files(_without(top, "a/b"), {"d/e": "z"})
        assert tree == git(top, "rev-parse", f"{expected}^{{tree}}")
        commit = repository.write_commit(tree, [head], "next\n", ALICE, NOW)
        assert repository.commit(commit).parents == (head,)
        assert repository.write_tree("", {}) == git(top, "hash-object", "-t", "tree", "/dev/null")


def _without(top: Path, path: str) -> Path:
    (top / path).unlink()
    return top


def test_blobs_are_stored_as_they_are(tmp_path: Path) -> None:
    top = init(tmp_path / "filters", {".gitattributes": "* text=auto eol=crlf\n"})
    git(top, "config", "core.autocrlf", "true")
    with GitRepository.open(top) as repository:
        for data in (b"", b"a\r\nb\r\n", bytes(range(256))):
            assert repository.tree(repository.resolve("HEAD")).blob(repository.write_blob(data)) == data


def test_a_commit_is_read_as_it_was_written(repository: GitRepository) -> None:
    tree = repository.write_tree("", {})
    zone = timezone(timedelta(hours=5, minutes=30))
    author = Identity("Zoë Müller", "zoe@example.com")
    first = repository.write_commit(tree, [], "first\n", ALICE, NOW)
    time = datetime(2026, 11, 20, 15, 30, tzinfo=zone)
    oid = repository.write_commit(
        tree, [first, tree_less(repository, first)], "titel ✓\n\nbody\n", author, time
    )
    commit = repository.commit(oid)
    assert (commit.oid, commit.tree, commit.author, commit.time) == (oid, tree, author, NOW)
    assert commit.message == "titel ✓\n\nbody\n"
    assert commit.parents[0] == first
    assert commit.time.tzinfo is UTC
    assert repository.top is not None
    git(repository.top, "fsck", "--strict")


def tree_less(repository: GitRepository, parent: str) -> str:
    return repository.write_commit(repository.write_tree("", {}), [parent], "second\n", ALICE, NOW)


def test_the_same_commit_is_the_same_whatever_the_surroundings(
    repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = repository.write_tree("", {})
    before = repository.write_commit(tree, [], "x\n", ALICE, NOW)
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Mallory")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert repository.top is not None
    git(repository.top, "config", "commit.gpgSign", "true")
    git(repository.top, "config", "i18n.commitEncoding", "ISO-8859-1")
    assert repository.write_commit(tree, [], "x\n", ALICE, NOW) == before


def test_a_commit_can_be_made_for_its_author_by_somebody_else(repository: GitRepository) -> None:
    tree = repository.write_tree("", {})
    bot = Identity("Registry server", "server@example.com")
    oid = repository.write_commit(tree, [], "x\n", ALICE, NOW, committer=bot)
    assert repository.commit(oid).author == ALICE
    assert repository.top is not None
    said = git(repository.top, "log", "-1", "--format=%an <%ae> %aI|%cn <%ce> %cI", oid)
    date = "2026-11-20T10:00:00+00:00"
    assert said.strip().replace("Z", "+00:00") == (
        f"{ALICE.name} <{ALICE.email}> {date}|Registry server <server@example.com> {date}"
    )
    assert repository.write_commit(tree, [], "x\n", ALICE, NOW, committer=ALICE) == repository.write_commit(
        tree, [], "x\n", ALICE, NOW
    )


def test_a_name_cannot_add_lines_to_a_commit(repository: GitRepository) -> None:
    tree = repository.write_tree("", {})
    author = Identity("Eve\nparent 1234", "eve@example.com>\nx")
    commit = repository.commit(repository.write_commit(tree, [], "x\n", author, NOW))
    assert commit.parents == ()
    assert commit.author.email == "eve@example.comx"
    with pytest.raises(GitregError):
        repository.write_commit(tree, [], "x\n", Identity("", "eve@example.com"), NOW)


@pytest.mark.parametrize("oid", ["--help", "HEAD", "", "1" * 39, "A" * 40])
def test_only_ids_name_trees_and_parents(repository: GitRepository, oid: str) -> None:
    with pytest.raises(Bug):
        repository.write_commit(oid, [], "x\n", ALICE, NOW)
    with pytest.raises(Bug):
        repository.write_commit(repository.write_tree("", {}), [oid], "x\n", ALICE, NOW)


def _raw(repository: GitRepository, head: bytes) -> str:
    assert repository.top is not None
    oid = git(repository.top, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=head)
    return oid


TREE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
PERSON = b"A <a@x> 1795168800 +0000\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        TREE + b"\nx",
        TREE + b"author A <a@x> yesterday\ncommitter " + PERSON + b"\nx",
        TREE + b"author " + PERSON + b"committer A 1795168800 +0000\n\nx",
        TREE + b"author " + PERSON + b"committer A <a@x> 999999999999 +0000\n\nx",
        TREE + b"author " + PERSON + b"parent " + b"1" * 40 + b"\ncommitter " + PERSON + b"\nx",
    ],
)
def test_a_malformed_commit_is_undecided(repository: GitRepository, raw: bytes) -> None:
    with pytest.raises(Undecided, match="corrupt"):
        repository.commit(_raw(repository, raw))


def test_commits_of_other_makers(repository: GitRepository) -> None:
    signed = b"gpgsig -----BEGIN-----\n \n parent 2222\n -----END-----\nencoding ISO-8859-1\n"
    author = b"author \xc5ke <> 1795168800 -051800\ncommitter  <a@x> 1795168800 +0000\n"
    commit = repository.commit(_raw(repository, TREE + author + signed + b"\nsm\xf6r\n\nrest"))
    assert commit.author == Identity("Åke", "")
    assert commit.parents == ()
    assert commit.message == "smör\n\nrest"
    with pytest.raises(Undecided):
        repository.commit(repository.write_blob(b"no commit"))
