"""GR308: the author of a change has a role that may propose such changes."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.verify.approvals import author_of, author_problem, stranger_of
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR308", "roles", "The author has a role that may propose such a change")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks up the author's roles. A policy that has roles cannot judge a change of an unknown author."""
    if judged.bootstrap or not judged.policy.roles or not judged.kinds:
        return
    author = author_of(judged.evidence, judged.policy)
    stranger = stranger_of(judged.evidence, judged.policy)
    if stranger is not None:
        yield RULE.finding(
            f"{stranger} is nobody in the policy, so has no role, and may not propose a change",
            fix="the rules owners may add that account to people, and the person to a group",
        )
        return
    if author is None:
        yield _unknown(judged)
        return
    for kind in judged.kinds:
        if not judged.policy.may_propose(author, kind):
            roles = ", ".join(judged.policy.roles_of(author)) or "no role"
            yield RULE.finding(f"{author} ({roles}) may not propose a change of the kind {kind}")


def _unknown(judged: Judged) -> Finding:
    if judged.evidence.conversation is not None:
        why = author_problem(judged.evidence, judged.policy)
        return RULE.undecided(f"{why}, so it is not known whether they may propose it")
    return RULE.undecided(
        "who proposes this change is not known, so neither is whether they may",
        fix="open the change request with an SSH key that policy.yaml lists",
    )


ROLES = ChangeRule(RULE, check)
