"""Beginning a registry: in a new folder, in a repository with a history, in a folder of one; and what DVC says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flow_kit import Desk, git

from gitreg.api import open_registry
from gitreg.core.policy import Policy
from gitreg.surfaces.cli.main import run


@pytest.fixture(autouse=True)
def dan(tmp_path: Path, alone: None) -> None:
    """git knows Dan."""
    with (tmp_path / "home" / "gitconfig").open("a") as config:
        config.write("[user]\nname = Dan\nemail = dan@example.com\n")


def init(folder: Path, *options: str, capsys: pytest.CaptureFixture[str] | None = None) -> dict[str, str]:
    """Runs the command; what it says of what it made."""
    assert run(["init", os.fspath(folder), "--format", "json", *options]) == 0
    return dict(json.loads(capsys.readouterr().out)) if capsys else {}


def is_clean(folder: Path) -> bool:
    return git(folder, "status", "--porcelain") == ""


def test_new_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "deep" / "my-registry"
    found = init(folder, capsys=capsys)
    assert (found["root"], found["branch"], found["remote"]) == ("", "main", "../../my-registry-artifacts")
    assert git(folder, "rev-parse", "main") == found["commit"] == git(folder, "rev-parse", "HEAD")
    assert git(folder, "log", "--format=%an %s") == "Dan Begin the registry my-registry"
    assert is_clean(folder)
    files = git(folder, "ls-files").splitlines()
    assert files == [
        ".dvc/.gitignore",
        ".dvc/config",
        ".gitattributes",
        ".gitignore",
        "gitreg.yaml",
        "policy.yaml",
    ]
    with open_registry(folder) as registry:
        assert registry.validate() == []
        assert registry.snapshot.registry().name == "my-registry"
        assert [person.id for person in registry.snapshot.policy().people] == ["dan"]


def test_what_the_policy_offers_in_comments_is_valid(tmp_path: Path) -> None:
    init(tmp_path / "new")
    path = tmp_path / "new/policy.yaml"
    text, count = re.subn(r"^( +)# (- \{|  - \{|[a-z]+:)", r"\1\2", path.read_text(), flags=re.MULTILINE)
    path.write_text(text.replace("ssh-ed25519 AAAA…", f"ssh-ed25519 {'A' * 68}"))
    assert count == 13
    with open_registry(tmp_path / "new", worktree=True) as registry:
        assert registry.validate() == []
        policy = registry.snapshot.policy()
    production = policy.stage("production", "any")
    assert production is not None
    assert (len(production.gates), len(production.windows), policy.people[1].bot) == (5, 2, True)


def test_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(["init"]) == 0
    assert "Next: gitreg" in capsys.readouterr().out
    assert open_registry(".").validate() == []


def existing(folder: Path, branch: str = "main") -> Path:
    git(folder.parent, "init", "-q", f"--initial-branch={branch}", os.fspath(folder))
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "train.py").write_text("print()\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Train")
    return folder


def test_existing_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = existing(tmp_path / "repo")
    before = git(folder, "rev-parse", "HEAD")
    (folder / "run.log").write_text("untracked and ignored\n")
    (folder / "notes.txt").write_text("untracked\n")
    found = init(folder, capsys=capsys)
    assert git(folder, "rev-parse", f"{found['commit']}^") == before
    assert (folder / ".gitignore").read_text() == "*.log\n"
    assert (folder / "train.py").read_text() == "print()\n"
    assert git(folder, "status", "--porcelain") == "?? notes.txt"
    assert open_registry(folder).validate() == []


def test_existing_repository_on_another_branch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --branch the registry begins where one is, not on a new branch without history."""
    folder = existing(tmp_path / "repo", "trunk")
    found = init(folder, capsys=capsys)
    assert found["branch"] == "trunk"
    assert git(folder, "branch", "--format=%(refname:short)") == "trunk"
    assert is_clean(folder)
    with open_registry(folder) as registry:
        assert registry.snapshot.registry().branch == "trunk"
        assert registry.validate() == []


def test_unborn_branch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(tmp_path, "init", "-q", "--initial-branch=trunk", "repo")
    assert init(tmp_path / "repo", capsys=capsys)["branch"] == "trunk"
    assert is_clean(tmp_path / "repo")


def test_detached_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = existing(tmp_path / "repo")
    git(folder, "checkout", "-q", "--detach")
    with_head = git(folder, "rev-parse", "HEAD")
    assert run(["init", os.fspath(folder)]) == 2
    assert "--branch" in capsys.readouterr().err
    assert init(folder, "--branch", "main", capsys=capsys)["branch"] == "main"
    assert git(folder, "rev-parse", "HEAD") == with_head
    assert open_registry(folder).validate() == []


