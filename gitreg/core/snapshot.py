"""One revision of a registry, read lazily: a path is listed or parsed only when somebody asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from gitreg.core.codec.load import InvalidManifest, load_manifest, place_in
from gitreg.core.findings import Location
from gitreg.core.layout import DEFAULT_PROTECTED, POLICY_FILE, REGISTRY_FILE, Layout, Place
from gitreg.core.manifest import (
    INTEGER_SCHEME,
    Alias,
    EvidenceRecord,
    Manifest,
    Model,
    ModelTombstone,
    Redirect,
    Registry,
    StageAssignment,
    VersionNotes,
    VersionTombstone,
)
from gitreg.core.names import NONE, Version, fold, nearest, parse_version, version_key
from gitreg.core.ports import FOLDER, SUBMODULE, Blob, DvcPointer, Entry, Tree
from gitreg.core.record import CopiedFrom, ModelVersion
from gitreg.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from gitreg.core.policy import Policy

M = TypeVar("M")

#: What has no content of its own; where a file is expected, the rules find it, and there is nothing to read.
_NO_FILES = frozenset({FOLDER, SUBMODULE})
#: Parsed manifests by kind and blob id; may be shared by snapshots, since a blob never changes.
ParseCache: TypeAlias = "dict[tuple[str, str], Manifest | DvcPointer]"


class Snapshot:
    """The registry in one tree.

    Args:
        tree: the files of the whole repository at that revision.
        root: the registry's folder in it ("" for the repository's root).
        commit: what to call the revision in messages; None for a working tree.
    """

    def __init__(
        self, tree: Tree, root: str = "", commit: str | None = None, cache: ParseCache | None = None
    ) -> None:
        self.tree = tree
        self.root = root
        self.commit = commit
        self._cache: ParseCache = {} if cache is None else cache
        self._read: dict[tuple[str, str], Manifest | DvcPointer | None] = {}
        self._numbers: dict[str, list[Version]] = {}
        self.layout = Layout(root)
        self._registry: Registry | None = None
        self._policy: Policy | None = None

    def with_tree(self, tree: Tree, commit: str | None = None) -> Snapshot:
        """Another revision of the same registry, sharing what was parsed."""
        return Snapshot(tree, self.root, commit, self._cache)

    # Single files

    def blob(self, path: str) -> Blob | None:
        """The file at a path from the repository's root."""
        return self.tree.read(path)

    def manifest(self, kind: str, path: str) -> Manifest | DvcPointer | None:
        """The manifest at ``path``; None if there is no such file. Raises InvalidManifest."""
        if (kind, path) not in self._read:
            self._read[kind, path] = self._parsed(kind, path)
        return self._read[kind, path]

    def _parsed(self, kind: str, path: str) -> Manifest | DvcPointer | None:
        blob = self.tree.read(path)
        if blob is None:
            return None
        found = self._cache.get((kind, blob.oid))
        if found is None:
            found = self._cache[kind, blob.oid] = load_manifest(kind, blob.data, path)
        return found

    def preload(self, files: Sequence[tuple[str, str, str]]) -> None:
        """Reads manifests that will be asked for, all at once: of each its kind, its path, and the id of its blob.

        What is wrong with one is told when it is asked for.
        """
        lacking = {oid: (kind, path) for kind, path, oid in files if (kind, oid) not in self._cache}
        blobs = self.tree.blobs(list(lacking))
        for (oid, (kind, path)), data in zip(lacking.items(), blobs, strict=True):
            with suppress(InvalidManifest):
                self._cache[kind, oid] = load_manifest(kind, data, path)
        for kind, path, oid in files:
            if (kind, oid) in self._cache:
                self._read[kind, path] = self._cache[kind, oid]

    def locate(self, path: str, *where: str | int) -> Location:
        """The line and column of a value in a file, for a finding."""
        blob = self.tree.read(path)
        return place_in(blob.data, path, where) if blob else Location(path)

    # The registry itself

    def registry(self) -> Registry:
        """``gitreg.yaml``. Raises ConfigError if there is none, InvalidManifest if it is broken."""
        if self._registry is None:
            self._registry = cast(Registry, self._demand("Registry", REGISTRY_FILE))
            self.layout = Layout(self.root, self._registry.protected or DEFAULT_PROTECTED)
        return self._registry

    def place(self, path: str) -> Place:
        """What the file at a path is. Which ones outside the registry's folder are rules, ``gitreg.yaml`` says."""
        with suppress(ConfigError, InvalidManifest):
            self.registry()
        return self.layout.place(path)

    def policy(self) -> Policy:
        """``policy.yaml``. Raises ConfigError if there is none, InvalidManifest if it is broken."""
        if self._policy is None:
            self._policy = cast("Policy", self._demand("Policy", POLICY_FILE))
        return self._policy

    def _demand(self, kind: str, file: str) -> Manifest | DvcPointer:
        found = self.manifest(kind, self.layout.path(file))
        if found is None:
            place = f" at {self.commit[:12]}" if self.commit else ""
            raise ConfigError(
                f"no registry here: {self.layout.path(file)} does not exist{place}",
                "run gitreg init, or name the registry with -C DIR or -R URL",
            )
        return found

    # Models

    def model_folders(self) -> list[str]:
        """Every name in ``models/``, living or not, in code point order."""
        entries = self.tree.list(self.layout.models)
        return sorted(name for name, entry in entries.items() if entry.mode == FOLDER)

    def models(self) -> list[str]:
        """The names of the living models."""
        return [name for name in self.model_folders() if "model.yaml" in self._files(name)]

    def _files(self, name: str) -> Mapping[str, Entry]:
        """What lies in a model's folder; empty if there is none."""
        return self.tree.list(self.layout.model(name, "").rstrip("/"))

    def model(self, name: str) -> Model | None:
        """``model.yaml`` of exactly this name."""
        return cast("Model | None", self.manifest("Model", self.layout.model(name)))

    def redirect(self, name: str) -> Redirect | None:
        """``redirect.yaml`` of exactly this name."""
        return cast("Redirect | None", self.manifest("Redirect", self.layout.model(name, "redirect.yaml")))

    def model_tombstone(self, name: str) -> ModelTombstone | None:
        """``tombstone.yaml`` of exactly this name."""
        found = self.manifest("ModelTombstone", self.layout.model(name, "tombstone.yaml"))
        return cast("ModelTombstone | None", found)

    def spelling(self, name: str) -> str | None:
        """How the folder that ``name`` means is spelled: exactly so, or the same but for case; None if none is."""
        if self._files(name):
            return name
        folded = fold(name)
        return next((folder for folder in self.model_folders() if fold(folder) == folded), None)

    def find_model(self, name: str) -> str:
        """The folder of the living model that ``name`` means, without regard to case and along a redirect.

        Raises:
            NotFound: no model has this name, or it was deleted.
        """
        found = self.living_model(name)
        if found is None:
            close = nearest(name, self.model_folders())
            meant = f"; did you mean {close!r}?" if close is not None else ""
            raise NotFound(f"no model is called {name!r}{meant}", "gitreg model list shows all")
        return found

    def living_model(self, name: str) -> str | None:
        """As ``find_model``; None if no model has this name, or it was deleted."""
        found = self.spelling(name)
        for _ in range(2):
            if found is None or "model.yaml" in self._files(found):
                return found
            redirect = self.redirect(found)
            found = redirect.to if redirect else None
        return None

    def scheme(self, model: str) -> str:
        """``integer`` or ``semver``: how the versions of a model are numbered."""
        found = self.model(model)
        return (found.scheme if found else None) or self.registry().scheme or INTEGER_SCHEME

    # Versions

    def version_folders(self, model: str) -> Mapping[str, Entry]:
        """Everything in a model's ``versions/``, deleted versions too."""
        return self.tree.list(self.layout.model(model, "versions"))

    def numbers(self, model: str) -> list[Version]:
        """Every number that has a folder, deleted versions too, lowest first."""
        found = self._numbers.get(model)
        if found is None:
            parsed = (parse_version(name) for name in self.version_folders(model))
            found = self._numbers[model] = sorted((v for v in parsed if v is not None), key=_mixed_key)
        return found

    def versions(self, model: str) -> list[Version]:
        """The living versions, lowest first."""
        return [version for version in self.numbers(model) if self.is_living(model, version)]

    def is_living(self, model: str, version: Version) -> bool:
        """Whether the version is registered and not deleted."""
        return "version.yaml" in self.tree.list(self.layout.version(model, version, "").rstrip("/"))

    def latest(self, model: str) -> Version | None:
        """The highest living version; None if there is none."""
        return next((v for v in reversed(self.numbers(model)) if self.is_living(model, v)), None)

    def taken(self, model: str) -> set[Version]:
        """Every number that was ever used under this name."""
        tombstone = self.model_tombstone(model)
        return set(self.numbers(model)) | {pin.version for pin in (tombstone.versions if tombstone else ())}

    def is_taken(self, model: str, version: Version) -> bool:
        """Whether a number was ever used under this name."""
        tombstone = self.model_tombstone(model)
        buried = any(pin.version == version for pin in (tombstone.versions if tombstone else ()))
        return buried or str(version) in self.version_folders(model)

    def top_number(self, model: str) -> int:
        """The highest integer that was ever used under this name; 0 if none was. What is registered goes on from it."""
        tombstone = self.model_tombstone(model)
        folders = (parse_version(name) for name in self.version_folders(model))
        buried = (pin.version for pin in (tombstone.versions if tombstone else ()))
        return max((v for v in (*folders, *buried) if isinstance(v, int)), default=0)

    def record(self, model: str, version: Version) -> ModelVersion | None:
        """``version.yaml``; None if the version does not exist or was deleted."""
        return cast("ModelVersion | None", self.manifest("ModelVersion", self.layout.version(model, version)))

    def demand_record(self, model: str, version: Version) -> ModelVersion:
        """``version.yaml``. Raises NotFound."""
        record = self.record(model, version)
        if record is None:
            gone = self.version_tombstone(model, version) is not None
            raise NotFound(
                f"version {version} of {model!r} {'was deleted' if gone else 'does not exist'}",
                f"gitreg version list {_quoted(model)} shows all",
            )
        return record

    def confirms_copy(self, record: ModelVersion) -> bool | None:
        """Whether what a record says that it was copied from is here, with the same bytes; by exact or former name.

        None where the record speaks of no version of this registry, which nobody can look up.
        """
        origin = self.original(record)
        if origin is None:
            return None
        try:
            redirect = self.redirect(origin.model)
            original = self.record(redirect.to if redirect else origin.model, origin.version)
        except InvalidManifest:
            return False
        return original is not None and original.artifact.digest == origin.digest == record.artifact.digest

    def original(self, record: ModelVersion) -> CopiedFrom | None:
        """The version of this very registry that a record says it was copied from; nobody has looked whether it is."""
        origin = record.copied_from
        return origin if origin is not None and origin.registry == self._id() else None

    def _id(self) -> str | None:
        with suppress(ConfigError, InvalidManifest):
            return self.registry().id
        return None

    def version_tombstone(self, model: str, version: Version) -> VersionTombstone | None:
        """``tombstone.yaml`` of a version."""
        path = self.layout.version(model, version, "tombstone.yaml")
        return cast("VersionTombstone | None", self.manifest("VersionTombstone", path))

    def notes(self, model: str, version: Version) -> VersionNotes | None:
        """``notes.yaml`` of a version."""
        path = self.layout.version(model, version, "notes.yaml")
        return cast("VersionNotes | None", self.manifest("VersionNotes", path))

    def dvc_pointer(self, model: str, record: ModelVersion) -> DvcPointer | None:
        """The DVC pointer of a version's artifact."""
        path = self.layout.version(model, record.version, f"{record.artifact.path}.dvc")
        return cast("DvcPointer | None", self.manifest("dvc", path))

    def evidence_names(self, model: str, version: Version) -> list[str]:
        """The names of a version's evidence that was not retracted."""
        entries = self.tree.list(self.layout.version(model, version, "evidence"))
        files = (name for name, entry in entries.items() if entry.mode not in _NO_FILES)
        names = {name for name in files if name.endswith(".yaml")}
        stems = (name.removesuffix(".yaml") for name in names if not name.endswith(".retracted.yaml"))
        return sorted(stem for stem in stems if f"{stem}.retracted.yaml" not in names)

    def evidence(self, model: str, version: Version) -> list[EvidenceRecord]:
        """A version's evidence that was not retracted."""
        return [self._evidence(model, version, name) for name in self.evidence_names(model, version)]

    def _evidence(self, model: str, version: Version, name: str) -> EvidenceRecord:
        path = self.layout.version(model, version, f"evidence/{name}.yaml")
        return cast(EvidenceRecord, self.manifest("Evidence", path))

    def evidence_digests(self, model: str, version: Version) -> list[str]:
        """``sha256:…`` of every file in the evidence folder, retractions too; what an approval is bound to."""
        import hashlib

        folder = self.layout.version(model, version, "evidence")
        blobs = (self.tree.read(f"{folder}/{name}") for name in self.tree.list(folder))
        return sorted(f"sha256:{hashlib.sha256(blob.data).hexdigest()}" for blob in blobs if blob)

    # Pointers

    def stage(self, model: str, stage: str) -> StageAssignment | None:
        """A stage file; look-ups ignore case."""
        found = self._pointer("StageAssignment", self.layout.model(model, "stages"), stage)
        return cast("StageAssignment | None", found)

    def alias(self, model: str, alias: str) -> Alias | None:
        """An alias file; look-ups ignore case."""
        return cast("Alias | None", self._pointer("Alias", self.layout.model(model, "aliases"), alias))

    def _pointer(self, kind: str, folder: str, name: str) -> Manifest | DvcPointer | None:
        found = self.manifest(kind, f"{folder}/{name}.yaml")
        if found is not None:
            return found
        names = (f for f in self.tree.list(folder) if f.lower() == f"{name.lower()}.yaml")
        return next((self.manifest(kind, f"{folder}/{file}") for file in names), None)

    def stages(self, model: str) -> dict[str, StageAssignment]:
        """Every stage file of a model, by stage."""
        return dict(self._pointers("StageAssignment", self.layout.model(model, "stages"), StageAssignment))

    def aliases(self, model: str) -> dict[str, Alias]:
        """Every alias file of a model, by alias."""
        return dict(self._pointers("Alias", self.layout.model(model, "aliases"), Alias))

    def _pointers(self, kind: str, folder: str, type_: type[M]) -> Iterator[tuple[str, M]]:
        for file, entry in sorted(self.tree.list(folder).items()):
            if file.endswith(".yaml") and entry.mode not in _NO_FILES:
                yield file.removesuffix(".yaml"), cast(M, self.manifest(kind, f"{folder}/{file}"))

    def stage_of(self, model: str, version: Version) -> str:
        """The stage that a version is in; ``none`` if no stage file names it."""
        for stage, assignment in self.stages(model).items():
            if any(pin.version == version for pin in assignment.versions):
                return stage
        return NONE

    def aliases_of(self, model: str, version: Version) -> list[str]:
        """The aliases that name a version."""
        aliases = self.aliases(model).items()
        return [name for name, alias in aliases if alias.pin and alias.pin.version == version]


def _mixed_key(version: Version) -> tuple[bool, tuple[object, ...]]:
    """Orders numbers before SemVer strings where a broken registry has both."""
    return isinstance(version, str), version_key(version)


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)


def in_order(versions: Iterable[Version]) -> list[Version]:
    """Versions from the lowest to the highest."""
    return sorted(versions, key=_mixed_key)


def highest(versions: Iterable[Version]) -> Version | None:
    """The highest of some versions; None if there are none."""
    return max(versions, key=_mixed_key, default=None)
