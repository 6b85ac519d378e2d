"""The catalog: what it says is always what the newest commit and its history say, whatever index it finds."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from catalog_kit import History, afresh, hour, opened, said, wander
from flow_kit import BEGIN, MAIN, REGISTRY, git, message, registration

from gitreg.core.catalog import catalog_model
from gitreg.core.codec.load import InvalidManifest
from gitreg.core.names import NONE
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.register import NewModel, plan_model, plan_register
from gitreg.core.plan.rename import plan_rename
from gitreg.errors import ConfigError, NotFound
from gitreg.flows.catalog import Catalog, run_of
from gitreg.flows.workspace import Workspace


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "registry.git"


def index_file(folder: Path) -> Path:
    (found,) = (folder / "gitreg").glob("catalog-*.sqlite")
    return found


def catalog_of(history: History, place: Path) -> Catalog:
    history.write(place)
    return Catalog(opened(place))


def simple() -> History:
    """Two versions of one model: 1 in production, called champion, and 2."""
    history = History.begun()
    history.register("fraud", 1)
    history.register("fraud", 2)
    history.promote("fraud", 1, "production")
    history.alias("fraud", "champion", 1)
    return history


@pytest.mark.parametrize("seed", range(int(os.environ.get("GITREG_WANDER", "2"))))
def test_is_the_same_however_it_came_about(seed: int, place: Path) -> None:
    """Brought along commit by commit, or some at a time, it says what one says that is made anew."""
    history = wander(seed, 60)
    commits = history.write(place)
    ws = opened(place)
    ws.warn = lambda line: None
    catalog = Catalog(ws)
    for number, commit in enumerate(commits):
        if number % 7 in {0, 1, 4}:
            git(place, "update-ref", MAIN, commit)
            assert said(catalog) == said(afresh(ws)), f"seed {seed}, commit {number}"
            assert_is_what_the_manifests_say(ws, catalog)


def assert_is_what_the_manifests_say(ws: Workspace, catalog: Catalog) -> None:
    """All but the times, which no manifest has."""
    snapshot = ws.current()[1]
    for model in catalog.models():
        expected = catalog_model(snapshot, model.name, {})
        times = {"created_at": model.created_at, "updated_at": model.updated_at}
        versions = tuple(replace(each, updated_at=each.created_at) for each in model.versions)
        assert replace(model, versions=versions) == replace(expected, **times)


def test_finds_a_model_by_any_spelling_and_a_former_name(place: Path) -> None:
    history = simple()
    history.plan(lambda s: plan_rename(s, "fraud", "Fraud detection", BEGIN))
    catalog = catalog_of(history, place)
    for name in ("Fraud detection", "FRAUD DETECTION", "fraud", "Fraud"):
        assert catalog.model(name).name == "Fraud detection"
    assert catalog.names() == ["Fraud detection"]


def test_says_what_is_close_to_a_name_that_nobody_has(place: Path) -> None:
    with pytest.raises(NotFound) as error:
        catalog_of(simple(), place).model("frud")
    assert "did you mean 'fraud'" in message(error)


def test_finds_a_version_by_number_and_by_alias(place: Path) -> None:
    catalog = catalog_of(simple(), place)
    champion = catalog.aliased("Fraud", "Champion")
    assert champion == catalog.version("fraud", 1) == catalog.model("fraud").versions[0]
    assert champion is not None
    assert (champion.version, champion.stage, champion.aliases) == (1, "production", ("champion",))
    assert catalog.aliased("fraud", "shadow") is None
    assert catalog.version("fraud", 3) is None
    assert catalog.latest("fraud") == catalog.version("fraud", 2)
    with pytest.raises(NotFound):
        catalog.aliased("churn", "champion")


def test_reads_only_the_highest_version_of_each_stage(place: Path) -> None:
    history = simple()
    history.register("fraud", 3)
    history.register("churn", 4)
    catalog = catalog_of(history, place)
    assert [(v.version, v.stage) for v in catalog.head("fraud").versions] == [(1, "production"), (3, NONE)]
    assert [[v.version for v in model.versions] for model in catalog.heads()] == [[1], [1, 3]]
    assert [model.name for model in catalog.heads(["fraud", "nobody"])] == ["fraud"]


def test_lists_versions_of_a_run_and_of_some_models(place: Path) -> None:
    history = simple()
    run = {"run": {"system": "mlflow", "id": "abc"}}
    history.plan(
        lambda s: plan_register(s, registration("churn", 9, create=NewModel(), source=run)),
    )
    catalog = catalog_of(history, place)
    (found,) = catalog.versions(run="abc")
    assert (found.model, run_of(found)) == ("churn", "abc")
    assert [v.model for v in catalog.versions(names=["fraud"])] == ["fraud", "fraud"]
    assert list(catalog.versions(names=["fraud"], run="abc")) == []
    assert list(catalog.versions(names=[])) == []


def test_orders_semver_by_precedence(place: Path) -> None:
    history = History.begun()
    history.plan(lambda s: plan_model(s, "fraud", NewModel(scheme="semver")))
    for number, version in enumerate(["1.10.0", "1.9.0", "2.0.0-rc.1", "2.0.0"]):
        history.plan(lambda s, n=number, v=version: plan_register(s, registration("fraud", n, version=v)))
    catalog = catalog_of(history, place)
    assert [v.version for v in catalog.model("fraud").versions] == ["1.9.0", "1.10.0", "2.0.0-rc.1", "2.0.0"]
    assert [v.version for v in catalog.head("fraud").versions] == ["2.0.0"]


# Times


def test_times_are_those_of_the_commits(place: Path) -> None:
    history = History.begun()
    made = history.plan(lambda s: plan_model(s, "fraud", NewModel()))
    registered = history.register("fraud", 1)
    history.register("fraud", 2)
    described = history.describe("fraud", 1, "good")
    promoted = history.promote("fraud", 2, "production")
    pointed = history.alias("fraud", "champion", 1)
    history.register("churn", 3)
    model = catalog_of(history, place).model("fraud")
    assert (model.created_at, model.updated_at) == (min(BEGIN, hour(made)), hour(pointed))
    assert [v.updated_at for v in model.versions] == [hour(described), hour(promoted)]
    assert hour(registered) < hour(described)


def test_a_version_is_touched_by_coming_into_a_stage_and_by_leaving_it(place: Path) -> None:
    """The third one takes the first one's place, which is archived; the second stays where it was."""
    history = simple()
    last = history.register("fraud", 3)
    moved = history.promote("fraud", 3, "production")
    model = catalog_of(history, place).model("fraud")
    assert [v.updated_at for v in model.versions] == [hour(moved), hour(2), hour(moved)]
    assert [v.stage for v in model.versions] == ["archived", NONE, "production"]
    assert last < moved


