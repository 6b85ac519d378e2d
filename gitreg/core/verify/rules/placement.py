"""GR102: a manifest says the same model, version, stage, alias or evidence name as its path."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.findings import Finding
from gitreg.core.layout import Place
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule

RULE = Rule("GR102", "placement", "A manifest says the same names as its path")


def check(scope: Scope) -> Iterator[Finding]:
    """Compares the names inside each manifest with its path."""
    for _, place in scope.files:
        if place.kind and place.kind != "dvc":
            yield from _misplaced(scope, place)


def _misplaced(scope: Scope, place: Place) -> Iterator[Finding]:
    try:
        manifest = scope.snapshot.manifest(place.kind or "", place.path)
    except InvalidManifest:
        return
    if manifest is None:  # a submodule, which the mode rule finds
        return
    said = {key: getattr(manifest, key, None) for key in _expected(place)}
    for key, expected in _expected(place).items():
        if str(said[key]) != expected and not (key == "model" and _was_called(scope, place, str(said[key]))):
            yield RULE.finding(
                f"{key} is {said[key]!r}, but the file's place says {expected!r}",
                scope.snapshot.locate(place.path, key),
                f"write {key}: {expected}, or move the file",
            )


def _expected(place: Place) -> dict[str, str]:
    name_key = {
        "StageAssignment": "stage",
        "Alias": "alias",
        "Evidence": "name",
        "EvidenceRetraction": "name",
    }
    found = {"name" if place.kind == "Model" else "model": place.model}
    if place.version:
        found["version"] = place.version
    if place.kind in name_key:
        found[name_key[place.kind]] = place.name
    return found


def _was_called(scope: Scope, place: Place, name: str) -> bool:
    """Whether a file that a rename carries over unchanged says a former name of its model."""
    if not place.version and place.kind != "ModelTombstone":
        return False
    try:
        redirect = scope.snapshot.redirect(name)
    except InvalidManifest:
        return False
    return redirect is not None and redirect.to == place.model


PLACEMENT = SnapshotRule(RULE, check)
