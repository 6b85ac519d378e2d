"""Remembers which blobs are requests that are over, so that years of them need not be read to find an open one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


class Finished:
    """A file with the ids of blobs that hold no open request, one a line.

    It is a cache: a blob never changes, so that what is in it stays true, and without it (or where it cannot be read
    or written) everything is read again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def known(self) -> frozenset[str]:
        """The ids remembered."""
        try:
            return frozenset(self._file.read_text(encoding="ascii").split())
        except (OSError, UnicodeDecodeError):
            return frozenset()

    def remember(self, oids: Iterable[str]) -> None:
        """Writes exactly these ids; of two who write at a time one wins."""
        with suppress(OSError):
            self._file.parent.mkdir(exist_ok=True)
            part = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            part.write_text("".join(f"{oid}\n" for oid in sorted(oids)), encoding="ascii")
            os.replace(part, self._file)
