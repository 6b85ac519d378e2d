"""What CI tells a run about why it runs: payloads and variables as GitHub and GitLab give them, and hostile ones."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gitreg.adapters.ci import github_actions
from gitreg.adapters.ci.event import event_of
from gitreg.adapters.ci.fields import is_branch
from gitreg.core.ci_event import CiEvent, EventKind
from gitreg.errors import GitregError, Refused, Undecided

ZEROS = "0" * 40
BEFORE, AFTER, HEAD = "a" * 40, "b" * 40, "c" * 40

#: The parts of https://docs.github.com/webhooks/webhook-events-and-payloads that matter here, and some that do not.
REPOSITORY = {"id": 1296269, "full_name": "octo-org/models", "private": False, "default_branch": "main"}
PULL_REQUEST: dict[str, Any] = {
    "action": "synchronize",
    "number": 7,
    "before": BEFORE,
    "after": HEAD,
    "pull_request": {
        "number": 7,
        "state": "open",
        "title": "Promote ::error::x",
        "merge_commit_sha": AFTER,
        "head": {"label": "fork:topic", "ref": "topic", "sha": HEAD, "repo": {"full_name": "fork/models"}},
        "base": {"label": "octo-org:main", "ref": "main", "sha": BEFORE, "repo": REPOSITORY},
    },
    "repository": REPOSITORY,
    "sender": {"login": "octocat"},
}
REVIEW = {**PULL_REQUEST, "action": "submitted", "review": {"state": "approved", "commit_id": HEAD}}
MERGE_GROUP: dict[str, Any] = {
    "action": "checks_requested",
    "merge_group": {
        "head_sha": HEAD,
        "head_ref": f"refs/heads/gh-readonly-queue/main/pr-104-{BEFORE}",
        "base_sha": BEFORE,
        "base_ref": "refs/heads/main",
        "head_commit": {"id": HEAD, "tree_id": AFTER, "message": "Merge pull request #104"},
    },
    "repository": REPOSITORY,
}
PUSH: dict[str, Any] = {
    "ref": "refs/heads/main",
    "before": BEFORE,
    "after": AFTER,
    "created": False,
    "deleted": False,
    "forced": False,
    "base_ref": None,
    "commits": [],
    "repository": {**REPOSITORY, "master_branch": "main"},
}
#: https://docs.gitlab.com/ci/variables/predefined_variables/
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_ID": "17",
    "CI_DEFAULT_BRANCH": "main",
    "CI_COMMIT_SHA": HEAD,
    "CI_COMMIT_BEFORE_SHA": ZEROS,
}
MERGE_REQUEST = {
    **GITLAB,
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "12",
    "CI_MERGE_REQUEST_PROJECT_ID": "17",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
}


def changed(payload: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """A payload with another value at a path; ``...`` removes it."""
    made = copy.deepcopy(dict(payload))
    *folders, last = path.split(".")
    place = made
    for name in folders:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return made


class Actions:
    """A job's environment with some event."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "event.json"

    def __call__(self, name: str, payload: object) -> CiEvent:
        self.path.write_text(payload if isinstance(payload, str) else json.dumps(payload))
        return self.read(name)

    def read(self, name: str) -> CiEvent:
        found = event_of(
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_EVENT_NAME": name,
                "GITHUB_EVENT_PATH": os.fspath(self.path),
            }
        )
        assert found is not None
        return found


@pytest.fixture
def actions(tmp_path: Path) -> Actions:
    return Actions(tmp_path)


def test_outside_ci_there_is_no_event() -> None:
    assert event_of({}) is None
    assert event_of({"CI": "true", "GITHUB_EVENT_NAME": "push"}) is None


