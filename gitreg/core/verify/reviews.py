"""Who proposes a change on a hosted forge, and which reviews there count as approvals.

A review counts if it is a human's whom the base's policy knows by that account, their last decision, about the commit
that is asked to be merged, from after the last time that the branch was forced or retargeted, and if they may write to
the repository and had no hand in the change themselves.

Whoever had a hand is told by their account where the forge knows it, and by their e-mail address. Anybody may write any
address into a commit, so addresses only ever take approvals away.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

from gitreg.core.decode import show_time
from gitreg.core.delta import Delta, StageChanged, transitions
from gitreg.core.policy import Person, Policy, login_address
from gitreg.core.ports import Conversation, DispatchedRun, Hand, Review
from gitreg.core.verify.evidence import Evidence, Unknown

#: The workflow that opens requests for people (``gitreg init --forge github`` writes it), and what may start it.
PROMOTE_WORKFLOW = ".github/workflows/gitreg-promote.yml"
DISPATCH = "workflow_dispatch"
#: How long before its request a run may have started, for the run to have opened it: jobs are stopped after that time.
#: https://docs.github.com/en/actions/reference/limits
LONGEST_RUN = timedelta(hours=6)

#: In the name of these accounts every workflow of a repository can act, and so everybody who may push to it.
#: https://docs.github.com/en/actions/concepts/security/github_token
_EVERYBODYS = frozenset({"github-actions[bot]"})

APPROVED, CHANGES_REQUESTED, DISMISSED = "approved", "changes_requested", "dismissed"

#: Roles of hands that only somebody with an account can have.
_OF_ACCOUNTS = frozenset({"author", "requester", "pusher"})
#: https://docs.github.com/account-and-profile/reference/email-addresses-reference#your-noreply-email-address
#: https://docs.gitlab.com/user/profile/#use-an-automatically-generated-private-commit-email
_NOREPLY = re.compile(r"([^@]+)@users\.noreply\.([^@]+)", re.IGNORECASE)
#: GitHub puts ``ID+`` before the name, GitLab ``ID-``.
_NUMBER = re.compile(r"\A[0-9]+[+-]")
_PROVIDERS = {"github.com": "github", "gitlab.com": "gitlab"}


def is_everybodys(account: str) -> bool:
    """Whether an account tells nothing of who acts, even where a policy lists it."""
    return account.casefold() in _EVERYBODYS


def titles_of(delta: Delta, policy: Policy) -> tuple[str, ...]:
    """What a run of CI that does just this change is called; none where it is no promotion, or more than one."""
    moves = [move for move in transitions(delta, policy) if not move.displaced]
    is_all = all(isinstance(change, StageChanged) for change in delta.changes)
    if len(moves) != 1 or not is_all:
        return ()
    return (f"Promote {moves[0].model}/{moves[0].pin.version} to {moves[0].target}",)


def proposer(evidence: Evidence, policy: Policy) -> Hand | None:
    """Who proposes a change on a hosted forge: whoever opened the request, or had CI open it. None: nobody knows.

    A bot that the policy lists stands for itself, unless everybody can act as it. Another one only carries out what a
    person asked for, and its word for whom is not taken: the forge tells who started the run, and that it was about
    this very change.
    """
    found = evidence.conversation
    if not isinstance(found, Conversation):
        return None
    if not found.author.is_bot or _stands_for_itself(found.author, found.provider, policy):
        return found.author
    run = found.run
    return run.actor if run is not None and run_problem(run, evidence) is None else None


def _stands_for_itself(bot: Hand, provider: str, policy: Policy) -> bool:
    account = bot.account or ""
    return not is_everybodys(account) and policy.person_called(provider, account) is not None


def run_problem(run: DispatchedRun, evidence: Evidence) -> str | None:
    """Why a run of CI does not tell who asked for this change; None if it does.

    Which run it was is the request's own word. So it must be a run that could have opened just this request: else
    somebody could name one that another person started for the same purpose long ago, and approve what they asked for.
    """
    branch = evidence.target.removeprefix("refs/heads/")
    if run.event != DISPATCH:
        return f"the run that opened it was started by {run.event}, and not by a person"
    if run.workflow != PROMOTE_WORKFLOW or run.branch != branch:
        return f"it was opened by {run.workflow} of {run.branch}, and not by {PROMOTE_WORKFLOW} of {branch}"
    if run.title.casefold() not in {title.casefold() for title in evidence.titles}:
        return f"the run that opened it was about something else: {run.title}"
    if run.actor.is_bot:
        return "the run that opened it was started by a bot"
    if evidence.opened is None or run.started < evidence.opened - LONGEST_RUN:
        return f"the run that it names was started at {show_time(run.started)}, long before it was opened"
    return None


def hands_problem(evidence: Evidence, policy: Policy) -> str | None:
    """Why it is not known whose the change is, so that approvals are undecided; None if it is known."""
    found = evidence.conversation
    if isinstance(found, Unknown):
        return f"who made this change, and who reviewed it, could not be read: {found.why}"
    if found is None:
        return "there is no change request"
    if found.problems:
        return found.problems[0]
    unknown = next((hand for hand in _hands(found) if _is_unknown(hand)), None)
    if unknown is not None:
        return f"the forge does not tell who the {unknown.role} is"
    return _bot_problem(found, evidence, policy)


def _bot_problem(found: Conversation, evidence: Evidence, policy: Policy) -> str | None:
    """Why it is not known for whom a bot opened the request, or pushed to it; None if it is, or none did.

    Any run can be named, and some run is always running: so one for a push must be about this change as well.
    """
    why = run_problem(found.run, evidence) if found.run else "nobody knows for whom"
    for hand in _hands(found) if why else ():
        deed = {"author": "opened this change request:", "pusher": "pushed to this change request, and"}.get(
            hand.role
        )
        if deed and hand.is_bot and not _stands_for_itself(hand, found.provider, policy):
            return f"the bot {hand.account} {deed} {why}"
    return None


def part_of(person: Person, evidence: Evidence) -> str | None:
    """What part a person had in a change, as far as a hosted forge knows or else its commits tell; None if none.

    Whoever opens a request may do it for somebody else, as a server does for its users: the commits' authors.
    """
    found = evidence.conversation
    if not isinstance(found, Conversation):
        is_theirs = any(_has_address(person, each.email) for each in evidence.written_by)
        return "commit author" if is_theirs else None
    return next((hand.role for hand in _hands(found) if _is(person, hand, found.provider)), None)


def could_be_own(person: Person, evidence: Evidence, policy: Policy) -> str | None:
    """Why a change may be the own one of a person whose account on the forge nobody knows; None if it is not."""
    found = evidence.conversation
    if not isinstance(found, Conversation) or person.account(found.provider) is not None:
        return None
    known = (h for h in _hands(found) if h.account and h.role in _OF_ACCOUNTS and not h.is_bot)
    stranger = next((h for h in known if policy.person_called(found.provider, h.account) is None), None)
    if stranger is None:
        return None
    return f"the policy knows neither their account on {found.provider} nor whose the {stranger.role}'s is"


def with_a_part(persons: Collection[str], evidence: Evidence, policy: Policy) -> frozenset[str]:
    """Those of some persons (ids) who had a part in a change, as far as ``part_of`` tells."""
    asked = (person for person in policy.people if person.id in persons)
    return frozenset(person.id for person in asked if part_of(person, evidence) is not None)


def decisions(conversation: Conversation, evidence: Evidence) -> list[Review]:
    """Each account's last decision; of one moment, the one that the forge tells last.

    What somebody says after a change has landed takes nothing back. Before that all counts, whatever this clock shows.
    Of what waits in a queue the moment that counts is over: objections are heard all the same.
    """
    has_landed = _has_landed(evidence)
    is_queued = evidence.landing is not None and evidence.landing.queued
    last: dict[str, Review] = {}
    for review in sorted(conversation.reviews, key=lambda review: review.at):
        account = review.account.casefold()
        is_heard = review.at <= evidence.now or (is_queued and review.decision != APPROVED)
        if account not in last or not has_landed or is_heard:
            last[account] = review
    return list(last.values())


def _has_landed(evidence: Evidence) -> bool:
    """Whether it is judged afterwards, as of then. Else a review of later than now is of a clock that is ahead."""
    return evidence.landing is not None and evidence.landing.received is None


def asked_for_changes(person: Person, evidence: Evidence) -> datetime | None:
    """When a person asked for changes, if that is their last decision (UTC)."""
    found = evidence.conversation
    if not isinstance(found, Conversation):
        return None
    asked = (r for r in decisions(found, evidence) if r.decision == CHANGES_REQUESTED)
    return next((r.at for r in asked if person.is_called(found.provider, r.account)), None)


def review_objection(
    review: Review,
    person: Person | None,
    evidence: Evidence,
    conversation: Conversation,
    revoked: datetime | None = None,
) -> str | None:
    """Why somebody's last decision does not count as an approval; None if it does.

    ``revoked``: when they signed that they take their approval back, if they did.
    """
    if review.decision != APPROVED:
        return "it was dismissed" if review.decision == DISMISSED else "it asks for changes"
    if conversation.void is not None:
        return conversation.void
    if review.is_bot or (person is not None and person.bot):
        return "it is a bot's"
    if person is None:
        return "the account is nobody's in the base's policy"
    part = part_of(person, evidence)
    if part is not None:
        return f"it is the {part}'s own"
    if review.account.casefold() not in {account.casefold() for account in conversation.writers}:
        return "they may not write to the repository"
    if revoked is not None and revoked >= review.at:
        return f"it was revoked at {show_time(revoked)}"
    return _stale(review, evidence, conversation)


def _stale(review: Review, evidence: Evidence, conversation: Conversation) -> str | None:
    if review.commit != conversation.head or evidence.reviewed != evidence.change_id:
        return "it is about an earlier state of the change"
    if conversation.since is not None and review.at <= conversation.since:
        return "the branch was forced or given another base since"
    if _has_landed(evidence) and review.at > evidence.now:
        return f"it is of {show_time(review.at)}, after the moment that counts ({show_time(evidence.now)})"
    for changed, what in (
        (evidence.rules_changed, "these rules have"),
        (evidence.evidence_changed, "the evidence has"),
    ):
        if changed is not None and not isinstance(changed, Unknown) and changed >= review.at:
            return f"{what} changed since it was given"
    return None


def _hands(conversation: Conversation) -> Iterator[Hand]:
    yield conversation.author
    yield from conversation.hands
    if conversation.run is not None:
        yield conversation.run.actor


def _is_unknown(hand: Hand) -> bool:
    """Whether a hand could be anybody's. An address that is nobody's in the policy is a stranger's."""
    return not hand.account and (hand.role in _OF_ACCOUNTS or hand.email is None)


