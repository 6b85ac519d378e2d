"""``gitreg import mlflow``: a whole registry of MLflow's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.session import REMOTE, Landing, Session, emit, landing_imports
from gitreg.surfaces.cli.values import TEXT

if TYPE_CHECKING:
    from gitreg.flows.importing import Imported
    from gitreg.flows.land import Landed
    from gitreg.flows.propose import Proposed
    from gitreg.surfaces.mlflow.reading import MlflowSource


@click.command("mlflow")
@click.option("--model", "models", metavar="NAME", multiple=True, help="Import this model alone.", type=TEXT)
@click.option(
    "--tracking-uri",
    metavar="URI",
    help="MLflow's tracking server or database (default: MLFLOW_TRACKING_URI).",
    type=TEXT,
)
@click.option(
    "--registry-uri",
    metavar="URI",
    help="The registry, where it is another one than the tracking server's (MLFLOW_REGISTRY_URI).",
    type=TEXT,
)
@click.option(
    "--external",
    is_flag=True,
    help="Register versions whose files are gone, or may not be read, with their address alone.",
)
@click.option(
    "--all-external", is_flag=True, help="Read no files; register every version with its address alone."
)
@click.option(
    "--per-change",
    metavar="N",
    type=click.IntRange(1),
    help="How many models a change has at most (default: 1 where it lands at once, 100 in a change request).",
)
@REMOTE
@landing_imports
@click.pass_obj
@click.pass_context
def import_mlflow(
    context: click.Context,
    session: Session,
    models: tuple[str, ...],
    tracking_uri: str | None,
    registry_uri: str | None,
    external: bool,
    all_external: bool,
    per_change: int | None,
    remote: str | None,
    how: Landing,
) -> None:
    """Import the models of an MLflow registry.

    Versions keep their numbers, and come with their stages, aliases, tags, descriptions, files, and what their runs
    say. What is here already stays as it is, so run it again to go on after a break, or to bring what is new. What
    cannot be brought is told, and the exit code is 1 then. With --dry-run it says what would come, and reads no files.

    JSON: changes (a list of title, landed: the commit or null, request: the number or null, url), models (the new
    versions of each), here (how many versions were here already), left and notes (lists of subject and why).

    \b
    Examples:
      gitreg import mlflow --tracking-uri https://mlflow.example.com --dry-run
      gitreg import mlflow --tracking-uri sqlite:///mlflow.db --model credit-risk --model churn
      gitreg import mlflow --registry-uri databricks --external
    """
    from gitreg.flows.importing import import_models

    ws = session.workspace(remote=remote, key=how.key)
    ws.registry()
    source = _source(tracking_uri, registry_uri, external, all_external)
    found = import_models(ws, source, how.mode, only=models, per_change=per_change, dry_run=how.dry_run)
    emit(how.format, _plain(found, how.dry_run), "\n".join(_lines(found, how.dry_run)))
    if found.left:
        context.exit(1)


def _source(
    tracking_uri: str | None, registry_uri: str | None, external: bool, all_external: bool
) -> MlflowSource:
    from gitreg.surfaces.mlflow.reading import MlflowSource

    return MlflowSource(tracking_uri, registry_uri, external=external, all_external=all_external)


def _plain(found: Imported, dry_run: bool) -> dict[str, object]:
    told = {"left": found.left, "notes": found.notes}
    return {
        "dryRun": dry_run,
        "changes": [_plain_change(change) for change in found.changes],
        "models": {name: list(versions) for name, versions in found.models.items()},
        "here": found.here,
        **{key: [{"subject": each.subject, "why": each.why} for each in some] for key, some in told.items()},
    }


def _plain_change(change: Landed | Proposed) -> dict[str, object]:
    from gitreg.flows.land import Landed

    if isinstance(change, Landed):
        return {"title": change.plan.title, "landed": change.commit, "request": None, "url": None}
    request = change.request
    return {"title": request.title, "landed": None, "request": request.id, "url": request.url}


def _lines(found: Imported, dry_run: bool) -> list[str]:
    versions = sum(len(each) for each in found.models.values())
    verb = "Would import" if dry_run else "Imported" if _has_landed(found) else "Proposed"
    lines = [f"  {_change_line(change)}" for change in found.changes]
    if dry_run:
        lines = [f"  {name}: {_numbers(added)}" for name, added in found.models.items()]
    counts = f"{versions} {_s('version', versions)} of {len(found.models)} {_s('model', len(found.models))}"
    here = f"; {found.here} {_s('version', found.here)} {'were' if found.here != 1 else 'was'} here already"
    told = [f"  note         {each.subject}: {each.why}" for each in found.notes]
    told += [f"  not carried  {each.subject}: {each.why}" for each in found.left]
    return [f"{verb} {counts}{here}", *lines, *told]


def _has_landed(found: Imported) -> bool:
    from gitreg.flows.land import Landed

    return all(isinstance(change, Landed) for change in found.changes)


def _s(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _numbers(versions: tuple[int | str, ...]) -> str:
    shown = ", ".join(str(version) for version in versions[:20])
    more = f" and {len(versions) - 20} more" if len(versions) > 20 else ""
    return f"{_s('version', len(versions))} {shown}{more}" if versions else "no version"


def _change_line(change: Landed | Proposed) -> str:
    from gitreg.flows.land import Landed

    if isinstance(change, Landed):
        return f"{change.plan.title}: landed as {change.commit[:12]}"
    how = {"opened": "opened", "adopted": "is open already", "renewed": "planned again"}[change.how]
    page = f" ({change.request.url})" if change.request.url else ""
    return f"change #{change.request.id} {how}: {change.request.title}{page}"
