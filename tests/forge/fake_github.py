"""A GitHub to test against, laid out as GitHub Enterprise Server is: the API is at ``/api/v3``.

Heads, files, mergeability and merges come from git in bare repositories; what GitHub keeps beside git is in
:mod:`forge.fake_github_state`. Each exchange is checked against GitHub's own OpenAPI description.

    with FakeGitHub(folder) as github:
        github.add_person("alice-gh", "alice@example.com")
        repo = github.add_repository("acme/models", {"alice-gh": "write"})
        token = github.personal_token("alice-gh")
        git("push", github.remote("acme/models", token), "HEAD:refs/heads/main")
        …
    github.demand_conforming()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

# Each of these registers its operations.
from forge import (  # noqa: F401
    fake_github_actions,
    fake_github_automerge,
    fake_github_issues,
    fake_github_merge,
    fake_github_pulls,
    fake_github_repos,
    fake_github_reviews,
    fake_github_rules,
    fake_github_sync,
    fake_github_workflows,
)
from forge.bare import Bare
from forge.fake_github_acts import Acts
from forge.fake_github_calls import DOCS, ROUTES, error, refusal
from forge.fake_github_json import repository as repository_json
from forge.fake_github_json import user
from forge.fake_github_pull_json import full_pull
from forge.fake_github_pull_json import review as review_json
from forge.fake_github_rulebook import RuleBook
from forge.fake_github_state import ROLES, WEB_FLOW, GitHubRepository, Happening, Pull, Review, Run
from forge.git_host import Account, Answer, ApiRequest, GitHost, Hosted, Push, Token
from forge.openapi_check import Description

#: The account that ``GITHUB_TOKEN`` acts as.
ACTIONS_BOT = "github-actions[bot]"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that starts workflows: the event's name and its payload.

    ``by_token``: ``GITHUB_TOKEN`` did it, so that GitHub would start none
    (https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/trigger-a-workflow).
    """

    event: str
    payload: dict[str, Any]
    by_token: bool


