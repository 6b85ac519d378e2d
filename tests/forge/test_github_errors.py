"""What goes wrong between gitreg and GitHub, and what a person is told: one line, a hint, and never the token."""

from __future__ import annotations

import logging
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from forge_contract import NOW, Desk

from forge.git_host import Answer
from forge.github_world import HUB, PULLS, World
from gitreg.adapters.forge.github import api as github_api
from gitreg.adapters.forge.github.api import GithubApi
from gitreg.adapters.forge.github.retry import ATTEMPTS, LIMIT, Allowance, wait_of
from gitreg.adapters.forge.hosted import NotPermitted, Unknown, Unreachable
from gitreg.adapters.forge.tokens import Token
from gitreg.errors import ConfigError, GitregError, NotFound, Refused, Undecided


def problem(message: str, **headers: str) -> Answer:
    return Answer(
        403,
        {"message": message, "documentation_url": ""},
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


def asked(hub: World, path: str = PULLS) -> int:
    return sum(each.path.startswith(path) for each in hub.github.exchanges)


def told(action: Callable[[], object], kind: type[GitregError]) -> tuple[str, str]:
    with pytest.raises(kind) as error:
        action()
    assert "\n" not in error.value.message
    assert "ghp_" not in f"{error.value.message} {error.value.hint} {error.value.__cause__!r}"
    return error.value.message, str(error.value.hint)


# --- the token ---------------------------------------------------------------------------------------------------


def test_a_token_that_has_expired(hub: World) -> None:
    token = hub.github.personal_token("bob-gh", expires=NOW + timedelta(hours=1))
    bob = hub.desk("bob-gh", token)
    new = bob.new()
    hub.github.advance(hours=2)
    message, hint = told(bob.forge.requests, ConfigError)
    assert message.startswith("cannot list change requests: 127.0.0.1:")
    assert message.endswith("does not accept the token from GH_TOKEN (Bad credentials)")
    assert "expired or was revoked" in hint
    told(lambda: bob.forge.open(new, None, None, NOW), GitregError)
    assert hub.hub.bare.branch(new.branch) is None


def test_a_token_without_the_scope_for_writing(hub: World, alice: Desk) -> None:
    request = alice.opened()
    token = hub.github.personal_token("bob-gh", scopes=())
    bob = hub.forge(alice.repository, token)  # type: ignore[arg-type]
    message, hint = told(lambda: bob.review(request, ""), Unknown)
    assert "knows no such thing in acme/models, or does not show it" in message
    assert "the token from GH_TOKEN may read and write there" in hint


def test_a_token_without_a_permission_is_told_which(hub: World, alice: Desk) -> None:
    request = alice.opened()
    said = problem(
        "Resource not accessible by personal access token",
        X_Accepted_GitHub_Permissions="issues=write; pull_requests=write",
    )
    hub.github.fail(said, "POST", f"/repos/{HUB}/issues")
    message, hint = told(lambda: alice.forge.comment(request, "x"), NotPermitted)
    assert "does not let the token from GH_TOKEN do that: Resource not accessible" in message
    assert hint == "it needs the permission issues=write or pull_requests=write"


def test_a_token_without_a_scope_is_told_which(hub: World, alice: Desk) -> None:
    said = problem("no", X_Accepted_OAuth_Scopes="repo", X_OAuth_Scopes="public_repo")
    hub.github.fail(said, "GET", PULLS)
    _, hint = told(alice.forge.requests, NotPermitted)
    assert hint == "it needs one of the scopes repo; it has public_repo"


def test_a_token_that_an_organisation_has_not_admitted(hub: World, alice: Desk) -> None:
    said = problem(
        "Resource protected by organization SAML", X_GitHub_SSO="required; url=https://github.com/x"
    )
    hub.github.fail(said, "GET", PULLS)
    _, hint = told(alice.forge.requests, NotPermitted)
    assert hint == "allow the token for the organisation: https://github.com/x"


def test_actions_may_have_to_be_allowed_to_open_requests(hub: World, alice: Desk) -> None:
    job = hub.desk("github-actions[bot]", hub.github.actions_token(HUB))
    message, hint = told(lambda: job.opened(), NotPermitted)
    assert "GitHub Actions is not permitted to create or approve pull requests" in message
    assert "settings, under Actions, General" in hint


def test_an_archived_repository_is_only_read(hub: World, alice: Desk) -> None:
    hub.github.fail(problem("Repository was archived so is read-only."), "POST", PULLS)
    message, _ = told(alice.opened, Refused)
    assert "archived" in message


def test_a_repository_that_is_not_there_or_not_shown(hub: World, alice: Desk) -> None:
    forge = hub.forge(alice.repository, "x")  # type: ignore[arg-type]
    forge.api = GithubApi(
        hub.address("acme/other"), Token(hub.github.personal_token("bob-gh"), "GitHub token", "GH_TOKEN")
    )
    for action in (forge.requests, lambda: forge.request("1"), lambda: forge.about("", "1" * 40)):
        message, _ = told(action, Unknown)
        assert "knows no such thing in acme/other, or does not show it" in message
    with pytest.raises(NotFound):
        forge.request("x")


@pytest.mark.parametrize("status", [301, 307])
def test_a_repository_that_has_been_renamed(hub: World, alice: Desk, status: int) -> None:
    moved = {"Location": f"{hub.github.api}/repositories/1/pulls"}
    hub.github.fail(Answer(status, {"message": "Moved"}, moved), "GET", PULLS)
    message, hint = told(alice.forge.requests, ConfigError)
    assert message == "the repository has been renamed or moved"
    assert "git remote set-url" in hint


def test_the_token_is_in_no_log(hub: World, alice: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        request = alice.opened()
        alice.forge.comment(request, "x")
        hub.github.fail(None, "GET", PULLS, times=9)
        with pytest.raises(Undecided):
            alice.forge.requests()
    assert "/pulls" in caplog.text
    assert alice.forge.api.token.value not in caplog.text  # type: ignore[attr-defined]
    assert alice.forge.api.token.value not in repr(alice.forge.api.token)  # type: ignore[attr-defined]


def test_without_pygithub_it_says_what_to_install(
    hub: World, alice: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "github", None)
    _, hint = told(alice.forge.requests, ConfigError)
    assert hint == "pip install 'gitreg[github]'"


# --- rate limits -------------------------------------------------------------------------------------------------


def test_a_short_limit_is_waited_for_even_before_writing(hub: World, alice: Desk) -> None:
    hub.github.limit("POST", PULLS, retry_after=1)
    begin = time.monotonic()
    assert alice.opened().id == "1"
    assert time.monotonic() - begin >= 1
    assert asked(hub) == 3  # looked for, refused, made


def test_a_limit_that_takes_too_long_is_told(hub: World, alice: Desk) -> None:
    hub.github.limit("GET", PULLS, retry_after=3600)
    message, hint = told(alice.forge.requests, Undecided)
    until = message.rpartition("until ")[2]
    assert message.startswith("cannot list change requests: 127.0.0.1:")
    expected = datetime.now(UTC) + timedelta(hours=1)
    assert abs(datetime.strptime(until, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC) - expected) < timedelta(
        minutes=1
    )
    assert "not done twice" in hint
    assert asked(hub) == 1


def test_a_limit_without_a_time_is_not_guessed_at(hub: World, alice: Desk) -> None:
    hub.github.fail(problem("You have exceeded a secondary rate limit."), "GET", PULLS)
    message, _ = told(alice.forge.requests, Undecided)
    assert "wants fewer requests until" in message


def test_a_used_up_hour_is_told(hub: World, alice: Desk) -> None:
    reset = str(int(time.time()) + 1800)
    said = problem(
        "API rate limit exceeded for user ID 1.", X_RateLimit_Remaining="0", X_RateLimit_Reset=reset
    )
    hub.github.fail(said, "GET", PULLS)
    assert "wants fewer requests until" in told(alice.forge.requests, Undecided)[0]
    assert asked(hub) == 1


def test_all_requests_of_a_command_share_one_patience() -> None:
    allowance = Allowance(0.02)
    allowance.spend(0.01)
    assert allowance.covers(0.01)
    assert not allowance.covers(0.011)
    assert LIMIT == 60


def test_how_long_github_wants_a_pause() -> None:
    now = time.time()
    assert wait_of({"Retry-After": "7"}) == 7
    assert wait_of({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}) == 0
    assert wait_of({"retry-after": "soon"}) is None
    assert wait_of({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(now - 5))}) == 0
    assert wait_of({"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": str(int(now + 5))}) is None
    wait = wait_of({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(now + 5))})
    assert wait is not None
    assert 4 < wait < 7


