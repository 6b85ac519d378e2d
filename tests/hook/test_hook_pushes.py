"""Pushes with plain git and with gitreg to a repository that the hook guards, over ``file://``."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta

import pytest
from flow_kit import MAIN, Desk, describe, git, landed, new_version, promote, proposed
from hook_kit import commit, commit_here, push, sign_with

from gitreg.errors import Refused
from gitreg.flows.change import approve, merge
from gitreg.flows.land import LandingMode
from gitreg.flows.propose import Proposed
from gitreg.flows.register import register
from gitreg.surfaces.cli.main import run

NOTES = "models/credit-risk/versions/3/notes.yaml"
PRODUCTION = "models/credit-risk/stages/production.yaml"
DESCRIBED = """\
apiVersion: gitreg/v1
kind: VersionNotes
model: credit-risk
version: 3
description: by hand
"""


def tip(desk: Desk) -> str:
    return desk.refs()[MAIN]


# What gitreg does, lands


def test_the_story_goes_through_the_hook(desk: Desk) -> None:
    found = register(desk("dan"), new_version(desk.payload()))
    assert isinstance(found, Proposed)
    merge(desk("bo"), "1")
    proposed(desk("dan"), promote(2, "production"))
    with pytest.raises(Refused, match="GR401"):
        merge(desk("bo"), "2")
    approve(desk("alice"), "2")
    commit = merge(desk("bo"), "2").commit
    assert tip(desk) == commit
    assert "version: 2" in (desk.show(PRODUCTION) or "")


def test_what_policy_lists_lands_directly_as_the_change_of_whoever_signs_the_commit(desk: Desk) -> None:
    found = landed(desk("dan"), describe("good"), mode=LandingMode.DIRECT)
    assert tip(desk) == found.commit
    assert "-----BEGIN SSH SIGNATURE-----" in git(desk.origin, "cat-file", "-p", found.commit)


def test_git_itself_finds_the_signature_good(desk: Desk) -> None:
    found = landed(desk("dan"), describe("good"), mode=LandingMode.DIRECT)
    signers = desk.root / "signers"
    signers.write_text(f"dan {(desk.keys / 'dan.pub').read_text()}")
    command = ["-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", found.commit]
    done = subprocess.run(["git", *command], cwd=desk.origin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b'Good "git" signature for dan' in done.stderr


def test_a_signed_commit_by_hand_lands_too(desk: Desk) -> None:
    sign_with(desk, "dan")
    made = commit(desk, {NOTES: DESCRIBED})
    code, said = push(desk.root / "dan", "work:main")
    assert (code, tip(desk)) == (0, made), said


def test_files_that_gitreg_does_not_manage_are_free(desk: Desk) -> None:
    made = commit(desk, {"train.py": "print()\n"})
    code, said = push(desk.root / "dan", "work:main")
    assert (code, tip(desk)) == (0, made), said


def test_other_branches_are_free(desk: Desk) -> None:
    commit(desk, {"models/nonsense": "x"})
    assert push(desk.root / "dan", "work:nonsense")[0] == 0
    git(desk.root / "dan", "commit", "-q", "--amend", "-m", "again")
    assert push(desk.root / "dan", "+work:nonsense")[0] == 0
    assert push(desk.root / "dan", ":nonsense")[0] == 0


# What must not land


def test_an_unsigned_commit_is_nobodys_change(desk: Desk) -> None:
    commit(desk, {NOTES: DESCRIBED})
    with desk.unchanged():
        code, said = push(desk.root / "dan", "work:main")
    assert code
    assert "GR308" in said


def test_the_author_that_a_commit_names_is_not_asked(desk: Desk) -> None:
    sign_with(desk, "dan")
    git(desk.root / "dan", "config", "user.signingKey", os.fspath(desk.keys / "mallory"))
    commit(desk, {NOTES: DESCRIBED}, "dan", "--author=Alice <alice@example.com>")
    with desk.unchanged():
        code, said = push(desk.root / "dan", "work:main")
    assert code
    assert "GR308" in said


def test_what_policy_does_not_list_needs_a_request(desk: Desk) -> None:
    sign_with(desk, "dan")
    text = (desk.show("models/credit-risk/stages/staging.yaml") or "") + "\n"
    assert text
    ws = desk("dan")
    plan = promote(3, "staging")(ws.current()[1])
    commit(desk, {path: (data or b"").decode() for path, data in plan.edits.items()})
    with desk.unchanged():
        code, said = push(desk.root / "dan", "work:main")
    assert code
    assert "GR311" in said
    assert "promote" in said


def test_a_pointer_moved_by_hand_without_approval(desk: Desk) -> None:
    sign_with(desk, "dan")
    ws = desk("dan")
    plan = promote(2, "production")(ws.current()[1])
    commit(desk, {path: (data or b"").decode() for path, data in plan.edits.items()})
    with desk.unchanged():
        code, said = push(desk.root / "dan", "work:main")
    assert code
    assert "GR401" in said
    assert "GR311" in said


@pytest.mark.parametrize(
    ("refspec", "says"),
    [
        (":main", "never deleted"),
        ("+origin/main~1:main", "only goes on"),
        ("work:refs/tags/v1", "only branches and gitreg's own refs"),
        ("work:refs/notes/commits", "only branches and gitreg's own refs"),
        ("work:refs/replace/{old}", "only branches and gitreg's own refs"),
        ("+work:refs/gitreg/hub", "server's own"),
        ("work:refs/gitreg/else", "gitreg keeps nothing there"),
        ("work:refs/gitreg/requests/7", "no change request"),
        ("work:refs/gitreg/approvals/x", "kept under its change"),
    ],
)
def test_refs_that_may_not_move_so(desk: Desk, refspec: str, says: str) -> None:
    commit(desk, {"README": "x"})
    with desk.unchanged():
        code, said = push(desk.root / "dan", refspec.replace("{old}", tip(desk)))
    assert code
    assert "GR601" in said
    assert says in said


def test_a_foxtrot_merge_does_not_go_on(desk: Desk) -> None:
    """The registry's line would become the second parent: what was on the branch would pass for the line."""
    folder = desk.root / "dan"
    commit(desk, {"README": "x"})
    git(folder, "checkout", "-q", "-B", "other", "origin/main~1")
    commit_here(folder, {"OTHER": "y"})
    git(folder, "merge", "-q", "--no-ff", "-m", "foxtrot", "origin/main")
    with desk.unchanged():
        code, said = push(folder, "other:main")
    assert code
    assert "first parents must lead back" in said


