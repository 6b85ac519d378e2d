"""Cases of ``gitreg policy test``: what they can say, and that no rule is left out when they are played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry_kit import NOW, World, shown, verdict

from gitreg.core.codec.schema import Schemas
from gitreg.core.codec.yaml import dump_yaml
from gitreg.core.decode import show_time
from gitreg.core.layout import Layout, Sort
from gitreg.core.plan.transition import plan_promote
from gitreg.core.policytest.run import RULE_IDS, CaseResult, exit_code, run_case
from gitreg.core.report.policytest import cases_json, cases_text
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.rules import CHANGE_RULES, SNAPSHOT_RULES
from gitreg.flows.verify import local_time
from tests.core.report_kit import CARD, after, credit_risk
from tests.core.test_schemas import DOCUMENTS, example

BASE = credit_risk()
GOOD = {
    "metrics": {"roc_auc": 0.96, "log_loss": 0.2},
    "signature": {"inputs": {"type": "object"}},
    "card": CARD,
}
APPROVED = {"author": "bo", "approvals": [{"by": "alice"}]}


def made_up(*versions: dict[str, Any], **model: Any) -> dict[str, Any]:
    """A base of one made-up model."""
    numbered = [{"version": number} | said for number, said in enumerate(versions, 1)]
    return {"models": {"credit-risk": {"versions": numbered} | model}}


def played(
    schemas: Schemas, *change: dict[str, Any], current: Snapshot = BASE, expect: Any = (), **said: Any
) -> CaseResult:
    """What comes of a case."""
    case = {"apiVersion": "gitreg/v1", "kind": "PolicyCase", "title": "t", "change": list(change)}
    text = dump_yaml(case | said | {"expect": [_expectation(each) for each in expect]})
    return run_case("case.yaml", text.encode(), current, schemas, local_time)


def _expectation(said: str | dict[str, str]) -> dict[str, str]:
    return {"rule": said} if isinstance(said, str) else said


def found(result: CaseResult) -> list[str]:
    """The rules that keep a change from landing."""
    assert result.error is None, result.error
    return [finding.rule for finding in result.unexpected]


def problem(result: CaseResult) -> str:
    assert result.error is not None, "the case was played"
    return str(result.error)


PROMOTE = {"promote": "credit-risk/3", "to": "production"}


class TestVerdict:
    def test_is_that_of_verify(self, schemas: Schemas) -> None:
        """The same change in the same world has the same findings, whoever asks."""
        head = after(BASE, plan_promote(BASE, "credit-risk", 3, "production"))
        for author, approvals in (
            ("bo", ("alice",)),
            ("alice", ("alice", "bo")),
            (None, ("erin",)),
            ("bo", ()),
        ):
            said = {"at": show_time(NOW), "approvals": [{"by": each} for each in approvals]}
            result = played(schemas, PROMOTE, world=said | ({"author": author} if author else {}))
            world = World(author=author, approvals=tuple({"by": each} for each in approvals))
            assert shown(result.findings) == shown(verdict(BASE, head, schemas, world))

    def test_judges_exactly_the_change_of_the_command(self, schemas: Schemas) -> None:
        """Approvals name the change, so a different one would not count."""
        assert found(played(schemas, PROMOTE, world=APPROVED)) == []

    def test_leaves_no_rule_out(self) -> None:
        assert {each.rule.id for each in (*SNAPSHOT_RULES, *CHANGE_RULES)} == RULE_IDS

    @pytest.mark.parametrize(
        ("change", "rules"),
        [
            (
                {"promote": "credit-risk/4", "to": "production"},
                {"GR301", "GR302", "GR303", "GR304", "GR306", "GR401"},
            ),
            ({"demote": "credit-risk/2"}, {"GR401"}),
            ({"demote": "credit-risk/2", "to": "none"}, {"GR401"}),
            ({"rollback": "credit-risk", "stage": "production"}, {"GR303", "GR401"}),
            ({"alias": "credit-risk@champion", "version": 3}, {"GR307", "GR401"}),
            ({"alias": "credit-risk@champion", "version": None}, {"GR401"}),
            ({"alias": "credit-risk@shadow", "version": 1}, set()),
            ({"register": "credit-risk", "metrics": {"roc_auc": 0.1}}, set()),
            ({"register": "brand-new", "format": "pickle", "by": "bo"}, set()),
            ({"register": "brand-newer", "version": "1.2.0"}, set()),
            ({"annotate": "credit-risk/3", "description": "x", "tags": {"a": "b"}}, set()),
            (
                {"evidence": "credit-risk/3", "dataset": "holdout", "metrics": {"roc_auc": 0.9}, "by": "bo"},
                set(),
            ),
            ({"delete": "credit-risk/4"}, set()),
            ({"delete": "credit-risk/2"}, {"GR107"}),
            ({"delete": "credit-risk"}, {"GR204", "GR401"}),
            ({"rename": "credit-risk", "to": "credit-scoring"}, {"GR401"}),
            ({"replace": "policy.yaml", "old": "min: 0.85", "new": "min: 0.5"}, {"GR401"}),
            (
                {"replace": "models/credit-risk/versions/1/version.yaml", "old": "0.9", "new": "0.99"},
                {"GR202"},
            ),
            ({"write": {"models/credit-risk/notes.txt": "x"}}, {"GR103"}),
            ({"write": {"README.md": "x", "/docs/x.md": "y"}}, set()),
            ({"remove": ["models/credit-risk/stages/production.yaml"]}, {"GR203"}),
        ],
        ids=lambda said: " ".join(sorted(said)) if isinstance(said, set) else str(said),
    )
    def test_of_every_sort_of_change(self, change: dict[str, Any], rules: set[str], schemas: Schemas) -> None:
        result = played(schemas, change, world={"author": "bo", "soaked": False})
        assert result.error is None, result.error
        assert {finding.rule for finding in result.unexpected} == rules, shown(result.findings)

    def test_of_several_steps_is_that_of_one_change(self, schemas: Schemas) -> None:
        steps = [{"register": "credit-risk", **GOOD}, {"promote": "credit-risk/latest", "to": "staging"}]
        assert found(played(schemas, *steps, world={"author": "bo"})) == []
        assert found(played(schemas, *steps, PROMOTE | {"promote": "credit-risk/5"}, world=APPROVED)) == [
            "GR301",
            "GR306",
        ]


class TestExpectations:
    def test_are_all_that_may_be_found_and_all_that_must_be(self, schemas: Schemas) -> None:
        world = {"author": "bo"}
        met = played(schemas, PROMOTE, world=world, expect=[{"rule": "GR401", "says": "risk-owners"}])
        assert met.outcome == "pass"
        other = played(
            schemas, PROMOTE, world=world, expect=[{"rule": "GR401", "says": "ml-platform"}, "GR302"]
        )
        assert other.outcome == "fail"
        assert [(each.rule, each.says) for each in other.missing] == [("GR401", "ml-platform"), ("GR302", "")]
        assert [finding.rule for finding in other.unexpected] == ["GR401"]

    def test_of_one_rule_cover_several_findings(self, schemas: Schemas) -> None:
        base = made_up({"stage": "staging", **GOOD, "metrics": {"roc_auc": 0.1, "log_loss": 3}})
        change = PROMOTE | {"promote": "credit-risk/1"}
        assert played(schemas, change, base=base, world=APPROVED, expect=["GR302"]).outcome == "pass"
        one = played(
            schemas, change, base=base, world=APPROVED, expect=[{"rule": "GR302", "says": "roc_auc"}]
        )
        assert [f.message for f in one.unexpected if "log_loss" in f.message] == [
            f.message for f in one.unexpected
        ]
        assert len(one.unexpected) == 1

    def test_may_ask_for_how_it_weighs(self, schemas: Schemas) -> None:
        world = {"approvals": [{"by": "alice"}]}
        undecided = {"rule": "GR401", "outcome": "undecided"}
        assert played(schemas, PROMOTE, world=world, expect=[undecided]).outcome == "pass"
        assert played(schemas, PROMOTE, world=world, expect=["GR401"]).outcome == "pass"
        assert (
            played(schemas, PROMOTE, world=world, expect=[undecided | {"outcome": "fail"}]).outcome == "fail"
        )

    def test_of_warnings_are_met_only_where_they_are_asked_for(self, schemas: Schemas) -> None:
        warning = {"rule": "GR307", "outcome": "warning"}
        assert played(schemas, PROMOTE, world=APPROVED).outcome == "pass"
        assert played(schemas, PROMOTE, world=APPROVED, expect=[warning]).outcome == "pass"
        assert played(schemas, PROMOTE, world=APPROVED, expect=["GR307"]).outcome == "fail"


class TestBase:
    def test_has_only_the_models_of_the_case(self, schemas: Schemas) -> None:
        base = made_up({"stage": "staging", **GOOD})
        change = PROMOTE | {"promote": "credit-risk/1"}
        assert found(played(schemas, change, base=base, world=APPROVED)) == []
        assert "does not exist" in problem(played(schemas, PROMOTE, base=base))

    def test_says_where_everything_stands(self, schemas: Schemas) -> None:
        base = made_up(
            {"stage": "archived", **GOOD},
            {"stage": "production", "aliases": ["champion"], **GOOD},
            {"stage": "staging", **GOOD, "metrics": {"roc_auc": 0.95, "log_loss": 0.2}},
            previous={"production": [1]},
        )
        rollback = {"rollback": "credit-risk", "stage": "production"}
        result = played(schemas, rollback, base=base, world={"author": "alice", "approvals": [{"by": "bo"}]})
        assert found(result) == []
        worse = played(schemas, PROMOTE, base=base, world=APPROVED)
        assert [f.message for f in worse.unexpected] == [
            "credit-risk/3 may not enter production: roc_auc is 0.95; the holder, version 2, has 0.96, and at most"
            " 0.005 worse is allowed"
        ]

    def test_has_evidence(self, schemas: Schemas) -> None:
        policy = BASE.blob("policy.yaml")
        assert policy is not None
        old, new = "log_loss, max: 0.5, direction: lower", "auc, min: 0.8, evidence: holdout"
        asks = [{"replace": "policy.yaml", "old": old, "new": new}]
        version = {"stage": "staging", **GOOD, "evidence": [{"dataset": "holdout", "metrics": {"auc": 0.9}}]}
        change = PROMOTE | {"promote": "credit-risk/1"}
        base = made_up(version) | {"steps": asks}
        assert found(played(schemas, change, base=base, world=APPROVED)) == []
        retracted = [*asks, {"retract": "credit-risk/1", "name": "evaluation"}]
        assert found(
            played(schemas, change, base=made_up(version) | {"steps": retracted}, world=APPROVED)
        ) == ["GR302"]

    @pytest.mark.parametrize(
        ("by", "outcome"), [("bo", None), ("alice", "fail"), ("erin", "fail"), (None, "undecided")]
    )
    def test_says_who_landed_it(self, by: str | None, outcome: str | None, schemas: Schemas) -> None:
        """Only bo has the role that the gate asks for, and erin registered the version."""
        old, new = "log_loss, max: 0.5, direction: lower", "auc, min: 0.8, evidence: holdout, by: [engineer]"
        roles = "roles: {engineer: {members: [ml-platform], may: [all]}, owner: {members: [risk-owners], may: [all]}}"
        asks = [
            {"replace": "policy.yaml", "old": old, "new": new},
            {"replace": "policy.yaml", "old": "stages:\n", "new": f"{roles}\nstages:\n"},
        ]
        piece = {"dataset": "holdout", "metrics": {"auc": 0.9}} | ({"by": by} if by else {})
        base = made_up({"stage": "staging", **GOOD, "by": "erin", "evidence": [piece]}) | {"steps": asks}
        result = played(schemas, PROMOTE | {"promote": "credit-risk/1"}, base=base, world=APPROVED)
        assert [(f.rule, f.outcome) for f in result.unexpected] == ([("GR302", outcome)] if outcome else [])

    def test_goes_on_from_the_registry_as_it_is(self, schemas: Schemas) -> None:
        steps = [{"register": "credit-risk", **GOOD}, {"promote": "credit-risk/5", "to": "staging"}]
        change = PROMOTE | {"promote": "credit-risk/5"}
        assert found(played(schemas, change, base={"steps": steps}, world=APPROVED)) == []

    def test_can_have_no_models(self, schemas: Schemas) -> None:
        assert found(played(schemas, {"register": "x"}, base={"models": {}}, world={"author": "bo"})) == []

    def test_can_have_semver_models(self, schemas: Schemas) -> None:
        base = {"models": {"churn": {"versions": [{"version": "1.2.0", "stage": "staging", **GOOD}]}}}
        assert (
            found(played(schemas, {"promote": "churn/1.2.0", "to": "production"}, base=base, world=APPROVED))
            == []
        )


class TestWorld:
    @pytest.mark.parametrize(
        ("approval", "counts"),
        [
            ({"by": "alice", "ago": "29d"}, True),
            ({"by": "alice", "ago": "30d"}, False),
            ({"by": "alice", "ago": "2h", "for": "1h"}, False),
            ({"by": "alice", "revoked": True}, False),
            ({"by": "bo"}, False),
        ],
    )
    def test_of_approvals(self, approval: dict[str, Any], counts: bool, schemas: Schemas) -> None:
        result = played(schemas, PROMOTE, world={"author": "bo", "approvals": [approval]})
        assert found(result) == ([] if counts else ["GR401"])

    @pytest.mark.parametrize(
        ("soaked", "enough"), [(True, True), (False, False), ("23h", False), ("24h", True), ("2w", True)]
    )
    def test_of_soaking(self, soaked: object, enough: bool, schemas: Schemas) -> None:
        result = played(schemas, PROMOTE, world={**APPROVED, "soaked": soaked})
        assert found(result) == ([] if enough else ["GR306"])
        if soaked == "23h":
            assert "with 1 hour left" in result.unexpected[0].message

    @pytest.mark.parametrize(
        ("state", "outcome"),
        [("present", None), ("missing", "fail"), ("corrupt", "fail"), ("unknown", "undecided")],
    )
    def test_of_artifacts(self, state: str, outcome: str | None, schemas: Schemas) -> None:
        for version, change in ((3, PROMOTE), (5, {"register": "credit-risk"})):
            world = {**APPROVED, "artifacts": {f"credit-risk/{version}": state}}
            result = played(schemas, change, world=world)
            assert [(f.rule, f.outcome) for f in result.unexpected] == (
                [("GR501", outcome)] if outcome else []
            )

    def test_of_a_moment_is_that_of_the_judgement(self, schemas: Schemas) -> None:
        early = played(schemas, PROMOTE, world={**APPROVED, "at": "0001-01-01T00:00:00Z", "soaked": "99999w"})
        assert early.error is None, "there are no dates before, and that is no reason to end in a traceback"


class TestBroken:
    @pytest.mark.parametrize(
        ("said", "where", "text"),
        [
            ({"world": {"author": "zoe"}}, "world.author", "'zoe' is not one of the policy's people"),
            ({"world": {"approvals": [{"by": "zoe"}]}}, "world.approvals.0.by", "'zoe'"),
            (
                {"world": {"artifacts": {"credit-risk/33": "missing"}}},
                "world.artifacts.credit-risk/33",
                "there is no version",
            ),
            ({"base": {"steps": [{"delete": "credit-risk/9"}]}}, "base.steps.0", "version 9 of 'credit-risk'"),
            ({"base": made_up({"version": 3}, {"version": 3})}, "base.models.credit-risk.versions.1.version", "twice"),
            ({"base": made_up({}, previous={"live": [7]})}, "base.models.credit-risk.previous.live.0", "no version 7"),
            ({"base": made_up({"stage": "live"})}, "base", "is not valid: models/credit-risk/stages/live.yaml: GR108"),
            ({"base": made_up({"by": "zoe"})}, "base.models.credit-risk.versions.0.by", "'zoe'"),
            ({"base": {"steps": [{"write": {"policy.yaml": "a: 1"}}]}}, "change.0", "policy.yaml:1:1: the key"),
            ({"base": {"steps": [{"remove": ["policy.yaml"]}]}}, "change.0", "policy.yaml does not exist"),
            ({"expect": ["GR999"]}, "expect.0.rule", "there is no rule GR999"),
            ({"wrld": {}}, "wrld", "'wrld' is unknown"),
        ],
        ids=str,
    )  # fmt: skip
    def test_says_where(self, said: dict[str, Any], where: str, text: str, schemas: Schemas) -> None:
        result = played(schemas, PROMOTE, **said)
        assert text in problem(result)
        assert result.error is not None
        assert ".".join(map(str, result.error.where or ())) == where
        assert result.error.location.line is not None

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"promote": "credit-risk", "to": "production"}, "is not a reference"),
            ({"promote": "credit-risk/2", "to": "production"}, "already in production"),
            ({"alias": "credit-risk/3", "version": 3}, "is no alias"),
            ({"replace": "policy.yaml", "old": "nowhere", "new": ""}, "stands 0 times"),
            ({"remove": ["nothing"]}, "there is no file"),
            ({"write": {"policy.yaml": BASE.blob("policy.yaml").data.decode()}}, "as it is"),  # type: ignore[union-attr]
            ({"register": "a/b"}, "cannot name a model"),
            ({"register": "credit-risk", "environment": {"snake": 1}}, "would not be valid"),
        ],
        ids=str,
    )
    def test_says_which_step(self, change: dict[str, Any], text: str, schemas: Schemas) -> None:
        result = played(schemas, change)
        assert text in problem(result)
        assert problem(result).startswith("case.yaml:")

    def test_is_what_a_person_without_a_key_signs(self, schemas: Schemas) -> None:
        steps = [
            {
                "replace": "policy.yaml",
                "old": ", keys: [ssh-ed25519 BosKeyAAAAAAAAAAAAAA]}",
                "new": "}",
            }
        ]
        result = played(schemas, PROMOTE, base={"steps": steps}, world=APPROVED)
        assert "bo has no key in the policy" in problem(result)

    def test_is_no_yaml(self, schemas: Schemas) -> None:
        result = run_case("x.yaml", b"a: [", BASE, schemas, local_time)
        assert problem(result).startswith("x.yaml:2:1: not YAML")
        assert exit_code([result]) == 2

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def test_never_ends_in_a_traceback(self, data: st.DataObject, schemas: Schemas) -> None:
        """Any step of the schema's examples, on any of them as base, in any world."""
        steps = example("PolicyCase")["base"]["steps"]
        case = example("PolicyCase", 1) | {
            "change": data.draw(st.lists(st.sampled_from(steps), min_size=1, max_size=3))
        }
        base = data.draw(
            st.sampled_from([{}, made_up({"stage": "staging"}, {"version": 2, "stage": "production"})])
        )
        case |= {"base": base, "world": {"author": data.draw(st.sampled_from(["bo", "zoe", None]))}}
        result = run_case("case.yaml", dump_yaml(case).encode(), BASE, schemas, local_time)
        assert result.outcome in {"pass", "fail", "error"}


