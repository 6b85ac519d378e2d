"""Change requests on GitHub: what GitHub adds to the contract of all forges. Real git, and HTTP to a fake GitHub."""

from __future__ import annotations

from dataclasses import replace

import pytest
from forge_contract import ALICE, NOW, Desk

from forge.fake_github import ACTIONS_BOT
from forge.fake_github_kit import ruleset
from forge.git_host import Answer
from forge.github_world import HUB, PULLS, Meanwhile, World, fork_of
from gitreg.adapters.forge.github import merge as github_merge
from gitreg.adapters.forge.github.pulls import MOST_TEXT, STATUS
from gitreg.core.ports import FILE, Entry
from gitreg.errors import LostRace, NotFound, Refused, Undecided, UsageError


def calls(hub: World, method: str, path: str = "") -> list[str]:
    return [
        each.path for each in hub.github.exchanges if each.method == method and each.path.startswith(path)
    ]


# --- opening -----------------------------------------------------------------------------------------------------


def test_to_make_one_asks_nothing(hub: World, alice: Desk) -> None:
    assert (alice.forge.provider, alice.forge.hub_id()) == (
        "github",
        f"{hub.address().host}/acme/models",
    )
    assert hub.github.exchanges == []


def test_reviewers_and_labels_are_asked_for(hub: World, alice: Desk) -> None:
    hub.github.act("alice-gh", "POST", f"/repos/{HUB}/labels", {"name": "Known", "color": "ffffff"})
    new = replace(
        alice.new(), reviewers=("bob-gh", "ALICE-GH", "carol-gh"), labels=("known", "gitreg", "gitreg")
    )
    request = alice.forge.open(new, None, None, NOW)
    pull = hub.hub.pulls[int(request.id)]
    assert (pull.reviewers, pull.labels) == (["bob-gh", "carol-gh"], ["Known", "gitreg"])
    assert request.account == "alice-gh"
    assert hub.warnings == []
    before = len(calls(hub, "POST"))
    alice.forge.open(new, None, new.head, NOW)
    assert len(calls(hub, "POST")) == before  # nobody is asked twice


def test_a_reviewer_who_is_no_collaborator_does_not_cost_the_others(hub: World, alice: Desk) -> None:
    hub.github.add_person("stranger")
    new = replace(alice.new(), reviewers=("bob-gh", "stranger", "nobody-at-all", "carol-gh"))
    request = alice.forge.open(new, None, None, NOW)
    assert hub.hub.pulls[int(request.id)].reviewers == ["bob-gh", "carol-gh"]
    assert [line.split(" to review")[0] for line in hub.warnings] == [
        "cannot ask stranger",
        "cannot ask nobody-at-all",
    ]
    assert "is not a collaborator" in hub.warnings[0]


def test_labels_that_may_not_be_made_are_a_warning(hub: World, alice: Desk) -> None:
    refusal = {"message": "Resource not accessible by personal access token", "documentation_url": ""}
    hub.github.fail(Answer(403, refusal), "POST", f"/repos/{HUB}/labels")
    request = alice.forge.open(replace(alice.new(), labels=("gitreg",)), None, None, NOW)
    assert request.state == "open"
    assert ["cannot make the label gitreg" in line for line in hub.warnings] == [True]


def test_a_text_that_is_too_long_is_cut(alice: Desk) -> None:
    request = alice.forge.open(replace(alice.new(), body="売" * 70_000, title="t" * 300), None, None, NOW)
    assert len(request.body) == MOST_TEXT
    assert request.body.endswith("the rest is left out: GitHub takes no longer text)\n")
    assert request.title == "t" * 256


def test_only_what_differs_is_renewed(hub: World, alice: Desk) -> None:
    new = alice.new()
    request = alice.forge.open(new, None, None, NOW)
    hub.hub.pulls[1].body = new.body.replace("\n", "\r\n")  # as the web page's form sends it
    assert alice.forge.open(new, None, new.head, NOW).id == request.id
    assert calls(hub, "PATCH") == []
    assert alice.forge.open(replace(new, title="Other"), None, new.head, NOW).title == "Other"
    assert hub.github.exchanges[-1].body == {"title": "Other"}


