"""Pushes over HTTP: ``git http-backend`` with basic authentication says who pushes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from flow_kit import MAIN, Desk, git, landed, promote, proposed
from hook_kit import commit, push
from http_kit import serving
from test_hook_pushes import DESCRIBED, NOTES

from gitreg.core.plan.annotate import plan_annotate
from gitreg.core.plan.plan import Plan
from gitreg.core.snapshot import Snapshot
from gitreg.errors import Refused
from gitreg.flows.change import approve, merge
from gitreg.flows.land import LandingMode

PASSWORDS = {"dan": "d4n", "alice@example.com": "4lice", "mallory": "m4llory", "bo": "b0"}


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    """Where the origin is served; every clone pushes there with its person's password."""
    with serving(desk.root, PASSWORDS) as base:
        for person, login in (("dan", "dan"), ("bo", "bo"), ("alice", "alice%40example.com")):
            host = base.removeprefix("http://")
            password = PASSWORDS[login.replace("%40", "@")]
            git(
                desk.root / person,
                "remote",
                "set-url",
                "origin",
                f"http://{login}:{password}@{host}/origin.git",
            )
        yield base


def url_of(url: str, login: str) -> str:
    return f"http://{login}:{PASSWORDS[login]}@{url.removeprefix('http://')}/origin.git"


def test_who_logs_in_is_who_pushes(desk: Desk, url: str) -> None:
    made = commit(desk, {NOTES: DESCRIBED})
    code, said = push(desk.root / "dan", "work:main")
    assert (code, desk.refs()[MAIN]) == (0, made), said


def test_a_login_that_the_policy_does_not_know(desk: Desk, url: str) -> None:
    commit(desk, {NOTES: DESCRIBED}, "dan", "--author=Alice <alice@example.com>")
    with desk.unchanged():
        code, said = push(desk.root / "dan", "work:main", url=url_of(url, "mallory"))
    assert code
    assert "GR308" in said


def test_a_login_counts_before_a_signature(desk: Desk, url: str) -> None:
    """A signed commit of Dan's that Mallory pushes is what Mallory brings."""
    folder = desk.root / "dan"
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", os.fspath(desk.keys / "dan"))):
        git(folder, "config", name, value)
    commit(desk, {NOTES: DESCRIBED}, "dan", "-S")
    with desk.unchanged():
        code, said = push(folder, "work:main", url=url_of(url, "mallory"))
    assert code
    assert "GR308" in said


def test_nobody_without_a_password(desk: Desk, url: str) -> None:
    commit(desk, {NOTES: DESCRIBED})
    with desk.unchanged():
        code, _ = push(desk.root / "dan", "work:main", url=f"{url}/origin.git")
    assert code


def test_the_story_over_http(desk: Desk, url: str) -> None:
    proposed(desk("dan"), promote(2, "production"))
    with pytest.raises(Refused, match="GR401"):
        merge(desk("bo"), "1")
    approve(desk("alice"), "1")
    assert merge(desk("bo"), "1").commit == desk.refs()[MAIN]


def note(snapshot: Snapshot) -> Plan:
    return plan_annotate(snapshot, "credit-risk", 3, {("description",): "x"})


def test_what_lands_directly_needs_no_key(desk: Desk, url: str) -> None:
    """The client cannot know the login, and leaves it to the server that does."""
    found = landed(desk("dan", key=None), note, mode=LandingMode.DIRECT)
    assert found.commit == desk.refs()[MAIN]


def test_nor_does_it_help_to_have_none(desk: Desk, url: str) -> None:
    git(desk.root / "dan", "remote", "set-url", "origin", url_of(url, "mallory"))
    with desk.unchanged(), pytest.raises(Refused, match="GR308"):
        landed(desk("dan", key=None), note, mode=LandingMode.DIRECT)
