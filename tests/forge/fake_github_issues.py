"""What pull requests share with issues: comments, labels, the timeline. https://docs.github.com/en/rest/issues."""

from __future__ import annotations

from typing import Any

from forge.fake_github_calls import ISSUE, REPO, Call, error, invalid, iso, operation
from forge.fake_github_json import committed, label, user
from forge.fake_github_pull_json import comment, review, simple_pull
from forge.fake_github_pulls import set_state
from forge.fake_github_state import Comment, GitHubRepository, Happening, Label, Pull
from forge.git_host import Answer

_SAME = [
    "url",
    "html_url",
    "node_id",
    "id",
    "number",
    "title",
    "user",
    "body",
    "state",
    "locked",
    "labels",
    "assignee",
    "assignees",
    "milestone",
    "created_at",
    "updated_at",
    "closed_at",
    "author_association",
    "active_lock_reason",
    "draft",
    "comments_url",
]


def issue(call: Call, pull: Pull) -> dict[str, Any]:
    """A pull request as an issue."""
    shown = simple_pull(call.host, call.repo, pull)
    base = f"{call.host.api}/repos/{call.repo.full_name}"
    own = f"{base}/issues/{pull.number}"
    links = {name: shown[name] for name in ("url", "html_url", "diff_url", "patch_url", "merged_at")}
    return {name: shown[name] for name in _SAME} | {
        "url": own,
        "repository_url": base,
        "labels_url": own + "/labels{/name}",
        "events_url": own + "/events",
        "timeline_url": own + "/timeline",
        "comments": len(pull.comments),
        "pull_request": links,
        "closed_by": None,
        "performed_via_github_app": None,
        "state_reason": None,
    }


@operation("GET", ISSUE, "issues:read|pull_requests:read")
def get_issue(call: Call) -> Any:
    return issue(call, call.pull)


@operation("PATCH", ISSUE, "issues:write")
def update_issue(call: Call) -> Any:
    pull, data = call.pull, call.request.data
    if pull.login.lower() != call.login.lower():
        call.need_role("triage", "Must have write access.")
    pull.title = data.get("title", pull.title)
    pull.body = call.text("body") if "body" in data else pull.body
    if "labels" in data:
        _set_labels(call, pull, [_name(one) for one in data["labels"]])
    if data.get("state", pull.state) != pull.state:
        set_state(call, pull, data["state"])
    return issue(call, pull)


# Comments


@operation("GET", ISSUE + "/comments", "issues:read|pull_requests:read")
def list_comments(call: Call) -> Answer:
    return call.page(call.pull.comments, lambda one: comment(call.host, call.repo, call.pull, one))


@operation("POST", ISSUE + "/comments", "issues:write")
def create_comment(call: Call) -> Answer:
    pull, body = call.pull, call.text("body")
    if not body or not body.strip():
        raise invalid("IssueComment", "body", "body can't be blank", "missing_field")
    one = Comment(call.host.next_id(), call.login, body, call.host.now, call.host.now)
    pull.comments.append(one)
    return Answer(201, comment(call.host, call.repo, pull, one))


def _comment(call: Call) -> tuple[Pull, Comment]:
    for pull in call.repo.pulls.values():
        for one in pull.comments:
            if str(one.id) == call.param("comment_id"):
                return pull, one
    raise error(404, "Not Found")


@operation("GET", REPO + "/issues/comments/{comment_id}", "issues:read|pull_requests:read")
def get_comment(call: Call) -> Any:
    return comment(call.host, call.repo, *_comment(call))


@operation("PATCH", REPO + "/issues/comments/{comment_id}", "issues:write")
def update_comment(call: Call) -> Any:
    pull, one = _own_comment(call)
    one.body, one.updated = call.text("body") or "", call.host.now
    return comment(call.host, call.repo, pull, one)


@operation("DELETE", REPO + "/issues/comments/{comment_id}", "issues:write")
def delete_comment(call: Call) -> Answer:
    pull, one = _own_comment(call)
    pull.comments.remove(one)
    return Answer(204)


def _own_comment(call: Call) -> tuple[Pull, Comment]:
    pull, one = _comment(call)
    if one.login != call.login:
        call.need_role("write", "Must have write access.")
    return pull, one


# Labels


@operation("GET", REPO + "/labels", "issues:read|pull_requests:read")
def list_repository_labels(call: Call) -> Answer:
    return call.page(sorted(call.repo.labels), lambda name: label(call.host, call.repo, name))


@operation("GET", REPO + "/labels/{name}", "issues:read|pull_requests:read")
def get_label(call: Call) -> Any:
    if call.param("name").lower() not in call.repo.labels:
        raise error(404, "Not Found")
    return label(call.host, call.repo, call.param("name"))


