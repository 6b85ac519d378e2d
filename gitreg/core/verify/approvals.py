"""Which approvals a change needs, and which of those given count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from gitreg.core.decode import DecodeError, show_time, timestamp
from gitreg.core.delta import AliasMoved, Delta, ModelRenamed, RulesChanged, Transition, transitions
from gitreg.core.names import NONE
from gitreg.core.policy import ApprovalNeed, Policy
from gitreg.core.ports import Statement
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.evidence import Evidence, Unknown

APPROVE, REVOKE, OPEN = "approve", "revoke", "open"


@dataclass(frozen=True, slots=True)
class NeededApproval:
    """Approvals that a change needs, and for what (``entering production``)."""

    reason: str
    need: ApprovalNeed


def approvals_needed(base: Snapshot, delta: Delta, policy: Policy) -> list[NeededApproval]:
    """Every approval that the base's policy asks for, each once."""
    found = [
        *(a for move in transitions(delta, policy) for a in _of_transition(move, policy)),
        *(a for change in delta.of(AliasMoved) for a in _of_alias(change, policy)),
        *(a for change in delta.of(ModelRenamed) for a in _of_rename(base, change, policy)),
        *_of_rules(delta, policy),
    ]
    return list(dict.fromkeys(found))


def _named(reason: str, needs: Iterable[ApprovalNeed]) -> list[NeededApproval]:
    return [NeededApproval(reason, need) for need in needs]


def _of_transition(move: Transition, policy: Policy) -> list[NeededApproval]:
    """Of the stage left and of the stage entered; a rollback has its own, a displacement is covered by its cause.

    What a rollback takes out of another stage leaves that one as any version does.
    """
    if move.displaced:
        return []
    left, entered = policy.stage(move.source, move.model), policy.stage(move.target, move.model)
    leaving = _named(f"leaving {move.source}", left.approvals if left else ())
    if move.rollback is None:
        return [*leaving, *_named(f"entering {move.target}", entered.approvals if entered else ())]
    restored = policy.stage(move.rollback, move.model)
    rolling = _named(f"rolling {move.rollback} back", restored.rollback_approvals if restored else ())
    return rolling if move.source == move.rollback else [*leaving, *rolling]


def _of_alias(change: AliasMoved, policy: Policy) -> list[NeededApproval]:
    alias = policy.alias(change.alias)
    settings = policy.stage(alias.stage, change.model) if alias.protected and alias.stage else None
    return _named(f"moving @{change.alias}", settings.approvals if settings else ())


def _of_rename(base: Snapshot, change: ModelRenamed, policy: Policy) -> Iterator[NeededApproval]:
    """Under the policies for the old name and for the new one: of every stage that is held or on which the two differ.

    Readers of the old name follow the redirect, so an empty stage could else be moved to where filling it is easier.
    """
    held: set[str | None] = {s for s, assignment in base.stages(change.model).items() if assignment.versions}
    aliases = (policy.alias(name) for name, alias in base.aliases(change.model).items() if alias.pin)
    held |= {alias.stage for alias in aliases if alias.protected}
    for stage in policy.stage_names:
        both = [policy.stage(stage, name) for name in (change.model, change.to)]
        for settings in both if stage in held or both[0] != both[1] else ():
            yield from _named(f"renaming {stage} of {change.model}", settings.approvals if settings else ())


def _of_rules(delta: Delta, policy: Policy) -> list[NeededApproval]:
    if not delta.of(RulesChanged):
        return []
    needs = policy.rules.approvals or tuple(ApprovalNeed(group) for group in policy.rules.owners)
    return _named("changing the rules", needs)


def evidence_digests(head: Snapshot, delta: Delta, policy: Policy) -> list[str]:
    """The digests of the evidence beside every version that moves: what its gates may have used."""
    versions = {(move.model, move.pin.version) for move in transitions(delta, policy) if move.target != NONE}
    return sorted({d for model, version in versions for d in head.evidence_digests(model, version)})


def approval_statement(
    evidence: Evidence, digests: Iterable[str], issued: datetime, expires: datetime, kind: str = APPROVE
) -> dict[str, object]:
    """What a person signs to approve exactly this change under exactly this policy (times are written in UTC)."""
    return {
        "type": kind,
        "registry": evidence.registry,
        "hub": evidence.hub,
        "target": evidence.target,
        "change": evidence.change_id,
        "policy": evidence.policy_blob,
        "evidence": sorted(digests),
        "issued": show_time(issued),
        "expires": show_time(expires),
    }


def opening_statement(registry: str, target: str, change: str, issued: datetime) -> dict[str, object]:
    """What the author of a change request signs."""
    return {
        "type": OPEN,
        "registry": registry,
        "target": target,
        "change": change,
        "issued": show_time(issued),
    }


