"""From what a client names as a version's source to its bytes on this machine, and to what its record says.

MLflow's forms of a source: https://mlflow.org/docs/latest/ml/model-registry/ and ``create_model_version``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from gitreg.core.plan.register import Details
from gitreg.errors import ConfigError, GitregError, NotFound, Refused, Undecided, UsageError
from gitreg.surfaces.mlflow.session import warn as log
from gitreg.surfaces.mlflow.shown import error_line, source_address
from gitreg.surfaces.mlflow.uri import SCHEMES

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run

    from gitreg.core.names import Reference
    from gitreg.flows.register import NewVersion

Warn = Callable[[str], None]

#: What MLflow writes into a model's folder that it downloads from a registry; no part of the model.
REGISTERED_MODEL_META = "registered_model_meta"
#: What the folder of an MLflow model is called in a registry, wherever it came from.
MODEL_FOLDER = "model"
_EXTERNAL_HINT = "?artifacts=external in the registry URI registers the address alone"
# How ``mlflow server`` tells its workers what it was started with (mlflow.server.constants).
_SERVER_MARKS = ("_MLFLOW_SERVER_ARTIFACT_ROOT", "_MLFLOW_SERVER_FILE_STORE", "_MLFLOW_SERVER_REGISTRY_STORE")
# MLflow itself refuses every source that does not match it (mlflow.server.handlers).
_ALLOWED = "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX"
_SERVER_DESTINATION = "_MLFLOW_SERVER_ARTIFACT_DESTINATION"


@dataclass(frozen=True, slots=True)
class Asked:
    """What ``create_model_version`` was given, by MLflow's names."""

    source: str
    run_id: str | None = None
    run_link: str | None = None
    model_id: str | None = None
    local_model_path: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What there is to register.

    ``path`` is where the bytes lie while the block runs, ``name`` what they are to be called; ``uri`` is set instead
    where only the address is registered.
    """

    details: Details
    path: str = ""
    name: str = ""
    uri: str | None = None

    def new_version(self, model: str, *, description: str | None, tags: Mapping[str, str]) -> NewVersion:
        """The version to register, although its bytes may be registered already: MLflow's clients expect a new one."""
        from gitreg.flows.register import NewVersion

        said = self.details.details() | {"description": description, "tags": tags}
        return NewVersion(model=model, path=self.path, name=self.name, uri=self.uri, again=True, **said)


def in_server() -> bool:
    """Whether this process works for clients of ``mlflow server``, who are not its owner."""
    return any(mark in os.environ for mark in _SERVER_MARKS)


def registered_source(source: str) -> Reference | None:
    """The registered version that ``models:/name/version`` (or stage, alias, latest) means; None for other sources."""
    from mlflow.store.artifact.utils.models import _parse_model_uri

    from gitreg.core.names import parse_reference

    if urlsplit(source).scheme != "models" or _parse_model_uri(source).model_id is not None:
        return None
    return parse_reference(source)


def demand_takeable(source: str, roots: Iterable[str] = (), *, served: bool) -> None:
    """Refuses what a server may not read on a client's word: MLflow's own store keeps an address, this one takes bytes.

    A server may read more than its clients may, on its disk, behind its artifact proxy and in its object stores. So it
    takes only what lies in ``roots``: the artifact locations of the run and of the logged model that the client named.
    Other object stores are its operator's to allow, by the expression that MLflow has every source match.

    Raises:
        UsageError: it may not.
    """
    scheme = urlsplit(source).scheme.lower()
    if not served or scheme in ("runs", "models"):
        return
    if scheme in SCHEMES:
        raise UsageError(
            f"{source_address(source)!r} cannot be a source on a server",
            "name a registered version as models:/NAME/VERSION",
        )
    if scheme in ("", "file"):
        if not any(_is_within(source, root) for root in roots):
            raise UsageError(
                f"{source!r} is a path on the server, and not one of the run's or the logged model's artifacts",
                "log the model first, and name it as runs:/… or models:/m-…",
            )
        return
    is_allowed = scheme != "mlflow-artifacts" and bool(os.environ.get(_ALLOWED))
    if not is_allowed and not any(_is_below(source, root) for root in roots):
        raise UsageError(
            f"{source_address(source)!r} is none of the run's or the logged model's artifacts",
            f"name the run or the logged model that it belongs to, too; {_ALLOWED} lets the server take others",
        )


def _is_within(source: str, root: str) -> bool:
    if urlsplit(root).scheme not in ("", "file"):
        return False
    place, around = (os.path.realpath(local_path(each)) for each in (source, root))
    return os.path.commonpath([place, around]) == around


