"""What GitHub must enforce on the registry's branch, and whether it does.

A pull request brings its own workflow files, so a green check alone says what its author likes. What holds it: nobody
gets around a request, the rules owners look at every change of a workflow, the check is the one that GitHub Actions
reports, and a second person has seen what is merged.

Rules of all rulesets and of classic protection hold together, and the strictest of each kind counts:
https://docs.github.com/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/about-rulesets#about-rule-layering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from gitreg.core.doctor.point import Point, unread
from gitreg.core.forge_settings import BranchRules, GithubSettings, RequiredCheck, Unread
from gitreg.core.scaffold.files import RULESET
from gitreg.core.scaffold.ruleset import ACTIONS_APP, CHECK

_IMPORT = f"gitreg forge scaffold writes {RULESET}; import that under Settings, Rules, Rulesets"
_ADMIN = "let an administrator of the repository run gitreg doctor --forge"
_ACTIONS = "Settings, Actions, General, Workflow permissions"


@dataclass(frozen=True, slots=True)
class _Demand:
    """Something that the rules must ask; ``yes`` and ``no`` say what was found.

    ``hidden``: why what it is about cannot be seen whole.
    """

    name: str
    is_met: Callable[[BranchRules], bool]
    yes: str
    no: str
    fix: str = _IMPORT
    hidden: Unread | None = None


def github_points(facts: GithubSettings) -> list[Point]:
    """The points about a repository's settings, those that are needed first."""
    return [
        *_rule_points(facts),
        _owners_errors(facts.owners_errors),
        _may_approve(facts.actions_may_approve),
        *_advice(facts),
    ]


def _rule_points(facts: GithubSettings) -> Iterator[Point]:
    if isinstance(facts.rules, Unread):
        for demand in _demands(facts):
            yield unread(demand.name, facts.rules, _ADMIN)
        yield unread("bypass", facts.rules, _ADMIN)
        return
    together = layered(facts.rules)
    for demand in _demands(facts):
        yield _judged(demand, together, demand.hidden or facts.hidden)
    yield _bypass(facts.rules, _demands(facts))


def layered(rules: Iterable[BranchRules]) -> BranchRules:
    """Several sources of rules as one: the strictest of each kind."""
    return reduce(_layered, rules, BranchRules("no rule"))


def _layered(one: BranchRules, other: BranchRules) -> BranchRules:
    counts = [count for count in (one.reviews, other.reviews) if count is not None]
    allowed = [each for each in (one.merge_methods, other.merge_methods) if each is not None]
    return BranchRules(
        source=other.source,
        bars_deletion=one.bars_deletion or other.bars_deletion,
        bars_force_push=one.bars_force_push or other.bars_force_push,
        reviews=max(counts, default=None),
        code_owner_review=one.code_owner_review or other.code_owner_review,
        dismisses_stale=one.dismisses_stale or other.dismisses_stale,
        last_push_approval=one.last_push_approval or other.last_push_approval,
        merge_methods=frozenset.intersection(*allowed) if allowed else None,
        checks=(*one.checks, *other.checks),
        up_to_date=one.up_to_date or other.up_to_date,
        queue=one.queue or other.queue,
        workflows=(*one.workflows, *other.workflows),
    )


def _judged(demand: _Demand, rules: BranchRules, hidden: Unread | None) -> Point:
    if demand.is_met(rules):
        return Point(demand.name, True, demand.yes)
    if hidden:
        return Point(demand.name, None, f"{demand.no}, as far as can be seen: {hidden.why}", _ADMIN)
    return Point(demand.name, False, demand.no, demand.fix)


def _demands(facts: GithubSettings) -> list[_Demand]:
    branch = facts.branch
    return [
        _Demand(
            "deletion", lambda r: r.bars_deletion, f"nobody can delete {branch}", f"{branch} can be deleted"
        ),
        _Demand(
            "force push",
            lambda r: r.bars_force_push,
            f"nobody can rewrite {branch}",
            f"{branch} can be rewritten by a force push",
        ),
        _Demand(
            "pull request",
            lambda r: r.reviews is not None or r.queue is not None,
            f"{branch} changes by pull requests alone",
            f"{branch} can be pushed to without a pull request",
        ),
        _Demand(
            "review",
            lambda r: (r.reviews or 0) > 0,
            "a second person must approve",
            "nobody has to approve, so a check that the author brought would be enough",
        ),
        _Demand(
            "code owners",
            lambda r: r.code_owner_review and (r.reviews or 0) > 0,
            "code owners must approve changes of their files",
            "code owners need not approve, so a request can bring a workflow that checks nothing",
        ),
        _Demand(
            "stale reviews",
            lambda r: r.dismisses_stale,
            "a push takes approvals away",
            "approvals outlive a push, and then are of something else",
        ),
        _Demand(
            "last push",
            lambda r: r.last_push_approval,
            "whoever pushed last cannot be the one who approves",
            "whoever pushed last can approve that",
        ),
        _check(facts),
        _Demand(
            "up to date",
            lambda r: r.up_to_date or r.queue is not None,
            "what is merged was checked on the newest base",
            "a request can be merged on a base on which it was not checked",
        ),
        _merge_method(facts),
    ]


