"""GR108: stages are the policy's, hold what they may hold, and a version is in at most one."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.findings import Finding
from gitreg.core.layout import Place
from gitreg.core.manifest import StageAssignment
from gitreg.core.names import Version
from gitreg.core.policy import StagePolicy
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule

RULE = Rule(
    "GR108", "stages", "Stages are the policy's, within their bounds, and a version is in at most one"
)


def check(scope: Scope) -> Iterator[Finding]:
    """Looks at the stage files of every model concerned."""
    by_model: dict[str, list[Place]] = {}
    for _, place in scope.files:
        if place.kind == "StageAssignment":
            by_model.setdefault(place.model, []).append(place)
    for model, places in by_model.items():
        yield from _model(scope, model, places)


def _model(scope: Scope, model: str, places: list[Place]) -> Iterator[Finding]:
    held: dict[Version, str] = {}
    for path, assignment in _assignments(scope, places):
        yield from _bounds(scope, path, assignment)
        for index, pin in enumerate(assignment.versions):
            other = held.setdefault(pin.version, assignment.stage)
            if other != assignment.stage or pin.version in {p.version for p in assignment.versions[:index]}:
                yield RULE.finding(
                    f"version {pin.version} of {model!r} is in {other} already; a version is in at most one stage",
                    scope.snapshot.locate(path, "versions", index),
                )


def _assignments(scope: Scope, places: list[Place]) -> Iterator[tuple[str, StageAssignment]]:
    for place in places:
        try:
            found = scope.snapshot.manifest("StageAssignment", place.path)
        except InvalidManifest:
            continue
        if isinstance(found, StageAssignment):
            yield place.path, found


def _bounds(scope: Scope, path: str, assignment: StageAssignment) -> Iterator[Finding]:
    if scope.policy is None:
        return
    settings = scope.policy.stage(assignment.stage, assignment.model)
    if settings is None and assignment.versions:
        known = ", ".join(scope.policy.stage_names)
        yield RULE.finding(f"the policy has no stage {assignment.stage!r} (it has {known})", path)
    if settings and is_over(settings, assignment):
        yield RULE.finding(
            f"{assignment.stage} holds {len(assignment.versions)} versions; the policy allows {settings.holds}",
            scope.snapshot.locate(path, "versions"),
        )


def is_over(settings: StagePolicy, assignment: StageAssignment) -> bool:
    """Whether a stage holds more versions than policy allows."""
    return settings.holds is not None and len(assignment.versions) > settings.holds


STAGES = SnapshotRule(RULE, check)
