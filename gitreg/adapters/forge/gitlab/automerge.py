"""Lets GitLab merge a merge request by itself, once its pipeline has succeeded and its approvals are there.

https://docs.gitlab.com/user/project/merge_requests/auto_merge/
"""

from __future__ import annotations

import time
from contextlib import suppress

from gitreg.adapters.forge.gitlab import merge
from gitreg.adapters.forge.gitlab.api import GitlabApi, NotAccepted
from gitreg.adapters.forge.gitlab.requests import is_own_branch
from gitreg.adapters.forge.gitlab.reviews import read_request
from gitreg.adapters.forge.hosted import Json, NotPossible, Unreachable
from gitreg.core.ports import BRANCH_PREFIX, ChangeRequest
from gitreg.errors import GitregError

# Of https://docs.gitlab.com/api/pipelines/#list-project-pipelines those of a pipeline that may still succeed by itself.
_RUNNING = frozenset(
    {
        "created",
        "waiting_for_resource",
        "preparing",
        "waiting_for_callback",
        "pending",
        "running",
        "scheduled",
    }
)


def merge_when_ready(api: GitlabApi, request: ChangeRequest) -> str | None:
    """See :class:`gitreg.core.ports.Forge`.

    GitLab merges at once if it is asked after the pipeline has ended, and older ones even if that failed. So it is
    asked only while one runs, and where the project has it succeed before anything is merged.
    """
    try:
        project = api.get("read the project's settings", api.root)
        if not project.get("only_allow_merge_if_pipeline_succeeds"):
            return "the project does not ask for pipelines to succeed (docs/gitlab.md)"
        found = _with_pipeline(api, request)
        if found.get("sha") != request.head:
            return "the branch has moved meanwhile"
        if found.get("merge_when_pipeline_succeeds"):
            return None
        status = str((found.get("head_pipeline") or {}).get("status") or "")
        if status == "success":
            return f"its pipeline has succeeded already: gitreg change merge {request.id}"
        if status not in _RUNNING:
            return f"its pipeline is {status}" if status else "no pipeline has begun for it"
        return _set(api, request, found)
    except GitregError as error:
        return error.message


def merge_by_hand(api: GitlabApi, request: ChangeRequest) -> None:
    """See :class:`gitreg.core.ports.Forge`.

    https://docs.gitlab.com/api/merge_requests/#cancel-merge-when-pipeline-succeeds
    """
    if not _is_set(api, request):
        return
    path = f"{api.root}/merge_requests/{request.id}/cancel_merge_when_pipeline_succeeds"
    try:
        api.send(f"keep !{request.id} from merging by itself", "POST", path)
    except GitregError:
        if _is_set(api, request):  # else it is off, by a call whose answer was lost
            raise


def _with_pipeline(api: GitlabApi, request: ChangeRequest) -> Json:
    """The merge request once its last commit has a pipeline, which GitLab makes a moment after the push."""
    for attempt in range(merge.ATTEMPTS):
        found = read_request(api, request.id)
        if found.get("sha") == request.head and _is_of(found.get("head_pipeline") or {}, request):
            return found
        time.sleep(merge.PAUSE * 1.5**attempt)
    return {**found, "head_pipeline": None}


def _is_of(pipeline: Json, request: ChangeRequest) -> bool:
    """Whether a pipeline is about the last commit. One of merged results is about a merge of it.

    https://docs.gitlab.com/ci/pipelines/merged_results_pipelines/
    """
    merged = f"refs/merge-requests/{request.id}/merge"
    return pipeline.get("sha") == request.head or pipeline.get("ref") == merged


def _set(api: GitlabApi, request: ChangeRequest, found: Json) -> str | None:
    """https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request; before GitLab 17.11 the older key counts."""
    body = {
        "sha": request.head,
        "auto_merge": True,
        "merge_when_pipeline_succeeds": True,
        "should_remove_source_branch": request.branch.startswith(BRANCH_PREFIX) and is_own_branch(found),
    }
    path = f"{api.root}/merge_requests/{request.id}/merge"
    try:
        api.send(f"have !{request.id} merge by itself", "PUT", path, body)
    except NotAccepted:
        return f"the account of the token from {api.token.source} may not merge into {request.target}"
    except NotPossible as error:
        return f"{error.message}; this GitLab may want its approvals first"
    except Unreachable as error:
        with suppress(GitregError):
            there = read_request(api, request.id)
            if there.get("sha") == request.head and _stands(there):
                return None
        return error.message
    return None


def _stands(found: Json) -> bool:
    return found["state"] == "merged" or bool(found.get("merge_when_pipeline_succeeds"))


def _is_set(api: GitlabApi, request: ChangeRequest) -> bool:
    return bool(read_request(api, request.id).get("merge_when_pipeline_succeeds"))
