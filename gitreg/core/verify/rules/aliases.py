"""GR307: an alias that policy ties to a stage is only set on a version in that stage."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import AliasMoved
from gitreg.core.findings import Finding
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR307", "aliases", "An alias that policy ties to a stage is only set on a version in that stage")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at the stage of the version that each alias moves to."""
    for move in judged.delta.of(AliasMoved):
        stage = judged.policy.alias(move.alias).stage
        if move.new is None or move.new.pin is None or stage is None:
            continue
        try:
            now = judged.head.stage_of(move.model, move.new.pin.version)
        except InvalidManifest:
            continue
        if now != stage:
            yield RULE.finding(
                f"@{move.alias} may name only versions in {stage}; version {move.new.pin.version} is in {now}",
                judged.head.locate(move.path, "version"),
                f"promote it to {stage} first",
            )


ALIASES = ChangeRule(RULE, check)
