"""People's checkouts: a clean one follows its branch, any other is left exactly as it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from git_kit import MAIN, change, commit_files, git, hub_and_clone, init, land, pin, put

from gitreg.adapters.git import checkout
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import RefUpdate
from gitreg.errors import LostRace, Refused

FILES = {"a": "1", "models/x/model.yaml": "x", "gone/soon": "x"}
CHANGE = {"a": "2", "models/x/versions/1/version.yaml": "1", "gone/soon": None}


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, tmp_path)


@pytest.fixture(params=["origin", "here"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A clean checkout of ``main``, with and without an origin."""
    if request.param == "here":
        return init(tmp_path / "work", FILES)
    return hub_and_clone(tmp_path, FILES)[1]


def state(top: Path) -> tuple[str, str, dict[str, bytes]]:
    """All that a person sees: HEAD, status and files."""
    files = {
        str(p.relative_to(top)): p.read_bytes()
        for p in sorted(top.rglob("*"))
        if p.is_file() and ".git" not in p.parts
    }
    return git(top, "symbolic-ref", "HEAD"), git(top, "status", "--porcelain"), files


def test_a_clean_checkout_follows(work: Path) -> None:
    put(work, {"untracked": "mine"})
    os.utime(work / "a", (0, 0))
    with GitRepository.open(work / "models") as repository:
        assert repository.followable("main") is None
        update = land(repository, CHANGE)
        assert repository.follow("main", update.old, update.new or "")
    assert git(work, "rev-parse", "HEAD") == update.new
    head, status, files = state(work)
    assert (head, status) == (MAIN, "?? untracked")
    assert files == {
        "a": b"2",
        "models/x/model.yaml": b"x",
        "models/x/versions/1/version.yaml": b"1",
        "untracked": b"mine",
    }
    assert not (work / "gone").exists()


def _staged(top: Path, files: dict[str, str]) -> None:
    put(top, files)
    git(top, "add", "-A")


def _put_back(top: Path) -> None:
    _staged(top, {"a": "mine"})
    put(top, {"a": "1"})


DISTURBANCES: dict[str, Callable[[Path], object]] = {
    "edited": lambda top: put(top, {"a": "mine"}),
    "staged": lambda top: _staged(top, {"a": "mine"}),
    "staged, then put back": _put_back,
    "elsewhere": lambda top: put(top, {"models/x/model.yaml": "mine"}),
    "deleted": lambda top: (top / "a").unlink(),
    "added": lambda top: _staged(top, {"new": "mine"}),
    "merging": lambda top: put(top, {".git/MERGE_HEAD": git(top, "rev-parse", "HEAD") + "\n"}),
}


@pytest.mark.parametrize("case", DISTURBANCES)
def test_a_checkout_in_use_is_left_alone(work: Path, case: str) -> None:
    DISTURBANCES[case](work)
    before = state(work)
    with GitRepository.open(work) as repository:
        local = git(work, "rev-parse", "main")
        reason = repository.followable("main")
        if repository.has_origin:
            assert reason is None
            update = land(repository, CHANGE)
            assert not repository.follow("main", update.old, update.new or "")
        else:
            assert reason is not None
            assert str(work) in reason
            assert "uncommitted changes" in reason or "a merge is under way" in reason
            with pytest.raises(Refused) as caught:
                land(repository, CHANGE)
            assert caught.value.message == reason
    assert state(work) == before
    assert git(work, "rev-parse", "main") == local


def test_an_untracked_file_is_never_overwritten(work: Path) -> None:
    put(work, {"models/x/versions/1/version.yaml": "mine"})
    before = state(work)
    with GitRepository.open(work) as repository:
        assert repository.followable("main") is None
        if repository.has_origin:
            update = land(repository, CHANGE)
            assert not repository.follow("main", update.old, update.new or "")
        else:
            with pytest.raises(Refused, match="untracked files"):
                land(repository, CHANGE)
    assert state(work) == before


def test_a_clone_may_be_opened_as_if_it_were_alone(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path)
    put(work, {"README.md": "mine"})
    with GitRepository.open(work, alone=True) as repository:
        assert not repository.has_origin
        repository.fetch()
        update = land(repository, {"gitreg.yaml": "x"})
        assert repository.follow("main", None, update.new or "")
    assert git(work, "rev-parse", "main") == update.new
    assert git(work, "status", "--porcelain") == "?? README.md"
    assert git(hub, "for-each-ref") == ""


