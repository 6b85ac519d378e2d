from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_kit import BEGIN, DATA_DIGEST, RULES, Registry, Story, digest_of, git, write


@pytest.fixture
def empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Registry:
    """A registry without models."""
    story = Story()
    story.edit({path: text.encode() for path, text in RULES.items()}, "Begin the registry")
    return Registry(write(story, tmp_path / "empty.git"), capsys)


def columns(line: str) -> list[str]:
    return line.split()


def test_list_shows_each_model_with_its_stages_and_aliases(shared_repo: Registry) -> None:
    header, churn, credit_risk, japanese = shared_repo("list").out.splitlines()
    assert columns(header) == ["name", "latest", "staging", "production", "archived", "aliases"]
    assert columns(churn) == ["churn", "1.2.0"]
    assert columns(credit_risk) == ["credit-risk", "3", "2", "1", "champion=1"]
    assert columns(japanese) == ["売上予測モデル"]


def test_list_as_json(shared_repo: Registry) -> None:
    models = {each["name"]: each for each in shared_repo.json("list")}
    assert models["credit-risk"] == {
        "name": "credit-risk",
        "title": "Credit risk",
        "description": None,
        "owners": ["risk-team"],
        "task": "classification",
        "tags": {"tier": "1"},
        "latest": 3,
        "stages": {"production": [1], "staging": [2]},
        "aliases": {"champion": 1},
    }
    assert models["churn"]["latest"] == "1.2.0"
    assert models["売上予測モデル"]["latest"] is None


def test_a_stage_of_many_versions_lists_the_highest(registry_repo: Registry) -> None:
    pins = "".join(f"  - {{version: {n}, digest: '{digest_of(n)}'}}\n" for n in range(1, 8))
    file = "models/credit-risk/stages/archived.yaml"
    header = "apiVersion: gitreg/v1\nkind: StageAssignment\nmodel: credit-risk\nstage: archived\nserial: 1\n"
    data = f"{header}versions:\n{pins}".encode()
    who = "Alice <alice@example.com> 1795168800 +0000"
    stream = f"commit refs/heads/main\ncommitter {who}\ndata 0\nfrom refs/heads/main^0\n"
    stream += f"M 100644 inline {file}\ndata {len(data)}\n{data.decode()}\n"
    git(registry_repo.folder, "fast-import", "--quiet", stdin=stream.encode())
    assert "7, 6, 5, 4, +3" in registry_repo("list").out


def test_nothing_to_list_is_no_error(empty: Registry) -> None:
    for args in (["list"], ["search", "name = 'x'"]):
        result = empty(*args)
        assert result.out == ""
        assert len(result.err.splitlines()) == 1
        assert empty(*args, "--format", "json").json == []


def test_show_of_a_version_says_everything(shared_repo: Registry) -> None:
    lines = [" ".join(line.split()) for line in shared_repo("show", "credit-risk@champion").out.splitlines()]
    tip = git(shared_repo.folder, "rev-parse", "main")
    for expected in (
        "credit-risk/1",
        "stage production",
        "aliases champion",
        f"digest {digest_of(1)}",
        "size 1.0 MiB (1048577 bytes, 1 file)",
        "format onnx",
        "uri models:/credit-risk/1",
        "registered 2026-11-20 11:00:00 UTC by Alice <alice@example.com>",
        "tags team=risk",
        f"read at {tip}",
        "roc_auc 0.91",
        "solver lbfgs",
        "inputs 8 fields: f0 number, f1 number, f2 number, f3 number, f4 number, f5 number, …",
        "outputs array of anything",
        "python 3.11",
        "requirements numpy>=2",
        "run.id run-1",
        "intended_use Decision support.",
        "holdout holdout sha256:dddddddddddd… roc_auc=0.9 2026-11-20 10:00 Alice https://ci.example.com/42",
    ):
        assert expected in lines, expected


def test_show_of_a_version_as_json(shared_repo: Registry) -> None:
    found = shared_repo.json("show", "models:/credit-risk/production")
    assert (found["model"], found["version"], found["stage"]) == ("credit-risk", 1, "production")
    assert found["artifact"]["digest"] == digest_of(1)
    assert found["aliases"] == ["champion"]
    assert found["card"] == {"intended_use": "Decision support."}
    assert found["deprecated"] is None
    assert found["reference"] == "credit-risk/production"
    assert found["path"] == "models/credit-risk/versions/1/model.onnx"
    assert found["commit"] == git(shared_repo.folder, "rev-parse", "main")
    assert found["description"].endswith("\x1b[31mcoloured\x1b[0m line.")
    assert found["evidence"] == [
        {
            "name": "holdout",
            "digest": digest_of(1),
            "dataset": {"name": "holdout", "digest": DATA_DIGEST},
            "metrics": {"roc_auc": 0.9},
            "source": "https://ci.example.com/42",
            "created_at": "2026-11-20T10:00:00Z",
            "created_by": {"name": "Alice", "email": "alice@example.com"},
        }
    ]


