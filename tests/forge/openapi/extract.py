"""Cuts what the tests use out of GitHub's OpenAPI description, and writes it to ``github.json``.

The source is the npm package ``@octokit/openapi`` (MIT), which republishes
https://github.com/github/rest-api-description. Run it with the unpacked package (the folder with ``generated/``),
or without an argument to download the package from the npm registry::

    python tests/forge/openapi/extract.py [FOLDER]
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

VERSION = "23.0.2"
PACKAGE = f"https://registry.npmjs.org/@octokit/openapi/-/openapi-{VERSION}.tgz"
DESCRIPTION = "generated/api.github.com.json"
TARGET = Path(__file__).with_name("github.json")
LICENSE = Path(__file__).with_name("LICENSE")

_REPO = "/repos/{owner}/{repo}"
_PULL = _REPO + "/pulls/{pull_number}"
_ISSUE = _REPO + "/issues/{issue_number}"
#: The operations that are used; what is not here fails the test that calls it.
OPERATIONS = {
    "/meta": "get",
    "/rate_limit": "get",
    "/user": "get",
    "/users/{username}": "get",
    _REPO: "get",
    _REPO + "/activity": "get",
    _REPO + "/actions/permissions/workflow": "get",
    _REPO + "/actions/runs": "get",
    _REPO + "/actions/runs/{run_id}": "get",
    _REPO + "/actions/runs/{run_id}/jobs": "get",
    _REPO + "/actions/runs/{run_id}/rerun-failed-jobs": "post",
    _REPO + "/actions/workflows/{workflow_id}/runs": "get",
    _REPO + "/branches/{branch}": "get",
    _REPO + "/branches/{branch}/protection": "get",
    _REPO + "/codeowners/errors": "get",
    _REPO + "/collaborators/{username}": "get",
    _REPO + "/collaborators/{username}/permission": "get",
    _REPO + "/commits/{commit_sha}/pulls": "get",
    _REPO + "/commits/{ref}": "get",
    _REPO + "/commits/{ref}/check-runs": "get",
    _REPO + "/commits/{ref}/status": "get",
    _REPO + "/commits/{ref}/statuses": "get",
    _REPO + "/compare/{basehead}": "get",
    _REPO + "/contents/{path}": "get",
    _REPO + "/git/ref/{ref}": "get",
    _REPO + "/git/matching-refs/{ref}": "get",
    _REPO + "/git/refs/{ref}": "delete",
    _REPO + "/issues/comments/{comment_id}": "get patch delete",
    _REPO + "/labels": "get post",
    _REPO + "/labels/{name}": "get",
    _REPO + "/pulls": "get post",
    _REPO + "/rules/branches/{branch}": "get",
    _REPO + "/rulesets": "get post",
    _REPO + "/rulesets/{ruleset_id}": "get put delete",
    _ISSUE: "get patch",
    _ISSUE + "/comments": "get post",
    _ISSUE + "/labels": "get post put",
    _ISSUE + "/labels/{name}": "delete",
    _ISSUE + "/timeline": "get",
    _PULL: "get patch",
    _PULL + "/commits": "get",
    _PULL + "/files": "get",
    _PULL + "/merge": "get put",
    _PULL + "/requested_reviewers": "get post delete",
    _PULL + "/reviews": "get post",
    _PULL + "/reviews/{review_id}": "get",
    _PULL + "/reviews/{review_id}/dismissals": "put",
    _PULL + "/reviews/{review_id}/events": "post",
}

#: Keys that validate nothing. Not looked for among the names of properties.
_NOISE = {"description", "example", "examples", "externalDocs", "summary", "tags", "title", "operationId"}
#: Below these keys, keys are names that people chose.
_NAMES = {"properties", "patternProperties", "responses", "content", "headers", "schemas", "parameters"}


def lean(node: Any, names: bool = False) -> Any:
    """``node`` without prose; ``names`` says that its keys are names."""
    if isinstance(node, list):
        return [lean(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = node if names else {k: v for k, v in node.items() if k not in _NOISE and not k.startswith("x-")}
    return {
        key: value if key in ("enum", "default", "const") and not names else lean(value, key in _NAMES)
        for key, value in kept.items()
    }


def references(node: Any) -> set[tuple[str, str]]:
    """The components that ``node`` points at, as (section, name)."""
    found = re.findall(r'"\$ref": "#/components/([^/"]+)/([^"]+)"', json.dumps(node))
    return {(section, name) for section, name in found}


def cut(whole: dict[str, Any]) -> dict[str, Any]:
    """The part of a description that :data:`OPERATIONS` reach."""
    paths = {}
    for path, methods in OPERATIONS.items():
        item = whole["paths"][path]
        paths[path] = {method: lean(_described(item[method])) for method in methods.split()}
    components: dict[str, dict[str, Any]] = {}
    open_ends = references(paths)
    while open_ends:
        section, name = open_ends.pop()
        if name not in components.setdefault(section, {}):
            components[section][name] = lean(whole["components"][section][name])
            open_ends |= references(components[section][name])
    info = {
        "title": whole["info"]["title"],
        "version": VERSION,
        "license": whole["info"]["license"],
        "description": f"Cut by extract.py out of {DESCRIPTION} of npm @octokit/openapi@{VERSION}, "
        "MIT licence (see LICENSE beside it): no prose, and only the operations used.",
    }
    return {
        "openapi": whole["openapi"],
        "info": info,
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": components,
    }


def _described(operation: dict[str, Any]) -> dict[str, Any]:
    return {key: operation[key] for key in ("parameters", "requestBody", "responses") if key in operation}


def read(folder: Path | None) -> tuple[dict[str, Any], str]:
    """The whole description and its licence, from an unpacked package or the registry."""
    if folder:
        return json.loads((folder / DESCRIPTION).read_text()), (folder / "LICENSE").read_text()
    with urllib.request.urlopen(PACKAGE) as answer:
        packed = io.BytesIO(answer.read())
    with tarfile.open(fileobj=packed) as archive:
        members = [archive.extractfile(f"package/{name}") for name in (DESCRIPTION, "LICENSE")]
        description, licence = (member.read().decode() for member in members if member is not None)
    return json.loads(description), licence


def lines(node: dict[str, Any], deep: int) -> str:
    """JSON with a line for each operation and component, so that updates can be read as diffs."""
    if deep == 0 or not isinstance(node, dict) or not node:
        return json.dumps(node, sort_keys=True)
    inner = ",\n".join(f"{json.dumps(key)}: {lines(node[key], deep - 1)}" for key in sorted(node))
    return "{\n" + inner + "\n}"


def main() -> None:
    """Writes ``github.json`` and its licence."""
    description, licence = read(Path(sys.argv[1]) if sys.argv[1:] else None)
    made = cut(description)
    TARGET.write_text(lines(made, 3) + "\n")
    LICENSE.write_text(licence)
    print(f"{TARGET}: {TARGET.stat().st_size} bytes, {len(made['components']['schemas'])} schemas")


if __name__ == "__main__":
    main()
