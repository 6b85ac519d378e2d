"""How GitLab's REST API shows what a project has: https://docs.gitlab.com/api/api_resources/."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from forge.bare import GitCommit
from forge.gitlab_records import LEVELS, Event, MergeRequest, Note, Protection, Version
from forge.records import Account, Hosted

if TYPE_CHECKING:
    from forge.fake_gitlab import FakeGitLab

_BRANCH = "refs/heads/"


def stamp(moment: datetime | None) -> str | None:
    """A time as the API writes it, with milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" if moment else None


def user(host: FakeGitLab, who: Account | str | None) -> dict[str, Any] | None:
    """Somebody, as they stand beside what they did."""
    account = host.account(who) if isinstance(who, str) else who
    if account is None:
        return None
    return {
        "id": account.id,
        "username": account.login,
        "public_email": "",
        "name": account.name,
        "state": "active",
        "locked": False,
        "avatar_url": None,
        "web_url": f"{host.url}/{account.login}",
    }


def full_user(host: FakeGitLab, account: Account) -> dict[str, Any]:
    """Somebody, asked for alone: https://docs.gitlab.com/api/users/#get-a-single-user."""
    shown = user(host, account)
    assert shown is not None
    return {
        **shown,
        "created_at": "2020-01-01T00:00:00.000Z",
        "bio": "",
        "location": "",
        "website_url": "",
        "organization": "",
        "job_title": "",
        "bot": account.kind == "Bot",
        "work_information": None,
        "local_time": None,
    }


def project(host: FakeGitLab, repository: Hosted) -> dict[str, Any]:
    """A project: https://docs.gitlab.com/api/projects/#get-a-single-project."""
    settings = host.settings(repository)
    return {
        "id": repository.id,
        "name": repository.name,
        "path": repository.name,
        "path_with_namespace": repository.full_name,
        "description": None,
        "default_branch": repository.default_branch,
        "visibility": "private" if repository.private else "public",
        "archived": False,
        "web_url": f"{host.url}/{repository.full_name}",
        "http_url_to_repo": host.remote(repository.full_name),
        "ssh_url_to_repo": f"git@gitlab.example.com:{repository.full_name}.git",
        "namespace": {"id": 1, "full_path": repository.owner, "kind": "group"},
        "merge_requests_enabled": True,
        "merge_method": settings.merge_method,
        "squash_option": settings.squash,
        "only_allow_merge_if_pipeline_succeeds": settings.pipeline_must_succeed,
        "allow_merge_on_skipped_pipeline": settings.skipped_passes,
        "only_allow_merge_if_all_discussions_are_resolved": False,
        "merge_trains_enabled": settings.merge_trains,
        "ci_config_path": settings.ci_config,
        "remove_source_branch_after_merge": True,
        "permissions": {"project_access": None, "group_access": None},
    }


