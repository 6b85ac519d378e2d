"""Plays cases: the change that a case describes, judged by every rule, against what it expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitreg.core.codec.load import InvalidManifest, place_in
from gitreg.core.codec.schema import Schemas
from gitreg.core.delta import delta
from gitreg.core.findings import Finding, Outcome
from gitreg.core.policytest.base import base_of
from gitreg.core.policytest.case import Expected, PolicyCase, load_case
from gitreg.core.policytest.people import BrokenCase
from gitreg.core.policytest.steps import taken_at_once
from gitreg.core.policytest.world import LocalTime, evidence_of
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import raw_changes
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.rule import Judged
from gitreg.core.verify.rules import CHANGE_RULES, SNAPSHOT_RULES
from gitreg.errors import ConfigError, Refused

#: Every rule that a case may expect something of.
RULE_IDS = frozenset({each.rule.id for each in SNAPSHOT_RULES} | {each.rule.id for each in CHANGE_RULES})


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of a case.

    ``findings`` are all that were found; ``missing`` what was expected and not found, ``unexpected`` what was found,
    keeps the change from landing and was not expected. ``error`` says why the case could not be played.
    """

    path: str
    title: str
    findings: tuple[Finding, ...] = ()
    missing: tuple[Expected, ...] = ()
    unexpected: tuple[Finding, ...] = ()
    error: InvalidManifest | None = None

    @property
    def outcome(self) -> str:
        """``pass``, ``fail`` or ``error``."""
        if self.error is not None:
            return "error"
        return "fail" if self.missing or self.unexpected else "pass"


def run_case(path: str, data: bytes, current: Snapshot, schemas: Schemas, clocks: LocalTime) -> CaseResult:
    """Plays the case in a file; ``current`` is the registry as it is, under the policy that is tested.

    ``clocks`` says what the clocks of a time zone show at a moment.
    """
    try:
        case = load_case(data, path)
    except InvalidManifest as error:
        return CaseResult(path, "", error=error)
    try:
        findings = judged_case(case, current, schemas, clocks)
    except (
        BrokenCase,
        Refused,
        ConfigError,
    ) as broken:  # the latter: its steps broke what every change builds on
        where = broken.where if isinstance(broken, BrokenCase) else ("base",)
        problem = InvalidManifest(broken.message, place_in(data, path, where), broken.hint, where)
        return CaseResult(path, case.title, error=problem)
    missing = tuple(each for each in case.expect if not any(_agrees(each, f) for f in findings))
    blocking = [f for f in findings if f.outcome is not Outcome.WARNING]
    unexpected = tuple(f for f in blocking if not any(_agrees(each, f) for each in case.expect))
    return CaseResult(path, case.title, tuple(findings), missing, unexpected)


def judged_case(case: PolicyCase, current: Snapshot, schemas: Schemas, clocks: LocalTime) -> list[Finding]:
    """The findings of a case's change. Raises BrokenCase where it cannot be played."""
    for index, each in enumerate(case.expect):
        if each.rule not in RULE_IDS:
            raise BrokenCase(("expect", index, "rule"), f"there is no rule {each.rule}")
    base = base_of(case.base, current, schemas, case.world.at)
    base.registry()
    head = taken_at_once(base, case.change, ("change",), case.world.at)
    changes = tuple(raw_changes(base.tree, head.tree))
    if not changes:
        raise BrokenCase(("change",), "the change leaves everything as it is")
    meaning = delta(base, head, changes)
    evidence = evidence_of(case.world, base, head, meaning, clocks)
    return evaluate(Judged(base, head, meaning, (), evidence, schemas))


def _agrees(expected: Expected, finding: Finding) -> bool:
    if finding.rule != expected.rule or expected.says not in finding.message:
        return False
    if expected.outcome is None:
        return finding.outcome is not Outcome.WARNING
    return finding.outcome is expected.outcome


def exit_code(results: Sequence[CaseResult]) -> int:
    """0 if every case passed, 2 if one could not be played, else 1."""
    outcomes = {result.outcome for result in results}
    return 2 if "error" in outcomes else 1 if "fail" in outcomes else 0
