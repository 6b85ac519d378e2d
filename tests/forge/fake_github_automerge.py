"""Auto-merge: https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/automatically-merging-a-pull-request.

Only the GraphQL API has it: https://docs.github.com/en/graphql/reference/mutations#enablepullrequestautomerge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from forge.fake_github_calls import error, refusal
from forge.fake_github_merge import press
from forge.fake_github_state import ROLES, AutoMerge, GitHubRepository, Pull
from forge.git_host import Answer, ApiRequest, Token

if TYPE_CHECKING:
    from forge.fake_github import FakeGitHub

_MUTATION = re.compile(r"mutation Mutation\(\$input: (\w+)Input!\) \{ (\w+)\(input: \$input\) \{ .* \} \}\Z")
#: States in which a request can be merged at once, so that there is nothing to wait for.
_READY = ("clean", "unstable", "has_hooks")


class GraphError(Exception):
    """A mutation that is refused; ``kind`` is what GitHub calls its type."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def mutate(host: FakeGitHub, request: ApiRequest) -> Answer:
    """Carries out a mutation. GraphQL tells of errors with the status 200."""
    if request.token is None:
        raise error(401, "Requires authentication")
    found = _MUTATION.match(request.data["query"])
    assert found, request.data["query"]
    assert found[1].lower() == found[2].lower()
    given = request.data["variables"]["input"]
    try:
        repo, pull = _named(host, request.token, str(given["pullRequestId"]))
        _demand_right(host, request.token, repo, found[1])
        _DONE[found[2]](host, repo, pull, request.token.login, given)
    except GraphError as refused:
        errors = [{"type": refused.kind, "path": [found[2]], "locations": [], "message": str(refused)}]
        return Answer(200, {"data": {found[2]: None}, "errors": errors})
    return Answer(200, {"data": {found[2]: {"pullRequest": {"number": pull.number}}}})


def _named(host: FakeGitHub, token: Token, node: str) -> tuple[GitHubRepository, Pull]:
    for repo in host.repositories.values():
        assert isinstance(repo, GitHubRepository)
        for pull in repo.pulls.values():
            if f"PR_{pull.id}" == node and host.may_read(token, repo):
                return repo, pull
    raise GraphError("NOT_FOUND", f"Could not resolve to a node with the global id of '{node}'")


def _demand_right(host: FakeGitHub, token: Token, repo: GitHubRepository, mutation: str) -> None:
    for permission in ("contents:write", "pull_requests:write"):
        if (why := refusal(token, repo, permission)) is not None:
            raise GraphError("FORBIDDEN", why.answer.body["message"])
    if token.kind != "installation" and ROLES.index(host.role(token.login, repo)) < ROLES.index("write"):
        raise GraphError(
            "FORBIDDEN", f"{token.login} does not have the correct permissions to execute `{mutation}`"
        )


def _enable(
    host: FakeGitHub, repo: GitHubRepository, pull: Pull, login: str, given: Mapping[str, Any]
) -> None:
    if not repo.allow_auto_merge:
        raise _unprocessable("Auto merge is not allowed for this repository")
    if pull.state != "open":
        raise _unprocessable("Pull request is closed")
    if given.get("expectedHeadOid") not in (None, pull.head):
        raise _unprocessable("Head branch was modified. Review and try the merge again.")
    state = host.mergeable_state(repo, pull)
    if state in _READY:
        raise _unprocessable(f"Pull request is in {state} status")
    pull.auto_merge = AutoMerge(login, str(given.get("mergeMethod", "MERGE")).lower())
    host.note(pull, "auto_merge_enabled", login)


def _disable(
    host: FakeGitHub, repo: GitHubRepository, pull: Pull, login: str, given: Mapping[str, Any]
) -> None:
    if pull.auto_merge is None:
        raise _unprocessable("Can't disable auto-merge for this pull request")
    stop(host, pull, login)


def _unprocessable(why: str) -> GraphError:
    return GraphError("UNPROCESSABLE", f"Pull request {why}")


_DONE: Mapping[str, Callable[[FakeGitHub, GitHubRepository, Pull, str, Mapping[str, Any]], None]] = {
    "enablePullRequestAutoMerge": _enable,
    "disablePullRequestAutoMerge": _disable,
}


def stop(host: FakeGitHub, pull: Pull, login: str) -> None:
    """Switches it off. A push by somebody who may not write does so, and another base."""
    if pull.auto_merge is not None:
        pull.auto_merge = None
        host.note(pull, "auto_merge_disabled", login)


def settle(host: FakeGitHub, repo: GitHubRepository) -> None:
    """Merges the requests that only waited for what there is by now, in the name of who switched it on."""
    for pull in list(repo.pulls.values()):
        wish = pull.auto_merge
        if wish and pull.state == "open" and host.mergeable_state(repo, pull) in _READY:
            press(host, repo, pull, wish.login, wish.method)
