"""MLflow's own server on a git registry, as an operator starts it: ``mlflow server``, its processes and their end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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
#: How long a server may take to start on a busy machine, and to end, in seconds.
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
        """Ends all its processes."""
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait(PATIENCE)


@contextmanager
def running(folder: Path, registry_uri: str, *, workers: int, environment: Mapping[str, str]) -> Iterator[Server]:
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
            command, cwd=folder, env=said, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
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
