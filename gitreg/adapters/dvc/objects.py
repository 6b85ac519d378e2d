"""The objects of one remote, by name: the only module that calls DVC's object database.

An object's name is the md5 of its content, with ``.dir`` behind it for a directory's listing; ``dvc_objects`` and
``dvc_data`` decide where in the remote it lies. Their own existence checks are not used: on a local directory they
read, and delete, objects.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gitreg.adapters.dvc.payload import LocalFile, Stamp, changed, has_stamp, read_chunks
from gitreg.adapters.dvc.work import CHUNK, Meter
from gitreg.errors import GitregError, Refused, Undecided

#: Bytes that a read from a remote brings over at a time, where its file system lets one choose.
_BLOCK = 8 * CHUNK


class Objects:
    """What one remote holds.

    Args:
        odb: DVC's object database of the remote, a ``dvc_data.hashfile.db.HashFileDB``.
        root: the remote's own folder, where it is a local directory; else None.
        label: how messages call it; without secrets.
        secrets: what must not appear in any message.
    """

    def __init__(self, odb: Any, root: str | None, label: str, secrets: Collection[str] = ()) -> None:
        self._odb = odb
        self._root = root
        # Shorter ones are no secrets, and would make every message unreadable.
        self._secrets = sorted((secret for secret in secrets if len(secret) > 3), key=len, reverse=True)
        self.label = label
        self.jobs: int = odb.fs.jobs

    def sizes(self, names: Iterable[str]) -> dict[str, int | None]:
        """The sizes of those objects that are there, None where the remote does not tell."""
        wanted = sorted(set(names))
        with self._answering():
            self._demand_root()
            places = [self._odb.oid_to_path(name) for name in wanted]
            answers = self._odb.fs.info(places, return_exceptions=True) if places else []
            return {
                name: _size(answer)
                for name, answer in zip(wanted, answers, strict=True)
                if not _missing(answer)
            }

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of an object. Raises Refused if it is not there, or is no file."""
        with self._answering():
            self._demand_root()
            try:
                stream = self._opened(name)
            except FileNotFoundError as error:
                if _missing(error):
                    raise Refused(f"object {name} is missing in {self.label}") from None
                raise
            with stream:
                while chunk := stream.read(CHUNK):
                    yield chunk

    def _opened(self, name: str) -> Any:
        place = self._odb.oid_to_path(name)
        if self._root is None:
            return self._odb.fs.open(place, "rb", block_size=_BLOCK)
        stream = open(place, "rb", buffering=0, opener=_open_at_once)  # noqa: SIM115  # the caller closes it
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            stream.close()
            raise Refused(f"object {name} in {self.label} is not a file")
        return stream

    def prepare(self) -> None:
        """Makes the remote's folder, where it is a local directory."""
        if self._root is not None:
            with self._answering():
                self._make_folder(self._root)

    def add_files(self, files: Sequence[tuple[LocalFile, Stamp]], meter: Meter) -> None:
        """Stores files under their names, each of them whole or not at all.

        Raises:
            Refused: one has not its stamp any more; nothing is left of it.
        """
        if self._root is not None:
            for file, stamp in files:
                self._write(file.md5, _counted(read_chunks(file.place, stamp), meter), file.place)
        elif files:
            self._send(files, meter)

    def add_bytes(self, name: str, data: bytes) -> None:
        """Stores what is only in memory, such as a directory's listing."""
        if self._root is not None:
            self._write(name, [data], name)
            return
        # From a file, for not every remote takes bytes: http does not.
        with tempfile.NamedTemporaryFile(prefix="gitreg-") as file:
            file.write(data)
            file.flush()
            self._add([file.name], [name])

    def _write(self, name: str, chunks: Iterable[bytes], source: str) -> None:
        """Writes beside the object's place, checks, and renames: DVC's own copy leaves its part behind on Ctrl-C."""
        from dvc_objects.fs.utils import as_atomic

        place = self._odb.oid_to_path(name)
        md5 = hashlib.md5(usedforsecurity=False)
        with self._answering():
            self._make_folder(os.path.dirname(place))
            with as_atomic(self._odb.fs, place) as part, open(part, "xb") as stream:
                for chunk in chunks:
                    stream.write(chunk)
                    md5.update(chunk)
                if md5.hexdigest() != name.removesuffix(".dir"):
                    raise changed(source)
            self._odb.protect(place)

    def _make_folder(self, folder: str) -> None:
        if not os.path.isdir(folder):  # DVC would reset the mode of one that is there
            self._odb.makedirs(folder)

    def _send(self, files: Sequence[tuple[LocalFile, Stamp]], meter: Meter) -> None:
        self._add([file.place for file, _ in files], [file.md5 for file, _ in files], _byte_callback(meter))
        for file, stamp in files:
            if not has_stamp(file.place, stamp):
                self._take_back(file)
                raise changed(file.place)

    def _take_back(self, file: LocalFile) -> None:
        """Removes an object that may hold other bytes than its name says."""
        try:
            self._odb.delete(file.md5)
        except Exception as error:  # each remote has its own, and some remove nothing
            raise Undecided(
                f"{file.place!r} changed while it was sent, and object {file.md5} stays in {self.label}",
                "remove that object by hand: it may be corrupt",
            ) from error

    def _add(self, places: list[str], names: list[str], callback: Any = None) -> None:
        from dvc_objects.fs.local import localfs

        progress = {"callback": callback} if callback else {}
        with self._answering():
            self._odb.add(places, localfs, names, check_exists=False, **progress)

    def _demand_root(self) -> None:
        if self._root is not None and not os.path.isdir(self._root):
            raise Undecided(f"{self.label} is not there", "mount it, or name another with --remote URL")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turns whatever a remote's library raises (each has its own errors) into one line that says where."""
        try:
            yield
        except GitregError:
            raise
        except Exception as error:
            cause = error.__cause__ or error
            text = " ".join(str(cause).split())[:200] or type(cause).__name__
            message = f"{self.label} does not answer: {text}"
            for secret in self._secrets:
                message = message.replace(secret, "***")
            hint = None if self._root is not None else "check the network and the remote's credentials"
            raise Undecided(message, hint) from error


def _open_at_once(place: str, flags: int) -> int:
    # To open a pipe waits for somebody who writes to it.
    return os.open(place, flags | os.O_NONBLOCK)


def _missing(answer: Any) -> bool:
    """Whether an answer is "there is no such object". fsspec's http says so to whatever went wrong; its cause tells."""
    if not isinstance(answer, FileNotFoundError):
        return False
    cause = answer.__cause__
    if isinstance(cause, OSError) or type(cause).__module__.startswith("aiohttp"):
        return isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) == 404
    return True


def _size(answer: Any) -> int | None:
    if isinstance(answer, Exception):
        raise answer
    size = answer.get("size")
    return size if isinstance(size, int) else None


def _counted(chunks: Iterable[bytes], meter: Meter) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        meter.advance(len(chunk))


def _byte_callback(meter: Meter) -> Any:
    """What DVC reports a transfer to: for each file, the bytes sent so far."""
    from fsspec.callbacks import Callback  # type: ignore[import-untyped]

    def of_one_file(*_: object, **__: object) -> Any:
        sent = 0

        def count(size: int, value: int, **_: object) -> None:
            nonlocal sent
            meter.advance(value - sent)
            sent = value

        return Callback(hooks={"bytes": count})

    callback: Any = Callback()
    callback.branched = of_one_file
    return callback
