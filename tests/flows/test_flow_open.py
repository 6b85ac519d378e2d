"""A change request for a branch that a person made by hand."""

from __future__ import annotations

import pytest
from flow_kit import MAIN, Desk, blocking, git, message

from gitreg.errors import GitregError, NotFound, Refused, UsageError
from gitreg.flows.change import approve, merge, open_branch, refresh


def branch_off(desk: Desk, text: str, branch: str = "stricter", person: str = "dan") -> str:
    """A local branch that appends to policy.yaml; its commit."""
    folder = desk.root / person
    if git(folder, "branch", "--show-current") != branch:
        git(folder, "switch", "-q", "-c", branch)
    with (folder / "policy.yaml").open("a") as policy:
        policy.write(text)
    git(folder, "commit", "-q", "-a", "-m", "Be stricter\n\nfor reasons")
    return git(folder, "rev-parse", "HEAD")


def test_rules_by_hand(desk: Desk) -> None:
    head = branch_off(desk, "# stricter\n")
    opened = open_branch(desk("dan"), "stricter")
    request, findings = opened.request, opened.findings
    assert (request.id, request.title, request.branch, request.head) == ("1", "Be stricter", "stricter", head)
    assert blocking(findings) == ["GR401"]
    assert desk.refs()["refs/heads/stricter"] == head
    approve(desk("alice"), "1")
    merge(desk("bo"), "1")
    policy = desk.show("policy.yaml")
    assert policy is not None
    assert policy.endswith("# stricter")


def test_opened_again_after_another_commit(desk: Desk) -> None:
    branch_off(desk, "# one\n")
    open_branch(desk("dan"), "stricter")
    head = branch_off(desk, "# two\n")
    request = open_branch(desk("dan"), "stricter").request
    assert (request.id, request.head) == ("1", head)


def test_nothing_new(desk: Desk) -> None:
    git(desk.root / "dan", "branch", "same")
    with desk.unchanged(), pytest.raises(Refused, match="changes nothing"):
        open_branch(desk("dan"), "same")


@pytest.mark.parametrize(
    "branch", ["nosuch", "", "-x", "a b", "../heads/x", "stricter~1", "stricter^{commit}"]
)
def test_no_such_branch(desk: Desk, branch: str) -> None:
    branch_off(desk, "# one\n")
    branch_off(desk, "# two\n")
    with desk.unchanged(), pytest.raises((NotFound, UsageError)):
        open_branch(desk("dan"), branch)


def test_the_registrys_branch_asks_for_nothing(desk: Desk) -> None:
    git(desk.root / "dan", "commit", "-q", "--allow-empty", "-m", "x")
    (desk.root / "dan/policy.yaml").write_text("# gone\n")
    git(desk.root / "dan", "commit", "-q", "-a", "-m", "x")
    with desk.unchanged(), pytest.raises(UsageError):
        open_branch(desk("dan"), "main")


def test_commits_of_others_are_never_overwritten(desk: Desk) -> None:
    """Bo pushed to the branch since; Dan's older state may not take its place."""
    branch_off(desk, "# one\n")
    open_branch(desk("dan"), "stricter")
    theirs = desk.commit({"README.md": "from Bo\n"}, person="bo", branch="stricter")
    with desk.unchanged(), pytest.raises(Refused, match="lacks commits") as error:
        open_branch(desk("dan"), "stricter")
    assert "git pull" in message(error)
    assert desk.refs()["refs/heads/stricter"] == theirs


def test_mixed_changes_are_said_to_be(desk: Desk) -> None:
    folder = desk.root / "dan"
    branch_off(desk, "# one\n")
    stage = folder / "models/credit-risk/stages/staging.yaml"
    stage.write_text(stage.read_text().replace("serial: ", "serial: 1"))
    git(folder, "commit", "-q", "-a", "-m", "and more")
    findings = open_branch(desk("dan"), "stricter").findings
    assert "GR203" in blocking(findings) or len(blocking(findings)) > 1
    assert desk.refs()[MAIN] == git(desk.origin, "rev-parse", "main")


def test_overtaken_by_hand_is_mended_by_hand(desk: Desk) -> None:
    branch_off(desk, "# one\n")
    open_branch(desk("dan"), "stricter")
    policy = desk.show("policy.yaml")
    desk.commit({"policy.yaml": f"{policy}\n# other\n"}, person="bo")
    with desk.unchanged(), pytest.raises(GitregError, match=r"by hand|again") as error:
        refresh(desk("dan"), "1")
    assert isinstance(error.value, Refused)
