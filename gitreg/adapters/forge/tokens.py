"""Which token goes to which server, and no token to any other.

A variable's token has a home. To send it elsewhere would hand it to whoever wrote that host into ``gitreg.yaml``.
The homes are those of the vendors' own tools: https://cli.github.com/manual/gh_help_environment,
https://gitlab.com/gitlab-org/cli#environment-variables.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from gitreg.adapters.forge.address import GHE_COM, GITHUB, GITHUB_COM, GITLAB_COM, named_server
from gitreg.errors import ConfigError

#: How long ``gh`` may take, in seconds: a keyring may want to be unlocked.
_PATIENCE = 20.0
_HIDDEN = "[token]"

JOB = "GitLab CI job token"
# https://github.blog/engineering/behind-githubs-new-authentication-token-formats/,
# https://docs.gitlab.com/security/tokens/#token-prefixes; the longer prefix first.
_KINDS = (
    ("github_pat_", "GitHub fine-grained personal access token"),
    ("ghp_", "GitHub classic personal access token"),
    ("gho_", "GitHub OAuth token"),
    ("ghu_", "GitHub App user token"),
    ("ghs_", "GitHub App installation token"),
    ("glpat-", "GitLab access token"),
    ("gldt-", "GitLab deploy token"),
    ("gloas-", "GitLab OAuth token"),
    ("glcbt-", JOB),
)
_GH = ("GH_TOKEN", "GITHUB_TOKEN")
_GH_ENTERPRISE = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")


@dataclass(frozen=True, slots=True)
class Token:
    """A secret for one server. ``kind`` says what it can be expected to do; ``source`` is where it was found."""

    value: str = field(repr=False)
    kind: str
    source: str

    @property
    def user(self) -> str:
        """The name that goes with it where git wants one, too.

        https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app (git access),
        https://docs.gitlab.com/ci/jobs/ci_job_token/; other GitLab tokens take any name.
        """
        if self.kind == JOB:
            return "gitlab-ci-token"
        return "oauth2" if self.kind.startswith("GitLab") else "x-access-token"


@dataclass(frozen=True, slots=True)
class _Offer:
    """A variable that may hold a token, and the servers that the token is for."""

    variable: str
    homes: frozenset[str]

    def is_for(self, host: str) -> bool:
        # ``gh`` takes the tenants of ghe.com, which GitHub runs itself, for github.com.
        return host in self.homes or (host.endswith(GHE_COM) and GITHUB_COM in self.homes)


def find_token(provider: str, host: str, environment: Mapping[str, str]) -> Token:
    """The token for a server, from the environment, else for GitHub from ``gh``'s own store.

    Args:
        provider: ``github`` or ``gitlab``.
        host: the server, as :class:`gitreg.adapters.forge.address.Address` has it.
        environment: the variables; ``gh`` is looked for on its ``PATH``.

    Raises:
        ConfigError: there is none for this server. The error says which variables hold one for another server.
    """
    offers = _github(environment) if provider == GITHUB else _gitlab(environment)
    for offer in offers:
        value = environment.get(offer.variable, "").strip()
        if value and offer.is_for(host):
            return _token(value, offer.variable, provider)
    stored = _from_gh(host, environment) if provider == GITHUB else None
    if stored:
        return _token(stored, "gh auth token", provider)
    raise _none(provider, host, [offer for offer in offers if environment.get(offer.variable, "").strip()])


def _github(environment: Mapping[str, str]) -> Sequence[_Offer]:
    """In ``gh``'s order. Where Actions runs, its server's tokens are for no other, be it github.com."""
    named = named_server(environment, "GH_HOST")
    usual = frozenset(filter(None, (named_server(environment, "GITHUB_SERVER_URL") or GITHUB_COM, named)))
    enterprise = frozenset(filter(None, (named,))) - {GITHUB_COM}
    return [
        *(_Offer(variable, enterprise) for variable in _GH_ENTERPRISE),
        *(_Offer(variable, usual) for variable in _GH),
    ]


def _gitlab(environment: Mapping[str, str]) -> Sequence[_Offer]:
    """The job's token comes last: it can do least."""
    ci = named_server(environment, "CI_SERVER_URL")
    named = frozenset(filter(None, (named_server(environment, "GITLAB_HOST"), ci)))
    return [
        _Offer("GITLAB_TOKEN", named or frozenset((GITLAB_COM,))),
        _Offer("CI_JOB_TOKEN", frozenset(filter(None, (ci,)))),
    ]