def _check(facts: GithubSettings) -> _Demand:
    own = _numbers_apps_itself(facts.host)  # then which App is GitHub Actions is not known
    bound = "an App; which one is not known on this server" if own else "GitHub Actions"
    return _Demand(
        "required check",
        lambda r: any(_is_gate(check, own) for check in r.checks),
        f"the check {CHECK!r} must be green, and comes from {bound}",
        f"no rule requires the check {CHECK!r} of GitHub Actions",
    )


def _numbers_apps_itself(host: str) -> bool:
    """``ACTIONS_APP`` is the number on GitHub's own servers (https://docs.github.com/rest/apps/apps#get-an-app)."""
    return host != "github.com" and not host.endswith(".ghe.com")


def _is_gate(check: RequiredCheck, any_app: bool) -> bool:
    return check.name == CHECK and (check.app is not None if any_app else check.app == ACTIONS_APP)


def _merge_method(facts: GithubSettings) -> _Demand:
    """A rebase lands each commit of a branch as a change of its own, which nobody has judged."""
    hidden = facts.merge_methods if isinstance(facts.merge_methods, Unread) else None
    general = None if isinstance(facts.merge_methods, Unread) else facts.merge_methods

    def methods(rules: BranchRules) -> frozenset[str]:
        if rules.queue:
            return frozenset((rules.queue,))
        said = [each for each in (rules.merge_methods, general) if each is not None]
        return frozenset.intersection(*said) if said else frozenset()

    return _Demand(
        "merge method",
        lambda r: "merge" in methods(r) and "rebase" not in methods(r),
        "a request lands as one change",
        "merge commits must be allowed, and rebasing not: that lands commits that were not judged one by one",
        hidden=hidden,
    )


def _bypass(rules: Sequence[BranchRules], demands: Sequence[_Demand]) -> Point:
    """Somebody who may go around a ruleset matters only if the other ones do not ask the same."""
    everything = layered(rules)
    asked = [demand for demand in demands if demand.is_met(everything)]
    firm = [each for each in rules if each.bypass == ()]
    if not _lost(asked, firm):
        return Point(
            "bypass", True, "nobody may go around the rules" if asked else "there is no rule to go around"
        )
    perhaps = [each for each in rules if each.bypass == () or isinstance(each.bypass, Unread)]
    lost = _lost(asked, perhaps)
    if not lost:
        unseen = next(each.bypass for each in rules if isinstance(each.bypass, Unread))
        return Point("bypass", None, f"who may go around the rules could not be read: {unseen.why}", _ADMIN)
    who = [
        f"{actor} ({each.source})"
        for each in rules
        if not isinstance(each.bypass, Unread)
        for actor in each.bypass
    ]
    return Point("bypass", False, f"some may go around the rules: {', '.join(who)}", "empty the bypass list")


def _lost(asked: Sequence[_Demand], rules: Sequence[BranchRules]) -> list[_Demand]:
    left = layered(rules)
    return [demand for demand in asked if not demand.is_met(left)]


def _owners_errors(errors: tuple[str, ...] | Unread | None) -> Point:
    name = "CODEOWNERS"
    if isinstance(errors, Unread):
        return unread(name, errors, _ADMIN)
    if errors is None:
        return Point(name, False, "there is no CODEOWNERS", "gitreg forge scaffold writes it")
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        fix = "mend the line: GitHub skips it, and asks nobody. Owners need write access"
        return Point(name, False, f"GitHub cannot use it: {errors[0]}{more}", fix)
    return Point(name, True, "GitHub can read it, and its owners have write access")


def _may_approve(setting: bool | Unread) -> Point:
    name, fix = "approval by a workflow", f"{_ACTIONS}: no approval by GitHub Actions"
    if isinstance(setting, Unread):
        return unread(name, setting, _ADMIN)
    if setting:
        return Point(
            name, False, "a workflow can approve pull requests, so a request can approve itself", fix
        )
    return Point(name, True, "a workflow cannot approve pull requests")


def _advice(facts: GithubSettings) -> Iterator[Point]:
    yield _token(facts.token_permissions)
    same = facts.default_branch == facts.branch
    yield Point(
        "default branch",
        same,
        f"it is {facts.default_branch}",
        "" if same else f"make it {facts.branch}: only its workflows can be started from the web page",
        needed=False,
    )
    yield _deletes(facts.deletes_branches)
    elsewhere = [] if isinstance(facts.rules, Unread) else layered(facts.rules).workflows
    yield Point(
        "workflow from elsewhere",
        bool(elsewhere),
        f"required: {', '.join(elsewhere)}"
        if elsewhere
        else "a request is judged by the workflow that it brings",
        "" if elsewhere else "an organisation's ruleset can require a workflow of another repository",
        needed=False,
    )
    if not facts.private:
        text = "the repository is public: pull requests come from forks, and run without secrets"
        yield Point("visibility", True, text, needed=False)


def _token(permissions: str | Unread) -> Point:
    name = "workflow token"
    if isinstance(permissions, Unread):
        return unread(name, permissions, _ADMIN, needed=False)
    good = permissions == "read"
    text = "by default it may only read" if good else "by default it may write"
    return Point(name, good, text, "" if good else f"{_ACTIONS}: read access", needed=False)


def _deletes(setting: bool | Unread) -> Point:
    name = "merged branches"
    if isinstance(setting, Unread):
        return unread(name, setting, _ADMIN, needed=False)
    text = "GitHub deletes them" if setting else "they stay"
    fix = "" if setting else "Settings, General: automatically delete head branches"
    return Point(name, setting, text, fix, needed=False)
