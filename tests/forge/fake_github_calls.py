"""From a request to an operation: who asks, what they may, and how GitHub says no.

https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from forge.fake_github_state import ROLES, GitHubRepository, Pull
from forge.git_host import Account, Answer, ApiError, ApiRequest, Token
from forge.routes import Router

if TYPE_CHECKING:
    from forge.fake_github import FakeGitHub

ROUTES = Router()
REPO = "/repos/{owner}/{repo}"
PULL = REPO + "/pulls/{pull_number}"
ISSUE = REPO + "/issues/{issue_number}"
DOCS = "https://docs.github.com/rest"
#: GitHub takes no longer text in a body.
LONGEST_BODY = 65536


@dataclass(slots=True)
class Call:
    """One call of an operation; ``actor`` is None where no token was sent."""

    host: FakeGitHub
    request: ApiRequest
    actor: Account | None
    found: GitHubRepository | None

    @property
    def repo(self) -> GitHubRepository:
        """The repository that the path names."""
        assert self.found is not None
        return self.found

    @property
    def login(self) -> str:
        """Who acts; the operation is not for the anonymous."""
        if self.actor is None:
            raise error(401, "Requires authentication")
        return self.actor.login

    @property
    def pull(self) -> Pull:
        """The pull request that the path names."""
        number = self.param("pull_number", "issue_number")
        pull = self.repo.pulls.get(int(number)) if number.isdigit() else None
        if pull is None:
            raise error(404, "Not Found")
        return pull

    def param(self, *names: str) -> str:
        """The first of these parts of the path that it has."""
        return next(self.request.params[name] for name in names if name in self.request.params)

    def has_role(self, role: str) -> bool:
        """Whether the actor has at least this role; for an App's token its permissions decide instead."""
        if self.request.token and self.request.token.kind == "installation":
            return True
        held = self.host.role(self.actor.login if self.actor else None, self.repo)
        return ROLES.index(held) >= ROLES.index(role)

    def need_role(self, role: str, message: str = "Must have admin rights to Repository.") -> None:
        """Refuses those with less, by 403."""
        if not self.has_role(role):
            raise error(403, message)

    def page(
        self,
        items: Sequence[Any],
        render: Callable[[Any], Any],
        wrap: Callable[[list[Any]], Any] | None = None,
    ) -> Answer:
        """One page of a list, with the links to the others."""
        number, size = self._number("page", 1, 10**6), self._number("per_page", 30, 100)
        shown = [render(item) for item in items[(number - 1) * size : number * size]]
        last = max(1, -(-len(items) // size))
        links = {"prev": number - 1, "first": 1} if number > 1 else {}
        links |= {"next": number + 1, "last": last} if number < last else {}
        headers = {"Link": ", ".join(f'<{self.link(page=n)}>; rel="{rel}"' for rel, n in links.items())}
        return Answer(200, wrap(shown) if wrap else shown, headers if links else {})

    def link(self, **query: object) -> str:
        """This call's URL with other values in its query."""
        own = self.request.query | {name: str(value) for name, value in query.items()}
        return f"{self.host.api}{self.request.path}?{urlencode(own)}"

    def _number(self, name: str, default: int, most: int) -> int:
        value = self.request.query.get(name, "")
        return max(1, min(int(value), most)) if value.isdigit() else default

    def text(self, name: str) -> str | None:
        """A text of the body, not longer than GitHub takes."""
        value = self.request.data.get(name)
        if isinstance(value, str) and len(value) > LONGEST_BODY:
            raise invalid("Issue", name, f"{name} is too long (maximum is {LONGEST_BODY} characters)")
        return value


def error(status: int, message: str, errors: Sequence[Any] | None = None) -> ApiError:
    """An answer that says no."""
    body: dict[str, Any] = {"message": message, "documentation_url": DOCS, "status": str(status)}
    return ApiError(Answer(status, body | ({"errors": list(errors)} if errors is not None else {})))


def invalid(resource: str, field: str | None, message: str | None = None, code: str = "custom") -> ApiError:
    """422 about one field of what was sent."""
    about = {"resource": resource, "code": code}
    about |= {"field": field} if field else {}
    return error(422, "Validation Failed", [about | ({"message": message} if message else {})])


def unprocessable(*reasons: str) -> ApiError:
    """422 with plain sentences, as reviews have it."""
    return error(422, "Unprocessable Entity", reasons)


def iso(moment: datetime) -> str:
    """A time as the API writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


Function = Callable[[Call], Any]


def operation(
    method: str, template: str, permission: str = "metadata:read"
) -> Callable[[Function], Function]:
    """Registers an operation. ``permission`` is what a fine-grained token must have for it; ``|`` is "or"."""

    def add(function: Function) -> Function:
        @ROUTES.on(method, template)
        def run(host: FakeGitHub, request: ApiRequest) -> Answer:
            said = function(_admitted(host, request, permission))
            return said if isinstance(said, Answer) else Answer(200, said)

        return function

    return add


def _admitted(host: FakeGitHub, request: ApiRequest, permission: str) -> Call:
    """The call, once it is known that this token may make it."""
    token, params = request.token, request.params
    actor = host.account(token.login) if token else None
    found = host.repository(f"{params['owner']}/{params['repo']}") if "repo" in params else None
    if "repo" in params and (found is None or not host.may_read(token, found)):
        raise error(404, "Not Found")
    writes = request.method != "GET"
    if writes and token is None:
        raise error(401, "Requires authentication")
    if token and found and (why := refusal(token, found, permission)):
        raise why
    assert found is None or isinstance(found, GitHubRepository)
    return Call(host, request, actor, found)


def refusal(token: Token, repository: GitHubRepository, permission: str) -> ApiError | None:
    """Why a token's kind or scopes do not allow this, whoever holds it."""
    first, _, others = permission.partition("|")
    if others and refusal(token, repository, others) is None:
        return None
    return _refusal(token, repository, first)


def _refusal(token: Token, repository: GitHubRepository, permission: str) -> ApiError | None:
    name, _, level = permission.partition(":")
    if token.kind == "classic":
        enough = "repo" in token.scopes or ("public_repo" in token.scopes and not repository.private)
        return None if enough or level == "read" else error(404, "Not Found")
    granted = {scope.partition(":")[0]: scope.partition(":")[2] for scope in token.scopes}
    if name == "issues" and granted.get("pull_requests") in (level, "write"):
        return None  # all issues here are pull requests; GitHub's pages name both permissions
    held = granted.get(name, "read" if name == "metadata" or not repository.private else "")
    if held == level or held in ("write", "admin"):
        return None
    kind = "integration" if token.kind == "installation" else "personal access token"
    return error(403, f"Resource not accessible by {kind}")
