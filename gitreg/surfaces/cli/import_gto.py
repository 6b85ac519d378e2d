"""``gitreg import gto``: a registry that GTO keeps in a repository's tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitreg.errors import UsageError
from gitreg.surfaces.cli.session import REMOTE, Landing, Session, emit, landing_imports
from gitreg.surfaces.cli.values import TEXT, pairs

if TYPE_CHECKING:
    from gitreg.flows.import_gto import GtoImport


@click.command("gto")
@click.argument("repo", metavar="REPO", type=TEXT)
@click.option(
    "--artifact", "artifacts", metavar="NAME", multiple=True, help="Import this artifact alone.", type=TEXT
)
@click.option(
    "--as",
    "models",
    metavar="ARTIFACT=MODEL",
    multiple=True,
    help="Call an artifact so here; a name with '/' or ':' needs it.",
    type=TEXT,
)
@click.option(
    "--stage",
    "stages",
    metavar="GTO=STAGE",
    multiple=True,
    help="Which of policy's stages one of GTO's is, where it is not called so.",
    type=TEXT,
)
@click.option(
    "--from-remote",
    metavar="NAME|URL",
    help="The DVC remote of REPO, instead of the one that its .dvc/config names.",
    type=TEXT,
)
@click.option(
    "--external",
    is_flag=True,
    help="Register versions whose path is an address (s3://…) as external: the address alone is kept.",
)
@REMOTE
@landing_imports
@click.pass_obj
@click.pass_context
def import_gto(
    context: click.Context,
    session: Session,
    repo: str,
    artifacts: tuple[str, ...],
    models: tuple[str, ...],
    stages: tuple[str, ...],
    from_remote: str | None,
    external: bool,
    remote: str | None,
    how: Landing,
) -> None:
    """Import the registry that GTO keeps in the tags of REPO, a folder or a URL.

    Each artifact becomes a model with SemVer versions, in one change whose commits are the tags in their order. The
    bytes of a version are what its path names at the tagged commit: in git, or in the repository's DVC remote. What
    cannot be brought is told, and the exit code is 1 then. Run it again to go on, or to bring what is new; what is
    here stays as it is.

    JSON: a list of artifact, model, versions (new ones), landed (the commit, or null), request (its number, or null),
    left (a list of subject and why).

    \b
    Examples:
      gitreg import gto ../churn-models --dry-run
      gitreg import gto https://github.com/iterative/example-gto --stage prod=production
      gitreg import gto ../models --artifact nlp/sentiment --as nlp/sentiment=sentiment
    """
    from gitreg.flows.gto_files import GtoSource
    from gitreg.flows.import_gto import import_gto as run
    from gitreg.wiring.foreign import open_foreign

    ws = session.workspace(remote=remote, key=how.key)
    names = pairs(models, "--as")
    stage_names = pairs(stages, "--stage")
    known = ws.current()[1].policy().stage_names
    for name in stage_names.values():
        if name.lower() not in {stage.lower() for stage in known}:
            raise UsageError(f"policy has no stage {name!r}", f"it has {', '.join(known) or 'none'}")
    repository, open_store = open_foreign(repo, from_remote)
    source = GtoSource(repository, open_store, names, stage_names, external)
    wanted = tuple(artifacts)
    found: list[GtoImport] = []
    for done in run(ws, source, wanted, how.mode, dry_run=how.dry_run):
        found.append(done)
        if how.format == "text":
            emit("text", None, "\n".join(_lines(done, how.dry_run)))
    if how.format == "json":
        emit("json", [_plain(each) for each in found], "")
    if any(each.left for each in found):
        context.exit(1)


def _plain(done: GtoImport) -> dict[str, object]:
    from gitreg.flows.land import Landed
    from gitreg.flows.propose import Proposed

    outcome = done.outcome
    return {
        "artifact": done.artifact,
        "model": done.model,
        "versions": list(done.versions),
        "landed": outcome.commit if isinstance(outcome, Landed) else None,
        "request": outcome.request.id if isinstance(outcome, Proposed) else None,
        "left": [{"subject": each.subject, "why": each.why} for each in done.left],
    }


def _lines(done: GtoImport, dry_run: bool) -> list[str]:
    lines = [f"{done.artifact}: {_outcome(done, dry_run)}"]
    return [*lines, *(f"  not carried  {each.subject}: {each.why}" for each in done.left)]


def _outcome(done: GtoImport, dry_run: bool) -> str:
    from gitreg.flows.land import Landed

    versions = ", ".join(f"{done.model}/{version}" for version in done.versions)
    if dry_run and versions:
        return f"would bring {versions}"
    if done.outcome is None:
        return "nothing to bring"
    if isinstance(done.outcome, Landed):
        return f"brought {versions or done.model}, landed as {done.outcome.commit[:12]}"
    request = done.outcome.request
    page = f" ({request.url})" if request.url else ""
    return f"brings {versions or done.model} with change #{request.id}, which is open{page}"
