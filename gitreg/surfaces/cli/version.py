"""``gitreg version``: list, show, compare, describe, deprecate and delete versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitreg.errors import UsageError
from gitreg.surfaces.cli import browse
from gitreg.surfaces.cli.landing import land_or_preview
from gitreg.surfaces.cli.session import Group, Landing, Reading, Session, emit, formatted, landing, reading
from gitreg.surfaces.cli.values import TEXT, pairs, sections, text_file, version_number

if TYPE_CHECKING:
    from gitreg.api import Registry
    from gitreg.core.compare import Side
    from gitreg.core.names import Version
    from gitreg.core.plan.annotate import Edits
    from gitreg.core.plan.plan import Plan
    from gitreg.core.resolve import Resolution
    from gitreg.core.snapshot import Snapshot

REF = click.argument("reference", metavar="REF", type=TEXT)


@click.group(cls=Group)
def version() -> None:
    """List, show, compare, describe, deprecate and delete versions.

    \b
    Examples:
      gitreg version list credit-risk
      gitreg version compare credit-risk/production credit-risk/latest
    """


@version.command("list")
@click.argument("model", type=TEXT)
@formatted("json")
@reading
@click.pass_obj
def list_versions(
    session: Session,
    model: str,
    format: str,
    when: Reading,
) -> None:
    """List the versions of a model, newest first.

    JSON: a list of what gitreg show prints of a version, without its evidence.

    \b
    Example:
      gitreg version list credit-risk
    """
    from gitreg.surfaces.cli.views import versions_table

    versions = session.read(when).versions(model)[::-1]
    if not versions and format == "text":
        click.echo("No versions yet: gitreg register adds one.", err=True)
    emit(format, [each.as_json() for each in versions], versions_table(versions) if versions else "")


@version.command()
@REF
@formatted("json")
@reading
@click.pass_obj
def show(
    session: Session,
    reference: str,
    format: str,
    when: Reading,
) -> None:
    """Show everything about a version, as gitreg show REF does.

    \b
    Example:
      gitreg version show credit-risk/3
    """
    browse.show_version(session.read(when), reference, format)


@version.command()
@click.argument("one", metavar="REF", type=TEXT)
@click.argument("other", metavar="REF", type=TEXT)
@formatted("json")
@reading
@click.pass_obj
def compare(
    session: Session,
    one: str,
    other: str,
    format: str,
    when: Reading,
) -> None:
    """Say how the second version differs from the first: metrics, params, signature, environment, source, notes.

    Whether a metric is better higher or lower is what the policy's gates say.

    JSON: one, other, metrics (key, status, one, other, difference, percent, trend), and for each of artifact, params,
    signature, environment, source, notes a list of key, status, one, other; then commit.

    \b
    Examples:
      gitreg version compare credit-risk/2 credit-risk/3
      gitreg version compare credit-risk/production credit-risk/latest --format json
    """
    from gitreg.core.compare import compare as run
    from gitreg.core.report.compare import compare_text

    registry = session.read(when)
    found = run(_side(registry, one), _side(registry, other), registry.snapshot.policy().direction)
    emit(format, found.as_json() | {"commit": registry.commit}, compare_text(found))


def _side(registry: Registry, reference: str) -> Side:
    from gitreg.core.compare import Side

    found = registry.version(reference)
    return Side(found.model, found.record, found.notes)


@version.command()
@REF
@click.option("--description", type=TEXT, metavar="TEXT", help="What to know about it.")
@click.option("--description-file", type=TEXT, metavar="FILE", help="Read the description from a file.")
@click.option(
    "--card",
    "card",
    multiple=True,
    metavar="SECTION=TEXT",
    help="A section of the model card; =@FILE reads it from a file.",
)
@landing
@click.pass_obj
def note(
    session: Session,
    reference: str,
    description: str | None,
    description_file: str | None,
    card: tuple[str, ...],
    how: Landing,
) -> None:
    """Describe a version, and fill in its model card. An empty text takes the old one away.

    \b
    Examples:
      gitreg version note credit-risk/3 --description "Trained on the 2026 data."
      gitreg version note credit-risk/3 --card intended_use="Scoring of loans." --card limitations=@limits.md
    """
    from gitreg.core.plan.annotate import REMOVE

    if description is not None and description_file is not None:
        raise UsageError("--description and --description-file exclude each other", "leave one of them out")
    if description_file is not None:
        description = text_file(description_file, "--description-file")
    said: dict[tuple[str, ...], str | None] = {("description",): description}
    said |= {("card", section): text for section, text in sections(card, "--card").items()}
    edits = {where: text or REMOVE for where, text in said.items() if text is not None}
    _annotate(session, reference, edits, how)


@version.command()
@REF
@click.argument("tags", metavar="[K=V]...", nargs=-1)
@click.option("--remove", "removed", type=TEXT, multiple=True, metavar="K", help="Take a tag away.")
@landing
@click.pass_obj
def tag(
    session: Session,
    reference: str,
    tags: tuple[str, ...],
    removed: tuple[str, ...],
    how: Landing,
) -> None:
    """Set tags of a version, and take others away.

    \b
    Examples:
      gitreg version tag credit-risk/3 team=risk data=2026-q3
      gitreg version tag credit-risk/3 reviewed=yes --remove draft
    """
    from gitreg.core.plan.annotate import REMOVE

    edits: dict[tuple[str, ...], object] = {("tags", name): text for name, text in pairs(tags, "K=V").items()}
    _annotate(session, reference, edits | {("tags", name): REMOVE for name in removed}, how)


@version.command()
@REF
@click.option("--reason", type=TEXT, metavar="TEXT", help="Why it should not be used any more.")
@click.option("--use", "instead", metavar="VERSION", help="The version of the same model to use instead.")
@click.option("--undo", is_flag=True, help="It may be used again.")
@landing
@click.pass_obj
def deprecate(
    session: Session,
    reference: str,
    reason: str | None,
    instead: str | None,
    undo: bool,
    how: Landing,
) -> None:
    """Warn everybody who resolves a version not to use it any more. It stays where it is.

    \b
    Examples:
      gitreg version deprecate credit-risk/2 --reason "leaks the target" --use 3
      gitreg version deprecate credit-risk/2 --undo
    """
    from gitreg.core.plan.annotate import REMOVE

    if undo == bool(reason) or (undo and instead):
        raise UsageError("deprecate takes either --reason or --undo", "give --reason TEXT, or --undo alone")
    use = version_number(instead, "--use") if instead is not None else None
    said = {"reason": reason} | ({} if use is None else {"use": use})
    edits: dict[tuple[str, ...], object] = {("deprecated",): REMOVE if undo else said}
    _annotate(session, reference, edits, how, use)


def _annotate(
    session: Session,
    reference: str,
    edits: Edits,
    how: Landing,
    instead: Version | None = None,
) -> None:
    """Lands edits of a version's notes; ``instead`` is a version that they name."""
    from gitreg.core.names import parse_reference
    from gitreg.core.plan.annotate import plan_annotate
    from gitreg.core.resolve import resolve

    if not edits:
        raise UsageError("there is nothing to change", "--help shows what can be said")
    wanted = parse_reference(reference)

    def make_plan(snapshot: Snapshot) -> Plan:
        found = resolve(snapshot, wanted)
        if instead is not None:
            _demand_other(snapshot, found, instead)
        return plan_annotate(snapshot, found.model, found.record.version, edits)

    land_or_preview(session.workspace(key=how.key), make_plan, how)


