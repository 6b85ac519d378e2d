"""The groups of rules that a check may ask for alone."""

from __future__ import annotations

from gitreg.core.findings import Finding
from gitreg.core.verify.checks import ALL, APPROVALS, ARTIFACTS, STRUCTURE, asked_for, check_of, not_checked
from gitreg.core.verify.rules import all_rules


def test_every_rule_is_of_one_group() -> None:
    groups = {check: {rule.name for rule in all_rules() if check_of(rule.id) == check} for check in ALL}
    assert groups[APPROVALS] == {"approvals", "roles", "direct"}
    assert groups[ARTIFACTS] == {"artifacts"}
    assert groups[STRUCTURE] == {rule.name for rule in all_rules()} - groups[APPROVALS] - groups[ARTIFACTS]


def test_what_is_of_another_group_is_left_out() -> None:
    found = [Finding("GR202", "edited"), Finding("GR401", "has none"), Finding("GR501", "is gone")]
    assert [f.rule for f in asked_for(found, [STRUCTURE, ARTIFACTS])] == ["GR202", "GR501"]
    assert asked_for(found, ALL) == tuple(found)


def test_what_was_not_asked_for_is_known() -> None:
    assert not_checked([STRUCTURE]) == (APPROVALS, ARTIFACTS)
    assert not_checked(ALL) == ()
