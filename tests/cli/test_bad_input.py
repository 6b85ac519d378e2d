"""What people and machines get wrong: each command says it in one line and a hint, and leaves everything as it was.

Exit codes: 1 no such thing, or refused; 2 usage or configuration; 3 it could not be found out; 130 Ctrl-C.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from flow_kit import (
    REGISTRY,
    Desk,
    bytes_of,
    copy_template,
    fast_import,
    git,
    make_solo,
    make_template,
    pin,
    registration,
)

from gitreg.core.plan.delete import plan_delete_version
from gitreg.flows.land import land
from gitreg.surfaces.cli.main import run


@pytest.fixture(scope="session")
def team_template(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Path:
    public = {path.stem: path.read_text().strip() for path in keys.glob("*.pub")}
    return make_template(tmp_path_factory.mktemp("team"), public)


@pytest.fixture(scope="session")
def solo_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solo(tmp_path_factory.mktemp("solo"))


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, alone: None) -> None:
    """git knows nobody but by the repository's own configuration."""
    pin(monkeypatch, tmp_path / "home")


@dataclass
class Bench:
    """The command line, run in the folders of a desk."""

    desk: Desk
    capture: pytest.CaptureFixture[str]
    folder: str

    def runs(self, *args: str, folder: str = "") -> str:
        """Runs a command that must succeed; what it printed."""
        self.capture.readouterr()
        code = run(["-C", os.fspath(self.desk.root / (folder or self.folder)), *args])
        out, err = self.capture.readouterr()
        assert code == 0, err
        return out

    def refuses(self, code: int, *args: str, says: str = "", hint: str = "", folder: str = "") -> str:
        """Runs a command that must end with ``code``, say one line and perhaps a hint, and change nothing."""
        place = self.desk.root / (folder or self.folder)
        self.capture.readouterr()
        with self.untouched():
            ended = run(["-C", os.fspath(place), *args])
        out, err = self.capture.readouterr()
        assert ended == code, f"exit code {ended}\n{out}{err}"
        assert out == ""
        return one_line(err, says, hint)

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """No ref moves, no file changes, nothing is stored."""
        before = self.state()
        yield
        assert self.state() == before

    def state(self) -> object:
        places = sorted(path.parent.name for path in self.desk.root.glob("*/.git"))
        places += [path.name for path in self.desk.root.glob("*.git")]
        files = (path.relative_to(self.desk.root) for path in self.desk.root.rglob("*"))
        return self.desk.state(*places), {
            file for file in files if not {".git", "artifacts", "origin.git"} & set(file.parts)
        }


def one_line(err: str, says: str = "", hint: str = "") -> str:
    """Checks that a command said one line, and perhaps a hint."""
    assert "Traceback" not in err
    first, *rest = err.splitlines()
    assert first.startswith("gitreg: "), err
    assert says in first, err
    assert len(rest) <= 1, err
    assert all(line.startswith("  hint: ") for line in rest), err
    assert hint in "".join(rest), err
    return err


@pytest.fixture
def solo(
    solo_template: Path, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Bench]:
    desk = Desk(copy_template(solo_template, tmp_path / "alone"), keys)
    yield Bench(desk, capsys, "solo")
    desk.close()


@pytest.fixture
def team(
    team_template: Path, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Bench]:
    desk = Desk(copy_template(team_template, tmp_path / "team"), keys)
    yield Bench(desk, capsys, "dan")
    desk.close()


PAYLOAD = "PAYLOAD"
#: One of every sort of command: reading, landing, deciding.
COMMANDS = [
    ["list"],
    ["search", "metrics.roc_auc > 0"],
    ["show", "credit-risk/1"],
    ["resolve", "credit-risk/production"],
    ["pull", "credit-risk/1", "-o", "out"],
    ["history"],
    ["register", "credit-risk", PAYLOAD],
    ["promote", "credit-risk/3", "--to", "staging"],
    ["demote", "credit-risk/2"],
    ["rollback", "credit-risk", "--stage", "production"],
    ["copy", "credit-risk/1", "other", "--create"],
    ["alias", "set", "credit-risk", "mine", "1"],
    ["version", "note", "credit-risk/1", "--description", "x"],
    ["change", "list"],
    ["change", "merge", "1"],
    ["verify", "1"],
    ["validate"],
]


def filled(command: list[str], bench: Bench) -> list[str]:
    return [bench.desk.payload() if word == PAYLOAD else word for word in command]


