"""MLflow's own server on a git registry, as an operator starts it: ``mlflow server``, its processes and their end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flow_kit import DVC_CONFIG, SOLO_REGISTRY, fast_import, git, rules

if TYPE_CHECKING:
    from mlflow import MlflowClient

ADMIN, PASSWORD = "admin", "password-of-the-test"
#: What the server asks each request for its user and password with.
AUTH = """\
[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/auth.db
admin_username = admin
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""
#: How long a server may take to start on a busy machine, in seconds.
PATIENCE = 120.0


@dataclass
class Server:
    """A running server; ``folder`` has its databases and its log."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    environment: Mapping[str, str] = field(repr=False)

    @property
    def log(self) -> str:
        """What it has printed."""
        return (self.folder / "server.log").read_text(errors="replace")

    def processes(self, words: str) -> list[str]:
        """The command lines of those of its processes that have these words in them."""
        asked = ["ps", "-s", str(self.process.pid), "-o", "args="]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        return [line for line in done.stdout.splitlines() if words in line]

    def stop(self) -> None:
        """Ends all its processes; what they have is the test's, and needs no orderly end."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


@contextmanager
def running(
    folder: Path, registry_uri: str, *, workers: int, environment: Mapping[str, str]
) -> Iterator[Server]:
    """A server that answers, with MLflow's own users (``basic-auth``), as of ``environment`` and nothing else."""
    (folder / "auth.ini").write_text(AUTH.format(folder=folder, password=PASSWORD))
    port = _free_port()
    options = {
        "--backend-store-uri": f"sqlite:///{folder / 'mlflow.db'}",
        "--registry-store-uri": registry_uri,
        "--artifacts-destination": f"{folder / 'mlartifacts'}",
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": str(workers),
        "--app-name": "basic-auth",
    }
    said = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONWARNINGS": "ignore",
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key of the test",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        **environment,
    }
    command = [sys.executable, "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)]
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=said,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", folder, process, said)
    try:
        _await(server)
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _await(server: Server) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=PATIENCE):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"the server does not answer:\n{server.log}")


#: Everything may land directly but what goes live: that takes the approval of somebody else.
POLICY = """\
apiVersion: gitreg/v1
kind: Policy
people: [{id: alice, email: alice@example.com}, {id: bo, email: bo@example.com}]
groups: {owners: [alice, bo]}
rules: {owners: []}
direct: [all]
stages:
  - {name: staging}
  - {name: production, holds: 1, replaced: archived, approvals: [{group: owners, count: 1}]}
  - {name: archived}
aliases: [{name: champion, stage: production, protected: true}]
"""


def make_registry(folder: Path) -> Path:
    """A bare repository with an empty registry, and a DVC remote beside it."""
    place = folder / "registry.git"
    git(folder, "init", "-q", "--bare", "--initial-branch=main", os.fspath(place))
    files = rules(POLICY, SOLO_REGISTRY)
    files[".dvc/config"] = DVC_CONFIG.replace("../../artifacts", os.fspath(folder / "artifacts")).encode()
    fast_import(place, [("Begin the registry", files)])
    (folder / "artifacts").mkdir()
    return place


def environment(folder: Path) -> dict[str, str]:
    """What the account that runs a server has: a home, and who commits there."""
    (folder / "gitconfig").write_text("[user]\nname = MLflow server\nemail = mlflow@example.com\n")
    caches = {
        f"DVC_{name}_DIR": os.fspath(folder / "dvc")
        for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")
    }
    return {
        "HOME": os.fspath(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.fspath(folder / "gitconfig"),
        "GITREG_CACHE_DIR": os.fspath(folder / "cache"),
        "DVC_NO_ANALYTICS": "1",
        **caches,
    }


def registry(server: Server) -> Path:
    """Its registry."""
    return server.folder / "registry.git"


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
    """How a user says who they are."""
    return "Basic " + b64encode(f"{user}:{PASSWORD}".encode()).decode()


def client_of(server: Server, user: str, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A client of one of the users; it repeats nothing, as what is refused is to be refused at once."""
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return MlflowClient(server.url)
