"""GR312: says that a version is deprecated when it enters a stage."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import Transition, serves
from gitreg.core.findings import Finding
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR312", "deprecation", "A version that enters a stage is not deprecated")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at the notes of every version that enters a stage to serve there. Notes are no evidence: it only warns."""
    for move in judged.transitions:
        if serves(move, judged.policy) and not _retires(judged, move):
            yield from _deprecated(judged, move)


def _retires(judged: Judged, move: Transition) -> bool:
    """Whether it goes where some stage sends what gives way: a deprecated version may well end there."""
    stages = (judged.policy.stage(name, move.model) for name in judged.policy.stage_names)
    return any(stage is not None and stage.replaced == move.target for stage in stages)


def _deprecated(judged: Judged, move: Transition) -> Iterator[Finding]:
    try:
        notes = judged.head.notes(move.model, move.pin.version)
    except InvalidManifest:
        return  # the manifest rule reports it
    if notes is None or notes.deprecated is None:
        return
    path = judged.head.layout.version(move.model, move.pin.version, "notes.yaml")
    use = notes.deprecated.use
    yield RULE.warning(
        f"{move.model}/{move.pin.version} enters {move.target}, and is deprecated:"
        f" {' '.join(notes.deprecated.reason.split())}",
        judged.head.locate(path, "deprecated"),
        f"promote {move.model}/{use} instead" if use is not None else None,
    )


DEPRECATION = ChangeRule(RULE, check)
