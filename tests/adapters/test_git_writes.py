"""A change that is written by one process is, byte for byte, what git's own commands make one after another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from git_kit import ALICE, NOW, commit_files, git, init, pin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import FILE, Entry, Identity
from gitreg.errors import Bug, Refused, UsageError


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[GitRepository]:
    with GitRepository.open(init(tmp_path / "repo")) as opened:
        yield opened


def step_by_step(
    repository: GitRepository, base: str, edits: dict[str, bytes | None], message: str, author: Identity
) -> str:
    """The same by git's hash-object and commit-tree."""
    entries = {
        path: None if data is None else Entry(FILE, repository.write_blob(data))
        for path, data in edits.items()
    }
    tree = repository.write_tree(base, entries)
    return repository.write_commit(tree, [base], message, author, NOW)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
PEOPLE = st.builds(Identity, TEXTS, TEXTS) | st.just(ALICE)
EDITS = st.dictionaries(
    st.sampled_from(["a", "b/c", "b/d/e", "models/x/notes.yaml", "é"]),
    st.none() | st.binary(max_size=40),
    max_size=4,
)


@settings(
    max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(edits=EDITS, message=TEXTS, author=PEOPLE)
def test_same_commit_as_by_git_step_by_step(
    repository: GitRepository, edits: dict[str, bytes | None], message: str, author: Identity
) -> None:
    assert repository.top is not None
    base = commit_files(repository.top, {"a": "1", "b/c": "2", "b/d/e": "3", "z": "4"})
    try:
        expected = step_by_step(repository, base, edits, message, author)
    except Exception as error:  # git has a reason against this author, and so it has here
        with pytest.raises(type(error)):
            repository.write_change([base], edits, message, author, NOW)
        return
    commit, entries = repository.write_change([base], edits, message, author, NOW)
    assert commit == expected
    git(repository.top, "fsck", "--strict", "--no-dangling", commit)
    assert entries.keys() == edits.keys()


@pytest.mark.parametrize("format", ["sha1", "sha256"])
def test_objects_are_named_as_the_repository_names_them(tmp_path: Path, format: str) -> None:
    folder = tmp_path / format
    git(tmp_path, "init", "-q", f"--object-format={format}", "--initial-branch=main", os.fspath(folder))
    base = commit_files(folder, {"a": "1"})
    with GitRepository.open(folder) as repository:
        commit, entries = repository.write_change([base], {"b": b"2"}, "m\n", ALICE, NOW)
        assert commit == step_by_step(repository, base, {"b": b"2"}, "m\n", ALICE)
    assert git(folder, "show", f"{commit}:b") == "2"
    entry = entries["b"]
    assert entry is not None
    assert entry.oid == git(folder, "rev-parse", f"{commit}:b")


def test_a_large_folder_after_many_changes_is_what_git_makes_of_it(repository: GitRepository) -> None:
    """Most of these only put other ids into a tree that is kept; some add and remove, and one is in the way."""
    assert repository.top is not None
    tail = "40000 x7"  # the row of this folder ends as that of x7 does
    head = commit_files(repository.top, {f"m/x{n}/f": "1" for n in range(800)} | {f"m/{tail}/f": "1"})
    for number, edits in enumerate(
        [
            {"m/x7/f": b"2"},
            {"m/x7/f": b"3", "m/x799/f": b"3"},
            {"m/new/f": b"1"},
            {"m/x8/f": None},
            {f"m/{tail}/f": b"5"},
            {"m/x7/f": b"1"},
        ]
    ):
        expected = step_by_step(repository, head, edits, f"{number}\n", ALICE)
        head, _ = repository.write_change([head], edits, f"{number}\n", ALICE, NOW)
        assert head == expected
        with GitRepository.open(repository.top) as other:
            assert dict(repository.tree(head).list("m")) == dict(other.tree(head).list("m"))
    git(repository.top, "fsck", "--strict", "--no-dangling", head)


def test_parents_committer_and_signature(repository: GitRepository) -> None:
    assert repository.top is not None
    one = commit_files(repository.top, {"a": "1"})
    two = commit_files(repository.top, {"a": "2"})
    signed: list[bytes] = []

    def sign(payload: bytes) -> str:
        signed.append(payload)
        return "-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n"

    carol = Identity("Carol", "carol@example.com")
    oid, _ = repository.write_change([two, one], {"b": b"1"}, "m\n", ALICE, NOW, sign, committer=carol)
    commit = repository.commit(oid)
    assert commit.parents == (two, one)
    assert commit.author == ALICE
    assert commit.time == NOW
    assert "Carol <carol@example.com>" in git(repository.top, "cat-file", "commit", oid)
    assert commit.sealed is not None
    assert [commit.sealed.payload] == signed


def test_nothing_is_written_where_a_path_cannot_be(repository: GitRepository) -> None:
    assert repository.top is not None
    base = commit_files(repository.top, {"a": "1"})
    before = git(repository.top, "count-objects")
    for path in ("../x", ".git/config", ""):
        with pytest.raises(UsageError):
            repository.write_change([base], {path: b"x"}, "m\n", ALICE, NOW)
    with pytest.raises(Bug):
        repository.write_change(["main"], {"a": b"x"}, "m\n", ALICE, NOW)
    assert git(repository.top, "count-objects") == before


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_repository_that_may_not_be_written(repository: GitRepository) -> None:
    assert repository.top is not None
    base = commit_files(repository.top, {"a": "1"})
    objects = repository.common_dir / "objects"
    objects.chmod(0o500)
    with pytest.raises(Refused):
        repository.write_change([base], {"a": b"x"}, "m\n", ALICE, datetime.now(UTC))
    objects.chmod(0o700)
