"""Which remote, and with whose credentials: DVC's configuration, trusted in two parts.

*Where* the remote is and how to talk to it is the word of the registry: the text of ``.dvc/config`` at the base
revision (or the user's ``--remote``). *Who* asks is the word of this machine: the closed list of credential keys below,
from the registry's untracked ``.dvc/config.local`` and from DVC's global and system configuration. A section of this
machine that has a ``url`` counts for that URL only, whatever its name; otherwise any registry could call its remote
like one of another registry, and be sent that one's password.

The keys are those of DVC's schema (``dvc/config_schema.py``, explained at
https://dvc.org/doc/command-reference/remote/modify). Nobody's configuration makes gitreg run a command or ask for a
password: ``bearer_token_command``, ``ask_password`` and ``ask_passphrase`` never count.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from gitreg.errors import ConfigError

#: Taken from this machine, and never shown.
SECRET_KEYS = frozenset(
    {
        *("access_key_id", "secret_access_key", "session_token", "sse_customer_key"),  # s3
        *("account_key", "sas_token", "connection_string", "client_secret"),  # azure
        *("password", "passphrase", "token"),  # http, ssh, webdav, webhdfs
        *("oss_key_id", "oss_key_secret", "gdrive_client_secret"),
    }
)
#: Whose account is used: taken from this machine, or else from the registry.
ACCOUNT_KEYS = frozenset(
    {
        *("profile", "user", "account_name", "tenant_id", "client_id", "kerberos_principal"),
        *("gdrive_client_id", "gdrive_service_account_user_email"),
    }
)
#: Files with credentials: taken from this machine, and refused where the registry sets them: such a file can name a
#: program to run (AWS's ``credential_process``), and the registry could bring the file along.
FILE_KEYS = frozenset(
    {
        *("credentialpath", "configpath", "keyfile", "cert_path", "key_path", "kerb_ticket"),
        *("gdrive_user_credentials_file", "gdrive_service_account_json_file_path"),
    }
)
_CREDENTIAL_KEYS = SECRET_KEYS | ACCOUNT_KEYS | FILE_KEYS
_REFUSED_KEYS = FILE_KEYS | {"bearer_token_command"}
_PROMPT_KEYS = frozenset({"ask_password", "ask_passphrase"})

_SHARED = ".dvc/config"
_HINT = "run 'dvc remote add --default NAME URL' in the registry's folder, or name one with --remote URL"

Settings: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Remote:
    """One remote: the name of its section ("" if the user gave a URL), its absolute URL, its other settings."""

    name: str
    url: str
    settings: Settings

    @property
    def label(self) -> str:
        """How messages call it; without the URL's password."""
        return f"remote {self.name} ({_shown(self.url)})" if self.name else f"remote {_shown(self.url)}"

    @property
    def secrets(self) -> list[str]:
        """What must not appear in any message."""
        found = [str(value) for key, value in self.settings.items() if key in SECRET_KEYS]
        return [*found, urlsplit(self.url).password or ""]


def choose_remote(config_text: str, registry_dir: Path | None, wanted: str | None) -> Remote:
    """The remote that the registry's configuration, or the user, names.

    Raises:
        ConfigError: there is none, or its section is not admissible.
    """
    remote = _choose(config_text, registry_dir, wanted)
    try:
        urlsplit(remote.url)
    except ValueError as error:
        raise ConfigError(f"{remote.url!r} is not a URL: {error}") from None
    return remote


def _choose(config_text: str, registry_dir: Path | None, wanted: str | None) -> Remote:
    config = _parse(config_text, _SHARED)
    sections = _sections(config, _SHARED)
    name = wanted or _default(config)
    if name is None:
        raise ConfigError("no DVC remote is configured for this registry", _HINT)
    if name.lower() in sections:
        return _from_section(name.lower(), sections[name.lower()], registry_dir)
    if wanted and "/" in wanted:
        return Remote("", wanted if _has_scheme(wanted) else os.path.abspath(os.path.expanduser(wanted)), {})
    known = ", ".join(sorted(sections))
    raise ConfigError(f"{_SHARED} has no remote {name!r}", f"it has {known}" if known else _HINT)


