"""The artifacts of registered versions, as MLflow reads them: ``mlflow.artifact_repository`` for registry URIs.

MLflow imports this module whenever it is imported itself: only what it has loaded by then is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from mlflow.entities.file_info import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from gitreg.surfaces.mlflow.errors import as_mlflow
from gitreg.surfaces.mlflow.uri import RegistryUri, parse_registry_uri

if TYPE_CHECKING:
    from gitreg.core.ports import RemoteFile
    from gitreg.flows.pull import Stored
    from gitreg.flows.workspace import Workspace


class GitregArtifactRepository(ArtifactRepository):
    """One version's files. The root is a directory artifact's own root; of a single file it is the folder around it.

    Nothing is handed out before it has the sha256 that the record names, and nothing is shared: MLflow writes into
    what it downloads. What is registered never changes, so all that writes is refused.
    """

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        with as_mlflow():
            self._uri = _version_uri(artifact_uri).absolute()

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """What lies directly below ``path``, by name; nothing below a file. Nothing is downloaded for it.

        Raises:
            MlflowException: RESOURCE_DOES_NOT_EXIST where the version or the path is not there; INVALID_PARAMETER_VALUE
                for a path that leads out.
        """
        with as_mlflow():
            inside = _inside(path)
            from gitreg.flows.pull import contents

            with self._stored() as (_, of):
                return list(_children(contents(of), inside))

    def download_artifacts(self, artifact_path: str | None, dst_path: str | None = None) -> str:
        """Puts a file, a folder, or all ("") into ``dst_path``, which must be there, or else into a new folder.

        Returns where it lies. Raises MlflowException as :meth:`list_artifacts`, and PERMISSION_DENIED where the bytes
        on the remote are not the record's, or are not this registry's.
        """
        with as_mlflow():
            inside = _inside(artifact_path)
            from gitreg.flows.pull import pull_inside

            with self._stored() as (ws, of), _destination(dst_path) as folder, _beside(folder) as fresh:
                pull_inside(ws, of, inside, fresh)
                _lay_over(fresh, folder)
        return os.path.join(folder, *filter(None, inside.split("/")))

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        """Puts one file at ``local_path``."""
        import tempfile

        with tempfile.TemporaryDirectory(prefix="gitreg-", dir=os.path.dirname(local_path) or ".") as folder:
            os.replace(self.download_artifacts(remote_file_path, folder), local_path)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> NoReturn:
        """Refused."""
        _refuse()

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> NoReturn:
        """Refused."""
        _refuse()

    def delete_artifacts(self, artifact_path: str | None = None) -> NoReturn:
        """Refused."""
        _refuse()

    @contextmanager
    def _stored(self) -> Iterator[tuple[Workspace, Stored]]:
        """The version, in a registry that stays open between downloads."""
        from gitreg.core.names import Reference, parse_version
        from gitreg.errors import NotFound
        from gitreg.flows.pull import stored
        from gitreg.surfaces.mlflow.session import shared_sessions

        model, version = self._uri.model, parse_version(self._uri.version or "")
        assert model is not None, "__init__ looked"
        if version is None:
            raise NotFound(f"{model!r} has no version {self._uri.version!r}")
        wanted = Reference(model, version)
        with shared_sessions(replace(self._uri, model=None, version=None)).lent() as session:
            ws = session.workspace
            try:  # what was fetched before will do: a version never changes
                found = stored(ws, ws.current()[1], wanted)
            except NotFound:
                session.renew()
                found = stored(ws, ws.current()[1], wanted)
            yield ws, found


def _version_uri(uri: str) -> RegistryUri:
    from gitreg.errors import UsageError

    parsed = parse_registry_uri(uri)
    if parsed.model is None:
        raise UsageError(
            f"{uri!r} is a registry, not a version's artifact", "name a version, as models:/NAME/VERSION"
        )
    return parsed


def _inside(path: str | None) -> str:
    """A path in an artifact, with "" for the root."""
    from gitreg.errors import UsageError

    parts = [part for part in (path or "").split("/") if part not in ("", ".")]
    if ".." in parts or "\\" in (path or "") or (path or "").startswith("/"):
        raise UsageError(f"{path!r} leads out of the artifact", "name a path inside it")
    return "/".join(parts)


def _children(files: Iterable[RemoteFile], folder: str) -> Iterator[FileInfo]:
    from gitreg.errors import NotFound
    from gitreg.flows.pull import is_inside

    below = [file for file in files if is_inside(file.path, folder)]
    if not below:
        raise NotFound(f"there is no {folder!r} in the artifact")
    seen: dict[str, FileInfo] = {}
    for file in below:
        rest = file.path[len(folder) :].lstrip("/")
        name, slash, _ = rest.partition("/")
        path = f"{folder}/{name}" if folder else name
        if name and path not in seen:
            seen[path] = FileInfo(path, bool(slash), None if slash else file.size)
    yield from (seen[path] for path in sorted(seen))


@contextmanager
def _destination(dst_path: str | None) -> Iterator[str]:
    """The folder that was asked for, or a new one, of which nothing is left where the block fails."""
    from gitreg.errors import NotFound

    if dst_path is None:
        import shutil
        import tempfile

        folder = tempfile.mkdtemp(prefix="gitreg-")
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return
    if not os.path.isdir(dst_path):
        raise NotFound(f"{dst_path!r} is not a directory", "make it first")
    yield os.path.abspath(dst_path)


@contextmanager
def _beside(folder: str) -> Iterator[str]:
    """The name of a folder that is not there yet, on the file system of ``folder``; it goes again."""
    import tempfile

    from gitreg.errors import Undecided

    try:
        fresh = tempfile.TemporaryDirectory(prefix=".gitreg-", dir=folder)
    except OSError as error:
        raise Undecided(f"{folder!r} cannot be written: {error.strerror}") from error
    with fresh as around:
        yield os.path.join(around, "artifact")


def _lay_over(fresh: str, folder: str) -> None:
    """Moves every file to its place; what is there of the same name gives way, as it does for MLflow's own."""
    from gitreg.errors import Undecided

    try:
        for around, _, names in os.walk(fresh):
            place = os.path.join(folder, os.path.relpath(around, fresh))
            os.makedirs(place, exist_ok=True)
            for name in names:
                os.replace(os.path.join(around, name), os.path.join(place, name))
    except OSError as error:
        raise Undecided(f"{folder!r} cannot be written: {error.strerror}") from error


def _refuse() -> NoReturn:
    from gitreg.errors import Refused

    with as_mlflow():
        raise Refused("the bytes of a registered version never change", "register a new version")
    raise AssertionError("as_mlflow raised")
