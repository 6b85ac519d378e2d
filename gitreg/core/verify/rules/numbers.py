"""GR206: a number once used is never used again."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import VersionRegistered
from gitreg.core.findings import Finding
from gitreg.core.names import fold
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR206", "numbers", "A number once used is never used again")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks every new number up among those that the base has, or had."""
    for added in judged.delta.of(VersionRegistered):
        try:
            tombstone = judged.base.model_tombstone(added.model)
        except InvalidManifest:
            continue
        folder = judged.base.layout.version(added.model, added.version, "").rstrip("/")
        buried = {fold(str(pin.version)) for pin in tombstone.versions} if tombstone else set()
        if judged.base.tree.list(folder) or fold(str(added.version)) in buried:
            yield RULE.finding(
                f"version {added.version} of {added.model!r} was used before and deleted",
                judged.head.layout.version(added.model, added.version),
                "register it under another number",
            )


NUMBERS = ChangeRule(RULE, check)
