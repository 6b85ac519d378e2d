"""GR305: a version's model card has the sections that the stage it enters asks for."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import Transition
from gitreg.core.findings import Finding, Outcome
from gitreg.core.policy import CardGate
from gitreg.core.record import ModelVersion
from gitreg.core.verify.gates import GateResult, findings
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR305", "card-gate", "The model card has the sections that the stage asks for")


def check(judged: Judged) -> Iterator[Finding]:
    """Judges every card gate of every move."""
    yield from findings(RULE, judged, CardGate, judge)


def judge(judged: Judged, move: Transition, record: ModelVersion, gate: CardGate) -> GateResult:
    """Looks for each section, and that it is not blank."""
    path = judged.head.layout.version(move.model, record.version, "notes.yaml")
    try:
        notes = judged.head.notes(move.model, record.version)
    except InvalidManifest as error:
        return GateResult("the model card cannot be read", Outcome.FAIL, error.location)
    card = notes.card if notes else {}
    missing = [section for section in gate.sections if not card.get(section, "").strip()]
    if not missing:
        return GateResult(f"the model card has {', '.join(gate.sections)}", None)
    options = " ".join(f"--card {section}=…" for section in missing)
    return GateResult(
        f"the model card lacks {', '.join(missing)}",
        Outcome.FAIL,
        judged.head.locate(path, "card"),
        f"gitreg version note {move.model}/{record.version} {options}",
    )


CARD_GATE = ChangeRule(RULE, check)
