"""GR103: below models/ there is nothing but gitreg's own files."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.layout import Sort
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule

RULE = Rule("GR103", "stray", "Below models/ there is nothing but gitreg's own files")


def check(scope: Scope) -> Iterator[Finding]:
    """Names every file that is none of the five sorts."""
    for _, place in scope.files:
        if place.sort is Sort.UNKNOWN:
            yield RULE.finding(
                "this is no file that gitreg knows",
                place.path,
                "move it out of models/; artifacts are never committed beside manifests",
            )


STRAY = SnapshotRule(RULE, check)
