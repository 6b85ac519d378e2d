"""The composite action, run by act: what it prints, writes and fails with."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from act_kit import Act, Ran
from scaffold_kit import COMMIT

REPOSITORY = "acme/models"
GOOD = {
    "gitreg.yaml": """\
apiVersion: gitreg/v1
kind: Registry
id: 6f1c7d4e-2b0a-4c55-9a0e-0d6a4f3b2c1d
name: t
branch: main
""",
    "policy.yaml": "apiVersion: gitreg/v1\nkind: Policy\nrules: {owners: []}\nstages: []\n",
}
SHOW = 'for file in *.json *.sarif; do echo; echo "== $file"; cat "$file"; done 2>/dev/null || true'


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Ground:
    """A repository with a registry in the folder ``reg``, on a server that is a folder; and act."""

    def __init__(self, folder: Path) -> None:
        self.bare = folder / "server" / REPOSITORY
        self.work = folder / "work"
        self.act = Act(folder / "home", f"file://{folder / 'server'}", REPOSITORY)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.bare], check=True)
        git(self.bare, "config", "uploadpack.allowAnySHA1InWant", "true")
        subprocess.run(["git", "clone", "-q", self.bare, self.work], check=True, capture_output=True)
        git(self.work, "config", "user.name", "Dan")
        git(self.work, "config", "user.email", "dan@example.com")
        self.files = {f"reg/{path}": text for path, text in GOOD.items()}

    def run(
        self, inputs: dict[str, str], event: str = "push", ref: str = "refs/heads/main", then: str = SHOW
    ) -> Ran:
        """Runs a workflow with a step of the action, and one behind it: by default that shows the reports."""
        steps = [
            {"uses": "actions/checkout@" + "1" * 40, "with": {"persist-credentials": False}},
            {"run": 'echo "said before" >>"$GITHUB_STEP_SUMMARY"'},
            {
                "id": "gitreg",
                "uses": f"acme/gitreg/.github/actions/gitreg@{COMMIT}",
                "with": {"version": "installed", "directory": "reg"} | inputs,
            },
            {"if": "always()", "run": then},
        ]
        job = {"runs-on": "ubuntu-latest", "steps": steps}
        text = yaml.safe_dump({"on": event, "jobs": {"gitreg": job}}, width=10_000)
        for path, content in ({".github/workflows/w.yml": text} | self.files).items():
            (self.work / path).parent.mkdir(parents=True, exist_ok=True)
            (self.work / path).write_text(content)
        git(self.work, "add", "-A")
        git(self.work, "commit", "-q", "-m", "state")
        git(self.work, "push", "-q", "origin", *{"HEAD:refs/heads/main", f"HEAD:{ref}"})
        sha = git(self.work, "rev-parse", "HEAD")
        return self.act.run(self.work, ".github/workflows/w.yml", event, {"ref": ref}, ref=ref, sha=sha)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_a_sound_registry_passes_and_says_so_in_the_summary(ground: Ground) -> None:
    ground.act.token = "ghs_verysecret"
    ran = ground.run({"command": "validate"})
    assert ran.ok, ran.log
    assert "verysecret" not in ran.log + ran.printed
    assert "said before" in ran.summary
    assert "gitreg: pass" in ran.summary


def test_findings_become_annotations_reports_and_a_failure(ground: Ground) -> None:
    ground.files["reg/models/m/model.yaml"] = "apiVersion: gitreg/v1\nkind: Model\nname: m\ntitle: no\n"
    ran = ground.run({"command": "validate", "reports": "json=found.json\n\nsarif=gitreg.sarif"})
    assert ran.code == 1
    assert "::error file=reg/models/m/model.yaml,line=4" in ran.printed, ran.log
    assert "gitreg: fail" in ran.summary
    report = ran.printed.partition("== found.json")[2].partition("== gitreg.sarif")
    assert json.loads(report[0])["verdict"] == "fail"
    assert '"version": "2.1.0"' in report[2]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"command": ""}, "command is empty"),
        ({"cache": "maybe"}, "cache takes"),
        ({"version": "git+https://evil.example"}, "version takes"),
        ({"remote": "s3 evil"}, "remote takes"),
        ({"command": "validate", "directory": "nowhere"}, "there is no folder"),
    ],
)
def test_wrong_inputs_fail(ground: Ground, inputs: dict[str, str], said: str) -> None:
    ran = ground.run(inputs)
    assert ran.code != 0
    assert said in ran.printed, ran.log


def test_arguments_are_one_a_line_and_never_shell(ground: Ground) -> None:
    ran = ground.run({"command": "list", "arguments": "$(touch hacked); `id`\n--format=json"})
    assert ran.code != 0
    assert "$(touch hacked); `id`" in ran.printed
    assert "uid=" not in ran.printed


def test_the_cache_is_not_restored_where_a_pull_request_may_have_written_it(ground: Ground) -> None:
    assert "would restore gitreg-" in ground.run({"command": "validate"}).printed
    judging = ground.run({"command": "validate"}, "pull_request", "refs/pull/1/merge")
    assert judging.ok, judging.log
    assert "would restore" not in judging.printed


def test_by_default_gitreg_is_installed_from_the_actions_own_commit(ground: Ground) -> None:
    """No index is asked: what pip would fetch is there already. The rest is as on GitHub."""
    ground.act.whole = True
    ground.act.environment |= {
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # so pip spells: no isolation
        "PYTHONPATH": "",
    }
    # A module of the workspace must not be what Python takes for its own.
    ground.files |= {
        f"{name}.py": "raise SystemExit('hijacked')\n" for name in ("pip", "venv", "gitreg", "yaml")
    }
    then = """\
    echo "found $(command -v gitreg)"
    git config --global user.name Dan; git config --global user.email dan@example.com
    gitreg init "$RUNNER_TEMP/new" --forge github --account dan-gh --action acme/gitreg@%s
    """
    ran = ground.run({"command": "validate", "version": ""}, then=then % COMMIT)
    assert ran.ok, ran.log
    assert "hijacked" not in ran.printed
    assert re.search(r"found .*/tmp/gitreg-venv/bin/gitreg$", ran.printed, re.MULTILINE), ran.printed
    assert "Began the registry new" in ran.printed  # so the templates are in the package
