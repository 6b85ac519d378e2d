"""Reviews on a hosted forge: whatever is said and done there, who counts only ever has a right to.

The cases in ``tests/rules/approvals`` have the reasons one by one; here conversations of any shape hold the laws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.decode import DecodeError
from gitreg.core.policy import Person, Policy, decode_policy
from gitreg.core.ports import Conversation, Hand, Review, Signature, Statement
from gitreg.core.verify.approvals import (
    APPROVE,
    REVOKE,
    approval_statement,
    approvals_given,
    author_of,
    author_problem,
)
from gitreg.core.verify.evidence import Evidence, Landing
from gitreg.core.verify.reviews import decisions, part_of, reviewers

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HEAD, OLDER = "b" * 40, "a" * 40
PEOPLE = ("alice", "bo", "carol", "dan")
POLICY = Policy(
    people=(
        *(
            Person(p, f"{p}@example.com", f"{p}-gh", f"{p}-gl", (f"ssh-ed25519 {p.ljust(16, 'A')}",))
            for p in PEOPLE
        ),
        Person("robot", None, "robot-gh", None, (), bot=True),
    ),
    groups={"owners": PEOPLE},
)
KNOWN = Evidence(
    now=NOW, change_id="c", reviewed="c", statements=(), rules_changed=None, evidence_changed=None
)

accounts = st.sampled_from(
    ["alice-gh", "ALICE-gh", "bo-gh", "carol-gh", "dan-gh", "robot-gh", "mallory", "alice-gl"]
)
emails = st.sampled_from(
    [
        "alice@example.com",
        "BO@example.com",
        "carol+x@example.com",
        "1+dan-gh@users.noreply.github.com",
        "x@example.com",
        "",
        "@",
        "users.noreply.github.com",
    ]
)
#: Minutes, with many ties.
moments = st.integers(0, 6).map(lambda minutes: NOW - timedelta(minutes=minutes))
reviews = st.builds(
    Review,
    account=accounts,
    decision=st.sampled_from(["approved", "approved", "changes_requested", "dismissed"]),
    commit=st.sampled_from([HEAD, HEAD, OLDER, None]),
    at=moments,
    is_bot=st.sampled_from([False, False, False, True]),
)
hands = st.builds(
    Hand,
    role=st.sampled_from(["pusher", "committer", "co-author"]),
    account=st.none() | accounts,
    email=st.none() | emails,
)
conversations = st.builds(
    Conversation,
    provider=st.just("github"),
    head=st.just(HEAD),
    author=st.builds(Hand, role=st.just("author"), account=accounts),
    hands=st.lists(hands, max_size=3).map(tuple),
    reviews=st.lists(reviews, max_size=8).map(tuple),
    since=st.none() | moments,
    writers=st.frozensets(accounts, min_size=3),
)


def counted(conversation: Conversation | None, known: Evidence = KNOWN) -> set[str]:
    approvals, _ = approvals_given(replace(known, conversation=conversation), [], POLICY)
    assert len({one.person for one in approvals}) == len(approvals), "persons are counted"
    return {one.person for one in approvals}


def said(person: str, minutes: int, kind: str = APPROVE) -> Statement:
    issued = NOW - timedelta(minutes=minutes)
    body = approval_statement(KNOWN, [], issued, NOW + timedelta(days=1), kind)
    key = next(p.keys[0] for p in POLICY.people if p.id == person)
    return Statement(body, Signature(key, True))


@given(conversations, reviews, st.integers(0, 8))
def test_a_review_takes_no_approval_of_somebody_else_away(
    found: Conversation, more: Review, place: int
) -> None:
    said_now = (*found.reviews[:place], more, *found.reviews[place:])
    speaker = POLICY.person_called("github", more.account)
    others = {speaker.id} if speaker else set()
    assert counted(replace(found, reviews=said_now)) - others == counted(found) - others


@given(conversations, hands)
def test_another_hand_never_makes_anybody_count(found: Conversation, more: Hand) -> None:
    assert counted(replace(found, hands=(*found.hands, more))) <= counted(found)


@given(conversations)
def test_who_counts_is_a_human_writer_without_a_hand_whose_last_word_approves_the_head(
    found: Conversation,
) -> None:
    known = replace(KNOWN, conversation=found)
    people = {person.id: person for person in POLICY.people}
    for name in counted(found):
        person = people[name]
        own = [review for review in found.reviews if person.is_called("github", review.account)]
        last = max(review.at for review in own)
        assert not person.bot
        assert part_of(person, known) is None
        assert any(person.is_called("github", writer) for writer in found.writers)
        assert any(
            r.decision == "approved" and r.commit == HEAD and not r.is_bot for r in own if r.at == last
        )
        assert found.since is None or last > found.since
        assert name != author_of(known, POLICY)


@given(conversations, st.randoms(use_true_random=False))
def test_only_time_orders_reviews(found: Conversation, random: object) -> None:
    """Reviews of one moment stay as the forge tells them: who sorts by time alone keeps their order."""
    by_time = sorted(found.reviews, key=lambda review: review.at)
    assert counted(replace(found, reviews=tuple(by_time))) == counted(found)
    one_each = list({(review.account.casefold(), review.at): review for review in found.reviews}.values())
    before = counted(replace(found, reviews=tuple(one_each)))
    random.shuffle(one_each)  # type: ignore[attr-defined]
    assert counted(replace(found, reviews=tuple(one_each))) == before


@given(conversations)
def test_spelling_of_accounts_changes_nothing(found: Conversation) -> None:
    shouted = replace(
        found,
        author=replace(found.author, account=(found.author.account or "").upper()),
        reviews=tuple(replace(review, account=review.account.upper()) for review in found.reviews),
        writers=frozenset(writer.upper() for writer in found.writers),
    )
    assert counted(shouted) == counted(found)


@given(conversations, st.sampled_from(["void", "head", "reviewed"]))
def test_where_reviews_are_void_or_about_something_else_none_counts(found: Conversation, how: str) -> None:
    known = replace(KNOWN, reviewed="another") if how == "reviewed" else KNOWN
    changed = {"void": replace(found, void="no reset"), "head": replace(found, head="d" * 40)}.get(how, found)
    assert counted(changed, known) == set()


@given(conversations, moments)
def test_after_a_landing_nothing_that_is_said_changes_who_counted(
    found: Conversation, landed: datetime
) -> None:
    landing = Landing("c" * 40, "refs/heads/main", landed)
    known = replace(KNOWN, now=landed, landing=landing)
    until = tuple(review for review in found.reviews if review.at <= landed)
    assert counted(found, known) == counted(replace(found, reviews=until), known)


@given(conversations, st.lists(st.sampled_from(PEOPLE), max_size=3), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_a_signature_counts_once_and_not_after_a_no(
    found: Conversation, signers: Sequence[str], age: int
) -> None:
    signed = replace(KNOWN, statements=tuple(said(person, age) for person in signers))
    known = replace(signed, conversation=found)
    both, people = counted(found, signed), {person.id: person for person in POLICY.people}
    assert counted(found) <= both <= counted(found) | set(signers)
    for name in both - counted(found):
        assert part_of(people[name], known) is None
        last = [d for d in decisions(found, known) if people[name].is_called("github", d.account)]
        assert all(d.decision != "changes_requested" or d.at < NOW - timedelta(minutes=age) for d in last)


def test_an_unknown_account_may_be_that_of_a_signer_whose_account_is_unknown() -> None:
    """Alice signs by her key, and the policy does not say which account is hers: it may be the author's."""
    alice, *others = POLICY.people
    policy = replace(POLICY, people=(replace(alice, github=None), *others))

    def counts(author: str) -> bool:
        found = Conversation("github", HEAD, Hand("author", author))
        known = replace(KNOWN, conversation=found, statements=(said("alice", 1),))
        approvals, _ = approvals_given(known, [], policy)
        return bool(approvals)

    assert counts("bo-gh")
    assert not counts("a-stranger")