def test_another_branch_checked_out_is_left_alone(work: Path) -> None:
    git(work, "checkout", "-q", "-b", "mine")
    put(work, {"a": "mine"})
    before = state(work)
    with GitRepository.open(work) as repository:
        assert repository.followable("main") is None
        update = land(repository, CHANGE)
        assert not repository.follow("main", update.old, update.new or "")
    assert state(work) == before


def test_a_detached_head_is_left_alone(work: Path) -> None:
    git(work, "checkout", "-q", "--detach")
    put(work, {"a": "mine"})
    head = git(work, "rev-parse", "HEAD")
    with GitRepository.open(work) as repository:
        assert repository.followable("main") is None
        update = land(repository, CHANGE)
        assert not repository.follow("main", update.old, update.new or "")
    assert git(work, "rev-parse", "HEAD") == head
    assert (work / "a").read_text() == "mine"


def test_a_branch_without_commits_gets_its_first(tmp_path: Path) -> None:
    for work in (init(tmp_path / "alone"), hub_and_clone(tmp_path / "with")[1]):
        put(work, {"untracked": "mine"})
        with GitRepository.open(work) as repository:
            assert repository.followable("main") is None
            update = land(repository, {"gitreg.yaml": "x"})
            assert repository.follow("main", None, update.new or "")
        assert state(work) == (MAIN, "?? untracked", {"gitreg.yaml": b"x", "untracked": b"mine"})


def test_a_bare_repository_has_nothing_to_follow(tmp_path: Path) -> None:
    hub, _ = hub_and_clone(tmp_path, FILES)
    with GitRepository.open(hub) as repository:
        assert repository.followable("main") is None
        update = land(repository, CHANGE)
        assert not repository.follow("main", update.old, update.new or "")


def test_a_clone_that_is_behind_catches_up(tmp_path: Path) -> None:
    _, work = hub_and_clone(tmp_path, FILES)
    git(work, "branch", "before")
    with GitRepository.open(work) as repository:
        land(repository, {"a": "in between"})
        update = land(repository, CHANGE)
        assert repository.follow("main", update.old, update.new or "")
    assert git(work, "rev-parse", "HEAD") == update.new
    assert git(work, "status", "--porcelain") == ""


def test_a_clone_with_its_own_commits_is_left_alone(tmp_path: Path) -> None:
    _, work = hub_and_clone(tmp_path, FILES)
    mine = commit_files(work, {"mine": "x"})
    with GitRepository.open(work) as repository:
        update = land(repository, CHANGE)
        assert not repository.follow("main", update.old, update.new or "")
    assert git(work, "rev-parse", "HEAD") == mine
    assert git(work, "status", "--porcelain") == ""


def test_with_an_origin_only_the_checkout_at_hand_follows(tmp_path: Path) -> None:
    _, work = hub_and_clone(tmp_path, FILES)
    git(work, "worktree", "add", "-q", "-b", "side", "../linked")
    old = git(work, "rev-parse", "main")
    with GitRepository.open(tmp_path / "linked") as repository:
        update = land(repository, CHANGE)
        assert not repository.follow("main", update.old, update.new or "")
    assert git(work, "rev-parse", "main") == old
    assert git(work, "status", "--porcelain") == ""
    with GitRepository.open(work) as repository:
        assert repository.follow("main", update.old, update.new or "")


def test_without_one_linked_checkouts_follow_too(tmp_path: Path) -> None:
    work = init(tmp_path / "work", FILES)
    linked = tmp_path / "売上 linked"
    git(work, "worktree", "add", "-q", "-b", "side", os.fspath(linked))
    with GitRepository.open(linked) as repository:
        update = land(repository, CHANGE)
        assert repository.follow("main", update.old, update.new or "")
        assert git(work, "status", "--porcelain") == ""
        assert (work / "a").read_text() == "2"
    put(linked, {"a": "mine"})
    with GitRepository.open(work) as repository:
        assert str(linked) in (repository.followable("side") or "")
        with pytest.raises(Refused, match="uncommitted"):
            land(repository, {"b": "3"}, "refs/heads/side")
    git(linked, "checkout", "-q", "-f", "--detach")
    with GitRepository.open(work) as repository:
        assert repository.followable("side") is None


