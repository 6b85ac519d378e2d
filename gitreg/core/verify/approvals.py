"""Which approvals a change needs, and which of those given count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from gitreg.core.decode import DecodeError, show_time, timestamp
from gitreg.core.delta import (
    AliasMoved,
    Delta,
    ModelDeleted,
    ModelRenamed,
    RulesChanged,
    StageChanged,
    Transition,
    VersionDeleted,
    VersionRegistered,
    transitions,
)
from gitreg.core.names import NONE
from gitreg.core.policy import ApprovalNeed, Person, Policy, show_period
from gitreg.core.ports import Conversation, Statement
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.evidence import Evidence, Unknown
from gitreg.core.verify.reviews import (
    asked_for_changes,
    could_be_own,
    decisions,
    hands_problem,
    part_of,
    proposer,
    review_objection,
)

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
        *(a for change in delta.of(VersionDeleted) for a in _of_deletion(base, delta, change, policy)),
        *(a for change in delta.of(ModelDeleted) for a in _of_deletion(base, delta, change, policy)),
        *(_of_owners("importing versions", policy) if _imports(delta) else ()),
        *(_of_owners("changing the rules", policy) if delta.of(RulesChanged) else ()),
    ]
    return list(dict.fromkeys(found))


def _named(reason: str, needs: Iterable[ApprovalNeed]) -> list[NeededApproval]:
    return [NeededApproval(reason, need) for need in needs]


def _of_transition(move: Transition, policy: Policy) -> list[NeededApproval]:
    """Of the stage left and of the stage entered.

    A rollback has its own, and what gives way is let go by its cause. Where they send a version asks for its approvals
    all the same: policy may ask for some to take a version out of every stage. What a rollback takes out of another
    stage leaves that one as any version does.
    """
    left, entered = policy.stage(move.source, move.model), policy.stage(move.target, move.model)
    leaving = _named(f"leaving {move.source}", left.approvals if left else ())
    entering = _named(f"entering {move.target}", entered.approvals if entered else ())
    if move.displaced:
        return entering
    if move.rollback is None:
        return [*leaving, *entering]
    restored = policy.stage(move.rollback, move.model)
    rolling = _named(f"rolling {move.rollback} back", restored.rollback_approvals if restored else ())
    return [*rolling, *entering] if move.source == move.rollback else [*leaving, *rolling]


def _of_alias(change: AliasMoved, policy: Policy) -> list[NeededApproval]:
    alias = policy.alias(change.alias)
    settings = policy.stage(alias.stage, change.model) if alias.protected and alias.stage else None
    return _named(f"moving @{change.alias}", settings.approvals if settings else ())


def _of_rename(base: Snapshot, change: ModelRenamed, policy: Policy) -> Iterator[NeededApproval]:
    """Under the policies for the old name and for the new one: of every stage that is held or on which the two differ.

    Readers of the old name follow the redirect, so an empty stage could else be moved to where filling it is easier.
    Where the two differ in a stage that asks nobody, it is the rules that change for those readers.
    """
    held: set[str | None] = {s for s, assignment in base.stages(change.model).items() if assignment.versions}
    aliases = (policy.alias(name) for name, alias in base.aliases(change.model).items() if alias.pin)
    held |= {alias.stage for alias in aliases if alias.protected}
    for stage in (*policy.stage_names, NONE):
        both = [policy.stage(stage, name) for name in (change.model, change.to)]
        differs = both[0] != both[1]
        if stage in held or differs:
            asked = [need for settings in both if settings for need in settings.approvals]
            otherwise = _rules_needs(policy) if differs else ()
            yield from _named(f"renaming {stage} of {change.model}", asked or otherwise)


def _of_deletion(
    base: Snapshot, delta: Delta, change: VersionDeleted | ModelDeleted, policy: Policy
) -> Iterator[NeededApproval]:
    """Of every stage that would be rolled back to what goes, before the change or after it.

    Else the right to delete would be enough to bar the way back, and a rollback has approvals of its own.
    """
    now = list(base.stages(change.model).values())
    then = [moved.new for moved in delta.of(StageChanged) if moved.model == change.model and moved.new]
    for assignment in (*now, *then):
        settings = policy.stage(assignment.stage, change.model)
        restored = {pin.version for pin in assignment.previous if base.is_living(change.model, pin.version)}
        if settings and (change.version in restored if isinstance(change, VersionDeleted) else restored):
            yield from _named(f"deleting what {assignment.stage} would roll back to", settings.approvals)


def _imports(delta: Delta) -> bool:
    return any(added.imported for added in delta.of(VersionRegistered))


def _of_owners(reason: str, policy: Policy) -> list[NeededApproval]:
    return _named(reason, _rules_needs(policy))


def _rules_needs(policy: Policy) -> tuple[ApprovalNeed, ...]:
    """One approval of each owning group, where policy does not say more."""
    return policy.rules.approvals or tuple(ApprovalNeed(group) for group in policy.rules.owners)


def owners_needed(delta: Delta, policy: Policy) -> tuple[str, ...]:
    """The groups of which somebody must propose or approve what is the rules owners', where no approval asks for them.

    So the owners have a part in every change of the rules and in every import, whoever else policy asks.
    """
    owners, asked = policy.rules.owners, {need.group for need in policy.rules.approvals}
    is_told = not policy.rules.approvals or not asked.isdisjoint(owners)
    is_theirs = bool(delta.of(RulesChanged)) or _imports(delta)
    return () if is_told or not is_theirs else owners


def owners_asked(owners: Iterable[str], delta: Delta) -> str:
    """What the groups of :func:`owners_needed` are needed for."""
    what = (
        "changing the rules needs one of their"
        if delta.of(RulesChanged)
        else "importing versions needs one of the rules'"
    )
    return f"{what} owners ({', '.join(owners)}) as author or as one who approves"


def owners_with_a_part(
    owners: Iterable[str], author: str | None, given: Iterable[Approval], policy: Policy
) -> list[str]:
    """The owners (humans in these groups) who proposed or approved a change."""
    persons = {author, *(approval.person for approval in given)}
    return sorted(person for group in set(owners) for person in policy.approvers(group) & persons)


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


def opening_statement(evidence: Evidence, issued: datetime) -> dict[str, object]:
    """What the author of a change request signs; the forge adds the number of the ``request``.

    With it, an opening that was withdrawn cannot open another request in its signer's name.
    """
    return {
        "type": OPEN,
        "registry": evidence.registry,
        "hub": evidence.hub,
        "target": evidence.target,
        "change": evidence.change_id,
        "issued": show_time(issued),
    }


def author_of(evidence: Evidence, policy: Policy) -> str | None:
    """The person who signed the opening of this very change, or who pushes it where there is no request.

    On a hosted forge it is whoever opened the request, or had CI open it. None if nobody known did. Who pushes a
    request's change has not made it, so their word does not replace the opening.
    """
    if evidence.conversation is not None:
        found = proposer(evidence, policy)
        provider = evidence.conversation.provider if isinstance(evidence.conversation, Conversation) else ""
        person = policy.person_called(provider, found.account) if found else None
        return person.id if person else None
    if not evidence.request and evidence.author is None and evidence.pusher is not None:
        person = policy.person_who(evidence.pusher)
        return person.id if person else None
    return _opener(evidence, policy)


def stranger_of(evidence: Evidence, policy: Policy) -> str | None:
    """The account of a hosted forge that proposes a change, where the policy does not know it; else None."""
    found = proposer(evidence, policy)
    return found.account if found is not None and author_of(evidence, policy) is None else None


def unreadable(evidence: Evidence) -> str | None:
    """Why it could not be read who has approved a change; None if it could."""
    asked = (evidence.statements, evidence.conversation)
    return next((answer.why for answer in asked if isinstance(answer, Unknown)), None)


def author_problem(evidence: Evidence, policy: Policy) -> str | None:
    """Why one's own approval cannot be told from another's; None if it can.

    An account of a hosted forge is somebody, also where the policy does not know them.
    """
    if evidence.conversation is not None:
        return hands_problem(evidence, policy)
    return None if author_of(evidence, policy) is not None else "who proposes this change is not known"


def _opener(evidence: Evidence, policy: Policy) -> str | None:
    statement = evidence.author
    if statement is None or not statement.signature.valid or statement.signature.key is None:
        return None
    expected = {
        "type": OPEN,
        "registry": evidence.registry,
        "hub": evidence.hub,
        "target": evidence.target,
        "change": evidence.change_id,
        "request": evidence.request,
    }
    if any(statement.body.get(key) != value for key, value in expected.items()):
        return None
    person = policy.person_with_key(statement.signature.key)
    return person.id if person else None


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's approval: when it was given (UTC), and by which means.

    ``keys`` are those with which they signed one, and ``signed`` is when (None: they did not, and reviewed).
    """

    person: str
    issued: datetime
    keys: frozenset[str] = frozenset()
    signed: datetime | None = None

    def given(self, need: ApprovalNeed) -> datetime | None:
        """When it was given as far as a need is concerned."""
        return self.signed if need.signed else self.issued


