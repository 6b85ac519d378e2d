"""What several formats of findings share: the rules, the identity of a finding, JSON."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence

from gitreg.core.findings import Finding, Location
from gitreg.core.report.text import defused
from gitreg.core.verify.rule import Rule
from gitreg.core.verify.rules import all_rules


def rules_by_id() -> dict[str, Rule]:
    """Every rule by its id, in the ids' order."""
    return {rule.id: rule for rule in all_rules()}


def not_checked_note(groups: Sequence[str]) -> str:
    """What a verdict says of the groups of rules that nobody asked for; "" if all were."""
    return f"not checked: {', '.join(groups)}; this is no pass of the gate" if groups else ""


def place_of(finding: Finding, anchor: str) -> Location:
    """Where a finding is shown by what shows none without a place: ``anchor`` is the file to fall back to."""
    return finding.location or Location(anchor)


def fingerprints(findings: Iterable[Finding], anchor: str) -> list[str]:
    """For each finding a name that outlives moves of its line; a counter at the end tells twins apart."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for finding in findings:
        said = "\0".join((finding.rule, place_of(finding, anchor).path, finding.message))
        digest = hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()[:16]
        seen[digest] += 1
        found.append(f"{digest}:{seen[digest]}")
    return found


def json_text(value: object) -> str:
    """Indented JSON in ASCII, in which no runner finds a command. It decodes to exactly ``value``."""
    return defused(json.dumps(value, indent=2), "\\u0023")
