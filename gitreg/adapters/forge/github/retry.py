"""How long gitreg waits for GitHub: a few short tries where nothing took effect, and one bounded time for rate limits.

PyGithub's own ``GithubRetry`` repeats POST requests, and waits for an hour where a limit says so. Here only reading is
repeated, and what surely never arrived. https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

from urllib3 import BaseHTTPResponse, Retry
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import MaxRetryError

from gitreg.errors import ConfigError

#: How often one request is repeated, and the first pause but one, in seconds; each further one is twice as long.
ATTEMPTS = 3
PAUSE = 0.2
#: How long rate limits may hold up one command, in seconds, all its requests together.
LIMIT = 60.0

_READING = frozenset({"GET", "HEAD"})
_LIMITED = frozenset({403, 429})
_BROKEN = frozenset({500, 502, 503, 504})
_MOVED = frozenset({301, 302, 307, 308})


class Allowance:
    """The seconds that are left for rate limits."""

    def __init__(self, seconds: float = LIMIT) -> None:
        self._left = seconds

    def covers(self, seconds: float) -> bool:
        """Whether so much is left."""
        return seconds <= self._left

    def spend(self, seconds: float) -> None:
        """Waits."""
        self._left -= seconds
        time.sleep(seconds)


class Patience(Retry):
    """Decides whether a request is repeated. What it does not repeat goes to PyGithub as it is."""

    def __init__(self, allowance: Allowance | None = None, **how: Any) -> None:
        self.allowance = allowance or Allowance()
        how.setdefault("total", ATTEMPTS)
        how.setdefault("backoff_factor", PAUSE)
        how.setdefault("allowed_methods", _READING)
        how.setdefault("raise_on_status", False)
        super().__init__(**how)

    def new(self, **changed: Any) -> Self:
        """The same with other counts; the allowance is one for all."""
        return super().new(allowance=self.allowance, **changed)

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        """Whether an answer is looked at (``increment``) at all. A limit was met before anything took effect."""
        return (
            status_code in _LIMITED
            or status_code in _MOVED
            or (status_code in _BROKEN and method in _READING)
        )

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """The patience that is left after an answer or an error.

        Raises:
            MaxRetryError: none; the answer stands. ConfigError: the repository has another name by now.
        """
        if response is not None and response.status in _MOVED:
            response.close()
            raise ConfigError(
                "the repository has been renamed or moved",
                "git remote set-url origin URL, and see forge in gitreg.yaml",
            )
        if response is not None and not self._is_worth_waiting(response):
            raise MaxRetryError(_pool, url or "", None)  # type: ignore[arg-type]
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def _is_worth_waiting(self, response: BaseHTTPResponse) -> bool:
        seconds = wait_of(response.headers)
        if seconds is None:
            return response.status not in _LIMITED
        return self.allowance.covers(seconds)

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Waits as long as the answer says, else a moment."""
        seconds = wait_of(response.headers) if response is not None else None
        if seconds is None:
            super()._sleep_backoff()
        else:
            self.allowance.spend(seconds)


def wait_of(headers: Any) -> float | None:
    """For how many seconds GitHub asks to wait; None if these headers do not say that a limit is reached."""
    found = {str(name).lower(): str(value) for name, value in headers.items()}
    after = found.get("retry-after", "")
    if after:
        return _after(after)
    reset = found.get("x-ratelimit-reset", "")
    if found.get("x-ratelimit-remaining") != "0" or not reset.isdigit():
        return None
    return max(float(reset) - time.time() + 1, 0.0)  # the limit ends some time in that second


def _after(text: str) -> float | None:
    """https://datatracker.ietf.org/doc/html/rfc9110#field.retry-after: seconds, or a date."""
    if text.isdigit():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
