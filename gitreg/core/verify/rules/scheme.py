"""GR110: versions are numbered as their model's scheme says."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import ModelEdited
from gitreg.core.findings import Finding
from gitreg.core.manifest import INTEGER_SCHEME
from gitreg.core.verify.rule import ChangeRule, Judged, Rule, Scope, SnapshotRule
from gitreg.errors import ConfigError

RULE = Rule("GR110", "scheme", "Versions are numbered as their model's scheme says")


def check(scope: Scope) -> Iterator[Finding]:
    """Compares the form of every version concerned with its model's scheme."""
    for model in scope.models:
        try:
            scheme = scope.snapshot.scheme(model)
        except (InvalidManifest, ConfigError):
            continue
        for version in scope.version_numbers(model):
            if isinstance(version, int) != (scheme == INTEGER_SCHEME):
                yield RULE.finding(
                    f"version {version} is not of the scheme {scheme!r} of {model!r}",
                    scope.snapshot.layout.version(model, version),
                )


def check_edits(judged: Judged) -> Iterator[Finding]:
    """Looks at edited models: the versions that such a change does not touch are not read for it."""
    for edited in judged.delta.of(ModelEdited):
        try:
            before, after = judged.base.scheme(edited.model), judged.head.scheme(edited.model)
        except InvalidManifest:
            continue
        if before != after and judged.base.numbers(edited.model):
            path = judged.head.layout.model(edited.model)
            yield RULE.finding(
                f"{edited.model!r} has versions of the scheme {before!r} already",
                judged.head.locate(path, "versions"),
                f"write versions: {before}",
            )


SCHEME = SnapshotRule(RULE, check)
SCHEME_OF_EDITS = ChangeRule(RULE, check_edits)
