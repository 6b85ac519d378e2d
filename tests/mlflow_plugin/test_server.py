"""``mlflow server`` on a git registry, with four workers and MLflow's own users, as clients find it over HTTP."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flow_kit import git
from server_kit import ADMIN, PASSWORD, Server, basic, call, client_of, refusal, registry

if TYPE_CHECKING:
    from mlflow import MlflowClient

AT_ONCE = 40


@pytest.fixture
def client(server: Server, tracking: str, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A client of the administrator."""
    return client_of(server, ADMIN, monkeypatch)


def logged(client: MlflowClient, tmp_path: Path, text: str = "weights") -> tuple[str, str]:
    """A run with a file among its artifacts; its id, and the file's source."""
    run = client.create_run("0")
    (tmp_path / "model.bin").write_text(text)
    client.log_artifact(run.info.run_id, os.fspath(tmp_path / "model.bin"), "model")
    client.log_metric(run.info.run_id, "auc", 0.9)
    return run.info.run_id, f"runs:/{run.info.run_id}/model"


def head(server: Server) -> str:
    return git(registry(server), "rev-parse", "main")


def signed_branches(server: Server) -> set[str]:
    """The branches of change requests, each with its commit's author and committer."""
    form = "--format=%(refname) %(authoremail) %(committeremail)"
    return set(git(registry(server), "for-each-ref", form, "refs/heads/gitreg").splitlines())


def test_forty_versions_at_once_get_forty_numbers(
    server: Server, client: MlflowClient, tmp_path: Path
) -> None:
    run, source = logged(client, tmp_path)
    client.create_registered_model("crowded")
    before = head(server)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(
            pool.map(lambda n: client.create_model_version("crowded", source, run).version, range(AT_ONCE))
        )
    assert sorted(map(int, made)) == list(range(1, AT_ONCE + 1))
    history = git(registry(server), "log", "--format=%s|%P", f"{before}..main").splitlines()
    assert sorted(line.partition("|")[0] for line in history) == sorted(
        f"Register crowded/{number}" for number in range(1, AT_ONCE + 1)
    )
    assert all(len(line.partition("|")[2].split()) == 1 for line in history)
    assert len(client.search_model_versions("name='crowded'")) == AT_ONCE
    readers = server.processes("cat-file")
    assert len(readers) <= 4 * 10


def test_of_many_who_make_one_model_at_once_one_does(server: Server, client: MlflowClient) -> None:
    from mlflow.exceptions import MlflowException

    def make(name: str) -> str:
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            return str(error.error_code)
        return "made"

    with ThreadPoolExecutor(8) as pool:
        said = sorted(pool.map(make, ["raced", "Raced"] * 4))
    assert said == ["RESOURCE_ALREADY_EXISTS"] * 7 + ["made"]