def _token(value: str, source: str, provider: str) -> Token:
    if not re.fullmatch(r"[\x21-\x7e]{1,4096}", value):
        raise ConfigError(
            f"what {source} holds is not a token", "it has spaces or other odd characters in it"
        )
    if source == "CI_JOB_TOKEN":
        return Token(value, JOB, source)
    other = "GitHub token" if provider == GITHUB else "GitLab token"
    return Token(value, next((kind for prefix, kind in _KINDS if value.startswith(prefix)), other), source)


def _from_gh(host: str, environment: Mapping[str, str]) -> str | None:
    """What the person logged in with: https://cli.github.com/manual/gh_auth_token. None if gh has nothing to say.

    ``gh`` does not see the variables: it would give the enterprise token to any server.
    """
    program = shutil.which("gh", path=environment.get("PATH"))
    if program is None:
        return None
    hidden = {*_GH, *_GH_ENTERPRISE}
    try:
        done = subprocess.run(
            [program, "auth", "token", "--hostname", host],
            env={name: value for name, value in environment.items() if name not in hidden},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def _none(provider: str, host: str, others: Sequence[_Offer]) -> ConfigError:
    elsewhere = "; ".join(
        f"{offer.variable} is for {' and '.join(sorted(offer.homes)) or 'a server that nothing names'}"
        for offer in others
    )
    message = f"there is no token for {host}" + (f" ({elsewhere})" if elsewhere else "")
    if provider == GITHUB and host == GITHUB_COM:
        return ConfigError(message, "set GH_TOKEN or GITHUB_TOKEN, or run gh auth login")
    if provider == GITHUB:
        return ConfigError(
            message, f"set GH_HOST={host} and GH_ENTERPRISE_TOKEN, or run gh auth login --hostname {host}"
        )
    if host == GITLAB_COM:
        return ConfigError(message, "set GITLAB_TOKEN")
    return ConfigError(message, f"set GITLAB_HOST={host} and GITLAB_TOKEN")


def scrub(text: str, token: Token) -> str:
    """``text`` without the token: as it is, as in a URL, and as basic authentication sends it."""
    basic = base64.b64encode(f"{token.user}:{token.value}".encode()).decode()
    for form in (token.value, quote(token.value, safe=""), basic):
        text = text.replace(form, _HIDDEN)
    return text


@contextmanager
def scrubbing(token: Token) -> Iterator[None]:
    """Whatever error leaves the block does not contain the token: not in its text, its data, or its causes."""
    try:
        yield
    except Exception as error:
        _scrub_error(error, token)
        raise


def _scrub_error(error: BaseException, token: Token) -> None:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.args = tuple(_scrubbed(arg, token) for arg in each.args)
        for name, value in list(vars(each).items()):
            setattr(each, name, _scrubbed(value, token))
        waiting += [each.__cause__, each.__context__]


def _scrubbed(value: object, token: Token) -> object:
    """Plain data without the token; anything else stays as it is."""
    if isinstance(value, str):
        return scrub(value, token)
    if isinstance(value, bytes):
        return scrub(value.decode("latin-1"), token).encode("latin-1")
    if type(value) is list:
        return [_scrubbed(each, token) for each in value]
    if type(value) is tuple:
        return tuple(_scrubbed(each, token) for each in value)
    if isinstance(value, dict):
        return {_scrubbed(key, token): _scrubbed(each, token) for key, each in value.items()}
    return value
