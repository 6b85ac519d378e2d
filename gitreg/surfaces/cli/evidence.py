"""``gitreg evidence``: what an evaluation of a version found, and where that comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitreg.errors import UsageError
from gitreg.surfaces.cli.landing import land_or_preview
from gitreg.surfaces.cli.session import (
    Group,
    Landing,
    Reading,
    Session,
    emit,
    formatted,
    landing,
    reading,
    warn,
)
from gitreg.surfaces.cli.values import TEXT, data_set, metrics_file, numbers

if TYPE_CHECKING:
    from gitreg.core.plan.plan import Plan
    from gitreg.core.snapshot import Snapshot
    from gitreg.surfaces.mlflow.evaluation import Evaluation

REF = click.argument("reference", metavar="REF", type=TEXT)
NAME = click.argument("name", type=TEXT)


@click.group(cls=Group)
def evidence() -> None:
    """Add, list and retract evidence: metrics of a version on one data set, measured after its registration.

    \b
    Examples:
      gitreg evidence add credit-risk/3 holdout --metric roc_auc=0.94 --dataset holdout@sha256:…
      gitreg evidence list credit-risk/3
    """


@evidence.command("list")
@REF
@formatted("json")
@reading
@click.pass_obj
def list_evidence(
    session: Session,
    reference: str,
    format: str,
    when: Reading,
) -> None:
    """List the evidence of a version that was not retracted.

    JSON: a list of name, digest (of the artifact), dataset (name, digest), metrics, source, created_at, created_by.

    \b
    Example:
      gitreg evidence list credit-risk/production
    """
    from gitreg.surfaces.cli.views import evidence_json, evidence_table

    registry = session.read(when)
    found = registry.resolve(reference)
    listed = registry.snapshot.evidence(found.model, found.record.version)
    if not listed and format == "text":
        click.echo(f"{found.model}/{found.record.version} has no evidence.", err=True)
    emit(format, [evidence_json(each) for each in listed], evidence_table(listed) if listed else "")


@evidence.command()
@REF
@NAME
@click.option("--metrics", "metrics_path", metavar="FILE", help="Metrics from a JSON or YAML file.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="K=N",
    help="A metric; it counts before one from the file or the run. With --from-run, K alone takes the run's K only.",
)
@click.option("--from-run", metavar="RUN_ID", help="Take the metrics of a run of MLflow's.", type=TEXT)
@click.option(
    "--tracking-uri",
    metavar="URI",
    help="The MLflow that has the run (default: MLFLOW_TRACKING_URI).",
    type=TEXT,
)
@click.option(
    "--dataset",
    metavar="NAME@sha256:DIGEST",
    help="What was measured on; metric gates of policy.yaml ask for the name. By default the data set that the run"
    " logged; NAME alone chooses one of several.",
)
@click.option(
    "--source", type=TEXT, metavar="URL", help="Where the evaluation is recorded (default: the run)."
)
@landing
@click.pass_obj
def add(
    session: Session,
    reference: str,
    name: str,
    metrics_path: str | None,
    metrics: tuple[str, ...],
    from_run: str | None,
    tracking_uri: str | None,
    dataset: str | None,
    source: str | None,
    how: Landing,
) -> None:
    """Add evidence to a version. It is never edited; what was wrong is retracted.

    \b
    Examples:
      gitreg evidence add credit-risk/3 holdout --metrics metrics.json --dataset holdout@sha256:8f43… \\
          --source https://ci.example.com/runs/42
      gitreg evidence add credit-risk/3 q3 --metric roc_auc=0.94 --dataset "q3@sha256:$(sha256sum < q3.csv | cut -c-64)"
      gitreg evidence add credit-risk/3 holdout --from-run "$RUN_ID" --tracking-uri https://mlflow.example.com
    """
    from gitreg.core.names import parse_reference
    from gitreg.core.plan.evidence import NewEvidence, plan_evidence
    from gitreg.core.resolve import resolve

    wanted = parse_reference(reference)
    if from_run is None and tracking_uri is not None:
        raise UsageError("--tracking-uri is for --from-run", "leave it out, or name a run")
    told = [each for each in metrics if "=" in each or from_run is None]
    measured = (metrics_file(metrics_path) if metrics_path else {}) | numbers(told, "--metric")
    run = _evaluation(from_run, tracking_uri) if from_run is not None else None
    if run is not None:
        measured = _chosen(run, [each for each in metrics if "=" not in each]) | measured
    if not measured:
        raise UsageError("there are no metrics", "give --metrics FILE, --metric K=N or --from-run RUN_ID")
    data_name, data_digest = _data_set(run, dataset)
    ws = session.workspace(key=how.key)
    where = source or (run.source if run is not None else None)
    asked = NewEvidence(name, data_name, data_digest, measured, ws.identity, ws.clock(), where)

    def make_plan(snapshot: Snapshot) -> Plan:
        found = resolve(snapshot, wanted)
        return plan_evidence(snapshot, found.model, found.record.version, asked)

    land_or_preview(ws, make_plan, how)


def _evaluation(run_id: str, tracking_uri: str | None) -> Evaluation:
    from gitreg.surfaces.mlflow.evaluation import read_evaluation

    return read_evaluation(run_id, tracking_uri, warn)


def _chosen(run: Evaluation, names: list[str]) -> dict[str, float]:
    """The run's metrics, or those of them that are named. Raises UsageError where it has none of a name."""
    missing = next((name for name in names if name not in run.metrics), None)
    if missing is not None:
        raise UsageError(f"the run has no metric {missing!r}", f"it has {', '.join(run.metrics) or 'none'}")
    return {name: run.metrics[name] for name in names} if names else dict(run.metrics)


def _data_set(run: Evaluation | None, dataset: str | None) -> tuple[str, str]:
    """What was measured on: as it was given, or as the run says."""
    if run is not None and (dataset is None or "@sha256:" not in dataset):
        return run.data_set(dataset)
    if dataset is None:
        raise UsageError("it is not said what was measured on", "give --dataset NAME@sha256:DIGEST")
    return data_set(dataset, "--dataset")


@evidence.command()
@REF
@NAME
@click.option("--reason", type=TEXT, metavar="TEXT", required=True, help="What is wrong with it.")
@landing
@click.pass_obj
def retract(
    session: Session,
    reference: str,
    name: str,
    reason: str,
    how: Landing,
) -> None:
    """Say that evidence does not count any more. It stays readable, with the reason beside it.

    \b
    Example:
      gitreg evidence retract credit-risk/3 holdout --reason "the data set held training rows"
    """
    from gitreg.core.names import parse_reference
    from gitreg.core.plan.evidence import plan_retract
    from gitreg.core.resolve import resolve

    wanted = parse_reference(reference)
    ws = session.workspace(key=how.key)
    by, now = ws.identity, ws.clock()

    def make_plan(snapshot: Snapshot) -> Plan:
        found = resolve(snapshot, wanted)
        return plan_retract(snapshot, found.model, found.record.version, name, reason, by, now)

    land_or_preview(ws, make_plan, how)
