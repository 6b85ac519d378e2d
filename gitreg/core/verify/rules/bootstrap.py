"""GR207: a registry begins with its rules alone, and keeps its id."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import RulesChanged
from gitreg.core.findings import Finding
from gitreg.core.layout import REGISTRY_FILE
from gitreg.core.tree import files_below
from gitreg.core.verify.rule import ChangeRule, Judged, Rule
from gitreg.errors import ConfigError

RULE = Rule("GR207", "bootstrap", "A registry begins with its rules alone, and keeps its id")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at the first change of a registry, and at every later one of ``gitreg.yaml``."""
    yield from _first(judged) if judged.bootstrap else _later(judged)
    yield from _elsewhere(judged)


def _first(judged: Judged) -> Iterator[Finding]:
    """What lay in ``models/`` before there were rules was never judged, so it may not be there either."""
    for path, _ in files_below(judged.head.tree, judged.head.layout.models):
        yield RULE.finding(
            "a registry begins with its rules files alone", path, "add models in later changes"
        )


def _later(judged: Judged) -> Iterator[Finding]:
    path = judged.base.layout.path(REGISTRY_FILE)
    if RulesChanged(path) not in judged.delta.changes:
        return
    try:
        before, after = judged.base.registry().id, judged.head.registry().id
    except (InvalidManifest, ConfigError):
        return
    if before != after:
        yield RULE.finding(
            "a registry's id never changes: approvals are about the registry of that id",
            judged.head.locate(path, "id"),
            f"write id: {before}",
        )


def _elsewhere(judged: Judged) -> Iterator[Finding]:
    """Readers follow ``branch``: it may not lead them from the guarded branch to one that anybody may push to."""
    landing = judged.evidence.landing
    path = judged.head.layout.path(REGISTRY_FILE)
    try:
        branch = judged.head.registry().branch
    except (InvalidManifest, ConfigError):
        return
    if landing is not None and landing.ref != f"refs/heads/{branch}":
        guarded = landing.ref.removeprefix("refs/heads/")
        yield RULE.finding(
            f"the registry's branch would be {branch!r}, but {guarded!r} is the one that is guarded here",
            judged.head.locate(path, "branch"),
            f"write branch: {guarded}, or let the repository's owner run gitreg hook install --branch {branch}",
        )


BOOTSTRAP = ChangeRule(RULE, check)
