"""GR301: a version enters a stage only from where policy lets it come, and gives way to where policy sends it."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.names import NONE
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR301", "transitions", "A version enters a stage only from where policy lets it come")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at every move, but for what gives way, what is rolled back and what is imported."""
    for move in judged.transitions:
        settings = judged.policy.stage(move.target, move.model)
        is_exempt = move.displaced or move.rollback or move.imported
        if is_exempt or settings is None or settings.sources is None:
            continue
        if move.source not in settings.sources:
            allowed = ", ".join(settings.sources) or "nowhere"
            yield RULE.finding(
                f"{move.model}/{move.pin.version} moves from {move.source} to {move.target}; policy lets versions"
                f" enter {move.target} only from {allowed}",
                judged.at_stage(move),
                f"promote it to {settings.sources[0]} first" if settings.sources else None,
            )
    yield from _leftovers(judged)


def _leftovers(judged: Judged) -> Iterator[Finding]:
    """A version that only leaves is demoted openly: with a stage that is emptied so, nothing else may enter."""
    for move in judged.transitions:
        if move.target == NONE and not move.displaced and not move.rollback:
            settings = judged.policy.stage(move.source, move.model)
            entering = [m for m in judged.transitions if m.target == move.source and m.model == move.model]
            if entering and settings and settings.replaced != NONE:
                yield RULE.finding(
                    f"{move.model}/{move.pin.version} gives way in {move.source}; policy sends such versions to"
                    f" {settings.replaced}, not out of every stage",
                    judged.at_stage(move),
                )


TRANSITIONS = ChangeRule(RULE, check)