def with_credentials(remote: Remote, local_config: Path | None, *, foreign: bool = False) -> Remote:
    """The remote with this machine's credentials; ``config.local`` counts most, the system's configuration least.

    Args:
        remote: without them.
        local_config: that of its checkout.
        foreign: the remote is the word of a repository that is only read. Credentials that are there for a name alone
            are not for whatever a stranger calls so: outside of ``local_config`` they need a ``url``.

    Raises:
        ConfigError: a configuration file cannot be read.
    """
    from dvc.dirs import global_config_dir, system_config_dir

    files = [
        Path(system_config_dir(), "config"),
        Path(global_config_dir(), "config"),
        *filter(None, [local_config]),
    ]
    settings = dict(remote.settings)
    for file in files:
        for name, section in _sections(_parse(_text(file), str(file)), str(file)).items():
            is_for_names = not foreign or file == local_config
            if _applies(name, section, file.parent, remote) and (is_for_names or "url" in section):
                settings |= _credentials(section, file.parent)
    return Remote(remote.name, remote.url, settings)


def _applies(name: str, section: Settings, folder: Path, remote: Remote) -> bool:
    url = section.get("url")
    if not isinstance(url, str):
        return name == remote.name
    return _against(folder, url).rstrip("/") == remote.url.rstrip("/")


def _credentials(section: Settings, folder: Path) -> Iterator[tuple[str, object]]:
    for key in section.keys() & _CREDENTIAL_KEYS:
        value = section[key]
        yield key, _against(folder, value) if key in FILE_KEYS and isinstance(value, str) else value


def _from_section(name: str, section: Settings, registry_dir: Path | None) -> Remote:
    for key in sorted(section.keys() & _REFUSED_KEYS):
        raise ConfigError(
            f"{_SHARED}: remote {name!r} sets {key!r}, which a registry may not set for those who read it",
            f"take it out; gitreg reads credentials from {_SHARED}.local",
        )
    url = section.get("url")
    if not _is_of_google(url, section.get("endpointurl")):
        raise ConfigError(
            f"{_SHARED}: the 'endpointurl' of remote {name!r} is not Google's, and would be sent this machine's token",
            "take it out; a bucket has a host of its own below googleapis.com, if any",
        )
    if not isinstance(url, str) or not url or url.startswith("remote://"):
        raise ConfigError(
            f"{_SHARED}: remote {name!r} has no URL of its own", "write 'url = …' in its section"
        )
    if registry_dir is None and not _has_scheme(url) and not os.path.isabs(os.path.expanduser(url)):
        raise ConfigError(
            f"{_SHARED}: the URL {url!r} needs a checkout to stand in", "name it with --remote URL"
        )
    settings = {key: value for key, value in section.items() if key not in _PROMPT_KEYS | {"url"}}
    return Remote(name, _against(Path(registry_dir or "", ".dvc"), url), settings)


def _is_of_google(url: object, endpoint: object) -> bool:
    """Whether the host that a bucket's section names may have the token for Google's storage; so may hosts of others.

    gcsfs sends it wherever it is told to: https://gcsfs.readthedocs.io/en/latest/api.html (``endpoint_url``).
    """
    if endpoint is None or not str(url).lower().startswith(("gs://", "gcs://")):
        return True
    try:
        parts = urlsplit(str(endpoint))
    except ValueError:
        return False
    return parts.scheme == "https" and f".{parts.hostname}".endswith(".googleapis.com")


def _against(folder: Path, place: str) -> str:
    """A path in a configuration file as DVC takes it: relative to the file's folder; URLs stay."""
    return place if _has_scheme(place) else os.path.abspath(os.path.join(folder, os.path.expanduser(place)))


def _has_scheme(place: str) -> bool:
    return re.match(r"\w+://", place) is not None


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.password else url


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(file)!r} cannot be read: {error}") from error


def _parse(text: str, place: str) -> dict[str, Any]:
    """A configuration, parsed as DVC does."""
    from configobj import ConfigObjError
    from dvc.config import Config
    from dvc.config import ConfigError as DvcConfigError

    try:
        parsed: dict[str, Any] = Config.load_file(place, fs=SimpleNamespace(open=lambda _: io.StringIO(text)))
    except (DvcConfigError, ConfigObjError) as error:
        raise ConfigError(f"{place} cannot be read: {' '.join(str(error).split())}") from None
    return parsed


def _sections(config: dict[str, Any], place: str) -> dict[str, Settings]:
    remotes = config["remote"]
    if not isinstance(remotes, dict) or not all(isinstance(section, dict) for section in remotes.values()):
        raise ConfigError(f"{place}: a remote is no section", "write ['remote \"NAME\"'] and its keys below")
    return remotes


def _default(config: dict[str, Any]) -> str | None:
    core = config.get("core")
    name = core.get("remote") if isinstance(core, dict) else None
    return name if isinstance(name, str) and name else None
