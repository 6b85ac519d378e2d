"""Change requests on GitLab beyond the contract of all forges: who had a hand in them, and what can go wrong."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from forge_contract import NOW, TRUNK, Desk

from forge.gitlab_kit import HUB, World, world
from forge.records import Answer
from gitreg.adapters.forge.gitlab import api as gitlab_api
from gitreg.adapters.forge.gitlab import merge as gitlab_merge
from gitreg.adapters.forge.gitlab.forge import GitlabForge
from gitreg.adapters.forge.gitlab.requests import inert
from gitreg.adapters.forge.hosted import STATUS
from gitreg.adapters.forge.tokens import JOB
from gitreg.core.ports import FILE, ChangeRequest, Conversation, Entry, Identity, Review
from gitreg.errors import ConfigError, GitregError, LostRace, NotFound, Refused, Undecided, UsageError

ACCOUNTS = ("alice", "Bob", "carol", "rita")
ROOT = f"/projects/{HUB.replace('/', '%2F')}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setattr(gitlab_api, "PAUSE", 0.001)
    monkeypatch.setattr(gitlab_merge, "PAUSE", 0.001)
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def alice(place: World) -> Desk:
    return place.desk("alice")


@pytest.fixture
def bob(place: World, alice: Desk) -> Desk:
    """Asks with a token of his own; he works in Alice's clone, as what he does needs none."""
    forge = place.forge(alice.repository, place.gitlab.personal_token("bob"))  # type: ignore[arg-type]
    return replace(alice, forge=forge)


@pytest.fixture
def request_of_alice(place: World, alice: Desk) -> ChangeRequest:
    """Opened past gitreg, which costs less than to open it with gitreg each time."""
    base = alice.repository.hub_ref(f"refs/heads/{TRUNK}")
    assert base
    alice_push(place, "gitreg/a", alice, alice.commit(base))
    body = {"title": "Promote", "source_branch": "gitreg/a", "target_branch": TRUNK}
    ask(place, "POST", "/merge_requests", body)
    return alice.forge.request("1")


def ask(place: World, method: str, path: str, body: Any = None, by: str = "alice") -> Any:
    status, said = place.gitlab.ask(place.gitlab.personal_token(by), method, f"{ROOT}{path}", body)
    assert status < 300, said
    return said


def talk(desk: Desk, request: ChangeRequest) -> Conversation:
    found = desk.forge.conversation(request, ACCOUNTS)
    assert found is not None
    return found


def counted(found: Conversation) -> list[str]:
    """Who approved the head, as far as the forge's side of it goes."""
    return [
        each.account
        for each in found.reviews
        if each.decision == "approved" and each.commit == found.head and not found.problems and not found.void
    ]


# --- opening and renewing


def test_labels_and_reviewers_are_asked_for_once(place: World, alice: Desk, bob: Desk) -> None:
    new = replace(alice.new(), labels=("gitreg", "promote"), reviewers=("BOB", "alice", "nobody"))
    first = alice.forge.open(new, None, None, NOW)
    again = replace(alice.new(), labels=("Gitreg", "risk"), reviewers=("bob", "carol"))
    alice.forge.open(again, None, first.head, NOW)
    there = ask(place, "GET", f"/merge_requests/{first.id}")
    assert there["labels"] == ["gitreg", "promote", "risk"]
    assert [user["username"] for user in there["reviewers"]] == ["bob", "carol"]
    assert place.warnings == ["GitLab knows nobody called nobody, so they cannot be asked for a review"]


def test_free_asks_one_reviewer_and_the_rest_is_a_warning(place: World, alice: Desk) -> None:
    place.gitlab.settings(place.hub).tier = "free"
    alice.forge.open(replace(alice.new(), reviewers=("bob", "carol")), None, None, NOW)
    assert place.warnings == ["GitLab has not asked all reviewers of !1: without Premium it asks only one"]


def test_the_request_tells_who_opened_it_and_where_it_is(
    place: World, request_of_alice: ChangeRequest
) -> None:
    assert (request_of_alice.account, request_of_alice.id) == ("alice", "1")
    assert request_of_alice.url == f"{place.gitlab.url}/{HUB}/-/merge_requests/1"


def test_a_request_goes_by_its_number_with_either_mark(alice: Desk, request_of_alice: ChangeRequest) -> None:
    assert [alice.forge.request(id) for id in ("1", "!1", "#1")] == [request_of_alice] * 3
    for id in ("!", "!!1", "!0", "1!"):
        with pytest.raises(NotFound):
            alice.forge.request(id)


def test_text_does_nothing_on_gitlab_and_titles_fit(place: World, alice: Desk) -> None:
    body = "Approve it:\n/approve\n  /merge\n\n| a/b |\n"
    request = alice.forge.open(replace(alice.new(), body=body, title="x" * 300), None, None, NOW)
    alice.forge.comment(request, "/close\n")
    assert place.gitlab.quick_actions == []
    there = ask(place, "GET", "/merge_requests/1")
    assert there["description"].splitlines()[1:3] == ["\\/approve", "  \\/merge"]
    assert (there["title"], there["state"]) == ("x" * 255, "opened")


