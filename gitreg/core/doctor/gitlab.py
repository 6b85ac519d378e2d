"""What GitLab must enforce on the registry's branch, and whether it does.

A merge request brings its own ``.gitlab-ci.yml``. What holds a green pipeline: nobody pushes past a request, the rules
owners look at every change of that file (or it is in another project), and approvals are of what is merged.

https://docs.gitlab.com/user/project/repository/branches/protection_rules/,
https://docs.gitlab.com/user/project/merge_requests/approvals/settings/
"""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.doctor.point import Point, unread
from gitreg.core.forge_settings import GitlabApprovals, GitlabBranch, GitlabSettings, Unread

_MAINTAINER = "let a maintainer of the project run gitreg doctor --forge"
_BRANCHES = "Settings, Repository, Protected branches"
_REQUESTS = "Settings, Merge requests"


def gitlab_points(facts: GitlabSettings) -> list[Point]:
    """The points about a project's settings, those that are needed first."""
    return [
        *_branch(facts),
        *_pipeline(facts),
        _merge_method(facts.merge_method),
        _up_to_date(facts.merge_method, facts.merge_trains),
        *_approvals(facts),
        *_advice(facts),
    ]


def is_elsewhere(ci_config: str | Unread) -> bool:
    """Whether pipelines are defined out of a merge request's reach: in another project, or at a URL.

    https://docs.gitlab.com/ci/pipelines/settings/#specify-a-custom-cicd-configuration-file
    """
    return isinstance(ci_config, str) and ("@" in ci_config or "://" in ci_config)


def _branch(facts: GitlabSettings) -> Iterator[Point]:
    branch, found = facts.branch, facts.protection
    if isinstance(found, Unread):
        for name in ("push", "force push", "code owners"):
            yield unread(name, found, _MAINTAINER)
        return
    if found is None:
        yield Point("push", False, f"{branch} is not protected", f"{_BRANCHES}: protect {branch}")
        found = GitlabBranch((), True, False)
    elif found.pushers:
        text = f"{branch} can be pushed to without a merge request, by {', '.join(found.pushers)}"
        yield Point("push", False, text, f"{_BRANCHES}: allowed to push and merge: no one")
    else:
        yield Point("push", True, f"{branch} changes by merge requests alone")
    if found.force_push:
        text = f"{branch} can be rewritten by a force push"
        yield Point("force push", False, text, f"{_BRANCHES}: force push off")
    else:
        yield Point("force push", True, f"nobody can rewrite {branch}")
    yield _code_owners(found.code_owner_approval, facts.ci_config)


def _code_owners(setting: bool | None, ci_config: str | Unread) -> Point:
    name = "code owners"
    if setting:
        return Point(name, True, "code owners must approve changes of their files")
    if is_elsewhere(ci_config):
        return Point(name, True, f"pipelines are defined in {ci_config}, which a merge request cannot change")
    text = "code owners need not approve, so a request can bring a pipeline that checks nothing"
    if setting is None:
        fix = "this GitLab has no such setting: Settings, CI/CD: a configuration file of another project"
        return Point(name, False, text, fix)
    return Point(name, False, text, f"{_BRANCHES}: code owner approval on")


def _pipeline(facts: GitlabSettings) -> Iterator[Point]:
    yield _wanted(
        "pipeline",
        facts.pipeline_must_succeed,
        True,
        "only what a pipeline has passed is merged",
        "a request can be merged though its pipeline failed",
        f"{_REQUESTS}: pipelines must succeed",
    )
    yield _wanted(
        "skipped pipeline",
        facts.skipped_counts,
        False,
        "a skipped pipeline is not a pass",
        "a request that says [skip ci] is merged unchecked",
        f"{_REQUESTS}: skipped pipelines are considered successful: off",
    )


def _wanted(name: str, setting: bool | Unread, wanted: bool, yes: str, no: str, fix: str) -> Point:
    if isinstance(setting, Unread):
        return unread(name, setting, _MAINTAINER)
    return Point(name, True, yes) if setting is wanted else Point(name, False, no, fix)


