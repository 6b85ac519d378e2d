"""What checks say: where, what, and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a finding weighs: a rule is broken, something could not be found out, or merely worth knowing.

    The most severe stands first; see :func:`severity`.
    """

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


_SEVERITY = {outcome: rank for rank, outcome in enumerate(Outcome)}
_VERDICTS: dict[Outcome | None, tuple[str, int]] = {
    Outcome.FAIL: ("fail", 1),
    Outcome.UNDECIDED: ("undecided", 3),
    Outcome.WARNING: ("pass", 0),
    None: ("pass", 0),
}


def severity(outcome: Outcome) -> int:
    """The rank by which everything that shows findings sorts them: 0 is the most severe."""
    return _SEVERITY[outcome]


def worst(findings: Iterable[Finding]) -> Outcome | None:
    """The most severe outcome; None if nothing was found."""
    return min((finding.outcome for finding in findings), key=severity, default=None)


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Most severe first, then by place (what has none comes last), then by rule; without repetitions."""
    return sorted(set(findings), key=_order)


def _order(finding: Finding) -> tuple[int, str, int, int, str, str, str]:
    place = finding.location or Location("\U0010ffff")
    return (
        severity(finding.outcome),
        place.path,
        place.line or 0,
        place.column or 0,
        finding.rule,
        finding.message,
        finding.fix or "",
    )


def count_outcomes(findings: Iterable[Finding]) -> dict[Outcome, int]:
    """How many findings there are of each outcome, most severe first."""
    counts = Counter(finding.outcome for finding in findings)
    return {outcome: counts[outcome] for outcome in sorted(Outcome, key=severity)}


def verdict(findings: Iterable[Finding]) -> str:
    """``pass``, ``fail`` or ``undecided``: what the worst finding makes of it."""
    return _VERDICTS[worst(findings)][0]


def exit_code(findings: Iterable[Finding]) -> int:
    """0 if nothing stands in the way, 1 if a rule is broken, else 3 if something could not be decided."""
    return _VERDICTS[worst(findings)][1]
