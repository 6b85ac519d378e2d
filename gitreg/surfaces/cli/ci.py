"""``gitreg ci``: what a run of CI knows of itself, and has CI do again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.judged import demand_event
from gitreg.surfaces.cli.session import Group, Session, emit, formatted

if TYPE_CHECKING:
    from gitreg.core.ports import CiEvent

_OUTSIDE = "This is for runs of CI."


@click.group(cls=Group)
def ci() -> None:
    """In GitHub Actions and GitLab CI: show what a run is about, and have failed runs judge again."""


@ci.command()
@formatted("json")
def event(format: str) -> None:
    """Show what `gitreg verify` would judge here, as CI tells it.

    \b
    Example:
      gitreg ci event --format json
    """
    facts = _facts(demand_event(_OUTSIDE))
    lines = [f"{name}: {value}" for name, value in facts.items() if value not in (None, "", False)]
    from gitreg.core.report.text import printable

    emit(format, facts, "\n".join(map(printable, lines)))


def _facts(event: CiEvent) -> dict[str, object]:
    return {
        "kind": event.kind.value,
        "system": event.system,
        "name": event.name,
        "branch": event.branch or None,
        "base": event.base,
        "head": event.head,
        "request": event.request or None,
        "forced": event.forced,
        "defaultBranch": event.default_branch,
    }


@ci.command()
@formatted("json")
@click.pass_obj
def rerun(session: Session, format: str) -> None:
    """Have the failed run for this change request's last commit judge it again, as a review may have made it right.

    GitHub shows the check of a request and that of a review of it side by side, and both must pass. Nothing happens
    where nothing failed, or the run is about no change request.

    \b
    Example:
      gitreg verify --format github && gitreg ci rerun
    """
    from gitreg.core.ports import EventKind

    found = demand_event(_OUTSIDE)
    url = None
    if found.kind is EventKind.REQUEST and found.head is not None:
        url = session.workspace_for(found).forge.rerun_failed(found.head)
    emit(
        format,
        {"head": found.head, "rerun": url},
        f"runs again: {url}" if url else "Nothing is to be run again.",
    )
