"""What came of the cases that a policy is tested with, for the terminal and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from gitreg.core.findings import Finding, Outcome
from gitreg.core.policytest.case import Expected
from gitreg.core.policytest.run import CaseResult, exit_code
from gitreg.core.report.json import finding_json
from gitreg.core.report.text import printable

_MARKS = {"pass": "pass ", "fail": "FAIL ", "error": "ERROR"}
_WEIGHTS = {Outcome.FAIL: "", Outcome.UNDECIDED: "undecided: ", Outcome.WARNING: "warning: "}


def cases_text(results: Sequence[CaseResult], policy: str) -> str:
    """A line for each case, below it how what was found differs from what was expected, and a line that sums up.

    Args:
        policy: where the policy that was tested is from.
    """
    lines = [line for result in results for line in _case(result)]
    return "\n".join([*lines, "", f"{printable(policy)}: {_summary(results)}"])


def _case(result: CaseResult) -> Iterator[str]:
    if result.error is not None:
        yield f"{_MARKS['error']} {printable(result.error.message)}"
        if result.error.hint:
            yield f"        hint: {printable(result.error.hint)}"
        return
    yield f"{_MARKS[result.outcome]} {printable(result.path)}: {printable(result.title)}"
    for each in result.missing:
        yield f"        expected, but not found: {_expected(each)}"
    for finding in result.unexpected:
        yield f"        found, but not expected: {_found(finding)}"
    if not result.findings and result.missing:
        yield "        nothing keeps the change from landing"


def _expected(each: Expected) -> str:
    weight = f" ({each.outcome})" if each.outcome else ""
    says = f" that says {each.says!r}" if each.says else ""
    return printable(f"{each.rule}{weight}{says}")


def _found(finding: Finding) -> str:
    place = f" at {finding.location}" if finding.location else ""
    return printable(f"{finding.rule} {_WEIGHTS[finding.outcome]}{finding.message}{place}")


def _summary(results: Sequence[CaseResult]) -> str:
    counts = Counter(result.outcome for result in results)
    words = {"pass": "passed", "fail": "failed", "error": "could not be played"}
    parts = [f"{counts[key]} {word}" for key, word in words.items() if counts[key]]
    return f"{len(results)} case{'' if len(results) == 1 else 's'}, {', '.join(parts)}"


def cases_json(results: Sequence[CaseResult], policy: str) -> dict[str, object]:
    """The same as plain values."""
    counts = Counter(result.outcome for result in results)
    return {
        "policy": policy,
        "exitCode": exit_code(results),
        "counts": {key: counts[key] for key in _MARKS},
        "cases": [_case_json(result) for result in results],
    }


def _case_json(result: CaseResult) -> Mapping[str, object]:
    error = result.error
    return {
        "path": result.path,
        "title": result.title,
        "outcome": result.outcome,
        "missing": [_expected_json(each) for each in result.missing],
        "unexpected": [finding_json(finding) for finding in result.unexpected],
        "findings": [finding_json(finding) for finding in result.findings],
        "error": None
        if error is None
        else {
            "message": error.problem,
            "line": error.location.line,
            "column": error.location.column,
            "hint": error.hint,
        },
    }


def _expected_json(each: Expected) -> Mapping[str, object]:
    return {
        "rule": each.rule,
        "says": each.says,
        "outcome": each.outcome.value if each.outcome else None,
    }
