"""For whom a server works: what flask's request says, what counts of it, and what becomes of it in commits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flow_kit import POLICY, Desk, describe, git, landed, make_solo, pin, rules

from gitreg.core.ports import Identity
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.errors import Refused
from gitreg.surfaces.mlflow import caller

if TYPE_CHECKING:
    from flask import Flask

flask = pytest.importorskip("flask")

ROLES = """\
roles:
  scientist: {members: [everybody], may: [register, annotate]}
"""


def registry(policy: str) -> Snapshot:
    without_keys = re.sub(r", keys: \[[A-Z]+\]", "", policy)
    return Snapshot(MemoryTree({path: data or b"" for path, data in rules(without_keys).items()}))


@pytest.fixture(autouse=True)
def no_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(caller.HEADER_VARIABLE, raising=False)


@pytest.fixture
def app() -> Flask:
    made: Flask = flask.Flask("server")
    return made


def test_outside_a_request_nobody_else_asks() -> None:
    assert caller.login() is None
    assert caller.author(registry(POLICY)) is None


def test_what_a_request_carries_unchecked_is_nobody_s_word(app: Flask) -> None:
    headers = {"Authorization": "Basic YWxpY2U6eA==", "X-Forwarded-User": "alice", "Remote-User": "alice"}
    with app.test_request_context(headers=headers, environ_base={"REMOTE_USER": "alice"}):
        assert caller.login() is None


@pytest.mark.parametrize(
    ("path", "is_page"),
    [("/ajax-api/2.0/mlflow/x", True), ("/behind/ajax-api/2.0/x", True), ("/api/2.0/mlflow/x", False)],
)
def test_pages_are_told_from_clients(app: Flask, path: str, is_page: bool) -> None:
    assert not caller.is_page()
    with app.test_request_context(path):
        assert caller.is_page() == is_page


@pytest.mark.parametrize(
    ("user", "known_as"),
    [
        ("alice", Identity("alice", "alice@example.com")),
        ("alice@example.com", Identity("alice", "alice@example.com")),
        ("eve", Identity("eve", "eve@mlflow.invalid")),
        ("Zoë M", Identity("Zoë M", "Zo%C3%AB%20M@mlflow.invalid")),
        ("Alice", Identity("Alice", "Alice@mlflow.invalid")),
    ],
)
def test_a_checked_user_is_who_the_policy_knows_by_that_name(
    app: Flask, user: str, known_as: Identity
) -> None:
    with app.test_request_context():
        flask.g.mlflow_authenticated_user = user
        assert caller.author(registry(POLICY)) == known_as


@pytest.mark.parametrize(
    "user", ["", "<>", "eve\nparent 1234", "a,b", "x" * 201, "...", "e <bo@example.com>"]
)
def test_what_cannot_be_an_author_s_name_is_refused(app: Flask, user: str) -> None:
    with app.test_request_context():
        flask.g.mlflow_authenticated_user = user
        with pytest.raises(Refused, match="cannot be named"):
            caller.login()


def test_a_header_counts_where_the_server_is_told_so_and_alone(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(caller.HEADER_VARIABLE, "X-Forwarded-User")
    with app.test_request_context(headers={"X-Forwarded-User": "bo"}):
        flask.g.mlflow_authenticated_user = "alice"
        assert caller.login() == "bo"
    with app.test_request_context(), pytest.raises(Refused, match="does not say who asks"):
        caller.login()
    both = [("X-Forwarded-User", "bo"), ("X-Forwarded-User", "alice")]
    with app.test_request_context(headers=both), pytest.raises(Refused, match="does not say who asks"):
        caller.login()


@pytest.mark.parametrize("kind", ["register", "annotate"])
def test_a_role_lets_its_members_ask(app: Flask, kind: str) -> None:
    with app.test_request_context():
        flask.g.mlflow_authenticated_user = "dan"
        caller.demand_role(registry(POLICY + ROLES), kind)


@pytest.mark.parametrize(("user", "why"), [("dan", "may not propose"), ("eve", "nobody in the policy")])
def test_the_server_lets_nobody_do_more_than_their_roles(app: Flask, user: str, why: str) -> None:
    with app.test_request_context():
        flask.g.mlflow_authenticated_user = user
        with pytest.raises(Refused, match=why):
            caller.demand_role(registry(POLICY + ROLES), "promote")
        caller.demand_role(registry(POLICY), "promote")  # it has no roles
    caller.demand_role(registry(POLICY + ROLES), "promote")  # the server itself is judged as whoever pushes


@pytest.fixture
def desk(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    pin(monkeypatch, tmp_path / "home")
    template = tmp_path / "template"
    template.mkdir()
    made = Desk(make_solo(template), keys)
    yield made
    made.close()


def test_a_change_is_authored_by_the_user_and_committed_by_the_server(
    app: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = desk("solo")
    ws.find_author, ws.demand_allowed = caller.author, caller.demand_role
    with app.test_request_context():
        flask.g.mlflow_authenticated_user = "eve"
        made = landed(ws, describe("By eve"))
    said = git(desk.root / "solo", "log", "-1", "--format=%an <%ae> by %cn", made.commit)
    assert said == "eve <eve@mlflow.invalid> by Dan"
