"""GR302: a version's metrics are within the bounds of the stage it enters, and not worse than the holder's."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import Transition
from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.manifest import ModelVersion, Pin
from gitreg.core.names import version_key
from gitreg.core.policy import MetricGate
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.gates import GateResult, findings
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR302", "metric-gate", "Metrics are within the stage's bounds, and not worse than the holder's")


_HOW_TO_BEGIN = (
    "an override in policy.yaml for this model, without worse_than_holder_by_at_most, lets a first one in"
)


def check(judged: Judged) -> Iterator[Finding]:
    """Judges every metric gate of every move."""
    yield from findings(RULE, judged, MetricGate, judge)


def judge(judged: Judged, move: Transition, record: ModelVersion, gate: MetricGate) -> GateResult:
    """Compares the metric with its bounds, then with the holder's."""
    location = _location(judged.head, move.model, record, gate)
    value = measured(judged.head, move.model, record, gate)
    if value is None:
        source = f"evidence on {gate.evidence!r}" if gate.evidence else "the record"
        fix = _how_to_add(move, gate) if gate.evidence else "register it again with --metric"
        return GateResult(f"{source} has no metric {gate.metric!r}", Outcome.FAIL, location, fix)
    broken = _out_of_bounds(gate, value)
    if broken:
        return GateResult(broken, Outcome.FAIL, location)
    if gate.by:
        why = f"{gate.metric} is {value:g}, but who landed that evidence is not known here"
        return GateResult(why, Outcome.UNDECIDED, location)
    return _against_holder(judged, move, gate, value, location)


def _how_to_add(move: Transition, gate: MetricGate) -> str:
    return f"gitreg evidence add {move.model}/{move.pin.version} NAME --dataset {gate.evidence}@DIGEST --metrics FILE"


def _location(head: Snapshot, model: str, record: ModelVersion, gate: MetricGate) -> Location:
    return head.locate(head.layout.version(model, record.version), "metrics", gate.metric)


def measured(snapshot: Snapshot, model: str, record: ModelVersion, gate: MetricGate) -> float | None:
    """The metric that a gate speaks of. Where several pieces of evidence differ, the worst one."""
    return (min if gate.direction == "higher" else max)(_values(snapshot, model, record, gate), default=None)


def _of_holder(base: Snapshot, model: str, record: ModelVersion, gate: MetricGate) -> float | None:
    """The holder's metric; of several the best, so that nobody lowers the bar by adding bad evidence."""
    return (max if gate.direction == "higher" else min)(_values(base, model, record, gate), default=None)


def _values(snapshot: Snapshot, model: str, record: ModelVersion, gate: MetricGate) -> list[float]:
    if gate.evidence is None:
        return [record.metrics[gate.metric]] if gate.metric in record.metrics else []
    try:
        evidence = snapshot.evidence(model, record.version)
    except InvalidManifest:
        return []
    return [
        piece.metrics[gate.metric]
        for piece in evidence
        if piece.dataset == gate.evidence
        and piece.digest == record.artifact.digest
        and gate.metric in piece.metrics
    ]


def _out_of_bounds(gate: MetricGate, value: float) -> str | None:
    if gate.min is not None and value < gate.min:
        return f"{gate.metric} is {value:g}, and must be at least {gate.min:g}"
    if gate.max is not None and value > gate.max:
        return f"{gate.metric} is {value:g}, and must be at most {gate.max:g}"
    return None


def _against_holder(
    judged: Judged, move: Transition, gate: MetricGate, value: float, location: Location
) -> GateResult:
    bounds = [f"{sign} {bound:g}" for sign, bound in (("≥", gate.min), ("≤", gate.max)) if bound is not None]
    passed = f"{gate.metric} is {value:g}" + (f" ({', '.join(bounds)})" if bounds else "")
    holder = holder_of(judged.base, move)
    allowed = gate.worse_than_holder_by_at_most
    if allowed is not None and _forgot_its_holders(judged.base, move):
        again = f"{move.model!r} was deleted and made again, and has no holder to compare with"
        why = f"{gate.metric} is {value:g}, but {again}"
        return GateResult(why, Outcome.UNDECIDED, location, _HOW_TO_BEGIN)
    if holder is None or allowed is None:
        return GateResult(passed, None, location)
    holder_record = judged.base.record(move.model, holder.version)
    theirs = _of_holder(judged.base, move.model, holder_record, gate) if holder_record else None
    if theirs is None:
        why = (
            f"{gate.metric} is {value:g}, but the holder, version {holder.version}, has none to compare with"
        )
        return GateResult(why, Outcome.UNDECIDED, location)
    worse_by = _minus(theirs, value) if gate.direction == "higher" else _minus(value, theirs)
    compared = f"{gate.metric} is {value:g}; the holder, version {holder.version}, has {theirs:g}"
    if worse_by > Decimal(str(allowed)):
        return GateResult(f"{compared}, and at most {allowed:g} worse is allowed", Outcome.FAIL, location)
    return GateResult(f"{passed}; version {holder.version} has {theirs:g}", None, location)


def _minus(one: float, other: float) -> Decimal:
    """The difference as people write it: in binary, 0.945 - 0.94 is more than 0.005."""
    return Decimal(str(one)) - Decimal(str(other))


def holder_of(base: Snapshot, move: Transition) -> Pin | None:
    """Whom to compare with: the stage's holder, or the one before where the stage is empty."""
    assignment = base.stage(move.model, move.target)
    if assignment is None:
        return None
    pins = [pin for pin in assignment.versions or assignment.previous if pin.version != move.pin.version]
    return max(pins, key=lambda pin: version_key(pin.version), default=None)


def _forgot_its_holders(base: Snapshot, move: Transition) -> bool:
    """Whether the stage was never held since the model was made again: to delete it first lowers no bar."""
    assignment = base.stage(move.model, move.target)
    was_held = assignment is not None and bool(assignment.versions or assignment.previous)
    return not was_held and base.blob(base.layout.model(move.model, "tombstone.yaml")) is not None


METRIC_GATE = ChangeRule(RULE, check)
