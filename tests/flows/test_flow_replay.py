"""An approval of a change of the rules is one of this change, not of an earlier one that did the same."""

from __future__ import annotations

import os

import pytest
from flow_kit import Desk, blocking, git, promote, proposed

from gitreg.core.findings import Finding, Outcome
from gitreg.flows.change import approve, merge, open_branch, verify_request

LOOSER = ("min: 0.5", "min: 0.1")
CHANGED = "a statement of alice does not count: these rules have changed since it was given"


def asked(desk: Desk, branch: str, old: str, new: str) -> str:
    """Dan asks for a text in policy.yaml to be replaced; the request's number."""
    folder = desk.root / "dan"
    git(folder, "fetch", "-q", "origin")
    git(folder, "switch", "-q", "--no-track", "-c", branch, "origin/main")
    policy = folder / "policy.yaml"
    text = policy.read_text()
    assert text.count(old) == 1
    policy.write_text(text.replace(old, new))
    git(folder, "commit", "-q", "-a", "-m", branch)
    return open_branch(desk("dan"), branch).request.id


def changed(desk: Desk, branch: str, old: str, new: str) -> None:
    """What Dan asked for is approved a minute later, and lands another minute later."""
    number = asked(desk, branch, old, new)
    desk.later(minutes=1)
    approve(desk("alice"), number)
    desk.later(minutes=1)
    merge(desk("bo"), number)
    desk.later(minutes=1)


def of_approvals(desk: Desk, number: str, folder: str = "bo") -> list[Finding]:
    return [finding for finding in verify_request(desk(folder), number).findings if finding.rule == "GR401"]


@pytest.fixture
def there_and_back(desk: Desk) -> str:
    """The rules were loosened and put right again; somebody asks for the first change once more."""
    changed(desk, "looser", *LOOSER)
    changed(desk, "stricter", *reversed(LOOSER))
    return asked(desk, "looser-again", *LOOSER)


def test_an_old_approval_does_not_count_again(desk: Desk, there_and_back: str) -> None:
    found = of_approvals(desk, there_and_back)
    assert [finding.message for finding in found] == [
        "changing the rules needs 1 approval of risk-owners, and has 0",
        CHANGED,
    ]


def test_a_new_approval_does(desk: Desk, there_and_back: str) -> None:
    approve(desk("alice"), there_and_back)
    assert of_approvals(desk, there_and_back) == []
    merge(desk("bo"), there_and_back)
    assert LOOSER[1] in (desk.show("policy.yaml") or "")


def test_other_changes_meanwhile_void_nothing(desk: Desk) -> None:
    number = asked(desk, "looser", *LOOSER)
    approve(desk("alice"), number)
    desk.later(minutes=1)
    proposed(desk("dan"), promote(3, "staging"))
    merge(desk("bo"), "2")
    desk.later(minutes=1)
    assert of_approvals(desk, number) == []


def test_a_change_beside_the_same_rules_voids(desk: Desk) -> None:
    """Any of the paths counts, and so does a commit that somebody pushed past gitreg."""
    registry = desk.show("gitreg.yaml")
    number = asked(desk, "looser", *LOOSER)
    folder = desk.root / "dan"
    (folder / "gitreg.yaml").write_text(f"{registry}\n# both\n")
    git(folder, "commit", "-q", "-a", "-m", "both")
    open_branch(desk("dan"), "looser")
    approve(desk("alice"), number)
    desk.later(minutes=1)
    for text in (f"{registry}\n# other\n", f"{registry}\n"):
        pushed(desk, {"gitreg.yaml": text})
    assert CHANGED in [finding.message for finding in of_approvals(desk, number)]


def pushed(desk: Desk, edits: dict[str, str]) -> None:
    """A commit on the registry's branch at the desk's moment."""
    moment = f"@{int(desk.now.timestamp())} +0000"
    names = ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE")
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setenv(name, moment)
        desk.commit(edits, person="bo")


def test_what_a_shallow_clone_does_not_show_is_undecided(desk: Desk, there_and_back: str) -> None:
    """The old approval may be older than the last change of the rules, or not: history ends before it."""
    pushed(desk, {"README.md": "more\n"})
    shallow = desk.root / "shallow"
    git(desk.root, "clone", "-q", "--depth=1", "--no-single-branch", desk.origin.as_uri(), os.fspath(shallow))
    git(shallow, "config", "user.name", "Bo")
    git(shallow, "config", "user.email", "bo@example.com")
    git(shallow, "fetch", "-q", "--deepen=1")  # so that it is known where the branch begins
    found = of_approvals(desk, there_and_back, "shallow")
    assert [(f.outcome, f.message.partition(" ends at")[0]) for f in found] == [
        (
            Outcome.UNDECIDED,
            "when these rules last changed is not known: this shallow clone's history",
        )
    ]


def test_the_oldest_approval_bounds_what_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody walks a long history for an approval of today."""
    number = asked(desk, "looser", *LOOSER)
    approve(desk("alice"), number)
    ws = desk("bo")
    seen = []
    walk = type(ws.repository).first_parents

    def counted(self: object, tip: str) -> object:
        for commit in walk(self, tip):  # type: ignore[arg-type]
            seen.append(commit.oid)
            yield commit

    monkeypatch.setattr(type(ws.repository), "first_parents", counted)
    assert blocking(verify_request(ws, number).findings) == []
    assert len(seen) == 1
