"""Where a hosted forge is: which server, which repository on it, and where its API answers.

Nothing is asked here, neither the network nor the environment: settings, a URL and variables come in as arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitreg.core.manifest import ForgeSettings
from gitreg.errors import ConfigError

GITHUB = "github"
GITLAB = "gitlab"
GITHUB_COM = "github.com"
GITLAB_COM = "gitlab.com"
#: GitHub Enterprise Cloud with data residency: https://docs.github.com/en/enterprise-cloud@latest/admin/data-residency
GHE_COM = ".ghe.com"

_NAMES = {GITHUB: "GitHub", GITLAB: "GitLab"}
# Other names of the same places: https://docs.github.com/en/authentication/troubleshooting-ssh/using-ssh-over-the-https-port,
# https://docs.gitlab.com/user/gitlab_com/#alternative-ssh-port
_SAME = {
    "ssh.github.com": GITHUB_COM,
    "www.github.com": GITHUB_COM,
    "altssh.gitlab.com": GITLAB_COM,
    "www.gitlab.com": GITLAB_COM,
}
_PORTS = {"https": "443", "http": "80"}
_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?\Z")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
# The scp-like form has no slash before its first colon: https://git-scm.com/docs/git-clone#_git_urls
_SCP = re.compile(r"(?:[^/:@]*@)?(?P<host>\[[^\]/]+\]|[^/:@\[\]]+):(?P<path>[^:].*)\Z", re.DOTALL)
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#]*)/*(?P<path>.*)\Z", re.DOTALL | re.IGNORECASE
)
_SAY = "say forge.host and forge.repository in gitreg.yaml"


@dataclass(frozen=True, slots=True)
class Address:
    """A repository on a hosted forge.

    ``host`` is in lower case, with its port where that is not the scheme's own; ``repository`` is ``owner/name``,
    on GitLab perhaps with subgroups; ``api`` is the base URL of the REST API, without a slash at its end.
    """

    provider: str
    scheme: str
    host: str
    repository: str
    api: str

    @property
    def web(self) -> str:
        """The base URL of the web pages, without a slash at its end."""
        return f"{self.scheme}://{self.host}"

    @property
    def page(self) -> str:
        """The web page of the repository."""
        return f"{self.web}/{self.repository}"


@dataclass(frozen=True, slots=True)
class _Remote:
    """What a remote's URL says. ``scheme`` is None where it is not that of a web server."""

    scheme: str | None
    host: str
    path: str


def find_address(settings: ForgeSettings, origin: str | None, environment: Mapping[str, str]) -> Address:
    """The repository in which change requests live.

    What the settings say goes before what ``origin``'s URL says: a person's ``origin`` may be a fork, or call the
    server by another name of their ``ssh`` configuration. What the settings leave open is read off the URL.

    Args:
        settings: ``forge`` in ``gitreg.yaml``, of a hosted forge.
        origin: the URL of the remote ``origin`` as git uses it; None if there is no such remote.
        environment: may say where the API is (``GITHUB_API_URL``, ``CI_API_V4_URL``), for the server that it names
            (``GITHUB_SERVER_URL``, ``CI_SERVER_URL``) and for no other. See
            https://docs.github.com/en/actions/reference/workflows-and-actions/variables and
            https://docs.gitlab.com/ci/variables/predefined_variables/.

    Raises:
        ConfigError: there is no ``origin``, or it is on no server, or what it says is not the name of a repository;
            or the connection would not be encrypted.
    """
    called = _NAMES[settings.provider]
    if origin is None:
        raise ConfigError(
            f"there is no remote 'origin', so no repository on {called}", "git remote add origin URL"
        )
    remote = _parsed(origin, called)
    host = server(settings.host) if settings.host else remote.host
    if host is None:
        raise ConfigError(
            f"forge.host: {settings.host!r} is not the name of a server", "write github.example.com, say"
        )
    scheme = "http" if remote.scheme == "http" else "https"
    if scheme == "http" and not is_loopback(host):
        raise ConfigError(
            f"origin: http://{host} would send a token unencrypted",
            f"git remote set-url origin https://{host}/{remote.path}",
        )
    repository = _repository(settings.provider, settings.repository or remote.path, host)
    return Address(
        settings.provider, scheme, host, repository, _api(settings.provider, scheme, host, environment)
    )


