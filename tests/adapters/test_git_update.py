"""Moving the hub's refs: all or none, from their expected old values, with the hub's own word on what it declines."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from git_kit import MAIN, change, git, hook, hub_and_clone, is_root, land, pin

from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import RefUpdate
from gitreg.errors import Bug, GitregError, LostRace, Refused, Undecided

SIDE = "refs/heads/gitreg/side"
REQUEST = "refs/gitreg/requests/1"


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, tmp_path)


@pytest.fixture(params=["origin", "here", "bare"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """Where gitreg works, and where the hub is."""
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    if request.param == "origin":
        return work, hub
    if request.param == "bare":
        return hub, hub
    git(work, "remote", "remove", "origin")
    return work, work


@pytest.fixture
def repository(place: tuple[Path, Path]) -> GitRepository:
    return GitRepository.open(place[0])


def at_hub(place: tuple[Path, Path], ref: str) -> str:
    return git(place[1], "for-each-ref", "--format=%(objectname)", ref)


def test_creates_moves_and_deletes(place: tuple[Path, Path], repository: GitRepository) -> None:
    head = repository.hub_ref(MAIN)
    one = change(repository, head, {"b": "1"})
    blob = repository.write_blob(b"{}")
    repository.update([RefUpdate(SIDE, None, one), RefUpdate(REQUEST, None, blob)])
    assert at_hub(place, SIDE) == repository.hub_ref(SIDE) == one
    assert at_hub(place, REQUEST) == repository.hub_ref(REQUEST) == blob
    two = change(repository, one, {"b": "2"})
    repository.update([RefUpdate(SIDE, one, two), RefUpdate(REQUEST, blob, None)])
    assert repository.hub_refs("refs/heads/") == {MAIN: head, SIDE: two}
    assert repository.hub_refs("refs/gitreg/") == {}
    assert at_hub(place, REQUEST) == ""
    repository.update([RefUpdate(SIDE, two, one)])
    assert at_hub(place, SIDE) == one
    repository.update([])


@pytest.mark.parametrize("case", ["exists already", "is elsewhere", "is gone", "is gone before deletion"])
def test_all_or_none_move(place: tuple[Path, Path], repository: GitRepository, case: str) -> None:
    one = change(repository, repository.hub_ref(MAIN), {"b": "1"})
    two = change(repository, one, {"b": "2"})
    if case in {"exists already", "is elsewhere"}:
        repository.update([RefUpdate(SIDE, None, one)])
    late = {
        "exists already": RefUpdate(SIDE, None, two),
        "is elsewhere": RefUpdate(SIDE, two, change(repository, two, {"b": "3"})),
        "is gone": RefUpdate(SIDE, one, two),
        "is gone before deletion": RefUpdate(SIDE, one, None),
    }[case]
    before = git(place[1], "for-each-ref")
    with pytest.raises(LostRace) as caught:
        repository.update([RefUpdate(REQUEST, None, one), late])
    assert caught.value.exit_code == 3
    assert git(place[1], "for-each-ref") == before
    assert repository.hub_ref(REQUEST) is None


def test_one_of_many_wins(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    desks = [work]
    for i in range(3):
        git(tmp_path, "clone", "-q", os.fspath(hub), f"desk{i}")
        desks.append(tmp_path / f"desk{i}")

    def race(desk: Path) -> str | None:
        with GitRepository.open(desk) as repository:
            old = repository.hub_ref(MAIN)
            new = change(repository, old, {"who": desk.name})
            try:
                repository.update([RefUpdate(MAIN, old, new)])
            except LostRace:
                return None
            return new

    with ThreadPoolExecutor(len(desks)) as pool:
        winners = [new for new in pool.map(race, desks) if new is not None]
    assert winners == [git(hub, "rev-parse", "main")]


def test_many_in_one_repository(tmp_path: Path) -> None:
    hub, _ = hub_and_clone(tmp_path, {"a": "x"})

    def race(i: int) -> bool:
        with GitRepository.open(hub) as repository:
            try:
                repository.update([RefUpdate(REQUEST, None, repository.write_blob(b"%d" % i))])
            except LostRace:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(race, range(8))) == 1


def test_a_push_that_got_through_unheard_may_be_repeated(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    with GitRepository.open(work) as repository:
        update = RefUpdate(REQUEST, None, repository.write_blob(b"{}"))
        repository.update([update])
        git(work, "update-ref", "-d", REQUEST)
        repository.update([update])
        assert repository.hub_ref(REQUEST) == update.new == git(hub, "rev-parse", REQUEST)


def test_names_that_stand_in_each_other_s_way(place: tuple[Path, Path], repository: GitRepository) -> None:
    head = repository.hub_ref(MAIN)
    repository.update([RefUpdate(SIDE, None, head)])
    for ref in (f"{SIDE}/x", "refs/heads/gitreg"):
        with pytest.raises(Refused):
            repository.update([RefUpdate(ref, None, head)])


@pytest.mark.parametrize(
    "update",
    [
        RefUpdate("--all", None, "1" * 40),
        RefUpdate("main", None, "1" * 40),
        RefUpdate("refs/heads/a\ndelete refs/heads/main", None, "1" * 40),
        RefUpdate(MAIN, None, "HEAD"),
        RefUpdate(MAIN, "HEAD", None),
        RefUpdate(MAIN, None, None),
        RefUpdate(MAIN, "", "1" * 40),
    ],
)
def test_only_refs_and_ids_get_to_git(repository: GitRepository, update: RefUpdate) -> None:
    with pytest.raises(Bug):
        repository.update([update])


def test_an_object_that_is_not_here_moves_nothing(
    place: tuple[Path, Path], repository: GitRepository
) -> None:
    before = git(place[1], "for-each-ref")
    with pytest.raises(GitregError) as caught:
        repository.update([RefUpdate(SIDE, None, "1" * 40)])
    assert not isinstance(caught.value, LostRace)
    assert git(place[1], "for-each-ref") == before


def test_what_a_hook_declines_is_refused_in_its_own_words(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    hook(
        hub,
        "pre-receive",
        'echo "GR12 version 3 is not staged"\nprintf "see \\033[2Jdocs/rules/README.md\\r\\n" >&2\nexit 1\n',
    )
    with GitRepository.open(work) as repository:
        head = repository.hub_ref(MAIN)
        with pytest.raises(Refused) as caught:
            land(repository, {"b": "1"})
        assert repository.hub_ref(MAIN) == head == git(hub, "rev-parse", "main")
    assert "GR12 version 3 is not staged" in caught.value.message
    assert "see [2Jdocs/rules/README.md" in caught.value.message
    assert "pre-receive hook declined" in (caught.value.hint or "")
    assert caught.value.message.isprintable()


def test_one_declined_ref_holds_the_others_back(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    hook(hub, "update", f'test "$1" != {SIDE}\n')
    with GitRepository.open(work) as repository:
        head = repository.hub_ref(MAIN)
        with pytest.raises(Refused, match=SIDE):
            repository.update([RefUpdate(REQUEST, None, head), RefUpdate(SIDE, None, head)])
    assert git(hub, "for-each-ref", "refs/gitreg", "refs/heads/gitreg") == ""


def test_a_hub_that_takes_no_rewriting_refuses_it(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    git(hub, "config", "receive.denyNonFastForwards", "true")
    with GitRepository.open(work) as repository:
        head = repository.hub_ref(MAIN)
        with pytest.raises(Refused, match="main"):
            repository.update([RefUpdate(MAIN, head, change(repository, None, {"b": "1"}))])


@pytest.mark.skipif(is_root(), reason="root may write anywhere")
def test_a_hub_that_may_not_be_written_refuses(tmp_path: Path) -> None:
    hub, _ = hub_and_clone(tmp_path, {"a": "x"})
    (hub / "objects").chmod(0o555)
    with GitRepository.open(hub) as repository, pytest.raises(Refused, match="permi"):
        repository.write_blob(b"new")


def test_an_unreachable_hub_is_undecided(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    hub.rename(tmp_path / "moved.git")
    with GitRepository.open(work) as repository:
        head = repository.hub_ref(MAIN)
        with pytest.raises(Undecided, match=r"origin \(.*hub.git\) could not be reached") as caught:
            land(repository, {"b": "1"})
        assert not isinstance(caught.value, LostRace)
        assert repository.hub_ref(MAIN) == head


def test_a_person_s_push_configuration_changes_nothing(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    hook(work / ".git", "pre-push", "exit 1\n")
    git(work, "tag", "-a", "-m", "x", "v1")
    for key, value in {
        "push.followTags": "true",
        "push.default": "matching",
        "push.recurseSubmodules": "check",
    }.items():
        git(work, "config", key, value)
    git(work, "config", "--unset-all", "remote.origin.fetch")
    with GitRepository.open(work) as repository:
        update = land(repository, {"b": "1"})
        assert repository.hub_ref(MAIN) == update.new == git(hub, "rev-parse", "main")
    assert git(hub, "tag") == ""


def test_inside_a_hook_the_pushed_objects_are_read_from_quarantine(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    script = """
import sys
from gitreg.adapters.git.repository import GitRepository
old, new, ref = sys.stdin.read().split()
with GitRepository.open(".") as repository:
    found = repository.tree(new).read("b")
    print("read", found.data.decode(), repository.merge_base(old, new) == old, repository.hub_ref(ref) == old)
    repository.write_blob(b"of the hook")
