"""Pulling: every byte is verified before anything appears at its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flow_kit import Desk, bytes_of, message, new_version, registration

from gitreg.api import open_registry
from gitreg.core.names import parse_reference
from gitreg.errors import NotFound, Refused, Undecided, UsageError
from gitreg.flows.pull import Stored, contents, pull, pull_inside, stored
from gitreg.flows.register import register


def pulled(desk: Desk, reference: str, folder: Path, name: str = "solo") -> Path:
    ws = desk(name)
    _, snapshot = ws.current()
    return Path(pull(ws, snapshot, parse_reference(reference), os.fspath(folder))[1])


def object_of(desk: Desk, number: int) -> Path:
    md5 = registration("credit-risk", number).pointer.md5
    return desk.artifacts / "files/md5" / md5[:2] / md5[2:]


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("credit-risk/3", 3),
        ("credit-risk/latest", 3),
        ("credit-risk/production", 1),
        ("credit-risk@champion", 1),
    ],
)
def test_every_reference(solo: Desk, tmp_path: Path, reference: str, number: int) -> None:
    place = pulled(solo, reference, tmp_path)
    assert place == tmp_path / "model.onnx"
    assert place.read_bytes() == bytes_of(number)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_directory(solo: Desk, tmp_path: Path) -> None:
    folder = solo.root / "bundle"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a" * 10)
    (folder / "deep/er/売上.bin").write_bytes(b"b" * 20)
    (folder / "empty").write_bytes(b"")
    register(solo("solo"), new_version(os.fspath(folder)))
    place = pulled(solo, "credit-risk/4", tmp_path)
    found = {
        path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()
    }
    assert found == {"a.bin": b"a" * 10, "deep/er/売上.bin": b"b" * 20, "empty": b""}


def test_child_of_a_directory_that_is_missing(solo: Desk, tmp_path: Path) -> None:
    folder = solo.root / "bundle"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"a" * 10)
    (folder / "b.bin").write_bytes(b"b" * 20)
    before = solo.objects()
    register(solo("solo"), new_version(os.fspath(folder)))
    child = next(name for name in solo.objects() - before if not name.endswith(".dir"))
    (solo.artifacts / child).unlink()
    with pytest.raises(Refused, match="missing"):
        pulled(solo, "credit-risk/4", tmp_path)
    assert not (tmp_path / "bundle").exists()


def overwritten(place: Path) -> None:
    place.write_bytes(b"x" * place.stat().st_size)


def longer(place: Path) -> None:
    place.write_bytes(place.read_bytes() + b"x")


def shorter(place: Path) -> None:
    place.write_bytes(place.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [overwritten, longer, shorter, Path.unlink])
def test_damaged_object(solo: Desk, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    damage(object_of(solo, 3))
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(Refused, match=r"corrupt|missing|bytes; its record says"):
        pulled(solo, "credit-risk/3", target)
    assert list(target.iterdir()) == []


def test_wrong_object_of_the_right_name_and_size(solo: Desk, tmp_path: Path) -> None:
    """The record's sha256 decides, whatever the .dvc file says."""
    other = registration("credit-risk", 2)
    pointer = solo.root / "solo/models/credit-risk/versions/3/model.onnx.dvc"
    pointer.write_text(
        pointer.read_text().replace(registration("credit-risk", 3).pointer.md5, other.pointer.md5)
    )
    with (
        open_registry(solo.root / "solo", worktree=True) as registry,
        pytest.raises(Refused, match="has the digest"),
    ):
        registry.pull("credit-risk/3", tmp_path)
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_nothing_is_overwritten(solo: Desk, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "model.onnx"
    if kind == "file":
        place.write_bytes(b"mine")
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to("nowhere")
    with pytest.raises(Refused, match="is there already") as error:
        pulled(solo, "credit-risk/3", tmp_path)
    assert "choose another place" in message(error)
    assert place.is_symlink() or place.is_dir() or place.read_bytes() == b"mine"


def test_to_pull_again_does_nothing(solo: Desk, tmp_path: Path) -> None:
    place = pulled(solo, "credit-risk/3", tmp_path)
    before = place.stat()
    assert pulled(solo, "credit-risk/3", tmp_path) == place
    now = place.stat()  # it is read, and that may be noted as the time of the last access
    assert (now.st_ino, now.st_mtime_ns, now.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    with pytest.raises(Refused, match="is there already"):
        pulled(solo, "credit-risk/2", tmp_path)


def test_remote_that_is_not_there(solo: Desk, tmp_path: Path) -> None:
    shutil.rmtree(solo.artifacts)
    with pytest.raises(Undecided, match="is not there") as error:
        pulled(solo, "credit-risk/3", tmp_path)
    assert "--remote URL" in message(error)


def test_version_without_its_pointer(solo: Desk, tmp_path: Path) -> None:
    (solo.root / "solo/models/credit-risk/versions/3/model.onnx.dvc").unlink()
    with (
        open_registry(solo.root / "solo", worktree=True) as registry,
        pytest.raises(Refused, match=r"no .dvc file"),
    ):
        registry.pull("credit-risk/3", tmp_path)


# Through the API, which makes the folder


def test_folder_is_made(solo: Desk, tmp_path: Path) -> None:
    with open_registry(solo.root / "solo") as registry:
        place = registry.pull("credit-risk/3", tmp_path / "new" / "er")
    assert Path(place) == tmp_path / "new/er/model.onnx"
    assert Path(place).read_bytes() == bytes_of(3)


@pytest.mark.parametrize("reference", ["credit-risk/9", "nosuch/1", "credit-risk/3"])
def test_folder_is_not_left_behind(solo: Desk, tmp_path: Path, reference: str) -> None:
    object_of(solo, 3).unlink()
    (tmp_path / "old").mkdir()
    with open_registry(solo.root / "solo") as registry, pytest.raises((NotFound, Refused)):
        registry.pull(reference, tmp_path / "old" / "new" / "er")
    assert list((tmp_path / "old").iterdir()) == []


@pytest.mark.parametrize("inside", ["", "/below"])
def test_folder_that_is_a_file(solo: Desk, tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with open_registry(solo.root / "solo") as registry, pytest.raises(UsageError, match="not a directory"):
        registry.pull("credit-risk/3", f"{tmp_path}/file{inside}")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_relative_folder(solo: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_registry(solo.root / "solo") as registry:
        assert registry.pull("credit-risk/3") == "./model.onnx"
        assert registry.pull("credit-risk/3", ".") == "./model.onnx"
    assert (tmp_path / "model.onnx").read_bytes() == bytes_of(3)


def bundle(desk: Desk) -> Stored:
    """A version that is a directory with two files; nothing is remembered of it."""
    folder = desk.root / "bundle"
    folder.mkdir()
    (folder / "a").write_bytes(os.urandom(40))
    (folder / "b").write_bytes(b"b" * 20)
    ws = desk("solo")
    register(ws, new_version(os.fspath(folder)))
    return stored(ws, ws.current()[1], parse_reference("credit-risk/4"))


def test_of_a_directory_a_part_is_pulled(solo: Desk, tmp_path: Path) -> None:
    of = bundle(solo)
    ws = solo("solo")
    assert [(file.path, file.size) for file in contents(of)] == [("a", 40), ("b", 20)]
    pull_inside(ws, of, "b", os.fspath(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b"]
    with pytest.raises(NotFound, match="credit-risk/4 holds no 'c'"):
        pull_inside(ws, of, "c", os.fspath(tmp_path / "none"))


def test_a_part_is_pulled_only_where_all_is_right(solo: Desk, tmp_path: Path) -> None:
    """The digest is of all files: until they have been read once, none of them is known to be right."""
    of = bundle(solo)
    ws = solo("solo")
    other = next(
        path
        for path in (solo.artifacts / "files/md5").rglob("*")
        if path.is_file() and path.stat().st_size == 40
    )
    content = other.read_bytes()
    other.chmod(0o644)
    other.write_bytes(content[::-1])
    with pytest.raises(Refused, match="is corrupt"):
        pull_inside(ws, of, "b", os.fspath(tmp_path / "out"))
    other.write_bytes(content)
    pull_inside(ws, of, "b", os.fspath(tmp_path / "out"))
    other.write_bytes(content[::-1])
    pull_inside(ws, of, "b", os.fspath(tmp_path / "again"))
    with pytest.raises(Refused, match="is corrupt"):
        pull_inside(ws, of, "a", os.fspath(tmp_path / "never"))
    assert not (tmp_path / "never").exists()


def test_a_part_whose_objects_are_not_those_of_the_digest(solo: Desk, tmp_path: Path) -> None:
    """Every object has the md5 that names it, and yet they are others than those that were approved."""
    of = bundle(solo)
    artifact = replace(of.found.record.artifact, digest=f"sha256:{'0' * 64}")
    forged = replace(of, found=replace(of.found, record=replace(of.found.record, artifact=artifact)))
    with pytest.raises(Refused, match="has the digest sha256:"):
        pull_inside(solo("solo"), forged, "b", os.fspath(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
