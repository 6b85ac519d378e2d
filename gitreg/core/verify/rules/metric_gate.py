"""GR302: a version's metrics are within the bounds of the stage it enters, and not worse than the holder's."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import Transition
from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.manifest import EvidenceRecord
from gitreg.core.names import version_key
from gitreg.core.policy import MetricGate
from gitreg.core.record import ModelVersion, Pin
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.evidence import Unknown
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
    pieces = list(_pieces(judged.head, move.model, record, gate))
    if gate.by:
        pieces, why, outcome = _independent(judged, move, gate, pieces)
        if not pieces:
            return GateResult(why, outcome, location, _how_to_add(move, gate))
    value = _worst(gate, _numbers(record, gate, pieces))
    if value is None:
        source = f"evidence on {gate.evidence!r}" if gate.evidence else "the record"
        fix = _how_to_add(move, gate) if gate.evidence else "register it again with --metric"
        return GateResult(f"{source} has no metric {gate.metric!r}", Outcome.FAIL, location, fix)
    broken = _out_of_bounds(gate, value)
    if broken:
        return GateResult(broken, Outcome.FAIL, location)
    return _against_holder(judged, move, gate, value, location)


def _how_to_add(move: Transition, gate: MetricGate) -> str:
    return f"gitreg evidence add {move.model}/{move.pin.version} NAME --dataset {gate.evidence}@DIGEST --metrics FILE"


def _location(head: Snapshot, model: str, record: ModelVersion, gate: MetricGate) -> Location:
    return head.locate(head.layout.version(model, record.version), "metrics", gate.metric)


def _worst(gate: MetricGate, values: list[float]) -> float | None:
    """Where several pieces of evidence differ, the worst one counts."""
    return (min if gate.direction == "higher" else max)(values, default=None)


def _of_holder(base: Snapshot, model: str, record: ModelVersion, gate: MetricGate) -> float | None:
    """The holder's metric; of several the best, so that nobody lowers the bar by adding bad evidence."""
    values = _numbers(record, gate, list(_pieces(base, model, record, gate)))
    return (max if gate.direction == "higher" else min)(values, default=None)


def _numbers(record: ModelVersion, gate: MetricGate, pieces: list[EvidenceRecord]) -> list[float]:
    if gate.evidence is None:
        return [record.metrics[gate.metric]] if gate.metric in record.metrics else []
    return [piece.metrics[gate.metric] for piece in pieces]


def _pieces(
    snapshot: Snapshot, model: str, record: ModelVersion, gate: MetricGate
) -> Iterator[EvidenceRecord]:
    """The evidence on the gate's data set about these very bytes that has the metric."""
    try:
        evidence = snapshot.evidence(model, record.version) if gate.evidence else []
    except InvalidManifest:
        return
    for piece in evidence:
        is_about = piece.dataset == gate.evidence and piece.digest == record.artifact.digest
        if is_about and gate.metric in piece.metrics:
            yield piece


def _independent(
    judged: Judged, move: Transition, gate: MetricGate, pieces: list[EvidenceRecord]
) -> tuple[list[EvidenceRecord], str, Outcome]:
    """The pieces that somebody in one of the gate's roles landed who did not register the version; else why none is."""
    registrant = _lander(judged, move, "version.yaml")
    landers = {piece.name: _lander(judged, move, f"evidence/{piece.name}.yaml") for piece in pieces}
    unknown = next((who for who in (registrant, *landers.values()) if isinstance(who, Unknown)), None)
    counted = [p for p in pieces if _counts(judged, gate, landers[p.name], registrant)]
    roles = " or ".join(gate.by)
    if unknown is not None and not counted:
        return (
            [],
            f"who landed evidence on {gate.evidence!r} could not be found out: {unknown.why}",
            Outcome.UNDECIDED,
        )
    return (
        counted,
        f"no evidence on {gate.evidence!r} with {gate.metric!r} was landed by a {roles} who did not register the"
        " version",
        Outcome.FAIL,
    )


def _lander(judged: Judged, move: Transition, file: str) -> str | Unknown | None:
    path = judged.head.layout.version(move.model, move.pin.version, file)
    return judged.evidence.landers.get(path, Unknown("nobody looked"))


def _counts(
    judged: Judged, gate: MetricGate, lander: str | Unknown | None, registrant: str | Unknown | None
) -> bool:
    if not isinstance(lander, str) or not isinstance(registrant, str) or lander == registrant:
        return False
    return not set(gate.by).isdisjoint(judged.policy.roles_of(lander))


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
