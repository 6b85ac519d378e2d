"""A ``CatalogIndex`` in an SQLite file.

The file is a cache: nothing in it is to be believed more than the git folder that it lies in, and it may be deleted at
any time. SQLite's rollback journal keeps it whole (https://sqlite.org/lockingv3.html). Who edits it, or throws it away,
holds a lock on a file beside it meanwhile: a database that is replaced under a writer would take the writer's journal
for its own (https://sqlite.org/howtocorrupt.html, "Unlinking or renaming a database file while in use").
"""

# Statements are put together from names of this module alone; values are bound.
# ruff: noqa: S608

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gitreg.adapters.filelock import FileLock
from gitreg.core.names import is_text
from gitreg.core.read_index import (
    CatalogIndex,
    IndexDamaged,
    IndexEditor,
    IndexView,
    ModelRow,
    VersionPlace,
    VersionRow,
)
from gitreg.errors import Undecided

#: How long somebody else's edit is waited for, in seconds.
PATIENCE = 120.0
#: How many values one statement takes: SQLite's oldest limit is 999 (https://sqlite.org/limits.html).
_AT_A_TIME = 900

_SCHEMA = """
CREATE TABLE meta (state TEXT NOT NULL);
CREATE TABLE models (
    name TEXT PRIMARY KEY, folded TEXT NOT NULL, kind TEXT NOT NULL, document TEXT NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX models_folded ON models (folded);
CREATE INDEX models_kind ON models (kind, name);
CREATE TABLE versions (
    model TEXT NOT NULL, version TEXT NOT NULL, position INTEGER NOT NULL, stage TEXT NOT NULL, aliases TEXT NOT NULL,
    run TEXT, created INTEGER NOT NULL, updated INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (model, version)
) WITHOUT ROWID;
CREATE INDEX versions_position ON versions (model, stage, position);
CREATE INDEX versions_run ON versions (run) WHERE run IS NOT NULL;
CREATE TABLE times (
    model TEXT NOT NULL, version TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (model, version)
) WITHOUT ROWID;
"""
_TABLES = ("meta", "models", "versions", "times")
_MODEL = "name, folded, kind, document, created, updated"
_VERSION = "model, version, position, stage, aliases, run, created, updated, document"
_ORDER = "ORDER BY model, position"
_PLACE = "version, position, stage, aliases, updated"


