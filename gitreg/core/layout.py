"""Which file is what: from a path to the sort of file it is, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import takewhile

from gitreg.core.names import Version, model_name_problem, parse_version, pointer_name_problem

REGISTRY_FILE = "gitreg.yaml"
POLICY_FILE = "policy.yaml"
DVC_CONFIG = ".dvc/config"
MODELS = "models"

#: Rules files outside the registry's folder, where ``gitreg.yaml`` does not say otherwise: what runs the checks.
DEFAULT_PROTECTED = (".github/**", ".gitlab-ci.yml", ".gitlab/**", "CODEOWNERS", "docs/CODEOWNERS")

#: The names of rules files in the registry's folder; all of ``.dvc/`` is one, too.
RULES_FILES = frozenset(
    {REGISTRY_FILE, POLICY_FILE, "automations.yaml", ".gitattributes", ".gitignore", ".dvcignore"}
)
_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


class Sort(StrEnum):
    """The sorts of file in a registry; each has one rule about how it may change."""

    RECORD = "record"
    POINTER = "pointer"
    ANNOTATION = "annotation"
    MARKER = "marker"
    RULES = "rules"
    UNMANAGED = "unmanaged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """What a path is. ``kind`` is the manifest's kind (or ``dvc``); ``name`` the stage, alias, evidence or payload."""

    path: str
    sort: Sort
    kind: str | None = None
    model: str = ""
    version: str = ""
    name: str = ""


class Layout:
    """The paths of one registry, whose folder in the repository is ``root`` ("" or "some/folder")."""

    def __init__(self, root: str = "", protected: Sequence[str] = DEFAULT_PROTECTED) -> None:
        self.root = f"{root.strip('/')}/" if root.strip("/") else ""
        self._protected = tuple(protected)

    def path(self, relative: str) -> str:
        """A path in the registry's folder, as seen from the repository's root."""
        return self.root + relative

    @property
    def models(self) -> str:
        """The folder of all models."""
        return self.root + MODELS

    def model(self, model: str, file: str = "model.yaml") -> str:
        """A file of a model."""
        return f"{self.root}{MODELS}/{model}/{file}"

    def version(self, model: str, version: Version | str, file: str = "version.yaml") -> str:
        """A file of a version."""
        return f"{self.root}{MODELS}/{model}/versions/{version}/{file}"

    def stage(self, model: str, stage: str) -> str:
        """A stage file."""
        return f"{self.root}{MODELS}/{model}/stages/{stage}.yaml"

    def alias(self, model: str, alias: str) -> str:
        """An alias file."""
        return f"{self.root}{MODELS}/{model}/aliases/{alias}.yaml"

    def place(self, path: str) -> Place:
        """What the file at ``path`` (from the repository's root) is."""
        if path.startswith(self.root):
            relative = path[len(self.root) :]
            if relative.startswith(f"{MODELS}/") or relative == MODELS:
                return _in_models(path, relative.split("/")[1:])
            if relative in RULES_FILES or relative.startswith(".dvc/") or relative == ".dvc":
                kinds = {REGISTRY_FILE: "Registry", POLICY_FILE: "Policy"}
                return Place(path, Sort.RULES, kinds.get(relative))
        # Another registry in the same repository may be the one that readers find: that is for the rules owners.
        is_registry = path.rpartition("/")[2] == REGISTRY_FILE
        if is_registry or any(matches_glob(glob, path) for glob in self._protected):
            return Place(path, Sort.RULES)
        return Place(path, Sort.UNMANAGED)

    def is_rules(self, path: str) -> bool:
        """Whether only the rules owners may change the file at ``path`` (from the repository's root)."""
        return self.place(path).sort is Sort.RULES


_SPECIAL = re.compile(r"(?:\*\*/)+|\*+|.", re.DOTALL)


@lru_cache(maxsize=256)
def _parts(pattern: str) -> tuple[str, ...]:
    """A glob's parts: single characters and ``?``, ``*``, ``**``, ``**/``. Runs of stars count once."""
    return tuple(
        "**/" if part[-2:] == "*/" else "**" if len(part) > 1 else part for part in _SPECIAL.findall(pattern)
    )


