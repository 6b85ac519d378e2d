"""What a fake GitHub remembers beside git: requests, reviews, checks, runs and rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from forge.git_host import Hosted

#: The App that GitHub Actions' checks belong to.
ACTIONS_APP = 15368
#: Who commits what is merged by the button.
WEB_FLOW = ("GitHub", "noreply@github.com")
#: Repository roles, each with all that the ones before it may.
ROLES = ("none", "read", "triage", "write", "maintain", "admin")


@dataclass(slots=True)
class Review:
    """One review; ``commit`` is the head that it was given on."""

    id: int
    login: str
    state: str
    commit: str
    body: str
    at: datetime


@dataclass(slots=True)
class Comment:
    """One comment on a request."""

    id: int
    login: str
    body: str
    created: datetime
    updated: datetime


@dataclass(slots=True)
class Happening:
    """One entry of a timeline; ``extra`` is what its kind has beside the common keys."""

    id: int
    event: str
    login: str
    at: datetime
    commit: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(frozen=True, slots=True)
class AutoMerge:
    """Who wants a request to be merged by itself, and by which method."""

    login: str
    method: str


@dataclass(slots=True)
class Pull:
    """A pull request. ``head`` and ``base`` are commits as the request has seen them last."""

    number: int
    id: int
    login: str
    title: str
    body: str | None
    base_ref: str
    head_ref: str
    head_repository: str
    head: str
    base: str
    created: datetime
    updated: datetime
    draft: bool = False
    state: str = "open"
    closed: datetime | None = None
    merged: datetime | None = None
    merged_by: str | None = None
    merge_commit: str | None = None
    mergeable: bool | None = None
    maintainer_can_modify: bool = False
    auto_merge: AutoMerge | None = None
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)


@dataclass(slots=True)
class Check:
    """One check run. GitHub shows the newest of each suite; of several suites, all."""

    id: int
    name: str
    sha: str
    suite: int
    status: str
    conclusion: str | None
    started: datetime
    app: int = ACTIONS_APP


@dataclass(slots=True)
class Status:
    """One commit status."""

    id: int
    context: str
    sha: str
    state: str
    login: str
    at: datetime


@dataclass(slots=True)
class Run:
    """One workflow run; its one job is the check ``name`` in its suite. ``pulls`` are numbers.

    ``title`` is what its workflow's ``run-name`` came to; without one it is the name.
    """

    id: int
    number: int
    name: str
    path: str
    event: str
    sha: str
    branch: str | None
    login: str
    status: str
    conclusion: str | None
    at: datetime
    suite: int
    workflow: int
    attempt: int = 1
    pulls: tuple[int, ...] = ()
    title: str = ""
    #: Who ran it again; else who started it.
    again: str = ""
    ended: datetime | None = None


@dataclass(slots=True)
class Ruleset:
    """A ruleset as it was posted."""

    id: int
    data: dict[str, Any]
    created: datetime
    updated: datetime


@dataclass(slots=True)
class GitHubRepository(Hosted):
    """A repository and its settings. ``parent`` is what it is a fork of."""

    parent: str | None = None
    created: datetime | None = None
    pulls: dict[int, Pull] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    rulesets: dict[int, Ruleset] = field(default_factory=dict)
    #: Classic protection by branch, as the API shows it.
    protections: dict[str, dict[str, Any]] = field(default_factory=dict)
    merge_methods: tuple[str, ...] = ("merge", "squash")
    delete_branch_on_merge: bool = False
    allow_auto_merge: bool = False
    token_permissions: str = "read"
    actions_may_approve: bool = False
    last_number: int = 0
