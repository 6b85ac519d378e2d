"""Who proposes a change on a hosted forge, and which reviews there count as approvals.

A review counts if it is a human's whom the base's policy knows by that account, their last decision, about the commit
that is asked to be merged, from after the last time that the branch was forced or retargeted, and if they may write to
the repository and had no hand in the change themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from gitreg.core.delta import Delta, transitions
from gitreg.core.policy import Person, Policy
from gitreg.core.ports import Conversation, DispatchedRun, Hand, Review
from gitreg.core.verify.evidence import Evidence, Unknown

#: The workflow that opens requests for people (``gitreg init --forge github`` writes it), and what may start it.
PROMOTE_WORKFLOW = ".github/workflows/gitreg-promote.yml"
DISPATCH = "workflow_dispatch"
#: How long before its request a run may have started, for the run to have opened it.
LONGEST_RUN = timedelta(hours=6)

#: https://docs.github.com/account-and-profile/reference/email-addresses-reference#your-noreply-email-address
_NOREPLY = re.compile(r"(?:[0-9]+\+)?([^@+]+)@users\.noreply\.[^@]+\Z")


def titles_of(delta: Delta, policy: Policy) -> tuple[str, ...]:
    """What a run of CI that promotes is called, for each version that a change moves."""
    moves = (move for move in transitions(delta, policy) if not move.displaced)
    return tuple(f"Promote {move.model}/{move.pin.version} to {move.target}" for move in moves)


def proposer(evidence: Evidence, policy: Policy) -> Hand | None:
    """Who proposes a change on a hosted forge: whoever opened the request, or had CI open it. None: nobody knows.

    A bot that the policy lists stands for itself. Another one only carries out what a person asked for, and its word
    for whom is not taken: the forge tells who started the run, and that it was about this very change.
    """
    found = evidence.conversation
    if not isinstance(found, Conversation):
        return None
    if not found.author.is_bot or policy.person_called(found.provider, found.author.account):
        return found.author
    run = found.run
    return run.actor if run is not None and run_problem(run, evidence) is None else None


def run_problem(run: DispatchedRun, evidence: Evidence) -> str | None:
    """Why a run of CI does not tell who asked for this change; None if it does."""
    branch = evidence.target.removeprefix("refs/heads/")
    if run.event != DISPATCH:
        return f"the run that opened it was started by {run.event}, and not by a person"
    if run.workflow != PROMOTE_WORKFLOW or run.branch != branch:
        return f"it was opened by {run.workflow} of {run.branch}, and not by {PROMOTE_WORKFLOW} of {branch}"
    if run.title.casefold() not in {title.casefold() for title in evidence.titles}:
        return f"the run that opened it was about something else: {run.title}"
    if run.actor.is_bot:
        return "the run that opened it was started by a bot"
    return None


def hands_problem(evidence: Evidence, policy: Policy) -> str | None:
    """Why it is not known whose the change is, so that approvals are undecided; None if it is known."""
    found = evidence.conversation
    if isinstance(found, Unknown):
        return f"who made this change, and who reviewed it, could not be read: {found.why}"
    if found is None or found.problems:
        return found.problems[0] if found else "there is no change request"
    if proposer(evidence, policy) is None:
        why = run_problem(found.run, evidence) if found.run else "nobody knows for whom"
        return f"the bot {found.author.account} opened this change request: {why}"
    return None


def part_of(person: Person, evidence: Evidence) -> str | None:
    """What part a person had in a change, as far as a hosted forge knows; None if none."""
    found = evidence.conversation
    if not isinstance(found, Conversation):
        return None
    return next((hand.role for hand in _hands(found) if _is(person, hand, found.provider)), None)


def decisions(conversation: Conversation) -> list[Review]:
    """Each account's last decision."""
    last: dict[str, Review] = {}
    for review in sorted(conversation.reviews, key=lambda review: review.at):
        last[review.account.casefold()] = review
    return list(last.values())


def review_objection(
    review: Review, person: Person | None, evidence: Evidence, conversation: Conversation
) -> str | None:
    """Why somebody's last decision does not count as an approval; None if it does."""
    if review.decision != "approved":
        return "it was dismissed" if review.decision == "dismissed" else "it asks for changes"
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
    return _stale(review, evidence, conversation)


def _stale(review: Review, evidence: Evidence, conversation: Conversation) -> str | None:
    if review.commit != conversation.head or evidence.reviewed != evidence.change_id:
        return "it is about an earlier state of the change"
    if conversation.since is not None and review.at <= conversation.since:
        return "the branch was forced or given another base since"
    if review.at > evidence.now:
        return "it was given afterwards"
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


def _is(person: Person, hand: Hand, provider: str) -> bool:
    """Whether a hand is a person's: by its account, by its address, or by the account in a noreply address."""
    if hand.account is not None and person.is_called(provider, hand.account):
        return True
    if hand.email is None:
        return False
    if person.email is not None and person.email.casefold() == hand.email.casefold():
        return True
    noreply = _NOREPLY.match(hand.email)
    return noreply is not None and person.is_called(provider, noreply[1])


def reviewers(policy: Policy, provider: str, groups: Iterable[str]) -> tuple[str, ...]:
    """The accounts of those whose reviews could count."""
    persons = {person for group in groups for person in policy.approvers(group)}
    return policy.accounts(provider, persons)
