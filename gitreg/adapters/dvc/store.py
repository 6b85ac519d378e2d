"""Artifacts in a DVC remote: the ``ArtifactStore`` of the core's ports.

DVC checks neither what it downloads nor what a directory's listing says. Here every object that is read must have the
md5 that names it, every path is checked before it is used, and nothing appears at its place before its digest is right.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from gitreg.adapters.dvc.listing import Child, ListingError, listing_name, load_listing
from gitreg.adapters.dvc.objects import Objects
from gitreg.adapters.dvc.payload import Inspection, changed, inspect_payload, stamp_payload
from gitreg.adapters.dvc.work import Digests, Meter, metered, spread
from gitreg.core.digest import artifact_digest
from gitreg.core.ports import ArtifactStore, DvcPointer, ListedFile, Payload, Presence, Progress, RemoteFile
from gitreg.errors import GitregError, Refused, Undecided, UsageError

#: No directory's listing may be larger, in bytes: about two million files.
MAX_LISTING = 1 << 28


class DvcStore:
    """One DVC remote, as :func:`gitreg.adapters.dvc.remote.open_store` opens it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._inspected: dict[str, Inspection] = {}

    def inspect(self, path: str) -> Payload:
        """Reads a local file or directory, once; what :meth:`upload` then stores is what was read here.

        Raises:
            NotFound: nothing is there.
            Refused: it is empty, holds symlinks, special files or bad names, cannot be read, or is being written.
        """
        inspection = inspect_payload(path)
        self._inspected[os.path.abspath(path)] = inspection
        return inspection.payload

    def upload(self, path: str, payload: Payload, progress: Progress) -> None:
        """Stores what ``inspect`` saw: its files first, a directory's listing last, nothing that is there already.

        Raises:
            Refused: the files changed since; then nothing refers to what was stored.
            Undecided: the remote does not answer, or does not hold afterwards what it was given.
        """
        place = os.path.abspath(path)
        inspection = self._inspected.get(place) or inspect_payload(place)
        if inspection.payload != payload:
            raise changed(place)
        _demand_unchanged(place, inspection)
        self._objects.prepare()
        with metered(progress, f"Storing {payload.pointer.path}", payload.pointer.size) as meter:
            self._store(place, inspection, meter)
        self._demand_held(payload.pointer)

    def upload_bytes(self, data: bytes, payload: Payload) -> None:
        """Stores a small file that is only in memory. Raises Undecided as :meth:`upload`."""
        self._objects.prepare()
        name = payload.pointer.md5
        if not _is_held(self._objects.sizes([name]), name, len(data)):
            self._objects.add_bytes(name, data)
        self._demand_held(payload.pointer)

    def _store(self, place: str, inspection: Inspection, meter: Meter) -> None:
        name = inspection.payload.pointer.md5
        files = {file.md5: file for file in inspection.files}  # each content once
        held = self._objects.sizes({name, *files})
        lacking = [file for file in files.values() if not _is_held(held, file.md5, file.size)]
        self._objects.add_files([(file, inspection.stamps[file.path]) for file in lacking], meter)
        _demand_unchanged(place, inspection)
        if inspection.listing and not _is_held(held, name, len(inspection.listing)):
            self._objects.add_bytes(name, inspection.listing)

    def _demand_held(self, pointer: DvcPointer) -> None:
        found = self.presence([pointer])[pointer]
        if found != Presence():
            problems = [*(f"object {name} is missing" for name in found.missing), *found.corrupt]
            raise Undecided(f"{self._objects.label} did not keep what was stored: {problems[0]}", "try again")

    def presence(self, pointers: Sequence[DvcPointer]) -> Mapping[DvcPointer, Presence]:
        """Looks every object up, a directory's children too, with its size; of contents only listings are read."""
        wanted = list(dict.fromkeys(pointers))
        sizes = self._objects.sizes(pointer.md5 for pointer in wanted)
        folders = [pointer for pointer in wanted if pointer.is_directory and pointer.md5 in sizes]
        looks = dict(zip(folders, spread(self._look, folders, self._objects.jobs, Meter()), strict=True))
        names = (child.md5 for look in looks.values() if not isinstance(look, str) for child in look)
        sizes |= self._objects.sizes(name for name in names if name not in sizes)
        return {pointer: _presence(pointer, looks.get(pointer, ()), sizes) for pointer in wanted}

    def listing(self, pointer: DvcPointer) -> tuple[RemoteFile, ...]:
        """What files there are, sorted by path; of contents only a directory's listing is read.

        Raises:
            Refused: the listing, or a file's object, is missing, or the listing is not admissible.
            Undecided: the remote does not answer.
        """
        children = self._children(pointer)
        sizes = self._objects.sizes(child.md5 for child in children)
        lost = next((child.md5 for child in children if child.md5 not in sizes), None)
        if lost is not None:
            raise Refused(f"object {lost} is missing in {self._objects.label}")
        found = (RemoteFile(child.path, sizes[child.md5]) for child in children)
        return tuple(sorted(found, key=lambda file: file.path))

    def _look(self, pointer: DvcPointer) -> tuple[Child, ...] | str:
        """The files behind a directory's pointer, or what is wrong with its listing."""
        try:
            return self._children(pointer)
        except Refused as refusal:
            return refusal.message

    def _children(self, pointer: DvcPointer) -> tuple[Child, ...]:
        """The objects behind a pointer, by their paths in the artifact. Raises Refused."""
        if not pointer.is_directory:
            return (Child("", pointer.md5),)
        listing = self._listing(pointer.md5)
        if listing_name(listing) != pointer.md5:
            raise self._corrupt(pointer.md5)
        try:
            children = load_listing(listing)
        except ListingError as error:
            raise Refused(
                f"the listing {pointer.md5} in {self._objects.label} is not admissible: {error}"
            ) from None
        if len(children) != pointer.files:
            raise Refused(
                f"the listing {pointer.md5} has {len(children)} files; its record says {pointer.files}"
            )
        return children

    def _listing(self, name: str) -> bytes:
        listing = bytearray()
        for chunk in self._objects.chunks(name):
            listing += chunk
            if len(listing) > MAX_LISTING:
                raise Refused(
                    f"the listing {name} in {self._objects.label} is larger than {MAX_LISTING} bytes"
                )
        return bytes(listing)

    def files(self, pointer: DvcPointer, progress: Progress) -> tuple[ListedFile, ...]:
        """Reads every byte from the remote and says what it is; sorted by path.

        Raises:
            Refused: an object is missing or corrupt, or a listing is not admissible.
            Undecided: the remote does not answer.
        """
        children = self._children(pointer)
        with metered(progress, f"Checking {pointer.path}", pointer.size) as meter:
            return self._receive_all(
                pointer, children, lambda child: self._receive(pointer, child, meter), meter
            )

    def download(self, pointer: DvcPointer, target: str, digest: str, progress: Progress) -> None:
        """Puts the artifact at ``target`` in one step once every byte is known to be right.

        If just these bytes are there already, nothing is done.

        Raises:
            UsageError: the folder of ``target`` is not there.
            Refused: something else is at ``target``, or the remote holds something else than ``digest``.
            Undecided: the remote does not answer, or the disk does not take it.
        """
        target = os.path.abspath(target)
        _sweep(os.path.dirname(target))
        if not _holds(target, digest):
            self._fetch(pointer, target, digest, progress)

    def take(self, pointer: DvcPointer, target: str, progress: Progress) -> None:
        """As :meth:`download`, of an artifact for which DVC's md5 alone vouches: nobody has written its sha256 down.

        Raises:
            UsageError, Refused, Undecided: as :meth:`download`.
        """
        self._fetch(pointer, os.path.abspath(target), None, progress)

    def _fetch(self, pointer: DvcPointer, target: str, digest: str | None, progress: Progress) -> None:
        _demand_free(target)
        children = self._children(pointer)
        with (
            _writing(target),
            _fresh_folder(os.path.dirname(target)) as folder,
            metered(progress, f"Fetching {pointer.path}", pointer.size) as meter,
        ):
            place = os.path.join(folder, "artifact")
            files = self._receive_all(
                pointer, children, lambda child: self._save(pointer, child, place, meter), meter
            )
            found = artifact_digest(files)
            if digest is not None and found != digest:
                raise Refused(
                    f"{pointer.path!r} in {self._objects.label} has the digest {found}, not {digest}"
                )
            _demand_free(target)
            os.rename(place, target)

    def download_files(
        self, pointer: DvcPointer, files: Sequence[ListedFile], target: str, progress: Progress
    ) -> None:
        """Puts some files of an artifact into the new folder ``target`` in one step, once all are known to be right.

        A single file is called as its pointer says.

        Raises:
            UsageError: the folder of ``target`` is not there.
            Refused: something is at ``target``, or the remote holds something else than ``files``.
            Undecided: the remote does not answer, or the disk does not take it.
        """
        target = os.path.abspath(target)
        _demand_free(target)
        wanted = {file.path: file for file in files}
        called = (Child(child.path or pointer.path, child.md5) for child in self._children(pointer))
        children = [child for child in called if child.path in wanted]
        with (
            _writing(target),
            _fresh_folder(os.path.dirname(target)) as folder,
            metered(progress, f"Fetching {pointer.path}", sum(file.size for file in files)) as meter,
        ):
            place = os.path.join(folder, "artifact")
            found = spread(
                lambda child: self._save(pointer, child, place, meter), children, self._objects.jobs, meter
            )
            if {file.path: file for file in found} != wanted:
                raise Refused(
                    f"{pointer.path!r} in {self._objects.label} holds other files than its digest says"
                )
            os.rename(place, target)

    def copy_to(self, other: ArtifactStore, pointer: DvcPointer, digest: str, progress: Progress) -> None:
        """Stores the artifact on another remote as well; it passes through a temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix="gitreg-") as folder:
            place = os.path.join(folder, pointer.path)
            self.download(pointer, place, digest, progress)
            payload = other.inspect(place)
            if payload.pointer != pointer:
                raise Refused(
                    f"the listing {pointer.md5} is not as DVC writes it", "register the artifact anew"
                )
            other.upload(place, payload, progress)

    def _save(self, pointer: DvcPointer, child: Child, place: str, meter: Meter) -> ListedFile:
        file = os.path.join(place, *filter(None, child.path.split("/")))
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "xb") as stream:
            return self._receive(pointer, child, meter, stream.write)

    def _receive_all(
        self,
        pointer: DvcPointer,
        children: Sequence[Child],
        receive: Callable[[Child], ListedFile],
        meter: Meter,
    ) -> tuple[ListedFile, ...]:
        files = spread(receive, children, self._objects.jobs, meter)
        size = sum(file.size for file in files)
        if size != pointer.size:
            raise self._unequal(pointer, str(size))
        return tuple(sorted(files, key=lambda file: file.path))

    def _receive(
        self, pointer: DvcPointer, child: Child, meter: Meter, sink: Callable[[bytes], object] | None = None
    ) -> ListedFile:
        """Reads one object to its end. Raises Refused unless its bytes are those that its name promises."""
        digests = Digests()
        for chunk in self._objects.chunks(child.md5):
            meter.advance(len(chunk))
            if meter.done > pointer.size:
                raise self._unequal(pointer, f"more than {pointer.size}")
            digests.update(chunk)
            if sink is not None:
                sink(chunk)
        if digests.md5 != child.md5:
            raise self._corrupt(child.md5)
        return ListedFile(child.path, digests.size, digests.sha256)

    def _unequal(self, pointer: DvcPointer, size: str) -> Refused:
        return Refused(
            f"{pointer.path!r} in {self._objects.label} has {size} bytes; its record says {pointer.size}"
        )

    def _corrupt(self, name: str) -> Refused:
        return Refused(
            f"object {name} in {self._objects.label} is corrupt", "restore it from a copy, or push it again"
        )


def _is_held(held: Mapping[str, int | None], name: str, size: int) -> bool:
    """Whether an object is there and, as far as the remote tells, whole: a torn upload is stored anew."""
    return name in held and held[name] in (None, size)


def _presence(
    pointer: DvcPointer, look: tuple[Child, ...] | str, sizes: Mapping[str, int | None]
) -> Presence:
    if pointer.md5 not in sizes:
        return Presence(missing=(pointer.md5,))
    if isinstance(look, str):
        return Presence(corrupt=(look,))
    names = [child.md5 for child in look] or [pointer.md5]
    missing = tuple(dict.fromkeys(name for name in names if name not in sizes))
    known = [size for name in names if (size := sizes.get(name)) is not None]
    if len(known) == len(names) and sum(known) != pointer.size:
        return Presence(
            corrupt=(f"the objects of {pointer.md5} hold {sum(known)} bytes, not {pointer.size}",)
        )
    return Presence(missing)


def _demand_unchanged(place: str, inspection: Inspection) -> None:
    if stamp_payload(place) != inspection.stamps:
        raise changed(place)


def _holds(target: str, digest: str) -> bool:
    """Whether the artifact with this digest, and nothing else, is at ``target``."""
    if not os.path.lexists(target):
        return False
    try:
        return artifact_digest(inspect_payload(target).payload.files) == digest
    except GitregError:  # what can be no artifact is not this one
        return False


def _demand_free(target: str) -> None:
    if os.path.lexists(target):
        raise Refused(f"{target!r} is there already", "remove it, or choose another place")
    if not os.path.isdir(os.path.dirname(target)):
        raise UsageError(f"{os.path.dirname(target)!r} is not a directory", "make it first")


@contextmanager
def _writing(target: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Undecided(f"{target!r} cannot be written: {error.strerror or error}") from error


@contextmanager
def _fresh_folder(parent: str) -> Iterator[str]:
    """A hidden folder on the same file system as what will stand beside it; nothing of it remains.

    It is locked while it is in use, by ``flock(2)``, which ends with the process. So ``_sweep`` can tell what a process
    that was killed left behind from what another one is filling right now.
    """
    folder, lock = _locked_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


_FRESH = re.compile(r"\.gitreg-pull-[a-z0-9_]{8}\Z")


def _sweep(parent: str) -> None:
    """Removes the fresh folders that nobody uses any more; others' that may not be removed stay."""
    names = os.listdir(parent) if os.path.isdir(parent) else []
    for name in filter(_FRESH.match, names):
        with suppress(OSError):
            lock = os.open(os.path.join(parent, name), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
            finally:
                os.close(lock)


def _locked_folder(parent: str) -> tuple[str, int]:
    """A new folder, and the open descriptor that locks it. One that is swept away before it is locked is made anew."""
    while True:
        folder = tempfile.mkdtemp(prefix=".gitreg-pull-", dir=parent)
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # a file system without locks has no sweepers, either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.isdir(folder):
                return folder, lock
            os.close(lock)
