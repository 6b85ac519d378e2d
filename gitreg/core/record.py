"""The record of a version (``version.yaml``) and its parts: frozen values, how they are read, how they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gitreg.core.decode import (
    API_VERSION,
    DecodeError,
    Fields,
    Reader,
    Where,
    any_mapping,
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
    payload_name,
    scalar,
    short,
    show_time,
    tags,
    text,
    timestamp,
    uuid,
    version,
)
from gitreg.core.names import Version
from gitreg.core.ports import Identity

MAX_PINS = 10_000
#: The format of an artifact whose bytes are somewhere else: nothing of it is stored but its address.
EXTERNAL = "external"
EXTERNAL_FILE = "external.uri"
#: The longest address of anything, in characters.
MAX_URI = 2000

_FORMAT = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_SYSTEM = re.compile(r"[a-z][a-z0-9_-]*\Z")


@dataclass(frozen=True, slots=True)
class Pin:
    """A version together with the digest of its bytes."""

    version: Version
    digest: str

    def as_yaml(self) -> dict[str, object]:
        """As it is written."""
        return {"version": self.version, "digest": self.digest}


def _pin(value: object, where: Where) -> Pin:
    fields = Fields(value, where)
    pin = Pin(fields.take("version", version), fields.take("digest", digest))
    fields.done()
    return pin


pins = array(_pin, most=MAX_PINS)


@dataclass(frozen=True, slots=True)
class Artifact:
    """The bytes of a version: basename, digest (gitreg.core.digest), size in bytes, number of files, format.

    Of format ``external``, the bytes are somewhere else, at ``uri``, and the one file here holds just that address.
    """

    path: str
    digest: str
    size: int
    files: int
    format: str
    uri: str | None = None

    def as_yaml(self) -> dict[str, object]:
        """As it is written."""
        written: dict[str, object] = {
            "path": self.path,
            "digest": self.digest,
            "size": self.size,
            "files": self.files,
            "format": self.format,
        }
        return written if self.uri is None else written | {"uri": self.uri}


def _artifact(value: object, where: Where) -> Artifact:
    fields = Fields(value, where)
    artifact = Artifact(
        uri=fields.maybe("uri", text(MAX_URI, 1), None),
        path=fields.take("path", payload_name),
        digest=fields.take("digest", digest),
        size=fields.take("size", integer(1)),
        files=fields.take("files", integer(1)),
        format=fields.take(
            "format", matching(_FORMAT, "a format (lower-case letters, digits, '.', '_', '-')", 32)
        ),
    )
    fields.done()
    if (artifact.format == EXTERNAL) != (artifact.uri is not None):
        raise DecodeError(
            (*where, "uri"), f"an artifact of format {EXTERNAL!r} has a uri, and no other has one"
        )
    return artifact


@dataclass(frozen=True, slots=True)
class CopiedFrom:
    """Where a copied version's bytes were first registered. Provenance; never resolved."""

    registry: str
    model: str
    version: Version
    digest: str

    def as_yaml(self) -> dict[str, object]:
        """As it is written."""
        return {
            "registry": self.registry,
            "model": self.model,
            "version": self.version,
            "digest": self.digest,
        }


def _copied_from(value: object, where: Where) -> CopiedFrom:
    fields = Fields(value, where)
    found = CopiedFrom(
        registry=fields.take("registry", uuid),
        model=fields.take("model", model_name),
        version=fields.take("version", version),
        digest=fields.take("digest", digest),
    )
    fields.done()
    return found


@dataclass(frozen=True, slots=True)
class ImportedFrom:
    """Where an imported version was registered first: another system's name for it. Provenance; never resolved.

    Attributes:
        system: what kind of registry that is (``mlflow``, ``gto``).
        registry: its address, without secrets.
        model: the model's name there.
        version: the version there, as that system writes it.
    """

    system: str
    registry: str
    model: str
    version: str

    def as_yaml(self) -> dict[str, object]:
        """As it is written."""
        return {
            "system": self.system,
            "registry": self.registry,
            "model": self.model,
            "version": self.version,
        }


