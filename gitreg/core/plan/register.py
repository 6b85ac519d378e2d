"""Register a version, and make the model it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from itertools import islice
from typing import Any

from gitreg.core.codec.dvcfile import dump_dvc
from gitreg.core.manifest import INTEGER_SCHEME
from gitreg.core.names import MAX_INTEGER, Version, fold, is_semver, model_name_problem
from gitreg.core.plan.plan import NothingToDo, Plan, checked, dumped, new_file
from gitreg.core.ports import DvcPointer, Identity
from gitreg.core.record import Artifact, CopiedFrom, ImportedFrom, ModelVersion
from gitreg.core.snapshot import Snapshot, highest
from gitreg.core.tree import edited
from gitreg.errors import AlreadyExists, NotFound, Refused, UsageError

#: How many of a model's newest versions are searched for the same bytes: registering stays flat in their number.
ADOPTION_WINDOW = 25


@dataclass(frozen=True, slots=True)
class NewModel:
    """What a new model's ``model.yaml`` says."""

    title: str | None = None
    description: str | None = None
    owners: tuple[str, ...] = ()
    task: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    scheme: str | None = None


@dataclass(frozen=True, kw_only=True)
class Details:
    """What a person says of a new version.

    ``version`` is asked for by SemVer models alone; ``create`` makes the model if there is none.
    """

    version: str | None = None
    create: NewModel | None = None
    source: Mapping[str, object] = field(default_factory=dict)
    params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    signature: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    card: Mapping[str, str] = field(default_factory=dict)

    def details(self) -> dict[str, Any]:
        """These fields alone, by name."""
        return {each.name: getattr(self, each.name) for each in fields(Details)}


@dataclass(frozen=True)
class Registration(Details):
    """Everything that a new version's record and notes say.

    ``nonce`` (from ``--again``) registers or copies bytes that are registered already.
    """

    model: str
    artifact: Artifact
    pointer: DvcPointer
    created_by: Identity
    created_at: datetime
    nonce: str | None = None
    copied_from: CopiedFrom | None = None
    imported_from: ImportedFrom | None = None


def as_registered(snapshot: Snapshot, model: str, record: ModelVersion, pointer: DvcPointer) -> Registration:
    """What would register a version with all that is said of it here, but for a deprecation."""
    notes = snapshot.notes(model, record.version)
    return Registration(
        model=model,
        artifact=record.artifact,
        pointer=pointer,
        created_by=record.created_by,
        created_at=record.created_at,
        source=record.source,
        params=record.params,
        metrics=record.metrics,
        signature=record.signature,
        environment=record.environment,
        description=notes.description if notes else None,
        tags=notes.tags if notes else {},
        card=notes.card if notes else {},
        copied_from=record.copied_from,
        imported_from=record.imported_from,
    )


def plan_model(snapshot: Snapshot, name: str, new: NewModel) -> Plan:
    """Makes a model without versions. Raises UsageError (bad name), AlreadyExists."""
    _demand_free_name(snapshot, name)
    edits: dict[str, bytes | None] = {snapshot.layout.model(name): model_file(name, new)}
    return checked(snapshot, plan_of_model(f"New model {name}", name, edits))


def plan_of_model(title: str, model: str, edits: Mapping[str, bytes | None]) -> Plan:
    """A plan whose branch is that of the change which makes a model, whatever else the change does by now."""
    return Plan("register", title, (model,), edits)


def plan_first_version(snapshot: Snapshot, asked: Registration, manifest: bytes) -> Plan:
    """Makes a model of which ``model.yaml`` is written already, and adds its first version.

    Raises as :func:`plan_register`; AlreadyExists if the name is taken.
    """
    _demand_free_name(snapshot, asked.model)
    made = {snapshot.layout.model(asked.model): manifest}
    there = snapshot.with_tree(edited(snapshot.tree, made))
    plan = plan_register(there, replace(asked, create=None))
    return replace(plan, edits={**made, **plan.edits})


def plan_register(snapshot: Snapshot, asked: Registration) -> Plan:
    """Adds a version to a model: its record, its DVC pointer, and notes where there is something to note.

    Raises:
        NotFound: no such model, and it was not asked to be made.
        UsageError: a bad name, or a version that does not fit the model's scheme.
        Refused: the version exists or existed.
        NothingToDo: one of the newest versions has the same bytes.
    """
    edits: dict[str, bytes | None] = {}
    model = snapshot.spelling(asked.model)
    if model is not None and (snapshot.model(model) is not None or snapshot.redirect(model) is not None):
        model = snapshot.find_model(model)
        if asked.nonce is None:
            _demand_new_bytes(snapshot, model, asked)
        scheme = snapshot.scheme(model)
    else:
        model = asked.model
        scheme = _create(snapshot, asked, edits)
    version = _number(snapshot, model, scheme, asked.version)
    edits |= version_files(snapshot, model, version, asked)
    intent = (model, asked.artifact.digest, asked.version, asked.nonce)
    origin = asked.copied_from
    if origin is None:
        return checked(snapshot, Plan("register", f"Register {model}/{version}", intent, edits))
    title = f"Copy {origin.model}/{origin.version} to {model}/{version}"
    whence = (origin.registry, origin.model, str(origin.version))
    kind = _kind_of_copy(snapshot, _record(model, version, asked), origin)
    return checked(snapshot, Plan(kind, title, (*intent, whence), edits))