@given(conversations, st.sampled_from(PEOPLE), st.integers(0, 6))
def test_a_revocation_takes_the_review_of_its_signer_back(found: Conversation, person: str, age: int) -> None:
    revoked = replace(KNOWN, statements=(said(person, age, REVOKE),))
    left = counted(found, revoked)
    assert counted(found) - {person} == left - {person}
    if person in left:
        given_after = [r.at for r in found.reviews if r.account.casefold() == f"{person}-gh"]
        assert max(given_after) > NOW - timedelta(minutes=age)


@given(conversations)
def test_a_hand_that_could_be_anybody_s_leaves_it_open(found: Conversation) -> None:
    unknown = [
        hand for hand in found.hands if not hand.account and (hand.role == "pusher" or hand.email is None)
    ]
    problem = author_problem(replace(KNOWN, conversation=found), POLICY)
    assert (problem is not None) == bool(unknown)


def test_whom_gitreg_asks_to_review_are_those_whose_reviews_could_count() -> None:
    policy = replace(POLICY, groups={"owners": ("alice", "robot"), "more": ("bo",)})
    assert reviewers(policy, "github", ["owners", "nobody"]) == ("alice-gh",)
    assert reviewers(policy, "gitlab", ["owners", "more"]) == ("alice-gl", "bo-gl")
    assert reviewers(policy, "local", ["owners"]) == ()


@pytest.mark.parametrize(
    "account", ["@alice", "al ice", "\u017fam", "\u212aim", "alice\n", "a/b", "-a", "a[bot]x", ""]
)
@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_an_account_s_name_is_one_that_a_forge_could_give(provider: str, account: str) -> None:
    """Else another letter would pass for one: a long s is an s to whoever ignores case."""
    policy = {
        "apiVersion": "gitreg/v1",
        "kind": "Policy",
        "people": [{"id": "alice", provider: account}],
        "rules": {"owners": []},
        "stages": [],
    }
    with pytest.raises(DecodeError, match="is not the name of an account"):
        decode_policy(policy)
