"""Findings as SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/), for GitHub's code scanning and others.

What GitHub makes of it:
https://docs.github.com/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from urllib.parse import quote

from gitreg.core.findings import Finding, Location, Outcome, sort_findings
from gitreg.core.verify.rule import Rule
from gitreg.core.verify.rules import all_rules

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Outcome.FAIL: "error", Outcome.UNDECIDED: "error", Outcome.WARNING: "warning"}


def findings_sarif(
    findings: Iterable[Finding],
    *,
    version: str | None = None,
    anchor: str = "gitreg.yaml",
    docs: str | None = None,
) -> str:
    """One run of the tool gitreg.

    Args:
        version: gitreg's.
        anchor: the file to show a finding at that has no place of its own; GitHub takes none without one.
        docs: absolute URL of the folder that holds ``docs/``; without it the rules have no ``helpUri``, which
            SARIF wants absolute.
    """
    rules = _rules()
    seen: Counter[str] = Counter()
    results = [_result(finding, list(rules), anchor, seen) for finding in sort_findings(findings)]
    driver: dict[str, object] = {"name": "gitreg", **({"version": version} if version else {})}
    driver |= {"rules": [_rule(rule, docs) for rule in rules.values()]}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rules() -> dict[str, Rule]:
    """Every rule by its id, in the ids' order."""
    return {rule.id: rule for rule in all_rules()}


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


def _result(finding: Finding, ids: list[str], anchor: str, seen: Counter[str]) -> dict[str, object]:
    place = finding.location or Location(anchor)
    text = finding.message + (f"\nfix: {finding.fix}" if finding.fix else "")
    result: dict[str, object] = {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.outcome],
        "message": {"text": text},
        "locations": [{"physicalLocation": _physical(place)}],
        "partialFingerprints": {"primaryLocationLineHash": _fingerprint(finding, place, seen)},
        "properties": {"outcome": finding.outcome.value},
    }
    if finding.rule in ids:
        result["ruleIndex"] = ids.index(finding.rule)
    return result


def _physical(place: Location) -> dict[str, object]:
    physical: dict[str, object] = {
        "artifactLocation": {"uri": quote(place.path, safe="/", errors="surrogateescape")}
    }
    if place.line is not None:
        region = {"startLine": place.line, "startColumn": place.column}
        physical["region"] = {key: value for key, value in region.items() if value is not None}
    return physical


def _fingerprint(finding: Finding, place: Location, seen: Counter[str]) -> str:
    """The same for the same finding wherever its line has moved to; a counter tells twins apart."""
    said = "\0".join((finding.rule, place.path, finding.message))
    digest = hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()[:16]
    seen[digest] += 1
    return f"{digest}:{seen[digest]}"
