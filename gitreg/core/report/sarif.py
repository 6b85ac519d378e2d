"""Findings as SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/), for GitHub's code scanning and others.

What GitHub makes of it:
https://docs.github.com/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import quote

from gitreg.core.findings import Finding, Location, Outcome, sort_findings
from gitreg.core.report.common import fingerprints, json_text, place_of, rules_by_id
from gitreg.core.report.text import printable
from gitreg.core.verify.rule import Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Outcome.FAIL: "error", Outcome.UNDECIDED: "error", Outcome.WARNING: "warning"}


def findings_sarif(
    findings: Iterable[Finding],
    *,
    version: str | None = None,
    anchor: str = "gitreg.yaml",
    docs: str | None = None,
    skipped: Collection[str] = (),
) -> str:
    """One run of the tool gitreg.

    Args:
        version: gitreg's.
        anchor: the file to show a finding at that has no place of its own; GitHub takes none without one.
        docs: absolute URL of the folder that holds ``docs/``; without it the rules have no ``helpUri``, which
            SARIF wants absolute.
        skipped: the ids of rules that nobody asked for, which so were switched off in this run (§3.20.5).
    """
    rules = rules_by_id()
    ordered = sort_findings(findings)
    names = fingerprints(ordered, anchor)
    results = [_result(*pair, list(rules), anchor) for pair in zip(ordered, names, strict=True)]
    driver: dict[str, object] = {"name": "gitreg", **({"version": version} if version else {})}
    driver |= {"rules": [_rule(rule, docs) for rule in rules.values()]}
    run: dict[str, object] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    if skipped:
        run["invocations"] = [_without(skipped, list(rules))]
    return json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _without(skipped: Collection[str], ids: list[str]) -> dict[str, object]:
    """A run in which some rules were switched off."""
    off = [
        {"descriptor": {"id": id, "index": ids.index(id)}, "configuration": {"enabled": False}}
        for id in skipped
    ]
    return {"executionSuccessful": True, "ruleConfigurationOverrides": off}


def _rule(rule: Rule, docs: str | None) -> dict[str, object]:
    link = Finding(rule.id, "").link
    described: dict[str, object] = {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.title},
        "help": {"text": f"{rule.title}. gitreg's documentation explains it in {link}."},
    }
    if docs is not None:
        described["helpUri"] = f"{docs.rstrip('/')}/{link}"
    return described


def _result(finding: Finding, fingerprint: str, ids: list[str], anchor: str) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.outcome],
        "message": {"text": _message(finding)},
        "locations": [{"physicalLocation": _physical(place_of(finding, anchor))}],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint},
        "properties": {"outcome": finding.outcome.value},
    }
    if finding.rule in ids:
        result["ruleIndex"] = ids.index(finding.rule)
    return result


def _message(finding: Finding) -> str:
    """A plain text message: neither braces nor brackets in it are placeholders or links (§3.11.5, §3.11.6)."""
    text = printable(finding.message) + (f"\nfix: {printable(finding.fix)}" if finding.fix else "")
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _physical(place: Location) -> dict[str, object]:
    physical: dict[str, object] = {
        "artifactLocation": {"uri": quote(place.path, safe="/", errors="surrogateescape")}
    }
    if place.line is not None:
        region = {"startLine": place.line, "startColumn": place.column}
        physical["region"] = {key: value for key, value in region.items() if value is not None}
    return physical
