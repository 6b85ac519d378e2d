"""Findings as JSON, for programs; the form is ``schemas/report.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from gitreg.core.findings import Finding, Outcome, exit_code, sort_findings

SCHEMA_VERSION = 1

_VERDICTS = {0: "pass", 1: "fail", 3: "undecided"}


def findings_json(findings: Iterable[Finding], **facts: object) -> str:
    """A report with its verdict, in ASCII.

    ``facts`` say what was checked (``base``, ``head``, ``kinds`` …): plain values, which stand under ``checked``.
    """
    ordered = sort_findings(findings)
    code = exit_code(ordered)
    report = {
        "schemaVersion": SCHEMA_VERSION,
        "verdict": _VERDICTS[code],
        "exitCode": code,
        "checked": facts,
        "counts": _counts(ordered),
        "findings": [_finding(finding) for finding in ordered],
    }
    return json.dumps(report, indent=2)


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    return {outcome.value: sum(f.outcome is outcome for f in findings) for outcome in Outcome}


def _finding(finding: Finding) -> dict[str, object]:
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