@dataclass(frozen=True, slots=True)
class Rejected:
    """A statement or review that does not count, by whom (as far as known), and why; ``ref`` is its ref or URL."""

    who: str
    why: str
    ref: str
    what: str = "a statement"


def approvals_given(
    evidence: Evidence, digests: list[str], policy: Policy
) -> tuple[list[Approval], list[Rejected]]:
    """Each person's approval, as of the newest that is good; of all others everything that was said, and why not."""
    said = [*_signed(evidence, digests, policy), *_reviewed(evidence, policy)]
    counted: dict[str, Approval] = {}
    for one in said:
        if isinstance(one, Approval):
            before = counted.get(one.person)
            counted[one.person] = _together(before, one) if before else one
    return list(counted.values()), [
        one for one in said if isinstance(one, Rejected) and one.who not in counted
    ]


def _together(one: Approval, other: Approval) -> Approval:
    """Persons are counted, not statements, keys or reviews."""
    signed = [when for when in (one.signed, other.signed) if when is not None]
    return Approval(
        one.person, max(one.issued, other.issued), one.keys | other.keys, max(signed, default=None)
    )


def _signed(evidence: Evidence, digests: list[str], policy: Policy) -> Iterator[Approval | Rejected]:
    if isinstance(evidence.statements, Unknown):
        return
    author = author_of(evidence, policy)
    revoked = _revocations(evidence, policy)
    for statement in evidence.statements:
        if statement.body.get("type") == REVOKE:
            continue
        signer = _signer(statement, policy)
        issued = _moment(statement.body, "issued")
        why = _objection(statement, evidence, digests, signer, author, revoked)
        if why is None and signer is not None:
            why = could_be_own(signer, evidence, policy)
        if why or signer is None or issued is None:
            who = signer.id if signer else "somebody unknown"
            yield Rejected(who, why or "it is not dated", statement.ref)
        else:
            yield Approval(signer.id, issued, frozenset({statement.signature.key or ""}), issued)


