"""What a gate says of one version: the same answer for the verdict, the checklist and the explanation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import Transition
from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.policy import FormatsGate, Gate, MetricGate
from gitreg.core.record import ModelVersion
from gitreg.core.verify.rule import Judged, Rule

G = TypeVar("G", bound=Gate)


@dataclass(frozen=True, slots=True)
class GateResult:
    """``outcome`` is None for a pass; ``summary`` is one line that says what was asked and what was found."""

    summary: str
    outcome: Outcome | None
    location: Location | None = None
    fix: str | None = None


Judge = Callable[[Judged, Transition, ModelVersion, G], GateResult]


def gates_of(judged: Judged, move: Transition) -> Iterator[tuple[Gate, ModelVersion]]:
    """The gates that a move must pass, with the record of the version that moves.

    What gives way passes none; what is rolled back is exempt from those on metrics. What is imported served elsewhere
    already, under other rules and with other records: it passes only those on formats, which say what may run at all.
    """
    settings = judged.policy.stage(move.target, move.model)
    if settings is None or move.displaced:
        return
    try:
        record = judged.head.record(move.model, move.pin.version)
    except InvalidManifest:
        return
    for gate in settings.gates if record else ():
        if record and is_asked(gate, move):
            yield gate, record


def is_asked(gate: Gate, move: Transition) -> bool:
    """Whether a gate of the stage that is entered counts for a move that does not give way."""
    if move.imported:
        return isinstance(gate, FormatsGate)
    return not (move.rollback and isinstance(gate, MetricGate))


def findings(rule: Rule, judged: Judged, sort: type[G], judge: Judge[G]) -> Iterator[Finding]:
    """The findings of one sort of gate."""
    for move in judged.transitions:
        for gate, record in gates_of(judged, move):
            if isinstance(gate, sort):
                result = judge(judged, move, record, gate)
                if result.outcome is not None:
                    message = f"{move.model}/{move.pin.version} may not enter {move.target}: {result.summary}"
                    yield rule.finding(message, result.location, result.fix, result.outcome)
