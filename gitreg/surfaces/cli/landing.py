"""What commands that write have in common: land a plan, and say what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gitreg.surfaces.cli.session import Landing, emit

if TYPE_CHECKING:
    from gitreg.core.findings import Finding
    from gitreg.core.plan.plan import Plan
    from gitreg.core.ports import ChangeRequest
    from gitreg.core.snapshot import Snapshot
    from gitreg.flows.automerge import AutoMerge
    from gitreg.flows.land import Landed, Preview
    from gitreg.flows.propose import Proposed
    from gitreg.flows.workspace import Workspace


def land_or_preview(ws: Workspace, make_plan: Callable[[Snapshot], Plan], how: Landing) -> None:
    """Lands a plan, or with ``--dry-run`` shows it, and prints the outcome."""
    from gitreg.flows.land import land, preview

    outcome = preview(ws, make_plan) if how.dry_run else land(ws, make_plan, how.mode)
    show_outcome(outcome, how.format)


def show_outcome(outcome: Landed | Proposed | Preview, format: str) -> None:
    """Prints what became of a plan."""
    from gitreg.flows.land import Landed, Preview

    if isinstance(outcome, Preview):
        _show_preview(outcome, format)
    elif isinstance(outcome, Landed):
        data = {
            "landed": True,
            "title": outcome.plan.title,
            "commit": outcome.commit,
            "followed": outcome.followed,
        }
        emit(format, data, f"{outcome.plan.title}: landed as {outcome.commit[:12]}")
    else:
        _show_proposed(outcome, format)


def _show_preview(outcome: Preview, format: str) -> None:
    data = {"dryRun": True, "title": outcome.title, "branch": outcome.branch}
    data |= {"diff": outcome.diff, "body": outcome.body}
    emit(format, data, f"# {outcome.title}\n\n{outcome.diff.rstrip()}\n\n{outcome.body}")


def _show_proposed(outcome: Proposed, format: str) -> None:
    show_request(outcome.request, outcome.how, outcome.findings, outcome.automerge, format)


def _label(finding: Finding) -> str:
    from gitreg.core.findings import Outcome
    from gitreg.core.verify.rules.approvals import APPROVALS

    if finding.outcome is Outcome.WARNING:
        return "note    "
    place = f"{finding.location}: " if finding.location else ""
    return "needs   " if finding.rule == APPROVALS.rule.id else f"problem {place}"


def _merging(automerge: AutoMerge) -> str:
    from gitreg.core.report.text import printable

    if automerge.why is None:
        return "  merges  by itself once its check and reviews are there"
    return f"  merges  not by itself: {printable(automerge.why)}"


def show_request(
    request: ChangeRequest,
    how: str,
    findings: Sequence[Finding],
    automerge: AutoMerge | None,
    format: str,
) -> None:
    """Prints an open change request and what it still needs; ``how`` is ``opened``, ``adopted`` or ``renewed``."""
    from gitreg.core.report.text import printable

    data = {
        "landed": False,
        "title": request.title,
        "request": request.id,
        "branch": request.branch,
        "head": request.head,
        "how": how,
        "url": request.url,
        "automerge": {"on": automerge.is_on, "why": automerge.why} if automerge else None,
        "findings": plain_findings(findings),
    }
    verb = {"opened": "opened", "adopted": "is open already", "renewed": "planned again"}[how]
    lines = [f"Change #{request.id} {verb}: {printable(request.title)}"]
    lines += [f"  page    {printable(request.url)}"] if request.url else []
    lines.append(f"  branch  {printable(request.branch)}")
    lines += [_merging(automerge)] if automerge else []
    by_itself = automerge is not None and automerge.is_on
    lines += what_is_left(findings, request.id, hosted=request.account is not None, by_itself=by_itself)
    emit(format, data, "\n".join(lines))


def plain_findings(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Findings as plain values."""
    return [{"rule": f.rule, "outcome": f.outcome.value, "message": f.message} for f in findings]


def what_is_left(
    findings: Sequence[Finding], number: str, *, hosted: bool = True, by_itself: bool = False
) -> list[str]:
    """What a request still needs, a line each, and what to do next; ``by_itself``: nobody has to merge it."""
    from gitreg.core.findings import Outcome
    from gitreg.core.report.text import printable

    lines = [f"  {_label(finding)}{printable(finding.message)}" for finding in findings]
    ready = all(finding.outcome is Outcome.WARNING for finding in findings)
    return [*lines, f"  next    {_next(number, ready=ready and not by_itself, hosted=hosted)}"]


def _next(number: str, *, ready: bool, hosted: bool) -> str:
    """A hosted forge has rules of its own, so what gitreg lets through may still lack something there."""
    if not ready:
        return f"gitreg change show {number}"
    merge = f"gitreg change merge {number}"
    return f"{merge}, once it has the review and the check that its page asks for" if hosted else merge
