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


#: Answers that operations give though they are not described, with GitHub's usual error as body.
UNDESCRIBED = {
    # "No commit found for SHA: …", as the neighbouring operation on the commit itself describes it.
    ("GET", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls", 422),
    ("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", 422),
    ("GET", "/repos/{owner}/{repo}/commits/{ref}/status", 422),
    ("GET", "/repos/{owner}/{repo}/commits/{ref}/statuses", 422),
}

#: Where the description itself is too strict, by schema and place in it, and why.
NULL_TOO = {
    (
        "pull-request-simple",
        "properties/labels/items/properties/description",
    ): "a label without description has null, "
    "as the schema of labels says and as single pull requests show it",
}

#: Operations that also take a plain list of names, as their prose says ("you can also pass an array of labels
#: directly") and as PyGithub does it; the schema has the object alone.
TAKES_LIST = ("post", "put")
_LABELS = "/repos/{owner}/{repo}/issues/{issue_number}/labels"


_NULL = {"type": "object", "nullable": True, "maxProperties": 0, "enum": [None]}


def _corrected(node: Any) -> Any:
    """A description in which what is nullable may be null.

    Since 3.0.3 OpenAPI asks to list null in such an enumeration
    (https://github.com/OAI/OpenAPI-Specification/blob/main/proposals/2019-10-31-Clarify-Nullable.md). GitHub does not
    list it, and answers with null: for ``conclusion`` of a check that runs, for ``state_reason`` of an open issue.
    Nor do its choices (``oneOf``) that are nullable include it: the author of a commit whose email is nobody's is null.
    """
    if isinstance(node, list):
        return [_corrected(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _corrected(value) for key, value in node.items()}
    if made.get("nullable") is True and isinstance(made.get("enum"), list) and None not in made["enum"]:
        made["enum"] = [*made["enum"], None]
    if made.get("nullable") is True and "oneOf" in made:
        made["oneOf"] = [*made["oneOf"], _NULL]
    return made


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
        self._document = _corrected(json.loads(file.read_text()))
        for schema, place in NULL_TOO:
            node = self._document["components"]["schemas"][schema]
            for key in place.split("/"):
                node = node[key]
            node["nullable"] = True
        for method in TAKES_LIST:
            body = self._document["paths"][_LABELS][method]["requestBody"]["content"]["application/json"]
            body["schema"]["oneOf"].append({"type": "array", "items": {"type": "string"}})
        spec = SchemaPath.from_dict(self._document)
        self._requests = V30RequestValidator(spec)
        self._responses = V30ResponseValidator(spec)

    @classmethod
    @functools.cache
    def github(cls) -> Description:
        """GitHub's; read once for each process."""
        return cls(_FILE)

    def knows(self, method: str, template: str) -> bool:
        """Whether there is such an operation."""
        return method.lower() in self._document["paths"].get(template, {})

    def problem(self, template: str | None, request: ApiRequest, answer: Answer) -> str | None:
        """Why an exchange is not as described; None if it is. ``template`` is the path in the description's words."""
        operation = self._document["paths"].get(template, {}).get(request.method.lower())
        if template is None or operation is None:
            return f"no such operation is described in {_FILE.name}"
        asked = _asked(template, request)
        found = [] if answer.status in (400, 422) else self._wrong_request(operation, asked, request.body)
        return "; ".join(found + self._wrong_answer(operation, asked, answer)) or None

    def _wrong_request(self, operation: dict[str, Any], asked: _Request, body: Any) -> list[str]:
        known = {self._parameter(one)["name"] for one in operation.get("parameters", [])}
        strange = [f"the query has {name!r}" for name in asked.parameters.query if name not in known]
        strange += [f"the body has {name!r}" for name in _unknown_keys(operation, body)]
        return strange + [_reason(problem) for problem in self._requests.iter_errors(asked)]

    def _parameter(self, one: dict[str, Any]) -> dict[str, Any]:
        name = one.get("$ref", "").rpartition("/")[2]
        found: dict[str, Any] = self._document["components"]["parameters"][name] if name else one
        return found

    def _wrong_answer(self, operation: dict[str, Any], asked: _Request, answer: Answer) -> list[str]:
        usual_error = (
            answer.status in EVERYWHERE
            or (asked.method.upper(), asked.path_pattern, answer.status) in UNDESCRIBED
        )
        if str(answer.status) not in operation["responses"] and usual_error:
            usual = isinstance(answer.body, dict) and {"message", "documentation_url"} <= set(answer.body)
            return [] if usual else ["an error without message and documentation_url"]
        data = None if answer.body is None else json.dumps(answer.body).encode()
        given = _Response(answer.status, "application/json", Headers(answer.headers), data)
        return [_reason(problem) for problem in self._responses.iter_errors(asked, given)]


def _unknown_keys(operation: dict[str, Any], body: Any) -> list[str]:
    """Keys of a body that nobody described: GitHub would ignore them, so they are mistakes of the client's."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    known = content.get("schema", {}).get("properties")
    return [name for name in body if name not in known] if known and isinstance(body, dict) else []


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
    errors = getattr(cause, "schema_errors", ())
    return "; ".join(f"{one.message[:300]} at {one.json_path}" for one in errors) or str(cause)
