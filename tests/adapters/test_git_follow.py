"""People's checkouts: a clean one follows its branch, any other is left exactly as it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Timer

import pytest
from git_kit import MAIN, change, commit_files, git, hub_and_clone, init, is_root, land, pin, put

import gitreg
from gitreg.adapters.git import checkout, refs, turn
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import RefUpdate
from gitreg.errors import LostRace, Refused, Undecided

SOURCE = os.fspath(Path(gitreg.__file__).parent.parent)
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


def test_who_looks_at_a_checkout_waits_while_another_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the files and the branch a checkout looks as if a person had edited it. Nobody may see it so."""
    work = init(tmp_path / "work", FILES)
    move_here = refs.move_here
    with (
        GitRepository.open(work) as repository,
        GitRepository.open(work) as other,
        ThreadPoolExecutor() as pool,
    ):
        old = repository.resolve(MAIN)
        new, slower = change(repository, old, CHANGE), change(repository, old, {"b": "x"})
        looks: list[Future[str | None]] = []
        moves: list[Future[None]] = []

        def move(folder: str, updates: list[RefUpdate]) -> None:
            if not looks:
                looks.append(pool.submit(other.followable, "main"))
                moves.append(pool.submit(other.update, [RefUpdate(MAIN, old, slower)]))
                assert not wait([*looks, *moves], 0.3).done
            move_here(folder, updates)

        monkeypatch.setattr("gitreg.adapters.git.repository.refs.move_here", move)
        repository.update([RefUpdate(MAIN, old, new)])
        assert looks[0].result() is None
        with pytest.raises(LostRace):
            moves[0].result()
    assert git(work, "rev-parse", "HEAD") == new
    assert git(work, "status", "--porcelain") == ""


def _killed(work: Path, call: str) -> None:
    """A process that is killed in the middle of ``call``, when the files have moved and the branch has not."""
    program = f"""
import os, signal
from gitreg.adapters.git import repository
from gitreg.core.ports import RefUpdate
repository.refs.move_here = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
found = repository.GitRepository.open({os.fspath(work)!r})
found.{call}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": SOURCE}, check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_what_a_killed_process_left_half_moved_is_taken_back(tmp_path: Path) -> None:
    work = init(tmp_path / "work", FILES)
    before = state(work)
    with GitRepository.open(work) as repository:
        old = repository.resolve(MAIN)
        new = change(repository, old, CHANGE)
        _killed(work, f"update([RefUpdate({MAIN!r}, {old!r}, {new!r})])")
        assert (work / "a").read_text() == "2"
        assert repository.followable("main") is None
        assert state(work) == before
        _killed(work, f"update([RefUpdate({MAIN!r}, {old!r}, {new!r})])")
        repository.update([RefUpdate(MAIN, old, new)])
    assert git(work, "rev-parse", "HEAD") == new
    assert git(work, "status", "--porcelain") == ""


def test_so_is_a_clone_that_a_killed_process_left_half_moved(tmp_path: Path) -> None:
    _, work = hub_and_clone(tmp_path, FILES)
    with GitRepository.open(work) as repository:
        update = land(repository, CHANGE)
        _killed(work, f"follow('main', {update.old!r}, {update.new!r})")
        assert git(work, "status", "--porcelain") != ""
        then = land(repository, {"a": "3"})
        assert repository.follow("main", then.old, then.new or "")
    assert git(work, "rev-parse", "HEAD") == then.new
    assert git(work, "status", "--porcelain") == ""


def test_a_first_commit_left_half_made_is_taken_back(tmp_path: Path) -> None:
    work = init(tmp_path / "work")
    with GitRepository.open(work) as repository:
        new = change(repository, None, {"a": "1"})
        _killed(work, f"update([RefUpdate({MAIN!r}, None, {new!r})])")
        assert repository.followable("main") is None
        assert not (work / "a").exists()
        repository.update([RefUpdate(MAIN, None, new)])
    assert git(work, "status", "--porcelain") == ""


def test_what_a_person_did_after_the_kill_is_theirs(tmp_path: Path) -> None:
    work = init(tmp_path / "work", FILES)
    with GitRepository.open(work) as repository:
        old = repository.resolve(MAIN)
        new = change(repository, old, CHANGE)
        _killed(work, f"update([RefUpdate({MAIN!r}, {old!r}, {new!r})])")
        put(work, {"a": "mine"})
        before = state(work)
        assert "uncommitted changes" in (repository.followable("main") or "")
        assert state(work) == before
        with pytest.raises(Refused, match="uncommitted changes"):
            repository.update([RefUpdate(MAIN, old, new)])
    assert state(work) == before


def test_a_note_that_was_cut_off_is_of_nothing(tmp_path: Path) -> None:
    work = init(tmp_path / "work", FILES)
    (work / ".git" / turn.NAME).write_text('[{"folder": "/x", "ref"')
    with GitRepository.open(work) as repository:
        assert repository.followable("main") is None


def test_a_turn_that_does_not_come_is_undecided(tmp_path: Path) -> None:
    git_dir = init(tmp_path / "work", FILES) / ".git"
    second = turn.turn(git_dir, lambda move: None, patience=0.05)
    with turn.turn(git_dir, lambda move: None), pytest.raises(Undecided, match=turn.NAME), second:
        pytest.fail("two had the same turn")
    with turn.turn(git_dir, lambda move: None, patience=0.05):
        pass


@pytest.mark.skipif(is_root(), reason="root may write everywhere")
def test_a_git_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    work = init(tmp_path / "work", FILES)
    (work / ".git").chmod(0o500)
    try:
        with GitRepository.open(work) as repository, pytest.raises(Refused, match=turn.NAME):
            repository.followable("main")
    finally:
        (work / ".git").chmod(0o700)


def test_an_index_that_another_git_holds_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = init(tmp_path / "work", FILES)
    lock = work / ".git" / "index.lock"
    lock.touch()
    with GitRepository.open(work) as repository:
        timer = Timer(0.3, lock.unlink)
        timer.start()
        land(repository, CHANGE)
        timer.join()
        assert git(work, "status", "--porcelain") == ""
        lock.touch()
        monkeypatch.setattr(checkout, "_PATIENCE", 0.1)
        before = state(work)
        with pytest.raises(LostRace) as caught:
            land(repository, {"a": "3"})
        assert os.fspath(lock) in (caught.value.hint or "")
        lock.unlink()
        assert state(work) == before


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