def test_another_branch_on_purpose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = existing(tmp_path / "repo")
    assert run(["init", os.fspath(folder), "--branch", "models"]) == 0
    assert "git switch models" in capsys.readouterr().out
    assert git(folder, "branch", "--show-current") == "main"
    assert is_clean(folder)
    git(folder, "switch", "-q", "models")
    assert open_registry(folder).validate() == []


@pytest.mark.parametrize("inside", ["registry", ".hidden/registry", "a b/c,d#é"])
def test_folder_of_a_monorepo(tmp_path: Path, capsys: pytest.CaptureFixture[str], inside: str) -> None:
    folder = existing(tmp_path / "repo")
    found = init(folder / inside, capsys=capsys)
    assert found["root"] == inside
    assert is_clean(folder)
    assert (folder / inside / "gitreg.yaml").exists()
    remote = os.path.normpath(folder / inside / ".dvc" / found["remote"])
    assert os.path.dirname(remote) == os.fspath(tmp_path)
    (tmp_path / "payload").write_bytes(b"x")
    with open_registry(folder / inside) as registry:
        assert registry.validate() == []
        store = registry.workspace.open_store(registry.snapshot)
        payload = store.inspect(os.fspath(tmp_path / "payload"))
        store.upload(os.fspath(tmp_path / "payload"), payload, registry.workspace.progress)
    assert list(Path(remote).rglob("*")) != []


def test_solo(tmp_path: Path) -> None:
    init(tmp_path / "solo", "--solo")
    snapshot = open_registry(tmp_path / "solo").snapshot
    assert snapshot.registry().enforcement == "solo"
    policy: Policy = snapshot.policy()
    assert policy.allows_direct("promote")
    assert policy.rules.owners == ()


def test_key_goes_into_the_policy(tmp_path: Path, keys: Path, public_keys: dict[str, str]) -> None:
    init(tmp_path / "team", "--key", os.fspath(keys / "dan"))
    (person,) = open_registry(tmp_path / "team").snapshot.policy().people
    assert person.keys == (" ".join(public_keys["dan"].split()[:2]),)


def test_semver(tmp_path: Path) -> None:
    init(tmp_path / "team", "--semver")
    assert open_registry(tmp_path / "team").snapshot.registry().scheme == "semver"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("s3://models/dvc", "s3://models/dvc"),
        ("ssh://me@host/models", "ssh://me@host/models"),
        ("/srv/models", "/srv/models"),
        ("store", "../../store"),
        ("../store", "../../../store"),
    ],
)
def test_remote(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: str,
    written: str,
) -> None:
    """A relative folder is meant from where one is; DVC reads it from the registry's .dvc."""
    monkeypatch.chdir(tmp_path)
    assert init(Path("reg"), "--remote", given, capsys=capsys)["remote"] == written
    assert f"url = {written}\n" in (tmp_path / "reg/.dvc/config").read_text()


@pytest.mark.parametrize("name", ["a, b", "c # d", "e 'f'", "売上", "-x", "g=h", "[i]", "%(j)s", 'k"l'])
def test_names_of_every_sort(tmp_path: Path, name: str) -> None:
    """The folder's name becomes the registry's, and part of the default remote's."""
    init(tmp_path / name)
    (tmp_path / "payload").write_bytes(b"x")
    with open_registry(tmp_path / name) as registry:
        assert registry.snapshot.registry().name == name
        assert registry.validate() == []
        store = registry.workspace.open_store(registry.snapshot)
        payload = store.inspect(os.fspath(tmp_path / "payload"))
        store.upload(os.fspath(tmp_path / "payload"), payload, registry.workspace.progress)
    made = {path.name for path in tmp_path.iterdir()} - {"home", "payload", name}
    assert len(made) == 1
    assert made.pop().endswith("-artifacts")


# Refusals


def said(capsys: pytest.CaptureFixture[str], code: int, *args: str) -> str:
    """What a refused command says: one line and perhaps a hint."""
    assert run(list(args)) == code
    out, err = capsys.readouterr()
    assert out == ""
    first, *rest = err.splitlines()
    assert first.startswith("gitreg: ")
    assert len(rest) <= 1
    assert all(line.startswith("  hint: ") for line in rest)
    return str(err)


@pytest.mark.parametrize("file", ["gitreg.yaml", "policy.yaml", ".dvc/config"])
def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str) -> None:
    folder = existing(tmp_path / "repo")
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text("mine: true\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    before = git(folder, "for-each-ref")
    assert f"{file} exists already" in said(capsys, 1, "init", os.fspath(folder))
    assert (git(folder, "for-each-ref"), is_clean(folder)) == (before, True)


def test_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path / "reg")
    capsys.readouterr()
    assert "exists already" in said(capsys, 1, "init", os.fspath(tmp_path / "reg"))


