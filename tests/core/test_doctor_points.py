"""What must be so, judged from plain facts: the machine's, the files', GitHub's and GitLab's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gitreg.core.codec.load import load_manifest
from gitreg.core.doctor.files import file_points
from gitreg.core.doctor.github import github_points
from gitreg.core.doctor.gitlab import gitlab_points
from gitreg.core.doctor.here import clock_point, identity_point, key_point, version_point
from gitreg.core.doctor.point import Point, exit_code
from gitreg.core.forge_settings import (
    BranchRules,
    GithubSettings,
    GitlabApprovals,
    GitlabBranch,
    GitlabSettings,
    RequiredCheck,
    Unread,
)
from gitreg.core.layout import DEFAULT_PROTECTED, Layout
from gitreg.core.policy import Person, Policy
from gitreg.core.ports import Identity
from gitreg.core.report.doctor import doctor_json, doctor_text
from gitreg.core.scaffold.owners import codeowners
from gitreg.core.tree import MemoryTree

HIDDEN = Unread("it is not shown")
GATE = RequiredCheck("gitreg", 15368)
RULES = BranchRules(
    "ruleset gitreg",
    bars_deletion=True,
    bars_force_push=True,
    reviews=1,
    code_owner_review=True,
    dismisses_stale=True,
    last_push_approval=True,
    merge_methods=frozenset({"merge"}),
    checks=(GATE,),
    up_to_date=True,
)
GITHUB = GithubSettings(
    host="github.com",
    branch="main",
    default_branch="main",
    private=True,
    rules=(RULES,),
    hidden=None,
    merge_methods=frozenset({"merge", "squash", "rebase"}),
    owners_errors=(),
    token_permissions="read",
    actions_may_approve=False,
    deletes_branches=True,
)


def outcomes(points: Iterable[Point], *, needed: bool = True) -> dict[str, bool | None]:
    """What is not so, by name."""
    return {point.name: point.ok for point in points if point.ok is not True and point.needed is needed}


def github(**changed: Any) -> dict[str, bool | None]:
    return outcomes(github_points(replace(GITHUB, **changed)))


def ruled(**changed: Any) -> dict[str, bool | None]:
    return github(rules=(replace(RULES, **changed),))


# Exit codes


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([], 0),
        ([True], 0),
        ([True, None], 3),
        ([True, None, False], 1),
    ],
)
def test_what_is_wrong_goes_before_what_is_not_known(found: list[bool | None], code: int) -> None:
    assert exit_code(Point("a", ok, "") for ok in found) == code


def test_advice_decides_nothing() -> None:
    assert exit_code([Point("a", False, "", needed=False), Point("b", None, "", needed=False)]) == 0


# GitHub


def test_a_repository_with_all_rules_has_nothing_missing() -> None:
    assert github() == {}


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"bars_deletion": False}, {"deletion"}),
        ({"bars_force_push": False}, {"force push"}),
        ({"reviews": None}, {"pull request", "review", "code owners"}),
        ({"reviews": 0}, {"review", "code owners"}),
        ({"code_owner_review": False}, {"code owners"}),
        ({"dismisses_stale": False}, {"stale reviews"}),
        ({"last_push_approval": False}, {"last push"}),
        ({"checks": ()}, {"required check"}),
        ({"checks": (RequiredCheck("gitreg"),)}, {"required check"}),
        ({"checks": (RequiredCheck("gitreg", 999),)}, {"required check"}),
        ({"checks": (RequiredCheck("other", 15368),)}, {"required check"}),
        ({"up_to_date": False}, {"up to date"}),
        ({"merge_methods": None}, {"merge method"}),
        ({"merge_methods": frozenset({"squash"})}, {"merge method"}),
        ({"merge_methods": frozenset({"merge", "rebase"})}, {"merge method"}),
        ({"bypass": ("RepositoryRole 5, always",)}, {"bypass"}),
    ],
)
def test_each_rule_is_a_point_of_its_own(changed: Mapping[str, Any], missing: set[str]) -> None:
    assert ruled(**changed) == dict.fromkeys(missing, False)


def test_settings_beside_the_rules_are_points_too() -> None:
    assert github(actions_may_approve=True) == {"approval by a workflow": False}
    assert github(owners_errors=("CODEOWNERS, line 3: Unknown owner",)) == {"CODEOWNERS": False}
    assert github(owners_errors=None) == {"CODEOWNERS": False}


def test_a_merge_queue_brings_requests_up_to_date_and_chooses_how_they_land() -> None:
    assert ruled(up_to_date=False, queue="merge") == {}
    assert ruled(queue="rebase") == {"merge method": False}


def test_a_squash_lands_one_change_as_a_merge_does() -> None:
    assert ruled(merge_methods=frozenset({"merge", "squash"})) == {}


def test_a_method_that_the_repository_does_not_allow_cannot_be_used() -> None:
    assert github(rules=(replace(RULES, merge_methods=None),), merge_methods=frozenset({"merge"})) == {}
    assert github(merge_methods=frozenset({"squash"})) == {"merge method": False}


def test_rules_of_several_sources_hold_together() -> None:
    one = replace(RULES, checks=(), up_to_date=False, reviews=0)
    other = BranchRules(
        "another", reviews=2, checks=(GATE,), up_to_date=True, merge_methods=frozenset({"merge"})
    )
    assert github(rules=(one, other)) == {}


def test_on_a_server_of_ones_own_any_app_that_the_check_is_bound_to_will_do() -> None:
    other = replace(RULES, checks=(RequiredCheck("gitreg", 7),))
    assert github(host="github.example.com", rules=(other,)) == {}
    assert github(host="acme.ghe.com", rules=(other,)) == {"required check": False}
    loose = replace(RULES, checks=(RequiredCheck("gitreg"),))
    assert github(host="github.example.com", rules=(loose,)) == {"required check": False}


def test_what_a_token_may_not_see_is_not_known_and_is_never_taken_for_set() -> None:
    assert ruled(bypass=HIDDEN) == {"bypass": None}
    assert github(actions_may_approve=HIDDEN) == {"approval by a workflow": None}
    assert github(owners_errors=HIDDEN) == {"CODEOWNERS": None}
    assert github(rules=(replace(RULES, merge_methods=None),), merge_methods=HIDDEN) == {"merge method": None}
    every = github(rules=HIDDEN)
    assert len(every) == 11
    assert set(every.values()) == {None}


def test_rules_that_cannot_be_seen_may_be_what_is_missing() -> None:
    assert github(rules=(replace(RULES, bars_deletion=False),), hidden=HIDDEN) == {"deletion": None}
    assert github(hidden=HIDDEN) == {}


def test_a_way_around_one_ruleset_is_none_where_another_asks_the_same() -> None:
    soft = replace(RULES, source="soft", bypass=("administrators",))
    assert github(rules=(soft, RULES)) == {}
    assert github(rules=(soft, replace(RULES, bypass=HIDDEN))) == {"bypass": None}
    assert github(rules=(soft, replace(RULES, bars_deletion=False))) == {"bypass": False}


def test_who_may_go_around_is_named() -> None:
    points = github_points(replace(GITHUB, rules=(replace(RULES, bypass=("Team 7, always",)),)))
    assert "Team 7, always (ruleset gitreg)" in next(p.text for p in points if p.name == "bypass")


def test_the_rest_on_github_is_advice() -> None:
    facts = replace(
        GITHUB, token_permissions="write", default_branch="trunk", deletes_branches=False, private=False
    )
    assert outcomes(github_points(facts)) == {}
    assert outcomes(github_points(facts), needed=False) == dict.fromkeys(
        ["workflow token", "default branch", "merged branches", "workflow from elsewhere"], False
    )


def test_every_missing_thing_says_what_to_do() -> None:
    bare = replace(GITHUB, rules=(), owners_errors=None, actions_may_approve=True, merge_methods=frozenset())
    points = [*github_points(bare), *gitlab_points(replace(GITLAB, protection=None, approvals=None))]
    assert all(point.fix for point in points if not point.ok)


# GitLab


GITLAB = GitlabSettings(
    host="gitlab.com",
    branch="main",
    default_branch="main",
    private=True,
    protection=GitlabBranch((), force_push=False, code_owner_approval=True),
    approvals=GitlabApprovals(reset_on_push=True, by_author=False, by_committers=False, overridable=False),
    pipeline_must_succeed=True,
    skipped_counts=False,
    merge_method="rebase_merge",
    merge_trains=False,
    ci_config="",
    deletes_branches=True,
    job_token_limited=True,
)
ELSEWHERE = "ci/registry.yml@acme/pipelines"


def gitlab(**changed: Any) -> dict[str, bool | None]:
    return outcomes(gitlab_points(replace(GITLAB, **changed)))


def test_a_project_with_all_settings_has_nothing_missing() -> None:
    assert gitlab() == {}


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"protection": None}, {"push", "force push", "code owners"}),
        ({"protection": GitlabBranch(("Maintainers",), False, True)}, {"push"}),
        ({"protection": GitlabBranch((), True, True)}, {"force push"}),
        ({"protection": GitlabBranch((), False, False)}, {"code owners"}),
        ({"protection": GitlabBranch((), False, None)}, {"code owners"}),
        ({"pipeline_must_succeed": False}, {"pipeline"}),
        ({"skipped_counts": True}, {"skipped pipeline"}),
        ({"merge_method": "merge"}, {"up to date"}),
        ({"merge_method": "ff"}, {"merge method"}),
        ({"approvals": None}, {"approvals"}),
        ({"approvals": GitlabApprovals(False, False, False, False)}, {"stale approvals"}),
        ({"approvals": GitlabApprovals(True, True, False, False)}, {"approval by the author"}),
        ({"approvals": GitlabApprovals(True, False, True, False)}, {"approval by committers"}),
        ({"approvals": GitlabApprovals(True, False, False, True)}, {"approval rules"}),
    ],
)
def test_each_setting_of_gitlab_is_a_point_of_its_own(changed: Mapping[str, Any], missing: set[str]) -> None:
    assert gitlab(**changed) == dict.fromkeys(missing, False)


def test_a_pipeline_of_another_project_needs_no_code_owners_and_counts_signed_approvals() -> None:
    free = GitlabBranch((), False, None)
    assert gitlab(protection=free, approvals=None, ci_config=ELSEWHERE) == {}
    assert gitlab(protection=free, approvals=None, ci_config="https://ci.example.com/x.yml") == {}
    assert gitlab(protection=free, ci_config="other/file.yml") == {"code owners": False}


def test_merge_trains_bring_requests_up_to_date() -> None:
    assert gitlab(merge_method="merge", merge_trains=True) == {}


def test_what_gitlab_does_not_show_is_not_known() -> None:
    assert gitlab(protection=HIDDEN) == dict.fromkeys(["push", "force push", "code owners"])
    assert gitlab(approvals=HIDDEN) == {"approvals": None}
    assert gitlab(pipeline_must_succeed=HIDDEN, skipped_counts=HIDDEN) == dict.fromkeys(
        ["pipeline", "skipped pipeline"]
    )
    assert gitlab(merge_method=HIDDEN) == dict.fromkeys(["merge method", "up to date"])
    assert gitlab(ci_config=HIDDEN, job_token_limited=HIDDEN, deletes_branches=HIDDEN) == {}


# Files


POLICY = load_manifest(
    "Policy",
    b"""\