def test_a_branch_that_is_checked_out_is_not_deleted(work: Path) -> None:
    git(work, "checkout", "-q", "-b", "mine")
    with GitRepository.open(work) as repository:
        head = repository.hub_ref(MAIN)
        if repository.has_origin:
            git(work, "push", "-q", "origin", "mine")
            repository.fetch()
            repository.update([RefUpdate("refs/heads/mine", head, None)])
            assert repository.hub_ref("refs/heads/mine") is None
        else:
            with pytest.raises(Refused, match="checked out"):
                repository.update([RefUpdate("refs/heads/mine", head, None)])
    assert git(work, "rev-parse", "mine") == head


def test_a_lost_race_is_no_disturbance(tmp_path: Path) -> None:
    work = init(tmp_path / "work", FILES)
    with GitRepository.open(work) as repository:
        old = repository.hub_ref(MAIN)
        new = change(repository, old, CHANGE)
        commit_files(work, {"faster": "x"})
        with pytest.raises(LostRace):
            repository.update([RefUpdate(MAIN, old, new)])
    assert git(work, "status", "--porcelain") == ""


def test_a_checkout_stopped_half_way_is_completed_by_git_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are moved before the branch: a crash in between must not leave a change that undoes the other."""
    _, work = hub_and_clone(tmp_path, FILES)

    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with GitRepository.open(work) as repository:
        update = land(repository, CHANGE)
        monkeypatch.setattr("gitreg.adapters.git.repository.refs.move_here", crash)
        with pytest.raises(Crash):
            repository.follow("main", update.old, update.new or "")
    assert git(work, "rev-parse", "HEAD") == update.old
    git(work, "pull", "-q", "--ff-only")
    assert git(work, "rev-parse", "HEAD") == update.new
    assert git(work, "status", "--porcelain") == ""


def test_a_branch_moved_this_very_moment_takes_the_files_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, work = hub_and_clone(tmp_path, FILES)
    switch = checkout.switch

    with GitRepository.open(work) as repository:
        update = land(repository, CHANGE)
        other = change(repository, update.old, {"other": "x"})

        def switch_and_lose(folder: Path, old: str, new: str) -> bool:
            done = switch(folder, old, new)
            git(work, "update-ref", MAIN, other)
            return done

        monkeypatch.setattr("gitreg.adapters.git.checkout.switch", switch_and_lose)
        assert not repository.follow("main", update.old, update.new or "")
    assert git(work, "rev-parse", "HEAD") == other
    assert (work / "a").read_text() == "1"


def test_a_hub_moves_its_own_checkout_before_the_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, the checkout shows the change as staged; it never shows one that undoes it."""
    work = init(tmp_path / "work", FILES)
    seen: list[str] = []

    def look(*_: object) -> None:
        seen.append((work / "a").read_text())
        raise LostRace("somebody else was faster")

    with GitRepository.open(work) as repository:
        old = repository.resolve(MAIN)
        new = change(repository, old, CHANGE)
        before = state(work)
        with monkeypatch.context() as patch:
            patch.setattr("gitreg.adapters.git.repository.refs.move_here", look)
            with pytest.raises(LostRace):
                repository.update([RefUpdate(MAIN, old, new)])
        assert seen == ["2"]
        assert state(work) == before, "what did not land leaves no trace"
        repository.update([RefUpdate(MAIN, old, new)])
        assert repository.follow("main", old, new)
    assert git(work, "status", "--porcelain") == ""
    assert (work / "a").read_text() == "2"


def test_a_submodule_is_no_obstacle(tmp_path: Path) -> None:
    inner = init(tmp_path / "inner", {"x": "x"})
    work = init(tmp_path / "work", FILES)
    git(work, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", os.fspath(inner), "sub")
    git(work, "commit", "-q", "-m", "submodule")
    put(work, {"sub/x": "edited"})
    with GitRepository.open(work) as repository:
        assert repository.followable("main") is None
        update = land(repository, CHANGE)
        assert repository.follow("main", update.old, update.new or "")
    assert (work / "a").read_text() == "2"
    assert (work / "sub" / "x").read_text() == "edited"
    with GitRepository.open(work / "sub") as repository:
        assert repository.top == work / "sub"
        assert repository.tree(repository.resolve("HEAD")).read("x") is not None
