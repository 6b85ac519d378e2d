"""Findings for programs: JSON, GitHub's workflow commands, SARIF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator

from gitreg.core.codec.schema import Schemas
from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.policy import KINDS
from gitreg.core.report.github import findings_github
from gitreg.core.report.json import findings_json
from gitreg.core.report.sarif import findings_sarif
from gitreg.core.verify.rules import all_rules
from tests.conftest import SCHEMAS
from tests.core.finding_kit import FAIL, MARKS, UNKNOWN, WARNING, findings, path_of, unhurried

REPORT = json.loads((SCHEMAS / "report.schema.json").read_text())
#: The standard's own schema (tests/data/README.md says where it is from).
SARIF = Draft4Validator(
    json.loads((Path(__file__).parent.parent / "data/sarif-schema-2.1.0.json").read_text())
)
CHANGE: dict[str, Any] = {"base": "1a" * 20, "head": "2b" * 32, "kinds": ["promote"], "change": "3c" * 32}


class TestJson:
    def test_says_the_verdict_what_was_checked_and_every_finding(self) -> None:
        report = json.loads(findings_json([WARNING, UNKNOWN, FAIL], **CHANGE))
        assert report | {"findings": []} == {
            "schemaVersion": 1,
            "verdict": "fail",
            "exitCode": 1,
            "complete": True,
            "notChecked": [],
            "checked": CHANGE,
            "counts": {"fail": 1, "undecided": 1, "warning": 1},
            "findings": [],
        }
        assert [finding["outcome"] for finding in report["findings"]] == ["fail", "undecided", "warning"]
        assert report["findings"][0] == {
            "rule": "GR302",
            "outcome": "fail",
            "message": "roc_auc is 0.8",
            "path": "models/売上 モデル/versions/3/version.yaml",
            "line": 17,
            "column": 12,
            "fix": "register a better one",
            "link": "docs/rules/GR302.md",
        }

    @pytest.mark.parametrize(
        ("found", "verdict", "code"),
        [([], "pass", 0), ([WARNING], "pass", 0), ([UNKNOWN, WARNING], "undecided", 3), ([FAIL], "fail", 1)],
    )
    def test_has_the_verdict_of_the_worst_finding(
        self, found: list[Finding], verdict: str, code: int
    ) -> None:
        report = json.loads(findings_json(found))
        assert (report["verdict"], report["exitCode"]) == (verdict, code)

    @unhurried
    @given(
        st.lists(findings, max_size=4), st.sampled_from([CHANGE, {"commit": None}, {"commit": "1a" * 20}, {}])
    )
    def test_is_as_its_schema_says(self, found: list[Finding], facts: dict[str, Any]) -> None:
        text = findings_json(found, **facts)
        assert text.isascii()
        Draft202012Validator(REPORT).validate(json.loads(text))

    @unhurried
    @given(st.lists(findings, max_size=4))
    def test_says_exactly_what_the_findings_say(self, found: list[Finding]) -> None:
        report = json.loads(findings_json(found))
        said = {(f["rule"], f["message"], f["path"], f["fix"], f["outcome"]) for f in report["findings"]}
        places = [(f, f.location.path if f.location else None) for f in found]
        assert said == {(f.rule, f.message, path, f.fix, f.outcome.value) for f, path in places}

    def test_has_a_schema_that_knows_every_kind_of_change(self) -> None:
        assert REPORT["$defs"]["kind"]["enum"] == list(KINDS)

    def test_has_a_schema_with_a_valid_example(self, schemas: Schemas) -> None:
        Draft202012Validator.check_schema(REPORT)
        for example in REPORT["examples"]:
            assert schemas.problems("report", example) == []

    def test_has_a_schema_that_refuses_other_reports(self) -> None:
        report = json.loads(findings_json([FAIL]))
        for wrong in (
            report | {"verdict": "maybe"},
            report | {"exitCode": 2},
            {key: value for key, value in report.items() if key != "counts"},
            report | {"findings": [{"rule": "GR302"}]},
            report | {"checked": {"base": "main"}},
            report | {"checked": {"kinds": ["steal"]}},
            report | {"checked": {"change": "1a2b"}},
        ):
            assert not Draft202012Validator(REPORT).is_valid(wrong)


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Reads workflow commands as GitHub's runner does (actions/runner, ActionCommand.TryParseV2)."""
    found = []
    for line in text.split("\n") if text else []:
        assert line.startswith("::")
        head, _, message = line[2:].partition("::")
        name, _, listed = head.partition(" ")
        pairs = (entry.partition("=") for entry in listed.split(",") if entry)
        properties = {key: unescaped(value, "%3A", "%2C") for key, _, value in pairs}
        found.append((name, properties, unescaped(message)))
    return found


