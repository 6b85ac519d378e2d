"""A checklist for the terminal and for programs: what a promotion still needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from gitreg.core.decode import show_time
from gitreg.core.findings import Finding, Outcome
from gitreg.core.report.json import finding_json
from gitreg.core.report.text import findings_text, printable
from gitreg.core.verify.approvals import author_of
from gitreg.core.verify.checklist import ApprovalPoint, ChecklistItem, approval_points
from gitreg.core.verify.rule import Judged

_BOXES = {None: "[x]", Outcome.FAIL: "[ ]", Outcome.UNDECIDED: "[?]"}
_COUNTED = {Outcome.FAIL: "not met", Outcome.UNDECIDED: "unknown"}


def explanation_text(
    title: str, points: Sequence[ChecklistItem], findings: Sequence[Finding], *, color: bool = False
) -> str:
    """A box for each point under what it is about, then the findings beyond the list, then a line that sums up."""
    lines = [printable(title), ""]
    for subject, group in groupby(points, lambda point: point.subject):
        lines.append(f"{printable(subject)}:")
        lines += [f"  {line}" for point in group for line in _point(point)]
        lines.append("")
    if findings:
        lines += [findings_text(findings, checked="besides", color=color), ""]
    return "\n".join([*lines, _summary(points)])


def _point(point: ChecklistItem) -> Iterator[str]:
    yield f"{_BOXES[point.outcome]} {printable(point.text)} ({point.rule})"
    if point.fix and point.outcome:
        yield f"      fix: {printable(point.fix)}"


def _summary(points: Sequence[ChecklistItem]) -> str:
    met = sum(point.outcome is None for point in points)
    counts = [(sum(p.outcome is outcome for p in points), word) for outcome, word in _COUNTED.items()]
    parts = [f"{met} met", *(f"{count} {word}" for count, word in counts if count)]
    return f"{len(points)} point{'' if len(points) == 1 else 's'}: {', '.join(parts)}"


def explanation_json(
    judged: Judged,
    points: Sequence[ChecklistItem],
    findings: Sequence[Finding],
    verdict: str,
    code: int,
) -> dict[str, object]:
    """The same as plain values, with the approvals and soaks taken apart."""
    return {
        "verdict": verdict,
        "exitCode": code,
        "author": author_of(judged.evidence, judged.policy),
        "points": [_point_json(point) for point in points],
        "approvals": [_approval_json(point) for point in approval_points(judged)],
        "soaks": list(_soaks_json(judged)),
        "findings": [finding_json(finding) for finding in findings],
    }


def _point_json(point: ChecklistItem) -> Mapping[str, object]:
    return {
        "subject": point.subject,
        "rule": point.rule,
        "outcome": _outcome(point.outcome),
        "text": point.text,
        "fix": point.fix if point.outcome else None,
    }


def _outcome(outcome: Outcome | None) -> str:
    return outcome.value if outcome else "pass"


def _approval_json(point: ApprovalPoint) -> Mapping[str, object]:
    need = point.needed.need
    return {
        "reason": point.needed.reason,
        "group": need.group,
        "count": need.count,
        "expireSeconds": int(need.expire.total_seconds()) if need.expire else None,
        "members": list(point.members),
        "given": list(point.given),
        "outcome": _outcome(point.outcome),
    }


def _soaks_json(judged: Judged) -> Iterator[Mapping[str, object]]:
    for question, answer in judged.evidence.soaks.items():
        since = judged.evidence.unchanged_since.get(question)
        yield {
            "model": question.model,
            "stage": question.stage,
            "periodSeconds": int(question.period.total_seconds()),
            "over": answer if isinstance(answer, bool) else None,
            "since": show_time(since) if since else None,
            "until": show_time(since + question.period) if since else None,
        }
