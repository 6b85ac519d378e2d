"""GR201: base and branch did not change the same path in different ways."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR201", "conflict", "Base and branch did not change the same path in different ways")


def check(judged: Judged) -> Iterator[Finding]:
    """Names every path that both sides changed."""
    for raw in judged.conflicts:
        yield RULE.finding(
            "the base has changed this file since the branch was made",
            raw.path,
            f"gitreg change refresh {judged.evidence.request or 'NUMBER'} plans the change again on the current base",
        )


CONFLICT = ChangeRule(RULE, check)
