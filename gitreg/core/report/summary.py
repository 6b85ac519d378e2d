"""The verdict as Markdown, for the summary of a GitHub Actions step.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gitreg.core.findings import Finding, sort_findings, verdict
from gitreg.core.report.common import rules_by_id
from gitreg.core.report.markdown import escape, listed, table
from gitreg.core.report.show import show_plain
from gitreg.core.report.text import count_findings
from gitreg.core.verify.rule import Rule

#: In UTF-8. GitHub takes 1 MiB of a step, and drops the whole summary if there is more; the step may add its own.
MOST_BYTES = 512 * 1024
#: How many characters of a message or a fix are shown; and of each fact, and how many values of it.
MOST_CHARACTERS = 400
MOST_VALUES = 20

_HEADERS = ["outcome", "rule", "where", "what", "how to mend it"]
#: For all that is no row of the table: its headers and the line that counts what is left out.
_FRAME = 1024


def findings_summary(
    findings: Iterable[Finding],
    *,
    checked: str,
    facts: Mapping[str, object] | None = None,
    docs: str | None = None,
    note: str = "",
) -> str:
    """A heading with the verdict, what was checked, how much was found, and a table of it, most severe first.

    What it shows of other people's text can be nothing but text (see :mod:`gitreg.core.report.markdown`). It has at
    most ``MOST_BYTES``; findings that do not fit are counted.

    Args:
        checked: what was judged, in words: ``change #4 on 1a2b3c4d5e6f``.
        facts: what was judged, for programs: plain values by name.
        docs: absolute URL of the folder that holds ``docs/``; without it the pages of rules are named, not linked.
        note: what was not checked; then the heading says that it is not all.
    """
    ordered = sort_findings(findings)
    head = [
        f"## gitreg: {verdict(ordered)}{', but incomplete' if note else ''}",
        "",
        f"Checked {escape(checked)}: {count_findings(ordered)}.",
        *(["", f"**{note[:1].upper()}{note[1:]}.**"] if note else []),
        *_facts(facts or {}),
    ]
    if not ordered:
        return "\n".join(head)
    rules = rules_by_id()
    rows = [_row(finding, rules.get(finding.rule), docs) for finding in ordered]
    room = MOST_BYTES - _FRAME - sum(_size(line) for line in head)
    return "\n".join([*head, "", *table(_HEADERS, rows, _fitting(rows, room))])


def _facts(facts: Mapping[str, object]) -> list[str]:
    lines = [f"- {escape(name)}: {_value(value)}" for name, value in facts.items() if value not in (None, [])]
    return ["", *lines] if lines else []


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return listed(map(show_plain, value), MOST_VALUES)
    return escape(show_plain(value), MOST_CHARACTERS)


def _row(finding: Finding, rule: Rule | None, docs: str | None) -> list[str]:
    return [
        finding.outcome.value,
        _rule(finding, rule, docs),
        escape(str(finding.location)) if finding.location else "",
        escape(finding.message, MOST_CHARACTERS),
        escape(finding.fix, MOST_CHARACTERS) if finding.fix else "",
    ]


def _rule(finding: Finding, rule: Rule | None, docs: str | None) -> str:
    name = f"{finding.rule} {rule.name}" if rule else finding.rule
    return f"[{name}]({docs.rstrip('/')}/{finding.link})" if docs else f"{name} ({escape(finding.link)})"


def _fitting(rows: Sequence[Sequence[str]], room: int) -> int:
    """How many rows have at most ``room`` bytes, with what the table puts around their cells."""
    for count, row in enumerate(rows):
        room -= sum(_size(cell) + 3 for cell in row)
        if room < 0:
            return count
    return len(rows)


def _size(line: str) -> int:
    return len(line.encode()) + 1
