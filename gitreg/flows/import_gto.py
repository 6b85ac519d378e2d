"""Import a registry that GTO keeps in the tags of a repository: artifact by artifact, each as one change.

What cannot be brought is told and left; what is here already stays as it is. So an import that was interrupted is run
again: it begins with the first artifact that is not wholly here, and stores no bytes twice.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from gitreg.core.gto import (
    Annotation,
    GtoArtifact,
    Tracked,
    annotation_files,
    dvc_files_of,
    gto_artifacts,
    read_annotation,
    tracked_in,
)
from gitreg.core.manifest import SEMVER_SCHEME
from gitreg.core.names import is_semver, model_name_problem, payload_name_problem
from gitreg.core.payload import artifact_format, external_uri_problem
from gitreg.core.plan.gto import (
    SYSTEM,
    Carried,
    annotation_tags,
    left_out,
    origin,
    plain,
    plan_gto,
    stage_names,
    tagger,
)
from gitreg.core.plan.imports import ImportedVersion, LeftOut, home_of, unread
from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.register import NewModel, Registration
from gitreg.core.ports import READ_LIMIT, DvcPointer, ForeignRepository, ForeignStore, Presence, Tag
from gitreg.core.record import EXTERNAL, ModelVersion
from gitreg.core.snapshot import Snapshot
from gitreg.errors import ConfigError, NotFound, Refused, Undecided, UsageError
from gitreg.flows.land import Landed, LandingMode, demand_landable, land
from gitreg.flows.propose import Proposed
from gitreg.flows.register import NewVersion, inspected, upload
from gitreg.flows.workspace import Workspace

#: Opens the DVC remote of what a foreign repository tracks: by the folder of the DVC project, and the output.
OpenForeign = Callable[[str, Tracked], ForeignStore]


@dataclass(frozen=True, slots=True)
class GtoSource:
    """Where an import reads: the repository, the way to its DVC remotes, and how its names are written here.

    ``models`` says by artifact the model's name, and ``stages`` by GTO's stage the policy's, where they differ.
    ``external``: what is at an address that neither git nor DVC keeps is registered as there, and not left out.
    """

    repository: ForeignRepository
    open_store: OpenForeign
    models: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    external: bool = False


@dataclass(frozen=True, slots=True)
class GtoImport:
    """What became of one artifact.

    ``outcome`` is None where nothing was done: all of it is here, or none of it can be brought, or nothing was asked to
    be written. ``versions`` are those that are new here.
    """

    artifact: str
    model: str
    versions: tuple[str, ...]
    outcome: Landed | Proposed | None
    left: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the bytes of a version are: in git at ``path`` of a commit, or, where ``tracked`` is set, in DVC's remote.

    ``project`` is the folder of the DVC project. ``uri`` is set instead where only the address is registered.
    """

    tag: Tag
    annotation: Annotation
    path: str
    tracked: Tracked | None = None
    project: str = ""
    uri: str | None = None


def import_gto(
    ws: Workspace,
    source: GtoSource,
    wanted: Sequence[str] = (),
    mode: LandingMode = LandingMode.USUAL,
    *,
    dry_run: bool = False,
) -> Iterator[GtoImport]:
    """Imports the artifacts that are ``wanted``, or all; tells of each when it is done.

    Raises:
        NotFound: there is no such artifact, or none at all.
        Refused: the registry does not take a change at all; LostRace, Undecided: git or a remote does not answer.
    """
    artifacts = gto_artifacts(list(source.repository.tags()))
    unknown = sorted(set(wanted) - artifacts.keys())
    if unknown or not artifacts:
        what = f"no artifact {unknown[0]!r}" if unknown else "no tag of GTO's"
        known = ", ".join(artifacts) or "none"
        raise NotFound(
            f"{source.repository.label} has {what}", f"its tags name {known}" if artifacts else None
        )
    ws.repository.fetch()
    demand_landable(ws, ws.current()[1], Plan("import", "Import", (), {}), mode)
    chosen = [artifacts[name] for name in (dict.fromkeys(wanted) or artifacts)]
    return _import_each(ws, source, chosen, mode, dry_run)


def _import_each(
    ws: Workspace, source: GtoSource, artifacts: Sequence[GtoArtifact], mode: LandingMode, dry_run: bool
) -> Iterator[GtoImport]:
    with ws.progress.count("Importing artifacts", len(artifacts)) as bar:
        for artifact in artifacts:
            yield _Importer(ws, source, artifact).run(mode, dry_run)
            bar.advance(1)


