"""What started a run of CI, as the environment of the run says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """What a run of CI can be about.

    A change request was opened, changed or reviewed; a merge queue tries what would land; a branch was moved; or
    nothing that could be judged (a schedule, a tag, a button).
    """

    REQUEST = "request"
    GROUP = "group"
    PUSH = "push"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CiEvent:
    """What a run of CI is about, as the environment that CI gives it says.

    ``system`` is ``github`` or ``gitlab``, ``name`` what that calls the event. ``branch`` is the one that would be, or
    was, moved: a short name. ``head`` is the request's last commit, the queue's, or where the branch was moved to
    (None: it was deleted); ``base`` is what the queue builds on, or where the branch was before (None: nowhere, or CI
    does not say). ``request`` is the number of the request ("" if CI does not say). ``forced``: CI says that the branch
    did not go on from where it was. ``default_branch`` is the repository's, which no request chooses; None if CI does
    not say.
    """

    kind: EventKind
    system: str
    name: str
    branch: str = ""
    head: str | None = None
    base: str | None = None
    request: str = ""
    forced: bool = False
    default_branch: str | None = None