class FakeGitHub(Acts, GitHost):
    """The server. Its helpers act as a person; see :class:`forge.fake_github_acts.Acts`."""

    prefix = "/api/v3"
    graphql = "/api/graphql"

    def __init__(self, root: Path, now: datetime | None = None) -> None:
        super().__init__(root, now)
        self.rules = RuleBook(self)
        #: What did not conform to GitHub's description, a line each.
        self.violations: list[str] = []
        #: The runs that were asked for again, in order.
        self.reruns: list[Run] = []
        self.announcements: list[Announcement] = []
        self.add_account("github", kind="Organization", name="GitHub")
        self.add_account("web-flow", WEB_FLOW[1], name="GitHub Web Flow")
        self.add_account(ACTIONS_BOT, "41898282+github-actions[bot]@users.noreply.github.com", kind="Bot")

    @property
    def api(self) -> str:
        """Where the API is."""
        return self.url + self.prefix

    # Who and what there is

    def add_person(self, login: str, *emails: str, kind: str = "User") -> Account:
        """Somebody with an account; a ``Bot`` if told so."""
        return self.add_account(login, *emails, kind=kind)

    def add_repository(
        self, full_name: str, access: Mapping[str, str] | None = None, *, private: bool = False
    ) -> GitHubRepository:
        """An empty repository; ``access`` is each login's role. Its owner becomes an account, if there is none."""
        bare = Bare.create(self.root / f"{full_name}.git")
        return self._adopt(full_name, bare, dict(access or {}), private=private)

    def adopt_repository(
        self, full_name: str, bare: Path, access: Mapping[str, str] | None = None, *, private: bool = False
    ) -> GitHubRepository:
        """Hosts a bare repository that is there already, somewhere below ``root``."""
        return self._adopt(full_name, Bare(bare), dict(access or {}), private=private)

    def fork(self, parent: GitHubRepository, owner: str) -> GitHubRepository:
        """Somebody's own copy."""
        name = f"{owner}/{parent.name}"
        bare = Bare.create(self.root / f"{name}.git")
        bare.text("fetch", "-q", str(parent.bare.path), "refs/heads/*:refs/heads/*")
        return self._adopt(name, bare, {}, private=parent.private, parent=parent.full_name)

    def _adopt(self, full_name: str, bare: Bare, access: dict[str, str], **more: Any) -> GitHubRepository:
        made = GitHubRepository(full_name, self.next_id(), bare, access=access, created=self.now, **more)
        if self.account(made.owner) is None:
            self.add_account(made.owner, kind="User" if made.parent else "Organization")
        # GitHub keeps refs/pull/ to itself: "deny updating a hidden ref".
        with (bare.path / "config").open("a") as config:
            config.write("[receive]\n\thideRefs = refs/pull\n")
        self.adopt(made)
        return made

    def repo(self, full_name: str) -> GitHubRepository:
        """The repository with this name."""
        found = self.repository(full_name)
        assert isinstance(found, GitHubRepository), full_name
        return found

    def personal_token(
        self, login: str, scopes: Sequence[str] = ("repo", "workflow"), expires: datetime | None = None
    ) -> str:
        """A classic personal access token."""
        return self.add_token(Token(f"ghp_{self.next_id():036}", login, "classic", tuple(scopes), expires))

    def fine_grained_token(
        self,
        login: str,
        permissions: Sequence[str],
        repositories: Sequence[str] = (),
        expires: datetime | None = None,
    ) -> str:
        """A fine-grained personal access token; ``permissions`` such as ``pull_requests:write``."""
        names = tuple(name.lower() for name in repositories)
        value = f"github_pat_{self.next_id():022}"
        return self.add_token(Token(value, login, "fine-grained", tuple(permissions), expires, names))

    def actions_token(
        self,
        full_name: str,
        permissions: Sequence[str] = (
            "contents:write",
            "pull_requests:write",
            "issues:write",
            "actions:write",
        ),
        login: str = ACTIONS_BOT,
    ) -> str:
        """The ``GITHUB_TOKEN`` of a job; with another (bot's) ``login``, that App's installation token."""
        value = f"ghs_{self.next_id():036}"
        return self.add_token(
            Token(value, login, "installation", tuple(permissions), None, (full_name.lower(),))
        )

    # Who may what

    def granted(self, login: str, repo: GitHubRepository) -> str:
        """The role that somebody was given in a repository, or ``none``."""
        if login.lower() == repo.owner.lower():
            return "admin"
        return next((role for name, role in repo.access.items() if name.lower() == login.lower()), "none")

    def role(self, login: str | None, repo: GitHubRepository) -> str:
        """The role that somebody has; everybody may read what is public."""
        least = "none" if repo.private else "read"
        return max(least, self.granted(login, repo) if login else "none", key=ROLES.index)

    def may_read(self, token: Token | None, repository: Hosted) -> bool:
        assert isinstance(repository, GitHubRepository)
        if not repository.private:
            return True
        if token is None or (token.repositories and repository.full_name.lower() not in token.repositories):
            return False
        if token.kind == "installation":
            return True
        scoped = token.kind != "classic" or "repo" in token.scopes
        return scoped and self.role(token.login, repository) != "none"

    def may_push(self, token: Token, repository: Hosted) -> str | None:
        assert isinstance(repository, GitHubRepository)
        outside = bool(token.repositories) and repository.full_name.lower() not in token.repositories
        denied = f"Permission to {repository.full_name}.git denied to {token.login}."
        role = "write" if token.kind == "installation" else self.role(token.login, repository)
        if outside or ROLES.index(role) < ROLES.index("write"):
            return denied
        return denied if refusal(token, repository, "contents:write") else None

    def objections(
        self, repository: Hosted, bare: Bare, token: Token, updates: Sequence[tuple[str, str, str]]
    ) -> Sequence[str]:
        assert isinstance(repository, GitHubRepository)
        said = list(fake_github_workflows.refusals(bare, token, updates))
        return said + self.rules.against_push(repository, bare, token, updates)

    def receive(self, repository: Hosted, token: Token, run: Callable[[], bytes]) -> bytes:
        # The hook takes time, and most pushes need none.
        if not fake_github_workflows.may_write(token):
            self.guard(repository)
        return super().receive(repository, token, run)

    # Answering

    def answer(self, request: ApiRequest) -> Answer:
        if request.path == "/graphql":
            return self._graphql(request)
        found = ROUTES.find(request.method, request.path)
        if found is None:
            raise error(404, "Not Found")
        route, request.params = found
        answer: Answer = route.operation(self, request)
        answer.headers |= self._headers(request.token)
        return answer

    def _graphql(self, request: ApiRequest) -> Answer:
        """The one query that is understood: who asks (an App's token may ask it, unlike ``/user``); and auto-merge."""
        if request.data["query"] != "query { viewer { login } }":
            return fake_github_automerge.mutate(self, request)
        if request.token is None:
            raise error(401, "Requires authentication")
        return Answer(200, {"data": {"viewer": {"login": request.token.login}}})

    def _headers(self, token: Token | None) -> dict[str, str]:
        found = {
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": "4999",
            "X-RateLimit-Reset": str(int(self.now.timestamp()) + 3600),
            "X-RateLimit-Resource": "core",
        }
        if token and token.kind == "classic":
            found |= {"X-OAuth-Scopes": ", ".join(token.scopes), "X-Accepted-OAuth-Scopes": "repo"}
        if token and token.expires:
            expiry = token.expires.strftime("%Y-%m-%d %H:%M:%S UTC")
            found["GitHub-Authentication-Token-Expiration"] = expiry
        return found

    def unauthorized(self) -> Answer:
        return error(401, "Bad credentials").answer

    def crashed(self, problem: Exception) -> Answer:
        self.violations.append(f"the fake is at fault: {type(problem).__name__}: {problem}")
        return super().crashed(problem)

    def checked(self, request: ApiRequest, answer: Answer) -> Answer:
        if request.path == "/graphql":  # no part of the description
            return answer
        found = ROUTES.find(request.method, request.path)
        template = None
        if found:
            template, request.params = found[0].template, found[1]
        problem = Description.github().problem(template, request, answer)
        if problem is None or answer.status == 500:
            return answer
        self.violations.append(f"{request.method} {request.path}: {answer.status}: {problem}")
        return Answer(500, {"message": self.violations[-1], "documentation_url": DOCS})

    def demand_conforming(self) -> None:
        """Raises if any exchange so far was not as GitHub describes it. For a fixture's end."""
        assert not self.violations, "\n".join(self.violations)

    # Failures

    def limit(
        self, method: str | None = None, path: str = "/", *, retry_after: int = 1, times: int = 1
    ) -> None:
        """Lets the next calls meet the secondary rate limit.

        https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
        """
        message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        answer = error(403, message).answer
        answer.headers = {"Retry-After": str(retry_after)}
        self.fail(answer, method, path, times=times)

    def exhaust(
        self, method: str | None = None, path: str = "/", *, seconds: int = 1, times: int = 1
    ) -> None:
        """Lets the next calls meet the primary rate limit, which is lifted in so many seconds."""
        answer = error(403, "API rate limit exceeded for user ID 1.").answer
        reset = str(int(self.now.timestamp()) + seconds)
        answer.headers = {
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": reset,
            "X-RateLimit-Limit": "5000",
        }
        self.fail(answer, method, path, times=times)

    # What happens to pull requests

    def pushed(self, repository: Hosted, pushes: Sequence[Push]) -> None:
        assert isinstance(repository, GitHubRepository)
        for push in pushes:
            fake_github_sync.follow(self, repository, push)

    def show(self, repo: GitHubRepository, pull: Pull) -> None:
        """Brings a request's refs and mergeability up to date."""
        fake_github_sync.show(self, repo, pull)

    def bring(self, source: Hosted, target: Hosted, oid: str) -> None:
        """Copies a fork's commit to where it is to be merged."""
        if source is not target and target.bare.resolve(oid) is None:
            target.bare.text("fetch", "-q", str(source.bare.path), oid)

    def note(self, pull: Pull, event: str, login: str, *, commit: str | None = None, **extra: Any) -> None:
        """Writes an event into a request's timeline."""
        pull.happenings.append(Happening(self.next_id(), event, login, self.now, commit, extra))
        pull.updated = self.now

    def may_write(self, login: str, repo: GitHubRepository) -> bool:
        """Whether somebody has the right to push."""
        return login == ACTIONS_BOT or ROLES.index(self.role(login, repo)) >= ROLES.index("write")

    def settle(self, repo: GitHubRepository) -> None:
        """Merges what was to be merged by itself, and can be by now."""
        fake_github_automerge.settle(self, repo)

    def stop_auto_merge(self, pull: Pull, login: str) -> None:
        """What was to be merged by itself is not any more."""
        fake_github_automerge.stop(self, pull, login)

    def close(self, repo: GitHubRepository, pull: Pull, login: str) -> None:
        """Ends a request without a merge."""
        pull.state, pull.closed = "closed", self.now
        self.note(pull, "closed", login, state_reason=None)
        self.announce("pull_request", repo, pull, login, action="closed")

    def mark_merged(self, repo: GitHubRepository, pull: Pull, login: str, commit: str) -> None:
        """Ends a request with a merge."""
        pull.state, pull.closed, pull.merged = "closed", self.now, self.now
        pull.merged_by, pull.merge_commit = login, commit
        self.note(pull, "merged", login, commit=commit)
        self.note(pull, "closed", login, state_reason=None)
        self.announce("pull_request", repo, pull, login, action="closed")

    def dismiss(self, pull: Pull, review: Review, login: str, message: str | None) -> None:
        """Takes a verdict back."""
        about = {"review_id": review.id, "state": review.state.lower(), "dismissal_message": message}
        review.state = "DISMISSED"
        self.note(pull, "review_dismissed", login, dismissed_review=about)

    def mergeable_state(self, repo: GitHubRepository, pull: Pull) -> str:
        """GitHub's one word on whether and why not: https://docs.github.com/en/graphql/reference/enums#mergestatestatus."""
        if pull.state != "open":
            return "unknown"
        if pull.draft or not pull.mergeable:
            return "draft" if pull.draft else "dirty"
        if any(self.rules.is_behind(repo, pull, rule) for rule in self.rules.rules_of(repo, pull.base_ref)):
            return "behind"
        if self.rules.against_merge(repo, pull, None):
            return "blocked"
        checks = [one for one in repo.checks if one.sha == pull.head]
        newest = {(one.suite, one.name): one for one in checks}.values()
        unfinished = any(one.conclusion not in ("success", "neutral", "skipped") for one in newest)
        return "unstable" if unfinished else "clean"

    def announce(
        self,
        event: str,
        repo: GitHubRepository,
        pull: Pull,
        login: str,
        *,
        review: Review | None = None,
        **more: Any,
    ) -> None:
        """Records an event that workflows can run on, with its payload."""
        payload = {
            "number": pull.number,
            "pull_request": full_pull(self, repo, pull),
            "repository": repository_json(self, repo),
            "sender": user(self, login),
            **more,
        }
        if review:
            payload["review"] = review_json(self, repo, pull, review)
        self.announcements.append(Announcement(event, payload, login == ACTIONS_BOT))
