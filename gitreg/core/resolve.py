"""From a reference to the version it means, in a few small reads whatever the registry's size."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from gitreg.core.names import Reference, version_key
from gitreg.core.record import ModelVersion, Pin
from gitreg.core.snapshot import Snapshot
from gitreg.errors import NotFound, Refused


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a reference means at one commit.

    ``model`` is the model's name now (a renamed one is followed); ``path`` is where its artifact lies beside the
    record after a pull, from the repository's root; ``warnings`` are worth a line on the terminal.
    """

    reference: str
    model: str
    record: ModelVersion
    path: str
    commit: str | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def uri(self) -> str:
        """The version by its number, as MLflow writes it."""
        return f"models:/{self.model}/{self.record.version}"

    def as_json(self) -> dict[str, object]:
        """The facts that deploy tooling asks for."""
        artifact = self.record.artifact
        external = {} if artifact.uri is None else {"external_uri": artifact.uri}
        return {
            "reference": self.reference,
            "model": self.model,
            "version": self.record.version,
            "digest": artifact.digest,
            "size": artifact.size,
            "files": artifact.files,
            "format": artifact.format,
            "path": self.path,
            "uri": self.uri,
            "commit": self.commit,
            **external,
        }

    def as_env(self) -> str:
        """The same facts as lines that a shell can source."""
        facts = self.as_json()
        return "".join(
            f"GITREG_{key.upper()}={shlex.quote(str(facts[key]))}\n" for key in facts if facts[key]
        )


def resolve(snapshot: Snapshot, reference: Reference) -> Resolution:
    """The one version that a reference means; of a stage that holds several, the highest.

    Raises:
        NotFound: no such model, version, stage or alias, or nothing is there.
        Refused: a pointer's digest is not that of the record it names.
    """
    model = snapshot.find_model(reference.model)
    pins = _pins(snapshot, reference, model)
    return _resolution(snapshot, reference, model, max(pins, key=lambda pin: version_key(pin.version)))


def resolve_all(snapshot: Snapshot, reference: Reference) -> list[Resolution]:
    """Every version that a reference means, highest first. Raises as :func:`resolve`."""
    model = snapshot.find_model(reference.model)
    pins = sorted(_pins(snapshot, reference, model), key=lambda pin: version_key(pin.version), reverse=True)
    return [_resolution(snapshot, reference, model, pin) for pin in pins]


def _pins(snapshot: Snapshot, reference: Reference, model: str) -> tuple[Pin, ...]:
    if reference.version is not None:
        return (snapshot.demand_record(model, reference.version).pin,)
    if reference.alias is not None:
        return _alias(snapshot, model, reference.alias)
    if reference.stage is not None:
        return _stage(snapshot, model, reference.stage)
    latest = snapshot.latest(model)
    if latest is None:
        raise NotFound(f"{model!r} has no versions", f"gitreg register {shlex.quote(model)} PATH adds one")
    return (snapshot.demand_record(model, latest).pin,)


def _alias(snapshot: Snapshot, model: str, name: str) -> tuple[Pin, ...]:
    alias = snapshot.alias(model, name)
    if alias is None:
        known = ", ".join(sorted(snapshot.aliases(model))) or "none"
        raise NotFound(f"{model!r} has no alias {name!r}", f"its aliases: {known}")
    if alias.pin is None:
        raise NotFound(
            f"{model}@{alias.alias} names no version", f"gitreg alias set {model} {alias.alias} VERSION"
        )
    return (alias.pin,)


def _stage(snapshot: Snapshot, model: str, name: str) -> tuple[Pin, ...]:
    assignment = snapshot.stage(model, name)
    if assignment is None:
        known = snapshot.policy().stage_names
        if name.lower() not in {stage.lower() for stage in known}:
            raise NotFound(f"the policy has no stage {name!r}", f"its stages: {', '.join(known)}")
    if assignment is None or not assignment.versions:
        raise NotFound(f"no version of {model!r} is in {name}", f"gitreg promote {model}/VERSION --to {name}")
    return assignment.versions


def _resolution(snapshot: Snapshot, reference: Reference, model: str, pin: Pin) -> Resolution:
    record = snapshot.demand_record(model, pin.version)
    if record.artifact.digest != pin.digest:
        raise Refused(
            f"{reference} is pinned to {pin.digest[:19]}…, but the record of {model}/{pin.version} says"
            f" {record.artifact.digest[:19]}…",
            "gitreg validate shows what is wrong",
        )
    path = snapshot.layout.version(model, pin.version, record.artifact.path)
    return Resolution(
        str(reference), model, record, path, snapshot.commit, _warnings(snapshot, reference, model, record)
    )


def _warnings(snapshot: Snapshot, reference: Reference, model: str, record: ModelVersion) -> tuple[str, ...]:
    found = []
    if snapshot.spelling(reference.model) != model:
        found.append(f"{reference.model!r} was renamed to {model!r}; use the new name")
    notes = snapshot.notes(model, record.version)
    if notes and notes.deprecated:
        instead = f"; use {model}/{notes.deprecated.use}" if notes.deprecated.use else ""
        found.append(f"{model}/{record.version} is deprecated: {notes.deprecated.reason}{instead}")
    return tuple(found)
