"""The comment that gitreg keeps on a change request: the verdict, and what a reviewer needs to decide."""

from __future__ import annotations

from collections.abc import Sequence

from gitreg.core.findings import Finding, verdict
from gitreg.core.report.change_request import verdict_body
from gitreg.core.report.common import not_checked_note
from gitreg.core.report.text import count_findings
from gitreg.core.verify.rule import Judged

_MARKS = {"pass": "✅", "fail": "❌", "undecided": "❔"}


def verdict_comment(
    judged: Judged, findings: Sequence[Finding], base: str, head: str, not_checked: Sequence[str] = ()
) -> str:
    """Markdown: a heading with the verdict, between which commits it is, what is missing, and what the change does.

    ``not_checked`` are the groups of rules that nobody asked for.
    """
    note = not_checked_note(not_checked)
    found = verdict(findings)
    lines = [
        f"## {_MARKS[found]} gitreg: {found}{', but incomplete' if note else ''}",
        "",
        f"`{head[:12]}` on `{base[:12]}`: {count_findings(findings)}.",
        *(["", f"**{note[:1].upper()}{note[1:]}.**"] if note else []),
    ]
    return "\n".join([*lines, "", verdict_body(judged, findings)])
