"""Holds exchanges to GitHub's OpenAPI description, with openapi-core.

https://github.com/github/rest-api-description; ``openapi/extract.py`` says what is taken from it.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema_path import SchemaPath
from openapi_core import V30RequestValidator, V30ResponseValidator
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

from forge.records import Answer, ApiRequest

_FILE = Path(__file__).parent / "openapi" / "github.json"

#: Statuses that any operation may answer with, though few descriptions say so. Their body is GitHub's usual error.
#: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
EVERYWHERE = {401, 403, 404, 429}


@dataclass(frozen=True, slots=True)
class _Request:
    """A call, in openapi-core's words."""

    host_url: str
    path: str
    path_pattern: str
    method: str
    parameters: RequestParameters
    content_type: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class _Response:
    """An answer, in openapi-core's words."""

    status_code: int
    content_type: str
    headers: Headers
    data: bytes | None


class Description:
    """One description, with its validators."""

    def __init__(self, file: Path) -> None:
        self._document = json.loads(file.read_text())
        spec = SchemaPath.from_dict(self._document)
        # The document is GitHub's; that it is valid OpenAPI is not the question.
        self._requests = V30RequestValidator(spec, spec_validator_cls=None)
        self._responses = V30ResponseValidator(spec, spec_validator_cls=None)

    @classmethod
    @functools.cache
    def github(cls) -> Description:
        """GitHub's; read once for each process."""
        return cls(_FILE)

    def problem(self, template: str | None, request: ApiRequest, answer: Answer) -> str | None:
        """Why an exchange is not as described; None if it is. ``template`` is the path in the description's words."""
        operation = self._document["paths"].get(template, {}).get(request.method.lower())
        if template is None or operation is None:
            return f"no such operation is described in {_FILE.name}"
        asked = _asked(template, request)
        found = [] if answer.status in (400, 422) else self._wrong_request(operation, asked)
        return "; ".join(found + self._wrong_answer(operation, asked, answer)) or None

    def _wrong_request(self, operation: dict[str, Any], asked: _Request) -> list[str]:
        known = {self._parameter(one)["name"] for one in operation.get("parameters", [])}
        strange = [f"the query has {name!r}" for name in asked.parameters.query if name not in known]
        return strange + [_reason(problem) for problem in self._requests.iter_errors(asked)]

    def _parameter(self, one: dict[str, Any]) -> dict[str, Any]:
        name = one.get("$ref", "").rpartition("/")[2]
        found: dict[str, Any] = self._document["components"]["parameters"][name] if name else one
        return found

    def _wrong_answer(self, operation: dict[str, Any], asked: _Request, answer: Answer) -> list[str]:
        if str(answer.status) not in operation["responses"] and answer.status in EVERYWHERE:
            usual = isinstance(answer.body, dict) and {"message", "documentation_url"} <= set(answer.body)
            return [] if usual else ["an error without message and documentation_url"]
        data = None if answer.body is None else json.dumps(answer.body).encode()
        given = _Response(answer.status, "application/json", Headers(answer.headers), data)
        return [_reason(problem) for problem in self._responses.iter_errors(asked, given)]


def _asked(template: str, request: ApiRequest) -> _Request:
    parameters = RequestParameters(
        query=ImmutableMultiDict(request.query),
        header=Headers(request.headers),
        path=dict(request.params),
    )
    body = None if request.body is None else json.dumps(request.body).encode()
    return _Request(
        "http://github", request.path, template, request.method.lower(), parameters, "application/json", body
    )


def _reason(problem: BaseException) -> str:
    """The innermost words: openapi-core wraps what jsonschema found."""
    cause = problem.__cause__ or problem
    errors = getattr(cause, "schema_errors", None)
    return (
        "; ".join(str(e.message)[:300] + " at " + "/".join(map(str, e.absolute_path)) for e in errors)
        if errors
        else str(cause)
    )
