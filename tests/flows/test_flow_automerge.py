"""Which requests of a hosted forge are to merge by themselves, and what happens when that changes.

The repository and its requests are real; the test plays the part of the forge that would merge.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest
from flow_kit import Desk, describe, git, promote, proposed

from gitreg.adapters.forge.local.forge import LocalForge
from gitreg.core.ports import ChangeRequest, Conversation, Hand, NewRequest, Signer
from gitreg.errors import Undecided
from gitreg.flows.automerge import AutoMerge
from gitreg.flows.change import open_branch, refresh
from gitreg.flows.workspace import Workspace


class Merging(LocalForge):
    """The requests of a repository, on a forge that would merge by itself those in ``waiting``."""

    waiting: set[str]
    log: list[str]

    @property
    def provider(self) -> str:
        return "github"

    def conversation(self, request: ChangeRequest, accounts: Collection[str]) -> Conversation | None:
        return Conversation("github", request.head or "", Hand("author", "dan-gh"))

    def open(
        self, new: NewRequest, signer: Signer | None, old_head: str | None, now: object
    ) -> ChangeRequest:
        self.log.append("push")
        return super().open(new, signer, old_head, now)  # type: ignore[arg-type]

    def requests(self, *args: object, **how: object) -> list[ChangeRequest]:
        return [self._told(each) for each in super().requests(*args, **how)]  # type: ignore[arg-type]

    def request(self, id: str) -> ChangeRequest:
        return self._told(super().request(id))

    def _told(self, request: ChangeRequest) -> ChangeRequest:
        return replace(request, merges_itself=request.id in self.waiting)

    def merge_when_ready(self, request: ChangeRequest) -> str | None:
        self.log.append(f"on {request.id}")
        self.waiting.add(request.id)
        return None

    def merge_by_hand(self, request: ChangeRequest) -> None:
        self.log.append(f"off {request.id}")
        self.waiting.discard(request.id)


@pytest.fixture
def log() -> list[str]:
    """What the forge was told, in order."""
    return []


@pytest.fixture
def hosted(desk: Desk, log: list[str]) -> Workspace:
    """Dan's workspace on such a forge."""
    ws = desk("dan")
    forge = Merging(ws.repository, "main")
    forge.waiting, forge.log = set(), log
    return replace(ws, make_forge=lambda: forge)


def undirect(desk: Desk) -> None:
    """Policy lets nothing land directly any more."""
    policy = desk.show("policy.yaml") or ""
    desk.commit({"policy.yaml": policy.replace("direct: [annotate]", "direct: []")})


def test_what_is_direct_is_asked_to_merge_by_itself(hosted: Workspace, log: list[str]) -> None:
    assert proposed(hosted, describe("new words")).automerge == AutoMerge()
    assert log == ["push", "on 1"]


def test_the_same_again_asks_again(hosted: Workspace, log: list[str]) -> None:
    """The first call may have been cut off before it asked."""
    proposed(hosted, describe("new words"))
    hosted.forge.merge_by_hand(hosted.forge.request("1"))
    found = proposed(hosted, describe("new words"))
    assert (found.how, found.automerge) == ("adopted", AutoMerge())
    assert log[-1] == "on 1"


def test_what_is_not_direct_is_not(hosted: Workspace, log: list[str]) -> None:
    assert proposed(hosted, promote(2, "production")).automerge is None
    assert log == ["push"]


def test_a_local_forge_is_not_asked(desk: Desk) -> None:
    assert proposed(desk("dan"), describe("new words")).automerge is None


def test_what_is_no_more_direct_is_switched_off_before_it_is_pushed(
    desk: Desk, hosted: Workspace, log: list[str]
) -> None:
    proposed(hosted, describe("new words"))
    undirect(desk)
    log.clear()
    assert refresh(hosted, "1").automerge is None
    assert log[0] == "off 1"
    assert log.count("on 1") == 0


def test_an_adopted_one_is_switched_off_as_well(desk: Desk, hosted: Workspace, log: list[str]) -> None:
    proposed(hosted, describe("new words"))
    undirect(desk)
    found = proposed(hosted, describe("new words"))
    assert (found.how, found.automerge) == ("adopted", None)
    assert log == ["push", "on 1", "off 1"]


def test_nothing_is_pushed_if_it_cannot_be_switched_off(
    desk: Desk, hosted: Workspace, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed(hosted, describe("new words"))
    undirect(desk)
    branch = hosted.forge.request("1").branch
    before = git(desk.origin, "rev-parse", branch)

    def fails(request: ChangeRequest) -> None:
        raise Undecided("no answer", "try again")

    monkeypatch.setattr(hosted.forge, "merge_by_hand", fails)
    with pytest.raises(Undecided):
        refresh(hosted, "1")
    assert git(desk.origin, "rev-parse", branch) == before


def branch_of_dan(desk: Desk, path: str, text: str) -> None:
    folder = desk.root / "dan"
    git(folder, "checkout", "-q", "-B", "mine")
    (folder / path).write_text(text)
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=Dan", "-c", "user.email=dan@example.com", "commit", "-q", "-m", "By hand")


def test_a_branch_made_by_hand_counts_by_all_that_it_does(
    desk: Desk, hosted: Workspace, log: list[str]
) -> None:
    header = "apiVersion: gitreg/v1\nkind: VersionNotes\nmodel: credit-risk\nversion: 1\n"
    branch_of_dan(desk, "models/credit-risk/versions/1/notes.yaml", f"{header}description: by hand\n")
    assert open_branch(hosted, "mine").automerge == AutoMerge()
    assert log == ["push", "on 1"]
    policy = (desk.show("policy.yaml") or "") + "\n# by hand\n"
    branch_of_dan(desk, "policy.yaml", policy)
    log.clear()
    assert open_branch(hosted, "mine").automerge is None
    assert log == ["off 1", "push"]
