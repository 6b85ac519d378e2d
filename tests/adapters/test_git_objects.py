"""Reading objects: what is there, what is not, what is broken, and what only looks like a path."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from git_kit import ALICE, NOW, commit_files, git, init, pin, put

from gitreg.adapters.git import objects
from gitreg.adapters.git.objects import GitTree, ObjectReader, parse_tree
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import (
    EXECUTABLE,
    FILE,
    FOLDER,
    READ_LIMIT,
    SUBMODULE,
    SYMLINK,
    Blob,
    Entry,
)
from gitreg.errors import ConfigError, Undecided


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pin(monkeypatch, tmp_path)


FILES = {
    "gitreg.yaml": "kind: Registry\n",
    "models/売上予測/model.yaml": "kind: Model\n",
    "models/a b/versions/1/version.yaml": "version: 1\n",
    "empty": "",
}


@pytest.fixture(params=["sha1", "sha256"])
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return init(tmp_path / "repo", FILES, f"--object-format={request.param}")


@pytest.fixture
def reader(checkout: Path) -> Iterator[ObjectReader]:
    with ObjectReader(os.fspath(checkout)) as opened:
        yield opened


def head_tree(checkout: Path, reader: ObjectReader) -> GitTree:
    return GitTree(reader, git(checkout, "rev-parse", "HEAD"))


def test_reads_files_by_path_with_the_ids_git_gives_them(checkout: Path, reader: ObjectReader) -> None:
    tree = head_tree(checkout, reader)
    for path, content in FILES.items():
        for _ in range(2):
            assert tree.read(path) == Blob(git(checkout, "rev-parse", f"HEAD:{path}"), content.encode())


def test_nothing_and_folders_read_as_none(checkout: Path, reader: ObjectReader) -> None:
    tree = head_tree(checkout, reader)
    for path in ("", "models", "models/", "nope", "nope/x", "gitreg.yaml/x", "/gitreg.yaml", "./gitreg.yaml"):
        for _ in range(2):
            assert tree.read(path) is None, path
    for path in ("models/../gitreg.yaml", "models//x", "a\0b", "a\nb", "\ud800"):
        assert tree.read(path) is None, path
        assert tree.list(path) == {}


def test_lists_every_sort_of_entry_as_ls_tree_does(checkout: Path, reader: ObjectReader) -> None:
    (checkout / "link").symlink_to("gitreg.yaml")
    put(checkout, {"run.sh": "#!/bin/sh\n"})
    (checkout / "run.sh").chmod(0o755)
    commit_files(init(checkout / "sub", None, f"--object-format={_format(checkout)}"), {"x": "x"})
    commit_files(checkout, {})
    tree = head_tree(checkout, reader)
    rows = git(checkout, "ls-tree", "HEAD").splitlines()
    expected = {row.split("\t")[1]: Entry(*[row.split()[0], row.split()[2]]) for row in rows}
    assert tree.list("") == expected
    assert {e.mode for e in expected.values()} == {FILE, EXECUTABLE, SYMLINK, SUBMODULE, FOLDER}
    link = tree.read("link")
    assert link is not None
    assert link.data == b"gitreg.yaml"
    assert tree.read("sub") is None
    assert tree.list("sub") == {}
    assert tree.read("sub/x") is None


def _format(checkout: Path) -> str:
    return git(checkout, "rev-parse", "--show-object-format")


def test_lists_folders_and_nothing_else(checkout: Path, reader: ObjectReader) -> None:
    tree = head_tree(checkout, reader)
    assert set(tree.list("models")) == {"売上予測", "a b"}
    assert set(tree.list("models/a b/versions")) == {"1"}
    assert (
        tree.list("gitreg.yaml")
        == tree.list("nope")
        == tree.list("nope/deeper")
        == tree.list("models/")
        == {}
    )


def test_a_tree_id_serves_as_well_as_a_commit_id(checkout: Path, reader: ObjectReader) -> None:
    tree = GitTree(reader, git(checkout, "rev-parse", "HEAD:models"))
    assert set(tree.list("")) == {"売上予測", "a b"}
    assert tree.read("売上予測/model.yaml") is not None


@pytest.mark.parametrize("size", [READ_LIMIT - 1, READ_LIMIT, READ_LIMIT + 1, 3 * READ_LIMIT + 7])
def test_long_files_are_cut_and_what_follows_is_read_right(
    checkout: Path, reader: ObjectReader, size: int
) -> None:
    commit_files(checkout, {"big": b"x" * size})
    tree = head_tree(checkout, reader)
    found = tree.read("big")
    assert found is not None
    assert len(found.data) == min(size, READ_LIMIT + 1)
    assert tree.blob(found.oid) == found.data
    assert tree.read("empty") == Blob(git(checkout, "rev-parse", "HEAD:empty"), b"")


def test_paths_that_git_would_take_for_something_else(checkout: Path, reader: ObjectReader) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    blob = git(checkout, "rev-parse", "HEAD:gitreg.yaml")
    decoys = [
        f"x-g{commit[:12]}",
        f"x-g{blob[:12]}",
        f"x-g{commit[:12]}~0",
        f"x-g{commit[:12]}^{{tree}}",
        "x@{u}",
        "HEAD^",
        "a:b",
        "x^{tree}",
    ]
    before = head_tree(checkout, reader)
    for name in decoys:
        assert before.read(name) is None, name
        assert before.list(name) == {}, name
    real = {name: f"the file {name}" for name in decoys} | {
        "new\nline": "n",
        "folder\n/x": "x",
        "-g1234/y": "y",
    }
    commit_files(checkout, real)
    tree = head_tree(checkout, reader)
    for name, content in real.items():
        found = tree.read(name)
        assert found is not None, name
        assert found.data == content.encode()
    assert set(tree.list("folder\n")) == {"x"}
    assert set(tree.list("-g1234")) == {"y"}


def test_names_that_are_not_utf8_keep_their_bytes(checkout: Path, reader: ObjectReader) -> None:
    name = os.fsdecode(b"latin-\xe9")
    commit_files(checkout, {name: "x"})
    tree = head_tree(checkout, reader)
    assert name in tree.list("")
    assert tree.read(name) is not None


def _object_file(checkout: Path, oid: str) -> Path:
    return checkout / ".git" / "objects" / oid[:2] / oid[2:]


def test_an_entry_whose_object_is_missing_is_undecided(checkout: Path, reader: ObjectReader) -> None:
    _object_file(checkout, git(checkout, "rev-parse", "HEAD:gitreg.yaml")).unlink()
    _object_file(checkout, git(checkout, "rev-parse", "HEAD:models/a b")).unlink()
    tree = head_tree(checkout, reader)
    for _ in range(2):
        with pytest.raises(Undecided, match="missing"):
            tree.read("gitreg.yaml")
        with pytest.raises(Undecided, match="missing"):
            tree.list("models/a b")
        with pytest.raises(Undecided, match="missing"):
            tree.read("models/a b/versions/1/version.yaml")
    assert tree.read("nope") is None
    assert tree.read("models/nope") is None


def test_a_missing_root_or_blob_is_undecided(checkout: Path, reader: ObjectReader) -> None:
    gone = "0" * (len(git(checkout, "rev-parse", "HEAD")) - 1) + "1"
    with pytest.raises(Undecided):
        GitTree(reader, gone).read("gitreg.yaml")
    with pytest.raises(Undecided):
        GitTree(reader, gone).list("")
    with pytest.raises(Undecided):
        head_tree(checkout, reader).blob(gone)
    with pytest.raises(Undecided):
        reader.listing(git(checkout, "rev-parse", "HEAD:gitreg.yaml"))
    _object_file(checkout, git(checkout, "rev-parse", "HEAD^{tree}")).unlink()
    with pytest.raises(Undecided):
        head_tree(checkout, reader).read("gitreg.yaml")


@pytest.mark.parametrize("damage", [b"", b"rubbish"])
def test_a_corrupt_object_is_undecided_and_the_reader_goes_on(
    checkout: Path, reader: ObjectReader, damage: bytes
) -> None:
    tree = head_tree(checkout, reader)
    oid = git(checkout, "rev-parse", "HEAD:gitreg.yaml")
    _object_file(checkout, oid).chmod(0o644)
    _object_file(checkout, oid).write_bytes(damage)
    with pytest.raises(Undecided):
        tree.read("gitreg.yaml")
    assert tree.read("empty") is not None


def test_a_truncated_object_is_undecided_and_the_reader_goes_on(checkout: Path, reader: ObjectReader) -> None:
    commit_files(checkout, {"noise": os.urandom(100_000)})
    tree = head_tree(checkout, reader)
    file = _object_file(checkout, git(checkout, "rev-parse", "HEAD:noise"))
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:5_000])
    with pytest.raises(Undecided):
        tree.read("noise")
    assert tree.read("empty") is not None


def test_trees_that_git_would_not_make_are_undecided() -> None:
    oid, other = "a" * 40, bytes(20)
    good = b"100644 a\0" + other
    assert parse_tree(good, oid) == {"a": Entry(FILE, "0" * 40)}
    bad = (
        good + good,
        good[:-1],
        good + b"1",
        b"100644 a/b\0" + other,
        b"100644 \0" + other,
        b"100644 .\0" + other,
        b"40000 ..\0" + other,
        b"100644",
        b"\xff a\0" + other,
    )
    for raw in bad:
        with pytest.raises(Undecided, match="corrupt"):
            parse_tree(raw, oid)


def test_parsed_folders_are_bounded(
    checkout: Path, reader: ObjectReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "KEPT_ENTRIES", 3)
    commit_files(
        checkout,
        {f"d{i}/{j}": f"{i}{j}" for i in range(4) for j in range(2)}
        | {f"d{i}/only{i}": "" for i in range(4)},
    )
    tree = head_tree(checkout, reader)
    for _ in range(2):
        for i in range(4):
            assert set(tree.list(f"d{i}")) == {"0", "1", f"only{i}"}
            assert tree.read(f"d{i}/only{i}") is not None
    kept = [oid for i in range(4) if reader.kept_listing(oid := git(checkout, "rev-parse", f"HEAD:d{i}"))]
    assert len(kept) == 1


def test_many_folders_and_blobs_are_read_as_one_by_one(checkout: Path, reader: ObjectReader) -> None:
    commit_files(checkout, {f"many/{n}/{n}": "x" * n * 500 for n in range(250)} | {"many/file": ""})
    tree = head_tree(checkout, reader)
    paths = [f"many/{name}" for name in tree.list("many")] + ["many", "many/nope", "a\nb", "../x", ""]
    for _ in range(2):
        assert list(tree.lists(paths)) == [head_tree(checkout, reader).list(path) for path in paths]
    oids = [entry.oid for listing in tree.lists(paths[:250]) for entry in listing.values()] * 2
    assert list(tree.blobs(oids)) == [tree.blob(oid) for oid in oids]
    assert [*tree.lists([]), *tree.blobs([])] == []


def test_one_missing_among_many_is_undecided(checkout: Path, reader: ObjectReader) -> None:
    blob, folder = (git(checkout, "rev-parse", f"HEAD:{path}") for path in ("empty", "models/a b"))
    _object_file(checkout, folder).unlink()
    tree = head_tree(checkout, reader)
    with pytest.raises(Undecided, match=f"the folder {folder} is missing"):
        list(tree.lists(["models", "models/a b"]))
    with pytest.raises(Undecided, match=f"the file {folder} is missing"):
        list(tree.blobs([blob, folder]))
    assert list(tree.lists(["models"])) == [tree.list("models")]


def test_what_is_beside_a_large_folder_s_entries_is_not_listed(checkout: Path, reader: ObjectReader) -> None:
    commit_files(checkout, {f"versions/{n}/version.yaml": str(n) for n in range(50)})
    large = git(checkout, "rev-parse", "HEAD:versions")
    tree = head_tree(checkout, reader)
    assert tree.read("versions/7/version.yaml") is not None
    assert tree.read("versions/7/notes.yaml") is None
    assert reader.kept_listing(large) is None
    for n in range(50):
        assert set(tree.list(f"versions/{n}")) == {"version.yaml"}
    assert reader.kept_listing(large) is not None, "whoever asks often is given the whole folder"


def test_threads_share_a_reader(checkout: Path, reader: ObjectReader) -> None:
    tree = head_tree(checkout, reader)
    wrong: list[str] = []

    def work(path: str, content: str) -> None:
        for _ in range(50):
            found = GitTree(reader, tree._oid).read(path)
            if found is None or found.data != content.encode():
                wrong.append(path)

    threads = [threading.Thread(target=work, args=item) for item in FILES.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_forked_child_reads_for_itself(checkout: Path, reader: ObjectReader) -> None:
    tree = head_tree(checkout, reader)
    assert tree.read("empty") is not None
    child = os.fork()
    if not child:
        found = tree.read("gitreg.yaml")
        reader.close()
        os._exit(0 if found is not None and found.data == b"kind: Registry\n" else 1)
    for _ in range(100):
        assert tree.read("models/a b/versions/1/version.yaml") is not None
    assert os.waitpid(child, 0)[1] == 0


def test_closing_ends_the_process_and_reading_starts_another(checkout: Path, reader: ObjectReader) -> None:
    tree = head_tree(checkout, reader)
    assert tree.read("empty") is not None
    process = reader._process
    assert process is not None
    reader.close()
    assert process.returncode == 0
    reader.close()
    assert tree.read("gitreg.yaml") is not None


def test_a_dropped_reader_leaves_no_process(checkout: Path) -> None:
    reader = ObjectReader(os.fspath(checkout))
    assert reader.info("HEAD") is not None
    process = reader._process
    assert process is not None
    del reader
    gc.collect()
    assert process.returncode == 0


def test_an_interpreter_that_ends_says_nothing(checkout: Path) -> None:
    code = f"""
