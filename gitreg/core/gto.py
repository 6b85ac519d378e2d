"""What GTO's tags and annotations say: artifacts, versions and stages, and how they came about.

GTO keeps a registry in annotated git tags (https://dvc.org/doc/gto/user-guide): ``churn@v3.1.0`` registers the tagged
commit as a version, ``churn#prod#3`` puts the version at that commit into a stage, ``!`` before the counter takes
either back, ``churn@deprecated`` ends an artifact. What an artifact is, ``artifacts.yaml`` or ``dvc.yaml`` says at the
tagged commit. Both are text from strangers: what is not of GTO's form is no part of the registry.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from gitreg.core.codec.yaml import MAX_DEPTH, PARSER
from gitreg.core.names import path_problem, version_key
from gitreg.core.ports import Tag

#: Where GTO and DVC keep annotations, from the repository's root or (``dvc.yaml``) from a folder's.
ARTIFACTS_FILE, DVC_FILE = "artifacts.yaml", "dvc.yaml"
#: No tag of GTO's is longer.
MAX_TAG = 512

# https://github.com/iterative/gto/blob/main/gto/constants.py: an artifact's name may have a folder of dvc.yaml in
# front, which the tag divides with "=" and people with ":".
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9/_-]*[A-Za-z0-9])?")
_FOLDER = re.compile(r"[A-Za-z0-9_./-]+")
_COUNTER = re.compile(r"[0-9]{1,18}")
_IDENTIFIER = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){{2}}(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)


class Action(StrEnum):
    """What a tag does; in the order in which GTO takes those of one moment."""

    DEPRECATE = "deprecate"
    REGISTER = "register"
    DEREGISTER = "deregister"
    ASSIGN = "assign"
    UNASSIGN = "unassign"


_ORDER = {action: place for place, action in enumerate(Action)}


@dataclass(frozen=True, slots=True)
class TagName:
    """What the name of a tag says; ``version`` is without its ``v``, ``counter`` is 0 where there is none."""

    artifact: str
    action: Action
    version: str | None = None
    stage: str | None = None
    counter: int = 0


def parse_tag_name(name: str) -> TagName | None:
    """Reads the name of a tag; None if it is none of GTO's, or one that says nothing (``churn@created``)."""
    head, *rest = name.split("#")
    if len(name) > MAX_TAG:
        return None
    subject, at, said = head.partition("@")
    artifact = _artifact(subject)
    if not at:
        said, rest = (rest[0], rest[1:]) if rest else ("", [])
    if artifact is None or len(rest) > 1 or not all(_COUNTER.fullmatch(each) for each in rest):
        return None
    counter = int(rest[0]) if rest else 0
    if at and said == "deprecated":
        return TagName(artifact, Action.DEPRECATE, counter=counter)
    taken_back = said.endswith("!")
    said = said.removesuffix("!")
    if not at:
        action = Action.UNASSIGN if taken_back else Action.ASSIGN
        return TagName(artifact, action, stage=said, counter=counter) if _NAME.fullmatch(said) else None
    action = Action.DEREGISTER if taken_back else Action.REGISTER
    if not said.startswith("v") or not _VERSION.fullmatch(said, 1):
        return None
    return TagName(artifact, action, version=said[1:], counter=counter)


def _artifact(subject: str) -> str | None:
    """The name of an artifact as people write it: ``folder:name``, or the name alone."""
    folder, divided, name = subject.rpartition("=")
    if not _NAME.fullmatch(name) or (divided and not _FOLDER.fullmatch(folder)):
        return None
    return f"{folder}:{name}" if divided else name


@dataclass(frozen=True, slots=True)
class Event:
    """One tag with what it does. ``version`` of a stage's event is the tagged commit's, or that commit's id."""

    tag: Tag
    action: Action
    version: str | None = None
    stage: str | None = None

    @property
    def title(self) -> str:
        """What it does, for people."""
        match self.action:
            case Action.REGISTER:
                return f"registers {self.version}"
            case Action.DEREGISTER:
                return f"takes {self.version} back"
            case Action.ASSIGN:
                return f"puts {self.version} into {self.stage}"
            case Action.UNASSIGN:
                return f"takes {self.version} out of {self.stage}"
        return "deprecates the artifact"


