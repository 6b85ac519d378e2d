"""The fake GitHub's pull requests, reviews, merges and history behave as GitHub's."""

from __future__ import annotations

from github import Auth, Github

from forge.bare import NOTHING
from forge.fake_github_kit import NAME, Team


def test_a_change_from_branch_to_merge_by_a_real_client(acme: Team) -> None:
    head = acme.commit("gitreg/change", {"stage.yaml": "version: 2\n"})
    acme.push("dan", "gitreg/change")
    client = Github(
        auth=Auth.Token(acme.tokens["dan"]),
        base_url=acme.github.api,
        seconds_between_requests=None,
        seconds_between_writes=0,
    )
    repo = client.get_repo(NAME)
    pull = repo.create_pull(base="main", head="gitreg/change", title="Promote", body="text")
    pull.create_review_request(reviewers=["alice"])
    pull.add_to_labels("gitreg")
    pull.create_issue_comment("hello").edit("hello again")
    acme.github.review("alice", pull.number)
    assert [(one.state, one.commit_id, one.user.login) for one in pull.get_reviews()] == [
        ("APPROVED", head, "alice")
    ]
    assert [file.filename for file in pull.get_files()] == ["stage.yaml"]
    assert [one.author.login for one in pull.get_commits()] == ["dan"]
    assert pull.merge(sha=head).merged
    assert repo.get_branch("main").commit.sha == repo.get_pull(pull.number).merge_commit_sha
    events = [event.event for event in pull.as_issue().get_timeline()]
    assert {"committed", "review_requested", "labeled", "commented", "reviewed", "merged", "closed"} == set(
        events
    )
    client.close()


# Opening


def test_what_cannot_be_opened(acme: Team) -> None:
    acme.propose()
    acme.push("dan", "main:same")

    def refusal(head: str, base: str = "main", login: str = "dan") -> tuple[int, str]:
        reply = acme.api(login, "POST", "~/pulls", {"title": "x", "head": head, "base": base})
        return reply.status, reply.message

    status, message = refusal("gitreg/change")
    assert (status, "A pull request already exists for acme:gitreg/change." in message) == (422, True)
    assert "No commits between main and same" in refusal("same")[1]
    assert "'field': 'head'" in refusal("nowhere")[1]
    assert "'field': 'base'" in refusal("gitreg/change", "nowhere")[1]
    assert refusal("gitreg/change", login="rita")[0] == 404


def test_lists_are_filtered_and_paged(acme: Team) -> None:
    numbers = [acme.propose(f"gitreg/{n}") for n in range(3)]
    acme.github.close_pull("dan", numbers[0])
    first = acme.api("dan", "GET", "~/pulls?state=all&per_page=2")
    assert [one["number"] for one in first.body] == [3, 2]
    assert 'per_page=2&page=2>; rel="next"' in first.headers["Link"]
    assert [one["number"] for one in acme.api("dan", "GET", "~/pulls?state=all&per_page=2&page=2").body] == [
        1
    ]
    found = acme.api("dan", "GET", "~/pulls?head=acme:gitreg/1&base=main").body
    assert [one["number"] for one in found] == [2]


def test_a_fork_of_somebody_without_rights(acme: Team) -> None:
    fork = acme.github.fork(acme.repo, "mallory")
    acme.commit("patch", {"stage.yaml": "version: 8\n"}, "stranger")
    head = acme.commit("patch", {"stage.yaml": "version: 9\n"}, "mallory")
    acme.git("push", acme.github.remote(fork.full_name, acme.tokens["mallory"]), "patch")
    number = acme.github.open_pull("mallory", "mallory:patch")
    shown = acme.api(None, "GET", f"~/pulls/{number}").body
    assert (shown["head"]["sha"], shown["head"]["repo"]["fork"], shown["author_association"]) == (
        head,
        True,
        "NONE",
    )
    assert acme.repo.bare.refs()[f"refs/pull/{number}/head"] == head
    authors = [
        one["author"] and one["author"]["login"]
        for one in acme.api(None, "GET", f"~/pulls/{number}/commits").body
    ]
    assert authors == [None, "mallory"]


# Pushes


def test_a_push_moves_the_head_and_leaves_reviews_behind(acme: Team) -> None:
    number = acme.propose()
    old = acme.repo.pulls[number].head
    acme.github.review("alice", number)
    new = acme.commit("gitreg/change", {"stage.yaml": "version: 3\n"})
    acme.push("dan", "gitreg/change")
    reviews = acme.api("dan", "GET", f"~/pulls/{number}/reviews").body
    assert [(one["state"], one["commit_id"]) for one in reviews] == [("APPROVED", old)]
    assert acme.api("dan", "GET", f"~/pulls/{number}").body["head"]["sha"] == new
    refs = acme.repo.bare.refs("refs/pull/")
    assert refs[f"refs/pull/{number}/head"] == new
    assert acme.repo.bare.commit(refs[f"refs/pull/{number}/merge"]).parents == (
        acme.repo.bare.branch("main"),
        new,
    )


