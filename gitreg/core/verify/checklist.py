"""What a change must show, point by point, and what is already shown: for reviewers, not for the verdict.

Every point is judged by the rule that decides it, so that the list and the verdict never differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import Transition
from gitreg.core.findings import Finding, Outcome
from gitreg.core.names import NONE
from gitreg.core.policy import (
    CardGate,
    EnvironmentGate,
    FormatsGate,
    Gate,
    MetricGate,
    SchemaGate,
    StagePolicy,
    show_period,
)
from gitreg.core.record import ModelVersion
from gitreg.core.verify.approvals import (
    NeededApproval,
    approvals_given,
    approvals_needed,
    author_of,
    author_problem,
    evidence_digests,
    owners_asked,
    owners_needed,
    owners_with_a_part,
    satisfying,
    unknown_change_of_rules,
    unreadable,
)
from gitreg.core.verify.gates import GateResult, gates_of
from gitreg.core.verify.reviews import with_a_part
from gitreg.core.verify.rule import Judged
from gitreg.core.verify.rules import (
    approvals,
    card_gate,
    environment_gate,
    formats_gate,
    metric_gate,
    schema_gate,
)
from gitreg.core.verify.rules import soak as soak_rule
from gitreg.core.verify.rules import stages as stages_rule
from gitreg.core.verify.rules import transitions as transitions_rule
from gitreg.core.verify.rules import windows as windows_rule


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One point: ``outcome`` None is shown, FAIL is not, UNDECIDED could not be found out.

    ``subject`` is what it is about (``credit-risk/3 → production``, or ``approvals``), ``rule`` the rule's id, ``fix``
    what to do where it is not shown.
    """

    subject: str
    rule: str
    text: str
    outcome: Outcome | None = None
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalPoint:
    """One need of approvals: the persons of its group who can give one, and those whose approval counts by now.

    ``members`` are all persons of the group; ``outcome`` as that of a :class:`ChecklistItem`.
    """

    needed: NeededApproval
    members: tuple[str, ...]
    given: tuple[str, ...]
    author: str | None
    outcome: Outcome | None


def checklist(judged: Judged) -> list[ChecklistItem]:
    """The points of each move (where it may come from, gates, soak, freezes, room), then the approvals.

    What gives way to another version has none of its own.
    """
    moves = (item for move in judged.transitions if not move.displaced for item in _move(judged, move))
    return [*moves, *_approvals(judged)]


def beyond(points: Iterable[ChecklistItem], findings: Iterable[Finding]) -> list[Finding]:
    """The findings that no point of the list tells: those of other rules, what weighs otherwise, and warnings."""
    told = {(point.rule, point.outcome) for point in points}
    return [f for f in findings if f.outcome is Outcome.WARNING or (f.rule, f.outcome) not in told]


def _move(judged: Judged, move: Transition) -> Iterator[ChecklistItem]:
    subject = f"{move.model}/{move.pin.version} → {move.target}"
    yield _allowed(judged, move, subject)
    for gate, record in gates_of(judged, move):
        rule, result = _judge(judged, move, record, gate)
        yield ChecklistItem(subject, rule, result.summary, result.outcome, result.fix)
    yield from _soak(judged, move, subject)
    for found in windows_rule.judge_windows(judged, move):
        yield ChecklistItem(subject, windows_rule.RULE.id, found.summary, found.outcome)
    yield from _room(judged, move, subject)


def _allowed(judged: Judged, move: Transition, subject: str) -> ChecklistItem:
    rule = transitions_rule.RULE.id
    if move.rollback:
        return ChecklistItem(
            subject,
            rule,
            f"restores what {move.rollback} held before its last change; its way, soak and metrics are not asked for",
        )
    if move.imported:
        text = f"is imported to {move.target}; its way, soak and gates but those on formats are not asked for"
        return ChecklistItem(subject, rule, text)
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
    fix = f"promote it to {settings.sources[0]} first" if barred and settings.sources else None
    return ChecklistItem(subject, rule, text, Outcome.FAIL if barred or should else None, fix)


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
        case EnvironmentGate():
            return environment_gate.RULE.id, environment_gate.judge(judged, move, record, gate)


def _soak(judged: Judged, move: Transition, subject: str) -> Iterator[ChecklistItem]:
    settings = judged.policy.stage(move.target, move.model)
    soak = settings.soak if settings else None
    if soak is None or not soak_rule.asks_to_soak(move):
        return
    found = next(soak_rule.judge_soak(judged, move, soak), None)
    text = found.message if found else f"has been in {soak.stage} for {show_period(soak.period)}"
    outcome, fix = (found.outcome, found.fix) if found else (None, None)
    yield ChecklistItem(subject, soak_rule.RULE.id, text, outcome, fix)


