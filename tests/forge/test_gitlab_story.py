"""The whole story on GitLab, by the command line alone: begin, register, promote, approve, merge, resolve."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flow_kit import git, pin

from forge.fake_gitlab import FakeGitLab
from forge.records import Hosted
from forge.story_kit import BEGUN, SOURCE, Payloads, Person, Said, stage_first_version
from gitreg.adapters.forge.gitlab import merge as gitlab_merge

HUB = "acme/risk/models"


@dataclass
class Story:
    """Alice, who owns the rules, and Bo, on a registry that Alice began on a guarded project."""

    gitlab: FakeGitLab
    hub: Hosted
    alice: Person
    bo: Person
    ci_token: str
    payloads: Payloads
    folder: Path

    def ci(self, number: int, code: int | None = 0) -> Said:
        """What the job of a merge request's pipeline does: all history at its head, GitLab's variables, the gate."""
        found = self.gitlab.settings(self.hub).requests[number]
        head = self.hub.bare.branch(found.source)
        assert head
        place = self.folder / f"ci-{number}-{len(list(self.folder.glob('ci-*')))}"
        url = self.gitlab.remote(HUB, self.ci_token)
        git(self.folder, "clone", "-q", url, os.fspath(place))
        git(place, "remote", "set-url", "origin", f"{self.gitlab.url}/{HUB}.git")
        git(place, "checkout", "-q", "--detach", head)
        environment = {
            "GITLAB_CI": "true",
            "CI": "true",
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_IID": str(number),
            "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_PROJECT_PATH": HUB,
            "CI_PROJECT_PATH": HUB,
            "CI_DEFAULT_BRANCH": "main",
            "CI_COMMIT_SHA": head,
            "CI_SERVER_URL": self.gitlab.url,
            "CI_API_V4_URL": f"{self.gitlab.url}/api/v4",
            "GITLAB_TOKEN": self.ci_token,
        }
        alice = self.alice
        runner = Person("ci", place, environment, alice.capsys, alice.patch, alice.keys)
        said = runner(
            "verify", "--report", f"gitlab={place}.json", "--report", f"junit={place}.xml", code=None
        )
        status = "success" if said.code == 0 else "failed"
        self.gitlab.set_pipeline(self.hub, head, status)
        assert code is None or said.code == code, (said.code, said.out, said.err)
        return said

    def land(self, number: int) -> Said:
        """CI judges it, and Alice merges."""
        self.ci(number)
        return self.alice("change", "merge", str(number))

    def in_staging(self) -> None:
        """Version 1 of credit-risk, registered and promoted."""
        payload = self.payloads(b"model 1\n")
        self.alice("register", "credit-risk", payload, "--create", "--metric", "accuracy=0.91")
        self.land(1)
        self.alice("promote", "credit-risk/1", "--to", "staging")
        self.land(2)


@pytest.fixture
def story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keys: Path
) -> Iterator[Story]:
    """A registry without models."""
    pin(monkeypatch, tmp_path / "home")
    with FakeGitLab(tmp_path / "gitlab") as gitlab:
        yield begin(gitlab, tmp_path, monkeypatch, capsys, keys)
    gitlab.demand_conforming()


@pytest.fixture
def staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keys: Path
) -> Iterator[Story]:
    """A registry whose credit-risk/1 has been in staging from its beginning."""
    pin(monkeypatch, tmp_path / "home")
    with FakeGitLab(tmp_path / "gitlab") as gitlab:
        yield begin(gitlab, tmp_path, monkeypatch, capsys, keys, staged=True)
    gitlab.demand_conforming()


def begin(
    gitlab: FakeGitLab,
    folder: Path,
    patch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keys: Path,
    *,
    staged: bool = False,
) -> Story:
    """``gitreg init --forge gitlab`` → push, on a project with the settings that docs/gitlab.md asks for."""
    for login in ("alice", "bo"):
        gitlab.add_user(login)
    hub = gitlab.add_project(HUB, alice="maintainer", bo="maintainer")
    settings = gitlab.settings(hub)
    settings.pipeline_must_succeed, settings.skipped_passes = True, False
    settings.committers_may_approve = settings.rules_overridable = False

    def person(name: str) -> Person:
        environment = {"GITLAB_HOST": gitlab.url, "GITLAB_TOKEN": gitlab.personal_token(name)}
        return Person(name, folder / name, environment, capsys, patch, keys)

    alice, bo = person("alice"), person("bo")
    alice.folder.mkdir()
    options = ["--forge", "gitlab", "--account", "alice", "--action", SOURCE]
    alice("init", ".", "--remote", os.fspath(folder / "artifacts"), *options)
    policy = alice.folder / "policy.yaml"
    text = policy.read_text()
    line = "  - {id: bo, email: bo@example.com, gitlab: bo}\n"
    text = text.replace("\ngroups:\n", f"{line}\ngroups:\n", 1).replace("[alice]", "[alice, bo]", 1)
    text = text.replace("\ndirect: []\n", "\ndirect: [annotate]\n")
    policy.write_text(text)
    alice("forge", "scaffold", "--action", SOURCE)
    alice.git("add", "-A")
    if staged:
        stage_first_version(alice.folder, folder / "artifacts")
    alice.commit("--amend", "--no-edit", when=BEGUN)
    url = gitlab.remote(HUB, alice.environment["GITLAB_TOKEN"])
    alice.git("remote", "add", "origin", f"{gitlab.url}/{HUB}.git")
    alice.git("push", "-q", url, "main")
    alice.git("fetch", "-q", url, "+refs/heads/*:refs/remotes/origin/*")
    git(folder, "clone", "-q", gitlab.remote(HUB, bo.environment["GITLAB_TOKEN"]), os.fspath(bo.folder))
    bo.git("remote", "set-url", "origin", f"{gitlab.url}/{HUB}.git")
    ci_token = gitlab.project_token(hub, "maintainer", "read_api", "read_repository")
    return Story(gitlab, hub, alice, bo, ci_token, Payloads(folder / "payloads"), folder)


def test_a_model_goes_to_production_by_a_merge_request(story: Story) -> None:
    alice, bo = story.alice, story.bo
    story.in_staging()
    proposed = alice("promote", "credit-risk/1", "--to", "production", "--format", "json").data
    assert (proposed["request"], proposed["how"]) == ("3", "opened")
    assert proposed["url"].endswith(f"/{HUB}/-/merge_requests/3")
    assert [f["rule"] for f in proposed["findings"]] == ["GR401"]
    request = story.gitlab.settings(story.hub).requests[3]
    assert (proposed["automerge"], request.auto_merge) == (None, None)
    assert request.title == "Promote credit-risk/1 to production"
    assert "| `credit-risk` | `1` | `staging` | `production` |" in request.description
    assert (
        alice("promote", "credit-risk/1", "--to", "production", "--format", "json").data["how"] == "adopted"
    )

    assert "entering production needs 1 approval of maintainers" in story.ci(3, code=1).out
    assert "GR401" in alice("change", "merge", "3", code=1).out

    bo("change", "approve", "3")
    assert bo("ci", "rerun", "!3").out.startswith("runs again: ")
    story.ci(3)
    assert bo("ci", "rerun", "3").out == "Nothing is to be run again.\n"
    bo("change", "merge", "3")
    assert bo("resolve", "credit-risk/production").out.startswith("credit-risk/1")
    assert git(story.hub.bare.path, "rev-parse", "main^{tree}") == bo.git("rev-parse", "origin/main^{tree}")
    assert "#3" in bo("history", "credit-risk").out


def test_an_approval_from_before_a_push_does_not_count(staged: Story) -> None:
    story, alice, bo = staged, staged.alice, staged.bo
    alice("promote", "credit-risk/1", "--to", "production")
    bo("change", "approve", "1")
    story.ci(1)
    source = story.gitlab.settings(story.hub).requests[1].source
    alice.adds_notes(story.gitlab.remote(HUB, alice.environment["GITLAB_TOKEN"]), source)

    red = story.ci(1, code=1)
    assert "entering production needs 1 approval of maintainers, and has 0" in red.out
    assert "GR401" in bo("change", "merge", "1", code=1).out
    assert bo("resolve", "credit-risk/production", code=1).err


def test_where_a_push_voids_no_approvals_only_signed_ones_count(staged: Story) -> None:
    """On GitLab Free nothing says that an approval is of the last commit."""
    story, alice, bo = staged, staged.alice, staged.bo
    story.gitlab.advance(minutes=-30)  # an approval in the very second in which rules change does not count
    policy = bo.folder / "policy.yaml"
    public = (bo.keys / "bo.pub").read_text().strip()
    bo.git("checkout", "-q", "-b", "keys")
    policy.write_text(policy.read_text().replace("gitlab: bo}", f'gitlab: bo, keys: ["{public}"]}}'))
    bo.commit("-m", "Bo signs")
    bo.git("push", "-q", story.gitlab.remote(HUB, bo.environment["GITLAB_TOKEN"]), "HEAD:keys")
    bo("change", "open", "keys")
    story.gitlab.advance(seconds=1)
    alice("change", "approve", "1")
    story.ci(1)
    alice("change", "merge", "1")

    story.gitlab.advance(minutes=30)
    story.gitlab.settings(story.hub).tier = "free"
    alice("promote", "credit-risk/1", "--to", "production")
    bo("change", "approve", "2")
    red = story.ci(2, code=1)
    assert "of bo does not count: this GitLab does not say that a push voids approvals" in red.out
    bo("change", "approve", "2", "--signed")
    story.ci(2)
    bo("change", "merge", "2")
    assert bo("resolve", "credit-risk/production").out.startswith("credit-risk/1")


def test_a_job_token_alone_is_told_that_it_does_not_do(story: Story) -> None:
    story.alice("register", "credit-risk", story.payloads(b"model 1\n"), "--create")
    token = story.gitlab.job_token("alice")
    environment = {"CI_SERVER_URL": story.gitlab.url, "CI_JOB_TOKEN": token}
    bo = story.bo
    job = Person("job", bo.folder, environment, bo.capsys, bo.patch, bo.keys)
    said = job("change", "show", "1", code=2)
    assert "a job token (CI_JOB_TOKEN) may not do that" in said.err
    assert "GITLAB_TOKEN" in said.err
    assert token not in said.out + said.err


def test_what_policy_lists_as_direct_merges_by_itself(staged: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody presses a button: the pipeline succeeds, somebody has approved, and GitLab merges."""
    monkeypatch.setattr(gitlab_merge, "PAUSE", 0.001)
    story, alice, bo = staged, staged.alice, staged.bo
    settings = story.gitlab.settings(story.hub)
    settings.approvals_required = 1
    annotate = ("version", "note", "credit-risk/1", "--description", "for cards alone")
    assert "  merges  not by itself: no pipeline has begun for it\n" in alice(*annotate).out
    story.gitlab.set_pipeline(story.hub, settings.requests[1].sha, "running")
    again = alice(*annotate, "--format", "json").data
    assert (again["how"], again["automerge"]) == ("adopted", {"on": True, "why": None})
    bo("change", "approve", "1")
    assert settings.requests[1].state == "opened"
    story.ci(1)
    assert settings.requests[1].state == "merged"
    alice("change", "merge", "1")  # it is merged, so there is nothing to do
    assert "for cards alone" in alice("show", "credit-risk/1").out
    assert alice("audit", "--since", alice.git("rev-list", "--max-parents=0", "origin/main")).code == 0
