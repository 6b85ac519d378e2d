"""What a run of MLflow's measured, as evidence: an evaluation, or what was logged to a version's run later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gitreg.errors import UsageError
from gitreg.surfaces.mlflow.client import client_to_read
from gitreg.surfaces.mlflow.runs import run_facts
from gitreg.surfaces.mlflow.shown import server_address
from gitreg.surfaces.mlflow.sources import answering


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run's metrics (the last value of each), its data sets, and where it is recorded.

    ``data`` is by the data set's name its digest as evidence has it; see :func:`evidence_digest`.
    """

    metrics: Mapping[str, float]
    data: Mapping[str, str]
    source: str

    def data_set(self, wanted: str | None) -> tuple[str, str]:
        """The name and digest of the run's one data set, or of the one that is wanted. Raises UsageError."""
        found = self.data if wanted is None else {k: v for k, v in self.data.items() if k == wanted}
        if len(found) == 1:
            return next(iter(found.items()))
        known = ", ".join(self.data) or "none"
        if wanted is not None:
            raise UsageError(f"the run has no data set {wanted!r}", f"it has {known}")
        if not found:
            raise UsageError(
                "the run does not say what it was measured on", "give --dataset NAME@sha256:DIGEST"
            )
        raise UsageError(f"the run has several data sets: {known}", "choose one with --dataset NAME")


def read_evaluation(run_id: str, tracking_uri: str | None, warn: Callable[[str], None]) -> Evaluation:
    """Reads a run.

    Args:
        tracking_uri: by default MLflow's own.
        warn: is told what evidence cannot say: metrics that are not finite.

    Raises:
        ConfigError, UsageError: as :func:`client_to_read`. NotFound: no such run, or no such database.
        Refused, Undecided: MLflow does not let it be read, or does not answer.
    """
    client = client_to_read(tracking_uri)
    with answering(f"the run {run_id!r}"):
        run = client.get_run(run_id)
    facts = run_facts(run, None, warn=warn)
    listed = facts.source.get("data")
    return Evaluation(
        metrics=facts.metrics,
        data={
            each.get("name", "data"): evidence_digest(each.get("digest", "")) for each in _mappings(listed)
        },
        source=_source(client.tracking_uri, run.info.experiment_id, run.info.run_id),
    )


def _mappings(value: object) -> list[dict[str, str]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def evidence_digest(digest: str) -> str:
    """The digest of a data set of MLflow's, as evidence has digests.

    MLflow's have 36 characters at most, each library's its own, so they are no sha256 of anything. This is the sha256
    of the text ``mlflow:`` and that digest: the same for the same data, and for nothing else.
    """
    return f"sha256:{hashlib.sha256(f'mlflow:{digest}'.encode()).hexdigest()}"


def _source(tracking_uri: str, experiment_id: str, run_id: str) -> str:
    """Where the run is recorded: its page, where MLflow has a server."""
    address = server_address(tracking_uri).rstrip("/")
    if address.startswith(("http://", "https://")):
        return f"{address}/#/experiments/{experiment_id}/runs/{run_id}"[:1000]
    return f"run {run_id} of MLflow at {address}"[:1000]
