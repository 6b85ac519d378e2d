"""What GitLab documents of each operation that gitreg uses, and whether an exchange is of that kind.

GitLab's own OpenAPI description leaves out what most of these operations answer. So the attributes are those of the
tables and examples of the API's pages, which are named beside them. A question mark: may be null; an asterisk: may be
missing, as on some tiers or versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
_SHA = re.compile(r"[0-9a-f]{40}\Z")
_SIMPLE: Mapping[str, type] = {"text": str, "number": int, "flag": bool, "list": list, "object": dict}

Shape = Mapping[str, str]


def _shape(text: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in text.split())


#: https://docs.gitlab.com/api/users/
USER = _shape(
    "id:number username:text public_email:text* name:text state:text locked:flag avatar_url:text? web_url:text"
)
FULL_USER = USER | _shape(
    "created_at:time bio:text location:text website_url:text organization:text job_title:text bot:flag"
    " work_information:text? local_time:text?"
)
#: https://docs.gitlab.com/api/projects/#get-a-single-project
PROJECT = _shape(
    "id:number name:text path:text path_with_namespace:text description:text? default_branch:text visibility:text"
    " archived:flag web_url:text http_url_to_repo:text ssh_url_to_repo:text namespace:object"
    " merge_requests_enabled:flag merge_method:text squash_option:text"
    " only_allow_merge_if_pipeline_succeeds:flag only_allow_merge_if_all_discussions_are_resolved:flag"
    " remove_source_branch_after_merge:flag permissions:object allow_merge_on_skipped_pipeline:flag?"
    " ci_config_path:text? merge_trains_enabled:flag*"
)
#: https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests
LISTED = _shape(
    "id:number iid:number project_id:number title:text description:text? state:text created_at:time updated_at:time"
    " merged_by:USER? merge_user:USER? merged_at:time? closed_by:USER? closed_at:time? target_branch:text"
    " source_branch:text user_notes_count:number upvotes:number downvotes:number author:USER assignees:list"
    " assignee:USER? reviewers:list source_project_id:number? target_project_id:number labels:list draft:flag"
    " work_in_progress:flag milestone:object? merge_when_pipeline_succeeds:flag merge_status:text"
    " detailed_merge_status:text sha:sha? merge_commit_sha:sha? squash_commit_sha:sha? discussion_locked:flag?"
    " should_remove_source_branch:flag? force_remove_source_branch:flag? prepared_at:time? reference:text"
    " references:object web_url:text squash:flag squash_on_merge:flag task_completion_status:object"
    " has_conflicts:flag blocking_discussions_resolved:flag"
)
#: https://docs.gitlab.com/api/merge_requests/#get-single-mr
REQUEST = LISTED | _shape(
    "subscribed:flag changes_count:text? pipeline:object? head_pipeline:object? diff_refs:object? merge_error:text?"
    " user:object"
)
#: https://docs.gitlab.com/api/merge_requests/#get-merge-request-diff-versions
VERSION = _shape(
    "id:number head_commit_sha:sha base_commit_sha:sha start_commit_sha:sha created_at:time merge_request_id:number"
    " state:text real_size:text patch_id_sha:text?"
)
#: https://docs.gitlab.com/api/notes/#list-all-merge-request-notes
NOTE = _shape(
    "id:number type:text? body:text attachment:text? author:USER created_at:time updated_at:time system:flag"
    " noteable_id:number noteable_type:text project_id:number resolvable:flag confidential:flag internal:flag"
    " imported:flag imported_from:text noteable_iid:number commands_changes:object"
)
#: https://docs.gitlab.com/api/merge_request_approvals/
APPROVALS = _shape(
    "id:number iid:number project_id:number title:text description:text? state:text created_at:time updated_at:time"
    " merge_status:text approved:flag approvals_required:number approvals_left:number approved_by:list"
    " user_has_approved:flag user_can_approve:flag"
)
APPROVED_BY = _shape("user:USER approved_at:time*")
APPROVAL_SETTINGS = _shape(
    "approvers:list approver_groups:list approvals_before_merge:number reset_approvals_on_push:flag"
    " selective_code_owner_removals:flag disable_overriding_approvers_per_merge_request:flag"
    " merge_requests_author_approval:flag merge_requests_disable_committers_approval:flag"
    " require_password_to_approve:flag require_reauthentication_to_approve:flag"
)
#: https://docs.gitlab.com/api/merge_requests/#get-single-merge-request-reviewers
REVIEWER = _shape("user:USER state:text created_at:time")
#: https://docs.gitlab.com/api/events/#list-all-visible-events-for-a-project
EVENT = _shape(
    "id:number project_id:number action_name:text target_id:number? target_iid:number? target_type:text?"
    " author_id:number? target_title:text? created_at:time author:USER? imported:flag imported_from:text"
    " push_data:PUSH* author_username:text"
)
PUSH = _shape(
    "commit_count:number action:text ref_type:text commit_from:sha? commit_to:sha? ref:text? commit_title:text?"
    " ref_count:number?"
)
#: https://docs.gitlab.com/api/commits/
COMMIT = _shape(
    "id:sha short_id:text created_at:time parent_ids:list title:text message:text author_name:text author_email:text"
    " authored_date:time committer_name:text committer_email:text committed_date:time trailers:object"
    " extended_trailers:object web_url:text"
)
#: https://docs.gitlab.com/api/branches/#get-single-repository-branch
BRANCH = _shape(
    "name:text merged:flag protected:flag default:flag developers_can_push:flag developers_can_merge:flag"
    " can_push:flag web_url:text commit:COMMIT"
)
#: https://docs.gitlab.com/api/project_members/
MEMBER = USER | _shape("access_level:number expires_at:text? membership_state:text*")
#: https://docs.gitlab.com/api/merge_requests/#merge-to-default-merge-ref-path
MERGE_REF = _shape("commit_id:sha")
#: What https://docs.gitlab.com/api/merge_requests/#cancel-merge-when-pipeline-succeeds answers is not a merge request.
CANCELLED = _shape("status:text")
#: https://docs.gitlab.com/api/pipelines/
PIPELINE = _shape(
    "id:number iid:number project_id:number sha:sha ref:text status:text source:text created_at:time updated_at:time"
    " web_url:text"
)

_NAMED: Mapping[str, Shape] = {"USER": USER, "PUSH": PUSH, "COMMIT": COMMIT}
_ONE = "/projects/{id}/merge_requests/{merge_request_iid}"
_PAGES = "page per_page"


@dataclass(frozen=True, slots=True)
class Documented:
    """One operation: what a success answers, which parameters it takes, and whether it answers with a list."""

    answer: Shape
    query: str = ""
    body: str = ""
    is_list: bool = False
    inside: tuple[str, Shape] | None = None


_FILING = "title description target_branch labels add_labels remove_labels reviewer_ids assignee_ids squash"
OPERATIONS: Mapping[tuple[str, str], Documented] = {
    ("GET", "/user"): Documented(FULL_USER),
    ("GET", "/users"): Documented(USER, f"username {_PAGES}", is_list=True),
    ("GET", "/users/{id}"): Documented(FULL_USER),
    ("GET", "/projects/{id}"): Documented(PROJECT),
    ("GET", "/projects/{id}/members/all/{user_id}"): Documented(MEMBER),
    ("GET", "/projects/{id}/events"): Documented(EVENT, f"action after before sort {_PAGES}", is_list=True),
    ("GET", "/projects/{id}/approvals"): Documented(APPROVAL_SETTINGS),
    ("GET", "/projects/{id}/repository/branches/{branch}"): Documented(BRANCH),
    ("GET", "/projects/{id}/repository/commits/{sha}/merge_requests"): Documented(
        LISTED, f"state {_PAGES}", is_list=True
    ),
    ("GET", "/projects/{id}/merge_requests"): Documented(
        LISTED, f"state order_by sort source_branch target_branch {_PAGES}", is_list=True
    ),
    ("POST", "/projects/{id}/merge_requests"): Documented(
        REQUEST, body=f"source_branch target_project_id remove_source_branch {_FILING}"
    ),
    ("GET", _ONE): Documented(REQUEST),
    ("PUT", _ONE): Documented(REQUEST, body=f"state_event remove_source_branch {_FILING}"),
    ("GET", f"{_ONE}/versions"): Documented(VERSION, _PAGES, is_list=True),
    ("GET", f"{_ONE}/commits"): Documented(COMMIT, _PAGES, is_list=True),
    ("GET", f"{_ONE}/pipelines"): Documented(PIPELINE, _PAGES, is_list=True),
    ("POST", "/projects/{id}/pipelines/{pipeline_id}/retry"): Documented(PIPELINE),
    ("GET", f"{_ONE}/merge_ref"): Documented(MERGE_REF),
    ("PUT", f"{_ONE}/merge"): Documented(
        REQUEST,
        body=(
            "sha merge_commit_message squash_commit_message should_remove_source_branch squash auto_merge"
            " merge_when_pipeline_succeeds"
        ),
    ),
    ("POST", f"{_ONE}/cancel_merge_when_pipeline_succeeds"): Documented(CANCELLED),
    ("GET", f"{_ONE}/approvals"): Documented(APPROVALS, inside=("approved_by", APPROVED_BY)),
    ("POST", f"{_ONE}/approve"): Documented(APPROVALS, body="sha", inside=("approved_by", APPROVED_BY)),
    ("POST", f"{_ONE}/unapprove"): Documented(APPROVALS, inside=("approved_by", APPROVED_BY)),
    ("GET", f"{_ONE}/reviewers"): Documented(REVIEWER, _PAGES, is_list=True),
    ("GET", f"{_ONE}/notes"): Documented(NOTE, f"sort order_by {_PAGES}", is_list=True),
    ("POST", f"{_ONE}/notes"): Documented(NOTE, body="body internal created_at"),
    ("PUT", f"{_ONE}/notes/{{note_id}}"): Documented(NOTE, body="body"),
}


def deviations(
    method: str, template: str, query: Mapping[str, str], body: object, status: int, answer: object
) -> Iterator[str]:
    """What in an exchange is not as documented: parameters always, the answer where it is a success with content."""
    known = OPERATIONS.get((method, template))
    if known is None:
        return
    given = set(body) if isinstance(body, Mapping) else set()
    for name in sorted(set(query) - set(known.query.split()) | given - set(known.body.split())):
        yield f"{method} {template} takes no {name}"
    if status not in (200, 201):
        return
    if known.is_list != isinstance(answer, list):
        yield f"{method} {template} answers with {'a list' if known.is_list else 'an object'}"
        return
    for each in answer if isinstance(answer, list) else [answer]:
        yield from _misfits(each, known.answer, template)
        if known.inside:
            for inner in each[known.inside[0]]:
                yield from _misfits(inner, known.inside[1], f"{template}: {known.inside[0]}")


def _misfits(value: Any, shape: Shape, where: str) -> Iterator[str]:
    for name in sorted(value.keys() - shape.keys()):
        yield f"{where}: {name} is not documented"
    for name, kind in shape.items():
        if name not in value:
            if not kind.endswith("*"):
                yield f"{where}: {name} is missing"
        elif not (value[name] is None and kind.endswith("?")):
            yield from _unlike(value[name], kind.rstrip("?*"), f"{where}: {name}")


def _unlike(value: Any, kind: str, where: str) -> Iterator[str]:
    if kind in _NAMED:
        yield from _misfits(value, _NAMED[kind], where)
    elif kind in ("time", "sha"):
        if not (isinstance(value, str) and (_TIME if kind == "time" else _SHA).match(value)):
            yield f"{where}: {value!r} is no {kind}"
    elif type(value) is not _SIMPLE[kind]:
        yield f"{where}: {value!r} is no {kind}"