def test_who_asks_is_the_author_and_the_server_commits(
    server: Server, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user, author in (("alice", "alice <alice@example.com>"), ("eve", "eve <eve@mlflow.invalid>")):
        client_of(server, user, monkeypatch).create_registered_model(f"by-{user}")
        told = git(
            registry(server), "log", "-1", "--format=%an <%ae> by %cn", "main", "--", f"models/by-{user}"
        )
        assert told == f"{author} by MLflow server"


def test_nobody_writes_without_a_password(server: Server) -> None:
    before = head(server)
    for header in ({}, {"Authorization": "Basic " + b64encode(b"alice:guess").decode()}):
        request = urllib.request.Request(
            f"{server.url}/api/2.0/mlflow/registered-models/create",
            data=b'{"name": "by-nobody"}',
            headers={"Content-Type": "application/json", "X-Forwarded-User": "alice", **header},
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=60)
        with caught.value as error:
            assert error.code == 401
    assert head(server) == before


def test_a_client_cannot_have_the_server_s_own_files_registered(
    server: Server, client: MlflowClient, tmp_path: Path
) -> None:
    run, _ = logged(client, tmp_path)
    client.create_registered_model("greedy")
    before = head(server)
    root = client.get_run(run).info.artifact_uri
    database = server.folder / "auth.db"
    for source in (
        os.fspath(database),
        f"file://{database}",
        f"FILE://{database}",
        f"file://localhost{database}",
        "mlflow.db",
        "auth.ini",
        f"gitreg://{registry(server)}?model=by-alice&version=1",
        f"gitreg:{registry(server)}",
        f"runs:/{run}/../../../auth.db",
        f"runs:/{run}/%2e%2e/%2e%2e/auth.db",
        f"runs:/{run}",
        "runs:/0123456789abcdef0123456789abcdef/model",
        f"{root}/../../../../auth.db",
        f"{root}/model/%252e%252e/%252e%252e/x",
        "mlflow-artifacts:/../auth.db",
        "mlflow-artifacts:/",
        "models:/greedy/1",
        "models:/greedy/../../auth.db",
        "models:/m-0123456789abcdef0123456789abcdef",
        "models:/m-0123456789abcdef0123456789abcdef/../..",
        f"{server.url}/api/2.0/mlflow-artifacts/artifacts/0/x",
        f"{server.url}/version",
        "http://169.254.169.254/latest/meta-data",
        "https://127.0.0.1:1/x",
        "ftp://127.0.0.1:1/x",
        "sftp://127.0.0.1:1/x",
        "sqlite:///auth.db",
        "nonsense:/x",
        "",
    ):
        for with_run in ("", run):
            said = {"name": "greedy", "source": source, **({"run_id": with_run} if with_run else {})}
            code, kind, why = refusal(
                lambda said=said: call(server, "2.0/mlflow/model-versions/create", said)
            )
            assert 400 <= code < 500, (source, with_run, code, kind, why)
    assert head(server) == before


def test_a_model_s_life_over_http(
    server: Server, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    run, source = logged(client, tmp_path)
    client.create_registered_model("life", tags={"team": "risk"}, description="who pays back")
    made = client.create_model_version("life", source, run, tags={"a": "1"}, description="first")
    assert (made.version, made.status, made.run_id, made.source) == ("1", "READY", run, source)
    client.set_model_version_tag("life", "1", "b", "2")
    client.delete_model_version_tag("life", "1", "a")
    client.set_registered_model_alias("life", "Champ", "1")
    client.transition_model_version_stage("life", "1", "Staging")
    found = client.get_model_version_by_alias("life", "champ")
    assert (found.current_stage, found.tags, found.description) == ("Staging", {"b": "2"}, "first")
    assert client.get_latest_versions("life", ["Staging"])[0].version == "1"
    assert [each.name for each in client.search_registered_models("name LIKE 'li%'")] == ["life"]
    assert [each.run_id for each in client.search_model_versions(f"run_id = '{run}'")] == [run]
    uri = client.get_model_version_download_uri("life", "1")
    assert uri == f"gitreg://{registry(server)}/?model=life&version=1"
    (tmp_path / "there").mkdir()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.fspath(server.folder / "gitconfig"))
    mlflow.artifacts.download_artifacts(uri, dst_path=os.fspath(tmp_path / "there"))
    assert (tmp_path / "there" / "model.bin").read_text() == "weights"
    asked = f"{server.url}/model-versions/get-artifact?name=life&version=1&path=model.bin"
    with urllib.request.urlopen(
        urllib.request.Request(asked, headers={"Authorization": basic(ADMIN)}), timeout=60
    ) as answer:
        assert answer.read() == b"weights"
    client.delete_registered_model_alias("life", "champ")
    client.transition_model_version_stage("life", "1", "None")
    client.delete_model_version("life", "1")
    client.rename_registered_model("life", "afterlife")
    with pytest.raises(MlflowException, match="name=life not found"):
        client.get_registered_model("life")  # MLflow's permissions are those of the new name
    client.delete_registered_model("afterlife")
    assert client.search_registered_models("name LIKE '%life'") == []


def test_another_spelling_of_a_name_leads_past_no_permission(
    server: Server, client: MlflowClient, tmp_path: Path
) -> None:
    run, source = logged(client, tmp_path)
    client.create_registered_model("private")
    client.create_model_version("private", source, run)
    client.set_registered_model_alias("private", "best", "1")
    client.rename_registered_model("private", "secret")
    call(server, "2.0/mlflow/users/create", {"username": "mallory", "password": PASSWORD})
    denied = {"username": "mallory", "resource_type": "registered_model", "permission": "DENY"}
    call(server, "3.0/mlflow/users/permissions/grant", {**denied, "resource_id": "secret"})
    call(server, "2.0/mlflow/registered-models/create", {"name": "mine"}, user="mallory")
    for name in ("secret", "Secret", "private"):
        for asked in (
            f"registered-models/get?name={name}",
            f"model-versions/get?name={name}&version=1",
            f"registered-models/alias?name={name}&alias=best",
            f"model-versions/get-download-uri?name={name}&version=1",
        ):
            assert status(server, asked) in (403, 404), asked
        copied = {"name": "mine", "source": f"models:/{name}/1"}
        assert status(server, "model-versions/create", copied) in (403, 404), copied


def status(server: Server, path: str, said: object = None) -> int:
    """HTTP's status of what mallory is answered, who is refused."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        call(server, f"2.0/mlflow/{path}", said, user="mallory")
    with caught.value as error:
        return error.code


def test_what_goes_wrong_is_told_at_once_and_never_as_the_server_s_fault(
    server: Server, client: MlflowClient, tmp_path: Path
) -> None:
    from mlflow.exceptions import RestException

    run, source = logged(client, tmp_path)
    client.create_registered_model("wrong")
    client.create_model_version("wrong", source, run)
    asks: list[tuple[str, Callable[[], Any]]] = [
        ("RESOURCE_ALREADY_EXISTS", lambda: client.create_registered_model("WRONG")),
        ("RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model("nothing")),
        ("RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version("wrong", "7")),
        ("RESOURCE_DOES_NOT_EXIST", lambda: client.create_model_version("nothing", source, run)),
        ("RESOURCE_DOES_NOT_EXIST", lambda: client.create_model_version("wrong", f"{source}s", run)),
        ("INVALID_PARAMETER_VALUE", lambda: client.create_registered_model("a/b")),
        ("INVALID_PARAMETER_VALUE", lambda: client.get_model_version("wrong", "x")),
        ("INVALID_PARAMETER_VALUE", lambda: client.transition_model_version_stage("wrong", "1", "Nowhere")),
        ("INVALID_PARAMETER_VALUE", lambda: client.search_registered_models("nonsense =")),
    ]
    for code, ask in asks:
        with pytest.raises(RestException) as caught:
            ask()
        assert caught.value.error_code == code, caught.value


def test_what_needs_an_approval_becomes_a_change_request(
    server: Server, tracking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(server, "alice", monkeypatch)
    run, source = logged(client, tmp_path)
    client.create_registered_model("guarded")
    client.create_model_version("guarded", source, run)
    before = signed_branches(server)
    asked = client.transition_model_version_stage("guarded", "1", "Production")
    number = asked.tags["gitreg.change_request"].removeprefix("#")
    assert (asked.current_stage, number.isdigit()) == ("None", True)
    assert client.get_model_version("guarded", "1").current_stage == "None"
    (made,) = signed_branches(server) - before
    assert made.endswith(" <alice@example.com> <mlflow@example.com>")
