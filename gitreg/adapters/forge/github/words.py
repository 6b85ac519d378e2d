"""What gitreg says on a pull request in the name of the account whose token it has: a review, and one comment."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from gitreg.adapters.forge.github.api import GithubApi
from gitreg.adapters.forge.github.pulls import STATUS, bounded
from gitreg.adapters.forge.hosted import Json, NotPermitted, Unknown, once, same_text
from gitreg.core.ports import ChangeRequest
from gitreg.errors import Refused

T = TypeVar("T")


class OwnWords:
    """The reviews and the comment of one account."""

    def __init__(self, api: GithubApi) -> None:
        self._api = api

    def approve(self, request: ChangeRequest, text: str) -> str:
        """Approves the request's head; returns the review's URL. Raises Refused for one's own request."""
        return self._review(request, text, "APPROVE", "APPROVED")

    def withdraw(self, request: ChangeRequest, text: str) -> str:
        """Takes one's approval back: dismisses it or, where that is not allowed, asks for changes."""
        mine = self._last_review(request)
        if mine is None or mine["state"] != "APPROVED":
            raise Refused(f"change request #{request.id} has no approval of yours")
        path = f"{self._reviews(request)}/{mine['id']}/dismissals"
        body = {"message": bounded(text or "The approval is taken back.")}
        try:
            done = self._api.send(f"take back your approval of #{request.id}", "PUT", path, body)
        except (NotPermitted, Unknown, Refused):
            return self._review(request, body["message"], "REQUEST_CHANGES", "CHANGES_REQUESTED")
        return str(done["html_url"])

    def _review(self, request: ChangeRequest, text: str, event: str, state: str) -> str:
        body = {"commit_id": request.head, "event": event, "body": bounded(text)}
        done = once(
            lambda: self._api.send(
                f"review change request #{request.id}", "POST", self._reviews(request), body
            ),
            lambda: self._said_already(request, state),
        )
        return str(done["html_url"])

    def _said_already(self, request: ChangeRequest, state: str) -> Json | None:
        mine = self._last_review(request)
        return mine if mine and (mine["state"], mine["commit_id"]) == (state, request.head) else None

    def _last_review(self, request: ChangeRequest) -> Json | None:
        """The last of one's reviews that decides something."""
        found = self._api.pages(f"read the reviews of change request #{request.id}", self._reviews(request))
        decisive = [each for each in found if each["state"] not in {"COMMENTED", "PENDING"}]
        return next((each for each in reversed(decisive) if self._is_mine(each)), None)

    def _reviews(self, request: ChangeRequest) -> str:
        return f"{self._api.root}/pulls/{request.id}/reviews"

    def comment(self, request: ChangeRequest, text: str) -> str:
        """Makes the one comment, or brings it up to date; returns its URL."""
        body = bounded(text, [STATUS])
        there = self._own_comment(request)
        if there is None:
            there = once(lambda: self._commented(request, body), lambda: self._own_comment(request))
        elif not same_text(str(there.get("body") or ""), body):
            with self._api.asking(f"update the comment on change request #{request.id}"):
                issue = self._api.repository.get_issue(int(request.id))
                issue.get_comment(there["id"]).edit(body)
        return str(there["html_url"])

    def _commented(self, request: ChangeRequest, body: str) -> Json:
        with self._api.asking(f"comment on change request #{request.id}"):
            return self._api.repository.get_issue(int(request.id)).create_comment(body).raw_data

    def _own_comment(self, request: ChangeRequest) -> Json | None:
        doing = f"read the comments on change request #{request.id}"
        found = self._api.pages(doing, f"{self._api.root}/issues/{request.id}/comments")
        marked = (each for each in found if STATUS in str(each.get("body") or "").splitlines())
        return next((each for each in marked if self._is_mine(each)), None)

    def _is_mine(self, said: Json) -> bool:
        return str((said.get("user") or {}).get("login")).lower() == self._account

    @cached_property
    def _account(self) -> str:
        """Whose token it is, in lower case: a person's, or the bot of an App, such as that of Actions in a job."""
        try:
            return str(self._api.get("ask whose token it is", "/user")["login"]).lower()
        except NotPermitted:
            return self._api.viewer().lower()