def test_a_force_push_is_in_timeline_and_activity(acme: Team) -> None:
    number = acme.propose()
    old = acme.repo.pulls[number].head
    acme.git("reset", "-q", "--hard", "main")
    new = acme.commit("gitreg/change", {"stage.yaml": "version: 5\n"})
    acme.github.advance(minutes=1)
    acme.push("alice", "+gitreg/change")
    events = acme.api("dan", "GET", f"~/issues/{number}/timeline").body
    (forced,) = [one for one in events if one["event"] == "head_ref_force_pushed"]
    assert (forced["actor"]["login"], forced["commit_id"]) == ("alice", new)
    activity = acme.api("dan", "GET", "~/activity?ref=refs/heads/gitreg/change").body
    assert [(one["activity_type"], one["actor"]["login"]) for one in activity] == [
        ("force_push", "alice"),
        ("branch_creation", "dan"),
    ]
    assert [(one["before"], one["after"]) for one in activity] == [(old, new), (NOTHING, old)]


def test_activity_goes_on_behind_a_cursor(acme: Team) -> None:
    for n in range(3):
        acme.push("dan", f"main:branch-{n}")
    first = acme.api("dan", "GET", "~/activity?per_page=3")
    link = first.headers["Link"].partition(">")[0].removeprefix("<" + acme.github.api)
    second = acme.api("dan", "GET", link)
    shown = [one["ref"].rpartition("/")[2] for one in first.body + second.body]
    assert shown == ["branch-2", "branch-1", "branch-0", "main"]
    assert "Link" not in second.headers


def test_a_deleted_branch_closes_its_request_for_good(acme: Team) -> None:
    number = acme.propose()
    assert acme.api("dan", "DELETE", "~/git/refs/heads/gitreg/change").status == 204
    assert acme.api("dan", "GET", f"~/pulls/{number}").body["state"] == "closed"
    reply = acme.api("dan", "PATCH", f"~/pulls/{number}", {"state": "open"})
    assert (reply.status, "The gitreg/change branch has been deleted." in reply.message) == (422, True)
    acme.commit("gitreg/change", {"more": ""})
    acme.push("dan", "gitreg/change")
    assert acme.api("dan", "PATCH", f"~/pulls/{number}", {"state": "open"}).body["state"] == "open"


def test_a_base_that_gets_the_head_merges_it(acme: Team) -> None:
    number = acme.propose()
    acme.push("bo", "gitreg/change:main")
    shown = acme.api("dan", "GET", f"~/pulls/{number}").body
    assert (shown["merged"], shown["merged_by"]["login"]) == (True, "bo")


def test_another_base(acme: Team) -> None:
    number = acme.propose()
    acme.push("dan", "main:release")
    acme.github.retarget("dan", number, "release")
    events = [one["event"] for one in acme.api("dan", "GET", f"~/issues/{number}/timeline").body]
    assert events[-1] == "base_ref_changed"
    assert acme.api("dan", "PATCH", f"~/pulls/{number}", {"base": "nowhere"}).status == 422


# Reviews


def test_nobody_approves_their_own(acme: Team) -> None:
    number = acme.propose()
    reply = acme.api("dan", "POST", f"~/pulls/{number}/reviews", {"event": "APPROVE"})
    assert (reply.status, reply.body["errors"]) == (422, ["Can not approve your own pull request"])


def test_a_review_that_is_not_sent_yet_is_its_writers_alone(acme: Team) -> None:
    number = acme.propose()
    made = acme.api("alice", "POST", f"~/pulls/{number}/reviews", {"body": "hm"}).body
    assert "submitted_at" not in made
    assert acme.api("dan", "GET", f"~/pulls/{number}/reviews").body == []
    acme.api("alice", "POST", f"~/pulls/{number}/reviews/{made['id']}/events", {"event": "APPROVE"})
    assert [one["state"] for one in acme.api("dan", "GET", f"~/pulls/{number}/reviews").body] == ["APPROVED"]