def _imported_from(value: object, where: Where) -> ImportedFrom:
    fields = Fields(value, where)
    found = ImportedFrom(
        system=fields.take("system", matching(_SYSTEM, "a system's name in lower case", 32)),
        registry=fields.take("registry", text(2000, 1)),
        model=fields.take("model", text(1000, 1)),
        version=fields.take("version", short),
    )
    fields.done()
    return found


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """``version.yaml``: the record of one version, never edited.

    ``source``, ``signature`` and ``environment`` are kept as they are written; ``params`` are scalars, ``metrics``
    finite numbers; ``created_at`` is in UTC.
    """

    model: str
    version: Version
    created_at: datetime
    created_by: Identity
    artifact: Artifact
    source: Mapping[str, object] = field(default_factory=dict)
    params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    signature: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    copied_from: CopiedFrom | None = None
    imported_from: ImportedFrom | None = None

    @property
    def pin(self) -> Pin:
        """The version and the digest of its bytes."""
        return Pin(self.version, self.artifact.digest)

    def as_yaml(self) -> dict[str, object]:
        """As it is written; optional keys only where they say something."""
        written: dict[str, object] = {
            "apiVersion": API_VERSION,
            "kind": "ModelVersion",
            "model": self.model,
            "version": self.version,
            "created_at": show_time(self.created_at),
            "created_by": {"name": self.created_by.name, "email": self.created_by.email},
            "artifact": self.artifact.as_yaml(),
        }
        optional: dict[str, Mapping[str, object]] = {
            "source": self.source,
            "params": self.params,
            "metrics": self.metrics,
            "signature": self.signature,
            "environment": self.environment,
            "copied_from": self.copied_from.as_yaml() if self.copied_from else {},
            "imported_from": self.imported_from.as_yaml() if self.imported_from else {},
        }
        return written | {key: dict(value) for key, value in optional.items() if value}


def _only(readers: Mapping[str, Reader[object]]) -> Reader[Mapping[str, object]]:
    """A mapping of optional keys, each of its own form, kept as it is written."""

    def read(value: object, where: Where) -> Mapping[str, object]:
        fields = Fields(value, where)
        for key, reader in readers.items():
            fields.maybe(key, reader, None)
        fields.done()
        return any_mapping(value, where)

    return read


_run = _only(
    {
        "system": short,
        "id": short,
        "url": line,
        "name": short,
        "experiment": short,
        "logged_model": short,
        "tags": tags,
    }
)
_data_set = _only({"name": short, "digest": short})
_source = _only(
    {
        "repo": line,
        "commit": short,
        "uri": text(MAX_URI, 1),
        "run": _run,
        "ci": mapping(line, most=50),
        "data": array(_data_set, most=100),
    }
)
_schema = any_mapping
_signature = _only({"inputs": _schema, "outputs": _schema})
_environment = _only({"python": short, "requirements": array(line, most=2000)})


def decode_version(value: object) -> ModelVersion:
    """Reads a parsed ``version.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "ModelVersion")
    record = ModelVersion(
        model=fields.take("model", model_name),
        version=fields.take("version", version),
        created_at=fields.take("created_at", timestamp),
        created_by=fields.take("created_by", identity),
        artifact=fields.take("artifact", _artifact),
        source=fields.maybe("source", _source, {}),
        params=fields.maybe("params", mapping(scalar), {}),
        metrics=fields.maybe("metrics", metrics, {}),
        signature=fields.maybe("signature", _signature, {}),
        environment=fields.maybe("environment", _environment, {}),
        copied_from=fields.maybe("copied_from", _copied_from, None),
        imported_from=fields.maybe("imported_from", _imported_from, None),
    )
    fields.done()
    return record
