"""Who made a pull request and who approved it, read from a fake GitHub over real git pushes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from forge_contract import NOW, Desk

from forge.bare import Person
from forge.fake_github import ACTIONS_BOT
from forge.fake_github_state import Run
from forge.git_host import Answer
from forge.github_world import HUB, PEOPLE, PULLS, Exactly, Meanwhile, World, fork_of
from gitreg.core.ports import ChangeRequest, Conversation, Hand, Identity, NewRequest
from gitreg.errors import ConfigError, LostRace, Undecided


def talk(desk: Desk, request: ChangeRequest, *accounts: str) -> Conversation:
    found = desk.forge.conversation(request, accounts or tuple(PEOPLE))
    assert found
    return found


def made_by(desk: Desk, who: Identity, message: str = "A change\n") -> NewRequest:
    new = desk.new()
    base = desk.repository.commit(new.head)
    return replace(new, head=desk.repository.write_commit(base.tree, list(base.parents), message, who, NOW))


# --- hands -------------------------------------------------------------------------------------------------------


def test_all_hands_in_a_request_are_known(hub: World, alice: Desk) -> None:
    message = (
        "A change\n\nCo-authored-by: Carol <12+carol-gh@users.noreply.github.com>\n"
        "co-Authored-By: Erin <erin@example.com>\n"
    )
    request = alice.forge.open(made_by(alice, Identity("Bob", "bob@example.com"), message), None, None, NOW)
    found = talk(alice, request)
    assert (found.provider, found.head, found.problems) == ("github", request.head, ())
    assert found.author == Hand("author", "alice-gh")
    assert set(found.hands) == {
        Hand("author", "alice-gh"),
        Hand("pusher", "alice-gh"),
        Hand("commit author", "bob-gh"),
        Hand("commit author", email="bob@example.com"),
        Hand("committer", "bob-gh"),
        Hand("committer", email="bob@example.com"),
        Hand("co-author", "carol-gh", "12+carol-gh@users.noreply.github.com"),
        Hand("co-author", email="erin@example.com"),
    }


def test_an_address_that_is_nobody_s_account_is_a_hand(hub: World, alice: Desk) -> None:
    request = alice.forge.open(made_by(alice, Identity("X", "x@nowhere.example")), None, None, NOW)
    made = {hand for hand in talk(alice, request).hands if hand.role in {"commit author", "committer"}}
    assert made == {
        Hand("commit author", email="x@nowhere.example"),
        Hand("committer", email="x@nowhere.example"),
    }


def test_github_itself_has_no_hand(hub: World, alice: Desk) -> None:
    """A merge of the base by the button on the web page is committed by GitHub."""
    request = alice.opened()
    assert request.head
    bare = hub.hub.bare
    person, github = Person("Carol", "carol@example.com", NOW), Person("GitHub", "noreply@github.com", NOW)
    tree = bare.commit(request.head).tree
    head = bare.write_commit(tree, [request.head], "On the web\n", person, github)
    with hub.github.moving(hub.hub, "carol-gh"):
        bare.move(f"refs/heads/{request.branch}", head)
    hands = talk(alice, alice.forge.request(request.id)).hands
    assert Hand("commit author", "carol-gh") in hands
    assert Hand("pusher", "carol-gh") in hands
    assert not [hand for hand in hands if hand.account == "web-flow" or hand.email == "noreply@github.com"]


def test_all_who_pushed_since_the_branch_was_made_are_hands(hub: World, alice: Desk) -> None:
    bob, carol = hub.desk("bob-gh"), hub.desk("carol-gh")
    before = bob.commit(bob.trunk())
    bob.push("gitreg/a", None, before)
    bob.push("gitreg/a", before, None)  # another branch of that name: not this one
    hub.github.advance(minutes=1)
    request = alice.opened("gitreg/a")
    assert request.head
    carol.repository.fetch()
    head = carol.commit(request.head)
    carol.push("gitreg/a", request.head, head)
    found = talk(alice, alice.forge.request(request.id))
    assert [hand.account for hand in found.hands if hand.role == "pusher"] == ["carol-gh", "alice-gh"]
    assert found.problems == ()


def test_many_pushes_are_read_page_by_page(hub: World, alice: Desk) -> None:
    request = alice.opened()
    assert request.head
    push = hub.github.pushes[-1]
    hub.github.pushes += [replace(push, before=request.head, login="bob-gh")] * 150
    pushers = [hand.account for hand in talk(alice, request).hands if hand.role == "pusher"]
    assert pushers == ["bob-gh", "alice-gh"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ([], "GitHub lists no such push"),
        (403, "does not let the token from GH_TOKEN do that: Resource not accessible"),
        (404, "knows no such thing"),
    ],
)
def test_who_pushed_the_head_must_be_known(
    hub: World, alice: Desk, answer: list[object] | int, problem: str
) -> None:
    request = alice.opened()
    body = {"message": "Resource not accessible by integration", "documentation_url": ""}
    said = Answer(answer, body) if isinstance(answer, int) else Answer(200, answer)
    hub.github.fail(said, "GET", f"/repos/{HUB}/activity")
    [found] = talk(alice, request).problems
    assert found.startswith(f"who pushed {request.head} is not known: ")
    assert problem in found


def test_the_beginning_of_the_branch_must_be_known(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.pushes[-1] = replace(hub.github.pushes[-1], before="1" * 40)
    assert talk(alice, request).problems == (
        "who pushed the branch first is not known: GitHub does not list when it was made",
    )


def test_the_pushes_to_a_fork_are_the_fork_s(hub: World, alice: Desk) -> None:
    _, number = fork_of(hub, "bob-gh", "change")
    found = talk(alice, alice.forge.request(number))
    assert [hand.account for hand in found.hands if hand.role == "pusher"] == ["bob-gh"]
    assert found.problems == ()


def test_without_the_fork_who_pushed_is_not_known(hub: World, alice: Desk) -> None:
    _, number = fork_of(hub, "bob-gh", "change")
    shown = hub.github.act("alice-gh", "GET", f"{PULLS}/{number}")
    gone = Answer(200, shown | {"head": shown["head"] | {"repo": None}, "user": None})
    request = alice.forge.request(number)
    hub.github.faults.append(Exactly(gone, "GET", f"{PULLS}/{number}", 2))
    found = talk(alice, request)
    assert [line.partition(":")[0] for line in found.problems] == [
        "who opened the change request is not known",
        f"who pushed {request.head} is not known",
    ]
    assert found.author == Hand("author")


def test_more_commits_than_github_lists_are_a_problem(hub: World, alice: Desk) -> None:
    request = alice.opened()
    shown = hub.github.act("alice-gh", "GET", f"{PULLS}/1")
    hub.github.faults.append(Exactly(Answer(200, shown | {"commits": 251}), "GET", f"{PULLS}/1", 2))
    found = talk(alice, request)
    assert found.problems == ("who made its 251 commits is not known: GitHub lists 250 at most",)


# --- reviews -----------------------------------------------------------------------------------------------------


def test_reviews_are_decisions_about_a_commit(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.review("bob-gh", 1, "REQUEST_CHANGES", "not yet")
    hub.github.advance(minutes=1)
    hub.github.review("carol-gh", 1)
    hub.github.review("carol-gh", 1, "COMMENT", "by the way")
    hub.github.advance(minutes=1)
    hub.github.review("bob-gh", 1)
    carol = hub.desk("carol-gh")
    carol.forge.review(request, "", withdraw=True)
    found = talk(alice, request).reviews
    assert [(each.account, each.decision, each.commit) for each in found] == [
        ("bob-gh", "changes_requested", request.head),
        ("carol-gh", "dismissed", request.head),
        ("bob-gh", "approved", request.head),
    ]
    assert [each.at - NOW for each in found] == [timedelta(minutes=at) for at in (0, 1, 2)]
    assert found[0].url.startswith("http://")
    assert not any(each.is_bot for each in found)


def test_all_pages_of_reviews_are_read(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.review("bob-gh", 1)
    hub.hub.pulls[1].reviews *= 119
    hub.github.review("carol-gh", 1)
    assert [each.account for each in talk(alice, request).reviews][-2:] == ["bob-gh", "carol-gh"]
    assert len(talk(alice, request).reviews) == 120


def test_a_review_of_an_earlier_head_says_so(hub: World, alice: Desk) -> None:
    request = alice.opened()
    assert request.head
    hub.github.review("bob-gh", 1)
    head = alice.commit(request.head)
    alice.push(request.branch, request.head, head)
    found = talk(alice, alice.forge.request(request.id))
    assert (found.head, [each.commit for each in found.reviews]) == (head, [request.head])


def test_a_bot_s_review_is_a_bot_s(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.add_person("helper[bot]", kind="Bot")
    hub.hub.access["helper[bot]"] = "write"
    hub.github.review("helper[bot]", 1)
    assert [each.is_bot for each in talk(alice, request).reviews] == [True]


def test_the_last_force_or_new_base_voids_what_was_before(hub: World, alice: Desk) -> None:
    request = alice.opened()
    assert request.head
    assert talk(alice, request).since is None
    forced_at = hub.github.advance(hours=1)
    alice.push(request.branch, request.head, alice.commit(alice.trunk()))
    assert talk(alice, alice.forge.request("1")).since == forced_at
    alice.push("side", None, alice.trunk())
    retargeted_at = hub.github.advance(hours=1)
    hub.github.retarget("alice-gh", 1, "side")
    hub.github.advance(hours=1)
    hub.github.comment("bob-gh", 1, "a long talk")
    hub.hub.pulls[1].comments *= 110
    assert talk(alice, alice.forge.request("1")).since == retargeted_at


def test_a_reviewer_must_be_able_to_write(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.review("bob-gh", 1)
    for role, may in {"read": 0, "triage": 0, "write": 1, "maintain": 1, "admin": 1}.items():
        hub.hub.access["bob-gh"] = role
        assert talk(alice, request, "BOB-GH").writers == frozenset({"bob-gh"} if may else ())


def test_only_those_who_count_are_asked_about(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.review("bob-gh", 1)
    hub.github.review("carol-gh", 1, "REQUEST_CHANGES", "no")
    hub.github.exchanges.clear()
    assert talk(alice, request, "carol-gh", "alice-gh").writers == frozenset()
    assert not [each for each in hub.github.exchanges if "/collaborators/" in each.path]


def test_whether_they_may_write_must_be_known(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.review("bob-gh", 1)
    hub.hub.access["carol-gh"] = "read"
    carol = hub.desk("carol-gh")
    found = talk(carol, request)
    assert found.writers == frozenset()
    assert [line.partition(":")[0] for line in found.problems] == ["whether bob-gh may write is not known"]


# --- runs of Actions ---------------------------------------------------------------------------------------------


@pytest.fixture
def promoted(hub: World) -> tuple[Desk, ChangeRequest, Run]:
    """A request that a run of Actions opened, for Bob."""
    hub.hub.actions_may_approve = True
    clone = hub.desk("alice-gh")
    run = hub.github.add_run(
        clone.trunk(),
        "workflow_dispatch",
        None,
        login="bob-gh",
        path=".github/workflows/gitreg-promote.yml",
        branch="main",
    )
    run.title = "Promote credit-risk/3 to production"
    here = {
        "GITHUB_REPOSITORY": HUB,
        "GITHUB_SERVER_URL": hub.github.url,
        "GITHUB_RUN_ID": str(run.id),
    }
    robot = hub.desk(ACTIONS_BOT, hub.github.actions_token(HUB), here)
    hub.github.advance(minutes=2)
    request = robot.opened()
    run.ended = hub.github.advance(minutes=1)
    run.status, run.conclusion = "completed", "success"
    hub.github.advance(hours=1)
    return robot, request, run


def test_a_bot_s_request_is_of_who_started_the_run(
    hub: World, alice: Desk, promoted: tuple[Desk, ChangeRequest, Run]
) -> None:
    found = talk(alice, promoted[1])
    assert found.author == Hand("author", ACTIONS_BOT, is_bot=True)
    assert found.problems == ()
    assert found.run
    assert (found.run.actor, found.run.event, found.run.branch) == (
        Hand("requester", "bob-gh"),
        "workflow_dispatch",
        "main",
    )
    assert found.run.workflow == ".github/workflows/gitreg-promote.yml"
    assert (found.run.title, found.run.started) == ("Promote credit-risk/3 to production", NOW)
    assert Hand("requester", "bob-gh") in found.hands


def test_who_runs_it_again_is_a_requester_too(
    hub: World, alice: Desk, promoted: tuple[Desk, ChangeRequest, Run]
) -> None:
    promoted[2].again = "carol-gh"
    found = talk(alice, promoted[1])
    requesters = [hand.account for hand in found.hands if hand.role == "requester"]
    assert requesters == ["bob-gh", "carol-gh"]
    assert found.run is not None
    assert found.run.actor.account == "carol-gh"  # it is she whose roles must allow the change


def earlier_run(hub: World, alice: Desk) -> Run:
    """One that Carol started the day before, for the same."""
    hub.github.now = NOW - timedelta(days=1)
    made = hub.github.add_run(alice.trunk(), "workflow_dispatch", "success", login="carol-gh", branch="main")
    made.ended = hub.github.now
    hub.github.now = NOW + timedelta(hours=2)
    return made


def test_a_run_that_was_over_does_not_speak_for_the_bot(
    hub: World, alice: Desk, promoted: tuple[Desk, ChangeRequest, Run]
) -> None:
    """Bob, who asked for it, edits the text so that it names Carol's run in place of his."""
    old, pull = earlier_run(hub, alice), hub.hub.pulls[1]
    assert pull.body
    pull.body = pull.body.replace(f"run={promoted[2].id}", f"run={old.id}")
    found = talk(alice, promoted[1])
    assert found.run is None
    assert found.problems == (
        f"who had {ACTIONS_BOT} push {promoted[1].head} is not known: no run that is named ran then",
        f"who had {ACTIONS_BOT} open the change request is not known: no run that is named ran then",
    )