def test_a_rename_keeps_when_a_model_was_made_and_an_end_does_not(place: Path) -> None:
    history = History.begun()
    made = history.plan(lambda s: plan_model(s, "fraud", NewModel()))
    history.plan(lambda s: plan_model(s, "churn", NewModel()))
    renamed = history.plan(lambda s: plan_rename(s, "fraud", "deception", BEGIN))
    history.plan(lambda s: plan_delete_model(s, "churn", None, BEGIN))
    again = history.plan(lambda s: plan_model(s, "churn", NewModel()))
    catalog = catalog_of(history, place)
    found = [(m.name, m.created_at, m.updated_at) for m in catalog.models()]
    assert found == [("churn", hour(again), hour(again)), ("deception", hour(made), hour(renamed))]


def test_a_merge_touches_when_it_lands(place: Path, tmp_path: Path) -> None:
    """What a branch did is as old as the merge of it, however long ago it was written."""
    history = simple()
    commits = history.write(place)
    tree = git(place, "rev-parse", f"{commits[-1]}^{{tree}}")
    when = {"GIT_COMMITTER_DATE": "2026-12-24T00:00:00Z", "GIT_AUTHOR_DATE": "2026-12-24T00:00:00Z"}
    who = {f"GIT_{role}_{key}": "x" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    args = ["git", "commit-tree", tree, "-p", commits[1], "-p", commits[-1], "-m", "merge"]
    done = subprocess.run(args, cwd=place, env=os.environ | when | who, check=True, capture_output=True)
    git(place, "update-ref", MAIN, done.stdout.decode().strip())
    model = Catalog(opened(place)).model("fraud")
    assert {v.updated_at.isoformat() for v in model.versions} == {"2026-12-24T00:00:00+00:00"}


def test_a_shallow_clone_knows_what_is_there(place: Path, tmp_path: Path) -> None:
    history = simple()
    history.write(place)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{place}", os.fspath(clone))
    model = Catalog(opened(clone)).model("fraud")
    last = hour(len(history.commits) - 1)
    assert (model.created_at, model.updated_at) == (BEGIN, last)
    git(clone, "fetch", "-q", "--unshallow")
    assert said(Catalog(opened(clone))) == said(Catalog(opened(place)))


# What the index was before


def test_rewritten_history_is_read_anew(place: Path) -> None:
    history = simple()
    commits = history.write(place)
    ws = opened(place)
    catalog = Catalog(ws)
    assert len(catalog.model("fraud").versions) == 2
    git(place, "update-ref", MAIN, commits[1])
    assert len(catalog.model("fraud").versions) == 1
    assert said(catalog) == said(afresh(ws))


def test_a_history_whose_commits_are_gone_is_read_anew(place: Path) -> None:
    commits = simple().write(place)
    Catalog(opened(place)).names()
    git(place, "update-ref", MAIN, commits[1])
    git(place, "reflog", "expire", "--expire=now", "--all")
    git(place, "gc", "-q", "--prune=now")
    assert len(Catalog(opened(place)).model("fraud").versions) == 1


def test_a_base_that_was_merged_from_the_side_is_no_base(place: Path) -> None:
    """The indexed commit is an ancestor, but not on the first-parent line."""
    commits = simple().write(place)
    ws = opened(place)
    catalog = Catalog(ws)
    catalog.names()
    tree = git(place, "rev-parse", f"{commits[1]}^{{tree}}")
    who = ["-c", "user.name=x", "-c", "user.email=x"]
    merge = git(place, *who, "commit-tree", tree, "-p", commits[1], "-p", commits[-1], "-m", "ours")
    git(place, "update-ref", MAIN, merge)
    assert said(catalog) == said(afresh(ws))
    assert len(catalog.model("fraud").versions) == 1


def test_two_registries_of_one_repository_are_kept_apart(place: Path) -> None:
    one = History.begun("one")
    one.register("fraud", 1)
    two = History.begun("two", REGISTRY)
    two.register("churn", 2)
    two.files |= one.files
    for _, edits in one.commits:
        two.commits.append(("one", edits))
    two.write(place)
    for _ in range(2):
        assert Catalog(opened(place, "one")).names() == ["fraud"]
        assert Catalog(opened(place, "two")).names() == ["churn"]
    assert len(list((place / "gitreg").glob("*.sqlite"))) == 2


def test_a_fresh_process_reads_what_another_one_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = said(catalog_of(simple(), place))
    ws = opened(place)
    monkeypatch.setattr(type(ws.repository), "steps", None)  # nothing is derived again
    assert said(Catalog(ws)) == expected


@pytest.mark.parametrize(
    "damage", ["not a database", "cut off", "another schema", "broken rows", "other format"]
)
def test_a_damaged_index_is_made_anew(place: Path, damage: str) -> None:
    catalog = catalog_of(simple(), place)
    expected = said(catalog)
    file = index_file(place)
    _DAMAGE[damage](file)
    assert said(catalog) == expected  # one that had it open
    _DAMAGE[damage](file)
    assert said(Catalog(opened(place))) == expected


def execute(file: Path, statement: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()


_DAMAGE = {
    "not a database": lambda file: file.write_bytes(b"nonsense" * 1000),
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:5000]),
    "another schema": lambda file: execute(file, "DROP TABLE versions"),
    "broken rows": lambda file: execute(file, "UPDATE versions SET document = '[1]'"),
    "other format": lambda file: execute(file, "UPDATE meta SET state = replace(state, '[1,', '[0,')"),
}


