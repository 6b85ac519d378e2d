"""``gitreg resolve`` and ``gitreg pull``: what deploy tooling calls."""

from __future__ import annotations

import click

from gitreg.surfaces.cli.session import REMOTE, Reading, Session, emit, formatted, reading, warn


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--all", "every", is_flag=True, help="Of a stage that holds several versions, print all.")
@formatted("json", "env", "uri", "path")
@reading
@click.pass_obj
def resolve(
    session: Session,
    reference: str,
    every: bool,
    format: str,
    when: Reading,
) -> None:
    """Say which version a reference means.

    REF is NAME/3, NAME/latest, NAME/production or NAME@champion, with or without models:/ in front.

    \b
    Examples:
      gitreg resolve credit-risk/production
      gitreg resolve credit-risk@champion --format json
      facts=$(gitreg resolve credit-risk/production --format env) && eval "$facts"
    """
    registry = session.read(when)
    found = registry.resolve_all(reference) if every else [registry.resolve(reference)]
    for warning in dict.fromkeys(w for each in found for w in each.warnings):
        warn(warning)
    if format == "json":
        data = [each.as_json() for each in found]
        emit(format, data if every else data[0], "")
        return
    for each in found:
        plain = {
            "text": f"{each.model}/{each.record.version}",
            "uri": each.uri,
            "path": each.path,
            "env": each.as_env(),
        }
        click.echo(plain[format].removesuffix("\n"))


@click.command()
@click.argument("reference", metavar="REF")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    default=".",
    show_default=True,
    help="Where to put the artifact.",
)
@REMOTE
@formatted("json")
@reading
@click.pass_obj
def pull(
    session: Session,
    reference: str,
    output: str,
    remote: str | None,
    format: str,
    when: Reading,
) -> None:
    """Download an artifact, verified byte for byte.

    Nothing is put in place before every byte has the sha256 that the record names.

    \b
    Examples:
      gitreg pull credit-risk/production -o /srv/models
      gitreg -R https://git.example.com/ml/registry.git pull credit-risk@champion -o . --remote s3://models/dvc
    """
    registry = session.read(when, remote)
    found = registry.resolve(reference)
    for warning in found.warnings:
        warn(warning)
    path = registry.pull(f"{found.model}/{found.record.version}", output)
    data = found.as_json() | {"pulled": path}
    emit(
        format,
        data,
        f"{found.model}/{found.record.version} → {path}\n  {found.record.artifact.digest} verified",
    )