def _is_below(source: str, root: str) -> bool:
    place, around = urlsplit(source), urlsplit(root)
    parts, above = ([part for part in each.path.split("/") if part] for each in (place, around))
    odd = "%" in source or "\\" in source or ".." in parts
    same = (place.scheme.lower(), place.netloc) == (around.scheme.lower(), around.netloc)
    return not odd and same and bool(above) and parts[: len(above)] == above


def local_path(source: str) -> str:
    """The path of a plain path or a ``file:`` URI."""
    if urlsplit(source).scheme.lower() != "file":
        return source
    parts = urlsplit(source)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(f"{source!r} is on another machine", "a path has three slashes: file:///path")
    return unquote(parts.path)


@contextmanager
def take(
    asked: Asked,
    *,
    tracking_uri: str | None = None,
    external: bool = False,
    served: bool | None = None,
    told: bool = False,
    warn: Warn = log,
) -> Iterator[Taken]:
    """Brings the bytes of a source to this machine for the block, and reads what its record is to say.

    Args:
        tracking_uri: where runs and logged models are; by default MLflow's.
        external: register the address alone, of a run's or a logged model's artifacts the one where they are; no byte
            is taken.
        served: for a client of a server, who may not name what the server can read; by default it is found out.
        told: the source is the word of a server somewhere else, and of everybody who may write to it. Of this machine's
            files it may mean MLflow models alone, and to no other host may it send MLflow's credentials.
        warn: takes a line on each thing that the record leaves out.

    Raises:
        NotFound: no such run, logged model or files. UsageError: a source that may not be named, or of no known kind.
        Refused: what the source means is not to be taken on somebody else's word.
        Undecided: what holds the run or the files does not answer.
    """
    served = in_server() if served is None else served
    tracked = replace(_look_up(asked, tracking_uri, served, warn), told=told)
    if external:
        place = _placed(asked, tracked, look=False)
        yield Taken(_details(asked, place, asked.local_model_path or None, warn), uri=place.uri)
        return
    demand_takeable(asked.source, tracked.roots, served=served)
    with tempfile.TemporaryDirectory(prefix="gitreg-") as folder:
        place = _placed(asked, tracked, look=not asked.local_model_path)
        path = _bring(asked, place, folder)
        with answering(source_address(asked.source)):
            if not os.path.lexists(path) or (os.path.isdir(path) and not os.listdir(path)):
                raise NotFound(
                    f"there is nothing at {source_address(asked.source)}", "log or save the model first"
                )
            if told and not _is_within(path, folder) and not _is_model(path):
                raise Refused(
                    f"{source_address(asked.source)} is a path on this machine, and no MLflow model is there",
                    "register it with gitreg register, if it is to be shared",
                )
            name = MODEL_FOLDER if _is_model(path) else os.path.basename(path)
            path = _without_meta(path if served else os.path.realpath(path), folder)
        yield Taken(_details(asked, place, path, warn), path, name)


def _is_model(path: str) -> bool:
    return os.path.isfile(os.path.join(path, "MLmodel"))


def _without_meta(path: str, folder: str) -> str:
    """A model's folder without what MLflow wrote into it when it came from a registry; links stay links."""
    if not os.path.lexists(os.path.join(path, REGISTERED_MODEL_META)) or not _is_model(path):
        return path
    copy = os.path.join(folder, "registered", MODEL_FOLDER)

    def left_out(at: str, names: list[str]) -> list[str]:
        return [REGISTERED_MODEL_META] if at == path and REGISTERED_MODEL_META in names else []

    shutil.copytree(path, copy, symlinks=True, ignore=left_out)
    return copy


@dataclass(frozen=True, slots=True)
class _Tracked:
    """What the tracking store knows of a source. ``uri`` is where its artifacts are, "" as long as nobody looked.

    ``told`` is as :func:`take` has it.
    """

    client: Any
    served: bool
    run: Run | None
    run_id: str | None
    logged: LoggedModel | None
    experiment: str | None
    uri: str = ""
    told: bool = False

    @property
    def roots(self) -> list[str]:
        """Where the run's and the logged model's artifacts are."""
        found = [self.run.info.artifact_uri] if self.run else []
        return [*found, self.logged.artifact_location] if self.logged else found


