"""``gitreg alias``: point names at versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitreg.errors import UsageError
from gitreg.surfaces.cli.landing import land_or_preview
from gitreg.surfaces.cli.session import Group, Landing, Reading, Session, emit, formatted, landing, reading
from gitreg.surfaces.cli.values import TEXT

if TYPE_CHECKING:
    from gitreg.core.plan.plan import Plan
    from gitreg.core.snapshot import Snapshot

MODEL = click.argument("model", type=TEXT)
ALIAS = click.argument("name", metavar="ALIAS", type=TEXT)


@click.group(cls=Group)
def alias() -> None:
    """Point names such as champion at versions.

    \b
    Examples:
      gitreg alias set credit-risk champion 3
      gitreg resolve credit-risk@champion
    """


@alias.command("list")
@MODEL
@formatted("json")
@reading
@click.pass_obj
def list_aliases(
    session: Session,
    model: str,
    format: str,
    when: Reading,
) -> None:
    """List the aliases of a model.

    JSON: a list of alias, version and digest (null where it names nothing), stage (the only one whose versions it may
    name; null is any) and protected (it moves only with that stage's approvals).

    \b
    Example:
      gitreg alias list credit-risk
    """
    from gitreg.core.report.tables import table

    snapshot = session.read(when).snapshot
    rows = _aliases(snapshot, snapshot.find_model(model))
    if not rows and format == "text":
        click.echo("No aliases yet: gitreg alias set MODEL ALIAS VERSION makes one.", err=True)
    headers = ["alias", "version", "digest", "stage", "protected"]
    cells = [
        [alias, version, digest, stage, "yes" if protected else ""]
        for alias, version, digest, stage, protected in rows
    ]
    emit(
        format,
        [dict(zip(headers, row, strict=True)) for row in rows],
        table(headers, cells) if rows else "",
    )


def _aliases(
    snapshot: Snapshot, model: str
) -> list[tuple[str, int | str | None, str | None, str | None, bool]]:
    found = []
    for name, alias in snapshot.aliases(model).items():
        policy = snapshot.policy().alias(name)
        version, digest = (alias.pin.version, alias.pin.digest) if alias.pin else (None, None)
        found.append((name, version, digest, policy.stage, policy.protected))
    return found


@alias.command("set")
@MODEL
@ALIAS
@click.argument("target", metavar="VERSION|REF", type=TEXT)
@landing
@click.pass_obj
def set_alias(
    session: Session,
    model: str,
    name: str,
    target: str,
    how: Landing,
) -> None:
    """Make an alias name a version: by its number, by latest or a stage, or by any reference to the same model.

    \b
    Examples:
      gitreg alias set credit-risk champion 3
      gitreg alias set credit-risk champion production
      gitreg alias set credit-risk shadow credit-risk@challenger
    """
    from gitreg.core.names import parse_reference
    from gitreg.core.plan.alias import plan_set_alias
    from gitreg.core.resolve import resolve

    wanted = parse_reference(target if set("/@") & set(target) else f"{model}/{target}")

    def make_plan(snapshot: Snapshot) -> Plan:
        found, owner = resolve(snapshot, wanted), snapshot.find_model(model)
        if found.model != owner:
            raise UsageError(
                f"{target!r} is a version of {found.model!r}, not of {owner!r}", "name one of its own"
            )
        return plan_set_alias(snapshot, owner, name, found.record.version)

    land_or_preview(session.workspace(key=how.key), make_plan, how)


@alias.command()
@MODEL
@ALIAS
@landing
@click.pass_obj
def delete(
    session: Session,
    model: str,
    name: str,
    how: Landing,
) -> None:
    """Make an alias name nothing. Its file stays, so that the next change to it is seen as one.

    \b
    Example:
      gitreg alias delete credit-risk shadow
    """
    from gitreg.core.plan.alias import plan_clear_alias

    land_or_preview(
        session.workspace(key=how.key),
        lambda snapshot: plan_clear_alias(snapshot, snapshot.find_model(model), name),
        how,
    )
