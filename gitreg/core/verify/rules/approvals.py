"""GR401: the persons whom policy asks for have approved exactly this change."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.verify.approvals import (
    Approval,
    NeededApproval,
    approvals_given,
    approvals_needed,
    author_of,
    author_problem,
    evidence_digests,
    owners_asked,
    owners_needed,
    owners_with_a_part,
    remarks,
    satisfying,
    unknown_change_of_rules,
    unreadable,
)
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR401", "approvals", "The persons whom policy asks for have approved exactly this change")

#: Statements that do not count which are told one by one: anybody may file thousands.
MOST_TOLD = 20


def check(judged: Judged) -> Iterator[Finding]:
    """Counts persons, not keys; says of every statement that does not count why."""
    needed = approvals_needed(judged.base, judged.delta, judged.policy)
    if judged.bootstrap or not needed:
        return
    why = unreadable(judged.evidence)
    if why is not None:
        yield RULE.undecided(f"approvals could not be read: {why}")
        return
    problem = author_problem(judged.evidence, judged.policy)
    if problem is not None:
        yield RULE.undecided(
            f"{problem}, so their own approval cannot be told from another's",
            fix=None
            if judged.evidence.conversation is not None
            else "open the change request with an SSH key that policy.yaml lists",
        )
    unknown = unknown_change_of_rules(judged.evidence)
    if unknown is not None:
        yield RULE.undecided(
            f"when these rules last changed is not known: {unknown}",
            fix="fetch the whole history: git fetch --unshallow",
        )
    digests = evidence_digests(judged.head, judged.delta, judged.policy)
    given, rejected = approvals_given(judged.evidence, digests, judged.policy)
    yield from _lacking(judged, needed, given)
    yield from _owners(judged, given)
    for one in rejected[:MOST_TOLD]:
        yield RULE.warning(f"{one.what} of {one.who} does not count: {one.why}")
    if len(rejected) > MOST_TOLD:
        yield RULE.warning(f"{len(rejected) - MOST_TOLD} more statements do not count")
    owners = owners_needed(judged.delta, judged.policy)
    for remark in remarks(needed, owners, given, judged.policy, judged.evidence.now):
        yield RULE.warning(remark)


def _lacking(judged: Judged, needed: list[NeededApproval], given: list[Approval]) -> Iterator[Finding]:
    for each in needed:
        have = satisfying(each.need, given, judged.policy, judged.evidence.now)
        if len(have) < each.need.count:
            persons = f" ({', '.join(have)})" if have else ""
            yield RULE.finding(
                f"{each.reason} needs {each.need.count} {'signed ' if each.need.signed else ''}"
                f"approval{'s' if each.need.count > 1 else ''} of"
                f" {each.need.group}, and has {len(have)}{persons}",
                fix=how_to_approve(judged, signed=each.need.signed),
            )


def how_to_approve(judged: Judged, *, signed: bool = False) -> str:
    """What gives an approval: a command, and where a review counts as much the page of a hosted forge."""
    command = f"gitreg change approve {judged.evidence.request or 'NUMBER'}"
    on_page = judged.evidence.conversation is not None and not signed
    return f"approve it on its page, or with {command}" if on_page else command


def _owners(judged: Judged, given: list[Approval]) -> Iterator[Finding]:
    """The rules' owners have a part in every change of them."""
    owners = owners_needed(judged.delta, judged.policy)
    author = author_of(judged.evidence, judged.policy)
    if owners and not owners_with_a_part(owners, author, given, judged.policy):
        yield RULE.finding(
            f"{owners_asked(owners, judged.delta)}, and has none",
            fix=how_to_approve(judged),
        )


APPROVALS = ChangeRule(RULE, check)