class _Importer:
    """The import of one artifact."""

    def __init__(self, ws: Workspace, source: GtoSource, artifact: GtoArtifact) -> None:
        self._ws = ws
        self._source = source
        self._artifact = artifact
        self._model = source.models.get(artifact.name, artifact.name)
        self._left: list[LeftOut] = []

    def run(self, mode: LandingMode, dry_run: bool) -> GtoImport:
        _, base = self._ws.current()
        home, why = self._home(base)
        if why is not None:
            self._leave(self._artifact.name, why)
            return self._done((), None)
        versions = list(self._versions(base, home, dry_run))
        carried = self._carried(base, versions)
        self._left += left_out(base, carried)
        new = tuple(str(each.version) for each in versions if base.record(home, each.version) is None)
        if dry_run or not versions:
            return self._done(new, None)
        try:
            found = land(self._ws, lambda now: plan_gto(now, self._carried(now, versions)), mode)
        except NothingToDo:
            return self._done((), None)
        return self._done(new, found)

    def _home(self, base: Snapshot) -> tuple[str, str | None]:
        """What the model is called here, and why the artifact cannot come here at all (None: it can)."""
        problem = model_name_problem(self._model)
        if problem:
            hint = f"give it another with --as {self._artifact.name}=NAME"
            return self._model, f"the name cannot be kept: {problem}; {hint}"
        home, why = home_of(base, self._model)
        if why is None and base.model(home) is not None and base.scheme(home) != SEMVER_SCHEME:
            why = f"{home!r} numbers its versions otherwise; name another model with --as"
        return home, why

    def _done(self, versions: tuple[str, ...], outcome: Landed | Proposed | None) -> GtoImport:
        return GtoImport(
            self._artifact.name, self._model, versions, outcome, tuple(dict.fromkeys(self._left))
        )

    def _leave(self, subject: str, why: str) -> None:
        self._left.append(LeftOut(subject, why))

    def _carried(self, now: Snapshot, versions: Sequence[ImportedVersion]) -> Carried:
        stages = stage_names(now, self._artifact, self._source.stages)
        return Carried(self._artifact, tuple(versions), self._new_model, self._model, stages)

    @cached_property
    def _new_model(self) -> NewModel:
        """What the newest version that is annotated says of the artifact."""
        commits = (self._artifact.registrations[v].commit for v in reversed(self._artifact.versions))
        annotation = next(filter(None, map(self._annotation, commits)), None)
        said = plain(annotation.description) if annotation and annotation.description else None
        return NewModel(description=said, tags=annotation_tags(annotation), scheme=SEMVER_SCHEME)

    def _versions(self, base: Snapshot, home: str, dry_run: bool) -> Iterator[ImportedVersion]:
        """The versions that are here or can be brought here, their bytes stored unless nothing is to be written."""
        for version in self._artifact.versions:
            try:
                record = self._record(base, home, version)
                if record is not None:
                    registration = unread(home, record.artifact.format, record.artifact)
                elif dry_run:
                    registration = self._seen(base, self._find(version))
                else:
                    registration = self._brought(base, version, self._find(version))
            except (Refused, NotFound) as refusal:
                hint = f" ({refusal.hint})" if refusal.hint else ""
                self._leave(f"{self._artifact.name}@v{version}", f"{refusal.message}{hint}")
                continue
            yield ImportedVersion(version, registration)

    def _record(self, base: Snapshot, home: str, version: str) -> ModelVersion | None:
        """The version as an earlier import brought it. Raises Refused where it is another one, or cannot be here."""
        if not is_semver(version):
            raise Refused("a version here is SemVer without build metadata, and of bounded length")
        record = base.record(home, version)
        if record is None:
            if base.is_taken(home, version):
                raise Refused("it was deleted here, and a number once used is never used again")
            return None
        there = record.imported_from
        said = (there.system, there.model, there.version) if there is not None else None
        commit = self._artifact.registrations[version].commit
        if said != (SYSTEM, self._artifact.name, f"v{version}") or record.source.get("commit") != commit:
            raise Refused(f"{home}/{version} is here already, and is not this one")
        return record

    # Where the bytes are

    def _annotation(self, commit: str) -> Annotation | None:
        tree = self._source.repository.tree(commit)
        for file in annotation_files(self._artifact.name):
            blob = tree.read(file.path)
            if blob is None:
                continue
            try:
                found = read_annotation(_whole(blob.data), file)
            except ValueError as error:
                self._leave(self._artifact.name, f"{file.path} at {commit[:12]} cannot be read: {error}")
                continue
            if found is not None:
                return found
        return None

    def _find(self, version: str) -> _Found:
        tag = self._artifact.registrations[version]
        annotation = self._annotation(tag.commit)
        if annotation is None or annotation.path is None:
            raise Refused(
                "no file says where its bytes are", "artifacts.yaml and dvc.yaml at its commit name no path"
            )
        if annotation.is_address:
            return self._elsewhere(tag, annotation, annotation.path)
        path = annotation.path
        problem = payload_name_problem(posixpath.basename(path))
        if problem:
            raise Refused(f"{path!r} cannot name an artifact: {problem}")
        tracked = self._tracked(tag.commit, path)
        project = self._project(tag.commit, path) if tracked else ""
        return _Found(tag, annotation, path, tracked, project)

    def _tracked(self, commit: str, path: str) -> Tracked | None:
        """The output of DVC's that is at a path, or is a folder around it; None if none is."""
        tree = self._source.repository.tree(commit)
        for file in dvc_files_of(path):
            blob = tree.read(file)
            if blob is None:
                continue
            try:
                found = [out for out in tracked_in(_whole(blob.data), file) if _holds(out, path)]
            except ValueError as error:
                self._leave(self._artifact.name, f"{file} at {commit[:12]} cannot be read: {error}")
                continue
            if found:
                return found[0]
        return None

    def _project(self, commit: str, path: str) -> str:
        """The folder of the DVC project that a path is in."""
        tree = self._source.repository.tree(commit)
        folder = posixpath.dirname(path)
        while folder and tree.read(posixpath.join(folder, ".dvc/config")) is None:
            folder = posixpath.dirname(folder)
        return folder

    def _elsewhere(self, tag: Tag, annotation: Annotation, uri: str) -> _Found:
        if not self._source.external:
            raise Refused(
                f"its bytes are at {plain(uri)[:200]}, which git and DVC do not keep; see --external"
            )
        problem = external_uri_problem(uri)
        if problem:
            raise Refused(f"its bytes are at {plain(uri)[:200]}: {problem}")
        return _Found(tag, annotation, uri, uri=uri)

    # The bytes

    def _seen(self, base: Snapshot, found: _Found) -> Registration:
        """Makes sure that the bytes are there, and moves none."""
        if found.uri is not None:
            address = inspected(self._ws.open_store(base), NewVersion(model=self._model, uri=found.uri))
            return unread(self._model, EXTERNAL, address.artifact)
        if found.tracked is None:
            folder, _, file = found.path.rpartition("/")
            if file not in self._source.repository.tree(found.tag.commit).list(folder):
                raise _nowhere(found)
        else:
            pointer = _pointer(found.tracked)
            there = self._foreign(found.project, found.tracked).presence([pointer])[pointer]
            if there != Presence():
                what = f"object {there.missing[0]} is missing" if there.missing else there.corrupt[0]
                raise Refused(f"{found.path!r}: {what} in its DVC remote")
        return unread(self._model, artifact_format(posixpath.basename(found.path), ()))

    def _brought(self, base: Snapshot, version: str, found: _Found) -> Registration:
        """What is to be registered, with its bytes stored in the registry's own remote."""
        store = self._ws.open_store(base)
        with tempfile.TemporaryDirectory(prefix="gitreg-") as folder:
            place = os.path.join(folder, posixpath.basename((found.tracked or found).path))
            if found.uri is None:
                self._fetch(found, place)
            if found.tracked is not None and found.tracked.path != found.path:
                place = _inside(place, found)
            new = NewVersion(model=self._model, path=place, uri=found.uri)
            seen = inspected(store, new)
            upload(store, new, seen.payload, self._ws.progress)
        tag = found.tag
        assert tag.time is not None, "GTO passes over lightweight tags"
        return Registration(
            model=self._model,
            artifact=seen.artifact,
            pointer=seen.pointer,
            created_by=tagger(tag),
            created_at=tag.time,
            source={"repo": self._source.repository.label[:1000], "commit": tag.commit},
            description=plain(tag.message) or None,
            tags=annotation_tags(found.annotation) | {"gto.tag": tag.name},
            imported_from=origin(self._source.repository.label, self._artifact.name, version),
        )

    def _foreign(self, project: str, tracked: Tracked) -> ForeignStore:
        """The remote that has an output. Raises Refused where the output itself names one that cannot be opened."""
        try:
            return self._source.open_store(project, tracked)
        except (ConfigError, UsageError) as error:
            if tracked.remote is None:
                raise
            raise Refused(error.message, error.hint) from error

    def _fetch(self, found: _Found, place: str) -> None:
        try:
            if found.tracked is not None:
                store = self._foreign(found.project, found.tracked)
                store.take(_pointer(found.tracked), place, self._ws.progress)
            elif not self._source.repository.save(found.tag.commit, found.path, place):
                raise _nowhere(found)
        except OSError as error:
            raise Undecided(f"{found.path!r} cannot be written: {error.strerror or error}") from error