def _merge_method(method: str | Unread) -> Point:
    name = "merge method"
    if isinstance(method, Unread):
        return unread(name, method, _MAINTAINER)
    if method in {"merge", "rebase_merge"}:
        return Point(name, True, "a request lands as one change")
    text = "fast-forward merges land commits that were not judged one by one"
    return Point(name, False, text, f"{_REQUESTS}: merge commit with semi-linear history")


def _up_to_date(method: str | Unread, trains: bool) -> Point:
    name = "up to date"
    if trains or method in {"rebase_merge", "ff"}:
        return Point(name, True, "what is merged was checked on the newest base")
    if isinstance(method, Unread):
        return unread(name, method, _MAINTAINER)
    text = "a request can be merged on a base on which it was not checked"
    return Point(name, False, text, f"{_REQUESTS}: merge commit with semi-linear history, or merge trains")


def _approvals(facts: GitlabSettings) -> Iterator[Point]:
    found = facts.approvals
    if isinstance(found, Unread):
        yield unread("approvals", found, _MAINTAINER)
    elif found is None:
        text = "this GitLab does not say what approvals are of: only signed statements count"
        yield Point(
            "approvals",
            False,
            text,
            "gitreg change approve signs them; say signed: true in policy.yaml",
            # Where a request cannot change its pipeline, that is what counts approvals, and it counts no others.
            needed=not is_elsewhere(facts.ci_config),
        )
    else:
        yield from _approval_settings(found)


def _approval_settings(found: GitlabApprovals) -> Iterator[Point]:
    where = f"{_REQUESTS}, Merge request approvals"
    for name, good, yes, no, fix in (
        (
            "stale approvals",
            found.reset_on_push,
            "a push takes approvals away",
            "approvals outlive a push, and then are of something else; gitreg counts none of them",
            "remove all approvals when commits are added",
        ),
        (
            "approval by the author",
            not found.by_author,
            "nobody approves their own request",
            "authors can approve their own requests",
            "prevent approval by merge request creator",
        ),
        (
            "approval by committers",
            not found.by_committers,
            "nobody approves their own commits",
            "whoever added commits can approve them",
            "prevent approvals by users who add commits",
        ),
        (
            "approval rules",
            not found.overridable,
            "a request cannot change who must approve it",
            "a request can change who must approve it",
            "prevent editing approval rules in merge requests",
        ),
    ):
        yield Point(name, good, yes) if good else Point(name, False, no, f"{where}: {fix}")


def _advice(facts: GitlabSettings) -> Iterator[Point]:
    elsewhere = is_elsewhere(facts.ci_config)
    if isinstance(facts.ci_config, Unread):
        yield unread("pipeline from elsewhere", facts.ci_config, _MAINTAINER, needed=False)
    else:
        yield _advised(
            "pipeline from elsewhere",
            elsewhere,
            f"pipelines are defined in {facts.ci_config}"
            if elsewhere
            else "a request brings its own pipeline",
            "Settings, CI/CD, General pipelines: a configuration file of another project (path@group/project)",
        )
    same = facts.default_branch == facts.branch
    yield _advised("default branch", same, f"it is {facts.default_branch}", f"make it {facts.branch}")
    if isinstance(facts.job_token_limited, Unread):
        yield unread("job token", facts.job_token_limited, _MAINTAINER, needed=False)
    else:
        good = facts.job_token_limited
        text = (
            "only jobs of listed projects come in with theirs"
            if good
            else "jobs of any project come in with theirs"
        )
        yield _advised(
            "job token", good, text, "Settings, CI/CD, Job token permissions: listed projects only"
        )
    if isinstance(facts.deletes_branches, Unread):
        yield unread("merged branches", facts.deletes_branches, _MAINTAINER, needed=False)
    else:
        text = "GitLab deletes them" if facts.deletes_branches else "they stay"
        yield _advised(
            "merged branches", facts.deletes_branches, text, f"{_REQUESTS}: delete source branch by default"
        )
    if not facts.private:
        yield Point("visibility", True, "the project can be read by others than its members", needed=False)


def _advised(name: str, ok: bool, text: str, fix: str) -> Point:
    return Point(name, ok, text, "" if ok else fix, needed=False)
