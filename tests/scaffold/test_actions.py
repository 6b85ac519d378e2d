"""The scaffolded workflows, run by act, on a GitHub: a good promotion goes green, a bad one red."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from actions_kit import Actions
from flow_kit import bytes_of, git, registration, store_object
from forge.fake_github import FakeGitHub
from forge.fake_github_acts import Unwilling
from forge.fake_github_rulebook import check_state
from scaffold_kit import COMMIT

from gitreg.adapters.git.worktree import WorkTree
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import NewModel, plan_register
from gitreg.core.plan.transition import plan_promote
from gitreg.core.snapshot import Snapshot
from gitreg.surfaces.cli.main import run

REPOSITORY = "acme/models"
POLICY = """\
apiVersion: gitreg/v1
kind: Policy
people:
  - {id: alice, github: alice-gh, email: alice@example.com}
  - {id: carol, github: carol-gh, email: carol@example.com}
groups: {everybody: [alice, carol], owners: [carol]}
rules: {owners: [owners], approvals: [{group: owners, count: 1}]}
stages:
  - {name: staging, from: [none, archived]}
  - {name: production, from: [staging], holds: 1, replaced: archived, approvals: [{group: everybody, count: 1}]}
  - {name: archived, from: [none, staging, production]}
"""


class World:
    """A registry on GitHub as ``gitreg init --forge github`` makes it, with a version in staging; its ruleset holds."""

    def __init__(self, folder: Path, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
        self.github, self.work = github, folder / "work"
        self._patch = monkeypatch
        monkeypatch.setenv("GH_HOST", github.url.partition("//")[2])
        host = github.url.partition("//")[2]
        for login in ("alice", "carol"):
            account = github.add_person(f"{login}-gh")
            account.emails = (f"{login}@example.com", f"{account.id}+{login}-gh@users.noreply.{host}")
        github.add_repository(REPOSITORY, {"alice-gh": "write", "carol-gh": "admin"}, private=True)
        self.repo = github.repo(REPOSITORY)
        self.actions = Actions(github, REPOSITORY, folder / "runner")
        self._begin(folder / "artifacts")

    def _begin(self, artifacts: Path) -> None:
        self.be("carol")
        options = [
            "--account",
            "carol-gh",
            "--remote",
            os.fspath(artifacts),
            "--action",
            f"acme/gitreg@{COMMIT}",
        ]
        assert run(["init", os.fspath(self.work), "--forge", "github", *options]) == 0
        (self.work / "policy.yaml").write_text(POLICY)
        assert run(["-C", os.fspath(self.work), "forge", "scaffold", "--check"]) == 0
        # An approval in the very second in which the rules change would not count.
        begun = datetime.now(UTC) - timedelta(hours=1)
        git(self.work, "commit", "-q", "-a", "--amend", "--no-edit", when=begun)
        store_object(artifacts, bytes_of(1))
        new = registration("credit-risk", 1, create=NewModel(title="Credit risk"))
        self.land(plan_register(self.snapshot(), new), begun)
        self.land(plan_promote(self.snapshot(), "credit-risk", 1, "staging"), begun)
        git(self.work, "remote", "add", "origin", self.github.remote(REPOSITORY))
        git(self.work, "push", "-q", self.github.remote(REPOSITORY, self.be("carol")), "main")
        git(
            self.work,
            "fetch",
            "-q",
            self.github.remote(REPOSITORY, self.be("carol")),
            "main:refs/remotes/origin/main",
        )
        self.actions.skip()
        ruleset = json.loads((self.work / ".github" / "gitreg-ruleset.json").read_text())
        self.github.add_ruleset("carol-gh", ruleset)
        self.github.guard(self.repo)

    def snapshot(self) -> Snapshot:
        """The registry as it lies in the checkout."""
        return Snapshot(WorkTree(self.work))

    def land(self, plan: Plan, when: datetime | None = None) -> None:
        """Commits a plan to the branch that is checked out; nobody is asked. ``when``: as of that moment."""
        for path, data in plan.edits.items():
            (self.work / path).parent.mkdir(parents=True, exist_ok=True)
            (self.work / path).write_bytes(data or b"")
        git(self.work, "add", "-A", "--", *plan.edits)
        git(self.work, "commit", "-q", "-m", plan.title, when=when)

    def be(self, person: str) -> str:
        """From now on the commands are this person's; their token."""
        token = self.github.personal_token(f"{person}-gh")
        self._patch.setenv("GH_ENTERPRISE_TOKEN", token)
        for role in ("AUTHOR", "COMMITTER"):
            self._patch.setenv(f"GIT_{role}_NAME", person.title())
            self._patch.setenv(f"GIT_{role}_EMAIL", f"{person}@example.com")
        return token

    def gitreg(self, *args: str) -> int:
        return run(["-C", os.fspath(self.work), *args])

    def gate(self, number: int) -> str | None:
        """What GitHub makes of the required check of a request's head."""
        return check_state(self.repo, self.repo.pulls[number].head, "gitreg", 15368)

    def merge(self, login: str, number: int) -> str:
        """Presses the button; what GitHub says if it does not work."""
        try:
            self.github.merge_pull(login, number)
        except Unwilling as no:
            return str(no)
        return ""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with FakeGitHub(tmp_path / "github") as github:
        yield World(tmp_path, github, monkeypatch)
    github.demand_conforming()


