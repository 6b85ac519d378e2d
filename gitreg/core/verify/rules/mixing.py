"""GR205: rules change alone, and nothing unmanaged rides along with a pointer."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.delta import Delta
from gitreg.core.findings import Finding
from gitreg.core.layout import Sort
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR205", "mixing", "Rules change alone, and nothing unmanaged rides along with a pointer")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at which sorts of file stand side by side in the change."""
    sorts = _sorts(judged, judged.delta)
    managed = sorted(sorts.keys() - {Sort.RULES, Sort.UNMANAGED})
    if Sort.RULES in sorts and managed:
        yield RULE.finding(
            f"the change mixes rules with {managed[0]} files ({sorts[managed[0]]})",
            sorts[Sort.RULES],
            "make two changes of it: the rules first",
        )
    if Sort.POINTER in sorts and Sort.UNMANAGED in sorts:
        yield RULE.finding(
            f"the change moves a pointer ({sorts[Sort.POINTER]}) together with a file outside the registry",
            sorts[Sort.UNMANAGED],
            "make two changes of it",
        )


def _sorts(judged: Judged, delta: Delta) -> dict[Sort, str]:
    """The first path of each sort."""
    found: dict[Sort, str] = {}
    for raw in delta.raw:
        found.setdefault(judged.base.place(raw.path).sort, raw.path)
    return found


MIXING = ChangeRule(RULE, check)