def _reviewed(evidence: Evidence, policy: Policy) -> Iterator[Approval | Rejected]:
    found = evidence.conversation
    if not isinstance(found, Conversation):
        return
    revoked = _revocations(evidence, policy)
    for review in decisions(found, evidence):
        person = policy.person_called(found.provider, review.account)
        taken_back = revoked.get(person.id) if person else None
        why = review_objection(review, person, evidence, found, taken_back)
        if why or person is None:
            who = person.id if person else f"the account {review.account}"
            yield Rejected(who, why or "", review.url, "a review")
        else:
            yield Approval(person.id, review.at)


def _signer(statement: Statement, policy: Policy) -> Person | None:
    key = statement.signature.key
    return policy.person_with_key(key) if key and statement.signature.valid else None


def _moment(body: Mapping[str, object], key: str) -> datetime | None:
    try:
        return timestamp(body.get(key), (key,))
    except DecodeError:
        return None


def _revocations(evidence: Evidence, policy: Policy) -> dict[str, datetime]:
    """The newest revocation of each person."""
    found: dict[str, datetime] = {}
    for statement in () if isinstance(evidence.statements, Unknown) else evidence.statements:
        person, issued = _signer(statement, policy), _moment(statement.body, "issued")
        names_this = statement.body.get("change") == evidence.change_id
        if statement.body.get("type") == REVOKE and names_this and person and issued:
            found[person.id] = max(issued, found.get(person.id, issued))
    return found


