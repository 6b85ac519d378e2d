"""What rulesets and branch protection refuse.

https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from forge.bare import NOTHING, Bare
from forge.fake_github_owners import waiting_for
from forge.fake_github_state import ROLES, GitHubRepository, Pull, Review, Ruleset
from forge.git_host import Token

if TYPE_CHECKING:
    from forge.fake_github import FakeGitHub

_HEADS = "refs/heads/"
#: https://docs.github.com/en/rest/repos/rules#create-a-repository-ruleset: the ids of the built-in roles.
_ROLE_IDS = {"maintain": 2, "write": 4, "admin": 5}
#: How GitHub calls a check that is not green.
_STATES = {None: "expected", "pending": "in progress", "failure": "failing"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule in force; without a ruleset it is classic branch protection."""

    type: str
    parameters: dict[str, Any]
    ruleset: Ruleset | None = None


class RuleBook:
    """Judges pushes and merges by the rules of their repository."""

    def __init__(self, host: FakeGitHub) -> None:
        self._host = host

    def rules_of(self, repo: GitHubRepository, branch: str) -> list[Rule]:
        """What the active rulesets say about a branch, and then its classic protection."""
        found = [
            Rule(rule["type"], rule.get("parameters", {}), ruleset)
            for ruleset in repo.rulesets.values()
            if ruleset.data["enforcement"] == "active" and _covers(repo, ruleset, _HEADS + branch)
            for rule in ruleset.data.get("rules", [])
        ]
        return found + list(_classic(repo.protections.get(branch)))

    def dismisses_stale(self, repo: GitHubRepository, branch: str) -> bool:
        """Whether a push takes approvals back."""
        rules = self.rules_of(repo, branch)
        return any(rule.parameters.get("dismiss_stale_reviews_on_push") for rule in rules)

    # Pushes

    def against_push(
        self, repo: GitHubRepository, bare: Bare, token: Token, updates: Sequence[tuple[str, str, str]]
    ) -> list[str]:
        """What the pusher is told; empty if all may pass."""
        said = []
        for ref, old, new in updates:
            if ref.startswith(_HEADS):
                rules = self._binding(repo, ref.removeprefix(_HEADS), token.login, "always")
                broken = [
                    (rule, why)
                    for rule in rules
                    if (why := self._breaks(rule, repo, bare, (old, new), len(updates)))
                ]
                said += self._report(repo, ref, broken)
        return said

    def _binding(self, repo: GitHubRepository, branch: str, login: str, mode: str) -> list[Rule]:
        rules = self.rules_of(repo, branch)
        return [
            rule for rule in rules if not (rule.ruleset and self.bypasses(repo, rule.ruleset, login, mode))
        ]

    def bypasses(self, repo: GitHubRepository, ruleset: Ruleset, login: str, mode: str) -> bool:
        """Whether somebody is above a ruleset: ``always``, or for a ``pull_request`` alone."""
        account, role = self._host.account(login), self._host.role(login, repo)
        ids = {
            "RepositoryRole": _ROLE_IDS.get(role),
            "User": account.id if account else None,
            "OrganizationAdmin": 1 if login.lower() == repo.owner.lower() else None,
        }
        return any(
            actor.get("bypass_mode", "always") in ("always", mode)
            and ids.get(actor["actor_type"]) is not None
            and ids[actor["actor_type"]] == (actor.get("actor_id") or 1)
            for actor in ruleset.data.get("bypass_actors", [])
        )

    def _breaks(
        self, rule: Rule, repo: GitHubRepository, bare: Bare, move: tuple[str, str], count: int
    ) -> str | None:
        """What a push breaks of one rule, in GitHub's words."""
        old, new = move
        if new == NOTHING:
            return "Cannot delete this branch" if rule.type == "deletion" else None
        if old == NOTHING:
            return "Cannot create ref due to creations being restricted." if rule.type == "creation" else None
        if rule.type == "non_fast_forward" and not bare.is_ancestor(old, new):
            return "Cannot force-push to this branch"
        if rule.type == "pull_request":
            return "Changes must be made through a pull request."
        if rule.type == "merge_queue":
            return "Changes must be made through the merge queue"
        if rule.type == "update":
            return "Cannot update this protected ref."
        if rule.type == "required_status_checks":
            return "\n- ".join(self._missing_checks(rule, repo, new)) or None
        return None

    def _report(self, repo: GitHubRepository, ref: str, broken: list[tuple[Rule, str]]) -> list[str]:
        modern = [why for rule, why in broken if rule.ruleset]
        classic = [why for rule, why in broken if not rule.ruleset]
        said = []
        if modern:
            page = f"{self._host.url}/{repo.full_name}/rules?ref={quote(ref, safe='')}"
            said += [f"error: GH013: Repository rule violations found for {ref}."]
            said += [f"Review all repository rules at {page}", ""]
            said += [line for why in modern for line in (f"- {why}", "")]
        if classic:
            said += [f"error: GH006: Protected branch update failed for {ref}.", f"error: {classic[0]}"]
        return said

    # Merges

    def against_merge(
        self, repo: GitHubRepository, pull: Pull, login: str | None, method: str = "merge"
    ) -> list[str]:
        """What stands against pressing the button; with no ``login``, for anybody."""
        rules = self.rules_of(repo, pull.base_ref)
        if login:
            rules = self._binding(repo, pull.base_ref, login, "pull_request")
        said: list[str] = []
        for rule in rules:
            if rule.type == "merge_queue":
                said.append("Changes must be made through the merge queue")
            if rule.type == "pull_request":
                said += self._missing_reviews(rule, repo, pull)
                if method not in rule.parameters.get("allowed_merge_methods", [method]):
                    said.append(f"This branch must not be merged by {method}")
            if rule.type == "required_status_checks":
                said += self._missing_checks(rule, repo, pull.head)
                if self.is_behind(repo, pull, rule):
                    said.append("This branch is out-of-date with the base branch")
        return said

    def is_behind(self, repo: GitHubRepository, pull: Pull, rule: Rule) -> bool:
        """Whether a rule asks for all of the base, and the head lacks some."""
        strict = rule.parameters.get("strict_required_status_checks_policy")
        return bool(strict) and not repo.bare.is_ancestor(pull.base, pull.head)

    def _missing_checks(self, rule: Rule, repo: GitHubRepository, sha: str) -> list[str]:
        wanted = rule.parameters["required_status_checks"]
        found = [check_state(repo, sha, one["context"], one.get("integration_id")) for one in wanted]
        states = [_STATES[state] for state in found if state != "success"]
        if not states:
            return []
        if len(wanted) == 1:
            return [f'Required status check "{wanted[0]["context"]}" is {states[0]}.']
        of = f"{len(states)} of {len(wanted)} required status checks"
        if set(states) in ({"expected"}, {"in progress"}):
            return [f"{of} are {states[0]}."]
        counts = [f"{states.count(state)} {state}" for state in _STATES.values() if state in states]
        return [f"{of} have not succeeded: {' and '.join(counts)}."]

    def _missing_reviews(self, rule: Rule, repo: GitHubRepository, pull: Pull) -> list[str]:
        wanted = rule.parameters
        given = self.decisive(repo, pull)
        approvals = [one for one in given if one.state == "APPROVED"]
        said = []
        if any(one.state == "CHANGES_REQUESTED" for one in given):
            said.append("Changes have been requested.")
        count = wanted.get("required_approving_review_count", 0)
        if len(approvals) < count:
            noun = "review is" if count == 1 else "reviews are"
            said.append(f"At least {count} approving {noun} required by reviewers with write access.")
        if wanted.get("require_code_owner_review"):
            approved = {one.login.lower() for one in approvals}
            said += [
                f"Waiting on code owner review from {names}." for names in waiting_for(repo, pull, approved)
            ]
        if wanted.get("require_last_push_approval") and not self._new_eyes(repo, pull, approvals):
            said.append("New changes require approval from someone other than the last pusher.")
        return said

    def decisive(self, repo: GitHubRepository, pull: Pull) -> list[Review]:
        """The last verdict of each reviewer who has write access; the author's do not count."""
        last: dict[str, Review] = {}
        for one in pull.reviews:
            if one.state in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED"):
                last[one.login] = one
        return [
            one
            for login, one in last.items()
            if ROLES.index(self._host.role(login, repo)) >= ROLES.index("write") and login != pull.login
        ]

    def _new_eyes(self, repo: GitHubRepository, pull: Pull, approvals: Sequence[Review]) -> bool:
        ref = _HEADS + pull.head_ref
        pushes = [
            push for push in self._host.pushes if (push.repository, push.ref) == (pull.head_repository, ref)
        ]
        pusher = pushes[-1].login if pushes else pull.login
        return any(one.login != pusher and one.commit == pull.head for one in approvals)


