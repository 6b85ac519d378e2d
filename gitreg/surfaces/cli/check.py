"""``gitreg validate``, ``verify`` and ``audit``: what CI runs. The exit code never depends on the format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.reports import Check, Report, deliver, reporting
from gitreg.surfaces.cli.session import REMOTE, Session, parse_time

if TYPE_CHECKING:
    from gitreg.api import Registry
    from gitreg.core.findings import Finding


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
    from gitreg.flows.asked import verify_request
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
    what = f"{name} on {verdict.base[:12]}"
    return deliver(Check(verdict.findings, what, facts, _rules_of_changes(), anchor), format, reports)


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

    \b
    Examples:
      gitreg audit --since 4f0c2e9a1b7d
      gitreg audit --format github
      gitreg audit --report junit=audit.xml
    """
    from gitreg.core.findings import exit_code
    from gitreg.flows.replay import MOST_AUDITED, demand_line, replay

    ws = session.workspace(remote=remote)
    tip = ws.repository.resolve(until) if until else ws.tip()
    old = ws.repository.resolve(since) if since else None
    commits = demand_line(ws, old, tip, MOST_AUDITED)
    verdicts = list(replay(ws, commits, artifacts=artifacts))
    findings = [_of_commit(v.head, finding) for v in verdicts for finding in v.findings]
    judged = len(verdicts)
    seen = [commit.oid for commit in commits]
    left = len(seen) - seen.index(verdicts[-1].head) - 1 if exit_code(findings) else 0
    facts: dict[str, object] = {"base": old, "head": tip, "commits": judged, "artifacts": artifacts}
    what = f"{judged} change{'' if judged == 1 else 's'} up to {(verdicts[-1].head if left else tip)[:12]}"
    what += "" if artifacts else " (artifacts not looked at)"
    what += f", and {left} newer commits not judged" if left else ""
    anchor = ws.snapshot(tip).layout.path("gitreg.yaml")
    return deliver(Check(findings, what, facts, _rules_of_changes(artifacts), anchor), format, reports)


def _rules_of_changes(artifacts: bool = True) -> list[str]:
    """The ids of the rules by which a change is judged, with or without what only the DVC remote knows."""
    from gitreg.core.verify.rules import CHANGE_RULES, SNAPSHOT_RULES
    from gitreg.core.verify.rules.artifacts import ARTIFACTS

    ids = {each.rule.id for each in SNAPSHOT_RULES} | {each.rule.id for each in CHANGE_RULES}
    return sorted(ids if artifacts else ids - {ARTIFACTS.rule.id})


def _of_commit(commit: str, finding: Finding) -> Finding:
    from dataclasses import replace

    return replace(
        finding,
        message=f"commit {commit[:12]}: {finding.message}",
        # It has landed: nothing mends it but to undo it, or to know of it.
        fix=f"undo it by another change; to go on behind it: gitreg audit --since {commit[:12]}",
    )
