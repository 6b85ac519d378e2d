"""GR208: a merge has the very tree that was judged, and no more than one branch."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR208", "merge", "A merge has the very tree that was judged")

#: Paths that are told one by one.
MOST = 20


def check(judged: Judged) -> Iterator[Finding]:
    """Compares the tree of the commit that lands the change with the candidate.

    git's own merge may differ from it: it detects renames, merges contents and obeys ``merge`` attributes.
    """
    landing = judged.evidence.landing
    if landing is None:
        return
    if landing.parents > 2:
        yield RULE.finding(
            f"the merge {landing.commit[:12]} has {landing.parents} parents; each branch lands by itself",
            fix="merge one branch after the other",
        )
    for raw in landing.astray[:MOST]:
        yield RULE.finding(
            f"the merge {landing.commit[:12]} makes something else of this file than the branch does",
            raw.path,
            "gitreg change merge writes the tree that was judged",
        )
    if len(landing.astray) > MOST:
        yield RULE.finding(
            f"the merge differs from what was judged in {len(landing.astray) - MOST} more files"
        )


MERGE = ChangeRule(RULE, check)
