"""``gitreg change``: the life of a change request."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gitreg.errors import GitregError
from gitreg.surfaces.cli.landing import plain_findings, show_outcome, show_request, what_is_left
from gitreg.surfaces.cli.reports import Check, deliver
from gitreg.surfaces.cli.session import REMOTE, Group, Session, emit, formatted, terminal_width
from gitreg.surfaces.cli.values import TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitreg.core.ports import ChangeRequest, Statement
    from gitreg.flows.workspace import Workspace

KEY = click.option(
    "--key", metavar="FILE", help="The SSH key to sign with (GITREG_SSH_KEY; default: git's signing key)."
)
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
#: Of so many of the newest requests the author is shown also where they are over: to check a signature takes a process.
_MOST_OPENINGS = 50
#: On a narrower terminal, the list of requests leaves out their branches.
_ROOMY = 120
NUMBER = click.argument("number", metavar="CHANGE", type=TEXT)


@click.group(cls=Group)
def change() -> None:
    """Open, list, read, approve, refresh, merge and close change requests."""


@change.command("open")
@click.argument("branch", type=TEXT)
@KEY
@REMOTE
@DRY_RUN
@formatted("json")
@click.pass_obj
def open_change(
    session: Session, branch: str, key: str | None, remote: str | None, dry_run: bool, format: str
) -> None:
    """Open a change request for a branch that you made by hand, such as an edit of policy.yaml.

    \b
    Example:
      git switch -c stricter && $EDITOR policy.yaml && git commit -a && gitreg change open stricter
    """
    from gitreg.flows.change import open_branch, preview_branch

    ws = session.workspace(key=key, remote=remote)
    if dry_run:
        show_outcome(preview_branch(ws, branch), format)
        return
    opened = open_branch(ws, branch)
    show_request(opened.request, "opened", opened.findings, opened.automerge, format)


@change.command("list")
@click.option("--all", "every", is_flag=True, help="Show merged and closed ones, too.")
@formatted("json")
@click.pass_obj
def list_changes(session: Session, every: bool, format: str) -> None:
    """List the open change requests.

    \b
    Example:
      gitreg change list --all
    """
    from gitreg.core.report.tables import table

    ws = session.workspace()
    ws.repository.fetch()
    requests = ws.forge.requests(("open", "merged", "closed") if every else ("open",))
    authors = _authors(ws, requests) if requests else {}
    width = terminal_width()
    roomy = width is None or width >= _ROOMY
    rows = [
        [
            f"#{r.id}",
            r.state,
            r.title,
            authors.get(r.id, ""),
            f"{r.opened_at:%Y-%m-%d %H:%M}",
            *([r.branch] if roomy else []),
        ]
        for r in requests
    ]
    headers = ["change", "state", "title", "author", "opened (UTC)", *(["branch"] if roomy else [])]
    text = table(headers, rows, width, ("title", "branch")) if rows else ""
    if not rows and format == "text":
        click.echo("No change request is open.", err=True)
    emit(format, [_facts(request) | {"author": authors.get(request.id)} for request in requests], text)


def _authors(ws: Workspace, requests: Sequence[ChangeRequest]) -> dict[str, str]:
    """By request the person whose key signed its opening, where the policy knows the key."""
    policy = ws.current()[1].policy()
    if ws.forge.provider != "local":
        known = {r.id: policy.person_called(ws.forge.provider, r.account) for r in requests}
        return {r.id: person.id if (person := known[r.id]) else r.account or "" for r in requests}
    newest = {r.id for r in requests[-_MOST_OPENINGS:]}
    openings = {r.id: r.author or (_opening(ws, r) if r.id in newest else None) for r in requests}
    signed = {
        id: opening.signature for id, opening in openings.items() if opening and opening.signature.valid
    }
    people = {id: policy.person_with_key(signature.key or "") for id, signature in signed.items()}
    return {id: person.id for id, person in people.items() if person is not None}


def _opening(ws: Workspace, request: ChangeRequest) -> Statement | None:
    """The signed opening of a request that is over; None where it cannot be read."""
    try:
        return None if request.state == "open" else ws.forge.opening(request.id)
    except GitregError:
        return None


def _facts(request: ChangeRequest) -> dict[str, object]:
    from gitreg.core.decode import show_time

    return {
        "id": request.id,
        "state": request.state,
        "title": request.title,
        "branch": request.branch,
        "target": request.target,
        "head": request.head,
        "change": request.change_id,
        "openedAt": show_time(request.opened_at),
        "mergedAs": request.merged_as,
        "url": request.url,
    }


@change.command()
@NUMBER
@REMOTE
@formatted("json")
@click.pass_obj
def show(session: Session, number: str, remote: str | None, format: str) -> None:
    """Show a change request: what it does, and what it still needs.

    \b
    Example:
      gitreg change show 4
    """
    from gitreg.core.report.change_request import JUDGE_IT, change_request_body
    from gitreg.core.report.plain import plain_text
    from gitreg.flows.verify import verify

    ws = session.workspace(remote=remote)
    ws.repository.fetch()
    request = ws.forge.request(number)
    author = _authors(ws, [request]).get(request.id)
    body = request.body
    if request.state == "open" and request.head is not None:
        verdict = verify(ws, ws.tip(), request.head, request)
        body = change_request_body(verdict.judged, verdict.findings)
        shown = body
    else:
        shown = "\n".join(line for line in body.split("\n") if not line.startswith(JUDGE_IT))
    lines = [*_heading(request, author), "", plain_text(shown, terminal_width())]
    emit(format, _facts(request) | {"author": author, "body": body}, "\n".join(lines))


def _heading(request: ChangeRequest, author: str | None) -> list[str]:
    """What a request is, before what it does."""
    from gitreg.core.report.text import printable

    facts = {
        "page": request.url,
        "branch": f"{request.branch} → {request.target}",
        "author": author,
        "opened": f"{request.opened_at:%Y-%m-%d %H:%M} UTC",
        "merged": f"as {request.merged_as[:12]}" if request.merged_as else None,
    }
    said = [f"  {name:<8}{printable(value)}" for name, value in facts.items() if value]
    return [f"Change #{request.id} ({request.state}): {printable(request.title)}", *said]


@change.command()
@NUMBER
@KEY
@click.option(
    "--for",
    "period",
    metavar="DURATION",
    default="30d",
    show_default=True,
    help="How long a signed approval holds: 12h, 14d…; a review has no end of its own.",
    type=TEXT,
)
@click.option("--revoke", is_flag=True, help="Take your approval back.")
@click.option(
    "--signed", is_flag=True, help="On GitHub or GitLab, sign a statement instead of reviewing there."
)
@DRY_RUN
@formatted("json")
@click.pass_obj
def approve(
    session: Session,
    number: str,
    key: str | None,
    period: str,
    revoke: bool,
    signed: bool,
    dry_run: bool,
    format: str,
) -> None:
    """Approve exactly what a change request does now.

    On the local forge you sign that with your SSH key. The statement names the registry, the branch, the change, the
    policy and the evidence; if one of them changes, it counts no more. On GitHub and GitLab it is a review of the
    request's last commit in your name, unless policy asks for signed approvals.

    \b
    Examples:
      gitreg change approve 4 --key ~/.ssh/id_ed25519
      gitreg change approve 4 --signed
    """
    from gitreg.core.decode import DecodeError
    from gitreg.core.policy import duration
    from gitreg.flows.change import speak, to_say

    try:
        valid_for = duration(period, ())
    except DecodeError as error:
        raise click.UsageError(f"--for: {error.message}") from None
    ws = session.workspace(key=key)
    if dry_run:
        words = to_say(ws, number, signed=signed, valid_for=valid_for, revoke=revoke)
        first = f"You would {'take back the' if revoke else 'leave a'} review:"
        first = first if words["type"] == "review" else "You would sign:"
        emit(format, words, "\n".join([first, *(f"  {name}: {value}" for name, value in words.items())]))
        return
    said = speak(ws, number, signed=signed, valid_for=valid_for, revoke=revoke)
    verb = "revoked your approval of" if revoke else "approved"
    id = number.lstrip("#!")
    lines = [f"You {verb} change #{id}."]
    data: dict[str, object] = {
        "change": id,
        "ref" if said.signed else "url": said.place,
        "revoked": revoke,
    }
    if said.findings is not None:
        lines += what_is_left(said.findings, id)
        data["findings"] = plain_findings(said.findings)
    emit(format, data, "\n".join(lines))


@change.command()
@NUMBER
@KEY
@DRY_RUN
@formatted("json")
@click.pass_obj
def refresh(session: Session, number: str, key: str | None, dry_run: bool, format: str) -> None:
    """Plan an overtaken change request again on the current base. Approvals of the old change are void.

    \b
    Example:
      gitreg change refresh 4
    """
    from gitreg.flows.change import preview_refresh
    from gitreg.flows.change import refresh as run

    ws = session.workspace(key=key)
    show_outcome(preview_refresh(ws, number) if dry_run else run(ws, number), format)


@change.command()
@NUMBER
@KEY
@REMOTE
@DRY_RUN
@formatted("json")
@click.pass_obj
def merge(
    session: Session, number: str, key: str | None, remote: str | None, dry_run: bool, format: str
) -> int:
    """Land a change request, if verify lets it through.

    \b
    Example:
      gitreg change merge 4
    """
    from gitreg.core.findings import exit_code
    from gitreg.flows.change import Overtaken, preview_merge
    from gitreg.flows.change import merge as run
    from gitreg.flows.change import refresh as plan_again
    from gitreg.flows.land import Rejected

    ws = session.workspace(key=key, remote=remote)
    if dry_run:
        shown, findings = preview_merge(ws, number)
        show_outcome(shown, format)
        return exit_code(findings)
    try:
        merged = run(ws, number)
    except Overtaken as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        click.echo(f"gitreg: {error.message}", err=True)
        if not click.confirm("Plan it again on the current base now?", err=True):
            return 1
        show_outcome(plan_again(ws, number), format)
        return 1
    except Rejected as error:
        return deliver(Check(error.findings, f"change #{number.lstrip('#!')}"), format)
    data = {"change": merged.request.id, "commit": merged.commit, "followed": merged.followed}
    what, when = ("Change", " is merged already,") if merged.already else ("Merged change", "")
    emit(format, data, f"{what} #{merged.request.id}{when} as {merged.commit[:12]}.")
    return 0


@change.command()
@NUMBER
@DRY_RUN
@click.pass_obj
def close(session: Session, number: str, dry_run: bool) -> None:
    """End a change request without merging it; a branch that gitreg made is deleted.

    \b
    Example:
      gitreg change close 4
    """
    from gitreg.core.report.text import printable
    from gitreg.flows.change import close as run

    ws = session.workspace()
    if dry_run:
        ws.repository.fetch()
        request = ws.forge.request(number)
        click.echo(f"Change #{request.id} ({request.state}) would be closed: {printable(request.title)}")
        return
    click.echo(f"Closed change #{run(ws, number).id}.")
