"""GR209: the commits inside a branch, which a merge brings into history, keep the promises about records, too."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import size_limit
from gitreg.core.findings import Finding
from gitreg.core.layout import Layout, Place, Sort
from gitreg.core.ports import FILE
from gitreg.core.tree import entry_at
from gitreg.core.verify.evidence import InnerChange, Unknown
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR209", "inner-commits", "Commits inside a branch keep records, modes and sizes as well")

_FIX = "make one commit of the branch: git reset --soft $(git merge-base HEAD origin/BRANCH) && git commit"

#: Findings that are told one by one.
MOST_TOLD = 20


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at what each commit of the branch does; what a later one undoes is in history all the same."""
    inner = judged.evidence.inner
    if isinstance(inner, Unknown):
        yield RULE.undecided(f"the commits inside the branch could not be looked at: {inner.why}", fix=_FIX)
        return
    own = Layout(judged.base.root, protected=())
    problems = [(c, why) for c in inner if (why := _problem(judged, c, own.place(c.raw.path)))]
    for change, why in problems[:MOST_TOLD]:
        yield RULE.finding(f"commit {change.commit[:12]} {why}", change.raw.path, _FIX)
    if len(problems) > MOST_TOLD:
        yield RULE.finding(f"{len(problems) - MOST_TOLD} more such changes are in the branch", fix=_FIX)


def _problem(judged: Judged, change: InnerChange, place: Place) -> str | None:
    if place.sort is Sort.UNMANAGED:
        return None
    if change.raw.new is not None and change.raw.new.mode != FILE:
        return "makes it something else than a plain file"
    if change.size is not None and place.sort is Sort.UNKNOWN:
        return "holds a file here that gitreg does not know"
    if change.size is not None and place.kind and change.size > size_limit(place.kind):
        return f"makes it larger than {size_limit(place.kind) // 1024} KiB"
    if place.sort is Sort.RECORD and change.raw.new != entry_at(judged.head.tree, change.raw.path):
        return (
            "removes the record for a while" if change.raw.new is None else "gives the record other content"
        )
    return None


INNER_COMMITS = ChangeRule(RULE, check)
