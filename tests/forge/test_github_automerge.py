"""Pull requests that GitHub merges by itself. Real git, and HTTP to a fake GitHub, whose auto-merge really merges."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from forge_contract import NOW, Desk

from forge.fake_github_kit import ruleset
from forge.fake_github_state import Pull
from forge.github_world import HUB, PULLS, Meanwhile, World
from gitreg.core.ports import ChangeRequest
from gitreg.errors import Undecided

GRAPHQL = "/graphql"


@pytest.fixture
def hub(hub: World) -> World:
    """With the rules of docs/github.md, and auto-merge allowed."""
    hub.github.add_ruleset("alice-gh", ruleset())
    hub.hub.allow_auto_merge = True
    return hub


@pytest.fixture
def request_of_alice(hub: World, alice: Desk) -> ChangeRequest:
    return alice.opened()


def pull(hub: World) -> Pull:
    return hub.hub.pulls[1]


def mutations(hub: World) -> int:
    return sum(each.path == GRAPHQL for each in hub.github.exchanges)


def test_it_merges_once_check_and_review_are_there(
    hub: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    base, head = alice.trunk(), str(request_of_alice.head)
    assert alice.forge.merge_when_ready(request_of_alice) is None
    assert alice.forge.request("1").merges_itself
    assert [each.merges_itself for each in alice.forge.requests()] == [True]
    hub.github.set_check(head, "gitreg", "success")
    assert alice.forge.request("1").state == "open"
    hub.github.review("bob-gh", 1)
    assert alice.repository.commit(alice.trunk()).parents == (base, head)
    merged = alice.forge.request("1")
    assert (merged.state, merged.merged_as, merged.merges_itself) == ("merged", alice.trunk(), False)


def test_asked_again_it_is_not_set_again(hub: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    assert [alice.forge.merge_when_ready(request_of_alice) for _ in range(2)] == [None, None]
    assert mutations(hub) == 1


def test_a_lost_answer_is_looked_for(hub: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    hub.github.fail(None, "POST", GRAPHQL, after=True)
    assert alice.forge.merge_when_ready(request_of_alice) is None
    assert mutations(hub) == 1


def test_what_never_arrived_is_told(hub: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    hub.github.fail(None, "POST", GRAPHQL)
    why = alice.forge.merge_when_ready(request_of_alice) or ""
    assert why.startswith("cannot have #1 merge by itself: ")
    assert pull(hub).auto_merge is None


def no_rule(hub: World) -> None:
    hub.hub.rulesets.clear()


def not_allowed(hub: World) -> None:
    hub.hub.allow_auto_merge = False


def ready(hub: World) -> None:
    hub.github.set_check(pull(hub).head, "gitreg", "success")
    hub.github.review("bob-gh", 1)


def moved(hub: World) -> None:
    pull(hub).head = pull(hub).base


def moved_late(hub: World) -> None:
    hub.github.faults.append(Meanwhile(lambda: moved(hub), "POST", GRAPHQL))


def unreachable(hub: World) -> None:
    hub.github.fail(None, "GET", PULLS, times=9)


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        (no_rule, "no rule for main requires the check 'gitreg' (docs/github.md)"),
        (not_allowed, "Auto merge is not allowed for this repository (Settings, General: Allow auto-merge)"),
        (ready, "it can be merged right away: gitreg change merge 1"),
        (moved, "the branch has moved meanwhile"),
        (moved_late, "Head branch was modified. Review and try the merge again."),
        (unreachable, "could not be reached"),
    ],
)
def test_why_it_will_not(
    hub: World,
    alice: Desk,
    request_of_alice: ChangeRequest,
    meanwhile: Callable[[World], None],
    said: str,
) -> None:
    meanwhile(hub)
    why = alice.forge.merge_when_ready(request_of_alice)
    assert why is not None
    assert said in why
    assert "status 400" not in why
    assert pull(hub).auto_merge is None
    assert pull(hub).state == "open"


def test_a_token_that_may_not(hub: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    token = hub.github.fine_grained_token("alice-gh", ["contents:read", "pull_requests:write"], [HUB])
    forge = hub.forge(alice.repository, token)  # type: ignore[arg-type]
    why = forge.merge_when_ready(request_of_alice)
    assert why == (
        "cannot have #1 merge by itself: GitHub says: Resource not accessible by personal access token"
    )


def test_classic_protection_may_ask_for_the_check(
    hub: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    no_rule(hub)
    checks = {
        "strict": False,
        "contexts": ["gitreg"],
        "checks": [{"context": "gitreg", "app_id": None}],
        "url": "",
        "contexts_url": "",
    }
    hub.github.protect("main", {"required_status_checks": checks})
    assert alice.forge.merge_when_ready(request_of_alice) is None
    hub.github.set_check(str(request_of_alice.head), "gitreg", "success")
    assert alice.forge.request("1").state == "merged"


def test_it_is_merged_by_hand_again(hub: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    alice.forge.merge_by_hand(request_of_alice)
    assert mutations(hub) == 0
    alice.forge.merge_when_ready(request_of_alice)
    hub.github.fail(None, "POST", GRAPHQL, after=True)
    alice.forge.merge_by_hand(request_of_alice)
    ready(hub)
    assert alice.forge.request("1").state == "open"
    assert not alice.forge.request("1").merges_itself


def test_that_it_could_not_be_switched_off_is_an_error(
    hub: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    alice.forge.merge_when_ready(request_of_alice)
    hub.github.fail(None, "POST", GRAPHQL)
    with pytest.raises(Undecided, match="cannot keep #1 from merging by itself"):
        alice.forge.merge_by_hand(request_of_alice)


def test_a_push_of_a_writer_leaves_it_on(hub: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    alice.forge.merge_when_ready(request_of_alice)
    again = alice.forge.open(alice.new(), None, request_of_alice.head, NOW)
    assert again.merges_itself
    assert alice.forge.merge_when_ready(again) is None
    assert mutations(hub) == 1
