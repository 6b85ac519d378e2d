"""What a GitLab knows of its projects, beyond their repositories."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from forge.records import Hosted

#: https://docs.gitlab.com/api/access_requests/#valid-access-levels; 0 is "no one" in protection rules.
LEVELS = {
    "none": 0,
    "guest": 10,
    "planner": 15,
    "reporter": 20,
    "developer": 30,
    "maintainer": 40,
    "owner": 50,
}


@dataclass(slots=True)
class Version:
    """One version of a merge request's diff: https://docs.gitlab.com/api/merge_requests/#get-merge-request-diff-versions."""

    id: int
    head: str
    base: str
    start: str
    at: datetime


@dataclass(slots=True)
class Note:
    """A comment, or with ``system`` what GitLab itself says of an event."""

    id: int
    login: str
    body: str
    at: datetime
    system: bool = False
    updated: datetime | None = None


@dataclass(slots=True)
class MergeRequest:
    """A merge request; ``sha`` is the head of its newest version."""

    id: int
    iid: int
    project: Hosted
    source_project: Hosted
    author: str
    title: str
    description: str
    source: str
    target: str
    at: datetime
    state: str = "opened"
    sha: str = ""
    labels: list[str] = field(default_factory=list)
    #: By login; the state as https://docs.gitlab.com/api/merge_requests/#get-single-merge-request-reviewers has it.
    reviewers: dict[str, str] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    #: By login, when.
    approvals: dict[str, datetime] = field(default_factory=dict)
    merged_at: datetime | None = None
    merged_by: str | None = None
    closed_at: datetime | None = None
    merge_commit: str | None = None
    squash_commit: str | None = None
    removes_source: bool = False
    #: Who has it merged once its pipeline has succeeded.
    auto_merge: str | None = None


@dataclass(slots=True)
class Protection:
    """A protected branch: https://docs.gitlab.com/api/protected_branches/. Levels are :data:`LEVELS`' numbers."""

    push: int = 40
    merge: int = 30
    allow_force: bool = False
    #: Premium alone has it.
    code_owners: bool = False


@dataclass(slots=True)
class Event:
    """One entry of a project's activity. ``count`` is that of a push of many refs, which names none of them."""

    id: int
    login: str
    ref: str | None
    before: str | None
    after: str | None
    at: datetime
    count: int | None = None


@dataclass(slots=True)
class Settings:
    """What a project's pages set, and what has happened there.

    ``tier`` is ``free`` or ``premium``; the five that follow exist on Premium alone
    (https://docs.gitlab.com/user/project/merge_requests/approvals/settings/). ``merge_method`` and ``squash`` are as in
    https://docs.gitlab.com/api/projects/. ``bulk`` is how many refs a push may move until its events name none
    (``push_event_activities_limit``).
    """

    tier: str = "premium"
    resets_approvals: bool = True
    author_may_approve: bool = False
    committers_may_approve: bool = True
    rules_overridable: bool = True
    approvals_required: int = 0
    merge_method: str = "merge"
    squash: str = "default_off"
    pipeline_must_succeed: bool = False
    #: Whether what is to merge by itself may wait for approvals, too, as new GitLabs have it.
    waits_for_approvals: bool = True
    skipped_passes: bool | None = None
    merge_trains: bool = False
    ci_config: str | None = None
    job_token_limited: bool = True
    bulk: int = 3
    #: Whether approvals tell when they were given, as new GitLabs do.
    dates_approvals: bool = True
    protections: dict[str, Protection] = field(default_factory=dict)
    requests: dict[int, MergeRequest] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    #: The status of the pipeline of each commit that has one.
    pipelines: dict[str, str] = field(default_factory=dict)
