"""What a change must show, point by point, and what is already shown: for reviewers, not for the verdict.

Every point is judged by the rule that decides it, so that the list and the verdict never differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitreg.core.delta import Transition
from gitreg.core.findings import Outcome
from gitreg.core.manifest import ModelVersion
from gitreg.core.names import NONE
from gitreg.core.policy import CardGate, FormatsGate, Gate, MetricGate, SchemaGate
from gitreg.core.verify.approvals import (
    NeededApproval,
    approvals_given,
    approvals_needed,
    author_of,
    evidence_digests,
    satisfying,
    unknown_change_of_rules,
)
from gitreg.core.verify.evidence import Unknown
from gitreg.core.verify.gates import GateResult, gates_of
from gitreg.core.verify.rule import Judged
from gitreg.core.verify.rules import approvals, card_gate, formats_gate, metric_gate, schema_gate
from gitreg.core.verify.rules import soak as soak_rule
from gitreg.core.verify.rules import transitions as transitions_rule


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One point: ``outcome`` None is shown, FAIL is not, UNDECIDED could not be found out.

    ``subject`` is what it is about (``credit-risk/3 → production``, or ``approvals``), ``rule`` the rule's id.
    """

    subject: str
    rule: str
    text: str
    outcome: Outcome | None = None


def checklist(judged: Judged) -> list[ChecklistItem]:
    """The points of each move (where it may come from, gates, soak), then the approvals.

    What gives way to another version has none of its own.
    """
    moves = (item for move in judged.transitions if not move.displaced for item in _move(judged, move))
    return [*moves, *_approvals(judged)]


def _move(judged: Judged, move: Transition) -> Iterator[ChecklistItem]:
    subject = f"{move.model}/{move.pin.version} → {move.target}"
    yield _allowed(judged, move, subject)
    for gate, record in gates_of(judged, move):
        rule, result = _judge(judged, move, record, gate)
        yield ChecklistItem(subject, rule, result.summary, result.outcome)
    yield from _soak(judged, move, subject)


def _allowed(judged: Judged, move: Transition, subject: str) -> ChecklistItem:
    rule = transitions_rule.RULE.id
    if move.rollback:
        return ChecklistItem(
            subject,
            rule,
            f"restores what {move.rollback} held before its last change; its way, soak and metrics are not asked for",
        )
    text = f"moves from {move.source} to {move.target}"
    settings = judged.policy.stage(move.target, move.model)
    if settings is None:
        return ChecklistItem(subject, rule, f"{text}, a stage that policy does not have", Outcome.FAIL)
    barred = settings.sources is not None and move.source not in settings.sources
    if settings.sources is not None:
        text += f", which takes versions from {', '.join(settings.sources) or 'nowhere'}"
    should = _should_go_to(judged, move)
    if should:
        text += f", though policy sends what gives way to {should}"
    return ChecklistItem(subject, rule, text, Outcome.FAIL if barred or should else None)


def _should_go_to(judged: Judged, move: Transition) -> str | None:
    """Where policy sends a version that makes room, if it leaves every stage instead; else None."""
    settings = judged.policy.stage(move.source, move.model)
    entering = any(m.target == move.source and m.model == move.model for m in judged.transitions)
    wrong = move.target == NONE and entering and settings is not None and settings.replaced != NONE
    return settings.replaced if wrong and settings else None


def _judge(judged: Judged, move: Transition, record: ModelVersion, gate: Gate) -> tuple[str, GateResult]:
    match gate:
        case MetricGate():
            return metric_gate.RULE.id, metric_gate.judge(judged, move, record, gate)
        case SchemaGate():
            return schema_gate.RULE.id, schema_gate.judge(judged, move, record, gate)
        case FormatsGate():
            return formats_gate.RULE.id, formats_gate.judge(judged, move, record, gate)
        case CardGate():
            return card_gate.RULE.id, card_gate.judge(judged, move, record, gate)


def _soak(judged: Judged, move: Transition, subject: str) -> Iterator[ChecklistItem]:
    settings = judged.policy.stage(move.target, move.model)
    soak = settings.soak if settings else None
    if soak is None or move.rollback:
        return
    found = next(soak_rule.judge_soak(judged, move, soak), None)
    text = found.message if found else f"has been in {soak.stage} for {soak_rule.show_period(soak.period)}"
    yield ChecklistItem(subject, soak_rule.RULE.id, text, found.outcome if found else None)


def _approvals(judged: Judged) -> Iterator[ChecklistItem]:
    if judged.bootstrap:
        return
    for needed in approvals_needed(judged.base, judged.delta, judged.policy):
        yield _approval(judged, needed)


def _approval(judged: Judged, needed: NeededApproval) -> ChecklistItem:
    need, evidence, policy = needed.need, judged.evidence, judged.policy
    text = f"{needed.reason} needs {need.count} approval{'s' if need.count > 1 else ''} of {need.group}"
    if isinstance(evidence.statements, Unknown):
        text = f"{text}; whether it has them is not known: {evidence.statements.why}"
        return ChecklistItem("approvals", approvals.RULE.id, text, Outcome.UNDECIDED)
    given, _ = approvals_given(evidence, evidence_digests(judged.head, judged.delta, policy), policy)
    have = satisfying(need, given, policy, evidence.now)
    author = author_of(evidence, policy)
    text = f"{text}: {_who(have, sorted(policy.members(need.group) - {*have, author}), need.count)}"
    is_open = author is None or unknown_change_of_rules(judged.delta, evidence) is not None
    undecided = Outcome.UNDECIDED if is_open else None
    outcome = Outcome.FAIL if len(have) < need.count else undecided
    return ChecklistItem("approvals", approvals.RULE.id, text, outcome)


def _who(have: list[str], others: list[str], count: int) -> str:
    approved = f"approved by {', '.join(have)}" if have else "nobody has approved"
    if len(have) >= count or not others:
        return approved
    more = f" and {len(others) - 10} more" if len(others) > 10 else ""
    return f"{approved}; {', '.join(others[:10])}{more} may"
