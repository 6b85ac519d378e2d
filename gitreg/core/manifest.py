"""The manifests: each kind as a frozen value, how it is read, and how a new one is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from gitreg.core.decode import (
    API_VERSION,
    DecodeError,
    Fields,
    Where,
    array,
    digest,
    header,
    identity,
    integer,
    line,
    mapping,
    matching,
    metrics,
    model_name,
    nullable,
    one_of,
    pointer_name,
    short,
    tags,
    text,
    timestamp,
    uuid,
    version,
)
from gitreg.core.names import MAX_INTEGER, Version
from gitreg.core.ports import Identity
from gitreg.core.record import ModelVersion, Pin, decode_version, pins

if TYPE_CHECKING:
    from gitreg.core.policy import Policy

INTEGER_SCHEME, SEMVER_SCHEME = "integer", "semver"

_BRANCH = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]|[./](?=[A-Za-z0-9_-]))*\Z")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|[.-](?=[A-Za-z0-9]))*(?::[0-9]{1,5})?\Z")
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_](?:[A-Za-z0-9_.-]|/(?=[A-Za-z0-9_.-]))*\Z")
_FILE_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")

_scheme = one_of(INTEGER_SCHEME, SEMVER_SCHEME)


@dataclass(frozen=True, slots=True)
class ForgeSettings:
    """Where change requests live. ``host`` and ``repository`` (``owner/name``) default to what ``origin`` says."""

    provider: str = "local"
    host: str | None = None
    repository: str | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """``gitreg.yaml``. ``enforcement`` says what keeps unverified changes off the branch: change ``requests`` (people
    merge only what verify passed), the pre-receive ``hook``, or nothing because one person works here (``solo``).
    """

    id: str
    name: str
    branch: str
    forge: ForgeSettings = ForgeSettings()
    enforcement: str = "requests"
    scheme: str = INTEGER_SCHEME
    protected: tuple[str, ...] = ()


def _forge(value: object, where: Where) -> ForgeSettings:
    fields = Fields(value, where)
    settings = ForgeSettings(
        provider=fields.take("provider", one_of("local", "github", "gitlab")),
        host=fields.maybe("host", matching(_HOST, "a host name", 255), None),
        repository=fields.maybe("repository", matching(_REPOSITORY, "owner/name", 255), None),
    )
    fields.done()
    return settings


def decode_registry(value: object) -> Registry:
    """Reads a parsed ``gitreg.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "Registry")
    registry = Registry(
        id=fields.take("id", uuid),
        name=fields.take("name", short),
        branch=fields.take("branch", matching(_BRANCH, "a branch name", 100)),
        forge=fields.maybe("forge", _forge, ForgeSettings()),
        enforcement=fields.maybe("enforcement", one_of("requests", "hook", "solo"), "requests"),
        scheme=fields.maybe("versions", _scheme, INTEGER_SCHEME),
        protected=fields.maybe("protected", array(text(500, 1), most=1000), ()),
    )
    fields.done()
    return registry


@dataclass(frozen=True, slots=True)
class Model:
    """``model.yaml``: a registered model. ``scheme`` (None: the registry's) is ``integer`` or ``semver``."""

    name: str
    title: str | None = None
    description: str | None = None
    owners: tuple[str, ...] = ()
    task: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    scheme: str | None = None


def decode_model(value: object) -> Model:
    """Reads a parsed ``model.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "Model")
    model = Model(
        name=fields.take("name", model_name),
        title=fields.maybe("title", nullable(line), None),
        description=fields.maybe("description", nullable(text()), None),
        owners=fields.maybe("owners", array(short, most=100), ()),
        task=fields.maybe("task", nullable(short), None),
        tags=fields.maybe("tags", tags, {}),
        scheme=fields.maybe("versions", nullable(_scheme), None),
    )
    fields.done()
    return model


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Why a version should not be used any more, and which one instead."""

    reason: str
    use: Version | None = None


def _deprecation(value: object, where: Where) -> Deprecation:
    fields = Fields(value, where)
    found = Deprecation(fields.take("reason", text(5000, 1)), fields.maybe("use", nullable(version), None))
    fields.done()
    return found