def _demand_other(snapshot: Snapshot, found: Resolution, instead: Version) -> None:
    snapshot.demand_record(found.model, instead)
    if instead == found.record.version:
        raise UsageError(f"--use: '{instead}' is the deprecated version itself", "name another version")


@version.command()
@click.argument("reference", metavar="MODEL/VERSION", type=TEXT)
@click.option("--reason", type=TEXT, metavar="TEXT", help="Why; it stays in the tombstone.")
@landing
@click.pass_obj
def delete(
    session: Session,
    reference: str,
    reason: str | None,
    how: Landing,
) -> None:
    """Delete a version. Its number stays taken, and git keeps what was.

    A stage or an alias that names it bars it. One that a stage would roll back to takes that stage's approvals. It must
    be named by its number: what "latest" means may change while the command runs.

    \b
    Example:
      gitreg version delete credit-risk/2 --reason "trained on the wrong table"
    """
    from gitreg.core.names import parse_reference
    from gitreg.core.plan.delete import plan_delete_version

    wanted = parse_reference(reference)
    number = wanted.version
    if number is None:
        raise UsageError(f"{reference!r} does not name a version by its number", "write MODEL/3")
    ws = session.workspace(key=how.key)
    now = ws.clock()
    land_or_preview(
        ws,
        lambda snapshot: plan_delete_version(
            snapshot, snapshot.find_model(wanted.model), number, reason, now
        ),
        how,
    )