def merge_request(host: FakeGitLab, one: MergeRequest, *, alone: bool = False) -> dict[str, Any]:
    """A merge request, as in lists; with more where it is asked for ``alone``."""
    status = host.merge_status(one)
    page = f"{host.url}/{one.project.full_name}/-/merge_requests/{one.iid}"
    newest = one.versions[-1] if one.versions else None
    closer = user(host, one.merged_by) if one.state == "merged" else None
    shown = {
        "id": one.id,
        "iid": one.iid,
        "project_id": one.project.id,
        "title": one.title,
        "description": one.description,
        "state": one.state,
        "created_at": stamp(one.at),
        "updated_at": stamp(one.at),
        "merged_by": closer,
        "merge_user": user(host, one.auto_merge) if one.auto_merge else closer,
        "merged_at": stamp(one.merged_at),
        "closed_by": None,
        "closed_at": stamp(one.closed_at),
        "target_branch": one.target,
        "source_branch": one.source,
        "user_notes_count": sum(not note.system for note in one.notes),
        "upvotes": 0,
        "downvotes": 0,
        "author": user(host, one.author),
        "assignees": [],
        "assignee": None,
        "reviewers": [user(host, login) for login in one.reviewers],
        "source_project_id": one.source_project.id,
        "target_project_id": one.project.id,
        "labels": sorted(one.labels),
        "draft": one.title.startswith(("Draft:", "draft:")),
        "work_in_progress": one.title.startswith(("Draft:", "draft:")),
        "milestone": None,
        "merge_when_pipeline_succeeds": one.auto_merge is not None,
        "merge_status": "can_be_merged" if status == "mergeable" else "cannot_be_merged",
        "detailed_merge_status": status,
        "sha": one.sha,
        "merge_commit_sha": one.merge_commit,
        "squash_commit_sha": one.squash_commit,
        "discussion_locked": None,
        "should_remove_source_branch": None,
        "force_remove_source_branch": one.removes_source,
        "prepared_at": stamp(one.at),
        "reference": f"!{one.iid}",
        "references": {
            "short": f"!{one.iid}",
            "relative": f"!{one.iid}",
            "full": f"{one.project.full_name}!{one.iid}",
        },
        "web_url": page,
        "squash": False,
        "squash_on_merge": host.settings(one.project).squash == "always",
        "task_completion_status": {"count": 0, "completed_count": 0},
        "has_conflicts": status == "conflict",
        "blocking_discussions_resolved": True,
    }
    if alone:
        pipeline = host.pipeline(one.project, one.sha)
        shown |= {
            "subscribed": False,
            "changes_count": "1",
            "pipeline": pipeline,
            "head_pipeline": pipeline,
            "diff_refs": newest
            and {"base_sha": newest.base, "head_sha": newest.head, "start_sha": newest.start},
            "merge_error": None,
            "user": {"can_merge": True},
        }
    return shown


def version(one: MergeRequest, each: Version) -> dict[str, Any]:
    """One version of a diff."""
    return {
        "id": each.id,
        "head_commit_sha": each.head,
        "base_commit_sha": each.base,
        "start_commit_sha": each.start,
        "created_at": stamp(each.at),
        "merge_request_id": one.id,
        "state": "collected",
        "real_size": "1",
        "patch_id_sha": None,
    }


def note(host: FakeGitLab, one: MergeRequest, each: Note) -> dict[str, Any]:
    """A note: https://docs.gitlab.com/api/notes/#merge-requests."""
    return {
        "id": each.id,
        "type": None,
        "body": each.body,
        "attachment": None,
        "author": user(host, each.login),
        "created_at": stamp(each.at),
        "updated_at": stamp(each.updated or each.at),
        "system": each.system,
        "noteable_id": one.id,
        "noteable_type": "MergeRequest",
        "project_id": one.project.id,
        "resolvable": False,
        "confidential": False,
        "internal": False,
        "imported": False,
        "imported_from": "none",
        "noteable_iid": one.iid,
        "commands_changes": {},
    }


def approvals(host: FakeGitLab, one: MergeRequest, me: str | None) -> dict[str, Any]:
    """Who approved: https://docs.gitlab.com/api/merge_request_approvals/#get-approval-state."""
    settings = host.settings(one.project)
    shown: list[dict[str, Any]] = []
    for login, at in one.approvals.items():
        dated = {"approved_at": stamp(at)} if settings.dates_approvals else {}
        shown.append({"user": user(host, login), **dated})
    return {
        "id": one.id,
        "iid": one.iid,
        "project_id": one.project.id,
        "title": one.title,
        "description": one.description,
        "state": one.state,
        "created_at": stamp(one.at),
        "updated_at": stamp(one.at),
        "merge_status": "can_be_merged",
        "approved": len(shown) >= settings.approvals_required,
        "approvals_required": settings.approvals_required,
        "approvals_left": max(0, settings.approvals_required - len(shown)),
        "approved_by": shown,
        "user_has_approved": me in one.approvals,
        "user_can_approve": me is not None and host.may_approve(one, me),
    }


def approval_settings(host: FakeGitLab, repository: Hosted) -> dict[str, Any]:
    """https://docs.gitlab.com/api/merge_request_approvals/#get-approval-configuration-for-a-project."""
    settings = host.settings(repository)
    return {
        "approvers": [],
        "approver_groups": [],
        "approvals_before_merge": settings.approvals_required,
        "reset_approvals_on_push": settings.resets_approvals,
        "selective_code_owner_removals": False,
        "disable_overriding_approvers_per_merge_request": not settings.rules_overridable,
        "merge_requests_author_approval": settings.author_may_approve,
        "merge_requests_disable_committers_approval": not settings.committers_may_approve,
        "require_password_to_approve": False,
        "require_reauthentication_to_approve": False,
    }


