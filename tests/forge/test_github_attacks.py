"""People with write access to a registry on GitHub who want what its policy does not give them.

Alice may approve what goes to production, and wants to approve what she made herself. Each docstring says what the
attacker hopes for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flow_kit import MAIN, POLICY, blocking, git, promote

from forge.test_github_ci import NAME, Asked, World, ci_world
from gitreg.adapters.forge.github.pulls import STATUS, bounded, runs_named
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.plan.annotate import plan_annotate
from gitreg.core.plan.plan import Plan
from gitreg.core.report.change_request import change_request_body
from gitreg.core.snapshot import Snapshot
from gitreg.flows.ci import judge_event


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with ci_world(tmp_path, monkeypatch) as made:
        yield made


def judged(world: World) -> tuple[list[str], str]:
    """The rules that keep the newest state of the request from landing, and what they say."""
    findings = world.judged("pull_request", world.announced("pull_request")).findings
    return blocking(findings), " ".join(finding.message for finding in findings)


def push(world: World, asked: Asked, token: str, *refs: str) -> None:
    git(asked.folder, "push", "-q", world.github.remote(NAME, token), *refs)


def add(world: World, asked: Asked, token: str) -> None:
    """A commit in Dan's name on his request, pushed by somebody else."""
    git(asked.folder, "commit", "-q", "--allow-empty", "-m", "More")
    push(world, asked, token, "HEAD:dans")


# --- whose change it is


def test_a_workflow_pushes_for_who_approves(world: World) -> None:
    """A workflow of Alice's own branch pushes to Dan's request in Dan's name, so that no hand in it is hers."""
    asked = world.ask(promote(2, "production"))
    add(world, asked, world.github.actions_token(NAME))
    world.github.review("alice-gh", asked.number)
    blocked, why = judged(world)
    assert blocked == ["GR401"]
    assert "the bot github-actions[bot] pushed to this change request" in why


def test_a_workflow_pushes_while_another_run_runs(world: World) -> None:
    """As before, and Alice has the request name runs of Bo that ran just then: one that verifies, one that promotes."""
    asked = world.ask(promote(2, "production"))
    add(world, asked, world.github.actions_token(NAME))
    verify = world.github.add_run(asked.head, "pull_request", None, login="bo-gh")
    path = ".github/workflows/gitreg-promote.yml"
    other = world.github.add_run(
        asked.head, "workflow_dispatch", None, login="bo-gh", path=path, branch="main"
    )
    other.title = "Promote credit-risk/3 to staging"
    world.github.review("alice-gh", asked.number)
    pull = world.hub.pulls[asked.number]
    for run, why in ((verify, "no run that is named ran then"), (other, "about something else")):
        pull.body = f"<!-- gitreg:run={run.id} -->"
        blocked, said = judged(world)
        assert blocked == ["GR401"]
        assert why in said


def test_a_branch_is_deleted_so_that_its_author_restores_it(world: World) -> None:
    """Alice adds to Dan's branch and deletes it. He restores it, and is the one who pushed it "first"."""
    asked = world.ask(promote(2, "production"))
    alice = world.github.personal_token("alice-gh")
    add(world, asked, alice)
    push(world, asked, alice, ":dans")
    push(world, asked, world.github.personal_token("dan-gh"), "HEAD:dans")
    world.github.act("dan-gh", "PATCH", f"/repos/{NAME}/pulls/{asked.number}", {"state": "open"})
    world.github.review("alice-gh", asked.number)
    blocked, why = judged(world)
    assert blocked == ["GR401"]
    assert "it is the pusher's own" in why


def test_a_bot_that_everybody_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy lists the account of all workflows; Alice has one of her own open the request, and approves it."""
    robot = "  - {id: robot, bot: true, github: 'github-actions[bot]'}\n"
    with ci_world(tmp_path, monkeypatch, POLICY.replace("groups:\n", f"{robot}groups:\n", 1)) as world:
        asked = world.ask(promote(2, "production"))
        pull = world.hub.pulls[asked.number]
        pull.login = "github-actions[bot]"
        world.github.review("alice-gh", asked.number)
        assert judged(world)[0] == ["GR401"]


# --- a queue


def test_an_objection_while_the_queue_waits(world: World) -> None:
    """Dan has his approved request queued quickly: what Alice says after the group was made is to come too late."""
    asked = world.ask(promote(2, "production"))
    world.github.review("alice-gh", asked.number)
    before = git(world.hub.bare.path, "rev-parse", MAIN)
    branch, head = world.github.queue(asked.number)
    group: Mapping[str, Any] = {
        "merge_group": {
            "head_sha": head,
            "head_ref": f"refs/heads/{branch}",
            "base_sha": before,
            "base_ref": MAIN,
        },
        "repository": {"full_name": NAME, "default_branch": "main"},
    }
    world.github.advance(minutes=5)
    world.github.review("alice-gh", asked.number, "REQUEST_CHANGES", "stop")
    ws = world.job("merge_group", group)
    assert blocking(judge_event(ws, world.event).findings) == ["GR401"]


# --- what the request says


def test_notes_that_look_like_gitreg_s_own_marks(world: World) -> None:
    """A note names a run that Dan started once; requests that show the note are to be taken for Dan's."""
    marks = ["<!-- gitreg:run=41 -->", "<!-- gitreg:status -->"]
    world.ask(lambda snapshot: plan_annotate(snapshot, "credit-risk", 3, {("description",): marks[0]}))
    (verdict,) = world.judged("pull_request", world.announced("pull_request")).verdicts
    body = change_request_body(verdict.judged)
    assert marks[0] in body
    own = "<!-- gitreg:run=42 -->"
    assert runs_named(bounded(body, [own])) == [42]
    assert runs_named(bounded(f"`{own}`", [own])) == [42]
    assert bounded(f"`{marks[1]}`", [STATUS]).splitlines()[-1] == STATUS


# --- what has landed


def test_a_push_that_no_audit_sees(world: World) -> None:
    """Alice lands a promotion round the rules with [skip ci] in its message; the next push's run knows only its own."""
    folder = world.clone("alice")
    before = git(folder, "rev-parse", "HEAD")
    ran = world.github.add_run(
        before, "push", "success", login="alice-gh", path=".github/workflows/gitreg-audit.yml", branch="main"
    )

    def pushed(title: str, plan: Plan | None = None) -> str:
        for path, data in (plan.edits if plan else {}).items():
            (folder / path).write_bytes(data or b"")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "--allow-empty", "-m", title)
        git(folder, "push", "-q", "origin", "HEAD:main")
        return git(folder, "rev-parse", "HEAD")

    with GitRepository.open(folder) as repository:
        plan = promote(2, "production")(Snapshot(repository.tree(before)))
    hidden = pushed("Promote [skip ci]", plan)
    after = pushed("Nothing to see")
    event = {"ref": MAIN, "before": hidden, "after": after, "repository": {"default_branch": "main"}}

    found = world.judged("push", event)
    assert (found.base, found.commits) == (before, (hidden, after))
    assert "GR401" in blocking(found.findings)
    ran.conclusion = "cancelled"  # then all of history is looked at
    assert world.judged("push", event).base == ""