def test_what_a_manifest_holds_cannot_command_the_terminal(shared_repo: Registry) -> None:
    for args in (["show", "credit-risk/1"], ["version", "compare", "credit-risk/1", "credit-risk/3"]):
        out = shared_repo(*args).out
        assert "\x1b" not in out
        assert "\\x1b[31mcoloured" in out


def test_show_of_a_deprecated_version_warns(shared_repo: Registry) -> None:
    result = shared_repo("show", "credit-risk/2")
    assert "deprecated  leaks the target; use 3" in result.out
    assert "warning: credit-risk/2 is deprecated" in result.err


def test_show_of_a_model_lists_its_versions(shared_repo: Registry) -> None:
    out = shared_repo("show", "Credit-Risk").out
    assert out.startswith("credit-risk\n")
    assert "owners      risk-team" in out
    assert [line.split()[0] for line in out.splitlines()[-3:]] == ["3", "2", "1"]
    assert "no versions" in shared_repo("show", "売上予測モデル").out


def test_show_of_a_model_as_json(shared_repo: Registry) -> None:
    found = shared_repo.json("show", "credit-risk")
    listed = next(each for each in shared_repo.json("list") if each["name"] == "credit-risk")
    versions = shared_repo.json("version", "list", "credit-risk")
    commit = git(shared_repo.folder, "rev-parse", "main")
    assert found == listed | {"versions": versions[::-1], "commit": commit}


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        ("credit-risks", 1, "no model is called 'credit-risks'; did you mean 'credit-risk'?"),
        ("nosuch/1", 1, "no model is called 'nosuch'"),
        ("credit-risk/9", 1, "version 9 of 'credit-risk' does not exist"),
        ("credit-risk@nope", 1, "'credit-risk' has no alias 'nope'"),
        ("credit-risk/archived", 1, "no version of 'credit-risk' is in archived"),
        ("credit-risk/", 2, "'credit-risk/' is not a reference"),
        ("\udcff", 2, "REF|MODEL: '\\udcff' is not UTF-8 text"),
    ],
)
def test_show_of_something_missing(shared_repo: Registry, target: str, code: int, said: str) -> None:
    assert said in shared_repo.refuses("show", target, code=code)


def test_reading_another_revision_and_another_time(shared_repo: Registry) -> None:
    assert shared_repo.json("list", "--rev", "main~9")[0]["latest"] == 2
    earlier = shared_repo.json("show", "credit-risk", "--at", "2026-11-20T15:30:00Z")
    assert earlier["stages"] == {"production": [1]}
    assert earlier["commit"] == git(shared_repo.folder, "rev-parse", "main~6")


