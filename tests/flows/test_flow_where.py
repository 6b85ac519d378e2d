"""Where a registry is found: checkouts in every state, bare repositories, URLs, folders of a monorepo."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flow_kit import REGISTRY, Desk, describe, fast_import, git, landed, message, promote, proposed

from gitreg.api import open_registry
from gitreg.errors import ConfigError, GitregError, NotFound, Undecided, UsageError
from gitreg.flows.change import merge
from gitreg.flows.verify import verify
from gitreg.wiring import Options
from gitreg.wiring import open_registry as find


def holds(place: str | Path, **said: object) -> str:
    """Which version is in production, as the registry at a place says."""
    with open_registry(place, **said) as registry:  # type: ignore[arg-type]
        return str(registry.resolve("credit-risk/production").record.version)


# Checkouts


@pytest.mark.parametrize("inside", [".", "models", "models/credit-risk/versions/1"])
def test_anywhere_inside(solo: Desk, inside: str) -> None:
    assert holds(solo.root / "solo" / inside) == "1"


def detach(folder: Path) -> None:
    git(folder, "checkout", "-q", "--detach", "main~6")


def feature(folder: Path) -> None:
    git(folder, "switch", "-q", "-c", "feature", "main~6")


def unrelated(folder: Path) -> None:
    git(folder, "switch", "-q", "--orphan", "pages")
    (folder / "index.html").write_text("<p>\n")
    git(folder, "add", "index.html")
    git(folder, "commit", "-q", "-m", "Pages")


def unborn(folder: Path) -> None:
    git(folder, "switch", "-q", "--orphan", "pages")


def before_it_began(folder: Path) -> None:
    empty = git(folder, "commit-tree", git(folder, "write-tree", "--prefix=models/credit-risk/"), "-m", "x")
    git(folder, "checkout", "-q", "--detach", empty)


ELSEWHERE = [detach, feature, unrelated, unborn, before_it_began]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_what_is_checked_out_does_not_matter(solo: Desk, elsewhere: Callable[[Path], None]) -> None:
    """Read and written is the registry's branch; the checkout stays where it is."""
    folder = solo.root / "solo"
    elsewhere(folder)
    head = git(folder, "symbolic-ref", "-q", "HEAD", check=False), git(folder, "status", "--porcelain")
    assert holds(folder) == "1"
    assert not landed(solo("solo"), promote(3, "staging")).followed
    assert (
        git(folder, "symbolic-ref", "-q", "HEAD", check=False),
        git(folder, "status", "--porcelain"),
    ) == head


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_what_is_checked_out_in_a_clone_does_not_matter(
    desk: Desk, elsewhere: Callable[[Path], None]
) -> None:
    folder = desk.root / "dan"
    elsewhere(folder)
    head = git(folder, "symbolic-ref", "-q", "HEAD", check=False), git(folder, "status", "--porcelain")
    assert holds(folder) == "1"
    proposed(desk("dan"), promote(3, "staging"))
    merge(desk("dan"), "1")
    assert (
        git(folder, "symbolic-ref", "-q", "HEAD", check=False),
        git(folder, "status", "--porcelain"),
    ) == head


def test_clone_reads_what_was_fetched(desk: Desk) -> None:
    """Local commits on main are nobody's promise; what origin has is, as of the last fetch."""
    folder = desk.root / "dan"
    stage = folder / "models/credit-risk/stages/production.yaml"
    stage.write_text(stage.read_text().split("versions:")[0] + "versions: []\n")
    git(folder, "commit", "-q", "-a", "-m", "mine alone")
    assert holds(folder) == "1"
    with pytest.raises(NotFound, match="no version"):
        holds(folder, rev="HEAD")
    with pytest.raises(NotFound, match="no version"):
        holds(folder, worktree=True)


def test_linked_worktree(solo: Desk) -> None:
    git(solo.root / "solo", "worktree", "add", "-q", "-b", "side", os.fspath(solo.root / "linked"), "main~6")
    assert holds(solo.root / "linked") == "1"
    found = landed(solo("linked"), promote(3, "staging"))
    assert found.followed  # the main checkout, whose branch moved
    assert git(solo.root / "solo", "status", "--porcelain") == ""
    assert git(solo.root / "linked", "status", "--porcelain") == ""
    (solo.root / "solo/policy.yaml").write_text("# mine\n")
    with solo.unchanged("solo"), pytest.raises(GitregError, match=r"uncommitted changes in .*solo'"):
        landed(solo("linked"), describe("fine"))


