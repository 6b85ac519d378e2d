"""What GitHub's refusals, and its silence, mean for a person: one line, and what to do about it.

https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from github.GithubException import GithubException, RateLimitExceededException
from requests import RequestException
from requests.exceptions import SSLError, Timeout

from gitreg.adapters.forge.address import Address
from gitreg.adapters.forge.github.retry import wait_of
from gitreg.adapters.forge.hosted import Conflict, NotPermitted, NotPossible, Unknown, Unreachable, innermost
from gitreg.adapters.forge.tokens import Token
from gitreg.errors import ConfigError, GitregError, Refused, Undecided

#: What GitHub asks for where a secondary limit names no time.
_USUAL_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, of whom, and with which token, for the error's line. ``doing`` is ``merge #4``, say."""

    doing: str
    address: Address
    token: Token

    def explained(self, error: Exception) -> GitregError:
        """The error to raise for what PyGithub raised."""
        if isinstance(error, GithubException):
            return self._answered(error)
        if isinstance(error, RequestException):
            return self._unanswered(error)
        return Unreachable(
            f"cannot {self.doing}: what {self.address.host} answers makes no sense ({type(error).__name__})",
            "try again; a proxy in between may be the cause",
        )

    def _answered(self, error: GithubException) -> GitregError:
        headers = {name.lower(): str(value) for name, value in (error.headers or {}).items()}
        reason = said(error)
        if isinstance(error, RateLimitExceededException) or error.status == 429 or _is_limit(error, headers):
            return self._limited(headers)
        if error.status >= 500:
            return Unreachable(
                f"cannot {self.doing}: {self.address.host} answers with status {error.status}",
                "try again later",
            )
        if error.status == 401:
            return self._not_known(reason)
        if error.status == 403:
            return self._forbidden(reason, headers)
        if error.status == 404:
            return Unknown(
                f"cannot {self.doing}: {self.address.host} knows no such thing in {self.address.repository},"
                " or does not show it",
                f"check the name, and that {self._named} may read and write there",
            )
        kind = {405: NotPossible, 409: Conflict}.get(error.status, Refused)
        return kind(f"cannot {self.doing}: GitHub says: {reason}", _remedy(reason))

    @property
    def _named(self) -> str:
        return f"the token from {self.token.source}"

    def _not_known(self, reason: str) -> ConfigError:
        return ConfigError(
            f"cannot {self.doing}: {self.address.host} does not accept {self._named} ({reason})",
            "it has expired or was revoked: make another one, or run gh auth login",
        )

    def _forbidden(self, reason: str, headers: Mapping[str, str]) -> GitregError:
        message = f"cannot {self.doing}: {self.address.host} does not let {self._named} do that: {reason}"
        if "archived" in reason.lower():
            return Refused(message, "an archived repository is only for reading")
        if "not permitted to create or approve" in reason:
            return NotPermitted(
                message,
                "allow it in the repository's settings, under Actions, General; or use an App's token",
            )
        sso = re.search(r"url=(\S+)", headers.get("x-github-sso", ""))
        if sso:
            return NotPermitted(message, f"allow the token for the organisation: {sso[1]}")
        return NotPermitted(message, _needed(headers))

    def _limited(self, headers: Mapping[str, str]) -> Undecided:
        seconds = wait_of(headers)
        end = datetime.now(UTC) + timedelta(seconds=_USUAL_WAIT if seconds is None else seconds)
        return Undecided(
            f"cannot {self.doing}: {self.address.host} wants fewer requests until {end:%Y-%m-%d %H:%M:%S} UTC",
            "run it again then; what has been done is not done twice",
        )

    def _unanswered(self, error: RequestException) -> Unreachable:
        cause = str(innermost(error)) or type(error).__name__
        plain = re.sub(r"<[^>]* object at 0x[0-9a-f]+>:? ?|[\x00-\x1f]", "", cause)[:200]
        if isinstance(error, Timeout):
            plain = "it does not answer in time"
        hint = "check the network, then run it again"
        if isinstance(error, SSLError):
            hint = "REQUESTS_CA_BUNDLE=FILE names the certificates to trust"
        return Unreachable(f"cannot {self.doing}: {self.address.host} could not be reached: {plain}", hint)


def said(error: GithubException) -> str:
    """GitHub's own reason, in one line: its message, and what it has against single fields."""
    data = error.data if isinstance(error.data, dict) else {}
    found = data.get("errors")
    details = found if isinstance(found, list) else [found] if found else []
    general = data.get("message") or error.message
    # The GraphQL API has errors alone: https://docs.github.com/en/graphql/guides/using-graphql-clients
    words = [str(general or f"status {error.status}")] if general or not details else []
    words += [_detail(detail) for detail in details]
    lines = [line.strip() for word in words for line in word.split("\n") if line.strip()]
    told = "; ".join([*(line.removesuffix(".") for line in lines[:-1]), *lines[-1:]])
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", told)[:500]


def _remedy(reason: str) -> str | None:
    """What to do where GitHub's reason says what is wrong, and not that."""
    if "your own pull request" in reason.lower():
        return "nobody approves their own change: ask somebody else to"
    return None


def _detail(detail: object) -> str:
    if not isinstance(detail, dict):
        return str(detail)
    return str(detail.get("message") or " ".join(str(detail[k]) for k in ("field", "code") if k in detail))


def _is_limit(error: GithubException, headers: Mapping[str, str]) -> bool:
    return error.status == 403 and (
        "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in said(error).lower()
    )


def _needed(headers: Mapping[str, str]) -> str:
    """Which permission is missing, where GitHub says so.

    https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#resource-not-accessible,
    https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
    """
    permissions = headers.get("x-accepted-github-permissions", "")
    scopes, had = headers.get("x-accepted-oauth-scopes", ""), headers.get("x-oauth-scopes")
    if permissions:
        return f"it needs the permission {permissions.replace(';', ' or').replace(',', ' and ')}"
    if scopes and had is not None:
        return f"it needs one of the scopes {scopes}; it has {had or 'none'}"
    return "give it access to the repository: contents, pull requests and issues, for reading and writing"
