"""Which token goes to which server."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from gitreg.adapters.forge.tokens import Token, find_token, scrub, scrubbing
from gitreg.errors import ConfigError, Refused

GHES = "github.example.com"
LAB = "gitlab.example.com"
ACTIONS = {"GITHUB_SERVER_URL": f"https://{GHES}"}


@pytest.mark.parametrize(
    ("host", "environment", "source"),
    [
        ("github.com", {"GITHUB_TOKEN": "a"}, "GITHUB_TOKEN"),
        ("github.com", {"GITHUB_TOKEN": "a", "GH_TOKEN": "b"}, "GH_TOKEN"),
        ("github.com", {"GITHUB_TOKEN": "a", "GH_TOKEN": " "}, "GITHUB_TOKEN"),
        ("github.com", {"GITHUB_TOKEN": "a", "GH_HOST": GHES}, "GITHUB_TOKEN"),
        ("github.com", {"GITHUB_TOKEN": "a", "GITHUB_SERVER_URL": "https://github.com"}, "GITHUB_TOKEN"),
        ("acme.ghe.com", {"GH_TOKEN": "a"}, "GH_TOKEN"),
        (GHES, {"GITHUB_TOKEN": "a", **ACTIONS}, "GITHUB_TOKEN"),
        (GHES, {"GH_TOKEN": "a", "GH_HOST": GHES}, "GH_TOKEN"),
        (GHES, {"GH_TOKEN": "a", "GH_ENTERPRISE_TOKEN": "b", "GH_HOST": GHES}, "GH_ENTERPRISE_TOKEN"),
        (GHES, {"GITHUB_ENTERPRISE_TOKEN": "b", "GH_HOST": f"https://{GHES}/"}, "GITHUB_ENTERPRISE_TOKEN"),
        ("127.0.0.1:81", {"GH_TOKEN": "a", "GITHUB_SERVER_URL": "http://127.0.0.1:81"}, "GH_TOKEN"),
    ],
)
def test_github(host: str, environment: dict[str, str], source: str) -> None:
    assert find_token("github", host, environment).source == source


@pytest.mark.parametrize(
    ("host", "environment", "source"),
    [
        ("gitlab.com", {"GITLAB_TOKEN": "a"}, "GITLAB_TOKEN"),
        (LAB, {"GITLAB_TOKEN": "a", "GITLAB_HOST": LAB}, "GITLAB_TOKEN"),
        (LAB, {"GITLAB_TOKEN": "a", "CI_JOB_TOKEN": "b", "CI_SERVER_URL": f"https://{LAB}"}, "GITLAB_TOKEN"),
        (LAB, {"CI_JOB_TOKEN": "b", "CI_SERVER_URL": f"https://{LAB}"}, "CI_JOB_TOKEN"),
    ],
)
def test_gitlab(host: str, environment: dict[str, str], source: str) -> None:
    assert find_token("gitlab", host, environment).source == source


@pytest.mark.parametrize(
    ("provider", "host", "environment", "said"),
    [
        ("github", "github.com", {}, ["there is no token for github.com", "GH_TOKEN or GITHUB_TOKEN"]),
        ("github", "github.com", {"GITHUB_TOKEN": "t0ken", **ACTIONS}, [f"GITHUB_TOKEN is for {GHES}"]),
        ("github", GHES, {"GITHUB_TOKEN": "t0ken"}, ["GITHUB_TOKEN is for github.com", f"GH_HOST={GHES}"]),
        ("github", GHES, {"GH_ENTERPRISE_TOKEN": "t0ken"}, ["a server that nothing names"]),
        ("github", "evil.example", {"GH_ENTERPRISE_TOKEN": "t0ken", "GH_HOST": GHES}, [f"is for {GHES}"]),
        ("github", "github.com.evil.example", {"GITHUB_TOKEN": "t0ken"}, ["is for github.com"]),
        ("github", "github.com:8443", {"GITHUB_TOKEN": "t0ken"}, ["is for github.com"]),
        ("github", "evilghe.com", {"GITHUB_TOKEN": "t0ken"}, ["is for github.com"]),
        ("github", "acme.ghe.com", {"GITHUB_TOKEN": "t0ken", **ACTIONS}, [f"is for {GHES}"]),
        ("gitlab", "gitlab.com", {}, ["set GITLAB_TOKEN"]),
        ("gitlab", "gitlab.com", {"GITHUB_TOKEN": "t0ken"}, ["there is no token for gitlab.com"]),
        (
            "gitlab",
            "gitlab.com",
            {"GITLAB_TOKEN": "t0ken", "GITLAB_HOST": LAB},
            [f"GITLAB_TOKEN is for {LAB}"],
        ),
        ("gitlab", LAB, {"GITLAB_TOKEN": "t0ken"}, ["GITLAB_TOKEN is for gitlab.com", f"GITLAB_HOST={LAB}"]),
        ("gitlab", LAB, {"CI_JOB_TOKEN": "t0ken"}, ["CI_JOB_TOKEN is for a server that nothing names"]),
    ],
)
def test_no_token_goes_to_another_server(
    provider: str, host: str, environment: dict[str, str], said: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        find_token(provider, host, environment)
    told = f"{caught.value.message} | {caught.value.hint}"
    assert all(words in told for words in said), told
    assert "t0ken" not in told


@pytest.mark.parametrize(
    ("provider", "value", "kind", "user"),
    [
        ("github", "ghp_x", "GitHub classic personal access token", "x-access-token"),
        ("github", "github_pat_x", "GitHub fine-grained personal access token", "x-access-token"),
        ("github", "gho_x", "GitHub OAuth token", "x-access-token"),
        ("github", "ghu_x", "GitHub App user token", "x-access-token"),
        ("github", "ghs_x", "GitHub App installation token", "x-access-token"),
        ("github", "0123abc", "GitHub token", "x-access-token"),
        ("gitlab", "glpat-x", "GitLab access token", "oauth2"),
        ("gitlab", "glcbt-x", "GitLab CI job token", "gitlab-ci-token"),
        ("gitlab", "0123abc", "GitLab token", "oauth2"),
    ],
)
def test_kinds(provider: str, value: str, kind: str, user: str) -> None:
    variable = {"github": "GH_TOKEN", "gitlab": "GITLAB_TOKEN"}[provider]
    found = find_token(provider, f"{provider}.com", {variable: f"{value}\n"})
    assert (found.value, found.kind, found.user) == (value, kind, user)


def test_a_job_token_of_any_form_is_one() -> None:
    found = find_token("gitlab", LAB, {"CI_JOB_TOKEN": "eyJh", "CI_SERVER_URL": f"https://{LAB}"})
    assert (found.kind, found.user) == ("GitLab CI job token", "gitlab-ci-token")


@pytest.mark.parametrize("value", ["two words", "a\r\nHost: evil", "schlüssel"])
def test_what_is_no_token(value: str) -> None:
    with pytest.raises(ConfigError, match="what GH_TOKEN holds is not a token") as caught:
        find_token("github", "github.com", {"GH_TOKEN": value})
    assert value not in f"{caught.value} {caught.value.hint}"


@pytest.fixture
def gh(tmp_path: Path) -> dict[str, str]:
    """A ``gh`` that knows a token of one server, notes its arguments, and would rather give the environment's."""
    program = tmp_path / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
