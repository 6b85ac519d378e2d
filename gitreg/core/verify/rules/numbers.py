"""GR206: a number once used is never used again, and none is the last one."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import VersionRegistered
from gitreg.core.findings import Finding, Location
from gitreg.core.names import MAX_INTEGER, fold
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR206", "numbers", "A number once used is never used again, and numbers go on")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks every new number up among those that the base has, or had, and whether it goes on from them."""
    for added in judged.delta.of(VersionRegistered):
        try:
            tombstone = judged.base.model_tombstone(added.model)
        except InvalidManifest:
            continue
        folder = judged.base.layout.version(added.model, added.version, "").rstrip("/")
        buried = {fold(str(pin.version)) for pin in tombstone.versions} if tombstone else set()
        if judged.base.tree.list(folder) or fold(str(added.version)) in buried:
            yield RULE.finding(
                f"version {added.version} of {added.model!r} was used before and deleted",
                judged.head.layout.version(added.model, added.version),
                "register it under another number",
            )
        elif added.version == MAX_INTEGER:
            yield RULE.finding(
                f"version {added.version} of {added.model!r} leaves no number for the next one",
                _at(judged, added),
                "register it under a lower number",
            )
        elif added.imported and not _says_so(judged, added):
            yield _imported(judged, added)


def _says_so(judged: Judged, added: VersionRegistered) -> bool:
    """Whether the record itself says that it was brought from elsewhere."""
    try:
        record = judged.head.record(added.model, added.version)
    except InvalidManifest:
        return False
    return record is not None and record.imported_from is not None


def _imported(judged: Judged, added: VersionRegistered) -> Finding:
    """Says that a change is an import where only its number does: a mistake is easily made, and easily overlooked."""
    top = judged.base.top_number(added.model)
    instead = f"does not go on from {top}, the highest number so far" if top else "does not begin with 1"
    return RULE.warning(
        f"version {added.version} of {added.model!r} {instead}, and so is imported",
        _at(judged, added),
        "gitreg register and gitreg change refresh take the next number",
    )


def _at(judged: Judged, added: VersionRegistered) -> Location:
    path = judged.head.layout.version(added.model, added.version)
    return judged.head.locate(path, "version")


NUMBERS = ChangeRule(RULE, check)