def _is(person: Person, hand: Hand, provider: str) -> bool:
    """Whether a hand is a person's: by its account, by its address, or by the account in a noreply address."""
    if hand.account and person.is_called(provider, hand.account):
        return True
    if not hand.email:
        return False
    if _has_address(person, hand.email):
        return True
    return any(person.is_called(where, name) for where, name in _named_in(hand.email, provider))


def _has_address(person: Person, email: str) -> bool:
    """Whether an e-mail address is a person's, however it is spelled, or says that they were logged in somewhere."""
    if person.email is not None and _mailbox(person.email) == _mailbox(email):
        return True
    logins = (person.id, person.email, person.github, person.gitlab)
    return email.strip().casefold() in {login_address(each).casefold() for each in logins if each}


def _mailbox(email: str) -> str:
    """An address without case, and without what follows a plus: that is the owner's to choose."""
    local, _, host = email.strip().casefold().rpartition("@")
    return f"{local.partition('+')[0]}@{host}"


def _named_in(email: str, provider: str) -> Iterator[tuple[str, str]]:
    """The accounts, each after its provider, that a noreply address may stand for. Some names begin with a number."""
    noreply = _NOREPLY.fullmatch(email.strip())
    if noreply is not None:
        where = _PROVIDERS.get(noreply[2].casefold(), provider)
        yield where, noreply[1]
        yield where, _NUMBER.sub("", noreply[1])


def reviewers(policy: Policy, provider: str, groups: Iterable[str]) -> tuple[str, ...]:
    """The accounts of those whose reviews could count."""
    persons = {person for group in groups for person in policy.approvers(group)}
    return policy.accounts(provider, persons)
