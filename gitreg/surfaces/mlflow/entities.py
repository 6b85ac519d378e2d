"""MLflow's entities, from what a registry's catalog says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mlflow.entities import LoggedModelParameter, Metric
from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)
from mlflow.entities.model_registry.model_version_status import ModelVersionStatus

from gitreg.core.catalog import CatalogModel, CatalogVersion
from gitreg.core.names import NONE, Reference
from gitreg.surfaces.mlflow.arguments import shown_stage

if TYPE_CHECKING:
    from gitreg.core.catalog import CatalogModel, CatalogVersion
    from gitreg.core.manifest import VersionNotes
    from gitreg.core.plan.register import NewModel
    from gitreg.core.ports import ChangeRequest
    from gitreg.core.record import ModelVersion as Record

#: The tag that says by which change request a call's change is asked for.
REQUEST_TAG = "gitreg.change_request"

_READY = ModelVersionStatus.to_string(ModelVersionStatus.READY)
_PENDING = ModelVersionStatus.to_string(ModelVersionStatus.PENDING_REGISTRATION)


def registered_model(model: CatalogModel, request: ChangeRequest | None = None) -> RegisteredModel:
    """A model; ``request`` is the change request that asks for what its caller wants of it."""
    return RegisteredModel(
        name=model.name,
        creation_timestamp=milliseconds(model.created_at),
        last_updated_timestamp=milliseconds(model.updated_at),
        description=model.description,
        latest_versions=[model_version(each) for each in latest_versions(model)],
        tags=[RegisteredModelTag(*tag) for tag in _tags(model.tags, request).items()],
        aliases=[RegisteredModelAlias(*alias) for alias in model.aliases.items()],
    )


def latest_versions(model: CatalogModel) -> list[CatalogVersion]:
    """The highest version of every stage, ``none`` too; by each stage's lowest version, as MLflow's SQL store."""
    return list({version.stage: version for version in model.versions}.values())


def planned_model(name: str, new: NewModel, now: datetime, request: ChangeRequest) -> RegisteredModel:
    """A model that a change request asks for."""
    return RegisteredModel(
        name=name,
        creation_timestamp=milliseconds(now),
        last_updated_timestamp=milliseconds(now),
        description=new.description,
        latest_versions=[],
        tags=[RegisteredModelTag(*tag) for tag in _tags(new.tags, request).items()],
    )


def model_version(version: CatalogVersion, request: ChangeRequest | None = None) -> ModelVersion:
    """A version; ``request`` is the change request that asks for what its caller wants of it."""
    run = _run(version.source)
    created = milliseconds(version.created_at)
    return ModelVersion(
        name=version.model,
        version=version.version,  # type: ignore[arg-type]  # MLflow's own stores give integers, too
        creation_timestamp=created,
        last_updated_timestamp=milliseconds(version.updated_at),
        description=version.description,
        user_id=version.created_by.name,
        current_stage=shown_stage(version.stage),
        source=source_of(version),
        run_id=_text(run, "id"),
        status=_READY,
        tags=[ModelVersionTag(*tag) for tag in _tags(version.tags, request).items()],
        run_link=_text(run, "url"),
        aliases=list(version.aliases),
        model_id=_text(run, "logged_model"),
        params=[LoggedModelParameter(key, str(value)) for key, value in version.params.items()] or None,
        metrics=[Metric(key, value, created, 0) for key, value in version.metrics.items()] or None,
    )


def source_of(version: CatalogVersion) -> str | None:
    """A version's source as MLflow has it: of a copy the version that was copied, else where the bytes came from."""
    return f"models:/{version.original}" if version.original else _text(version.source, "uri")


def planned_record(edits: Mapping[str, bytes | None]) -> tuple[Record, VersionNotes | None]:
    """The record and the notes of the one version that a plan registers."""
    from gitreg.core.codec.load import load_manifest
    from gitreg.core.manifest import VersionNotes
    from gitreg.core.record import ModelVersion as Record

    files = {path.rpartition("/")[2]: (path, data) for path, data in edits.items() if data is not None}
    path, data = files["version.yaml"]
    record = load_manifest("ModelVersion", data, path)
    noted = files.get("notes.yaml")
    notes = load_manifest("VersionNotes", noted[1], noted[0]) if noted else None
    assert isinstance(record, Record)
    assert notes is None or isinstance(notes, VersionNotes)
    return record, notes


def planned_version(
    record: Record, notes: VersionNotes | None, request: ChangeRequest, *, pending: bool
) -> ModelVersion:
    """A version that a change request asks for; ``pending`` is whether its status says that it is not there yet."""
    from gitreg.core.catalog import CatalogVersion

    origin = record.copied_from  # of this very registry: MLflow copies within one
    version = CatalogVersion(
        model=record.model,
        version=record.version,
        created_at=record.created_at,
        updated_at=record.created_at,
        created_by=record.created_by,
        artifact=record.artifact,
        stage=NONE,
        description=notes.description if notes else None,
        tags=notes.tags if notes else {},
        source=record.source,
        params=record.params,
        metrics=record.metrics,
        original=Reference(origin.model, version=origin.version) if origin else None,
    )
    entity = model_version(version, request)
    if pending:
        entity._status = _PENDING
    entity._status_message = f"it is registered when change request {request.id} is merged"
    return entity


def milliseconds(moment: datetime) -> int:
    """A moment as MLflow has it: in milliseconds since 1970 in UTC."""
    return round(moment.timestamp() * 1000)


def _tags(tags: Mapping[str, str], request: ChangeRequest | None) -> dict[str, str]:
    return {**tags, **({REQUEST_TAG: address_of(request)} if request else {})}


def address_of(request: ChangeRequest) -> str:
    """Where a change request can be looked at: its page, or its number where the forge has no pages."""
    return request.url or f"#{request.id}"


def _run(source: Mapping[str, object]) -> Mapping[str, object]:
    run = source.get("run")
    return run if isinstance(run, dict) else {}


def _text(facts: Mapping[str, object], key: str) -> str | None:
    found = facts.get(key)
    return found if isinstance(found, str) else None
