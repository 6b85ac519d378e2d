"""What GitHub and GitLab say when they turn git away."""

from __future__ import annotations

import pytest

from gitreg.adapters.git.hosted import push_declined, push_denied
from gitreg.adapters.git.refs import _push_failure
from gitreg.adapters.git.run import Done, failure
from gitreg.errors import LostRace, Refused, Undecided

AT = "origin (https://github.com/acme/models)"
MAIN = "refs/heads/main"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "fatal: could not read Username for 'https://github.com': terminal prompts disabled",
            "nothing here tells https://github.com who you are",
            "GITLAB_TOKEN",
        ),
        (
            "remote: Invalid username or token. Password authentication is not supported for Git operations.\n"
            "fatal: Authentication failed for 'https://github.com/acme/models/'",
            "does not accept",
            "expired",
        ),
        (
            "remote: HTTP Basic: Access denied. If a password was provided for Git authentication, …\n"
            "fatal: Authentication failed for 'https://gitlab.com/acme/models.git/'",
            "does not accept",
            "credential helper",
        ),
        (
            "remote: Repository not found.\nfatal: repository 'https://github.com/acme/models/' not found",
            "Repository not found.",
            "may not see",
        ),
        (
            "remote: The project you were looking for could not be found or you don't have permission to view it.\n"
            "fatal: repository 'https://gitlab.com/acme/models.git/' not found",
            "could not be found or you don't have permission",
            "may not see",
        ),
        (
            "ERROR: Repository not found.\nfatal: Could not read from remote repository.\n",
            "Repository not found.",
            "SSH key",
        ),
        (
            "remote: The 'acme' organization has enabled or enforced SAML SSO.\n"
            "fatal: unable to access 'https://github.com/acme/models/': The requested URL returned error: 403",
            "denies access: The 'acme' organization has enabled",
            "may read",
        ),
        (
            "fatal: unable to access 'https://github.com/a/b/': The requested URL returned error: 429",
            "too many requests",
            "wait",
        ),
        (
            "fatal: unable to access 'https://github.com/a/b/': The requested URL returned error: 503",
            "error: 503",
            "network",
        ),
    ],
)
def test_turned_away(text: str, message: str, hint: str) -> None:
    error = failure(text, AT)
    assert type(error) is Undecided
    assert error.message.startswith(f"{AT} could not be reached: ")
    assert message in error.message
    assert hint in str(error.hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "remote: Permission to acme/models.git denied to dan.\n"
            "fatal: unable to access 'https://github.com/acme/models/': The requested URL returned error: 403",
            "does not let you push: Permission to acme/models.git denied to dan.",
        ),
        (
            "remote: Write access to repository not granted.\n"
            "fatal: unable to access 'https://github.com/acme/models/': The requested URL returned error: 403",
            "does not let you push: Write access to repository not granted.",
        ),
        (
            "ERROR: Permission to acme/models.git denied to deploy key\n"
            "fatal: Could not read from remote repository.",
            "does not let you push: Permission to acme/models.git denied to deploy key",
        ),
        (
            "remote: You are not allowed to push code to this project.\n"
            "fatal: unable to access 'https://gitlab.com/acme/models.git/': The requested URL returned error: 403",
            "does not let you push: You are not allowed to push code to this project.",
        ),
        (
            "fatal: unable to access 'https://github.com/a/b/': The requested URL returned error: 403",
            "does not let you push: unable to access",
        ),
    ],
)
def test_no_push_at_all(text: str, message: str) -> None:
    error = _push_failure(Done(128, b"", text), AT)
    assert isinstance(error, Refused)
    assert message in error.message
    assert "write_repository" in str(error.hint)


def test_an_expired_token_is_no_missing_permission() -> None:
    text = "remote: Invalid username or token.\nfatal: Authentication failed for 'https://github.com/a/b/'"
    assert push_denied(text, AT) is None
    assert isinstance(_push_failure(Done(128, b"", text), AT), Undecided)


def test_nor_is_a_rate_limit() -> None:
    text = "remote: You have exceeded a secondary rate limit.\nfatal: unable to access 'x': error: 403"
    error = _push_failure(Done(128, b"", text), AT)
    assert isinstance(error, Undecided)
    assert "too many requests" in error.message


def rejected(summary: str, stderr: str, ref: str = MAIN) -> Exception:
    row = f"!\t{'0' * 40}:{ref}\t[remote rejected] ({summary})\n".encode()
    return _push_failure(Done(1, b"To https://github.com/acme/models\n" + row + b"Done\n", stderr), AT)


@pytest.mark.parametrize(
    ("summary", "stderr", "message", "hint"),
    [
        (
            "protected branch hook declined",
            "remote: error: GH006: Protected branch update failed for refs/heads/main.\n"
            "remote: \nremote: - 3 of 3 required status checks are expected.\n"
            "error: failed to push some refs",
            f"{AT} protects {MAIN}: 3 of 3 required status checks are expected.",
            "change request",
        ),
        (
            "push declined due to repository rule violations",
            "remote: error: GH013: Repository rule violations found for refs/heads/main.\n"
            "remote: Review all repository rules at https://github.com/acme/models/rules?ref=refs%2Fheads%2Fmain\n"
            "remote: \nremote: - Changes must be made through a pull request.\nremote: \n"
            "remote: - Cannot update this protected ref.\nremote: \nremote: - Three\nremote: - Four\n",
            "Changes must be made through a pull request.; Cannot update this protected ref.; Three; and 1 more",
            "change request",
        ),
        ("protected branch hook declined", "", f"protects {MAIN}: protected branch hook declined", "request"),
        (
            "pre-receive hook declined",
            "remote: GitLab: You are not allowed to push code to protected branches on this project.\n",
            f"protects {MAIN}: You are not allowed to push code to protected branches on this project.",
            "change request",
        ),
        (
            "refusing to allow a GitHub App to create or update workflow `.github/workflows/x.yml` "
            "without `workflows` permission",
            "",
            f"{AT} refused {MAIN}: refusing to allow a GitHub App to create or update workflow "
            "`.github/workflows/x.yml` without `workflows` permission",
            "permission to write workflows",
        ),
        (
            "pre-receive hook declined",
            "remote: GR401: not enough approvals\nremote: fix: ask alice\n",
            f"{AT} refused {MAIN}: GR401: not enough approvals",
            "ask alice",
        ),
    ],
)
def test_a_ref_that_is_refused(summary: str, stderr: str, message: str, hint: str) -> None:
    error = rejected(summary, stderr)
    assert isinstance(error, Refused)
    assert message in error.message
    assert hint in str(error.hint)


def test_rules_against_gitregs_own_branches() -> None:
    said = "remote: error: GH013: Repository rule violations found.\n"
    said += "remote: - Cannot create ref due to creations being restricted.\n"
    error = rejected("push declined due to repository rule violations", said, "refs/heads/gitreg/promote-1")
    assert isinstance(error, Refused)
    assert "let this account create, move and delete refs/heads/gitreg/*" in str(error.hint)


def test_a_forge_that_has_trouble_is_undecided() -> None:
    assert isinstance(rejected("Internal Server Error", ""), Undecided)
    assert push_declined(MAIN, "hook declined", [], AT) is None


def test_a_lost_race_stays_one() -> None:
    row = f"!\t{'0' * 40}:{MAIN}\t[rejected] (stale info)\n".encode()
    assert isinstance(_push_failure(Done(1, row, "error: failed to push some refs"), AT), LostRace)
