"""GR203: a pointer is never removed, and each edit counts its serial on and says what was there before."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.delta import AliasMoved, PointerRemoved, StageChanged
from gitreg.core.findings import Finding
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule(
    "GR203", "pointers", "Pointers are never removed; each edit counts on and says what was there before"
)


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at every pointer that the change touches."""
    for removed in judged.delta.of(PointerRemoved):
        yield RULE.finding(
            "a pointer is removed", removed.path, "an empty one says versions: [] or version: null"
        )
    for stage in judged.delta.of(StageChanged):
        yield from _serial(judged, stage)
        yield from _previous(judged, stage)
    for alias in judged.delta.of(AliasMoved):
        yield from _serial(judged, alias)


def _serial(judged: Judged, change: StageChanged | AliasMoved) -> Iterator[Finding]:
    if change.new is None:
        return
    expected = change.old.serial + 1 if change.old else 1
    if change.new.serial != expected:
        yield RULE.finding(
            f"serial is {change.new.serial}; the base's, plus one, is {expected}",
            judged.head.locate(change.path, "serial"),
            f"write serial: {expected}",
        )


def _previous(judged: Judged, change: StageChanged) -> Iterator[Finding]:
    if change.new is None:
        return
    before = change.old.versions if change.old else ()
    if change.new.previous != before:
        shown = ", ".join(str(pin.version) for pin in before) or "none"
        yield RULE.finding(
            f"previous does not list the holders before this edit (versions: {shown})",
            judged.head.locate(change.path, "previous"),
            "let gitreg promote, demote or rollback write the file",
        )


POINTERS = ChangeRule(RULE, check)
