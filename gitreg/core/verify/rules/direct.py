"""GR311: what lands without a change request is of a kind that policy lets land so."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.verify.approvals import approvals_needed
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR311", "direct", "What lands without a change request is of a kind that policy lets land so")

_FIX = "gitreg change open BRANCH opens a change request for a branch"


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at a commit on the registry's branch that no open change request asked for."""
    if judged.evidence.landing is None or judged.evidence.request or judged.bootstrap or not judged.kinds:
        return
    if judged.base.registry().enforcement == "requests":
        yield RULE.finding(
            "the change has no open change request, and gitreg.yaml lets nothing land without one (enforcement:"
            " requests)",
            fix=_FIX,
        )
        return
    for kind in judged.kinds:
        if not judged.policy.allows_direct(kind):
            yield RULE.finding(
                f"the change has no open change request, and policy.yaml does not list {kind} as direct",
                fix=_FIX,
            )
    if approvals_needed(judged.base, judged.delta, judged.policy):
        yield RULE.finding("the change needs approvals, and has no change request to be approved", fix=_FIX)


DIRECT = ChangeRule(RULE, check)
