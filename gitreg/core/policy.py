"""policy.yaml: who may propose what, and what a version must show before it enters a stage."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TypeAlias
from urllib.parse import quote

from gitreg.core.decode import (
    DecodeError,
    Fields,
    Reader,
    Where,
    any_mapping,
    array,
    boolean,
    header,
    integer,
    mapping,
    matching,
    nullable,
    number,
    one_of,
    pointer_name,
    text,
)
from gitreg.core.names import NONE, fold
from gitreg.core.ports import Pusher
from gitreg.core.windows import Window, window

#: The kinds of change (closed); ``all`` in a list stands for every one.
KINDS = (
    "register",
    "annotate",
    "evidence",
    "promote",
    "demote",
    "rollback",
    "alias",
    "copy",
    "rename",
    "delete",
    "rules",
    "import",
    "bootstrap",
)

_DURATION = re.compile(r"[1-9][0-9]{0,4}[mhdw]\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
# https://packaging.python.org/en/latest/specifications/name-normalization/
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?\Z")
#: Names that GitHub and GitLab give, and those of GitHub's apps: all in ASCII, so that no other letter passes for one.
_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:\[bot\])?\Z")
_KEY = re.compile(r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{16,8000}={0,2}(?: [^\r\n]{0,200})?\Z")


@dataclass(frozen=True, slots=True)
class Person:
    """Who may sign: their names on forges, and their SSH public keys. What a ``bot`` approves does not count."""

    id: str
    email: str | None = None
    github: str | None = None
    gitlab: str | None = None
    keys: tuple[str, ...] = ()
    bot: bool = False

    def account(self, provider: str) -> str | None:
        """The person's name on a hosted forge."""
        return {"github": self.github, "gitlab": self.gitlab}.get(provider)

    def is_called(self, provider: str, account: str) -> bool:
        """Whether an account on a hosted forge is this person's."""
        own = self.account(provider)
        return own is not None and own.casefold() == account.casefold()


#: The domain of addresses that are nobody's: https://www.rfc-editor.org/rfc/rfc2606#section-2
NOBODYS_DOMAIN = "mlflow.invalid"


def login_address(login: str) -> str:
    """What commits have for the e-mail address of somebody of whom a server knows only how they are logged in there."""
    return f"{quote(login, safe='')[:60]}@{NOBODYS_DOMAIN}"


@dataclass(frozen=True, slots=True)
class ApprovalNeed:
    """``count`` persons of ``group`` must approve; an approval older than ``expire`` does not count.

    ``signed``: only statements with an SSH signature count, and no reviews on a hosted forge.
    """

    group: str
    count: int = 1
    expire: timedelta | None = None
    signed: bool = False


