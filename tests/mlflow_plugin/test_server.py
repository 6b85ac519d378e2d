"""``mlflow server`` on a git registry, with four workers and MLflow's own users, as clients find it over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flow_kit import git
from server_kit import ADMIN, PASSWORD, Server, environment, make_registry, running

if TYPE_CHECKING:
    from mlflow import MlflowClient

pytest.importorskip("flask_wtf", reason="MLflow's own users need mlflow[auth]")

AT_ONCE = 40


@pytest.fixture(scope="module")
def server(database_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a bare repository."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copyfile(database_template, folder / "mlflow.db")
    uri = f"gitreg://{make_registry(folder)}"
    with running(folder, uri, workers=4, environment=environment(folder)) as found:
        for user in ("alice", "eve"):
            call(found, "2.0/mlflow/users/create", {"username": user, "password": PASSWORD})
            call(found, "2.0/mlflow/users/update-admin", {"username": user, "is_admin": True}, method="PATCH")
        yield found


def call(server: Server, path: str, said: Any = None, *, user: str = ADMIN, method: str | None = None) -> Any:
    """One call of MLflow's REST API."""
    request = urllib.request.Request(
        f"{server.url}/api/{path}",
        data=json.dumps(said).encode() if said is not None else None,
        headers={"Content-Type": "application/json", "Authorization": basic(user)},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
        return json.loads(body) if body else None


def refusal(ask: Callable[[], Any]) -> tuple[int, str, str]:
    """How a call is refused: HTTP's status, MLflow's code, and the text."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask()
    with caught.value as error:
        body = json.loads(error.read())
        return error.code, body["error_code"], body["message"]


def basic(user: str) -> str:
    return "Basic " + b64encode(f"{user}:{PASSWORD}".encode()).decode()


@pytest.fixture
def client(server: Server, tracking: str, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A client that waits for nothing: what is refused is to be refused at once."""
    return client_of(server, ADMIN, monkeypatch)


def client_of(server: Server, user: str, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return MlflowClient(server.url)


def logged(client: MlflowClient, tmp_path: Path, text: str = "weights") -> tuple[str, str]:
    """A run with a file among its artifacts; its id, and the file's source."""
    run = client.create_run(client.create_experiment(f"of {tmp_path.name} {text}"))
    (tmp_path / "model.bin").write_text(text)
    client.log_artifact(run.info.run_id, os.fspath(tmp_path / "model.bin"), "model")
    client.log_metric(run.info.run_id, "auc", 0.9)
    return run.info.run_id, f"runs:/{run.info.run_id}/model"


def registry(server: Server) -> Path:
    return server.folder / "registry.git"


def head(server: Server) -> str:
    return git(registry(server), "rev-parse", "main")


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
