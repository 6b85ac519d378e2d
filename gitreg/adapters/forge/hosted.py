"""What the adapters of hosted forges share: the kinds of answer that are no success, and a few small helpers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from gitreg.errors import ConfigError, GitregError, Refused, Undecided

#: A JSON object, as an API gives it.
Json = Mapping[str, Any]

T = TypeVar("T")


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
