"""What every provider of the ``Forge`` port must do.

A provider's tests subclass :class:`ForgeContract` and say how to get two :class:`Desk` objects on one forge. The
suite speaks of git refs, of requests and of statements. Where providers must differ, :class:`Desk` says how.
"""

from __future__ import annotations

import itertools
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitreg.adapters.forge.ssh import SshSigner
from gitreg.core.ports import (
    FILE,
    ChangeRequest,
    Entry,
    Forge,
    Identity,
    NewRequest,
    RefUpdate,
    Repository,
    Signer,
)
from gitreg.errors import LostRace, NotFound, Refused

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
ALICE = Identity("Alice", "alice@example.com")
TRUNK = "main"
CHANGE, OTHER_CHANGE = "c" * 64, "d" * 64


@dataclass(frozen=True)
class Desk:
    """One person at work: their repository, whose hub already has the branch ``main``, and the forge beside it."""

    repository: Repository
    forge: Forge
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def is_hosted(self) -> bool:
        """Whether accounts count here and not signatures, the forge makes the merges, and its clock is its own.

        Tests of hosted forges set that clock to ``NOW``.
        """
        return self.forge.provider != "local"

    @property
    def closes_with_branch(self) -> bool:
        """Whether the forge itself closes a request whose branch is deleted."""
        return self.is_hosted

    def change(self, signed: str) -> str:
        """What the change id of a request is whose author would have signed ``signed``."""
        return "" if self.is_hosted else signed

    def demand_landed(self, landed: str, wanted: str, base: str, head: str) -> None:
        """Whether ``landed`` is the merge that was asked for; or the forge's own, of the same tree and message."""
        assert self.trunk() == landed
        if not self.is_hosted:
            assert landed == wanted
            return
        made, meant = self.repository.commit(landed), self.repository.commit(wanted)
        assert (made.tree, made.message.split()) == (meant.tree, meant.message.split())
        assert made.parents == (base, head)

    def tip(self, branch: str) -> str | None:
        """What the hub's branch is at now."""
        self.repository.fetch()
        return self.repository.hub_ref(f"refs/heads/{branch}")

    def trunk(self) -> str:
        tip = self.tip(TRUNK)
        assert tip is not None
        return tip

    def commit(self, parent: str) -> str:
        """A new commit on ``parent`` that adds a file; unlike any other of this desk."""
        blob = self.repository.write_blob(f"{id(self)} {next(self._serial)}\n".encode())
        tree = self.repository.write_tree(parent, {f"models/{blob}": Entry(FILE, blob)})
        return self.repository.write_commit(tree, [parent], "A change\n", ALICE, NOW)

    def merge_commit(self, base: str, head: str) -> str:
        """A merge of a head that was made on ``base``, as gitreg makes it."""
        tree = self.repository.commit(head).tree
        message = "Merge change #1: Promote\n\nApproved-by: bob\n"
        return self.repository.write_commit(tree, [base, head], message, ALICE, NOW)

    def push(self, branch: str, old: str | None, new: str | None) -> None:
        """Moves a branch as plain git does, past the forge."""
        self.repository.update([RefUpdate(f"refs/heads/{branch}", old, new)])

    def new(self, branch: str = "gitreg/a", head: str | None = None, change_id: str = CHANGE) -> NewRequest:
        """A request for a fresh change on the trunk."""
        return NewRequest(
            title=f"Promote {branch}",
            body="credit-risk/3 → production\n\n売上",
            branch=branch,
            target=TRUNK,
            head=head or self.commit(self.trunk()),
            change_id=change_id,
            statement={"action": "open", "change": change_id},
        )

    def opened(self, branch: str = "gitreg/a", signer: Signer | None = None) -> ChangeRequest:
        return self.forge.open(self.new(branch), signer, None, NOW)


def seed(repository: Repository) -> None:
    """Gives an empty hub its first commit on ``main``."""
    blob = repository.write_blob(b"kind: Registry\n")
    tree = repository.write_tree("", {"gitreg.yaml": Entry(FILE, blob)})
    commit = repository.write_commit(tree, [], "A registry\n", ALICE, NOW)
    repository.update([RefUpdate(f"refs/heads/{TRUNK}", None, commit)])


