"""Pull requests, reviews and comments as GitHub's API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forge.fake_github_calls import iso
from forge.fake_github_json import label, repository, user
from forge.fake_github_state import ROLES, Comment, GitHubRepository, Pull, Review

if TYPE_CHECKING:
    from forge.fake_github import FakeGitHub


def association(host: FakeGitHub, repo: GitHubRepository, login: str) -> str:
    """What somebody is to a repository."""
    if login.lower() == repo.owner.lower():
        return "OWNER"
    return "COLLABORATOR" if ROLES.index(host.granted(login, repo)) > 0 else "NONE"


def _side(host: FakeGitHub, repo: GitHubRepository, ref: str, sha: str) -> dict[str, Any]:
    owner = user(host, repo.owner)
    shown = repository(host, repo)
    del shown["permissions"]
    return {"label": f"{repo.owner}:{ref}", "ref": ref, "sha": sha, "user": owner, "repo": shown}


def _addresses(host: FakeGitHub, repo: GitHubRepository, pull: Pull) -> dict[str, Any]:
    base, page = f"{host.api}/repos/{repo.full_name}", f"{host.url}/{repo.full_name}"
    own, issue = f"{base}/pulls/{pull.number}", f"{base}/issues/{pull.number}"
    found = {
        "url": own,
        "html_url": f"{page}/pull/{pull.number}",
        "diff_url": f"{page}/pull/{pull.number}.diff",
        "patch_url": f"{page}/pull/{pull.number}.patch",
        "issue_url": issue,
        "commits_url": own + "/commits",
        "review_comments_url": own + "/comments",
        "review_comment_url": base + "/pulls/comments{/number}",
        "comments_url": issue + "/comments",
        "statuses_url": f"{base}/statuses/{pull.head}",
    }
    ends = ("comments", "commits", "html", "issue", "review_comment", "review_comments", "statuses")
    links = {name: {"href": found[f"{name}_url"]} for name in ends}
    return found | {"_links": links | {"self": {"href": own}}}


def simple_pull(host: FakeGitHub, repo: GitHubRepository, pull: Pull) -> dict[str, Any]:
    """A pull request in a list."""
    source = host.repository(pull.head_repository)
    assert isinstance(source, GitHubRepository)
    return _addresses(host, repo, pull) | {
        "id": pull.id,
        "node_id": f"PR_{pull.id}",
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "user": user(host, pull.login),
        "body": pull.body,
        "created_at": iso(pull.created),
        "updated_at": iso(pull.updated),
        "closed_at": iso(pull.closed) if pull.closed else None,
        "merged_at": iso(pull.merged) if pull.merged else None,
        "merge_commit_sha": pull.merge_commit,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [user(host, login) for login in pull.reviewers],
        "requested_teams": [],
        "labels": [label(host, repo, name) for name in pull.labels],
        "milestone": None,
        "draft": pull.draft,
        "head": _side(host, source, pull.head_ref, pull.head),
        "base": _side(host, repo, pull.base_ref, pull.base),
        "author_association": association(host, repo, pull.login),
        "auto_merge": _auto_merge(host, pull),
        "active_lock_reason": None,
    }


def _auto_merge(host: FakeGitHub, pull: Pull) -> dict[str, Any] | None:
    wish = pull.auto_merge
    if wish is None:
        return None
    title = f"Merge pull request #{pull.number}"
    said = {"merge_method": wish.method, "commit_title": title, "commit_message": pull.title}
    return {"enabled_by": user(host, wish.login), **said}


def full_pull(host: FakeGitHub, repo: GitHubRepository, pull: Pull) -> dict[str, Any]:
    """A pull request by itself; what it changes is read from git."""
    files, added, deleted = repo.bare.size(pull.base, pull.head)
    return simple_pull(host, repo, pull) | {
        "merged": pull.merged is not None,
        "mergeable": pull.mergeable,
        "rebaseable": False,
        "mergeable_state": host.mergeable_state(repo, pull),
        "merged_by": user(host, pull.merged_by) if pull.merged_by else None,
        "comments": len(pull.comments),
        "review_comments": 0,
        "maintainer_can_modify": pull.maintainer_can_modify,
        "commits": repo.bare.count(pull.base, pull.head),
        "additions": added,
        "deletions": deleted,
        "changed_files": files,
    }


def minimal_pull(host: FakeGitHub, repo: GitHubRepository, pull: Pull) -> dict[str, Any]:
    """A pull request as checks and runs name it."""
    base = f"{host.api}/repos/{repo.full_name}"
    own = {"id": repo.id, "name": repo.name, "url": base}
    return {
        "id": pull.id,
        "number": pull.number,
        "url": f"{base}/pulls/{pull.number}",
        "head": {"ref": pull.head_ref, "sha": pull.head, "repo": own},
        "base": {"ref": pull.base_ref, "sha": pull.base, "repo": own},
    }


def review(host: FakeGitHub, repo: GitHubRepository, pull: Pull, one: Review) -> dict[str, Any]:
    """A review. One that is pending has no time."""
    page = f"{host.url}/{repo.full_name}/pull/{pull.number}#pullrequestreview-{one.id}"
    own = f"{host.api}/repos/{repo.full_name}/pulls/{pull.number}"
    return {
        "id": one.id,
        "node_id": f"PRR_{one.id}",
        "user": user(host, one.login),
        "body": one.body,
        "state": one.state,
        "html_url": page,
        "pull_request_url": own,
        "author_association": association(host, repo, one.login),
        "_links": {"html": {"href": page}, "pull_request": {"href": own}},
        "commit_id": one.commit,
        **({} if one.state == "PENDING" else {"submitted_at": iso(one.at)}),
    }


def comment(host: FakeGitHub, repo: GitHubRepository, pull: Pull, one: Comment) -> dict[str, Any]:
    """A comment of the discussion."""
    base = f"{host.api}/repos/{repo.full_name}/issues"
    return {
        "id": one.id,
        "node_id": f"IC_{one.id}",
        "url": f"{base}/comments/{one.id}",
        "html_url": f"{host.url}/{repo.full_name}/pull/{pull.number}#issuecomment-{one.id}",
        "issue_url": f"{base}/{pull.number}",
        "user": user(host, one.login),
        "body": one.body,
        "created_at": iso(one.created),
        "updated_at": iso(one.updated),
        "author_association": association(host, repo, one.login),
        "performed_via_github_app": None,
    }
