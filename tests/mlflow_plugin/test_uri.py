"""Registry URIs: what they mean, that they survive being written, and that nothing unknown passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.errors import UsageError
from gitreg.surfaces.mlflow.uri import RegistryUri, parse_registry_uri


@pytest.mark.parametrize(
    ("uri", "registry"),
    [
        ("gitreg:///srv/models", "/srv/models"),
        ("gitreg:///srv/my%20models/registry", "/srv/my models/registry"),
        ("gitreg:registry", "registry"),
        ("gitreg+https://git.example.com/team/models.git", "https://git.example.com/team/models.git"),
        ("gitreg+https://git.example.com/m?folder=registry", "https://git.example.com/m#registry"),
        ("gitreg+ssh://git@git.example.com:22/team/models", "ssh://git@git.example.com:22/team/models"),
    ],
)
def test_names_what_the_option_for_registries_takes(uri: str, registry: str) -> None:
    assert parse_registry_uri(uri).registry == registry


def test_says_how_to_work_with_the_registry() -> None:
    found = parse_registry_uri("gitreg:///srv/m?changes=request&artifacts=external&remote=store&refresh=0")
    assert found == RegistryUri("/srv/m", "", "request", "external", "store", 0.0)
    plain = parse_registry_uri("gitreg:///srv/m")
    assert (plain.changes, plain.artifacts, plain.remote, plain.refresh) == (None, "copy", None, 10.0)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("sqlite:///x.db", "is no git registry"),
        ("gitreg://srv/models", "names a host"),
        ("gitreg:", "names no registry"),
        ("gitreg:///srv/m#folder", "#folder says nothing"),
        ("gitreg:///srv/m?folder=x", "is for remote repositories"),
        ("gitreg+https:///team/models", "names no host"),
        ("gitreg+https://alice:secret@git.example.com/m", "a password or token may not stand"),
        ("gitreg+https://secret@git.example.com/m", "a password or token may not stand"),
        ("gitreg:///srv/m?change=direct", "no parameter 'change'"),
        ("gitreg:///srv/m?changes=direct&changes=request", "has 'changes' twice"),
        ("gitreg:///srv/m?changes=", "'changes' of a registry URI is empty"),
        ("gitreg:///srv/m?changes=merge", "changes=merge is not known"),
        ("gitreg:///srv/m?artifacts=link", "artifacts=link is not known"),
        ("gitreg:///srv/m?refresh=soon", "refresh=soon is no number of seconds"),
        ("gitreg:///srv/m?refresh=-1", "refresh=-1 is no number of seconds"),
        ("gitreg:///srv/m?refresh=nan", "refresh=nan is no number of seconds"),
        ("gitreg:///srv/m?model=x", "both a model and a version"),
    ],
)
def test_what_is_not_understood_is_refused(uri: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        parse_registry_uri(uri)
    assert caught.value.hint
    assert "secret" not in str(caught.value) + str(caught.value.hint)


def test_mlflow_cuts_the_address_of_an_artifact_so_that_it_still_means_it() -> None:
    from mlflow.tracking.artifact_utils import _get_root_uri_and_artifact_path
    from mlflow.utils.uri import append_to_uri_path

    for place in ("/srv/my models", "/", "models", "https://git.example.com/m.git"):
        uri = RegistryUri(place).at("credit-risk", "3")
        root, inside = _get_root_uri_and_artifact_path(str(uri))
        assert (parse_registry_uri(root), inside) == (uri, "")
        root, inside = _get_root_uri_and_artifact_path(append_to_uri_path(str(uri), "MLmodel"))
        assert (parse_registry_uri(root), inside) == (uri, "MLmodel")


TEXT = st.text("aZ0 ?&#%/+=:;,@~$!*()[]'\"\\é空😀", min_size=1, max_size=20)
URIS = st.builds(
    RegistryUri,
    place=(TEXT.map(lambda name: f"/srv/{name}") | TEXT.map(lambda name: f"x{name}")).map(
        lambda place: place.rstrip("/")
    ),
    changes=st.sampled_from([None, "direct", "request"]),
    artifacts=st.sampled_from(["copy", "external"]),
    remote=st.none() | TEXT,
    refresh=st.sampled_from([0.0, 10.0, 2.5, 3600.0]),
)


@given(URIS, st.none() | st.tuples(TEXT, TEXT))
def test_what_is_written_is_read_back(uri: RegistryUri, version: tuple[str, str] | None) -> None:
    whole = uri.at(*version) if version else uri
    assert parse_registry_uri(str(whole)) == whole