def _look_up(asked: Asked, tracking_uri: str | None, served: bool, warn: Warn) -> _Tracked:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri)
    model_id = asked.model_id or _model_id(asked.source)
    logged = None
    if model_id:
        with answering(f"the logged model {model_id}"):
            logged = client.get_logged_model(model_id)
    run_id = asked.run_id or _run_of(asked.source) or (logged.source_run_id if logged else None)
    run = experiment = None
    if run_id:
        run = _run(client, run_id, is_named=run_id == asked.run_id or logged is None, warn=warn)
    owner = run.info if run else logged
    if owner is not None:
        with answering(f"the experiment {owner.experiment_id}"):
            experiment = client.get_experiment(owner.experiment_id).name
    return _Tracked(client, served, run, run_id, logged, experiment)


def _run(client: Any, run_id: str, *, is_named: bool, warn: Warn) -> Run | None:
    """A run; None where nobody asked for it but a logged model that outlived it."""
    try:
        with answering(f"the run {run_id}"):
            found: Run = client.get_run(run_id)
            return found
    except NotFound:
        if is_named:
            raise
        warn(f"the run {run_id} is not there any more: its params and metrics are not in the record")
        return None


def _model_id(source: str) -> str | None:
    from mlflow.store.artifact.utils.models import _parse_model_uri

    if urlsplit(source).scheme != "models":
        return None
    with answering(source):
        found: str | None = _parse_model_uri(source).model_id
        return found


def _run_of(source: str) -> str | None:
    return _run_parts(source)[0] if urlsplit(source).scheme == "runs" else None


def _run_parts(source: str) -> tuple[str, str]:
    run_id, _, path = urlsplit(source).path.strip("/").partition("/")
    if not run_id or not path:
        raise UsageError(f"{source!r} names no model of a run", "write runs:/RUN_ID/NAME")
    return run_id, path


def _bring(asked: Asked, tracked: _Tracked, folder: str) -> str:
    """The local path of the source; what had to be fetched lies in ``folder``."""
    if asked.local_model_path:
        return asked.local_model_path
    scheme = urlsplit(asked.source).scheme.lower()
    if scheme in ("", "file"):
        return os.path.abspath(local_path(asked.source))
    if scheme in SCHEMES and tracked.told:
        raise Refused(f"{source_address(asked.source)} is another registry", "copy the version from there")
    if scheme in SCHEMES:
        return _of_registry(asked.source, folder)
    if scheme == "models" and tracked.logged is None:
        raise UsageError(f"{asked.source!r} is a registered version", "copy it")
    repo, inside = _repository(tracked.uri, tracked)
    with answering(source_address(asked.source)):
        there = repo.get_local_path(inside)
        return str(there or repo.download_artifacts(inside, folder))


def _of_registry(source: str, folder: str) -> str:
    from gitreg.surfaces.mlflow.artifacts import GitregArtifactRepository

    with answering(source_address(source)):
        place = GitregArtifactRepository(source).download_artifacts("", folder)
    names = os.listdir(place)
    single = len(names) == 1 and not os.path.isdir(os.path.join(place, names[0]))
    return os.path.join(place, names[0]) if single else place


def _placed(asked: Asked, tracked: _Tracked, *, look: bool) -> _Tracked:
    """With the artifact location that a source means, which is its own unless it names a run or a logged model.

    A run's model is among the run's own artifacts, as before MLflow 3, or in a logged model of that name. Where they
    may not be looked at, a logged model of that name is taken for it, if there is one.
    """
    from mlflow.utils.uri import append_to_uri_path

    scheme = urlsplit(asked.source).scheme.lower()
    if scheme == "models" and tracked.logged is not None:
        return replace(tracked, uri=tracked.logged.artifact_location)
    if scheme != "runs" or tracked.run is None:
        return replace(tracked, uri=asked.source)
    _, path = _run_parts(asked.source)
    uri: str = append_to_uri_path(tracked.run.info.artifact_uri, path)
    with answering(f"the model {path!r} of the run {tracked.run_id}"):
        if look and _holds_model(uri, tracked):
            return replace(tracked, uri=uri)
        logged = _logged_models(tracked, path)
    if logged:
        return replace(tracked, uri=logged[-1].artifact_location, logged=logged[-1])
    return replace(tracked, uri=uri)


def _holds_model(uri: str, tracked: _Tracked) -> bool:
    repo, inside = _repository(uri, tracked)
    return any(info.path.rpartition("/")[2] == "MLmodel" for info in repo.list_artifacts(inside))


