"""The files of a repository with a registry of GTO's: where the bytes of a version are, in git, in DVC or elsewhere."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gitreg.core.gto import Annotation, Tracked, annotation_files, dvc_files_of, read_annotation, tracked_in
from gitreg.core.names import payload_name_problem
from gitreg.core.payload import external_uri_problem, shown_address
from gitreg.core.plan.gto import plain
from gitreg.core.ports import READ_LIMIT, DvcPointer, ForeignRepository, ForeignStore, Presence, Progress, Tag
from gitreg.errors import ConfigError, Refused, Undecided, UsageError

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
class Found:
    """Where the bytes of a version are: in git at ``path`` of a commit, or, where ``tracked`` is set, in DVC's remote.

    ``project`` is the folder of the DVC project. ``uri`` is set instead where only the address is registered.
    """

    tag: Tag
    annotation: Annotation
    path: str
    tracked: Tracked | None = None
    project: str = ""
    uri: str | None = None


class GtoFiles:
    """What the repository has of one artifact; ``leave`` takes a line on each file that cannot be read."""

    def __init__(
        self, source: GtoSource, artifact: str, leave: Callable[[str], None], progress: Progress
    ) -> None:
        self._source = source
        self._artifact = artifact
        self._leave = leave
        self._progress = progress

    def annotation(self, commit: str) -> Annotation | None:
        """What is said of the artifact at a commit; None if nothing that can be read."""
        tree = self._source.repository.tree(commit)
        for file in annotation_files(self._artifact):
            blob = tree.read(file.path)
            if blob is None:
                continue
            try:
                found = read_annotation(_whole(blob.data), file)
            except ValueError as error:
                self._leave(f"{file.path} at {commit[:12]} cannot be read: {error}")
                continue
            if found is not None:
                return found
        return None

    def find(self, tag: Tag) -> Found:
        """Where the bytes are of the version that a tag registers. Raises Refused where nothing says so."""
        annotation = self.annotation(tag.commit)
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
        return Found(tag, annotation, path, tracked, project)

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
                self._leave(f"{file} at {commit[:12]} cannot be read: {error}")
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

    def _elsewhere(self, tag: Tag, annotation: Annotation, uri: str) -> Found:
        where = f"its bytes are at {plain(shown_address(uri))[:200]}"
        if not self._source.external:
            raise Refused(f"{where}, which git and DVC do not keep; see --external")
        problem = external_uri_problem(uri)
        if problem:
            raise Refused(f"{where}: {problem}")
        return Found(tag, annotation, uri, uri=uri)

    def _foreign(self, project: str, tracked: Tracked) -> ForeignStore:
        """The remote that has an output. Raises Refused where the output itself names one that cannot be opened."""
        try:
            return self._source.open_store(project, tracked)
        except (ConfigError, UsageError) as error:
            if tracked.remote is None:
                raise
            raise Refused(error.message, error.hint) from error

    def demand(self, found: Found) -> None:
        """Makes sure that the bytes are there, without reading them. Raises Refused where they are not."""
        if found.tracked is None:
            folder, _, file = found.path.rpartition("/")
            if file not in self._source.repository.tree(found.tag.commit).list(folder):
                raise _nowhere(found)
            return
        pointer = _pointer(found.tracked)
        there = self._foreign(found.project, found.tracked).presence([pointer])[pointer]
        if there != Presence():
            what = f"object {there.missing[0]} is missing" if there.missing else there.corrupt[0]
            raise Refused(f"{found.path!r}: {what} in its DVC remote")

    def fetch(self, found: Found, folder: str) -> str:
        """Writes the bytes into a folder; returns where they are there.

        Raises:
            Refused: they are not where they are said to be, or no artifact. Undecided: git or the remote fails.
        """
        place = os.path.join(folder, posixpath.basename((found.tracked or found).path))
        self._fetch(found, place)
        is_around = found.tracked is not None and found.tracked.path != found.path
        return _inside(place, found) if is_around else place

    def _fetch(self, found: Found, place: str) -> None:
        try:
            if found.tracked is not None:
                store = self._foreign(found.project, found.tracked)
                store.take(_pointer(found.tracked), place, self._progress)
            elif not self._source.repository.save(found.tag.commit, found.path, place):
                raise _nowhere(found)
        except OSError as error:
            raise Undecided(f"{found.path!r} cannot be written: {error.strerror or error}") from error


def _nowhere(found: Found) -> Refused:
    return Refused(f"{found.path!r} is not at its commit, and DVC tracks nothing there")


def _holds(out: Tracked, path: str) -> bool:
    return out.path == path or (out.md5.endswith(".dir") and path.startswith(f"{out.path}/"))


def _inside(place: str, found: Found) -> str:
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
