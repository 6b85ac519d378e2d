"""GR601: a push moves the registry's branch on, never back; and of gitreg's own refs it adds what they may hold."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.verify.rule import PushedRef, PushRule, Rule

RULE = Rule(
    "GR601", "refs", "A push moves the registry's branch on, and adds what gitreg's own refs may hold"
)

#: Refs that one push may move: each of gitreg's own costs a look, and a signature a process.
MOST_REFS = 200


def check(refs: tuple[PushedRef, ...]) -> Iterator[Finding]:
    """Looks at every ref that a push makes, moves or deletes."""
    if len(refs) > MOST_REFS:
        yield RULE.finding(
            f"the push moves {len(refs)} refs, and at most {MOST_REFS} are looked at", fix="push fewer"
        )
        return
    names = [ref.ref for ref in refs]
    for ref in refs:
        if names.count(ref.ref) > 1:
            yield RULE.finding(f"{ref.ref}: the push names it more than once", fix="push it once")
            continue
        problem, fix = _problem(ref)
        if problem:
            yield RULE.finding(f"{ref.ref}: {problem}", fix=fix)


def _problem(ref: PushedRef) -> tuple[str | None, str | None]:
    if not ref.ref.isprintable():
        return "its name has characters that nobody can read", "rename it"
    if ref.is_elsewhere:
        return (
            "it is not where the push says that it is, or stands for another ref",
            "git fetch, and try again",
        )
    if ref.is_trunk:
        return _of_trunk(ref)
    if ref.ref.startswith("refs/gitreg/"):
        return ref.objection, None
    if not ref.ref.startswith("refs/heads/"):
        return (
            "only branches and gitreg's own refs are taken here",
            "tags stay in your clone; push branches alone",
        )
    if ref.names_itself:
        return (
            "its gitreg.yaml says that this branch is the registry's, and it is not the one that is guarded here",
            "let the repository's owner run gitreg hook install --branch, or correct the file",
        )
    return None, None


def _of_trunk(ref: PushedRef) -> tuple[str | None, str | None]:
    if ref.new is None:
        return "the registry's branch is never deleted", None
    if not ref.goes_on:
        return (
            "the registry's branch only goes on: its first parents must lead back to where it is now",
            "git fetch, then merge your branch into the registry's, not the other way round (or rebase yours)",
        )
    return None, None


REFS = PushRule(RULE, check)