def event(host: FakeGitLab, repository: Hosted, each: Event) -> dict[str, Any]:
    """A push: https://docs.gitlab.com/api/events/#list-a-projects-visible-events."""
    ref = each.ref or ""
    name = ref.removeprefix(_BRANCH).removeprefix("refs/tags/")
    actions = {(True, False): "created", (False, True): "removed"}
    action = actions.get((each.before is None, each.after is None), "pushed")
    account = host.account(each.login)
    return {
        "id": each.id,
        "project_id": repository.id,
        "action_name": {"created": "pushed new", "removed": "deleted"}.get(action, "pushed to"),
        "target_id": None,
        "target_iid": None,
        "target_type": None,
        "author_id": account.id if account else None,
        "target_title": None,
        "created_at": stamp(each.at),
        "author": user(host, account),
        "imported": False,
        "imported_from": "none",
        "push_data": {
            "commit_count": 0 if each.count else 1,
            "action": action,
            "ref_type": "branch" if each.count or ref.startswith(_BRANCH) else "tag",
            "commit_from": None if each.count else each.before,
            "commit_to": None if each.count else each.after,
            "ref": None if each.count else name,
            "commit_title": None if each.count else "A change",
            "ref_count": each.count,
        },
        "author_username": each.login,
    }


def commit(each: GitCommit) -> dict[str, Any]:
    """A commit: https://docs.gitlab.com/api/commits/."""
    return {
        "id": each.oid,
        "short_id": each.oid[:8],
        "created_at": stamp(each.committer.at),
        "parent_ids": list(each.parents),
        "title": each.message.split("\n")[0],
        "message": each.message,
        "author_name": each.author.name,
        "author_email": each.author.email,
        "authored_date": stamp(each.author.at),
        "committer_name": each.committer.name,
        "committer_email": each.committer.email,
        "committed_date": stamp(each.committer.at),
        "trailers": {},
        "extended_trailers": {},
        "web_url": "",
    }


def branch(host: FakeGitLab, repository: Hosted, name: str, head: str) -> dict[str, Any]:
    """A branch: https://docs.gitlab.com/api/branches/#get-single-repository-branch."""
    rule = host.settings(repository).protections.get(name)
    return {
        "name": name,
        "merged": False,
        "protected": rule is not None,
        "default": name == repository.default_branch,
        "developers_can_push": rule is not None and 0 < rule.push <= LEVELS["developer"],
        "developers_can_merge": rule is not None and 0 < rule.merge <= LEVELS["developer"],
        "can_push": True,
        "web_url": f"{host.url}/{repository.full_name}/-/tree/{name}",
        "commit": commit(repository.bare.commit(head)),
    }


def protection(name: str, rule: Protection, tier: str) -> dict[str, Any]:
    """A protected branch: https://docs.gitlab.com/api/protected_branches/#get-a-single-protected-branch."""
    owners = {} if tier == "free" else {"code_owner_approval_required": rule.code_owners}

    def level(number: int) -> list[dict[str, Any]]:
        words = {0: "No one", 30: "Developers + Maintainers", 40: "Maintainers"}
        return [{"id": 1, "access_level": number, "access_level_description": words.get(number, "")}]

    return {
        "id": 1,
        "name": name,
        "push_access_levels": level(rule.push),
        "merge_access_levels": level(rule.merge),
        "allow_force_push": rule.allow_force,
        "unprotect_access_levels": [],
        "inherited": False,
        **owners,
    }


def pipeline(host: FakeGitLab, repository: Hosted, number: int, sha: str, status: str) -> dict[str, Any]:
    """A pipeline: https://docs.gitlab.com/api/pipelines/#list-project-pipelines."""
    return {
        "id": number,
        "iid": number,
        "project_id": repository.id,
        "sha": sha,
        "ref": "refs/merge-requests/1/head",
        "status": status,
        "source": "merge_request_event",
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
        "web_url": f"{host.url}/{repository.full_name}/-/pipelines/{number}",
    }