def test_a_branch_without_a_request_gets_one(hub: World, alice: Desk) -> None:
    """The network went down half-way: the branch is there, and the answer to everything else is none."""
    new = alice.new()
    hub.github.fail(None, "POST", PULLS)
    with pytest.raises(Undecided, match="cannot open a change request for gitreg/a"):
        alice.forge.open(new, None, None, NOW)
    assert alice.tip(new.branch) == new.head
    assert alice.forge.requests() == []
    assert alice.forge.open(new, None, new.head, NOW).id == "1"


def test_a_request_whose_creation_was_not_answered_is_adopted(hub: World, alice: Desk) -> None:
    hub.github.fail(None, "POST", PULLS, after=True)
    request = alice.opened()
    assert (request.id, len(hub.hub.pulls)) == ("1", 1)
    assert len(calls(hub, "POST", PULLS)) == 1


def test_two_who_open_at_once_have_one_request(hub: World, alice: Desk) -> None:
    """Both found none; Bob is first to open it."""
    hub.github.faults.append(Meanwhile(lambda: hub.github.open_pull("bob-gh", "gitreg/a"), "POST", PULLS))
    new = alice.new()
    request = alice.forge.open(new, None, None, NOW)
    assert (request.id, request.account, request.title) == ("1", "bob-gh", new.title)
    assert len(hub.hub.pulls) == 1
    assert [each.status for each in hub.github.exchanges if each.method == "POST"] == [422]


def test_a_closed_request_is_not_opened_again(hub: World, alice: Desk) -> None:
    hub.github.close_pull("alice-gh", int(alice.opened().id))
    second = alice.forge.open(alice.new(), None, alice.tip("gitreg/a"), NOW)
    assert (second.id, hub.hub.pulls[1].state) == ("2", "closed")


def test_a_branch_with_nothing_new_is_refused_in_github_s_words(alice: Desk) -> None:
    with pytest.raises(Refused, match="No commits between main and gitreg/a"):
        alice.forge.open(alice.new(head=alice.trunk()), None, None, NOW)


def test_the_registry_s_branch_asks_for_nothing(alice: Desk) -> None:
    with pytest.raises(UsageError):
        alice.forge.open(replace(alice.new(), branch="main"), None, None, NOW)


def test_a_push_that_rules_forbid_is_refused_in_github_s_words(hub: World, alice: Desk) -> None:
    names = {"include": ["refs/heads/gitreg/*"], "exclude": []}
    rules = {"name": "frozen", "target": "branch", "enforcement": "active"}
    hub.github.add_ruleset(
        "alice-gh", rules | {"conditions": {"ref_name": names}, "rules": [{"type": "creation"}]}
    )
    with pytest.raises(Refused, match=r"refs/heads/gitreg/a: Cannot create ref due to creations") as error:
        alice.opened()
    assert "x-access-token" not in str(error.value)
    assert hub.hub.pulls == {}


def test_a_run_of_actions_is_named_and_stays_named(hub: World, alice: Desk) -> None:
    here = {"GITHUB_REPOSITORY": "Acme/Models", "GITHUB_SERVER_URL": hub.github.url, "GITHUB_RUN_ID": "12"}
    robot = hub.desk("alice-gh", environment=here)
    new = robot.new()
    request = robot.forge.open(new, None, None, NOW)
    assert request.body == new.body + "\n<!-- gitreg:run=12 -->"
    again = alice.forge.open(replace(new, body="other"), None, new.head, NOW)
    assert again.body == "other\n<!-- gitreg:run=12 -->"
    later = hub.desk("alice-gh", environment=here | {"GITHUB_RUN_ID": "13"})
    both = later.forge.open(new, None, new.head, NOW).body
    assert both == new.body + "\n<!-- gitreg:run=12 -->\n<!-- gitreg:run=13 -->"
    elsewhere = hub.desk("alice-gh", environment=here | {"GITHUB_REPOSITORY": "acme/other"})
    assert elsewhere.forge.open(elsewhere.new("gitreg/b"), None, None, NOW).body == new.body


