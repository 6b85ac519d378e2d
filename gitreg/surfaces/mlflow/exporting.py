"""Export models to an MLflow registry: the way back, for those who move on or serve from MLflow.

MLflow numbers versions by itself and dates them when they are made. So each version bears tags that say what it is here
(``gitreg.version``, ``gitreg.digest``, ``gitreg.created_at``), and a second export knows by them what it made before.
Each version gets a run of its own in one experiment, with the record's parameters, metrics and data sets, its bytes,
and its manifests as they are.
"""

from __future__ import annotations

import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitreg.core.decode import show_time
from gitreg.core.names import NONE, Version
from gitreg.core.plan.imports import LeftOut
from gitreg.core.record import EXTERNAL, ModelVersion
from gitreg.errors import ConfigError, GitregError, Refused, Undecided
from gitreg.surfaces.mlflow.shown import error_line

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from gitreg.api import Registry, VersionSummary

EXPERIMENT = "gitreg export"
#: MLflow's stages (https://mlflow.org/docs/latest/ml/model-registry/), by how they are called here.
STAGES = {"none": "None", "staging": "Staging", "production": "Production", "archived": "Archived"}
REGISTRY_TAG, MODEL_TAG, VERSION_TAG = "gitreg.registry", "gitreg.model", "gitreg.version"
_OWN = "gitreg."
DIGEST_TAG, PLACEHOLDER_TAG = "gitreg.digest", "gitreg.placeholder"
#: As many versions are made and deleted again at most, so that the next has its own number.
MOST_PLACEHOLDERS = 1000
#: The error codes with which MLflow says no for good.
_NO = frozenset(
    {
        "INVALID_PARAMETER_VALUE",
        "PERMISSION_DENIED",
        "RESOURCE_ALREADY_EXISTS",
        "BAD_REQUEST",
        "FEATURE_DISABLED",
    }
)
_ACCESS = "check the tracking URI, the network and your access"
# What MLflow admits (mlflow.utils.validation).
_MOST_PARAM, _MOST_DIGEST, _PARAMS_AT_A_TIME, _METRICS_AT_A_TIME = 6000, 36, 100, 1000


@dataclass(frozen=True, slots=True)
class ExportedVersion:
    """A version and the number that MLflow gave it; ``is_new``: this export made it (or, tried out, would)."""

    version: Version
    number: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """What became of one model: its versions there, what is not there, and what is there otherwise than here."""

    name: str
    versions: tuple[ExportedVersion, ...]
    left: tuple[LeftOut, ...]
    notes: tuple[LeftOut, ...]


@contextmanager
def answering() -> Iterator[None]:
    """Turns whatever MLflow and the libraries of its artifact stores raise into one line.

    Raises:
        Refused: it says no. ConfigError: a library is missing. Undecided: it does not answer.
    """
    from mlflow.exceptions import MlflowException

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*deprecated since 2.9.0", FutureWarning)  # its stages
            yield
    except GitregError:
        raise
    except MlflowException as error:
        if error.error_code in _NO:
            raise Refused(f"MLflow does not take it: {error_line(error)}") from error
        raise Undecided(f"MLflow does not answer: {error_line(error)}", _ACCESS) from error
    except ImportError as error:
        raise ConfigError(f"MLflow lacks a library: {error_line(error)}", "install what it needs") from error
    except Exception as error:  # each artifact store has its own
        raise Undecided(f"MLflow does not answer: {error_line(error)}", _ACCESS) from error