# Where there is nothing to work on


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_not_a_repository(solo: Bench, command: list[str]) -> None:
    filled(command, solo)
    (solo.desk.root / "plain").mkdir()
    solo.refuses(2, *filled(command, solo), folder="plain", says="not in a git repository", hint="-R")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_unborn_branch(solo: Bench, command: list[str]) -> None:
    filled(command, solo)
    git(solo.desk.root, "init", "-q", "fresh")
    solo.refuses(2, *filled(command, solo), folder="fresh", says="no commits yet", hint="gitreg init")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_no_registry(solo: Bench, command: list[str]) -> None:
    filled(command, solo)
    git(solo.desk.root, "init", "-q", "other")
    fast_import(solo.desk.root / "other", [("Begin", {"train.py": b"print()\n"})])
    solo.refuses(2, *filled(command, solo), folder="other", says="no registry here", hint="gitreg init")


def test_no_such_folder(solo: Bench) -> None:
    assert run(["-C", os.fspath(solo.desk.root / "nosuch"), "list"]) == 2
    one_line(solo.capture.readouterr().err, "there is no folder", "-C")
    solo.refuses(2, "-R", "nosuch", "list", says="there is no folder 'nosuch'", hint="-R")
    solo.refuses(3, "-R", (solo.desk.root / "nosuch.git").as_uri(), "list", says="could not be reached")
    solo.refuses(2, "-R", "ext::sh -c id", "list", says="transport program")
    solo.refuses(2, "-R", "#nosuch", "list", says="no nosuch/gitreg.yaml is committed")


def test_files_of_a_broken_repository(solo: Bench) -> None:
    objects = solo.desk.root / "solo/.git/objects"
    shutil.move(objects, solo.desk.root / "away")
    objects.mkdir()
    assert run(["-C", os.fspath(solo.desk.root / "solo"), "list"]) in {2, 3}
    one_line(solo.capture.readouterr().err)


# Checkouts in every state


def test_dirty_local_hub(solo: Bench) -> None:
    with (solo.desk.root / "solo/policy.yaml").open("a") as policy:
        policy.write("# mine\n")
    for command in (
        ["promote", "credit-risk/3", "--to", "staging"],
        ["register", "credit-risk", solo.desk.payload()],
    ):
        solo.refuses(1, *command, says="you have uncommitted changes in", hint="commit, stash")
    assert solo.runs("resolve", "credit-risk/production") == "credit-risk/1\n"


def test_dirty_clone_is_none_of_our_business(team: Bench) -> None:
    (team.desk.root / "dan/policy.yaml").write_text("broken: [\n")
    assert "Change #1 opened" in team.runs("promote", "credit-risk/3", "--to", "staging")
    assert (team.desk.root / "dan/policy.yaml").read_text() == "broken: [\n"


def test_detached_checkout(solo: Bench) -> None:
    git(solo.desk.root / "solo", "checkout", "-q", "--detach", "main~3")
    head = git(solo.desk.root / "solo", "rev-parse", "HEAD")
    assert "landed as" in solo.runs("promote", "credit-risk/3", "--to", "staging")
    assert git(solo.desk.root / "solo", "rev-parse", "HEAD") == head


def test_shallow_clone(team: Bench) -> None:
    git(team.desk.root, "clone", "-q", "--depth=1", team.desk.origin.as_uri(), "shallow")
    assert team.runs("resolve", "credit-risk/production", folder="shallow") == "credit-risk/1\n"
    team.refuses(3, "history", folder="shallow", says="shallow clone", hint="git fetch --unshallow")
    team.refuses(3, "list", "--at", "2026-11-20T10:30", folder="shallow", says="shallow", hint="--unshallow")


def test_unreachable_origin(team: Bench) -> None:
    team.desk.origin.rename(team.desk.root / "away")
    team.refuses(
        3, "promote", "credit-risk/3", "--to", "staging", says="could not be reached", hint="network"
    )
    team.refuses(3, "change", "list", says="could not be reached")
    assert team.runs("resolve", "credit-risk/production") == "credit-risk/1\n"


# Who


