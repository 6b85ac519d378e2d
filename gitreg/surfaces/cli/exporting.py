"""``gitreg export``: models for other registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.session import REMOTE, Group, Reading, Session, emit, formatted
from gitreg.surfaces.cli.values import TEXT

if TYPE_CHECKING:
    from gitreg.surfaces.mlflow.exporting import ExportedModel


@click.group("export", cls=Group)
def exporting() -> None:
    """Give the models of this registry to another one.

    \b
    Example:
      gitreg export mlflow --tracking-uri https://mlflow.example.com --dry-run
    """


@exporting.command()
@click.option(
    "--tracking-uri",
    metavar="URI",
    envvar="MLFLOW_TRACKING_URI",
    required=True,
    help="MLflow's tracking server or database (MLFLOW_TRACKING_URI).",
    type=TEXT,
)
@click.option("--registry-uri", metavar="URI", help="MLflow's registry, where it is another one.", type=TEXT)
@click.option("--model", "models", metavar="NAME", multiple=True, help="Export this model alone.", type=TEXT)
@click.option(
    "--experiment",
    metavar="NAME",
    default="gitreg export",
    show_default=True,
    help="The experiment that gets a run for each version.",
    type=TEXT,
)
@click.option("--dry-run", is_flag=True, help="Say what would be exported; write nothing.")
@REMOTE
@formatted("json")
@click.pass_obj
@click.pass_context
def mlflow(
    context: click.Context,
    session: Session,
    tracking_uri: str,
    registry_uri: str | None,
    models: tuple[str, ...],
    experiment: str,
    dry_run: bool,
    remote: str | None,
    format: str,
) -> None:
    """Export models to MLflow: versions, stages, aliases, tags, descriptions, bytes and what the records say.

    MLflow numbers versions by itself. A version keeps its number where the numbers between can be used up; else MLflow
    gives it another, and the tag gitreg.version has its own. What was exported before gets the descriptions, tags,
    stages and aliases that it has here; other tags stay. A model of MLflow's that has the same name and is not from
    here is left alone. What cannot be exported is told, and the exit code is 1 then.

    JSON: a list of model, versions (version, number, new), left and notes (lists of subject and why).

    \b
    Examples:
      gitreg export mlflow --tracking-uri sqlite:///mlflow.db --dry-run
      gitreg export mlflow --tracking-uri https://mlflow.example.com --model credit-risk
    """
    from gitreg.surfaces.mlflow.client import client_to_write
    from gitreg.surfaces.mlflow.exporting import Exporter

    registry = session.read(Reading(), remote)
    client = client_to_write(tracking_uri, registry_uri)
    exporter = Exporter(registry, client, experiment=experiment, dry_run=dry_run)
    found: list[ExportedModel] = []
    names = models or registry.snapshot.models()
    with registry.workspace.progress.count("Exporting models", len(names)) as bar:
        for name in names:
            done = exporter.export(name)
            found.append(done)
            bar.advance(1)
            if format == "text":
                emit("text", None, "\n".join(_lines(done, dry_run)))
    if format == "json":
        emit("json", [_plain(each) for each in found], "")
    if any(each.left for each in found):
        context.exit(1)


def _plain(done: ExportedModel) -> dict[str, object]:
    return {
        "model": done.name,
        "versions": [
            {"version": each.version, "number": each.number, "new": each.is_new} for each in done.versions
        ],
        "left": [{"subject": each.subject, "why": each.why} for each in done.left],
        "notes": [{"subject": each.subject, "why": each.why} for each in done.notes],
    }


def _lines(done: ExportedModel, dry_run: bool) -> list[str]:
    new = [f"{each.version}" for each in done.versions if each.is_new]
    old = len(done.versions) - len(new)
    verb = "would export" if dry_run else "exported"
    said = f"{verb} {', '.join(new)}" if new else "nothing new"
    lines = [f"{done.name}: {said}{f' ({old} there already)' if old else ''}"]
    lines += [f"  note         {each.subject}: {each.why}" for each in done.notes]
    return [*lines, *(f"  not carried  {each.subject}: {each.why}" for each in done.left)]
