"""Reads a local file or directory, once, as the artifact that it would be.

Ignore rules (``.dvcignore``, ``.gitignore``) do not count: what is in the directory is in the artifact.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from gitreg.adapters.dvc.listing import Child, dump_listing, listing_name
from gitreg.adapters.dvc.work import CHUNK, Digests, Meter, spread
from gitreg.core.digest import payload_paths_problem
from gitreg.core.names import payload_name_problem
from gitreg.core.ports import DvcPointer, ListedFile, Payload
from gitreg.errors import NotFound, Refused

_RENAME_HINT = "rename it; its path is part of what the version promises for ever"


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a changed file is known without reading it: size in bytes, time of change in ns, inode."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, info: os.stat_result) -> Stamp:
        """The stamp in a stat result."""
        return cls(info.st_size, info.st_mtime_ns, info.st_ino)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file that was read: where it is, its path inside the artifact, the name and size of its object."""

    place: str
    path: str
    md5: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """What reading found. ``listing`` is the content of a directory's ``.dir`` object, empty for a file."""

    payload: Payload
    files: tuple[LocalFile, ...]
    stamps: Mapping[str, Stamp]
    listing: bytes = b""


def inspect_payload(path: str) -> Inspection:
    """Reads every byte at ``path`` once.

    Raises:
        NotFound: there is nothing.
        Refused: it cannot be an artifact, or it changed meanwhile.
    """
    place = os.path.abspath(path)
    name = os.path.basename(place)
    problem = payload_name_problem(name)
    stamps = stamp_payload(place)
    if problem:
        raise Refused(f"{name!r} cannot name an artifact: {problem}", "rename it")
    meter = Meter()
    files = spread(
        lambda inside: _read(place, inside, stamps[inside], meter), sorted(stamps), os.cpu_count() or 1, meter
    )
    if stamp_payload(place) != stamps:
        raise changed(place)
    return _inspection(name, tuple(files), stamps)


def _inspection(name: str, files: tuple[LocalFile, ...], stamps: Mapping[str, Stamp]) -> Inspection:
    listed = tuple(ListedFile(file.path, file.size, file.sha256) for file in files)
    size = sum(file.size for file in files)
    if "" in stamps:
        return Inspection(Payload(DvcPointer(name, files[0].md5, size, 1), listed), files, stamps)
    listing = dump_listing(Child(file.path, file.md5) for file in files)
    pointer = DvcPointer(name, listing_name(listing), size, len(files))
    return Inspection(Payload(pointer, listed), files, stamps, listing)


def stamp_payload(place: str) -> dict[str, Stamp]:
    """The stamp of every file at ``place``, by its path inside ("" for a single file). No content is read.

    Raises:
        NotFound: there is nothing.
        Refused: it holds anything but plain files of good names, or no bytes at all.
    """
    with _readable(place):
        try:
            info = os.lstat(place)
        except FileNotFoundError:
            raise NotFound(f"{place!r} is not there") from None
        stamps = {"": Stamp.of(info)} if stat.S_ISREG(info.st_mode) else dict(_walk(place, info))
    if "" not in stamps:
        problem = payload_paths_problem(stamps)
        if problem:
            raise Refused(f"{place!r} cannot be an artifact: {problem}", _RENAME_HINT)
    if not any(stamp.size for stamp in stamps.values()):
        raise Refused(f"{place!r} is empty", "a version holds at least one byte")
    return stamps


def _walk(place: str, info: os.stat_result) -> Iterator[tuple[str, Stamp]]:
    _demand_kind(place, info, stat.S_ISDIR(info.st_mode))
    folders = [(place, "")]
    while folders:
        folder, prefix = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    folders.append((entry.path, f"{prefix}{entry.name}/"))
                    continue
                _demand_kind(entry.path, info, stat.S_ISREG(info.st_mode))
                yield f"{prefix}{entry.name}", Stamp.of(info)


def _demand_kind(place: str, info: os.stat_result, plain: bool) -> None:
    if stat.S_ISLNK(info.st_mode):
        raise Refused(f"{place!r} is a symbolic link", "put the file that it points at in its place")
    if not plain:
        raise Refused(f"{place!r} is neither a file nor a directory")


def _read(place: str, inside: str, stamp: Stamp, meter: Meter) -> LocalFile:
    file = os.path.join(place, inside) if inside else place
    digests = Digests()
    for chunk in read_chunks(file, stamp):
        digests.update(chunk)
        meter.advance(len(chunk))
    return LocalFile(file, inside, digests.md5, digests.sha256, digests.size)


def read_chunks(file: str, stamp: Stamp) -> Iterator[bytes]:
    """The bytes of a file that bears this stamp before and after. Raises Refused if it does not, or is unreadable."""
    with _readable(file), open(file, "rb", buffering=0, opener=_open_plain) as stream:
        if Stamp.of(os.fstat(stream.fileno())) != stamp:
            raise changed(file)
        while chunk := stream.read(CHUNK):
            yield chunk
        if Stamp.of(os.fstat(stream.fileno())) != stamp:
            raise changed(file)


def _open_plain(file: str, flags: int) -> int:
    # Without these, a link or a pipe put in the file's place since would lead astray, or hang.
    return os.open(file, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def has_stamp(file: str, stamp: Stamp) -> bool:
    """Whether the file still is as it was stamped."""
    try:
        return Stamp.of(os.lstat(file)) == stamp
    except OSError:
        return False


def changed(place: str) -> Refused:
    """The refusal of a payload that somebody writes to meanwhile."""
    return Refused(f"{place!r} changed meanwhile", "wait until nothing writes to it, and try again")


@contextmanager
def _readable(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(f"{error.filename or place!r} cannot be read: {error.strerror}") from error
