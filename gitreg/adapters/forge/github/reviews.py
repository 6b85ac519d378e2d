"""Who made a pull request and who approved it, as GitHub tells it. What that is worth is judged elsewhere.

What GitHub does not tell, or not to this token, becomes a problem: then nothing is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import quote

from gitreg.adapters.forge.github.api import GithubApi
from gitreg.adapters.forge.github.people import hand_of, hands_in, is_bot
from gitreg.adapters.forge.github.pulls import moment, repository_of, runs_named
from gitreg.adapters.forge.hosted import Json, NotPermitted, Unknown
from gitreg.core.ports import ChangeRequest, Conversation, DispatchedRun, Hand, Review
from gitreg.core.verify.reviews import DISPATCH, PROMOTE_WORKFLOW
from gitreg.errors import LostRace

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

T = TypeVar("T")


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
class _Act:
    """Somebody opened the request, or pushed to its branch; ``what`` follows on their name."""

    hand: Hand
    what: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of Actions; ``begin`` is that of its first attempt, ``end`` None while it runs."""

    dispatched: DispatchedRun
    hands: tuple[Hand, ...]
    begin: datetime
    end: datetime | None

    def may_have_acted(self, at: datetime) -> bool:
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
        acts = [*pushes, _Act(author, "open the change request", moment(self.pull["created_at"]))]
        runs = self._runs() if any(act.hand.is_bot for act in acts) else []
        run = self._run_behind(acts, runs)
        hands = [
            author,
            *(push.hand for push in pushes),
            *self._in_commits(),
            *(hand for each in runs for hand in each.hands),
        ]
        return Conversation(
            provider="github",
            head=self.head,
            author=author,
            hands=tuple(dict.fromkeys(hands)),
            reviews=reviews,
            since=self._since(),
            writers=self._writers(reviews, accounts),
            run=run.dispatched if run else None,
            problems=tuple(self.problems),
        )

    def _doing(self, what: str) -> str:
        return f"read {what} of change request #{self.pull['number']}"

    def _known(self, unknown: str, read: Callable[[], T], otherwise: T) -> T:
        """What the token may not see is told as a problem. Silence of GitHub is none, but an error: try again."""
        try:
            return read()
        except (NotPermitted, Unknown) as error:
            self.problems.append(f"{unknown} is not known: {error.message}")
            return otherwise

    def _author(self) -> Hand:
        found = hand_of("author", self.pull.get("user"))
        if found is None:
            self.problems.append("who opened the change request is not known: the account is gone")
        return found or Hand("author")

    def _reviews(self) -> tuple[Review, ...]:
        doing = self._doing("the reviews")
        found: list[Json] = self._known(
            "who reviewed it", lambda: list(self.api.pages(doing, f"{self.path}/reviews")), []
        )
        decisive = [_review(each) for each in found if each.get("state") in _DECISIONS]
        return tuple(sorted(decisive, key=lambda review: review.at))

    def _since(self) -> datetime | None:
        path = f"{self.api.root}/issues/{self.pull['number']}/timeline"
        doing = self._doing("the timeline")
        events: list[Json] = self._known(
            "whether its branch was forced", lambda: list(self.api.pages(doing, path)), []
        )
        times = [moment(each["created_at"]) for each in events if each.get("event") in _VOIDING]
        return max(times, default=None)

    @cached_property
    def _commits(self) -> Sequence[Json]:
        if self.pull["commits"] > MOST_COMMITS:
            self.problems.append(
                f"who made its {self.pull['commits']} commits is not known: GitHub lists {MOST_COMMITS} at most"
            )
            return []
        doing = self._doing("the commits")
        return self._known(
            "who made its commits", lambda: list(self.api.pages(doing, f"{self.path}/commits")), []
        )

    def _in_commits(self) -> list[Hand]:
        return [hand for commit in self._commits for hand in hands_in(commit)]

    def _pushes(self) -> list[_Act]:
        """All pushes to the branch since it was made. GitHub notes a push a moment later than it happens.

        Whoever restores a branch that somebody deleted has not pushed what is in it. So what was pushed to an earlier
        branch of that name counts, too, where it is in the request or came while that was there.
        """
        repository = repository_of(self.pull["head"])
        unknown = f"who pushed {self.head}"
        if repository is None:
            self.problems.append(f"{unknown} is not known: the repository that it is in is gone")
            return []
        return self._known(unknown, lambda: self._noted_pushes(repository, unknown), [])

    def _noted_pushes(self, repository: str, unknown: str) -> list[_Act]:
        # https://docs.github.com/en/rest/repos/repos#list-repository-activities: the newest first.
        path, ref = f"/repos/{repository}/activity", f"refs/heads/{self.pull['head']['ref']}"
        own, opened = {str(commit["sha"]) for commit in self._commits}, moment(self.pull["created_at"])
        found: list[_Act] = []
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
                found.append(_Act(pusher, f"push {each['after']}", at))
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

    def _run_behind(self, acts: Sequence[_Act], runs: Sequence[_Run]) -> _Run | None:
        """The run in which a bot last did something.

        Whoever may edit the request's text may name any run there, also another person's: one counts that was
        promoting then.
        """
        found = None
        for act in sorted(acts, key=lambda act: act.at, reverse=True) if runs else ():
            if not act.hand.is_bot:
                continue
            running = [run for run in runs if run.may_have_acted(act.at)]
            if len({run.dispatched.actor for run in running}) == 1:
                found = found or running[-1]
                continue
            why = "several runs that are named ran then" if running else "no run that is named ran then"
            self.problems.append(f"who had {act.hand.account} {act.what} is not known: {why}")
        return found

    def _writers(self, reviews: Sequence[Review], accounts: Collection[str]) -> frozenset[str]:
        """Those approving accounts that may write. The rest need not be asked about: they do not count."""
        counted = {account.lower() for account in accounts}
        approving = {each.account for each in reviews if each.decision == "approved"}
        asked = sorted(each for each in approving if each.lower() in counted)
        return frozenset(account for account in asked if self._may_write(account))

    def _may_write(self, account: str) -> bool:
        path = f"{self.api.root}/collaborators/{quote(account, safe='')}/permission"
        doing = f"ask whether {account} may write"

        def ask() -> Json:
            try:
                return self.api.get(doing, path)
            except Unknown:  # no collaborator, as far as can be seen: it does not count
                return {}

        answer: Json = self._known(f"whether {account} may write", ask, {})
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
        path = f"{self.api.root}/actions/runs/{number}"
        run = self._known(unknown, lambda: self.api.get(self._doing(f"the run {number}"), path), None)
        if run is None:
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
