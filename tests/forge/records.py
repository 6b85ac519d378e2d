"""What a hosted forge knows, and what goes over its wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from forge.bare import Bare


@dataclass(slots=True)
class Account:
    """Somebody who can act. ``kind`` is ``User`` or ``Bot``; commits are theirs by ``emails``."""

    login: str
    id: int
    kind: str = "User"
    name: str = ""
    emails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """A secret, for whom it acts and what it may be used for. ``kind`` and ``scopes`` are the vendor's words.

    ``repositories`` are the full names that it is for, in lower case; empty is all.
    """

    value: str
    login: str
    kind: str = "classic"
    scopes: tuple[str, ...] = ()
    expires: datetime | None = None
    repositories: tuple[str, ...] = ()


@dataclass(slots=True)
class Hosted:
    """A repository on the host. ``access`` is each login's level, in the vendor's words."""

    full_name: str
    id: int
    bare: Bare
    private: bool = False
    default_branch: str = "main"
    access: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """The namespace that it is in."""
        return self.full_name.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its name in there."""
        return self.full_name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Push:
    """One ref that moved: from what to what (:data:`NOTHING` where it was not or is no more), by whom and when.

    ``how`` is ``push``, or what else moved it, in the forge's words.
    """

    repository: str
    ref: str
    before: str
    after: str
    login: str
    at: datetime
    how: str = "push"
    forced: bool = False


@dataclass(slots=True)
class ApiRequest:
    """One call. ``path`` is below the API's prefix, as it was sent; ``params`` are its decoded parts."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any
    token: Token | None = None
    params: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """The body, where it is an object; else an empty one."""
        return self.body if isinstance(self.body, dict) else {}


@dataclass(slots=True)
class Answer:
    """What the API says: a status, JSON (None is no content) and headers."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """An answer that ends an operation early."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status, answer.body)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call and its answer, as they went over the wire. ``status`` 0 is a connection that was dropped."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    status: int
    answer: Any
    answer_headers: Mapping[str, str]


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next ``times`` calls of ``method`` whose path begins with ``path``.

    ``answer`` None drops the connection. ``after`` lets the call take effect first: only its answer is lost.
    A git request's path is the URL's, such as ``/owner/name.git/git-receive-pack``.
    """

    answer: Answer | None
    method: str | None = None
    path: str = "/"
    times: int = 1
    after: bool = False

    def meets(self, method: str, path: str) -> bool:
        """Whether it is about this call."""
        return self.times > 0 and self.method in (None, method) and path.startswith(self.path)