@dataclass(frozen=True, slots=True)
class VersionNotes:
    """``notes.yaml``: what people say about a version; editable, so never evidence."""

    model: str
    version: Version
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    deprecated: Deprecation | None = None
    card: Mapping[str, str] = field(default_factory=dict)


def decode_notes(value: object) -> VersionNotes:
    """Reads a parsed ``notes.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "VersionNotes")
    notes = VersionNotes(
        model=fields.take("model", model_name),
        version=fields.take("version", version),
        description=fields.maybe("description", nullable(text()), None),
        tags=fields.maybe("tags", tags, {}),
        deprecated=fields.maybe("deprecated", nullable(_deprecation), None),
        card=fields.maybe("card", mapping(text(), most=100), {}),
    )
    fields.done()
    return notes


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """``evidence/<name>.yaml``: metrics of the artifact ``digest`` on one data set, and who says so."""

    model: str
    version: Version
    name: str
    digest: str
    dataset: str
    dataset_digest: str
    metrics: Mapping[str, float]
    created_at: datetime
    created_by: Identity
    source: str | None = None


def _data(value: object, where: Where) -> tuple[str, str]:
    fields = Fields(value, where)
    found = (fields.take("name", short), fields.take("digest", digest))
    fields.done()
    return found


def decode_evidence(value: object) -> EvidenceRecord:
    """Reads a parsed ``evidence/<name>.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "Evidence")
    dataset, dataset_digest = fields.take("dataset", _data)
    record = EvidenceRecord(
        model=fields.take("model", model_name),
        version=fields.take("version", version),
        name=fields.take("name", _evidence_name),
        digest=fields.take("digest", digest),
        dataset=dataset,
        dataset_digest=dataset_digest,
        metrics=fields.take("metrics", metrics),
        created_at=fields.take("created_at", timestamp),
        created_by=fields.take("created_by", identity),
        source=fields.maybe("source", nullable(line), None),
    )
    fields.done()
    return record


_evidence_name = matching(_FILE_STEM, "a name of letters, digits, '_' and '-'", 64)


@dataclass(frozen=True, slots=True)
class EvidenceRetraction:
    """``evidence/<name>.retracted.yaml``: that evidence does not count any more."""

    model: str
    version: Version
    name: str
    reason: str
    created_at: datetime
    created_by: Identity


def decode_retraction(value: object) -> EvidenceRetraction:
    """Reads a parsed ``evidence/<name>.retracted.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "EvidenceRetraction")
    record = EvidenceRetraction(
        model=fields.take("model", model_name),
        version=fields.take("version", version),
        name=fields.take("name", _evidence_name),
        reason=fields.take("reason", text(5000, 1)),
        created_at=fields.take("created_at", timestamp),
        created_by=fields.take("created_by", identity),
    )
    fields.done()
    return record


@dataclass(frozen=True, slots=True)
class StageAssignment:
    """``stages/<stage>.yaml``: the versions in a stage now, and those before the last edit."""

    model: str
    stage: str
    serial: int
    versions: tuple[Pin, ...] = ()
    previous: tuple[Pin, ...] = ()

    def as_yaml(self) -> dict[str, object]:
        """As it is written."""
        return {
            "apiVersion": API_VERSION,
            "kind": "StageAssignment",
            "model": self.model,
            "stage": self.stage,
            "serial": self.serial,
            "versions": [pin.as_yaml() for pin in self.versions],
            "previous": [pin.as_yaml() for pin in self.previous],
        }


def decode_stage(value: object) -> StageAssignment:
    """Reads a parsed ``stages/<stage>.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "StageAssignment")
    assignment = StageAssignment(
        model=fields.take("model", model_name),
        stage=fields.take("stage", pointer_name),
        serial=fields.take("serial", integer(1, MAX_INTEGER)),
        versions=fields.take("versions", pins),
        previous=fields.maybe("previous", pins, ()),
    )
    fields.done()
    return assignment


