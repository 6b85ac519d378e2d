from __future__ import annotations

import hashlib
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.digest import artifact_digest, payload_path_problem, payload_paths_problem
from gitreg.core.ports import ListedFile

SHELL = r"""
find . -type f -printf '%P\n' | LC_ALL=C sort | while IFS= read -r path; do
    printf '%s %s %s\n' "$(sha256sum < "$path" | cut -d' ' -f1)" "$(stat -c %s "$path")" "$path"
done | sha256sum
"""


def listed(path: str, content: bytes) -> ListedFile:
    return ListedFile(path, len(content), hashlib.sha256(content).hexdigest())


def test_a_files_digest_is_its_sha256() -> None:
    assert artifact_digest([listed("", b"weights")]) == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"


def test_the_shell_recipe_of_the_docstring_computes_a_directorys_digest(tmp_path: Path) -> None:
    contents = {
        "b": b"1",
        "a/z": b"",
        "a-b": b"2",
        "a.b": b"3",
        "売上/é x.bin": b"\x00\xff",
        "Z": b"4",
        "😀": b"5",
        "￼": b"6",
    }
    for path, content in contents.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    done = subprocess.run(["bash", "-c", SHELL], cwd=tmp_path, capture_output=True, text=True, check=True)
    expected = f"sha256:{done.stdout.split()[0]}"
    assert artifact_digest(listed(p, c) for p, c in contents.items()) == expected


def test_the_digest_depends_on_path_size_content_and_nothing_else() -> None:
    one, two = listed("a", b"1"), listed("b", b"2")
    digest = artifact_digest([one, two])
    assert artifact_digest([two, one]) == digest
    assert artifact_digest([listed("a", b"2"), listed("b", b"1")]) != digest
    assert artifact_digest([listed("a", b"1"), listed("c", b"2")]) != digest
    assert artifact_digest([one]) != artifact_digest([listed("", b"1")])


@pytest.mark.parametrize(
    "files", [[], [listed("", b""), listed("a", b"")], [listed("a\nb", b"")], [listed("../a", b"")]]
)
def test_what_is_no_artifact_has_no_digest(files: list[ListedFile]) -> None:
    with pytest.raises(ValueError, match=r": it |at least"):
        artifact_digest(files)


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/b.bin",
        "MLmodel",
        ".hidden",
        ".gitattributes",
        "a b/c d",
        "売上/é.txt",
        "dvc.lock",
        "x.dvc.json",
        "😀",
        "...",
    ],
)
def test_good_paths(path: str) -> None:
    assert payload_path_problem(path) is None


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "..", "/a", "a/", "a//b", "./a", "a/../b", "a/.", "/", "//"),
        *("a\\b", "..\\a", "a\nb", "a\x00b", "a\x7f", "a\u202eb", "a\u200bb", "a\x85", "\ud800"),
        *("e\u0301", ".git", "a/.git/hooks/x", ".GIT/x", ".gIt", ".hg/x", "a/.dvc/config"),
        *(".dvcignore", "a/.dvcignore", "dvc.yaml", "a/other.dvc", "a.DVC"),
    ],
)
def test_bad_paths(path: str) -> None:
    assert payload_path_problem(path)
    assert payload_paths_problem(["good", path])


@pytest.mark.parametrize(
    "paths",
    [
        ["a", "a"],
        ["a", "A"],
        ["a/x", "A/y"],
        ["straße", "STRASSE"],
        ["ﬁle", "file"],
        ["x/é", "x/É"],
        ["a", "a/b"],
        ["a/b/c", "a/b"],
        ["A", "a/b"],
        ["a-b", "a/b", "a.b", "A/c"],
        ["a/b", "a-b", "a"],
        ["x/a/1", "x/b", "x/a!", "X/a/2"],
    ],
)
def test_paths_that_cannot_stand_side_by_side(paths: list[str]) -> None:
    assert payload_paths_problem(paths)
    assert payload_paths_problem(reversed(paths))


def test_many_paths_share_folders() -> None:
    assert payload_paths_problem(f"shard/{n % 7}/{n}.bin" for n in range(500)) is None


def test_a_path_of_many_folders_takes_no_more_memory_than_its_length() -> None:
    deep = "a/" * 50_000
    tracemalloc.start()
    assert payload_paths_problem([f"{deep}b", f"{deep}c"]) is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * len(deep)


@given(st.lists(st.lists(st.sampled_from("aAbß"), min_size=1, max_size=4).map("/".join), max_size=6))
def test_paths_are_admitted_if_no_two_folders_or_files_are_one(paths: list[str]) -> None:
    """Compared with each other, all with all."""
    parts = [path.split("/") for path in paths]
    names = {tuple(part[:depth]) for part in parts for depth in range(1, len(part) + 1)}
    spelled_once = len({tuple(map(str.casefold, name)) for name in names}) == len(names)
    files = {tuple(part) for part in parts}
    folders = {name[:-1] for name in names}
    good = spelled_once and len(files) == len(paths) and not files & folders
    assert (payload_paths_problem(paths) is None) == good


COMPONENT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(
    st.dictionaries(
        st.lists(COMPONENT, min_size=1, max_size=3).map("/".join), st.binary(max_size=8), max_size=6
    )
)
def test_admitted_listings_are_unambiguous(contents: dict[str, bytes]) -> None:
    files = [listed(path, content) for path, content in contents.items()]
    if not files or payload_paths_problem(contents):
        return
    lines = [f"{f.sha256} {f.size} {f.path}" for f in sorted(files, key=lambda f: f.path.encode())]
    text = "".join(f"{line}\n" for line in lines)
    assert text.splitlines() == lines
    assert artifact_digest(files) == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
