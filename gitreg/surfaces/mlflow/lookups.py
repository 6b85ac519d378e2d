"""Models and versions by what MLflow's callers name them, with MLflow's error where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from gitreg.errors import GitregError, NotFound

if TYPE_CHECKING:
    from gitreg.core.catalog import CatalogModel, CatalogVersion
    from gitreg.core.names import Version
    from gitreg.surfaces.mlflow.session import Session


def the_model(session: Session, name: str) -> CatalogModel:
    """A model, of whose versions only the highest of each stage are read."""
    with registered(name):
        found = session.catalog.head(name)
    demand_own_name(name, found.name)
    return found


def demand_own_name(asked: str, model: str) -> None:
    """Raises MlflowException where a user of a server asks for a model by another of its names.

    MLflow's permissions go by the very name that is asked for: another one would pass by those of the model.
    """
    from gitreg.surfaces.mlflow import caller

    if asked != model and caller.is_under_permissions():
        raise not_found(f"Registered Model with name={asked} not found")


@contextmanager
def registered(name: str) -> Iterator[None]:
    """What the block does not find is a model of this name."""
    try:
        yield
    except NotFound as error:
        raise not_found(f"Registered Model with name={name} not found: {error.message}") from None


def exact_model(session: Session, name: str) -> CatalogModel:
    """A model by its present name alone: what ends a name follows no redirect, and does not guess."""
    model = the_model(session, name)
    if model.name != name:
        raise not_found(f"Registered Model with name={name} not found: it is called {model.name!r}")
    return model


def registrable(session: Session, name: str) -> str:
    """The model that a version is to be registered under: one that is there, or that a change request makes."""
    from gitreg.flows.pending import pending_model

    try:
        return the_model(session, name).name
    except MlflowException:
        if pending_model(session.workspace, session.snapshot(), name) is None:
            raise
        return name


def the_version(session: Session, name: str, version: Version) -> CatalogVersion:
    """A version of a model. The error says by which change request it is asked for, if it is the next one."""
    found = None
    problem = f"Model Version (name={name}, version={version}) not found"
    try:
        with registered(name):
            found = session.catalog.version(name, version)
    except MlflowException as error:
        problem = error.message
    if found is not None:
        demand_own_name(name, found.model)
        return found
    raise not_found(f"{problem}{_asked_for(session, name, version)}")


def _asked_for(session: Session, name: str, version: Version) -> str:
    """A half sentence on the change request that asks for a version, or nothing: no version is there either way."""
    from gitreg.flows.pending import pending_version
    from gitreg.surfaces.mlflow.entities import address_of

    with suppress(GitregError):
        snapshot = session.snapshot()
        demand_own_name(name, snapshot.living_model(name) or name)
        request = pending_version(session.workspace, snapshot, name, version)
        if request is not None:
            return f" yet: change request {request.id} asks for it ({address_of(request)})"
    return ""


def not_found(text: str) -> MlflowException:
    """The error of what does not exist."""
    return MlflowException(text, RESOURCE_DOES_NOT_EXIST)