class Exporter:
    """Exports models of one registry to one MLflow.

    Args:
        registry: what is read.
        client: MLflow's client.
        experiment: the name of the experiment that gets the versions' runs.
        dry_run: nothing is written there.
    """

    def __init__(
        self,
        registry: Registry,
        client: MlflowClient,
        *,
        experiment: str = EXPERIMENT,
        dry_run: bool = False,
    ) -> None:
        self._registry = registry
        self._client = client
        self._experiment_name = experiment
        self._experiment: str | None = None
        self._dry_run = dry_run
        self._id = registry.snapshot.registry().id

    def export(self, name: str) -> ExportedModel:
        """Exports a model, or brings what was exported before up to date.

        Raises:
            NotFound: no such model. Refused, Undecided: as :func:`answering`, and as reading an artifact does.
        """
        model = _Model(self._registry.model(name).model.name)
        with answering():
            there = self._there(model)
            if there is None:
                return model.done()
            for summary in self._registry.versions(model.name):
                self._version(model, summary, there)
            self._remove_placeholders(model)
            self._aliases(model)
        self._tell_gone(model, there)
        return model.done()

    # The model

    def _there(self, model: _Model) -> dict[str, Any] | None:
        """MLflow's versions that were exported before, by how they are called here; None where it is not ours."""
        from mlflow.exceptions import MlflowException

        summary = self._registry.model(model.name).model
        tags = {**summary.tags, REGISTRY_TAG: self._id}
        try:
            found = self._client.get_registered_model(model.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            if not self._dry_run:
                made = self._client.create_registered_model(
                    model.name, {REGISTRY_TAG: self._id}, summary.description
                )
                self._describe_model(model, made, tags, summary.description)
            return {}
        if found.tags.get(REGISTRY_TAG) != self._id:
            model.leave(
                model.name, "MLflow has a model of that name that is not from this registry; it is left alone"
            )
            return None
        if not self._dry_run:
            self._describe_model(model, found, tags, summary.description)
        versions = _paged(
            lambda token: self._client.search_model_versions(f"name='{model.name}'", page_token=token)
        )
        mine = [each for each in versions if VERSION_TAG in each.tags]
        model.numbers = [int(each.version) for each in versions]
        model.placeholders = [each.version for each in versions if PLACEHOLDER_TAG in each.tags]
        return {each.tags[VERSION_TAG]: each for each in mine}

    def _describe_model(
        self, model: _Model, found: Any, tags: Mapping[str, str], description: str | None
    ) -> None:
        if (found.description or None) != description:
            self._client.update_registered_model(found.name, description or "")
        for key, value in tags.items():
            if found.tags.get(key) != value:
                with model.noting(model.name, f"the tag {key!r}"):
                    self._client.set_registered_model_tag(found.name, key, value)

    # A version

    def _version(self, model: _Model, summary: VersionSummary, there: Mapping[str, Any]) -> None:
        record = summary.record
        subject = f"{model.name}/{record.version}"
        found = there.get(str(record.version))
        if found is not None and found.tags.get(DIGEST_TAG) != record.artifact.digest:
            model.leave(
                subject, f"MLflow's version {found.version} says that it is this one, and has other bytes"
            )
            return
        is_new = found is None
        if found is not None:
            number = str(found.version)
        elif self._dry_run:
            number = str(model.take_number(record.version))
        else:
            found = self._make(model, summary)
            number = str(found.version)
        model.versions.append(ExportedVersion(record.version, number, is_new))
        if number != str(record.version) and isinstance(record.version, int):
            model.note(subject, f"MLflow gives it the number {number}; its tag {VERSION_TAG} has its own")
        if found is not None and not self._dry_run:
            self._describe(model, summary, found)
            self._stage(model, summary, found)
        if summary.stage.lower() not in STAGES:
            model.note(
                subject,
                f"it is in {summary.stage}, and MLflow has no such stage; its tag gitreg.stage says so",
            )
        evidence = self._registry.snapshot.evidence_names(model.name, record.version)
        if evidence:
            model.note(subject, f"MLflow has no place for its evidence ({', '.join(sorted(evidence))})")

    def _make(self, model: _Model, summary: VersionSummary) -> Any:
        """Makes a version, under its own number where that can be."""
        record = summary.record
        self._fill_gap(model, record.version)
        run = self._run(model, summary)
        uri = record.artifact.uri
        source = uri if uri is not None else f"{run.info.artifact_uri.rstrip('/')}/{record.artifact.path}"
        made = self._client.create_model_version(
            model.name, source, run.info.run_id, tags=_own_tags(summary), await_creation_for=0
        )
        model.numbers.append(int(made.version))
        return made

    def _fill_gap(self, model: _Model, version: Version) -> None:
        """Makes versions that are deleted in the end, up to the number before this one: MLflow counts on from there."""
        while model.gap_before(version):
            made = self._client.create_model_version(
                model.name, "gitreg:placeholder", tags={PLACEHOLDER_TAG: "true"}, await_creation_for=0
            )
            model.numbers.append(int(made.version))
            model.placeholders.append(made.version)

    def _remove_placeholders(self, model: _Model) -> None:
        for number in () if self._dry_run else model.placeholders:
            self._client.delete_model_version(model.name, number)

    def _describe(self, model: _Model, summary: VersionSummary, found: Any) -> None:
        description = summary.notes.description if summary.notes else None
        if (found.description or None) != description:
            self._client.update_model_version(model.name, found.version, description or "")
        wanted = {**(summary.notes.tags if summary.notes else {}), **_own_tags(summary)}
        subject = f"{model.name}/{summary.record.version}"
        for key, value in wanted.items():
            if found.tags.get(key) != value:
                with model.noting(subject, f"the tag {key!r}"):
                    self._client.set_model_version_tag(model.name, found.version, key, value)
        for key in found.tags.keys() - wanted.keys():
            if key.startswith(_OWN):  # others may be somebody's who works there
                self._client.delete_model_version_tag(model.name, found.version, key)

    def _stage(self, model: _Model, summary: VersionSummary, found: Any) -> None:
        wanted = STAGES.get(summary.stage.lower(), STAGES[NONE])
        if found.current_stage != wanted:
            with model.noting(f"{model.name}/{summary.record.version}", f"the stage {wanted}"):
                self._client.transition_model_version_stage(found.name, found.version, wanted)

    def _aliases(self, model: _Model) -> None:
        numbers = {each.version: each.number for each in model.versions}
        wanted = {a: numbers[v] for a, v in self._registry.model(model.name).aliases.items() if v in numbers}
        if self._dry_run:
            return
        there = dict(self._client.get_registered_model(model.name).aliases)
        for alias, number in wanted.items():
            if str(there.get(alias)) != number:
                with model.noting(f"{model.name}@{alias}", "the alias"):
                    self._client.set_registered_model_alias(model.name, alias, number)
        for alias in there.keys() - wanted.keys():
            self._client.delete_registered_model_alias(model.name, alias)

    def _tell_gone(self, model: _Model, there: Mapping[str, Any]) -> None:
        here = {str(each.version) for each in model.versions} | {
            left.subject.rpartition("/")[2] for left in model.left
        }
        for version in sorted(there.keys() - here):
            number = there[version].version
            model.note(
                f"{model.name}/{version}", f"it was deleted here; MLflow's version {number} is left alone"
            )

    # The run of a version

    def _run(self, model: _Model, summary: VersionSummary) -> Run:
        """The run that holds a version's bytes: one that an export finished before it died, or a new one."""
        record = summary.record
        experiment = self._experiment = self._experiment or self._find_experiment()
        facts = {MODEL_TAG: model.name, VERSION_TAG: str(record.version), DIGEST_TAG: record.artifact.digest}
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in facts.items())
        for run in self._client.search_runs([experiment], wanted):
            if run.info.status == "FINISHED":
                return run
            self._client.delete_run(run.info.run_id)  # of an export that died on the way
        begun = int(record.created_at.timestamp() * 1000)
        run = self._client.create_run(experiment, begun, facts, f"{model.name}/{record.version}")
        self._log(model, summary, run.info.run_id, begun)
        self._client.set_terminated(run.info.run_id, end_time=begun)
        return run

    def _find_experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment_name)
        return found.experiment_id if found else self._client.create_experiment(self._experiment_name)

    def _log(self, model: _Model, summary: VersionSummary, run_id: str, moment: int) -> None:
        from mlflow.entities import Metric, Param, RunTag

        record = summary.record
        subject = f"{model.name}/{record.version}"
        metrics = [
            Metric(key, value, moment, 0) for key, value in record.metrics.items() if math.isfinite(value)
        ]
        params = [Param(key, _shown(value)[:_MOST_PARAM]) for key, value in record.params.items()]
        self._log_each(model, subject, run_id, "metrics", metrics, _METRICS_AT_A_TIME)
        tags = [RunTag(key, value) for key, value in _run_tags(record).items()]
        self._log_each(model, subject, run_id, "params", params, _PARAMS_AT_A_TIME)
        self._log_each(model, subject, run_id, "tags", tags, _PARAMS_AT_A_TIME)
        self._log_data(model, subject, run_id, record)
        with tempfile.TemporaryDirectory(prefix="gitreg-") as folder:
            if record.artifact.format != EXTERNAL:
                place = self._registry.pull(subject, folder)
                self._log_path(run_id, place)
            self._log_manifests(model.name, record, run_id, folder)

    def _log_each(
        self, model: _Model, subject: str, run_id: str, what: str, entries: Sequence[Any], at_a_time: int
    ) -> None:
        """Logs entries together; where MLflow does not take them so, one by one, telling of those it does not take."""
        for at in range(0, len(entries), at_a_time):
            part = entries[at : at + at_a_time]
            try:
                with answering():
                    if what == "metrics":
                        self._client.log_batch(run_id, metrics=part)
                    elif what == "params":
                        self._client.log_batch(run_id, params=part)
                    else:
                        self._client.log_batch(run_id, tags=part)
            except Refused as refusal:
                if len(part) == 1:
                    model.note(subject, f"{what[:-1]} {part[0].key!r}: {refusal.message}")
                else:
                    self._log_each(model, subject, run_id, what, part, 1)

    def _log_data(self, model: _Model, subject: str, run_id: str, record: ModelVersion) -> None:
        from mlflow.entities import Dataset, DatasetInput

        data = record.source.get("data")
        for each in data if isinstance(data, (list, tuple)) else ():
            name, digest = each.get("name") or "data", each.get("digest") or ""
            if not 0 < len(digest) <= _MOST_DIGEST:
                model.note(
                    subject, f"the data set {name!r}: MLflow takes a digest of 1 to {_MOST_DIGEST} characters"
                )
                continue
            self._client.log_inputs(run_id, [DatasetInput(Dataset(name, digest, "external", "{}"))])

    def _log_path(self, run_id: str, place: str) -> None:
        if os.path.isdir(place):
            self._client.log_artifacts(run_id, place, os.path.basename(place))
        else:
            self._client.log_artifact(run_id, place)

    def _log_manifests(self, name: str, record: ModelVersion, run_id: str, folder: str) -> None:
        """Logs the version's own manifests: what MLflow has no place for is there."""
        snapshot = self._registry.snapshot
        for file in ("version.yaml", "notes.yaml"):
            blob = snapshot.blob(snapshot.layout.version(name, record.version, file))
            if blob is not None:
                place = os.path.join(folder, file)
                with open(place, "wb") as stream:
                    stream.write(blob.data)
                self._client.log_artifact(run_id, place, "gitreg")


