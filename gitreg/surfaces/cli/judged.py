"""What ``verify`` and ``audit`` make of verdicts: a check to be delivered; and what they know of the run of CI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gitreg.errors import GitregError
from gitreg.surfaces.cli.reports import Check
from gitreg.surfaces.cli.session import warn

if TYPE_CHECKING:
    from gitreg.core.ci_event import CiEvent
    from gitreg.core.findings import Finding
    from gitreg.flows.ci import Judgement
    from gitreg.flows.verify import Verdict
    from gitreg.flows.workspace import Workspace


def _parse_checks(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    from gitreg.core.verify.checks import ALL

    asked = [each.strip() for value in values for each in value.split(",")]
    for each in asked:
        if each not in (*ALL, "all"):
            raise click.BadParameter(f"{each!r} is none of {', '.join(ALL)}, all.")
    return tuple(check for check in ALL if not asked or check in asked or "all" in asked)


CHECKS = click.option(
    "--checks",
    metavar="structure|approvals|artifacts|all",
    multiple=True,
    callback=_parse_checks,
    help="Judge by these rules alone, where the forge or the DVC remote cannot be asked; several, with commas. What is"
    " left out is named, and the result is no pass of the gate.",
)


def demand_event(otherwise: str) -> CiEvent:
    """What this run of CI is about. Raises UsageError outside CI: ``otherwise`` says what to give."""
    from gitreg.wiring.ci import ci_event

    event = ci_event()
    if event is None:
        raise click.UsageError(f"{otherwise} Only GitHub Actions and GitLab CI tell what is to be judged.")
    return event


def pushed() -> CiEvent | None:
    """The push that started this run of CI, if one did."""
    from gitreg.core.ci_event import EventKind
    from gitreg.wiring.ci import ci_event

    event = ci_event()
    return event if event is not None and event.kind is EventKind.PUSH else None


def of_event(ws: Workspace, event: CiEvent, checks: Sequence[str]) -> tuple[Check, Verdict | None]:
    """Judges what a run of CI is about; the verdict is that on a change request, where it is about one."""
    from gitreg.core.ci_event import EventKind
    from gitreg.flows.ci import judge_event

    found = judge_event(ws, event, checks)
    if event.kind is EventKind.REQUEST:
        (verdict,) = found.verdicts
        return of_change(verdict, checks), verdict
    return _of_commits(ws, found, checks), None


def _of_commits(ws: Workspace, found: Judgement, checks: Sequence[str]) -> Check:
    from gitreg.core.ci_event import EventKind

    queued = found.event.kind is EventKind.GROUP
    check = of_landings(
        ws, found.base or None, found.commits, found.head or None, found.verdicts, checks, queued=queued
    )
    return replace(check, findings=[*found.problems, *check.findings])


def of_change(verdict: Verdict, checks: Sequence[str]) -> Check:
    """The verdict on one change."""
    from gitreg.core.verify.checks import not_checked

    name = f"change #{verdict.request.id}" if verdict.request else f"commit {verdict.head[:12]}"
    facts: dict[str, object] = {
        "base": verdict.base,
        "head": verdict.head,
        "kinds": verdict.judged.kinds,
        "change": verdict.judged.evidence.change_id,
    }
    anchor = verdict.judged.base.layout.path("gitreg.yaml")
    what = f"{name} on {verdict.base[:12]}"
    return Check(verdict.findings, what, facts, _rules_of_changes(), anchor, not_checked(checks))


def of_landings(
    ws: Workspace,
    base: str | None,
    commits: Sequence[str],
    tip: str | None,
    verdicts: Sequence[Verdict],
    checks: Sequence[str],
    *,
    queued: bool = False,
) -> Check:
    """The verdicts on ``commits``, from ``base`` to ``tip``: on all, or up to the first that may not stand.

    ``queued``: they have not landed yet.
    """
    from gitreg.core.findings import exit_code
    from gitreg.core.verify.checks import ARTIFACTS, not_checked

    artifacts = ARTIFACTS in checks
    findings = [_of_commit(v.head, finding, queued) for v in verdicts for finding in v.findings]
    judged = len(verdicts)
    left = len(commits) - commits.index(verdicts[-1].head) - 1 if exit_code(findings) else 0
    facts: dict[str, object] = {"base": base, "head": tip, "commits": judged, "artifacts": artifacts}
    last = verdicts[-1].head if left else tip
    what = f"{judged} {'queued ' if queued else ''}change{'' if judged == 1 else 's'}"
    what += f" up to {last[:12]}" if last else ""
    what += "" if artifacts else " (artifacts not looked at)"
    what += f", and {left} newer commits not judged" if left else ""
    layout = ws.snapshot(tip or "").layout
    anchor = layout.path("gitreg.yaml")
    return Check(findings, what, facts, _rules_of_changes(), anchor, not_checked(checks))


def _rules_of_changes() -> list[str]:
    """The ids of the rules by which a change is judged."""
    from gitreg.core.verify.rules import CHANGE_RULES, SNAPSHOT_RULES

    return sorted({each.rule.id for each in SNAPSHOT_RULES} | {each.rule.id for each in CHANGE_RULES})


def _of_commit(commit: str, finding: Finding, queued: bool) -> Finding:
    """What has landed nothing mends but to undo it, or to know of it."""
    landed = f"undo it by another change; to go on behind it: gitreg audit --since {commit[:12]}"
    return replace(
        finding,
        message=f"commit {commit[:12]}: {finding.message}",
        fix=finding.fix if queued else landed,
    )


def say_in_request(ws: Workspace, verdict: Verdict, not_checked: Sequence[str]) -> None:
    """Sets gitreg's comment on a change request. The verdict never hangs on that: a fork's token may not comment."""
    from gitreg.core.report.comment import verdict_comment

    if verdict.request is None:
        return warn("no change request is known to comment on")
    text = verdict_comment(verdict.judged, verdict.findings, verdict.base, verdict.head, not_checked)
    try:
        ws.forge.comment(verdict.request, text)
    except GitregError as error:
        warn(f"change #{verdict.request.id} could not be commented on: {error.message}")
