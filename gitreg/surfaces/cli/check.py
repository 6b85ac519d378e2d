"""``gitreg validate`` and ``gitreg verify``: what CI runs. The exit code never depends on the format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.reports import Check, Report, deliver, reporting
from gitreg.surfaces.cli.session import REMOTE, Session, parse_time

if TYPE_CHECKING:
    from gitreg.api import Registry


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
@REMOTE
@reporting
@click.pass_obj
def verify(
    session: Session,
    change: str | None,
    base: str | None,
    head: str | None,
    remote: str | None,
    format: str,
    reports: Sequence[Report],
) -> int:
    """Judge one change as if it were merged into its base now.

    CHANGE is the number of an open change request; or name the ends with --base and --head. Everything is computed
    from the two trees and the base's policy. Exit code: 0 it may land, 1 it may not, 3 that could not be found out.

    \b
    Examples:
      gitreg verify 4
      gitreg verify --base origin/main --head HEAD --format github
      gitreg verify --head HEAD --report summary=summary.md --report sarif=gitreg.sarif
    """
    from gitreg.flows.change import verify_request
    from gitreg.flows.verify import verify as run

    if (change is None) == (head is None):
        raise click.UsageError("Give the number of a change request, or --head (and --base).")
    ws = session.workspace(remote=remote)
    if change is not None:
        verdict = verify_request(ws, change)
    else:
        repository = ws.repository
        base_commit = repository.resolve(base) if base else ws.tip()
        verdict = run(ws, base_commit, repository.resolve(head or ""))
    name = f"change #{verdict.request.id}" if verdict.request else f"commit {verdict.head[:12]}"
    facts: dict[str, object] = {
        "base": verdict.base,
        "head": verdict.head,
        "kinds": verdict.judged.kinds,
        "change": verdict.judged.evidence.change_id,
    }
    anchor = verdict.judged.base.layout.path("gitreg.yaml")
    check = Check(verdict.findings, f"{name} on {verdict.base[:12]}", facts, anchor=anchor)
    return deliver(check, format, reports)