class TestGitHub:
    @pytest.mark.parametrize(
        ("name", "payload"), [("pull_request", PULL_REQUEST), ("pull_request_review", REVIEW)]
    )
    def test_a_request(self, actions: Actions, name: str, payload: dict[str, Any]) -> None:
        """The head is the branch's, not the trial merge that is checked out."""
        assert actions(name, payload) == CiEvent(
            EventKind.REQUEST, "github", name, "main", HEAD, None, "7", default_branch="main"
        )

    def test_a_merge_group(self, actions: Actions) -> None:
        assert actions("merge_group", MERGE_GROUP) == CiEvent(
            EventKind.GROUP, "github", "merge_group", "main", HEAD, BEFORE, "104", default_branch="main"
        )

    def test_a_merge_group_of_a_branch_with_slashes(self, actions: Actions) -> None:
        ref = f"refs/heads/gh-readonly-queue/models/pr-1-2/pr-3-{BEFORE}"
        payload = changed(MERGE_GROUP, "merge_group.head_ref", ref)
        payload = changed(payload, "merge_group.base_ref", "refs/heads/models/pr-1-2")
        found = actions("merge_group", payload)
        assert (found.branch, found.request) == ("models/pr-1-2", "3")

    @pytest.mark.parametrize("ref", [f"refs/heads/queue/pr-x-{BEFORE}", "refs/heads/pr-1-2", 7, None])
    def test_a_merge_group_may_not_say_its_request(self, actions: Actions, ref: object) -> None:
        assert actions("merge_group", changed(MERGE_GROUP, "merge_group.head_ref", ref)).request == ""

    def test_a_push(self, actions: Actions) -> None:
        assert actions("push", PUSH) == CiEvent(
            EventKind.PUSH, "github", "push", "main", AFTER, BEFORE, default_branch="main"
        )

    def test_a_new_a_deleted_and_a_forced_branch(self, actions: Actions) -> None:
        assert actions("push", changed(PUSH, "before", ZEROS)).base is None
        assert actions("push", changed(PUSH, "after", ZEROS)).head is None
        assert actions("push", changed(PUSH, "forced", True)).forced

    def test_a_tag_is_no_branch(self, actions: Actions) -> None:
        assert actions("push", changed(PUSH, "ref", "refs/tags/main")).kind is EventKind.OTHER

    @pytest.mark.parametrize(
        "name", ["workflow_dispatch", "schedule", "issue_comment", "repository_dispatch"]
    )
    def test_what_moves_nothing(self, actions: Actions, name: str) -> None:
        found = actions(name, {"schedule": "0 5 * * *"})
        assert (found.kind, found.name, found.default_branch) == (EventKind.OTHER, name, None)

    def test_what_runs_with_secrets_on_foreign_code_is_refused(self, actions: Actions) -> None:
        with pytest.raises(Refused, match="gitreg does not run on pull_request_target"):
            actions("pull_request_target", PULL_REQUEST)

    def test_sha256_ids(self, actions: Actions) -> None:
        payload = changed(PULL_REQUEST, "pull_request.head.sha", "d" * 64)
        assert actions("pull_request", payload).head == "d" * 64

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("pull_request", ...),
            ("pull_request", []),
            ("pull_request.head", None),
            ("pull_request.head.sha", ...),
            ("pull_request.head.sha", ZEROS),
            ("pull_request.head.sha", HEAD.upper()),
            ("pull_request.head.sha", HEAD[:7]),
            ("pull_request.head.sha", f"{HEAD}\n"),
            ("pull_request.head.sha", "--upload-pack=x"),
            ("pull_request.head.sha", 12),
            ("pull_request.base.ref", "refs..heads"),
            ("pull_request.base.ref", "-main"),
            ("pull_request.base.ref", "main\n::error::x"),
            ("pull_request.base.ref", ""),
            ("pull_request.base.ref", "m" * 100_000),
            ("pull_request.base.ref", {"ref": "main"}),
            ("pull_request.number", 0),
            ("pull_request.number", -7),
            ("pull_request.number", True),
            ("pull_request.number", 7.5),
            ("pull_request.number", "7/../8"),
            ("pull_request.number", 10**30),
            ("repository.default_branch", "a b"),
        ],
    )
    def test_what_no_such_event_holds_is_undecided(self, actions: Actions, path: str, value: object) -> None:
        with pytest.raises(Undecided) as error:
            actions("pull_request", changed(PULL_REQUEST, path, value))
        assert error.value.message.isprintable()
        assert len(error.value.message) < 200

    @pytest.mark.parametrize(
        ("name", "path", "value"),
        [
            ("push", "ref", "main"),
            ("push", "ref", "refs/heads/"),
            ("push", "ref", None),
            ("push", "before", ...),
            ("push", "after", "main"),
            ("merge_group", "merge_group.base_ref", "main"),
            ("merge_group", "merge_group.base_sha", ZEROS),
            ("merge_group", "merge_group.head_sha", ...),
        ],
    )
    def test_nor_what_no_other_event_holds(
        self, actions: Actions, name: str, path: str, value: object
    ) -> None:
        with pytest.raises(Undecided):
            actions(name, changed({"push": PUSH, "merge_group": MERGE_GROUP}[name], path, value))

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "null", '"x"', "[" * 100_000, '{"pull_request": 1e999}', "\ufeff{}", "\0"]
    )
    def test_an_event_file_that_is_none(self, actions: Actions, text: str) -> None:
        with pytest.raises(Undecided) as error:
            actions("pull_request", text)
        assert "\n" not in error.value.message

    def test_an_event_file_that_is_no_text(self, actions: Actions) -> None:
        actions.path.write_bytes(b'{"x": "\xff\xfe"}')
        with pytest.raises(Undecided, match="is not JSON"):
            actions.read("push")

    def test_an_event_file_that_is_not_there(self, actions: Actions) -> None:
        with pytest.raises(Undecided, match="cannot be read: No such file"):
            actions.read("push")
        with pytest.raises(Undecided, match="GITHUB_EVENT_PATH names no file"):
            event_of({"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push"})

    def test_an_event_file_that_never_ends(self, actions: Actions) -> None:
        os.mkfifo(actions.path)
        with pytest.raises(Undecided, match="it is no plain file"):
            actions.read("push")

    def test_an_event_file_that_is_too_large(self, actions: Actions) -> None:
        with actions.path.open("wb") as file:
            file.truncate(github_actions.MOST_BYTES + 1)
        with pytest.raises(Undecided, match="it has more than"):
            actions.read("push")

    @pytest.mark.parametrize("name", ["", "pull request", "x" * 100, "push\n::error::"])
    def test_an_event_without_a_name(self, actions: Actions, name: str) -> None:
        with pytest.raises(Undecided, match="GITHUB_EVENT_NAME"):
            actions(name, PUSH)


