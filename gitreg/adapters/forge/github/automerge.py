"""Lets GitHub merge a pull request by itself, once all that its rules for the branch ask is there.

https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/automatically-merging-a-pull-request
"""

from __future__ import annotations

import time
from contextlib import suppress
from urllib.parse import quote

from gitreg.adapters.forge.github import merge
from gitreg.adapters.forge.github.api import GithubApi
from gitreg.adapters.forge.hosted import Json, Unreachable
from gitreg.core.ports import ChangeRequest
from gitreg.core.scaffold.ruleset import CHECK
from gitreg.errors import GitregError

_WANTED = "pullRequest { number }"


def merge_when_ready(api: GithubApi, request: ChangeRequest) -> str | None:
    """See :class:`gitreg.core.ports.Forge`.

    GitHub waits for what its rules for the branch ask, and for nothing else. So it is asked only where they ask for
    gitreg's check.
    """
    try:
        if not _requires_check(api, request.target):
            return f"no rule for {request.target} requires the check {CHECK!r} (docs/github.md)"
        pull = _up_to_date(api, request)
        if pull is None:
            return "the branch has moved meanwhile"
        return None if pull.get("auto_merge") else _set(api, request, str(pull["node_id"]))
    except GitregError as error:
        return error.message


def merge_by_hand(api: GithubApi, request: ChangeRequest) -> None:
    """See :class:`gitreg.core.ports.Forge`.

    https://docs.github.com/en/graphql/reference/mutations#disablepullrequestautomerge
    """
    pull = _pull(api, request)
    if not pull.get("auto_merge"):
        return
    doing = f"keep #{request.id} from merging by itself"
    try:
        api.mutate(doing, "disablePullRequestAutoMerge", {"pullRequestId": str(pull["node_id"])}, _WANTED)
    except GitregError:
        if _pull(api, request).get("auto_merge"):  # else it is off, by a call whose answer was lost
            raise


def _set(api: GithubApi, request: ChangeRequest, node: str) -> str | None:
    """https://docs.github.com/en/graphql/reference/mutations#enablepullrequestautomerge"""
    given = {"pullRequestId": node, "mergeMethod": "MERGE", "expectedHeadOid": request.head}
    try:
        api.mutate(f"have #{request.id} merge by itself", "enablePullRequestAutoMerge", given, _WANTED)
    except Unreachable as error:
        with suppress(GitregError):
            pull = _pull(api, request)
            if _is_set(pull, request) or pull.get("merged"):
                return None
        return error.message
    except GitregError as error:
        return _plain(error.message, request)
    return None


def _plain(message: str, request: ChangeRequest) -> str:
    """GitHub's refusal, with what to do about it where that is known."""
    if "in clean status" in message:
        return f"it can be merged right away: gitreg change merge {request.id}"
    if "not allowed for this repository" in message:
        return f"{message} (Settings, General: Allow auto-merge)"
    return message


def _up_to_date(api: GithubApi, request: ChangeRequest) -> Json | None:
    """The pull request once it shows the head, which takes a moment after a push; None if it shows another."""
    for attempt in range(merge.ATTEMPTS):
        pull = _pull(api, request)
        if pull["head"]["sha"] == request.head:
            return pull
        time.sleep(merge.PAUSE * 1.5**attempt)
    return None


def _is_set(pull: Json, request: ChangeRequest) -> bool:
    return bool(pull.get("auto_merge")) and pull["head"]["sha"] == request.head


def _pull(api: GithubApi, request: ChangeRequest) -> Json:
    return api.get(f"read change request #{request.id}", f"{api.root}/pulls/{request.id}")


def _requires_check(api: GithubApi, branch: str) -> bool:
    """Whether a ruleset or classic protection asks for gitreg's check; all who can read are told that.

    https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch,
    https://docs.github.com/en/rest/branches/branches#get-a-branch
    """
    doing, name = f"read the rules for {branch}", quote(branch, safe="")
    for rule in api.pages(doing, f"{api.root}/rules/branches/{name}"):
        wanted = (rule.get("parameters") or {}).get("required_status_checks") or ()
        if any(each.get("context") == CHECK for each in wanted):
            return True
    protection = api.get(doing, f"{api.root}/branches/{name}").get("protection") or {}
    return CHECK in ((protection.get("required_status_checks") or {}).get("contexts") or ())