# --- the network -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [Answer(502, {"message": "Bad Gateway"}), Answer(503), None])
def test_reading_is_tried_again(hub: World, alice: Desk, answer: Answer | None) -> None:
    hub.github.fail(answer, "GET", PULLS, times=2)
    assert alice.forge.requests() == []
    assert asked(hub) == 3


@pytest.mark.parametrize("answer", [Answer(500, {"message": "Server Error"}), None])
def test_reading_is_not_tried_for_ever(hub: World, alice: Desk, answer: Answer | None) -> None:
    hub.github.fail(answer, "GET", PULLS, times=99)
    message, _ = told(alice.forge.requests, Unreachable)
    assert message.startswith("cannot list change requests: 127.0.0.1:")
    assert asked(hub) == ATTEMPTS + 1


@pytest.mark.parametrize("answer", [Answer(502, {"message": "Bad Gateway"}), None])
def test_writing_is_not_tried_again(hub: World, alice: Desk, answer: Answer | None) -> None:
    request = alice.opened()
    hub.github.fail(answer, "POST", f"{PULLS}/1/reviews")
    bob = hub.desk("bob-gh")
    message, _ = told(lambda: bob.forge.review(request, ""), Unreachable)
    assert message.startswith("cannot review change request #1: 127.0.0.1:")
    assert asked(hub, f"{PULLS}/1/reviews") == 2  # and looked for
    assert hub.hub.pulls[1].reviews == []