apiVersion: gitreg/v1
kind: Policy
people: [{id: alice, github: alice-gh, gitlab: alice}, {id: bo}]
groups: {owners: [alice]}
rules: {owners: [owners]}
stages: [{name: staging}]
""",
    "policy.yaml",
)
LAYOUT = Layout("", DEFAULT_PROTECTED)
OWNERS = {
    "github": ".github/CODEOWNERS",
    "gitlab": ".gitlab/CODEOWNERS",
}
WORKFLOW = ".github/workflows/gitreg-verify.yml"


def files(
    present: Mapping[str, str], expected: Mapping[str, bytes] | Unread, provider: str = "github", **more: Any
) -> list[Point]:
    assert isinstance(POLICY, Policy)
    tree = MemoryTree({path: text.encode() for path, text in present.items()})
    return file_points(provider, POLICY, LAYOUT, DEFAULT_PROTECTED, expected, tree, **more)


def owners(provider: str = "github", old: str | None = None) -> str:
    assert isinstance(POLICY, Policy)
    return codeowners(POLICY, provider, LAYOUT, DEFAULT_PROTECTED, old)


def test_the_files_that_gitreg_writes_are_right() -> None:
    present = {WORKFLOW: "on: x\n", OWNERS["github"]: owners()}
    points = files(present, {WORKFLOW: b"on: x\n"})
    assert all(point.ok for point in points)


def test_a_branch_without_the_files_has_no_gate() -> None:
    assert outcomes(files({}, {})) == {"gate": False, "owners of the rules": False}


def test_owners_lines_of_others_may_come_before_and_not_after() -> None:
    def found(text: str) -> dict[str, bool | None]:
        return outcomes(files({WORKFLOW: "", OWNERS["github"]: text}, {}))

    assert found(owners(old="* @dan\n")) == {}
    assert found(owners() + "/.github/** @mallory\n") == {"owners of the rules": False}
    assert found(owners().replace("@alice-gh", "@mallory", 1)) == {"owners of the rules": False}


def test_a_gate_that_anybody_may_change_is_none() -> None:
    """CODEOWNERS follows ``protected``, so it can be as gitreg writes it and yet leave out what runs the checks."""
    assert isinstance(POLICY, Policy)
    globs = [".github/CODEOWNERS"]
    layout = Layout("", globs)
    text = codeowners(POLICY, "github", layout, globs, None)
    tree = MemoryTree({WORKFLOW: b"", OWNERS["github"]: text.encode()})
    points = file_points("github", POLICY, layout, globs, HIDDEN, tree)
    assert outcomes(points) == {"owners of the rules": False}


def test_a_file_that_goes_before_the_usual_one_is_the_one_that_counts() -> None:
    present = {WORKFLOW: "", OWNERS["gitlab"]: owners("gitlab"), "CODEOWNERS": "* @mallory\n"}
    assert outcomes(files(present, {}, "gitlab"))["owners of the rules"] is False


def test_other_workflows_than_gitregs_are_advice() -> None:
    present = {WORKFLOW: "changed\n", OWNERS["github"]: owners()}
    points = files(present, {WORKFLOW: b"on: x\n"})
    assert outcomes(points) == {}
    assert outcomes(points, needed=False) == {"scaffold": False}
    assert outcomes(files(present, HIDDEN), needed=False) == {"scaffold": None}


def test_gitlab_must_read_gitregs_jobs_unless_they_are_defined_elsewhere() -> None:
    there = {".gitlab/gitreg.yml": "x\n", OWNERS["gitlab"]: owners("gitlab")}
    including = there | {".gitlab-ci.yml": "include: [{local: .gitlab/gitreg.yml}]\n"}
    assert outcomes(files(including, {}, "gitlab")) == {}
    assert outcomes(files(there, {}, "gitlab")) == {"gate": False}
    assert outcomes(files(there | {".gitlab-ci.yml": "job: {}\n"}, {}, "gitlab")) == {"gate": False}
    assert outcomes(files(there, {}, "gitlab", elsewhere=True)) == {}


# The machine


@pytest.mark.parametrize(
    ("found", "ok"),
    [("2.39.5", True), ("2.38.9", False), ("3.0", True), ("2.50.1 (Apple Git-155)", True), ("odd", None)],
)
def test_programs_must_be_new_enough(found: str, ok: bool | None) -> None:
    assert version_point("git", found, (2, 39)).ok is ok


def test_openssh_counts_patches_in_its_own_way() -> None:
    assert version_point("OpenSSH", "8.2p1", (8, 2)).ok is True
    assert version_point("OpenSSH", "7.9p1", (8, 2)).ok is False
    assert version_point("OpenSSH", Unread("ssh-keygen is not there"), (8, 2)).ok is False


def test_a_person_is_who_git_and_the_policy_know() -> None:
    policy = Policy(people=(Person("alice", email="A@example.com", keys=("ssh-ed25519 BBBB laptop",)),))
    alice, dan = Identity("Alice", "a@example.com"), Identity("Dan", "dan@example.com")
    assert identity_point(alice, policy).text == "Alice <a@example.com>, alice in policy.yaml"
    assert identity_point(dan, policy).text.endswith("an address that is not in policy.yaml")
    assert identity_point(HIDDEN, policy).ok is False
    assert key_point("ssh-ed25519 BBBB", policy).text == "it is alice's in policy.yaml"
    assert key_point(None, policy).ok is False
    assert "nobody in policy.yaml" in key_point("ssh-ed25519 AAAA", policy).text


@pytest.mark.parametrize(
    ("apart", "ok"), [(timedelta(), True), (timedelta(minutes=9), True), (timedelta(minutes=-11), False)]
)
def test_clocks_may_differ_as_much_as_dates_of_commits(apart: timedelta, ok: bool) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    assert clock_point(now, now + apart).ok is ok
    assert clock_point(now, None).needed is False


# How it is shown


SECTIONS = {
    "GitHub, acme/models": [
        Point("deletion", True, "nobody can delete main"),
        Point("review", False, "nobody has to approve", "import the ruleset"),
        Point("bypass", None, "could not be read: \x1b[31mno", "ask an administrator"),
        Point("token", False, "it may write", "make it read", needed=False),
    ]
}


def test_points_are_boxes_with_what_to_do_below() -> None:
    assert doctor_text(SECTIONS).splitlines() == [
        "GitHub, acme/models:",
        "  [x] deletion  nobody can delete main",
        "  [ ] review    nobody has to approve",
        "                fix: import the ruleset",
        r"  [?] bypass    could not be read: \x1b[31mno",
        "                fix: ask an administrator",
        "  [-] token     it may write",
        "                advice: make it read",
        "",
        "3 points: 1 so, 1 not so, 1 could not be found out",
    ]


def test_what_mends_several_points_in_a_row_is_said_once() -> None:
    points = [Point(name, False, "not so", "import the ruleset") for name in ("one", "two")]
    other = Point("three", None, "unknown", "import the ruleset", needed=False)
    assert doctor_text({"GitHub": [*points, other]}).splitlines()[1:-2] == [
        "  [ ] one    not so",
        "  [ ] two    not so",
        "             fix: import the ruleset",
        "  [?] three  unknown",
        "             fix: import the ruleset",
    ]


def test_programs_get_the_same_points() -> None:
    found = doctor_json(SECTIONS)
    assert found["exitCode"] == 1
    points = found["points"]
    assert isinstance(points, list)
    assert points[2]["ok"] is None
    assert points[3] == {
        "about": "GitHub, acme/models",
        "name": "token",
        "ok": False,
        "needed": False,
        "text": "it may write",
        "fix": "make it read",
    }
