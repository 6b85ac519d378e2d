"""Import a registry that GTO keeps in the tags of a repository: artifact by artifact, each as one change.

What cannot be brought is told and left; what is here already stays as it is. So an import that was interrupted is run
again: it begins with the first artifact that is not wholly here, and neither reads nor stores bytes twice.
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gitreg.core.gto import GtoArtifact, gto_artifacts
from gitreg.core.manifest import SEMVER_SCHEME
from gitreg.core.names import is_semver, model_name_problem
from gitreg.core.payload import artifact_format
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
from gitreg.core.plan.imports import ImportedVersion, LeftOut, home_of, import_branch, registration_of, unread
from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.register import NewModel, Registration
from gitreg.core.ports import ArtifactStore
from gitreg.core.record import EXTERNAL, ImportedFrom, ModelVersion
from gitreg.core.snapshot import Snapshot
from gitreg.errors import NotFound, Refused
from gitreg.flows.gto_files import Found, GtoFiles, GtoSource
from gitreg.flows.land import Landed, LandingMode, Rejected, demand_landable, land
from gitreg.flows.pending import own_proposal
from gitreg.flows.propose import Proposed
from gitreg.flows.register import NewVersion, inspected, upload
from gitreg.flows.workspace import Workspace


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
    _, base = ws.current()
    demand_landable(ws, base, Plan("import", "Import", (), {}), mode)
    store = ws.open_store(base)
    chosen = (artifacts[name] for name in (dict.fromkeys(wanted) or artifacts))
    importers = [_Importer(ws, source, artifact, store) for artifact in chosen]
    return _import_each(ws, importers, mode, dry_run)


def _import_each(
    ws: Workspace, importers: Sequence[_Importer], mode: LandingMode, dry_run: bool
) -> Iterator[GtoImport]:
    with ws.progress.count("Importing artifacts", len(importers)) as bar:
        for importer in importers:
            yield importer.run(mode, dry_run)
            bar.advance(1)


class _Importer:
    """The import of one artifact."""

    def __init__(self, ws: Workspace, source: GtoSource, artifact: GtoArtifact, store: ArtifactStore) -> None:
        self._ws = ws
        self._source = source
        self._artifact = artifact
        self._store = store
        self._model = source.models.get(artifact.name, artifact.name)
        self._left: list[LeftOut] = []
        self._files = GtoFiles(
            source, artifact.name, lambda why: self._leave(artifact.name, why), ws.progress
        )

    def run(self, mode: LandingMode, dry_run: bool) -> GtoImport:
        _, base = self._ws.current()
        home, why = self._home(base)
        if why is not None:
            self._leave(self._artifact.name, why)
            return self._done((), None)
        branch = import_branch([self._model], SYSTEM, self._source.repository.label)
        pending = None if dry_run else own_proposal(self._ws, base, branch)
        versions = list(self._versions(base, pending, home, dry_run))
        carried = self._carried(base, versions)
        self._left += left_out(base, carried)
        new = tuple(str(each.version) for each in versions if base.record(home, each.version) is None)
        if dry_run or not versions:
            return self._done(new, None)
        try:
            found = land(self._ws, lambda now: plan_gto(now, self._carried(now, versions)), mode)
        except NothingToDo:
            return self._done((), None)
        except Rejected as refusal:
            self._leave(self._model, refusal.message)
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
        annotation = next(filter(None, map(self._files.annotation, commits)), None)
        said = plain(annotation.description) if annotation and annotation.description else None
        return NewModel(description=said, tags=annotation_tags(annotation), scheme=SEMVER_SCHEME)

    def _versions(
        self, base: Snapshot, pending: Snapshot | None, home: str, dry_run: bool
    ) -> Iterator[ImportedVersion]:
        """The versions that are here or can be brought here, their bytes stored unless nothing is to be written."""
        for version in self._artifact.versions:
            try:
                record = self._record(base, home, version)
                if record is not None:
                    registration = unread(home, record.artifact.format, record.artifact)
                elif dry_run:
                    registration = self._seen(self._files.find(self._artifact.registrations[version]))
                else:
                    registration = self._proposed(pending, home, version) or self._brought(
                        version, self._files.find(self._artifact.registrations[version])
                    )
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

    def _proposed(self, pending: Snapshot | None, home: str, version: str) -> Registration | None:
        """The version as an open request of this very person's has it: its bytes are stored."""
        record = pending.record(home, version) if pending is not None else None
        if pending is None or record is None:
            return None
        commit = self._artifact.registrations[version].commit
        is_same = record.imported_from == self._origin(version) and record.source.get("commit") == commit
        try:
            return registration_of(pending, home, version) if is_same else None
        except Refused:  # it says more than a registration does
            return None

    def _origin(self, version: str) -> ImportedFrom:
        return origin(self._source.repository.label, self._artifact.name, version)

    def _seen(self, found: Found) -> Registration:
        """Makes sure that the bytes are there, and moves none."""
        if found.uri is not None:
            address = inspected(self._store, NewVersion(model=self._model, uri=found.uri))
            return unread(self._model, EXTERNAL, address.artifact)
        self._files.demand(found)
        return unread(self._model, artifact_format(posixpath.basename(found.path), ()))

    def _brought(self, version: str, found: Found) -> Registration:
        """What is to be registered, with its bytes stored in the registry's own remote."""
        with tempfile.TemporaryDirectory(prefix="gitreg-") as folder:
            place = self._files.fetch(found, folder) if found.uri is None else ""
            new = NewVersion(model=self._model, path=place, uri=found.uri)
            seen = inspected(self._store, new)
            upload(self._store, new, seen.payload, self._ws.progress)
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
            imported_from=self._origin(version),
        )
