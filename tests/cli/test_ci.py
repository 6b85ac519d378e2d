"""``gitreg verify``, ``audit`` and ``ci`` in a run of CI: where the event comes from, and what is said of it where."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cli_kit import ALICE, Registry, git
from jsonschema import Draft202012Validator

from gitreg.adapters.forge.local.forge import LocalForge
from gitreg.core.plan.transition import plan_promote
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.errors import Refused
from tests.conftest import SCHEMAS

SCHEMA = Draft202012Validator(json.loads((SCHEMAS / "report.schema.json").read_text()))
RECORD = "models/credit-risk/versions/3/version.yaml"
NOTE = "not checked: artifacts; this is no pass of the gate"

Starts = Callable[..., None]


def commit(registry: Registry, branch: str, edits: dict[str, bytes], start: str = "main") -> str:
    """A commit on a branch; its id."""
    lines = [f"commit refs/heads/{branch}", f"committer {ALICE.name} <{ALICE.email}> 1800000000 +0000"]
    stream = "\n".join([*lines, "data 1", "x", f"from refs/heads/{start}^0", ""]).encode()
    for path, data in edits.items():
        stream += b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)
    git(registry.folder, "fast-import", "--quiet", stdin=stream)
    return git(registry.folder, "rev-parse", branch)


def files(registry: Registry) -> Snapshot:
    """The registry on its branch."""
    names = git(registry.folder, "ls-tree", "-r", "-z", "--name-only", "main").split("\0")
    data = {n: git(registry.folder, "show", f"main:{n}").encode() + b"\n" for n in names if n}
    return Snapshot(MemoryTree(data))


@pytest.fixture
def to_staging(registry_repo: Registry) -> str:
    """A commit that promotes a version, as a request would."""
    plan = plan_promote(files(registry_repo), "credit-risk", 3, "staging")
    return commit(
        registry_repo, "promote", {path: data for path, data in plan.edits.items() if data is not None}
    )


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starts:
    """Makes this a run of GitHub Actions that an event started."""

    def start(name: str, payload: dict[str, Any]) -> None:
        path = tmp_path / "event.json"
        path.write_text(json.dumps({"repository": {"default_branch": "main"}, **payload}))
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("GITHUB_EVENT_NAME", name)
        monkeypatch.setenv("GITHUB_EVENT_PATH", os.fspath(path))

    return start


def request(head: str, base: str = "main") -> dict[str, Any]:
    return {"pull_request": {"number": 4, "head": {"sha": head}, "base": {"ref": base}}}


def push(registry: Registry, before: str, ref: str = "refs/heads/main") -> dict[str, Any]:
    return {"ref": ref, "before": before, "after": git(registry.folder, "rev-parse", ref)}


@pytest.fixture
def ci(registry_repo: Registry, to_staging: str, starts: Starts, tmp_path: Path) -> Registry:
    """A checkout of the request, in a run that the request started."""
    starts("pull_request", request(to_staging))
    folder = tmp_path / "checkout"
    git(tmp_path, "clone", "-q", "--no-local", os.fspath(registry_repo.folder), os.fspath(folder))
    git(folder, "checkout", "-q", "--detach", to_staging)
    return replace(registry_repo, folder=folder)


SOME = ("--checks", "structure,approvals")


class TestVerify:
    def test_outside_ci_something_must_be_named(self, shared_repo: Registry) -> None:
        said = shared_repo("verify", code=2).err
        assert "give the number of a change request, or --head" in said
        assert "Only GitHub Actions and GitLab CI tell what is to be judged" in said

    def test_the_request_is_found(self, ci: Registry, to_staging: str) -> None:
        report = ci("verify", *SOME, "--format", "json").json
        SCHEMA.validate(report)
        assert report["checked"]["head"] == to_staging
        assert report["checked"]["kinds"] == ["promote"]
        assert (report["verdict"], report["complete"], report["notChecked"]) == ("pass", False, ["artifacts"])

    def test_all_is_checked_by_default(self, ci: Registry) -> None:
        """There is no remote here that could be asked."""
        report = ci("verify", "--format", "json", code=3).json
        assert (report["complete"], report["notChecked"]) == (True, [])
        assert [finding["rule"] for finding in report["findings"]] == ["GR501"]

    def test_another_target_is_refused(self, ci: Registry, starts: Starts, to_staging: str) -> None:
        starts("pull_request", request(to_staging, "elsewhere"))
        assert "change #4 asks to be merged into 'elsewhere'" in ci.refuses("verify", code=1)

    def test_events_that_are_not_judged(self, ci: Registry, starts: Starts, to_staging: str) -> None:
        starts("schedule", {})
        assert "this run was started by 'schedule'" in ci.refuses("verify", code=2)
        starts("pull_request_target", request(to_staging))
        assert "does not run on pull_request_target" in ci.refuses("verify", code=1)
        starts("push", push(ci, to_staging, "refs/remotes/origin/promote") | {"ref": "refs/heads/promote"})
        assert "'promote' was pushed" in ci.refuses("verify", code=2)

    def test_an_error_is_an_annotation_too(self, ci: Registry, starts: Starts) -> None:
        """Else the run shows no more than that it failed."""
        starts("schedule", {})
        result = ci("verify", "--format", "github", code=2)
        assert result.out.startswith("::error title=gitreg::this run was started by 'schedule', which")
        assert "%0Ahint: name one" in result.out
        assert result.err.startswith("gitreg: this run was started by")

    def test_what_is_named_is_judged_in_ci_too(self, ci: Registry, starts: Starts) -> None:
        starts("schedule", {})
        assert ci("verify", "--head", "origin/promote", *SOME).code == 0

    @pytest.mark.parametrize(
        "options",
        [
            ("--checks", "everything"),
            ("--checks", ""),
            ("--checks", "structure", "--comment"),
            ("--base", "main"),
            ("4", "--head", "main"),
            ("4", "--base", "main"),
        ],
    )
    def test_options_that_make_no_sense(self, ci: Registry, options: tuple[str, ...]) -> None:
        ci.refuses("verify", *options, code=2)


class TestWhatWasNotAskedFor:
    def test_is_named_in_every_format(self, ci: Registry, tmp_path: Path) -> None:
        written = [f"--report={name}={tmp_path / name}" for name in ("junit", "sarif", "summary")]
        text = ci("verify", *SOME, *written).out
        assert text.splitlines()[-1] == NOTE
        assert ci("verify", *SOME, "--format", "github").out == f"::warning title=gitreg::{NOTE}\n"
        summary = (tmp_path / "summary").read_text()
        assert summary.startswith("## gitreg: pass, but incomplete\n")
        assert f"**{NOTE.capitalize()}.**" in summary
        (case,) = ElementTree.parse(tmp_path / "junit").iterfind(".//skipped/..")
        assert case.get("name") == "GR501 artifacts"
        (run,) = json.loads((tmp_path / "sarif").read_text())["runs"]
        (override,) = run["invocations"][0]["ruleConfigurationOverrides"]
        assert override["configuration"] == {"enabled": False}
        assert run["tool"]["driver"]["rules"][override["descriptor"]["index"]]["id"] == "GR501"

    def test_may_be_given_in_several_ways(self, ci: Registry) -> None:
        def checked(*options: str) -> Any:
            return ci("verify", *options, "--format", "json", code=0).json["notChecked"]

        assert checked("--checks", "structure", "--checks", "approvals") == ["artifacts"]
        assert checked("--checks", "structure") == ["approvals", "artifacts"]
        assert ci("verify", "--checks", "all", "--format", "json", code=3).json["notChecked"] == []


class TestStepSummary:
    @pytest.fixture
    def summary(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = tmp_path / "step-summary"
        path.write_text("# Of another command\n")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.fspath(path))
        return path

    def test_is_added_to_what_others_wrote(self, ci: Registry, summary: Path) -> None:
        ci("verify", *SOME)
        ci("validate", "--committed")
        text = summary.read_text()
        assert text.startswith("# Of another command\n## gitreg: pass, but incomplete\n")
        assert text.count("## gitreg: ") == 2

    def test_is_left_alone_where_one_is_asked_for(self, ci: Registry, summary: Path, tmp_path: Path) -> None:
        ci("verify", *SOME, f"--report=summary={tmp_path / 'mine'}")
        assert summary.read_text() == "# Of another command\n"

    def test_that_cannot_be_written_changes_no_verdict(
        self, ci: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.fspath(tmp_path))
        result = ci("verify", *SOME)
        assert "gitreg: warning: the step's summary cannot be written" in result.err


class TestComment:
    @pytest.fixture
    def asked(self, ci: Registry, registry_repo: Registry) -> Registry:
        """The request is one of the forge in git, too."""
        registry_repo("change", "open", "promote")
        return ci

    def test_is_set_on_the_request(self, asked: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        monkeypatch.setattr(LocalForge, "comment", lambda self, request, text: said.append(text))
        assert asked("verify", *SOME, "--comment").err == ""
        (text,) = said
        assert text.startswith("## ✅ gitreg: pass, but incomplete\n")
        assert f"**{NOTE.capitalize()}.**" in text
        assert "### What moves" in text

    def test_that_is_refused_changes_no_verdict(
        self, asked: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The token of a fork's run may not comment."""

        def refuse(*_: object) -> None:
            raise Refused("Resource not accessible by integration")

        monkeypatch.setattr(LocalForge, "comment", refuse)
        result = asked("verify", *SOME, "--comment")
        assert "change #1 could not be commented on: Resource not accessible" in result.err

    def test_without_a_request_there_is_none(self, ci: Registry) -> None:
        assert "no change request is known to comment on" in ci("verify", *SOME, "--comment").err