def _room(judged: Judged, move: Transition, subject: str) -> Iterator[ChecklistItem]:
    """Of the stage that is entered, and of those to which versions give way."""
    leaving = [
        m for m in judged.transitions if m.displaced and (m.model, m.source) == (move.model, move.target)
    ]
    for stage in dict.fromkeys([move.target, *(m.target for m in leaving)]):
        gone = leaving if stage == move.target else []
        settings = judged.policy.stage(stage, move.model)
        if stage != NONE and settings is not None and (settings.holds is not None or gone):
            yield from _room_in(judged, move, subject, settings, gone)


def _room_in(
    judged: Judged, move: Transition, subject: str, settings: StagePolicy, gone: list[Transition]
) -> Iterator[ChecklistItem]:
    try:
        assignment = judged.head.stage(move.model, settings.name)
    except InvalidManifest:  # the manifest rule reports it
        return
    held = len(assignment.versions) if assignment else 0
    bound = f"{held} of at most {settings.holds}" if settings.holds is not None else f"{held} of any number"
    text = f"{settings.name} then has {bound} version{'s' if settings.holds != 1 else ''}"
    outcome = None
    if assignment is not None and stages_rule.is_over(settings, assignment):
        text = f"{settings.name} would hold {held} versions, and at most {settings.holds} may be there"
        outcome = Outcome.FAIL
    if gone:
        text += "; " + ", ".join(f"version {m.pin.version} gives way to {m.target}" for m in gone)
    yield ChecklistItem(subject, stages_rule.RULE.id, text, outcome)


def _approvals(judged: Judged) -> Iterator[ChecklistItem]:
    for point in approval_points(judged):
        text = _approval(judged, point)
        signed = point.needed.need.signed
        fix = approvals.how_to_approve(judged, signed=signed) if point.outcome is Outcome.FAIL else None
        yield ChecklistItem("approvals", approvals.RULE.id, text, point.outcome, fix)
    owners = () if judged.bootstrap else owners_needed(judged.delta, judged.policy)
    if owners:
        yield _owners(judged, owners)


def _owners(judged: Judged, owners: tuple[str, ...]) -> ChecklistItem:
    evidence, policy = judged.evidence, judged.policy
    given, _ = approvals_given(evidence, evidence_digests(judged.head, judged.delta, policy), policy)
    have = owners_with_a_part(owners, author_of(evidence, policy), given, policy)
    text = owners_asked(owners, judged.delta)
    outcome = Outcome.UNDECIDED if unreadable(evidence) is not None else Outcome.FAIL
    if have:
        return ChecklistItem("approvals", approvals.RULE.id, f"{text}: {', '.join(have)}")
    return ChecklistItem("approvals", approvals.RULE.id, f"{text}: nobody so far", outcome)


def approval_points(judged: Judged) -> list[ApprovalPoint]:
    """Every approval that the change needs, and how far it is given."""
    if judged.bootstrap:
        return []
    evidence, policy = judged.evidence, judged.policy
    given, _ = approvals_given(evidence, evidence_digests(judged.head, judged.delta, policy), policy)
    author = author_of(evidence, policy)
    is_open = author_problem(evidence, policy) is not None or unknown_change_of_rules(evidence) is not None
    points = []
    for needed in approvals_needed(judged.base, judged.delta, policy):
        have = tuple(satisfying(needed.need, given, policy, evidence.now))
        unsure = Outcome.UNDECIDED if is_open else None
        outcome = Outcome.FAIL if len(have) < needed.need.count else unsure
        if unreadable(evidence) is not None:
            outcome = Outcome.UNDECIDED
        members = tuple(sorted(policy.approvers(needed.need.group)))
        points.append(ApprovalPoint(needed, members, have, author, outcome))
    return points


def _approval(judged: Judged, point: ApprovalPoint) -> str:
    need, why = point.needed.need, unreadable(judged.evidence)
    signed = "signed " if need.signed else ""
    text = f"{point.needed.reason} needs {need.count} {signed}approval{'s' if need.count > 1 else ''} of {need.group}"
    if need.expire is not None:
        text += f" that {'are' if need.count > 1 else 'is'} at most {show_period(need.expire)} old"
    if why is not None:
        return f"{text}; whether it has them is not known: {why}"
    barred = {point.author, *point.given, *with_a_part(point.members, judged.evidence, judged.policy)}
    others = [person for person in point.members if person not in barred]
    # Before a request is opened, nobody knows who will have opened it.
    unopened = point.author is None and not judged.evidence.request
    return (
        f"{text}: {_who(point.given, others, need.count)}{' (not the author)' if unopened and others else ''}"
    )


def _who(have: Sequence[str], others: Sequence[str], count: int) -> str:
    approved = f"approved by {', '.join(have)}" if have else "nobody has approved"
    if len(have) >= count or not others:
        return approved
    more = f" and {len(others) - 10} more" if len(others) > 10 else ""
    return f"{approved}; {', '.join(others[:10])}{more} may"
