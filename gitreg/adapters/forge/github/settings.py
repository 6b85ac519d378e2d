"""The settings of a repository on GitHub, read with whatever rights the token has.

Rules in force are shown to everybody who can read (https://docs.github.com/rest/repos/rules#get-rules-for-a-branch);
who may go around them, classic branch protection and the settings of Actions to administrators alone. What the token
may not see is ``Unread``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar
from urllib.parse import quote

from gitreg.adapters.forge.github.api import GithubApi
from gitreg.adapters.forge.hosted import Json, NotPermitted, Unknown, time_of
from gitreg.core.forge_settings import BranchRules, GithubSettings, RequiredCheck, Unread

T = TypeVar("T")

_METHODS = {"allow_merge_commit": "merge", "allow_squash_merge": "squash", "allow_rebase_merge": "rebase"}
#: What a rule of a linear history leaves of them.
_LINEAR = frozenset({"squash", "rebase"})
_DOING = "read the settings"


class GithubInspector:
    """A ``ForgeInspector`` of a repository on GitHub."""

    def __init__(self, api: GithubApi) -> None:
        self._api = api

    def settings(self, branch: str) -> GithubSettings:
        """See :class:`gitreg.core.forge_settings.ForgeInspector`."""
        with self._api.asking(
            _DOING
        ):  # so that an answer of another form than GitHub's is no bug of gitreg's
            return self._settings(branch)

    def _settings(self, branch: str) -> GithubSettings:
        repository, time = self._repository()
        rules = self._tried(lambda: tuple(self._rulesets(branch)))
        classic = self._classic(branch, _is_admin(repository))
        hidden = classic if isinstance(classic, Unread) else None
        if classic is not None and not isinstance(classic, Unread) and not isinstance(rules, Unread):
            rules = (*rules, classic)
        workflow = self._tried(lambda: self._get("/actions/permissions/workflow"))
        return GithubSettings(
            host=self._api.address.host,
            branch=branch,
            default_branch=str(repository.get("default_branch", "")),
            private=bool(repository.get("private")),
            rules=rules,
            hidden=hidden,
            merge_methods=_merge_methods(repository),
            owners_errors=self._owners_errors(branch),
            token_permissions=_of(workflow, lambda data: str(data["default_workflow_permissions"])),
            actions_may_approve=_of(workflow, lambda data: bool(data["can_approve_pull_request_reviews"])),
            deletes_branches=_shown(repository, "delete_branch_on_merge"),
            time=time,
        )

    def _get(self, path: str, **query: str) -> Json:
        return self._api.get(_DOING, f"{self._api.root}{path}", **query)

    def _repository(self) -> tuple[Json, datetime | None]:
        """The repository, and the server's time, which every answer tells."""
        headers, data = self._api.client.requester.requestJsonAndCheck("GET", self._api.root)
        if not isinstance(data, dict):
            raise ValueError("not an object")
        return data, time_of(headers)

    def _tried(self, ask: Callable[[], T]) -> T | Unread:
        try:
            return ask()
        except (NotPermitted, Unknown) as error:
            return Unread(error.message)

    def _rulesets(self, branch: str) -> Iterator[BranchRules]:
        path = f"{self._api.root}/rules/branches/{quote(branch, safe='')}"
        found = sorted(self._api.pages(_DOING, path), key=_ruleset_id)
        for number, rules in groupby(found, _ruleset_id):
            yield self._ruleset(number, list(rules))

    def _ruleset(self, number: int, rules: Sequence[Json]) -> BranchRules:
        """https://docs.github.com/rest/repos/rules#get-a-repository-ruleset"""
        whole = self._tried(lambda: self._get(f"/rulesets/{number}", includes_parents="true"))
        name = f"ruleset {number}" if isinstance(whole, Unread) else f"ruleset {whole.get('name', number)}"
        return _from_ruleset(name, rules, _bypass(whole))

    def _classic(self, branch: str, is_admin: bool) -> BranchRules | Unread | None:
        """None where there is none. To whom may not see it GitHub says the same, so only an administrator knows."""
        try:
            found = self._get(f"/branches/{quote(branch, safe='')}/protection")
        except (NotPermitted, Unknown) as error:
            if is_admin and isinstance(error, Unknown):
                return None
            return Unread("classic branch protection is shown to administrators alone")
        return _from_classic(found)

    def _owners_errors(self, branch: str) -> tuple[str, ...] | Unread | None:
        """https://docs.github.com/rest/repos/repos#list-codeowners-errors"""
        try:
            found = self._get("/codeowners/errors", ref=branch)
        except Unknown:
            return None
        except NotPermitted as error:
            return Unread(error.message)
        return tuple(
            f"{each['path']}, line {each['line']}: {each['kind']}" for each in found.get("errors") or ()
        )


def _is_admin(repository: Json) -> bool:
    return bool((repository.get("permissions") or {}).get("admin"))


def _ruleset_id(rule: Json) -> int:
    return int(rule.get("ruleset_id") or 0)


