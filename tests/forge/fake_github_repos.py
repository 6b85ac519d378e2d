"""Repositories, branches, commits, people and activity: https://docs.github.com/en/rest/repos."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from forge.bare import NOTHING
from forge.fake_github_calls import REPO, Call, error, iso, operation
from forge.fake_github_json import (
    changed_file,
    commit,
    full_user,
    permissions,
    private_user,
    repository,
    user,
)
from forge.git_host import Answer, Push


@operation("GET", REPO)
def get_repository(call: Call) -> Any:
    repo, viewer = call.repo, call.actor.login if call.actor else None
    shown = repository(call.host, repo, viewer) | {"network_count": 0, "subscribers_count": 0}
    if call.has_role("write"):
        # Settings are shown to those who can push.
        shown |= {f"allow_{name}": method in repo.merge_methods for name, method in _METHODS.items()}
        shown |= {"delete_branch_on_merge": repo.delete_branch_on_merge}
        shown |= {"allow_auto_merge": repo.allow_auto_merge}
    if repo.parent:
        parent = call.host.repository(repo.parent)
        shown["parent"] = shown["source"] = repository(call.host, parent)  # type: ignore[arg-type]
    return shown


_METHODS = {"merge_commit": "merge", "squash_merge": "squash", "rebase_merge": "rebase"}


# Git


def _commit_of(call: Call, rev: str) -> str:
    names = (f"refs/heads/{rev}", f"refs/tags/{rev}", rev)
    found = next((oid for name in names if (oid := call.repo.bare.resolve(name))), None)
    if found is None:
        raise error(422, f"No commit found for SHA: {rev}")
    return found


@operation("GET", REPO + "/branches/{branch:path}/protection", "administration:read")
def get_protection(call: Call) -> Any:
    branch = call.param("branch")
    if not call.has_role("admin"):
        raise error(404, "Not Found")
    if call.repo.bare.branch(branch) is None:
        raise error(404, "Branch not found")
    if branch not in call.repo.protections:
        raise error(404, "Branch not protected")
    return call.repo.protections[branch]


@operation("GET", REPO + "/branches/{branch:path}", "contents:read")
def get_branch(call: Call) -> Any:
    branch = call.param("branch")
    head = call.repo.bare.branch(branch)
    if head is None:
        raise error(404, "Branch not found")
    own = f"{call.host.api}/repos/{call.repo.full_name}/branches/{quote(branch)}"
    protection = call.repo.protections.get(branch, {"enabled": False})
    return {
        "name": branch,
        "commit": commit(call.host, call.repo, call.repo.bare.commit(head)),
        "_links": {"self": own, "html": f"{call.host.url}/{call.repo.full_name}/tree/{quote(branch)}"},
        "protected": branch in call.repo.protections or bool(call.host.rules.rules_of(call.repo, branch)),
        "protection": protection,
        "protection_url": own + "/protection",
    }


def _ref(call: Call, ref: str, oid: str) -> dict[str, Any]:
    base = f"{call.host.api}/repos/{call.repo.full_name}/git"
    kind = call.repo.bare.text("cat-file", "-t", oid)
    return {
        "ref": ref,
        "node_id": f"REF_{oid}",
        "url": f"{base}/{ref}",
        "object": {"type": kind, "sha": oid, "url": f"{base}/{kind}s/{oid}"},
    }


@operation("GET", REPO + "/git/ref/{ref:path}", "contents:read")
def get_ref(call: Call) -> Any:
    ref = "refs/" + call.param("ref")
    oid = call.repo.bare.refs(ref).get(ref)
    if oid is None:
        raise error(404, "Not Found")
    return _ref(call, ref, oid)


@operation("GET", REPO + "/git/matching-refs/{ref:path}", "contents:read")
def matching_refs(call: Call) -> Answer:
    prefix = "refs/" + call.param("ref")
    found = [(ref, oid) for ref, oid in call.repo.bare.refs().items() if ref.startswith(prefix)]
    return call.page(found, lambda one: _ref(call, *one))


@operation("DELETE", REPO + "/git/refs/{ref:path}", "contents:write")
def delete_ref(call: Call) -> Answer:
    ref = "refs/" + call.param("ref")
    call.need_role("write", "Must have write access.")
    old = call.repo.bare.refs(ref).get(ref)
    if old is None:
        raise error(422, "Reference does not exist")
    assert call.request.token is not None
    updates = [(ref, old, NOTHING)]
    if call.host.rules.against_push(call.repo, call.repo.bare, call.request.token, updates):
        raise error(422, "Repository rule violations found\n\nCannot delete this branch\n\n")
    with call.host.moving(call.repo, call.login):
        call.repo.bare.move(ref, None, old)
    return Answer(204)


@operation("GET", REPO + "/commits/{ref:path}", "contents:read")
def get_commit(call: Call) -> Any:
    made = call.repo.bare.commit(_commit_of(call, call.param("ref")))
    empty = call.repo.bare.text("hash-object", "-t", "tree", "--stdin")
    files = call.repo.bare.files(made.parents[0] if made.parents else empty, made.oid) if made.parents else []
    added, deleted = sum(max(f.added, 0) for f in files), sum(max(f.deleted, 0) for f in files)
    return commit(call.host, call.repo, made) | {
        "stats": {"additions": added, "deletions": deleted, "total": added + deleted},
        "files": [changed_file(call.host, call.repo, made.oid, one) for one in files],
    }


@operation("GET", REPO + "/compare/{basehead:path}", "contents:read")
def compare(call: Call) -> Any:
    bare, basehead = call.repo.bare, call.param("basehead")
    base, head = (_commit_of(call, rev) for rev in basehead.split("..."))
    start = bare.merge_base(base, head)
    if start is None:
        raise error(404, f"No common ancestor between {basehead}.")
    ahead, behind = bare.commits(base, head), bare.commits(head, base)
    page, own = f"{call.host.url}/{call.repo.full_name}/compare/", quote(basehead)
    words = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
    return {
        "url": f"{call.host.api}/repos/{call.repo.full_name}/compare/{own}",
        "html_url": page + own,
        "permalink_url": page + own,
        "diff_url": page + own + ".diff",
        "patch_url": page + own + ".patch",
        "base_commit": commit(call.host, call.repo, bare.commit(base)),
        "merge_base_commit": commit(call.host, call.repo, bare.commit(start)),
        "status": words.get((bool(ahead), bool(behind)), "identical"),
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [commit(call.host, call.repo, one) for one in ahead[:250]],
        "files": [changed_file(call.host, call.repo, head, one) for one in bare.files(start, head)],
    }


@operation("GET", REPO + "/contents/{path:path}", "contents:read")
def get_contents(call: Call) -> Any:
    """One file; folders are not served."""
    path = call.param("path")
    rev = _commit_of(call, call.request.query.get("ref", call.repo.default_branch))
    data = call.repo.bare.blob(rev, path)
    if data is None:
        raise error(404, "Not Found")
    sha = call.repo.bare.text("rev-parse", f"{rev}:{path}")
    base, page = f"{call.host.api}/repos/{call.repo.full_name}", f"{call.host.url}/{call.repo.full_name}"
    own = f"{base}/contents/{quote(path)}?ref={rev}"
    links = {"git": f"{base}/git/blobs/{sha}", "html": f"{page}/blob/{rev}/{quote(path)}", "self": own}
    return {
        "type": "file",
        "encoding": "base64",
        "size": len(data),
        "name": path.rpartition("/")[2],
        "path": path,
        "content": base64.encodebytes(data).decode(),
        "sha": sha,
        "url": own,
        "git_url": links["git"],
        "html_url": links["html"],
        "download_url": f"{page}/raw/{rev}/{quote(path)}",
        "_links": links,
    }


# People


@operation("GET", REPO + "/collaborators/{username}/permission")
def get_permission(call: Call) -> Any:
    call.need_role("write", "Must have push access to view collaborator permission.")
    account = call.host.account(call.param("username"))
    if account is None:
        raise error(404, f"{call.param('username')} is not a user")
    role = call.host.role(account.login, call.repo)
    coarse = {"triage": "read", "maintain": "write"}.get(role, role)
    shown = user(call.host, account) | {"permissions": permissions(role), "role_name": role}
    return {"permission": coarse, "role_name": role, "user": shown}


@operation("GET", REPO + "/collaborators/{username}")
def is_collaborator(call: Call) -> Answer:
    call.need_role("write", "Must have push access to view repository collaborators.")
    if call.host.granted(call.param("username"), call.repo) == "none":
        raise error(404, "Not Found")
    return Answer(204)


@operation("GET", "/user")
def get_user(call: Call) -> Any:
    token = call.request.token
    if token is None:
        raise error(401, "Requires authentication")
    if token.kind == "installation":
        raise error(403, "Resource not accessible by integration")
    assert call.actor is not None
    return private_user(call.host, call.actor)


@operation("GET", "/users/{username}")
def get_some_user(call: Call) -> Any:
    account = call.host.account(call.param("username"))
    if account is None:
        raise error(404, "Not Found")
    return full_user(call.host, account)


@operation("GET", "/meta")
def get_meta(call: Call) -> Any:
    return {"verifiable_password_authentication": False}


@operation("GET", "/rate_limit")
def get_rate_limit(call: Call) -> Any:
    rate = {"limit": 5000, "used": 1, "remaining": 4999, "reset": int(call.host.now.timestamp()) + 3600}
    return {"resources": {"core": rate, "search": rate}, "rate": rate}


# Activity


@operation("GET", REPO + "/activity", "contents:read")
def list_activity(call: Call) -> Answer:
    """Who moved which branch: newest first, by a cursor instead of pages."""
    query = call.request.query
    moved = [(number, push) for number, push in enumerate(call.host.pushes, 1) if _shown(call, push)]
    if query.get("direction", "desc") == "desc":
        moved.reverse()
    if "after" in query:
        numbers = [number for number, _ in moved]
        moved = moved[numbers.index(int(query["after"])) + 1 :]
    size = min(int(query.get("per_page", "30")), 100)
    links = {}
    if len(moved) > size:
        links["Link"] = f'<{call.link(after=moved[size - 1][0])}>; rel="next"'
    return Answer(200, [_activity(call, number, push) for number, push in moved[:size]], links)


def _shown(call: Call, push: Push) -> bool:
    query = call.request.query
    ref, actor = query.get("ref"), query.get("actor")
    return (
        push.repository == call.repo.full_name
        and push.ref.startswith(("refs/heads/", "refs/tags/"))
        and (not ref or push.ref in (ref, f"refs/heads/{ref}"))
        and (not actor or actor.lower() == push.login.lower())
        and query.get("activity_type", _kind(push)) == _kind(push)
    )


def _kind(push: Push) -> str:
    if push.how != "push":
        return push.how
    if push.before == NOTHING:
        return "branch_creation"
    if push.after == NOTHING:
        return "branch_deletion"
    return "force_push" if push.forced else "push"


def _activity(call: Call, number: int, push: Push) -> dict[str, Any]:
    return {
        "id": number,
        "node_id": f"PSH_{number}",
        "before": push.before,
        "after": push.after,
        "ref": push.ref,
        "timestamp": iso(push.at),
        "activity_type": _kind(push),
        "actor": user(call.host, push.login),
    }