from gitreg.adapters.git.repository import GitRepository
repository = GitRepository.open({os.fspath(checkout)!r})
assert repository.tree(repository.hub_ref("refs/heads/main")).read("gitreg.yaml").data == b"kind: Registry\\n"
import sys
assert not {{"git", "gitdb", "click", "yaml", "hashlib", "tempfile"}} & sys.modules.keys(), sys.modules.keys()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_reading_costs_one_process(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, spy = tmp_path / "log", tmp_path / "bin" / "git"
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    put(tmp_path, {"bin/git": f'#!/bin/sh\necho "$@" >> {log}\nexec {real} "$@"\n'})
    spy.chmod(0o755)
    git(checkout, "clone", "-q", "--bare", ".", os.fspath(tmp_path / "bare.git"))
    git(tmp_path / "bare.git", "remote", "remove", "origin")
    git(checkout, "remote", "add", "origin", os.fspath(tmp_path / "bare.git"))
    git(checkout, "fetch", "-q", "origin")
    git(checkout, "pack-refs", "--all")
    monkeypatch.setenv("PATH", f"{spy.parent}:{os.environ['PATH']}")
    for path in (checkout, tmp_path / "bare.git"):
        log.write_text("")
        with GitRepository.open(path) as repository:
            commit = repository.hub_ref("refs/heads/main")
            assert commit is not None
            tree = repository.tree(repository.commit(commit).tree)
            assert tree.read("gitreg.yaml") is not None
            assert tree.read("nope") is None
        assert len(log.read_text().splitlines()) == 1


def test_a_git_that_is_too_old_is_named(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        tmp_path,
        {"bin/git": '#!/bin/sh\ncase "$*" in *version) echo git version 2.30.1;; *) exit 129;; esac\n'},
    )
    (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with (
        ObjectReader(os.fspath(checkout)) as reader,
        pytest.raises(ConfigError, match=r"2\.30\.1 is too old"),
    ):
        reader.info("HEAD")


def test_without_git_the_error_says_so(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with (
        ObjectReader(os.fspath(checkout)) as reader,
        pytest.raises(ConfigError, match="could not be started"),
    ):
        reader.info("HEAD")
    with ObjectReader(os.fspath(checkout / "gone")) as reader, pytest.raises(ConfigError, match="no folder"):
        reader.info("HEAD")


def test_replacements_are_not_obeyed(checkout: Path, reader: ObjectReader) -> None:
    oid = git(checkout, "rev-parse", "HEAD:gitreg.yaml")
    other = git(checkout, "hash-object", "-w", "--stdin", stdin=b"replaced")
    git(checkout, "replace", oid, other)
    assert git(checkout, "cat-file", "blob", oid) == "replaced"
    found = head_tree(checkout, reader).read("gitreg.yaml")
    assert found is not None
    assert found.data == b"kind: Registry\n"


def test_objects_written_meanwhile_are_seen(checkout: Path) -> None:
    with GitRepository.open(checkout) as repository:
        head = repository.resolve("HEAD")
        blob = repository.write_blob(b"new")
        tree = repository.write_tree(head, {"new": Entry(FILE, blob)})
        commit = repository.write_commit(tree, [head], "new\n", ALICE, NOW)
        assert repository.tree(commit).read("new") == Blob(blob, b"new")
        git(checkout, "gc", "-q", "--prune=now")
        assert repository.tree(head).read("gitreg.yaml") is not None