# --- finding -----------------------------------------------------------------------------------------------------


def test_lists_have_all_pages(hub: World, alice: Desk) -> None:
    head = alice.commit(alice.trunk())
    for at in range(3):
        alice.push(f"gitreg/{at}", None, head)
        hub.github.open_pull("alice-gh", f"gitreg/{at}")
    bare = hub.hub.bare
    for at in range(3, 105):
        bare.move(f"refs/heads/gitreg/{at}", head)
        hub.hub.pulls[at + 1] = replace(hub.hub.pulls[1], number=at + 1, head_ref=f"gitreg/{at}")
    assert [request.id for request in alice.forge.requests()] == [str(n) for n in range(1, 106)]
    assert len(calls(hub, "GET", PULLS)) == 2


def test_a_fork_s_request_is_read_with_its_commits(hub: World, alice: Desk) -> None:
    head, number = fork_of(hub, "bob-gh", "gitreg/a")
    request = alice.forge.request(number)
    assert (request.branch, request.head, request.account) == ("bob-gh:gitreg/a", head, "bob-gh")
    blob = alice.repository.tree(head).read("fork.txt")
    assert blob
    assert blob.data == b"from a fork\n"
    assert alice.forge.requests(branch="gitreg/a") == []
    assert alice.forge.requests(branch="bob-gh:gitreg/a") == [request]


def test_a_fork_s_branch_is_neither_adopted_nor_deleted(hub: World, alice: Desk) -> None:
    _, number = fork_of(hub, "bob-gh", "gitreg/a")
    own = alice.opened("gitreg/a")
    assert own.id != number
    alice.forge.close(alice.forge.request(number))
    assert alice.tip("gitreg/a") == own.head
    fork = hub.github.repository("bob-gh/models")
    assert fork
    assert fork.bare.branch("gitreg/a")


def test_a_fork_s_request_can_be_merged(hub: World, alice: Desk) -> None:
    head, number = fork_of(hub, "bob-gh", "change")
    request, base = alice.forge.request(number), alice.trunk()
    landed = alice.forge.merge(request, alice.merge_commit(base, head), base, "merged")
    alice.demand_landed(landed, alice.merge_commit(base, head), base, head)


def test_a_request_from_a_fork_that_is_gone_has_no_head(hub: World, alice: Desk) -> None:
    _, number = fork_of(hub, "bob-gh", "change")
    shown = hub.github.act("alice-gh", "GET", f"{PULLS}/{number}")
    # GitHub's description says that there always is a repository; GitHub itself says null.
    hub.github.fail(Answer(200, shown | {"head": shown["head"] | {"repo": None}}), "GET", f"{PULLS}/{number}")
    request = alice.forge.request(number)
    assert (request.state, request.branch, request.head) == ("open", "bob-gh:change", None)


def test_what_a_request_is_about_is_its_head(hub: World, alice: Desk) -> None:
    one, two = alice.opened("gitreg/a"), alice.opened("gitreg/b")
    assert one.head
    alice.push("side", None, alice.trunk())
    aside = alice.forge.open(replace(alice.new("gitreg/c"), target="side"), None, None, NOW)
    assert alice.forge.about("", two.head) == two
    assert alice.forge.about("", aside.head) is None  # into another branch
    assert alice.forge.about("", None) is None
    alice.push("gitreg/twin", None, one.head)
    hub.github.open_pull("bob-gh", "gitreg/twin")
    found = alice.forge.about("", one.head)
    assert found
    assert found.id == one.id


