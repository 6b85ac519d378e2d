"""GR207: a branch without a base accepts one change of rules files alone; and a change changes something."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.layout import Sort
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR207", "bootstrap", "A registry begins with its rules alone")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at the first change of a registry."""
    if not judged.bootstrap:
        return
    for raw in judged.delta.raw:
        if judged.head.layout.place(raw.path).sort not in {Sort.RULES, Sort.UNMANAGED}:
            yield RULE.finding(
                "the first change of a registry has rules files alone",
                raw.path,
                "add models in later changes",
            )


BOOTSTRAP = ChangeRule(RULE, check)