@dataclass
class _Model:
    """One model on its way: MLflow's numbers so far, the versions that are done, and what is to be told."""

    name: str
    numbers: list[int] = field(default_factory=list)
    placeholders: list[str] = field(default_factory=list)
    versions: list[ExportedVersion] = field(default_factory=list)
    left: list[LeftOut] = field(default_factory=list)
    notes: list[LeftOut] = field(default_factory=list)

    def leave(self, subject: str, why: str) -> None:
        self.left.append(LeftOut(subject, why))

    def note(self, subject: str, why: str) -> None:
        self.notes.append(LeftOut(subject, why))

    @contextmanager
    def noting(self, subject: str, what: str) -> Iterator[None]:
        """Tells of what MLflow refuses in the block, and goes on without it."""
        try:
            with answering():
                yield
        except Refused as refusal:
            self.leave(subject, f"{what}: {refusal.message}")

    def gap_before(self, version: Version) -> int:
        """How many numbers are to be used up before a version can have its own; 0 where it cannot."""
        gap = version - 1 - max(self.numbers, default=0) if isinstance(version, int) else 0
        return gap if 0 < gap <= MOST_PLACEHOLDERS - len(self.placeholders) else 0

    def take_number(self, version: Version) -> int:
        """The number that MLflow would give a version, gap and all; the next one gets one behind it."""
        number = max(self.numbers, default=0) + self.gap_before(version) + 1
        self.numbers.append(number)
        return number

    def done(self) -> ExportedModel:
        left, notes = (tuple(dict.fromkeys(each)) for each in (self.left, self.notes))
        return ExportedModel(self.name, tuple(self.versions), left, notes)


