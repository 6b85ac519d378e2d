"""The settings of a hosted forge on which a registry's rules rest, as facts, and the port that reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Unread:
    """Stands for a setting that could not be read; ``why`` is for people."""

    why: str


@dataclass(frozen=True, slots=True)
class RequiredCheck:
    """A check that must be green; ``app`` is the id of the only App that can report it (None: anybody can)."""

    name: str
    app: int | None = None


@dataclass(frozen=True, slots=True)
class BranchRules:
    """What one ruleset of GitHub, or its classic branch protection, asks on one branch.

    ``reviews`` counts the approving reviews that a pull request needs (None: a pull request is not needed).
    ``merge_methods`` are those that are allowed (None: it does not say); ``queue`` is the method of a merge queue, if
    requests go through one; ``workflows`` are those of other repositories that must be green. ``bypass`` says who may
    go around all this.
    """

    source: str
    bars_deletion: bool = False
    bars_force_push: bool = False
    reviews: int | None = None
    code_owner_review: bool = False
    dismisses_stale: bool = False
    last_push_approval: bool = False
    merge_methods: frozenset[str] | None = None
    checks: tuple[RequiredCheck, ...] = ()
    up_to_date: bool = False
    queue: str | None = None
    workflows: tuple[str, ...] = ()
    bypass: tuple[str, ...] | Unread = ()


@dataclass(frozen=True, slots=True)
class GithubSettings:
    """The settings of a repository on GitHub on which the registry's branch depends.

    ``rules`` has an entry for each ruleset, and for classic protection; ``hidden`` says why there may be more that
    could not be read. ``merge_methods`` are those that the repository allows at all. ``owners_errors`` is what GitHub
    has against CODEOWNERS (None: there is no such file). ``token_permissions`` (``read`` or ``write``) is what a
    workflow's token may do by default; ``actions_may_approve`` whether it may approve pull requests. ``time`` is the
    server's, in UTC.
    """

    host: str
    branch: str
    default_branch: str
    private: bool
    rules: tuple[BranchRules, ...] | Unread
    hidden: Unread | None
    merge_methods: frozenset[str] | Unread
    owners_errors: tuple[str, ...] | Unread | None
    token_permissions: str | Unread
    actions_may_approve: bool | Unread
    deletes_branches: bool | Unread
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class GitlabBranch:
    """How GitLab protects one branch, all matching rules taken together.

    ``pushers`` are those who may push to it without a merge request; ``code_owner_approval`` is None where this GitLab
    has no such setting.
    """

    pushers: tuple[str, ...]
    force_push: bool
    code_owner_approval: bool | None


@dataclass(frozen=True, slots=True)
class GitlabApprovals:
    """What GitLab lets an approval be. All are of the project: an instance or a group may set them for it."""

    reset_on_push: bool
    by_author: bool
    by_committers: bool
    overridable: bool


@dataclass(frozen=True, slots=True)
class GitlabSettings:
    """The settings of a project on GitLab on which the registry's branch depends.

    ``protection`` and ``approvals`` are None where there are none. ``merge_method`` is ``merge``, ``rebase_merge``
    (only what is up to date is merged) or ``ff``; ``ci_config`` is where pipelines are defined ("" is the usual file).
    ``job_token_limited``: only listed projects' jobs may come in with their token. ``time`` is the server's, in UTC.
    """

    host: str
    branch: str
    default_branch: str
    private: bool
    protection: GitlabBranch | Unread | None
    approvals: GitlabApprovals | Unread | None
    pipeline_must_succeed: bool | Unread
    skipped_counts: bool | Unread
    merge_method: str | Unread
    merge_trains: bool
    ci_config: str | Unread
    deletes_branches: bool | Unread
    job_token_limited: bool | Unread
    time: datetime | None = None


class ForgeInspector(Protocol):
    """Reads the settings of a hosted forge, and changes none."""

    def settings(self, branch: str) -> GithubSettings | GitlabSettings:
        """The settings as they are now. What the token may not see is ``Unread``.

        Raises:
            ConfigError: the token is not accepted, or there is no such repository for it. Undecided: no answer.
        """
        ...