@pytest.fixture
def unknown(team: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    """git knows nobody: an empty home, no configuration."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("HOME", os.fspath(tmp_path / "empty"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for key in ("user.name", "user.email"):
        git(team.desk.root / "dan", "config", "--unset", key)
    return team


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] in {"register", "promote", "copy", "alias"}])
def test_no_identity(unknown: Bench, command: list[str]) -> None:
    filled(command, unknown)
    unknown.refuses(
        2,
        *filled(command, unknown),
        says="git does not know who you are",
        hint="git config --global user.name",
    )


def test_no_identity_reads_all_the_same(unknown: Bench) -> None:
    assert unknown.runs("resolve", "credit-risk@champion") == "credit-risk/1\n"
    assert "nothing to complain about" in unknown.runs("validate")


def test_no_key(team: Bench) -> None:
    team.runs("promote", "credit-risk/2", "--to", "production")
    team.refuses(2, "change", "approve", "1", says="there is no SSH key to sign with", hint="--key FILE")
    team.refuses(2, "change", "approve", "1", "--key", "nosuch", says="cannot read the SSH key")
    key = os.fspath(team.desk.keys / "mallory")
    team.refuses(1, "change", "approve", "1", "--key", key, says="nobody's in policy.yaml", hint="--key")
    (team.desk.root / "nokey").write_text("not a key\n")
    team.refuses(2, "change", "approve", "1", "--key", "../nokey", says="nokey")


# No such thing


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("nosuch/1", "no model is called 'nosuch'"),
        ("credit-rsik/1", "did you mean 'credit-risk'?"),
        ("credit-risk/9", "version 9 of 'credit-risk' does not exist"),
        ("credit-risk/1.0.0", "version 1.0.0 of 'credit-risk' does not exist"),
        ("credit-risk/nosuch", "the policy has no stage 'nosuch'"),
        ("credit-risk/archived", "no version of 'credit-risk' is in archived"),
        ("credit-risk@nosuch", "'credit-risk' has no alias 'nosuch'"),
    ],
)
def test_no_such_reference(solo: Bench, reference: str, says: str) -> None:
    for command in (["resolve"], ["show"], ["pull", "-o", "new"], ["promote", "--to", "staging"]):
        solo.refuses(1, *command, reference, says=says)
    solo.refuses(1, "copy", reference, "other", "--create", says=says)


@pytest.mark.parametrize(
    "command",
    [
        ["show", "nosuch"],
        ["history", "nosuch"],
        ["version", "list", "nosuch"],
        ["rollback", "nosuch", "--stage", "production"],
        ["register", "nosuch", PAYLOAD],
        ["model", "edit", "nosuch", "--title", "x"],
        ["model", "rename", "nosuch", "other"],
        ["model", "delete", "nosuch"],
        ["alias", "set", "nosuch", "champion", "1"],
    ],
    ids=" ".join,
)
def test_no_such_model(solo: Bench, command: list[str]) -> None:
    filled(command, solo)
    solo.refuses(1, *filled(command, solo), says="nosuch")


def test_deleted_version(solo: Bench) -> None:
    land(
        solo.desk("solo"),
        lambda snapshot: plan_delete_version(snapshot, "credit-risk", 3, None, solo.desk.now),
    )
    solo.refuses(1, "resolve", "credit-risk/3", says="version 3 of 'credit-risk' was deleted")


def test_no_such_stage_or_alias(solo: Bench) -> None:
    solo.refuses(
        1, "promote", "credit-risk/3", "--to", "nosuch", says="no stage 'nosuch'", hint="staging, production"
    )
    solo.refuses(1, "rollback", "credit-risk", "--stage", "nosuch", says="no stage 'nosuch'")
    solo.refuses(1, "alias", "delete", "credit-risk", "nosuch", says="no alias 'nosuch'")


def test_no_such_revision_or_time(solo: Bench) -> None:
    solo.refuses(1, "list", "--rev", "nosuch", says="no revision 'nosuch'")
    solo.refuses(1, "list", "--rev=--output=x", says="no revision '--output=x'")
    solo.refuses(1, "list", "--at", "1999-01-01", says="history begins after")
    solo.refuses(2, "list", "--at", "yesterday", says="'yesterday' is not a time", hint="2026-11-20")
    solo.refuses(2, "list", "--worktree", "--rev", "main", says="working tree")
    solo.refuses(1, "verify", "--head", "nosuch", says="no revision 'nosuch'")


@pytest.mark.parametrize("number", ["7", "#7", "0", "-1", "x", "1/../1", "99999999999999999999"])
def test_no_such_change(solo: Bench, number: str) -> None:
    for command in ("show", "approve", "refresh", "merge", "close"):
        key = ["--key", os.fspath(solo.desk.keys / "dan")] if command == "approve" else []
        solo.refuses(1, "change", command, *key, "--", number, says="there is no change request")
    solo.refuses(1, "verify", "--", number, says="there is no change request")


# What may not be


def test_version_exists(solo: Bench) -> None:
    register = ["register", "churn", "--semver", "--create", "--version", "1.0.0"]
    solo.runs(*register, solo.desk.payload(b"one\n"))
    two = solo.desk.payload(b"two\n")
    solo.refuses(1, *register, two, says="version 1.0.0 of 'churn' exists", hint="--version")
    solo.refuses(2, "register", "churn", two, says="needs a number", hint="higher than 1.0.0")
    solo.refuses(2, "register", "churn", two, "--version", "1", says="not a SemVer version", hint="1.4.0")
    solo.refuses(
        2, "register", "credit-risk", two, "--version", "1.0.0", says="numbers its versions by itself"
    )


def test_illegal_transitions(team: Bench) -> None:
    promote = ["promote", "--to", "production"]
    team.refuses(1, *promote, "credit-risk/3", says="takes versions only from staging", hint="staging")
    team.refuses(1, *promote, "credit-risk/2", "--keep", says="is full")
    team.refuses(
        1, "promote", "credit-risk/1", "--to", "staging", says="takes versions only from none, archived"
    )
    team.refuses(1, "rollback", "credit-risk", "--stage", "archived", says="nothing to roll back to")
    team.refuses(
        1, "alias", "set", "credit-risk", "champion", "2", says="may name only versions in production"
    )
    team.refuses(
        1, "promote", "credit-risk/3", "--to", "staging", "--direct", says="nothing enforces", hint="--direct"
    )


def test_what_is_so_already(solo: Bench) -> None:
    """Nothing to do is no failure: what was asked for is so."""
    for command in (
        ["promote", "credit-risk/2", "--to", "staging"],
        ["demote", "credit-risk/3"],
        ["alias", "set", "credit-risk", "champion", "1"],
    ):
        solo.refuses(0, *command)
        found = json.loads(solo.runs(*command, "--format", "json"))
        assert found["landed"] is False
        assert found["nothingToDo"]


@pytest.mark.parametrize("name", ["a/b", "", " x", "..", "con", "a\nb", "\udcff", "🦀"])
def test_bad_names(solo: Bench, name: str) -> None:
    payload = solo.desk.payload()
    solo.refuses(2, "register", "--create", "--", name, payload)
    solo.refuses(2, "model", "new", "--", name)
    solo.refuses(2, "model", "rename", "credit-risk", "--", name)
    for reference in (f"{name}/1", f"{name}@champion"):
        solo.refuses(2, "resolve", "--", reference)


@pytest.mark.parametrize("alias", ["production", "latest", "none", "v1", "a b", "", "é", "x" * 65])
def test_bad_aliases(solo: Bench, alias: str) -> None:
    solo.refuses(2, "alias", "set", "credit-risk", alias, "1", says=repr(alias))


@pytest.mark.parametrize(
    "reference", ["", "/", "@", "credit-risk", "credit-risk/", "credit-risk@", "/1", "a/b/c", "models:/"]
)
def test_bad_references(solo: Bench, reference: str) -> None:
    solo.refuses(2, "resolve", reference, says="is not a reference", hint="NAME/3")


# Payloads


def test_bad_payloads(solo: Bench) -> None:
    root = solo.desk.root
    folder = root / "tree"
    folder.mkdir()
    (folder / "link").symlink_to("/etc/passwd")
    (root / "hollow").mkdir()
    (root / "link.onnx").symlink_to(solo.desk.payload())
    empty = solo.desk.payload(b"", "empty.onnx")
    for path, says in (
        (empty, "is empty"),
        (os.fspath(root / "hollow"), "is empty"),
        (os.fspath(root / "nosuch.onnx"), "is not there"),
        (os.fspath(root / "link.onnx"), "is a symbolic link"),
        (os.fspath(folder), "is a symbolic link"),
        (solo.desk.payload(b"x", "notes.yaml"), "keep a file of that name"),
        (solo.desk.payload(b"x", "a.dvc"), "keep a file of that name"),
        ("/dev/null", "neither a file nor a directory"),
    ):
        solo.refuses(1, "register", "credit-risk", path, says=says)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_unreadable_payload(solo: Bench) -> None:
    path = solo.desk.payload()
    os.chmod(path, 0)
    solo.refuses(1, "register", "credit-risk", path, says="cannot be read: Permission denied")


def test_bad_facts(solo: Bench) -> None:
    payload = solo.desk.payload()
    (solo.desk.root / "metrics.json").write_text('{"roc_auc": NaN}')
    for options in (
        ["--metric", "x"],
        ["--metric", "x=high"],
        ["--metric", "x=nan"],
        ["--metric", "=1"],
        ["--param", "x"],
        ["--metrics", "nosuch.json"],
        ["--metrics", "../metrics.json"],
        ["--tag", "x" * 300 + "=1"],
        ["--card", "x=@nosuch"],
        ["--description", "x" * 100_000],
    ):
        solo.refuses(2, "register", "credit-risk", payload, *options)


# The DVC remote


def without_config(bench: Bench) -> None:
    git(bench.desk.root / "solo", "rm", "-q", ".dvc/config")
    git(bench.desk.root / "solo", "commit", "-q", "-m", "x")


def test_no_remote(solo: Bench) -> None:
    without_config(solo)
    payload = solo.desk.payload()
    for command in (["register", "credit-risk", payload], ["pull", "credit-risk/1", "-o", "new"]):
        solo.refuses(2, *command, says="no DVC remote is configured", hint="remote")
        solo.refuses(2, *command, "--remote", "nosuch", says="no remote 'nosuch'")


def test_broken_config(solo: Bench) -> None:
    for text, says in (
        ("[core\n", ".dvc/config"),
        ("[core]\nremote = x\n", "no remote 'x'"),
        ("[core]\nremote = x\n['remote \"x\"']\n", "no URL"),
        ("[core]\nremote = x\n['remote \"x\"']\nurl = nosuch://y\n", "x"),
        ("[core]\nremote = x\n['remote \"x\"']\nurl = s3://y\ncredentialpath = z\n", "may not set"),
    ):
        (solo.desk.root / "solo/.dvc/config").write_text(text)
        git(solo.desk.root / "solo", "commit", "-q", "-a", "-m", "x")
        solo.refuses(2, "pull", "credit-risk/1", "-o", "new", says=says)


def test_unreachable_remote(solo: Bench) -> None:
    shutil.rmtree(solo.desk.artifacts)
    solo.refuses(3, "pull", "credit-risk/1", "-o", "new", says="is not there", hint="--remote URL")
    solo.refuses(3, "promote", "credit-risk/3", "--to", "staging", says="is undecided")


def test_remote_that_is_a_file(solo: Bench) -> None:
    shutil.rmtree(solo.desk.artifacts)
    solo.desk.artifacts.write_text("not a folder\n")
    solo.refuses(3, "register", "credit-risk", solo.desk.payload(), says="does not answer")
    solo.refuses(3, "pull", "credit-risk/1", "-o", "new", says="is not there")


def object_of(bench: Bench, number: int) -> Path:
    md5 = registration("credit-risk", number).pointer.md5
    return bench.desk.artifacts / "files/md5" / md5[:2] / md5[2:]


def test_missing_object(solo: Bench) -> None:
    object_of(solo, 3).unlink()
    solo.refuses(1, "pull", "credit-risk/3", "-o", "new", says="is missing in remote storage")
    solo.refuses(1, "promote", "credit-risk/3", "--to", "staging", says="not whole on the remote")


def test_corrupt_object(solo: Bench) -> None:
    object_of(solo, 3).write_bytes(b"x" * len(bytes_of(3)))
    solo.refuses(1, "pull", "credit-risk/3", "-o", "new", says="is corrupt", hint="restore it")
    object_of(solo, 3).write_bytes(bytes_of(3)[:-1])
    solo.refuses(1, "promote", "credit-risk/3", "--to", "staging", says="not whole on the remote")


def test_payload_that_changed_after_registration(team: Bench) -> None:
    """The record is what it was; the file, of which it once was made, is another version."""
    path = team.desk.payload(b"first\n")
    team.runs("register", "credit-risk", path)
    team.runs("change", "merge", "1")
    Path(path).write_bytes(b"second\n")
    assert "Change #2 opened: Register credit-risk/5" in team.runs("register", "credit-risk", path)
    team.runs("pull", "credit-risk/4", "-o", "../out")
    assert (team.desk.root / "out/model.onnx").read_bytes() == b"first\n"


def test_somewhere_to_put_it(solo: Bench) -> None:
    (solo.desk.root / "file").write_text("mine\n")
    (solo.desk.root / "taken").mkdir()
    (solo.desk.root / "taken/model.onnx").write_text("mine\n")
    solo.refuses(2, "pull", "credit-risk/1", "-o", "../file", says="is not a directory")
    solo.refuses(1, "pull", "credit-risk/1", "-o", "../taken", says="is there already", hint="choose another")


# Broken files

#: What is wrong, the text of a manifest, and where in it (line:column).
BROKEN = [
    ("tab", "a:\n\tb: 1\n", "2:1"),
    ("unclosed", "a: [1, 2\n", "2:1"),
    ("duplicate key", "a: 1\nb: 2\na: 3\n", "3:1"),
    ("anchor", "a: &x 1\nb: *x\n", "1:4"),
    ("merge key", "a: {<<: {b: 1}}\n", "1:5"),
    ("tag", "a: !!python/object:os.system 1\n", "1:4"),
    ("two documents", "a: 1\n---\nb: 2\n", "2:1"),
    ("byte order mark", "\ufeffa: 1\n", "1:1"),
    ("control character", "a: \x07\n", "1:4"),
    ("bidi", "a: \u202ex\n", "1:4"),
    ("yes", "a: yes\n", "1:4"),
    ("octal", "a: 010\n", "1:4"),
    ("underscore", "a: 1_0\n", "1:4"),
    ("sexagesimal", "a: 1:30\n", "1:4"),
    ("exponent", "a: 1e-5\n", "1:4"),
    ("date", "a: 2026-11-20\n", "1:4"),
    ("not a number", "a: .nan\n", "1:4"),
    ("infinity", "a: .inf\n", "1:4"),
    ("huge integer", "a: 99999999999999999999\n", "1:4"),
    ("deep", "a: " + "[" * 40 + "]" * 40 + "\n", "1:"),
    ("large", "a: " + "x" * (1 << 17) + "\n", ""),
    ("not utf-8", "a: \udcff\n", "1"),
    ("a list", "- a\n", ""),
    ("nothing", "", ""),
    ("another kind", "apiVersion: gitreg/v1\nkind: Nonsense\n", "2:"),
]
FILES = {
    "policy.yaml": "Policy",
    "models/credit-risk/model.yaml": "Model",
    "models/credit-risk/versions/1/version.yaml": "ModelVersion",
    "models/credit-risk/versions/1/model.onnx.dvc": "dvc",
    "models/credit-risk/versions/1/notes.yaml": "VersionNotes",
    "models/credit-risk/versions/1/evidence/x.yaml": "Evidence",
    "models/credit-risk/versions/1/evidence/x.retracted.yaml": "EvidenceRetraction",
    "models/credit-risk/stages/production.yaml": "StageAssignment",
    "models/credit-risk/aliases/champion.yaml": "Alias",
    "models/credit-risk/versions/2/tombstone.yaml": "VersionTombstone",
    "models/gone/tombstone.yaml": "ModelTombstone",
    "models/old/redirect.yaml": "Redirect",
}


def committed(bench: Bench, files: dict[str, str]) -> None:
    checkout = bench.desk.root / "solo"
    for path, text in files.items():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_bytes(text.encode("utf-8", "surrogateescape"))
    git(checkout, "add", "-A", "-f")
    git(checkout, "commit", "-q", "-m", "Break it")


def complaints(bench: Bench, *args: str) -> list[str]:
    """The lines of findings that validate prints; it must end with 1."""
    bench.capture.readouterr()
    assert run(["-C", os.fspath(bench.desk.root / "solo"), "validate", *args]) == 1
    out, err = bench.capture.readouterr()
    assert err == ""
    return [line for line in out.splitlines() if " GR" in line]


def test_broken_yaml_of_every_sort(solo: Bench) -> None:
    """In a model each; validate names file, line and column of all."""
    texts = {f"models/m{n}/model.yaml": text for n, (_, text, _) in enumerate(BROKEN)}
    committed(solo, texts)
    for args in ((), ("--committed",), ("--rev", "HEAD")):
        found = complaints(solo, *args)
        for path, (what, _, where) in zip(texts, BROKEN, strict=True):
            lines = [line for line in found if line.startswith(f"{path}:{where}") and "GR101" in line]
            assert lines, (what, [line for line in found if path in line])


def test_broken_yaml_in_every_kind_of_file(solo: Bench) -> None:
    committed(solo, dict.fromkeys(FILES, "apiVersion: gitreg/v1\nbroken: [\n"))
    found = complaints(solo)
    for path in FILES:
        assert any(line.startswith(f"{path}:3:1: GR101") for line in found), (path, found)


def test_every_kind_of_file_that_says_nothing(solo: Bench) -> None:
    committed(solo, {path: f"apiVersion: gitreg/v1\nkind: {kind}\n" for path, kind in FILES.items()})
    found = complaints(solo)
    for path in FILES:
        assert any(line.startswith(f"{path}:") and "GR101" in line for line in found), (path, found)


@pytest.mark.parametrize(("what", "text", "where"), BROKEN, ids=[what for what, _, _ in BROKEN])
def test_broken_registry_file(solo: Bench, what: str, text: str, where: str) -> None:
    """Without it nothing can be said but that, and where."""
    committed(solo, {"gitreg.yaml": text})
    for command in (["list"], ["resolve", "credit-risk/1"], ["promote", "credit-risk/3", "--to", "staging"]):
        solo.refuses(1, *command, says=f"gitreg.yaml:{where}")


def test_broken_registry_file_is_a_finding(solo: Bench) -> None:
    committed(solo, {"gitreg.yaml": REGISTRY.replace("branch: main", "branch: main\nbranch: other")})
    found = complaints(solo)
    assert [line for line in found if line.startswith("gitreg.yaml:6:1: GR101")]


def test_broken_manifests_stop_only_what_needs_them(solo: Bench) -> None:
    committed(solo, {"models/credit-risk/stages/production.yaml": "broken: [\n"})
    place = "models/credit-risk/stages/production.yaml:2:1"
    solo.refuses(1, "resolve", "credit-risk/production", says=place)
    solo.refuses(1, "promote", "credit-risk/2", "--to", "production", says=place)
    assert solo.runs("resolve", "credit-risk/3") == "credit-risk/3\n"
    assert solo.runs("resolve", "credit-risk@champion") == "credit-risk/1\n"


# Misused


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["nosuch"], "no command 'nosuch'"),
        (["promot"], "Did you mean 'promote'?"),
        (["promote", "credit-risk/1"], "missing option '--to'"),
        (["resolve"], "missing argument"),
        (["resolve", "a/1", "b/1"], "extra argument"),
        (["resolve", "a/1", "--nosuch"], "no such option"),
        (["--nosuch"], "no such option"),
        (["resolve", "a/1", "--format", "xml"], "invalid value for '--format'"),
        (["verify"], "number of a change request"),
        (["change", "approve", "1", "--for", "ever"], "--for"),
        (["change", "nosuch"], "no such command 'nosuch'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_usage(solo: Bench, command: list[str], says: str) -> None:
    solo.refuses(2, *command, says=says, hint="--help")


# In a process of its own


def heed_ctrl_c() -> None:
    """A shell's background job ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def gitreg(bench: Bench, *args: str, **said: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gitreg", *args],
        cwd=bench.desk.root / bench.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **said,  # type: ignore[call-overload]
    )