def matches_glob(pattern: str, path: str) -> bool:
    """``**`` crosses folders, ``*`` and ``?`` do not; nothing else is special. It takes pattern times path steps.

    All ways are followed at once: as a regular expression, ``**/**/**/x`` would be tried for years on a deep path.
    """
    parts = _parts(pattern)
    states = _skipped(parts, {(0, False)})
    for character in path:
        states = _skipped(parts, {state for each in states for state in _step(parts, *each, character)})
        if not states:
            return False
    return (len(parts), False) in states


def _step(parts: Sequence[str], at: int, inside: bool, character: str) -> Iterator[tuple[int, bool]]:
    """Where one more character leads; ``inside`` a ``**/``, which only a ``/`` ends."""
    part = parts[at] if at < len(parts) else ""
    if part == "**/":
        yield at, True
        if character == "/":
            yield at + 1, False
    elif part == "**" or (part == "*" and character != "/"):
        yield at, False
    elif part == character or (part == "?" and character != "/"):
        yield at + 1, False


def _skipped(parts: Sequence[str], states: set[tuple[int, bool]]) -> set[tuple[int, bool]]:
    """With the states behind stars that stand for nothing."""
    found = set(states)
    for at, inside in states:
        stars = takewhile(_STARS.__contains__, parts[at:] if not inside else ())
        found |= {(at + number, False) for number, _ in enumerate(stars, 1)}
    return found


_STARS = frozenset({"*", "**", "**/"})


def _in_models(path: str, parts: list[str]) -> Place:
    unknown = Place(path, Sort.UNKNOWN, model=parts[0] if len(parts) > 1 else "")
    if len(parts) < 2 or model_name_problem(parts[0]):
        return unknown
    model, *rest = parts
    if len(rest) == 1:
        return _MODEL_FILES.get(rest[0], lambda p, m: unknown)(path, model)
    if len(rest) == 2 and rest[0] in {"stages", "aliases"} and rest[1].endswith(".yaml"):
        name = rest[1].removesuffix(".yaml")
        kind = "StageAssignment" if rest[0] == "stages" else "Alias"
        return unknown if pointer_name_problem(name) else Place(path, Sort.POINTER, kind, model, "", name)
    if rest[0] == "versions" and len(rest) >= 3 and parse_version(rest[1]) is not None:
        return _in_version(unknown, path, model, rest[1], rest[2:])
    return unknown


_MODEL_FILES = {
    "model.yaml": lambda path, model: Place(path, Sort.ANNOTATION, "Model", model),
    "redirect.yaml": lambda path, model: Place(path, Sort.MARKER, "Redirect", model),
    "tombstone.yaml": lambda path, model: Place(path, Sort.MARKER, "ModelTombstone", model),
}
_VERSION_FILES = {
    "version.yaml": (Sort.RECORD, "ModelVersion"),
    "notes.yaml": (Sort.ANNOTATION, "VersionNotes"),
    "tombstone.yaml": (Sort.MARKER, "VersionTombstone"),
}


def _in_version(unknown: Place, path: str, model: str, version: str, rest: list[str]) -> Place:
    if len(rest) == 1 and rest[0] in _VERSION_FILES:
        sort, kind = _VERSION_FILES[rest[0]]
        return Place(path, sort, kind, model, version)
    if len(rest) == 1 and rest[0].endswith(".dvc") and rest[0] != ".dvc":
        return Place(path, Sort.RECORD, "dvc", model, version, rest[0].removesuffix(".dvc"))
    if len(rest) == 2 and rest[0] == "evidence" and rest[1].endswith(".yaml"):
        stem = rest[1].removesuffix(".yaml")
        name = stem.removesuffix(".retracted")
        kind = "Evidence" if name == stem else "EvidenceRetraction"
        if _STEM.match(name):
            return Place(path, Sort.RECORD, kind, model, version, name)
    return unknown