@pytest.mark.parametrize("many", [False, True])
def test_what_landed_is_known_by_its_commit(hub: World, alice: Desk, many: bool) -> None:
    first, second = alice.opened("gitreg/a"), alice.opened("gitreg/b")
    commits = [hub.github.merge_pull("bob-gh", int(request.id)) for request in (first, second)]
    trunk = alice.trunk()
    assert trunk == commits[-1]
    others = [trunk[::-1]] * (8 if many else 2) + [first.head or ""]
    found = alice.forge.landed([*commits, *others])
    assert {commit: request.id for commit, request in found.items()} == dict(
        zip(commits, [first.id, second.id], strict=True)
    )


def test_a_request_has_no_signed_opening(alice: Desk) -> None:
    assert alice.forge.opening(alice.opened().id) is None
    with pytest.raises(NotFound):
        alice.forge.opening("7")


# --- reviews and the comment -------------------------------------------------------------------------------------


def test_a_review_approves_the_head_and_is_taken_back(hub: World, alice: Desk) -> None:
    bob = hub.desk("bob-gh")
    request = alice.opened()
    url = bob.forge.review(request, "Good")
    [review] = hub.hub.pulls[1].reviews
    assert (review.login, review.state, review.commit, review.body) == (
        "bob-gh",
        "APPROVED",
        request.head,
        "Good",
    )
    assert url.endswith(str(review.id))
    bob.forge.review(request, "", withdraw=True)
    assert review.state == "DISMISSED"
    with pytest.raises(Refused, match="no approval of yours"):
        bob.forge.review(request, "", withdraw=True)


def test_an_approval_that_may_not_be_dismissed_is_answered(hub: World, alice: Desk) -> None:
    bob = hub.desk("bob-gh")
    request = alice.opened()
    bob.forge.review(request, "")
    hub.hub.access["bob-gh"] = "read"
    bob.forge.review(request, "", withdraw=True)
    assert [each.state for each in hub.hub.pulls[1].reviews] == ["APPROVED", "CHANGES_REQUESTED"]


def test_one_s_own_request_is_not_reviewed(alice: Desk) -> None:
    with pytest.raises(Refused, match="Can not approve your own pull request"):
        alice.forge.review(alice.opened(), "")


def test_what_has_moved_is_not_approved(hub: World, alice: Desk) -> None:
    bob = hub.desk("bob-gh")
    request = alice.opened()
    assert request.head
    alice.push(request.branch, request.head, alice.commit(request.head))
    with pytest.raises(LostRace):
        bob.forge.review(request, "")
    assert hub.hub.pulls[1].reviews == []


def test_a_review_that_was_not_answered_is_not_given_twice(hub: World, alice: Desk) -> None:
    bob = hub.desk("bob-gh")
    request = alice.opened()
    hub.github.fail(Answer(502, {"message": "Server Error"}), "POST", f"{PULLS}/1/reviews", after=True)
    assert bob.forge.review(request, "")
    assert len(hub.hub.pulls[1].reviews) == 1


def test_there_is_one_comment(hub: World, alice: Desk) -> None:
    request = alice.opened()
    url = alice.forge.comment(request, "first")
    hub.github.comment("bob-gh", 1, "a person's")
    assert alice.forge.comment(request, "second") == url
    assert alice.forge.comment(request, "second") == url
    bodies = [each.body for each in hub.hub.pulls[1].comments]
    assert bodies == [f"second\n{STATUS}", "a person's"]
    assert len(calls(hub, "PATCH")) == 1


