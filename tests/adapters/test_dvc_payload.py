"""What may become an artifact, and what is seen of it."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc_kit import TREE, write_tree

from gitreg.adapters.dvc.payload import inspect_payload
from gitreg.core.ports import DvcPointer, ListedFile
from gitreg.errors import GitregError, NotFound, Refused


def test_a_file(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "model.onnx").write_bytes(content)
    payload = inspect_payload(str(tmp_path / "model.onnx")).payload
    md5 = hashlib.md5(content).hexdigest()
    assert payload.pointer == DvcPointer("model.onnx", md5, len(content), 1)
    assert payload.files == (ListedFile("", len(content), hashlib.sha256(content).hexdigest()),)


def test_a_directory(tmp_path: Path) -> None:
    payload = inspect_payload(f"{write_tree(tmp_path / 'model')}/").payload
    assert payload.pointer.path == "model"
    assert payload.pointer.is_directory
    assert payload.pointer.files == len(TREE)
    assert payload.pointer.size == sum(map(len, TREE.values()))
    assert [f.path for f in payload.files] == sorted(TREE, key=str.encode)
    assert {f.path: f.sha256 for f in payload.files} == {
        p: hashlib.sha256(c).hexdigest() for p, c in TREE.items()
    }


def test_a_path_is_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path / "model")
    monkeypatch.chdir(tmp_path / "model")
    assert inspect_payload(".").payload.pointer.path == "model"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="gone"):
        inspect_payload(str(tmp_path / "gone.bin"))


def _link(folder: Path) -> None:
    (folder / "link.bin").symlink_to(folder / "good.bin")


def _link_to_folder(folder: Path) -> None:
    (folder / "link.bin").symlink_to("/")


def _dangling_link(folder: Path) -> None:
    (folder / "sub" / "link.bin").symlink_to("nowhere")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "sub" / "pipe")


def _socket(folder: Path) -> None:
    here = os.getcwd()
    os.chdir(folder)  # a socket's name is short
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind("socket")
    finally:
        os.chdir(here)


def _named(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")

    return make


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (_link, "link.bin"),
        (_link_to_folder, "link.bin"),
        (_dangling_link, "link.bin"),
        (_pipe, "pipe"),
        (_socket, "socket"),
        (_named("a\nb"), r"a\\nb"),
        (_named("a\\b"), r"a\\\\b"),
        (_named(os.fsdecode(b"\xff.bin")), r"\\udcff"),
        (_named("e\u0301"), "NFC"),
        (_named(".git/config"), ".git"),
        (_named(".dvcignore"), ".dvcignore"),
        (_named("sub/inner.dvc"), "inner.dvc"),
        (_named("GOOD.bin"), "GOOD.bin"),
    ],
)
def test_what_cannot_stand_in_a_directory_is_named(
    tmp_path: Path, make: Callable[[Path], None], named: str
) -> None:
    folder = write_tree(tmp_path / "model", {"good.bin": b"good", "sub/x": b""})
    inspect_payload(str(folder))
    make(folder)
    with pytest.raises(Refused, match=named) as caught:
        inspect_payload(str(folder))
    assert "\n" not in caught.value.message
    caught.value.message.encode()  # can be printed


def _empty_file(folder: Path) -> Path:
    (folder / "empty.bin").touch()
    return folder / "empty.bin"


def _empty_folder(folder: Path) -> Path:
    (folder / "empty" / "inner").mkdir(parents=True)
    return folder / "empty"


def _folder_of_empty_files(folder: Path) -> Path:
    return write_tree(folder / "empty", {"a": b"", "b": b""})


def _linked_file(folder: Path) -> Path:
    (folder / "real").write_bytes(b"x")
    (folder / "link").symlink_to("real")
    return folder / "link"


def _linked_folder(folder: Path) -> Path:
    write_tree(folder / "real")
    (folder / "link").symlink_to("real")
    return folder / "link"


def _device(_: Path) -> Path:
    return Path(os.devnull)


def _own_name(folder: Path) -> Path:
    (folder / "version.yaml").write_bytes(b"x")
    return folder / "version.yaml"


@pytest.mark.parametrize(
    "make",
    [_empty_file, _empty_folder, _folder_of_empty_files, _linked_file, _linked_folder, _device, _own_name],
)
def test_what_cannot_be_an_artifact_is_named(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    with pytest.raises(Refused, match=path.name):
        inspect_payload(str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "model")
    (folder / "empty").chmod(0)
    with pytest.raises(GitregError, match=r"empty.*cannot be read"):
        inspect_payload(str(folder))


def test_a_link_put_in_a_files_place_meanwhile_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tree(tmp_path / "model", {"a": b"secret", "b": b"x"})
    real_open = os.open

    def open_late(path: str, flags: int) -> int:
        if path.endswith("/a") and not os.path.islink(path):
            os.rename(path, tmp_path / "moved")
            os.symlink(tmp_path / "moved", path)
        return real_open(path, flags)

    monkeypatch.setattr(os, "open", open_late)
    with pytest.raises(Refused, match=r"'.*/a' cannot be read"):
        inspect_payload(str(folder))
