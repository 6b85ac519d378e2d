"""GR109: a redirect stands alone and leads to a living model; a deleted model's numbers stay taken."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.findings import Finding
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule

RULE = Rule("GR109", "markers", "Redirects lead to living models; numbers once used stay taken")


def check(scope: Scope) -> Iterator[Finding]:
    """Looks at the markers of every model concerned."""
    for model in scope.models:
        names = set(scope.snapshot.tree.list(scope.folder(model)))
        try:
            yield from _redirect(scope, model, names)
            yield from _tombstone(scope, model)
        except InvalidManifest:
            continue
        if not names & {"model.yaml", "redirect.yaml", "tombstone.yaml"}:
            yield RULE.finding(
                f"the folder of {model!r} has no model.yaml", scope.snapshot.layout.model(model)
            )


def _redirect(scope: Scope, model: str, names: set[str]) -> Iterator[Finding]:
    redirect = scope.snapshot.redirect(model)
    if redirect is None:
        return
    path = scope.snapshot.layout.model(model, "redirect.yaml")
    for name in sorted(names - {"redirect.yaml"}):
        yield RULE.finding(
            f"{name} lies beside the redirect of a renamed model", f"{scope.folder(model)}/{name}"
        )
    if "model.yaml" not in scope.snapshot.tree.list(scope.folder(redirect.to)):
        yield RULE.finding(
            f"the redirect leads to {redirect.to!r}, which is no living model",
            scope.snapshot.locate(path, "to"),
        )


def _tombstone(scope: Scope, model: str) -> Iterator[Finding]:
    tombstone = scope.snapshot.model_tombstone(model)
    taken = {pin.version for pin in tombstone.versions} if tombstone else set()
    for version in scope.version_numbers(model):
        if version in taken:
            yield RULE.finding(
                f"version {version} was used before {model!r} was deleted, and stays taken",
                scope.snapshot.layout.version(model, version),
                "register it under another number",
            )


MARKERS = SnapshotRule(RULE, check)