def test_an_index_that_disappears_is_made_anew(place: Path) -> None:
    catalog = catalog_of(simple(), place)
    expected = said(catalog)
    index_file(place).unlink()
    assert said(catalog) == expected
    assert index_file(place).exists()


def test_a_git_folder_that_may_not_be_written_is_read(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index is in the person's cache then; or in memory, where there is none."""
    simple().write(place)
    monkeypatch.setenv("GITREG_CACHE_DIR", os.fspath(tmp_path / "cache"))
    (place / "gitreg").write_bytes(b"")  # root may write any folder, but none can be made here
    assert Catalog(opened(place)).names() == ["fraud"]
    assert list((tmp_path / "cache" / "catalogs").glob("*/*.sqlite"))
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GITREG_CACHE_DIR", os.fspath(tmp_path / "file"))
    assert Catalog(opened(place)).names() == ["fraud"]


def test_a_disk_without_room_does_not_keep_anybody_from_reading(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = simple()
    for version in (1, 2):
        history.describe("fraud", version, "long " * 3000)
    history.write(place)
    ws = opened(place)
    index = ws.index
    made = index._open

    def full() -> sqlite3.Connection:
        connection = made()
        if index._path is not None:
            connection.execute("PRAGMA max_page_count = 10")
        return connection

    monkeypatch.setattr(index, "_open", full)
    assert said(Catalog(ws)) == said(afresh(ws))
    assert index._path is None


# What is broken


def test_a_broken_manifest_hides_no_other_model(place: Path) -> None:
    history = simple()
    history.register("churn", 5)
    history.edit({"models/fraud/versions/1/version.yaml": b"kind: ModelVersion\n"})
    history.write(place)
    lines: list[str] = []
    ws = opened(place)
    ws.warn = lines.append
    catalog = Catalog(ws)
    assert catalog.names() == ["churn"]
    assert [m.name for m in catalog.models()] == [v.model for v in catalog.versions()] == ["churn"]
    (line,) = lines
    assert "'fraud' is left out" in line
    assert "models/fraud/versions/1/version.yaml" in line
    with pytest.raises(InvalidManifest):
        catalog.model("Fraud")
    with pytest.raises(InvalidManifest):
        catalog.aliased("fraud", "champion")


def test_a_branch_without_registry_is_said_so(place: Path) -> None:
    history = simple()
    history.write(place)
    ws = opened(place)
    catalog = Catalog(ws)
    catalog.names()
    git(place, "update-ref", "-d", MAIN)
    with pytest.raises(ConfigError, match="no registry"):
        catalog.names()


def test_deleted_versions_are_gone(place: Path) -> None:
    history = simple()
    ws_history = history.plan(lambda s: plan_delete_version(s, "fraud", 2, None, BEGIN))
    catalog = catalog_of(history, place)
    assert [v.version for v in catalog.model("fraud").versions] == [1]
    assert catalog.model("fraud").updated_at == hour(ws_history)


# Several at once


def test_processes_and_threads_may_read_and_update_at_once(place: Path) -> None:
    """Each reads while the branch moves on; what it reads is always of a commit that the branch had."""
    history = History.begun()
    for number in range(1, 25):
        history.register("fraud", number)
    commits = history.write(place)
    git(place, "update-ref", MAIN, commits[1])
    reader = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from catalog_kit import opened; from gitreg.flows.catalog import Catalog\n"
        "catalog, seen = Catalog(opened(Path(sys.argv[1]))), [0]\n"
        "while seen[-1] < 24: seen.append(len(list(catalog.versions())))\n"
        "assert seen == sorted(seen), seen\n"
    )
    args = [sys.executable, "-c", reader, os.fspath(place), *sys.path]
    processes = [subprocess.Popen(args, stderr=subprocess.PIPE) for _ in range(2)]
    seen: list[list[int]] = [[0], [0]]

    def read(numbers: list[int]) -> None:
        catalog = Catalog(opened(place))
        while numbers[-1] < 24:
            numbers.append(len(list(catalog.versions())))

    threads = [threading.Thread(target=read, args=(numbers,), daemon=True) for numbers in seen]
    for thread in threads:
        thread.start()
    for commit in commits[2:]:
        git(place, "update-ref", MAIN, commit)
    for thread in threads:
        thread.join(60)
    for process in processes:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error.decode()
    assert all(numbers == sorted(numbers) and numbers[-1] == 24 for numbers in seen)
