"""``gitreg model``: make, describe, rename and delete models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitreg.errors import Refused, UsageError
from gitreg.surfaces.cli import browse
from gitreg.surfaces.cli.landing import land_or_preview
from gitreg.surfaces.cli.session import F, Group, Landing, Reading, Session, formatted, landing, reading
from gitreg.surfaces.cli.values import TEXT, TEXT_OR_FILE, pairs

if TYPE_CHECKING:
    from gitreg.core.plan.plan import Plan
    from gitreg.core.snapshot import Snapshot


@click.group(cls=Group)
def model() -> None:
    """Make, list, describe, rename and delete models.

    \b
    Examples:
      gitreg model new credit-risk --owner risk-team --task classification
      gitreg model edit credit-risk --tag tier=1
    """


model.add_command(browse.list_models)


def _described(command: F) -> F:
    """Adds what a model's manifest may say."""
    for option in (
        click.option(
            "--versions",
            "scheme",
            type=click.Choice(["integer", "semver"]),
            help="How its versions are numbered (default: as gitreg.yaml says).",
        ),
        click.option("--semver", is_flag=True, help="Short for --versions semver."),
        click.option("--task", type=TEXT, metavar="TASK", help="What it is for, such as classification."),
        click.option("--tag", "tags", multiple=True, metavar="K=V", help="A tag."),
        click.option(
            "--owner", "owners", type=TEXT, multiple=True, metavar="NAME", help="Who answers for it."
        ),
        click.option(
            "--description",
            type=TEXT_OR_FILE,
            metavar="TEXT",
            help="What it does; @FILE reads the text from a file.",
        ),
        click.option("--title", type=TEXT, metavar="TEXT", help="Its name in full."),
    ):
        command = option(command)
    return command


@model.command()
@click.argument("name", type=TEXT)
@_described
@landing
@click.pass_obj
def new(
    session: Session,
    name: str,
    title: str | None,
    description: str | None,
    owners: tuple[str, ...],
    tags: tuple[str, ...],
    task: str | None,
    semver: bool,
    scheme: str | None,
    how: Landing,
) -> None:
    """Make a model that has no versions yet. (gitreg register --create makes one along with its first version.)

    \b
    Examples:
      gitreg model new credit-risk --title "Credit risk" --owner risk-team
      gitreg model new churn --semver --tag tier=2 --description @churn.md
    """
    from gitreg.core.plan.register import NewModel
    from gitreg.flows.pending import making

    asked = NewModel(
        title=title or None,
        description=description or None,
        owners=owners,
        task=task or None,
        tags=pairs(tags, "--tag"),
        scheme=_scheme(scheme, semver),
    )
    ws = session.workspace(key=how.key)
    land_or_preview(ws, making(ws, name, asked, how.mode), how)


def _scheme(scheme: str | None, semver: bool) -> str | None:
    if semver and scheme == "integer":
        raise UsageError("--semver and --versions integer contradict each other", "leave one of them out")
    return "semver" if semver else scheme


@model.command()
@click.argument("name", metavar="MODEL", type=TEXT)
@formatted("json")
@reading
@click.pass_obj
def show(
    session: Session,
    name: str,
    format: str,
    when: Reading,
) -> None:
    """Show a model and its versions, as gitreg show MODEL does.

    \b
    Example:
      gitreg model show credit-risk
    """
    browse.show_model(session.read(when), name, format)


@model.command()
@click.argument("name", metavar="MODEL", type=TEXT)
@_described
@click.option("--remove-tag", "removed", type=TEXT, multiple=True, metavar="K", help="Take a tag away.")
@landing
@click.pass_obj
def edit(
    session: Session,
    name: str,
    title: str | None,
    description: str | None,
    owners: tuple[str, ...],
    tags: tuple[str, ...],
    task: str | None,
    semver: bool,
    scheme: str | None,
    removed: tuple[str, ...],
    how: Landing,
) -> None:
    """Change what a model's manifest says; comments in it stay.

    --owner names all of its owners anew. An empty text takes a value away. How versions are numbered can change only
    while there are none.

    \b
    Examples:
      gitreg model edit credit-risk --tag tier=1 --remove-tag draft
      gitreg model edit credit-risk --owner risk-team --owner platform --title ""
    """
    from gitreg.core.plan.annotate import REMOVE

    said: dict[str, object] = {
        "title": title,
        "description": description,
        "owners": [owner for owner in owners if owner] if owners else None,
        "task": task,
        "versions": _scheme(scheme, semver),
    }
    edits: dict[tuple[str, ...], object] = {
        (field,): value or REMOVE for field, value in said.items() if value is not None
    }
    edits |= {("tags", tag): value for tag, value in pairs(tags, "--tag").items()}
    edits |= {("tags", tag): REMOVE for tag in removed}
    if not edits:
        raise UsageError("there is nothing to edit", "name at least one option, such as --title or --tag")

    def make_plan(snapshot: Snapshot) -> Plan:
        return _plan_edit(snapshot, name, edits)

    land_or_preview(session.workspace(key=how.key), make_plan, how)


def _plan_edit(snapshot: Snapshot, name: str, edits: dict[tuple[str, ...], object]) -> Plan:
    from gitreg.core.plan.annotate import plan_edit_model

    found = snapshot.find_model(name)
    scheme = edits.get(("versions",))
    if scheme not in (None, snapshot.scheme(found)) and snapshot.taken(found):
        raise Refused(
            f"{found!r} has versions, so how they are numbered cannot change",
            "make another model for the others",
        )
    return plan_edit_model(snapshot, found, edits)


@model.command()
@click.argument("name", metavar="MODEL", type=TEXT)
@click.argument("to", metavar="NEW-NAME", type=TEXT)
@landing
@click.pass_obj
def rename(
    session: Session,
    name: str,
    to: str,
    how: Landing,
) -> None:
    """Give a model another name. References by the old one keep working.

    \b
    Example:
      gitreg model rename credit-risk credit-default
    """
    from gitreg.core.plan.rename import plan_rename

    ws = session.workspace(key=how.key)
    now = ws.clock()
    land_or_preview(
        ws,
        lambda snapshot: plan_rename(snapshot, snapshot.find_model(name), to, now),
        how,
    )


@model.command()
@click.argument("name", metavar="MODEL", type=TEXT)
@click.option("--reason", type=TEXT, metavar="TEXT", help="Why; it stays in the tombstone.")
@landing
@click.pass_obj
def delete(
    session: Session,
    name: str,
    reason: str | None,
    how: Landing,
) -> None:
    """Delete a model with all its versions. Their numbers stay taken, and git keeps what was.

    A version that stands in a stage, or that an alias names, bars it.

    \b
    Example:
      gitreg model delete churn --reason "never went live"
    """
    from gitreg.core.plan.delete import plan_delete_model

    ws = session.workspace(key=how.key)
    now = ws.clock()
    land_or_preview(
        ws,
        lambda snapshot: plan_delete_model(snapshot, snapshot.find_model(name), reason, now),
        how,
    )
