"""Text for terminals: findings as a linter shows them, and what makes text from elsewhere fit to be shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from gitreg.core.findings import Finding, Location, Outcome, count_outcomes, sort_findings

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _CYAN, _RESET = (f"\x1b[{code}m" for code in (1, 2, 31, 32, 33, 36, 0))
_COLOURS = {Outcome.FAIL: _RED, Outcome.UNDECIDED: _YELLOW, Outcome.WARNING: _CYAN}
_LABELS = {Outcome.FAIL: "", Outcome.UNDECIDED: "undecided: ", Outcome.WARNING: "warning: "}

#: How older commands to CI runners begin (``##[add-mask]``, ``##vso[``, ``##teamcity[``). They are obeyed wherever in a
#: printed line they stand.
_RUNNER_COMMAND = re.compile(r"##(?=\w*\[)")


def printable(text: str) -> str:
    r"""``text`` on one line, with all escaped that a terminal would obey or hide: controls, bidi, the invisible.

    They are written as Python writes them (``\x1b``, ``\n``, ``\u202e``). Backslashes stay single: this is for eyes.
    """
    if text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def defused(text: str, second: str) -> str:
    """``text`` in which no CI runner finds an older command: ``second`` is written for the second ``#`` of each."""
    return _RUNNER_COMMAND.sub(lambda _: f"#{second}", text)


_COMMAND_LINE = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)


def inert(text: str) -> str:
    """A text of several lines of which GitHub's runner obeys none.

    It obeys lines that begin with ``::``, after any spaces, and older commands anywhere in a line:
    https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs.
    """
    return defused(_COMMAND_LINE.sub(r"\1\\x3a", text), "\\x23")


def findings_text(findings: Iterable[Finding], *, checked: str, note: str = "", color: bool = False) -> str:
    """``path:line:col: GR302 message`` for each finding, most severe first, and a last line that sums up.

    Args:
        checked: what was judged, as the last line says it: ``verified main (1a2b3c4d5e6f)``.
        note: what stands below that line.
        color: whether to colour for a terminal (ANSI).
    """
    ordered = sort_findings(findings)
    lines = [line for finding in ordered for line in finding_lines(finding, color=color)]
    last = [_summary(ordered, checked, color), *([_styled(note, _YELLOW, color)] if note else [])]
    return "\n".join([*lines, *([""] if lines else []), *last])


def finding_lines(finding: Finding, *, color: bool = False) -> list[str]:
    """A finding as text: its place, rule and message on a line, how to mend it on another."""
    place = f"{_place(finding.location)}: " if finding.location else ""
    rule = _styled(finding.rule, _COLOURS[finding.outcome], color)
    message = _shown(finding.message)
    lines = [f"{_styled(place, _BOLD, color)}{rule} {_LABELS[finding.outcome]}{message}"]
    if finding.fix:
        lines.append(f"    {_styled('fix:', _DIM, color)} {_shown(finding.fix)}")
    return lines


def _place(location: Location) -> str:
    """A path cannot be taken for a command of GitHub's runner, which begins a line with ``::``, or spaces and that."""
    shown = _shown(str(location))
    return f"./{shown}" if shown.lstrip().startswith(":") else shown


def _shown(text: str) -> str:
    """Printable, and without the older form of such a command, which may stand anywhere in a line."""
    return defused(printable(text), "\\x23")


def _summary(findings: Sequence[Finding], checked: str, color: bool) -> str:
    colour = _COLOURS[findings[0].outcome] if findings else _GREEN
    return f"{_shown(checked)}: {_styled(count_findings(findings), colour, color)}"


def count_findings(findings: Iterable[Finding]) -> str:
    """``2 findings, 1 undecided, 1 warning``, naming only what there is; with nothing in the way it says so."""
    counts = count_outcomes(findings)
    parts = [
        _counted(counts[Outcome.FAIL], "finding", "findings"),
        _counted(counts[Outcome.UNDECIDED], "undecided", "undecided"),
        _counted(counts[Outcome.WARNING], "warning", "warnings"),
    ]
    if not counts[Outcome.FAIL] + counts[Outcome.UNDECIDED]:
        parts.insert(0, "nothing to complain about")
    return ", ".join(part for part in parts if part)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}" if count else ""


def _styled(text: str, style: str, color: bool) -> str:
    return f"{style}{text}{_RESET}" if color and text else text
