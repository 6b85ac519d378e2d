"""No text of a finding is a command of the CI runner that prints the report, in whatever format."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.report.github import findings_github
from gitreg.core.report.gitlab import findings_gitlab
from gitreg.core.report.json import findings_json
from gitreg.core.report.junit import findings_junit
from gitreg.core.report.sarif import findings_sarif
from gitreg.core.report.summary import findings_summary
from gitreg.core.report.text import findings_text
from tests.core.finding_kit import MARKS, findings, path_of, paths, unhurried

FORMATS: dict[str, Callable[[list[Finding], str], str]] = {
    "text": lambda found, checked: findings_text(found, checked=f"the registry in {checked}"),
    "json": lambda found, checked: findings_json(found, base=checked),
    "github": lambda found, _: findings_github(found),
    "summary": lambda found, checked: findings_summary(found, checked=checked, facts={checked: checked}),
    "gitlab": lambda found, checked: findings_gitlab(found, anchor=checked),
    "junit": lambda found, _: findings_junit(found),
    "sarif": lambda found, checked: findings_sarif(found, anchor=checked),
}
OURS = re.compile(r"::(error|warning|notice) ([a-z]+=[^,:\r\n]*)(,[a-z]+=[^,:\r\n]*)*::[^\r\n]*\Z")


def orders(text: str) -> list[str]:
    """The lines that a runner would obey: GitHub's (ActionCommand.TryParseV2, TryParse), Azure's, TeamCity's."""
    lines = re.split(r"\r\n|\r|\n", text)
    return [line for line in lines if line.lstrip().startswith("::") or re.search(r"##\w*\[", line)]


def check(format: str, found: list[Finding], checked: str) -> None:
    text = FORMATS[format](found, checked)
    text.encode()
    obeyed = orders(text)
    if format == "github":
        assert all(OURS.match(line) for line in obeyed), obeyed
        assert len(obeyed) == len(text.splitlines()) <= 21
    else:
        assert obeyed == []


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mark", MARKS)
def test_no_mark_is_a_command(format: str, mark: str) -> None:
    path = path_of(mark)
    place = Location(path, 1, 1)
    check(format, [Finding("GR101", mark, place, mark, outcome) for outcome in Outcome], path)
    check(format, [Finding("GR101", mark, None, None, outcome) for outcome in Outcome], path)


@pytest.mark.parametrize("format", FORMATS)
@unhurried
@given(found=st.lists(findings, max_size=3), checked=paths)
def test_no_finding_is_a_command(format: str, found: list[Finding], checked: str) -> None:
    check(format, found, checked)


def test_what_is_a_command_would_be_seen() -> None:
    for line in ("::error::x", "  ::add-mask::x", "a ##[error]x", "##vso[task.complete]", "\r::x"):
        assert orders(line) != []
    assert orders("a ::error::x") == []
