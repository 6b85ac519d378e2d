"""One door to GitLab's REST API: python-gitlab, opened when first used, with errors that a person can act on.

https://docs.gitlab.com/api/rest/
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from gitreg.adapters.forge.address import Address
from gitreg.adapters.forge.hosted import Json, NotPermitted, json_list, json_object
from gitreg.adapters.forge.tokens import JOB, Token, scrubbing
from gitreg.errors import ConfigError, GitregError, Undecided

if TYPE_CHECKING:
    from gitlab import Gitlab
    from requests import Response

#: How long GitLab may take for one answer, in seconds.
TIMEOUT = 20.0
#: The largest page that there is.
PER_PAGE = 100
#: Nothing that is read here is longer; a server that never ends its list is not believed.
MOST_PAGES = 200
#: How often one request is repeated, and the first pause, in seconds; each further one is twice as long.
ATTEMPTS = 3
PAUSE = 0.2
#: How long rate limits may hold up one command, in seconds, all its requests together.
LIMIT = 60.0

_BROKEN = frozenset({500, 502, 503, 504})
_LIMITED = 429


class NotAccepted(NotPermitted):
    """401: nobody's token, or, where others of its requests were answered, no right to do this."""


class GitlabApi:
    """A project on GitLab, by its API. To make one asks nothing.

    python-gitlab's own retries repeat what writes as well, and wait as long as a limit says. So they are left off: here
    only reading is repeated, and what a limit has surely kept from being done, for a bounded time.

    Args:
        address: where the project is.
        token: what it is asked with.
    """

    def __init__(self, address: Address, token: Token) -> None:
        self.address = address
        self.token = token
        self._allowance = LIMIT
        self._headers: Mapping[str, str] = {}

    @property
    def root(self) -> str:
        """The project's path in the API: https://docs.gitlab.com/api/rest/#namespaced-paths."""
        return f"/projects/{quote(self.address.repository, safe='')}"

    @cached_property
    def client(self) -> Gitlab:
        """python-gitlab's client. Raises ConfigError where it is not installed."""
        try:
            from gitlab import Gitlab
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"python-gitlab is not installed ({error})", "pip install 'gitreg[gitlab]'"
            ) from error
        import requests

        session = requests.Session()
        # Whoever answers in GitLab's name could else have the token sent on to another server.
        session.max_redirects = 0
        session.hooks["response"] = [self._note]
        is_job = self.token.kind == JOB
        return Gitlab(
            self.address.api.removesuffix("/api/v4"),
            timeout=TIMEOUT,
            user_agent="gitreg",
            session=session,
            keep_base_url=True,
            job_token=self.token.value if is_job else None,
            oauth_token=None if is_job else self.token.value,
        )

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the last answer, by their names in lower case."""
        return self._headers

    def _note(self, response: Response, *_: object, **__: object) -> None:
        """Keeps an answer's headers: python-gitlab's errors do not have them."""
        self._headers = {name.lower(): value for name, value in response.headers.items()}

    @contextmanager
    def asking(self, doing: str) -> Iterator[None]:
        """Whatever goes wrong inside leaves as one of gitreg's errors, without the token.

        Args:
            doing: what it is about, for the line ``cannot DOING: …``.

        Raises:
            ConfigError: the token is not accepted, or may not do it (NotPermitted), or there is no such thing
                (Unknown).
            Refused: GitLab says no. Undecided: no answer (Unreachable), or a rate limit that takes too long.
        """
        with scrubbing(self.token):
            try:
                yield
            except (GitregError, ImportError):
                raise
            except Exception as error:
                from gitreg.adapters.forge.gitlab.errors import Asked

                asked = Asked(doing, self.address, self.token, self._headers)
                raise asked.explained(error) from error

    def get(self, doing: str, path: str, **query: str) -> Json:
        """One object. ``path`` begins behind the API's base URL. Raises as ``asking``."""
        with self.asking(doing):
            return json_object(self._request("get", path, query, None).json())

    def send(self, doing: str, verb: str, path: str, body: Json | None = None) -> Json:
        """Does something; nothing is done twice. Raises as ``asking``."""
        with self.asking(doing):
            answer = self._request(verb.lower(), path, {}, dict(body or {}))
            return json_object(answer.json()) if answer.content else {}

    def pages(self, doing: str, path: str, **query: str) -> Iterator[Json]:
        """All objects of a list, page by page as they are asked for. Raises as ``asking``.

        https://docs.gitlab.com/api/rest/#offset-based-pagination
        """
        page = "1"
        for _ in range(MOST_PAGES):
            with self.asking(doing):
                query |= {"per_page": str(PER_PAGE), "page": page}
                answer = self._request("get", path, query, None)
                found = [json_object(each) for each in json_list(answer.json())]
                page = str(answer.headers.get("X-Next-Page") or "")
            yield from found
            if not page:
                return
        raise Undecided(f"cannot {doing}: the list on {self.address.host} does not end")

    def _request(self, verb: str, path: str, query: Mapping[str, str], body: Json | None) -> Response:
        import requests
        from gitlab.exceptions import GitlabError

        for attempt in range(ATTEMPTS + 1):
            self._headers = {}
            try:
                return self.client.http_request(
                    verb,
                    path,
                    query_data=dict(query),
                    post_data=None if body is None else dict(body),
                    obey_rate_limit=False,
                    retry_transient_errors=False,
                    max_retries=0,
                )
            except GitlabError as error:
                self._wait(error, attempt, self._pause(verb, error.response_code, attempt))
            except (requests.ConnectionError, requests.Timeout) as error:
                self._wait(error, attempt, PAUSE * 2**attempt if verb == "get" else None)
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, verb: str, status: int | None, attempt: int) -> float | None:
        """How long to wait before a request is repeated, in seconds; None: it is not."""
        if status == _LIMITED:
            seconds = wait_of(self._headers)
            seconds = PAUSE * 2**attempt if seconds is None else seconds
            if seconds > self._allowance:
                return None
            self._allowance -= seconds
            return seconds
        return PAUSE * 2**attempt if status in _BROKEN and verb == "get" else None

    def _wait(self, error: Exception, attempt: int, pause: float | None) -> None:
        if pause is None or attempt == ATTEMPTS:
            raise error
        time.sleep(pause)

    def close(self) -> None:
        """Ends the connections."""
        if "client" in self.__dict__:
            self.client.session.close()


def wait_of(headers: Mapping[str, str]) -> float | None:
    """For how many seconds GitLab asks to wait; None if these headers (in lower case) do not say it.

    https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers
    """
    after, reset = headers.get("retry-after", ""), headers.get("ratelimit-reset", "")
    if after.isdigit():
        return float(after)
    return max(float(reset) - time.time(), 0.0) if reset.isdigit() else None
