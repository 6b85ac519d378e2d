"""Pull a version's artifact: verified byte for byte, then put in place in one step."""

from __future__ import annotations

from gitreg.core.names import Reference
from gitreg.core.resolve import Resolution, resolve
from gitreg.core.snapshot import Snapshot
from gitreg.errors import Refused
from gitreg.flows.workspace import Workspace


def pull(ws: Workspace, snapshot: Snapshot, reference: Reference, folder: str) -> tuple[Resolution, str]:
    """Puts the artifact that ``reference`` means into ``folder``; returns what it is and where it now lies.

    Raises:
        Refused: something else lies there already, or the remote's bytes are not the record's.
        Undecided: the remote does not answer.
    """
    found = resolve(snapshot, reference)
    pointer = snapshot.dvc_pointer(found.model, found.record)
    if pointer is None:
        raise Refused(
            f"{found.model}/{found.record.version} has no .dvc file", "gitreg validate shows what is wrong"
        )
    target = f"{folder.rstrip('/') or '/'}/{found.record.artifact.path}"
    ws.open_store(snapshot).download(pointer, target, found.record.artifact.digest, ws.progress)
    return found, target
