"""The MLflow that a command is told to read from, or to write to."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gitreg.errors import ConfigError, NotFound, UsageError
from gitreg.surfaces.mlflow.sources import answering

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def client_to_read(tracking_uri: str | None, registry_uri: str | None = None) -> MlflowClient:
    """A client of the MLflow that is named, or else of the one that the environment names.

    Raises:
        UsageError: neither does. NotFound: there is no such database, and MLflow would make an empty one.
        ConfigError, Undecided: as :func:`client_to_write`.
    """
    _demand_mlflow()
    from mlflow import is_tracking_uri_set

    if not (tracking_uri or registry_uri or is_tracking_uri_set()):
        raise UsageError(
            "it is not said which MLflow to read", "give --tracking-uri, or set MLFLOW_TRACKING_URI"
        )
    for uri in (tracking_uri, registry_uri):
        _demand_driver(uri)
        scheme, _, path = (uri or "").partition("///")
        if scheme == "sqlite:" and path and not os.path.exists(path):
            raise NotFound(
                f"there is no database {path!r}", "a path from the root has four slashes: sqlite:////path"
            )
    return _opened(tracking_uri, registry_uri)


def client_to_write(tracking_uri: str, registry_uri: str | None = None) -> MlflowClient:
    """A client of the MLflow that is named, whose registry is its own unless another is named.

    Raises:
        ConfigError: MLflow, or what it needs for a database, is not installed. Undecided: it cannot be opened.
    """
    _demand_mlflow()
    for uri in (tracking_uri, registry_uri):
        _demand_driver(uri)
    return _opened(tracking_uri, registry_uri or tracking_uri)


def _opened(tracking_uri: str | None, registry_uri: str | None) -> MlflowClient:
    from mlflow import MlflowClient

    with answering("MLflow"):
        return MlflowClient(tracking_uri, registry_uri)


def _demand_mlflow() -> None:
    try:
        import mlflow  # noqa: F401
    except ImportError:
        raise ConfigError("MLflow is not installed", "run pip install 'gitreg[mlflow]'") from None


def _demand_driver(uri: str | None) -> None:
    """Raises ConfigError for a database (``postgresql+psycopg2://…``, say) where only mlflow-skinny is installed."""
    if (uri or "").partition(":")[0].partition("+")[0] in _DATABASES and find_spec("sqlalchemy") is None:
        raise ConfigError("mlflow-skinny has no access to databases", "run pip install mlflow")
