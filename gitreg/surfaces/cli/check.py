"""``gitreg validate``, ``verify`` and ``audit``: what CI runs. The exit code never depends on the format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.judged import (
    CHECKS,
    demand_event,
    of_change,
    of_event,
    of_landings,
    pushed,
    say_in_request,
)
from gitreg.surfaces.cli.reports import Check, Report, deliver, reporting
from gitreg.surfaces.cli.session import REMOTE, Session, parse_time

if TYPE_CHECKING:
    from gitreg.api import Registry
    from gitreg.flows.verify import Verdict
    from gitreg.flows.workspace import Workspace


@click.command()
@click.option("--rev", metavar="REV", help="Judge this commit, branch or tag.")
@click.option("--at", metavar="TIME", help="Judge the registry as it was then (ISO 8601).")
@click.option(
    "--worktree/--committed",
    default=None,
    help="Judge the files as they lie in the checkout (the default in one), or the registry's branch.",
)
@reporting
@click.pass_obj
def validate(
    session: Session,
    rev: str | None,
    at: str | None,
    worktree: bool | None,
    format: str,
    reports: Sequence[Report],
) -> int:
    """Check the whole registry: schemas, names, references, pins, DVC files, stray files.

    \b
    Examples:
      gitreg validate
      gitreg -C example-registry validate --format github
      gitreg validate --rev v2026.11
      gitreg validate --report gitlab=code-quality.json --report junit=gitreg.xml
    """
    from gitreg.core.codec.load import InvalidManifest
    from gitreg.core.verify.rules import SNAPSHOT_RULES
    from gitreg.core.verify.rules.manifest import RULE

    try:
        registry = _registry(session, rev, at, worktree)
    except InvalidManifest as error:  # gitreg.yaml itself, so that nothing else can be said
        finding = RULE.finding(error.problem, error.location, error.hint)
        check = Check([finding], "the registry", {"commit": None}, [RULE.id], error.location.path)
        return deliver(check, format, reports)
    what = f"commit {registry.commit[:12]}" if registry.commit else "the working tree"
    check = Check(
        registry.validate(),
        f"the registry in {what}",
        {"commit": registry.commit},
        [each.rule.id for each in SNAPSHOT_RULES],
        registry.snapshot.layout.path("gitreg.yaml"),
    )
    return deliver(check, format, reports)


def _registry(session: Session, rev: str | None, at: str | None, worktree: bool | None) -> Registry:
    from gitreg.api import open_registry

    files = worktree if worktree is not None else rev is None and at is None and _in_checkout(session)
    moment = parse_time(at) if at else None
    return open_registry(options=session.options(), rev=rev, at=moment, worktree=files)


def _in_checkout(session: Session) -> bool:
    from gitreg.wiring import open_registry

    return open_registry(session.options()).repository.top is not None


@click.command()
@click.argument("change", required=False)
@click.option(
    "--base", metavar="REV", help="What the change would be merged into (default: the registry's branch)."
)
@click.option("--head", metavar="REV", help="The change's last commit.")
@CHECKS
@click.option(
    "--comment", is_flag=True, help="Say the verdict in the change request, too, in one comment that is kept."
)
@REMOTE
@reporting
@click.pass_obj
def verify(
    session: Session,
    change: str | None,
    base: str | None,
    head: str | None,
    checks: Sequence[str],
    comment: bool,
    remote: str | None,
    format: str,
    reports: Sequence[Report],
) -> int:
    """Judge one change as if it were merged into its base now.

    CHANGE is the number of an open change request; or name the ends with --base and --head. In GitHub Actions and
    GitLab CI neither is needed: the request, merge queue or push that started the run is judged. Everything is computed
    from the two trees and the base's policy. Exit code: 0 it may land, 1 it may not, 3 that could not be found out.

    With --checks, exit code 0 only says that what was asked for is fine.

    \b
    Examples:
      gitreg verify 4
      gitreg verify --format github --comment
      gitreg verify --checks structure --format github
      gitreg verify --base origin/main --head HEAD --format github
      gitreg verify --head HEAD --report summary=summary.md --report sarif=gitreg.sarif
    """
    from dataclasses import replace

    from gitreg.core.report.common import not_checked_note
    from gitreg.core.verify.checks import APPROVALS

    if change is not None and (base or head):
        raise click.UsageError("Give the number of a change request, or --head (and --base), not both.")
    if comment and APPROVALS not in checks:
        raise click.UsageError("--comment asks the forge, which --checks without approvals leaves alone.")
    if change is None and head is None:
        if base:
            raise click.UsageError("--base goes with --head.")
        event = demand_event("Give the number of a change request, or --head (and --base).")
        ws = session.workspace_for(event, remote=remote)
        check, verdict = of_event(ws, event, checks)
    else:
        ws = session.workspace(remote=remote)
        verdict = _verdict(ws, change, base, head or "", checks)
        check = of_change(verdict, checks)
    if comment and verdict is not None:
        say_in_request(ws, verdict, check.not_checked)
    return deliver(replace(check, note=not_checked_note(check.not_checked)), format, reports)


def _verdict(
    ws: Workspace, change: str | None, base: str | None, head: str, checks: Sequence[str]
) -> Verdict:
    from gitreg.core.verify.checks import APPROVALS
    from gitreg.flows.asked import head_of, open_request, verify_request
    from gitreg.flows.unasked import limited, only
    from gitreg.flows.verify import verify as run

    asked = limited(ws, checks)
    if change is None:
        base_commit = ws.repository.resolve(base) if base else ws.tip()
        return only(run(asked, base_commit, ws.repository.resolve(head)), checks)
    if APPROVALS in checks:
        return only(verify_request(asked, change), checks)
    ws.repository.fetch()
    request = open_request(ws, change)
    return only(run(asked, ws.tip(), head_of(request), request), checks)


@click.command()
@click.option(
    "--since",
    metavar="REV",
    help="The last commit that is taken on trust (default: none; history from its beginning).",
)
@click.option(
    "--until", metavar="REV", help="Up to this commit of the registry's branch (default: its newest)."
)
@click.option("--artifacts/--no-artifacts", default=False, help="Look at the DVC remote, too.")
@REMOTE
@reporting
@click.pass_obj
def audit(
    session: Session,
    since: str | None,
    until: str | None,
    artifacts: bool,
    remote: str | None,
    format: str,
    reports: Sequence[Report],
) -> int:
    """Judge every commit of the registry's branch again, each as the change that it landed.

    Each commit on the first-parent line is judged against its parent, by the policy of that moment, with the
    approvals that were given by then. It stops at the first that should not have landed. Exit codes as verify.

    In CI, where a push of the registry's branch started the run, it judges what that push brought, unless --since or
    --until is given; on GitHub also earlier pushes that no finished run of gitreg-audit.yml has judged.

    \b
    Examples:
      gitreg audit --since 4f0c2e9a1b7d
      gitreg audit --format github
      gitreg audit --report junit=audit.xml
    """
    from gitreg.core.verify.checks import ALL, ARTIFACTS, not_checked
    from gitreg.flows.replay import MOST_AUDITED, demand_line, replay

    checks = ALL if artifacts else not_checked([ARTIFACTS])
    event = pushed() if since is None and until is None else None
    if event is not None:
        ws = session.workspace_for(event, remote=remote)
        if event.branch == ws.branch:
            check, _ = of_event(ws, event, checks)
            return deliver(check, format, reports)
    ws = session.workspace(remote=remote)
    tip = ws.repository.resolve(until) if until else ws.tip()
    old = ws.repository.resolve(since) if since else None
    commits = demand_line(ws, old, tip, MOST_AUDITED)
    verdicts = list(replay(ws, commits, checks=checks))
    return deliver(of_landings(ws, old, [c.oid for c in commits], tip, verdicts, checks), format, reports)