def test_another_run_that_is_named_as_well_does_not_take_its_place(
    hub: World, alice: Desk, promoted: tuple[Desk, ChangeRequest, Run]
) -> None:
    hub.hub.pulls[1].body = f"{hub.hub.pulls[1].body}\n<!-- gitreg:run={earlier_run(hub, alice).id} -->"
    found = talk(alice, promoted[1])
    assert found.run
    assert (found.run.actor.account, found.problems) == ("bob-gh", ())
    assert {hand.account for hand in found.hands if hand.role == "requester"} == {"bob-gh", "carol-gh"}


def test_of_two_runs_at_once_neither_speaks(
    hub: World, alice: Desk, promoted: tuple[Desk, ChangeRequest, Run]
) -> None:
    hub.github.now = NOW
    path = ".github/workflows/gitreg-promote.yml"
    other = hub.github.add_run(
        alice.trunk(), "workflow_dispatch", None, login="carol-gh", path=path, branch="main"
    )
    hub.hub.pulls[1].body = f"{hub.hub.pulls[1].body}\n<!-- gitreg:run={other.id} -->"
    found = talk(alice, promoted[1])
    assert found.run is None
    assert all(line.endswith("several runs that are named ran then") for line in found.problems)
    assert len(found.problems) == 2


def test_what_a_person_pushed_is_still_the_bot_s_request(
    hub: World, alice: Desk, promoted: tuple[Desk, ChangeRequest, Run]
) -> None:
    request = promoted[1]
    assert request.head
    alice.repository.fetch()
    alice.push(request.branch, request.head, alice.commit(request.head))
    found = talk(alice, alice.forge.request("1"))
    assert found.run
    assert (found.run.actor.account, found.problems) == ("bob-gh", ())
    assert Hand("pusher", "alice-gh") in found.hands


