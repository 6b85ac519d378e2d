"""``gitreg list``, ``search``, ``show`` and ``history``: what there is, and how it came to be."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.session import Reading, Session, emit, formatted, reading, terminal_width, warn
from gitreg.surfaces.cli.values import TEXT

if TYPE_CHECKING:
    from gitreg.api import Registry
    from gitreg.core.history import Event


@click.command("list")
@formatted("json")
@reading
@click.pass_obj
def list_models(
    session: Session,
    format: str,
    when: Reading,
) -> None:
    """List the models: the newest version of each, what stands in which stage, and the aliases.

    JSON: a list of name, title, description, owners, task, tags, latest, stages (versions by stage), aliases (version
    by alias).

    \b
    Examples:
      gitreg list
      gitreg model list --at 2026-11-20 --format json
    """
    from gitreg.surfaces.cli.views import models_table

    registry = session.read(when)
    models = registry.models()
    if not models and format == "text":
        click.echo("No models yet: gitreg register MODEL PATH --create makes the first.", err=True)
    text = models_table(models, registry.snapshot.policy().stage_names) if models else ""
    emit(format, [each.as_json() for each in models], text)


@click.command()
@click.argument("target", metavar="REF|MODEL", type=TEXT)
@formatted("json")
@reading
@click.pass_obj
def show(
    session: Session,
    target: str,
    format: str,
    when: Reading,
) -> None:
    """Show everything about a version, or about a model when only its name is given.

    JSON of a version: the keys of its record (artifact, params, metrics, signature, environment, source…), then stage,
    aliases, description, tags, card, deprecated, evidence, reference, path, uri, commit. Of a model: what gitreg list
    prints of it, then versions and commit.

    \b
    Examples:
      gitreg show credit-risk
      gitreg show credit-risk/production
      gitreg show credit-risk@champion --format json
    """
    registry = session.read(when)
    if set("/@") & set(target.removeprefix("models:/")):
        show_version(registry, target, format)
    else:
        show_model(registry, target.removeprefix("models:/"), format)


def show_model(registry: Registry, name: str, format: str) -> None:
    """Prints a model. Raises NotFound."""
    from gitreg.surfaces.cli.views import model_json, model_text

    summary, versions, commit = registry.model(name), registry.versions(name), registry.commit
    emit(format, model_json(summary, versions, commit), model_text(summary, versions, commit))


def show_version(registry: Registry, reference: str, format: str) -> None:
    """Prints a version. Raises NotFound, UsageError."""
    from gitreg.surfaces.cli.views import version_json, version_text

    found = registry.resolve(reference)
    for line in found.warnings:
        warn(line)
    summary = registry.version(f"{found.model}/{found.record.version}")
    evidence = registry.snapshot.evidence(found.model, found.record.version)
    emit(format, version_json(found, summary, evidence), version_text(found, summary, evidence))


@click.command()
@click.argument("filter", type=TEXT)
@formatted("json")
@reading
@click.pass_obj
def search(
    session: Session,
    filter: str,
    format: str,
    when: Reading,
) -> None:
    """Find versions by what is said of them, in the manner of SQL's WHERE.

    FILTER compares name, version, stage, alias, format, task, owner, created_at, deprecated, tags.K, params.K and
    metrics.K by =, !=, <, <=, >, >=, LIKE, ILIKE and IN, joined by AND, OR, NOT and parentheses.

    JSON: a list of model, version, stage, aliases, digest, size, format, created_at, metrics, params.

    \b
    Examples:
      gitreg search "stage = 'production'"
      gitreg search "tags.team = 'risk' AND metrics.roc_auc > 0.9 AND format != 'pickle'" --format json
    """
    from gitreg.surfaces.cli.views import hit_json, hits_table

    hits = list(session.read(when).search(filter))
    if not hits and format == "text":
        click.echo("No version matches.", err=True)
    emit(format, [hit_json(hit) for hit in hits], hits_table(hits) if hits else "")


@click.command()
@click.argument("model", required=False, type=TEXT)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="How many events; 0 shows all.",
)
@formatted("json")
@reading
@click.pass_obj
def history(
    session: Session,
    model: str | None,
    limit: int,
    format: str,
    when: Reading,
) -> None:
    """Say what happened, newest first: in the registry, or to one model (also under its former names).

    JSON: a list of time, commit, author (name, email), mergedBy (the same; null if the author landed it), kind, model,
    what, request (the change request's number).

    \b
    Examples:
      gitreg history
      gitreg history credit-risk --limit 0 --format json
    """
    events = session.read(when).history(model)
    found = list(islice(events, limit or None))
    if limit and next(events, None) is not None:
        click.echo(f"Only the newest {limit} are shown; --limit 0 shows all.", err=True)
    if not found and format == "text":
        click.echo("Nothing has happened yet.", err=True)
    emit(
        format,
        [event.as_json() for event in found],
        _events_table(found, of_one=model is not None) if found else "",
    )


#: On a narrower terminal, history leaves out what the rest can do without.
_ROOMY = 120


def _events_table(events: list[Event], *, of_one: bool) -> str:
    from gitreg.core.report.tables import table

    width = terminal_width()
    roomy = width is None or width >= _ROOMY
    columns = {
        "time (UTC)": [
            f"{event.time:%Y-%m-%d %H:%M}{f'{event.time::%S}' if roomy else ''}" for event in events
        ],
        "who": [_who(event) if roomy else event.author.name for event in events],
        "kind": [event.kind for event in events],
        "model": [event.model for event in events],
        "what": [event.what for event in events],
        "commit": [event.commit[:12] for event in events],
        "change": [f"#{event.request}" if event.request else "" for event in events],
    }
    left_out = {"model" if of_one else "", "" if roomy else "commit"}
    shown = {name: column for name, column in columns.items() if name not in left_out}
    return table(list(shown), zip(*shown.values(), strict=True), width, ("who", "model"))


def _who(event: Event) -> str:
    merged_by = event.merged_by
    if merged_by is None:
        return event.author.name
    return f"{event.author.name}, merged by {merged_by.name}"
