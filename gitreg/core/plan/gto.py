"""Import an artifact of GTO's: one change, whose own commits are the tags, in their order.

What lands is judged as any other import (:mod:`gitreg.core.plan.imports`): the versions, and where they are in the end.
A commit inside it is no change that anybody has to approve: it says what a tag did, with who made it, and when.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitreg.core.codec.edit import edit_yaml
from gitreg.core.decode import show_time
from gitreg.core.gto import Annotation, GtoArtifact, placed, steps
from gitreg.core.gto import Step as GtoStep
from gitreg.core.manifest import StageAssignment
from gitreg.core.names import Version, version_key
from gitreg.core.payload import shown_address
from gitreg.core.plan.imports import ImportedModel, ImportedVersion, LeftOut, plan_import, weigh_import
from gitreg.core.plan.plan import Plan, Step, checked, new_file, written
from gitreg.core.plan.register import NewModel
from gitreg.core.ports import Identity, Tag
from gitreg.core.record import ImportedFrom, Pin
from gitreg.core.snapshot import Snapshot

SYSTEM = "gto"
#: What a tag of a model or version may hold, in characters; a longer value is cut.
_MOST = 5000


@dataclass(frozen=True, slots=True)
class Carried:
    """An artifact with what of it is carried over.

    Attributes:
        artifact: what its tags say.
        versions: those that are carried; their numbers are GTO's without the ``v``.
        new: what its model says, where it is made.
        model: how it is called here.
        stages: by GTO's stage, the policy's, in the policy's order.
    """

    artifact: GtoArtifact
    versions: tuple[ImportedVersion, ...]
    new: NewModel
    model: str
    stages: Mapping[str, str]

    @property
    def numbers(self) -> list[str]:
        """The versions, as GTO counts them."""
        return [str(each.version) for each in self.versions]

    def imported(self) -> ImportedModel:
        """The model as it is in the end."""
        there = placed(_held(self.artifact, self.numbers), self.stages)
        stage_of = {version: stage for stage, version in there.items()}
        versions = tuple(
            ImportedVersion(each.version, each.registration, stage_of.get(str(each.version)))
            for each in self.versions
        )
        return ImportedModel(self.model, self.new, versions)


def _held(artifact: GtoArtifact, carried: Sequence[str]) -> dict[str, str]:
    return {stage: version for stage, version in artifact.stages().items() if version in carried}


def stage_names(snapshot: Snapshot, artifact: GtoArtifact, renamed: Mapping[str, str]) -> dict[str, str]:
    """By GTO's stage, the policy's that is called so but for case, or that ``renamed`` names; in the policy's order."""
    asked = {event.stage: renamed.get(event.stage, event.stage) for event in artifact.events if event.stage}
    found: dict[str, str] = {}
    for here in snapshot.policy().stage_names:
        found |= {there: here for there, name in sorted(asked.items()) if name.lower() == here.lower()}
    return found


def left_out(snapshot: Snapshot, carried: Carried) -> list[LeftOut]:
    """What an import of an artifact does not bring here, beside versions whose bytes could not be had."""
    artifact, name = carried.artifact, carried.artifact.name
    found = [LeftOut(name, line) for line in artifact.unread]
    found += [
        LeftOut(f"{name}@v{version}", f"the tag {tag.name} takes it back")
        for version, tag in artifact.taken_back.items()
    ]
    found += weigh_import(snapshot, carried.imported()).left
    known = ", ".join(snapshot.policy().stage_names) or "none"
    for stage, version in artifact.stages().items():
        why = _stage_left(carried, stage, version, known)
        if why is not None:
            found.append(LeftOut(f"{name}#{stage}", why))
    return found


def _stage_left(carried: Carried, stage: str, version: str, known: str) -> str | None:
    """Why a version is not in the stage here in which GTO has it; None if it is."""
    if version not in carried.artifact.registrations:
        return f"the commit {version[:12]} is in it, which is registered as no version"
    here = carried.stages.get(stage)
    if here is None:
        return f"v{version} is in it, and policy has no such stage (it has {known}); add it, or give --stage"
    held = _held(carried.artifact, carried.numbers)
    if stage not in held:
        return f"v{version} is in it, and is not carried"
    there = placed(held, carried.stages)
    if there.get(here) == version:
        return None
    others = [place for place, other in there.items() if other == version]
    return f"v{version} is in {' and '.join(others) or 'another'} as well, and here in one stage alone"


def plan_gto(snapshot: Snapshot, carried: Carried) -> Plan:
    """Imports an artifact. Raises NothingToDo where all of it is here."""
    plan = plan_import(snapshot, carried.imported())
    weighed = weigh_import(snapshot, carried.imported())
    final = dict(plan.edits) | _deprecations(snapshot, weighed.model, weighed.added, carried, plan.edits)
    inside = _steps(snapshot, weighed.model, set(weighed.added), carried, plan.edits, final)
    return checked(snapshot, Plan(plan.kind, plan.title, plan.intent, final, tuple(inside)))