def _own_tags(summary: VersionSummary) -> dict[str, str]:
    """What the version of MLflow says beside people's own tags."""
    record, notes = summary.record, summary.notes
    said = {
        VERSION_TAG: str(record.version),
        DIGEST_TAG: record.artifact.digest,
        "gitreg.format": record.artifact.format,
        "gitreg.created_at": show_time(record.created_at),
        "gitreg.created_by": f"{record.created_by.name} <{record.created_by.email}>",
        "gitreg.stage": summary.stage if summary.stage.lower() not in STAGES else "",
        "gitreg.deprecated": notes.deprecated.reason if notes and notes.deprecated else "",
    }
    return {key: value for key, value in said.items() if value}


def _run_tags(record: ModelVersion) -> dict[str, str]:
    """What the run says of where the version came from."""
    source = record.source
    run = source.get("run")
    facts = run if isinstance(run, dict) else {}
    tags = facts.get("tags")
    said = {f"gitreg.run.{key}": facts.get(key) for key in ("system", "id", "url", "name", "experiment")}
    said |= {
        "mlflow.source.git.commit": source.get("commit"),
        "mlflow.source.git.repoURL": source.get("repo"),
    }
    said["mlflow.user"] = record.created_by.name
    own = {str(key): str(value) for key, value in tags.items()} if isinstance(tags, dict) else {}
    return own | {key: str(value) for key, value in said.items() if value}


def _shown(value: object) -> str:
    """A parameter as MLflow keeps it: as text."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _paged(search: Callable[[str | None], Any]) -> list[Any]:
    found: list[Any] = []
    token: str | None = None
    while True:
        page = search(token)
        found += page
        token = page.token
        if not token:
            return found