@dataclass(frozen=True, slots=True)
class GtoArtifact:
    """One artifact: what happened to it, in order, and by version (without ``v``) the tag that registered it last.

    ``unread`` says of each tag that could not be followed why.
    """

    name: str
    events: tuple[Event, ...]
    registrations: Mapping[str, Tag]
    unread: tuple[str, ...] = ()

    @property
    def versions(self) -> list[str]:
        """The versions that are registered in the end, the lowest first."""
        return sorted(_registered(self.events), key=_precedence)

    @property
    def taken_back(self) -> Mapping[str, Tag]:
        """The versions that were registered and are not in the end, with the tag that took each back."""
        last = {event.version: event.tag for event in self.events if event.action is Action.DEREGISTER}
        return {v: tag for v, tag in last.items() if v is not None and v not in _registered(self.events)}

    @property
    def deprecation(self) -> Tag | None:
        """The tag that deprecated the artifact, if no tag has come since.

        GTO itself takes a newer commit that still annotates the artifact for a sign of life as well.
        """
        last = self.events[-1] if self.events else None
        return last.tag if last and last.action is Action.DEPRECATE else None

    def stages(self) -> dict[str, str]:
        """The version that is in each stage in the end, as ``gto show`` says it."""
        return stages_after(self.events)


def _precedence(version: str) -> tuple[object, ...]:
    return version_key(version.partition("+")[0])


def gto_artifacts(tags: Sequence[Tag]) -> dict[str, GtoArtifact]:
    """The artifacts of a repository by name, from all of its tags."""
    found: dict[str, list[tuple[TagName, Tag]]] = {}
    for tag in tags:
        parsed = parse_tag_name(tag.name)
        if parsed is not None:
            found.setdefault(parsed.artifact, []).append((parsed, tag))
    return {name: _artifact_of(name, found[name]) for name in sorted(found)}


def _artifact_of(name: str, said: list[tuple[TagName, Tag]]) -> GtoArtifact:
    unread = [
        f"the tag {tag.name} is lightweight, and so says nothing to GTO"
        for _, tag in said
        if tag.tagger is None
    ]
    counting = sorted(((p, t) for p, t in said if t.tagger is not None), key=lambda each: _moment(*each))
    at_commit: dict[str, list[str]] = {}
    for parsed, tag in counting:
        if parsed.version is not None and parsed.version not in at_commit.setdefault(tag.commit, []):
            at_commit[tag.commit].append(parsed.version)
    events: list[Event] = []
    for parsed, tag in counting:
        version, stage = parsed.version, parsed.stage
        if stage is not None:
            versions = at_commit.get(tag.commit, [tag.commit])
            if len(versions) != 1:
                several = ", ".join(sorted(versions))
                unread.append(f"the tag {tag.name} is about a commit that is several versions: {several}")
                continue
            version = versions[0]
        events.append(Event(tag, parsed.action, version, stage))
    registered = {e.version: e.tag for e in events if e.action is Action.REGISTER and e.version}
    return GtoArtifact(name, tuple(events), registered, tuple(unread))


def _moment(parsed: TagName, tag: Tag) -> tuple[object, ...]:
    """Tags go by their dates, which are in seconds; those of one second by their counters, then as GTO lists them."""
    return (tag.time, parsed.counter, _ORDER[parsed.action], tag.name)


def _registered(events: Sequence[Event]) -> set[str]:
    found: set[str] = set()
    for event in events:
        if event.version is not None and event.action is Action.REGISTER:
            found.add(event.version)
        elif event.version is not None and event.action is Action.DEREGISTER:
            found.discard(event.version)
    return found


