"""GR103: below models/ there is nothing but gitreg's own files, and nothing beside is called almost like them."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.layout import Layout, Sort
from gitreg.core.names import fold
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule

RULE = Rule("GR103", "stray", "Below models/ there is nothing but gitreg's own files")


def check(scope: Scope) -> Iterator[Finding]:
    """Names every file that is none of the five sorts."""
    for _, place in scope.files:
        if place.sort is Sort.UNKNOWN:
            yield RULE.finding(
                "this is no file that gitreg knows",
                place.path,
                "move it out of models/; artifacts are never committed beside manifests",
            )
    yield from _look_alikes(scope)


def _look_alikes(scope: Scope) -> Iterator[Finding]:
    """Where case does not count in file names, ``Models/`` is ``models/``: a checkout would mix the two."""
    layout = Layout(scope.snapshot.root, protected=())
    for name in sorted(scope.snapshot.tree.list(layout.root.rstrip("/"))):
        path, folded = layout.path(name), layout.path(fold(name))
        if layout.place(path).sort is Sort.UNMANAGED and layout.place(folded).sort is not Sort.UNMANAGED:
            yield RULE.finding(
                f"{name!r} is the registry's own {fold(name)!r} on file systems that ignore case",
                path,
                "rename it",
            )


STRAY = SnapshotRule(RULE, check)
