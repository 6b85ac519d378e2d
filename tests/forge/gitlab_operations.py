"""The operations of GitLab's REST API that gitreg needs, and what they refuse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from forge import gitlab_views as views
from forge.gitlab_records import LEVELS, MergeRequest, Note
from forge.records import Answer, ApiError, ApiRequest, Hosted
from forge.routes import Router

if TYPE_CHECKING:
    from forge.fake_gitlab import FakeGitLab

ROUTER = Router()
_PROJECT = "/projects/{id}"
_REQUEST = _PROJECT + "/merge_requests/{merge_request_iid}"
_One = TypeVar("_One")

#: Some of https://docs.gitlab.com/user/project/quick_actions/: lines that GitLab does not show, but does.
_QUICK = re.compile(
    r"^/(approve|unapprove|merge|close|reopen|assign|label|title|target_branch|draft)\b.*$", re.M
)


def refuse(status: int, message: Any) -> ApiError:
    """An answer that ends an operation."""
    return ApiError(Answer(status, {"message": message}))


def project(host: FakeGitLab, request: ApiRequest) -> Hosted:
    """The project of the path, by its number or its full name."""
    name = request.params["id"]
    found = host.repository(name)
    if name.isdigit():
        found = next((one for one in host.repositories.values() if one.id == int(name)), None)
    if found is None or not host.may_read(request.token, found):
        raise refuse(404, "404 Project Not Found")
    return found


def merge_request(host: FakeGitLab, request: ApiRequest) -> MergeRequest:
    """The merge request of the path."""
    number = request.params["merge_request_iid"]
    if not number.isascii() or not number.isdigit():
        raise ApiError(Answer(400, {"error": "merge_request_iid is invalid"}))
    found = host.settings(project(host, request)).requests.get(int(number))
    if found is None:
        raise refuse(404, "404 Not found")
    return found


def login_of(host: FakeGitLab, request: ApiRequest, repository: Hosted, role: str = "developer") -> str:
    """Who asks; refused below a role."""
    if request.token is None:
        raise refuse(401, "401 Unauthorized")
    if host.level(repository, request.token.login) < LEVELS[role]:
        raise refuse(403, "403 Forbidden")
    return request.token.login


def page(request: ApiRequest, items: Sequence[_One], show: Any) -> Answer:
    """https://docs.gitlab.com/api/rest/#offset-based-pagination."""
    size = max(1, min(100, int(request.query.get("per_page", 20))))
    number = max(1, int(request.query.get("page", 1)))
    pages = max(1, -(-len(items) // size))
    headers = {
        "X-Page": str(number),
        "X-Per-Page": str(size),
        "X-Prev-Page": str(number - 1) if number > 1 else "",
        "X-Next-Page": str(number + 1) if number < pages else "",
        "X-Total": str(len(items)),
        "X-Total-Pages": str(pages),
    }
    return Answer(200, [show(one) for one in items[(number - 1) * size : number * size]], headers)


def demand(data: dict[str, Any], *names: str) -> None:
    """Refuses a body that lacks something."""
    missing = [f"{name} is missing" for name in names if not data.get(name)]
    if missing:
        raise ApiError(Answer(400, {"error": ", ".join(missing)}))


def obeyed(host: FakeGitLab, one: MergeRequest | None, login: str, text: str) -> str:
    """A text without its quick actions, which are done (``/approve``) or noted."""
    for found in _QUICK.finditer(text):
        host.quick_actions.append((login, found[0]))
        if one and found[1] == "approve" and host.may_approve(one, login):
            one.approvals[login] = host.tick()
    return _QUICK.sub("", text).strip("\n") if _QUICK.search(text) else text


# Users


@ROUTER.on("GET", "/user")
def me(host: FakeGitLab, request: ApiRequest) -> Answer:
    if request.token is None:
        raise refuse(401, "401 Unauthorized")
    account = host.account(request.token.login)
    assert account
    return Answer(200, views.full_user(host, account))


@ROUTER.on("GET", "/users")
def users(host: FakeGitLab, request: ApiRequest) -> Answer:
    name = request.query.get("username")
    found = [one for one in host.accounts.values() if name is None or one.login.lower() == name.lower()]
    return page(request, found, lambda one: views.user(host, one))


@ROUTER.on("GET", "/users/{id}")
def user(host: FakeGitLab, request: ApiRequest) -> Answer:
    found = next((one for one in host.accounts.values() if str(one.id) == request.params["id"]), None)
    if found is None:
        raise refuse(404, "404 User Not Found")
    return Answer(200, views.full_user(host, found))


# Projects


@ROUTER.on("GET", _PROJECT)
def get_project(host: FakeGitLab, request: ApiRequest) -> Answer:
    return Answer(200, views.project(host, project(host, request)))


@ROUTER.on("GET", _PROJECT + "/members/all/{user_id}")
def member(host: FakeGitLab, request: ApiRequest) -> Answer:
    repository = project(host, request)
    account = next((one for one in host.accounts.values() if str(one.id) == request.params["user_id"]), None)
    level = host.level(repository, account.login) if account else 0
    if account is None or not level:
        raise refuse(404, "404 Not found")
    shown = views.user(host, account)
    assert shown
    return Answer(200, {**shown, "access_level": level, "expires_at": None, "membership_state": "active"})


@ROUTER.on("GET", _PROJECT + "/events")
def events(host: FakeGitLab, request: ApiRequest) -> Answer:
    """https://docs.gitlab.com/api/events/; the newest first."""
    repository = project(host, request)
    if request.token is None:
        raise refuse(401, "401 Unauthorized")
    if request.query.get("action") not in (None, "pushed"):
        return page(request, [], None)
    found = list(reversed(host.settings(repository).events))
    return page(request, found, lambda one: views.event(host, repository, one))


@ROUTER.on("GET", _PROJECT + "/approvals")
def approval_settings(host: FakeGitLab, request: ApiRequest) -> Answer:
    repository = project(host, request)
    if host.settings(repository).tier == "free":
        raise refuse(404, "404 Not Found")
    login_of(host, request, repository, "maintainer")
    return Answer(200, views.approval_settings(host, repository))


@ROUTER.on("GET", _PROJECT + "/protected_branches")
def protected_branches(host: FakeGitLab, request: ApiRequest) -> Answer:
    repository = project(host, request)
    login_of(host, request, repository)
    settings = host.settings(repository)
    return page(
        request, sorted(settings.protections.items()), lambda item: views.protection(*item, settings.tier)
    )


@ROUTER.on("GET", _PROJECT + "/job_token_scope")
def job_token_scope(host: FakeGitLab, request: ApiRequest) -> Answer:
    """https://docs.gitlab.com/api/project_job_token_scopes/"""
    repository = project(host, request)
    login_of(host, request, repository, "maintainer")
    limited = host.settings(repository).job_token_limited
    return Answer(200, {"inbound_enabled": limited, "outbound_enabled": False})


@ROUTER.on("GET", _PROJECT + "/repository/branches/{branch}")
def branch(host: FakeGitLab, request: ApiRequest) -> Answer:
    repository = project(host, request)
    head = repository.bare.branch(request.params["branch"])
    if head is None:
        raise refuse(404, "404 Branch Not Found")
    return Answer(200, views.branch(host, repository, request.params["branch"], head))


@ROUTER.on("GET", _PROJECT + "/repository/tree")
def tree(host: FakeGitLab, request: ApiRequest) -> Answer:
    """https://docs.gitlab.com/api/repositories/#list-repository-tree."""
    repository = project(host, request)
    done = repository.bare.run("ls-tree", "-z", "--end-of-options", request.query.get("ref", "HEAD"))
    if done.returncode:
        raise refuse(404, "404 Tree Not Found")
    found = []
    for line in done.stdout.decode().split("\0")[:-1]:
        meta, _, name = line.partition("\t")
        mode, kind, oid = meta.split(" ")
        found.append({"id": oid, "name": name, "type": kind, "path": name, "mode": mode})
    return page(request, found, lambda one: one)


@ROUTER.on("GET", _PROJECT + "/repository/commits/{sha}/merge_requests")
def requests_of_commit(host: FakeGitLab, request: ApiRequest) -> Answer:
    """https://docs.gitlab.com/api/commits/#list-merge-requests-associated-with-a-commit."""
    repository = project(host, request)
    sha = repository.bare.resolve(request.params["sha"])
    if sha is None:
        raise refuse(404, "404 Commit Not Found")
    found = [one for one in host.settings(repository).requests.values() if _has(repository, one, sha)]
    return page(request, found, lambda one: views.merge_request(host, one))


def _has(repository: Hosted, one: MergeRequest, sha: str) -> bool:
    if sha in (one.merge_commit, one.squash_commit, one.sha):
        return True
    newest = one.versions[-1]
    return any(each.oid == sha for each in repository.bare.commits(newest.base, newest.head))


@ROUTER.on("GET", _PROJECT + "/pipelines")
def pipelines(host: FakeGitLab, request: ApiRequest) -> Answer:
    repository = project(host, request)
    known = host.settings(repository).pipelines
    found = [sha for sha in known if request.query.get("sha") in (None, sha)]
    return page(request, found[::-1], lambda sha: host.pipeline(repository, sha))


@ROUTER.on("POST", _PROJECT + "/pipelines/{pipeline_id}/retry")
def retry(host: FakeGitLab, request: ApiRequest) -> Answer:
    """https://docs.gitlab.com/api/pipelines/#retry-jobs-in-a-pipeline."""
    repository = project(host, request)
    login_of(host, request, repository)
    known, number = host.settings(repository).pipelines, request.params["pipeline_id"]
    sha = dict(enumerate(known, 1)).get(int(number)) if number.isdigit() else None
    if sha is None:
        raise refuse(404, "404 Not found")
    known[sha] = "running"
    return Answer(201, host.pipeline(repository, sha))


# Merge requests


@ROUTER.on("GET", _PROJECT + "/merge_requests")
def list_requests(host: FakeGitLab, request: ApiRequest) -> Answer:
    query = request.query
    found = [
        one
        for one in host.settings(project(host, request)).requests.values()
        if query.get("state", "all") in ("all", one.state)
        and query.get("source_branch") in (None, one.source)
        and query.get("target_branch") in (None, one.target)
    ]
    found.sort(key=lambda one: (one.at, one.iid), reverse=query.get("sort", "desc") == "desc")
    return page(request, found, lambda one: views.merge_request(host, one))


@ROUTER.on("POST", _PROJECT + "/merge_requests")
def create(host: FakeGitLab, request: ApiRequest) -> Answer:
    repository, data = project(host, request), request.data
    demand(data, "title", "source_branch", "target_branch")
    login = login_of(host, request, repository)
    target_project = _target_project(host, data, repository)
    source, target = data["source_branch"], data["target_branch"]
    head = repository.bare.branch(source)
    if source == target and target_project is repository:
        raise refuse(422, ["You can't use same project/branch for source and target"])
    for name, there in ((source, head), (target, target_project.bare.branch(target))):
        if there is None:
            kind = "Source" if name == source else "Target"
            raise refuse(422, [f'{kind} branch "{name}" does not exist'])
    settings = host.settings(target_project)
    _demand_no_other(list(settings.requests.values()), repository, source, target)
    one = MergeRequest(
        host.next_id(),
        max(settings.requests, default=0) + 1,
        target_project,
        repository,
        login,
        _title(data["title"]),
        "",
        source,
        target,
        host.tick(),
        removes_source=bool(data.get("remove_source_branch")),
    )
    assert head
    host.add_version(one, head)
    one.description = obeyed(host, one, login, data.get("description") or "")
    settings.requests[one.iid] = one
    _file(host, one, data)
    return Answer(201, views.merge_request(host, one, alone=True))


def _target_project(host: FakeGitLab, data: dict[str, Any], repository: Hosted) -> Hosted:
    wanted = data.get("target_project_id", repository.id)
    return next(one for one in host.repositories.values() if one.id == wanted)


def _demand_no_other(known: list[MergeRequest], repository: Hosted, source: str, target: str) -> None:
    for one in known:
        same = (one.source_project, one.source, one.target) == (repository, source, target)
        if same and one.state == "opened":
            raise refuse(
                409, [f"Another open merge request already exists for this source branch: !{one.iid}"]
            )


def _title(title: str) -> str:
    if len(title) > 255:
        raise refuse(400, {"title": ["is too long (maximum is 255 characters)"]})
    return title


def _file(host: FakeGitLab, one: MergeRequest, data: dict[str, Any]) -> None:
    """Labels and reviewers; Free has one reviewer (https://docs.gitlab.com/user/project/merge_requests/reviews/)."""
    if "labels" in data:
        one.labels = _words(data["labels"])
    one.labels += [word for word in _words(data.get("add_labels", [])) if word not in one.labels]
    if "reviewer_ids" in data:
        ids = [int(number) for number in data["reviewer_ids"]]
        logins = [
            account.login for number in ids for account in host.accounts.values() if account.id == number
        ]
        wanted = logins[:1] if host.settings(one.project).tier == "free" else logins
        one.reviewers = {login: one.reviewers.get(login, "unreviewed") for login in wanted}


def _words(labels: str | list[str]) -> list[str]:
    parts = labels.split(",") if isinstance(labels, str) else labels
    return [part.strip() for part in parts if part.strip()]


@ROUTER.on("GET", _REQUEST)
def get_request(host: FakeGitLab, request: ApiRequest) -> Answer:
    return Answer(200, views.merge_request(host, merge_request(host, request), alone=True))


@ROUTER.on("PUT", _REQUEST)
def update(host: FakeGitLab, request: ApiRequest) -> Answer:
    one, data = merge_request(host, request), request.data
    login = login_of(host, request, one.project)
    if not data:
        raise ApiError(Answer(400, {"error": "at least one parameter must be provided"}))
    if "title" in data:
        one.title = _title(data["title"])
    if "description" in data:
        one.description = obeyed(host, one, login, data["description"] or "")
    if data.get("target_branch", one.target) != one.target:
        _retarget(host, one, login, data["target_branch"])
    _change_state(host, one, login, data.get("state_event"))
    _file(host, one, data)
    return Answer(200, views.merge_request(host, one, alone=True))


def _retarget(host: FakeGitLab, one: MergeRequest, login: str, target: str) -> None:
    if one.project.bare.branch(target) is None:
        raise refuse(422, [f'Target branch "{target}" does not exist'])
    host.say(one, login, f"changed target branch from `{one.target}` to `{target}`")
    one.target = target
    host.add_version(one, one.sha)
    host.void_approvals(one, login)


def _change_state(host: FakeGitLab, one: MergeRequest, login: str, event: str | None) -> None:
    if event == "close" and one.state == "opened":
        host.close(one, login)
    if event == "reopen" and one.state == "closed":
        head = one.source_project.bare.branch(one.source)
        if head is None:
            raise refuse(422, [f'Source branch "{one.source}" does not exist'])
        one.state, one.closed_at = "opened", None
        host.say(one, login, "reopened")
        if head != one.sha:  # Approvals are not voided: https://gitlab.com/gitlab-org/gitlab/-/issues/1457
            host.add_version(one, head)


@ROUTER.on("GET", _REQUEST + "/versions")
def versions(host: FakeGitLab, request: ApiRequest) -> Answer:
    one = merge_request(host, request)
    return page(request, list(reversed(one.versions)), lambda each: views.version(one, each))


@ROUTER.on("GET", _REQUEST + "/commits")
def commits(host: FakeGitLab, request: ApiRequest) -> Answer:
    one = merge_request(host, request)
    newest = one.versions[-1]
    found = list(reversed(one.project.bare.commits(newest.base, newest.head)))
    return page(request, found, views.commit)


@ROUTER.on("GET", _REQUEST + "/pipelines")
def request_pipelines(host: FakeGitLab, request: ApiRequest) -> Answer:
    one = merge_request(host, request)
    known = host.settings(one.project).pipelines
    found = [each.head for each in reversed(one.versions) if each.head in known]
    return page(request, found, lambda sha: host.pipeline(one.project, sha))


@ROUTER.on("GET", _REQUEST + "/merge_ref")
def merge_ref(host: FakeGitLab, request: ApiRequest) -> Answer:
    made = host.test_merge(merge_request(host, request))
    if made is None:
        raise refuse(400, "400 Bad request - Merge request is not mergeable")
    return Answer(200, {"commit_id": made})


@ROUTER.on("PUT", _REQUEST + "/merge")
def merge(host: FakeGitLab, request: ApiRequest) -> Answer:
    """https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request, with its table of refusals."""
    one, data = merge_request(host, request), request.data
    login = login_of(host, request, one.project)
    settings = host.settings(one.project)
    rule = settings.protections.get(one.target)
    if rule and (rule.merge == 0 or host.level(one.project, login) < rule.merge):
        raise refuse(401, "401 Unauthorized")
    wait = bool(data.get("auto_merge") or data.get("merge_when_pipeline_succeeds"))
    status = host.merge_status(one)
    if status == "conflict":
        raise refuse(422, "Branch cannot be merged")
    waits = wait and host.may_wait(one)
    if status != "mergeable" and not waits:
        raise refuse(405, "405 Method Not Allowed")
    _demand_sha(one, data)
    one.removes_source = bool(data.get("should_remove_source_branch", one.removes_source))
    if waits:
        host.merge_later(one, login)
    else:
        squash = settings.squash == "always" or (bool(data.get("squash")) and settings.squash != "never")
        host.land(one, login, _message(one, data), squash, one.removes_source)
    return Answer(200, views.merge_request(host, one, alone=True))


def _message(one: MergeRequest, data: dict[str, Any]) -> str:
    return data.get("merge_commit_message") or f"Merge branch '{one.source}' into '{one.target}'"


@ROUTER.on("POST", _REQUEST + "/cancel_merge_when_pipeline_succeeds")
def cancel_auto_merge(host: FakeGitLab, request: ApiRequest) -> Answer:
    """https://docs.gitlab.com/api/merge_requests/#cancel-merge-when-pipeline-succeeds."""
    one = merge_request(host, request)
    login = login_of(host, request, one.project)
    if one.auto_merge is None:
        raise refuse(406, "Can't cancel the automatic merge")
    host.cancel_later(one, login)
    return Answer(201, {"status": "success"})


def _demand_sha(one: MergeRequest, data: dict[str, Any]) -> None:
    if data.get("sha") not in (None, one.sha):
        raise refuse(409, f"SHA does not match HEAD of source branch: {one.sha}")


# Approvals


@ROUTER.on("GET", _REQUEST + "/approvals")
def approvals(host: FakeGitLab, request: ApiRequest) -> Answer:
    one = merge_request(host, request)
    return Answer(200, views.approvals(host, one, request.token.login if request.token else None))


@ROUTER.on("POST", _REQUEST + "/approve")
def approve(host: FakeGitLab, request: ApiRequest) -> Answer:
    one = merge_request(host, request)
    login = login_of(host, request, one.project)
    _demand_sha(one, request.data)
    if not host.may_approve(one, login):
        raise refuse(401, "401 Unauthorized")
    one.approvals[login] = host.tick()
    if login in one.reviewers:
        one.reviewers[login] = "approved"
    host.say(one, login, "approved this merge request")
    host.settle(one.project)
    return Answer(201, views.approvals(host, one, login))


@ROUTER.on("POST", _REQUEST + "/unapprove")
def unapprove(host: FakeGitLab, request: ApiRequest) -> Answer:
    one = merge_request(host, request)
    login = login_of(host, request, one.project)
    if login not in one.approvals:
        raise refuse(404, "404 Not Found")
    del one.approvals[login]
    host.say(one, login, "unapproved this merge request")
    return Answer(201, views.approvals(host, one, login))


@ROUTER.on("GET", _REQUEST + "/reviewers")
def reviewers(host: FakeGitLab, request: ApiRequest) -> Answer:
    one = merge_request(host, request)
    return page(
        request,
        list(one.reviewers.items()),
        lambda item: {"user": views.user(host, item[0]), "state": item[1], "created_at": views.stamp(one.at)},
    )


# Notes


@ROUTER.on("GET", _REQUEST + "/notes")
def notes(host: FakeGitLab, request: ApiRequest) -> Answer:
    one = merge_request(host, request)
    found = one.notes if request.query.get("sort") == "asc" else list(reversed(one.notes))
    return page(request, found, lambda each: views.note(host, one, each))


@ROUTER.on("POST", _REQUEST + "/notes")
def add_note(host: FakeGitLab, request: ApiRequest) -> Answer:
    one = merge_request(host, request)
    login = login_of(host, request, one.project, "guest")
    demand(request.data, "body")
    body = obeyed(host, one, login, request.data["body"])
    if not body:
        return Answer(202, {"commands_changes": {}, "summary": ["Done."]})
    made = Note(host.next_id(), login, body, host.tick())
    one.notes.append(made)
    return Answer(201, views.note(host, one, made))


def _own_note(host: FakeGitLab, request: ApiRequest) -> tuple[MergeRequest, Note]:
    one = merge_request(host, request)
    login = login_of(host, request, one.project, "guest")
    found = next((each for each in one.notes if str(each.id) == request.params["note_id"]), None)
    if found is None:
        raise refuse(404, "404 Note Not Found")
    if found.system or found.login != login:
        raise refuse(403, "403 Forbidden")
    return one, found


@ROUTER.on("PUT", _REQUEST + "/notes/{note_id}")
def edit_note(host: FakeGitLab, request: ApiRequest) -> Answer:
    one, found = _own_note(host, request)
    demand(request.data, "body")
    found.body, found.updated = request.data["body"], host.tick()
    return Answer(200, views.note(host, one, found))


@ROUTER.on("DELETE", _REQUEST + "/notes/{note_id}")
def delete_note(host: FakeGitLab, request: ApiRequest) -> Answer:
    one, found = _own_note(host, request)
    one.notes.remove(found)
    return Answer(204)
