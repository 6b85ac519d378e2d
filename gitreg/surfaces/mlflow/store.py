"""MLflow's model registry store on a git registry.

Reads answer as of the registry's present head. Writes land as commits or become change requests, as the URI's
``changes`` says (see :class:`gitreg.surfaces.mlflow.uri.RegistryUri`). Where this store differs from MLflow's own:

- Names are looked up without regard to case, and a renamed model also by its former names; an entity has the present
  one.
- Versions of a SemVer model are strings such as ``1.4.0``. MLflow takes only integers in ``models:/name/1.4.0``, so
  there such a model is loaded by alias. The number of a new one is asked for with the tag ``gitreg.version``.
- A number or a name is not used a second time for something else: a deleted version leaves a tombstone.
- No error has a code of the 5xx kind, which MLflow's client repeats for minutes; where MLflow's stores answer
  INTERNAL_ERROR to bad input, this one answers INVALID_PARAMETER_VALUE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore

from gitreg.core.names import NONE
from gitreg.errors import Refused, UsageError
from gitreg.surfaces.mlflow import arguments, entities, search
from gitreg.surfaces.mlflow.errors import as_mlflow
from gitreg.surfaces.mlflow.lookups import (
    demand_own_name,
    exact_model,
    not_found,
    registered,
    registrable,
    the_model,
    the_version,
)
from gitreg.surfaces.mlflow.refusals import NoPrompts, NoWebhooks
from gitreg.surfaces.mlflow.session import Session, Sessions
from gitreg.surfaces.mlflow.uri import RegistryUri, parse_registry_uri

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

    from gitreg.core.catalog import CatalogVersion
    from gitreg.core.names import Reference
    from gitreg.core.plan.annotate import Edits
    from gitreg.core.plan.plan import Plan
    from gitreg.core.plan.register import NewModel
    from gitreg.core.ports import ChangeRequest
    from gitreg.core.snapshot import Snapshot
    from gitreg.flows.copy import Notes
    from gitreg.flows.land import Landed, Preview
    from gitreg.flows.propose import Proposed
    from gitreg.surfaces.mlflow.sources import Asked

#: The tag of a new version that asks for its number, in a model with SemVer versions. It is not kept.
VERSION_TAG = "gitreg.version"


_Asked = ParamSpec("_Asked")
_Answer = TypeVar("_Answer")


def _answering(
    method: Callable[Concatenate[GitregStore, _Asked], _Answer],
) -> Callable[Concatenate[GitregStore, _Asked], _Answer]:
    """Runs a method of the store with a session of its own; it raises nothing but MlflowException."""

    @wraps(method)
    def answered(store: GitregStore, /, *args: _Asked.args, **kwargs: _Asked.kwargs) -> _Answer:
        with as_mlflow(), store._sessions.lent():
            return method(store, *args, **kwargs)

    return answered


class GitregStore(NoPrompts, NoWebhooks, AbstractStore):
    """One registry, for all threads of a process.

    Args:
        store_uri: the registry's URI.
        tracking_uri: of the tracking store that runs and logged models are read from; None is MLflow's present one.

    Raises:
        MlflowException: the URI is not understood, or there is no registry. Every method raises nothing else.
    """

    @as_mlflow()
    def __init__(self, store_uri: str | None = None, tracking_uri: str | None = None) -> None:
        super().__init__(store_uri, tracking_uri)  # type: ignore[no-untyped-call]
        self.store_uri = store_uri
        self.tracking_uri = tracking_uri
        self._open()
        with self._sessions.lent():  # is there a registry?
            pass

    def _open(self) -> None:
        self._uri = _registry_uri(self.store_uri or "")
        self._sessions = Sessions(self._uri)

    def __getstate__(self) -> dict[str, Any]:
        """What is open stays behind: whoever loads a pickled store opens the registry anew."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[no-untyped-call]
        del state["_sessions"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._open()

    def _session(self) -> Session:
        return self._sessions.mine

    # Registered models

    @_answering
    def create_registered_model(
        self, name: str, tags: Any = None, description: str | None = None, deployment_job_id: Any = None
    ) -> RegisteredModel:
        """Makes a model without versions."""
        from gitreg.core.plan.register import NewModel
        from gitreg.flows.pending import making

        arguments.model_name(name)
        new = NewModel(description=description, tags=arguments.model_tags(tags))
        session = self._session()
        # A page that registers makes the model first: it goes on to the version, which joins the request.
        request = self._land(session, making(session.workspace, name, new, session.mode), fails_page=False)
        if request:
            return entities.planned_model(name, new, session.now(), request)
        return entities.registered_model(the_model(session, name))

    @_answering
    def update_registered_model(
        self, name: str, description: str | None, deployment_job_id: Any = None
    ) -> RegisteredModel:
        """Describes a model; None takes the description away."""
        return self._edit_model(name, {("description",): _or_remove(description)})

    @_answering
    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Renames a model, by its present name; its former names go on leading to it."""
        from gitreg.core.plan.rename import plan_rename

        arguments.new_model_name(new_name)
        session = self._session()
        model = exact_model(session, arguments.model_name(name))
        if new_name == name:
            return entities.registered_model(model)
        now = session.now()
        request = self._land(session, lambda snapshot: plan_rename(snapshot, name, new_name, now))
        return entities.registered_model(the_model(session, name if request else new_name), request)

    @_answering
    def delete_registered_model(self, name: str) -> None:
        """Deletes a model by its present name, and its aliases; one with a version in a stage is not deleted."""
        from gitreg.core.plan.delete import plan_delete_model

        session = self._session()
        model = exact_model(session, arguments.model_name(name))
        now = session.now()
        # Policy may guard the aliases; who may clear them is judged before the model is gone.
        for alias in () if any(version.stage != NONE for version in model.versions) else model.aliases:
            request = self._clear_alias(session, name, alias)
            if request:
                raise Refused(
                    f"{name}@{alias} names a version, so the model cannot be deleted yet",
                    f"{entities.address_of(request)} asks to clear it; delete the model once that is merged",
                )
        self._land(session, lambda snapshot: plan_delete_model(snapshot, name, None, now))

    @_answering
    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """A page of the models that a filter lets through."""
        asked = search.model_search(filter_string, max_results, order_by, page_token)
        found, token = search.find_models(self._session().catalog, asked)
        return PagedList([entities.registered_model(model) for model in found], token)

    @_answering
    def get_registered_model(self, name: str) -> RegisteredModel:
        """A model, by its present or a former name."""
        return entities.registered_model(the_model(self._session(), arguments.model_name(name)))

    @_answering
    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """The highest version of each of these stages, or of every stage."""
        session = self._session()
        model = the_model(session, arguments.model_name(name))
        found = entities.latest_versions(model)
        if stages:
            known = dict.fromkeys([*arguments.MLFLOW_STAGES, *session.snapshot().policy().stage_names])
            wanted = arguments.stages_asked(stages, known)
            found = [version for version in found if version.stage in wanted]
        return [entities.model_version(version) for version in found]

    @_answering
    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Sets a model's tag."""
        self._edit_model(name, {("tags", tag.key): arguments.model_tag(tag.key, tag.value)})

    @_answering
    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Takes a model's tag away, if there is one."""
        self._edit_model(name, {("tags", arguments.tag_key(key)): _or_remove(None)})

    def _edit_model(self, name: str, edits: Edits) -> RegisteredModel:
        from gitreg.core.plan.annotate import plan_edit_model

        session = self._session()
        the_model(session, arguments.model_name(name))
        request = self._land(
            session, lambda snapshot: plan_edit_model(snapshot, snapshot.find_model(name), edits)
        )
        return entities.registered_model(the_model(session, name), request)

    # Versions

    @_answering
    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Any = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Registers the bytes at ``source`` (or already here, at ``local_model_path``) with what their run says.

        A source that is a version of this registry is copied.
        """
        from gitreg.flows.copy import Notes
        from gitreg.surfaces.mlflow.sources import Asked, registered_source

        said = arguments.version_tags(tags)
        number = said.pop(VERSION_TAG, None)
        session = self._session()
        model = registrable(session, arguments.model_name(name))
        reference = registered_source(source)
        if reference is not None:
            demand_own_name(reference.model, session.snapshot().find_model(reference.model))
            return self._copied(session, reference, model, number, Notes(description, said))
        asked = Asked(source, run_id, run_link, model_id, local_model_path)
        return self._taken(session, asked, model, number, Notes(description, said))

    def _taken(
        self, session: Session, asked: Asked, model: str, number: str | None, notes: Notes
    ) -> ModelVersion:
        from gitreg.flows.register import register
        from gitreg.surfaces.mlflow.sources import take

        is_external = self._uri.artifacts == "external"
        with take(asked, tracking_uri=self.tracking_uri, external=is_external) as taken:
            new = taken.new_version(model, description=notes.description, tags=notes.tags)
            outcome = register(session.workspace, replace(new, version=number), session.mode)
        return self._registered(session, outcome)

    @_answering
    def copy_model_version(self, src_mv: ModelVersion, dst_name: str) -> ModelVersion:
        """Registers a version's bytes and notes under another model of this registry, made if there is none."""
        from gitreg.core.names import Reference
        from gitreg.core.plan.register import NewModel

        session = self._session()
        found = the_version(session, src_mv.name, arguments.version_number(src_mv.version))
        reference = Reference(found.model, version=found.version)
        return self._copied(
            session, reference, arguments.new_model_name(dst_name), None, None, create=NewModel()
        )

    def _copied(
        self,
        session: Session,
        reference: Reference,
        model: str,
        number: str | None,
        notes: Notes | None,
        create: NewModel | None = None,
    ) -> ModelVersion:
        from gitreg.flows.copy import copy

        ws = session.workspace
        outcome = copy(
            ws,
            reference,
            ws,
            model,
            version=number,
            again=True,
            create=create,
            notes=notes,
            mode=session.mode,
        )
        return self._registered(session, outcome)

    def _registered(self, session: Session, outcome: Landed | Proposed | Preview) -> ModelVersion:
        from gitreg.flows.land import Landed
        from gitreg.flows.propose import Proposed

        assert isinstance(outcome, Landed | Proposed)
        record, notes = entities.planned_record(outcome.plan.edits)
        if isinstance(outcome, Proposed):
            self._tell(outcome)
            from gitreg.surfaces.mlflow.sources import in_server

            # Over HTTP MLflow's client would ask for a pending version at once, not find it, and fail the run.
            return entities.planned_version(record, notes, outcome.request, pending=not in_server())
        return entities.model_version(the_version(session, record.model, record.version))

    @_answering
    def update_model_version(self, name: str, version: Any, description: str | None = None) -> ModelVersion:
        """Describes a version; None takes the description away."""
        return self._annotate(name, version, {("description",): _or_remove(description)})

    @_answering
    def transition_model_version_stage(
        self, name: str, version: Any, stage: str, archive_existing_versions: bool
    ) -> ModelVersion:
        """Moves a version to a stage, or with ``None`` out of its stage.

        Without ``archive_existing_versions`` those that are in the stage stay as far as policy's ``holds`` lets them.
        """
        session = self._session()
        number = arguments.version_number(version)
        (goal,) = arguments.stages_asked([stage], [NONE, *session.snapshot().policy().stage_names])
        if archive_existing_versions:
            arguments.demand_active(goal)
        found = the_version(session, arguments.model_name(name), number)
        request = self._land(
            session,
            lambda snapshot: _plan_transition(snapshot, found, goal, bool(archive_existing_versions)),
        )
        return entities.model_version(the_version(session, found.model, number), request)

    @_answering
    def delete_model_version(self, name: str, version: Any) -> None:
        """Deletes a version, and the aliases that name it; one that is in a stage is not deleted."""
        from gitreg.core.plan.delete import plan_delete_version

        session = self._session()
        found = the_version(session, arguments.model_name(name), arguments.version_number(version))
        now = session.now()
        self._land(
            session,
            lambda snapshot: plan_delete_version(
                snapshot, found.model, found.version, None, now, clear_aliases=True
            ),
        )

    @_answering
    def get_model_version(self, name: str, version: Any) -> ModelVersion:
        """A version by its number."""
        number = arguments.version_number(version)
        return entities.model_version(the_version(self._session(), arguments.model_name(name), number))

    @_answering
    def get_model_version_download_uri(self, name: str, version: Any) -> str:
        """The address of a version's artifact, which :mod:`gitreg.surfaces.mlflow.artifacts` reads."""
        from gitreg.surfaces.mlflow.address import download_uri

        session = self._session()
        found = the_version(session, arguments.model_name(name), arguments.version_number(version))
        return download_uri(session, found.model, str(found.version))

    @_answering
    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """A page of the versions that a filter lets through."""
        asked = search.version_search(filter_string, max_results, order_by, page_token)
        found, token = search.find_versions(self._session().catalog, asked)
        return PagedList([entities.model_version(version) for version in found], token)

    @_answering
    def set_model_version_tag(self, name: str, version: Any, tag: Any) -> None:
        """Sets a version's tag."""
        self._annotate(name, version, {("tags", tag.key): arguments.version_tag(tag.key, tag.value)})

    @_answering
    def delete_model_version_tag(self, name: str, version: Any, key: str) -> None:
        """Takes a version's tag away, if there is one."""
        self._annotate(name, version, {("tags", arguments.tag_key(key)): _or_remove(None)})

    def _annotate(self, name: str, version: Any, edits: Edits) -> ModelVersion:
        from gitreg.core.plan.annotate import plan_annotate

        session = self._session()
        found = the_version(session, arguments.model_name(name), arguments.version_number(version))
        request = self._land(
            session, lambda snapshot: plan_annotate(snapshot, found.model, found.version, edits)
        )
        return entities.model_version(the_version(session, found.model, found.version), request)

    # Aliases

    @_answering
    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> None:
        """Makes an alias name a version; one that is the same but for case is moved."""
        from gitreg.core.plan.alias import plan_set_alias

        arguments.new_alias_name(alias)
        session = self._session()
        found = the_version(session, arguments.model_name(name), arguments.version_number(version))
        self._land(session, lambda snapshot: plan_set_alias(snapshot, found.model, alias, found.version))

    @_answering
    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Makes an alias name nothing, if it names something."""
        arguments.alias_name(alias)
        session = self._session()
        self._clear_alias(session, the_model(session, arguments.model_name(name)).name, alias)

    def _clear_alias(self, session: Session, model: str, alias: str) -> ChangeRequest | None:
        return self._land(session, lambda snapshot: _plan_clear_alias(snapshot, model, alias))

    @_answering
    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias names, without regard to case; ``latest`` is the highest."""
        arguments.alias_name(alias)
        catalog, model = self._session().catalog, arguments.model_name(name)
        with registered(name):
            is_latest = alias.lower() == "latest"
            found = catalog.latest(model) if is_latest else catalog.aliased(model, alias)
        if found is None and is_latest:
            raise not_found(f"Latest version not found for model {name}.")
        if found is None:
            raise MlflowException(f"Registered model alias {alias} not found.", INVALID_PARAMETER_VALUE)
        demand_own_name(model, found.model)
        return entities.model_version(found)

    def _await_model_version_creation(self, mv: ModelVersion, await_creation_for: float | None) -> None:
        """A version is there at once; or when its change request is merged, which nobody waits for."""

    # Landing

    def _land(
        self, session: Session, make_plan: Callable[[Snapshot], Plan], *, fails_page: bool = True
    ) -> ChangeRequest | None:
        """Lands a plan; returns the change request that it became, if it became one. Raises as ``_tell``."""
        from gitreg.core.plan.plan import NothingToDo
        from gitreg.flows.propose import Proposed

        try:
            outcome = session.land(make_plan)
        except NothingToDo:
            return None
        if not isinstance(outcome, Proposed):
            return None
        self._tell(outcome, fails_page)
        return outcome.request

    def _tell(self, outcome: Proposed, fails_page: bool = True) -> None:
        """Says in the log that a change became a change request.

        A page of MLflow's would show neither that nor the tag: it gets an error that says so. Raises Refused.
        """
        from gitreg.surfaces.mlflow.caller import is_page
        from gitreg.surfaces.mlflow.session import warn

        address = entities.address_of(outcome.request)
        number = f"#{outcome.request.id}"
        page = "" if address == number else f" ({address})"
        line = f"{outcome.plan.title}: change request {number} asks for it{page}"
        warn(f"{line}; it is so once that is merged")
        if fails_page and is_page():
            raise Refused(line, "it is so once that is merged")


def _registry_uri(text: str) -> RegistryUri:
    uri = parse_registry_uri(text)
    if uri.model is not None:
        raise UsageError(
            "a registry's URI names no model", "leave model and version out: they are of an artifact's URI"
        )
    return uri


def _or_remove(value: str | None) -> object:
    from gitreg.core.plan.annotate import REMOVE

    return REMOVE if value is None else value


def _plan_transition(snapshot: Snapshot, version: CatalogVersion, goal: str, archive_existing: bool) -> Plan:
    from gitreg.core.plan.transition import plan_demote, plan_promote

    if goal == NONE:
        return plan_demote(snapshot, version.model, version.version, NONE)
    return plan_promote(
        snapshot, version.model, version.version, goal, archive_existing=True if archive_existing else None
    )


def _plan_clear_alias(snapshot: Snapshot, model: str, alias: str) -> Plan:
    from gitreg.core.plan.alias import plan_clear_alias
    from gitreg.core.plan.plan import NothingToDo

    found = snapshot.alias(model, alias)
    if found is None or found.pin is None:
        raise NothingToDo(f"{model}@{alias} names no version")
    return plan_clear_alias(snapshot, model, alias)
