"""Registry URIs, as MLflow code names a git registry.

``gitreg:///path/to/registry``  a folder inside a checkout, or a bare repository (``gitreg:path`` is relative)
``gitreg+https://host/models``  a remote repository, through the cached clone; also ``gitreg+ssh`` and ``gitreg+http``

The settings are query parameters; see :class:`RegistryUri`. Nothing else is understood: a misspelt parameter that is
passed over would be a rule that nobody keeps.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from gitreg.errors import UsageError

SCHEME = "gitreg"
#: The schemes of remote repositories, and what git calls them.
REMOTE_SCHEMES: Mapping[str, str] = {f"{SCHEME}+{scheme}": scheme for scheme in ("https", "ssh", "http")}
SCHEMES = (SCHEME, *REMOTE_SCHEMES)
#: How long what was fetched from a remote repository is taken for its newest state, in seconds.
FRESH_FOR = 10.0


@dataclass(frozen=True, slots=True)
class RegistryUri:
    """Where a registry is, and how MLflow code works with it.

    Attributes:
        place: as ``-R`` takes it: a folder, a bare repository or a URL.
        folder: the registry's folder in a remote repository ("" is its root).
        changes: ``direct`` lands every change on the branch or fails; ``request`` opens a change request for each;
            None lands directly what policy and its enforcement allow, and opens a change request for the rest.
        artifacts: ``copy`` takes the bytes; ``external`` registers only where they are.
        remote: the DVC remote (``--remote``), instead of the one that ``.dvc/config`` names.
        refresh: after how many seconds a clone is fetched again before it is read.
        model: with ``version``, of the address of one version's artifact.
    """

    place: str
    folder: str = ""
    changes: str | None = None
    artifacts: str = "copy"
    remote: str | None = None
    refresh: float = FRESH_FOR
    model: str | None = None
    version: str | None = None

    @property
    def registry(self) -> str:
        """The registry as ``-R`` takes it."""
        return f"{self.place}#{self.folder}" if self.folder else self.place

    @property
    def is_remote(self) -> bool:
        """Whether the registry is read through a cached clone."""
        return "://" in self.place

    def absolute(self) -> RegistryUri:
        """The same place, whatever the working directory will be."""
        return self if self.is_remote else replace(self, place=os.path.abspath(self.place))

    def at(self, model: str, version: str) -> RegistryUri:
        """The address of one version's artifact."""
        return replace(self, model=model, version=version)

    def __str__(self) -> str:
        settings = {
            "folder": self.folder,
            "changes": self.changes,
            "artifacts": "" if self.artifacts == "copy" else self.artifacts,
            "remote": self.remote,
            "refresh": "" if self.refresh == FRESH_FOR else f"{self.refresh:g}",
            "model": self.model,
            "version": self.version,
        }
        query = urlencode({key: value for key, value in settings.items() if value}, quote_via=quote)
        address = (
            f"{SCHEME}+{self.place}"
            if self.is_remote
            else f"{SCHEME}:{_slashes(self.place)}{quote(self.place)}"
        )
        if self.model is not None:
            # MLflow takes what follows the last slash of an artifact's path for a file in it.
            address = address.rstrip("/") + "/"
        return f"{address}?{query}" if query else address


def _slashes(path: str) -> str:
    return "//" if path.startswith("/") else ""


def parse_registry_uri(uri: str) -> RegistryUri:
    """Reads a registry's URI, or that of a version's artifact in it.

    Raises:
        UsageError: not of that form, an unknown parameter or value, or a password in it.
    """
    parts = urlsplit(uri)
    if parts.scheme not in SCHEMES:
        raise UsageError(
            f"{uri!r} is no git registry", f"write {SCHEME}:///path or {SCHEME}+https://host/path"
        )
    if parts.fragment:
        raise UsageError(f"#{parts.fragment} says nothing in a registry URI", "name the folder with ?folder=")
    # Before a web server's name, a token is as often the user as the password.
    if parts.password is not None or (parts.username is not None and not parts.scheme.endswith("ssh")):
        raise UsageError(
            "a password or token may not stand in a registry URI", "git's credential helpers keep it"
        )
    settings = _settings(parts.query)
    place = _local(uri, parts.netloc, parts.path) if parts.scheme == SCHEME else _remote(uri)
    if parts.scheme == SCHEME and "folder" in settings:
        raise UsageError("?folder= is for remote repositories", "name the registry's folder in the path")
    return RegistryUri(
        place=place.rstrip("/") or "/",
        folder=settings.get("folder", "").strip("/"),
        changes=_one_of(settings, "changes", "direct", "request"),
        artifacts=_one_of(settings, "artifacts", "copy", "external") or "copy",
        remote=settings.get("remote"),
        refresh=_seconds(settings),
        model=settings.get("model"),
        version=settings.get("version"),
    )


def _local(uri: str, netloc: str, path: str) -> str:
    if netloc:
        raise UsageError(f"{uri!r} names a host", f"a path has three slashes: {SCHEME}:///{netloc}{path}")
    if not path:
        raise UsageError(f"{uri!r} names no registry", f"write {SCHEME}:///path/to/registry")
    return unquote(path)


def _remote(uri: str) -> str:
    address = uri.removeprefix(f"{SCHEME}+").partition("?")[0]
    if not urlsplit(address).hostname:
        raise UsageError(f"{uri!r} names no host", f"write {SCHEME}+https://host/path")
    return address


_PARAMETERS = ("changes", "artifacts", "remote", "refresh", "folder", "model", "version")


def _settings(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _PARAMETERS:
            raise UsageError(f"a registry URI has no parameter {key!r}", f"it has {', '.join(_PARAMETERS)}")
        if key in found:
            raise UsageError(f"a registry URI has {key!r} twice", "leave one out")
        if not value:
            raise UsageError(
                f"the parameter {key!r} of a registry URI is empty", "leave it out, or say something"
            )
        found[key] = value
    if ("model" in found) != ("version" in found):
        raise UsageError("an artifact's URI has both a model and a version", "leave both out, or neither")
    return found


def _one_of(settings: Mapping[str, str], key: str, *known: str) -> str | None:
    value = settings.get(key)
    if value is not None and value not in known:
        raise UsageError(f"{key}={value} is not known", f"it is {' or '.join(known)}")
    return value


def _seconds(settings: Mapping[str, str]) -> float:
    text = settings.get("refresh", f"{FRESH_FOR:g}")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise UsageError(f"refresh={text} is no number of seconds", "write refresh=30, or 0 for every call")
    return seconds
