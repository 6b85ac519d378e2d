"""Where a client of a server is sent for a version's bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow_kit import git, make_solo

from gitreg.surfaces.mlflow.address import download_uri, public_address
from gitreg.surfaces.mlflow.session import Session
from gitreg.surfaces.mlflow.uri import parse_registry_uri


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("https://git.example.com/ml/registry.git", "https://git.example.com/ml/registry.git"),
        ("https://bot:secret@git.example.com:8443/r", "https://git.example.com:8443/r"),
        ("https://token@git.example.com/r?x=1#y", "https://git.example.com/r"),
        ("ssh://git@git.example.com:2222/ml/r.git", "ssh://git@git.example.com:2222/ml/r.git"),
        ("ssh://git:secret@git.example.com/r", "ssh://git@git.example.com/r"),
        ("git@git.example.com:ml/r.git", "ssh://git@git.example.com/ml/r.git"),
        ("git.example.com:/srv/my models", "ssh://git.example.com/srv/my%20models"),
        ("/srv/registry.git", None),
        ("../registry.git", None),
        ("./a:b", None),
        ("file:///srv/registry.git", None),
        ("git://git.example.com/r", None),
        ("ext::sh -c x", None),
        ("https:///r", None),
        ("", None),
    ],
)
def test_an_origin_s_address_is_told_without_secrets(origin: str, address: str | None) -> None:
    assert public_address(origin) == address


def test_a_client_of_a_server_is_sent_to_the_hub_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask("server")
    for endpoint in ("_get_model_version_download_uri", "serve_model_version_artifact"):
        app.add_url_rule(f"/{endpoint}", endpoint, lambda: "")
    solo = make_solo(tmp_path) / "solo"
    git(solo, "remote", "add", "origin", "https://bot:secret@git.example.com/r.git")
    git(solo, "update-ref", "refs/remotes/origin/main", "main")
    monkeypatch.chdir(tmp_path)
    session = Session(parse_registry_uri("gitreg:solo?changes=direct"))
    here = f"gitreg://{solo}/?changes=direct&model=credit-risk&version=1"
    assert download_uri(session, "credit-risk", "1") == here
    with app.test_request_context("/serve_model_version_artifact"):
        assert download_uri(session, "credit-risk", "1") == here
    with app.test_request_context("/_get_model_version_download_uri"):
        there = "gitreg+https://git.example.com/r.git/?model=credit-risk&version=1"
        assert download_uri(session, "credit-risk", "1") == there
        git(solo, "remote", "set-url", "origin", "/srv/registry.git")
        assert download_uri(session, "credit-risk", "1") == f"gitreg://{solo}/?model=credit-risk&version=1"
    session.opened.repository.close()
