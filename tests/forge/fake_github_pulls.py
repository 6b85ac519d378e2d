"""The operations on pull requests: https://docs.github.com/en/rest/pulls/pulls."""

from __future__ import annotations

from typing import Any

from forge.fake_github_calls import PULL, REPO, Call, error, invalid, operation, unprocessable
from forge.fake_github_json import changed_file, commit
from forge.fake_github_pull_json import full_pull, simple_pull
from forge.fake_github_state import ROLES, GitHubRepository, Pull
from forge.git_host import Answer

_SORTS = {"created": "created", "updated": "updated", "popularity": "created", "long-running": "created"}


@operation("GET", REPO + "/pulls", "pull_requests:read")
def list_pulls(call: Call) -> Answer:
    query = call.request.query
    state, head, base = query.get("state", "open"), query.get("head"), query.get("base")
    found = [
        pull
        for pull in call.repo.pulls.values()
        if state in ("all", pull.state)
        # A head without an owner filters nothing.
        and (not head or ":" not in head or head.lower() == _label(pull).lower())
        and (not base or base == pull.base_ref)
    ]
    key = _SORTS.get(query.get("sort", "created"), "created")
    descending = (
        query.get("direction", "desc" if "sort" not in query or key == "created" else "asc") == "desc"
    )
    found.sort(key=lambda pull: (getattr(pull, key), pull.number), reverse=descending)
    return call.page(found, lambda pull: simple_pull(call.host, call.repo, pull))


def _label(pull: Pull) -> str:
    return f"{pull.head_repository.rpartition('/')[0]}:{pull.head_ref}"


@operation("POST", REPO + "/pulls", "pull_requests:write")
def create_pull(call: Call) -> Answer:
    data, repo = call.request.data, call.repo
    if not isinstance(data.get("title"), str) or not data["title"].strip():
        raise invalid("PullRequest", "title", code="missing_field")
    source, head_ref = _source(call, data.get("head", ""))
    base_ref = data.get("base", "")
    base, head = repo.bare.branch(base_ref), source.bare.branch(head_ref)
    if head is None:
        raise invalid("PullRequest", "head", code="invalid")
    if base is None:
        raise invalid("PullRequest", "base", code="invalid")
    _may_open(call, source)
    call.host.bring(source, repo, head)
    _refuse_twin(repo, source.full_name, head_ref, base_ref)
    _refuse_empty(repo, base_ref, base, head_ref, head)
    pull = _new(call, source, (base_ref, base), (head_ref, head))
    return Answer(201, full_pull(call.host, repo, pull))


def _source(call: Call, head: str) -> tuple[GitHubRepository, str]:
    """The repository and the branch that a head of the form ``branch`` or ``owner:branch`` names."""
    owner, _, branch = head.rpartition(":")
    if owner.lower() in ("", call.repo.owner.lower()):
        return call.repo, branch
    for other in call.host.repositories.values():
        assert isinstance(other, GitHubRepository)
        if (other.owner.lower(), other.parent) == (owner.lower(), call.repo.full_name):
            return other, branch
    raise invalid("PullRequest", "head", code="invalid")


def _may_open(call: Call, source: GitHubRepository) -> None:
    token = call.request.token
    if token and token.kind == "installation":
        if token.login == "github-actions[bot]" and not call.repo.actions_may_approve:
            raise error(403, "GitHub Actions is not permitted to create or approve pull requests.")
    elif ROLES.index(call.host.role(call.login, source)) < ROLES.index("write"):
        raise error(404 if token and token.kind == "classic" else 403, "Not Found")


def _refuse_twin(repo: GitHubRepository, source: str, head: str, base: str, but: int = 0) -> None:
    for pull in repo.pulls.values():
        same = (pull.head_repository, pull.head_ref, pull.base_ref) == (source, head, base)
        if same and pull.state == "open" and pull.number != but:
            raise invalid("PullRequest", None, f"A pull request already exists for {_label(pull)}.")


def _refuse_empty(repo: GitHubRepository, base_ref: str, base: str, head_ref: str, head: str) -> None:
    if repo.bare.merge_base(base, head) is None:
        raise invalid("PullRequest", None, f"The {head_ref} branch has no history in common with {base_ref}")
    if repo.bare.is_ancestor(head, base):
        raise invalid("PullRequest", None, f"No commits between {base_ref} and {head_ref}")


def _new(call: Call, source: GitHubRepository, base: tuple[str, str], head: tuple[str, str]) -> Pull:
    repo, host, data = call.repo, call.host, call.request.data
    repo.last_number += 1
    pull = Pull(
        number=repo.last_number,
        id=host.next_id(),
        login=call.login,
        title=data["title"],
        body=call.text("body"),
        base_ref=base[0],
        base=base[1],
        head_ref=head[0],
        head=head[1],
        head_repository=source.full_name,
        created=host.now,
        updated=host.now,
        draft=bool(data.get("draft")),
        maintainer_can_modify=source is not repo and bool(data.get("maintainer_can_modify", True)),
    )
    repo.pulls[pull.number] = pull
    host.show(repo, pull)
    host.announce("pull_request", repo, pull, call.login, action="opened")
    return pull


@operation("GET", PULL, "pull_requests:read")
def get_pull(call: Call) -> Any:
    return full_pull(call.host, call.repo, call.pull)