def test_a_comment_that_was_not_answered_is_not_made_twice(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.fail(None, "POST", f"/repos/{HUB}/issues", after=True)
    assert alice.forge.comment(request, "text")
    assert alice.forge.comment(request, "text")
    assert len(hub.hub.pulls[1].comments) == 1


def test_another_s_comment_is_not_touched_whatever_it_says(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.comment("bob-gh", 1, f"mine {STATUS}")
    alice.forge.comment(request, "text")
    assert [(each.login, each.body) for each in hub.hub.pulls[1].comments] == [
        ("bob-gh", f"mine {STATUS}"),
        ("alice-gh", f"text\n{STATUS}"),
    ]


@pytest.mark.parametrize("bot", [ACTIONS_BOT, "promoter[bot]"])
def test_an_app_knows_its_own_comment(hub: World, alice: Desk, bot: str) -> None:
    """Neither a job's token nor another App's may ask the REST API whose it is."""
    request = alice.opened()
    hub.github.add_person("promoter[bot]", kind="Bot")
    hub.github.add_person("other[bot]", kind="Bot")
    hub.github.comment("other[bot]", 1, f"not yours {STATUS}")
    job = hub.forge(alice.repository, hub.github.actions_token(HUB, login=bot))  # type: ignore[arg-type]
    for text in ("one", "two"):
        assert job.comment(request, text)
    assert [(each.login, each.body) for each in hub.hub.pulls[1].comments[1:]] == [(bot, f"two\n{STATUS}")]


# --- ending ------------------------------------------------------------------------------------------------------


def test_a_person_s_branch_is_left_to_them(alice: Desk) -> None:
    closed, merged = alice.opened("feature/a"), alice.opened("feature/b")
    assert merged.head
    alice.forge.close(closed)
    alice.forge.merge(merged, merged.head, alice.trunk(), "merged")
    assert (alice.tip("feature/a"), alice.tip("feature/b")) == (closed.head, merged.head)


def test_a_branch_that_github_deletes_itself_is_no_problem(hub: World, alice: Desk) -> None:
    hub.hub.delete_branch_on_merge = True
    request = alice.opened()
    assert request.head
    alice.forge.merge(request, request.head, alice.trunk(), "merged")
    assert alice.tip(request.branch) is None
    assert hub.warnings == []


def test_a_close_that_was_cut_off_can_be_run_again(hub: World, alice: Desk) -> None:
    request = alice.opened()
    hub.github.fail(None, "PATCH", PULLS)
    with pytest.raises(Undecided):
        alice.forge.close(request)
    assert alice.tip(request.branch) is None
    assert alice.forge.request(request.id).state == "closed"


def test_the_merge_says_who_approved_and_edits_nothing(hub: World, alice: Desk) -> None:
    """An edit would start the required check anew, just before the merge that needs it."""
    request, base = alice.opened(), alice.trunk()
    assert request.head
    landed = alice.forge.merge(request, alice.merge_commit(base, request.head), base, "who and what")
    assert hub.hub.pulls[1].body == request.body
    assert alice.repository.commit(landed).message == "Merge change #1: Promote\n\nApproved-by: bob\n"


def test_what_github_s_rules_forbid_is_refused_in_its_words(hub: World, alice: Desk) -> None:
    hub.github.add_ruleset("alice-gh", ruleset())
    request, base = alice.opened(), alice.trunk()
    assert request.head
    with pytest.raises(
        Refused, match=r"cannot merge change request #1: GitHub says: .*approving review"
    ) as error:
        alice.forge.merge(request, request.head, base, "merged")
    assert "\n" not in str(error.value)
    assert alice.trunk() == base


def test_a_conflicting_base_is_refused(hub: World, alice: Desk) -> None:
    base = alice.trunk()
    heads = []
    for text in (b"one\n", b"two\n"):
        blob = alice.repository.write_blob(text)
        tree = alice.repository.write_tree(base, {"same": Entry(FILE, blob)})
        heads.append(alice.repository.write_commit(tree, [base], "Same\n", ALICE, NOW))
    request = alice.forge.open(alice.new(head=heads[0]), None, None, NOW)
    alice.push("main", base, heads[1])
    with pytest.raises(Refused, match="it conflicts with main") as error:
        alice.forge.merge(request, heads[0], alice.trunk(), "merged")
    assert "refresh 1" in str(error.value.hint)


def test_another_tree_than_was_judged_is_not_merged(hub: World, alice: Desk) -> None:
    request, base = alice.opened(), alice.trunk()
    with pytest.raises(Refused, match="to another tree"):
        alice.forge.merge(request, alice.commit(base), base, "merged")
    assert (alice.trunk(), alice.forge.requests()) == (base, [request])


def test_a_merge_that_github_has_not_tried_is_undecided(
    hub: World, alice: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, base = alice.opened(), alice.trunk()
    assert request.head
    hub.hub.pulls[1].mergeable = None
    with pytest.raises(Undecided, match="has not tried the merge of #1 in time"):
        alice.forge.merge(request, request.head, base, "merged")
    assert len(calls(hub, "GET", f"{PULLS}/1")) == github_merge.ATTEMPTS + 1
    assert alice.trunk() == base


def test_a_merge_that_was_not_answered_is_found(hub: World, alice: Desk) -> None:
    request, base = alice.opened(), alice.trunk()
    assert request.head
    hub.github.fail(None, "PUT", PULLS, after=True)
    landed = alice.forge.merge(request, request.head, base, "merged")
    assert alice.trunk() == landed != base


def test_a_merge_that_never_arrived_is_undecided(hub: World, alice: Desk) -> None:
    request, base = alice.opened(), alice.trunk()
    assert request.head
    hub.github.fail(None, "PUT", PULLS)
    with pytest.raises(Undecided, match="cannot merge change request #1"):
        alice.forge.merge(request, request.head, base, "merged")
    assert (alice.trunk(), hub.hub.pulls[1].state) == (base, "open")


def test_a_branch_that_moves_under_the_button_is_a_lost_race(hub: World, alice: Desk) -> None:
    request, base = alice.opened(), alice.trunk()
    assert request.head
    refusal = {
        "message": "Head branch was modified. Review and try the merge again.",
        "documentation_url": "",
    }
    hub.github.fail(Answer(409, refusal), "PUT", PULLS)
    with pytest.raises(LostRace, match="Head branch was modified"):
        alice.forge.merge(request, request.head, base, "merged")


def test_a_base_that_moves_under_the_button_is_told_loudly(
    hub: World, alice: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub's merge has no expected base: what landed is compared, whoever was in between."""
    request, base = alice.opened(), alice.trunk()
    assert request.head
    demand = github_merge._tried

    def tried(*args: object) -> object:
        found = demand(*args)  # type: ignore[arg-type]
        bob = hub.desk("bob-gh")
        bob.push("main", base, bob.commit(base))
        return found

    monkeypatch.setattr(github_merge, "_tried", tried)
    with pytest.raises(Refused, match=r"#1 has landed as [0-9a-f]{40}, which is not what was judged"):
        alice.forge.merge(request, request.head, base, "merged")


# --- the gate ----------------------------------------------------------------------------------------------------


def test_the_red_jobs_of_the_gate_run_again(hub: World, alice: Desk) -> None:
    """Each red run leaves a check that goes on blocking: that of the opening, and that of each earlier review."""
    head = alice.opened().head
    assert head
    rerun = alice.forge.rerun_failed  # type: ignore[attr-defined]
    assert rerun(head) is None
    old = hub.github.add_run(head, "pull_request", "success", login="alice-gh")
    hub.github.add_run(head, "pull_request_review", None, login="bob-gh")  # this very run, say
    hub.github.add_run(head, "push", "failure", login="alice-gh")
    hub.github.add_run("0" * 40, "pull_request", "failure", login="alice-gh")
    assert rerun(head) is None
    opened = hub.github.add_run(head, "pull_request", "failure", login="alice-gh")
    reviewed = hub.github.add_run(head, "pull_request_review", "failure", login="bob-gh")
    urls = rerun(head).split(", ")
    assert [url.rpartition("/")[2] for url in urls] == [str(reviewed.id), str(opened.id)]
    assert hub.github.reruns == [reviewed, opened]
    assert rerun(head) is None  # they run
    assert old.attempt == 1
