"""Registering: the bytes first, then the record; the same bytes once; numbers that are never used twice."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from flow_kit import Desk, message, new_version

from gitreg.core.names import Version
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.plan import NothingToDo
from gitreg.core.plan.register import NewModel
from gitreg.core.plan.rename import plan_rename
from gitreg.core.ports import Payload, Progress, RefUpdate
from gitreg.errors import ConfigError, NotFound, Refused, Undecided, UsageError
from gitreg.flows.land import Landed, LandingMode, land
from gitreg.flows.propose import Proposed
from gitreg.flows.register import register
from gitreg.flows.workspace import Workspace


def registered(solo: Desk, content: bytes, model: str = "credit-risk", **said: object) -> Version:
    """Registers content in the solo registry; the number it got."""
    found = register(solo("solo"), new_version(solo.payload(content), model, **said))
    assert isinstance(found, Landed)
    ws = solo("solo")
    return ws.snapshot(ws.tip()).numbers(model)[-1]


def test_record(solo: Desk) -> None:
    content = b"weights\n" * 100
    assert registered(solo, content, params={"depth": 3}, description="Good.", tags={"team": "risk"}) == 4
    ws = solo("solo")
    snapshot = ws.snapshot(ws.tip())
    record = snapshot.demand_record("credit-risk", 4)
    assert record.artifact.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert (record.artifact.path, record.artifact.size, record.artifact.files) == ("model.onnx", 800, 1)
    assert (record.created_at, record.created_by.email) == (solo.now, "dan@example.com")
    assert (record.params, record.metrics) == ({"depth": 3}, {"roc_auc": 0.9})
    notes = snapshot.notes("credit-risk", 4)
    assert notes is not None
    assert (notes.description, notes.tags) == ("Good.", {"team": "risk"})
    pointer = snapshot.dvc_pointer("credit-risk", record)
    assert pointer is not None
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert pointer.md5 == md5
    assert (solo.artifacts / "files/md5" / md5[:2] / md5[2:]).read_bytes() == content


def test_directory(solo: Desk) -> None:
    folder = solo.root / "bundle"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a" * 10)
    (folder / "sub/b.bin").write_bytes(b"b" * 20)
    register(solo("solo"), new_version(os.fspath(folder)))
    ws = solo("solo")
    artifact = ws.snapshot(ws.tip()).demand_record("credit-risk", 4).artifact
    assert (artifact.path, artifact.size, artifact.files) == ("bundle", 30, 2)


# The same bytes


def test_same_bytes_are_adopted(solo: Desk) -> None:
    assert registered(solo, b"same\n") == 4
    with (
        solo.unchanged("solo"),
        pytest.raises(NothingToDo, match="credit-risk/4 already has these bytes") as error,
    ):
        registered(solo, b"same\n")
    assert error.value.exit_code == 0
    assert "--again" in message(error)


def test_same_bytes_in_an_open_request_are_adopted(desk: Desk) -> None:
    """By whom and when they were registered is no reason to ask once more, and to make approvals void."""
    first = register(desk("dan"), new_version(desk.payload()))
    desk.later(hours=1)
    with desk.unchanged():
        second = register(desk("bo"), new_version(desk.payload()))
    assert isinstance(first, Proposed)
    assert isinstance(second, Proposed)
    assert (second.how, second.request.id) == ("adopted", first.request.id)


def test_other_words_about_the_same_bytes_renew_the_request(desk: Desk) -> None:
    first = register(desk("dan"), new_version(desk.payload()))
    second = register(desk("dan"), new_version(desk.payload(), metrics={"roc_auc": 0.95}))
    assert isinstance(first, Proposed)
    assert isinstance(second, Proposed)
    assert (second.how, second.request.id) == ("renewed", first.request.id)
    assert second.request.head != first.request.head


def test_again(solo: Desk) -> None:
    assert [registered(solo, b"same\n"), registered(solo, b"same\n", again=True)] == [4, 5]


def test_again_twice_are_two_requests(desk: Desk) -> None:
    found = [register(desk("dan"), new_version(desk.payload(), again=True)) for _ in range(2)]
    assert [one.request.id for one in found if isinstance(one, Proposed)] == ["1", "2"]


def test_same_bytes_under_another_model(solo: Desk) -> None:
    assert registered(solo, b"same\n") == 4
    assert registered(solo, b"same\n", "other", create=NewModel()) == 1


# Numbers


def test_semver(solo: Desk) -> None:
    create = NewModel(scheme="semver")
    assert registered(solo, b"one\n", "churn", create=create, version="1.0.0") == "1.0.0"
    assert registered(solo, b"two\n", "churn", version="1.1.0-rc.1") == "1.1.0-rc.1"
    bad: dict[str, str]
    for bad, problem in (
        ({}, "needs a number"),
        ({"version": "1.0"}, "not a SemVer version"),
        ({"version": "1.0.0+build"}, "build metadata"),
    ):
        with solo.unchanged("solo"), pytest.raises(UsageError, match=problem):
            registered(solo, b"three\n", "churn", **bad)
    for taken in ("1.0.0", "1.1.0-RC.1"):
        with solo.unchanged("solo"), pytest.raises(Refused, match="exists, or existed"):
            registered(solo, b"three\n", "churn", version=taken)
    with solo.unchanged("solo"), pytest.raises(UsageError, match="numbers its versions by itself"):
        registered(solo, b"three\n", version="1.0.0")


def test_create(solo: Desk) -> None:
    with solo.unchanged("solo"), pytest.raises(NotFound, match="no model is called 'churn'") as error:
        registered(solo, b"one\n", "churn")
    assert "--create" in message(error)
    assert registered(solo, b"one\n", "churn", create=NewModel(title="Churn")) == 1
    assert registered(solo, b"two\n", "churn", create=NewModel()) == 2  # harmless once it is there
    with solo.unchanged("solo"), pytest.raises((Refused, NothingToDo)):
        registered(solo, b"one\n", "CHURN", create=NewModel())


@pytest.mark.parametrize("name", ["", " a", "a/b", "..", "a.", "con", "a\nb", "-x", "a" * 129, "cafe\u0301"])
def test_bad_names(solo: Desk, name: str) -> None:
    with solo.unchanged("solo"), pytest.raises(UsageError, match="cannot name a model"):
        registered(solo, b"one\n", name, create=NewModel())


def test_deleted_numbers_are_never_used_again(solo: Desk) -> None:
    assert registered(solo, b"four\n") == 4
    delete(solo, 4)
    assert registered(solo, b"five\n") == 5
    assert registered(solo, b"four\n") == 6  # the bytes of a deleted version are nobody's


def delete(solo: Desk, version: Version, model: str = "credit-risk") -> None:
    land(solo("solo"), lambda snapshot: plan_delete_version(snapshot, model, version, "wrong", solo.now))


def test_deleted_semver_is_never_used_again(solo: Desk) -> None:
    registered(solo, b"one\n", "churn", create=NewModel(scheme="semver"), version="1.0.0")
    delete(solo, "1.0.0", "churn")
    with solo.unchanged("solo"), pytest.raises(Refused, match="existed and was deleted"):
        registered(solo, b"two\n", "churn", version="1.0.0")


def test_a_model_made_again_goes_on_counting(solo: Desk) -> None:
    registered(solo, b"one\n", "churn", create=NewModel())
    registered(solo, b"two\n", "churn")
    delete(solo, 2, "churn")
    land(solo("solo"), lambda snapshot: plan_delete_model(snapshot, "churn", "no more", solo.now))
    with solo.unchanged("solo"), pytest.raises(NotFound, match="churn"):
        registered(solo, b"three\n", "churn")
    assert registered(solo, b"three\n", "churn", create=NewModel()) == 3
    land(solo("solo"), lambda snapshot: plan_delete_model(snapshot, "churn", "again", solo.now))
    assert registered(solo, b"four\n", "churn", create=NewModel()) == 4


def test_a_former_name_registers_under_the_new_one(solo: Desk) -> None:
    land(solo("solo"), lambda snapshot: plan_rename(snapshot, "credit-risk", "risk", solo.now))
    found = register(solo("solo"), new_version(solo.payload()))
    assert found.plan.title == "Register risk/4"
    again = register(solo("solo"), new_version(solo.payload(b"more\n"), "CREDIT-RISK", create=NewModel()))
    assert again.plan.title == "Register risk/5"


# The bytes first


def spied(ws: Workspace, before_upload: object) -> Workspace:
    """A workspace whose store calls ``before_upload`` when its upload begins."""
    from dataclasses import replace

    def open_store(snapshot):  # type: ignore[no-untyped-def]
        store = ws.open_store(snapshot)
        upload = store.upload

        def called(path: str, payload: Payload, progress: Progress) -> None:
            before_upload()  # type: ignore[operator]
            upload(path, payload, progress)

        store.upload = called  # type: ignore[method-assign]
        return store

    return replace(ws, open_store=open_store)


def test_upload_comes_before_the_record(desk: Desk) -> None:
    """A registration that dies after the upload leaves an object, and no manifest without one."""
    before = desk.refs(), len(desk.objects())

    def die(updates: list[RefUpdate]) -> None:
        raise Undecided("the line is dead")

    ws = desk("dan")
    ws.repository.update = die  # type: ignore[assignment,method-assign]
    with pytest.raises(Undecided, match="the line is dead"):
        register(ws, new_version(desk.payload()))
    assert (desk.refs(), len(desk.objects())) == (before[0], before[1] + 1)
    assert isinstance(register(desk("dan"), new_version(desk.payload())), Proposed)


def test_upload_that_dies_leaves_nothing_that_names_it(desk: Desk) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    with desk.unchanged(), pytest.raises(KeyboardInterrupt):
        register(spied(desk("dan"), die), new_version(desk.payload()))


def test_payload_that_changes_meanwhile(desk: Desk) -> None:
    path = desk.payload()

    def overwrite() -> None:
        Path(path).write_bytes(b"other bytes\n")

    with desk.unchanged(), pytest.raises(Refused, match="changed meanwhile"):
        register(spied(desk("dan"), overwrite), new_version(path))


def test_what_is_refused_costs_no_upload(desk: Desk) -> None:
    with desk.unchanged(), pytest.raises(Refused, match="nothing enforces"):
        register(desk("dan"), new_version(desk.payload()), mode=LandingMode.DIRECT)
    with desk.unchanged(), pytest.raises(UsageError, match="would not be valid"):
        register(desk("dan"), new_version(desk.payload(), metrics={"": 1.0}))


def test_verify_reads_every_byte_of_a_new_version(desk: Desk) -> None:
    """An object that was broken after the upload: the request says so."""
    ws = desk("dan")
    register(ws, new_version(desk.payload(b"x" * 1000)))
    new = max(desk.artifacts.rglob("*"), key=lambda path: path.stat().st_mtime_ns if path.is_file() else 0)
    new.chmod(0o644)
    new.write_bytes(b"y" * 1000)
    from gitreg.flows.change import verify_request

    (finding,) = verify_request(desk("bo"), "1").findings
    assert finding.rule == "GR501"
    assert "corrupt" in finding.message


# What cannot be registered


def test_unreadable_payloads(solo: Desk) -> None:
    empty = solo.payload(b"", "empty.onnx")
    link = solo.root / "link.onnx"
    link.symlink_to(solo.payload())
    folder = solo.root / "folder"
    folder.mkdir()
    (folder / "inner").symlink_to("/etc/passwd")
    pipe = solo.root / "pipe.onnx"
    os.mkfifo(pipe)
    for path, problem in (
        (empty, "is empty"),
        (os.fspath(link), "symbolic link"),
        (os.fspath(folder), "symbolic link"),
        (os.fspath(pipe), "neither a file nor a directory"),
        (solo.payload(b"x", "version.yaml"), "keep a file of that name"),
    ):
        with solo.unchanged("solo"), pytest.raises(Refused, match=problem):
            register(solo("solo"), new_version(path))
    with solo.unchanged("solo"), pytest.raises(NotFound, match="is not there"):
        register(solo("solo"), new_version(os.fspath(solo.root / "nosuch")))


def test_no_remote(solo: Desk) -> None:
    import dataclasses

    from gitreg.wiring import Options, open_registry, open_store

    ws = solo("solo")
    opened = open_registry(Options(os.fspath(solo.root / "solo")))
    nowhere = dataclasses.replace(ws, open_store=lambda snapshot: open_store(opened, snapshot, "backup"))
    with solo.unchanged("solo"), pytest.raises(ConfigError, match="no remote 'backup'"):
        register(nowhere, new_version(solo.payload()))
    opened.repository.close()


def test_another_remote_by_option(desk: Desk) -> None:
    other = desk.root / "other-remote"
    other.mkdir()
    ws = desk("dan", remote=os.fspath(other))
    found = register(ws, new_version(desk.payload()))
    assert isinstance(found, Proposed)
    assert found.findings == ()
    assert [path for path in other.rglob("*") if path.is_file()]