def test_a_bot_that_names_no_run_speaks_for_nobody(
    hub: World, alice: Desk, promoted: tuple[Desk, ChangeRequest, Run]
) -> None:
    hub.hub.pulls[1].body = "no run"
    found = talk(alice, promoted[1])
    assert (found.run, found.problems) == (None, ())


@pytest.mark.parametrize("marks", ["<!-- gitreg:run=999 -->", "<!-- gitreg:run={0} -->" * 11])
def test_runs_that_cannot_be_read_are_a_problem(
    hub: World, alice: Desk, promoted: tuple[Desk, ChangeRequest, Run], marks: str
) -> None:
    hub.hub.pulls[1].body = (
        "".join(f"<!-- gitreg:run={n} -->\n" for n in range(1, 12)) if "{" in marks else marks
    )
    assert talk(alice, promoted[1]).problems


def test_what_a_bot_pushed_for_a_person_s_request_is_somebody_s(
    hub: World, alice: Desk, promoted: tuple[Desk, ChangeRequest, Run]
) -> None:
    """The workflow pushed the branch, and a person opened the request: who started the workflow has a hand in it."""
    pull = hub.hub.pulls[1]
    pull.login = "alice-gh"
    found = talk(alice, alice.forge.request("1"))
    assert found.author == Hand("author", "alice-gh")
    assert Hand("requester", "bob-gh") in found.hands


