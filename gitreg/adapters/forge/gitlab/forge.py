"""Merge requests on GitLab.com, or on a GitLab of one's own, behind the ``Forge`` port.

Branches are pushed with git, and with the expected old value; everything else goes through the REST API. What was asked
for and not answered is looked for before it is asked for again, so that a command that was cut off may be run again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from gitreg.adapters.forge.address import Address
from gitreg.adapters.forge.gitlab.api import GitlabApi, NotAccepted
from gitreg.adapters.forge.gitlab.automerge import merge_by_hand, merge_when_ready
from gitreg.adapters.forge.gitlab.merge import demand_mergeable, land
from gitreg.adapters.forge.gitlab.requests import MOST_TITLE, bounded, change_request, is_own_branch
from gitreg.adapters.forge.gitlab.reviews import read_conversation, read_request
from gitreg.adapters.forge.hosted import FEW, STATUS, Conflict, Json, Unknown, once, same_text
from gitreg.adapters.forge.signed import SignedForge
from gitreg.adapters.forge.tokens import Token
from gitreg.core.ports import (
    BRANCH_PREFIX,
    ChangeRequest,
    Conversation,
    NewRequest,
    RefUpdate,
    Repository,
    Signer,
    Statement,
)
from gitreg.errors import GitregError, LostRace, NotFound, Refused, Undecided, UsageError

_NUMBER = re.compile(r"[#!]?([1-9][0-9]{0,8})\Z")
_FAILED = frozenset({"failed", "canceled"})
_QUERIES = {"open": "opened", "merged": "merged", "closed": "closed"}


class GitlabForge(SignedForge):
    """A ``Forge`` on a project on GitLab. To make one asks nothing.

    Args:
        repository: its hub is the repository at ``address``.
        trunk: the registry's branch.
        address: where the API and the project are.
        token: what is asked with; whose it is, is who opens, reviews and merges.
        warn: takes a line on what went wrong and is not worth failing for: a reviewer or a label.
    """

    def __init__(
        self,
        repository: Repository,
        trunk: str,
        address: Address,
        token: Token,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        super().__init__(repository)
        self._trunk = trunk
        self._warn = warn
        self.api = GitlabApi(address, token)

    @property
    def provider(self) -> str:
        """See :class:`gitreg.core.ports.Forge`."""
        return "gitlab"

    def hub_id(self) -> str:
        """``host/group/name``, in lower case as GitLab tells paths apart without regard to it."""
        return f"{self.api.address.host}/{self.api.address.repository}".lower()

    @property
    def _root(self) -> str:
        return f"{self.api.root}/merge_requests"

    # --- opening

    def open(
        self, new: NewRequest, signer: Signer | None, old_head: str | None, now: datetime
    ) -> ChangeRequest:
        """Pushes the branch from ``old_head`` (None: it does not exist), then opens its request or renews it.

        ``signer`` and ``now`` are not needed: GitLab notes who opened it, and when.

        Raises:
            LostRace: the branch is not at ``old_head``. UsageError: the branch cannot ask to be merged.
            Refused: GitLab does not take it; it says why. Otherwise as ``GitlabApi.asking``.
        """
        if new.branch in {new.target, self._trunk}:
            raise UsageError(
                f"the branch {new.branch!r} cannot ask to be merged", "make another branch of it"
            )
        self._repository.update([RefUpdate(f"refs/heads/{new.branch}", old_head, new.head)])
        found = self._adopted(new) or self._created(new)
        self._file(found, new)
        # The API shows a push a moment after it happened.
        return replace(change_request(found), head=new.head)

    def _created(self, new: NewRequest) -> Json:
        body = {
            "source_branch": new.branch,
            "target_branch": new.target,
            "title": new.title[:MOST_TITLE],
            "description": bounded(new.body),
            "remove_source_branch": new.branch.startswith(BRANCH_PREFIX),
        }
        doing = f"open a change request for {new.branch}"
        return once(lambda: self.api.send(doing, "POST", self._root, body), lambda: self._adopted(new))

    def _adopted(self, new: NewRequest) -> Json | None:
        """The open request of the branch, renewed: somebody else's, or an earlier call's whose answer was lost."""
        doing = f"look for the change request of {new.branch}"
        found = [
            each
            for each in self.api.pages(doing, self._root, state="opened", source_branch=new.branch)
            if is_own_branch(each)
        ]
        found.sort(key=lambda each: each["target_branch"] != new.target)  # GitLab allows one for each target
        return self._renewed(found[0], new) if found else None

    def _renewed(self, found: Json, new: NewRequest) -> Json:
        wanted = {
            "title": new.title[:MOST_TITLE],
            "description": bounded(new.body),
            "target_branch": new.target,
        }
        edits = {key: text for key, text in wanted.items() if not same_text(text, str(found.get(key) or ""))}
        return self._edited(found, edits) if edits else found

    def _edited(self, found: Json, edits: Mapping[str, object]) -> Json:
        doing = f"edit change request !{found['iid']}"
        return self.api.send(doing, "PUT", f"{self._root}/{found['iid']}", edits)

    def _file(self, found: Json, new: NewRequest) -> None:
        """Asks reviewers and adds labels. Worth a warning where it fails, never an error."""
        try:
            edits = {**self._labels(found, new.labels), **self._reviewers(found, new.reviewers)}
            if edits:
                self._demand_asked(self._edited(found, edits), edits)
        except GitregError as error:
            self._warn(error.message)

    def _labels(self, found: Json, labels: Sequence[str]) -> dict[str, object]:
        there = {str(label).casefold() for label in found.get("labels") or []}
        wanted = [label for label in dict.fromkeys(labels) if label.casefold() not in there]
        return {"add_labels": ",".join(wanted)} if wanted else {}

    def _reviewers(self, found: Json, accounts: Sequence[str]) -> dict[str, object]:
        """Those who are asked already stay so; the author cannot be."""
        asked = {str(user["username"]).casefold(): user["id"] for user in found.get("reviewers") or []}
        author = str((found.get("author") or {}).get("username")).casefold()
        wanted = {account.casefold(): account for account in accounts}
        fresh = [self._number(name) for key, name in wanted.items() if key not in {author, *asked}]
        numbers = [number for number in fresh if number is not None]
        return {"reviewer_ids": [*asked.values(), *numbers]} if numbers else {}

    def _number(self, account: str) -> int | None:
        """The number by which GitLab calls an account."""
        found = self.api.pages(f"look up {account}", "/users", username=account)
        number = next((user["id"] for user in found), None)
        if number is None:
            self._warn(f"GitLab knows nobody called {account}, so they cannot be asked for a review")
        return number

    def _demand_asked(self, found: Json, edits: Mapping[str, object]) -> None:
        wanted = edits.get("reviewer_ids")
        there = {user["id"] for user in found.get("reviewers") or []}
        if isinstance(wanted, list) and not there.issuperset(wanted):
            self._warn(
                f"GitLab has not asked all reviewers of !{found['iid']}: without Premium it asks only one"
            )

    # --- finding

    def requests(
        self, states: Iterable[str] = ("open",), *, branch: str | None = None, change_id: str | None = None
    ) -> Sequence[ChangeRequest]:
        """See :class:`gitreg.core.ports.Forge`. By their change none is found: none is signed here."""
        wanted = frozenset(states)
        if change_id is not None or not wanted:
            return []
        query = {"order_by": "created_at", "sort": "asc"}
        query["state"] = _QUERIES[next(iter(wanted))] if len(wanted) == 1 else "all"
        if branch is not None:
            query["source_branch"] = branch.rpartition(":")[2]
        found = map(change_request, self.api.pages("list change requests", self._root, **query))
        kept = [each for each in found if each.state in wanted and branch in {None, each.branch}]
        return sorted(kept, key=lambda each: int(each.id))

    def request(self, id: str) -> ChangeRequest:
        """The request called ``4``, ``!4`` or ``#4``; its head is brought over, wherever its branch is.

        Raises:
            NotFound: there is none of that number. Otherwise as ``GitlabApi.asking``.
        """
        return self._brought(change_request(self._found(id)))

    def _found(self, id: str) -> Json:
        number = _NUMBER.match(id) if id.isascii() else None
        if number:
            with suppress(Unknown):
                return read_request(self.api, number[1])
            # GitLab says the same of a number that nothing has, and of everything in a project that it does not show.
            self.api.get("look for the project", self.api.root)
        raise NotFound(
            f"there is no change request {id[:80]!r}", "name it by its number in the list of requests"
        )

    def _brought(self, request: ChangeRequest) -> ChangeRequest:
        if request.head is not None:
            self._fetch_head(request.id, request.head)
        return request

    def _fetch_head(self, id: str, head: str) -> None:
        """https://docs.gitlab.com/user/project/merge_requests/#checkout-merge-requests-locally-through-the-head-ref"""
        self._repository.fetch_commit(f"refs/merge-requests/{id}/head", head)

    def about(self, change_id: str, head: str | None) -> ChangeRequest | None:
        """The open request into the registry's branch whose head this is; of several the first."""
        if head is None:
            return None
        found = [change_request(each) for each in self._of_commit(head)]
        fitting = [each for each in found if (each.head, each.target) == (head, self._trunk)]
        return min(fitting, key=lambda each: int(each.id), default=None)

    def landed(self, commits: Sequence[str]) -> Mapping[str, ChangeRequest]:
        """See :class:`gitreg.core.ports.Forge`. Of several requests that claim a commit, the first counts."""
        found: dict[str, ChangeRequest] = {}
        sought = set(commits)
        for request in sorted(self._merged(commits), key=lambda each: int(each.id)):
            oid = request.merged_as
            if request.state == "merged" and request.target == self._trunk and oid in sought:
                found.setdefault(str(oid), request)
        return found

    def _merged(self, commits: Sequence[str]) -> Iterator[ChangeRequest]:
        if len(commits) > FEW:
            query = {"state": "merged", "target_branch": self._trunk}
            yield from map(change_request, self.api.pages("list merged requests", self._root, **query))
            return
        for commit in dict.fromkeys(commits):
            yield from map(change_request, self._of_commit(commit))

    def _of_commit(self, commit: str) -> Iterator[Json]:
        """https://docs.gitlab.com/api/commits/#list-all-merge-requests-associated-with-a-commit"""
        path = f"{self.api.root}/repository/commits/{commit}/merge_requests"
        with suppress(Unknown):  # GitLab has no such commit
            yield from self.api.pages(f"look for the change request of {commit[:12]}", path)

    def opening(self, id: str) -> Statement | None:
        """None: GitLab itself knows who opened it. Raises NotFound."""
        self._found(id)
        return None

    # --- talking about it

    def conversation(self, request: ChangeRequest, accounts: Collection[str]) -> Conversation | None:
        """See :class:`gitreg.core.ports.Forge`. Raises LostRace where it moves while it is read."""
        found = read_conversation(self.api, request, accounts)
        if found.head:
            with suppress(Undecided):  # whoever needs what the reviewers saw is told that it is missing
                self._fetch_head(request.id, found.head)
        return found

    def review(self, request: ChangeRequest, text: str, *, withdraw: bool = False) -> str:
        """See :class:`gitreg.core.ports.Forge`. GitLab's approvals have no text, so it becomes a comment."""
        found = self._unchanged(request)
        if withdraw:
            self._unapproved(request)
        elif (found.get("author") or {}).get("id") == self._me:
            raise Refused(f"change request !{request.id} is your own", "ask somebody else to approve it")
        elif not self._approved(request):
            return str(found["web_url"])
        return self._said(request, text) if text else str(found["web_url"])

    def _approved(self, request: ChangeRequest) -> bool:
        """Approves the head; whether that is new."""
        # https://docs.gitlab.com/api/merge_request_approvals/#approve-merge-request
        path = f"{self._root}/{request.id}"
        try:
            self.api.send(
                f"approve change request !{request.id}", "POST", f"{path}/approve", {"sha": request.head}
            )
        except Conflict as error:
            raise LostRace(error.message, "look at it again") from error
        except NotAccepted as error:
            # It says so of whoever has approved already, too; the approval may be one whose answer was lost.
            there = self.api.get(f"read the approvals of !{request.id}", f"{path}/approvals")
            if there.get("user_has_approved") is True:
                return False
            raise Refused(
                f"GitLab does not take your approval of !{request.id}",
                "who made it may not approve it, nor may who has no role in the project: see its page on GitLab",
            ) from error
        return True

    def _unapproved(self, request: ChangeRequest) -> None:
        doing, path = f"take back your approval of !{request.id}", f"{self._root}/{request.id}/unapprove"
        try:
            self.api.send(doing, "POST", path)
        except Unknown as error:
            raise Refused(f"change request !{request.id} has no approval of yours") from error

    def _said(self, request: ChangeRequest, text: str) -> str:
        """Adds a comment; returns its URL. The approval stands without it."""
        try:
            return self._noted(request, bounded(text))
        except GitregError as error:
            self._warn(error.message)
            return str(request.url)

    def _noted(self, request: ChangeRequest, body: str) -> str:
        doing, path = f"comment on change request !{request.id}", f"{self._root}/{request.id}/notes"
        return f"{request.url}#note_{self.api.send(doing, 'POST', path, {'body': body})['id']}"

    def comment(self, request: ChangeRequest, text: str) -> str | None:
        """See :class:`gitreg.core.ports.Forge`. Only a comment of the token's own account is taken for gitreg's."""
        body = bounded(text, [STATUS])
        there = self._own_notes(request)
        if not there:
            made = once(lambda: self._noted(request, body), lambda: self._first_url(request))
            there = self._own_notes(request)
            if not there:  # the list may be a moment behind
                return made
        kept, doing = there[0], f"update the comment on change request !{request.id}"
        path = f"{self._root}/{request.id}/notes"
        if not same_text(str(kept["body"]), body):
            self.api.send(doing, "PUT", f"{path}/{kept['id']}", {"body": body})
        for surplus in there[1:]:  # two made the first one at once
            with suppress(Unknown):
                self.api.send(doing, "DELETE", f"{path}/{surplus['id']}")
        return f"{request.url}#note_{kept['id']}"

    def audited(self) -> Collection[str] | None:
        """None: pipelines are not asked about."""
        return None

    def rerun_failed(self, head: str) -> str | None:
        """See :class:`gitreg.core.ports.Forge`. An approval starts no pipeline on GitLab, so a red one is run again."""
        request = self.about("", head)
        if request is None:
            return None
        # https://docs.gitlab.com/api/merge_requests/#list-merge-request-pipelines
        path = f"{self._root}/{request.id}/pipelines"
        found = self.api.pages(f"read the pipelines of change request !{request.id}", path)
        newest = max(found, key=lambda each: int(each["id"]), default=None)
        if newest is None or newest["status"] not in _FAILED:
            return None
        # https://docs.gitlab.com/api/pipelines/#retry-jobs-in-a-pipeline
        retry = f"{self.api.root}/pipelines/{newest['id']}/retry"
        return str(self.api.send(f"run the pipeline of !{request.id} again", "POST", retry)["web_url"])

    def _first_url(self, request: ChangeRequest) -> str | None:
        found = self._own_notes(request)
        return f"{request.url}#note_{found[0]['id']}" if found else None

    def _own_notes(self, request: ChangeRequest) -> list[Json]:
        doing, me = f"read the comments on change request !{request.id}", self._me
        notes = self.api.pages(doing, f"{self._root}/{request.id}/notes", sort="asc", order_by="created_at")
        return [
            note
            for note in notes
            if not note.get("system") and STATUS in str(note["body"]) and note["author"]["id"] == me
        ]

    @cached_property
    def _me(self) -> int:
        """The number of the account whose token it is."""
        return int(self.api.get("ask whose token it is", "/user")["id"])

    # --- ending

    def merge(self, request: ChangeRequest, commit: str, base: str, body: str) -> str:
        """Lets GitLab merge, if what it makes has the same tree.

        Raises:
            LostRace: the target, the branch or the request is not what it was when ``request`` was read.
            Refused: the request is not open, or GitLab's rules for it say no, or it would merge otherwise.
            Undecided: GitLab does not know in time whether it can merge.
        """
        found, judged = self._unchanged(request), self._repository.commit(commit)
        demand_mergeable(self.api, self._repository, request, judged, base)
        told = bounded(body)
        if not same_text(str(found.get("description") or ""), told):
            self._edited(found, {"description": told})
        ours = self._is_ours(request, found)
        return land(self.api, self._repository, request, judged, base, ours=ours)

    def merge_when_ready(self, request: ChangeRequest) -> str | None:
        """See :func:`gitreg.adapters.forge.gitlab.automerge.merge_when_ready`."""
        return merge_when_ready(self.api, request)

    def merge_by_hand(self, request: ChangeRequest) -> None:
        """See :class:`gitreg.core.ports.Forge`."""
        merge_by_hand(self.api, request)

    def close(self, request: ChangeRequest) -> None:
        """See :class:`gitreg.core.ports.Forge`.

        The branch goes first: GitLab closes a request with its branch, and whoever is cut off in between has no
        branch left that nobody asks about.
        """
        found = self._unchanged(request)
        if request.head is not None and self._is_ours(request, found):
            self._delete_branch(request.branch, request.head)
        self._edited(found, {"state_event": "close"})

    def _delete_branch(self, branch: str, head: str) -> None:
        try:
            self._repository.update([RefUpdate(f"refs/heads/{branch}", head, None)])
        except LostRace:  # somebody pushed to it
            return
        except GitregError as error:
            self._warn(f"the branch {branch} is still there: {error.message}")

    def _unchanged(self, request: ChangeRequest) -> Json:
        found = self._found(request.id)
        now = change_request(found)
        if now.state != "open":
            raise Refused(f"change request !{request.id} is {now.state} already")
        if (now.head, now.branch, now.target) != (request.head, request.branch, request.target):
            raise LostRace(f"change request !{request.id} has changed meanwhile", "look at it again")
        return found

    def _is_ours(self, request: ChangeRequest, found: Json) -> bool:
        return request.branch.startswith(BRANCH_PREFIX) and is_own_branch(found)
