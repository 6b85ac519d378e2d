"""``gitreg register`` and ``gitreg copy``: new versions."""

from __future__ import annotations

import click

from gitreg.errors import UsageError
from gitreg.surfaces.cli.landing import show_outcome
from gitreg.surfaces.cli.session import REMOTE, Landing, Session, landing
from gitreg.surfaces.cli.values import TEXT


@click.command()
@click.argument("model", type=TEXT)
@click.argument("path", type=click.Path(), required=False)
@click.option(
    "--external",
    metavar="URI",
    help="Register where the bytes are, without taking them: instead of PATH.",
    type=TEXT,
)
@click.option("--create", is_flag=True, help="Make the model if there is none of this name.")
@click.option(
    "--version",
    "number",
    metavar="SEMVER",
    help="The new version's number, for models with SemVer versions.",
    type=TEXT,
)
@click.option("--semver", is_flag=True, help="With --create: the model has SemVer versions.")
@click.option("--again", is_flag=True, help="Register bytes that are registered already once more.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="A parameter of the training.")
@click.option("--params", "params_file", metavar="FILE", help="Parameters from a JSON or YAML file.")
@click.option("--metric", "metrics", multiple=True, metavar="K=N", help="A metric.")
@click.option("--metrics", "metrics_file", metavar="FILE", help="Metrics from a JSON or YAML file.")
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="A tag (editable later).")
@click.option(
    "--description", metavar="TEXT", help="What to know about this version (editable later).", type=TEXT
)
@click.option(
    "--card",
    "card",
    multiple=True,
    metavar="SECTION=TEXT",
    help="A section of the model card; =@FILE reads it.",
)
@click.option("--signature", "signature_file", metavar="FILE", help="JSON Schemas of inputs and outputs.")
@click.option(
    "--environment", "environment_file", metavar="FILE", help="JSON or YAML with python and requirements."
)
@click.option(
    "--artifact-format",
    "artifact",
    metavar="FORMAT",
    help="onnx, mlflow, joblib… (default: by the file's name).",
    type=TEXT,
)
@click.option("--source-repo", metavar="URL", help="The repository of the training code.", type=TEXT)
@click.option("--source-commit", metavar="OID", help="The commit of the training code.", type=TEXT)
@click.option(
    "--source-run-system", metavar="NAME", help="Where the run is recorded, such as mlflow.", type=TEXT
)
@click.option("--source-run-id", metavar="ID", help="The run's id there.", type=TEXT)
@click.option("--source-run-url", metavar="URL", help="The run's page.", type=TEXT)
@click.option(
    "--source-data", "data", multiple=True, metavar="NAME@DIGEST", help="A data set that was trained on."
)
@click.option("--source-ci", "ci", multiple=True, metavar="K=V", help="A fact about the CI job.")
@REMOTE
@landing
@click.pass_obj
def register(
    session: Session,
    model: str,
    path: str | None,
    external: str | None,
    create: bool,
    number: str | None,
    semver: bool,
    again: bool,
    params: tuple[str, ...],
    params_file: str | None,
    metrics: tuple[str, ...],
    metrics_file: str | None,
    tags: tuple[str, ...],
    description: str | None,
    card: tuple[str, ...],
    signature_file: str | None,
    environment_file: str | None,
    artifact: str | None,
    source_repo: str | None,
    source_commit: str | None,
    source_run_system: str | None,
    source_run_id: str | None,
    source_run_url: str | None,
    data: tuple[str, ...],
    ci: tuple[str, ...],
    remote: str | None,
    how: Landing,
) -> None:
    """Register a file or a directory as a new version of a model.

    The bytes go to the DVC remote first, then a change request asks for the record. Of an --external version only its
    address is stored: gitreg pull refuses it, and a formats gate can bar it from a stage.

    \b
    Examples:
      gitreg register credit-risk model.onnx --create --metric roc_auc=0.94
      gitreg register credit-risk model.onnx --metrics metrics.json --params params.json --tag team=risk
      gitreg register digits ./mlflow-model --environment environment.json --source-commit "$(git rev-parse HEAD)"
      gitreg register assistant --external https://api.example.com/models/large-2 --create
    """
    from gitreg.core.plan.register import NewModel
    from gitreg.flows.register import NewVersion
    from gitreg.flows.register import register as run
    from gitreg.surfaces.cli import values

    if (path is None) == (external is None):
        raise UsageError("PATH or --external says what to register", "give one of the two")
    run_facts = {"system": source_run_system, "id": source_run_id, "url": source_run_url}
    source = {
        "repo": source_repo,
        "commit": source_commit,
        "run": {key: value for key, value in run_facts.items() if value},
        "ci": values.pairs(ci, "--source-ci"),
        "data": [_data_set(each) for each in data],
    }
    new = NewVersion(
        model=model,
        path=path or "",
        uri=external,
        format=artifact or "",
        version=number,
        create=NewModel(scheme="semver" if semver else None) if create else None,
        again=again,
        source={key: value for key, value in source.items() if value},
        params=(values.params_file(params_file) if params_file else {}) | values.scalars(params, "--param"),
        metrics=(values.metrics_file(metrics_file) if metrics_file else {})
        | values.numbers(metrics, "--metric"),
        signature=values.object_file(signature_file) if signature_file else {},
        environment=values.object_file(environment_file) if environment_file else {},
        description=description,
        tags=values.pairs(tags, "--tag"),
        card=values.sections(card, "--card"),
    )
    ws = session.workspace(remote=remote, key=how.key)
    show_outcome(run(ws, new, how.mode, dry_run=how.dry_run), how.format)


def _data_set(text: str) -> dict[str, str]:
    name, _, digest = text.rpartition("@")
    return {"name": name, "digest": digest} if name else {"name": text}


@click.command()
@click.argument("reference", metavar="REF", type=TEXT)
@click.argument("model", type=TEXT)
@click.option(
    "--to-registry",
    metavar="PATH|URL",
    help="Copy into another registry than the one that is read.",
    type=TEXT,
)
@click.option("--create", is_flag=True, help="Make the model if there is none of this name.")
@click.option(
    "--version",
    "number",
    metavar="SEMVER",
    help="The copy's number, for models with SemVer versions.",
    type=TEXT,
)
@click.option("--again", is_flag=True, help="Copy bytes that the model has already once more.")
@REMOTE
@landing
@click.pass_obj
def copy(
    session: Session,
    reference: str,
    model: str,
    to_registry: str | None,
    create: bool,
    number: str | None,
    again: bool,
    remote: str | None,
    how: Landing,
) -> None:
    """Register a version's bytes under another model, here or in another registry.

    The copy says where it came from; --remote is the DVC remote that it goes to.

    \b
    Examples:
      gitreg copy credit-risk/3 credit-risk-eu --create
      gitreg copy credit-risk@champion credit-risk --to-registry ../production-registry
    """
    from gitreg.core.names import parse_reference
    from gitreg.core.plan.register import NewModel
    from gitreg.flows.copy import copy as run

    wanted = parse_reference(reference)
    target = session.workspace(remote=remote, key=how.key, registry=to_registry)
    source = session.workspace() if to_registry else target
    new = NewModel() if create else None
    found = run(
        source,
        wanted,
        target,
        model,
        version=number,
        again=again,
        create=new,
        mode=how.mode,
        dry_run=how.dry_run,
    )
    show_outcome(found, how.format)