"""
    root = Path(__file__).parents[2]
    (tmp_path / "hook.py").write_text(script)
    hook(hub, "pre-receive", f"PYTHONPATH={root} exec {sys.executable} {tmp_path}/hook.py\n")
    (work / "b").write_text("quarantined")
    git(work, "add", "b")
    git(work, "commit", "-q", "-m", "b")
    done = git(work, "-c", "advice.pushUpdateRejected=false", "push", "--porcelain", "origin", "main")
    assert "Done" in done
    assert git(hub, "rev-parse", "main") == git(work, "rev-parse", "main")
    (work / "b").write_text("again")
    git(work, "commit", "-q", "-am", "b2")
    hook(
        hub,
        "pre-receive",
        f"PYTHONPATH={root} {sys.executable} {tmp_path}/hook.py > {tmp_path}/said\nexit 1\n",
    )
    git(work, "push", "-q", "origin", "main", check=False)
    assert (tmp_path / "said").read_text() == "read again True True\n"
    blob = git(hub, "hash-object", "--stdin", stdin=b"of the hook")
    assert git(hub, "cat-file", "--batch-check", stdin=f"{blob}\n{'1' * 40}\n".encode()).splitlines() == [
        f"{blob} blob 11",
        f"{'1' * 40} missing",
    ]