def _kind_of_copy(snapshot: Snapshot, record: ModelVersion, origin: CopiedFrom) -> str:
    """What comes from another registry is new here, and so is registered. Raises Refused where there is no original."""
    confirmed = snapshot.confirms_copy(record)
    if confirmed is False:
        raise Refused(
            f"this registry has no version {origin.version} of {origin.model!r} with these bytes",
            "it may have been deleted meanwhile; gitreg version list shows all",
        )
    return "copy" if confirmed else "register"


def _create(snapshot: Snapshot, asked: Registration, edits: dict[str, bytes | None]) -> str:
    if asked.create is None:
        try:
            snapshot.find_model(asked.model)
        except NotFound as error:
            raise NotFound(error.message, "add --create to make a new model") from None
    new = asked.create or NewModel()
    _demand_free_name(snapshot, asked.model)
    edits[snapshot.layout.model(asked.model)] = model_file(asked.model, new)
    return new.scheme or snapshot.registry().scheme


def _demand_free_name(snapshot: Snapshot, name: str) -> None:
    problem = model_name_problem(name)
    if problem:
        raise UsageError(f"{name!r} cannot name a model: {problem}")
    taken = next((folder for folder in snapshot.model_folders() if fold(folder) == fold(name)), None)
    if taken is not None and (
        taken != name or snapshot.model_tombstone(taken) is None or snapshot.model(taken)
    ):
        problem = (
            f"the name {name!r} is taken by {taken!r}"
            if taken != name
            else f"there is a model {name!r} already"
        )
        raise AlreadyExists(problem, "choose another name")


def model_file(name: str, new: NewModel) -> bytes:
    """The text of a new model's ``model.yaml``."""
    return new_file(
        "Model",
        {
            "name": name,
            "title": new.title,
            "description": new.description,
            "owners": list(new.owners),
            "task": new.task,
            "tags": dict(new.tags),
            "versions": new.scheme,
        },
    )


def _demand_new_bytes(snapshot: Snapshot, model: str, asked: Registration) -> None:
    for version in islice(reversed(snapshot.numbers(model)), ADOPTION_WINDOW):
        record = snapshot.record(model, version)
        if record and record.artifact.digest == asked.artifact.digest and asked.version in (None, version):
            raise NothingToDo(
                f"{model}/{version} already has these bytes ({asked.artifact.digest[:19]}…)",
                "--again registers them once more",
            )


def next_number(snapshot: Snapshot, model: str) -> int:
    """The number that the next integer version of a model gets. Raises Refused where none is left."""
    number = snapshot.top_number(model) + 1
    if number >= MAX_INTEGER:
        raise Refused(f"{model!r} has no number left for another version", "make a new model")
    return number


def _number(snapshot: Snapshot, model: str, scheme: str, asked: str | None) -> Version:
    if scheme == INTEGER_SCHEME:
        if asked is not None:
            raise UsageError(f"{model!r} numbers its versions by itself", "leave --version out")
        return next_number(snapshot, model)
    taken = snapshot.taken(model)
    if asked is None:
        top = highest(taken)
        raise UsageError(
            f"{model!r} has SemVer versions, so the new one needs a number",
            f"give --version, higher than {top}" if top else "give --version 0.1.0, say",
        )
    if not is_semver(asked):
        raise UsageError(
            f"{asked!r} is not a SemVer version without build metadata", "write 1.4.0 or 2.0.0-rc.1"
        )
    same = next((v for v in taken if str(v).lower() == asked.lower()), None)
    if same is not None:
        raise Refused(
            f"version {same} of {model!r} exists, or existed and was deleted", "give another --version"
        )
    return asked


def _record(model: str, version: Version, asked: Registration) -> ModelVersion:
    return ModelVersion(
        model=model,
        version=version,
        created_at=asked.created_at,
        created_by=asked.created_by,
        artifact=asked.artifact,
        source=asked.source,
        params=asked.params,
        metrics=asked.metrics,
        signature=asked.signature,
        environment=asked.environment,
        copied_from=asked.copied_from,
        imported_from=asked.imported_from,
    )


def version_files(
    snapshot: Snapshot, model: str, version: Version, asked: Registration
) -> dict[str, bytes | None]:
    """A version's record, its DVC pointer, and notes where there is something to note."""
    record = _record(model, version, asked)
    files: dict[str, bytes | None] = {
        snapshot.layout.version(model, version): dumped(record.as_yaml()),
        snapshot.layout.version(model, version, f"{asked.artifact.path}.dvc"): dump_dvc(asked.pointer),
    }
    if asked.description or asked.tags or asked.card:
        notes = {
            "model": model,
            "version": version,
            "description": asked.description,
            "tags": dict(asked.tags),
            "card": dict(asked.card),
        }
        files[snapshot.layout.version(model, version, "notes.yaml")] = new_file("VersionNotes", notes)
    return files
