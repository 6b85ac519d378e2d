"""What checks say: where, what, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a finding weighs: a rule is broken, something could not be found out, or merely worth knowing."""

    FAIL = "fail"
    UNDECIDED = "undecided"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file: path from the repository's root; line and column count from 1, None if unknown."""

    path: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found. ``rule`` is the stable id that the page ``docs/rules/<rule>.md`` explains."""

    rule: str
    message: str
    location: Location | None = None
    fix: str | None = None
    outcome: Outcome = Outcome.FAIL

    @property
    def link(self) -> str:
        """Where the rule is explained, relative to gitreg's documentation."""
        return f"docs/rules/{self.rule}.md"


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Most severe first, then by place (what has none comes last), then by rule; without repetitions."""
    severity = list(Outcome)

    def key(finding: Finding) -> tuple[int, str, int, int, str, str]:
        place = finding.location or Location("\U0010ffff")
        return (
            severity.index(finding.outcome),
            place.path,
            place.line or 0,
            place.column or 0,
            finding.rule,
            finding.message,
        )

    return sorted(set(findings), key=key)


def exit_code(findings: Iterable[Finding]) -> int:
    """0 if nothing stands in the way, 1 if a rule is broken, else 3 if something could not be decided."""
    outcomes = {finding.outcome for finding in findings}
    if Outcome.FAIL in outcomes:
        return 1
    return 3 if Outcome.UNDECIDED in outcomes else 0
