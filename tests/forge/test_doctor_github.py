"""``gitreg doctor --forge`` on a GitHub: what the scaffolded ruleset sets is found, what is left out is named."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flow_kit import git, pin

from forge.fake_github import FakeGitHub
from forge.fake_github_state import GitHubRepository
from forge.records import Answer
from gitreg.adapters.forge.address import Address
from gitreg.adapters.forge.github.api import GithubApi
from gitreg.adapters.forge.github.settings import GithubInspector
from gitreg.adapters.forge.tokens import Token
from gitreg.core.doctor.github import github_points
from gitreg.core.forge_settings import GithubSettings
from gitreg.surfaces.cli.main import run

HUB = "acme/models"
COMMIT = "3f786850e387550fdab836ed7e6dc881de23001b"
RULES = ("deletion", "non_fast_forward", "pull_request", "required_status_checks")
#: What an administrator's classic token may see; and what a job of a workflow may, as it is scaffolded.
JOB = ("contents:read", "pull_requests:read", "actions:read")

Ruleset = dict[str, Any]


@dataclass
class Place:
    """A registry on GitHub, scaffolded, pushed and protected; alice owns the rules and administers the repository."""

    github: FakeGitHub
    repo: GitHubRepository
    work: Path
    ruleset: Ruleset
    number: int

    def missing(self, token: str | None = None) -> dict[str, bool | None]:
        """What is needed and not so."""
        value = token or self.github.personal_token("alice-gh")
        host = self.github.url.removeprefix("http://")
        address = Address("github", "http", host, HUB, self.github.api)
        api = GithubApi(address, Token(value, "GitHub token", "GH_TOKEN"))
        try:
            facts = GithubInspector(api).settings("main")
        finally:
            api.close()
        assert isinstance(facts, GithubSettings)
        return {point.name: point.ok for point in github_points(facts) if point.needed and not point.ok}

    def put(self, change: Callable[[Ruleset], object]) -> None:
        changed = deepcopy(self.ruleset)
        change(changed)
        self.repo.rulesets[self.number].data = changed

    def doctor(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str | None
    ) -> tuple[int, dict[tuple[str, str], dict[str, Any]], str]:
        """The real command: its exit code, its points by heading and name, and all that it printed."""
        for name in ("GITHUB_TOKEN", "GITHUB_SERVER_URL", "GH_TOKEN", "GH_ENTERPRISE_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("GH_HOST", self.github.url.removeprefix("http://"))
        monkeypatch.setenv("PATH", os.environ["PATH"])
        if token:
            monkeypatch.setenv("GH_TOKEN", token)
        capsys.readouterr()
        code = run(["-C", os.fspath(self.work / "reg"), "doctor", "--forge", "--format", "json"])
        out, err = capsys.readouterr()
        points = json.loads(out)["points"]
        return code, {(each["about"].split(",")[0], each["name"]): each for each in points}, out + err


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("doctor")
    with pytest.MonkeyPatch.context() as patch, FakeGitHub(folder / "github") as github:
        pin(patch, folder / "home")
        with (folder / "home" / "gitconfig").open("a") as config:
            config.write("[user]\nname = Alice\nemail = alice-gh@example.com\n")
        for login in ("alice-gh", "bo-gh"):
            github.add_person(login, f"{login}@example.com")
        repo = github.add_repository(HUB, {"alice-gh": "admin", "bo-gh": "write"})
        work = folder / "work"
        work.mkdir()
        git(work, "init", "-q", "-b", "main")
        git(work, "remote", "add", "origin", github.remote(HUB))
        init = ["--forge", "github", "--account", "alice-gh", "--action", f"acme/gitreg@{COMMIT}"]
        assert run(["init", os.fspath(work / "reg"), *init, "--remote", os.fspath(folder / "artifacts")]) == 0
        (folder / "artifacts").mkdir()
        url = github.remote(HUB, github.personal_token("alice-gh"))
        subprocess.run(["git", "push", "-q", url, "main"], cwd=work, check=True, capture_output=True)
        git(work, "fetch", "-q", "origin")
        ruleset = json.loads((work / ".github" / "gitreg-ruleset.json").read_text())
        yield Place(github, repo, work, ruleset, github.add_ruleset("alice-gh", ruleset))
    github.demand_conforming()


@pytest.fixture
def place(made: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    pin(monkeypatch, tmp_path / "home")
    yield made
    made.put(lambda rules: None)
    made.repo.protections.clear()
    made.repo.access["alice-gh"] = "admin"
    made.repo.merge_methods, made.repo.actions_may_approve = ("merge", "squash"), False


def rule(ruleset: Ruleset, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in ruleset["rules"] if each["type"] == name)["parameters"]
    return found


def without(name: str) -> Callable[[Ruleset], None]:
    def change(ruleset: Ruleset) -> None:
        ruleset["rules"] = [each for each in ruleset["rules"] if each["type"] != name]

    return change


def with_value(name: str, **values: Any) -> Callable[[Ruleset], None]:
    return lambda ruleset: rule(ruleset, name).update(values)


def test_the_scaffolded_ruleset_is_all_that_is_needed(place: Place) -> None:
    assert place.missing() == {}


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (without("deletion"), {"deletion"}),
        (without("non_fast_forward"), {"force push"}),
        (
            without("pull_request"),
            {"pull request", "review", "code owners", "stale reviews", "last push"},
        ),
        (without("required_status_checks"), {"required check", "up to date"}),
        (with_value("pull_request", required_approving_review_count=0), {"review", "code owners"}),
        (with_value("pull_request", require_code_owner_review=False), {"code owners"}),
        (with_value("pull_request", dismiss_stale_reviews_on_push=False), {"stale reviews"}),
        (with_value("pull_request", require_last_push_approval=False), {"last push"}),
        (with_value("pull_request", allowed_merge_methods=["squash"]), {"merge method"}),
        (
            with_value("required_status_checks", required_status_checks=[{"context": "gitreg"}]),
            {"required check"},
        ),
        (
            with_value(
                "required_status_checks",
                required_status_checks=[{"context": "build", "integration_id": 15368}],
            ),
            {"required check"},
        ),
        (with_value("required_status_checks", strict_required_status_checks_policy=False), {"up to date"}),
        (lambda ruleset: ruleset["rules"].append({"type": "required_linear_history"}), {"merge method"}),
        (
            lambda ruleset: ruleset.update(
                bypass_actors=[{"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}]
            ),
            {"bypass"},
        ),
    ],
)
def test_what_a_ruleset_leaves_out_is_what_is_missing(
    place: Place, change: Callable[[Ruleset], object], missing: set[str]
) -> None:
    place.put(change)
    assert place.missing() == dict.fromkeys(missing, False)


@pytest.mark.parametrize("mode", ["disabled", "evaluate"])
def test_a_ruleset_that_is_not_in_force_asks_nothing(place: Place, mode: str) -> None:
    place.put(lambda ruleset: ruleset.update(enforcement=mode))
    assert len(place.missing()) == 9


def test_a_rebase_that_the_ruleset_leaves_to_the_repository_must_not_be_allowed_there(place: Place) -> None:
    place.put(lambda ruleset: rule(ruleset, "pull_request").pop("allowed_merge_methods"))
    assert place.missing() == {}
    place.repo.merge_methods = ("merge", "rebase")
    assert place.missing() == {"merge method": False}


CLASSIC = {
    "enforce_admins": {"url": "https://api.github.com/x", "enabled": True},
    "allow_deletions": {"enabled": False},
    "allow_force_pushes": {"enabled": False},
    "required_pull_request_reviews": {
        "dismiss_stale_reviews": True,
        "require_code_owner_reviews": True,
        "required_approving_review_count": 1,
        "require_last_push_approval": True,
    },
    "required_status_checks": {
        "strict": True,
        "contexts": ["gitreg"],
        "checks": [{"context": "gitreg", "app_id": 15368}],
    },
}


def test_classic_protection_is_as_good_as_a_ruleset(place: Place) -> None:
    place.put(lambda ruleset: ruleset.update(enforcement="disabled"))
    place.github.protect("main", CLASSIC, repository=HUB)
    assert place.missing() == {}


def test_classic_protection_that_administrators_need_not_obey_is_not(place: Place) -> None:
    place.put(lambda ruleset: ruleset.update(enforcement="disabled"))
    loose = CLASSIC | {"enforce_admins": {"url": "https://api.github.com/x", "enabled": False}}
    place.github.protect("main", loose, repository=HUB)
    assert place.missing() == {"bypass": False}


def test_who_is_no_administrator_learns_what_could_not_be_seen(place: Place) -> None:
    assert place.missing(place.github.personal_token("bo-gh")) == dict.fromkeys(
        ["bypass", "approval by a workflow"]
    )
    place.put(without("deletion"))
    assert place.missing(place.github.personal_token("bo-gh")) == dict.fromkeys(
        ["deletion", "bypass", "approval by a workflow"]
    )


def test_workflows_that_may_approve_and_owners_that_cannot_write_are_found(place: Place) -> None:
    place.repo.actions_may_approve = True
    assert place.missing() == {"approval by a workflow": False}
    place.repo.actions_may_approve = False
    token = place.github.personal_token("acme")  # the repository's owner
    place.repo.access["alice-gh"] = "read"
    assert place.missing(token) == {"CODEOWNERS": False}


# The command


def test_the_command_says_yes_where_all_is_set(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = place.github.personal_token("alice-gh")
    code, points, text = place.doctor(monkeypatch, capsys, token)
    assert code == 0, text
    assert (
        points[("the registry", "token")]["text"] == "a GitHub classic personal access token, from GH_TOKEN"
    )
    assert points[("the files on main", "owners of the rules")]["ok"] is True
    assert points[("the files on main", "scaffold")]["ok"] is True
    assert points[("GitHub", "clock")]["ok"] is True
    assert token not in text


def test_the_command_says_which_setting_is_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.put(with_value("pull_request", require_code_owner_review=False))
    code, points, _ = place.doctor(monkeypatch, capsys, place.github.personal_token("alice-gh"))
    assert code == 1
    assert points[("GitHub", "code owners")]["ok"] is False
    assert "gitreg-ruleset.json" in points[("GitHub", "code owners")]["fix"]


def test_in_a_job_the_command_says_what_it_could_not_read_and_who_can(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, points, _ = place.doctor(monkeypatch, capsys, place.github.actions_token(HUB, JOB))
    assert code == 3
    assert points[("GitHub", "required check")]["ok"] is True
    assert points[("GitHub", "bypass")]["ok"] is None
    assert "administrator" in points[("GitHub", "bypass")]["fix"]


@pytest.mark.parametrize("token", [None, "ghp_" + "x" * 36])
def test_without_a_token_that_is_good_nothing_is_known(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str | None
) -> None:
    monkeypatch.setenv("GH_CONFIG_DIR", os.devnull)
    code, points, text = place.doctor(monkeypatch, capsys, token)
    assert code == 3
    assert points[("the forge", "settings")]["ok"] is None
    assert "Traceback" not in text


@pytest.mark.parametrize("body", [[{}], {"message": "hello"}, [{"type": "pull_request", "parameters": 1}]])
def test_an_answer_that_makes_no_sense_decides_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], body: Any
) -> None:
    place.github.fail(Answer(200, body), "GET", f"/repos/{HUB}/rules/branches/main")
    code, points, text = place.doctor(monkeypatch, capsys, place.github.personal_token("alice-gh"))
    assert code == 3, text
    assert "makes no sense" in points[("the forge", "settings")]["text"]


def test_a_change_that_takes_the_files_away_is_seen_as_it_is_on_the_forge(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = place.repo.bare
    before = bare.branch("main")
    assert before
    clone = place.work.parent / "other"
    subprocess.run(["git", "clone", "-q", str(bare.path), str(clone)], check=True, capture_output=True)
    git(clone, "rm", "-q", ".github/workflows/gitreg-verify.yml", ".github/CODEOWNERS")
    git(clone, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-m", "gone")
    bare.text("fetch", "-q", str(clone), "main")
    try:
        assert bare.move("refs/heads/main", git(clone, "rev-parse", "HEAD"))
        code, points, _ = place.doctor(monkeypatch, capsys, place.github.personal_token("alice-gh"))
    finally:
        bare.move("refs/heads/main", before)
    assert code == 1
    gone = {name for (_, name), point in points.items() if point["needed"] and point["ok"] is False}
    assert gone == {"CODEOWNERS", "gate", "owners of the rules"}
