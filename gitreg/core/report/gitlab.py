"""Findings as a Code Quality report of GitLab, which shows them in merge requests.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

from collections.abc import Iterable

from gitreg.core.findings import Finding, Outcome, sort_findings
from gitreg.core.report.common import fingerprints, json_text, place_of
from gitreg.core.report.text import printable

_SEVERITIES = {Outcome.FAIL: "blocker", Outcome.UNDECIDED: "critical", Outcome.WARNING: "minor"}


def findings_gitlab(findings: Iterable[Finding], *, anchor: str = "gitreg.yaml") -> str:
    """A JSON list with an entry for each finding, most severe first.

    Args:
        anchor: the file to show a finding at that has no place of its own; GitLab takes none without one.
    """
    ordered = sort_findings(findings)
    names = fingerprints(ordered, anchor)
    return json_text([_issue(*pair, anchor) for pair in zip(ordered, names, strict=True)])


def _issue(finding: Finding, fingerprint: str, anchor: str) -> dict[str, object]:
    place = place_of(finding, anchor)
    return {
        "description": _description(finding),
        "check_name": finding.rule,
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[finding.outcome],
        "location": {"path": printable(place.path), "lines": {"begin": place.line or 1}},
    }


def _description(finding: Finding) -> str:
    """One line: GitLab shows no more of a finding."""
    label = "undecided: " if finding.outcome is Outcome.UNDECIDED else ""
    remedy = f" (fix: {printable(finding.fix)})" if finding.fix else ""
    return f"{label}{printable(finding.message)}{remedy}"
