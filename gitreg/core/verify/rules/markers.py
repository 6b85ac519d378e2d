"""GR109: a redirect stands alone and leads to a model; of a deleted model the tombstone is left, and its numbers."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.findings import Finding
from gitreg.core.names import fold
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule

RULE = Rule(
    "GR109",
    "markers",
    "Redirects lead to models; what was deleted stays so, and numbers once used stay taken",
)


def check(scope: Scope) -> Iterator[Finding]:
    """Looks at the markers of every model concerned."""
    for model in scope.models:
        names = set(scope.snapshot.tree.list(scope.folder(model)))
        try:
            yield from _redirect(scope, model, names)
            yield from _tombstone(scope, model, names)
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
    if not {"model.yaml", "tombstone.yaml"} & scope.snapshot.tree.list(scope.folder(redirect.to)).keys():
        yield RULE.finding(
            f"the redirect leads to {redirect.to!r}, which is no model",
            scope.snapshot.locate(path, "to"),
        )


def _tombstone(scope: Scope, model: str, names: set[str]) -> Iterator[Finding]:
    """Where the name was made again there is a ``model.yaml``; else nothing is beside the tombstone."""
    tombstone = scope.snapshot.model_tombstone(model)
    if tombstone is None:
        return
    for name in sorted(names - {"tombstone.yaml", "redirect.yaml"}) if "model.yaml" not in names else ():
        yield RULE.finding(
            f"{name} lies beside the tombstone of a deleted model", f"{scope.folder(model)}/{name}"
        )
    taken = {fold(str(pin.version)) for pin in tombstone.versions}
    for version in scope.version_numbers(model):
        if fold(str(version)) in taken:
            yield RULE.finding(
                f"version {version} was used before {model!r} was deleted, and stays taken",
                scope.snapshot.layout.version(model, version),
                "register it under another number",
            )


MARKERS = SnapshotRule(RULE, check)
