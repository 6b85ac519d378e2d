"""The index file by itself: transactions, taking turns, and processes that come and go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gitreg.adapters.cache.index import SqliteIndex
from gitreg.core.read_index import IndexDamaged, ModelRow, VersionPlace, VersionRow
from gitreg.errors import Undecided


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


def version(model: str, number: int, stage: str = "none", run: str | None = None) -> VersionRow:
    return VersionRow(model, str(number), number, stage, "", run, number, number, "[]")


def test_keeps_what_was_put_into_it(place: Path) -> None:
    rows = [version("a", 1), version("a", 2, "live"), version("a", 10), version("b", 1, run="r")]
    with SqliteIndex(place).editing() as editor:
        editor.set_model(ModelRow("a", "a", "model"))
        editor.set_versions(rows)
        editor.set_times("a", {"": (1, 2), "1": (3, 4)})
        editor.set_state("here")
    with SqliteIndex(place).reading() as view:
        assert view.state() == "here"
        assert list(view.versions()) == rows
        assert list(view.versions(["b", "nobody"])) == list(view.versions(run="r")) == rows[3:]
        assert list(view.highest(["a"])) == [rows[2], rows[1]]
        assert view.version("a", "2") == rows[1]
        assert view.times(["a", "b"]) == {"a": {"": (1, 2), "1": (3, 4)}}


def test_takes_more_names_than_a_statement_does(place: Path) -> None:
    names = [f"model-{number:05}" for number in range(3000)]
    with SqliteIndex(place).editing() as editor:
        editor.set_versions(version(name, 1) for name in names)
        assert [row.model for row in editor.versions(names)] == names


def test_places_and_drops_versions(place: Path) -> None:
    with SqliteIndex(place).editing() as editor:
        editor.set_versions([version("a", 1), version("a", 2), version("a", 3)])
        editor.set_places("a", [VersionPlace("2", 7, "live", "x y", 9)])
        editor.drop_versions("a", ["1"])
        assert [(row.version, row.stage) for row in editor.places("a")] == [("3", "none"), ("2", "live")]
        assert editor.oldest("a") == 2
        editor.drop_model("a")
        assert editor.oldest("a") is None


def test_names_that_are_no_text_are_not_there(place: Path) -> None:
    with SqliteIndex(place).reading() as view:
        assert view.model("\ud800", "x") is None
        assert list(view.versions(["\ud800"])) == []


def test_what_fails_was_not_done(place: Path) -> None:
    index = SqliteIndex(place)
    with pytest.raises(ZeroDivisionError), index.editing() as editor:
        editor.set_state(str(editor.set_state("half") or 1 // 0))
    with index.reading() as view:
        assert view.state() == ""


def test_a_reader_sees_one_moment(place: Path) -> None:
    index = SqliteIndex(place)
    with index.editing() as editor:
        editor.set_state("before")
    with index.reading() as view:
        assert view.state() == "before"
        with pytest.raises(Undecided), SqliteIndex(place, patience=0.05).editing() as editor:
            editor.set_state("after")  # cannot be committed while somebody reads
        assert view.state() == "before"


def test_editors_take_turns(place: Path) -> None:
    begin = time.monotonic()
    with SqliteIndex(place).editing():
        with pytest.raises(Undecided, match="too long"), SqliteIndex(place, patience=0.05).editing():
            pass
        with SqliteIndex(place).reading() as view:
            assert view.state() == ""
    assert time.monotonic() - begin < 5


def test_one_in_memory_is_for_itself() -> None:
    one, other = SqliteIndex(None), SqliteIndex(None)
    with one.editing() as editor:
        editor.set_state("one")
    with other.reading() as view:
        assert view.state() == ""
    one.discard()
    with one.reading() as view:
        assert view.state() == ""


def test_an_index_that_was_replaced_is_opened_anew(place: Path) -> None:
    index, other = SqliteIndex(place), SqliteIndex(place)
    for each in (index, other):
        with each.editing() as editor:
            editor.set_state("old")
    other.discard()
    with other.editing() as editor:
        editor.set_state("new")
    with index.editing() as editor:
        assert editor.state() == "new"


def test_a_strange_file_is_damaged_and_is_thrown_away(place: Path) -> None:
    place.write_bytes(b"x" * 5000)
    index = SqliteIndex(place)
    with pytest.raises(IndexDamaged), index.reading():
        pass
    index.discard()
    with index.reading() as view:
        assert view.state() == ""


def test_one_that_cannot_be_locked_goes_on_in_memory(place: Path) -> None:
    place.with_name(f"{place.name}.lock").mkdir()
    index = SqliteIndex(place)
    with pytest.raises(IndexDamaged), index.editing():
        pass
    index.discard()
    with index.editing() as editor:
        editor.set_state("here")
    with index.reading() as view:
        assert view.state() == "here"


def test_a_forked_child_keeps_nobody_from_editing(place: Path) -> None:
    """It has no part in the lock that its parent held when it was forked, and leaves the parent's connection alone."""
    index = SqliteIndex(place)
    wait, go = os.pipe()
    with index.editing() as editor:
        editor.set_state("parent")
        child = os.fork()
        if not child:
            os.close(go)
            os.read(wait, 1)
            index.close()
            with index.reading() as view:
                os._exit(0 if view.state() == "other" else 1)
    with SqliteIndex(place, patience=2).editing() as editor:
        assert editor.state() == "parent"
        editor.set_state("other")
    os.close(go)
    assert os.waitpid(child, 0)[1] == 0
    os.close(wait)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_holds_none(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert not SqliteIndex.can_be_in(tmp_path, "x")


def test_a_folder_that_cannot_be_made_holds_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert not SqliteIndex.can_be_in(tmp_path / "file", "x")
    assert SqliteIndex.can_be_in(tmp_path / "made" / "anew", "x")
