"""GR307: an alias that policy ties to a stage is only set on a version in that stage."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import AliasMoved
from gitreg.core.findings import Finding
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR307", "aliases", "An alias that policy ties to a stage is only set on a version in that stage")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at the stage of the version that each alias moves to, and at aliases that a move leaves behind."""
    yield from _left_behind(judged)
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


def _left_behind(judged: Judged) -> Iterator[Finding]:
    for move in judged.transitions:
        try:
            aliases = judged.head.aliases_of(move.model, move.pin.version)
        except InvalidManifest:
            continue
        for name in aliases:
            if judged.policy.alias(name).stage == move.source:
                yield RULE.warning(
                    f"{move.model}@{name} still names version {move.pin.version}, which leaves {move.source}",
                    judged.head.locate(judged.head.layout.alias(move.model, name), "version"),
                    f"gitreg alias set {move.model} {name} VERSION, once this has landed",
                )


ALIASES = ChangeRule(RULE, check)
