"""Who made a pull request and who approved it, as GitHub tells it. What that is worth is judged elsewhere.

What GitHub does not tell, or not to this token, becomes a problem: then nothing is decided.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote

from gitreg.adapters.forge.github_api import GithubApi, Json, NotPermitted, Unknown
from gitreg.adapters.forge.github_people import hand_of, hands_in, is_bot
from gitreg.adapters.forge.github_pulls import moment, repository_of, runs_named
from gitreg.core.ports import ChangeRequest, Conversation, DispatchedRun, Hand, Review
from gitreg.core.verify.reviews import DISPATCH, PROMOTE_WORKFLOW, is_everybodys
from gitreg.errors import ConfigError, LostRace

#: GitHub lists no more commits of one pull request.
MOST_COMMITS = 250
#: How many runs one pull request may name.
_MOST_RUNS = 10
#: How long after its run GitHub may note a push.
_SLACK = timedelta(minutes=1)
#: How often it may move while it is read.
_ATTEMPTS = 3

_DECISIONS = {"APPROVED": "approved", "CHANGES_REQUESTED": "changes_requested", "DISMISSED": "dismissed"}
# https://docs.github.com/en/rest/using-the-rest-api/issue-event-types
_VOIDING = frozenset(
    {"head_ref_force_pushed", "base_ref_force_pushed", "base_ref_changed", "automatic_base_change_succeeded"}
)
_WRITING = frozenset({"write", "maintain", "admin"})


def read_conversation(api: GithubApi, request: ChangeRequest, accounts: Collection[str]) -> Conversation:
    """Reads all of it, and again if the pull request's head or base moved in the meantime.

    Raises:
        LostRace: it moves all the time.
    """
    pull = _pull(api, request)
    for _ in range(_ATTEMPTS):
        found = _Reading(api, pull).conversation(accounts)
        before, pull = pull, _pull(api, request)
        if _place(before) == _place(pull):
            return found
    raise LostRace(f"change request #{request.id} moves while it is read", "try again")


def _pull(api: GithubApi, request: ChangeRequest) -> Json:
    return api.get(f"read change request #{request.id}", f"{api.root}/pulls/{int(request.id)}")


def _place(pull: Json) -> tuple[object, ...]:
    base = pull["base"]
    return pull["head"]["sha"], base["ref"], base["sha"], pull["state"], pull.get("body")


@dataclass(frozen=True, slots=True)
class _Push:
    """Somebody moved the branch to ``commit``."""

    hand: Hand
    commit: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of Actions; ``begin`` is that of its first attempt, ``end`` None while it runs."""

    dispatched: DispatchedRun
    hands: tuple[Hand, ...]
    begin: datetime
    end: datetime | None

    def may_have_pushed(self, at: datetime) -> bool:
        """Whether it promotes for somebody, and was at it then."""
        is_promotion = (self.dispatched.workflow, self.dispatched.event) == (PROMOTE_WORKFLOW, DISPATCH)
        return is_promotion and self.begin <= at and (self.end is None or at <= self.end + _SLACK)


