"""Copying a version to another model, in the same registry or in another one with another DVC remote."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from flow_kit import Desk, bytes_of, message, registration

from gitreg.core.names import parse_reference
from gitreg.core.plan.plan import NothingToDo
from gitreg.core.plan.register import NewModel
from gitreg.errors import ConfigError, NotFound, Refused, Undecided
from gitreg.flows.change import merge, verify_request
from gitreg.flows.copy import copy
from gitreg.flows.land import Landed, LandingMode, Preview
from gitreg.flows.propose import Proposed
from gitreg.flows.pull import pull
from gitreg.wiring import Options

CHAMPION = parse_reference("credit-risk@champion")


def test_same_registry(solo: Desk) -> None:
    ws = solo("solo")
    objects = solo.objects()
    found = copy(ws, CHAMPION, ws, "credit-risk-eu", create=NewModel())
    assert isinstance(found, Landed)
    assert found.plan.kind == "copy"
    assert found.plan.title.endswith("credit-risk-eu/1")
    assert solo.objects() == objects
    record = ws.snapshot(ws.tip()).demand_record("credit-risk-eu", 1)
    origin = record.copied_from
    assert origin is not None
    assert (origin.model, origin.version, origin.digest) == ("credit-risk", 1, record.artifact.digest)
    assert origin.registry == ws.registry().id
    assert (record.metrics, record.created_by.email) == ({"roc_auc": 0.9}, "dan@example.com")


def test_what_is_there_already_is_copied_only_if_asked_for_again(solo: Desk) -> None:
    ws = solo("solo")
    with solo.unchanged("solo"), pytest.raises(NothingToDo, match="credit-risk/1 already has these bytes"):
        copy(ws, CHAMPION, ws, "credit-risk")
    found = copy(ws, CHAMPION, ws, "credit-risk", again=True)
    assert isinstance(found, Landed)
    assert found.plan.title.endswith("credit-risk/4")


def test_another_registry_again_after_landing_does_nothing(desk: Desk, solo: Desk) -> None:
    copy(solo("solo"), CHAMPION, desk("dan"), "bought-in", create=NewModel())
    merge(desk("bo"), "1")
    with desk.unchanged(), pytest.raises(NothingToDo, match="bought-in/1 already has these bytes"):
        copy(solo("solo"), CHAMPION, desk("dan"), "bought-in", create=NewModel())
    found = copy(solo("solo"), CHAMPION, desk("dan"), "bought-in", again=True)
    assert isinstance(found, Proposed)
    assert found.plan.title.endswith("bought-in/2")


def test_another_registry(desk: Desk, solo: Desk) -> None:
    """The bytes go from one remote to the other, verified on the way; the request stands when all is there."""
    shutil.rmtree(desk.artifacts)
    desk.artifacts.mkdir()
    found = copy(solo("solo"), CHAMPION, desk("dan"), "bought-in", create=NewModel())
    assert isinstance(found, Proposed)
    assert found.findings == ()
    (stored,) = (path for path in desk.artifacts.rglob("*") if path.is_file())
    assert stored.read_bytes() == bytes_of(1)
    merge(desk("bo"), "1")
    ws = desk("alice")
    ws.repository.fetch()
    _, place = pull(ws, ws.snapshot(ws.tip()), parse_reference("bought-in/1"), os.fspath(desk.root))
    assert Path(place).read_bytes() == bytes_of(1)


def test_another_registry_twice_is_one_request(desk: Desk, solo: Desk) -> None:
    found = [copy(solo("solo"), CHAMPION, desk("dan"), "bought-in", create=NewModel()) for _ in range(2)]
    assert [one.how for one in found if isinstance(one, Proposed)] == ["opened", "adopted"]


def test_directory(desk: Desk, solo: Desk) -> None:
    from flow_kit import new_version

    from gitreg.flows.register import register

    folder = solo.root / "bundle"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a" * 10)
    (folder / "sub/b.bin").write_bytes(b"b" * 20)
    register(solo("solo"), new_version(os.fspath(folder)))
    copy(solo("solo"), parse_reference("credit-risk/4"), desk("dan"), "bundle", create=NewModel())
    assert verify_request(desk("bo"), "1").findings == ()


def test_dry_run(desk: Desk, solo: Desk) -> None:
    with desk.unchanged("origin.git", "dan"), solo.unchanged("solo"):
        found = copy(solo("solo"), CHAMPION, desk("dan"), "bought-in", create=NewModel(), dry_run=True)
    assert isinstance(found, Preview)
    assert "copied_from" in found.diff


@pytest.mark.parametrize(
    "reference", ["nosuch/1", "credit-risk/9", "credit-risk@nosuch", "credit-risk/nosuch"]
)
def test_nothing_to_copy(desk: Desk, solo: Desk, reference: str) -> None:
    with desk.unchanged(), pytest.raises(NotFound):
        copy(solo("solo"), parse_reference(reference), desk("dan"), "bought-in", create=NewModel())


def test_no_model_to_copy_to(desk: Desk, solo: Desk) -> None:
    with desk.unchanged(), pytest.raises(NotFound, match="bought-in") as error:
        copy(solo("solo"), CHAMPION, desk("dan"), "bought-in")
    assert "--create" in message(error)


def test_refused_before_the_transfer(desk: Desk, solo: Desk) -> None:
    with desk.unchanged(), pytest.raises(Refused, match="nothing enforces"):
        copy(solo("solo"), CHAMPION, desk("dan"), "bought-in", create=NewModel(), mode=LandingMode.DIRECT)


def test_corrupt_source_goes_nowhere(desk: Desk, solo: Desk) -> None:
    pointer = registration("credit-risk", 1).pointer
    place = solo.artifacts / "files/md5" / pointer.md5[:2] / pointer.md5[2:]
    place.write_bytes(b"x" * pointer.size)
    with desk.unchanged(), pytest.raises(Refused, match="corrupt"):
        copy(solo("solo"), CHAMPION, desk("dan"), "bought-in", create=NewModel())


def test_missing_source_goes_nowhere(desk: Desk, solo: Desk) -> None:
    shutil.rmtree(solo.artifacts / "files")
    with desk.unchanged(), pytest.raises(Refused, match="missing"):
        copy(solo("solo"), CHAMPION, desk("dan"), "bought-in", create=NewModel())


def test_a_source_that_is_not_there(desk: Desk, solo: Desk) -> None:
    shutil.rmtree(solo.artifacts)
    with desk.unchanged(), pytest.raises(Undecided, match="is not there"):
        copy(solo("solo"), CHAMPION, desk("dan"), "bought-in", create=NewModel())


def test_a_bare_source_with_a_relative_remote(desk: Desk, solo: Desk) -> None:
    """Only a checkout says where ../../artifacts is."""
    source = desk.work(Options(registry=os.fspath(desk.origin)))
    with solo.unchanged("solo"), pytest.raises(ConfigError, match="needs a checkout") as error:
        copy(source, CHAMPION, solo("solo"), "bought-in", create=NewModel())
    assert "--remote URL" in message(error)
