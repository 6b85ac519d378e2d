"""Pull requests on GitHub, or on a GitHub Enterprise Server, behind the ``Forge`` port.

Branches are pushed with git, and with the expected old value; everything else goes through the REST API. What was asked
for and not answered is looked for before it is asked for again, so that a command that was cut off may be run again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from gitreg.adapters.forge.address import Address
from gitreg.adapters.forge.github.api import GithubApi
from gitreg.adapters.forge.github.automerge import merge_by_hand, merge_when_ready
from gitreg.adapters.forge.github.extras import ask_reviewers, audited, put_labels, rerun_failed
from gitreg.adapters.forge.github.merge import demand_mergeable, land
from gitreg.adapters.forge.github.pulls import (
    MOST_TITLE,
    bounded,
    change_request,
    is_into,
    is_own_branch,
    run_marks,
)
from gitreg.adapters.forge.github.reviews import read_conversation
from gitreg.adapters.forge.github.words import OwnWords
from gitreg.adapters.forge.hosted import FEW, Json, Unknown, once, same_text
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

_NUMBER = re.compile(r"#?([1-9][0-9]{0,8})\Z")


class GithubForge(SignedForge):
    """A ``Forge`` on a repository on GitHub. To make one asks nothing.

    Args:
        repository: its hub is the repository at ``address``.
        trunk: the registry's branch.
        address: where the API and the repository are.
        token: what is asked with; whose it is, is who opens, reviews and merges.
        environment: says which run of Actions this is, if it is one.
        warn: takes a line on what went wrong and is not worth failing for: a reviewer or a label.
    """

    def __init__(
        self,
        repository: Repository,
        trunk: str,
        address: Address,
        token: Token,
        environment: Mapping[str, str],
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        super().__init__(repository)
        self._trunk = trunk
        self._environment = environment
        self._warn = warn
        self.api = GithubApi(address, token)
        self._words = OwnWords(self.api)

    @property
    def provider(self) -> str:
        """See :class:`gitreg.core.ports.Forge`."""
        return "github"

    def hub_id(self) -> str:
        """``host/owner/name``, in lower case as GitHub tells names apart without regard to it."""
        return f"{self.api.address.host}/{self.api.address.repository}".lower()

    # --- opening

    def open(
        self, new: NewRequest, signer: Signer | None, old_head: str | None, now: datetime
    ) -> ChangeRequest:
        """Pushes the branch from ``old_head`` (None: it does not exist), then opens its request or renews it.

        ``signer`` and ``now`` are not needed: GitHub notes who opened it, and when.

        Raises:
            LostRace: the branch is not at ``old_head``. UsageError: the branch cannot ask to be merged.
            Refused: GitHub does not take it; it says why. Otherwise as ``GithubApi.asking``.
        """
        if new.branch in {new.target, self._trunk}:
            raise UsageError(
                f"the branch {new.branch!r} cannot ask to be merged", "make another branch of it"
            )
        self._repository.update([RefUpdate(f"refs/heads/{new.branch}", old_head, new.head)])
        adopted = self._open_pull_of(new.branch)
        pull = self._renewed(adopted, new) if adopted else self._created(new)
        for warning in (
            *ask_reviewers(self.api, pull, new.reviewers),
            *put_labels(self.api, pull, new.labels),
        ):
            self._warn(warning)
        # The API shows a push a moment after it happened.
        return replace(self._show(pull), head=new.head)

    def _open_pull_of(self, branch: str) -> Json | None:
        doing = f"look for the change request of {branch}"
        found = self._pulls(doing, state="open", head=f"{self.api.owner}:{branch}")
        return next((pull for pull in found if self._is_of(pull, branch)), None)

    def _created(self, new: NewRequest) -> Json:
        def create() -> Json:
            with self.api.asking(f"open a change request for {new.branch}"):
                marks = run_marks("", self._environment, self.api.address)
                return self.api.repository.create_pull(
                    base=new.target,
                    head=new.branch,
                    title=new.title[:MOST_TITLE],
                    body=bounded(new.body, marks),
                ).raw_data

        return once(create, lambda: self._adopted(new))

    def _adopted(self, new: NewRequest) -> Json | None:
        """The request that somebody else has opened meanwhile, or an earlier call whose answer was lost."""
        found = self._open_pull_of(new.branch)
        return self._renewed(found, new) if found else None

    def _renewed(self, pull: Json, new: NewRequest) -> Json:
        old = str(pull.get("body") or "")
        body = bounded(new.body, run_marks(old, self._environment, self.api.address))
        wanted = {"title": new.title[:MOST_TITLE], "body": body, "base": new.target}
        there = {"title": str(pull["title"]), "body": old, "base": str(pull["base"]["ref"])}
        edits = {key: text for key, text in wanted.items() if not same_text(text, there[key])}
        if not edits:
            return pull
        return self._edited(pull, **edits)

    def _edited(self, pull: Json, **edits: str) -> Json:
        number = pull["number"]
        return self.api.send(
            f"edit change request #{number}", "PATCH", f"{self.api.root}/pulls/{number}", edits
        )

    # --- finding

    def requests(
        self, states: Iterable[str] = ("open",), *, branch: str | None = None, change_id: str | None = None
    ) -> Sequence[ChangeRequest]:
        """See :class:`gitreg.core.ports.Forge`. By their change none is found: none is signed here."""
        wanted = frozenset(states)
        if change_id is not None or not wanted:
            return []
        query = {"sort": "created", "direction": "asc"}
        query["state"] = "open" if wanted == {"open"} else "all" if "open" in wanted else "closed"
        if branch is not None:
            query["head"] = branch if ":" in branch else f"{self.api.owner}:{branch}"
        found = [self._show(pull) for pull in self._pulls("list change requests", **query)]
        return [each for each in found if each.state in wanted and branch in {None, each.branch}]

    def request(self, id: str) -> ChangeRequest:
        """The request called ``4`` or ``#4``; its head is brought over, wherever its branch is.

        Raises:
            NotFound: there is none of that number. Otherwise as ``GithubApi.asking``.
        """
        return self._brought(self._show(self._pull(id)))

    def _pull(self, id: str) -> Json:
        number = _NUMBER.match(id) if id.isascii() else None
        if number:
            with suppress(Unknown):
                return self.api.get(f"read change request #{number[1]}", f"{self.api.root}/pulls/{number[1]}")
            self._demand_repository()
        raise NotFound(
            f"there is no change request {id[:80]!r}", "name it by its number in the list of requests"
        )

    def _demand_repository(self) -> None:
        """GitHub says the same of a number that nothing has and of all in a repository that it does not show."""
        self.api.get(f"read {self.api.address.repository}", self.api.root)

    def _brought(self, request: ChangeRequest) -> ChangeRequest:
        if request.head is not None:
            self._repository.fetch_commit(f"refs/pull/{request.id}/head", request.head)
        return request

    def about(self, change_id: str, head: str | None) -> ChangeRequest | None:
        """The open request into the registry's branch whose head this is; of several the first."""
        if head is None:
            return None
        # GitHub's list by commit lags behind pushes; one page has a hundred open requests.
        query = {"state": "open", "base": self._trunk, "sort": "created", "direction": "asc"}
        pulls = self._pulls("look for the change request", **query)
        found = next((pull for pull in pulls if pull["head"]["sha"] == head), None)
        return self._brought(self._show(found)) if found else None

    def landed(self, commits: Sequence[str]) -> Mapping[str, ChangeRequest]:
        """See :class:`gitreg.core.ports.Forge`."""
        sought = set(commits)
        found: dict[str, ChangeRequest] = {}
        for pull in self._pulls_with(commits):
            request = self._show(pull)
            if request.target == self._trunk and request.merged_as is not None:
                found.setdefault(request.merged_as, request)
        return {commit: request for commit, request in found.items() if commit in sought}

    def _pulls_with(self, commits: Sequence[str]) -> Iterable[Json]:
        doing = "look for what landed"
        if len(commits) > FEW:
            yield from self._pulls(doing, state="closed", base=self._trunk, sort="created", direction="asc")
            return
        for commit in dict.fromkeys(commits):
            with suppress(Unknown, Refused):  # GitHub has no such commit
                for pull in self.api.pages(doing, f"{self.api.root}/commits/{commit}/pulls"):
                    if is_into(pull, self.api.address.repository):
                        yield pull

    def opening(self, id: str) -> Statement | None:
        """None: GitHub itself knows who opened it. Raises NotFound."""
        self._pull(id)
        return None

    def _pulls(self, doing: str, **query: str) -> Iterable[Json]:
        found = self.api.pages(doing, f"{self.api.root}/pulls", **query)
        return (pull for pull in found if is_into(pull, self.api.address.repository))

    def _show(self, pull: Json) -> ChangeRequest:
        return change_request(pull, self.api.address.repository)

    def _is_of(self, pull: Json, branch: str) -> bool:
        return is_own_branch(pull, self.api.address.repository) and pull["head"]["ref"] == branch

    # --- talking about it

    def conversation(self, request: ChangeRequest, accounts: Collection[str]) -> Conversation | None:
        """See :class:`gitreg.core.ports.Forge`. Raises LostRace where it moves while it is read."""
        found = read_conversation(self.api, request, accounts)
        with suppress(Undecided):  # whoever needs what the reviewers saw is told that it is missing
            self._repository.fetch_commit(f"refs/pull/{request.id}/head", found.head)
        return found

    def review(self, request: ChangeRequest, text: str, *, withdraw: bool = False) -> str:
        """See :class:`gitreg.core.ports.Forge`. An approval that may not be dismissed is answered by another review."""
        self._unchanged(request)
        return self._words.withdraw(request, text) if withdraw else self._words.approve(request, text)

    def comment(self, request: ChangeRequest, text: str) -> str | None:
        """See :class:`gitreg.core.ports.Forge`. Only a comment of the token's own account is taken for gitreg's."""
        return self._words.comment(request, text)

    def rerun_failed(self, head: str) -> str | None:
        """See :func:`gitreg.adapters.forge.github.extras.rerun_failed`."""
        return rerun_failed(self.api, head)

    def audited(self) -> Collection[str] | None:
        """See :func:`gitreg.adapters.forge.github.extras.audited`."""
        return audited(self.api, self._trunk)

    # --- ending

    def merge(self, request: ChangeRequest, commit: str, base: str, body: str) -> str:
        """Lets GitHub merge, if it makes a merge of the same tree.

        The request's text stays as it is: to edit it would start the required check anew, and so bar the merge, or
        leave a red one on what is merged. The gate's comment says on whose approval it was.

        Raises:
            LostRace: the target, the branch or the request is not what it was when ``request`` was read.
            Refused: the request is not open, or GitHub's rules for the branch say no, or it would merge otherwise.
            Undecided: GitHub has not tried the merge in time.
        """
        pull, judged = self._unchanged(request), self._repository.commit(commit)
        demand_mergeable(self.api, self._repository, request, judged, base)
        landed = land(self.api, self._repository, request, judged, base)
        self._delete_branch(request, pull)
        return landed

    def merge_when_ready(self, request: ChangeRequest) -> str | None:
        """See :func:`gitreg.adapters.forge.github.automerge.merge_when_ready`."""
        return merge_when_ready(self.api, request)

    def merge_by_hand(self, request: ChangeRequest) -> None:
        """See :class:`gitreg.core.ports.Forge`."""
        merge_by_hand(self.api, request)

    def close(self, request: ChangeRequest) -> None:
        """See :class:`gitreg.core.ports.Forge`.

        The branch goes first: GitHub closes a request with its branch, and whoever is cut off in between has no
        branch left that nobody asks about.
        """
        pull = self._unchanged(request)
        self._delete_branch(request, pull)
        self._edited(pull, state="closed")

    def _unchanged(self, request: ChangeRequest) -> Json:
        pull = self._pull(request.id)
        now = self._show(pull)
        if now.state != "open":
            raise Refused(f"change request #{request.id} is {now.state} already")
        if (now.head, now.branch, now.target) != (request.head, request.branch, request.target):
            raise LostRace(f"change request #{request.id} has changed meanwhile", "look at it again")
        return pull

    def _delete_branch(self, request: ChangeRequest, pull: Json) -> None:
        """Deletes what gitreg made, and what nobody has pushed to since. The rest is people's."""
        own = request.branch.startswith(BRANCH_PREFIX) and self._is_of(pull, request.branch)
        if not own or request.head is None:
            return
        try:
            self._repository.update([RefUpdate(f"refs/heads/{request.branch}", request.head, None)])
        except LostRace:  # GitHub was set up to delete it itself, or somebody pushed to it
            return
        except GitregError as error:
            self._warn(f"the branch {request.branch} is still there: {error.message}")
