"""Import models from another system: versions under their own numbers, with the stages and aliases they have there.

What is here already stays as it is: an import adds, and never overwrites. What it cannot add is told, thing by thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gitreg.core.manifest import Alias, StageAssignment
from gitreg.core.names import (
    MAX_INTEGER,
    NONE,
    Version,
    fold,
    model_name_problem,
    pointer_name_problem,
    version_key,
)
from gitreg.core.plan.plan import NothingToDo, Plan, checked, written
from gitreg.core.plan.register import NewModel, Registration, as_registered, model_file, version_files
from gitreg.core.policy import FormatsGate, StagePolicy
from gitreg.core.ports import DvcPointer, Identity
from gitreg.core.record import Artifact, Pin
from gitreg.core.snapshot import Snapshot
from gitreg.errors import Refused, UsageError


@dataclass(frozen=True, slots=True)
class ImportedVersion:
    """One version as it is in the other system.

    Attributes:
        version: its number, which it keeps.
        registration: what its record and notes say; ``model`` and ``version`` in it do not count.
        stage: the stage it is in, in any case (None or ``none``: in none).
        aliases: the aliases that name it.
    """

    version: Version
    registration: Registration
    stage: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model as it is in the other system.

    ``new.scheme`` says how its versions are numbered. ``versions`` may come in any order and with gaps.
    """

    name: str
    new: NewModel = field(default_factory=NewModel)
    versions: tuple[ImportedVersion, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that an import cannot bring here: what (``credit-risk/3``), and why not."""

    subject: str
    why: str


@dataclass(frozen=True)
class Weighed:
    """What an import of one model comes to: the edits, the versions that they add, and what is left out.

    ``model`` is how the model is called here: as there, or by its new name where it was renamed since an import.
    """

    model: str
    edits: dict[str, bytes | None] = field(default_factory=dict)
    added: tuple[Version, ...] = ()
    left: tuple[LeftOut, ...] = ()


def plan_import(snapshot: Snapshot, model: ImportedModel) -> Plan:
    """Adds a model's versions under their own numbers, with their stages and aliases. Raises NothingToDo."""
    return plan_imports(snapshot, [model])


def plan_imports(snapshot: Snapshot, models: Sequence[ImportedModel]) -> Plan:
    """The same of several models, as one change.

    The change is named after the models and where they come from alone, so that an import that found more in the
    meantime renews its request.

    Raises:
        NothingToDo: all that can be imported is here.
    """
    found = weigh_imports(snapshot, models)
    edits = {path: data for weighed in found for path, data in weighed.edits.items()}
    if not edits:
        raise NothingToDo("all that can be imported is here already")
    done = [weighed for weighed in found if weighed.edits]
    versions = sum(len(weighed.added) for weighed in done)
    count = f" ({versions} version{'' if versions == 1 else 's'})"
    what = done[0].model if len(done) == 1 else f"{len(done)} models"
    kind = "import" if versions else "register"
    origins = {each.registration.imported_from for model in models for each in model.versions}
    places = sorted({(origin.system, origin.registry) for origin in origins if origin is not None})
    systems = sorted({system for system, _ in places})
    whence = f" from {' and '.join(systems)}" if systems else ""
    return Plan(
        kind, f"Import {what}{count}{whence}", _intent((model.name for model in models), places), edits
    )


def _intent(names: Iterable[str], places: Iterable[tuple[str, str]]) -> tuple[object, ...]:
    return tuple(sorted(names)), tuple(places)


def import_branch(names: Iterable[str], system: str, registry: str) -> str:
    """The branch of the change that imports versions of some models from one place."""
    return Plan("import", "", _intent(names, [(system, registry)]), {}).branch


def weigh_imports(snapshot: Snapshot, models: Sequence[ImportedModel]) -> list[Weighed]:
    """The same of several models; of those whose names differ only in case the first one comes."""
    found: list[Weighed] = []
    names: dict[str, str] = {}
    for model in models:
        other = names.setdefault(fold(model.name), model.name)
        taken = LeftOut(model.name, f"the name is taken by {other!r}")
        found.append(
            weigh_import(snapshot, model) if other == model.name else Weighed(model.name, left=(taken,))
        )
    return found


def weigh_import(snapshot: Snapshot, model: ImportedModel) -> Weighed:
    """Says what an import of a model would add to a registry, and what it cannot."""
    name, why = home_of(snapshot, model.name)
    if why is not None:
        return Weighed(name, left=(LeftOut(model.name, why),))
    edits, left = _model_edits(snapshot, name, model.new)
    added: list[ImportedVersion] = []
    spelled = {fold(str(version)) for version in snapshot.taken(name)}
    for each in sorted(model.versions, key=lambda version: version_key(version.version)):
        files, problems = _version_edits(snapshot, name, model.new, each, spelled)
        left += problems
        if files:
            edits |= files
            added.append(each)
            spelled.add(fold(str(each.version)))
    entered, problems = _entering(snapshot, name, added)
    edits |= _stage_edits(snapshot, name, entered)
    left += problems
    aliases, problems = _aliases(snapshot, name, added, entered)
    edits |= aliases
    left += problems
    left += _differing(snapshot, name, model)
    return Weighed(name, edits, tuple(each.version for each in added), tuple(left))


def home_of(snapshot: Snapshot, name: str) -> tuple[str, str | None]:
    """What a model of another system is called here, and why it cannot come here (None: it can)."""
    problem = model_name_problem(name)
    if problem:
        return name, f"the name cannot be kept: {problem}"
    if snapshot.model(name) is not None:
        return name, None
    redirect = snapshot.redirect(name)
    if redirect is not None:
        gone = snapshot.model(redirect.to) is None
        return redirect.to, "it was renamed here, and then deleted" if gone else None
    if snapshot.model_tombstone(name) is not None:
        return name, "a model of that name was deleted here"
    taken = next((folder for folder in snapshot.model_folders() if fold(folder) == fold(name)), None)
    return name, f"the name is taken by {taken!r}" if taken is not None else None


def _model_edits(
    snapshot: Snapshot, name: str, new: NewModel
) -> tuple[dict[str, bytes | None], list[LeftOut]]:
    """The model's own file, where there is none yet; without what people say if that does not fit into it."""
    if snapshot.model(name) is not None:
        return {}, []
    scheme = None if new.scheme == snapshot.registry().scheme else new.scheme
    path = snapshot.layout.model(name)
    said: dict[str, bytes | None] = {path: model_file(name, replace(new, scheme=scheme))}
    problem = _problem(snapshot, said)
    if problem is None:
        return said, []
    return {path: model_file(name, NewModel(scheme=scheme))}, [LeftOut(name, f"its description: {problem}")]


def _problem(snapshot: Snapshot, files: dict[str, bytes | None]) -> str | None:
    """Why files would not be valid; None if they are."""
    try:
        checked(snapshot, Plan("import", "", (), files))
    except UsageError as error:
        return error.message
    return None


def _version_edits(
    snapshot: Snapshot, name: str, new: NewModel, each: ImportedVersion, spelled: set[str]
) -> tuple[dict[str, bytes | None], list[LeftOut]]:
    """A version's files; none, and perhaps why not, where it is here or cannot be here."""
    subject = f"{name}/{each.version}"
    why = _bar(snapshot, name, new, each, spelled)
    if why is not None:
        return {}, [LeftOut(subject, why)] if why else []
    registration = replace(each.registration, model=name)
    notes = snapshot.layout.version(name, each.version, "notes.yaml")
    try:
        files = version_files(snapshot, name, each.version, registration)
    except UsageError as error:
        return {}, [LeftOut(subject, error.message)]
    left = []
    problem = _problem(snapshot, {notes: files[notes]}) if notes in files else None
    if problem is not None:
        del files[notes]
        left.append(LeftOut(subject, f"its description and tags: {problem}"))
    problem = _problem(snapshot, files)
    return (files, left) if problem is None else ({}, [LeftOut(subject, problem)])


def _bar(
    snapshot: Snapshot, name: str, new: NewModel, each: ImportedVersion, spelled: set[str]
) -> str | None:
    """Why a version is not added ("" where it is here already); None if it is."""
    scheme = snapshot.scheme(name) if snapshot.model(name) is not None else new.scheme
    if isinstance(each.version, int) != ((scheme or snapshot.registry().scheme) == "integer"):
        return f"{name!r} numbers its versions otherwise"
    if each.version == MAX_INTEGER:
        return "its number leaves none for the next version"
    record = snapshot.record(name, each.version)
    if record is not None:
        is_same = record.artifact.digest == each.registration.artifact.digest
        return "" if is_same else "it is here already, with other bytes"
    if snapshot.is_taken(name, each.version):
        return "it was deleted here, and a number once used is never used again"
    return "its number is here in another spelling" if fold(str(each.version)) in spelled else None


def _entering(
    snapshot: Snapshot, name: str, added: Iterable[ImportedVersion]
) -> tuple[dict[str, list[Pin]], list[LeftOut]]:
    """Which new versions enter which stage: the highest, where there is not room for all."""
    entering: dict[str, list[Pin]] = {}
    left: list[LeftOut] = []
    for each in sorted(added, key=lambda version: version_key(version.version), reverse=True):
        if each.stage is None or each.stage.lower() == NONE:
            continue
        settings = stage_called(snapshot, each.stage, name)
        why = _stage_bar(snapshot, name, each, settings, entering)
        if why is not None or settings is None:
            left.append(LeftOut(f"{name}/{each.version}", why or ""))
        else:
            entering.setdefault(settings.name, []).append(_pin(each))
    return entering, left


def _stage_edits(snapshot: Snapshot, name: str, entering: dict[str, list[Pin]]) -> dict[str, bytes | None]:
    edits: dict[str, bytes | None] = {}
    for stage, pins in entering.items():
        old = snapshot.stage(name, stage) or StageAssignment(name, stage, 0)
        versions = tuple(sorted((*old.versions, *pins), key=lambda pin: version_key(pin.version)))
        new = StageAssignment(name, old.stage, old.serial + 1, versions, old.versions)
        path = snapshot.layout.stage(name, old.stage)
        edits[path] = written(snapshot, path, new.as_yaml(), ("serial", "versions", "previous"))
    return edits


def stage_called(snapshot: Snapshot, stage: str, model: str) -> StagePolicy | None:
    """The policy of a stage by its name, without regard to case; None if policy has none."""
    policy = snapshot.policy()
    known = next((name for name in policy.stage_names if name.lower() == stage.lower()), None)
    return policy.stage(known, model) if known is not None else None


def _stage_bar(
    snapshot: Snapshot,
    name: str,
    each: ImportedVersion,
    settings: StagePolicy | None,
    entering: dict[str, list[Pin]],
) -> str | None:
    if settings is None:
        known = ", ".join(snapshot.policy().stage_names) or "none"
        return f"is in {each.stage}, and policy has no such stage (it has {known})"
    there = snapshot.stage(name, settings.name)
    held = len(there.versions if there else ()) + len(entering.get(settings.name, ()))
    if settings.holds is not None and held >= settings.holds:
        return f"is in {each.stage}, and {settings.name} holds at most {settings.holds}"
    found = each.registration.artifact.format
    gates = (gate for gate in settings.gates if isinstance(gate, FormatsGate))
    if any(found in gate.deny or (gate.allow is not None and found not in gate.allow) for gate in gates):
        return f"is in {each.stage}, and {settings.name} does not take the format {found}"
    return None


def _pin(each: ImportedVersion) -> Pin:
    return Pin(each.version, each.registration.artifact.digest)


def _aliases(
    snapshot: Snapshot, name: str, added: Sequence[ImportedVersion], entering: dict[str, list[Pin]]
) -> tuple[dict[str, bytes | None], list[LeftOut]]:
    """Lets aliases that name nothing here name new versions."""
    edits: dict[str, bytes | None] = {}
    left: list[LeftOut] = []
    stages = {fold(stage) for stage in (*snapshot.policy().stage_names, *snapshot.stages(name))}
    for each in (each for each in added if each.aliases):
        stage = next((stage for stage, pins in entering.items() if _pin(each) in pins), NONE)
        for alias in each.aliases:
            old = snapshot.alias(name, alias) or Alias(name, alias, 0)
            path = snapshot.layout.alias(name, old.alias)
            why = _alias_bar(snapshot, each, old, stages, stage)
            if why is None and path.lower() in {other.lower() for other in edits}:
                why = "another alias is called so, but for case"
            if why is not None:
                left.append(LeftOut(f"{name}@{alias}", why))
                continue
            new = Alias(name, old.alias, old.serial + 1, _pin(each))
            edits[path] = written(snapshot, path, new.as_yaml(), ("serial", "version", "digest"))
    return edits, left


def _alias_bar(
    snapshot: Snapshot, each: ImportedVersion, old: Alias, stages: set[str], stage: str
) -> str | None:
    problem = pointer_name_problem(old.alias)
    if problem:
        return f"the name cannot be kept: {problem}"
    if fold(old.alias) in stages:
        return "it is the name of a stage"
    if old.pin is not None:
        return f"it names version {each.version}, and here version {old.pin.version}"
    asked = snapshot.policy().alias(old.alias).stage
    if asked is not None and stage != asked:
        return f"it names version {each.version}, and may name only versions in {asked}"
    return None


def _differing(snapshot: Snapshot, name: str, model: ImportedModel) -> Iterator[LeftOut]:
    """Where versions that were here before are in another stage than there, and aliases name others."""
    for each in model.versions:
        record = snapshot.record(name, each.version)
        if record is None or record.artifact.digest != each.registration.artifact.digest:
            continue
        here, there = snapshot.stage_of(name, each.version), each.stage or NONE
        if fold(here) != fold(there):
            yield LeftOut(f"{name}/{each.version}", f"is in {there}, and here in {here}; that stays")
        for alias in each.aliases:
            old = snapshot.alias(name, alias)
            now = old.pin.version if old and old.pin else None
            if now != each.version:
                shown = f"version {now}" if now is not None else "nothing"
                yield LeftOut(
                    f"{name}@{alias}", f"names version {each.version}, and here {shown}; that stays"
                )


def registration_of(snapshot: Snapshot, model: str, number: Version) -> Registration:
    """What would register a version as it is here.

    Raises NotFound, Refused (it is not whole, or says what no import says).
    """
    record = snapshot.demand_record(model, number)
    pointer = snapshot.dvc_pointer(model, record)
    notes = snapshot.notes(model, number)
    if pointer is None or (notes is not None and notes.deprecated is not None):
        raise Refused(f"{model}/{number} is not as gitreg imports versions", "make the change by hand")
    return as_registered(snapshot, model, record, pointer)


def unread(model: str, format: str, artifact: Artifact | None = None) -> Registration:
    """Stands in for a version whose bytes nobody has read: good for weighing an import, and for nothing else.

    Args:
        artifact: what is here under that number, if the bytes are to be taken for the same.
    """
    stand_in = artifact or Artifact("unread", f"sha256:{'0' * 64}", 1, 1, format)
    pointer = DvcPointer(stand_in.path, "0" * 32, stand_in.size, stand_in.files)
    return Registration(
        model=model,
        artifact=stand_in,
        pointer=pointer,
        created_by=Identity("nobody", ""),
        created_at=datetime(1970, 1, 1, tzinfo=UTC),
    )