def _of(data: Json | Unread, take: Callable[[Json], T]) -> T | Unread:
    return data if isinstance(data, Unread) else take(data)


def _shown(repository: Json, key: str) -> bool | Unread:
    """A setting in the repository's own JSON: GitHub leaves it out for those who may not write."""
    value = repository.get(key)
    return value if isinstance(value, bool) else Unread("GitHub shows it only to those who may write")


def _merge_methods(repository: Json) -> frozenset[str] | Unread:
    shown = {method: _shown(repository, key) for key, method in _METHODS.items()}
    hidden = next((value for value in shown.values() if isinstance(value, Unread)), None)
    return hidden or frozenset(method for method, allowed in shown.items() if allowed)


def _bypass(whole: Json | Unread) -> tuple[str, ...] | Unread:
    """Who may go around a ruleset. GitHub shows the list to those who may change the ruleset."""
    if isinstance(whole, Unread):
        return whole
    actors = whole.get("bypass_actors")
    if actors is None:
        mine = whole.get("current_user_can_bypass")
        if mine in {"always", "pull_requests_only", "exempt"}:
            return ("the owner of this token",)
        return Unread("GitHub shows it to administrators alone")
    return tuple(_actor(actor) for actor in actors)


def _actor(actor: Json) -> str:
    number = actor.get("actor_id")
    known = f" {number}" if number is not None else ""
    return f"{actor.get('actor_type')}{known}, {actor.get('bypass_mode', 'always')}"


def _from_ruleset(name: str, rules: Sequence[Json], bypass: tuple[str, ...] | Unread) -> BranchRules:
    """https://docs.github.com/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets"""
    said = {str(rule["type"]): rule.get("parameters") or {} for rule in rules}
    request, checks = said.get("pull_request"), said.get("required_status_checks", {})
    return BranchRules(
        source=name,
        bars_deletion="deletion" in said,
        bars_force_push="non_fast_forward" in said,
        **({} if request is None else _request(request)),
        merge_methods=_left((request or {}).get("allowed_merge_methods"), "required_linear_history" in said),
        checks=tuple(_checks(checks.get("required_status_checks") or (), "integration_id")),
        up_to_date=bool(checks.get("strict_required_status_checks_policy")),
        queue=str(said["merge_queue"].get("merge_method", "")).lower() if "merge_queue" in said else None,
        workflows=tuple(
            f"{each.get('path')} of repository {each.get('repository_id')}"
            for each in said.get("workflows", {}).get("workflows") or ()
        ),
        bypass=bypass,
    )


def _left(allowed: Iterable[str] | None, linear: bool) -> frozenset[str] | None:
    """The merge methods that rules leave; None where they do not say."""
    if allowed is None:
        return _LINEAR if linear else None
    return frozenset(allowed) & _LINEAR if linear else frozenset(allowed)


def _request(request: Json) -> dict[str, Any]:
    return {
        "reviews": int(request.get("required_approving_review_count") or 0),
        "code_owner_review": bool(request.get("require_code_owner_review")),
        "dismisses_stale": bool(request.get("dismiss_stale_reviews_on_push")),
        "last_push_approval": bool(request.get("require_last_push_approval")),
    }


def _checks(checks: Iterable[Json], app: str) -> Iterator[RequiredCheck]:
    """-1 is any App, as none is: https://docs.github.com/rest/branches/branch-protection#update-status-check-protection."""
    for each in checks:
        number = each.get(app)
        yield RequiredCheck(str(each["context"]), number if isinstance(number, int) and number > 0 else None)


def _from_classic(found: Json) -> BranchRules:
    """https://docs.github.com/rest/branches/branch-protection#get-branch-protection"""
    reviews, checks = found.get("required_pull_request_reviews"), found.get("required_status_checks") or {}
    return BranchRules(
        source="classic branch protection",
        bars_deletion=not _enabled(found, "allow_deletions"),
        bars_force_push=not _enabled(found, "allow_force_pushes"),
        reviews=None if reviews is None else int(reviews.get("required_approving_review_count") or 0),
        code_owner_review=bool((reviews or {}).get("require_code_owner_reviews")),
        dismisses_stale=bool((reviews or {}).get("dismiss_stale_reviews")),
        last_push_approval=bool((reviews or {}).get("require_last_push_approval")),
        merge_methods=_left(None, _enabled(found, "required_linear_history")),
        checks=tuple(_checks(checks.get("checks") or (), "app_id")),
        up_to_date=bool(checks.get("strict")),
        bypass=tuple(_classic_bypass(found, reviews or {})),
    )


def _enabled(found: Json, key: str) -> bool:
    return bool((found.get(key) or {}).get("enabled"))


def _classic_bypass(found: Json, reviews: Json) -> Iterator[str]:
    if not _enabled(found, "enforce_admins"):
        yield "administrators"
    allowances = reviews.get("bypass_pull_request_allowances") or {}
    for kind, key in (("users", "login"), ("teams", "slug"), ("apps", "slug")):
        for each in allowances.get(kind) or ():
            yield str(each.get(key))
