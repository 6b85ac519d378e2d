"""What the commits of the first-parent line did, as git tells it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from git_kit import git

from gitreg.adapters.git import first_parents
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import Step
from gitreg.errors import Undecided

STREAM = b"""\
commit refs/heads/main
committer A <a@b> 1000 +0200
data 3
one
M 100644 inline models/a/x
data 2
1

M 100644 inline other/y
data 2
1

commit refs/heads/side
committer A <a@b> 2000 +0000
data 3
two
from refs/heads/main
M 100644 inline models/b
data 2
2

commit refs/heads/main
committer A <a@b> 3000 +0000
data 5
three
merge refs/heads/side
M 100644 inline models/b
data 2
2

D models/a/x
commit refs/heads/main
committer A <a@b> 4000 +0000
data 4
four
M 100755 inline "models/\\351 \\" \\n:x"
data 2
2

M 160000 1111111111111111111111111111111111111111 models/module
M 100644 inline other/y
data 2
3

commit refs/heads/main
committer A <a@b> 5000 +0000
data 4
five
M 100644 inline other/y
data 2
4

"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", os.fspath(tmp_path)], check=True)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=tmp_path, input=STREAM, check=True)
    return tmp_path


def seen(steps: object) -> list[tuple[int, list[tuple[str, bool, bool]]]]:
    """Of each step its time, and of each file its path and whether it was there before and is there after."""
    assert steps is not None
    found: list[Step] = list(steps)  # type: ignore[call-overload]
    return [
        (
            int(step.time.timestamp()),
            [(t.path, t.old is not None, t.new is not None) for t in step.touches],
        )
        for step in found
    ]


def test_tells_what_each_commit_did_against_its_first_parent(place: Path) -> None:
    with GitRepository.open(place) as repository:
        tip = repository.resolve("main")
        steps = seen(repository.steps(None, tip, "models"))
    assert steps == [
        (1000, [("models/a/x", False, True)]),
        (3000, [("models/a/x", True, False), ("models/b", False, True)]),
        (4000, [("models/module", False, True), ('models/\udce9 " \n:x', False, True)]),
    ]


def test_begins_after_the_base(place: Path) -> None:
    with GitRepository.open(place) as repository:
        tip = repository.resolve("main")
        assert [time for time, _ in seen(repository.steps(repository.resolve("main~2"), tip, ""))] == [
            4000,
            5000,
        ]
        assert seen(repository.steps(tip, tip, "")) == []


@pytest.mark.parametrize("base", ["side", "main"])
def test_is_none_where_the_base_is_not_on_the_line(place: Path, base: str) -> None:
    """Merged from the side, or ahead."""
    with GitRepository.open(place) as repository:
        assert repository.steps(repository.resolve(base), repository.resolve("main~2"), "") is None
        assert repository.steps("1" * 40, repository.resolve("main"), "") is None


def test_no_configuration_changes_what_is_told(place: Path) -> None:
    with GitRepository.open(place) as repository:
        tip = repository.resolve("main")
        before = seen(repository.steps(None, tip, ""))
        for setting in (
            "diff.renames=copies",
            "log.showRoot=false",
            "core.quotePath=false",
            "diff.relative=true",
        ):
            git(place, "config", *setting.split("="))
        git(place, "config", "diff.orderFile", "/dev/null")
        assert seen(repository.steps(None, tip, "")) == before


def test_a_shallow_clone_begins_with_all_that_is_there(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clone = tmp_path_factory.mktemp("clone")
    git(clone, "clone", "-q", "--bare", "--depth=2", f"file://{place}", ".")
    with GitRepository.open(clone) as repository:
        steps = seen(repository.steps(None, repository.resolve("main"), ""))
    assert [(time, len(files)) for time, files in steps] == [(4000, 4), (5000, 1)]


@pytest.mark.parametrize(
    "said", [b"nonsense", b":100644 100644 x y M\0p\0", b"1" * 40 + b"\0:1 2 3\0p\0", b"1" * 40]
)
def test_an_answer_that_is_not_understood_is_none(said: bytes) -> None:
    with pytest.raises(Undecided, match="git diff-tree said"):
        list(first_parents._parsed(said))


@pytest.mark.parametrize("seconds", ["999999999999", "99999999999999999"])
def test_date_that_no_calendar_has_keeps_nobody_from_reading(tmp_path: Path, seconds: str) -> None:
    git(tmp_path, "init", "-q", "--bare", "--initial-branch=main")
    blob = git(tmp_path, "hash-object", "-w", "--stdin", stdin=b"1")
    tree = git(tmp_path, "mktree", stdin=f"100644 blob {blob}\tx\n".encode())
    raw = f"tree {tree}\nauthor A <a@b> {seconds} +0000\ncommitter A <a@b> {seconds} +0000\n\nx\n"
    tip = git(tmp_path, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw.encode())
    found = first_parents.steps(str(tmp_path), None, tip, "")
    assert found is not None
    assert [step.time.year for step in found] == [9999]