class SqliteIndex(CatalogIndex):
    """The index in the file ``path``; None keeps it in memory, for this object alone.

    It is for one thread; a forked child opens the file anew.
    """

    def __init__(self, path: Path | None, patience: float = PATIENCE) -> None:
        self._path = path
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._stop: Callable[[], object] | None = None
        self._opened: tuple[int, int, int] | None = None
        self._lock: FileLock | None = None
        self._failures = 0

    @staticmethod
    def can_be_in(folder: Path, name: str) -> bool:
        """Whether this process may keep an index called ``name`` in a folder, which is made if need be."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return False
        files = (folder / name, folder / f"{name}.lock")
        return os.access(folder, os.W_OK | os.X_OK) and all(
            os.access(file, os.R_OK | os.W_OK) for file in files if file.exists()
        )

    def close(self) -> None:
        """Lets go of the file; a later question opens it again."""
        if self._stop is not None:
            self._stop()
        self._connection = self._stop = None

    @contextmanager
    def reading(self) -> Iterator[IndexView]:
        """See :class:`gitreg.core.read_index.CatalogIndex`. Undecided where others keep the file for too long."""
        with self._transaction("BEGIN") as connection:
            yield _Editor(connection)

    @contextmanager
    def editing(self) -> Iterator[IndexEditor]:
        """See :class:`gitreg.core.read_index.CatalogIndex`. Undecided where others keep the file for too long."""
        with self._turn(), self._transaction("BEGIN IMMEDIATE") as connection:
            yield _Editor(connection)
        self._failures = 0

    def discard(self) -> None:
        """See :class:`gitreg.core.read_index.CatalogIndex`.

        What cannot be thrown away, or is damaged again at once (a disk that is full, a folder that may not be
        written), is left alone; this object goes on in memory.
        """
        self._failures += 1
        try:
            with self._turn():
                self.close()
                self._remove()
        except (OSError, IndexDamaged):
            self._path = None
        if self._failures > 1:
            self._path = None

    def _remove(self) -> None:
        if self._path is not None:
            for place in (self._path, self._path.with_name(f"{self._path.name}-journal")):
                place.unlink(missing_ok=True)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._current()
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise Undecided("the read index is in use by others", "try again") from error
            raise IndexDamaged(str(error)) from error

    def _current(self) -> sqlite3.Connection:
        """A connection to the file that is there now, opened by this very process."""
        if self._connection is None or self._opened != self._identity():
            self.close()
            self._connection = connection = self._open()
            self._stop = weakref.finalize(self, _close, connection, os.getpid())
            self._opened = self._identity()
        return self._connection

    def _identity(self) -> tuple[int, int, int]:
        if self._path is None:
            return os.getpid(), 0, 0
        try:
            found = os.stat(self._path)
        except OSError:
            return os.getpid(), 0, 0
        return os.getpid(), found.st_dev, found.st_ino

    def _open(self) -> sqlite3.Connection:
        target = ":memory:" if self._path is None else os.fspath(self._path)
        connection = sqlite3.connect(
            target, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        # What a strange file has for views and triggers may not call anything.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cache_size = -32000")  # KiB
        if self._path is None or not self._is_made(connection):
            with self._turn():
                self._make(connection)
        return connection

    @staticmethod
    def _is_made(connection: sqlite3.Connection) -> bool:
        rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        return {name for (name,) in rows} == set(_TABLES)

    def _make(self, connection: sqlite3.Connection) -> None:
        if not self._is_made(connection):
            connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """This object's turn to edit the file or to replace it."""
        if self._path is None or (self._lock is not None and self._lock.is_held):
            yield
            return
        with self._taken(self._path.with_name(f"{self._path.name}.lock")) as self._lock:
            yield

    def _taken(self, place: Path) -> FileLock:
        try:
            return FileLock.take(place, self._patience)
        except TimeoutError:
            raise Undecided("the read index is in use by others for too long", "try again") from None
        except OSError as error:
            raise IndexDamaged(f"{os.fspath(place)!r}: {error.strerror}") from error


