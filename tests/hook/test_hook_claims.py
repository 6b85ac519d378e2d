"""What a push claims, and the hook does not believe: where refs were, whose opening it is, what was merged."""

from __future__ import annotations

import os

import pytest
from flow_kit import MAIN, Desk, describe, git, promote, proposed
from hook_kit import commit, commit_here, push, raw_push, sign_with

from gitreg.errors import Refused
from gitreg.flows.change import approve, close, merge
from gitreg.surfaces.cli.main import run

REQUEST = "refs/gitreg/requests/1"


def moved(desk: Desk) -> bool:
    return "version: 2" in (desk.show("models/credit-risk/stages/production.yaml") or "")


def merge_by_hand(desk: Desk, person: str) -> str:
    """A merge of the open request's branch, as gitreg would write it."""
    folder = desk.root / person
    git(
        folder, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/gitreg/*:refs/gitreg/*"
    )
    branch = next(ref for ref in desk.refs() if ref.startswith("refs/heads/gitreg/")).removeprefix(
        "refs/heads/"
    )
    git(folder, "checkout", "-q", "-B", "work", "origin/main")
    git(folder, "merge", "-q", "--no-ff", "-m", "merge", f"origin/{branch}")
    return git(folder, "rev-parse", "HEAD")


def test_a_ref_that_is_named_twice(desk: Desk) -> None:
    """Only one of the two would be judged, and git moves both."""
    folder = desk.root / "dan"
    harmless = commit(desk, {"README.txt": "x"})
    edits = promote(2, "production")(desk("dan").current()[1]).edits
    hostile = commit_here(folder, {path: (data or b"").decode() for path, data in edits.items()})
    with desk.unchanged():
        said = raw_push(desk, folder, (desk.refs()[MAIN], harmless, MAIN), (harmless, hostile, MAIN))
    assert "named" in said or "more than once" in said


def test_a_revocation_that_is_claimed_not_to_be_there(desk: Desk) -> None:
    """The push would put the approval in its place; git refuses that later, and lets the merge stand."""
    proposed(desk("dan"), promote(2, "production"))
    given = approve(desk("alice"), "1")
    approval = desk.refs()[given]
    desk.later(seconds=1)
    revocation = approve(desk("alice"), "1", revoke=True)
    landing = merge_by_hand(desk, "dan")
    with desk.unchanged():
        said = raw_push(
            desk, desk.root / "dan", (desk.refs()[MAIN], landing, MAIN), (None, approval, revocation)
        )
    assert "is not where the push says" in said
    assert not moved(desk)


def test_a_closed_request_that_is_claimed_not_to_be_there(desk: Desk) -> None:
    """Alice would approve alone what Dan has withdrawn, in his name."""
    proposed(desk("dan"), promote(2, "production"))
    record = desk.refs()[REQUEST]
    approve(desk("alice"), "1")
    landing = merge_by_hand(desk, "alice")
    close(desk("dan"), "1")
    with desk.unchanged():
        said = raw_push(
            desk, desk.root / "alice", (desk.refs()[MAIN], landing, MAIN), (None, record, REQUEST)
        )
    assert "is not where the push says" in said


def test_an_opening_at_a_copy_opens_nothing_here(desk: Desk) -> None:
    fork = desk.root / "fork.git"
    git(desk.root, "clone", "-q", "--mirror", os.fspath(desk.origin), os.fspath(fork))
    assert run(["-R", os.fspath(fork), "hook", "install", "--remote", os.fspath(desk.artifacts)]) == 0
    git(desk.root / "alice", "remote", "set-url", "origin", os.fspath(fork))
    proposed(desk("alice"), describe("at the copy"))
    folder = desk.root / "dan"
    git(folder, "fetch", "-q", os.fspath(fork), "+refs/gitreg/requests/*:refs/gitreg/requests/*")
    git(folder, "fetch", "-q", os.fspath(fork), "+refs/heads/gitreg/*:refs/remotes/fork/*")
    branch = git(folder, "for-each-ref", "--format=%(refname)", "refs/remotes/fork")
    git(folder, "checkout", "-q", "-B", "work", "origin/main")
    git(folder, "merge", "-q", "--no-ff", "-m", "merge", branch)
    with desk.unchanged():
        code, said = push(folder, "work:main", f"{REQUEST}:{REQUEST}")
    assert code
    assert "GR308" in said


def test_a_branch_that_stands_for_the_registry_s(desk: Desk) -> None:
    git(desk.origin, "symbolic-ref", "refs/heads/master", "refs/heads/main")
    sign_with(desk, "dan")
    commit(desk, {"policy.yaml": (desk.show("policy.yaml") or "").replace("14d", "140d") + "\n"})
    with desk.unchanged():
        code, said = push(desk.root / "dan", "work:master")
    assert code
    assert "stands for another ref" in said


def test_a_request_is_renewed_only_by_who_opened_it(desk: Desk) -> None:
    proposed(desk("alice"), describe("hers"))
    folder = desk.root / "dan"
    git(folder, "fetch", "-q", "origin", "+refs/gitreg/*:refs/gitreg/*")
    text = git(folder, "cat-file", "-p", REQUEST).replace('"title":"', '"title":"not ')
    start = text.index('"signature":"')
    unsigned = text[:start] + '"signature":null' + text[text.index('"', start + 14) + 1 :]
    blob = git(folder, "hash-object", "-w", "--stdin", stdin=unsigned.encode())
    with desk.unchanged():
        code, said = push(folder, f"+{blob}:{REQUEST}")
    assert code
    assert "only who opened the request may renew it" in said or "no change request" in said


def test_an_approval_of_an_older_policy_does_not_come_back_with_it(desk: Desk) -> None:
    """Dan changed the policy after Alice approved, and back again; she may be another person's alice by now."""
    proposed(desk("dan"), promote(2, "production"))
    approve(desk("alice"), "1")
    text = (desk.show("policy.yaml") or "") + "\n"
    (desk.origin / "hooks" / "pre-receive").rename(desk.origin / "hooks" / "aside")
    desk.commit({"policy.yaml": text.replace("expire: 14d", "expire: 13d")}, when=desk.now)
    desk.commit({"policy.yaml": text.removesuffix("\n") + "\n"}, when=desk.now)
    assert desk.show("policy.yaml") == text.rstrip("\n")
    (desk.origin / "hooks" / "aside").rename(desk.origin / "hooks" / "pre-receive")
    with pytest.raises(Refused, match="has 0"):
        merge(desk("bo"), "1")
    assert not moved(desk)


def test_names_that_nobody_can_read(desk: Desk) -> None:
    commit(desk, {"README.txt": "x"})
    for name in (b"x\xff", "a\u2028b".encode()):
        with desk.unchanged():
            code, said = push(desk.root / "dan", f"work:refs/heads/{os.fsdecode(name)}")
        assert code
        assert "characters that nobody can read" in said
    proposed(desk("dan"), describe("fine"))


def marked_merged(desk: Desk, person: str, commit: str, number: int = 1) -> str:
    """The blob of an open request that says that a commit has landed it."""
    folder = desk.root / person
    ref = f"refs/gitreg/requests/{number}"
    git(folder, "fetch", "-q", "origin", f"+{ref}:{ref}")
    text = git(folder, "cat-file", "-p", ref)
    text = text.replace('"state":"open"', '"state":"merged"').replace(
        '"merged_as":null', f'"merged_as":"{commit}"'
    )
    return git(folder, "hash-object", "-w", "--stdin", stdin=text.encode())


def test_a_direct_commit_lands_no_request_that_asks_for_something_else(desk: Desk) -> None:
    """Dan's note would be told for ever as the promotion that he asked for, and that nobody approved."""
    proposed(desk("dan"), promote(2, "production"))
    sign_with(desk, "dan")
    direct = commit(desk, {"README.txt": "x"})
    blob = marked_merged(desk, "dan", direct)
    with desk.unchanged():
        code, said = push(desk.root / "dan", "work:main", f"+{blob}:{REQUEST}")
    assert code
    assert f"{REQUEST}: what lands is not what this request asks for" in said
    code, said = push(desk.root / "dan", "work:main")
    assert code == 0, said


def test_a_merge_lands_no_request_but_its_own(desk: Desk) -> None:
    """What Dan asks for lands; what Alice asks for would be told as merged, and her branch be gone."""
    proposed(desk("dan"), describe("his"))
    landing = merge_by_hand(desk, "dan")
    proposed(desk("alice"), describe("hers", 2))
    blob = marked_merged(desk, "dan", landing, 2)
    with desk.unchanged():
        code, said = push(desk.root / "dan", "work:main", f"+{blob}:refs/gitreg/requests/2")
    assert code
    assert "what lands is not what this request asks for (#1 does)" in said
    blob = marked_merged(desk, "dan", landing, 1)
    code, said = push(desk.root / "dan", "work:main", f"+{blob}:{REQUEST}")
    assert code == 0, said
