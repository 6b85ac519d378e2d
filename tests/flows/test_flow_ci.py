"""What ``gitreg verify`` finds in a run of CI, in a checkout as CI makes it, with its forge in git itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flow_kit import MAIN, Desk, blocking, describe, git, message, promote, proposed

from gitreg.adapters.forge.local.forge import LocalForge
from gitreg.core.ci_event import CiEvent, EventKind
from gitreg.core.findings import Outcome
from gitreg.core.ports import ChangeRequest, Forge
from gitreg.core.verify.checks import APPROVALS, STRUCTURE
from gitreg.errors import Bug, ConfigError, Refused, Undecided, UsageError
from gitreg.flows.change import approve, merge
from gitreg.flows.ci import judge_event
from gitreg.flows.workspace import Workspace
from gitreg.wiring import Options
from gitreg.wiring.ci import workspace_for

RECORD = "models/credit-risk/versions/1/version.yaml"


def checkout(desk: Desk, commit: str, *options: str) -> Path:
    """A checkout as ``actions/checkout`` makes it: no remote HEAD, and a commit that is on no branch."""
    folder = desk.root / "ci"
    git(desk.root, "init", "-q", os.fspath(folder))
    git(folder, "remote", "add", "origin", desk.origin.as_uri())
    refs = ["+refs/heads/*:refs/remotes/origin/*"] if not options else []
    git(folder, "fetch", "-q", "--no-tags", *options, "origin", *refs, f"+{commit}:refs/remotes/pull/1/merge")
    git(folder, "checkout", "-q", "--detach", "refs/remotes/pull/1/merge")
    return folder


def in_ci(desk: Desk, event: CiEvent, folder: Path | None = None) -> Workspace:
    """A workspace in CI, at the desk's moment."""
    git(desk.origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    place = folder or checkout(desk, event.head or git(desk.origin, "rev-parse", "main"))
    ws = workspace_for(event, Options(directory=os.fspath(place)))
    desk.opened.append(ws)
    return replace(ws, clock=lambda: desk.now)


def asked(head: str | None, branch: str = "main", number: str = "7") -> CiEvent:
    return CiEvent(
        EventKind.REQUEST, "github", "pull_request", branch, head, request=number, default_branch="main"
    )


def queued(head: str, base: str | None, number: str = "") -> CiEvent:
    return CiEvent(
        EventKind.GROUP, "github", "merge_group", "main", head, base, number, default_branch="main"
    )


def pushed(head: str | None, before: str | None, branch: str = "main", *, forced: bool = False) -> CiEvent:
    return CiEvent(EventKind.PUSH, "github", "push", branch, head, before, "", forced, "main")


def tip(desk: Desk, branch: str = "main") -> str:
    return git(desk.origin, "rev-parse", f"refs/heads/{branch}")


@pytest.fixture
def to_staging(desk: Desk) -> ChangeRequest:
    """A change that needs nobody's approval."""
    return proposed(desk("dan"), promote(3, "staging")).request


@pytest.fixture
def to_production(desk: Desk) -> ChangeRequest:
    """A change that needs Alice's approval."""
    return proposed(desk("dan"), promote(2, "production")).request


class TestRequests:
    def test_a_good_change_may_land(self, desk: Desk, to_staging: ChangeRequest) -> None:
        event = asked(to_staging.head)
        found = judge_event(in_ci(desk, event), event)
        assert blocking(found.findings) == []
        (verdict,) = found.verdicts
        assert (verdict.base, verdict.head) == (tip(desk), to_staging.head)
        assert verdict.request is not None
        assert verdict.request.id == to_staging.id

    def test_a_change_without_its_approval_may_not(self, desk: Desk, to_production: ChangeRequest) -> None:
        event = asked(to_production.head)
        ws = in_ci(desk, event)
        assert blocking(judge_event(ws, event).findings) == ["GR401"]
        approve(desk("alice"), to_production.id)
        assert blocking(judge_event(ws, event).findings) == []

    def test_another_target_is_refused(self, desk: Desk, to_staging: ChangeRequest) -> None:
        git(desk.origin, "branch", "elsewhere", "main")
        event = asked(to_staging.head, "elsewhere")
        with pytest.raises(Refused, match="into 'elsewhere', not into the registry's branch 'main'"):
            judge_event(in_ci(desk, event), event)

    def test_a_head_that_is_not_in_the_checkout_is_undecided(
        self, desk: Desk, to_staging: ChangeRequest
    ) -> None:
        folder = checkout(desk, to_staging.head or "")
        event = asked("1" * 40)
        with pytest.raises(Undecided, match="111111111111 that this run is about is not in this checkout"):
            judge_event(in_ci(desk, event, folder), event)

    def test_a_shallow_checkout_is_undecided(self, desk: Desk, to_staging: ChangeRequest) -> None:
        event = asked(to_staging.head)
        folder = checkout(desk, to_staging.head or "", "--depth=1")
        with pytest.raises(Undecided) as error:
            judge_event(in_ci(desk, event, folder), event)
        assert "fetch-depth: 0" in message(error)

    def test_what_is_checked_out_does_not_choose_its_judge(self, desk: Desk) -> None:
        """The request says that another branch is the registry's, where everything is allowed."""
        text = (desk.show("gitreg.yaml") or "").replace("branch: main", "branch: evil")
        loose = (desk.show("policy.yaml") or "").replace("count: 1", "count: 0")
        evil = desk.commit({"gitreg.yaml": text, "policy.yaml": loose}, branch="evil")
        folder = checkout(desk, evil, "--depth=1")
        event = asked(evil)
        assert in_ci(desk, event, folder).branch == "main"
        with pytest.raises(ConfigError, match="no branch 'nowhere'"):
            in_ci(desk, replace(event, default_branch="nowhere"), _without_main(desk))


def _without_main(desk: Desk) -> Path:
    """A checkout of a repository that has neither ``main`` nor ``master``."""
    git(desk.origin, "symbolic-ref", "HEAD", "refs/heads/evil")
    git(desk.origin, "branch", "-q", "-D", "main")
    folder = desk.root / "other"
    git(desk.root, "clone", "-q", "--no-local", os.fspath(desk.origin), os.fspath(folder))
    git(folder, "remote", "set-head", "origin", "--delete")
    return folder


class Hosted(LocalForge):
    """A forge of the same requests, which CI and gitreg call by the same numbers."""

    @property
    def provider(self) -> str:
        return "github"


class Squashed(Hosted):
    """A forge that knows no request by what it does, as hosted ones know none of a squash."""

    def about(self, change_id: str, head: str | None) -> ChangeRequest | None:
        return None


class TestHostedRequests:
    def at(self, desk: Desk, event: CiEvent) -> Workspace:
        ws = in_ci(desk, event)
        return replace(ws, make_forge=lambda: Hosted(ws.repository, "main"))

    def test_the_request_is_the_forges(self, desk: Desk, to_staging: ChangeRequest) -> None:
        event = asked(to_staging.head, number=to_staging.id)
        assert blocking(judge_event(self.at(desk, event), event).findings) == []

    def test_a_request_that_has_moved_on_is_undecided(self, desk: Desk, to_staging: ChangeRequest) -> None:
        """Both heads would be let through, and the run for the first says nothing about the second."""
        moved = desk.commit({"README.md": "more\n"}, branch=to_staging.branch)
        event = asked(to_staging.head, number=to_staging.id)
        with pytest.raises(Undecided, match=f"change #1 has moved on to {moved[:12]}"):
            judge_event(self.at(desk, event), event)

    def test_a_request_that_is_over_is_refused(self, desk: Desk, to_staging: ChangeRequest) -> None:
        event = asked(to_staging.head, number=to_staging.id)
        ws = self.at(desk, event)
        merge(desk("bo"), to_staging.id)
        with pytest.raises(Refused, match="change #1 is merged"):
            judge_event(ws, event)


def _unasked() -> Forge:
    raise Bug("nobody asked for the forge")


class TestChecks:
    def test_structure_alone_asks_neither_forge_nor_remote(
        self, desk: Desk, to_production: ChangeRequest
    ) -> None:
        event = asked(to_production.head)
        ws = replace(in_ci(desk, event), make_forge=_unasked, open_store=lambda snapshot: _unasked())
        assert blocking(judge_event(ws, event, [STRUCTURE]).findings) == []

    def test_approvals_can_be_asked_for_without_the_remote(
        self, desk: Desk, to_production: ChangeRequest
    ) -> None:
        event = asked(to_production.head)
        ws = replace(in_ci(desk, event), open_store=lambda snapshot: _unasked())
        assert blocking(judge_event(ws, event, [STRUCTURE, APPROVALS]).findings) == ["GR401"]

    def test_structure_is_still_judged(self, desk: Desk) -> None:
        head = desk.commit({RECORD: (desk.show(RECORD) or "").replace("0.9", "0.99")}, branch="better")
        event = asked(head)
        assert blocking(judge_event(in_ci(desk, event), event, [STRUCTURE]).findings) == ["GR202"]

    def test_landings_are_judged_by_what_was_asked_for_up_to_the_last(self, desk: Desk) -> None:
        """Two commits without requests: only that they have none is wrong with them."""
        before = tip(desk)
        for text in ("one", "two"):
            desk.commit(describe(text)(desk.now_on()).edits)
        event = pushed(tip(desk), before)
        ws = in_ci(desk, event)
        found = judge_event(ws, event, [STRUCTURE])
        assert len(found.verdicts) == 2
        assert found.findings == ()
        assert blocking(judge_event(ws, event, [STRUCTURE, APPROVALS]).findings) == ["GR311"]


@pytest.fixture
def queue(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Merges a request's head, or squashes it, as a merge queue does; returns the commit, which is on a branch."""
    stamp = f"@{int(desk.now.timestamp())} +0000"
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_DATE", stamp)

    def onto(base: str, request: ChangeRequest, *, squash: str = "") -> str:
        folder = desk.root / "bo"
        git(folder, "fetch", "-q", "origin")
        git(folder, "checkout", "-q", "--detach", base)
        if squash:
            git(folder, "merge", "-q", "--squash", request.head or "")
            git(folder, "commit", "-q", "-m", squash)
        else:
            git(
                folder,
                "merge",
                "-q",
                "--no-ff",
                "-m",
                f"Merge pull request #{request.id}",
                request.head or "",
            )
        commit = git(folder, "rev-parse", "HEAD")
        git(folder, "push", "-q", "origin", f"HEAD:refs/heads/gh-readonly-queue/main/pr-{request.id}-{base}")
        return commit

    return onto


class TestGroups:
    @pytest.fixture
    def noted(self, desk: Desk) -> ChangeRequest:
        return proposed(desk("bo"), describe("A note.", 3)).request

    def test_each_request_is_judged_as_the_landing_that_it_will_be(
        self, desk: Desk, to_staging: ChangeRequest, noted: ChangeRequest, queue: Callable[..., str]
    ) -> None:
        first = queue(tip(desk), to_staging)
        second = queue(first, noted)
        event = queued(second, first, noted.id)
        found = judge_event(in_ci(desk, event), event)
        assert blocking(found.findings) == []
        assert [verdict.head for verdict in found.verdicts] == [first, second]
        assert [verdict.request and verdict.request.id for verdict in found.verdicts] == ["1", "2"]

    def test_nothing_lands_behind_what_may_not(
        self, desk: Desk, to_production: ChangeRequest, noted: ChangeRequest, queue: Callable[..., str]
    ) -> None:
        """A queue may land a request with the one before it, though that one's own run had failed."""
        first = queue(tip(desk), to_production)
        event = queued(queue(first, noted), first, noted.id)
        found = judge_event(in_ci(desk, event), event)
        assert blocking(found.findings) == ["GR401"]
        assert [verdict.head for verdict in found.verdicts] == [first]

    def test_squashes_are_found_by_what_they_do(
        self, desk: Desk, to_production: ChangeRequest, noted: ChangeRequest, queue: Callable[..., str]
    ) -> None:
        approve(desk("alice"), to_production.id)
        first = queue(tip(desk), to_production, squash="Promote (#1)")
        event = queued(queue(first, noted, squash="A note"), first, noted.id)
        found = judge_event(in_ci(desk, event), event)
        assert blocking(found.findings) == []
        assert [verdict.request and verdict.request.id for verdict in found.verdicts] == ["1", "2"]

    def test_a_squash_is_judged_without_the_forge(
        self, desk: Desk, to_production: ChangeRequest, queue: Callable[..., str]
    ) -> None:
        event = queued(queue(tip(desk), to_production, squash="Promote (#1)"), tip(desk), to_production.id)
        ws = replace(in_ci(desk, event), make_forge=_unasked)
        found = judge_event(ws, event, [STRUCTURE])
        assert blocking(found.findings) == []
        assert len(found.verdicts) == 1

    def test_a_number_of_a_request_with_another_history_leads_nowhere(
        self, desk: Desk, to_production: ChangeRequest, queue: Callable[..., str]
    ) -> None:
        """Anybody can write any number into a message."""
        event = queued(queue(tip(desk), to_production, squash="Promote (#1)"), tip(desk), to_production.id)
        folder = desk.root / "bo"
        anew = git(folder, "commit-tree", git(folder, "rev-parse", "main^{tree}"), "-m", "another history")
        git(folder, "push", "-q", "--force", "origin", f"{anew}:refs/heads/{to_production.branch}")
        ws = in_ci(desk, event)
        hosted = Squashed(ws.repository, "main")
        assert "GR401" in blocking(judge_event(replace(ws, make_forge=lambda: hosted), event).findings)

    def test_a_tree_that_nobody_asked_for_is_found(
        self, desk: Desk, to_staging: ChangeRequest, queue: Callable[..., str]
    ) -> None:
        first = queue(tip(desk), to_staging)
        folder = desk.root / "bo"
        (folder / "README.md").write_text("by the way\n")
        git(folder, "add", "README.md")
        git(folder, "commit", "-q", "--amend", "--no-edit")
        git(folder, "push", "-q", "origin", "HEAD:refs/heads/gh-readonly-queue/main/other")
        event = queued(git(folder, "rev-parse", "HEAD"), tip(desk), to_staging.id)
        assert first != event.head
        assert "GR208" in blocking(judge_event(in_ci(desk, event), event).findings)

    def test_what_does_not_lead_on_from_the_branch_is_undecided(self, desk: Desk) -> None:
        folder = desk.root / "bo"
        tree = git(folder, "rev-parse", "main^{tree}")
        begun_anew = git(folder, "commit-tree", tree, "-m", "another history")
        git(folder, "push", "-q", "origin", f"{begun_anew}:refs/heads/anew")
        event = queued(begun_anew, None)
        with pytest.raises(Undecided, match="does not lead from the registry's branch"):
            judge_event(in_ci(desk, event), event)


class TestPushes:
    def test_what_came_by_a_request_is_fine(self, desk: Desk, to_staging: ChangeRequest) -> None:
        before = tip(desk)
        after = merge(desk("bo"), to_staging.id).commit
        event = pushed(after, before)
        found = judge_event(in_ci(desk, event), event)
        assert blocking(found.findings) == []
        assert (found.base, found.head, found.commits) == (before, after, (after,))

    def test_what_bypassed_the_rules_is_found(self, desk: Desk) -> None:
        before = tip(desk)
        bad = desk.commit({RECORD: (desk.show(RECORD) or "").replace("0.9", "0.99")})
        event = pushed(bad, before)
        found = judge_event(in_ci(desk, event), event)
        assert blocking(found.findings) == ["GR202"]

    @pytest.mark.parametrize("forced", [True, False])
    def test_a_rewritten_history_is_found(self, desk: Desk, forced: bool) -> None:
        """GitLab does not say that a push was forced."""
        before = tip(desk)
        git(desk.origin, "update-ref", MAIN, f"{before}~1")
        event = pushed(tip(desk), before, forced=forced)
        (finding,) = judge_event(in_ci(desk, event), event).findings
        assert finding.rule == "GR601"
        assert "history was rewritten" in finding.message

    def test_a_commit_that_is_gone_is_found(self, desk: Desk) -> None:
        event = pushed(tip(desk), "1" * 40)
        (finding,) = judge_event(in_ci(desk, event), event).findings
        assert "it was at 111111111111, a commit that is gone" in finding.message

    def test_a_branch_that_was_made_is_told(self, desk: Desk) -> None:
        """Somebody may have deleted it, and made it again at an older commit: its history says nothing of that."""
        event = pushed(tip(desk), None)
        found = judge_event(in_ci(desk, event), event)
        assert len(found.commits) == len(git(desk.origin, "rev-list", "main").splitlines())
        (problem,) = found.problems
        assert (problem.rule, problem.outcome) == ("GR601", Outcome.WARNING)
        assert "this push made the branch" in problem.message

    def test_a_deletion_is_found(self, desk: Desk) -> None:
        event = pushed(None, tip(desk))
        (finding,) = judge_event(in_ci(desk, event), event).findings
        assert "it was deleted" in finding.message

    def test_another_branch_is_not_judged(self, desk: Desk, to_staging: ChangeRequest) -> None:
        event = pushed(to_staging.head, None, to_staging.branch)
        with pytest.raises(
            UsageError, match="which is not the registry's branch 'main', so nothing was judged"
        ):
            judge_event(in_ci(desk, event), event)


def test_an_event_without_a_change_is_not_a_pass(desk: Desk) -> None:
    event = CiEvent(EventKind.OTHER, "github", "schedule", default_branch="main")
    with pytest.raises(UsageError, match="'schedule', which brings no change"):
        judge_event(in_ci(desk, event), event)
