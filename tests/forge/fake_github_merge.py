"""Merging: https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forge.bare import Person
from forge.fake_github_calls import PULL, REPO, Call, error, operation
from forge.fake_github_pull_json import simple_pull
from forge.fake_github_state import WEB_FLOW, GitHubRepository, Pull
from forge.git_host import Account, Answer

if TYPE_CHECKING:
    from forge.fake_github import FakeGitHub


@operation("GET", PULL + "/merge", "contents:read")
def is_merged(call: Call) -> Answer:
    if not call.pull.merged:
        raise error(404, "Not Found")
    return Answer(204)


@operation("PUT", PULL + "/merge", "contents:write")
def merge_pull(call: Call) -> Any:
    pull, data = call.pull, call.request.data
    method = data.get("merge_method", "merge")
    _may_merge(call, pull, data.get("sha"), method)
    made = press(
        call.host, call.repo, pull, call.login, method, data.get("commit_title"), data.get("commit_message")
    )
    return {"sha": made, "merged": True, "message": "Pull Request successfully merged"}


def press(
    host: FakeGitHub,
    repo: GitHubRepository,
    pull: Pull,
    login: str,
    method: str,
    title: str | None = None,
    text: str | None = None,
) -> str:
    """Merges in somebody's name; returns the commit. Without a title and a text GitHub has its own."""
    made = _commit(host, repo, pull, login, method, title, text)
    with host.moving(repo, login, "pr_merge"):
        host.mark_merged(repo, pull, login, made)
        repo.bare.move(f"refs/heads/{pull.base_ref}", made, pull.base)
    if repo.delete_branch_on_merge and pull.head_repository == repo.full_name:
        with host.moving(repo, login):
            repo.bare.move(f"refs/heads/{pull.head_ref}", None)
    return made


def _may_merge(call: Call, pull: Pull, sha: str | None, method: str) -> None:
    if not call.has_role("write"):
        where = "https://docs.github.com/articles/about-protected-branches"
        raise error(403, f"You're not authorized to push to this branch. Visit {where} for more information.")
    if pull.state != "open":
        raise error(405, "Pull Request is not mergeable")
    if sha is not None and sha != pull.head:
        raise error(409, "Head branch was modified. Review and try the merge again.")
    if pull.draft:
        raise error(405, "Pull Request is still a draft")
    if not pull.mergeable:
        raise error(405, "Pull Request is not mergeable")
    if method not in call.repo.merge_methods:
        name = {"merge": "Merge commits", "squash": "Squash merges"}.get(method, "Rebase merges")
        raise error(405, f"{name} are not allowed on this repository.")
    objections = call.host.rules.against_merge(call.repo, pull, call.login, method)
    if objections:
        raise error(405, "Repository rule violations found\n\n" + "\n\n".join(objections) + "\n\n")


def _commit(
    host: FakeGitHub,
    repo: GitHubRepository,
    pull: Pull,
    login: str,
    method: str,
    title: str | None,
    text: str | None,
) -> str:
    """The commit that the button makes; the person who pressed it is its author, the web its committer."""
    tree = repo.bare.merged_tree(pull.base, pull.head)
    assert tree is not None
    owner = pull.head_repository.rpartition("/")[0]
    usual = {
        "merge": (f"Merge pull request #{pull.number} from {owner}/{pull.head_ref}", pull.title),
        "squash": (f"{pull.title} (#{pull.number})", pull.body or ""),
    }
    title, text = title or usual[method][0], usual[method][1] if text is None else text
    who = login if method == "merge" else pull.login
    account = host.account(who)
    assert account is not None
    author = Person(account.name or who, _email(account), host.now)
    parents = [pull.base, pull.head] if method == "merge" else [pull.base]
    message = f"{title}\n\n{text}".rstrip("\n") + "\n"
    return repo.bare.write_commit(tree, parents, message, author, Person(*WEB_FLOW, host.now))


def _email(account: Account) -> str:
    return next(iter(account.emails), f"{account.id}+{account.login}@users.noreply.github.com")


@operation("GET", REPO + "/commits/{commit_sha}/pulls", "pull_requests:read")
def pulls_of_commit(call: Call) -> Answer:
    """The merged request that brought a commit to the default branch, or the open ones that have it."""
    sha, repo = call.param("commit_sha"), call.repo
    if repo.bare.resolve(sha) is None:
        raise error(422, f"No commit found for SHA: {sha}")
    found = [pull for pull in repo.pulls.values() if _has(call, pull, sha)]
    return call.page(found, lambda pull: simple_pull(call.host, repo, pull))


def _has(call: Call, pull: Pull, sha: str) -> bool:
    if pull.merged and pull.merge_commit == sha:
        return True
    return call.repo.bare.is_ancestor(sha, pull.head) and not call.repo.bare.is_ancestor(sha, pull.base)
