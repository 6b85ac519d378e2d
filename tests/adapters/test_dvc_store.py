"""What a store does, over a directory and over HTTP, when nobody means harm."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dvc_kit import (
    TREE,
    Bars,
    WebRemote,
    digest_of,
    nowhere,
    object_path,
    objects,
    open_local,
    put_object,
    read_tree,
    stored,
    web_remote,
    write_tree,
)

from gitreg.adapters.dvc.remote import open_store
from gitreg.adapters.dvc.store import DvcStore
from gitreg.core.payload import external_payload
from gitreg.core.ports import ArtifactStore, Payload, Presence
from gitreg.errors import Refused, Undecided, UsageError

# fsspec leaves its HTTP sessions to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed client session:ResourceWarning")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return tmp_path / "remote"


@pytest.fixture
def web() -> Iterator[WebRemote]:
    with web_remote() as server:
        yield server


@pytest.fixture(params=["directory", "http"])
def store(request: pytest.FixtureRequest, remote: Path) -> DvcStore:
    if request.param == "directory":
        return open_local(remote)
    return open_store("", None, name=request.getfixturevalue("web").url)


@pytest.fixture(params=["file", "folder"])
def payload_path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "folder":
        return write_tree(tmp_path / "in" / "model")
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "model.bin"
    path.write_bytes(TREE["weights.bin"])
    return path


def content(path: Path) -> object:
    return read_tree(path) if path.is_dir() else path.read_bytes()


def test_what_is_stored_comes_back(store: DvcStore, payload_path: Path, tmp_path: Path) -> None:
    port: ArtifactStore = store
    payload = port.inspect(str(payload_path))
    bars = Bars()
    port.upload(str(payload_path), payload, bars)
    assert port.presence([payload.pointer]) == {payload.pointer: Presence()}
    assert port.files(payload.pointer, bars) == payload.files
    target = tmp_path / "out"
    port.download(payload.pointer, str(target), digest_of(payload), bars)
    assert content(target) == content(payload_path)
    size = payload.pointer.size
    assert [total for _, total in bars.bars] == bars.counted == [size] * 3
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_modes_are_those_of_new_files(remote: Path, tmp_path: Path) -> None:
    store = open_local(remote)
    folder = write_tree(tmp_path / "model")
    (folder / "weights.bin").chmod(0o777)
    payload = stored(store, folder)
    old = os.umask(0o027)
    try:
        store.download(payload.pointer, str(tmp_path / "out"), digest_of(payload), Bars())
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert modes == {0o640}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750


def test_objects_of_a_directory_remote_are_protected_as_dvc_does(remote: Path, tmp_path: Path) -> None:
    payload = stored(open_local(remote), write_tree(tmp_path / "model"))
    assert stat.S_IMODE(object_path(remote, payload.pointer.md5).stat().st_mode) == 0o444
    assert len(objects(remote)) == len(set(TREE.values())) + 1


def test_what_is_there_is_not_stored_again(remote: Path, tmp_path: Path) -> None:
    store = open_local(remote)
    folder = write_tree(tmp_path / "model")
    stored(store, folder)
    inodes = {p: p.stat().st_ino for p in remote.rglob("*") if p.is_file()}
    (folder / "config-v2").write_bytes(b"another")
    stored(store, folder)
    now = {p: p.stat().st_ino for p in remote.rglob("*") if p.is_file()}
    assert inodes.items() < now.items()
    assert len(now) == len(inodes) + 2


def test_a_torn_object_is_stored_anew(remote: Path, tmp_path: Path) -> None:
    store = open_local(remote)
    folder = write_tree(tmp_path / "model")
    payload = stored(store, folder)
    for name in objects(remote):
        put_object(remote, name, b"torn" if name != "d41d8cd98f00b204e9800998ecf8427e" else b"")
    stored(store, folder)
    assert store.files(payload.pointer, Bars()) == payload.files


def test_another_store_uploads_what_this_one_inspected(remote: Path, payload_path: Path) -> None:
    payload = open_local(remote).inspect(str(payload_path))
    open_local(remote).upload(str(payload_path), payload, Bars())
    assert open_local(remote).presence([payload.pointer]) == {payload.pointer: Presence()}


def _touch(path: Path) -> None:
    os.utime(path, (1, 1))


def _rewrite(path: Path) -> None:
    info = path.stat()
    path.write_bytes(b"y" * info.st_size)


def _replace(path: Path) -> None:
    info = path.stat()
    path.with_name("new").write_bytes(b"y" * info.st_size)
    os.utime(path.with_name("new"), ns=(info.st_mtime_ns, info.st_mtime_ns))
    path.with_name("new").rename(path)


def _remove(path: Path) -> None:
    path.unlink()


def _add(path: Path) -> None:
    path.with_name("more").write_bytes(b"more")


@pytest.mark.parametrize("change", [_touch, _rewrite, _replace, _add, _remove])
def test_a_payload_that_changed_since_is_refused(
    store: DvcStore, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = write_tree(tmp_path / "model")
    payload = store.inspect(str(folder))
    change(folder / "weights.bin")
    with pytest.raises(Refused, match="changed meanwhile"):
        store.upload(str(folder), payload, Bars())
    store.upload(
        str(write_tree(tmp_path / "other", {"a": b"1"})), store.inspect(str(tmp_path / "other")), Bars()
    )
    assert store.presence([payload.pointer])[payload.pointer].missing == (payload.pointer.md5,)


@pytest.mark.parametrize("change", [_rewrite, _replace, _add])
def test_a_payload_that_changes_during_the_upload_is_refused(
    remote: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    store = open_local(remote)
    folder = write_tree(tmp_path / "model", {"weights.bin": os.urandom(3 << 20), "z": b"z"})
    payload = store.inspect(str(folder))
    done: list[None] = []

    def once() -> None:
        if not done:
            done.append(None)
            change(folder / "weights.bin")

    with pytest.raises(Refused, match="changed meanwhile"):
        store.upload(str(folder), payload, Bars(once))
    assert store.presence([payload.pointer])[payload.pointer].missing == (payload.pointer.md5,)
    # Nothing wrong is left under a good name: the same payload, whole again, is stored as if nothing had happened.
    for name in ("more", "new"):
        (folder / name).unlink(missing_ok=True)
    again = stored(store, folder)
    assert store.files(again.pointer, Bars()) == again.files


@pytest.mark.parametrize("change", [_rewrite, _replace])
def test_what_changed_while_it_was_sent_is_named_if_it_cannot_be_taken_back(
    web: WebRemote, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    store = open_store("", None, name=web.url)
    path = tmp_path / "model.bin"
    path.write_bytes(b"x" * 1000)
    payload = store.inspect(str(path))
    with pytest.raises(Undecided, match=f"object {payload.pointer.md5} stays") as caught:
        store.upload(str(path), payload, Bars(lambda: change(path)))
    assert "remove" in (caught.value.hint or "")


def test_a_payload_inspected_by_another_must_be_the_same(
    remote: Path, payload_path: Path, tmp_path: Path
) -> None:
    other = open_local(remote).inspect(str(write_tree(tmp_path / "x", {"a": b"1"})))
    with pytest.raises(Refused, match="changed meanwhile"):
        open_local(remote).upload(str(payload_path), other, Bars())


def test_presence_of_many(store: DvcStore, tmp_path: Path) -> None:
    payloads = [
        stored(store, write_tree(tmp_path / f"m{n}", {"a": b"%d" % n, "b/c": b"same"})) for n in range(5)
    ]
    pointers = [p.pointer for p in payloads]
    gone = nowhere(pointers[0])
    found = store.presence([*pointers, gone, *pointers])
    assert found == {**dict.fromkeys(pointers, Presence()), gone: Presence(missing=(gone.md5,))}
    assert store.presence([]) == {}


def test_a_remote_directory_that_is_not_mounted_is_undecided(
    remote: Path, payload_path: Path, tmp_path: Path
) -> None:
    payload = stored(open_local(remote), payload_path)
    remote.rename(tmp_path / "elsewhere")
    store = open_local(remote)
    for ask in _questions(store, payload, tmp_path / "out"):
        with pytest.raises(Undecided, match="is not there"):
            ask()
    assert not remote.exists()
    store.upload(str(payload_path), payload, Bars())
    assert remote.is_dir()


def test_a_server_that_does_not_answer_is_undecided(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "model")
    with web_remote() as server:
        payload = stored(open_store("", None, name=server.url), folder)
        store = open_store("", None, name=server.url)
    for ask in _questions(store, payload, tmp_path / "out"):
        with pytest.raises(Undecided, match="does not answer"):
            ask()


def test_a_server_that_takes_nothing_is_undecided(web: WebRemote, payload_path: Path) -> None:
    web.broken = True
    with pytest.raises(Undecided, match="403"):
        stored(open_store("", None, name=web.url), payload_path)
    assert not web.content


def _questions(store: DvcStore, payload: Payload, target: Path) -> list[Callable[[], object]]:
    return [
        lambda: store.presence([payload.pointer]),
        lambda: store.files(payload.pointer, Bars()),
        lambda: store.download(payload.pointer, str(target), digest_of(payload), Bars()),
    ]


def test_a_target_that_exists_is_refused(remote: Path, payload_path: Path, tmp_path: Path) -> None:
    store = open_local(remote)
    payload = stored(store, payload_path)
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("file", "folder", "dangling"):
        with pytest.raises(Refused, match="is there already"):
            store.download(payload.pointer, str(tmp_path / name), digest_of(payload), Bars())
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_what_is_there_already_is_not_fetched_again(remote: Path, payload_path: Path, tmp_path: Path) -> None:
    """Even where the remote is gone: whoever was interrupted may pull again."""
    store = open_local(remote)
    payload = stored(store, payload_path)
    target = tmp_path / "out"
    store.download(payload.pointer, str(target), digest_of(payload), Bars())
    before = target.stat()
    remote.rename(tmp_path / "elsewhere")
    store.download(payload.pointer, str(target), digest_of(payload), Bars())
    now = target.stat()  # it is read, and that may be noted as the time of the last access
    assert (now.st_ino, now.st_mtime_ns, now.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    changed = target if target.is_file() else next(path for path in target.rglob("*") if path.is_file())
    changed.write_bytes(b"mine")
    with pytest.raises(Refused, match="is there already"):
        store.download(payload.pointer, str(target), digest_of(payload), Bars())
    assert changed.read_bytes() == b"mine"


def test_what_a_killed_process_left_is_swept_and_nothing_else(
    remote: Path, payload_path: Path, tmp_path: Path
) -> None:
    store = open_local(remote)
    payload = stored(store, payload_path)
    out = tmp_path / "out"
    in_use, left, kept = (out / f".gitreg-pull-{name}" for name in ("aaaaaaaa", "bbbbbbbb", "mine.d"))
    for folder in (in_use, left, kept):
        folder.mkdir(parents=True)
        (folder / "artifact").write_bytes(b"part")
    link = out / ".gitreg-pull-cccccccc"
    link.symlink_to(kept)
    lock = os.open(in_use, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        store.download(payload.pointer, str(out / "model"), digest_of(payload), Bars())
    finally:
        os.close(lock)
    assert sorted(_hidden(out)) == [in_use.name, link.name, kept.name]
    assert (kept / "artifact").exists()
    store.download(payload.pointer, str(out / "another"), digest_of(payload), Bars())
    assert not in_use.exists()


def test_a_folder_swept_before_it_is_locked_is_made_anew(
    remote: Path, payload_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_local(remote)
    payload = stored(store, payload_path)
    made: list[str] = []
    mkdtemp = tempfile.mkdtemp

    def make(**said: str) -> str:
        folder = mkdtemp(**said)
        made.append(folder)
        if len(made) == 1:
            os.rmdir(folder)
        return folder

    monkeypatch.setattr("gitreg.adapters.dvc.store.tempfile.mkdtemp", make)
    store.download(payload.pointer, str(tmp_path / "out"), digest_of(payload), Bars())
    assert len(made) == 2
    assert (tmp_path / "out").exists()


def test_a_target_that_appears_meanwhile_is_refused(remote: Path, payload_path: Path, tmp_path: Path) -> None:
    store = open_local(remote)
    payload = stored(store, payload_path)
    target = tmp_path / "out"
    with pytest.raises(Refused, match="is there already"):
        store.download(payload.pointer, str(target), digest_of(payload), Bars(target.touch))
    assert target.read_bytes() == b""
    assert _hidden(tmp_path) == []


def test_a_target_without_a_folder_is_a_usage_error(remote: Path, payload_path: Path, tmp_path: Path) -> None:
    store = open_local(remote)
    payload = stored(store, payload_path)
    with pytest.raises(UsageError, match="no such"):
        store.download(payload.pointer, str(tmp_path / "no such" / "out"), digest_of(payload), Bars())


def test_a_full_disk_is_undecided(remote: Path, payload_path: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    store = open_local(remote)
    payload = stored(store, payload_path)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(Undecided, match="cannot be written"):
            store.download(payload.pointer, str(tmp_path / "out"), digest_of(payload), Bars())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert _hidden(tmp_path) == []
    assert not (tmp_path / "out").exists()


def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_leaves_no_half_download(store: DvcStore, payload_path: Path, tmp_path: Path) -> None:
    payload = stored(store, payload_path)
    with pytest.raises(KeyboardInterrupt):
        store.download(payload.pointer, str(tmp_path / "out"), digest_of(payload), Bars(_interrupt))
    assert _hidden(tmp_path) == []
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_no_half_object(remote: Path, payload_path: Path) -> None:
    store = open_local(remote)
    payload = store.inspect(str(payload_path))
    with pytest.raises(KeyboardInterrupt):
        store.upload(str(payload_path), payload, Bars(_interrupt))
    assert all(len(name.removesuffix(".dir")) == 32 for name in objects(remote))
    assert payload.pointer.md5 not in objects(remote)
    store.upload(str(payload_path), payload, Bars())
    assert store.files(payload.pointer, Bars()) == payload.files


def test_a_copy_is_the_same_artifact(store: DvcStore, payload_path: Path, tmp_path: Path) -> None:
    payload = stored(store, payload_path)
    other = open_local(tmp_path / "other")
    store.copy_to(other, payload.pointer, digest_of(payload), Bars())
    assert other.files(payload.pointer, Bars()) == payload.files


def test_a_wrong_artifact_is_not_copied(store: DvcStore, payload_path: Path, tmp_path: Path) -> None:
    payload = stored(store, payload_path)
    other = open_local(tmp_path / "other")
    with pytest.raises(Refused, match="digest"):
        store.copy_to(other, payload.pointer, "sha256:" + "0" * 64, Bars())
    assert not (tmp_path / "other").exists()


def _hidden(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(".")]


def test_what_is_there_is_listed_without_a_read(
    store: DvcStore, payload_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = stored(store, payload_path)
    read: list[str] = []
    chunks = store._objects.chunks
    monkeypatch.setattr(store._objects, "chunks", lambda name: read.append(name) or chunks(name))
    listed = [(file.path, file.size) for file in store.listing(payload.pointer)]
    assert listed == [(file.path, file.size) for file in payload.files]
    assert read == ([payload.pointer.md5] if payload.pointer.is_directory else [])


def test_a_lost_file_is_not_listed(remote: Path, payload_path: Path) -> None:
    store = open_local(remote)
    payload = stored(store, payload_path)
    for name in objects(remote):
        if not name.endswith(".dir"):
            object_path(remote, name).unlink()
    with pytest.raises(Refused, match="is missing in"):
        store.listing(payload.pointer)


def test_a_part_comes_back(store: DvcStore, payload_path: Path, tmp_path: Path) -> None:
    payload = stored(store, payload_path)
    pointer = payload.pointer
    bars = Bars()
    if pointer.is_directory:
        wanted = payload.files[1:3]
        store.download_files(pointer, wanted, str(tmp_path / "out"), bars)
        assert read_tree(tmp_path / "out") == {file.path: TREE[file.path] for file in wanted}
    else:
        wanted = (replace(payload.files[0], path=pointer.path),)
        store.download_files(pointer, wanted, str(tmp_path / "out"), bars)
        assert read_tree(tmp_path / "out") == {pointer.path: payload_path.read_bytes()}
    assert bars.counted == [sum(file.size for file in wanted)]


def test_a_part_that_is_not_as_it_should_be_is_refused(remote: Path, tmp_path: Path) -> None:
    store = open_local(remote)
    payload = stored(store, write_tree(tmp_path / "model"))
    first = payload.files[0]
    for wrong in (
        replace(first, sha256="0" * 64),
        replace(first, size=first.size + 1),
        replace(first, path="no"),
    ):
        with pytest.raises(Refused, match="other files than its digest says"):
            store.download_files(payload.pointer, [wrong], str(tmp_path / "out"), Bars())
    (tmp_path / "out").mkdir()
    with pytest.raises(Refused, match="is there already"):
        store.download_files(payload.pointer, [first], str(tmp_path / "out"), Bars())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["model", "out", "remote"]
    assert list((tmp_path / "out").iterdir()) == []


def test_bytes_in_memory_are_stored_once(store: DvcStore, tmp_path: Path) -> None:
    payload = external_payload("s3://bucket/model")
    for _ in range(2):
        store.upload_bytes(b"s3://bucket/model", payload)
        store.download(payload.pointer, str(tmp_path / "out"), digest_of(payload), Bars())
    assert (tmp_path / "out").read_bytes() == b"s3://bucket/model"
