"""Opening repositories, naming revisions and refs, walking history, knowing who commits."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer

import pytest
from git_kit import ALICE, MAIN, NOW, change, commit_files, git, hub_and_clone, init, pin, put

from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import Identity
from gitreg.errors import ConfigError, LostRace, NotFound, Undecided, UsageError


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, tmp_path)


def test_opens_a_checkout_from_any_folder_in_it(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"models/a/model.yaml": "x"})
    for folder in (top, top / "models" / "a", top / ".git", os.fspath(top)):
        repository = GitRepository.open(folder)
        assert repository.top == top
        assert repository.git_dir == repository.common_dir == top / ".git"
        assert repository.head_branch() == "main"
        assert not repository.has_origin
        assert not repository.is_shallow


def test_opens_a_bare_repository(tmp_path: Path) -> None:
    hub, _ = hub_and_clone(tmp_path, {"a": "x"})
    with GitRepository.open(hub) as repository:
        assert repository.top is None
        assert repository.git_dir == hub
        assert repository.hub_ref(MAIN) == git(hub, "rev-parse", "main")


def test_a_bare_repository_can_be_opened_where_git_would_not_look_for_one(tmp_path: Path) -> None:
    hub, _ = hub_and_clone(tmp_path, {"a": "x"})
    git(tmp_path, "config", "--global", "safe.bareRepository", "explicit")
    with GitRepository.open(hub) as repository:
        assert repository.resolve("HEAD") == git(hub, "--git-dir=.", "rev-parse", "main")


def test_opens_a_linked_worktree(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    git(top, "worktree", "add", "-q", "-b", "side", "../linked")
    with GitRepository.open(tmp_path / "linked") as repository:
        assert repository.top == tmp_path / "linked"
        assert repository.git_dir == top / ".git" / "worktrees" / "linked"
        assert repository.common_dir == top / ".git"
        assert repository.head_branch() == "side"
        assert repository.hub_ref(MAIN) == git(top, "rev-parse", "main")


def test_opens_where_a_git_file_points(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    git(tmp_path / "repo", "init", "-q", "--separate-git-dir", os.fspath(tmp_path / "store"))
    head = commit_files(tmp_path / "repo", {"a": "x"})
    with GitRepository.open(tmp_path / "repo") as repository:
        assert repository.git_dir == tmp_path / "store"
        assert repository.resolve("HEAD") == head


def test_what_is_no_repository_is_said_to_be_none(tmp_path: Path) -> None:
    put(tmp_path, {"plain/file": "x", "broken/.git": "gitdir: nowhere\n", "odd/.git/config": "x"})
    for place in ("plain", "odd", "nowhere", "plain/file"):
        with pytest.raises(ConfigError, match="not in a git repository") as caught:
            GitRepository.open(tmp_path / place)
        assert caught.value.hint
    with pytest.raises(ConfigError, match="does not name a git folder"):
        GitRepository.open(tmp_path / "broken")


def test_a_repository_that_git_does_not_trust_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    # git's own switch for its tests: it takes every repository for another user's.
    monkeypatch.setattr(
        "gitreg.adapters.git.run._OWN", {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1", "LC_ALL": "C"}
    )
    for path in (top, top / ".git"):
        with GitRepository.open(path) as repository, pytest.raises(ConfigError, match="another user owns it"):
            repository.hub_ref(MAIN)


def test_the_caller_s_git_variables_do_not_lead_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    other = init(tmp_path / "other", {"b": "y"})
    head = git(top, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", os.fspath(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", os.fspath(other))
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    with GitRepository.open(top) as repository:
        assert repository.resolve("HEAD") == repository.hub_ref(MAIN) == head
        assert repository.followable("main") is None


@pytest.mark.parametrize("rev", ["HEAD", "main", "@", "v1", "HEAD~1^0", "main@{0}", ":/first", "abbreviated"])
def test_names_of_commits(tmp_path: Path, rev: str) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    first = git(top, "rev-parse", "HEAD")
    second = commit_files(top, {"a": "y"})
    git(top, "tag", "-a", "-m", "x", "v1")
    expected = {"HEAD~1^0": first}.get(rev, second)
    with GitRepository.open(top) as repository:
        if rev.startswith(":"):
            with pytest.raises(NotFound):
                repository.resolve(rev)
        else:
            assert repository.resolve(second[:10] if rev == "abbreviated" else rev) == expected


@pytest.mark.parametrize(
    "rev",
    ["", "nope", "-h", "--help", "--upload-pack=touch it-ran", "--output=it-ran", "a\nb", "a\0b", "main:a",
     "HEAD^{tree}", "main@{u}", "@{-1}", "main..side", "refs/heads/main\ninfo HEAD", "\ud800", "1" * 40,
     "$(touch it-ran)"],
)  # fmt: skip
def test_what_names_no_commit_is_not_found_and_never_run(tmp_path: Path, rev: str) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    with GitRepository.open(top) as repository:
        with pytest.raises(NotFound):
            repository.resolve(rev)
        assert repository.resolve("HEAD") == git(top, "rev-parse", "HEAD")
    assert sorted(os.listdir(top)) == [".git", "a"]


def test_a_branch_without_commits_says_so(tmp_path: Path) -> None:
    with GitRepository.open(init(tmp_path / "repo")) as repository:
        for rev in ("HEAD", "main", "refs/heads/main"):
            with pytest.raises(ConfigError, match="no commits yet"):
                repository.resolve(rev)
        with pytest.raises(NotFound):
            repository.resolve("other")
        assert repository.hub_ref(MAIN) is None
        assert repository.hub_refs("refs/heads/") == {}


def test_branches_of_the_origin_need_no_local_branch(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    head = git(work, "rev-parse", "HEAD")
    git(hub, "update-ref", "refs/heads/side/x-gabcdef", head)
    git(work, "checkout", "-q", "--detach")
    git(work, "branch", "-q", "-D", "main")
    with GitRepository.open(work) as repository:
        repository.fetch()
        assert repository.head_branch() is None
        assert repository.resolve("main") == repository.resolve("side/x-gabcdef") == head
        with pytest.raises(NotFound):
            repository.resolve("main~7")


@pytest.mark.parametrize(
    ("name", "rival", "left"),
    [
        ("main", "refs/tags/main", "refs/heads/main"),
        ("main~0", "refs/tags/main", "refs/heads/main"),
        ("origin/main", "refs/tags/origin/main", "refs/remotes/origin/main"),
        ("origin/main", "refs/heads/origin/main", "refs/remotes/origin/main"),
        ("refs/heads/gone", "refs/tags/refs/heads/gone", "HEAD"),
        ("refs/heads/gone", "refs/heads/refs/heads/gone", "HEAD"),
    ],
)
def test_no_tag_or_branch_is_taken_for_another(tmp_path: Path, name: str, rival: str, left: str) -> None:
    """Whoever may push makes tags, and git prefers them."""
    _, work = hub_and_clone(tmp_path, {"a": "x"})
    head = git(work, "rev-parse", "HEAD")
    other = git(work, "commit-tree", "-m", "other", f"{head}^{{tree}}")
    git(work, "update-ref", rival, other)
    with GitRepository.open(work) as repository:
        with pytest.raises(UsageError, match="ambiguous"):
            repository.resolve(name)
        assert repository.resolve(left) == head
        assert repository.resolve(rival) == repository.resolve(other) == other


def test_a_tag_is_not_taken_for_a_branch_of_the_origin(tmp_path: Path) -> None:
    _, work = hub_and_clone(tmp_path, {"a": "x"})
    head = git(work, "rev-parse", "HEAD")
    git(work, "checkout", "-q", "--detach")
    git(work, "branch", "-q", "-D", "main")
    git(work, "tag", "main", git(work, "commit-tree", "-m", "other", f"{head}^{{tree}}"))
    git(work, "tag", "release", head)
    with GitRepository.open(work) as repository:
        with pytest.raises(UsageError, match="ambiguous"):
            repository.resolve("main")
        assert repository.resolve("release") == head


def test_names_that_mean_the_same_commit_are_one(tmp_path: Path) -> None:
    _, work = hub_and_clone(tmp_path, {"a": "x"})
    git(work, "tag", "main")
    with GitRepository.open(work) as repository:
        assert repository.resolve("main") == git(work, "rev-parse", "HEAD")


def test_the_hub_s_refs_are_those_of_the_last_fetch(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    with GitRepository.open(work) as repository:
        assert repository.has_origin
        head = repository.hub_ref(MAIN)
        for ref in ("refs/heads/gitreg/x", "refs/gitreg/requests/1", "refs/tags/v1"):
            git(hub, "update-ref", ref, "main")
        assert repository.hub_refs("refs/gitreg/") == {}
        repository.fetch()
        assert repository.hub_refs("refs/heads/") == {MAIN: head, "refs/heads/gitreg/x": head}
        assert repository.hub_refs("refs/heads/gitreg/") == {"refs/heads/gitreg/x": head}
        assert repository.hub_refs("refs/gitreg/") == {"refs/gitreg/requests/1": head}
        assert repository.hub_ref("refs/tags/v1") is None
        assert repository.hub_refs("refs/tags/") == {}
        assert repository.hub_refs("refs/heads/x*/") == {}
        git(hub, "update-ref", "-d", "refs/heads/gitreg/x")
        git(hub, "update-ref", "-d", "refs/gitreg/requests/1")
        git(hub, "update-ref", "refs/heads/gitreg", "main")
        repository.fetch()
        assert repository.hub_refs("refs/heads/") == {MAIN: head, "refs/heads/gitreg": head}
        assert repository.hub_refs("refs/gitreg/") == {}
    assert git(work, "tag") == ""
    assert not (work / ".git" / "FETCH_HEAD").exists()


def test_a_fetch_waits_for_another_one_that_moves_the_same_refs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    commit_files(tmp_path / "seed", {"a": "y"})
    git(tmp_path / "seed", "push", "-q", os.fspath(hub), "main")
    lock = work / ".git" / "refs" / "remotes" / "origin" / "main.lock"
    with GitRepository.open(work) as repository:
        lock.touch()
        timer = Timer(0.3, lock.unlink)
        timer.start()
        repository.fetch()
        timer.join()
        assert repository.hub_ref(MAIN) == git(hub, "rev-parse", "main")
        commit_files(tmp_path / "seed", {"a": "z"})
        git(tmp_path / "seed", "push", "-q", os.fspath(hub), "main")
        lock.touch()
        monkeypatch.setattr("gitreg.adapters.git.refs._FETCHES", 2)
        with pytest.raises(LostRace, match=r"refs/remotes/origin/main"):
            repository.fetch()


def test_fetching_leaves_a_person_s_own_branches_alone(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    old = git(work, "rev-parse", "main")
    git(work, "config", "remote.origin.fetch", "+refs/heads/*:refs/heads/*")
    git(work, "checkout", "-q", "-b", "mine")
    new = change_on_hub(hub)
    with GitRepository.open(work) as repository:
        repository.fetch()
        assert repository.hub_ref(MAIN) == new
    assert git(work, "rev-parse", "main") == old
    assert git(work, "rev-parse", "mine") == old


def change_on_hub(hub: Path) -> str:
    with GitRepository.open(hub) as repository:
        new = change(repository, repository.resolve("main"), {"b": "y"})
    git(hub, "update-ref", MAIN, new)
    return new


def test_a_commit_under_any_ref_can_be_brought_over_and_gets_no_name(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    other = init(tmp_path / "other", {"b": "y"})
    git(other, "push", "-q", os.fspath(hub), "main:refs/pull/7/head")
    head = git(other, "rev-parse", "main")
    with GitRepository.open(work) as repository:
        before = git(work, "for-each-ref")
        with pytest.raises(Undecided):
            repository.commit(head)
        repository.fetch_commit("refs/pull/7/head", head)
        assert repository.tree(head).read("b") is not None
        assert git(work, "for-each-ref") == before
        assert not (work / ".git" / "FETCH_HEAD").exists()
        git(hub, "update-ref", "-d", "refs/pull/7/head")
        repository.fetch_commit("refs/pull/7/head", head)  # it is here


def test_a_ref_that_names_another_commit_or_none_is_undecided(tmp_path: Path) -> None:
    hub, work = hub_and_clone(tmp_path, {"a": "x"})
    git(hub, "update-ref", "refs/pull/7/head", "main")
    with GitRepository.open(work) as repository:
        with pytest.raises(Undecided, match=r"refs/pull/7/head is not at 1{40} any more"):
            repository.fetch_commit("refs/pull/7/head", "1" * 40)
        with pytest.raises(Undecided, match=r"origin \(.*\) has no refs/pull/8/head"):
            repository.fetch_commit("refs/pull/8/head", "1" * 40)
    with GitRepository.open(hub) as alone:
        alone.fetch_commit("refs/heads/main", git(hub, "rev-parse", "main"))
        with pytest.raises(Undecided):
            alone.fetch_commit("refs/heads/main", "1" * 40)


def test_an_empty_origin_works(tmp_path: Path) -> None:
    _, work = hub_and_clone(tmp_path)
    with GitRepository.open(work) as repository:
        repository.fetch()
        assert repository.hub_ref(MAIN) is None
        assert repository.hub_refs("refs/heads/") == {}
        with pytest.raises(ConfigError, match="no commits yet"):
            repository.resolve("HEAD")


def test_an_origin_in_an_included_file_is_found(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    (top / ".git" / "more").write_text('[remote "origin"]\n\turl = /nowhere\n')
    assert not GitRepository.open(top).has_origin
    git(top, "config", "include.path", "more")
    assert GitRepository.open(top).has_origin
    plain = init(tmp_path / "plain", {"a": "x"})
    git(plain, "remote", "add", "upstream", "/nowhere/origin")
    git(plain, "config", "remote.origin.prune", "true")
    assert not GitRepository.open(plain).has_origin


@pytest.mark.parametrize("decoy", ["refs/heads/refs/gitreg/x", "refs/tags/refs/gitreg/x", "refs/refs/gitreg/x",
                                   "refs/remotes/refs/gitreg/x", "refs/remotes/refs/gitreg/x/HEAD"])  # fmt: skip
def test_no_other_ref_answers_for_one_that_is_missing(tmp_path: Path, decoy: str) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    git(top, "update-ref", decoy, "HEAD")
    with GitRepository.open(top) as repository:
        assert repository.hub_ref("refs/gitreg/x") is None
        other = git(top, "commit-tree", "-m", "x", "HEAD^{tree}")
        git(top, "update-ref", "refs/gitreg/x", other)
        assert repository.hub_ref("refs/gitreg/x") == other


def test_a_missing_ref_is_not_taken_for_git_describe_s_name_of_a_commit(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    head = git(top, "rev-parse", "HEAD")
    with GitRepository.open(top) as repository:
        assert repository.hub_ref(f"refs/heads/x-g{head[:10]}") is None
        git(top, "update-ref", f"refs/heads/x-g{head[:10]}", "HEAD")
        assert repository.hub_ref(f"refs/heads/x-g{head[:10]}") == head


@pytest.mark.parametrize("packed", [False, True])
def test_refs_are_found_however_they_are_kept(tmp_path: Path, packed: bool) -> None:
    """That there is none is told without asking git; that must never be said of one that is there."""
    work = init(tmp_path / "work")
    head = commit_files(work, {"a": "1"})
    with GitRepository.open(work) as repository:
        assert repository.hub_ref("refs/gitreg/hub") is None
        assert repository.hub_refs("refs/gitreg/") == {}
        for ref in ("refs/gitreg/hub", "refs/gitreg/requests/1", "refs/gitregx/y"):
            git(work, "update-ref", ref, head)
        if packed:
            git(work, "pack-refs", "--all", "--prune")
        assert repository.hub_ref("refs/gitreg/hub") == head
        assert repository.hub_refs("refs/gitreg/requests/") == {"refs/gitreg/requests/1": head}
        assert set(repository.hub_refs("refs/gitreg/")) == {"refs/gitreg/hub", "refs/gitreg/requests/1"}
        assert repository.hub_ref("refs/gitreg/hu") is None
        git(work, "update-ref", "-d", "refs/gitreg/requests/1")
        assert repository.hub_refs("refs/gitreg/requests/") == {}


def test_a_ref_whose_object_is_gone_is_no_missing_ref(tmp_path: Path) -> None:
    work = init(tmp_path / "work")
    commit_files(work, {"a": "1"})
    gone = "1" * 40
    (work / ".git/refs/gitreg").mkdir()
    (work / ".git/refs/gitreg/hub").write_text(f"{gone}\n")
    with GitRepository.open(work) as repository:
        assert repository.hub_ref("refs/gitreg/hub") == gone


@pytest.mark.parametrize("ref", ["main", "refs/heads/", "refs/heads/main^", "refs/heads/main:a", "refs/heads/a..b",
                                 "refs/heads/main@{0}", "refs/heads/x.lock", "refs/heads/.x", "--all", "refs/heads/*",
                                 "refs//x", "refs/heads/a b", "refs/heads/a\nb", "refs/heads/\ud800"])  # fmt: skip
def test_what_can_be_no_ref_is_none(tmp_path: Path, ref: str) -> None:
    with GitRepository.open(init(tmp_path / "repo", {"a": "x"})) as repository:
        assert repository.hub_ref(ref) is None


def test_unreachable_origin_is_undecided_and_named_without_its_password(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    git(top, "remote", "add", "origin", os.fspath(tmp_path / "nowhere.git"))
    with (
        GitRepository.open(top) as repository,
        pytest.raises(Undecided, match=r"origin \(.*nowhere.git\) could not"),
    ):
        repository.fetch()
    git(top, "remote", "set-url", "origin", "http://alice:t0ken@127.0.0.1:1/x.git")
    with GitRepository.open(top) as repository, pytest.raises(Undecided) as caught:
        repository.fetch()
    assert "t0ken" not in caught.value.message
    assert "origin (http://127.0.0.1:1/x.git)" in caught.value.message


def test_an_origin_that_is_a_program_is_refused(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    git(top, "remote", "add", "origin", f"ext::touch {tmp_path}/it-ran")
    git(top, "config", "protocol.ext.allow", "always")
    with GitRepository.open(top) as repository, pytest.raises(ConfigError, match="not allowed"):
        repository.fetch()
    assert not (tmp_path / "it-ran").exists()


def line(top: Path, count: int) -> list[str]:
    """``count`` commits, one an hour from NOW on; oldest first."""
    oids: list[str] = []
    for i in range(count):
        date = f"@{int((NOW + timedelta(hours=i)).timestamp())} +0000"
        parent = ["-p", oids[-1]] if oids else []
        tree = git(top, "mktree", stdin=b"")
        args = ["commit-tree", *parent, "-m", str(i), tree]
        oids.append(git(top, *args, env={"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}))
    git(top, "update-ref", MAIN, oids[-1])
    return oids


def test_history_is_walked_along_first_parents(tmp_path: Path) -> None:
    top = init(tmp_path / "repo")
    oids = line(top, 4)
    side = git(top, "commit-tree", "-m", "side", "-p", oids[0], f"{oids[0]}^{{tree}}")
    merge = git(top, "commit-tree", "-m", "merge", "-p", oids[3], "-p", side, f"{oids[0]}^{{tree}}")
    with GitRepository.open(top) as repository:
        assert [commit.oid for commit in repository.first_parents(merge)] == [merge, *reversed(oids)]
        assert next(repository.first_parents(merge)).parents == (oids[3], side)
        with pytest.raises(Undecided):
            next(repository.first_parents("1" * 40))


def test_history_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    top = init(tmp_path / "repo")
    oids = line(top, 3)
    (top / ".git" / "objects" / oids[0][:2] / oids[0][2:]).unlink()
    with GitRepository.open(top) as repository:
        walk = repository.first_parents(oids[2])
        assert [next(walk).oid, next(walk).oid] == [oids[2], oids[1]]
        with pytest.raises(Undecided, match="missing"):
            next(walk)


def test_the_commit_at_a_time(tmp_path: Path) -> None:
    top = init(tmp_path / "repo")
    oids = line(top, 3)
    with GitRepository.open(top) as repository:
        assert repository.at_time(oids[2], NOW + timedelta(hours=1)) == oids[1]
        assert repository.at_time(oids[2], NOW + timedelta(minutes=119)) == oids[1]
        assert repository.at_time(oids[2], NOW + timedelta(days=1)) == oids[2]
        with pytest.raises(NotFound, match="2026-11-20T09:59:59"):
            repository.at_time(oids[2], NOW - timedelta(seconds=1))


@pytest.fixture
def shallow(tmp_path: Path) -> tuple[Path, list[str]]:
    """A clone with the last 2 of 5 commits; and all five, oldest first."""
    full = init(tmp_path / "full")
    oids = line(full, 5)
    git(tmp_path, "clone", "-q", "--depth=2", full.as_uri(), "shallow")
    return tmp_path / "shallow", oids


def test_a_shallow_boundary_is_not_taken_for_the_beginning(shallow: tuple[Path, list[str]]) -> None:
    top, oids = shallow
    with GitRepository.open(top) as repository:
        assert repository.is_shallow
        walk = repository.first_parents(oids[4])
        assert [next(walk).oid, next(walk).oid] == [oids[4], oids[3]]
        with pytest.raises(Undecided, match="shallow") as caught:
            next(walk)
        assert caught.value.hint == "git fetch --unshallow"
        assert repository.commit(oids[3]).parents == (oids[2],)
        assert repository.at_time(oids[4], NOW + timedelta(hours=3)) == oids[3]
        with pytest.raises(Undecided):
            repository.at_time(oids[4], NOW)
    git(top, "fetch", "-q", "--unshallow")
    with GitRepository.open(top) as repository:
        assert not repository.is_shallow
        assert len(list(repository.first_parents(oids[4]))) == 5


def test_merge_base(tmp_path: Path) -> None:
    top = init(tmp_path / "repo")
    oids = line(top, 3)
    side = git(top, "commit-tree", "-m", "side", "-p", oids[1], f"{oids[0]}^{{tree}}")
    lonely = git(top, "commit-tree", "-m", "lonely", f"{oids[0]}^{{tree}}")
    with GitRepository.open(top) as repository:
        assert repository.merge_base(oids[2], side) == oids[1]
        assert repository.merge_base(oids[0], side) == oids[0]
        assert repository.merge_base(oids[2], lonely) is None
        for wrong in ("1" * 40, "--all", "-h"):
            with pytest.raises(Undecided):
                repository.merge_base(oids[2], wrong)


def test_merge_base_in_a_shallow_clone_only_where_it_is_certain(shallow: tuple[Path, list[str]]) -> None:
    top, oids = shallow
    tree = f"{oids[4]}^{{tree}}"
    above = git(top, "commit-tree", "-m", "above", "-p", oids[4], tree)
    beside = git(top, "commit-tree", "-m", "beside", "-p", oids[4], tree)
    lonely = git(top, "commit-tree", "-m", "lonely", tree)
    with GitRepository.open(top) as repository:
        assert repository.merge_base(above, beside) == oids[4]
        assert repository.merge_base(above, oids[3]) == oids[3]
        with pytest.raises(Undecided, match="shallow"):
            repository.merge_base(above, lonely)


def test_a_better_merge_base_may_hide_behind_a_shallow_boundary(tmp_path: Path) -> None:
    """m joins b (whose parent c is cut off) and a; other has c, whose parent is a. The best base is c, not a."""
    top = init(tmp_path / "repo")
    a, c = line(top, 2)
    tree = f"{a}^{{tree}}"
    b = git(top, "commit-tree", "-m", "b", "-p", c, tree)
    m = git(top, "commit-tree", "-m", "m", "-p", b, "-p", a, tree)
    other = git(top, "commit-tree", "-m", "other", "-p", c, tree)
    with GitRepository.open(top) as repository:
        assert repository.merge_base(m, other) == c
        (top / ".git" / "shallow").write_text(f"{b}\n")
        assert git(top, "merge-base", m, other) == a
        with pytest.raises(Undecided, match="shallow"):
            repository.merge_base(m, other)


def test_identity_comes_from_git_s_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = init(tmp_path / "repo")
    repository = GitRepository.open(top)
    assert repository.identity() == ALICE
    git(top, "config", "user.email", "alice@work.example")
    assert repository.identity() == Identity("Alice", "alice@work.example")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Zoë")
    assert repository.identity() == Identity("Zoë", "alice@work.example")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "rubbish")
    assert repository.identity().name == "Zoë"


@pytest.mark.parametrize("known", ["", "[user]\nname = Alice\n", "[user]\nemail = alice@example.com\n"])
def test_an_identity_is_never_guessed(tmp_path: Path, known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = GitRepository.open(init(tmp_path / "repo"))
    (tmp_path / "gitconfig").write_text(known)
    monkeypatch.setenv("EMAIL", "guess@example.com")
    with pytest.raises(ConfigError, match="who you are") as caught:
        repository.identity()
    assert "git config --global user.name" in (caught.value.hint or "")


def test_commit_times_are_utc(tmp_path: Path) -> None:
    top = init(tmp_path / "repo", {"a": "x"})
    date = "2026-11-20T15:30:00+05:30"
    oid = git(
        top,
        "commit-tree",
        "-m",
        "x",
        "HEAD^{tree}",
        env={"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": "@0 +0000"},
    )
    with GitRepository.open(top) as repository:
        assert repository.commit(oid).time == datetime(2026, 11, 20, 10, tzinfo=UTC)
