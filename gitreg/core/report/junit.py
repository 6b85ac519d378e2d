"""Findings as JUnit XML, which CI systems show as test results: a test case for each rule.

There is no standard, but a common part of what the readers take:
https://docs.gitlab.com/ci/testing/unit_test_reports/#junit-xml-format-specification and
https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from xml.etree import ElementTree as ET

from gitreg.core.findings import Finding, Outcome, sort_findings, worst
from gitreg.core.report.common import rules_by_id
from gitreg.core.report.text import defused, finding_lines, printable
from gitreg.core.verify.rule import Rule

SUITE = "gitreg"

_ELEMENTS = {Outcome.FAIL: "failure", Outcome.UNDECIDED: "error"}
#: GitLab takes this, anywhere in what a test printed, for a file to link to.
_ATTACHMENT = "[[ATTACHMENT|"


def findings_junit(
    findings: Iterable[Finding], *, rules: Iterable[str] | None = None, skipped: Collection[str] = ()
) -> str:
    """One suite, in ASCII: a rule that is broken is a failure, one that could not be judged is an error.

    Warnings are what a test case printed; it passes with them.

    Args:
        rules: the ids of the rules that were judged, all by default; a rule with a finding is always among them.
        skipped: the ids of those that nobody asked for.
    """
    ordered = sort_findings(findings)
    known = rules_by_id()
    judged = {*(known if rules is None else rules), *(finding.rule for finding in ordered), *skipped}
    suite = ET.Element("testsuite", name=SUITE)
    for id in sorted(judged):
        case = _case(id, known.get(id), [finding for finding in ordered if finding.rule == id])
        if id in skipped:
            ET.SubElement(case, "skipped", message="not asked for: --checks")
        suite.append(case)
    root = ET.Element("testsuites", name=SUITE)
    root.append(suite)
    for element in (root, suite):
        element.attrib |= _counts(suite)
    ET.indent(root)
    return _xml(root)


def _case(id: str, rule: Rule | None, findings: Sequence[Finding]) -> ET.Element:
    """The test case of one rule; it can only fail in one way, which is the worst."""
    case = ET.Element("testcase", classname=SUITE, name=f"{id} {rule.name}" if rule else id)
    blocking = [finding for finding in findings if finding.outcome in _ELEMENTS]
    warnings = [finding for finding in findings if finding.outcome is Outcome.WARNING]
    outcome = worst(blocking)
    if outcome is not None:
        element = ET.SubElement(case, _ELEMENTS[outcome], type=outcome.value, message=_headline(blocking))
        element.text = _text([*blocking, f"explained in {blocking[0].link}"])
    if warnings:
        ET.SubElement(case, "system-out").text = _text(warnings)
    return case


def _headline(findings: Sequence[Finding]) -> str:
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return printable(findings[0].message) + more


def _text(parts: Sequence[Finding | str]) -> str:
    lines = [line for part in parts for line in ([part] if isinstance(part, str) else finding_lines(part))]
    return "\n".join(lines).replace(_ATTACHMENT, _ATTACHMENT.replace("[[", "[\\x5b"))


def _counts(suite: ET.Element) -> dict[str, str]:
    return {
        "tests": str(len(suite)),
        "failures": str(len(suite.findall("*/failure"))),
        "errors": str(len(suite.findall("*/error"))),
        "skipped": str(len(suite.findall("*/skipped"))),
    }


def _xml(root: ET.Element) -> str:
    """The document in ASCII. What it says is printable, so that XML 1.0 can say it all (its section 2.2)."""
    text = ET.tostring(root, encoding="us-ascii", xml_declaration=True).decode("ascii")
    return defused(text, "&#35;")
