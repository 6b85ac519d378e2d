"""The whole story on GitHub, by the command line alone: begin, register, promote, review, merge, resolve."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flow_kit import git, pin

from forge.fake_github import FakeGitHub
from forge.fake_github_state import GitHubRepository
from forge.story_kit import BEGUN, SOURCE, Payloads, Person, Said, stage_first_version

HUB = "acme/models"


@dataclass
class Story:
    """Alice, who owns the rules, and Bo, on a registry that Alice began on GitHub, with its ruleset in force."""

    github: FakeGitHub
    hub: GitHubRepository
    alice: Person
    bo: Person
    payloads: Payloads
    folder: Path

    def ci(self, event: str, *args: str, code: int | None = 0) -> Said:
        """What GitHub's run for its latest announcement of an event does: a fresh clone, the event's file, the gate."""
        found = next(a for a in reversed(self.github.announcements) if a.event == event)
        head = found.payload["pull_request"]["head"]["sha"]
        token = self.github.actions_token(HUB)
        place = self._checkout(token, head)
        payload = place.with_suffix(".json")
        payload.write_text(json.dumps(found.payload))
        environment = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": os.fspath(payload),
            "GITHUB_SERVER_URL": self.github.url,
            "GITHUB_API_URL": self.github.api,
            "GITHUB_REPOSITORY": HUB,
            "GITHUB_TOKEN": token,
            "GITHUB_STEP_SUMMARY": os.fspath(place.with_suffix(".md")),
        }
        alice = self.alice
        runner = Person("ci", place, environment, alice.capsys, alice.patch, alice.keys)
        said = runner("verify", "--format", "github", *args, code=None)
        self.github.set_check(head, "gitreg", "success" if said.code == 0 else "failure")
        assert code is None or said.code == code, (said.code, said.out, said.err)
        return said

    def _checkout(self, token: str, head: str) -> Path:
        """A fresh clone with a request's commit and all history, without credentials, as actions/checkout makes it."""
        place = self.folder / f"ci-{len(list(self.folder.glob('ci-*.json')))}"
        url = self.github.remote(HUB, token)
        git(self.folder, "clone", "-q", url, os.fspath(place))
        git(place, "remote", "set-url", "origin", f"{self.github.url}/{HUB}.git")
        git(place, "fetch", "-q", url, head)
        git(place, "checkout", "-q", "--detach", head)
        return place

    def land(self, number: int) -> Said:
        """Bo has a look, CI judges it, and Alice merges."""
        self.bo("change", "approve", str(number))
        self.ci("pull_request")
        return self.alice("change", "merge", str(number))


@pytest.fixture
def story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keys: Path
) -> Iterator[Story]:
    """A registry without models."""
    pin(monkeypatch, tmp_path / "home")
    with FakeGitHub(tmp_path / "github") as github:
        yield begin(github, tmp_path, monkeypatch, capsys, keys)
    github.demand_conforming()


@pytest.fixture
def staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keys: Path
) -> Iterator[Story]:
    """A registry whose credit-risk/1 has been in staging from its beginning."""
    pin(monkeypatch, tmp_path / "home")
    with FakeGitHub(tmp_path / "github") as github:
        yield begin(github, tmp_path, monkeypatch, capsys, keys, staged=True)
    github.demand_conforming()


def begin(
    github: FakeGitHub,
    folder: Path,
    patch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keys: Path,
    *,
    staged: bool = False,
) -> Story:
    """``gitreg init --forge github`` → push → the ruleset that it wrote, put in force."""
    for login, name in (("alice-gh", "alice"), ("bo-gh", "bo")):
        github.add_person(login, f"{name}@example.com")
    hub = github.add_repository(HUB, {"alice-gh": "admin", "bo-gh": "write"}, private=True)
    hub.allow_auto_merge = True

    def person(name: str) -> Person:
        environment = {
            "GITHUB_SERVER_URL": github.url,
            "GH_TOKEN": github.personal_token(f"{name}-gh"),
        }
        return Person(name, folder / name, environment, capsys, patch, keys)

    alice, bo = person("alice"), person("bo")
    alice.folder.mkdir()
    options = ["--forge", "github", "--account", "alice-gh", "--action", SOURCE]
    alice("init", ".", "--remote", os.fspath(folder / "artifacts"), *options)
    policy = alice.folder / "policy.yaml"
    text = policy.read_text()
    bo_line = "  - {id: bo, email: bo@example.com, github: bo-gh}\n"
    text = text.replace("\ngroups:\n", f"{bo_line}\ngroups:\n", 1).replace("[alice]", "[alice, bo]", 1)
    text = text.replace("\ndirect: []\n", "\ndirect: [annotate]\n")
    policy.write_text(text)
    alice("forge", "scaffold", "--action", SOURCE)
    if staged:
        stage_first_version(alice.folder, folder / "artifacts")
    alice.commit("--amend", "--no-edit", when=BEGUN)
    alice.git("remote", "add", "origin", f"{github.url}/{HUB}.git")
    alice.git("push", "-q", github.remote(HUB, alice.environment["GH_TOKEN"]), "main")
    alice.git(
        "fetch",
        "-q",
        github.remote(HUB, alice.environment["GH_TOKEN"]),
        "+refs/heads/*:refs/remotes/origin/*",
    )
    git(folder, "clone", "-q", github.remote(HUB, bo.environment["GH_TOKEN"]), os.fspath(bo.folder))
    bo.git("remote", "set-url", "origin", f"{github.url}/{HUB}.git")
    github.add_ruleset("alice-gh", json.loads((alice.folder / ".github" / "gitreg-ruleset.json").read_text()))
    return Story(github, hub, alice, bo, Payloads(folder / "payloads"), folder)


