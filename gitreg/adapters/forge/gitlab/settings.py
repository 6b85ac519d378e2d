"""The settings of a project on GitLab, read with whatever rights the token has.

GitLab shows a project's settings to its members, and some to its maintainers alone. What the token may not see is
``Unread``. https://docs.gitlab.com/api/projects/#get-a-single-project
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from gitreg.adapters.forge.gitlab.api import GitlabApi
from gitreg.adapters.forge.hosted import Json, NotPermitted, Unknown, time_of
from gitreg.core.forge_settings import GitlabApprovals, GitlabBranch, GitlabSettings, Unread
from gitreg.errors import Undecided

_DOING = "read the settings"
_NOBODY = 0


class GitlabInspector:
    """A ``ForgeInspector`` of a project on GitLab."""

    def __init__(self, api: GitlabApi) -> None:
        self._api = api

    def settings(self, branch: str) -> GitlabSettings:
        """See :class:`gitreg.core.forge_settings.ForgeInspector`."""
        with self._api.asking(
            _DOING
        ):  # so that an answer of another form than GitLab's is no bug of gitreg's
            return self._settings(branch)

    def _settings(self, branch: str) -> GitlabSettings:
        project = self._api.get(_DOING, self._api.root)
        time = time_of(self._api.headers)
        return GitlabSettings(
            host=self._api.address.host,
            branch=branch,
            default_branch=str(project.get("default_branch") or ""),
            private=project.get("visibility") == "private",
            protection=self._protection(branch),
            approvals=self._approvals(),
            pipeline_must_succeed=_flag(project, "only_allow_merge_if_pipeline_succeeds"),
            skipped_counts=_flag(project, "allow_merge_on_skipped_pipeline"),
            merge_method=_text(project, "merge_method"),
            merge_trains=project.get("merge_trains_enabled") is True,
            ci_config=_text(project, "ci_config_path"),
            deletes_branches=_flag(project, "remove_source_branch_after_merge"),
            job_token_limited=self._job_token(),
            time=time,
        )

    def _protection(self, branch: str) -> GitlabBranch | Unread | None:
        """https://docs.gitlab.com/api/protected_branches/"""
        try:
            listed = list(self._api.pages(_DOING, f"{self._api.root}/protected_branches"))
        except (NotPermitted, Unknown) as error:
            return Unread(error.message)
        rules = [rule for rule in listed if _matches(str(rule.get("name", "")), branch)]
        return _together(rules) if rules else None

    def _approvals(self) -> GitlabApprovals | Unread | None:
        """https://docs.gitlab.com/api/merge_request_approvals/; a GitLab without the feature knows no such address."""
        try:
            found = self._api.get(_DOING, f"{self._api.root}/approvals")
        except Unknown:
            return None
        except NotPermitted as error:
            return Unread(error.message)
        return GitlabApprovals(
            reset_on_push=found.get("reset_approvals_on_push") is True,
            by_author=found.get("merge_requests_author_approval") is not False,
            by_committers=found.get("merge_requests_disable_committers_approval") is not True,
            overridable=found.get("disable_overriding_approvers_per_merge_request") is not True,
        )

    def _job_token(self) -> bool | Unread:
        """https://docs.gitlab.com/api/project_job_token_scopes/"""
        try:
            found = self._api.get(_DOING, f"{self._api.root}/job_token_scope")
        except (NotPermitted, Unknown, Undecided) as error:  # advice: nothing else waits for it
            return Unread(error.message)
        return _flag(found, "inbound_enabled")


def _matches(pattern: str, branch: str) -> bool:
    """``*`` is the one wildcard; letters' case counts."""
    literal = pattern.replace("[", "[[]").replace("?", "[?]")
    return fnmatchcase(branch, literal)


def _together(rules: list[Json]) -> GitlabBranch:
    """The most permissive rule counts, and for code owners the strictest.

    https://docs.gitlab.com/user/project/repository/branches/protection_rules/
    """
    owners = [rule.get("code_owner_approval_required") for rule in rules]
    known = [each for each in owners if isinstance(each, bool)]
    return GitlabBranch(
        pushers=tuple(dict.fromkeys(who for rule in rules for who in _pushers(rule))),
        force_push=any(rule.get("allow_force_push") is not False for rule in rules),
        code_owner_approval=any(known) if known else None,
    )


def _pushers(rule: Json) -> Iterator[str]:
    levels = rule.get("push_access_levels")
    if not isinstance(levels, list):
        yield "whom GitLab does not name"
        return
    for level in levels:
        people = any(level.get(key) for key in ("user_id", "group_id", "deploy_key_id"))
        if people or level.get("access_level") != _NOBODY:
            yield str(level.get("access_level_description") or level.get("access_level"))


def _flag(data: Json, key: str) -> bool | Unread:
    """Null is off: that is how GitLab shows what nobody has set."""
    if key not in data:
        return Unread("GitLab does not show it to this token")
    return data[key] is True


def _text(data: Json, key: str) -> str | Unread:
    if key not in data:
        return Unread("GitLab does not show it to this token")
    return str(data[key] or "")
