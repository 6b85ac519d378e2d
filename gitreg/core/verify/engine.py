"""The verdict: every rule over one revision, or over one change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.codec.schema import Schemas
from gitreg.core.delta import Delta, RulesChanged
from gitreg.core.findings import Finding, sort_findings
from gitreg.core.names import Version
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.rule import ChangeRule, Judged, Scope
from gitreg.core.verify.rules import CHANGE_RULES, SNAPSHOT_RULES
from gitreg.core.verify.rules.conflict import CONFLICT


def validate(snapshot: Snapshot, schemas: Schemas) -> list[Finding]:
    """Judges a whole registry by itself: an empty list is a valid one."""
    return _structure(Scope(snapshot, schemas))


def evaluate(judged: Judged) -> list[Finding]:
    """Judges a change: its head's structure where the change touches it, and the way it takes there.

    A change of the rules must leave the whole registry valid under the new ones.
    """
    whole = judged.bootstrap or bool(judged.delta.of(RulesChanged))
    versions = None if whole else concerned(judged.head, judged.delta)
    structure = _structure(Scope(judged.head, judged.schemas, versions, rules_files=whole))
    way = [finding for rule in CHANGE_RULES for finding in _of_change(rule, judged)]
    return sort_findings([*structure, *way])


def _of_change(rule: ChangeRule, judged: Judged) -> Iterator[Finding]:
    """What a rule finds. Where paths are in conflict the head has the base's files, which did not change."""
    torn = set() if rule is CONFLICT else {raw.path for raw in judged.conflicts}
    return (f for f in rule.check(judged) if f.location is None or f.location.path not in torn)


def _structure(scope: Scope) -> list[Finding]:
    return sort_findings(finding for rule in SNAPSHOT_RULES for finding in rule.check(scope))


def concerned(head: Snapshot, delta: Delta) -> Mapping[str, frozenset[str]]:
    """The models that a change touches, each with the version folders that it touches or that pointers name."""
    found: dict[str, set[str]] = {}
    for raw in delta.raw:
        if raw.path.startswith(f"{head.layout.models}/"):
            parts = raw.path[len(head.layout.models) + 1 :].split("/")
            folders = found.setdefault(parts[0], set())
            if len(parts) > 2 and parts[1] == "versions":
                folders.add(parts[2])
    for model, folders in found.items():
        folders |= {str(version) for version in _named(head, model)}
    return {model: frozenset(folders) for model, folders in found.items()}


def _named(head: Snapshot, model: str) -> set[Version]:
    """The versions that a model's pointers name."""
    try:
        stages = {pin.version for stage in head.stages(model).values() for pin in stage.versions}
        return stages | {alias.pin.version for alias in head.aliases(model).values() if alias.pin}
    except InvalidManifest:
        return set()
