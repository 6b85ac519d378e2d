"""``gitreg ci``: what a run of CI knows of itself, and has CI do again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.judged import demand_event
from gitreg.surfaces.cli.session import Group, Session, emit, formatted
from gitreg.surfaces.cli.values import TEXT

if TYPE_CHECKING:
    from gitreg.core.ci_event import CiEvent

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
@click.argument("number", metavar="[CHANGE]", required=False, type=TEXT)
@formatted("json")
@click.pass_obj
def rerun(session: Session, number: str | None, format: str) -> None:
    """Have the failed run for a change request's last commit judge it again, as a review may have made it right.

    CHANGE is the request's number; without it, in CI, the one that started the run. GitHub shows the check of a request
    and that of a review of it side by side, and both must pass. On GitLab an approval starts no pipeline. Nothing
    happens where nothing failed, or the run is about no change request.

    \b
    Examples:
      gitreg ci rerun 7
      gitreg verify --format github && gitreg ci rerun
    """
    head, url = _of_request(session, number) if number is not None else _of_event(session)
    emit(format, {"head": head, "rerun": url}, f"runs again: {url}" if url else "Nothing is to be run again.")


def _of_request(session: Session, number: str) -> tuple[str | None, str | None]:
    from gitreg.flows.asked import head_of, open_request

    ws = session.workspace()
    ws.repository.fetch()
    head = head_of(open_request(ws, number))
    return head, ws.forge.rerun_failed(head)


def _of_event(session: Session) -> tuple[str | None, str | None]:
    from gitreg.core.ci_event import EventKind

    found = demand_event(_OUTSIDE)
    is_request = found.kind is EventKind.REQUEST and found.head is not None
    url = session.workspace_for(found).forge.rerun_failed(found.head or "") if is_request else None
    return found.head, url
