"""Findings as test results: well-formed XML 1.0, of the elements and attributes that every reader takes."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.report.junit import findings_junit
from gitreg.core.report.text import printable
from gitreg.core.verify.rules import all_rules
from tests.core.finding_kit import FAIL, MARKS, UNKNOWN, WARNING, findings, texts, unhurried

#: https://github.com/jenkinsci/xunit-plugin, junit-10.xsd: element, its parent, its attributes.
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped"},
    "testcase": {"classname", "name"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"message"},
    "system-out": set(),
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"skipped", "failure", "error", "system-out"},
}
#: https://www.w3.org/TR/xml/#charsets
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def suite(text: str) -> ET.Element:
    """The only suite of a document, all of which is as readers expect it."""
    root = ET.fromstring(text)
    for element in root.iter():
        assert element.keys() == list(element.attrib)
        assert set(element.keys()) == ATTRIBUTES[element.tag]
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        assert not FORBIDDEN.search("".join([element.text or "", *element.attrib.values()]))
    assert root.tag == "testsuites"
    (only,) = root
    assert root.attrib == only.attrib
    return only


def case(text: str, rule: str) -> ET.Element:
    (found,) = [each for each in suite(text) if each.attrib["name"].split()[0] == rule]
    return found


def test_every_rule_is_a_test_that_passes_if_nothing_is_found() -> None:
    found = suite(findings_junit([]))
    assert [each.attrib["name"] for each in found] == [f"{r.id} {r.name}" for r in all_rules()]
    assert found.attrib == {
        "name": "gitreg", "tests": str(len(all_rules())), "failures": "0", "errors": "0", "skipped": "0",
    }  # fmt: skip
    assert not any(list(each) for each in found)


def test_rules_that_were_not_judged_do_not_pass() -> None:
    names = [each.attrib["name"] for each in suite(findings_junit([FAIL], rules=["GR101"]))]
    assert names == ["GR101 manifest", "GR302 metric-gate"]


def test_a_broken_rule_is_a_failure() -> None:
    (failure,) = case(findings_junit([FAIL]), "GR302")
    assert (failure.tag, failure.attrib) == ("failure", {"type": "fail", "message": "roc_auc is 0.8"})
    assert (failure.text or "").splitlines() == [
        "models/売上 モデル/versions/3/version.yaml:17:12: GR302 roc_auc is 0.8",
        "    fix: register a better one",
        "explained in docs/rules/GR302.md",
    ]


def test_what_could_not_be_decided_is_an_error() -> None:
    text = findings_junit([UNKNOWN, WARNING])
    error, printed = case(text, "GR401")
    assert (error.tag, error.attrib["type"]) == ("error", "undecided")
    assert (printed.tag, printed.text) == (
        "system-out",
        "policy.yaml: GR401 warning: a statement does not count",
    )
    assert suite(text).attrib | {"tests": ""} == {
        "name": "gitreg", "tests": "", "failures": "0", "errors": "1", "skipped": "0",
    }  # fmt: skip


def test_warnings_are_printed_by_a_test_that_passes() -> None:
    (printed,) = case(findings_junit([WARNING]), "GR401")
    assert printed.tag == "system-out"


def test_a_rule_fails_once_for_all_its_findings() -> None:
    worse = Finding("GR401", "nobody approved", outcome=Outcome.FAIL)
    (failure,) = case(findings_junit([UNKNOWN, worse]), "GR401")
    assert failure.tag == "failure"
    assert failure.attrib["message"] == "nobody approved (and 1 more)"
    assert "GR401 undecided: approvals could not be read" in (failure.text or "")


def test_no_finding_attaches_a_file() -> None:
    """https://docs.gitlab.com/ci/testing/unit_test_reports/#view-junit-screenshots-on-gitlab"""
    hostile = "[[ATTACHMENT|/etc/passwd]]"
    text = findings_junit([Finding("GR101", hostile, Location(hostile), hostile, o) for o in Outcome])
    bodies = [element.text or "" for element in suite(text).iter()]
    assert not any("[[ATTACHMENT" in body for body in bodies)
    assert sum(body.count("[\\x5bATTACHMENT|/etc/passwd]]") for body in bodies) == 9


@pytest.mark.parametrize("mark", MARKS)
def test_every_mark_is_text_everywhere(mark: str) -> None:
    (failure,) = case(findings_junit([Finding("GR101", mark, Location(f"a{mark}"), mark)]), "GR101")
    assert failure.attrib["message"] == printable(mark)
    assert len((failure.text or "").split("\n")) == 2 + bool(mark)


@unhurried
@given(texts)
def test_any_message_is_said_as_it_is(message: str) -> None:
    (failure,) = case(findings_junit([Finding("GR101", message)]), "GR101")
    assert failure.attrib["message"] == printable(message)


@unhurried
@given(st.lists(findings, max_size=5))
def test_any_findings_are_well_formed_and_counted(found: list[Finding]) -> None:
    text = findings_junit(found)
    assert text.isascii()
    read = suite(text)
    failed = {f.rule for f in found if f.outcome is Outcome.FAIL}
    unknown = {f.rule for f in found if f.outcome is Outcome.UNDECIDED} - failed
    assert (read.attrib["failures"], read.attrib["errors"]) == (str(len(failed)), str(len(unknown)))
    assert read.attrib["tests"] == str(len(read))