@dataclass(frozen=True, slots=True)
class RulesPolicy:
    """Who may change the rules (groups), and which approvals that takes."""

    owners: tuple[str, ...] = ()
    approvals: tuple[ApprovalNeed, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """The kinds of change that the members of some groups may propose."""

    members: tuple[str, ...]
    may: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Soak:
    """A version must have been in stage ``stage`` for at least ``period`` without a break."""

    stage: str
    period: timedelta


@dataclass(frozen=True, slots=True)
class MetricGate:
    """A metric's bounds, absolute and against the version that holds the stage now.

    ``evidence`` takes the value from evidence on the data set of that name instead of from the record; ``by`` names
    the roles of which one must have landed it, and not as the version's registrant.
    """

    metric: str
    min: float | None = None
    max: float | None = None
    direction: str = "higher"
    worse_than_holder_by_at_most: float | None = None
    evidence: str | None = None
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SchemaGate:
    """A JSON Schema (draft 2020-12) that the record must satisfy."""

    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FormatsGate:
    """Artifact formats that may enter: those in ``allow`` (None: any), without those in ``deny``."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardGate:
    """Sections of the model card that must be there and not blank."""

    sections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnvironmentGate:
    """The environment that the record names, so that it can be built again.

    ``python``: a version of Python is named; ``pinned``: so is exactly one version of every requirement; ``require``:
    the packages that must be among them; ``allow``: the only ones that may be (None: any).
    """

    python: bool = True
    pinned: bool = True
    require: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None


Gate: TypeAlias = MetricGate | SchemaGate | FormatsGate | CardGate | EnvironmentGate


@dataclass(frozen=True, slots=True)
class StagePolicy:
    """What it takes to enter (and to leave) one stage.

    ``sources`` are the stages a version may come from (``from`` in the file; None: any); ``holds`` bounds how many
    versions stand in it (None: any number); a version that must give way goes to ``replaced``. In its ``windows``
    nothing enters or leaves it.
    """

    name: str
    sources: tuple[str, ...] | None = None
    holds: int | None = None
    replaced: str = NONE
    soak: Soak | None = None
    approvals: tuple[ApprovalNeed, ...] = ()
    rollback: tuple[ApprovalNeed, ...] | None = None
    gates: tuple[Gate, ...] = ()
    windows: tuple[Window, ...] = ()

    @property
    def rollback_approvals(self) -> tuple[ApprovalNeed, ...]:
        """The approvals of a rollback: its own where it has any, else the stage's."""
        return self.approvals if self.rollback is None else self.rollback


@dataclass(frozen=True, slots=True)
class AliasPolicy:
    """An alias that policy knows: it may name only versions in ``stage``; protected: with that stage's approvals."""

    name: str
    stage: str | None = None
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Override:
    """Other stage settings for the models whose names match one of the globs."""

    models: tuple[str, ...]
    stages: Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a stage as the file writes it; ``models``: the globs of the override that it comes from."""

    value: object
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole of ``policy.yaml``."""

    people: tuple[Person, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: RulesPolicy = RulesPolicy()
    roles: Mapping[str, Role] = field(default_factory=dict)
    direct: tuple[str, ...] = ()
    stages: tuple[Mapping[str, object], ...] = ()
    aliases: tuple[AliasPolicy, ...] = ()
    overrides: tuple[Override, ...] = ()

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The configured stages in display order, without ``none``."""
        return tuple(str(stage["name"]) for stage in self.stages if stage["name"] != NONE)

    def stage(self, name: str, model: str) -> StagePolicy | None:
        """What holds for ``model`` in the stage ``name``; None if the policy has no such stage."""
        found = self.settings(name, model)
        return None if found is None else _stage({key: each.value for key, each in found.items()}, ())

    def settings(self, name: str, model: str | None) -> Mapping[str, Setting] | None:
        """The same as the file writes it; None for a stage that the policy does not have.

        ``model`` None leaves overrides out.
        """
        implicit = {"name": NONE} if name == NONE else None
        raw = next((stage for stage in self.stages if stage["name"] == name), implicit)
        if raw is None:
            return None
        merged = {key: Setting(value) for key, value in raw.items()}
        for override in self.overrides if model is not None else ():
            if any(fnmatchcase(fold(model or ""), fold(glob)) for glob in override.models):
                changed = override.stages.get(name, {})
                merged |= {key: Setting(value, override.models) for key, value in changed.items()}
        return {key: each for key, each in merged.items() if each.value is not None}

    @property
    def zones(self) -> tuple[str, ...]:
        """The time zones that windows name, in any stage and any override."""
        raw = [*self.stages, *(settings for each in self.overrides for settings in each.stages.values())]
        found = (each for settings in raw for each in _windows(settings.get("windows") or [], ()))
        return tuple(sorted({each.zone for each in found}))

    def alias(self, name: str) -> AliasPolicy:
        """What holds for the alias ``name``; look-ups ignore case."""
        known = (alias for alias in self.aliases if alias.name.lower() == name.lower())
        return next(known, AliasPolicy(name))

    def allows_direct(self, kind: str) -> bool:
        """Whether changes of this kind may land without a change request, if something enforces the rules."""
        return kind in self.direct or "all" in self.direct

    def person_with_key(self, key: str) -> Person | None:
        """Whose SSH public key this is (type and base64, without comment)."""
        return next((p for p in self.people if any(_bare(k) == key for k in p.keys)), None)

    def person_called(self, provider: str, account: str | None) -> Person | None:
        """Whose account on a hosted forge this is. GitHub and GitLab do not tell upper from lower case in names."""
        return next((p for p in self.people if account and p.is_called(provider, account)), None)

    def accounts(self, provider: str, persons: Collection[str]) -> tuple[str, ...]:
        """The accounts of some persons (ids) on a hosted forge, as the policy has them."""
        found = (person.account(provider) for person in self.people if person.id in persons)
        return tuple(account for account in found if account)

    @property
    def keys(self) -> frozenset[str]:
        """Everybody's SSH public keys (type and base64, without comment)."""
        return frozenset(_bare(key) for person in self.people for key in person.keys)

    def person_who(self, pusher: Pusher) -> Person | None:
        """The person behind a login (their id or e-mail address, exactly) or an SSH key; the login counts first."""
        if pusher.user is not None:
            return next((p for p in self.people if pusher.user in {p.id, p.email}), None)
        return self.person_with_key(pusher.key) if pusher.key is not None else None

    def members(self, group: str) -> frozenset[str]:
        """The person ids in a group; empty if there is no such group."""
        return frozenset(self.groups.get(group, ()))

    def approvers(self, group: str) -> frozenset[str]:
        """Those members of a group whose approvals can count: all but bots."""
        return self.members(group) - {person.id for person in self.people if person.bot}

    def roles_of(self, person: str) -> tuple[str, ...]:
        """The names of the roles that a person has through their groups."""
        return tuple(
            name for name, role in self.roles.items() if any(person in self.members(g) for g in role.members)
        )

    def may_propose(self, person: str, kind: str) -> bool:
        """Whether one of the person's roles may propose this kind of change."""
        return any({kind, "all"} & set(self.roles[role].may) for role in self.roles_of(person))

    def direction(self, metric: str) -> str | None:
        """``higher`` or ``lower`` where some gate says which way a metric is better; else None."""
        for name in (*self.stage_names, NONE):
            stage = self.stage(name, "")
            for gate in stage.gates if stage else ():
                if isinstance(gate, MetricGate) and gate.metric == metric:
                    return gate.direction
        return None


def _bare(key: str) -> str:
    return " ".join(key.split()[:2])


def duration(value: object, where: Where) -> timedelta:
    """``30m``, ``24h``, ``14d`` or ``2w``."""
    found = matching(_DURATION, "a duration such as 30m, 24h, 14d or 2w", 6)(value, where)
    return timedelta(**{_UNITS[found[-1]]: int(found[:-1])})


def show_period(period: timedelta) -> str:
    """A duration in its largest whole unit, for people."""
    minutes = int(period.total_seconds() // 60)
    for size, name in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            return f"{minutes // size} {name}{'s' if minutes != size else ''}"
    raise AssertionError("every number of minutes is a multiple of one")


_identifier: Reader[str] = matching(_ID, "an id (letters, digits, '.', '_', '-')", 64)
_identifiers = array(_identifier, most=1000)
_kinds = array(one_of("all", *KINDS), most=20)
_stage_or_none: Reader[str] = lambda value, where: NONE if value == NONE else pointer_name(value, where)  # noqa: E731


def is_account(text: str) -> bool:
    """Whether it can be the name of an account on GitHub or GitLab."""
    return len(text) <= 255 and _ACCOUNT.match(text) is not None


def _account(most: int) -> Reader[str]:
    return matching(_ACCOUNT, "the name of an account (without @)", most)


def _person(value: object, where: Where) -> Person:
    fields = Fields(value, where)
    person = Person(
        id=fields.take("id", _identifier),
        email=fields.maybe("email", nullable(text(254, 3)), None),
        github=fields.maybe("github", nullable(_account(64)), None),
        gitlab=fields.maybe("gitlab", nullable(_account(255)), None),
        keys=fields.maybe("keys", array(matching(_KEY, "an SSH public key", 8400), most=32), ()),
        bot=fields.maybe("bot", boolean, False),
    )
    fields.done()
    return person


def _approval(value: object, where: Where) -> ApprovalNeed:
    fields = Fields(value, where)
    need = ApprovalNeed(
        group=fields.take("group", _identifier),
        count=fields.maybe("count", integer(1, 100), 1),
        expire=fields.maybe("expire", nullable(duration), None),
        signed=fields.maybe("signed", boolean, False),
    )
    fields.done()
    return need


_approvals = array(_approval, most=20)


def _rules(value: object, where: Where) -> RulesPolicy:
    fields = Fields(value, where)
    rules = RulesPolicy(
        owners=fields.take("owners", _identifiers),
        approvals=fields.maybe("approvals", _approvals, ()),
    )
    fields.done()
    return rules


def _role(value: object, where: Where) -> Role:
    fields = Fields(value, where)
    role = Role(members=fields.take("members", _identifiers), may=fields.take("may", _kinds))
    fields.done()
    return role


def _soak(value: object, where: Where) -> Soak:
    fields = Fields(value, where)
    soak = Soak(stage=fields.take("in", pointer_name), period=fields.take("for", duration))
    fields.done()
    return soak


def _rollback(value: object, where: Where) -> tuple[ApprovalNeed, ...]:
    fields = Fields(value, where)
    approvals = fields.take("approvals", _approvals)
    fields.done()
    return approvals


def _metric_gate(value: object, where: Where) -> MetricGate:
    fields = Fields(value, where)
    gate = MetricGate(
        metric=fields.take("metric", text(250, 1)),
        min=fields.maybe("min", nullable(number), None),
        max=fields.maybe("max", nullable(number), None),
        direction=fields.maybe("direction", one_of("higher", "lower"), "higher"),
        worse_than_holder_by_at_most=fields.maybe("worse_than_holder_by_at_most", nullable(number), None),
        evidence=fields.maybe("evidence", nullable(text(250, 1)), None),
        by=fields.maybe("by", _identifiers, ()),
    )
    fields.done()
    return gate


def _schema_gate(value: object, where: Where) -> SchemaGate:
    fields = Fields(value, where)
    gate = SchemaGate(fields.take("schema", any_mapping))
    fields.done()
    return gate


def _formats(value: object, where: Where) -> FormatsGate:
    fields = Fields(value, where)
    names = array(text(32, 1), most=100)
    gate = FormatsGate(
        allow=fields.maybe("allow", nullable(names), None), deny=fields.maybe("deny", names, ())
    )
    fields.done()
    return gate


def _formats_gate(value: object, where: Where) -> FormatsGate:
    fields = Fields(value, where)
    gate = fields.take("formats", _formats)
    fields.done()
    return gate


def _card_gate(value: object, where: Where) -> CardGate:
    fields = Fields(value, where)
    gate = CardGate(fields.take("card", array(text(250, 1), most=100, least=1)))
    fields.done()
    return gate


def _environment(value: object, where: Where) -> EnvironmentGate:
    fields = Fields(value, where)
    packages = array(matching(_PACKAGE, "the name of a Python package", 100), most=1000)
    gate = EnvironmentGate(
        python=fields.maybe("python", boolean, True),
        pinned=fields.maybe("pinned", boolean, True),
        require=fields.maybe("require", packages, ()),
        allow=fields.maybe("allow", nullable(packages), None),
    )
    fields.done()
    return gate


def _environment_gate(value: object, where: Where) -> EnvironmentGate:
    fields = Fields(value, where)
    gate = fields.take("environment", _environment)
    fields.done()
    return gate


_GATES: Mapping[str, Reader[Gate]] = {
    "metric": _metric_gate,
    "schema": _schema_gate,
    "formats": _formats_gate,
    "card": _card_gate,
    "environment": _environment_gate,
}


def _gate(value: object, where: Where) -> Gate:
    found = any_mapping(value, where)
    sort = next((key for key in _GATES if key in found), "metric")
    return _GATES[sort](value, where)


_windows = array(window, most=20)


def _stage(value: object, where: Where) -> StagePolicy:
    fields = Fields(value, where)
    stage = StagePolicy(
        name=fields.take("name", _stage_or_none),
        sources=fields.maybe("from", array(_stage_or_none, most=100), None),
        holds=fields.maybe("holds", integer(1, 10_000), None),
        replaced=fields.maybe("replaced", _stage_or_none, NONE),
        soak=fields.maybe("soak", _soak, None),
        approvals=fields.maybe("approvals", _approvals, ()),
        rollback=fields.maybe("rollback", _rollback, None),
        gates=fields.maybe("gates", array(_gate, most=100), ()),
        windows=fields.maybe("windows", _windows, ()),
    )
    fields.done()
    return stage


def _raw_stage(value: object, where: Where) -> Mapping[str, object]:
    _stage(value, where)
    return any_mapping(value, where)


def _stage_override(value: object, where: Where) -> Mapping[str, object]:
    """Like a stage without its name; null takes a setting away."""
    found = any_mapping(value, where)
    _stage({k: v for k, v in found.items() if v is not None and k != "name"} | {"name": NONE}, where)
    for key in found:
        if key not in _OVERRIDABLE:
            raise DecodeError((*where, key), f"the key {key!r} is unknown here")
    return found


_OVERRIDABLE = frozenset({"from", "holds", "replaced", "soak", "approvals", "rollback", "gates", "windows"})


def _alias(value: object, where: Where) -> AliasPolicy:
    fields = Fields(value, where)
    alias = AliasPolicy(
        name=fields.take("name", pointer_name),
        stage=fields.maybe("stage", nullable(pointer_name), None),
        protected=fields.maybe("protected", boolean, False),
    )
    fields.done()
    return alias


def _override(value: object, where: Where) -> Override:
    fields = Fields(value, where)
    override = Override(
        models=fields.take("models", array(text(200, 1), most=1000, least=1)),
        stages=fields.take("stages", mapping(_stage_override, key=_stage_or_none, most=100)),
    )
    fields.done()
    return override


def decode_policy(value: object) -> Policy:
    """Reads a parsed ``policy.yaml``. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, "Policy")
    policy = Policy(
        people=fields.maybe("people", array(_person, most=10_000), ()),
        groups=fields.maybe("groups", mapping(_identifiers, key=_identifier), {}),
        rules=fields.take("rules", _rules),
        roles=fields.maybe("roles", mapping(_role, key=_identifier), {}),
        direct=fields.maybe("direct", _kinds, ()),
        stages=fields.take("stages", array(_raw_stage, most=100)),
        aliases=fields.maybe("aliases", array(_alias, most=1000), ()),
        overrides=fields.maybe("overrides", array(_override, most=1000), ()),
    )
    fields.done()
    return policy