def test_change_being_judged_does_not_choose_its_judge(desk: Desk) -> None:
    """In CI the request's head is checked out; it may not name another branch, with other rules, as its base."""
    lax = (desk.show("policy.yaml") or "").split("approvals: [{group: risk-owners, count: 1, expire")[0]
    evil = {"gitreg.yaml": REGISTRY.replace("branch: main", "branch: evil"), "policy.yaml": lax + "\n"}
    desk.commit(evil, branch="evil")
    folder = desk.root / "dan"
    git(folder, "fetch", "-q", "origin")
    git(folder, "checkout", "-q", "--detach", "origin/evil")
    for drop in ((), ("refs/remotes/origin/HEAD",)):
        for ref in drop:
            git(folder, "update-ref", "--no-deref", "-d", ref)
        ws = desk("dan")
        assert ws.branch == "main"
        assert ws.tip() == desk.refs()["refs/heads/main"]


def test_target_is_the_bases_branch(desk: Desk) -> None:
    """With only the ends named, as in CI, the base says which branch approvals must be about."""
    found = proposed(desk("dan"), promote(3, "staging"))
    ws = desk("dan")
    ws.branch = "other"
    assert found.request.head is not None
    judged = verify(ws, desk.refs()["refs/heads/main"], found.request.head).judged
    assert judged.evidence.target == "refs/heads/main"


# Bare repositories


def test_bare(desk: Desk) -> None:
    assert holds(desk.origin) == "1"


def test_bare_inside_a_checkout_only_by_name(desk: Desk) -> None:
    """It may have come with the checkout; so -C does not go into it, and -R does."""
    inside = desk.root / "dan" / "vendored.git"
    shutil.copytree(desk.origin, inside)
    found = find(Options(os.fspath(inside)))
    assert found.repository.top == desk.root / "dan"
    named = find(Options(registry=os.fspath(inside)))
    assert named.repository.top is None
    for opened in (found, named):
        opened.repository.close()