def test_a_dismissal(acme: Team) -> None:
    number = acme.propose()
    given, said = acme.github.review("alice", number), acme.github.review("alice", number, "COMMENT")
    path = f"~/pulls/{number}/reviews"
    assert acme.api("rita", "PUT", f"{path}/{given}/dismissals", {"message": "no"}).status == 403
    assert (
        acme.api("dan", "PUT", f"{path}/{given}/dismissals", {"message": "no"}).body["state"] == "DISMISSED"
    )
    assert acme.api("dan", "PUT", f"{path}/{said}/dismissals", {"message": "no"}).status == 422
    events = [one["event"] for one in acme.api("dan", "GET", f"~/issues/{number}/timeline").body]
    assert "review_dismissed" in events


def test_reviews_are_asked_of_collaborators(acme: Team) -> None:
    path = f"~/pulls/{acme.propose()}/requested_reviewers"
    assert acme.api("dan", "POST", path, {"reviewers": ["alice", "rita"]}).status == 201
    assert "collaborators" in acme.api("dan", "POST", path, {"reviewers": ["mallory"]}).message
    assert "author" in acme.api("dan", "POST", path, {"reviewers": ["dan"]}).message
    assert [one["login"] for one in acme.api("dan", "GET", path).body["users"]] == ["alice", "rita"]


# Merges


def test_a_merge_is_a_commit_by_the_web(acme: Team) -> None:
    number = acme.propose()
    base, head = acme.repo.bare.branch("main"), acme.repo.pulls[number].head
    stale = acme.api("alice", "PUT", f"~/pulls/{number}/merge", {"sha": base})
    assert (stale.status, "Head branch was modified" in stale.message) == (409, True)
    assert acme.api("rita", "PUT", f"~/pulls/{number}/merge", {}).status == 403
    made = acme.repo.bare.commit(acme.github.merge_pull("alice", number))
    assert (made.parents, made.committer.name, made.author.email) == (
        (base, head),
        "GitHub",
        "alice@example.com",
    )
    assert acme.repo.bare.branch("main") == made.oid
    assert acme.repo.bare.blob("main", "stage.yaml") == b"version: 2\n"
    (moved, *_) = acme.api("dan", "GET", "~/activity?ref=main").body
    assert (moved["activity_type"], moved["actor"]["login"]) == ("pr_merge", "alice")
    assert [one["number"] for one in acme.api("dan", "GET", f"~/commits/{made.oid}/pulls").body] == [number]


def test_a_squash_has_one_parent(acme: Team) -> None:
    number = acme.propose()
    base = acme.repo.bare.branch("main")
    made = acme.repo.bare.commit(acme.github.merge_pull("alice", number, "squash"))
    assert (made.parents, made.message.splitlines()[0]) == ((base,), f"A change (#{number})")
    acme.repo.merge_methods = ("merge",)
    other = acme.propose("gitreg/other", files={"other": ""})
    reply = acme.api("alice", "PUT", f"~/pulls/{other}/merge", {"merge_method": "squash"})
    assert (reply.status, reply.body["message"]) == (405, "Squash merges are not allowed on this repository.")


def test_a_conflict_cannot_be_merged(acme: Team) -> None:
    number = acme.propose()
    acme.commit("main", {"stage.yaml": "version: 7\n"}, "bo")
    acme.push("bo", "main")
    shown = acme.api("dan", "GET", f"~/pulls/{number}").body
    assert (shown["mergeable"], shown["mergeable_state"]) == (False, "dirty")
    reply = acme.api("alice", "PUT", f"~/pulls/{number}/merge", {})
    assert (reply.status, reply.body["message"]) == (405, "Pull Request is not mergeable")


# Comments and labels


def test_comments_and_labels(acme: Team) -> None:
    number = acme.propose()
    made = acme.github.comment("dan", number, "first")
    assert acme.api("rita", "PATCH", f"~/issues/comments/{made}", {"body": "mine"}).status == 403
    assert acme.api("alice", "PATCH", f"~/issues/comments/{made}", {"body": "edited"}).status == 200
    long = acme.api("dan", "POST", f"~/issues/{number}/comments", {"body": "x" * 65537})
    assert (long.status, "too long" in long.message) == (422, True)
    assert acme.api("dan", "POST", "~/labels", {"name": "gitreg", "color": "0e8a16"}).status == 201
    assert "already_exists" in acme.api("dan", "POST", "~/labels", {"name": "GitReg"}).message
    added = acme.api("dan", "POST", f"~/issues/{number}/labels", {"labels": ["gitreg", "new"]}).body
    assert [one["name"] for one in added] == ["gitreg", "new"]
    assert acme.api("rita", "POST", f"~/issues/{number}/labels", {"labels": ["x"]}).status == 403