def author_of(evidence: Evidence, policy: Policy) -> str | None:
    """The person who signed the opening of this very change, or who pushes it where there is no request.

    None if nobody known did. Who pushes a request's change has not made it, so their word does not replace the opening.
    """
    if not evidence.request and evidence.author is None and evidence.pusher is not None:
        person = policy.person_who(evidence.pusher)
        return person.id if person else None
    return _opener(evidence, policy)


def _opener(evidence: Evidence, policy: Policy) -> str | None:
    statement = evidence.author
    if statement is None or not statement.signature.valid or statement.signature.key is None:
        return None
    expected = {
        "type": OPEN,
        "registry": evidence.registry,
        "target": evidence.target,
        "change": evidence.change_id,
    }
    if any(statement.body.get(key) != value for key, value in expected.items()):
        return None
    person = policy.person_with_key(statement.signature.key)
    return person.id if person else None


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's approval that counts, and when it was given (UTC)."""

    person: str
    issued: datetime


@dataclass(frozen=True, slots=True)
class Rejected:
    """A statement that does not count, by whom (as far as known), and why."""

    who: str
    why: str
    ref: str


def approvals_given(
    evidence: Evidence, digests: list[str], policy: Policy
) -> tuple[list[Approval], list[Rejected]]:
    """The newest approval of each person that counts; of all others every statement, and why it does not count."""
    if isinstance(evidence.statements, Unknown):
        return [], []
    author = author_of(evidence, policy)
    counted: dict[str, Approval] = {}
    rejected: list[Rejected] = []
    revoked = _revocations(evidence, policy)
    for statement in evidence.statements:
        if statement.body.get("type") == REVOKE:
            continue
        person = _signer(statement, policy)
        issued = _moment(statement.body, "issued")
        why = _objection(statement, evidence, digests, person, author, revoked)
        if why or person is None or issued is None:
            rejected.append(Rejected(person or "somebody unknown", why or "it is not dated", statement.ref))
        elif person not in counted or counted[person].issued < issued:
            counted[person] = Approval(person, issued)
    return list(counted.values()), [each for each in rejected if each.who not in counted]


def _signer(statement: Statement, policy: Policy) -> str | None:
    key = statement.signature.key
    person = policy.person_with_key(key) if key and statement.signature.valid else None
    return person.id if person else None


def _moment(body: Mapping[str, object], key: str) -> datetime | None:
    try:
        return timestamp(body.get(key), (key,))
    except DecodeError:
        return None


def _revocations(evidence: Evidence, policy: Policy) -> dict[str, datetime]:
    """The newest revocation of each person."""
    found: dict[str, datetime] = {}
    assert not isinstance(evidence.statements, Unknown)
    for statement in evidence.statements:
        person, issued = _signer(statement, policy), _moment(statement.body, "issued")
        names_this = statement.body.get("change") == evidence.change_id
        if statement.body.get("type") == REVOKE and names_this and person and issued:
            found[person] = max(issued, found.get(person, issued))
    return found


def _objection(
    statement: Statement,
    evidence: Evidence,
    digests: list[str],
    person: str | None,
    author: str | None,
    revoked: Mapping[str, datetime],
) -> str | None:
    """Why a statement does not count as an approval; None if it does."""
    if not statement.signature.valid:
        return statement.signature.problem or "its signature is not valid"
    if person is None:
        return "its key is nobody's in the base's policy"
    body = statement.body
    named = {
        "type": (APPROVE, "it is not an approval"),
        "registry": (evidence.registry, "it is about another registry"),
        "hub": (evidence.hub, "it was given at a copy of this repository"),
        "target": (evidence.target, "it is about another branch"),
        "change": (evidence.change_id, "it approves another change"),
        "policy": (evidence.policy_blob, "the policy has changed since"),
        "evidence": (digests, "the evidence has changed since"),
    }
    for key, (expected, why) in named.items():
        if body.get(key) != expected:
            return why
    if person == author:
        return "it is the author's own"
    return _time_objection(body, evidence.now, revoked.get(person))


def _time_objection(body: Mapping[str, object], now: datetime, revoked: datetime | None) -> str | None:
    issued, expires = _moment(body, "issued"), _moment(body, "expires")
    if issued is None or expires is None:
        return "it is not dated"
    if issued > now:
        return f"it is dated in the future ({show_time(issued)})"
    if expires <= now:
        return f"it expired at {show_time(expires)}"
    if revoked is not None and revoked >= issued:
        return f"it was revoked at {show_time(revoked)}"
    return None


def satisfying(need: ApprovalNeed, given: Iterable[Approval], policy: Policy, now: datetime) -> list[str]:
    """The persons whose approvals count towards one need."""
    members = policy.members(need.group)
    return sorted(
        a.person
        for a in given
        if a.person in members and (need.expire is None or now - a.issued < need.expire)
    )