@dataclass(frozen=True, slots=True)
class Alias:
    """``aliases/<alias>.yaml``: one version by another name, or none (``pin`` is None)."""

    model: str
    alias: str
    serial: int
    pin: Pin | None = None

    def as_yaml(self) -> dict[str, object]:
        """As it is written: version and digest are plain keys."""
        return {
            "apiVersion": API_VERSION,
            "kind": "Alias",
            "model": self.model,
            "alias": self.alias,
            "serial": self.serial,
            "version": self.pin.version if self.pin else None,
            "digest": self.pin.digest if self.pin else None,
        }


def decode_alias(value: object) -> Alias:
    """Reads a parsed ``aliases/<alias>.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "Alias")
    model = fields.take("model", model_name)
    alias = fields.take("alias", pointer_name)
    serial = fields.take("serial", integer(1, MAX_INTEGER))
    target = fields.take("version", nullable(version))
    target_digest = fields.take("digest", nullable(digest))
    fields.done()
    if (target is None) != (target_digest is None):
        raise DecodeError(("digest",), "version and digest are either both set or both null")
    pin = None if target is None or target_digest is None else Pin(target, target_digest)
    return Alias(model, alias, serial, pin)


@dataclass(frozen=True, slots=True)
class Redirect:
    """``redirect.yaml``: what a renamed model is called now."""

    model: str
    to: str
    renamed_at: datetime


def decode_redirect(value: object) -> Redirect:
    """Reads a parsed ``redirect.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "Redirect")
    redirect = Redirect(
        model=fields.take("model", model_name),
        to=fields.take("to", model_name),
        renamed_at=fields.take("renamed_at", timestamp),
    )
    fields.done()
    return redirect


@dataclass(frozen=True, slots=True)
class VersionTombstone:
    """``versions/<version>/tombstone.yaml``: a deleted version; its number stays taken."""

    model: str
    version: Version
    digest: str
    deleted_at: datetime
    reason: str | None = None


def decode_version_tombstone(value: object) -> VersionTombstone:
    """Reads a parsed ``versions/<version>/tombstone.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "VersionTombstone")
    tombstone = VersionTombstone(
        model=fields.take("model", model_name),
        version=fields.take("version", version),
        digest=fields.take("digest", digest),
        deleted_at=fields.take("deleted_at", timestamp),
        reason=fields.maybe("reason", nullable(text(5000)), None),
    )
    fields.done()
    return tombstone


@dataclass(frozen=True, slots=True)
class ModelTombstone:
    """``models/<name>/tombstone.yaml``: every version that a deleted model had; their numbers stay taken."""

    model: str
    versions: tuple[Pin, ...]
    deleted_at: datetime
    reason: str | None = None


def decode_model_tombstone(value: object) -> ModelTombstone:
    """Reads a parsed ``models/<name>/tombstone.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "ModelTombstone")
    tombstone = ModelTombstone(
        model=fields.take("model", model_name),
        versions=fields.take("versions", pins),
        deleted_at=fields.take("deleted_at", timestamp),
        reason=fields.maybe("reason", nullable(text(5000)), None),
    )
    fields.done()
    return tombstone


Manifest: TypeAlias = (
    "Registry | Policy | Model | ModelVersion | VersionNotes | EvidenceRecord | EvidenceRetraction"
    " | StageAssignment | Alias | Redirect | VersionTombstone | ModelTombstone"
)


def _decode_policy(value: object) -> Policy:
    """Reads a parsed ``policy.yaml``. To resolve a reference takes no policy, so it is imported when it is met."""
    from gitreg.core.policy import decode_policy

    return decode_policy(value)


#: How each kind is read. The kind's JSON Schema is ``schemas/<kind>.schema.json``.
DECODERS: Mapping[str, Callable[[object], Manifest]] = {
    "Registry": decode_registry,
    "Policy": _decode_policy,
    "Model": decode_model,
    "ModelVersion": decode_version,
    "VersionNotes": decode_notes,
    "Evidence": decode_evidence,
    "EvidenceRetraction": decode_retraction,
    "StageAssignment": decode_stage,
    "Alias": decode_alias,
    "Redirect": decode_redirect,
    "VersionTombstone": decode_version_tombstone,
    "ModelTombstone": decode_model_tombstone,
}