def _deprecations(
    snapshot: Snapshot,
    model: str,
    added: Sequence[Version],
    carried: Carried,
    edits: Mapping[str, bytes | None],
) -> dict[str, bytes | None]:
    """The notes of the new versions, where their artifact is deprecated."""
    tag = carried.artifact.deprecation
    if tag is None:
        return {}
    reason = f"{carried.artifact.name} is deprecated in GTO: {readable(tag)}"[:_MOST]
    found: dict[str, bytes | None] = {}
    for version in added:
        path = snapshot.layout.version(model, version, "notes.yaml")
        text = edits.get(path) or new_file("VersionNotes", {"model": model, "version": version})
        found[path] = edit_yaml(text, {("deprecated",): {"reason": reason}})
    return found


def _steps(
    snapshot: Snapshot,
    model: str,
    added: set[Version],
    carried: Carried,
    begin: Mapping[str, bytes | None],
    final: Mapping[str, bytes | None],
) -> Iterator[Step]:
    """The commits of an import: what is new with each tag, and in the end whatever is left of the change."""
    done: dict[str, bytes | None] = {}
    names = {str(version) for version in added}
    pins = {str(v.version): Pin(v.version, v.registration.artifact.digest) for v in carried.versions}
    for each in steps(carried.artifact, carried.numbers, carried.stages):
        edits = dict(_registered(snapshot, model, each, begin)) if each.registers in names else {}
        for stage in dict.fromkeys(carried.stages.values()):
            version = each.stages.get(stage)
            pin = pins[version] if version is not None and pins[version].version in added else None
            path, data = _stage_file(snapshot, model, stage, pin)
            if done.get(path, _text(snapshot, path)) != data:
                edits[path] = data
        if not done and edits:
            edits |= {p: d for p, d in begin.items() if p == snapshot.layout.model(model)}
        if edits:
            done |= edits
            yield Step(_message(model, each), edits)
    rest = {path: data for path, data in final.items() if done.get(path) != data}
    rest |= {
        path: _text(snapshot, path)
        for path in done.keys() - final.keys()
        if done[path] != _text(snapshot, path)
    }
    if rest:
        tag = carried.artifact.deprecation
        yield Step(_titled(f"Deprecate {model}", tag) if tag else f"What is left of {model}", rest)


def _registered(
    snapshot: Snapshot, model: str, step: GtoStep, edits: Mapping[str, bytes | None]
) -> Iterator[tuple[str, bytes | None]]:
    folder = snapshot.layout.version(model, step.registers or "", "")
    return ((path, data) for path, data in edits.items() if path.startswith(folder))


def _text(snapshot: Snapshot, path: str) -> bytes | None:
    blob = snapshot.blob(path)
    return blob.data if blob else None


def _stage_file(snapshot: Snapshot, model: str, stage: str, pin: Pin | None) -> tuple[str, bytes | None]:
    """A stage's file while the import is under way: as it is here, or with one new version in it."""
    old = snapshot.stage(model, stage) or StageAssignment(model, stage, 0)
    path = snapshot.layout.stage(model, old.stage)
    if pin is None:
        return path, _text(snapshot, path)
    versions = tuple(sorted((*old.versions, pin), key=lambda each: version_key(each.version)))
    new = StageAssignment(model, old.stage, old.serial + 1, versions, old.versions)
    return path, written(snapshot, path, new.as_yaml(), ("serial", "versions", "previous"))


def _message(model: str, step: GtoStep) -> str:
    if step.registers is not None:
        return _titled(f"Register {model}/{step.registers}", step.event.tag)
    return _titled(f"{model}: the tag {step.event.tag.name} {step.event.title}", step.event.tag)


def _titled(title: str, tag: Tag) -> str:
    """A commit's message. What a tag says is set in: none of its lines can be taken for one of git's trailers."""
    said = "\n".join(f"    {line}" for line in plain(tag.message).splitlines())
    return "\n\n".join(filter(None, (plain(title), f"GTO's tag {readable(tag, message=False)}", said)))


def readable(tag: Tag, *, message: bool = True) -> str:
    """A tag for people: its name, who made it and when, and what for."""
    who = tagger(tag)
    when = f" on {show_time(tag.time)}" if tag.time else ""
    said = " ".join(plain(tag.message).split()) if message else ""
    return plain(f"{tag.name} by {who.name} <{who.email}>{when}") + (f": {said}" if said else "")


def plain(text: str) -> str:
    """A text without what could play tricks on a terminal or in a file; lines stay."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def tagger(tag: Tag) -> Identity:
    """Who made a tag, as a record takes it."""
    found = tag.tagger or Identity("", "")
    return Identity((plain(found.name).strip() or "unknown")[:250], plain(found.email)[:254])


def origin(registry: str, artifact: str, version: str) -> ImportedFrom:
    """Where a version comes from."""
    return ImportedFrom(SYSTEM, registry, artifact, f"v{version}")


def annotation_tags(annotation: Annotation | None) -> dict[str, str]:
    """What an annotation says beside its description, as tags: a label is one with the value ``true``."""
    if annotation is None:
        return {}
    path = shown_address(annotation.path) if annotation.path and annotation.is_address else annotation.path
    said = {"gto.type": annotation.type, "gto.path": path, "gto.custom": annotation.custom}
    labels = dict.fromkeys(annotation.labels, "true")
    return {key: plain(value)[:_MOST] for key, value in (labels | said).items() if value}