def api_at(hub: World, url: str) -> GithubApi:
    return GithubApi(replace(hub.address(), api=url), Token("ghp_secret", "GitHub token", "GH_TOKEN"))


def test_a_server_that_is_not_there(hub: World) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = api_at(hub, f"http://127.0.0.1:{port}/api/v3")
    message, hint = told(lambda: api.get("ask", "/user"), Unreachable)
    assert "could not be reached" in message
    assert "Connection refused" in message
    assert "0x" not in message
    assert "network" in hint
    api.close()


def test_a_name_that_is_nobody_s(hub: World) -> None:
    api = api_at(hub, "http://nobody.invalid/api/v3")
    assert "could not be reached" in told(lambda: api.get("ask", "/user"), Unreachable)[0]
    api.close()


@pytest.mark.parametrize("body", [["a", "list"], {"an": "object"}, "<html>"])
def test_an_answer_that_makes_no_sense(hub: World, alice: Desk, body: object) -> None:
    hub.github.fail(Answer(200, body), "GET", f"/repos/{HUB}")
    action = alice.forge.requests if isinstance(body, dict) else lambda: alice.forge.request("1")
    assert "makes no sense" in told(action, Unreachable)[0]


def test_a_list_that_never_ends(hub: World, alice: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_api, "MOST_PAGES", 5)
    onwards = {"Link": f'<{hub.github.api}{PULLS}?page=2>; rel="next"'}
    hub.github.fail(Answer(200, [], onwards), "GET", PULLS, times=9)

    assert "does not end" in told(alice.forge.requests, Undecided)[0]


def test_a_next_page_on_another_server_is_not_asked_for(hub: World, alice: Desk) -> None:
    elsewhere = {"Link": '<http://evil.example/pulls?page=2>; rel="next"'}
    hub.github.fail(Answer(200, [], elsewhere), "GET", PULLS)
    assert "makes no sense" in told(alice.forge.requests, Unreachable)[0]


def test_what_github_has_against_a_field_is_told(hub: World, alice: Desk) -> None:
    said = {
        "message": "Validation Failed",
        "errors": [{"resource": "PullRequest", "field": "base", "code": "invalid"}, "and\nmore", {}],
        "documentation_url": "",
    }
    hub.github.fail(Answer(422, said), "POST", PULLS)
    assert told(alice.opened, Refused)[0].endswith("GitHub says: Validation Failed; base invalid; and; more")