@operation("POST", REPO + "/labels", "issues:write")
def create_label(call: Call) -> Answer:
    data = call.request.data
    call.need_role("write", "Must have write access.")
    name, color = data.get("name", ""), data.get("color", "ededed")
    if name.lower() in call.repo.labels:
        raise invalid("Label", "name", code="already_exists")
    if not name or len(color) != 6 or set(color.lower()) - set("0123456789abcdef"):
        raise invalid("Label", "color" if name else "name", code="invalid")
    call.repo.labels[name.lower()] = Label(call.host.next_id(), name, color, data.get("description"))
    return Answer(201, label(call.host, call.repo, name))


@operation("GET", ISSUE + "/labels", "issues:read|pull_requests:read")
def list_labels(call: Call) -> Answer:
    return call.page(call.pull.labels, lambda name: label(call.host, call.repo, name))


@operation("POST", ISSUE + "/labels", "issues:write")
def add_labels(call: Call) -> Any:
    pull = call.pull
    _set_labels(call, pull, [*pull.labels, *_sent_labels(call)])
    return [label(call.host, call.repo, name) for name in pull.labels]


@operation("PUT", ISSUE + "/labels", "issues:write")
def replace_labels(call: Call) -> Any:
    pull = call.pull
    _set_labels(call, pull, _sent_labels(call))
    return [label(call.host, call.repo, name) for name in pull.labels]


def _sent_labels(call: Call) -> list[str]:
    body = call.request.body
    return [_name(one) for one in (body if isinstance(body, list) else (body or {}).get("labels", []))]


@operation("DELETE", ISSUE + "/labels/{name}", "issues:write")
def remove_label(call: Call) -> Any:
    pull, folded = call.pull, call.param("name").lower()
    if folded not in (name.lower() for name in pull.labels):
        raise error(404, "Label does not exist")
    _set_labels(call, pull, [name for name in pull.labels if name.lower() != folded])
    return [label(call.host, call.repo, name) for name in pull.labels]


def _name(one: Any) -> str:
    return one if isinstance(one, str) else one["name"]


def _set_labels(call: Call, pull: Pull, names: list[str]) -> None:
    """Labels that the repository does not have are made, as GitHub does it."""
    call.need_role("triage", "Must have write access.")
    before = list(pull.labels)
    for name in names:
        call.repo.labels.setdefault(name.lower(), Label(call.host.next_id(), name))
    pull.labels = list(dict.fromkeys(call.repo.labels[name.lower()].name for name in names))
    for event, changed in (("labeled", pull.labels), ("unlabeled", before)):
        other = before if event == "labeled" else pull.labels
        for name in changed:
            if name not in other:
                about = call.repo.labels[name.lower()]
                call.host.note(pull, event, call.login, label={"name": about.name, "color": about.color})


# The timeline


@operation("GET", ISSUE + "/timeline", "issues:read|pull_requests:read")
def timeline(call: Call) -> Answer:
    """Everything that happened, oldest first; commits stand where their committers dated them."""
    pull, host, repo = call.pull, call.host, call.repo
    entries: list[tuple[Any, dict[str, Any]]] = [
        (made.committer.at, committed(host, repo, made)) for made in repo.bare.commits(pull.base, pull.head)
    ]
    entries += [(one.at, _reviewed(call, pull, one)) for one in pull.reviews if one.state != "PENDING"]
    entries += [(one.created, _commented(call, pull, one)) for one in pull.comments]
    entries += [(one.at, _happened(call, repo, one)) for one in pull.happenings]
    entries.sort(key=lambda entry: entry[0])
    return call.page([shown for _, shown in entries], lambda shown: shown)


def _reviewed(call: Call, pull: Pull, one: Any) -> dict[str, Any]:
    shown = review(call.host, call.repo, pull, one)
    return shown | {"event": "reviewed", "state": shown["state"].lower(), "updated_at": shown["submitted_at"]}


def _commented(call: Call, pull: Pull, one: Comment) -> dict[str, Any]:
    shown = comment(call.host, call.repo, pull, one)
    return shown | {"event": "commented", "actor": shown["user"]}


def _happened(call: Call, repo: GitHubRepository, one: Happening) -> dict[str, Any]:
    base = f"{call.host.api}/repos/{repo.full_name}"
    extra = dict(one.extra)
    if "about" in extra:
        extra["requested_reviewer"] = user(call.host, extra.pop("about"))
        extra["review_requester"] = user(call.host, one.login)
    return extra | {
        "id": one.id,
        "node_id": f"E_{one.id}",
        "url": f"{base}/issues/events/{one.id}",
        "actor": user(call.host, one.login),
        "event": one.event,
        "commit_id": one.commit,
        "commit_url": f"{base}/commits/{one.commit}" if one.commit else None,
        "created_at": iso(one.at),
        "performed_via_github_app": None,
    }
