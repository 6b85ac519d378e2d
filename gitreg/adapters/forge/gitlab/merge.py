"""Lets GitLab merge a merge request, and only if its merge has the tree that was judged.

GitLab tries a merge when it is asked to, and keeps it as ``refs/merge-requests/N/merge``. Its parents and its tree are
looked at first, and those of what has landed afterwards, as the project's merge method made it.
https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request, https://docs.gitlab.com/user/project/merge_requests/methods/
"""

from __future__ import annotations

import time
from contextlib import suppress

from gitreg.adapters.forge.gitlab.api import GitlabApi, NotAccepted
from gitreg.adapters.forge.gitlab.requests import change_request
from gitreg.adapters.forge.gitlab.reviews import read_request
from gitreg.adapters.forge.hosted import Conflict, Json, NotPermitted, NotPossible, Unknown, Unreachable
from gitreg.core.ports import ChangeRequest, Commit, Repository
from gitreg.errors import GitregError, LostRace, Refused, Undecided

#: How often GitLab is asked whether it knows if it can merge, and the first pause, in seconds; each is longer by half.
ATTEMPTS = 8
PAUSE = 0.4

# https://docs.gitlab.com/api/merge_requests/#merge-status
_BUSY = frozenset({"unchecked", "checking", "preparing", "approvals_syncing"})
_WHY = {
    "ci_must_pass": "its pipeline must succeed first",
    "ci_still_running": "its pipeline is still running",
    "conflict": "it conflicts with its target",
    "discussions_not_resolved": "its threads must be resolved first",
    "draft_status": "it is a draft",
    "need_rebase": "it must be rebased on its target first",
    "not_approved": "the project asks for approvals on GitLab that it does not have",
    "requested_changes": "a reviewer asks for changes",
    "security_policy_violations": "the project's security policies are violated",
    "status_checks_must_pass": "its external status checks must pass first",
}


def demand_mergeable(
    api: GitlabApi, repository: Repository, request: ChangeRequest, judged: Commit, base: str
) -> None:
    """Sees to it that GitLab could merge ``request`` into its target, which is at ``base``, to the tree of ``judged``.

    Raises:
        LostRace: the target or the branch has moved. Undecided: GitLab does not know in time whether it can merge.
        Refused: GitLab does not merge, or would make another tree.
    """
    repository.fetch()
    if repository.hub_ref(f"refs/heads/{request.target}") != base:
        raise LostRace(f"{request.target} has moved meanwhile", "try again")
    _demand_ready(api, request)
    tried = _tried(api, repository, request, base)
    if tried is not None and tried.tree != judged.tree:
        raise Refused(
            f"GitLab would merge !{request.id} to another tree ({tried.tree}) than was judged ({judged.tree})",
            "rebase the branch on its target, so that there is nothing to merge",
        )


def land(
    api: GitlabApi, repository: Repository, request: ChangeRequest, judged: Commit, base: str, *, ours: bool
) -> str:
    """Merges ``request`` as GitLab does; returns the commit that landed.

    ``judged`` is the merge as gitreg made it; GitLab's has its tree and, where it makes a merge commit, its message.
    ``ours``: GitLab deletes the branch.

    Raises:
        LostRace: the branch has moved. Undecided: GitLab does not answer.
        Refused: GitLab does not merge; or it has merged to another tree, since the target moved in that moment.
    """
    oid = _merged(api, request, judged, ours)
    repository.fetch()
    repository.fetch_commit(f"refs/heads/{request.target}", oid)
    landed = repository.commit(oid)
    if landed.tree != judged.tree or repository.merge_base(base, oid) != base:
        raise Refused(
            f"!{request.id} has landed as {oid}, which is not what was judged: the base moved meanwhile",
            "look at it with gitreg audit, and choose a fast-forward merge method for the project",
        )
    return oid


def _demand_ready(api: GitlabApi, request: ChangeRequest) -> None:
    for attempt in range(ATTEMPTS):
        found = read_request(api, request.id)
        if found.get("sha") != request.head:
            raise LostRace(f"change request !{request.id} has changed meanwhile", "look at it again")
        status = str(found.get("detailed_merge_status") or "")
        if status in _WHY:
            raise _not_mergeable(request, status)
        if status not in _BUSY:
            return
        time.sleep(PAUSE * 1.5**attempt)
    raise Undecided(f"GitLab does not know in time whether !{request.id} can be merged", "try again")


def _not_mergeable(request: ChangeRequest, status: str) -> Refused:
    hint = "its page on GitLab shows what is missing"
    if status in ("conflict", "need_rebase"):
        hint = f"gitreg change refresh {request.id} plans it again on the current base"
    return Refused(f"GitLab does not merge !{request.id}: {_WHY[status]}", hint)


def _tried(api: GitlabApi, repository: Repository, request: ChangeRequest, base: str) -> Commit | None:
    """GitLab's own merge of the request's head into ``base``; None where it tries none.

    https://docs.gitlab.com/api/merge_requests/#merge-to-default-merge-ref-path
    """
    path = f"{api.root}/merge_requests/{request.id}/merge_ref"
    try:
        oid = str(api.get(f"try the merge of !{request.id}", path)["commit_id"])
    except Unknown:
        return None
    repository.fetch_commit(f"refs/merge-requests/{request.id}/merge", oid)
    tried = repository.commit(oid)
    if tried.parents[:1] != (base,):
        raise LostRace(f"{request.target} has moved meanwhile", "try again")
    return tried


def _merged(api: GitlabApi, request: ChangeRequest, judged: Commit, ours: bool) -> str:
    """Asks GitLab to merge; returns the commit. If the answer is lost, what has become of the request tells."""
    body = {
        "sha": request.head,
        "merge_commit_message": judged.message.strip(),
        "squash_commit_message": judged.message.strip(),
        "should_remove_source_branch": ours,
    }
    path = f"{api.root}/merge_requests/{request.id}/merge"
    try:
        return _landed(request, api.send(f"merge change request !{request.id}", "PUT", path, body))
    except Conflict as error:
        raise LostRace(error.message, "try again") from error
    except NotAccepted as error:
        raise Refused(
            f"GitLab does not let the account of the token from {api.token.source} merge !{request.id}",
            f"Settings > Repository > Protected branches says who may merge into {request.target}",
        ) from error
    except NotPossible as error:
        raise Refused(error.message, "its page on GitLab shows what is missing") from error
    except (Unreachable, NotPermitted) as error:
        return _landed_all_the_same(api, request, error)


def _landed(request: ChangeRequest, answer: Json) -> str:
    found = change_request(answer)
    if found.merged_as is None:
        raise Unreachable(f"GitLab has not merged !{request.id} yet", "look at it again in a moment")
    return found.merged_as


def _landed_all_the_same(api: GitlabApi, request: ChangeRequest, error: GitregError) -> str:
    with suppress(GitregError):
        found = read_request(api, request.id)
        if found["state"] == "merged" and found.get("sha") == request.head:
            return _landed(request, found)
    raise error