def unescaped(text: str, *more: str) -> str:
    for escape in ("%0D", "%0A", *more, "%25"):
        text = text.replace(escape, chr(int(escape[1:], 16)))
    return text


class TestGithub:
    def test_points_at_the_line_with_the_rule_as_title(self) -> None:
        assert findings_github([FAIL]) == (
            "::error file=models/売上 モデル/versions/3/version.yaml,line=17,col=12,title=GR302"
            "::roc_auc is 0.8%0Afix: register a better one"
        )

    def test_knows_no_undecided_so_it_is_an_error_that_says_so(self) -> None:
        assert [(name, message) for name, _, message in commands(findings_github([WARNING, UNKNOWN]))] == [
            ("error", "undecided: approvals could not be read"),
            ("warning", "a statement does not count"),
        ]

    def test_says_nothing_where_all_is_well(self) -> None:
        assert findings_github([]) == ""

    def test_escapes_what_would_end_a_property_or_a_line(self) -> None:
        path = "models/a,line=1::b%0A:c/model.yaml"
        text = findings_github([Finding("GR103", "100%\n::error::x", Location(path, 1))])
        assert commands(text) == [
            ("error", {"file": path, "line": "1", "title": "GR103"}, "100%\\n::error::x"),
        ]

    def test_shows_the_worst_ten_of_each_type_and_counts_the_rest(self) -> None:
        many = [Finding("GR101", f"wrong {n:02}") for n in range(12)]
        warnings = [Finding("GR102", f"odd {n:02}", outcome=Outcome.WARNING) for n in range(11)]
        found = commands(findings_github([*warnings, *many, UNKNOWN]))
        assert [name for name, _, _ in found] == ["error"] * 10 + ["warning"] * 10 + ["notice"]
        assert found[0][2] == "wrong 00"
        assert found[-1][2] == "4 more; --format text shows them all"

    @unhurried
    @given(st.lists(findings, max_size=4))
    def test_can_be_read_back(self, found: list[Finding]) -> None:
        for name, properties, _ in commands(findings_github(found)):
            assert name in {"error", "warning"}
            assert properties.keys() <= {"file", "line", "col", "title"}
            assert properties["title"] in {"GR101", "GR302", "GR999"}

    @unhurried
    @given(st.lists(findings, max_size=30))
    def test_stays_within_what_github_shows(self, found: list[Finding]) -> None:
        names = [name for name, _, _ in commands(findings_github(found))]
        assert all(names.count(name) <= 10 for name in ("error", "warning"))
        shown = names.count("error") + names.count("warning")
        assert ("notice" in names) is (shown < len(set(found)))


def only_run(text: str) -> dict[str, Any]:
    log = json.loads(text)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("/sarif-2.1.0.json")
    assert [error.message for error in SARIF.iter_errors(log)] == []
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


