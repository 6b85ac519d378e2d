"""The groups of rules of which a check may ask for some alone, where CI has no secrets to ask the rest of the world.

What was not asked for was not judged, and so is never a pass of the gate: whoever shows a verdict names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from gitreg.core.findings import Finding
from gitreg.core.verify.rule import Rule
from gitreg.core.verify.rules.approvals import APPROVALS as APPROVALS_RULE
from gitreg.core.verify.rules.artifacts import ARTIFACTS as ARTIFACTS_RULE
from gitreg.core.verify.rules.direct import DIRECT
from gitreg.core.verify.rules.roles import ROLES

#: What the files themselves say; what the forge must be asked for (who asks, and who agrees); what the DVC remote.
STRUCTURE, APPROVALS, ARTIFACTS = "structure", "approvals", "artifacts"
ALL = (STRUCTURE, APPROVALS, ARTIFACTS)

_OF_FORGE = {each.rule.id for each in (DIRECT, ROLES, APPROVALS_RULE)}
_OF_REMOTE = {ARTIFACTS_RULE.rule.id}


def check_of(rule: str) -> str:
    """The group of a rule, by its id."""
    if rule in _OF_FORGE:
        return APPROVALS
    return ARTIFACTS if rule in _OF_REMOTE else STRUCTURE


def not_checked(checks: Collection[str]) -> tuple[str, ...]:
    """The groups that are not among ``checks``."""
    return tuple(check for check in ALL if check not in checks)


def asked_for(findings: Iterable[Finding], checks: Collection[str]) -> tuple[Finding, ...]:
    """Those of some findings that are of a rule of these groups."""
    return tuple(finding for finding in findings if check_of(finding.rule) in checks)


def skipped(rules: Iterable[Rule], groups: Collection[str]) -> tuple[str, ...]:
    """The ids of those of some rules that are of these groups."""
    return tuple(rule.id for rule in rules if check_of(rule.id) in groups)
