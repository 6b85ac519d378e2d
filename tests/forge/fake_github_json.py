"""People, repositories, commits and files as GitHub's API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forge.bare import ChangedFile, GitCommit, Person
from forge.fake_github_calls import iso
from forge.fake_github_state import ACTIONS_APP, ROLES, GitHubRepository, Label
from forge.git_host import Account

if TYPE_CHECKING:
    from forge.fake_github import FakeGitHub

_USER = {
    "events_url": "/events{/privacy}",
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "organizations_url": "/orgs",
    "received_events_url": "/received_events",
    "repos_url": "/repos",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "url": "",
}
_REPOSITORY = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
    "url": "",
}
_COUNTS = ("forks", "forks_count", "open_issues", "open_issues_count", "size", "stargazers_count")
_COUNTS += ("watchers", "watchers_count")


def user(host: FakeGitHub, account: Account | str) -> dict[str, Any]:
    """An account, short."""
    found = account if isinstance(account, Account) else host.account(account)
    assert found is not None
    base = f"{host.api}/users/{found.login}"
    return {name: base + end for name, end in _USER.items()} | {
        "avatar_url": f"{host.url}/avatars/u/{found.id}",
        "gravatar_id": "",
        "html_url": f"{host.url}/{found.login}",
        "id": found.id,
        "login": found.login,
        "node_id": f"U_{found.id}",
        "site_admin": False,
        "type": found.kind,
        "user_view_type": "public",
    }


def full_user(host: FakeGitHub, account: Account) -> dict[str, Any]:
    """An account's own page, as everybody sees it."""
    nothing = dict.fromkeys(("bio", "blog", "company", "hireable", "location", "twitter_username"))
    counts = dict.fromkeys(("followers", "following", "public_gists", "public_repos"), 0)
    return user(host, account) | nothing | counts | {
        "created_at": "2020-01-01T00:00:00Z",
        "email": None,
        "name": account.name,
        "updated_at": "2020-01-01T00:00:00Z",
    }  # fmt: skip


def private_user(host: FakeGitHub, account: Account) -> dict[str, Any]:
    """An account as its holder sees it."""
    counts = ("collaborators", "disk_usage", "owned_private_repos", "private_gists", "total_private_repos")
    own = {"two_factor_authentication": True, "email": next(iter(account.emails), None)}
    return full_user(host, account) | dict.fromkeys(counts, 0) | own | {"user_view_type": "private"}


def permissions(role: str) -> dict[str, bool]:
    """What a role includes, in the words of the API."""
    at = ROLES.index(role)
    names = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}
    return {name: at >= ROLES.index(needed) for name, needed in names.items()}


def repository(host: FakeGitHub, repo: GitHubRepository, viewer: str | None = None) -> dict[str, Any]:
    """A repository as other objects show it."""
    base, page = f"{host.api}/repos/{repo.full_name}", f"{host.url}/{repo.full_name}"
    moment = iso(repo.created or host.now)
    flags = (
        "archived",
        "disabled",
        "has_downloads",
        "has_pages",
        "has_projects",
        "has_wiki",
        "has_discussions",
    )
    return {
        **{name: base + end for name, end in _REPOSITORY.items()},
        **dict.fromkeys(_COUNTS, 0),
        **dict.fromkeys(flags, False),
        **dict.fromkeys(("description", "homepage", "language", "license", "mirror_url")),
        "clone_url": page + ".git",
        "created_at": moment,
        "default_branch": repo.default_branch,
        "fork": repo.parent is not None,
        "full_name": repo.full_name,
        "git_url": page.replace("http:", "git:") + ".git",
        "has_issues": True,
        "html_url": page,
        "id": repo.id,
        "name": repo.name,
        "node_id": f"R_{repo.id}",
        "owner": user(host, repo.owner),
        "permissions": permissions(host.role(viewer, repo)),
        "private": repo.private,
        "pushed_at": moment,
        "ssh_url": f"git@{page.partition('://')[2]}.git",
        "svn_url": page,
        "updated_at": moment,
        "visibility": "private" if repo.private else "public",
    }