def test_a_model_goes_to_production_by_a_pull_request(story: Story) -> None:
    alice, bo = story.alice, story.bo
    registered = alice(
        "register",
        "credit-risk",
        story.payloads(b"model 1\n"),
        "--create",
        "--metric",
        "accuracy=0.91",
        "--format",
        "json",
    ).data
    assert (registered["request"], registered["how"]) == ("1", "opened")
    story.land(1)
    alice("promote", "credit-risk/1", "--to", "staging")
    story.land(2)

    proposed = alice("promote", "credit-risk/1", "--to", "production", "--format", "json").data
    assert proposed["url"] == f"{story.github.url}/{HUB}/pull/3"
    assert [f["rule"] for f in proposed["findings"]] == ["GR401"]
    pull = story.hub.pulls[3]
    assert (proposed["automerge"], pull.auto_merge) == (None, None)
    assert pull.title == "Promote credit-risk/1 to production"
    assert "| `credit-risk` | `1` | `staging` | `production` |" in pull.body
    assert "nobody has approved; alice, bo may" in pull.body
    assert pull.reviewers == ["bo-gh"]
    # The same again adopts it.
    assert (
        alice("promote", "credit-risk/1", "--to", "production", "--format", "json").data["how"] == "adopted"
    )
    # Somebody gives it another base; asking for the same takes that back.
    alice.git(
        "push",
        "-q",
        story.github.remote(HUB, alice.environment["GH_TOKEN"]),
        "origin/main:refs/heads/elsewhere",
    )
    story.github.retarget("bo-gh", 3, "elsewhere")
    again = alice("promote", "credit-risk/1", "--to", "production", "--format", "json").data
    assert (again["request"], again["how"], pull.base_ref) == ("3", "renewed", "main")

    red = story.ci("pull_request", code=1)
    assert "::error" in red.out
    assert "entering production needs 1 approval of maintainers" in red.out
    blocked = alice("change", "merge", "3", code=1)
    assert "GR401" in blocked.out

    bo("change", "approve", "3")
    story.ci("pull_request_review")
    assert story.ci("pull_request").code == 0
    bo("change", "merge", "3")
    assert bo("resolve", "credit-risk/production").out.startswith("credit-risk/1")
    assert git(story.hub.bare.path, "rev-parse", "main^{tree}") == bo.git("rev-parse", "origin/main^{tree}")


def test_an_approval_from_before_a_push_does_not_count(staged: Story) -> None:
    """GitHub dismisses it by the ruleset; without that setting gitreg would not count it either."""
    story, alice, bo = staged, staged.alice, staged.bo
    alice("promote", "credit-risk/1", "--to", "production")
    bo("change", "approve", "1")
    story.ci("pull_request_review")

    url = story.github.remote(HUB, alice.environment["GH_TOKEN"])
    alice.adds_notes(url, story.hub.pulls[1].head_ref)

    red = story.ci("pull_request", code=1)
    assert "entering production needs 1 approval of maintainers, and has 0" in red.out
    assert "of bo does not count: it " in red.out
    assert "GR401" in bo("change", "merge", "1", code=1).out
    assert bo("resolve", "credit-risk/production", code=1).err


