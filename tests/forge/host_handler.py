"""The wire of a hosted forge: git's requests and the API's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from http_kit import GitHandler

from forge.push_hook import HOOK
from forge.records import Answer, ApiRequest, Fault

if TYPE_CHECKING:
    from forge.git_host import GitHost

_GIT = ("/info/refs", "/git-upload-pack", "/git-receive-pack", "/HEAD")


class HostHandler(GitHandler):
    """Tells git from the API, lets in whom the host knows, and fails where it is told to."""

    host: GitHost

    def answer(self) -> None:
        body = self.body()
        path, _, query = self.path.partition("?")
        if path == HOOK:
            self._send(Answer(200, list(self.host.judge(json.loads(body)))))
        elif path.startswith(self.host.prefix + "/"):
            self._api(path.removeprefix(self.host.prefix), query, body)
        elif path == self.host.graphql:
            self._api("/graphql", query, body)
        else:
            self._git(path, query, body)

    # The API

    def _api(self, path: str, query: str, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        values = dict(parse_qsl(query, keep_blank_values=True))
        request = ApiRequest(self.command, path, values, headers, _decoded(headers, body))
        answer = self._answer_to(request)
        self.host.record(request, answer)
        if answer is None:
            self._drop()
        else:
            self._send(answer)

    def _answer_to(self, request: ApiRequest) -> Answer | None:
        fault = self.host.fault(request.method, request.path)
        if fault is None:
            return self.host.call(request)
        if fault.after:
            self.host.call(request)
        return fault.answer

    def _send(self, answer: Answer) -> None:
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in ({"Content-Type": "application/json; charset=utf-8"} | answer.headers).items():
            if content or name != "Content-Type":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.end_headers()
            self.wfile.write(content)

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.close()

    # Git

    def _git(self, path: str, query: str, body: bytes) -> None:
        end = next((end for end in _GIT if path.endswith(end)), None)
        fault = self.host.fault(self.command, path)
        if end is None:
            self._refuse(404, "Not Found")
        elif fault and not fault.after:
            self._fail(fault)
        else:
            output = self._served(path.removesuffix(end), end, query, body)
            if output is not None:
                self._fail(fault) if fault else self.send_git(output)

    def send_response(self, code: int, message: str | None = None) -> None:
        if not self.path.startswith((self.host.prefix + "/", HOOK)):
            self.host.git_requests.append((self.command, self.path, code))
        super().send_response(code, message)

    def _fail(self, fault: Fault) -> None:
        if fault.answer is None:
            self._drop()
        else:
            self._refuse(fault.answer.status, str(fault.answer.body or ""))

    def _served(self, where: str, end: str, query: str, body: bytes) -> bytes | None:
        """What git says; None if somebody is refused, and told so."""
        credentials = self.basic()
        token = self.host.token(credentials[1]) if credentials else None
        repository = self.host.repository(where.removesuffix(".git").strip("/"))
        if credentials and token is None:
            return self.ask_for_password()
        if repository is None or not self.host.may_read(token, repository):
            return self.ask_for_password() if token is None else self._refuse(404, "Repository not found.")
        pushing = end == "/git-receive-pack" or query == "service=git-receive-pack"
        if pushing and token is None:
            return self.ask_for_password()
        if pushing and token and (why := self.host.may_push(token, repository)):
            return self._refuse(403, why)
        place = f"/{repository.bare.path.relative_to(self.root)}{end}"

        def run() -> bytes:
            return self.run_git(place, query, token.login if token else "", body)

        return self.host.receive(repository, token, run) if token and end == "/git-receive-pack" else run()

    def _refuse(self, status: int, why: str) -> None:
        """Git shows the text of such an answer behind ``remote:``."""
        content = (why + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _decoded(headers: Mapping[str, str], body: bytes) -> Any:
    if not body:
        return None
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
