"""Findings as JSON, for programs; the form is ``schemas/report.schema.json``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitreg.core.findings import Finding, count_outcomes, exit_code, sort_findings, verdict
from gitreg.core.report.common import json_text

SCHEMA_VERSION = 1


def findings_json(findings: Iterable[Finding], not_checked: Sequence[str] = (), /, **facts: object) -> str:
    """A report with its verdict, in ASCII.

    ``facts`` say what was checked (``base``, ``head``, ``kinds`` …): plain values, which stand under ``checked``. The
    schema names all that gitreg's commands give. ``not_checked`` are the groups of rules that nobody asked for.
    """
    ordered = sort_findings(findings)
    report = {
        "schemaVersion": SCHEMA_VERSION,
        "verdict": verdict(ordered),
        "exitCode": exit_code(ordered),
        "complete": not not_checked,
        "notChecked": list(not_checked),
        "checked": facts,
        "counts": {outcome.value: count for outcome, count in count_outcomes(ordered).items()},
        "findings": [finding_json(finding) for finding in ordered],
    }
    return json_text(report)


def finding_json(finding: Finding) -> dict[str, object]:
    """One finding as plain values."""
    place = finding.location
    return {
        "rule": finding.rule,
        "outcome": finding.outcome.value,
        "message": finding.message,
        "path": place.path if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "fix": finding.fix,
        "link": finding.link,
    }
