"""GR211: a path is one that git can check out, and passes for no file of the registry's own on any file system."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.layout import Layout, Sort
from gitreg.core.names import fold, path_problem, seen_as
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR211", "paths", "Paths stay inside the repository, and pass for no other file")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at every path that the change puts something at, whatever sort of file it is."""
    for raw in judged.delta.raw:
        problem = path_problem(raw.path) if raw.new is not None else None
        if problem:
            yield RULE.finding(f"{raw.path!r} cannot be checked out: {problem}", raw.path, "rename it")
        elif raw.new is not None:
            yield from _passing_for_another(judged.base.root, raw.path)


def _passing_for_another(root: str, path: str) -> Iterator[Finding]:
    """What lies outside the registry for git, and in it where file names are compared otherwise."""
    layout = Layout(root, protected=())
    if layout.place(path).sort is not Sort.UNMANAGED or _is_look_alike(layout, path):
        return
    twin = seen_as(path)
    if Layout(fold(root), protected=()).place(twin).sort is not Sort.UNMANAGED:
        yield RULE.finding(f"{path!r} is the registry's own {twin!r} on some file systems", path, "rename it")


def _is_look_alike(layout: Layout, path: str) -> bool:
    """Whether GR103 tells it, which looks at the names in the registry's folder alone."""
    name = path.removeprefix(layout.root).split("/")[0]
    return path.startswith(layout.root) and layout.place(layout.path(fold(name))).sort is not Sort.UNMANAGED


PATHS = ChangeRule(RULE, check)