@dataclass
class _Reading:
    """One pass over one pull request."""

    api: GithubApi
    pull: Json
    problems: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{self.api.root}/pulls/{self.pull['number']}"

    @property
    def head(self) -> str:
        return str(self.pull["head"]["sha"])

    def conversation(self, accounts: Collection[str]) -> Conversation:
        author, pushes, reviews = self._author(), self._pushes(), self._reviews()
        is_by_bots = author.is_bot or any(push.hand.is_bot for push in pushes)
        runs = self._runs() if is_by_bots else []
        self._demand_asked_for(pushes, runs, accounts)
        hands = [
            author,
            *(push.hand for push in pushes),
            *self._in_commits(),
            *(hand for run in runs for hand in run.hands),
        ]
        return Conversation(
            provider="github",
            head=self.head,
            author=author,
            hands=tuple(dict.fromkeys(hands)),
            reviews=reviews,
            since=self._since(),
            writers=self._writers(reviews, accounts),
            run=runs[-1].dispatched if runs else None,
            problems=tuple(self.problems),
        )

    def _doing(self, what: str) -> str:
        return f"read {what} of change request #{self.pull['number']}"

    def _hidden(self, unknown: str, error: ConfigError) -> None:
        """What the token may not see is told as a problem. Silence of GitHub is none, but an error: try again."""
        self.problems.append(f"{unknown} is not known: {error.message}")

    def _author(self) -> Hand:
        found = hand_of("author", self.pull.get("user"))
        if found is None:
            self.problems.append("who opened the change request is not known: the account is gone")
        return found or Hand("author")

    def _reviews(self) -> tuple[Review, ...]:
        found = self.api.pages(self._doing("the reviews"), f"{self.path}/reviews")
        decisive = [_review(each) for each in found if each.get("state") in _DECISIONS]
        return tuple(sorted(decisive, key=lambda review: review.at))

    def _since(self) -> datetime | None:
        path = f"{self.api.root}/issues/{self.pull['number']}/timeline"
        events = self.api.pages(self._doing("the timeline"), path)
        times = [moment(each["created_at"]) for each in events if each.get("event") in _VOIDING]
        return max(times, default=None)

    @cached_property
    def _commits(self) -> Sequence[Json]:
        if self.pull["commits"] > MOST_COMMITS:
            self.problems.append(
                f"who made its {self.pull['commits']} commits is not known: GitHub lists {MOST_COMMITS} at most"
            )
            return []
        return list(self.api.pages(self._doing("the commits"), f"{self.path}/commits"))

    def _in_commits(self) -> list[Hand]:
        return [hand for commit in self._commits for hand in hands_in(commit)]

    def _pushes(self) -> list[_Push]:
        """All pushes to the branch since it was made. GitHub notes a push a moment later than it happens.

        Whoever restores a branch that somebody deleted has not pushed what is in it. So what was pushed to an earlier
        branch of that name counts, too, where it is in the request or came while that was there.
        """
        repository = repository_of(self.pull["head"])
        unknown = f"who pushed {self.head}"
        if repository is None:
            self.problems.append(f"{unknown} is not known: the repository that it is in is gone")
            return []
        try:
            return self._noted_pushes(repository, unknown)
        except (NotPermitted, Unknown) as error:
            self._hidden(unknown, error)
            return []

    def _noted_pushes(self, repository: str, unknown: str) -> list[_Push]:
        # https://docs.github.com/en/rest/repos/repos#list-repository-activities: the newest first.
        path, ref = f"/repos/{repository}/activity", f"refs/heads/{self.pull['head']['ref']}"
        own, opened = {str(commit["sha"]) for commit in self._commits}, moment(self.pull["created_at"])
        found: list[_Push] = []
        is_noted = is_whole = False
        for each in self.api.pages(self._doing("the pushes"), path, ref=ref):
            kind, at = each["activity_type"], moment(each["timestamp"])
            if each["ref"] != ref or kind == "branch_deletion":
                continue
            if is_whole and each["after"] not in own and at < opened:
                continue
            pusher = hand_of("pusher", each.get("actor"))
            if pusher is None:
                self.problems.append(f"who pushed {each['after']} is not known: the account is gone")
            else:
                found.append(_Push(pusher, each["after"], at))
            is_noted = is_noted or each["after"] == self.head
            is_whole = is_whole or (is_noted and kind == "branch_creation")
        if is_whole:
            return found
        self.problems.append(
            "who pushed the branch first is not known: GitHub does not list when it was made"
            if is_noted
            else f"{unknown} is not known: GitHub lists no such push"
        )
        return found

    def _demand_asked_for(
        self, pushes: Sequence[_Push], runs: Sequence[_Run], accounts: Collection[str]
    ) -> None:
        """A bot's push is somebody's: any workflow of any branch can push to any other, in nobody's name.

        Whoever may edit the request's text may name any run: one counts that was promoting when the bot pushed. A bot
        that is among the policy's ``accounts`` stands for itself.
        """
        listed = {account.lower() for account in accounts if not is_everybodys(account)}
        for push in pushes:
            account = push.hand.account or ""
            is_somebodys = push.hand.is_bot and account.lower() not in listed
            if is_somebodys and not any(run.may_have_pushed(push.at) for run in runs):
                self.problems.append(
                    f"who had {account} push {push.commit} is not known: no run that is named ran then"
                )

    def _writers(self, reviews: Sequence[Review], accounts: Collection[str]) -> frozenset[str]:
        """Those approving accounts that may write. The rest need not be asked about: they do not count."""
        counted = {account.lower() for account in accounts}
        approving = {each.account for each in reviews if each.decision == "approved"}
        asked = sorted(each for each in approving if each.lower() in counted)
        return frozenset(account for account in asked if self._may_write(account))

    def _may_write(self, account: str) -> bool:
        path = f"{self.api.root}/collaborators/{quote(account, safe='')}/permission"
        try:
            answer = self.api.get(f"ask whether {account} may write", path)
        except Unknown:  # no collaborator, as far as can be seen: it does not count
            return False
        except NotPermitted as error:
            self._hidden(f"whether {account} may write", error)
            return False
        return answer.get("permission") in _WRITING

    def _runs(self) -> list[_Run]:
        numbers = list(dict.fromkeys(runs_named(str(self.pull.get("body") or ""))))
        if len(numbers) > _MOST_RUNS:
            self.problems.append(f"it names {len(numbers)} runs, more than are looked at")
            return []
        return [run for number in numbers if (run := self._run(number)) is not None]

    def _run(self, number: int) -> _Run | None:
        """https://docs.github.com/en/rest/actions/workflow-runs#get-a-workflow-run"""
        unknown = f"who started the run {number}"
        try:
            run = self.api.get(self._doing(f"the run {number}"), f"{self.api.root}/actions/runs/{number}")
        except (NotPermitted, Unknown) as error:
            self._hidden(unknown, error)
            return None
        started_by = hand_of("requester", run.get("actor"))
        again = hand_of("requester", run.get("triggering_actor"))
        if started_by is None or again is None:
            self.problems.append(f"{unknown} is not known: the account is gone")
            return None
        dispatched = DispatchedRun(
            # Whoever ran it again had it do this; who started it first is a hand as well.
            actor=again,
            workflow=str(run["path"]).partition("@")[0],
            event=str(run["event"]),
            branch=str(run.get("head_branch") or ""),
            title=str(run["display_title"]),
            started=moment(run.get("run_started_at") or run["created_at"]),
        )
        end = moment(run["updated_at"]) if run["status"] == "completed" else None
        return _Run(dispatched, (started_by, again), moment(run["created_at"]), end)


def _review(review: Json) -> Review:
    user: dict[str, Any] = review.get("user") or {}
    return Review(
        account=str(user.get("login") or ""),
        decision=_DECISIONS[review["state"]],
        commit=review.get("commit_id"),
        at=moment(review["submitted_at"]),
        is_bot=is_bot(user),
        url=str(review["html_url"]),
    )