def _nowhere(found: _Found) -> Refused:
    return Refused(f"{found.path!r} is not at its commit, and DVC tracks nothing there")


def _holds(out: Tracked, path: str) -> bool:
    return out.path == path or (out.md5.endswith(".dir") and path.startswith(f"{out.path}/"))


def _inside(place: str, found: _Found) -> str:
    """What a folder that was taken holds at an artifact's path. Raises Refused where it is nothing."""
    assert found.tracked is not None, "it was taken from DVC"
    inside = os.path.join(place, *found.path[len(found.tracked.path) + 1 :].split("/"))
    if not os.path.lexists(inside):
        raise Refused(f"{found.path!r} is not in the folder that DVC tracks as {found.tracked.path!r}")
    return inside


def _whole(data: bytes) -> bytes:
    if len(data) > READ_LIMIT:
        raise ValueError(f"it is larger than {READ_LIMIT} bytes")
    return data


def _pointer(tracked: Tracked) -> DvcPointer:
    """As gitreg reads DVC's remotes. Raises Refused where DVC did not write down how much there is."""
    if not tracked.size or not tracked.files:
        raise Refused(
            f"{tracked.path!r} has no size in its .dvc file or dvc.lock",
            "'dvc commit' by a newer DVC writes it",
        )
    return DvcPointer(posixpath.basename(tracked.path), tracked.md5, tracked.size, tracked.files)