@pytest.mark.parametrize("file", ["gitreg.yaml", ".gitattributes"])
def test_untracked_files_are_in_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    folder = existing(tmp_path / "repo")
    (folder / file).write_text("mine: true\n")
    before = git(folder, "for-each-ref")
    assert "untracked files" in said(capsys, 1, "init", os.fspath(folder))
    assert (folder / file).read_text() == "mine: true\n"
    assert git(folder, "for-each-ref") == before


def test_dirty_checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = existing(tmp_path / "repo")
    (folder / "train.py").write_text("mine\n")
    before = git(folder, "for-each-ref")
    assert "uncommitted changes" in said(capsys, 1, "init", os.fspath(folder))
    assert (folder / "train.py").read_text() == "mine\n"
    assert git(folder, "for-each-ref") == before


def test_bare_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(tmp_path, "init", "-q", "--bare", "repo.git")
    assert "is a bare repository" in said(capsys, 2, "init", os.fspath(tmp_path / "repo.git"))


def test_file_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine\n")
    assert "file" in said(capsys, 2, "init", os.fspath(tmp_path / "file"))
    assert "file" in said(capsys, 2, "init", os.fspath(tmp_path / "file" / "below"))
    assert (tmp_path / "file").read_text() == "mine\n"


@pytest.mark.parametrize("branch", ["a b", "", "-x", "x..y", "refs/heads/../x", "HEAD", "x.lock", "x\ny"])
def test_bad_branch(tmp_path: Path, capsys: pytest.CaptureFixture[str], branch: str) -> None:
    assert "branch" in said(capsys, 2, "init", os.fspath(tmp_path / "reg"), "--branch", branch)
    assert not (tmp_path / "reg").exists()


@pytest.mark.parametrize("remote", ["", "a\nb", "x\ty"])
def test_bad_remote(tmp_path: Path, capsys: pytest.CaptureFixture[str], remote: str) -> None:
    assert "--remote" in said(capsys, 2, "init", os.fspath(tmp_path / "reg"), "--remote", remote)
    assert not (tmp_path / "reg").exists()


def test_nobody_known_to_git_begins_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The most common failure on a new machine leaves no half of a repository behind."""
    (tmp_path / "home/gitconfig").write_text("")
    assert "who you are" in said(capsys, 2, "init", os.fspath(tmp_path / "deep" / "reg"))
    assert not (tmp_path / "deep").exists()
    (tmp_path / "there").mkdir()
    said(capsys, 2, "init", os.fspath(tmp_path / "there"))
    assert list((tmp_path / "there").iterdir()) == []


def test_missing_key_begins_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot read the SSH key" in said(
        capsys, 2, "init", os.fspath(tmp_path / "reg"), "--key", "nosuch"
    )
    assert not (tmp_path / "reg").exists()


# A clone of something


def test_in_a_clone_it_waits_for_a_push(
    tmp_path: Path, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "init", "-q", "--bare", "hub.git")
    existing(tmp_path / "seed")
    git(tmp_path / "seed", "push", "-q", os.fspath(tmp_path / "hub.git"), "main")
    git(tmp_path, "clone", "-q", os.fspath(tmp_path / "hub.git"), "work")
    assert run(["init", os.fspath(tmp_path / "work")]) == 0
    assert "git push origin main" in capsys.readouterr().out
    assert open_registry(tmp_path / "work", worktree=True).validate() == []
    git(tmp_path / "work", "push", "-q", "origin", "main")
    assert open_registry(tmp_path / "work").validate() == []


# Plain DVC


def test_plain_dvc_works_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What gitreg registered, ``dvc pull`` brings and ``dvc status`` knows; and git ignores the bytes."""
    folder = existing(tmp_path / "repo") / "reg"
    init(folder, "--solo")
    payload = tmp_path / "model.onnx"
    payload.write_bytes(b"weights\n" * 1000)
    bundle = tmp_path / "bundle"
    (bundle / "sub").mkdir(parents=True)
    (bundle / "sub/a.bin").write_bytes(b"a" * 100)
    (bundle / "b.bin").write_bytes(b"b" * 100)
    for path in (payload, bundle):
        assert run(["-C", os.fspath(folder), "register", "m", os.fspath(path), "--create"]) == 0
    dvc(folder, "pull")
    assert (folder / "models/m/versions/1/model.onnx").read_bytes() == payload.read_bytes()
    assert (folder / "models/m/versions/2/bundle/sub/a.bin").read_bytes() == b"a" * 100
    assert "Data and pipelines are up to date" in dvc(folder, "status")
    assert "are in sync" in dvc(folder, "status", "--cloud")
    assert is_clean(folder)
    assert open_registry(folder, worktree=True).validate() == []


def dvc(folder: Path, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "dvc", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
