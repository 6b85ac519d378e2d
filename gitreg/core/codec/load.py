"""From the bytes of a file to its manifest, with the place of whatever is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from gitreg.core.codec.dvcfile import decode_dvc
from gitreg.core.codec.yaml import MAX_BYTES, MAX_RECORD_BYTES, YamlError, load_yaml, locate_all
from gitreg.core.decode import DecodeError, Where
from gitreg.core.findings import Location
from gitreg.core.manifest import DECODERS, Manifest
from gitreg.core.ports import DvcPointer
from gitreg.errors import Refused

_LARGE_KINDS = frozenset({"ModelVersion", "StageAssignment", "ModelTombstone"})


class InvalidManifest(Refused):
    """A file is not the manifest that its place asks for."""

    def __init__(self, problem: str, location: Location, fix: str | None, where: Where | None = None) -> None:
        super().__init__(f"{location}: {problem}", fix)
        self.problem = problem
        self.location = location
        self.where = where


def size_limit(kind: str) -> int:
    """The most bytes that a manifest of this kind may have."""
    return MAX_RECORD_BYTES if kind in _LARGE_KINDS else MAX_BYTES


def load_value(kind: str, data: bytes, path: str) -> object:
    """The plain value of a manifest's text. Raises InvalidManifest where it is not strict YAML."""
    try:
        return load_yaml(data, size_limit(kind))
    except YamlError as error:
        raise InvalidManifest(error.message, Location(path, error.line, error.column), error.fix) from None


def load_manifest(kind: str, data: bytes, path: str) -> Manifest | DvcPointer:
    """Reads a manifest (kind ``dvc``: a DVC pointer file). Raises InvalidManifest."""
    value = load_value(kind, data, path)
    try:
        return decode_dvc(value) if kind == "dvc" else DECODERS[kind](value)
    except DecodeError as error:
        location = place_in(data, path, error.where)
        raise InvalidManifest(_sentence(error), location, None, error.where) from None


def place_in(data: bytes, path: str, where: Where) -> Location:
    """The place of a value in a file."""
    return places_in(data, path, [where])[0]


def places_in(data: bytes, path: str, places: Sequence[Where]) -> list[Location]:
    """The places of several values in a file, which is read once for all of them."""
    return [Location(path, *(place or (None, None))) for place in locate_all(data, places)]


def _sentence(error: DecodeError) -> str:
    keys = ".".join(str(part) for part in error.where)
    return f"{keys}: {error.message}" if keys else error.message
