"""``gitreg doctor --forge`` on a GitLab: each setting that the rules rest on is read as it is now."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flow_kit import git, pin

from forge.fake_gitlab import FakeGitLab
from forge.gitlab_records import Protection, Settings
from forge.records import Hosted
from gitreg.adapters.forge.address import Address
from gitreg.adapters.forge.gitlab.api import GitlabApi
from gitreg.adapters.forge.gitlab.settings import GitlabInspector
from gitreg.adapters.forge.tokens import JOB, Token
from gitreg.core.doctor.gitlab import gitlab_points
from gitreg.core.doctor.point import exit_code
from gitreg.core.forge_settings import GitlabSettings
from gitreg.surfaces.cli.main import run

HUB = "acme/risk/models"
COMMIT = "3f786850e387550fdab836ed7e6dc881de23001b"


@dataclass
class Place:
    """A registry's project on GitLab, set up as it must be; alice maintains it, bob develops, rita reports."""

    gitlab: FakeGitLab
    hub: Hosted

    @property
    def settings(self) -> Settings:
        return self.gitlab.settings(self.hub)

    def missing(self, login: str = "alice", kind: str = "GitLab access token") -> dict[str, bool | None]:
        """What is needed and not so."""
        value = self.gitlab.job_token(login) if kind == JOB else self.gitlab.personal_token(login)
        host = self.gitlab.url.removeprefix("http://")
        address = Address("gitlab", "http", host, HUB, f"{self.gitlab.url}/api/v4")
        api = GitlabApi(address, Token(value, kind, "GITLAB_TOKEN"))
        try:
            facts = GitlabInspector(api).settings("main")
        finally:
            api.close()
        assert isinstance(facts, GitlabSettings)
        points = [point for point in gitlab_points(facts) if point.needed and point.ok is not True]
        assert exit_code(points) == (0 if not points else 1 if any(p.ok is False for p in points) else 3)
        return {point.name: point.ok for point in points}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGitLab]:
    with FakeGitLab(tmp_path_factory.mktemp("gitlab")) as gitlab:
        for login in ("alice", "bob", "rita"):
            gitlab.add_user(login)
        yield gitlab


@pytest.fixture
def place(served: FakeGitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    pin(monkeypatch, tmp_path / "home")
    hub = served.add_project(HUB, alice="maintainer", bob="developer", rita="reporter")
    made = Place(served, hub)
    settings = made.settings
    settings.protections = {"main": Protection(push=0, code_owners=True)}
    settings.pipeline_must_succeed, settings.merge_method = True, "rebase_merge"
    settings.committers_may_approve = settings.rules_overridable = False
    yield made
    subprocess.run(["rm", "-rf", str(hub.bare.path)], check=True)


def with_value(**values: Any) -> Callable[[Settings], None]:
    def change(settings: Settings) -> None:
        for name, value in values.items():
            setattr(settings, name, value)

    return change


def protected(**patterns: Protection) -> Callable[[Settings], None]:
    return with_value(protections={name.replace("_", "*"): rule for name, rule in patterns.items()})


def test_a_project_with_all_settings_has_nothing_missing(place: Place) -> None:
    assert place.missing() == {}


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (protected(), {"push", "force push", "code owners"}),
        (protected(main=Protection(push=40, code_owners=True)), {"push"}),
        (protected(main=Protection(push=0, code_owners=True, allow_force=True)), {"force push"}),
        (protected(main=Protection(push=0)), {"code owners"}),
        (with_value(pipeline_must_succeed=False), {"pipeline"}),
        (with_value(skipped_passes=True), {"skipped pipeline"}),
        (with_value(merge_method="merge"), {"up to date"}),
        (with_value(merge_method="ff"), {"merge method"}),
        (with_value(resets_approvals=False), {"stale approvals"}),
        (with_value(author_may_approve=True), {"approval by the author"}),
        (with_value(committers_may_approve=True), {"approval by committers"}),
        (with_value(rules_overridable=True), {"approval rules"}),
    ],
)
def test_each_setting_that_is_not_so_is_named(
    place: Place, change: Callable[[Settings], None], missing: set[str]
) -> None:
    change(place.settings)
    assert place.missing() == dict.fromkeys(missing, False)


def test_the_most_permissive_rule_counts_and_of_code_owners_the_strictest(place: Place) -> None:
    strict = Protection(push=0, code_owners=True)
    protected(main=strict, ma_=Protection(push=40))(place.settings)
    assert place.missing() == {"push": False}
    protected(main=Protection(push=0), _=strict)(place.settings)
    assert place.missing() == {}
    protected(other_=strict)(place.settings)
    assert place.missing()["push"] is False


def test_merge_trains_bring_requests_up_to_date(place: Place) -> None:
    with_value(merge_method="merge", merge_trains=True)(place.settings)
    assert place.missing() == {}


def test_without_premium_the_pipeline_must_come_from_another_project(place: Place) -> None:
    place.settings.tier = "free"
    assert place.missing() == dict.fromkeys(["code owners", "approvals"], False)
    place.settings.ci_config = "gitreg.yml@acme/pipelines"
    assert place.missing() == {}


def test_who_may_not_see_settings_learns_which(place: Place) -> None:
    assert place.missing("bob") == {"approvals": None}
    assert place.missing("rita") == dict.fromkeys(["push", "force push", "code owners", "approvals"])


def test_a_job_token_sees_little(place: Place) -> None:
    hidden = dict.fromkeys(["push", "force push", "code owners", "approvals"])
    assert place.missing("alice", JOB) == hidden


def test_the_command_reads_it_all(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "home" / "gitconfig").open("a") as config:
        config.write("[user]\nname = Alice\nemail = alice@example.com\n")
    for name in ("CI_SERVER_URL", "CI_JOB_TOKEN", "GITLAB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    work, token = tmp_path / "work", place.gitlab.personal_token("alice")
    (tmp_path / "artifacts").mkdir()
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    git(work, "remote", "add", "origin", place.gitlab.remote(HUB))
    made = ["--forge", "gitlab", "--account", "alice", "--action", f"acme/gitreg@{COMMIT}"]
    assert run(["init", os.fspath(work), *made, "--remote", os.fspath(tmp_path / "artifacts")]) == 0
    push = ["git", "push", "-q", place.gitlab.remote(HUB, token), "main"]
    subprocess.run(push, cwd=work, check=True, capture_output=True)
    monkeypatch.setenv("GITLAB_HOST", place.gitlab.url.removeprefix("http://"))
    monkeypatch.setenv("GITLAB_TOKEN", token)
    git(work, "fetch", "-q", place.gitlab.remote(HUB, token), "main:refs/remotes/origin/main")
    capsys.readouterr()
    code = run(["-C", os.fspath(work), "doctor", "--forge", "--format", "json"])
    out, err = capsys.readouterr()
    assert code == 0, out
    points = {(each["about"].split(",")[0], each["name"]): each["ok"] for each in json.loads(out)["points"]}
    assert points[("GitLab", "code owners")]
    assert points[("the files on main", "owners of the rules")]
    assert points[("the files on main", "gate")]
    assert token not in out + err
