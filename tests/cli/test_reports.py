"""What ``validate`` and ``verify`` print and write: the exit code is the verdict's, whatever the format."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cli_kit import ALICE, Registry, git, standard_story
from jsonschema import Draft202012Validator

from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.plan.transition import plan_promote
from gitreg.surfaces.cli.reports import FORMATS, Check, Report, deliver
from tests.conftest import SCHEMAS

SCHEMA = Draft202012Validator(json.loads((SCHEMAS / "report.schema.json").read_text()))
RECORD = "models/credit-risk/versions/3/version.yaml"
NOTES = "models/credit-risk/versions/2/notes.yaml"

FAIL = Finding("GR302", "roc_auc is 0.8", Location(RECORD, 17, 12), "register a better one")
UNKNOWN = Finding("GR401", "approvals could not be read", outcome=Outcome.UNDECIDED)
WARNING = Finding("GR401", "a statement does not count", outcome=Outcome.WARNING)
VERDICTS = {
    "nothing": ([], 0),
    "warning": ([WARNING], 0),
    "undecided": ([WARNING, UNKNOWN], 3),
    "fail": ([WARNING, UNKNOWN, FAIL], 1),
}


def branch(registry: Registry, name: str, edits: Mapping[str, str]) -> str:
    """Puts a commit with these files on a branch of its own; returns the branch."""
    lines = [f"commit refs/heads/{name}", f"committer {ALICE.name} <{ALICE.email}> 1800000000 +0000"]
    lines += ["data 1", "x", "from refs/heads/main^0"]
    for path, text in edits.items():
        lines += [f"M 100644 inline {path}", f"data {len(text.encode())}", text]
    git(registry.folder, "fast-import", "--quiet", stdin="\n".join([*lines, ""]).encode())
    return name


def changes(registry: Registry) -> dict[str, tuple[str, int]]:
    """A change for each verdict: its branch, and the exit code of ``gitreg verify``."""
    record = git(registry.folder, "show", f"main:{RECORD}") + "\n"
    return {
        "pass": (branch(registry, "noted", {NOTES: notes(registry)}), 0),
        "fail": (branch(registry, "edited", {RECORD: record + "# later\n"}), 1),
        # Whether the artifact is there could be seen on the remote alone, which does not exist here.
        "undecided": (branch(registry, "promoted", promoted()), 3),
    }


def notes(registry: Registry) -> str:
    return git(registry.folder, "show", f"main:{NOTES}").replace("leaks the target", "leaks") + "\n"


def promoted() -> dict[str, str]:
    plan = plan_promote(standard_story().snapshot(), "credit-risk", 3, "staging")
    return {path: (data or b"").decode() for path, data in plan.edits.items()}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_exit_code_never_depends_on_the_formats(
    format: str, verdict: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, code = VERDICTS[verdict]
    check = Check(found, "x", {"commit": None})
    reports = [Report(name, os.fspath(tmp_path / name)) for name in FORMATS]
    assert deliver(check, format) == code
    printed = capsys.readouterr().out
    assert deliver(check, format, reports) == code
    assert capsys.readouterr().out == printed
    assert (tmp_path / format).read_text() == printed


@pytest.mark.parametrize("verdict", ["pass", "fail", "undecided"])
def test_verify_ends_with_its_verdict_in_every_format(
    verdict: str, registry_repo: Registry, tmp_path: Path
) -> None:
    head, code = changes(registry_repo)[verdict]
    written = [f"--report={name}={tmp_path / name}" for name in FORMATS]
    for format in FORMATS:
        printed = registry_repo("verify", "--head", head, "--format", format, *written, code=code).out
        assert (tmp_path / format).read_text() == printed
    report = json.loads((tmp_path / "json").read_text())
    assert (report["verdict"], report["exitCode"]) == (verdict, code)
    assert (tmp_path / "summary").read_text().startswith(f"## gitreg: {verdict}\n")


def test_verify_says_as_json_what_the_schema_names(registry_repo: Registry) -> None:
    for head, code in changes(registry_repo).values():
        report = registry_repo("verify", "--head", head, "--format", "json", code=code).json
        SCHEMA.validate(report)
        assert report["checked"].keys() == {"base", "head", "kinds", "change"}
        assert_described(report)


def test_validate_says_as_json_what_the_schema_names(registry_repo: Registry) -> None:
    report = registry_repo("validate", "--format", "json").json
    SCHEMA.validate(report)
    assert report["checked"] == {"commit": git(registry_repo.folder, "rev-parse", "main")}
    assert_described(report)


def test_audit_reports_in_every_format_what_the_schema_names(registry_repo: Registry, tmp_path: Path) -> None:
    written = [f"--report={name}={tmp_path / name}" for name in FORMATS]
    for since, code in (("main", 0), ("main~1", 1)):  # the last commit landed without a request
        printed = registry_repo("audit", "--since", since, "--format", "json", *written, code=code).out
        report = json.loads(printed)
        SCHEMA.validate(report)
        assert report["checked"].keys() == {"base", "head", "commits", "artifacts"}
        assert_described(report)
        assert all((tmp_path / name).exists() for name in FORMATS)
        assert (report["complete"], report["notChecked"]) == (False, ["artifacts"])
    (skipped,) = ElementTree.parse(tmp_path / "junit").iterfind(".//skipped/..")
    assert skipped.get("name") == "GR501 artifacts", "the remote was not looked at"


def assert_described(report: Mapping[str, Any]) -> None:
    """A report has no key that the schema does not describe."""
    properties = SCHEMA.schema["properties"]
    assert report.keys() == properties.keys()
    assert report["checked"].keys() <= properties["checked"]["properties"].keys()
    for finding in report["findings"]:
        assert finding.keys() == SCHEMA.schema["$defs"]["finding"]["properties"].keys()


def test_a_registry_that_cannot_be_read_has_a_report_too(registry_repo: Registry, tmp_path: Path) -> None:
    branch(registry_repo, "main", {"gitreg.yaml": "id: no\n"})
    written = [f"--report={name}={tmp_path / name}" for name in FORMATS]
    registry_repo("validate", *written, code=1)
    report = json.loads((tmp_path / "json").read_text())
    SCHEMA.validate(report)
    assert report["checked"] == {"commit": None}
    assert 'tests="1"' in (tmp_path / "junit").read_text(), "no rule passes that was not judged"


def test_validate_says_which_rules_it_judged(registry_repo: Registry, tmp_path: Path) -> None:
    printed = registry_repo("validate", "--format", "junit").out
    assert 'name="GR101 manifest"' in printed
    assert "GR401" not in printed, "approvals are about changes"


def test_what_has_no_place_is_shown_at_the_registry_in_its_folder(registry_repo: Registry) -> None:
    files = git(registry_repo.folder, "ls-tree", "-r", "--name-only", "-z", "main").rstrip("\0").split("\0")
    moved = {f"ml/{path}": git(registry_repo.folder, "show", f"main:{path}") + "\n" for path in files}
    branch(registry_repo, "main", moved)
    policy = moved["ml/policy.yaml"].replace(
        "rules: {owners: [owners]}", "rules: {owners: [owners], approvals: []}"
    )
    branch(registry_repo, "stricter", moved | {"ml/policy.yaml": policy})
    place = f"{registry_repo.folder}#ml"
    args = ("-R", place, "verify", "--head", "stricter", "--format", "gitlab")
    issues = registry_repo(*args, code=1).json
    assert {issue["location"]["path"] for issue in issues} == {"ml/gitreg.yaml"}


class TestFiles:
    def test_are_replaced_with_their_permissions(self, shared_repo: Registry, tmp_path: Path) -> None:
        report = tmp_path / "report.json"
        report.write_text("old, and much longer than the new one" * 100)
        report.chmod(0o640)
        (tmp_path / "link.json").symlink_to(report)
        shared_repo("validate", "--report", f"json={tmp_path / 'link.json'}")
        assert json.loads(report.read_text())["verdict"] == "pass"
        assert stat.S_IMODE(report.stat().st_mode) == 0o640
        assert (tmp_path / "link.json").is_symlink()

    def test_are_new_ones_that_others_may_read(self, shared_repo: Registry, tmp_path: Path) -> None:
        old = os.umask(0o022)
        try:
            shared_repo("validate", "--report", f"junit={tmp_path / 'a.xml'}")
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "a.xml").stat().st_mode) == 0o644

    def test_are_meant_from_the_folder_that_is_worked_in(self, registry_repo: Registry) -> None:
        registry_repo("validate", "--report", "json=report.json")
        assert (registry_repo.folder / "report.json").is_file()

    def test_may_be_several(self, shared_repo: Registry, tmp_path: Path) -> None:
        one, other = tmp_path / "a=b.json", tmp_path / "c.json"
        out = shared_repo("validate", "--report", f"json={one}", "--report", f"gitlab={other}").out
        assert out.endswith(": nothing to complain about\n")
        assert json.loads(one.read_text())["exitCode"] == 0
        assert json.loads(other.read_text()) == []

    def test_appear_whole_or_not_at_all(
        self, shared_repo: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report = tmp_path / "report.json"
        report.write_text("old")

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", fail)
        error = shared_repo("validate", "--report", f"json={report}", code=2).err
        assert "No space left on device" in error
        assert report.read_text() == "old"
        assert [path.name for path in tmp_path.iterdir() if "report" in path.name] == ["report.json"]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("none/a.json", "No such file or directory"),
            ("", "it is a folder"),
            ("pipe", "it is no plain file"),
        ],
    )
    def test_that_cannot_be_written_are_an_error_once_the_verdict_is_told(
        self, name: str, reason: str, registry_repo: Registry, tmp_path: Path
    ) -> None:
        os.mkfifo(tmp_path / "pipe")
        head, _ = changes(registry_repo)["fail"]
        target, good = tmp_path / name, tmp_path / "good.xml"
        args = ("--report", f"json={target}", "--report", f"junit={good}")
        result = registry_repo("verify", "--head", head, *args, code=2)
        assert "GR202" in result.out
        assert result.out.endswith(": 1 finding\n")
        assert result.err.splitlines() == [
            f"gitreg: the json report cannot be written to {os.fspath(target)!r}: {reason}",
            "  hint: name a file in a folder that exists and that you may write to",
        ]
        assert "GR202" in good.read_text()

    def test_are_not_what_is_printed_to(self, template: Path, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "gitreg", "-R", os.fspath(template), "validate"]
        with (tmp_path / "out").open("wb") as out:
            done = subprocess.run(
                [*command, "--report", "json=/dev/stdout"], stdout=out, stderr=subprocess.PIPE, check=False
            )
        assert done.returncode == 2
        assert b"it is what gitreg prints to" in done.stderr
        assert (tmp_path / "out").read_text().endswith(": nothing to complain about\n")

    @pytest.mark.parametrize(
        ("args", "problem"),
        [
            (["xml=a"], "'xml' is none of text, json, github, summary, gitlab, junit, sarif"),
            (["json"], "'json' names no file"),
            (["json="], "'json=' names no file"),
            (["json=-"], "'json=-' names no file"),
            (["json=a", "sarif=./a"], "two reports cannot go to one file"),
        ],
    )
    def test_have_a_format_and_a_name_each(
        self, args: list[str], problem: str, shared_repo: Registry
    ) -> None:
        options = [part for arg in args for part in ("--report", arg)]
        for command in (["validate"], ["verify", "1"]):
            error = shared_repo.refuses(*command, *options, code=2)
            assert problem in error
        assert not (shared_repo.folder / "a").exists()