def test_command_line_in_a_process(solo: Bench) -> None:
    process = gitreg(solo, "resolve", "nosuch/1")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    one_line(err, "no model is called 'nosuch'")


def test_output_that_cannot_show_a_name(solo: Bench) -> None:
    committed(solo, {"models/売上/model.yaml": "apiVersion: gitreg/v1\nkind: Model\nname: 売上\n"})
    process = gitreg(solo, "list", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "credit-risk" in out


def test_reader_that_goes_away(solo: Bench) -> None:
    process = gitreg(solo, "history", "--format", "json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


def limit_files() -> None:
    """Files of this process and its children cannot grow over 256 KiB (EFBIG), as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))


def test_file_that_may_not_grow(solo: Bench) -> None:
    payload = solo.desk.payload(b"x" * (1 << 20))
    with solo.untouched():
        process = gitreg(solo, "register", "credit-risk", payload, preexec_fn=limit_files)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 3
        one_line(err, "File too large")
    solo.runs("register", "credit-risk", payload)
    (solo.desk.root / "out").mkdir()
    with solo.untouched():
        process = gitreg(solo, "pull", "credit-risk/4", "-o", "../out", preexec_fn=limit_files)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 3
        one_line(err, "File too large")
    solo.runs("pull", "credit-risk/4", "-o", "../out")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", os.fspath(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", os.fspath(place)], check=True)


def test_disk_is_full(solo: Bench, small_disk: Path) -> None:
    """First the remote's, then the one pulled to; then that of the repository."""
    payload = solo.desk.payload(os.urandom(1 << 21))
    (small_disk / "remote").mkdir()
    register = ["register", "credit-risk", payload, "--remote"]
    solo.refuses(3, *register, os.fspath(small_disk / "remote"), says="No space left on device")
    assert [path for path in (small_disk / "remote").rglob("*") if path.is_file()] == []
    solo.runs("register", "credit-risk", payload)
    solo.refuses(3, "pull", "credit-risk/4", "-o", os.fspath(small_disk), says="No space left on device")
    assert [path.name for path in small_disk.iterdir()] == ["remote"]


def fill(place: Path) -> None:
    """Writes until the disk takes no more."""
    with place.open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(4096)):
            pass


def test_full_disk_of_the_repository(solo: Bench, small_disk: Path) -> None:
    repository = small_disk / "solo"
    shutil.copytree(solo.desk.root / "solo", repository, symlinks=True)
    fill(small_disk / "ballast")
    before = git(repository, "for-each-ref")
    promote = ["promote", "credit-risk/3", "--to", "staging", "--remote", os.fspath(solo.desk.artifacts)]
    code = run(["-C", os.fspath(repository), *promote])
    assert code == 3
    one_line(solo.capture.readouterr().err, "No space left on device")
    assert git(repository, "for-each-ref") == before
    (small_disk / "ballast").unlink()
    assert run(["-C", os.fspath(repository), *promote]) == 0
    assert git(repository, "status", "--porcelain") == ""
    git(repository, "fsck", "--no-dangling")


# Ctrl-C

LARGE = 128 << 20


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes a moment: holes on the disk, but bytes to whoever reads it."""
    place = tmp_path_factory.mktemp("large") / "large.bin"
    with place.open("wb") as file:
        file.truncate(LARGE)
    return place


def interrupted(bench: Bench, when: Callable[[], bool], *args: str) -> None:
    """Runs a command, presses Ctrl-C as soon as something can be seen, and checks what it says."""
    process = gitreg(bench, *args, preexec_fn=heed_ctrl_c)
    until = time.monotonic() + 60
    while not when():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    one_line(err.lstrip("\n"), "interrupted")
    assert list((bench.desk.root / bench.folder / ".git").rglob("*.lock")) == []


def parts(folder: Path) -> list[Path]:
    """Half-written files: nothing that is whole is so small, and there."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if 0 < path.stat().st_size < LARGE and path.stat().st_size > 1000]


def test_ctrl_c_during_an_upload(solo: Bench, large: Path) -> None:
    with solo.untouched():
        interrupted(
            solo, lambda: bool(parts(solo.desk.artifacts)), "register", "credit-risk", os.fspath(large)
        )
    assert "landed as" in solo.runs("register", "credit-risk", os.fspath(large))


def test_ctrl_c_during_a_pull(solo: Bench, large: Path) -> None:
    solo.runs("register", "credit-risk", os.fspath(large))
    out = solo.desk.root / "out"
    out.mkdir()
    with solo.untouched():
        interrupted(solo, lambda: bool(parts(out)), "pull", "credit-risk/4", "-o", "../out")
    solo.runs("pull", "credit-risk/4", "-o", "../out")
    digest = hashlib.sha256()
    with (out / "large.bin").open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    assert f"sha256:{digest.hexdigest()}" in solo.runs("show", "credit-risk/4")


def test_ctrl_c_while_origin_does_not_answer(team: Bench) -> None:
    """The other side hangs; what was not pushed yet stays so."""
    marker = team.desk.root / "called"
    helper = team.desk.root / "hang"
    helper.write_text(f"#!/bin/sh\ntouch {marker}\nexec sleep 60\n")
    helper.chmod(0o755)
    git(team.desk.root / "dan", "config", "remote.origin.uploadpack", os.fspath(helper))
    before = team.desk.refs()
    interrupted(team, marker.exists, "promote", "credit-risk/3", "--to", "staging")
    assert team.desk.refs() == before
    git(team.desk.root / "dan", "config", "--unset", "remote.origin.uploadpack")
    assert "Change #1 opened" in team.runs("promote", "credit-risk/3", "--to", "staging")
