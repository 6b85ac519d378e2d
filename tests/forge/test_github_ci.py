"""Runs of CI on a GitHub: the events are the ones that it announces, and requests and reviews are its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from flow_kit import (
    MAIN,
    NOW,
    POLICY,
    REGISTRY,
    blocking,
    bytes_of,
    fast_import,
    git,
    pin,
    promote,
    store_object,
    story,
)

from forge.fake_github import FakeGitHub
from forge.fake_github_state import GitHubRepository
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.plan.plan import Plan
from gitreg.core.report.comment import verdict_comment
from gitreg.core.snapshot import Snapshot
from gitreg.errors import Undecided
from gitreg.flows.ci import Judgement, judge_event
from gitreg.flows.workspace import Workspace
from gitreg.wiring import Options
from gitreg.wiring.ci import ci_event, workspace_for

NAME = "acme/models"
PEOPLE = ("dan", "bo", "alice")
#: What a job may do that judges a request.
GRANTED = ("contents:read", "pull_requests:read", "issues:read", "actions:read")


@dataclass(frozen=True)
class Asked:
    """A pull request, and the clone that it was made in."""

    number: int
    head: str
    folder: Path


@dataclass
class World:
    """A private repository with a registry, and people and machines that work with it."""

    github: FakeGitHub
    hub: GitHubRepository
    folder: Path
    patch: pytest.MonkeyPatch

    def clone(self, name: str) -> Path:
        """Somebody's clone, who pushes with a token of theirs."""
        folder = self.folder / name
        git(
            self.folder,
            "clone",
            "-q",
            self.github.remote(NAME, self.github.personal_token(f"{name}-gh")),
            name,
        )
        git(folder, "config", "user.name", name.capitalize())
        git(folder, "config", "user.email", f"{name}@example.com")
        return folder

    def job(self, event: str, payload: Mapping[str, Any], *, granted: tuple[str, ...] = GRANTED) -> Workspace:
        """A job that an event starts: a fresh checkout that kept no credentials, and the job's token."""
        folder = self.folder / f"job-{len(list(self.folder.glob('job-*')))}"
        git(self.folder, "init", "-q", os.fspath(folder))
        git(folder, "remote", "add", "origin", self.github.remote(NAME))
        source = self.github.remote(NAME, self.github.personal_token("alice-gh"))
        git(
            folder,
            "fetch",
            "-q",
            source,
            "+refs/heads/*:refs/remotes/origin/*",
            "+refs/pull/*:refs/remotes/pull/*",
        )
        git(folder, "checkout", "-q", "--detach", "refs/remotes/origin/main")
        path = folder / ".git" / "event.json"
        path.write_text(json.dumps(payload))
        variables = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": os.fspath(path),
            "GITHUB_SERVER_URL": self.github.url,
            "GITHUB_REPOSITORY": NAME,
            "GITHUB_TOKEN": self.github.actions_token(NAME, granted),
        }
        for name, value in variables.items():
            self.patch.setenv(name, value)
        found = ci_event()
        assert found is not None
        self.event = found
        ws = workspace_for(found, Options(directory=os.fspath(folder)))
        return replace(ws, clock=lambda: NOW)

    def ask(self, make_plan: Callable[[Snapshot], Plan]) -> Asked:
        """Dan opens a pull request that does what a plan says."""
        folder = self.clone("dan")
        commit = git(folder, "rev-parse", "origin/main")
        with GitRepository.open(folder) as repository:
            plan = make_plan(Snapshot(repository.tree(commit)))
        for path, data in plan.edits.items():
            (folder / path).write_bytes(data or b"")
        git(folder, "checkout", "-q", "-b", "dans")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", plan.title)
        git(folder, "push", "-q", "origin", "dans")
        number = self.github.open_pull("dan-gh", "dans", title=plan.title)
        return Asked(number, git(folder, "rev-parse", "HEAD"), folder)

    def judged(self, event: str, payload: Mapping[str, Any]) -> Judgement:
        ws = self.job(event, payload)
        return judge_event(ws, self.event)

    def announced(self, event: str) -> Mapping[str, Any]:
        """The newest payload of an event."""
        return next(told.payload for told in reversed(self.github.announcements) if told.event == event)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with ci_world(tmp_path, monkeypatch) as made:
        yield made