class TestPush:
    @pytest.fixture
    def bypassed(self, ci: Registry, registry_repo: Registry, starts: Starts) -> str:
        """Somebody pushed to the registry's branch what breaks a rule; the commit."""
        before = git(registry_repo.folder, "rev-parse", "main")
        record = git(registry_repo.folder, "show", f"main:{RECORD}").replace("0.93", "0.99").encode()
        bad = commit(registry_repo, "main", {RECORD: record})
        git(ci.folder, "fetch", "-q")
        starts("push", push(registry_repo, before))
        return bad

    @pytest.mark.parametrize("command", ["verify", "audit"])
    def test_what_it_brought_is_judged(self, ci: Registry, bypassed: str, command: str) -> None:
        report = ci(command, "--format", "json", code=1).json
        SCHEMA.validate(report)
        assert report["checked"]["commits"] == 1
        assert report["checked"]["head"] == bypassed
        said = {finding["rule"]: finding["message"] for finding in report["findings"]}
        assert said["GR202"].startswith(f"commit {bypassed[:12]}: a record is edited")

    def test_an_audit_may_begin_elsewhere(self, ci: Registry, bypassed: str) -> None:
        assert ci("audit", "--since", bypassed, "--format", "json").json["checked"]["commits"] == 0

    def test_a_rewritten_branch_is_found(self, ci: Registry, registry_repo: Registry, starts: Starts) -> None:
        before = git(registry_repo.folder, "rev-parse", "main")
        git(registry_repo.folder, "update-ref", "refs/heads/main", "main~1")
        starts("push", push(registry_repo, before))
        report = ci("audit", "--format", "json", code=1).json
        SCHEMA.validate(report)
        assert [finding["rule"] for finding in report["findings"]] == ["GR601"]