def test_statements_and_requests_are_never_taken_away(desk: Desk) -> None:
    proposed(desk("dan"), promote(2, "production"))
    ref = approve(desk("alice"), "1")
    git(desk.root / "dan", "fetch", "-q", "origin", "+refs/gitreg/*:refs/gitreg/*")
    other = git(desk.root / "dan", "hash-object", "-w", "--stdin", stdin=b"{}")
    for refspec, says in (
        (f":{ref}", "never changed or deleted"),
        (f"+{other}:{ref}", "never changed or deleted"),
        (f"{other}:{ref}x", "a name of its own (hex digits)"),
        (f"{other}:{ref[:-32]}{'0' * 32}", "no valid statement"),
        (":refs/gitreg/requests/1", "never deleted"),
        (f"+{other}:refs/gitreg/requests/1", "no change request"),
    ):
        with desk.unchanged():
            code, said = push(desk.root / "dan", refspec)
        assert code
        assert says in said


def test_a_request_is_not_marked_merged_without_landing(desk: Desk) -> None:
    proposed(desk("dan"), promote(2, "production"))
    folder = desk.root / "dan"
    git(folder, "fetch", "-q", "origin", "+refs/gitreg/*:refs/gitreg/*")
    text = git(folder, "cat-file", "-p", "refs/gitreg/requests/1")
    text = text.replace('"state":"open"', '"state":"merged"')
    text = text.replace('"merged_as":null', f'"merged_as":"{tip(desk)}"')
    blob = git(folder, "hash-object", "-w", "--stdin", stdin=text.encode())
    with desk.unchanged():
        code, said = push(folder, f"+{blob}:refs/gitreg/requests/1")
    assert code
    assert "marked merged only by the push that lands it" in said


