"""A web server for git repositories on a local port: ``git http-backend`` behind basic authentication.

https://git-scm.com/docs/git-http-backend; what a CGI program is told: https://datatracker.ietf.org/doc/html/rfc3875.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def serving(root: Path, passwords: Mapping[str, str]) -> Iterator[str]:
    """Serves the repositories below ``root`` to those who know a password; gives the URL without a user."""
    with listening(type("Handler", (_Handler,), {"root": root, "passwords": dict(passwords)})) as url:
        yield url


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server on a free local port, a thread for each request; gives its URL."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 64


#: How git begins what it tells a fetch, by the repository's configuration.
_TOLD: dict[bytes, bytes] = {}


class GitHandler(BaseHTTPRequestHandler):
    """What answers to git have in common, whoever is let in."""

    root: Path

    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def do_PATCH(self) -> None:
        self.answer()

    def do_DELETE(self) -> None:
        self.answer()

    def answer(self) -> None:
        """Answers one request."""
        raise NotImplementedError

    def body(self) -> bytes:
        """What was sent, in one piece or in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def basic(self) -> tuple[str, str] | None:
        """The user and the password of basic authentication."""
        kind, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        return user, password

    def ask_for_password(self) -> None:
        """Makes git try again with what it knows, or fail."""
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def run_git(self, path: str, query: str, user: str, body: bytes) -> bytes:
        """What ``git http-backend`` says; ``path`` is below ``root``.

        What a fetch begins with is asked once: in version 2 git tells of itself there, and nothing of the repository
        but what its configuration makes of that (https://git-scm.com/docs/gitprotocol-v2#_capability_advertisement).
        """
        config = self.root / path.strip("/").removesuffix("/info/refs") / "config"
        asked = (self.command, query, self.headers.get("Git-Protocol"))
        if asked != ("GET", "service=git-upload-pack", "version=2") or not config.is_file():
            return self._backend(path, query, user, body)
        key = config.read_bytes()
        if key not in _TOLD:
            _TOLD[key] = self._backend(path, query, user, body)
        return _TOLD[key]

    def _backend(self, path: str, query: str, user: str, body: bytes) -> bytes:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            "GIT_PROJECT_ROOT": os.fspath(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            # Nothing lives so long here that it must be tidied up.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "receive.autogc",
            "GIT_CONFIG_VALUE_0": "false",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": user,
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        return subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
        ).stdout

    def send_git(self, output: bytes) -> None:
        """Passes on what the CGI program said."""
        head, _, content = output.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for name, value in headers if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Handler(GitHandler):
    passwords: Mapping[str, str]

    def answer(self) -> None:
        body = self.body()
        user, password = self.basic() or ("", "")
        if not password or self.passwords.get(user) != password:
            self.ask_for_password()
            return
        path, _, query = self.path.partition("?")
        self.send_git(self.run_git(path, query, user, body))