def stages_after(events: Sequence[Event]) -> dict[str, str]:
    """The version in each stage after these events: of those that are in it, the one that was put there last.

    To GTO a version stays in a stage until it is taken out; it shows the newest one alone. Where that is taken out, or
    back, the one before is in the stage again. A commit that is no version can be in a stage, too: it has its id.
    """
    inside: dict[str, dict[str, None]] = {}
    for event in events:
        if event.stage is None or event.version is None:
            continue
        versions = inside.setdefault(event.stage, {})
        versions.pop(event.version, None)
        if event.action is Action.ASSIGN:
            versions[event.version] = None
    registered, named = _registered(events), {e.version for e in events if e.action is Action.REGISTER}
    holders = {
        stage: [v for v in versions if v in registered or v not in named]
        for stage, versions in inside.items()
    }
    return {stage: versions[-1] for stage, versions in sorted(holders.items()) if versions}


# What is carried over, step by step


@dataclass(frozen=True, slots=True)
class Step:
    """What one event makes of a model here: the version that it registers, and which version is in which stage then."""

    event: Event
    registers: str | None
    stages: Mapping[str, str]


def steps(artifact: GtoArtifact, carried: Sequence[str], stage_names: Mapping[str, str]) -> list[Step]:
    """The events of an artifact that change something here, in order.

    Args:
        artifact: the artifact.
        carried: the versions that are brought here. A stage that another one is in is empty here.
        stage_names: by GTO's stage, the policy's; in the policy's order. Other stages are passed over.
    """
    found: list[Step] = []
    followed: list[Event] = []
    known: set[str] = set()
    before: dict[str, str] = {}
    for event in artifact.events:
        followed.append(event)
        is_new = event.action is Action.REGISTER and event.version in carried and event.version not in known
        known |= {event.version} if is_new and event.version else set()
        held = {stage: version for stage, version in stages_after(followed).items() if version in known}
        there = placed(held, stage_names)
        if is_new or there != before:
            found.append(Step(event, event.version if is_new else None, there))
        before = there
    return found


def placed(held: Mapping[str, str], stage_names: Mapping[str, str]) -> dict[str, str]:
    """Which version is in which of the policy's stages, where it is in one alone: the last in the policy's order.

    GTO lets a version be in many stages at once. The last one is what deploy tooling reads: ``prod``, not ``dev``.
    """
    wanted = {here: held[stage] for stage, here in stage_names.items() if stage in held}
    last = {version: here for here, version in wanted.items()}
    return {here: version for here, version in wanted.items() if last[version] == here}


# Annotations


@dataclass(frozen=True, slots=True)
class Annotation:
    """What ``artifacts.yaml`` or ``dvc.yaml`` says of an artifact at one commit.

    ``path`` is from the repository's root, or an address somewhere else; ``custom`` is JSON (DVC calls it ``meta``).
    """

    type: str | None = None
    path: str | None = None
    labels: tuple[str, ...] = ()
    description: str | None = None
    custom: str | None = None

    @property
    def is_address(self) -> bool:
        """Whether the path leads out of the repository, as ``s3://…`` does."""
        return self.path is not None and "://" in self.path


@dataclass(frozen=True, slots=True)
class AnnotationFile:
    """Where an artifact may be annotated: the file, the artifact's name in it, the folder its paths start from."""

    path: str
    name: str
    folder: str = ""


def annotation_files(artifact: str) -> list[AnnotationFile]:
    """The files that may annotate an artifact, the one that counts first: GTO's own, then DVC's."""
    folder, divided, name = artifact.rpartition(":")
    folder = posixpath.normpath(folder) if divided else "."
    inside = "" if folder == "." else folder
    if inside and path_problem(inside):
        return []
    own = [] if divided else [AnnotationFile(ARTIFACTS_FILE, name)]
    return [*own, AnnotationFile(posixpath.join(inside, DVC_FILE), name, inside)]