class _Editor(IndexEditor):
    """One transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def state(self) -> str:
        row = self._connection.execute("SELECT state FROM meta").fetchone()
        return str(row[0]) if row else ""

    def names(self, kind: str) -> list[str]:
        rows = self._connection.execute("SELECT name FROM models WHERE kind = ? ORDER BY name", (kind,))
        return [name for (name,) in rows]

    def model(self, name: str, folded: str) -> ModelRow | None:
        if not is_text(name):
            return None
        for where, value in (("name = ?", name), ("folded = ? ORDER BY name LIMIT 1", folded)):
            row = self._connection.execute(f"SELECT {_MODEL} FROM models WHERE {where}", (value,)).fetchone()
            if row is not None:
                return ModelRow(*row)
        return None

    def models(self, kind: str, names: Collection[str] | None = None) -> list[ModelRow]:
        rows = self._rows(
            f"SELECT {_MODEL} FROM models WHERE kind = ?", [kind], "name", names, "ORDER BY name"
        )
        return [ModelRow._make(row) for row in rows]

    def versions(self, names: Collection[str] | None = None, run: str | None = None) -> Iterator[VersionRow]:
        where, values = ("run = ?", [run]) if run is not None else ("1", [])
        select = f"SELECT {_VERSION} FROM versions WHERE {where}"
        return map(VersionRow._make, self._rows(select, values, "model", names, _ORDER))

    def version(self, model: str, version: str) -> VersionRow | None:
        select = f"SELECT {_VERSION} FROM versions WHERE model = ? AND version = ?"
        row = self._connection.execute(select, (model, version)).fetchone()
        return VersionRow(*row) if row else None

    def highest(self, names: Collection[str] | None = None) -> Iterator[VersionRow]:
        inside = "FROM versions AS other WHERE other.model = one.model AND other.stage = one.stage"
        select = f"SELECT {_VERSION} FROM versions AS one WHERE position = (SELECT max(position) {inside})"
        order = f"ORDER BY model, (SELECT min(position) {inside})"
        return map(VersionRow._make, self._rows(select, [], "model", names, order))

    def times(self, models: Collection[str]) -> dict[str, dict[str, tuple[int, int]]]:
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for model, version, first, last in self._rows("SELECT * FROM times WHERE 1", [], "model", models, ""):
            found.setdefault(model, {})[version] = (first, last)
        return found

    def places(self, model: str) -> list[VersionPlace]:
        select = f"SELECT {_PLACE} FROM versions WHERE model = ? ORDER BY position"
        return [VersionPlace._make(row) for row in self._connection.execute(select, (model,))]

    def oldest(self, model: str) -> int | None:
        found = self._connection.execute(
            "SELECT min(created) FROM versions WHERE model = ?", (model,)
        ).fetchone()
        return None if found[0] is None else int(found[0])

    def _rows(
        self, select: str, values: Sequence[object], column: str, names: Collection[str] | None, order: str
    ) -> Iterator[tuple[Any, ...]]:
        """What is selected, of all names or of these; each statement takes so many of them.

        Each is read to its end at once: a cursor that is left open would outlive an index that is thrown away.
        """
        if names is None:
            yield from self._connection.execute(f"{select} {order}", values).fetchall()
            return
        wanted = sorted({name for name in names if is_text(name)})
        for at in range(0, len(wanted), _AT_A_TIME):
            part = wanted[at : at + _AT_A_TIME]
            among = f"{column} IN ({','.join('?' * len(part))})"
            yield from self._connection.execute(f"{select} AND {among} {order}", [*values, *part]).fetchall()

    def clear(self) -> None:
        for table in _TABLES:
            self._connection.execute(f"DELETE FROM {table}")

    def set_state(self, state: str) -> None:
        self._connection.execute("DELETE FROM meta")
        self._connection.execute("INSERT INTO meta VALUES (?)", (state,))

    def set_model(self, row: ModelRow) -> None:
        self._put("models", [row])

    def drop_model(self, name: str) -> None:
        self._connection.execute("DELETE FROM models WHERE name = ?", (name,))
        self._connection.execute("DELETE FROM versions WHERE model = ?", (name,))

    def set_versions(self, rows: Iterable[VersionRow]) -> None:
        self._put("versions", list(rows))

    def drop_versions(self, model: str, versions: Iterable[str]) -> None:
        rows = [(model, version) for version in versions]
        self._connection.executemany("DELETE FROM versions WHERE model = ? AND version = ?", rows)

    def set_places(self, model: str, places: Iterable[VersionPlace]) -> None:
        rows = [(p.position, p.stage, p.aliases, p.updated, model, p.version) for p in places]
        self._connection.executemany(
            "UPDATE versions SET position = ?, stage = ?, aliases = ?, updated = ? WHERE model = ? AND version = ?",
            rows,
        )

    def set_times(self, model: str, times: Mapping[str, tuple[int, int]]) -> None:
        self._connection.execute("DELETE FROM times WHERE model = ?", (model,))
        self._put("times", [(model, version, first, last) for version, (first, last) in times.items()])

    def _put(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            marks = ",".join("?" * len(rows[0]))
            self._connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)


def _close(connection: sqlite3.Connection, owner: int) -> None:
    """Ends a connection, but not in a forked child: it is its parent's, who may be in the middle of an edit."""
    if os.getpid() == owner:
        connection.close()