def integration(host: FakeGitHub, app: int) -> dict[str, Any]:
    """An App."""
    slug = "github-actions" if app == ACTIONS_APP else f"app-{app}"
    return {
        "id": app,
        "slug": slug,
        "name": slug.replace("-", " ").title(),
        "node_id": f"A_{app}",
        "owner": user(host, "github"),
        "description": None,
        "external_url": "https://help.github.com/en/actions",
        "html_url": f"{host.url}/apps/{slug}",
        "created_at": "2018-07-30T09:30:17Z",
        "updated_at": "2018-07-30T09:30:17Z",
        "permissions": {"checks": "write", "metadata": "read"},
        "events": ["push"],
    }


def label(host: FakeGitHub, repo: GitHubRepository, name: str) -> dict[str, Any]:
    """A label."""
    found: Label = repo.labels[name.lower()]
    return {
        "id": found.id,
        "node_id": f"LA_{found.id}",
        "url": f"{host.api}/repos/{repo.full_name}/labels/{found.name}",
        "name": found.name,
        "color": found.color,
        "default": False,
        "description": found.description,
    }


def _person(person: Person) -> dict[str, str]:
    return {"name": person.name, "email": person.email, "date": iso(person.at)}


UNSIGNED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


def _links(host: FakeGitHub, repo: GitHubRepository, made: GitCommit) -> dict[str, Any]:
    base, page = f"{host.api}/repos/{repo.full_name}", f"{host.url}/{repo.full_name}"
    return {
        "sha": made.oid,
        "node_id": f"C_{made.oid}",
        "html_url": f"{page}/commit/{made.oid}",
        "parents": [
            {"sha": oid, "url": f"{base}/commits/{oid}", "html_url": f"{page}/commit/{oid}"}
            for oid in made.parents
        ],
    }


def commit(host: FakeGitHub, repo: GitHubRepository, made: GitCommit) -> dict[str, Any]:
    """A commit; its author and committer are the accounts whose emails it has."""
    base = f"{host.api}/repos/{repo.full_name}"
    people = {"author": made.author, "committer": made.committer}
    accounts = {role: host.account_of(person.email) for role, person in people.items()}
    return _links(host, repo, made) | {
        "url": f"{base}/commits/{made.oid}",
        "comments_url": f"{base}/commits/{made.oid}/comments",
        "commit": {
            **{role: _person(person) for role, person in people.items()},
            "message": made.message,
            "tree": {"sha": made.tree, "url": f"{base}/git/trees/{made.tree}"},
            "url": f"{base}/git/commits/{made.oid}",
            "comment_count": 0,
            "verification": UNSIGNED,
        },
        **{role: user(host, account) if account else None for role, account in accounts.items()},
    }


def committed(host: FakeGitHub, repo: GitHubRepository, made: GitCommit) -> dict[str, Any]:
    """A commit as a timeline shows it."""
    base = f"{host.api}/repos/{repo.full_name}"
    return _links(host, repo, made) | {
        "event": "committed",
        "url": f"{base}/git/commits/{made.oid}",
        "author": _person(made.author),
        "committer": _person(made.committer),
        "message": made.message,
        "tree": {"sha": made.tree, "url": f"{base}/git/trees/{made.tree}"},
        "verification": UNSIGNED,
    }


def changed_file(host: FakeGitHub, repo: GitHubRepository, head: str, one: ChangedFile) -> dict[str, Any]:
    """A file of a diff."""
    page, added, deleted = f"{host.url}/{repo.full_name}", max(one.added, 0), max(one.deleted, 0)
    return {
        "sha": one.oid,
        "filename": one.path,
        "status": {"A": "added", "D": "removed"}.get(one.status, "modified"),
        "additions": added,
        "deletions": deleted,
        "changes": added + deleted,
        "blob_url": f"{page}/blob/{head}/{one.path}",
        "raw_url": f"{page}/raw/{head}/{one.path}",
        "contents_url": f"{host.api}/repos/{repo.full_name}/contents/{one.path}?ref={head}",
        **({"patch": one.patch} if one.patch else {}),
    }
