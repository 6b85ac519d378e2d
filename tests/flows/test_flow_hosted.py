"""How requests of hosted forges are judged: on what reviewers saw, and again if it moves meanwhile.

The repository is a real one, and so are requests and signatures. Only what a hosted forge alone knows (who opened a
request and who reviewed it) is said by the test. Whole stories with GitHub and GitLab are in ``tests/forge``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flow_kit import Desk, describe, git, promote, proposed

from gitreg.adapters.forge.local.forge import LocalForge
from gitreg.core.ports import ChangeRequest, Conversation, Hand, Review
from gitreg.errors import Refused, Undecided
from gitreg.flows.asked import ATTEMPTS, verify_request
from gitreg.flows.change import approve, speak
from gitreg.flows.replay import replay
from gitreg.flows.verify import Verdict
from gitreg.flows.workspace import Workspace

Saying = Callable[[ChangeRequest], Conversation]


class Reviewed(LocalForge):
    """The requests of a repository, with what a test says of their reviews."""

    saying: Saying
    said: str | None = None

    @property
    def provider(self) -> str:
        return "github"

    def review(self, request: ChangeRequest, text: str, *, withdraw: bool = False) -> str:
        if withdraw and self.said is None:
            raise Refused(f"change request #{request.id} has no approval of yours")
        self.said = text
        return "https://github.com/acme/models/pull/1"

    def conversation(self, request: ChangeRequest, accounts: Collection[str]) -> Conversation | None:
        assert set(accounts) == {"dan-gh", "bo-gh", "alice-gh"}
        return self.saying(request)


@pytest.fixture
def hosted(desk: Desk) -> Desk:
    """The registry for three people, with their accounts."""
    policy = desk.show("policy.yaml") or ""
    for person in ("dan", "bo", "alice"):
        policy = policy.replace(f"{{id: {person}, ", f"{{id: {person}, github: {person}-gh, ")
    desk.commit({"policy.yaml": policy})
    desk.later(hours=1)
    return desk


def at(desk: Desk, saying: Saying, person: str = "dan") -> Workspace:
    ws = desk(person)
    forge = Reviewed(ws.repository, "main")
    forge.saying = saying
    return replace(ws, make_forge=lambda: forge)


def approved(desk: Desk, head: str | None = None, when: datetime | None = None) -> Saying:
    """Bo opened it, and Alice approved its head, or another commit that the forge says is its head."""

    def saying(request: ChangeRequest) -> Conversation:
        seen = head or request.head or ""
        review = Review("alice-gh", "approved", seen, when or desk.now)
        return Conversation(
            "github", seen, Hand("author", "bo-gh"), (), (review,), writers=frozenset({"alice-gh"})
        )

    return saying


def told(verdict: Verdict) -> list[str]:
    return [finding.message for finding in verdict.findings if finding.rule == "GR401"]


def test_a_review_of_the_head_is_an_approval(hosted: Desk) -> None:
    proposed(hosted("bo"), promote(2, "production"))
    assert told(verify_request(at(hosted, approved(hosted)), "1")) == []


def test_a_review_of_another_change_is_none(hosted: Desk) -> None:
    proposed(hosted("bo"), promote(2, "production"))
    proposed(hosted("bo"), describe("something else"))
    other = hosted("bo").forge.request("2").head
    found = told(verify_request(at(hosted, approved(hosted, other)), "1"))
    assert "has 0" in found[0]
    assert "it is about an earlier state of the change" in found[1]


def test_a_review_of_another_commit_that_does_just_the_same_is_one(hosted: Desk) -> None:
    """As after a squash: what lands is another commit than what was reviewed, and the same change."""
    proposed(hosted("bo"), promote(2, "production"))
    head = hosted("bo").forge.request("1").head or ""
    git(hosted.origin, "config", "user.name", "x")
    git(hosted.origin, "config", "user.email", "x@example.com")
    same = git(hosted.origin, "commit-tree", f"{head}^{{tree}}", "-p", f"{head}^", "-m", "the same")
    git(hosted.origin, "branch", "same", same)
    assert told(verify_request(at(hosted, approved(hosted, same)), "1")) == []


def test_a_review_of_what_has_another_history_is_none(hosted: Desk) -> None:
    proposed(hosted("bo"), promote(2, "production"))
    git(hosted.origin, "config", "user.name", "x")
    git(hosted.origin, "config", "user.email", "x@example.com")
    git(hosted.origin, "branch", "orphan", git(hosted.origin, "commit-tree", "main^{tree}", "-m", "x"))
    orphan = git(hosted.origin, "rev-parse", "orphan")
    found = told(verify_request(at(hosted, approved(hosted, orphan)), "1"))
    assert "it is about an earlier state of the change" in found[1]


def test_a_review_of_a_commit_that_is_not_here_is_undecided(hosted: Desk) -> None:
    proposed(hosted("bo"), promote(2, "production"))
    verdict = verify_request(at(hosted, approved(hosted, "d" * 40)), "1")
    assert "undecided" in {finding.outcome for finding in verdict.findings if finding.rule == "GR401"}


def there_and_back(desk: Desk, path: str, before: str, after: str) -> None:
    """A file is changed on the registry's branch, and changed back; the last of it is half an hour ago."""
    when = desk.now - timedelta(minutes=30)
    text = desk.show(path)
    assert text is not None
    text += "\n"
    desk.commit({path: text.replace(before, after)}, when=when)
    desk.commit({path: text}, when=when)


