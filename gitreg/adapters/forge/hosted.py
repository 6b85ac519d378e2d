"""What the adapters of hosted forges share: the kinds of answer that are no success, and a few small helpers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from gitreg.errors import ConfigError, GitregError, Refused, Undecided

#: A JSON object, as an API gives it.
Json = Mapping[str, Any]

T = TypeVar("T")

#: Marks the one comment that gitreg keeps.
STATUS = "<!-- gitreg:status -->"
#: For so few commits it is cheaper to ask about each than to read the list of all requests that are over.
FEW = 5

# https://docs.github.com/en/pull-requests/committing-changes-to-your-project/creating-and-editing-commits/creating-a-commit-with-multiple-authors
_CO_AUTHOR = re.compile(r"^[ \t]*co-authored-by[ \t]*:[^<\n]*<([^>\n]*)>", re.IGNORECASE | re.MULTILINE)


class NotPermitted(ConfigError):
    """The token may not do this."""


class Unknown(ConfigError):
    """The forge says that there is no such thing; it says the same of what a token may not see."""


class Unreachable(Undecided):
    """No answer, or none that tells anything: what was asked for may have been done or not."""


class Conflict(Refused):
    """409: what was asked for does not fit the state that things are in by now."""


class NotPossible(Refused):
    """405, and on GitLab 422: the forge's rules for the branch or the project say no."""


def once(create: Callable[[], T], find: Callable[[], T | None]) -> T:
    """Makes something, or finds what is there already: by somebody else, or by a call whose answer was lost."""
    try:
        return create()
    except (Refused, Unreachable) as error:
        found = None
        with suppress(GitregError):
            found = find()
        if found is None:
            raise error from error.__cause__
        return found


def same_text(one: str, other: str) -> bool:
    """Whether two texts are the same to a forge: its forms send CRLF, and it may keep no space around them."""
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def co_authors(message: str) -> list[str]:
    """The e-mail addresses in a commit's ``Co-authored-by`` trailers, which anybody may write."""
    return _CO_AUTHOR.findall(message)


def json_object(data: object) -> Json:
    """A JSON object. Raises ValueError, which is told as an answer that makes no sense."""
    if not isinstance(data, dict):
        raise ValueError("not an object")
    return data


def json_list(data: object) -> list[object]:
    """A JSON list. Raises ValueError, which is told as an answer that makes no sense."""
    if not isinstance(data, list):
        raise ValueError("not a list")
    return data


def time_of(headers: Mapping[str, Any]) -> datetime | None:
    """The server's time in UTC, by headers in lower case: https://www.rfc-editor.org/rfc/rfc9110#field.date."""
    try:
        return parsedate_to_datetime(str(headers.get("date"))).astimezone(UTC)
    except ValueError:
        return None


def innermost(error: BaseException) -> BaseException:
    """What an error of ``requests`` is about: it wraps one of urllib3's, which wraps others."""
    seen: list[BaseException] = [error]
    while True:
        last = seen[-1]
        inner = getattr(last, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in last.args if isinstance(arg, BaseException)), None)
        if inner is None or inner in seen:
            return last
        seen.append(inner)