def test_a_person_s_request_names_no_run(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.hub.pulls[1].body = "<!-- gitreg:run=999 -->"
    found = talk(alice, request)
    assert (found.run, found.problems) == (None, ())


# --- while it is read --------------------------------------------------------------------------------------------


def test_a_head_that_moves_meanwhile_is_read_again(hub: World, alice: Desk) -> None:
    request = alice.opened()
    assert request.head
    head = alice.commit(request.head)
    alice.push("spare", None, head)

    def push() -> None:
        with hub.github.moving(hub.hub, "alice-gh"):
            hub.hub.bare.move(f"refs/heads/{request.branch}", head)

    hub.github.faults.append(Meanwhile(push, "GET", f"/repos/{HUB}/issues/1/timeline"))
    assert talk(alice, request).head == head


def test_what_moves_all_the_time_is_a_lost_race(hub: World, alice: Desk) -> None:
    request = alice.opened()

    def edit() -> None:
        pull = hub.hub.pulls[1]
        pull.body = f"{pull.body}."

    class Always(Meanwhile):
        def meets(self, method: str, path: str) -> bool:
            self.times = 1
            return super().meets(method, path)

    hub.github.faults[:] = [Always(edit, "GET", f"/repos/{HUB}/issues/1/timeline")]
    with pytest.raises(LostRace, match="moves while it is read"):
        alice.forge.conversation(request, ())


def test_the_conversation_of_a_merged_request_stays(hub: World, alice: Desk) -> None:
    request = alice.opened()
    assert request.head
    hub.github.review("bob-gh", 1)
    alice.forge.merge(request, request.head, alice.trunk(), "merged")
    found = talk(hub.desk("carol-gh"), alice.forge.request("1"))
    assert (found.head, found.problems) == (request.head, ())
    assert [each.account for each in found.reviews] == ["bob-gh"]
    assert Hand("pusher", "alice-gh") in found.hands


@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        (f"{PULLS}/1/reviews", "who reviewed it"),
        (f"{PULLS}/1/commits", "who made its commits"),
        (f"/repos/{HUB}/issues/1/timeline", "whether its branch was forced"),
    ],
)
def test_what_the_token_may_not_see_is_a_problem(hub: World, alice: Desk, path: str, unknown: str) -> None:
    request = alice.opened()
    said = {"message": "Resource not accessible by integration", "documentation_url": ""}
    hub.github.fail(Answer(403, said), "GET", path)
    [problem] = talk(alice, request).problems
    assert problem.startswith(f"{unknown} is not known: cannot read the ")


def test_silence_is_no_answer(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.fail(Answer(502, {"message": "Bad Gateway"}), "GET", f"/repos/{HUB}/activity", times=9)
    with pytest.raises(Undecided, match="cannot read the pushes of change request #1"):
        alice.forge.conversation(request, ())


def test_a_token_that_expires_meanwhile_is_an_error(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.fail(hub.github.unauthorized(), "GET", f"/repos/{HUB}/activity")
    with pytest.raises(ConfigError, match="does not accept the token from GH_TOKEN"):
        alice.forge.conversation(request, ())
