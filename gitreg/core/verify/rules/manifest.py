"""GR101: every manifest is strict YAML and satisfies the JSON Schema of its kind."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest, load_value, places_in
from gitreg.core.findings import Finding
from gitreg.core.layout import POLICY_FILE, REGISTRY_FILE
from gitreg.core.ports import SUBMODULE
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule

RULE = Rule("GR101", "manifest", "Every manifest is strict YAML and satisfies its JSON Schema")

#: How many manifests are read together.
_AT_A_TIME = 500


def check(scope: Scope) -> Iterator[Finding]:
    """Parses every file concerned; the schema explains what the decoder refused."""
    if scope.rules_files:
        for kind, file in (("Registry", REGISTRY_FILE), ("Policy", POLICY_FILE)):
            yield from _judged(scope, kind, scope.snapshot.layout.path(file))
    for at in range(0, len(scope.files), _AT_A_TIME):
        # In a submodule, which the mode rule finds, there is nothing to read.
        files = ((e.oid, p) for e, p in scope.files[at : at + _AT_A_TIME] if e.mode != SUBMODULE)
        part = [(place.kind, place.path, oid) for oid, place in files if place.kind]
        scope.snapshot.preload(part)
        for kind, path, _ in part:
            yield from _judged(scope, kind, path)


def _judged(scope: Scope, kind: str, path: str) -> Iterator[Finding]:
    try:
        found = scope.snapshot.manifest(kind, path)
    except InvalidManifest as error:
        yield from _explained(scope, kind, path, error)
    else:
        if found is None:
            yield RULE.finding(f"{path} does not exist", path, "gitreg init writes one")


def _explained(scope: Scope, kind: str, path: str, error: InvalidManifest) -> Iterator[Finding]:
    blob = scope.snapshot.blob(path)
    problems = []
    if blob is not None and error.where is not None and kind != "dvc":
        problems = scope.schemas.problems(kind, load_value(kind, blob.data, path))
    places = places_in(blob.data, path, [p.where for p in problems]) if blob and problems else []
    for problem, place in zip(problems, places, strict=True):
        keys = ".".join(str(part) for part in problem.where)
        message = f"{keys}: {problem.message}" if keys else problem.message
        yield RULE.finding(message, place)
    if not problems:
        yield RULE.finding(error.problem, error.location, error.hint)


MANIFEST = SnapshotRule(RULE, check)