def test_a_merge_that_says_more_than_its_branch(desk: Desk) -> None:
    proposed(desk("dan"), describe("harmless"))
    folder = desk.root / "dan"
    git(folder, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*")
    branch = next(ref for ref in desk.refs() if ref.startswith("refs/heads/gitreg/")).removeprefix(
        "refs/heads/"
    )
    git(folder, "checkout", "-q", "-B", "work", "origin/main")
    git(folder, "merge", "-q", "--no-ff", "--no-commit", f"origin/{branch}")
    production = (folder / PRODUCTION).read_text()
    commit_here(folder, {PRODUCTION: production.replace("serial: 1", "serial: 2")}, message="evil merge")
    with desk.unchanged():
        code, said = push(folder, "work:main")
    assert code
    assert "GR208" in said
    assert PRODUCTION in said


def test_a_record_that_is_edited_and_restored_inside_a_branch(desk: Desk) -> None:
    folder = desk.root / "dan"
    sign_with(desk, "dan")
    record = "models/credit-risk/versions/3/version.yaml"
    text = desk.show(record) or ""
    commit(desk, {record: text.replace("0.9", "0.99") + "\n"})
    commit_here(folder, {record: text + "\n", NOTES: DESCRIBED})
    git(folder, "checkout", "-q", "-B", "landing", "origin/main")
    git(folder, "merge", "-q", "--no-ff", "-m", "merge", "work")
    with desk.unchanged():
        code, said = push(folder, "landing:main")
    assert code
    assert "GR209" in said
    assert record in said


@pytest.mark.parametrize(
    ("shift", "says"),
    [
        (timedelta(days=-2), "but it is"),
        (timedelta(days=-300), "before its parent"),
        (timedelta(hours=1), "but it is"),
    ],
)
def test_a_commit_is_dated_when_it_arrives(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, shift: timedelta, says: str
) -> None:
    sign_with(desk, "dan")
    monkeypatch.setenv("GIT_COMMITTER_DATE", (desk.now + shift).isoformat())
    commit(desk, {NOTES: DESCRIBED})
    with desk.unchanged():
        code, said = push(desk.root / "dan", "work:main")
    assert code
    assert "GR210" in said
    assert says in said


def test_a_stack_that_first_loosens_the_policy(desk: Desk) -> None:
    folder = desk.root / "dan"
    sign_with(desk, "dan")
    policy = (desk.show("policy.yaml") or "") + "\n"
    commit(
        desk,
        {"policy.yaml": policy.replace("approvals: [{group: risk-owners, count: 1, expire: 14d}]\n", "\n")},
    )
    plan = promote(2, "production")(desk("dan").current()[1])
    commit_here(folder, {path: (data or b"").decode() for path, data in plan.edits.items()})
    with desk.unchanged():
        code, said = push(folder, "work:main")
    assert code
    assert "changing the rules needs 1 approval" in said


def test_the_branch_of_the_registry_does_not_move_away_from_the_hook(desk: Desk) -> None:
    proposed_by_hand = (desk.show("gitreg.yaml") or "").replace("branch: main", "branch: elsewhere") + "\n"
    sign_with(desk, "alice")
    commit(desk, {"gitreg.yaml": proposed_by_hand}, "alice")
    with desk.unchanged():
        code, said = push(desk.root / "alice", "work:main")
    assert code
    assert "GR207" in said


def test_malformed_objects_and_large_pushes_are_refused_by_git_itself(desk: Desk) -> None:
    folder = desk.root / "dan"
    blob = git(folder, "hash-object", "-w", "--stdin", stdin=b"x")
    tree = git(folder, "mktree", "-z", stdin=f"100644 blob {blob}\t.git\0".encode())
    bad = git(folder, "commit-tree", tree, "-p", "origin/main", "-m", "bad")
    with desk.unchanged():
        code, said = push(folder, f"{bad}:refs/heads/bad")
    assert code
    assert "hasDotgit" in said
    git(desk.origin, "config", "receive.maxInputSize", "10000")
    (folder / "big").write_bytes(os.urandom(50_000))
    git(folder, "add", "big")
    git(folder, "commit", "-q", "-m", "big")
    with desk.unchanged():
        assert push(folder, "HEAD:refs/heads/big")[0]


# Where approvals and requests come from


def test_everything_may_come_with_one_push(desk: Desk) -> None:
    """The request, its approval and the merge are made in a repository of one's own, and pushed together."""
    proposed(desk("dan"), promote(2, "production"))
    approve(desk("alice"), "1")
    merge(desk("bo"), "1")
    refs = {ref: oid for ref, oid in desk.refs().items() if ref == MAIN or ref.startswith("refs/gitreg/")}
    request = git(desk.origin, "cat-file", "-p", "refs/gitreg/requests/1")
    assert '"state":"merged"' in request
    assert len([ref for ref in refs if "/approvals/" in ref]) == 1


def test_an_approval_given_at_a_copy_does_not_count(desk: Desk) -> None:
    proposed(desk("dan"), promote(2, "production"))
    fork = desk.root / "fork.git"
    git(desk.root, "clone", "-q", "--mirror", os.fspath(desk.origin), os.fspath(fork))

    assert run(["-R", os.fspath(fork), "hook", "install", "--remote", os.fspath(desk.artifacts)]) == 0
    git(desk.root / "alice", "remote", "set-url", "origin", os.fspath(fork))
    ref = approve(desk("alice"), "1")
    git(desk.root / "alice", "push", "-q", os.fspath(desk.origin), f"{ref}:{ref}")
    with pytest.raises(Refused, match="has 0"):
        merge(desk("bo"), "1")


# The first push


def test_the_first_push_begins_a_registry_with_its_rules_alone(desk: Desk) -> None:

    empty = desk.root / "empty.git"
    git(desk.root, "init", "-q", "--bare", "--initial-branch=main", os.fspath(empty))
    assert run(["-R", os.fspath(empty), "hook", "install", "--remote", os.fspath(desk.artifacts)]) == 0
    folder = desk.root / "dan"
    code, said = push(folder, "origin/main:refs/heads/main", url=os.fspath(empty))
    assert code, "a history with models in it is not taken on trust"
    first = git(folder, "rev-list", "--max-parents=0", "origin/main")
    code, said = push(folder, f"{first}:refs/heads/main", url=os.fspath(empty))
    assert code == 0, said
    mixed = desk.root / "mixed.git"
    git(desk.root, "init", "-q", "--bare", "--initial-branch=main", os.fspath(mixed))
    assert run(["-R", os.fspath(mixed), "hook", "install", "--remote", os.fspath(desk.artifacts)]) == 0
    git(folder, "checkout", "-q", "--orphan", "fresh", "origin/main")
    git(folder, "commit", "-q", "-m", "all at once")
    code, said = push(folder, "fresh:main", url=os.fspath(mixed))
    assert code
    assert "GR207" in said


# Several registries in one repository


def test_a_registry_at_the_root_does_not_take_a_folders_registry_out_of_guard(desk: Desk) -> None:
    """Readers look at the root first, and so would the hook: the new registry would have rules of its own."""
    folder = desk.root / "dan"
    sign_with(desk, "dan")
    mono = desk.root / "mono.git"
    git(desk.root, "init", "-q", "--bare", "--initial-branch=main", os.fspath(mono))
    git(folder, "checkout", "-q", "--orphan", "mono", "origin/main")
    git(folder, "rm", "-q", "-r", "--cached", ".")
    git(folder, "read-tree", "--prefix=a/", "origin/main")
    git(folder, "commit", "-q", "-m", "a registry in a folder")
    git(folder, "push", "-q", os.fspath(mono), "mono:main")
    assert run(["-R", os.fspath(mono), "hook", "install", "--remote", os.fspath(desk.artifacts)]) == 0
    git(folder, "checkout", "-q", "-f", "mono")
    git(folder, "clean", "-q", "-f", "-d", "-x")
    commit_here(folder, {"gitreg.yaml": (folder / "a/gitreg.yaml").read_text(), "policy.yaml": LAX})
    code, said = push(folder, "mono:main", url=os.fspath(mono))
    assert code
    assert "changing the rules needs 1 approval" in said
    commit_here(folder, {"a/models/credit-risk/model.yaml": None})
    code, said = push(folder, "mono:main", url=os.fspath(mono))
    assert code


LAX = """\
apiVersion: gitreg/v1
kind: Policy
rules: {owners: []}
direct: [all]
stages: []
"""