def _logged_models(tracked: _Tracked, name: str) -> list[Any]:
    """The logged models that the run made under a name, by the step at which it did, and then by time."""
    run = tracked.run
    if run is None or "'" in name or "/" in name:
        return []
    steps = {each.model_id: each.step for each in (run.outputs.model_outputs if run.outputs else ())}
    found: list[Any] = []
    token = None
    while True:
        page = tracked.client.search_logged_models(
            experiment_ids=[run.info.experiment_id], filter_string=f"name = '{name}'", page_token=token
        )
        found += (each for each in page if each.source_run_id == run.info.run_id and each.name == name)
        token = page.token
        if not token:
            return sorted(found, key=lambda each: (steps.get(each.model_id, -1), each.creation_timestamp))


def _repository(uri: str, tracked: _Tracked) -> tuple[Any, str]:
    """MLflow's access to an artifact location, and the path from there."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.tracking.artifact_utils import _get_root_uri_and_artifact_path

    parts = urlsplit(uri)
    if tracked.told:
        _demand_no_stranger(uri, tracked.client.tracking_uri)
    destination = os.environ.get(_SERVER_DESTINATION)
    if tracked.served and destination and parts.scheme == "mlflow-artifacts" and not parts.netloc:
        # A server reads what it proxies at its source.
        return get_artifact_repository(destination), parts.path.strip("/")
    root, inside = _get_root_uri_and_artifact_path(uri)
    tracking_uri = tracked.client.tracking_uri
    try:
        return get_artifact_repository(root, tracking_uri=tracking_uri), inside
    except GitregError:
        raise
    except Exception as error:
        raise UsageError(
            f"{source_address(uri)} cannot be opened: {error_line(error)}", _EXTERNAL_HINT
        ) from error


#: The schemes of hosts to which MLflow's client shows the credentials of its tracking server, whichever host it is.
_SHOWN_CREDENTIALS = ("http", "https", "mlflow-artifacts")


def _demand_no_stranger(uri: str, tracking_uri: str) -> None:
    """Raises Refused where the credentials for the tracking server would be shown to another host."""
    from mlflow.utils.credentials import get_default_host_creds

    host = urlsplit(uri).hostname
    is_asked = urlsplit(uri).scheme.lower() in _SHOWN_CREDENTIALS and host is not None
    if not is_asked or host == urlsplit(tracking_uri).hostname:
        return
    known = get_default_host_creds(uri)
    if any((known.username, known.password, known.token, known.auth, known.client_cert_path)):
        raise Refused(
            f"{source_address(uri)} is not on the tracking server, and would be shown MLflow's credentials",
            "fetch it without them, and register it with gitreg register",
        )


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Turns whatever MLflow and the libraries of its artifact stores raise into one line that says what was wanted."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except GitregError:
        raise
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
            raise NotFound(f"{what} is not there: {error_line(error)}") from error
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise UsageError(f"{what}: {error_line(error)}") from error
        if error.error_code == "PERMISSION_DENIED":
            raise Refused(f"{what}: {error_line(error)}") from error
        raise Undecided(f"{what} cannot be read: {error_line(error)}", "try again when it answers") from error
    except ImportError as error:
        raise ConfigError(
            f"{what} cannot be read: {error_line(error)}", "install what MLflow needs for it"
        ) from error
    except Exception as error:  # each artifact store has its own
        raise Undecided(f"{what} cannot be read: {error_line(error)}", "try again when it answers") from error


def _details(asked: Asked, tracked: _Tracked, path: str | None, warn: Warn) -> Details:
    from gitreg.surfaces.mlflow.runs import run_facts

    facts = run_facts(
        tracked.run,
        tracked.logged,
        run_id=tracked.run_id,
        url=asked.run_link,
        experiment=tracked.experiment,
        warn=warn,
    )
    signature, environment = _of_files(path, warn) if path is not None else ({}, {})
    return Details(
        source=_source(asked.source, warn) | dict(facts.source),
        params=facts.params,
        metrics=facts.metrics,
        signature=signature,
        environment=environment,
    )


def _source(source: str, warn: Warn) -> dict[str, object]:
    shown = source_address(source)
    if len(shown) > 2000:
        warn("the source is not in the record: it is longer than 2000 characters")
        return {}
    return {"uri": shown}


def _of_files(path: str, warn: Warn) -> tuple[dict[str, object], dict[str, object]]:
    from gitreg.surfaces.mlflow.signature import (
        MAX_SIGNATURE,
        Unreadable,
        environment,
        fitting,
        json_schemas,
        read_mlmodel,
    )

    if not _is_model(path):
        return {}, {}
    signature: dict[str, object] = {}
    try:
        signature = fitting(json_schemas(read_mlmodel(path)), MAX_SIGNATURE)
    except Unreadable as error:
        warn(f"the signature of the model is not in its record: {error}")
    return signature, environment(path, warn)
