"""GR203: a pointer is never removed; each edit moves it, counts its serial on and says what was there before."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.delta import AliasMoved, PointerRemoved, StageChanged
from gitreg.core.findings import Finding
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule(
    "GR203",
    "pointers",
    "Pointers are never removed; each edit moves them, counts on and says what was before",
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
        before = set(stage.old.versions) if stage.old else set()
        yield from _idle(judged, stage, stage.new is not None and set(stage.new.versions) == before)
    for alias in judged.delta.of(AliasMoved):
        yield from _serial(judged, alias)
        pin = alias.old.pin if alias.old else None
        yield from _idle(judged, alias, alias.new is not None and alias.new.pin == pin)


def _idle(judged: Judged, change: StageChanged | AliasMoved, is_idle: bool) -> Iterator[Finding]:
    """An edit that moves nothing needs nobody's approval, and would wipe out what a rollback restores."""
    if is_idle:
        yield RULE.finding(
            "the edit moves nothing; a pointer is edited only to move it",
            judged.head.locate(change.path),
            "leave the file as it is",
        )


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