class TestSarif:
    def test_describes_every_rule_once(self) -> None:
        driver = only_run(findings_sarif([], version="1.2.3"))["tool"]["driver"]
        assert (driver["name"], driver["version"]) == ("gitreg", "1.2.3")
        ids = [rule["id"] for rule in driver["rules"]]
        assert ids == [rule.id for rule in all_rules()]
        gate = next(rule for rule in driver["rules"] if rule["id"] == "GR302")
        assert gate["name"] == "metric-gate"
        assert gate["shortDescription"]["text"].startswith("Metrics are within")
        assert "docs/rules/GR302.md" in gate["help"]["text"]
        assert "helpUri" not in gate

    def test_links_rules_where_the_documentation_has_an_address(self) -> None:
        run = only_run(findings_sarif([], docs="https://example.com/gitreg/"))
        assert (
            run["tool"]["driver"]["rules"][0]["helpUri"] == "https://example.com/gitreg/docs/rules/GR101.md"
        )

    def test_has_results_with_level_place_and_rule(self) -> None:
        run = only_run(findings_sarif([WARNING, UNKNOWN, FAIL]))
        assert run["columnKind"] == "unicodeCodePoints"
        failed, unknown, warned = run["results"]
        assert failed["message"]["text"] == "roc_auc is 0.8\nfix: register a better one"
        assert [result["level"] for result in run["results"]] == ["error", "error", "warning"]
        assert unknown["properties"]["outcome"] == "undecided"
        assert warned["ruleId"] == "GR401"
        for result in run["results"]:
            assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]

    def test_places_are_uris_and_every_result_has_one(self) -> None:
        failed, unknown, warned = only_run(findings_sarif([WARNING, UNKNOWN, FAIL], anchor="ml/gitreg.yaml"))[
            "results"
        ]
        place = failed["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].startswith("models/%E5%A3%B2%E4%B8%8A%20")
        assert place["region"] == {"startLine": 17, "startColumn": 12}
        assert unknown["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "ml/gitreg.yaml"}}
        assert "region" not in warned["locations"][0]["physicalLocation"]

    def test_fingerprints_outlive_moves_of_the_line_and_tell_twins_apart(self) -> None:
        def prints(*found: Finding) -> list[str]:
            results = only_run(findings_sarif(found))["results"]
            return [result["partialFingerprints"]["primaryLocationLineHash"] for result in results]

        def at(line: int, message: str = "x") -> Finding:
            return Finding("GR101", message, Location("a.yaml", line))

        assert prints(at(1)) == prints(at(9))
        assert prints(at(1)) != prints(at(1, "y"))
        one, other = prints(at(1), at(2))
        assert one.removesuffix(":1") == other.removesuffix(":2")

    def test_says_nothing_that_is_a_placeholder_or_a_link(self) -> None:
        """In plain text, too, ``{0}`` and ``[a](b)`` mean something (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
        hostile = Finding("GR101", "{0} [here](https://evil.example)", fix="write {}")
        (result,) = only_run(findings_sarif([hostile]))["results"]
        assert result["message"]["text"] == "{{0}} [here] (https://evil.example)\nfix: write {{}}"

    def test_says_nothing_that_is_not_text(self) -> None:
        (result,) = only_run(findings_sarif([Finding("GR101", "\x1b[2J\ud800")]))["results"]
        assert result["message"]["text"] == "\\x1b[2J\\ud800"

    def test_has_a_schema_that_refuses_other_logs(self) -> None:
        log = json.loads(findings_sarif([FAIL]))
        assert not SARIF.is_valid(log | {"version": "2.0.0"})
        log["runs"][0]["results"][0]["level"] = "fatal"
        assert not SARIF.is_valid(log)

    @pytest.mark.parametrize("mark", MARKS)
    def test_is_valid_with_every_mark_everywhere(self, mark: str) -> None:
        found = [Finding("GR101", mark, Location(path_of(mark), 1, 1), mark), Finding("GR999", mark)]
        assert len(only_run(findings_sarif(found, anchor="ml/gitreg.yaml"))["results"]) == 2

    @unhurried
    @given(st.lists(findings, max_size=4))
    def test_is_ascii_json_whatever_the_findings_say(self, found: list[Finding]) -> None:
        text = findings_sarif(found)
        assert text.isascii()
        for result in only_run(text)["results"]:
            assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].isascii()