def test_what_policy_lists_as_direct_merges_by_itself(staged: Story) -> None:
    """Nobody presses a button: the check is green, somebody has looked at it, and GitHub merges."""
    story, alice, bo = staged, staged.alice, staged.bo
    said = alice("version", "note", "credit-risk/1", "--description", "for cards alone").out
    assert "  merges  by itself once its check and reviews are there\n" in said
    again = alice("version", "note", "credit-risk/1", "--description", "for cards alone", "--format", "json")
    assert (again.data["how"], again.data["automerge"]) == ("adopted", {"on": True, "why": None})
    assert story.ci("pull_request").code == 0
    assert story.hub.pulls[1].state == "open"
    bo("change", "approve", "1")
    assert story.hub.pulls[1].merged
    alice("change", "merge", "1")  # it is merged, so there is nothing to do
    assert "for cards alone" in alice("show", "credit-risk/1").out
    assert alice("audit", "--since", alice.git("rev-list", "--max-parents=0", "origin/main")).code == 0

    story.hub.allow_auto_merge = False
    said = alice("version", "note", "credit-risk/1", "--description", "for loans, too").out
    assert "  merges  not by itself: cannot have #2 merge by itself: GitHub says: " in said
    assert "Allow auto-merge" in said


def test_every_answer_says_what_to_do_next(story: Story) -> None:
    alice, bo = story.alice, story.bo
    page = f"{story.github.url}/{HUB}/pull/1"
    payload = story.payloads(b"model 1\n")
    opened = alice("register", "credit-risk", payload, "--create", "--metric", "accuracy=0.91").out
    assert f"  page    {page}\n" in opened
    assert "next    gitreg change merge 1, once it has the review and the check" in opened

    own = alice("change", "approve", "1", code=1).err
    assert "hint: nobody approves their own change" in own
    early = alice("change", "merge", "1", code=1).err
    assert "violations found; At least 1 approving review" in early
    assert "which review or check is missing" in early

    asked = bo("change", "approve", "1", "--dry-run").out
    assert asked.startswith("You would leave a review:")
    assert story.hub.pulls[1].reviews == []
    assert "next    gitreg change merge 1" in bo("change", "approve", "1").out
    story.ci("pull_request")
    alice("change", "merge", "1")

    shown = bo("change", "show", "1").out
    assert shown.splitlines()[:2] == ["Change #1 (merged): Register credit-risk/1", f"  page    {page}"]
    assert "  author  alice\n" in shown
    assert "###" not in shown
    assert "gitreg verify" not in shown


def test_whoever_approves_is_told_whether_that_counts(story: Story) -> None:
    alice, bo = story.alice, story.bo
    policy = alice.folder / "policy.yaml"
    policy.write_text(policy.read_text() + "# One line more\n")
    alice.git("switch", "-qc", "words")
    alice.git("-c", "user.name=Alice", "-c", "user.email=alice@example.com", "commit", "-qam", "More words")
    alice("change", "open", "words")

    story.github.add_person("dan-gh", "dan@example.com")
    story.hub.access["dan-gh"] = "write"
    dan = bo("change", "approve", "1", GH_TOKEN=story.github.personal_token("dan-gh")).out
    assert "needs   changing the rules needs 1 approval of maintainers, and has 0" in dan
    assert "note    a review of the account dan-gh does not count" in dan
    assert "next    gitreg change show 1" in dan

    mine = bo("change", "approve", "1", "--format", "json").data
    assert {finding["outcome"] for finding in mine["findings"]} == {"warning"}


def test_a_promotion_is_explained_to_the_person_whose_address_git_has(story: Story) -> None:
    alice = story.alice
    alice("register", "credit-risk", story.payloads(b"model 1\n"), "--create", "--metric", "accuracy=0.91")
    story.land(1)
    found = alice("policy", "explain", "credit-risk/1", "--to", "production", code=1).out
    assert "nobody has approved; bo may" in found
    assert "git fetch brings what has landed" in story.bo("resolve", "credit-risk/latest", code=1).err
    assert "SSH" not in found


def test_what_another_change_has_got_ahead_of_is_refreshed_and_then_lands(story: Story) -> None:
    """The ruleset lets in only what was checked on the newest base, also where nothing conflicts."""
    alice, bo = story.alice, story.bo
    for number, name in (("1", "one"), ("2", "売上予測モデル")):
        alice("register", name, story.payloads(name.encode()), "--create")
        bo("change", "approve", number)
        story.ci("pull_request")
    alice("change", "merge", "1")
    head = story.hub.pulls[2].head
    behind = alice("change", "merge", "2", code=1).err
    assert "hint: gitreg change refresh 2 puts it on the newest base" in behind
    assert "planned again" in alice("change", "refresh", "2").out
    assert story.hub.pulls[2].head != head
    assert "is open already" in alice("change", "refresh", "2").out
    story.land(2)
    assert bo("resolve", "売上予測モデル/latest", code=1).err
    assert alice("resolve", "売上予測モデル/latest").out == "売上予測モデル/1\n"