def make_signer(path: Path) -> SshSigner:
    """A fresh SSH key at ``path``."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return SshSigner(path)


class ForgeContract:
    """Subclasses define the fixture ``desks``: two of them, of two people, on one forge."""

    @pytest.fixture
    def desk(self, desks: tuple[Desk, Desk]) -> Desk:
        return desks[0]

    @pytest.fixture
    def other(self, desks: tuple[Desk, Desk]) -> Desk:
        return desks[1]

    @pytest.fixture
    def signer(self, tmp_path: Path) -> SshSigner:
        return make_signer(tmp_path / "signer")

    @pytest.fixture
    def second_signer(self, tmp_path: Path) -> SshSigner:
        return make_signer(tmp_path / "second")

    # --- opening

    def test_a_forge_begins_empty(self, desk: Desk) -> None:
        assert desk.forge.requests() == []
        assert desk.forge.requests(("open", "merged", "closed")) == []
        assert desk.forge.statements(CHANGE) == []

    def test_opening_pushes_the_branch_and_files_the_request(self, desk: Desk) -> None:
        new = desk.new()
        request = desk.forge.open(new, None, None, NOW)
        assert (request.title, request.body) == (new.title, new.body)
        assert (request.branch, request.target, request.state) == (new.branch, TRUNK, "open")
        assert (request.head, request.change_id) == (new.head, desk.change(CHANGE))
        assert (request.account is not None, request.author) == (desk.is_hosted, None)
        assert (request.opened_at, request.merged_as) == (NOW, None)
        assert desk.tip(new.branch) == new.head
        assert desk.forge.requests() == [request]

    def test_another_person_sees_what_was_opened(self, desk: Desk, other: Desk, signer: SshSigner) -> None:
        request = desk.opened(signer=signer)
        other.repository.fetch()
        assert other.forge.requests() == [request]
        assert other.forge.request(request.id) == request
        assert other.forge.request(f"#{request.id}") == request

    def test_what_does_not_exist_is_not_found(self, desk: Desk) -> None:
        desk.opened()
        for id in ("7", "#7", "0", "04", "", "#", "-1", "x", "../heads/main", "4/5", "９"):
            with pytest.raises(NotFound) as error:
                desk.forge.request(id)
            assert error.value.hint

    def test_requests_are_listed_oldest_first(self, desk: Desk, other: Desk) -> None:
        opened = [who.opened(f"gitreg/{at}") for at, who in enumerate([desk, other] * 6)]
        desk.repository.fetch()
        assert desk.forge.requests() == opened
        assert len({request.id for request in opened}) == 12

    def test_requests_are_found_by_their_branch_and_by_their_change(self, desk: Desk) -> None:
        for branch, change in (("gitreg/a", CHANGE), ("gitreg/b", OTHER_CHANGE), ("gitreg/c", CHANGE)):
            desk.forge.open(desk.new(branch, change_id=change), None, None, NOW)
        a, b, c = desk.forge.requests()
        assert desk.forge.requests(branch="gitreg/b") == [b]
        assert desk.forge.requests(change_id=CHANGE) == ([] if desk.is_hosted else [a, c])
        assert desk.forge.requests(branch="gitreg/b", change_id=CHANGE) == []
        desk.forge.close(a)
        assert desk.forge.requests(change_id=CHANGE) == ([] if desk.is_hosted else [c])
        assert desk.forge.requests() == [b, c]
        assert [r.id for r in desk.forge.requests(("closed",), branch="gitreg/a")] == [a.id]

    def test_the_same_branch_again_renews_its_request(self, desk: Desk, other: Desk) -> None:
        first = desk.opened()
        bystander = desk.opened("gitreg/b")
        other.repository.fetch()
        new = other.new(change_id=OTHER_CHANGE)
        again = other.forge.open(new, None, first.head, NOW + timedelta(days=1))
        assert again.id == first.id
        assert (again.head, again.change_id) == (new.head, other.change(OTHER_CHANGE))
        assert again.opened_at == first.opened_at
        assert desk.tip(first.branch) == new.head
        assert desk.forge.requests() == [again, bystander]

    def test_the_same_head_may_get_other_words(self, desk: Desk) -> None:
        first = desk.opened()
        again = desk.forge.open(desk.new(head=first.head), None, first.head, NOW)
        assert desk.forge.requests() == [again]
        assert (again.id, again.head) == (first.id, first.head)

    def test_a_branch_that_is_somewhere_else_is_a_lost_race(self, desk: Desk, other: Desk) -> None:
        request = desk.opened()
        other.repository.fetch()
        for stale in (None, other.trunk()):
            with pytest.raises(LostRace):
                other.forge.open(other.new(), None, stale, NOW)
        assert desk.tip(request.branch) == request.head
        assert desk.forge.requests() == [request]

    def test_a_branch_that_somebody_just_made_is_a_lost_race(self, desk: Desk, other: Desk) -> None:
        new = other.new()
        request = desk.opened(new.branch)
        with pytest.raises(LostRace):
            other.forge.open(new, None, None, NOW)
        assert desk.tip(new.branch) == request.head
        assert desk.forge.requests() == [request]

    def test_requests_opened_at_once_are_all_opened(self, desk: Desk, other: Desk) -> None:
        desk.opened("gitreg/first")
        news = [(who, who.new(f"gitreg/{who is desk}/{at}")) for who in (desk, other) for at in range(3)]
        lanes = [[item for item in news if item[0] is who] for who in (desk, other)]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(_open_all, lanes))
        desk.repository.fetch()
        found = desk.forge.requests()
        assert len({request.id for request in found}) == len(found) == 7
        assert {(r.branch, r.head) for r in found[1:]} == {(n.branch, n.head) for _, n in news}

    # --- ending

    def test_merging_moves_the_target_and_ends_the_request(self, desk: Desk, other: Desk) -> None:
        request, base = desk.opened(), desk.trunk()
        assert request.head
        landed = desk.forge.merge(request, request.head, base, "merged")
        other.demand_landed(landed, request.head, base, request.head)
        assert other.tip(request.branch) is None
        assert other.forge.requests() == []
        merged = other.forge.request(request.id)
        assert (merged.state, merged.merged_as, merged.head) == ("merged", landed, None)
        # On GitHub an edit would start the required check anew.
        assert merged.body == (request.body if desk.forge.provider == "github" else "merged")
        assert other.forge.requests(("merged",)) == [merged]
        assert other.forge.landed([base, landed]) == {landed: merged}

    def test_a_merge_is_a_commit_of_the_caller_s(self, desk: Desk) -> None:
        request, base = desk.opened(), desk.trunk()
        assert request.head
        landing = desk.merge_commit(base, request.head) if desk.is_hosted else desk.commit(base)
        landed = desk.forge.merge(request, landing, base, "merged")
        desk.demand_landed(landed, landing, base, request.head)
        assert desk.forge.request(request.id).merged_as == landed

    def test_an_open_request_is_found_by_what_it_is_about(self, desk: Desk, other: Desk) -> None:
        request = desk.opened()
        other.repository.fetch()
        assert other.forge.about(CHANGE, request.head) == request
        assert other.forge.about(OTHER_CHANGE, other.trunk()) is None
        desk.forge.close(request)
        other.repository.fetch()
        assert other.forge.about(CHANGE, request.head) is None

    def test_nothing_is_merged_if_the_target_moved(self, desk: Desk, other: Desk) -> None:
        request, base = desk.opened(), desk.trunk()
        assert request.head
        moved = other.commit(other.trunk())
        other.push(TRUNK, base, moved)
        with pytest.raises(LostRace):
            desk.forge.merge(request, request.head, base, "merged")
        assert desk.trunk() == moved
        assert desk.tip(request.branch) == request.head
        assert desk.forge.requests() == [request]

    def test_nothing_is_merged_if_the_branch_moved(self, desk: Desk, other: Desk) -> None:
        request, base = desk.opened(), desk.trunk()
        assert request.head
        pushed = other.commit(other.trunk())
        other.push(request.branch, request.head, pushed)
        with pytest.raises(LostRace):
            desk.forge.merge(request, request.head, base, "merged")
        assert desk.trunk() == base
        assert desk.tip(request.branch) == pushed
        assert desk.forge.request(request.id).state == "open"

    def test_a_request_whose_branch_is_gone_has_no_head(self, desk: Desk) -> None:
        request = desk.opened()
        desk.push(request.branch, request.head, None)
        desk.repository.fetch()
        found = desk.forge.request(request.id)
        assert (found.state, found.head) == ("closed" if desk.closes_with_branch else "open", None)
        if not desk.closes_with_branch:
            desk.forge.close(found)
        assert desk.forge.request(request.id).state == "closed"

    def test_closing_deletes_the_branch_and_moves_nothing(self, desk: Desk, other: Desk) -> None:
        request, base = desk.opened(), desk.trunk()
        desk.forge.close(request)
        assert other.tip(request.branch) is None
        assert other.trunk() == base
        assert other.forge.requests() == []
        closed = other.forge.request(request.id)
        assert (closed.state, closed.merged_as, closed.title) == ("closed", None, request.title)

    def test_what_is_over_stays_over(self, desk: Desk) -> None:
        request, base = desk.opened(), desk.trunk()
        assert request.head
        desk.forge.close(request)
        with pytest.raises(Refused, match="closed"):
            desk.forge.merge(request, request.head, base, "merged")
        with pytest.raises(Refused, match="closed"):
            desk.forge.close(request)
        assert desk.trunk() == base

    def test_a_closed_request_s_branch_may_ask_anew(self, desk: Desk) -> None:
        first = desk.opened()
        desk.forge.close(first)
        second = desk.opened(first.branch)
        assert second.id != first.id
        assert desk.forge.requests() == [second]
        assert desk.forge.request(first.id).head is None

    def test_to_ask_for_a_merge_merges_nothing_at_once(self, desk: Desk) -> None:
        """Here nothing is set up for it, so each forge says why not; that it merges is in each one's own tests."""
        request, base = desk.opened(), desk.trunk()
        why = desk.forge.merge_when_ready(request)
        assert why
        assert "\n" not in why
        desk.forge.merge_by_hand(request)
        assert desk.trunk() == base
        assert desk.forge.requests() == [request]

    # --- statements

    def test_a_statement_is_filed_under_its_change(self, desk: Desk, other: Desk, signer: SshSigner) -> None:
        body = {"action": "approve", "change": CHANGE, "evidence": ["sha256:0"], "reason": "良い"}
        ref = desk.forge.state(CHANGE, body, signer, NOW)
        other.repository.fetch()
        [found] = other.forge.statements(CHANGE)
        assert (found.body, found.ref) == (body, ref)
        assert (found.signature.key, found.signature.valid) == (signer.public_key, True)
        assert other.forge.statements(OTHER_CHANGE) == []

    def test_statements_are_added_to_each_other(
        self, desk: Desk, other: Desk, signer: SshSigner, second_signer: SshSigner
    ) -> None:
        said = [
            desk.forge.state(CHANGE, {"action": "approve"}, signer, NOW),
            other.forge.state(CHANGE, {"action": "approve"}, second_signer, NOW),
            desk.forge.state(CHANGE, {"action": "approve"}, signer, NOW),
            desk.forge.state(CHANGE, {"action": "revoke"}, signer, NOW),
        ]
        desk.repository.fetch()
        found = desk.forge.statements(CHANGE)
        assert sorted(s.ref for s in found) == sorted(said)
        assert all(s.signature.valid for s in found)
        assert [s.body["action"] for s in found if s.signature.key == second_signer.public_key] == ["approve"]
        assert sorted(str(s.body["action"]) for s in found) == ["approve"] * 3 + ["revoke"]

    def test_statements_outlive_their_request(self, desk: Desk, signer: SshSigner) -> None:
        request = desk.opened()
        desk.forge.state(CHANGE, {"action": "approve"}, signer, NOW)
        assert request.head
        desk.forge.merge(request, request.head, desk.trunk(), "merged")
        assert [s.body for s in desk.forge.statements(CHANGE)] == [{"action": "approve"}]


def _open_all(lane: list[tuple[Desk, NewRequest]]) -> None:
    for desk, new in lane:
        desk.forge.open(new, None, None, NOW)
