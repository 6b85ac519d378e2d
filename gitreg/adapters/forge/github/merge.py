"""Lets GitHub merge a pull request, and only if its merge has the tree that was judged.

GitHub tries each merge by itself and keeps it as ``refs/pull/N/merge``. Its parents and its tree are looked at first,
and those of the commit that has landed afterwards. https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request
"""

from __future__ import annotations

import re
import time

from gitreg.adapters.forge.github.api import GithubApi
from gitreg.adapters.forge.hosted import Conflict, Json, NotPossible, Unreachable
from gitreg.core.ports import ChangeRequest, Commit, Repository
from gitreg.errors import GitregError, LostRace, Refused, Undecided

#: How often GitHub is asked whether it has tried the merge, and the first pause, in seconds; each is longer by half.
ATTEMPTS = 8
PAUSE = 0.4


def demand_mergeable(
    api: GithubApi, repository: Repository, request: ChangeRequest, judged: Commit, base: str
) -> None:
    """Makes sure that GitHub's own merge of ``request`` into ``base`` has the tree of ``judged``, gitreg's merge.

    Raises:
        LostRace: the target or the branch has moved. Undecided: GitHub has not tried the merge in time.
        Refused: it conflicts, or GitHub would make another tree.
    """
    repository.fetch()
    if repository.hub_ref(f"refs/heads/{request.target}") != base:
        raise LostRace(f"{request.target} has moved meanwhile", "try again")
    tried = _tried(api, repository, request, base)
    if tried.tree != judged.tree:
        raise Refused(
            f"GitHub would merge #{request.id} to another tree ({tried.tree}) than was judged ({judged.tree})",
            "rebase the branch on its target, so that there is nothing to merge",
        )


def land(api: GithubApi, repository: Repository, request: ChangeRequest, judged: Commit, base: str) -> str:
    """Lets GitHub merge ``request`` into its target, with the message of ``judged``; returns the commit that landed.

    Raises:
        LostRace: the target or the branch has moved.
        Refused: GitHub does not merge; it says why. Or what has landed is not what was judged.
    """
    oid = _merged(api, request, judged)
    repository.fetch()
    repository.fetch_commit(f"refs/heads/{request.target}", oid)
    landed = repository.commit(oid)
    if landed.tree != judged.tree or landed.parents != (base, request.head):
        raise Refused(
            f"#{request.id} has landed as {oid}, which is not what was judged: the base moved meanwhile",
            "look at it with gitreg audit, and let GitHub require branches to be up to date (docs/github.md)",
        )
    return oid


def _tried(api: GithubApi, repository: Repository, request: ChangeRequest, base: str) -> Commit:
    """GitHub's own merge of the request's head into ``base``."""
    for attempt in range(ATTEMPTS):
        pull = _pull(api, request)
        if pull["head"]["sha"] != request.head:
            raise LostRace(f"change request #{request.id} has changed meanwhile", "look at it again")
        if pull.get("mergeable") is False:
            raise Refused(
                f"GitHub cannot merge #{request.id}: it conflicts with {request.target}",
                f"gitreg change refresh {request.id} plans it again on the current base",
            )
        tried = _try_of(repository, request, pull)
        if tried is not None and tried.parents == (base, request.head):
            return tried
        time.sleep(PAUSE * 1.5**attempt)
    raise Undecided(f"GitHub has not tried the merge of #{request.id} in time", "try again")


def _pull(api: GithubApi, request: ChangeRequest) -> Json:
    return api.get(f"read change request #{request.id}", f"{api.root}/pulls/{request.id}")


def _try_of(repository: Repository, request: ChangeRequest, pull: Json) -> Commit | None:
    """None while GitHub is at it: then ``mergeable`` is not known, or the ref is behind."""
    oid = pull.get("merge_commit_sha")
    if pull.get("mergeable") is None or not oid:
        return None
    try:
        repository.fetch_commit(f"refs/pull/{request.id}/merge", oid)
        return repository.commit(oid)
    except Undecided:
        return None


def _merged(api: GithubApi, request: ChangeRequest, judged: Commit) -> str:
    """Asks GitHub to merge; returns the commit. If the answer is lost, what has become of the request tells."""
    title, _, message = judged.message.partition("\n")
    try:
        with api.asking(f"merge change request #{request.id}"):
            done = api.repository.get_pull(int(request.id)).merge(
                commit_message=message.strip(),
                commit_title=title,
                merge_method="merge",
                sha=request.head or "",
            )
            return done.sha
    except Conflict as error:
        raise LostRace(error.message, "try again") from error
    except NotPossible as error:
        raise Refused(error.message, _remedy(request, error.message)) from error
    except Unreachable as error:
        return _landed_all_the_same(api, request, error)


def _remedy(request: ChangeRequest, reason: str) -> str:
    """What to do where the rules of the branch say no."""
    if re.search(r"out[- ]of[- ]date|behind", reason, re.IGNORECASE):
        number = request.id
        return (
            f"gitreg change refresh {number} puts it on the newest base; then it is reviewed and checked anew"
        )
    return "its page on GitHub shows which review or check is missing; then run this again"


def _landed_all_the_same(api: GithubApi, request: ChangeRequest, error: GitregError) -> str:
    pull = _pull(api, request)
    if not pull.get("merged") or pull["head"]["sha"] != request.head:
        raise error
    return str(pull["merge_commit_sha"])
