"""Pull a version's artifact, or look into it and take a part: verified byte for byte, then put in place in one step."""

from __future__ import annotations

from dataclasses import dataclass

from gitreg.core.digest import artifact_digest
from gitreg.core.names import Reference
from gitreg.core.ports import ArtifactStore, DvcPointer, ListedFile, RemoteFile
from gitreg.core.record import EXTERNAL
from gitreg.core.resolve import Resolution, resolve
from gitreg.core.snapshot import Snapshot
from gitreg.errors import NotFound, Refused
from gitreg.flows.workspace import Workspace

#: How many artifacts' listings are remembered, each known to have its digest, and up to how many files each.
_MOST_LISTINGS, _MOST_FILES = 64, 10_000
_listings: dict[str, tuple[ListedFile, ...]] = {}


@dataclass(frozen=True, slots=True)
class Stored:
    """A version whose bytes are on the DVC remote, and the pointer that names them there."""

    found: Resolution
    pointer: DvcPointer
    store: ArtifactStore

    @property
    def digest(self) -> str:
        """Of the bytes, as the record says."""
        return self.found.record.artifact.digest


def stored(ws: Workspace, snapshot: Snapshot, reference: Reference) -> Stored:
    """The version that ``reference`` means.

    Raises:
        NotFound: no such version.
        Refused: its bytes are not this registry's: they are somewhere else, or nothing says where.
    """
    found = resolve(snapshot, reference)
    artifact = found.record.artifact
    name = f"{found.model}/{found.record.version}"
    if artifact.format == EXTERNAL:
        raise Refused(
            f"the bytes of {name} are not in this registry, but at {artifact.uri}", "fetch them from there"
        )
    pointer = snapshot.dvc_pointer(found.model, found.record)
    if pointer is None:
        raise Refused(f"{name} has no .dvc file", "gitreg validate shows what is wrong")
    return Stored(found, pointer, ws.open_store(snapshot))


def pull(ws: Workspace, snapshot: Snapshot, reference: Reference, folder: str) -> tuple[Resolution, str]:
    """Puts the artifact that ``reference`` means into ``folder``; returns what it is and where it now lies.

    Raises:
        Refused: something else lies there already, the remote's bytes are not the record's, or they are external.
        Undecided: the remote does not answer.
    """
    of = stored(ws, snapshot, reference)
    target = f"{folder.rstrip('/') or '/'}/{of.pointer.path}"
    of.store.download(of.pointer, target, of.digest, ws.progress)
    return of.found, target


def contents(of: Stored) -> tuple[RemoteFile, ...]:
    """The files of an artifact, by path; a single file is called as the artifact is. No file is read."""
    if of.pointer.is_directory:
        return of.store.listing(of.pointer)
    return (RemoteFile(of.pointer.path, of.pointer.size),)


def pull_inside(ws: Workspace, of: Stored, inside: str, target: str) -> None:
    """Puts what is inside an artifact into the new folder ``target``, each file at its path in the artifact.

    ``inside`` is a file's or folder's path there; "" is everything. A directory's digest is of all its files, so to
    know that one of them is right all are read once; which those are is remembered while the process lives.

    Raises:
        NotFound: the artifact has no such path.
        Refused: the remote's bytes are not the record's. Undecided: the remote does not answer.
    """
    if of.pointer.is_directory and not inside:
        of.store.download(of.pointer, target, of.digest, ws.progress)
        return
    if not any(is_inside(file.path, inside) for file in contents(of)):
        raise NotFound(f"{of.found.model}/{of.found.record.version} holds no {inside!r}")
    wanted = [file for file in _listing(ws, of) if is_inside(file.path, inside)]
    of.store.download_files(of.pointer, wanted, target, ws.progress)


def is_inside(path: str, folder: str) -> bool:
    """Whether a path in an artifact is a folder's ("" is the root), or is the same."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def _listing(ws: Workspace, of: Stored) -> tuple[ListedFile, ...]:
    """The files with their digests, known to be those that the record's digest is about."""
    if not of.pointer.is_directory:
        return (ListedFile(of.pointer.path, of.pointer.size, of.digest.removeprefix("sha256:")),)
    listing = _listings.get(of.digest)
    if listing is None:
        listing = of.store.files(of.pointer, ws.progress)
        found = artifact_digest(listing)
        if found != of.digest:
            raise Refused(f"{of.pointer.path!r} on the remote has the digest {found}, not {of.digest}")
        if len(listing) <= _MOST_FILES:
            for old in list(_listings)[: 1 - _MOST_LISTINGS]:
                _listings.pop(old, None)
            _listings[of.digest] = listing
    return listing
