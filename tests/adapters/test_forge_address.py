"""From settings and a URL to a server, a repository and an API."""

from __future__ import annotations

import pytest

from gitreg.adapters.forge.address import Address, find_address, is_loopback, provider_of
from gitreg.core.manifest import ForgeSettings
from gitreg.errors import ConfigError


def settings(
    provider: str = "github", host: str | None = None, repository: str | None = None
) -> ForgeSettings:
    return ForgeSettings(provider, host, repository)


HUB = Address("github", "https", "github.com", "acme/models", "https://api.github.com")


@pytest.mark.parametrize(
    "origin",
    [
        "https://github.com/acme/models",
        "https://github.com/acme/models.git",
        "https://github.com/acme/models.git/",
        "https://github.com//acme/models/",
        "https://GitHub.com/acme/models",
        "HTTPS://github.com/acme/models",
        "https://github.com:443/acme/models",
        "https://dan@github.com/acme/models.git",
        "https://dan:s3cret@github.com/acme/models.git",
        "https://d@n:s3cr@t@github.com/acme/models.git",
        "https://www.github.com/acme/models",
        "ssh://git@github.com/acme/models.git",
        "ssh://git@github.com:22/acme/models.git",
        "ssh://git@ssh.github.com:443/acme/models.git",
        "git+ssh://git@github.com/acme/models.git",
        "git@github.com:acme/models.git",
        "git@github.com:/acme/models.git",
        "git@ssh.github.com:acme/models",
        "github.com:acme/models",
        "org-1234@github.com:acme/models.git",
    ],
)
def test_every_form_that_git_takes(origin: str) -> None:
    found = find_address(settings(), origin, {})
    assert found == HUB
    assert (found.web, found.page) == ("https://github.com", "https://github.com/acme/models")


@pytest.mark.parametrize(
    ("origin", "host", "repository"),
    [
        ("https://gitlab.com/acme/risk/models.git", "gitlab.com", "acme/risk/models"),
        ("git@gitlab.com:acme/risk/eu/models.git", "gitlab.com", "acme/risk/eu/models"),
        ("ssh://git@altssh.gitlab.com:443/acme/models.git", "gitlab.com", "acme/models"),
        ("ssh://git@gitlab.example.com:2222/acme/models", "gitlab.example.com", "acme/models"),
        ("https://gitlab.example.com:8443/acme/models", "gitlab.example.com:8443", "acme/models"),
    ],
)
def test_gitlab_has_groups_in_groups(origin: str, host: str, repository: str) -> None:
    found = find_address(settings("gitlab"), origin, {})
    assert (found.host, found.repository) == (host, repository)
    assert found.api == f"https://{host}/api/v4"


@pytest.mark.parametrize(
    ("host", "api"),
    [
        ("github.example.com", "https://github.example.com/api/v3"),
        ("github.example.com:8443", "https://github.example.com:8443/api/v3"),
        ("acme.ghe.com", "https://api.acme.ghe.com"),
        ("[::1]:8443", "https://[::1]:8443/api/v3"),
    ],
)
def test_where_other_servers_have_their_api(host: str, api: str) -> None:
    assert find_address(settings(), f"https://{host}/acme/models", {}).api == api


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "forge.localhost"])
def test_http_to_this_machine_alone(host: str) -> None:
    found = find_address(settings(), f"http://{host}/acme/models", {})
    assert found == Address("github", "http", host, "acme/models", f"http://{host}/api/v3")
    assert found.web == f"http://{host}"


@pytest.mark.parametrize(
    "host", ["github.com", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:80", "0x7f.1"]
)
def test_no_http_to_other_machines(host: str) -> None:
    with pytest.raises(ConfigError, match="unencrypted") as caught:
        find_address(settings(), f"http://dan:s3cret@{host}/acme/models", {})
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"
    assert not is_loopback(host)


def test_settings_go_before_the_origin() -> None:
    """``origin`` may be a fork, and may call the server by a name of one's own."""
    chosen = settings(host="GitHub.Example.com", repository="acme/models")
    found = find_address(chosen, "git@work:dan/models.git", {})
    assert found == Address(
        "github", "https", "github.example.com", "acme/models", "https://github.example.com/api/v3"
    )


def test_settings_of_another_server_do_not_make_it_http() -> None:
    with pytest.raises(ConfigError, match="unencrypted"):
        find_address(settings(host="github.example.com"), "http://127.0.0.1:8080/acme/models", {})


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        (None, "there is no remote 'origin'"),
        ("/srv/git/models.git", "the folder '/srv/git/models.git'"),
        ("../models.git", "the folder"),
        ("./a:b/models.git", "the folder"),
        ("file:///srv/git/models.git", "the folder"),
        ("git://github.com/acme/models", "a git:// URL"),
        ("https://github.com/models", "'models' is not the name of a repository on github.com"),
        ("https://github.com/", "'' is not the name"),
        ("https://github.com/acme/risk/models", "'acme/risk/models' is not"),
        ("https://github.com/acme/../models", "is not the name"),
        ("https://github.com/acme/..", "is not the name"),
        ("https://github.com/acme/.git", "is not the name"),
        ("https://github.com/acme/mod%65ls", "is not the name"),
        ("https://github.com/acme/models?x", "is not the name"),
        ("https:///acme/models", "names no server"),
        ("https://git\nhub.com/acme/models", "names no server"),
        ("https://github.com:port/acme/models", "names no server"),
    ],
)
def test_what_is_no_address(origin: str | None, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_address(settings(), origin, {})
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "host", ["https://github.com", "github.com/acme", "a b", "-x.example", "user@github.com"]
)
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(ConfigError, match=r"forge\.host"):
        find_address(settings(host=host), "https://github.com/acme/models", {})


@pytest.mark.parametrize(
    ("provider", "server", "api", "path"),
    [
        ("github", "GITHUB_SERVER_URL", "GITHUB_API_URL", "/odd/api"),
        ("gitlab", "CI_SERVER_URL", "CI_API_V4_URL", "/gitlab/api/v4"),
    ],
)
def test_ci_says_where_its_own_api_is(provider: str, server: str, api: str, path: str) -> None:
    told = {server: "https://forge.example.com", api: f"https://forge.example.com{path}/"}
    own = find_address(settings(provider), "https://forge.example.com/acme/models", told)
    assert own.api == f"https://forge.example.com{path}"
    other = find_address(settings(provider), "https://other.example.com/acme/models", told)
    assert other.api.startswith("https://other.example.com/api/")
    with pytest.raises(ConfigError, match=api):
        find_address(
            settings(provider),
            "https://forge.example.com/acme/models",
            told | {api: "http://forge.example.com"},
        )


def test_an_api_without_its_server_says_nothing() -> None:
    told = {"GITHUB_API_URL": "https://evil.example/api"}
    assert find_address(settings(), "https://github.com/acme/models", told) == HUB


def test_which_forge_a_server_is() -> None:
    assert provider_of("github.com", {}) == "github"
    assert provider_of("acme.ghe.com", {}) == "github"
    assert provider_of("gitlab.com", {}) == "gitlab"
    assert provider_of("git.example.com", {}) is None
    assert provider_of("git.example.com", {"GH_HOST": "git.example.com"}) == "github"
    assert provider_of("127.0.0.1:80", {"GITHUB_SERVER_URL": "https://127.0.0.1:80"}) == "github"
    assert provider_of("git.example.com", {"CI_SERVER_URL": "https://git.example.com"}) == "gitlab"
    assert provider_of("git.example.com", {"GITLAB_HOST": "https://git.example.com/"}) == "gitlab"