class TestReports:
    @pytest.fixture
    def results(self, schemas: Schemas) -> list[CaseResult]:
        return [
            played(schemas, PROMOTE, world=APPROVED),
            played(schemas, PROMOTE, world={"author": "bo"}, expect=[{"rule": "GR304", "says": "pickle"}]),
            played(schemas, PROMOTE, world={"author": "zoe"}),
        ]

    def test_in_text_have_a_line_for_each_case_and_the_difference(self, results: list[CaseResult]) -> None:
        assert cases_text(results, "policy.yaml").splitlines() == [
            "pass  case.yaml: t",
            "FAIL  case.yaml: t",
            "        expected, but not found: GR304 that says 'pickle'",
            "        found, but not expected: GR401 entering production needs 1 approval of risk-owners, and has 0",
            "ERROR case.yaml:6:9: 'zoe' is not one of the policy's people",
            "        hint: they are alice, bo, erin",
            "",
            "policy.yaml: 3 cases, 1 passed, 1 failed, 1 could not be played",
        ]
        assert [exit_code(results[:1]), exit_code(results[:2]), exit_code(results)] == [0, 1, 2]

    def test_in_json_say_the_same(self, results: list[CaseResult]) -> None:
        data: Any = cases_json(results, "policy.yaml")
        assert data["counts"] == {"pass": 1, "fail": 1, "error": 1}
        assert [case["outcome"] for case in data["cases"]] == ["pass", "fail", "error"]
        assert data["cases"][1]["missing"] == [{"rule": "GR304", "says": "pickle", "outcome": None}]
        assert data["cases"][1]["unexpected"][0]["rule"] == "GR401"
        assert data["cases"][2]["error"]["line"] == 6


def test_cases_are_no_part_of_the_registry() -> None:
    """Verify does not read them, and they may change together with the rules that they are about."""
    for root in ("", "registry"):
        layout = Layout(root)
        assert layout.place(layout.path("policy-tests/case.yaml")).sort is Sort.UNMANAGED


def test_the_cases_may_change_with_the_policy(schemas: Schemas) -> None:
    steps = [
        {"replace": "policy.yaml", "old": "min: 0.85", "new": "min: 0.86"},
        {"write": {"policy-tests/x.yaml": "anything at all"}},
    ]
    assert found(played(schemas, *steps, world=APPROVED)) == []


def test_every_key_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs" / "policy-tests.md").read_text()
    for form in [DOCUMENTS["policycase"], *DOCUMENTS["policycase"]["$defs"].values()]:
        for key in form.get("properties", {}):
            assert f"`{key}`" in text or f"{key}:" in text, key
