"""A GitLab to test against: REST API v4 over real bare repositories, which move as GitLab moves them.

What it does is what https://docs.gitlab.com/api/ and the pages of its resources say. Merge requests' heads, versions
and merges come from git: a push makes a new version and, where the project says so, voids approvals.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from forge import gitlab_views as views
from forge.bare import NOTHING, Bare, Person
from forge.git_host import GitHost
from forge.gitlab_fields import deviations
from forge.gitlab_operations import ROUTER
from forge.gitlab_records import LEVELS, Event, MergeRequest, Note, Protection, Settings, Version
from forge.records import Account, Answer, ApiRequest, Hosted, Push, Token

_BRANCHES = "refs/heads/"
_NO_PUSH = "You are not allowed to push code to this project."
_PROTECTED = "GitLab: You are not allowed to push code to protected branches on this project."
_FORCED = "GitLab: You are not allowed to force push code to a protected branch on this project."
_DELETED = "GitLab: You can only delete protected branches using the web interface."
#: Operations that a job token is let in for: https://docs.gitlab.com/ci/jobs/ci_job_token/#job-token-access.
_JOBS = {("GET", "/projects/{id}")}


class FakeGitLab(GitHost):
    """A GitLab. ``add_user``, ``add_project`` and the makers of tokens set it up."""

    prefix = "/api/v4"

    def __init__(self, root: Path, now: datetime | None = None) -> None:
        super().__init__(root, now)
        self._settings: dict[str, Settings] = {}
        self._last_moment = datetime.min.replace(tzinfo=self.now.tzinfo)
        self._statuses: dict[tuple[str, ...], str] = {}
        #: What was told to GitLab in the lines of a description or note: who, and the line.
        self.quick_actions: list[tuple[str, str]] = []
        #: What was asked or answered otherwise than GitLab documents it.
        self.deviations: list[str] = []

    # Setting up

    def add_user(self, login: str, *emails: str, kind: str = "User") -> Account:
        """Somebody new, with ``LOGIN@example.com`` where no address is given."""
        return self.add_account(login, *(emails or (f"{login}@example.com",)), kind=kind)

    def add_project(
        self, full_name: str, *, private: bool = True, template: Path | None = None, **access: str
    ) -> Hosted:
        """A project (subgroups are fine) with its members and their roles; its main branch is protected.

        Pushes are held to that only where the project is guarded. ``template`` is a bare repository to begin with.
        """
        path = self.root / f"{full_name}.git"
        if template is not None:
            shutil.copytree(template, path)
        bare = Bare(path) if template is not None else Bare.create(path)
        bare.text("config", "receive.hideRefs", "refs/merge-requests")
        repository = Hosted(full_name, self.next_id(), bare, private, access=dict(access))
        self._settings[full_name.lower()] = Settings(protections={"main": Protection()})
        return self.adopt(repository)

    def settings(self, repository: Hosted) -> Settings:
        """What the project sets, and what happened there."""
        return self._settings[repository.full_name.lower()]

    def personal_token(self, login: str, *scopes: str, expires: datetime | None = None) -> str:
        """https://docs.gitlab.com/user/profile/personal_access_tokens/; by default of the scope ``api``."""
        value = f"glpat-{self.next_id():020d}"
        return self.add_token(Token(value, login, "personal", scopes or ("api",), expires))

    def project_token(self, repository: Hosted, role: str = "developer", *scopes: str) -> str:
        """A project access token, and the bot whose it is: https://docs.gitlab.com/user/project/settings/project_access_tokens/."""
        login = f"project_{repository.id}_bot_{self.next_id():032x}"
        self.add_account(login, f"{login}@noreply.gitlab.example.com", kind="Bot")
        repository.access[login] = role
        return self.personal_token(login, *(scopes or ("api",)))

    def job_token(self, login: str) -> str:
        """``CI_JOB_TOKEN`` of a job that somebody started: https://docs.gitlab.com/ci/jobs/ci_job_token/."""
        return self.add_token(Token(f"glcbt-64_{self.next_id()}", login, "job"))

    # Time and numbers

    def tick(self) -> datetime:
        """Now, with milliseconds; later than the time of whatever happened before."""
        self._last_moment = max(self.now, self._last_moment + timedelta(milliseconds=1))
        return self._last_moment

    # Who may do what

    def level(self, repository: Hosted, login: str | None) -> int:
        """Somebody's access level; 0 is a stranger."""
        return LEVELS[repository.access.get(login or "", "none")]

    def may_read(self, token: Token | None, repository: Hosted) -> bool:
        if not repository.private:
            return True
        return token is not None and self.level(repository, token.login) >= LEVELS["guest"]

    def may_push(self, token: Token, repository: Hosted) -> str | None:
        allowed = token.kind != "job" and bool({"api", "write_repository"} & set(token.scopes))
        is_member = self.level(repository, token.login) >= LEVELS["developer"]
        return None if allowed and is_member else _NO_PUSH

    def may_approve(self, one: MergeRequest, login: str) -> bool:
        """Whether GitLab takes somebody's approval: of an open request, once, and not their own on Premium."""
        settings = self.settings(one.project)
        is_own = login == one.author and settings.tier != "free" and not settings.author_may_approve
        return one.state == "opened" and login not in one.approvals and not is_own

    def objections(
        self, repository: Hosted, bare: Bare, token: Token, updates: Sequence[tuple[str, str, str]]
    ) -> Sequence[str]:
        """As https://docs.gitlab.com/user/project/repository/branches/protected/ says."""
        said = (self._objection(repository, bare, token, *update) for update in updates)
        return [line for line in said if line]

    def _objection(
        self, repository: Hosted, bare: Bare, token: Token, ref: str, before: str, after: str
    ) -> str | None:
        rule = self.settings(repository).protections.get(ref.removeprefix(_BRANCHES))
        # Whoever makes an empty repository's first branch may do so before it is protected.
        if rule is None or not ref.startswith(_BRANCHES) or not repository.bare.refs(_BRANCHES):
            return None
        if after == NOTHING:
            return _DELETED
        if rule.push == 0 or self.level(repository, token.login) < rule.push:
            return _PROTECTED
        forced = before != NOTHING and not bare.is_ancestor(before, after)
        return _FORCED if forced and not rule.allow_force else None

    # What pushes do

    def pushed(self, repository: Hosted, pushes: Sequence[Push]) -> None:
        """Events are written, versions made, approvals voided, and requests end that were merged by hand."""
        moved = [push for push in pushes if push.ref.startswith((_BRANCHES, "refs/tags/"))]
        self._note_events(repository, moved)
        for push in moved:
            if push.ref.startswith(_BRANCHES):
                for one in self.all_requests():
                    self._follow(one, repository, push)

    def _note_events(self, repository: Hosted, pushes: Sequence[Push]) -> None:
        settings = self.settings(repository)
        at = self.tick()
        if len(pushes) > settings.bulk:
            bulk = Event(self.next_id(), pushes[0].login, None, None, None, at, len(pushes))
            settings.events.append(bulk)
            return
        for push in pushes:
            ends = [None if oid == NOTHING else oid for oid in (push.before, push.after)]
            settings.events.append(Event(self.next_id(), push.login, push.ref, *ends, at))

    def all_requests(self) -> list[MergeRequest]:
        """Every merge request here."""
        return [one for settings in self._settings.values() for one in settings.requests.values()]

    def _follow(self, one: MergeRequest, repository: Hosted, push: Push) -> None:
        branch = push.ref.removeprefix(_BRANCHES)
        if one.state != "opened":
            return
        if repository is one.source_project and branch == one.source:
            self._source_moved(one, push)
        elif repository is one.project and branch == one.target and push.after != NOTHING:
            self._target_moved(one, push)

    def _source_moved(self, one: MergeRequest, push: Push) -> None:
        if push.after == NOTHING:
            self.close(one, push.login)
            return
        bare = one.project.bare
        count = len(bare.commits(push.before, push.after)) if push.before != NOTHING else 1
        self.add_version(one, push.after)
        self.cancel_later(one, push.login)
        self.say(one, push.login, f"added {count} commit{'s' if count != 1 else ''}\n\n<ul></ul>")
        self.void_approvals(one, push.login)

    def _target_moved(self, one: MergeRequest, push: Push) -> None:
        """A request whose head has come to its target by a push is merged."""
        bare = one.project.bare
        was_there = push.before != NOTHING and bare.is_ancestor(one.sha, push.before)
        if was_there or not bare.is_ancestor(one.sha, push.after):
            return
        line = bare.text("rev-list", "--first-parent", "--reverse", push.after, f"^{push.before}").split()
        landed = next(oid for oid in line if bare.is_ancestor(one.sha, oid))
        self.end_merged(one, push.login, landed)

    def void_approvals(self, one: MergeRequest, login: str) -> None:
        """https://docs.gitlab.com/user/project/merge_requests/approvals/settings/#remove-all-approvals."""
        settings = self.settings(one.project)
        if settings.tier == "free" or not settings.resets_approvals or not one.approvals:
            return
        names = " and ".join(f"@{name}" for name in one.approvals)
        one.approvals.clear()
        self.say(one, login, f"reset approvals from {names} by pushing to the branch")

    # Merge requests

    def add_version(self, one: MergeRequest, head: str) -> None:
        """A new version, and the ref for it: https://docs.gitlab.com/user/project/merge_requests/#checkout-merge-requests-locally-through-the-head-ref."""
        bare = one.project.bare
        if one.source_project is not one.project:
            bare.text("fetch", "-q", str(one.source_project.bare.path), head)
        start = bare.branch(one.target) or NOTHING
        base = bare.merge_base(start, head) or start
        one.sha = head
        one.versions.append(Version(self.next_id(), head, base, start, self.tick()))
        bare.move(f"refs/merge-requests/{one.iid}/head", head)

    def say(self, one: MergeRequest, login: str, body: str) -> None:
        """A system note."""
        one.notes.append(Note(self.next_id(), login, body, self.tick(), system=True))

    def close(self, one: MergeRequest, login: str) -> None:
        """Ends a request without merging."""
        one.state, one.closed_at = "closed", self.tick()
        self.say(one, login, "closed")

    def end_merged(self, one: MergeRequest, login: str, landed: str | None) -> None:
        """Ends a request as merged; ``landed`` is the merge commit, None where the branch was fast-forwarded."""
        one.state, one.merged_at, one.merged_by = "merged", self.tick(), login
        one.auto_merge = None
        one.merge_commit = None if landed == one.sha else landed
        self.say(one, login, "merged")

    def merge_status(self, one: MergeRequest) -> str:
        """https://docs.gitlab.com/api/merge_requests/#merge-status."""
        settings = self.settings(one.project)
        if one.state != "opened":
            return "not_open"
        if one.title.startswith("Draft:"):
            return "draft_status"
        if (status := self._git_status(one)) != "mergeable":
            return status
        if settings.pipeline_must_succeed and settings.pipelines.get(one.sha) != "success":
            return "ci_must_pass"
        return "not_approved" if len(one.approvals) < settings.approvals_required else "mergeable"

    def _git_status(self, one: MergeRequest) -> str:
        bare = one.project.bare
        target = bare.branch(one.target)
        if target is None:
            return "broken_status"
        key = (str(bare.path), target, one.sha, self.settings(one.project).merge_method)
        if key not in self._statuses:
            needs_base = key[3] != "merge" and not bare.is_ancestor(target, one.sha)
            conflicts = bare.merged_tree(target, one.sha) is None
            self._statuses[key] = "conflict" if conflicts else "need_rebase" if needs_base else "mergeable"
        return self._statuses[key]

    def test_merge(self, one: MergeRequest) -> str | None:
        """``refs/merge-requests/N/merge``: the merge as it would be now; None if there can be none."""
        bare = one.project.bare
        target = bare.branch(one.target)
        tree = bare.merged_tree(target, one.sha) if target and one.state == "opened" else None
        if tree is None or target is None:
            return None
        robot = Person("GitLab", "gitlab@localhost", self.now)
        made = bare.write_commit(tree, [target, one.sha], "Merge", robot, robot)
        bare.move(f"refs/merge-requests/{one.iid}/merge", made)
        return made

    def land(self, one: MergeRequest, login: str, message: str, squash: bool, removes_source: bool) -> None:
        """Merges as the project's merge method says: https://docs.gitlab.com/user/project/merge_requests/methods/."""
        bare, settings = one.project.bare, self.settings(one.project)
        target = bare.branch(one.target)
        assert target
        account = self.account(login)
        who = Person(
            account.name if account else login, f"{login}@users.noreply.gitlab.example.com", self.now
        )
        head = one.sha
        if squash:
            tree = bare.merged_tree(target, head)
            assert tree
            base = bare.merge_base(target, head) or target
            head_tree = bare.commit(head).tree
            head = bare.write_commit(head_tree, [base], message, who, who)
            one.squash_commit = head
        if settings.merge_method != "ff":
            tree = bare.merged_tree(target, head)
            assert tree
            landed = bare.write_commit(tree, [target, head], message, who, who)
        else:
            landed = head
        with self.moving(one.project, login, "merge"):
            self.end_merged(one, login, landed)
            if squash and settings.merge_method == "ff":
                one.merge_commit = None
            bare.move(_BRANCHES + one.target, landed, target)
            if removes_source and one.source_project is one.project:
                bare.move(_BRANCHES + one.source, None)

    # Auto-merge: https://docs.gitlab.com/user/project/merge_requests/auto_merge/

    def is_running(self, one: MergeRequest) -> bool:
        """Whether the pipeline of a request's head goes on."""
        return self.settings(one.project).pipelines.get(one.sha) in ("created", "pending", "running")

    def may_wait(self, one: MergeRequest) -> bool:
        """Whether a request that cannot be merged yet may be set to merge by itself."""
        settings = self.settings(one.project)
        lacks_approvals = len(one.approvals) < settings.approvals_required
        fits = self.merge_status(one) in ("mergeable", "ci_must_pass", "not_approved")
        return self.is_running(one) and fits and (settings.waits_for_approvals or not lacks_approvals)

    def merge_later(self, one: MergeRequest, login: str) -> None:
        """Has a request merged by itself."""
        if one.auto_merge is None:
            one.auto_merge = login
            self.say(one, login, f"enabled an automatic merge when all merge checks for {one.sha} pass")

    def cancel_later(self, one: MergeRequest, login: str) -> None:
        """Takes that back; a push does so, too."""
        if one.auto_merge is not None:
            one.auto_merge = None
            self.say(one, login, "canceled the automatic merge")

    def set_pipeline(self, repository: Hosted, sha: str, status: str) -> None:
        """The pipeline of a commit has this status from now on."""
        with self.lock:
            self.settings(repository).pipelines[sha] = status
            self.settle(repository)

    def settle(self, repository: Hosted) -> None:
        """Merges the requests that only waited for what there is by now."""
        settings = self.settings(repository)
        for one in list(settings.requests.values()):
            is_green = settings.pipelines.get(one.sha) == "success"
            if one.auto_merge and is_green and self.merge_status(one) == "mergeable":
                message = f"Merge branch '{one.source}' into '{one.target}'"
                self.land(one, one.auto_merge, message, settings.squash == "always", one.removes_source)

    def pipeline(self, repository: Hosted, sha: str) -> dict[str, Any] | None:
        """The pipeline of a commit; their numbers are in the order in which commits got one."""
        known = self.settings(repository).pipelines
        if sha not in known:
            return None
        return views.pipeline(self, repository, list(known).index(sha) + 1, sha, known[sha])

    # The API

    def credentials(self, headers: Mapping[str, str]) -> str | None:
        """https://docs.gitlab.com/api/rest/authentication/."""
        given = (headers.get(name) for name in ("private-token", "job-token"))
        return next((value for value in given if value), None) or super().credentials(headers)

    def call(self, request: ApiRequest) -> Answer:
        with self.lock:
            if request.headers.get("job-token"):
                return self._call_from_job(request)
            known = self.tokens.get(self.credentials(request.headers) or "")
            if known and known.expires and known.expires <= self.now:
                return self.checked(request, _expired())
            return super().call(request)

    def _call_from_job(self, request: ApiRequest) -> Answer:
        """Where job tokens are not let in, they count for nothing."""
        found = ROUTER.find(request.method, request.path)
        if found and (request.method, found[0].template) in _JOBS:
            return super().call(request)
        headers = {name: value for name, value in request.headers.items() if name != "job-token"}
        request.headers = headers
        return super().call(request)

    def answer(self, request: ApiRequest) -> Answer:
        found = ROUTER.find(request.method, request.path)
        if found is None:
            return Answer(404, {"error": "404 Not Found"})
        route, request.params = found
        if request.token is None and request.method != "GET":
            return self.unauthorized()
        if request.token and not _in_scope(request.token, request.method):
            return _out_of_scope(request.method)
        answer = route.operation(self, request)
        assert isinstance(answer, Answer)
        return answer

    def checked(self, request: ApiRequest, answer: Answer) -> Answer:
        """Holds each exchange to what GitLab documents of the operation."""
        found = ROUTER.find(request.method, request.path)
        if found:
            asked = request.method, found[0].template, request.query, request.body
            self.deviations += deviations(*asked, answer.status, answer.body)
        return answer

    def demand_conforming(self) -> None:
        """Fails if an exchange was not as documented."""
        assert not self.deviations, "\n".join(dict.fromkeys(self.deviations))

    def ask(
        self, token: str | None, method: str, path: str, body: Any = None, **query: str
    ) -> tuple[int, Any]:
        """A call as a person makes it past gitreg; its status and answer."""
        headers = {"private-token": token} if token else {}
        answer = self.call(ApiRequest(method, path, dict(query), headers, body))
        return answer.status, answer.body


def _in_scope(token: Token, method: str) -> bool:
    reads = {"api", "read_api"} if method == "GET" else {"api"}
    return token.kind == "job" or bool(reads & set(token.scopes))


def _out_of_scope(method: str) -> Answer:
    return Answer(
        403,
        {
            "error": "insufficient_scope",
            "error_description": "The request requires higher privileges than provided by the access token.",
            "scope": "api read_api" if method == "GET" else "api",
        },
    )


def _expired() -> Answer:
    said = "Token is expired. You can either do re-authorization or token refresh."
    return Answer(401, {"error": "invalid_token", "error_description": said})