def test_reading_the_working_tree(registry_repo: Registry, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", os.fspath(registry_repo.folder), "work")
    work = Registry(tmp_path / "work", registry_repo.capture)
    file = tmp_path / "work" / "models" / "churn" / "model.yaml"
    file.write_text(file.read_text() + "title: Churn\n")
    assert work.json("list", "--worktree")[0]["title"] == "Churn"
    assert work.json("list")[0]["title"] is None
    shown = work("show", "churn", "--worktree").out
    assert "the working tree" in shown
    assert "has no history" in work.refuses("history", "--worktree", code=2)


def test_search_finds_versions(shared_repo: Registry) -> None:
    out = shared_repo("search", "metrics.roc_auc > 0.915 AND tags.team = 'risk'").out
    assert [line.split()[0] for line in out.splitlines()] == ["version", "credit-risk/3", "credit-risk/2"]


def test_search_as_json(shared_repo: Registry) -> None:
    assert shared_repo.json("search", "stage = 'production'") == [
        {
            "model": "credit-risk",
            "version": 1,
            "stage": "production",
            "aliases": ["champion"],
            "digest": digest_of(1),
            "size": 1_048_577,
            "format": "onnx",
            "created_at": "2026-11-20T11:00:00Z",
            "metrics": {"roc_auc": 0.91, "latency": 21},
            "params": {"n_estimators": 100, "solver": "lbfgs"},
        }
    ]


def test_a_malformed_filter_is_a_usage_error(shared_repo: Registry) -> None:
    assert "'nosuch'" in shared_repo.refuses("search", "nosuch = 1", code=2)


def test_history_is_newest_first(shared_repo: Registry) -> None:
    events = shared_repo.json("history", "--limit", "0")
    assert len(events) == 14
    assert events[0] == {
        "time": "2026-11-20T21:00:00Z",
        "commit": git(shared_repo.folder, "rev-parse", "main"),
        "author": {"name": "Alice", "email": "alice@example.com"},
        "mergedBy": None,
        "kind": "register",
        "model": "売上予測モデル",
        "what": "created the model",
        "request": None,
    }
    assert events[-1]["kind"] == "rules"
    assert [event["time"] for event in events] == sorted((event["time"] for event in events), reverse=True)


def test_history_of_one_model(shared_repo: Registry) -> None:
    header, newest, *rest = shared_repo("history", "credit-risk").out.splitlines()
    assert header.split() == ["time", "(UTC)", "who", "kind", "what", "commit", "change"]
    assert newest.startswith("2026-11-20 19:00:00  Alice  annotate")
    assert "version 1: staging → production" in "\n".join(rest)
    events = shared_repo("history", "credit-risk", "--format", "json").json
    assert {event["model"] for event in events} == {"credit-risk"}


def test_history_is_limited_and_says_so(shared_repo: Registry) -> None:
    result = shared_repo("history", "--limit", "2", "--format", "json")
    assert len(result.json) == 2
    assert result.err == "Only the newest 2 are shown; --limit 0 shows all.\n"
    assert shared_repo("history", "--limit", "14").err == ""


def test_history_names_the_change_request_and_who_merged_it(
    registry_repo: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry_repo("model", "edit", "churn", "--title", "Churn")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Bo")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "bo@example.com")
    registry_repo("change", "merge", "1")
    newest = registry_repo.json("history", "churn")[0]
    assert (newest["kind"], newest["request"]) == ("annotate", "1")
    assert (newest["author"]["name"], newest["mergedBy"]["name"]) == ("Alice", "Bo")
    line = registry_repo("history", "churn").out.splitlines()[1]
    assert "Alice, merged by Bo  annotate" in line
    assert line.endswith("#1")


def test_a_registry_in_a_folder_is_found_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    model = "apiVersion: gitreg/v1\nkind: Model\nname: inner\n"
    files = {**RULES, "models/inner/model.yaml": model}
    story.edit({f"ml/{path}": text.encode() for path, text in files.items()}, "Begin")
    registry = Registry(write(story, tmp_path / "mono.git"), capsys)
    assert registry.json("list")[0]["name"] == "inner"


def test_the_command_line_runs_as_a_process(shared_repo: Registry) -> None:
    command = [sys.executable, "-m", "gitreg", "-R", os.fspath(shared_repo.folder)]
    listed = subprocess.run([*command, "list"], capture_output=True, encoding="utf-8", check=False)
    assert listed.returncode == 0
    assert "売上予測モデル" in listed.stdout
    missing = subprocess.run([*command, "show", "nosuch"], capture_output=True, encoding="utf-8", check=False)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("gitreg: no model is called 'nosuch'\n  hint: ")
    found = subprocess.run(
        [*command, "show", "churn/1.2.0", "--format", "json"], capture_output=True, check=False
    )
    assert json.loads(found.stdout)["created_at"] == f"{BEGIN:%Y-%m-%dT}21:00:00Z"


def test_history_says_nothing_of_a_merge_by_the_author_under_another_name(
    registry_repo: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry_repo("model", "edit", "churn", "--title", "Churn")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Alice on GitHub")
    registry_repo("change", "merge", "1")
    newest = registry_repo.json("history", "churn")[0]
    assert (newest["author"]["name"], newest["mergedBy"]) == ("Alice", None)


def test_a_merged_request_is_shown_as_plain_text(registry_repo: Registry) -> None:
    registry_repo("model", "edit", "churn", "--title", "Churn")
    assert "judge it: gitreg verify 1" in registry_repo("change", "show", "1").out
    registry_repo("change", "merge", "1")
    shown = registry_repo("change", "show", "1").out
    assert "###" not in shown
    assert "judge it" not in shown
