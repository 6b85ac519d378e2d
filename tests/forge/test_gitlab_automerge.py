"""Merge requests that GitLab merges by itself. Real git, and HTTP to a fake GitLab, whose auto-merge really merges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forge_contract import Desk

from forge.gitlab_kit import HUB, World, world
from forge.gitlab_records import MergeRequest
from forge.records import Answer
from gitreg.adapters.forge.gitlab import api as gitlab_api
from gitreg.adapters.forge.gitlab import merge as gitlab_merge
from gitreg.core.ports import ChangeRequest
from gitreg.errors import Undecided

ONE = f"/projects/{HUB.replace('/', '%2F')}/merge_requests/1"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """With pipelines that must succeed."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setattr(gitlab_api, "PAUSE", 0.001)
    monkeypatch.setattr(gitlab_merge, "PAUSE", 0.001)
    with world(tmp_path) as made:
        made.gitlab.settings(made.hub).pipeline_must_succeed = True
        yield made


@pytest.fixture
def alice(place: World) -> Desk:
    return place.desk("alice")


@pytest.fixture
def request_of_alice(place: World, alice: Desk) -> ChangeRequest:
    """Its pipeline runs."""
    request = alice.opened()
    place.gitlab.set_pipeline(place.hub, str(request.head), "running")
    return request


def there(place: World) -> MergeRequest:
    return place.gitlab.settings(place.hub).requests[1]


def merges(place: World) -> int:
    return sum(each.path == f"{ONE}/merge" for each in place.gitlab.exchanges)


def test_it_merges_once_the_pipeline_succeeds(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    base, head = alice.trunk(), str(request_of_alice.head)
    assert alice.forge.merge_when_ready(request_of_alice) is None
    assert alice.forge.request("1").merges_itself
    assert [each.merges_itself for each in alice.forge.requests()] == [True]
    place.gitlab.set_pipeline(place.hub, head, "failed")
    assert alice.forge.request("1").state == "open"
    place.gitlab.set_pipeline(place.hub, head, "success")
    assert alice.repository.commit(alice.trunk()).parents == (base, head)
    merged = alice.forge.request("1")
    assert (merged.state, merged.merged_as, merged.merges_itself) == ("merged", alice.trunk(), False)
    assert alice.tip(request_of_alice.branch) is None


def test_it_waits_for_approvals_too(place: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    place.gitlab.settings(place.hub).approvals_required = 1
    assert alice.forge.merge_when_ready(request_of_alice) is None
    place.gitlab.set_pipeline(place.hub, str(request_of_alice.head), "success")
    assert alice.forge.request("1").state == "open"
    place.gitlab.ask(place.gitlab.personal_token("bob"), "POST", f"{ONE}/approve", {})
    assert alice.forge.request("1").state == "merged"


def test_asked_again_it_is_not_set_again(place: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    assert [alice.forge.merge_when_ready(request_of_alice) for _ in range(2)] == [None, None]
    assert merges(place) == 1


def test_a_lost_answer_is_looked_for(place: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    place.gitlab.fail(None, "PUT", f"{ONE}/merge", after=True)
    assert alice.forge.merge_when_ready(request_of_alice) is None
    assert merges(place) == 1


def test_what_never_arrived_is_told(place: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    place.gitlab.fail(None, "PUT", f"{ONE}/merge")
    why = alice.forge.merge_when_ready(request_of_alice) or ""
    assert why.startswith("cannot have !1 merge by itself: ")
    assert merges(place) == 1


def status(status: str) -> Callable[[World], None]:
    return lambda place: place.gitlab.set_pipeline(place.hub, there(place).sha, status)


def no_pipeline(place: World) -> None:
    place.gitlab.settings(place.hub).pipelines.clear()


def needs_none(place: World) -> None:
    place.gitlab.settings(place.hub).pipeline_must_succeed = False


def old_gitlab(place: World) -> None:
    settings = place.gitlab.settings(place.hub)
    settings.approvals_required, settings.waits_for_approvals = 1, False


def nobody_may(place: World) -> None:
    place.gitlab.settings(place.hub).protections["main"].merge = 0


def broken(place: World) -> None:
    place.gitlab.fail(Answer(503), "GET", ONE, times=9)


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        (needs_none, "the project does not ask for pipelines to succeed (docs/gitlab.md)"),
        (no_pipeline, "no pipeline has begun for it"),
        (status("success"), "its pipeline has succeeded already: gitreg change merge 1"),
        (status("failed"), "its pipeline is failed"),
        (old_gitlab, "405 Method Not Allowed; this GitLab may want its approvals first"),
        (nobody_may, "the account of the token from GITLAB_TOKEN may not merge into main"),
        (broken, "answers with status 503"),
    ],
)
def test_why_it_will_not(
    place: World,
    alice: Desk,
    request_of_alice: ChangeRequest,
    meanwhile: Callable[[World], None],
    said: str,
) -> None:
    """Above all nothing is merged at once, as GitLab would where no pipeline runs any more."""
    base = alice.trunk()
    meanwhile(place)
    assert said in (alice.forge.merge_when_ready(request_of_alice) or "")
    assert (there(place).state, there(place).auto_merge) == ("opened", None)
    assert alice.trunk() == base


def test_it_is_merged_by_hand_again(place: World, alice: Desk, request_of_alice: ChangeRequest) -> None:
    alice.forge.merge_by_hand(request_of_alice)
    alice.forge.merge_when_ready(request_of_alice)
    place.gitlab.fail(None, "POST", f"{ONE}/cancel", after=True)
    alice.forge.merge_by_hand(request_of_alice)
    assert sum("cancel" in each.path for each in place.gitlab.exchanges) == 1
    place.gitlab.set_pipeline(place.hub, str(request_of_alice.head), "success")
    assert alice.forge.request("1").state == "open"


def test_that_it_could_not_be_switched_off_is_an_error(
    place: World, alice: Desk, request_of_alice: ChangeRequest
) -> None:
    alice.forge.merge_when_ready(request_of_alice)
    place.gitlab.fail(None, "POST", f"{ONE}/cancel")
    with pytest.raises(Undecided, match="cannot keep !1 from merging by itself"):
        alice.forge.merge_by_hand(request_of_alice)