@contextmanager
def ci_world(folder: Path, patch: pytest.MonkeyPatch, policy: str = POLICY) -> Iterator[World]:
    """A world whose people have the accounts ``NAME-gh``; at the end all exchanges must be as GitHub describes them."""
    pin(patch, folder / "home")
    for person in PEOPLE:
        policy = policy.replace(f"keys: [{person.upper()}]", f"github: {person}-gh")
    for number in (1, 2, 3):
        store_object(folder / "artifacts", bytes_of(number))
    with FakeGitHub(folder / "github", NOW) as github:
        for person in PEOPLE:
            github.add_person(f"{person}-gh", f"{person}@example.com")
        hub = github.add_repository(NAME, {f"{p}-gh": "write" for p in PEOPLE}, private=True)
        fast_import(hub.bare.path, story(policy, REGISTRY.replace("provider: local", "provider: github")))
        yield World(github, hub, folder, patch)
    github.demand_conforming()


def test_red_until_it_is_approved_then_green(world: World) -> None:
    asked = world.ask(promote(2, "production"))
    opened = world.announced("pull_request")
    assert blocking(world.judged("pull_request", opened).findings) == ["GR401"]
    failed = world.github.add_run(asked.head, "pull_request", "failure", login="dan-gh")

    world.github.review("alice-gh", asked.number)
    ws = world.job("pull_request_review", world.announced("pull_request_review"))
    (verdict,) = judge_event(ws, world.event).verdicts
    assert blocking(verdict.findings) == []
    assert verdict.request is not None
    assert verdict.request.id == str(asked.number)

    ws = world.job(
        "pull_request_review", world.announced("pull_request_review"), granted=(*GRANTED, "actions:write")
    )
    assert (ws.forge.rerun_failed(world.event.head or "") or "").endswith(f"/actions/runs/{failed.id}")
    assert world.github.reruns == [failed]
    assert blocking(world.judged("pull_request", opened).findings) == []


def test_the_verdict_is_one_comment(world: World) -> None:
    asked = world.ask(promote(3, "staging"))
    opened = world.announced("pull_request")
    for _ in range(2):
        ws = world.job(
            "pull_request",
            opened,
            granted=(*GRANTED, "issues:write"),
        )
        (verdict,) = judge_event(ws, world.event).verdicts
        assert verdict.request is not None
        text = verdict_comment(verdict.judged, verdict.findings, verdict.base, verdict.head)
        assert ws.forge.comment(verdict.request, text)
    (comment,) = world.hub.pulls[asked.number].comments
    assert "✅ gitreg: pass" in comment.body


def test_a_run_for_a_commit_that_was_replaced_passes_nothing(world: World) -> None:
    asked = world.ask(promote(3, "staging"))
    opened = world.announced("pull_request")
    git(asked.folder, "commit", "-q", "--allow-empty", "-m", "more")
    git(asked.folder, "push", "-q", "origin", "dans")
    with pytest.raises(Undecided, match="change #1 has moved on to"):
        world.judged("pull_request", opened)
    assert blocking(world.judged("pull_request", world.announced("pull_request")).findings) == []


def test_a_merge_queue_and_the_push_that_lands_it(world: World) -> None:
    asked = world.ask(promote(2, "production"))
    before = git(world.hub.bare.path, "rev-parse", MAIN)
    branch, head = world.github.queue(asked.number)
    group = {
        "action": "checks_requested",
        "merge_group": {
            "head_sha": head,
            "head_ref": f"refs/heads/{branch}",
            "base_sha": before,
            "base_ref": MAIN,
        },
        "repository": {"full_name": NAME, "default_branch": "main"},
    }
    assert blocking(world.judged("merge_group", group).findings) == ["GR401"]
    world.github.review("alice-gh", asked.number)
    found = world.judged("merge_group", group)
    assert blocking(found.findings) == []
    assert [verdict.request and verdict.request.id for verdict in found.verdicts] == [str(asked.number)]

    world.github.land(asked.number, branch, "alice-gh")
    push = {"ref": MAIN, "before": before, "after": head, "forced": False, "repository": group["repository"]}
    assert blocking(world.judged("push", push).findings) == []