def read_annotation(data: bytes, file: AnnotationFile) -> Annotation | None:
    """What a file says of an artifact; None if nothing. Raises ValueError where it is not as GTO or DVC write it."""
    value = load_foreign(data)
    entries = value.get("artifacts") if file.path.endswith(DVC_FILE) else value
    if entries is None or file.name not in _mapping(entries):
        return None
    said = _mapping(entries[file.name])
    path = _text(said.get("path"))
    if path is not None and "://" not in path:
        path = posixpath.normpath(posixpath.join(file.folder, path))
        if path_problem(path):
            raise ValueError(f"the path {path!r} leads out of the repository")
    labels = said.get("labels")
    custom = next((said[key] for key in ("custom", "meta") if said.get(key) is not None), None)
    return Annotation(
        type=_text(said.get("type")),
        path=path,
        labels=tuple(str(label) for label in labels if label) if isinstance(labels, list) else (),
        description=(_text(said.get("desc") or said.get("description")) or "").strip() or None,
        custom=json.dumps(_keyed(custom), default=str, ensure_ascii=False, sort_keys=True)
        if custom is not None
        else None,
    )


def load_foreign(data: bytes) -> dict[str, Any]:
    """A mapping in YAML that other tools write, whose rules are looser than a registry's. Raises ValueError.

    Anchors are none of it: a few bytes of them stand for more than any memory holds. Nor is what is nested more deeply
    than any reader goes.
    """
    try:
        depth = 0
        for event in yaml.parse(data, Loader=PARSER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH or isinstance(event, yaml.AliasEvent):
                raise ValueError("it has an alias, or is nested too deeply")
        value = yaml.load(data, Loader=PARSER)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"it is not YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    except (RecursionError, OverflowError):
        raise ValueError("it is not YAML that can be read") from None
    return _mapping(value) if value is not None else {}


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("it is not a mapping")  # what is wrong is the text
    return value


def _keyed(value: object) -> object:
    """With texts for keys: in YAML they may be anything."""
    if isinstance(value, dict):
        return {str(key): _keyed(each) for key, each in value.items()}
    return [_keyed(each) for each in value] if isinstance(value, list) else value


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


# Where DVC keeps the bytes of a path


@dataclass(frozen=True, slots=True)
class Tracked:
    """One output that DVC tracks: its object's name (``md5``), and the ``remote`` that it names, if any.

    ``legacy``: DVC 2 wrote it, which kept objects elsewhere, and took Windows' line ends of texts for those of Unix.
    ``size`` is in bytes and ``files`` counts those of a directory; None where DVC did not write them down.
    """

    path: str
    md5: str
    size: int | None = None
    files: int | None = None
    remote: str | None = None
    legacy: bool = False


_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")


def dvc_files_of(path: str) -> list[str]:
    """The files that may say what DVC tracks at a path, or in a folder around it: ``.dvc`` files, and ``dvc.lock``."""
    around = [path]
    while "/" in around[-1]:
        around.append(posixpath.dirname(around[-1]))
    return [
        *(f"{each}.dvc" for each in around),
        *(posixpath.join(each, "dvc.lock") for each in (*around[1:], "")),
    ]


def tracked_in(data: bytes, file: str) -> Iterator[Tracked]:
    """The outputs in a ``.dvc`` file or a ``dvc.lock`` (https://dvc.org/doc/user-guide/project-structure).

    Paths are from the repository's root. Raises ValueError where the file is not as DVC writes it.
    """
    value = load_foreign(data)
    folder = posixpath.dirname(file)
    if file.endswith(".dvc"):
        folder = posixpath.join(folder, _text(value.get("wdir")) or "")
        yield from _outs(value, folder)
        return
    stages = value.get("stages") if "stages" in value else value
    for stage in _mapping(stages or {}).values():
        if isinstance(stage, dict):
            yield from _outs(stage, folder)


def _outs(holder: Mapping[str, Any], folder: str) -> Iterator[Tracked]:
    outs = holder.get("outs")
    for out in outs if isinstance(outs, list) else []:
        said = out if isinstance(out, dict) else {}
        path, md5 = _text(said.get("path")), _text(said.get("md5"))
        if path is None or md5 is None or not _MD5.fullmatch(md5):
            continue  # an output that DVC does not keep, or keeps under another hash
        yield Tracked(
            path=posixpath.normpath(posixpath.join(folder, path)),
            md5=md5,
            size=_count(said.get("size")),
            files=_count(said.get("nfiles")) if md5.endswith(".dir") else 1,
            remote=_text(said.get("remote")),
            legacy=said.get("hash") != "md5",
        )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
