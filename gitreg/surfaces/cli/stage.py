"""``gitreg promote``, ``demote`` and ``rollback``: moves between stages."""

from __future__ import annotations

import click

from gitreg.surfaces.cli.landing import land_or_preview
from gitreg.surfaces.cli.session import REMOTE, Landing, Session, landing
from gitreg.surfaces.cli.values import TEXT


@click.command()
@click.argument("reference", metavar="REF", type=TEXT)
@click.option("--to", "stage", metavar="STAGE", required=True, help="The stage to enter.", type=TEXT)
@click.option(
    "--archive-existing/--keep",
    default=None,
    help="Send every version in the stage away, or keep them all (default: only the room that policy asks for).",
)
@REMOTE
@landing
@click.pass_obj
def promote(
    session: Session,
    reference: str,
    stage: str,
    archive_existing: bool | None,
    remote: str | None,
    how: Landing,
) -> None:
    """Ask for a version to enter a stage.

    \b
    Examples:
      gitreg promote credit-risk/3 --to staging
      gitreg promote credit-risk/staging --to production --dry-run
    """
    from gitreg.core.names import parse_reference
    from gitreg.core.plan.transition import plan_promote
    from gitreg.core.resolve import resolve

    wanted = parse_reference(reference)
    ws = session.workspace(remote=remote, key=how.key)

    def make_plan(snapshot):  # type: ignore[no-untyped-def]
        found = resolve(snapshot, wanted)
        return plan_promote(
            snapshot, found.model, found.record.version, stage, archive_existing=archive_existing
        )

    land_or_preview(ws, make_plan, how)


@click.command()
@click.argument("reference", metavar="REF", type=TEXT)
@click.option(
    "--to",
    "stage",
    metavar="STAGE",
    help="Where to (default: where policy sends versions of its stage).",
    type=TEXT,
)
@landing
@click.pass_obj
def demote(
    session: Session,
    reference: str,
    stage: str | None,
    how: Landing,
) -> None:
    """Ask for a version to leave its stage.

    \b
    Examples:
      gitreg demote credit-risk/2
      gitreg demote credit-risk/production --to none
    """
    from gitreg.core.names import parse_reference
    from gitreg.core.plan.transition import plan_demote
    from gitreg.core.resolve import resolve

    wanted = parse_reference(reference)

    def make_plan(snapshot):  # type: ignore[no-untyped-def]
        found = resolve(snapshot, wanted)
        return plan_demote(snapshot, found.model, found.record.version, stage)

    land_or_preview(session.workspace(key=how.key), make_plan, how)


@click.command()
@click.argument("model", type=TEXT)
@click.option("--stage", metavar="STAGE", required=True, help="The stage to restore.", type=TEXT)
@click.option(
    "--to",
    "versions",
    metavar="VERSION",
    multiple=True,
    help="What it must hold then: nothing is done if it does already, or if it held something else before.",
    type=TEXT,
)
@landing
@click.pass_obj
def rollback(
    session: Session,
    model: str,
    stage: str,
    versions: tuple[str, ...],
    how: Landing,
) -> None:
    """Ask for a stage to hold again what it held before its last change.

    A second rollback undoes the first; with --to, it may be run again without harm.

    \b
    Examples:
      gitreg rollback credit-risk --stage production
      gitreg rollback credit-risk --stage production --to 2
    """
    from gitreg.core.plan.transition import plan_rollback
    from gitreg.surfaces.cli.values import version_number

    expected = [version_number(text, "--to") for text in versions]
    land_or_preview(
        session.workspace(key=how.key),
        lambda snapshot: plan_rollback(snapshot, snapshot.find_model(model), stage, expected),
        how,
    )