def _parsed(origin: str, called: str) -> _Remote:
    """The parts of a URL in any form that git takes, without user and password."""
    url, scp = _URL.match(origin), _SCP.match(origin)
    scheme = url["scheme"].lower() if url else "ssh"
    found = url or scp
    if found is None or scheme == "file":
        raise ConfigError(
            f"origin is the folder {origin!r}, not a repository on {called}", "git remote set-url origin URL"
        )
    if scheme not in _PORTS and scheme not in _SSH:
        raise ConfigError(
            f"origin: gitreg does not know {called} by a {scheme}:// URL", "use an https or ssh URL"
        )
    host = server(found["host"].rpartition("@")[2], scheme)
    if host is None:
        raise ConfigError(f"origin: its URL names no server of {called}", _SAY)
    return _Remote(scheme if scheme in _PORTS else None, host, found["path"])


def server(host: str, scheme: str = "https") -> str | None:
    """A server's name in the one spelling in which names are compared; None if it can be none.

    A port stays only where it says something: for ``ssh`` it does not say where the web server is.
    """
    lower = host.lower()
    if not _HOST.match(lower):
        return None
    name, colon, port = lower.rpartition(":")
    if not colon or "]" in port:
        name, port = lower, ""
    name = _SAME.get(name, name)
    return f"{name}:{port}" if port and scheme in _PORTS and port != _PORTS[scheme] else name


def is_loopback(host: str) -> bool:
    """Whether a server (with or without a port) is this very machine, so that nobody can listen in between."""
    from ipaddress import ip_address

    name = re.sub(r":[0-9]+\Z", "", host) if not host.endswith("]") else host
    if name == "localhost" or name.endswith(
        ".localhost"
    ):  # https://datatracker.ietf.org/doc/html/rfc6761#section-6.3
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _repository(provider: str, path: str, host: str) -> str:
    """``path`` without what URLs have around a name. What names are: https://docs.gitlab.com/user/reserved_names/."""
    name = path.strip("/").removesuffix(".git").rstrip("/")
    parts = name.split("/")
    right = len(parts) == 2 if provider == GITHUB else len(parts) >= 2
    if right and all(_PART.match(part) for part in parts) and len(name) <= 1024:
        return name
    form = "owner/name" if provider == GITHUB else "group/name"
    raise ConfigError(
        f"{name[:200]!r} is not the name of a repository on {host}",
        f"it is {form}; set origin's URL, or {_SAY}",
    )


def _api(provider: str, scheme: str, host: str, environment: Mapping[str, str]) -> str:
    """The API's base URL: as CI says for this very server, else as the vendors document it."""
    where, what = {
        GITHUB: ("GITHUB_SERVER_URL", "GITHUB_API_URL"),
        GITLAB: ("CI_SERVER_URL", "CI_API_V4_URL"),
    }[provider]
    told = environment.get(what, "").rstrip("/")
    if told and named_server(environment, where) == host:
        return _demand_safe(told, what)
    if provider == GITLAB:
        return f"{scheme}://{host}/api/v4"  # https://docs.gitlab.com/api/rest/
    if host == GITHUB_COM or host.endswith(GHE_COM):
        return f"https://api.{host}"  # https://docs.github.com/en/rest
    return f"{scheme}://{host}/api/v3"  # https://docs.github.com/en/enterprise-server@latest/rest


def _demand_safe(url: str, variable: str) -> str:
    found = _URL.match(url)
    scheme = found["scheme"].lower() if found else ""
    host = server(found["host"], scheme) if found else None
    if host is None or not (scheme == "https" or (scheme == "http" and is_loopback(host))):
        raise ConfigError(f"{variable} is not an https:// URL", f"unset {variable}, or correct it")
    return url


def named_server(environment: Mapping[str, str], variable: str) -> str | None:
    """The server that a variable names, as a URL or by its name alone; None if it is not set, or names none."""
    told = environment.get(variable, "")
    found = _URL.match(told)
    if found is None:
        return server(told)
    return server(found["host"].rpartition("@")[2], found["scheme"].lower())


def provider_of(host: str, environment: Mapping[str, str]) -> str | None:
    """Which forge a server is, by its well-known name or by what the environment calls it; None if nothing tells."""
    if host == GITHUB_COM or host.endswith(GHE_COM):
        return GITHUB
    if host == GITLAB_COM:
        return GITLAB
    for provider, variables in (
        (GITHUB, ("GH_HOST", "GITHUB_SERVER_URL")),
        (GITLAB, ("GITLAB_HOST", "CI_SERVER_URL")),
    ):
        if host in {named_server(environment, variable) for variable in variables}:
            return provider
    return None
