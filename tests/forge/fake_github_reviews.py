"""The operations on reviews: https://docs.github.com/en/rest/pulls/reviews."""

from __future__ import annotations

from typing import Any

from forge.fake_github_calls import PULL, Call, error, operation, unprocessable
from forge.fake_github_pull_json import review
from forge.fake_github_state import Pull, Review
from forge.git_host import Answer

_STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
_OWN = {"APPROVE": "approve", "REQUEST_CHANGES": "request changes on"}


@operation("GET", PULL + "/reviews", "pull_requests:read")
def list_reviews(call: Call) -> Answer:
    viewer = call.actor.login if call.actor else None
    seen = [one for one in call.pull.reviews if one.state != "PENDING" or one.login == viewer]
    return call.page(seen, lambda one: review(call.host, call.repo, call.pull, one))


@operation("GET", PULL + "/reviews/{review_id}", "pull_requests:read")
def get_review(call: Call) -> Any:
    return review(call.host, call.repo, call.pull, _named(call))


def _named(call: Call) -> Review:
    viewer = call.actor.login if call.actor else None
    for one in call.pull.reviews:
        if str(one.id) == call.param("review_id") and (one.state != "PENDING" or one.login == viewer):
            return one
    raise error(404, "Not Found")


@operation("POST", PULL + "/reviews", "pull_requests:write")
def create_review(call: Call) -> Any:
    pull, data = call.pull, call.request.data
    event, commit = data.get("event"), data.get("commit_id") or pull.head
    _may_review(call, pull, event, data.get("body") or "")
    if commit != pull.head and commit not in {
        one.oid for one in call.repo.bare.commits(pull.base, pull.head)
    }:
        raise unprocessable("The commit_id is not part of the pull request")
    if event is None and any(one.state == "PENDING" and one.login == call.login for one in pull.reviews):
        raise unprocessable("User can only have one pending review per pull request")
    one = Review(call.host.next_id(), call.login, "PENDING", commit, call.text("body") or "", call.host.now)
    pull.reviews.append(one)
    if event:
        _submit(call, pull, one, event)
    return review(call.host, call.repo, pull, one)


def _may_review(call: Call, pull: Pull, event: str | None, body: str) -> None:
    token = call.request.token
    if event in _OWN and pull.login.lower() == call.login.lower():
        raise unprocessable(f"Can not {_OWN[event]} your own pull request")
    if event in ("REQUEST_CHANGES", "COMMENT") and not body.strip():
        raise unprocessable("You need to leave a comment indicating the requested changes.")
    bot = token is not None and token.login == "github-actions[bot]"
    if event == "APPROVE" and bot and not call.repo.actions_may_approve:
        raise unprocessable("GitHub Actions is not permitted to approve pull requests.")


def _submit(call: Call, pull: Pull, one: Review, event: str) -> None:
    one.state, one.at = _STATES[event], call.host.now
    pull.updated = call.host.now
    pull.reviewers = [login for login in pull.reviewers if login != call.login]
    call.host.announce("pull_request_review", call.repo, pull, call.login, action="submitted", review=one)
    call.host.settle(call.repo)


@operation("POST", PULL + "/reviews/{review_id}/events", "pull_requests:write")
def submit_review(call: Call) -> Any:
    pull, data, one = call.pull, call.request.data, _named(call)
    if one.state != "PENDING":
        raise unprocessable("The pull request review has already been submitted")
    event = data.get("event", "COMMENT")
    one.body = call.text("body") or one.body
    _may_review(call, pull, event, one.body)
    _submit(call, pull, one, event)
    return review(call.host, call.repo, pull, one)


@operation("PUT", PULL + "/reviews/{review_id}/dismissals", "pull_requests:write")
def dismiss_review(call: Call) -> Any:
    pull, one = call.pull, _named(call)
    call.need_role("write", "Must have write access.")
    message = call.request.data.get("message", "")
    if one.state not in ("APPROVED", "CHANGES_REQUESTED"):
        raise unprocessable(f"Can not dismiss a {one.state.lower()} pull request review")
    if not message.strip():
        raise unprocessable("You need to leave a message")
    call.host.dismiss(pull, one, call.login, message)
    call.host.announce("pull_request_review", call.repo, pull, call.login, action="dismissed", review=one)
    return review(call.host, call.repo, pull, one)
