"""GR110: versions are numbered as their model's scheme says."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.findings import Finding
from gitreg.core.manifest import INTEGER_SCHEME
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule
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


SCHEME = SnapshotRule(RULE, check)