@pytest.mark.parametrize("minutes", [29, 31])
def test_a_review_from_before_a_change_of_the_rules_is_void(hosted: Desk, minutes: int) -> None:
    proposed(hosted("bo"), promote(2, "production"))
    hosted.later(hours=2)
    there_and_back(hosted, "policy.yaml", "expire: 14d", "expire: 13d")
    saying = approved(hosted, when=hosted.now - timedelta(minutes=minutes))
    found = told(verify_request(at(hosted, saying), "1"))
    assert ("these rules have changed since it was given" in " ".join(found)) == (minutes == 31)


def test_an_old_signature_is_not_kept_alive_by_a_younger_review(hosted: Desk) -> None:
    """Alice signed, the rules changed and changed back, and she reviewed: signed is asked for, and hers is void."""
    policy = hosted.show("policy.yaml") or ""
    hosted.commit({"policy.yaml": policy.replace("expire: 14d", "signed: true") + "\n"})
    hosted.later(hours=1)
    proposed(hosted("bo"), promote(2, "production"))
    approve(hosted("alice"), "1")
    hosted.later(hours=2)
    saying = approved(hosted, when=hosted.now - timedelta(minutes=10))
    assert told(verify_request(at(hosted, saying), "1")) == []
    there_and_back(hosted, "policy.yaml", "signed: true", "signed: false")
    found = told(verify_request(at(hosted, saying), "1"))
    assert found[0] == "entering production needs 1 signed approval of risk-owners, and has 0"


def test_an_audit_counts_the_reviews_of_then(hosted: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    proposed(hosted("bo"), promote(2, "production"))
    ws = at(hosted, approved(hosted))
    ws.repository.fetch()
    request = ws.forge.request("1")
    monkeypatch.setenv("GIT_COMMITTER_DATE", (hosted.now + timedelta(minutes=5)).isoformat())
    folder = hosted.root / "bo"
    git(folder, "fetch", "-q", "origin")
    git(folder, "checkout", "-q", "-B", "work", "origin/main")
    git(folder, "merge", "-q", "--no-ff", "-m", "merge", request.head or "")
    git(folder, "push", "-q", "origin", "work:main")
    ws.repository.fetch()
    commit = ws.repository.commit(ws.tip())

    def audited(*times: int) -> list[str]:
        reviews = [
            Review("alice-gh", decision, request.head, hosted.now + timedelta(minutes=minutes))
            for minutes, decision in zip(times, ("approved", "changes_requested"), strict=False)
        ]
        said = replace(approved(hosted)(request), reviews=tuple(reviews))
        (verdict,) = replay(at(hosted, lambda _: said), [commit], requests={commit.oid: request})
        return told(verdict)

    assert audited(1) == []
    assert audited(1, 9) == []
    assert "asks for changes" in audited(1, 4)[1]
    assert "after the moment that counts" in audited(9)[1]


def test_a_request_that_moves_while_it_is_judged_is_judged_again(hosted: Desk) -> None:
    proposed(hosted("bo"), promote(2, "production"))
    moves = []

    def saying(request: ChangeRequest) -> Conversation:
        if not moves:  # somebody lands something else meanwhile
            moves.append(hosted.commit({"README.txt": "x"}))
        return approved(hosted)(request)

    ws = at(hosted, saying)
    verdict = verify_request(ws, "1")
    assert verdict.base == moves[0] == git(hosted.origin, "rev-parse", "main")


def test_a_request_that_never_stands_still_is_undecided(hosted: Desk) -> None:
    proposed(hosted("bo"), promote(2, "production"))
    moves: list[str] = []

    def saying(request: ChangeRequest) -> Conversation:
        moves.append(hosted.commit({"README.txt": str(len(moves))}))
        return approved(hosted)(request)

    with pytest.raises(Undecided, match="moved each time"):
        verify_request(at(hosted, saying), "1")
    assert len(moves) == ATTEMPTS


def test_a_review_that_is_taken_back_says_so(hosted: Desk) -> None:
    proposed(hosted("bo"), promote(2, "production"))
    ws = at(hosted, approved(hosted))
    assert isinstance(ws.forge, Reviewed)
    speak(ws, "1")
    assert (ws.forge.said or "").startswith("Approves the change `")
    speak(ws, "1", revoke=True)
    assert (ws.forge.said or "").startswith("Takes back the approval of the change `")


def test_who_has_signed_and_not_reviewed_takes_back_what_they_signed(hosted: Desk) -> None:
    proposed(hosted("bo"), promote(2, "production"))
    with pytest.raises(Refused, match="no approval of yours"):
        speak(at(hosted, approved(hosted), "alice"), "1", revoke=True)
    approve(hosted("alice"), "1")
    hosted.later(minutes=1)
    said = speak(at(hosted, approved(hosted), "alice"), "1", revoke=True)
    assert (said.signed, said.place.startswith("refs/gitreg/approvals/")) == (True, True)