def of_gitlab(base: Mapping[str, str], **said: str) -> CiEvent:
    found = event_of({**base, **said})
    assert found is not None
    return found


class TestGitLab:
    def test_a_merge_request(self) -> None:
        assert of_gitlab(MERGE_REQUEST) == CiEvent(
            EventKind.REQUEST,
            "gitlab",
            "merge_request_event",
            "main",
            HEAD,
            None,
            "12",
            default_branch="main",
        )

    def test_of_merged_results_the_branchs_own_commit_counts(self) -> None:
        found = of_gitlab(
            MERGE_REQUEST,
            CI_MERGE_REQUEST_EVENT_TYPE="merged_result",
            CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=AFTER,
            CI_MERGE_REQUEST_TARGET_BRANCH_SHA=BEFORE,
        )
        assert (found.kind, found.head, found.base) == (EventKind.REQUEST, AFTER, None)

    def test_a_merge_train(self) -> None:
        train = {**MERGE_REQUEST, "CI_MERGE_REQUEST_EVENT_TYPE": "merge_train"}
        found = of_gitlab(train, CI_MERGE_REQUEST_TARGET_BRANCH_SHA=BEFORE)
        assert (found.kind, found.head, found.base, found.request) == (EventKind.GROUP, HEAD, BEFORE, "12")
        assert of_gitlab(train, CI_MERGE_REQUEST_TARGET_BRANCH_SHA="").base is None

    def test_a_child_pipeline_is_about_its_parents_request(self) -> None:
        found = of_gitlab(MERGE_REQUEST, CI_PIPELINE_SOURCE="parent_pipeline")
        assert (found.kind, found.request) == (EventKind.REQUEST, "12")
        assert of_gitlab(GITLAB, CI_PIPELINE_SOURCE="parent_pipeline").kind is EventKind.OTHER

    def test_a_pipeline_in_the_fork_is_refused(self) -> None:
        """There, the branch that would be taken for the registry's is the fork's."""
        with pytest.raises(Refused, match="runs in a fork"):
            of_gitlab(MERGE_REQUEST, CI_PROJECT_ID="99")

    def test_a_push(self) -> None:
        push = {**GITLAB, "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}
        assert of_gitlab(push, CI_COMMIT_BEFORE_SHA=BEFORE) == CiEvent(
            EventKind.PUSH, "gitlab", "push", "main", HEAD, BEFORE, default_branch="main"
        )
        assert of_gitlab(push).base is None

    def test_a_tag_is_no_branch(self) -> None:
        assert of_gitlab(GITLAB, CI_PIPELINE_SOURCE="push", CI_COMMIT_TAG="v1").kind is EventKind.OTHER

    @pytest.mark.parametrize("source", ["schedule", "web", "api", "trigger", "external_pull_request_event"])
    def test_what_moves_nothing(self, source: str) -> None:
        found = of_gitlab(GITLAB, CI_PIPELINE_SOURCE=source, CI_COMMIT_BRANCH="main")
        assert (found.kind, found.name) == (EventKind.OTHER, source)

    @pytest.mark.parametrize(
        "said",
        [
            {"CI_PIPELINE_SOURCE": ""},
            {"CI_PIPELINE_SOURCE": "merge request"},
            {"CI_MERGE_REQUEST_IID": ""},
            {"CI_MERGE_REQUEST_IID": "12; rm -r /"},
            {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": ""},
            {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "--force"},
            {"CI_COMMIT_SHA": "HEAD"},
            {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "HEAD"},
            {"CI_DEFAULT_BRANCH": "a..b"},
        ],
        ids=lambda said: " ".join(said),
    )
    def test_what_no_pipeline_has_is_undecided(self, said: dict[str, str]) -> None:
        with pytest.raises(GitregError) as error:
            of_gitlab(MERGE_REQUEST, **said)
        assert isinstance(error.value, Undecided)


@pytest.mark.parametrize("name", ["main", "feature/x", "gitreg/promote-1a2b", "実験", "a.b", "x@y"])
def test_branches(name: str) -> None:
    assert is_branch(name)


@pytest.mark.parametrize(
    "name",
    ["", "-x", "/x", "x/", "a//b", ".x", "a/.x", "x.lock", "a.lock/b", "x.", "@", "HEAD", "a@{1}", "a\x7f"],
)
def test_no_branches(name: str) -> None:
    assert not is_branch(name)
