"""Taking turns: one process at a time moves the checkouts of a repository.

A checkout and its branch move in two steps. Who looks in between would take the one half for a person's changes, so
who looks or moves holds a lock meanwhile (:mod:`gitreg.adapters.filelock`), on a file in the git folder that all
checkouts share. What is about to be done stands in the file until it is done; whoever has the next turn finds there
what a process that died has left undone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from gitreg.adapters.filelock import FileLock
from gitreg.errors import Refused, Undecided

#: The file's name in the git folder.
NAME = "gitreg-turn"
#: How long somebody else's turn is waited for, in seconds.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Move:
    """A checkout in ``folder`` that goes along with its branch ``ref`` from a commit (None: none yet) to another."""

    folder: str
    ref: str
    old: str | None
    new: str


class Turn:
    """What the holder of the lock is about to do, written down."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def begin(self, moves: Sequence[Move]) -> None:
        """Notes moves before the first of them is made."""
        self._write(json.dumps([asdict(move) for move in moves]).encode())

    def end(self) -> None:
        """Notes that nothing is under way."""
        self._write(b"")

    def left(self) -> list[Move]:
        """What somebody began and did not end. A note that is itself cut off was of moves that had not begun."""
        self._file.seek(0)
        try:
            return [Move(**fields) for fields in json.loads(self._file.read() or b"[]")]
        except (ValueError, TypeError):
            return []

    def _write(self, data: bytes) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())


def is_under_way(common_dir: Path) -> bool:
    """Whether a move is noted: by a process that makes it right now, or by one that died."""
    with suppress(FileNotFoundError):
        return os.path.getsize(common_dir / NAME) > 0
    return False


@contextmanager
def turn(common_dir: Path, take_back: Callable[[Move], None], patience: float = PATIENCE) -> Iterator[Turn]:
    """Waits for this process's turn, and has it until the block ends.

    Args:
        common_dir: the git folder that all checkouts share.
        take_back: is called first with each move that somebody left half made.
        patience: in seconds.

    Raises:
        Undecided: the turn did not come in that time.
        Refused: the git folder may not be written.
    """
    with (
        _taken(common_dir / NAME, patience) as lock,
        open(lock.file, "r+b", buffering=0, closefd=False) as file,
    ):
        held = Turn(file)
        for move in held.left():
            take_back(move)
        held.end()
        yield held


def _taken(place: Path, patience: float) -> FileLock:
    try:
        return FileLock.take(place, patience)
    except TimeoutError:
        raise Undecided(
            f"another gitreg is at work here for too long: it holds {os.fspath(place)!r}",
            "wait until it ends, then try again",
        ) from None
    except OSError as error:
        raise Refused(f"{os.fspath(place)!r} cannot be written: {error.strerror}") from error
