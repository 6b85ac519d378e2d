"""Who made a merge request and who approved it, as GitLab tells it. What that is worth is judged elsewhere.

GitLab's approvals name no commit. Which one an approval was about follows from times: it was given after the newest
version of the request (its diff, as of one push) was made, and the project voids approvals with every push, so it is
about the head of that version. Where the project does not do so, no approval counts.
https://docs.gitlab.com/api/merge_request_approvals/, https://docs.gitlab.com/api/merge_requests/

What GitLab does not tell, or not to this token, becomes a problem: then nothing is decided.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from gitreg.adapters.forge.gitlab.api import GitlabApi
from gitreg.adapters.forge.gitlab.people import People, hands_in
from gitreg.adapters.forge.gitlab.requests import moment
from gitreg.adapters.forge.hosted import Json, NotPermitted, Unknown
from gitreg.core.ports import ChangeRequest, Conversation, Hand, Review
from gitreg.errors import ConfigError, LostRace

#: How often a request may move while it is read.
_ATTEMPTS = 3
#: Who may push to branches that are not protected: https://docs.gitlab.com/user/permissions/ (Developer).
_WRITES = 30

_SIGN = "gitreg change approve --signed counts"
_KEPT = (
    "this project keeps approvals when somebody pushes (reset_approvals_on_push is off, or lacks Premium);"
    f" {_SIGN}"
)
_UNTOLD = f"this GitLab does not say that a push voids approvals (it takes Premium); {_SIGN}"

# System notes: https://docs.gitlab.com/user/project/system_notes/. GitLab writes them in English, and people cannot.
_APPROVED = "approved this merge request"
_UNAPPROVED = "unapproved this merge request"
_ASKED = "requested changes"
_RETARGETED = re.compile(
    r"changed (?:automatically )?target branch|deleted the .* branch\. This merge request now targets"
)


def read_conversation(api: GitlabApi, request: ChangeRequest, accounts: Collection[str]) -> Conversation:
    """Reads all of it, and again if the merge request's head or target moved in the meantime.

    Raises:
        LostRace: it moves all the time.
    """
    found = read_request(api, request.id)
    for _ in range(_ATTEMPTS):
        conversation = _Reading(api, found).conversation(accounts)
        before, found = found, read_request(api, request.id)
        if _place(before) == _place(found):
            return conversation
    raise LostRace(f"change request !{request.id} moves while it is read", "try again")


def read_request(api: GitlabApi, id: str) -> Json:
    """The merge request of a number."""
    return api.get(f"read change request !{id}", f"{api.root}/merge_requests/{int(id)}")


def _place(found: Json) -> tuple[object, ...]:
    return found.get("sha"), found["target_branch"], found["state"]


@dataclass
class _Reading:
    """One pass over one merge request."""

    api: GitlabApi
    found: Json
    problems: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{self.api.root}/merge_requests/{self.found['iid']}"

    @property
    def head(self) -> str:
        return str(self.found.get("sha") or "")

    @cached_property
    def people(self) -> People:
        return People(self.api, self.problems)

    @cached_property
    def notes(self) -> list[Json]:
        """GitLab's own notes, oldest first."""
        found = self._pages("the notes", "notes", sort="asc", order_by="created_at")
        return [note for note in found if note.get("system")]

    def conversation(self, accounts: Collection[str]) -> Conversation:
        author = self._author()
        void = self._void()
        reviews = self._reviews(self._bound_after() if void is None else None)
        hands = [author, *self._pushers(), *self._in_commits()]
        return Conversation(
            provider="gitlab",
            head=self.head,
            author=author,
            hands=tuple(dict.fromkeys(hands)),
            # The clocks that these are compared with have whole seconds.
            reviews=tuple(replace(each, at=each.at.replace(microsecond=0)) for each, _ in reviews),
            since=self._since(),
            writers=self._writers(reviews, accounts),
            void=void,
            problems=tuple(self.problems),
        )

    def _doing(self, what: str) -> str:
        return f"read {what} of change request !{self.found['iid']}"

    def _pages(self, what: str, below: str, **query: str) -> Iterator[Json]:
        return self.api.pages(self._doing(what), f"{self.path}/{below}", **query)

    def _hidden(self, unknown: str, error: ConfigError) -> None:
        """What the token may not see is told as a problem. Silence of GitLab is none, but an error: try again."""
        self.problems.append(f"{unknown} is not known: {error.message}")

    def _author(self) -> Hand:
        found = self.people.hand_of("author", self.found.get("author"))
        if found is None:
            self.problems.append("who opened the change request is not known: the account is gone")
        return found or Hand("author")

    # --- approvals

    def _void(self) -> str | None:
        """Why approvals say nothing about the head; None if they do.

        https://docs.gitlab.com/user/project/merge_requests/approvals/settings/#remove-all-approvals; GitLab shows the
        setting to maintainers (``read_approvers`` in its project policy).
        """
        try:
            found = self.api.get("read the settings of approvals", f"{self.api.root}/approvals")
        except Unknown:
            return _UNTOLD
        except NotPermitted:
            named = f"the token from {self.api.token.source}"
            return f"{named} needs the role Maintainer, to see that a push voids approvals; {_SIGN}"
        return None if found.get("reset_approvals_on_push") is True else _KEPT

    def _bound_after(self) -> datetime | None:
        """When the version was made that has the request's head; approvals from later are about it. None: unknown."""
        versions = list(self._pages("the versions", "versions"))
        newest = max(versions, key=lambda each: (moment(each["created_at"]), each["id"]), default=None)
        if newest is None or newest["head_commit_sha"] != self.head:
            self.problems.append(
                "what was approved is not known: GitLab has not taken in the last push yet; try again"
            )
            return None
        return moment(newest["created_at"])

    def _reviews(self, bound_after: datetime | None) -> list[tuple[Review, int]]:
        """All decisions, oldest first, each with the number of the account."""
        found = [
            *self._approvals(bound_after),
            *self._taken_back(),
            *self._changes_requested(),
        ]
        return sorted(found, key=lambda each: each[0].at)

    def _approvals(self, bound_after: datetime | None) -> Iterator[tuple[Review, int]]:
        answer = self.api.get(self._doing("the approvals"), f"{self.path}/approvals")
        for each in answer.get("approved_by") or []:
            user = each["user"]
            noted = self._last_note(user, _APPROVED)
            given = each.get("approved_at") or (noted or {}).get("created_at")
            at = moment(given or self.found["created_at"])
            is_bound = given is not None and bound_after is not None and at > bound_after
            yield self._review(user, "approved", at, self.head if is_bound else None, noted)

    def _taken_back(self) -> Iterator[tuple[Review, int]]:
        """Approvals that their givers took back, and did not give again."""
        last: dict[int, Json] = {}
        for note in self.notes:
            if note["body"] in (_APPROVED, _UNAPPROVED):
                last[note["author"]["id"]] = note
        for note in last.values():
            if note["body"] == _UNAPPROVED:
                yield self._review(note["author"], "dismissed", moment(note["created_at"]), None, note)

    def _changes_requested(self) -> Iterator[tuple[Review, int]]:
        # https://docs.gitlab.com/api/merge_requests/#get-single-merge-request-reviewers
        try:
            found = list(self._pages("the reviewers", "reviewers"))
        except Unknown:  # as on old GitLabs, where nobody can ask for changes
            return
        for each in found:
            if each.get("state") == "requested_changes":
                note = self._last_note(each["user"], _ASKED)
                at = moment((note or each)["created_at"])
                yield self._review(each["user"], "changes_requested", at, None, note)

    def _last_note(self, user: Json, body: str) -> Json | None:
        mine = (n for n in reversed(self.notes) if n["author"]["id"] == user["id"] and n["body"] == body)
        return next(mine, None)

    def _review(
        self, user: Json, decision: str, at: datetime, commit: str | None, note: Json | None
    ) -> tuple[Review, int]:
        page = str(self.found["web_url"])
        url = f"{page}#note_{note['id']}" if note else page
        is_bot = self.people.is_bot(user)
        return Review(str(user["username"]), decision, commit, at, is_bot, url), int(user["id"])

    def _since(self) -> datetime | None:
        """When the request got the target that it has."""
        times = [moment(n["created_at"]) for n in self.notes if _RETARGETED.match(str(n["body"]))]
        return max(times, default=None)

    def _writers(self, reviews: Sequence[tuple[Review, int]], accounts: Collection[str]) -> frozenset[str]:
        """Those approving accounts that may write. The rest need not be asked about: they do not count."""
        counted = {account.casefold() for account in accounts}
        approving = {
            each.account: number
            for each, number in reviews
            if each.decision == "approved" and each.account.casefold() in counted
        }
        return frozenset(who for who, number in sorted(approving.items()) if self._may_write(who, number))

    def _may_write(self, account: str, number: int) -> bool:
        # https://docs.gitlab.com/api/project_members/: with those of the groups that the project is in.
        path = f"{self.api.root}/members/all/{number}"
        try:
            answer = self.api.get(f"ask whether {account} may write", path)
        except Unknown:  # no member, as far as can be seen: it does not count
            return False
        except NotPermitted as error:
            self._hidden(f"whether {account} may write", error)
            return False
        is_active = answer.get("membership_state", "active") == "active"
        return is_active and int(answer.get("access_level") or 0) >= _WRITES

    # --- who had a hand in it

    def _in_commits(self) -> list[Hand]:
        return [hand for commit in self._pages("the commits", "commits") for hand in hands_in(commit)]

    def _pushers(self) -> list[Hand]:
        """All who pushed to the branch since it was made. GitLab notes a push a moment later than it happens."""
        unknown = f"who pushed {self.head}"
        number = self.found.get("source_project_id")
        if number is None:
            self.problems.append(f"{unknown} is not known: the project that it is in is gone")
            return []
        try:
            return self._noted_pushers(int(number), unknown)
        except (NotPermitted, Unknown) as error:
            self._hidden(unknown, error)
            return []

    def _noted_pushers(self, project: int, unknown: str) -> list[Hand]:
        """From the head back to where the branch was made: each push must begin where the one before it ended.

        https://docs.gitlab.com/api/events/#list-a-projects-visible-events: the newest first. A push of many refs at
        once names none of them, so such a link of the chain is missing.
        """
        found: list[Hand] = []
        expected = self.head
        events = self.api.pages(self._doing("the pushes"), f"/projects/{project}/events", action="pushed")
        for event in events:
            push = event.get("push_data") or {}
            if push.get("ref_type") != "branch" or push.get("ref") != self.found["source_branch"]:
                continue
            if push.get("commit_to") is None and not found:
                continue  # deleted since
            if push.get("commit_to") != expected:
                break
            pusher = self.people.hand_of("pusher", event.get("author"))
            if pusher is None:
                self.problems.append(f"who pushed {expected} is not known: the account is gone")
            else:
                found.append(pusher)
            if push.get("commit_from") is None:
                return found
            expected = str(push["commit_from"])
        self.problems.append(
            f"{unknown} is not known: GitLab lists no such push"
            if expected == self.head
            else f"who pushed {expected} before is not known: GitLab does not list that push"
        )
        return found
