"""What a record keeps of the run and the logged model that made a version, so that it outlives the tracking server.

What a record cannot hold is left out, with a warning: a registration never fails for an oddity of its run.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from gitreg.surfaces.mlflow.shown import clean, source_address, without_credentials

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run

T = TypeVar("T")
Warn = Callable[[str], None]

#: What a record admits (gitreg.core.manifest): entries of a mapping, and characters of keys, values and tags.
MAX_ENTRIES, MAX_KEY, MAX_PARAM, MAX_TAG, MAX_LINE, MAX_SHORT, MAX_DATA = (
    1000,
    250,
    16_384,
    5000,
    1000,
    250,
    100,
)
#: What params, metrics and tags may each take of a record's megabyte, and data sets together, in bytes of its text.
MAX_PART, MAX_DATA_SIZE = 150_000, 50_000

# What MLflow keeps for itself, at length, or what a record says elsewhere.
_OWN_TAGS = frozenset(
    {
        "mlflow.log-model.history",
        "mlflow.loggedArtifacts",
        "mlflow.loggedImages",
        "mlflow.modelVersions",
        "mlflow.runName",
        "mlflow.source.git.commit",
        "mlflow.source.git.diff",
        "mlflow.source.git.repoURL",
    }
)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The parts of a record that a run fills, each as a record takes it."""

    source: Mapping[str, object] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def run_facts(
    run: Run | None,
    logged: LoggedModel | None,
    *,
    run_id: str | None = None,
    url: str | None = None,
    experiment: str | None = None,
    warn: Warn,
) -> RunFacts:
    """The snapshot of a run and of a logged model, either of which there may be none of.

    Params are both's, the logged model's own before its run's. So are metrics (each the last value), unless the run
    made several models: then those of the run may be about another one, and count only where the model has none.

    Args:
        run_id: of a run that is named but not known any more.
        url: the run's page. experiment: the name of its experiment.
    """
    tags = _tags(run, logged)
    parts = _Parts(warn)
    identity = {
        "system": "mlflow",
        "id": run.info.run_id if run else run_id,
        "url": parts.line("the run's URL", source_address(url)) if url else None,
        "name": _cut(run.info.run_name if run else None),
        "experiment": _cut(experiment),
        "logged_model": logged.model_id if logged else None,
        "tags": parts.texts("tag", {k: v for k, v in tags.items() if k not in _OWN_TAGS}, MAX_TAG),
    }
    said = {key: value for key, value in identity.items() if value}
    source = {
        "repo": parts.line("the repository", without_credentials(tags.get("mlflow.source.git.repoURL", ""))),
        "commit": _cut(tags.get("mlflow.source.git.commit")),
        "run": said if said.keys() != {"system"} else None,
        "data": parts.data_sets(run),
    }
    return RunFacts(
        source={key: value for key, value in source.items() if value},
        params=parts.texts("param", _params(run, logged), MAX_PARAM),
        metrics=parts.numbers(_metrics(run, logged)),
    )


def _tags(run: Run | None, logged: LoggedModel | None) -> dict[str, str]:
    return {**(run.data.tags if run else {}), **(logged.tags or {} if logged else {})}


def _params(run: Run | None, logged: LoggedModel | None) -> dict[str, str]:
    return {**(run.data.params if run else {}), **(logged.params or {} if logged else {})}


def _metrics(run: Run | None, logged: LoggedModel | None) -> dict[str, float]:
    latest = (
        sorted(logged.metrics or [], key=lambda metric: (metric.step, metric.timestamp)) if logged else []
    )
    own = {metric.key: metric.value for metric in latest}
    if run is None:
        return own
    if own and len(run.outputs.model_outputs if run.outputs else ()) > 1:
        of_run = {key: run.data.metrics[key] for key in own.keys() & run.data.metrics.keys()}
    else:
        of_run = run.data.metrics
    # MLflow's databases give a logged model's NaN back as 0, and only a run's as it was.
    odd = {key: value for key, value in of_run.items() if not is_finite(value)}
    return {**of_run, **own, **odd}


def is_finite(value: float) -> bool:
    """Whether a metric is a number; MLflow's databases keep the largest double in an infinity's place."""
    return math.isfinite(value) and abs(value) < sys.float_info.max


def _cut(text: str | None, most: int = MAX_SHORT) -> str | None:
    return clean(text)[:most] if text else None


@dataclass(frozen=True, slots=True)
class _Parts:
    """Takes what fits, in a fixed order, and says of the rest that it is left out."""

    warn: Warn

    def line(self, what: str, text: str | None) -> str | None:
        if text and len(text) > MAX_LINE:
            self.warn(f"{what} is not in the record: it is longer than {MAX_LINE} characters")
            return None
        return clean(text) if text else None

    def texts(self, what: str, values: Mapping[str, str], most: int) -> dict[str, str]:
        cut = [key for key, value in values.items() if len(str(value)) > most]
        self._tell(what, cut, f"cut to {most} characters")
        return self._fitting(what, {key: clean(str(value))[:most] for key, value in values.items()})

    def numbers(self, values: Mapping[str, float]) -> dict[str, float]:
        odd = [key for key, value in values.items() if not is_finite(value)]
        self._tell("metric", odd, "left out: not finite")
        return self._fitting("metric", {key: float(values[key]) for key in values if key not in set(odd)})

    def data_sets(self, run: Run | None) -> list[dict[str, str]]:
        inputs = run.inputs.dataset_inputs if run and run.inputs else []
        named = [{"name": _cut(each.dataset.name), "digest": _cut(each.dataset.digest)} for each in inputs]
        found = [{key: value for key, value in each.items() if value} for each in named]
        unique = [each for index, each in enumerate(found) if each and each not in found[:index]]
        kept: list[dict[str, str]] = []
        size = 0
        for each in unique[:MAX_DATA]:
            size += sum(len(ascii(text)) for text in each.values()) + 30
            kept += [each] if size <= MAX_DATA_SIZE else []
        if len(kept) < len(unique):
            self.warn(
                f"{len(unique) - len(kept)} data sets of the run: left out: a record has room for no more"
            )
        return kept

    def _fitting(self, what: str, values: Mapping[str, T]) -> dict[str, T]:
        left_out = [key for key in values if not 0 < len(key) <= MAX_KEY]
        kept: dict[str, T] = {}
        size = 0
        for key in sorted(values.keys() - set(left_out)):
            # As long as it may get when it is written: a character that cannot be seen takes up to ten bytes.
            size += sum(len(ascii(text)) for text in (key, str(values[key]))) + 8
            if len(kept) == MAX_ENTRIES or size > MAX_PART:
                left_out.append(key)
            else:
                kept[clean(key)] = values[key]
        self._tell(what, left_out, "left out: a record has room for no more")
        return kept

    def _tell(self, what: str, keys: Iterable[str], why: str) -> None:
        named = [ascii(key[:60]) for key in keys]
        if named:
            more = f" and {len(named) - 3} more" if len(named) > 3 else ""
            self.warn(f"{what} {', '.join(named[:3])}{more}: {why}")