def _objection(
    statement: Statement,
    evidence: Evidence,
    digests: list[str],
    person: Person | None,
    author: str | None,
    revoked: Mapping[str, datetime],
) -> str | None:
    """Why a statement does not count as an approval; None if it does."""
    if not statement.signature.valid:
        return statement.signature.problem or "its signature is not valid"
    if person is None:
        return "its key is nobody's in the base's policy"
    if person.bot:
        return "it is a bot's"
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
    if person.id == author:
        return "it is the author's own"
    part = part_of(person, evidence)
    if part is not None:
        return f"it is the {part}'s own"
    asked = asked_for_changes(person, evidence)
    issued = _moment(body, "issued")
    if asked is not None and issued is not None and asked >= issued:
        return f"they asked for changes at {show_time(asked)}"
    return _time_objection(body, evidence, revoked.get(person.id))


def _time_objection(body: Mapping[str, object], evidence: Evidence, revoked: datetime | None) -> str | None:
    now, changed = evidence.now, evidence.rules_changed
    issued, expires = _moment(body, "issued"), _moment(body, "expires")
    if issued is None or expires is None:
        return "it is not dated"
    if issued > now:
        return f"it is dated in the future ({show_time(issued)})"
    if expires <= now:
        return f"it expired at {show_time(expires)}"
    if revoked is not None and revoked >= issued:
        return f"it was revoked at {show_time(revoked)}"
    if isinstance(changed, datetime) and changed >= issued:
        return "these rules have changed since it was given"
    return None


def unknown_change_of_rules(evidence: Evidence) -> str | None:
    """Why it is not known when the policy last changed, and the rules that a change edits; None where it is.

    Neither has a serial: a policy may be as it was when an approval was given, with another one in between; a change of
    the rules can be the same as an earlier one that was approved once. Of reviews the same goes for the evidence.
    """
    asked = (evidence.rules_changed, evidence.evidence_changed if evidence.conversation else None)
    return next((changed.why for changed in asked if isinstance(changed, Unknown)), None)


def satisfying(need: ApprovalNeed, given: Iterable[Approval], policy: Policy, now: datetime) -> list[str]:
    """The persons whose approvals count towards one need."""
    approvers = policy.approvers(need.group)
    return sorted(a.person for a in given if a.person in approvers and not shortcoming(need, a, now))


def shortcoming(need: ApprovalNeed, approval: Approval, now: datetime) -> str | None:
    """Why a good approval does not count towards one need; None if it does."""
    when = approval.given(need)
    if when is None:
        return "it is a review, and a signed one is asked for"
    if need.expire is not None and now - when >= need.expire:
        return f"it is of {show_time(when)}, and counts for {show_period(need.expire)}"
    return None


def remarks(
    needed: Iterable[NeededApproval],
    owners: Iterable[str],
    given: Iterable[Approval],
    policy: Policy,
    now: datetime,
) -> Iterator[str]:
    """Where good approvals count for less than one may think: a line for each reason.

    ``owners`` are the groups of :func:`owners_needed`.
    """
    needed, owners = list(needed), list(owners)
    groups = ", ".join(dict.fromkeys([*(each.need.group for each in needed), *owners]))
    for one in given:
        if len(one.keys) > 1:
            yield f"{one.person} approved with {len(one.keys)} keys; persons are counted, so that is one approval"
        asked = [each for each in needed if one.person in policy.approvers(each.need.group)]
        if not asked and not owners_with_a_part(owners, None, [one], policy):
            yield f"the approval of {one.person} does not count: {one.person} is in no group that is asked ({groups})"
        for each in asked:
            why = shortcoming(each.need, one, now)
            if why is not None:
                yield f"the approval of {one.person} does not count for {each.reason}: {why}"
