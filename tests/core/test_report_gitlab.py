"""Findings as a Code Quality report (https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format)."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.report.gitlab import findings_gitlab
from tests.core.finding_kit import FAIL, UNKNOWN, WARNING, findings, unhurried

#: What GitLab's documentation asks for.
TEXT = {"type": "string", "minLength": 1}
ISSUE = {
    "type": "object",
    "required": ["description", "check_name", "fingerprint", "severity", "location"],
    "properties": {
        "description": {"type": "string"},
        "check_name": TEXT,
        "fingerprint": TEXT,
        "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
        "location": {
            "required": ["path", "lines"],
            "properties": {
                "path": {**TEXT, "not": {"pattern": r"^\./"}},
                "lines": {"required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}},
            },
        },
    },
}
REPORT = Draft202012Validator({"type": "array", "items": ISSUE})


def issues(*found: Finding, anchor: str = "gitreg.yaml") -> list[dict[str, Any]]:
    read = json.loads(findings_gitlab(found, anchor=anchor))
    assert isinstance(read, list)
    return read


def prints(*found: Finding) -> list[str]:
    return [issue["fingerprint"] for issue in issues(*found)]


def at(line: int, message: str = "x") -> Finding:
    return Finding("GR101", message, Location("a.yaml", line))


def test_a_finding_has_its_rule_severity_and_place() -> None:
    (issue,) = issues(FAIL)
    assert len(issue.pop("fingerprint")) == 18
    assert issue == {
        "description": "roc_auc is 0.8 (fix: register a better one)",
        "check_name": "GR302",
        "severity": "blocker",
        "location": {"path": "models/売上 モデル/versions/3/version.yaml", "lines": {"begin": 17}},
    }


def test_the_worst_comes_first_and_has_the_highest_severity() -> None:
    found = issues(WARNING, UNKNOWN, FAIL)
    assert [issue["severity"] for issue in found] == ["blocker", "critical", "minor"]
    assert found[1]["description"] == "undecided: approvals could not be read"


def test_what_has_no_place_is_shown_at_the_registry() -> None:
    (issue,) = issues(UNKNOWN, anchor="ml/gitreg.yaml")
    assert issue["location"] == {"path": "ml/gitreg.yaml", "lines": {"begin": 1}}


def test_no_finding_is_an_empty_list() -> None:
    assert issues() == []


def test_fingerprints_outlive_moves_of_the_line() -> None:
    assert prints(at(1)) == prints(at(9))
    assert prints(at(1)) != prints(at(1, "y"))
    assert prints(at(1)) != prints(Finding("GR102", "x", Location("a.yaml", 1)))
    assert prints(at(1)) != prints(Finding("GR101", "x", Location("b.yaml", 1)))


@unhurried
@given(st.lists(findings, max_size=6))
def test_fingerprints_are_unique(found: list[Finding]) -> None:
    assert len(set(prints(*found, at(1), at(2)))) == len({*found, at(1), at(2)})


@unhurried
@given(st.lists(findings, max_size=4))
def test_any_findings_are_a_report_of_printable_text(found: list[Finding]) -> None:
    text = findings_gitlab(found)
    assert text.isascii()
    read = json.loads(text)
    assert [error.message for error in REPORT.iter_errors(read)] == []
    for issue in read:
        assert len(issue["description"].splitlines()) <= 1
        f"{issue}".encode()


def test_the_documentation_is_not_satisfied_by_less() -> None:
    issue = issues(Finding("GR101", "x", outcome=Outcome.WARNING))[0]
    assert REPORT.is_valid([issue])
    assert not REPORT.is_valid([issue | {"severity": "fatal"}])
    assert not REPORT.is_valid([issue | {"location": {"path": "./a", "lines": {"begin": 1}}}])
