"""What a store does when the remote holds something else than it should."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc_kit import TREE, Bars, digest_of, object_path, objects, open_local, put_object, stored, write_tree

from gitreg.adapters.dvc import store as store_module
from gitreg.adapters.dvc.listing import Child, ListingError, dump_listing, load_listing
from gitreg.adapters.dvc.store import DvcStore
from gitreg.core.ports import DvcPointer, Payload, Presence
from gitreg.errors import Refused

WEIGHTS = hashlib.md5(TREE["weights.bin"]).hexdigest()
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return tmp_path / "remote"


@pytest.fixture
def store(remote: Path) -> DvcStore:
    return open_local(remote)


@pytest.fixture(params=["file", "folder"])
def payload(request: pytest.FixtureRequest, store: DvcStore, tmp_path: Path) -> Payload:
    folder = write_tree(tmp_path / "in" / "model")
    return stored(store, folder if request.param == "folder" else folder / "weights.bin")


def demand_refused(store: DvcStore, pointer: DvcPointer, digest: str, target: Path, match: str) -> None:
    """Reading and fetching are refused, and nothing is left at the target or beside it."""
    around = sorted(target.parent.rglob("*"))
    with pytest.raises(Refused, match=match):
        store.files(pointer, Bars())
    with pytest.raises(Refused, match=match):
        store.download(pointer, str(target), digest, Bars())
    assert sorted(target.parent.rglob("*")) == around


def _flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("protected", [True, False])
def test_a_corrupt_object_is_found_and_left_where_it_is(
    store: DvcStore, remote: Path, payload: Payload, tmp_path: Path, protected: bool
) -> None:
    put_object(remote, WEIGHTS, _flip(TREE["weights.bin"]))
    object_path(remote, WEIGHTS).chmod(0o444 if protected else 0o644)
    store.presence([payload.pointer])
    demand_refused(store, payload.pointer, digest_of(payload), tmp_path / "out", f"{WEIGHTS} .*is corrupt")
    assert WEIGHTS in objects(remote)


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1], lambda c: c[:0], lambda c: c + b"more", lambda c: c * 3]
)
def test_an_object_of_another_length_is_found_without_reading_it(
    store: DvcStore, remote: Path, payload: Payload, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    put_object(remote, WEIGHTS, change(TREE["weights.bin"]))
    demand_refused(store, payload.pointer, digest_of(payload), tmp_path / "out", "corrupt|bytes")
    found = store.presence([payload.pointer])[payload.pointer]
    assert found.missing == ()
    assert "bytes, not" in found.corrupt[0]


def test_a_missing_object_is_named(store: DvcStore, remote: Path, payload: Payload, tmp_path: Path) -> None:
    object_path(remote, WEIGHTS).unlink()
    assert store.presence([payload.pointer])[payload.pointer] == Presence(missing=(WEIGHTS,))
    demand_refused(store, payload.pointer, digest_of(payload), tmp_path / "out", f"{WEIGHTS} is missing")


def test_other_bytes_under_the_right_md5_do_not_pass(
    store: DvcStore, payload: Payload, tmp_path: Path
) -> None:
    """Two files of one md5 can be made; the digest is what counts."""
    with pytest.raises(Refused, match="has the digest"):
        store.download(payload.pointer, str(tmp_path / "out"), DIGEST, Bars())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [1, 10**9])
def test_a_pointer_with_another_size_does_not_pass(
    store: DvcStore, payload: Payload, tmp_path: Path, size: int
) -> None:
    pointer = DvcPointer(payload.pointer.path, payload.pointer.md5, size, payload.pointer.files)
    demand_refused(store, pointer, digest_of(payload), tmp_path / "out", "bytes; its record says")
    assert store.presence([pointer])[pointer].corrupt


def evil(store: DvcStore, remote: Path, listing: bytes, files: int = 1) -> DvcPointer:
    """A pointer whose listing really has the md5 that names it."""
    name = hashlib.md5(listing).hexdigest() + ".dir"
    store._objects.prepare()
    put_object(remote, name, listing)
    put_object(remote, WEIGHTS, TREE["weights.bin"])
    return DvcPointer("model", name, len(TREE["weights.bin"]) * files, files)


def entries(*paths: object) -> bytes:
    return json.dumps([{"md5": WEIGHTS, "relpath": path} for path in paths], sort_keys=True).encode()


LISTINGS = [
    *map(
        entries,
        [
            "../out",
            "../../out",
            "a/../../out",
            "/tmp/out",
            "",
            ".",
            "..",
            "a//b",
            "a\\b",
            "a\nb",
            ".git/config",
        ],
    ),
    *map(entries, [5, None, ["a"], "e\u0301", "\ud800", "a\u0000b", ".dvc/config", "x.dvc"]),
    entries("a", "a"),
    entries("a", "A"),
    entries("a", "a/b"),
    entries(),
    b"",
    b"not JSON",
    b"{}",
    b"null",
    b'"text"',
    b"[1]",
    b"[[]]",
    b"\xff\xfe",
    b"[" * 100_000,
    b'[{"relpath": "a"}]',
    b'[{"md5": "%s"}]' % WEIGHTS.encode(),
    b'[{"md5": 5, "relpath": "a"}]',
    b'[{"md5": "../../../etc/passwd", "relpath": "a"}]',
    b'[{"md5": "%s.dir", "relpath": "a"}]' % WEIGHTS.encode(),
    b'[{"md5": "%s", "relpath": "a", "version_id": "1"}]' % WEIGHTS.encode(),
]


@pytest.mark.parametrize("listing", LISTINGS)
def test_an_evil_listing_is_refused(store: DvcStore, remote: Path, tmp_path: Path, listing: bytes) -> None:
    pointer = evil(store, remote, listing)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    demand_refused(store, pointer, DIGEST, tmp_path / "deep" / "er" / "target", pointer.md5)
    found = store.presence([pointer])[pointer]
    assert pointer.md5 in found.corrupt[0]
    assert "\n" not in found.corrupt[0]
    assert not (tmp_path / "out").exists()


def test_a_good_listing_of_the_same_making_passes(store: DvcStore, remote: Path, tmp_path: Path) -> None:
    pointer = evil(store, remote, entries("a/b"))
    assert store.presence([pointer]) == {pointer: Presence()}
    assert [f.path for f in store.files(pointer, Bars())] == ["a/b"]


def test_a_listing_with_another_number_of_files_is_refused(
    store: DvcStore, remote: Path, tmp_path: Path
) -> None:
    pointer = evil(store, remote, entries("a", "b"))
    demand_refused(store, pointer, DIGEST, tmp_path / "out", "has 2 files; its record says 1")
    assert store.presence([pointer])[pointer].corrupt


def test_a_listing_under_a_wrong_name_is_refused(store: DvcStore, remote: Path, tmp_path: Path) -> None:
    payload = stored(store, write_tree(tmp_path / "model"))
    put_object(remote, payload.pointer.md5, dump_listing([Child("a", WEIGHTS)]))
    demand_refused(store, payload.pointer, digest_of(payload), tmp_path / "out", "is corrupt")
    assert "corrupt" in store.presence([payload.pointer])[payload.pointer].corrupt[0]


def test_a_huge_listing_is_not_read_to_its_end(
    store: DvcStore, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = evil(store, remote, entries("a"))
    with object_path(remote, pointer.md5).open("wb") as stream:
        os.ftruncate(stream.fileno(), 1 << 40)
    monkeypatch.setattr(store_module, "MAX_LISTING", 1 << 22)
    demand_refused(store, pointer, DIGEST, tmp_path / "out", "larger than")


def test_an_object_without_end_fills_no_disk(store: DvcStore, remote: Path, tmp_path: Path) -> None:
    payload = stored(store, write_tree(tmp_path / "model"))
    object_path(remote, WEIGHTS).unlink()
    with object_path(remote, WEIGHTS).open("wb") as stream:
        os.ftruncate(stream.fileno(), 1 << 40)
    demand_refused(store, payload.pointer, digest_of(payload), tmp_path / "out", "more than")


@pytest.mark.parametrize("suffix", ["", ".dir"])
def test_an_object_that_is_a_pipe_is_not_waited_for(
    store: DvcStore, remote: Path, tmp_path: Path, suffix: str
) -> None:
    store._objects.prepare()
    pointer = DvcPointer("model", f"{WEIGHTS}{suffix}", 1, 1)
    object_path(remote, pointer.md5).parent.mkdir(parents=True)
    os.mkfifo(object_path(remote, pointer.md5))
    demand_refused(store, pointer, DIGEST, tmp_path / "out", "is not a file")
    assert store.presence([pointer])[pointer].corrupt


def test_a_listing_that_dvc_would_not_write_is_not_copied(
    store: DvcStore, remote: Path, tmp_path: Path
) -> None:
    """Its copy would bear another name than the record says."""
    pointer = evil(store, remote, entries("b", "a"), files=2)
    files = store.files(pointer, Bars())
    digest = digest_of(Payload(pointer, files))
    store.download(pointer, str(tmp_path / "out"), digest, Bars())
    with pytest.raises(Refused, match="not as DVC writes it"):
        store.copy_to(open_local(tmp_path / "other"), pointer, digest, Bars())


def test_listings_are_read_as_they_are_written() -> None:
    children = (Child("a-b", WEIGHTS), Child("a/é", "0" * 32), Child("売", WEIGHTS))
    assert load_listing(dump_listing(reversed(children))) == children
    with pytest.raises(ListingError):
        load_listing(dump_listing([Child("../a", WEIGHTS)]))