@operation("PATCH", PULL, "pull_requests:write")
def update_pull(call: Call) -> Any:
    pull, data = call.pull, call.request.data
    if pull.login.lower() != call.login.lower():
        call.need_role("triage" if set(data) == {"state"} else "write", "Must have write access.")
    if "base" in data and data["base"] != pull.base_ref:
        _change_base(call, pull, data["base"])
    if "title" in data and data["title"] != pull.title:
        renamed = {"rename": {"from": pull.title, "to": data["title"]}}
        call.host.note(pull, "renamed", call.login, **renamed)
        pull.title = data["title"]
    if "body" in data:
        pull.body = call.text("body")
    if data.get("state", pull.state) != pull.state:
        set_state(call, pull, data["state"])
    pull.updated = call.host.now
    return full_pull(call.host, call.repo, pull)


def _change_base(call: Call, pull: Pull, base_ref: str) -> None:
    repo = call.repo
    base = repo.bare.branch(base_ref)
    if pull.state != "open":
        raise invalid("PullRequest", "base", "Cannot change the base branch of a closed pull request.")
    if base is None:
        raise invalid("PullRequest", "base", code="invalid")
    _refuse_twin(repo, pull.head_repository, pull.head_ref, base_ref, pull.number)
    _refuse_empty(repo, base_ref, base, pull.head_ref, pull.head)
    pull.base_ref, pull.base = base_ref, base
    call.host.note(pull, "base_ref_changed", call.login)
    call.host.stop_auto_merge(pull, call.login)
    call.host.show(repo, pull)
    call.host.announce("pull_request", repo, pull, call.login, action="edited")


def set_state(call: Call, pull: Pull, state: str) -> None:
    """Closes or opens again."""
    if state == "closed":
        call.host.close(call.repo, pull, call.login)
        return
    _may_reopen(call, pull)
    pull.state, pull.closed = "open", None
    call.host.note(pull, "reopened", call.login, state_reason=None)
    call.host.show(call.repo, pull)
    call.host.announce("pull_request", call.repo, pull, call.login, action="reopened")


def _may_reopen(call: Call, pull: Pull) -> None:
    source = call.host.repository(pull.head_repository)
    head = source.bare.branch(pull.head_ref) if source else None
    if pull.merged:
        raise invalid("PullRequest", "state", "state cannot be changed. The pull request is already merged.")
    if head is None or source is None:
        raise invalid(
            "PullRequest", "state", f"state cannot be changed. The {pull.head_ref} branch has been deleted."
        )
    call.host.bring(source, call.repo, head)
    if not call.repo.bare.is_ancestor(pull.head, head):
        why = f"state cannot be changed. The {pull.head_ref} branch was force-pushed or recreated."
        raise invalid("PullRequest", "state", why)
    _refuse_twin(call.repo, pull.head_repository, pull.head_ref, pull.base_ref)
    pull.head = head


@operation("GET", PULL + "/commits", "pull_requests:read")
def list_commits(call: Call) -> Answer:
    pull = call.pull
    made = call.repo.bare.commits(pull.base, pull.head)
    return call.page(made[:250], lambda one: commit(call.host, call.repo, one))


@operation("GET", PULL + "/files", "pull_requests:read")
def list_files(call: Call) -> Answer:
    pull, bare = call.pull, call.repo.bare
    files = bare.files(bare.merge_base(pull.base, pull.head) or pull.base, pull.head)
    return call.page(files, lambda one: changed_file(call.host, call.repo, pull.head, one))


@operation("GET", PULL + "/requested_reviewers", "pull_requests:read")
def list_reviewers(call: Call) -> Any:
    return {"users": simple_pull(call.host, call.repo, call.pull)["requested_reviewers"], "teams": []}


@operation("POST", PULL + "/requested_reviewers", "pull_requests:write")
def request_reviewers(call: Call) -> Answer:
    pull, names = call.pull, call.request.data.get("reviewers", [])
    call.need_role("triage", "Must have write access.")
    if any(name.lower() == pull.login.lower() for name in names):
        raise error(422, "Review cannot be requested from pull request author.")
    strangers = [name for name in names if call.host.granted(name, call.repo) == "none"]
    if strangers or call.request.data.get("team_reviewers"):
        raise error(
            422,
            "Reviews may only be requested from collaborators. One or more of the users or teams you specified "
            f"is not a collaborator of the {call.repo.full_name} repository.",
        )
    for name in names:
        _request(call, pull, name)
    return Answer(201, simple_pull(call.host, call.repo, pull))


def _request(call: Call, pull: Pull, name: str) -> None:
    account = call.host.account(name)
    assert account is not None
    if account.login not in pull.reviewers:
        pull.reviewers.append(account.login)
        call.host.note(pull, "review_requested", call.login, about=account.login)


@operation("DELETE", PULL + "/requested_reviewers", "pull_requests:write")
def unrequest_reviewers(call: Call) -> Any:
    pull, names = call.pull, call.request.data.get("reviewers", [])
    call.need_role("triage", "Must have write access.")
    if not names and not call.request.data.get("team_reviewers"):
        raise unprocessable("reviewers is missing")
    gone = {name.lower() for name in names}
    for login in [one for one in pull.reviewers if one.lower() in gone]:
        pull.reviewers.remove(login)
        call.host.note(pull, "review_request_removed", call.login, about=login)
    return simple_pull(call.host, call.repo, pull)
