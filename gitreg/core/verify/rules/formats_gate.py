"""GR304: a version's artifact is of a format that the stage it enters allows."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.delta import Transition
from gitreg.core.findings import Finding, Outcome
from gitreg.core.policy import FormatsGate
from gitreg.core.record import ModelVersion
from gitreg.core.verify.gates import GateResult, findings
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR304", "formats-gate", "The artifact is of a format that the stage allows")


def check(judged: Judged) -> Iterator[Finding]:
    """Judges every formats gate of every move."""
    yield from findings(RULE, judged, FormatsGate, judge)


def judge(judged: Judged, move: Transition, record: ModelVersion, gate: FormatsGate) -> GateResult:
    """Looks the recorded format up."""
    found = record.artifact.format
    path = judged.head.layout.version(move.model, record.version)
    location = judged.head.locate(path, "artifact", "format")
    if found in gate.deny:
        return GateResult(
            f"the format {found} is denied", Outcome.FAIL, location, "export the model as another format"
        )
    if gate.allow is not None and found not in gate.allow:
        allowed = ", ".join(gate.allow)
        return GateResult(f"the format {found} is not one of {allowed}", Outcome.FAIL, location)
    return GateResult(f"the format {found} is allowed", None)


FORMATS_GATE = ChangeRule(RULE, check)