echo "$@" >> {tmp_path}/asked
[ -n "$GH_TOKEN$GITHUB_TOKEN$GH_ENTERPRISE_TOKEN$GITHUB_ENTERPRISE_TOKEN" ] && echo leaked && exit 0
[ "$*" = "auth token --hostname {GHES}" ] && echo gho_stored && exit 0
echo "no oauth token found for $4" >&2
exit 1
"""
    )
    program.chmod(0o755)
    return {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


def test_gh_is_asked_last(gh: dict[str, str], tmp_path: Path) -> None:
    assert find_token("github", "github.com", gh | {"GITHUB_TOKEN": "a"}).source == "GITHUB_TOKEN"
    assert not (tmp_path / "asked").exists()
    found = find_token("github", GHES, gh | {"GITHUB_TOKEN": "a", "GH_ENTERPRISE_TOKEN": "b"})
    assert found == Token("gho_stored", "GitHub OAuth token", "gh auth token")
    with pytest.raises(ConfigError, match=r"no token for other\.example"):
        find_token("github", "other.example", gh)
    with pytest.raises(ConfigError, match="no token"):
        find_token("gitlab", GHES, gh)
    assert (tmp_path / "asked").read_text().splitlines() == [
        f"auth token --hostname {GHES}",
        "auth token --hostname other.example",
    ]


@pytest.mark.parametrize("script", ["#!/bin/sh\nexec sleep 60\n", "#!/no/such/interpreter\n"])
def test_a_gh_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr("gitreg.adapters.forge.tokens._PATIENCE", 0.2)
    program = tmp_path / "gh"
    program.write_text(script)
    program.chmod(0o755)
    with pytest.raises(ConfigError, match="no token"):
        find_token("github", "github.com", {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})


SECRET = Token("ghp_s3cret", "GitHub classic personal access token", "GH_TOKEN")


def test_a_token_is_not_shown() -> None:
    assert "s3cret" not in repr(SECRET)
    assert "s3cret" not in f"{SECRET} {[SECRET]}"


def test_texts_are_scrubbed() -> None:
    basic = base64.b64encode(b"x-access-token:ghp_s3cret").decode()
    assert scrub(f"a ghp_s3cret, {basic}", SECRET) == "a [token], [token]"


def test_errors_are_scrubbed_with_their_causes() -> None:
    def fail() -> None:
        try:
            raise ValueError(
                "cause ghp_s3cret", {"authorization": ["token ghp_s3cret", b"ghp_s3cret", ("ghp_s3cret",)]}
            )
        except ValueError as error:
            raise Refused("no, ghp_s3cret", "try ghp_s3cret") from error

    with pytest.raises(Refused, match=r"no, \[token\]") as caught, scrubbing(SECRET):
        fail()
    assert caught.value.hint == "try [token]"
    cause = caught.value.__cause__
    assert cause is not None
    assert cause.args == (
        "cause [token]",
        {"authorization": ["token [token]", b"[token]", ("[token]",)]},
    )
