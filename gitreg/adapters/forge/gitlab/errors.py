"""What GitLab's refusals, and its silence, mean for a person: one line, and what to do about it.

https://docs.gitlab.com/api/rest/troubleshooting/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gitlab.exceptions import GitlabError, GitlabParsingError, RedirectError
from requests import RequestException
from requests.exceptions import SSLError, Timeout, TooManyRedirects

from gitreg.adapters.forge.address import Address
from gitreg.adapters.forge.gitlab.api import NotAccepted, wait_of
from gitreg.adapters.forge.hosted import Conflict, NotPermitted, NotPossible, Unknown, Unreachable, innermost
from gitreg.adapters.forge.tokens import JOB, Token
from gitreg.errors import ConfigError, GitregError, Refused, Undecided

#: What is taken for the time where a limit names none.
_USUAL_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, of whom, with which token, and the answer's headers. ``doing`` is ``merge !4``, say."""

    doing: str
    address: Address
    token: Token
    headers: Mapping[str, str]

    def explained(self, error: Exception) -> GitregError:
        """The error to raise for what python-gitlab raised."""
        if isinstance(error, TooManyRedirects | RedirectError):
            return ConfigError(
                f"cannot {self.doing}: {self.address.repository} on {self.address.host} has moved",
                "git remote set-url origin URL, and see forge in gitreg.yaml",
            )
        if isinstance(error, GitlabError) and not isinstance(error, GitlabParsingError):
            return self._answered(error)
        if isinstance(error, RequestException) and not isinstance(error, ValueError):
            return self._unanswered(error)
        return Unreachable(
            f"cannot {self.doing}: what {self.address.host} answers makes no sense ({type(error).__name__})",
            "try again; a proxy in between may be the cause",
        )

    def _answered(self, error: GitlabError) -> GitregError:
        status, reason = error.response_code or 0, said(error)
        if status == 429:
            return self._limited()
        if status >= 500:
            return Unreachable(
                f"cannot {self.doing}: {self.address.host} answers with status {status}", "try again later"
            )
        if self.token.kind == JOB and status in (401, 403, 404):
            return NotPermitted(
                f"cannot {self.doing}: a job token ({self.token.source}) may not do that (status {status})",
                "give a project access token with the scope api in GITLAB_TOKEN",
            )
        kinds = {401: self._not_known, 403: self._forbidden, 404: self._missing}
        if status in kinds:
            return kinds[status](reason)
        kind = {405: NotPossible, 409: Conflict, 422: NotPossible}.get(status, Refused)
        return kind(f"cannot {self.doing}: GitLab says: {reason}")

    @property
    def _named(self) -> str:
        return f"the token from {self.token.source}"

    def _not_known(self, reason: str) -> ConfigError:
        return NotAccepted(
            f"cannot {self.doing}: {self.address.host} does not accept {self._named} ({reason})",
            "it has expired or was revoked, or its account may not do this: make another with the scope api",
        )

    def _forbidden(self, reason: str) -> ConfigError:
        hint = "its account needs the role Developer in the project, or a higher one"
        if "insufficient_scope" in reason or "higher privileges" in reason:
            hint = "make another token with the scope api"
        return NotPermitted(
            f"cannot {self.doing}: {self.address.host} does not let {self._named} do that: {reason}", hint
        )

    def _missing(self, reason: str) -> ConfigError:
        return Unknown(
            f"cannot {self.doing}: {self.address.host} knows no such thing in {self.address.repository},"
            f" or does not show it ({reason})",
            f"check the name, and that {self._named} may read and write there",
        )

    def _limited(self) -> Undecided:
        seconds = wait_of(self.headers)
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


def said(error: GitlabError) -> str:
    """GitLab's own reason, in one line: https://docs.gitlab.com/api/rest/troubleshooting/#status-codes.

    ``message`` is a text, a list of texts, or lists of texts by the field that they are about; OAuth's errors have
    ``error`` and ``error_description``.
    """
    words = _words(_body(error)) or [str(error.error_message or f"status {error.response_code}")]
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", "; ".join(words))[:500]


def _body(error: GitlabError) -> object:
    try:
        found = json.loads(error.response_body or b"null")
    except ValueError:
        return None
    if not isinstance(found, dict):
        return found
    return [found[key] for key in ("message", "error", "error_description") if found.get(key)]


def _words(said: object) -> list[str]:
    if isinstance(said, Mapping):
        return [f"{field} {word}" for field, value in said.items() for word in _words(value)]
    if isinstance(said, list):
        return [word for each in said for word in _words(each)]
    return [] if said is None else [str(said)]