def test_inert_text_is_otherwise_as_it_was() -> None:
    for text in ("", "a/b", "see /approve here", "// x", "/ x", "1. /x"):
        assert inert(text) == text


def test_an_answer_that_was_lost_is_looked_for(place: World, alice: Desk) -> None:
    place.gitlab.fail(None, "POST", f"{ROOT}/merge_requests", after=True)
    request = alice.opened()
    assert alice.forge.requests() == [request]


def test_running_again_adopts_what_a_network_failure_left(place: World, alice: Desk) -> None:
    new = alice.new()
    fault = place.gitlab.fail(None, None, f"{ROOT}/merge_requests", times=99)
    with pytest.raises(Undecided, match="could not be reached"):
        alice.forge.open(new, None, None, NOW)
    assert alice.tip(new.branch) == new.head
    fault.times = 0
    request = alice.forge.open(new, None, new.head, NOW)
    assert (request.id, request.head) == ("1", new.head)
    assert alice.forge.requests() == [request]


def test_two_who_open_the_same_branch_end_with_one_request(place: World, alice: Desk, bob: Desk) -> None:
    """Between Bob's look and his request, Alice's is made: GitLab refuses the second one, and he adopts hers."""
    new = alice.new()
    hers = alice.forge.open(new, None, None, NOW)
    place.gitlab.fail(Answer(200, []), "GET", f"{ROOT}/merge_requests")
    his = bob.forge.open(replace(new, title="Another title"), None, new.head, NOW)
    assert his == replace(hers, title="Another title")


def test_a_request_into_another_branch_is_turned_to_the_right_one(place: World, alice: Desk) -> None:
    new = alice.new()
    alice.push(new.branch, None, new.head)
    alice.push("other", None, alice.trunk())
    body = {"title": "x", "source_branch": new.branch, "target_branch": "other"}
    ask(place, "POST", "/merge_requests", body)
    request = alice.forge.open(new, None, new.head, NOW)
    assert (request.id, request.target) == ("1", TRUNK)


def test_what_asks_to_be_merged_elsewhere_is_not_about_the_trunk(place: World, alice: Desk) -> None:
    alice.push("side", None, alice.trunk())
    aside = alice.forge.open(replace(alice.new("gitreg/c"), target="side"), None, None, NOW)
    assert alice.forge.about("", aside.head) is None


def test_the_trunk_asks_nobody(alice: Desk) -> None:
    with pytest.raises(UsageError):
        alice.forge.open(alice.new(TRUNK), None, alice.trunk(), NOW)


def test_lists_longer_than_a_page_are_read_to_their_end(
    place: World, alice: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gitlab_api, "PER_PAGE", 2)
    base = alice.trunk()
    head = alice.commit(base)
    for number in range(5):
        with place.gitlab.moving(place.hub, "alice"):
            place.hub.bare.move(f"refs/heads/b{number}", base)
        body = {"title": "x", "source_branch": f"b{number}", "target_branch": TRUNK}
        ask(place, "POST", "/merge_requests", body)
    assert [request.id for request in alice.forge.requests()] == ["1", "2", "3", "4", "5"]
    assert alice.forge.about("", head) is None


# --- forks


@pytest.fixture
def from_fork(place: World, alice: Desk) -> ChangeRequest:
    fork = place.gitlab.add_project("carol/models", carol="owner", alice="developer")
    fork.bare.text("fetch", "-q", str(place.hub.bare.path), "refs/heads/main:refs/heads/main")
    tree = fork.bare.commit(fork.bare.branch("main") or "").tree
    who = replace(fork.bare.commit("main").author, name="Carol", email="carol@example.com")
    head = fork.bare.write_commit(tree, [fork.bare.branch("main") or ""], "Mine", who, who)
    with place.gitlab.moving(fork, "carol"):
        fork.bare.move("refs/heads/gitreg/a", head)
    body = {
        "title": "From a fork",
        "source_branch": "gitreg/a",
        "target_branch": TRUNK,
        "target_project_id": place.hub.id,
    }
    place.hub.access["carol"] = "developer"
    status, _ = place.gitlab.ask(
        place.gitlab.personal_token("carol"), "POST", f"/projects/{fork.id}/merge_requests", body
    )
    assert status == 201
    return alice.forge.request("1")


def test_a_fork_s_request_has_its_head_and_is_no_branch_of_ours(
    place: World, alice: Desk, from_fork: ChangeRequest
) -> None:
    assert from_fork.head
    assert alice.repository.commit(from_fork.head).message.startswith("Mine")
    assert from_fork.branch.endswith(":gitreg/a")
    assert alice.forge.requests(branch="gitreg/a") == []
    own = alice.opened("gitreg/a")
    assert own.id == "2"
    alice.forge.close(from_fork)
    assert alice.tip("gitreg/a") == own.head


