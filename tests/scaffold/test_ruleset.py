"""The scaffolded ruleset and CODEOWNERS, in force on a GitHub."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_kit import git
from forge.fake_github import FakeGitHub
from forge.fake_github_acts import Unwilling
from scaffold_kit import COMMIT

from gitreg.surfaces.cli.main import run

REPOSITORY = "acme/models"


class Place:
    """A registry on GitHub, in a folder of a repository, guarded as it says itself; alice owns the rules."""

    def __init__(self, folder: Path, github: FakeGitHub) -> None:
        self.github = github
        self.work = folder / "work"
        for login in ("alice-gh", "bo-gh", "carol-gh"):
            github.add_person(login, f"{login}@example.com")
        access = {"alice-gh": "admin", "bo-gh": "write", "carol-gh": "write"}
        self.repo = github.add_repository(REPOSITORY, access)
        self.work.mkdir()
        git(self.work, "init", "-q", "-b", "main")
        made = ["--forge", "github", "--account", "alice-gh", "--action", f"acme/gitreg@{COMMIT}"]
        assert run(["init", os.fspath(self.work / "reg"), *made]) == 0
        self.push("alice-gh", "main")
        rules = json.loads((self.work / ".github" / "gitreg-ruleset.json").read_text())
        github.add_ruleset("alice-gh", rules)
        github.guard(self.repo)

    def push(self, login: str, branch: str, *options: str) -> str:
        """What git says of a push; "" if all is well."""
        url = self.github.remote(REPOSITORY, self.github.personal_token(login))
        what = f"{'' if '--delete' in options else 'HEAD:'}refs/heads/{branch}"
        command = ["git", "push", "-q", *options, url, what]
        done = subprocess.run(command, cwd=self.work, capture_output=True, text=True, check=False)
        return done.stderr if done.returncode else ""

    def proposed(self, login: str, path: str, check: str | None = "success") -> int:
        """A pull request that adds a line to a file."""
        branch = f"topic-{len(self.repo.pulls)}"
        git(self.work, "switch", "-q", "-c", branch, "main")
        with (self.work / path).open("a") as file:
            file.write("# more\n")
        git(self.work, "add", "-A")
        git(self.work, "commit", "-q", "-m", "more")
        assert self.push(login, branch) == ""
        number = self.github.open_pull(login, branch)
        if check:
            self.github.set_check(git(self.work, "rev-parse", "HEAD"), "gitreg", check)
        return number

    def refusal(self, number: int) -> str:
        """Why GitHub does not let the request be merged; "" if it did."""
        try:
            self.github.merge_pull("alice-gh", number)
        except Unwilling as no:
            return str(no)
        return ""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with (tmp_path / "home" / "gitconfig").open("a") as config:
        config.write("[user]\nname = Alice\nemail = alice-gh@example.com\n")
    with FakeGitHub(tmp_path / "github") as github:
        yield Place(tmp_path, github)
    github.demand_conforming()


def test_nothing_lands_but_by_a_reviewed_and_checked_request(place: Place) -> None:
    number = place.proposed("bo-gh", "reg/README.md")
    assert "review" in place.refusal(number)
    place.github.review("carol-gh", number)
    assert place.refusal(number) == ""


def test_the_branch_cannot_be_pushed_to_forced_or_deleted_even_by_an_administrator(place: Place) -> None:
    git(place.work, "commit", "-q", "--allow-empty", "-m", "direct")
    assert "through a pull request" in place.push("alice-gh", "main")
    git(place.work, "switch", "-q", "--orphan", "other")
    git(place.work, "commit", "-q", "--allow-empty", "-m", "another history")
    assert "Cannot force-push" in place.push("alice-gh", "main", "--force")
    assert "Cannot delete" in place.push("alice-gh", "main", "--delete")


def test_the_check_must_be_there_green_and_of_github_actions(place: Place) -> None:
    number = place.proposed("bo-gh", "reg/README.md", None)
    head = place.repo.pulls[number].head
    place.github.review("carol-gh", number)
    assert '"gitreg" is expected' in place.refusal(number)
    place.github.set_check(head, "gitreg", "success", app=999)
    assert '"gitreg" is expected' in place.refusal(number)
    place.github.set_check(head, "gitreg", "failure")
    assert '"gitreg" is failing' in place.refusal(number)
    place.github.set_check(head, "gitreg", "success")
    assert place.refusal(number) == ""


RULES_FILES = [
    "reg/policy.yaml",
    "reg/.dvc/config",
    "elsewhere/gitreg.yaml",
    ".github/workflows/other.yml",
    ".github/CODEOWNERS",
]


def test_rules_files_take_an_owner_of_the_rules(place: Place) -> None:
    (place.work / "elsewhere").mkdir()
    for path in RULES_FILES:
        number = place.proposed("bo-gh", path)
        place.github.review("carol-gh", number)
        assert "code owner review from alice-gh" in place.refusal(number), path
    place.github.review("alice-gh", number)
    assert place.refusal(number) == ""


def test_an_approval_is_gone_after_another_push(place: Place) -> None:
    number = place.proposed("bo-gh", "reg/README.md")
    place.github.review("carol-gh", number)
    git(place.work, "commit", "-q", "--allow-empty", "-m", "later")
    assert place.push("bo-gh", place.repo.pulls[number].head_ref) == ""
    place.github.set_check(git(place.work, "rev-parse", "HEAD"), "gitreg", "success")
    assert "review" in place.refusal(number)