def test_from_the_request_to_production(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.be("alice")
    assert world.gitreg("promote", "credit-risk/1", "--to", "production") == 0
    (red,) = world.actions.catch_up()
    assert not red.ok
    assert "::error" in red.printed, red.log
    assert "title=GR401" in red.printed
    assert "gitreg: fail" in red.summary
    assert red.job("gitreg, once more") is None
    assert world.gate(1) == "failure"
    assert "gitreg" in world.merge("alice-gh", 1)

    world.github.review("carol-gh", 1)
    reviewed, again = world.actions.catch_up()
    assert reviewed.ok, reviewed.log
    assert again.ok, again.log
    assert "gitreg: pass" in reviewed.summary
    assert world.gate(1) == "success"
    queued = world.actions.queue("alice-gh", 1)
    assert queued.ok, queued.log
    assert world.merge("alice-gh", 1) == ""

    (audit,) = world.actions.catch_up()
    assert audit.ok, audit.log
    capsys.readouterr()
    git(
        world.work,
        "fetch",
        "-q",
        world.github.remote(REPOSITORY, world.be("alice")),
        "main:refs/remotes/origin/main",
    )
    assert world.gitreg("resolve", "credit-risk/production") == 0
    assert "credit-risk/1" in capsys.readouterr().out


def test_a_change_of_hand_that_breaks_the_rules_goes_red_where_it_does(world: World) -> None:
    git(world.work, "switch", "-q", "-c", "sneaky")
    world.be("alice")
    place = "models/credit-risk/stages/staging.yaml"
    text = (world.work / place).read_text()
    (world.work / place).write_text(text.replace("digest: sha256:", "digest: sha256:0", 1)[:-2] + "\n")
    git(world.work, "commit", "-q", "-a", "-m", "A small fix")
    git(world.work, "push", "-q", world.github.remote(REPOSITORY, world.be("alice")), "sneaky")
    number = world.github.open_pull("alice-gh", "sneaky")
    (red,) = world.actions.catch_up()
    assert not red.ok
    assert re.search(rf"^::error file={place},line=\d+", red.printed, re.MULTILINE), red.log
    world.github.review("carol-gh", number)
    assert "gitreg" in world.merge("carol-gh", number)


def test_what_went_round_the_rules_turns_the_audit_red(world: World) -> None:
    world.repo.rulesets.clear()
    token = world.be("carol")
    (world.work / "models/credit-risk/stages/production.yaml").unlink(missing_ok=True)
    world.land(plan_promote(world.snapshot(), "credit-risk", 1, "production"))
    git(world.work, "push", "-q", world.github.remote(REPOSITORY, token), "main")
    (red,) = world.actions.catch_up()
    assert not red.ok
    assert "would restore gitreg-" in red.printed  # no request can have written the cache of this branch
    assert f"commit {git(world.work, 'rev-parse', 'HEAD')[:12]}" in red.printed
    assert "title=GR401" in red.printed


def test_promoted_from_the_web_page(world: World) -> None:
    """The person who fills in the form is who asks, and cannot approve; GitHub starts nothing for GITHUB_TOKEN."""
    world.repo.actions_may_approve = True
    form = {"model": "credit-risk", "version": "1", "stage": "production"}
    asked = world.actions.dispatch("alice-gh", "gitreg-promote.yml", form)
    assert asked.ok, asked.log
    assert "starts no checks" in asked.summary
    (number,) = world.repo.pulls
    assert world.repo.pulls[number].login == "github-actions[bot]"
    assert world.actions.catch_up() == []
    world.github.close_pull("carol-gh", number)
    world.github.act("carol-gh", "PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "open"})
    world.actions.skip()  # that starts a run is tested above
    world.github.review("alice-gh", number)
    (red,) = world.actions.catch_up()
    assert not red.ok
    assert "needs 1 approval of everybody, and has 0" in red.printed, red.log


def test_an_apps_token_starts_the_checks_by_itself(world: World) -> None:
    app = "gitreg-app[bot]"
    world.github.add_person(app, kind="Bot")
    world.actions.variables = {"GITREG_APP_CLIENT_ID": "Iv1.1"}
    granted = ("actions:read", "contents:write", "pull_requests:write")
    world.actions.secrets = {"GITREG_APP_PRIVATE_KEY": world.github.actions_token(REPOSITORY, granted, app)}
    form = {"model": "credit-risk", "version": "1", "stage": "production"}
    asked = world.actions.dispatch("alice-gh", "gitreg-promote.yml", form)
    assert asked.ok, asked.log
    assert "starts no checks" not in asked.summary
    assert [pull.login for pull in world.repo.pulls.values()] == [app]
    assert [told.by_token for told in world.github.announcements] == [False]


def test_the_form_takes_text_alone_and_works_from_the_registrys_branch_alone(world: World) -> None:
    form = {"model": '--help"; touch hacked; echo "$(id)', "version": "1`id`", "stage": "production"}
    asked = world.actions.dispatch("alice-gh", "gitreg-promote.yml", form)
    assert not asked.ok
    assert "uid=" not in asked.printed
    git(world.work, "push", "-q", world.github.remote(REPOSITORY, world.be("alice")), "main:refs/heads/other")
    form = {"model": "credit-risk", "version": "1", "stage": "production"}
    asked = world.actions.dispatch("alice-gh", "gitreg-promote.yml", form, "other")
    assert not asked.ok
    assert "from the registry's branch alone" in asked.printed, asked.log
    assert world.repo.pulls == {}