def test_a_fork_s_pushers_are_known_where_its_events_are(
    place: World, alice: Desk, bob: Desk, from_fork: ChangeRequest
) -> None:
    roles = {(hand.role, hand.account) for hand in talk(alice, from_fork).hands}
    assert ("pusher", "carol") in roles
    [problem] = talk(bob, from_fork).problems
    assert f"who pushed {from_fork.head} is not known" in problem


# --- reviews


def test_an_approval_of_the_head_counts(alice: Desk, bob: Desk, request_of_alice: ChangeRequest) -> None:
    url = bob.forge.review(request_of_alice, "Looks right.")
    found = talk(alice, request_of_alice)
    assert (found.provider, found.head) == ("gitlab", request_of_alice.head)
    assert (found.problems, found.void, found.since) == ((), None, None)
    [review] = found.reviews
    assert (review.account, review.decision, review.commit) == ("bob", "approved", found.head)
    assert review.at == NOW  # in whole seconds, as the clocks are with which it is compared
    assert (found.writers, review.is_bot) == ({"bob"}, False)
    assert "#note_" in url
    assert url.startswith(str(request_of_alice.url))


def test_an_approval_before_a_push_does_not_count(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    bob.forge.review(request_of_alice, "")
    assert request_of_alice.head
    head = alice.commit(request_of_alice.head)
    alice.push(request_of_alice.branch, request_of_alice.head, head)
    moved = alice.forge.request("1")
    assert moved.head == head
    assert counted(talk(alice, moved)) == []
    bob.forge.review(moved, "")
    assert counted(talk(alice, moved)) == ["bob"]


def test_an_approval_that_outlived_a_push_is_told_by_its_time(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    """GitLab voids approvals some seconds after the push, and not at all for a request that was closed meanwhile."""
    bob.forge.review(request_of_alice, "")
    ask(place, "PUT", "/merge_requests/1", {"state_event": "close"})
    assert request_of_alice.head
    alice.push(request_of_alice.branch, request_of_alice.head, alice.commit(request_of_alice.head))
    ask(place, "PUT", "/merge_requests/1", {"state_event": "reopen"})
    found = talk(alice, alice.forge.request("1"))
    assert [(review.account, review.commit) for review in found.reviews] == [("bob", None)]


@pytest.mark.parametrize("dated", [True, False])
def test_the_moment_of_an_approval_is_told_by_it_or_by_gitlab_s_note(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest, dated: bool
) -> None:
    place.gitlab.settings(place.hub).dates_approvals = dated
    bob.forge.review(request_of_alice, "")
    assert counted(talk(alice, request_of_alice)) == ["bob"]
    if not dated:
        made = place.gitlab.settings(place.hub).requests[1]
        made.notes = [note for note in made.notes if not note.system]
        ask(place, "POST", "/merge_requests/1/notes", {"body": "approved this merge request"}, by="bob")
        assert counted(talk(alice, request_of_alice)) == []


def test_where_pushes_void_no_approvals_none_counts(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    bob.forge.review(request_of_alice, "")
    settings = place.gitlab.settings(place.hub)
    settings.resets_approvals = False
    found = talk(alice, request_of_alice)
    assert "reset_approvals_on_push is off" in str(found.void)
    assert [review.commit for review in found.reviews] == [None]
    settings.tier = "free"
    found = talk(alice, request_of_alice)
    assert "it takes Premium" in str(found.void)
    assert "gitreg change approve --signed" in str(found.void)
    assert ([review.commit for review in found.reviews], found.problems) == ([None], ())


def test_who_may_not_see_the_setting_is_told_which_role_it_takes(
    bob: Desk, request_of_alice: ChangeRequest
) -> None:
    bob.forge.review(request_of_alice, "")
    found = talk(bob, request_of_alice)
    assert str(found.void).startswith("the token from GITLAB_TOKEN needs the role Maintainer")
    assert ([review.commit for review in found.reviews], found.problems) == ([None], ())


def test_a_setting_that_cannot_be_read_for_now_is_undecided(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    place.gitlab.fail(Answer(503), "GET", f"{ROOT}/approvals", times=9)
    with pytest.raises(Undecided, match="status 503"):
        talk(alice, request_of_alice)


def test_an_approval_can_be_taken_back(alice: Desk, bob: Desk, request_of_alice: ChangeRequest) -> None:
    bob.forge.review(request_of_alice, "")
    bob.forge.review(request_of_alice, "Not yet.", withdraw=True)
    [review] = talk(alice, request_of_alice).reviews
    assert (review.account, review.decision) == ("bob", "dismissed")
    with pytest.raises(Refused, match="no approval of yours"):
        bob.forge.review(request_of_alice, "", withdraw=True)
    bob.forge.review(request_of_alice, "")
    assert counted(talk(alice, request_of_alice)) == ["bob"]


def test_a_request_for_changes_is_a_decision(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    place.gitlab.settings(place.hub).requests[1].reviewers["carol"] = "requested_changes"
    [review] = talk(alice, request_of_alice).reviews
    assert (review.account, review.decision) == ("carol", "changes_requested")


def test_approving_twice_is_approving(bob: Desk, alice: Desk, request_of_alice: ChangeRequest) -> None:
    assert bob.forge.review(request_of_alice, "")
    assert bob.forge.review(request_of_alice, "") == request_of_alice.url
    assert len(talk(alice, request_of_alice).reviews) == 1


def test_one_s_own_request_is_not_approved(alice: Desk, request_of_alice: ChangeRequest) -> None:
    with pytest.raises(Refused, match="your own"):
        alice.forge.review(request_of_alice, "")


def test_who_may_not_approve_is_told_so(place: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    reporter = place.forge(alice.repository, place.gitlab.personal_token("rita"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="403 Forbidden") as error:
        reporter.review(request_of_alice, "")
    assert "Developer" in str(error.value.hint)


def test_a_head_that_moved_is_not_approved(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    assert request_of_alice.head
    alice.push(request_of_alice.branch, request_of_alice.head, alice.commit(request_of_alice.head))
    with pytest.raises(LostRace):
        bob.forge.review(request_of_alice, "")
    place.gitlab.fail(Answer(409, {"message": "SHA does not match HEAD"}), "POST")
    with pytest.raises(LostRace):
        bob.forge.review(alice.forge.request("1"), "")


def test_only_accounts_that_may_write_are_writers(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    bob.forge.review(request_of_alice, "")
    assert talk(alice, request_of_alice).writers == {"bob"}
    place.hub.access["bob"] = "reporter"
    assert talk(alice, request_of_alice).writers == frozenset()
    del place.hub.access["bob"]
    assert talk(alice, request_of_alice).writers == frozenset()
    found = alice.forge.conversation(request_of_alice, ["carol"])
    assert found is not None
    assert found.writers == frozenset()


def test_bots_are_told_from_people(place: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    robot = place.gitlab.project_token(place.hub)
    place.gitlab.add_user("helper", kind="Bot")
    place.hub.access["helper"] = "developer"
    for token in (robot, place.gitlab.personal_token("helper")):
        assert place.gitlab.ask(token, "POST", f"{ROOT}/merge_requests/1/approve")[0] == 201
    assert [review.is_bot for review in talk(alice, request_of_alice).reviews] == [True, True]
    theirs = place.forge(alice.repository, robot).open(alice.new("gitreg/b"), None, None, NOW)  # type: ignore[arg-type]
    assert talk(alice, theirs).author.is_bot


def test_whether_somebody_is_a_person_must_be_known(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    place.gitlab.fail(Answer(404, {"message": "404 User Not Found"}), "GET", "/users/", times=9)
    assert "whether alice is a person is not known" in talk(alice, request_of_alice).problems[0]


def test_another_target_voids_what_was_said_before(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    place.gitlab.settings(place.hub).resets_approvals = True
    bob.forge.review(request_of_alice, "")
    alice.push("other", None, alice.trunk())
    ask(place, "PUT", "/merge_requests/1", {"target_branch": "other"})
    ask(place, "PUT", "/merge_requests/1", {"target_branch": TRUNK})
    found = talk(alice, alice.forge.request("1"))
    assert found.since is not None
    assert found.since > NOW
    assert counted(found) == []


def test_a_request_that_moves_while_it_is_read_is_read_again(
    place: World, alice: Desk, request_of_alice: ChangeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time that GitLab is asked for the pushes, another one comes in."""
    assert request_of_alice.head
    heads = [request_of_alice.head]
    left = 1
    call = place.gitlab.call

    def pushing(request: Any) -> Answer:
        nonlocal left
        if request.path.endswith("/events") and left:
            left -= 1
            heads.append(alice.commit(heads[-1]))
            alice_push(place, request_of_alice.branch, alice, heads[-1])
        return call(request)

    monkeypatch.setattr(place.gitlab, "call", pushing)
    assert talk(alice, request_of_alice).head == heads[1]
    left = 99
    with pytest.raises(LostRace, match="moves while it is read"):
        talk(alice, request_of_alice)


def alice_push(place: World, branch: str, desk: Desk, head: str) -> None:
    """What a push does, from within the fake's own thread."""
    place.hub.bare.text("fetch", "-q", str(desk.repository.common_dir), head)  # type: ignore[attr-defined]
    with place.gitlab.moving(place.hub, "alice"):
        place.hub.bare.move(f"refs/heads/{branch}", head)


def test_a_push_that_gitlab_has_not_taken_in_is_a_problem(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    bob.forge.review(request_of_alice, "")
    place.gitlab.settings(place.hub).requests[1].versions[-1].head = alice.trunk()
    assert "not taken in the last push" in talk(alice, request_of_alice).problems[0]


# --- hands


def hands(found: Conversation) -> set[tuple[str, str | None, str | None]]:
    return {(hand.role, hand.account, hand.email) for hand in found.hands}


def test_everybody_who_had_a_hand_in_it_is_named(place: World, alice: Desk) -> None:
    repository = alice.repository
    blob = repository.write_blob(b"x")
    tree = repository.write_tree(alice.trunk(), {"models/x": Entry(FILE, blob)})
    message = "A change\n\nCo-authored-by: Dan <dan@example.com>\nco-authored-by: E <7-eve@users.noreply.gitlab.com>\n"
    author = Identity("Carol", "carol@example.com")
    head = repository.write_commit(tree, [alice.trunk()], message, author, NOW)
    alice.push("gitreg/a", None, head)
    bob = place.desk("bob")
    bob.repository.fetch()
    again = bob.commit(head)
    bob.push("gitreg/a", head, again)
    alice.repository.fetch()
    request = alice.forge.open(alice.new(head=again), None, again, NOW)
    assert hands(talk(alice, request)) == {
        ("author", "alice", None),
        ("pusher", "alice", None),
        ("pusher", "bob", None),
        ("commit author", None, "carol@example.com"),
        ("committer", None, "carol@example.com"),
        ("commit author", None, "alice@example.com"),
        ("committer", None, "alice@example.com"),
        ("co-author", None, "dan@example.com"),
        ("co-author", "eve", "7-eve@users.noreply.gitlab.com"),
    }


def test_who_pushed_many_branches_at_once_is_not_known(place: World, alice: Desk) -> None:
    head = alice.commit(alice.trunk())
    alice_push(place, "gitreg/kept", alice, head)
    with place.gitlab.moving(place.hub, "carol"):
        for name in ("gitreg/a", "w", "x", "y"):
            place.hub.bare.move(f"refs/heads/{name}", head)
    alice.repository.fetch()
    request = alice.forge.open(alice.new(head=head), None, head, NOW)
    assert talk(alice, request).problems == (f"who pushed {head} is not known: GitLab lists no such push",)
    assert request.head
    more = alice.commit(head)
    alice.push("gitreg/a", head, more)
    [problem] = talk(alice, alice.forge.request("1")).problems
    assert problem == f"who pushed {head} before is not known: GitLab does not list that push"


def test_events_of_other_branches_and_of_former_lives_do_not_matter(place: World, alice: Desk) -> None:
    first = alice.opened()
    alice.forge.close(first)
    bob = place.desk("bob")
    bob.push("gitreg/ab", None, bob.commit(bob.trunk()))
    second = alice.opened()
    found = talk(alice, second)
    assert {hand.account for hand in found.hands if hand.role == "pusher"} == {"alice"}
    assert found.problems == ()


def test_a_merged_request_still_tells_who_made_and_approved_it(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    bob.forge.review(request_of_alice, "")
    base = alice.trunk()
    assert request_of_alice.head
    commit = alice.merge_commit(base, request_of_alice.head)
    alice.forge.merge(request_of_alice, commit, base, "merged")
    found = talk(alice, alice.forge.request("1"))
    assert (counted(found), found.problems) == (["bob"], ())
    assert ("pusher", "alice", None) in hands(found)


# --- the comment


def test_there_is_one_comment_however_often_it_is_set(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    forged = {"body": f"{STATUS}\nall is well"}
    ask(place, "POST", "/merge_requests/1/notes", forged, by="bob")
    urls = {alice.forge.comment(request_of_alice, text) for text in ("red", "green", "green")}
    assert len(urls) == 1
    notes = [note for note in ask(place, "GET", "/merge_requests/1/notes") if not note["system"]]
    mine = [note["body"] for note in notes if note["author"]["username"] == "alice"]
    assert mine == [f"green\n{STATUS}"]
    puts = [each for each in place.gitlab.exchanges if each.method == "PUT" and "/notes/" in each.path]
    assert len(puts) == 1


def test_a_comment_whose_answer_was_lost_is_not_made_twice(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    place.gitlab.fail(None, "POST", f"{ROOT}/merge_requests/1/notes", after=True)
    alice.forge.comment(request_of_alice, "red")
    assert len(ask(place, "GET", "/merge_requests/1/notes")) == 1


def test_a_comment_that_is_not_listed_yet_is_made_all_the_same(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    place.gitlab.fail(Answer(200, []), "GET", f"{ROOT}/merge_requests/1/notes", times=2)
    assert str(alice.forge.comment(request_of_alice, "red")).startswith(f"{request_of_alice.url}#note_")


def test_two_first_comments_become_one(place: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    for text in ("one", "two"):
        ask(place, "POST", "/merge_requests/1/notes", {"body": f"{text}\n{STATUS}"})
    alice.forge.comment(request_of_alice, "three")
    [note] = ask(place, "GET", "/merge_requests/1/notes")
    assert note["body"] == f"three\n{STATUS}"


# --- merging


@pytest.mark.parametrize(
    ("method", "squash"),
    [("merge", "default_off"), ("rebase_merge", "default_off"), ("ff", "default_off"), ("ff", "always")],
)
def test_whatever_the_merge_method_what_lands_is_what_was_judged(
    place: World, alice: Desk, request_of_alice: ChangeRequest, method: str, squash: str
) -> None:
    settings = place.gitlab.settings(place.hub)
    settings.merge_method, settings.squash = method, squash
    base = alice.trunk()
    assert request_of_alice.head
    commit = alice.merge_commit(base, request_of_alice.head)
    landed = alice.forge.merge(request_of_alice, commit, base, "merged")
    assert alice.trunk() == landed
    assert alice.repository.commit(landed).tree == alice.repository.commit(commit).tree
    assert alice.forge.landed([landed]) == {landed: alice.forge.request("1")}
    assert alice.forge.landed([landed, *(f"{n:040x}" for n in range(9))]).keys() == {landed}


def test_what_was_reviewed_is_here_after_a_squash(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    """A clone that is made after the merge has the squash alone; whose reviews count hangs on what they were of."""
    place.gitlab.settings(place.hub).squash = "always"
    base = alice.trunk()
    assert request_of_alice.head
    alice.forge.merge(request_of_alice, alice.merge_commit(base, request_of_alice.head), base, "merged")
    ci = place.desk("bob")
    landed = ci.forge.landed([ci.trunk()])[ci.trunk()]
    assert talk(ci, landed).head == request_of_alice.head
    assert ci.repository.commit(request_of_alice.head).parents == (base,)


def test_a_tree_that_was_not_judged_is_not_merged(alice: Desk, request_of_alice: ChangeRequest) -> None:
    base = alice.trunk()
    assert request_of_alice.head
    other = alice.merge_commit(base, alice.commit(base))
    with pytest.raises(Refused, match="to another tree"):
        alice.forge.merge(request_of_alice, other, base, "merged")
    assert alice.trunk() == base


def test_a_base_that_moves_in_the_last_moment_is_told(
    place: World, alice: Desk, request_of_alice: ChangeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = alice.trunk()
    assert request_of_alice.head
    commit = alice.merge_commit(base, request_of_alice.head)
    moved = alice.commit(base)
    call = place.gitlab.call

    def pushing(request: Any) -> Answer:
        if request.path.endswith("/merge"):
            alice_push(place, TRUNK, alice, moved)
        return call(request)

    monkeypatch.setattr(place.gitlab, "call", pushing)
    with pytest.raises(Refused, match="not what was judged"):
        alice.forge.merge(request_of_alice, commit, base, "merged")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("pipeline", "its pipeline must succeed first"),
        ("approvals", "asks for approvals"),
        ("draft", "it is a draft"),
        ("conflict", "it conflicts with its target"),
        ("role", "does not let the account"),
        ("405", "405 Method Not Allowed"),
    ],
)
def test_what_gitlab_does_not_merge_is_refused_and_says_why(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest, spoil: str, why: str
) -> None:
    settings, request = place.gitlab.settings(place.hub), request_of_alice
    assert request.head
    base = alice.trunk()
    commit = alice.merge_commit(base, request.head)
    match spoil:
        case "pipeline":
            settings.pipeline_must_succeed = True
        case "approvals":
            settings.approvals_required = 1
        case "draft":
            settings.requests[1].title = "Draft: x"
        case "conflict":
            base = conflicting(alice, request)
        case "role":
            settings.protections[TRUNK].merge = 40
        case "405":
            place.gitlab.fail(
                Answer(405, {"message": "405 Method Not Allowed"}), "PUT", f"{ROOT}/merge_requests/1/merge"
            )
    with pytest.raises(Refused, match=why) as error:
        bob.forge.merge(request, commit, base, request.body)
    assert error.value.hint
    assert (alice.trunk(), alice.forge.request("1").state) == (base, "open")


def conflicting(desk: Desk, request: ChangeRequest) -> str:
    """The trunk's new tip, with another content of the very file that the request adds."""
    base = desk.trunk()
    tree = desk.repository.tree(request.head or "")
    name = next(iter(tree.list("models")))
    blob = desk.repository.write_blob(b"something else\n")
    made = desk.repository.write_tree(base, {f"models/{name}": Entry(FILE, blob)})
    moved = desk.repository.write_commit(made, [base], "Another\n", Identity("B", "b@example.com"), NOW)
    desk.push(TRUNK, base, moved)
    return moved


def test_gitlab_may_take_its_time_to_know(
    place: World, alice: Desk, request_of_alice: ChangeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = alice.trunk()
    assert request_of_alice.head
    commit = alice.merge_commit(base, request_of_alice.head)
    status, left = place.gitlab.merge_status, 99
    monkeypatch.setattr(gitlab_merge, "ATTEMPTS", 3)

    def slow(one: Any) -> str:
        nonlocal left
        left -= 1
        return "checking" if left > 0 else status(one)

    monkeypatch.setattr(place.gitlab, "merge_status", slow)
    with pytest.raises(Undecided, match="does not know in time"):
        alice.forge.merge(request_of_alice, commit, base, "merged")
    left = 3
    assert alice.forge.merge(request_of_alice, commit, base, "merged")


def test_a_merge_whose_answer_was_lost_has_landed(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    base = alice.trunk()
    assert request_of_alice.head
    commit = alice.merge_commit(base, request_of_alice.head)
    place.gitlab.fail(None, "PUT", f"{ROOT}/merge_requests/1/merge", after=True)
    landed = alice.forge.merge(request_of_alice, commit, base, "merged")
    assert alice.trunk() == landed


def test_a_person_s_own_branch_is_kept(alice: Desk) -> None:
    request, base = alice.opened("mine"), alice.trunk()
    assert request.head
    alice.forge.merge(request, alice.merge_commit(base, request.head), base, "merged")
    assert alice.tip("mine") == request.head


def test_a_red_pipeline_of_the_head_is_run_again(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    pipelines, head = place.gitlab.settings(place.hub).pipelines, str(request_of_alice.head)
    assert alice.forge.rerun_failed(head) is None
    pipelines |= {"1" * 40: "failed", head: "success"}
    assert alice.forge.rerun_failed(head) is None
    pipelines[head] = "failed"
    assert alice.forge.rerun_failed(head) == f"{place.gitlab.url}/{HUB}/-/pipelines/2"
    assert pipelines == {"1" * 40: "failed", head: "running"}
    assert alice.forge.rerun_failed("1" * 40) is None


# --- tokens, limits, failures


def failing(place: World, desk: Desk, token: str, **how: Any) -> GitregError:
    with pytest.raises(GitregError) as error:
        place.forge(desk.repository, token, **how).requests()  # type: ignore[arg-type]
    return error.value


def test_a_token_that_does_not_do_says_why(place: World, alice: Desk) -> None:
    gitlab = place.gitlab
    gitlab.add_user("mallory")
    cases = {
        "does not accept the token from GITLAB_TOKEN": "glpat-nobody",
        "Token is expired": gitlab.personal_token("bob", expires=NOW - timedelta(days=1)),
        "insufficient_scope": gitlab.personal_token("bob", "read_repository"),
        "knows no such thing in acme/risk/models": gitlab.personal_token("mallory"),
    }
    for words, token in cases.items():
        error = failing(place, alice, token)
        assert isinstance(error, ConfigError)
        assert words in error.message
        assert error.hint
        assert "\n" not in error.message


def test_a_read_token_writes_nothing(place: World, alice: Desk) -> None:
    new = alice.new()
    forge = place.forge(alice.repository, place.gitlab.personal_token("bob", "read_api"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="insufficient_scope") as error:
        forge.open(new, None, None, NOW)
    assert "scope api" in str(error.value.hint)


def test_a_job_token_is_told_what_it_may_not(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    token = place.gitlab.job_token("bob")
    forge = place.forge(alice.repository, token, JOB)  # type: ignore[arg-type]
    for act in (
        forge.requests,
        lambda: forge.request("1"),
        lambda: forge.conversation(request_of_alice, ACCOUNTS),
        lambda: forge.review(request_of_alice, ""),
        lambda: forge.comment(request_of_alice, "x"),
    ):
        with pytest.raises(ConfigError, match=r"a job token \(CI_JOB_TOKEN\) may not do that") as error:
            act()
        assert error.value.hint == "give a project access token with the scope api in GITLAB_TOKEN"


def test_a_project_that_is_not_there_is_no_missing_request(place: World, alice: Desk) -> None:
    forge = place.forge(alice.repository, place.gitlab.personal_token("bob"), name="acme/none")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="knows no such thing in acme/none"):
        forge.request("1")


def test_limits_are_waited_for_but_not_for_ever(place: World, alice: Desk) -> None:
    gitlab = place.gitlab
    path = f"{ROOT}/merge_requests"
    gitlab.fail(Answer(429, {"message": "Retry later"}, {"Retry-After": "0"}), "GET", path, times=2)
    assert alice.forge.requests() == []
    gitlab.fail(Answer(429, {"message": "Retry later"}, {"Retry-After": "3600"}), "GET", path)
    with pytest.raises(Undecided, match=r"wants fewer requests until \d{4}-"):
        alice.forge.requests()
    gitlab.fail(Answer(429, {"message": "Retry later"}), "GET", path, times=9)
    with pytest.raises(Undecided, match="wants fewer requests"):
        alice.forge.requests()


def test_reading_is_tried_again_and_writing_is_not(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    gitlab, path = place.gitlab, f"{ROOT}/merge_requests"
    for answer in (Answer(502), None):
        gitlab.fail(answer, "GET", path, times=2)
        assert alice.forge.requests() == [request_of_alice]
    gitlab.fail(Answer(502), "PUT", f"{path}/1", times=2)
    with pytest.raises(Undecided, match="status 502"):
        alice.forge.close(request_of_alice)
    assert sum(each.method == "PUT" for each in gitlab.exchanges) == 1


def test_answers_that_make_no_sense_are_undecided(place: World, alice: Desk) -> None:
    for answer in (Answer(200, {}), Answer(200, [1]), Answer(200, "<html>")):
        place.gitlab.fail(answer, "GET", f"{ROOT}/merge_requests")
        with pytest.raises(Undecided, match="makes no sense"):
            alice.forge.requests()


def test_the_token_follows_no_redirect(place: World, alice: Desk) -> None:
    elsewhere = {"Location": f"{place.gitlab.url}/api/v4/user"}
    for status in (301, 302, 307):
        place.gitlab.fail(Answer(status, {}, elsewhere), "GET", f"{ROOT}/merge_requests")
        with pytest.raises(ConfigError, match="has moved"):
            alice.forge.requests()
    assert not [each for each in place.gitlab.exchanges if each.path == "/user"]


def test_a_list_without_end_is_not_believed(
    place: World, alice: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gitlab_api, "MOST_PAGES", 3)
    place.gitlab.fail(Answer(200, [], {"X-Next-Page": "2"}), "GET", f"{ROOT}/merge_requests", times=9)
    with pytest.raises(Undecided, match="does not end"):
        alice.forge.requests()


def test_errors_do_not_contain_the_token(place: World, alice: Desk) -> None:
    token = place.gitlab.personal_token("bob")
    place.gitlab.fail(
        Answer(400, {"message": {"title": [f"is not {token}"]}}), "GET", f"{ROOT}/merge_requests"
    )
    forge = place.forge(alice.repository, token)  # type: ignore[arg-type]
    with pytest.raises(Refused) as error:
        forge.requests()
    told = "".join(traceback.format_exception(error.value)) + repr(error.value.__dict__)
    assert "[token]" in error.value.message
    assert token not in told
    assert token not in repr(forge.api.token)


def test_a_protected_branch_refuses_the_push_in_gitlab_s_words(place: World, alice: Desk) -> None:
    place.gitlab.guard(place.hub)
    settings = place.gitlab.settings(place.hub)
    settings.protections["gitreg/a"] = replace(settings.protections[TRUNK], push=0)
    with pytest.raises(Refused, match="not allowed to push code to protected branches"):
        alice.opened()
    assert alice.forge.requests() == []


def test_what_is_gone_or_closed_meanwhile_is_told(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    ask(place, "PUT", "/merge_requests/1", {"state_event": "close"})
    for act in (
        lambda: bob.forge.review(request_of_alice, ""),
        lambda: alice.forge.close(request_of_alice),
        lambda: alice.forge.merge(request_of_alice, str(request_of_alice.head), alice.trunk(), ""),
    ):
        with pytest.raises(Refused, match="is closed already"):
            act()


def test_the_place_has_one_name(place: World, alice: Desk) -> None:
    forge = alice.forge
    assert isinstance(forge, GitlabForge)
    assert forge.hub_id() == f"{place.address().host}/{HUB}"
    assert (forge.provider, forge.opening("!1") if forge.requests() else None) == ("gitlab", None)


def test_reviews_are_in_the_order_in_which_they_were_given(
    place: World, alice: Desk, bob: Desk, request_of_alice: ChangeRequest
) -> None:
    carol = place.forge(alice.repository, place.gitlab.personal_token("carol"))  # type: ignore[arg-type]
    carol.review(request_of_alice, "")
    bob.forge.review(request_of_alice, "")
    found: tuple[Review, ...] = talk(alice, request_of_alice).reviews
    assert [review.account for review in found] == ["carol", "bob"]


def test_an_account_that_was_deleted_is_nobody_known(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    """GitLab shows its own account ``ghost`` in the place of one that is gone."""
    place.gitlab.add_user("ghost")
    made = place.gitlab.settings(place.hub).requests[1]
    made.author = "ghost"
    place.gitlab.settings(place.hub).events[-1].login = "ghost"
    gone, pushed = talk(alice, request_of_alice).problems
    assert gone == "who opened the change request is not known: the account is gone"
    assert pushed == f"who pushed {request_of_alice.head} is not known: the account is gone"