def check_state(repo: GitHubRepository, sha: str, context: str, app: int | None = None) -> str | None:
    """``success``, ``failure`` or ``pending`` over all checks and statuses of that name; None if there are none.

    Each suite's newest check counts, so an older red one of another suite goes on blocking.
    """
    newest = {
        check.suite: check
        for check in repo.checks
        if (check.sha, check.name) == (sha, context) and app in (None, -1, check.app)
    }
    states = [
        "pending"
        if check.status != "completed"
        else "success"
        if check.conclusion in ("success", "neutral", "skipped")
        else "failure"
        for check in newest.values()
    ]
    if app in (None, -1):
        statuses = [one.state for one in repo.statuses if (one.sha, one.context) == (sha, context)]
        states += ["failure" if state == "error" else state for state in statuses[-1:]]
    return next((state for state in ("failure", "pending", "success") if state in states), None)


def _covers(repo: GitHubRepository, ruleset: Ruleset, ref: str) -> bool:
    if ruleset.data.get("target", "branch") != "branch":
        return False
    names = ruleset.data.get("conditions", {}).get("ref_name", {})
    return _any(repo, names.get("include", []), ref) and not _any(repo, names.get("exclude", []), ref)


def _any(repo: GitHubRepository, patterns: Sequence[str], ref: str) -> bool:
    default = _HEADS + repo.default_branch
    words = {"~ALL": True, "~DEFAULT_BRANCH": ref == default}
    return any(words.get(pattern, fnmatchcase(ref, pattern)) for pattern in patterns)


def _classic(protection: dict[str, Any] | None) -> Iterator[Rule]:
    if protection is None:
        return
    for key, kind in (("allow_deletions", "deletion"), ("allow_force_pushes", "non_fast_forward")):
        if not protection.get(key, {}).get("enabled"):
            yield Rule(kind, {})
    if reviews := protection.get("required_pull_request_reviews"):
        stale = bool(reviews.get("dismiss_stale_reviews"))
        owners = bool(reviews.get("require_code_owner_reviews"))
        own = {"dismiss_stale_reviews_on_push": stale, "require_code_owner_review": owners}
        yield Rule("pull_request", reviews | own)
    if checks := protection.get("required_status_checks"):
        wanted = [
            {"context": one["context"], "integration_id": one.get("app_id")} for one in checks["checks"]
        ]
        strict = {"strict_required_status_checks_policy": bool(checks.get("strict"))}
        yield Rule("required_status_checks", {"required_status_checks": wanted} | strict)
