"""Findings as GitHub's workflow commands, which show them beside the lines of a pull request.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands; the escapes are those of
https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gitreg.core.findings import Finding, Outcome, sort_findings
from gitreg.core.report.text import printable

#: How many annotations of one type GitHub shows of one step; the rest it drops without a word.
MOST_PER_TYPE = 10

_COMMANDS = {Outcome.FAIL: "error", Outcome.UNDECIDED: "error", Outcome.WARNING: "warning"}


def findings_github(findings: Iterable[Finding], *, note: str = "") -> str:
    """A command a line, most severe first; what GitHub would drop is counted in a last notice. "" if all is well.

    ``note`` is a warning that is never dropped.
    """
    left = dict.fromkeys(_COMMANDS.values(), MOST_PER_TYPE)
    lines: list[str] = []
    if note:
        left["warning"] -= 1
        lines.append(_command("warning", {"title": "gitreg"}, printable(note)))
    dropped = 0
    for finding in sort_findings(findings):
        command = _COMMANDS[finding.outcome]
        if left[command]:
            left[command] -= 1
            lines.append(_annotation(command, finding))
        else:
            dropped += 1
    if dropped:
        lines.append(_command("notice", {"title": "gitreg"}, f"{dropped} more; --format text shows them all"))
    return "\n".join(lines)


def error_github(message: str, hint: str | None = None) -> str:
    """An error that kept gitreg from a verdict, as an annotation of the run."""
    text = printable(message) + (f"\nhint: {printable(hint)}" if hint else "")
    return _command("error", {"title": "gitreg"}, text)


def _annotation(command: str, finding: Finding) -> str:
    place = finding.location
    properties = {
        "file": printable(place.path) if place else None,
        "line": place.line if place else None,
        "col": place.column if place else None,
        "title": finding.rule,
    }
    message = printable(finding.message)
    if finding.outcome is Outcome.UNDECIDED:
        message = f"undecided: {message}"
    if finding.fix:
        message += f"\nfix: {printable(finding.fix)}"
    return _command(command, properties, message)


def _command(command: str, properties: Mapping[str, str | int | None], message: str) -> str:
    shown = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value is not None)
    return f"::{command} {shown}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str | int) -> str:
    return _data(str(value)).replace(":", "%3A").replace(",", "%2C")