class TestEvent:
    def test_is_shown(self, ci: Registry, to_staging: str) -> None:
        assert ci("ci", "event", "--format", "json").json == {
            "kind": "request",
            "system": "github",
            "name": "pull_request",
            "branch": "main",
            "base": None,
            "head": to_staging,
            "request": "4",
            "forced": False,
            "defaultBranch": "main",
        }
        assert f"head: {to_staging}" in ci("ci", "event").out.splitlines()

    def test_is_none_outside(self, shared_repo: Registry) -> None:
        shared_repo.refuses("ci", "event", code=2)
        shared_repo.refuses("ci", "rerun", code=2)

    def test_runs_are_the_forges_to_start(self, ci: Registry) -> None:
        assert "this forge runs no CI" in ci.refuses("ci", "rerun", code=1)

    def test_a_push_has_no_run_to_be_started_again(self, ci: Registry, starts: Starts) -> None:
        starts("schedule", {})
        assert ci("ci", "rerun").out == "Nothing is to be run again.\n"

    def test_a_failed_run_is_started_again(
        self, ci: Registry, to_staging: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(LocalForge, "rerun_failed", lambda self, head: f"https://ci.example.com/{head}")
        url = f"https://ci.example.com/{to_staging}"
        assert ci("ci", "rerun", "--format", "json").json == {"head": to_staging, "rerun": url}
