"""GR111: the policy speaks only of stages, groups, people and roles that it defines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from gitreg.core.codec.schema import schema_problems
from gitreg.core.findings import Finding
from gitreg.core.layout import POLICY_FILE
from gitreg.core.names import NONE
from gitreg.core.policy import (
    ApprovalNeed,
    EnvironmentGate,
    Gate,
    MetricGate,
    Override,
    Policy,
    SchemaGate,
    StagePolicy,
)
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule
from gitreg.core.verify.rules.environment_gate import package_name

RULE = Rule("GR111", "policy", "The policy speaks only of stages, groups, people and roles that it defines")

Place = tuple[str | int, ...]


def check(scope: Scope) -> Iterator[Finding]:
    """Looks up every name that the policy uses."""
    if not scope.rules_files or scope.policy is None:
        return
    path = scope.snapshot.layout.path(POLICY_FILE)
    for where, message in _problems(scope.policy):
        yield RULE.finding(message, scope.snapshot.locate(path, *where))
    for where, message in _replacements(scope.policy):
        hint = "under replaced name a stage without approvals, or none"
        yield RULE.finding(message, scope.snapshot.locate(path, *where), hint)


def _problems(policy: Policy) -> Iterator[tuple[Place, str]]:
    yield from _people(policy)
    yield from _groups(policy)
    yield from _stages(policy)
    yield from _overrides(policy)
    known = {name.lower() for name in policy.stage_names}
    for index, alias in enumerate(policy.aliases):
        if alias.stage and alias.stage not in policy.stage_names:
            yield ("aliases", index, "stage"), f"there is no stage {alias.stage!r}"
        if alias.protected and not alias.stage:
            yield (
                ("aliases", index),
                f"@{alias.name} is protected but names no stage whose approvals protect it",
            )
        if alias.name.lower() in known:
            yield ("aliases", index, "name"), f"{alias.name!r} is the name of a stage"


def _people(policy: Policy) -> Iterator[tuple[Place, str]]:
    yield from _repeated(("people",), "the person", [person.id for person in policy.people])
    keys = [(index, " ".join(key.split()[:2])) for index, p in enumerate(policy.people) for key in p.keys]
    counts = Counter(key for _, key in keys)
    for index, key in keys:
        if counts[key] > 1:
            yield ("people", index, "keys"), "this key stands here twice; a key belongs to one person"
    for provider in ("github", "gitlab"):
        yield from _accounts(policy, provider)


def _accounts(policy: Policy, provider: str) -> Iterator[tuple[Place, str]]:
    """Persons are counted, so that one account may not be two."""
    accounts = [(person.account(provider) or "").casefold() for person in policy.people]
    for index, account in enumerate(accounts):
        if account and accounts.count(account) > 1:
            yield (
                ("people", index, provider),
                "this account stands here twice; an account belongs to one person",
            )


def _groups(policy: Policy) -> Iterator[tuple[Place, str]]:
    people = {person.id for person in policy.people}
    for group, members in policy.groups.items():
        for index, member in enumerate(members):
            if member not in people:
                yield ("groups", group, index), f"{member!r} is not one of the people"
    for role, settings in policy.roles.items():
        for index, group in enumerate(settings.members):
            if group not in policy.groups:
                yield ("roles", role, "members", index), f"there is no group {group!r}"
    for index, group in enumerate(policy.rules.owners):
        if group not in policy.groups:
            yield ("rules", "owners", index), f"there is no group {group!r}"
    yield from _owners(policy)
    yield from _needs(policy, ("rules", "approvals"), policy.rules.approvals)


def _owners(policy: Policy) -> Iterator[tuple[Place, str]]:
    """Without approvals of its own each owning group must approve; with some, one owner must have a part."""
    empty = [group in policy.groups and not policy.approvers(group) for group in policy.rules.owners]
    if not policy.rules.approvals or all(empty):
        for index, group in enumerate(policy.rules.owners):
            if empty[index]:
                yield ("rules", "owners", index), f"{_size(policy, group)}, so nobody can change the rules"


def _stages(policy: Policy) -> Iterator[tuple[Place, str]]:
    names = [str(stage["name"]) for stage in policy.stages]
    yield from _repeated(("stages",), "the stage", names)
    plain = replace(policy, overrides=())
    for index, name in enumerate(names):
        settings = plain.stage(name, "")
        if settings is not None:
            yield from _stage(policy, ("stages", index), settings)


def _overrides(policy: Policy) -> Iterator[tuple[Place, str]]:
    """Looks at what each stage becomes under each override, and tells what is wrong with it only then."""
    plain = replace(policy, overrides=())
    for index, override in enumerate(policy.overrides):
        overridden = replace(policy, overrides=(Override(("*",), override.stages),))
        for name in override.stages:
            where: Place = ("overrides", index, "stages", name)
            before, after = plain.stage(name, ""), overridden.stage(name, "")
            if before is None or after is None:
                yield where, f"there is no stage {name!r}"
                continue
            known = list(_stage(policy, where, before))
            yield from (problem for problem in _stage(policy, where, after) if problem not in known)


def _stage(policy: Policy, where: Place, settings: StagePolicy) -> Iterator[tuple[Place, str]]:
    known = {*policy.stage_names, NONE}
    for index, source in enumerate(settings.sources or ()):
        if source not in known:
            yield (*where, "from", index), f"there is no stage {source!r}"
    if settings.replaced not in known or settings.replaced == settings.name != NONE:
        yield (*where, "replaced"), f"{settings.replaced!r} is not another stage"
    if settings.soak and settings.soak.stage not in known:
        yield (*where, "soak", "in"), f"there is no stage {settings.soak.stage!r}"
    yield from _needs(policy, (*where, "approvals"), settings.approvals)
    yield from _needs(policy, (*where, "rollback", "approvals"), settings.rollback or ())
    for index, gate in enumerate(settings.gates):
        yield from _gate(policy, (*where, "gates", index), gate)
    for index, window in enumerate(settings.windows):
        if window.problem:
            yield (*where, "windows", index), window.problem


def _replacements(policy: Policy) -> Iterator[tuple[Place, str]]:
    """Looks for stages that send what gives way, which nobody approves, to where approvals are asked for.

    Overrides are looked at one by one. Where two of them together do so, the move itself takes the approvals.
    """
    plain = replace(policy, overrides=())
    told = {name: guarded for name in policy.stage_names if (guarded := _guarded(plain, name))}
    for index, stage in enumerate(policy.stages):
        if stage["name"] in told:
            yield ("stages", index, "replaced"), _gets_none(told[str(stage["name"])])
    for index, override in enumerate(policy.overrides):
        overridden = replace(policy, overrides=(Override(("*",), override.stages),))
        for name in policy.stage_names:
            guarded = _guarded(overridden, name)
            where: Place = ("overrides", index, "stages")
            if guarded is None or guarded == told.get(name):
                continue
            if "replaced" in override.stages.get(name, {}):
                yield (*where, name, "replaced"), _gets_none(guarded)
            else:
                message = f"{guarded!r} has approvals of its own, and {name} sends there what gives way"
                yield (*where, guarded, "approvals"), message


def _gets_none(guarded: str) -> str:
    return f"{guarded!r} has approvals of its own, and what gives way gets none"


def _guarded(policy: Policy, name: str) -> str | None:
    """Where a stage sends what gives way, if that is a stage with approvals."""
    settings = policy.stage(name, "")
    target = policy.stage(settings.replaced, "") if settings and settings.replaced != NONE else None
    return target.name if target and target.approvals else None


def _gate(policy: Policy, where: Place, gate: Gate) -> Iterator[tuple[Place, str]]:
    for role in gate.by if isinstance(gate, MetricGate) else ():
        if role not in policy.roles:
            yield (*where, "by"), f"there is no role {role!r}"
    if isinstance(gate, EnvironmentGate) and gate.allow is not None:
        allowed = {package_name(name) for name in gate.allow}
        for index, name in enumerate(gate.require):
            if package_name(name) not in allowed:
                yield (
                    (*where, "environment", "require", index),
                    f"{name!r} is required, but allow does not list it",
                )
    if isinstance(gate, MetricGate) and gate.by and gate.evidence is None:
        yield (
            (*where, "by"),
            "'by' says who lands evidence, so the gate must name a data set under 'evidence'",
        )
    for problem in schema_problems(gate.schema) if isinstance(gate, SchemaGate) else ():
        yield (*where, "schema", *problem.where), f"this schema cannot be used: {problem.message}"


def _needs(policy: Policy, where: Place, needs: Iterable[ApprovalNeed]) -> Iterator[tuple[Place, str]]:
    for index, need in enumerate(needs):
        if need.group not in policy.groups:
            yield (*where, index, "group"), f"there is no group {need.group!r}"
        elif len(policy.approvers(need.group)) < need.count:
            yield (
                (*where, index),
                f"{_size(policy, need.group)}, so nobody can give {_counted(need.count, 'approval')}",
            )


def _size(policy: Policy, group: str) -> str:
    """How many members a group has, and how many of them are bots, if any."""
    members = policy.members(group)
    bots = len(members) - len(policy.approvers(group))
    return f"{group!r} has {_counted(len(members), 'member')}" + (
        f", of which {_counted(bots, 'is a bot', 'are bots')}" if bots else ""
    )


def _counted(count: int, one: str, more: str | None = None) -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def _repeated(where: Place, what: str, names: list[str]) -> Iterator[tuple[Place, str]]:
    for index, name in enumerate(names):
        if name.lower() in {n.lower() for n in names[:index]}:
            yield (*where, index), f"{what} {name!r} stands here twice"


POLICY = SnapshotRule(RULE, check)