def test_bare_with_another_branch(desk: Desk) -> None:
    git(desk.origin, "branch", "-m", "main", "trunk")
    git(desk.origin, "symbolic-ref", "HEAD", "refs/heads/trunk")
    scratch = desk.root / "scratch"
    git(desk.root, "clone", "-q", os.fspath(desk.origin), "scratch")
    (scratch / "gitreg.yaml").write_text(REGISTRY.replace("branch: main", "branch: trunk"))
    git(scratch, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-a", "-m", "x")
    git(scratch, "push", "-q")
    assert find(Options(registry=os.fspath(desk.origin))).branch == "trunk"
    assert holds(desk.origin) == "1"
    assert holds(scratch) == "1"


# URLs


def test_url(desk: Desk, tmp_path: Path) -> None:
    url = desk.origin.as_uri()
    assert holds(url) == "1"
    assert len(list((tmp_path / "home/cache/clones").glob("*/HEAD"))) == 1
    proposed(desk("dan"), promote(3, "staging"))
    merge(desk("dan"), "1")
    with open_registry(url) as registry:
        assert registry.commit == desk.refs()["refs/heads/main"]


def test_url_offline(desk: Desk) -> None:
    """What was fetched before is read, with a word of warning."""
    url, said = desk.origin.as_uri(), []
    assert holds(url) == "1"
    desk.origin.rename(desk.root / "away.git")
    with open_registry(options=Options(registry=url, warn=said.append)) as registry:
        assert registry.resolve("credit-risk/production").record.version == 1
    (line,) = said
    assert "as last fetched" in line
    assert "could not be reached" in line


def test_url_never_seen(desk: Desk) -> None:
    with pytest.raises(Undecided, match="could not be reached"):
        holds((desk.root / "nosuch.git").as_uri())


def test_landing_by_url(desk: Desk) -> None:
    """The clone is a cache; the change goes to the other side."""
    git(desk.root, "config", "--global", "user.name", "Dan")
    git(desk.root, "config", "--global", "user.email", "dan@example.com")
    ws = desk.work(Options(registry=desk.origin.as_uri(), key=os.fspath(desk.keys / "dan")))
    found = proposed(ws, describe("fine"))
    assert desk.refs()[f"refs/heads/{found.request.branch}"] == found.request.head


@pytest.mark.parametrize(
    ("place", "error", "says"),
    [
        ("nosuch", ConfigError, "no folder 'nosuch'"),
        ("./nosuch#folder", ConfigError, "no folder './nosuch'"),
        ("", ConfigError, "no folder"),
        ("ext::sh -c id", UsageError, "transport program"),
        ("ftp://example.com/x.git", UsageError, "no protocol"),
        ("--upload-pack=id", (UsageError, ConfigError), "upload-pack"),
    ],
)
def test_no_such_place(place: str, error: type[GitregError], says: str) -> None:
    with pytest.raises(error, match=says):
        open_registry(options=Options(registry=place))


def test_not_a_repository(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not in a git repository") as error:
        open_registry(tmp_path)
    assert "-R" in message(error)


def test_relative_to_the_directory(desk: Desk) -> None:
    assert find(Options(os.fspath(desk.root), "dan")).repository.top == desk.root / "dan"
    with pytest.raises(ConfigError, match="no folder"):
        find(Options(os.fspath(desk.root), "nosuch"))


# Folders


@pytest.fixture
def monorepo(desk: Desk) -> Path:
    """A repository with a registry in each of two folders, and one deeper."""
    folder = desk.root / "mono"
    git(desk.root, "init", "-q", os.fspath(folder))
    tree = {
        path: (desk.root / "dan" / path).read_bytes()
        for path in git(desk.root / "dan", "ls-files").splitlines()
    }
    roots = ("a/", "b/", "deep/er/")
    fast_import(folder, [("Begin", {root + path: data for root in roots for path, data in tree.items()})])
    git(folder, "reset", "-q", "--hard")
    return folder


def test_folder_by_fragment(monorepo: Path) -> None:
    for place in ("a", "/b/", "deep/er"):
        assert holds(f"{monorepo}#{place}") == "1"
    assert holds(f"{monorepo.as_uri()}#deep/er") == "1"


def test_folder_around_the_directory(monorepo: Path) -> None:
    for inside in ("a", "b/models", "deep/er/models/credit-risk"):
        with open_registry(monorepo / inside) as registry:
            found = registry.resolve("credit-risk@champion")
        assert found.path.startswith(inside.split("/models")[0] + "/models/")


def test_several_and_none_named(monorepo: Path) -> None:
    with pytest.raises(UsageError, match="several registries: a, b") as error:
        holds(monorepo)
    assert "#FOLDER" in message(error)


def test_one_of_several_folders_is_found(desk: Desk, monorepo: Path) -> None:
    git(monorepo, "rm", "-q", "-r", "b")
    git(monorepo, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-m", "x")
    bare = desk.root / "mono.git"
    git(desk.root, "clone", "-q", "--bare", os.fspath(monorepo), os.fspath(bare))
    assert holds(bare) == "1"


@pytest.mark.parametrize("folder", ["nosuch", "a/models", "..", "a/../b"])
def test_no_registry_in_that_folder(monorepo: Path, folder: str) -> None:
    with pytest.raises(ConfigError, match="no registry here"):
        holds(f"{monorepo}#{folder}")


def test_landing_in_a_folder(desk: Desk, monorepo: Path) -> None:
    git(monorepo, "config", "user.name", "Dan")
    git(monorepo, "config", "user.email", "dan@example.com")
    (desk.root / "mono/artifacts").symlink_to(desk.artifacts)
    (monorepo / ".gitignore").write_text("/artifacts\n")
    ws = desk.work(Options(registry=f"{monorepo}#a"))
    found = proposed(ws, promote(3, "staging"))
    assert [change.path for change in verify(ws, ws.tip(), found.request.head or "").candidate.changes] == [
        "a/models/credit-risk/stages/staging.yaml"
    ]


# No registry


def test_no_registry(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "repo")
    with pytest.raises(ConfigError, match="no commits yet") as error:
        open_registry(tmp_path / "repo")
    assert "gitreg init" in message(error)
    git(
        tmp_path / "repo",
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@x.org",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    )
    with pytest.raises(ConfigError, match="no registry here") as error:
        open_registry(tmp_path / "repo")
    assert "gitreg init" in message(error)


def test_registry_that_was_not_pushed_yet(desk: Desk) -> None:
    """It is committed here, and origin has never heard of it."""
    empty = desk.root / "empty.git"
    git(desk.root, "init", "-q", "--bare", os.fspath(empty))
    git(desk.root / "dan", "config", "remote.origin.url", os.fspath(empty))
    git(desk.root / "dan", "update-ref", "-d", "refs/remotes/origin/main")
    for act in (lambda: holds(desk.root / "dan"), lambda: proposed(desk("dan"), promote(3, "staging"))):
        with pytest.raises(ConfigError, match="no registry on the branch 'main'") as error:
            act()
        assert "git push origin main" in message(error)


def test_origin_without_the_registry(desk: Desk) -> None:
    other = desk.root / "other"
    git(desk.root, "init", "-q", os.fspath(other))
    git(other, "-c", "user.name=x", "-c", "user.email=x@x.org", "commit", "-q", "--allow-empty", "-m", "x")
    git(desk.root / "dan", "config", "remote.origin.url", os.fspath(other))
    git(desk.root / "dan", "fetch", "-q", "origin")
    for act in (lambda: holds(desk.root / "dan"), lambda: proposed(desk("dan"), promote(3, "staging"))):
        with pytest.raises(ConfigError, match="no registry") as error:
            act()
        assert "git push origin main" in message(error)
