"""What tests let people and machines do on a fake GitHub. What the API has goes through the API's own code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forge.bare import Person
from forge.fake_github_state import ACTIONS_APP, WEB_FLOW, Check, Run, Status
from forge.git_host import Answer, ApiRequest, Token

if TYPE_CHECKING:
    from forge.fake_github import FakeGitHub


class Unwilling(AssertionError):
    """The API said no to a helper."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status}: {answer.body}")
        self.answer = answer


class Acts:
    """Mixed into the server. ``repository`` is a full name; left out, it is the only one that is no fork."""

    def act(self: FakeGitHub, login: str, method: str, path: str, body: Any = None) -> Any:  # type: ignore[misc]
        """Calls the API as a person with all scopes; returns the answer's JSON, or raises :class:`Unwilling`."""
        value = f"acts-as-{login}"
        self.tokens.setdefault(value, Token(value, login, "classic", ("repo", "workflow")))
        headers = {"authorization": f"Bearer {value}", "content-type": "application/json"}
        sent = json.loads(json.dumps(body))
        answer = self.call(ApiRequest(method, path, {}, headers, sent))
        if answer.status >= 400:
            raise Unwilling(answer)
        return answer.body

    def path(self: FakeGitHub, repository: str | None) -> str:  # type: ignore[misc]
        """The API's path of a repository."""
        return f"/repos/{self.named(repository).full_name}"

    def named(self: FakeGitHub, repository: str | None) -> Any:  # type: ignore[misc]
        """The repository with this name, or the only one."""
        if repository:
            return self.repo(repository)
        (only,) = [one for one in self.repositories.values() if not getattr(one, "parent", None)]
        return only

    # People

    def open_pull(  # type: ignore[misc]
        self: FakeGitHub, login: str, head: str, base: str = "main", title: str = "A change", body: str = "",
        repository: str | None = None,
    ) -> int:  # fmt: skip
        """Opens a pull request; returns its number."""
        data = {"title": title, "head": head, "base": base, "body": body}
        number: int = self.act(login, "POST", f"{self.path(repository)}/pulls", data)["number"]
        return number

    def review(  # type: ignore[misc]
        self: FakeGitHub, login: str, number: int, event: str = "APPROVE", body: str = "", *,
        commit: str | None = None, repository: str | None = None,
    ) -> int:  # fmt: skip
        """Reviews the head (or ``commit``): APPROVE, REQUEST_CHANGES or COMMENT. Returns the review's id."""
        data = {"event": event, "body": body or event.lower()} | ({"commit_id": commit} if commit else {})
        made = self.act(login, "POST", f"{self.path(repository)}/pulls/{number}/reviews", data)
        found: int = made["id"]
        return found

    def merge_pull(  # type: ignore[misc]
        self: FakeGitHub, login: str, number: int, method: str = "merge", *, repository: str | None = None
    ) -> str:
        """Presses the button; returns the merge commit."""
        data = {"merge_method": method}
        sha: str = self.act(login, "PUT", f"{self.path(repository)}/pulls/{number}/merge", data)["sha"]
        return sha

    def close_pull(self: FakeGitHub, login: str, number: int, *, repository: str | None = None) -> None:  # type: ignore[misc]
        """Closes a pull request."""
        self.act(login, "PATCH", f"{self.path(repository)}/pulls/{number}", {"state": "closed"})

    def retarget(  # type: ignore[misc]
        self: FakeGitHub, login: str, number: int, base: str, *, repository: str | None = None
    ) -> None:
        """Gives a pull request another base branch."""
        self.act(login, "PATCH", f"{self.path(repository)}/pulls/{number}", {"base": base})

    def comment(  # type: ignore[misc]
        self: FakeGitHub, login: str, number: int, body: str, *, repository: str | None = None
    ) -> int:
        """Says something; returns the comment's id."""
        made = self.act(login, "POST", f"{self.path(repository)}/issues/{number}/comments", {"body": body})
        found: int = made["id"]
        return found

    def add_ruleset(  # type: ignore[misc]
        self: FakeGitHub, login: str, ruleset: Mapping[str, Any], *, repository: str | None = None
    ) -> int:
        """Posts a ruleset, as an administrator; returns its id."""
        made = self.act(login, "POST", f"{self.path(repository)}/rulesets", dict(ruleset))
        found: int = made["id"]
        return found

    def protect(  # type: ignore[misc]
        self: FakeGitHub, branch: str, protection: Mapping[str, Any], *, repository: str | None = None
    ) -> None:
        """Puts classic protection on a branch, in the form in which the API shows it."""
        repo = self.named(repository)
        repo.protections[branch] = dict(protection)
        self.guard(repo)

    # Machines

    def set_check(  # type: ignore[misc]
        self: FakeGitHub, sha: str, name: str, conclusion: str | None, *, app: int = ACTIONS_APP,
        suite: int = 0, repository: str | None = None,
    ) -> int:  # fmt: skip
        """Sets a check of a commit; None is one that still runs. Another ``suite`` is another check beside it."""
        status = "completed" if conclusion else "in_progress"
        made = Check(self.next_id(), name, sha, suite, status, conclusion, self.now, app)
        with self.lock:
            self.named(repository).checks.append(made)
            self.settle(self.named(repository))
        return made.id

    def set_status(  # type: ignore[misc]
        self: FakeGitHub, sha: str, context: str, state: str, login: str, *, repository: str | None = None
    ) -> None:
        """Sets a commit status: error, failure, pending or success."""
        with self.lock:
            self.named(repository).statuses.append(
                Status(self.next_id(), context, sha, state, login, self.now)
            )
            self.settle(self.named(repository))

    def add_run(  # type: ignore[misc]
        self: FakeGitHub, sha: str, event: str, conclusion: str | None, *, login: str, name: str = "gitreg",
        path: str = ".github/workflows/gitreg-verify.yml", branch: str | None = None, pulls: tuple[int, ...] = (),
        title: str = "", repository: str | None = None,
    ) -> Run:  # fmt: skip
        """A workflow run whose one job is the check ``name``; with no conclusion it still runs."""
        repo, suite = self.named(repository), self.next_id()
        status = "completed" if conclusion else "in_progress"
        number, workflow = (
            1 + sum(one.path == path for one in repo.runs),
            1 + sorted({path, *(one.path for one in repo.runs)}).index(path),
        )
        run = Run(
            id=self.next_id(),
            number=number,
            name=name,
            path=path,
            event=event,
            sha=sha,
            branch=branch,
            login=login,
            status=status,
            conclusion=conclusion,
            at=self.now,
            suite=suite,
            workflow=workflow,
            pulls=pulls,
            title=title,
        )
        with self.lock:
            repo.runs.append(run)
            self.set_check(sha, name, conclusion, suite=suite, repository=repo.full_name)
        return run

    def finish_run(self: FakeGitHub, run: Run, conclusion: str, *, repository: str | None = None) -> None:  # type: ignore[misc]
        """Ends a run, also one that runs again."""
        repo = self.named(repository)
        run.status, run.conclusion = "completed", conclusion
        self.set_check(run.sha, run.name, conclusion, suite=run.suite, repository=repo.full_name)

    def queue(self: FakeGitHub, number: int, *, repository: str | None = None) -> tuple[str, str]:  # type: ignore[misc]
        """Puts a pull request into the merge queue: makes the group's branch; returns it and its commit.

        https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/managing-a-merge-queue
        """
        repo = self.named(repository)
        pull = repo.pulls[number]
        tree = repo.bare.merged_tree(pull.base, pull.head)
        assert tree is not None
        person = Person(*WEB_FLOW, self.now)
        text = f"Merge pull request #{number} from {repo.owner}/{pull.head_ref}\n\n{pull.title}\n"
        made = repo.bare.write_commit(tree, [pull.base, pull.head], text, person, person)
        branch = f"gh-readonly-queue/{pull.base_ref}/pr-{number}-{pull.base}"
        repo.bare.move(f"refs/heads/{branch}", made)
        return branch, made

    def land(
        self: FakeGitHub, number: int, branch: str, login: str, *, repository: str | None = None
    ) -> None:  # type: ignore[misc]
        """Lets a merge queue's group land, and removes its branch."""
        repo = self.named(repository)
        made, pull = repo.bare.branch(branch), repo.pulls[number]
        with self.moving(repo, login, "merge_queue_merge"):
            self.mark_merged(repo, pull, login, made)
            repo.bare.move(f"refs/heads/{pull.base_ref}", made, pull.base)
        repo.bare.move(f"refs/heads/{branch}", None)
