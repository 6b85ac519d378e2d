"""A case of ``gitreg policy test``: a registry, a change, the world around it, and the findings that are expected.

``schemas/policycase.schema.json`` is the published half of this contract; a test holds the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from gitreg.core.codec.load import InvalidManifest, load_value, place_in
from gitreg.core.decode import (
    DecodeError,
    Fields,
    Reader,
    Where,
    any_mapping,
    array,
    boolean,
    header,
    mapping,
    matching,
    model_name,
    nullable,
    number,
    one_of,
    pointer_name,
    scalar,
    text,
    timestamp,
    version,
)
from gitreg.core.findings import Outcome
from gitreg.core.names import NONE, Version
from gitreg.core.policy import duration

KIND = "PolicyCase"
#: When a case happens that does not say (a Wednesday): fixed, so that it ends the same way on every day.
USUAL_MOMENT = datetime(2026, 1, 7, 12, tzinfo=UTC)
#: How long an approval holds where a case does not say.
USUAL_VALIDITY = timedelta(days=30)

_RULE = re.compile(r"GR[0-9]{3}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_FORMAT = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")

#: What the artifact of a version is like: ``present`` and right, or in which way it is not.
ARTIFACT_STATES = ("present", "missing", "corrupt", "unknown")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is recorded of a version, and what people say of it; ``by`` is the person who registers it."""

    format: str = "onnx"
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    signature: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    source: Mapping[str, object] = field(default_factory=dict)
    card: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    by: str | None = None


@dataclass(frozen=True, slots=True)
class EvidenceFacts:
    """Metrics of a version on the data set ``dataset``."""

    dataset: str
    metrics: Mapping[str, float]
    name: str = "evaluation"
    by: str | None = None


@dataclass(frozen=True, slots=True)
class CaseVersion:
    """A version of a made-up model: what it is, and where it stands."""

    version: Version
    facts: Facts
    stage: str = NONE
    aliases: tuple[str, ...] = ()
    evidence: tuple[EvidenceFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseModel:
    """A made-up model; ``previous`` has what a stage held before its last change."""

    versions: tuple[CaseVersion, ...]
    previous: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Promote:
    """``{promote: REF, to: STAGE}``."""

    reference: str
    to: str


@dataclass(frozen=True, slots=True)
class Demote:
    """``{demote: REF, to: STAGE}``; without ``to`` it goes where policy sends versions of its stage."""

    reference: str
    to: str | None


@dataclass(frozen=True, slots=True)
class Rollback:
    """``{rollback: MODEL, stage: STAGE}``."""

    model: str
    stage: str


@dataclass(frozen=True, slots=True)
class SetAlias:
    """``{alias: MODEL@ALIAS, version: 3}``; null clears it."""

    alias: str
    version: Version | None


@dataclass(frozen=True, slots=True)
class Register:
    """``{register: MODEL, metrics: …}``; a model that is not there is made. ``version`` is for SemVer models."""

    model: str
    facts: Facts
    version: str | None


@dataclass(frozen=True, slots=True)
class Annotate:
    """``{annotate: REF, card: …}``: other notes on a version."""

    reference: str
    description: str | None
    tags: Mapping[str, str]
    card: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AddEvidence:
    """``{evidence: REF, dataset: NAME, metrics: …}``."""

    reference: str
    facts: EvidenceFacts


@dataclass(frozen=True, slots=True)
class Retract:
    """``{retract: REF, name: EVIDENCE}``."""

    reference: str
    name: str


@dataclass(frozen=True, slots=True)
class Delete:
    """``{delete: REF}`` or ``{delete: MODEL}``."""

    target: str


@dataclass(frozen=True, slots=True)
class Rename:
    """``{rename: MODEL, to: NAME}``."""

    model: str
    to: str


@dataclass(frozen=True, slots=True)
class Write:
    """``{write: {PATH: text}}``: whole files."""

    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Remove:
    """``{remove: [PATH]}``."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replace:
    """``{replace: PATH, old: text, new: text}``: a text that stands exactly once in a file."""

    path: str
    old: str
    new: str


Step: TypeAlias = (
    Promote
    | Demote
    | Rollback
    | SetAlias
    | Register
    | Annotate
    | AddEvidence
    | Retract
    | Delete
    | Rename
    | Write
    | Remove
    | Replace
)


@dataclass(frozen=True, slots=True)
class CaseBase:
    """How the registry is before the change: with made-up models (None: its own), after some steps."""

    models: Mapping[str, CaseModel] | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseApproval:
    """An approval of just this change by a person, ``ago`` before the moment; it holds for ``valid_for``."""

    by: str
    ago: timedelta = timedelta()
    valid_for: timedelta = USUAL_VALIDITY
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class CaseWorld:
    """What is so beside the files.

    ``soaked`` says how long every stage has been as it is; True for ever, False not at all. ``artifacts`` has those,
    by ``model/version``, that are not simply present.
    """

    at: datetime = USUAL_MOMENT
    author: str | None = None
    approvals: tuple[CaseApproval, ...] = ()
    soaked: bool | timedelta = True
    artifacts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expected:
    """A finding of a rule whose message holds ``says``; ``outcome`` None is any that keeps a change from landing."""

    rule: str
    says: str = ""
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """One example. That nothing is expected means that the change may land."""

    title: str
    change: tuple[Step, ...]
    expect: tuple[Expected, ...]
    base: CaseBase = CaseBase()
    world: CaseWorld = CaseWorld()


# How it is read

_reference = text(400, 1)
_model = text(200, 1)
_path = text(1000, 1)
_content = text()
_person: Reader[str] = matching(_PERSON, "an id (letters, digits, '.', '_', '-')", 64)
_stage_or_none: Reader[str] = lambda value, where: NONE if value == NONE else pointer_name(value, where)  # noqa: E731
_metrics: Reader[dict[str, float]] = mapping(number)
_tags: Reader[dict[str, str]] = mapping(text(5000))
_card: Reader[dict[str, str]] = mapping(text(), most=100)
_versions = array(version, most=1000)


def _take_facts(fields: Fields) -> Facts:
    form = matching(_FORMAT, "a format (lower-case letters, digits, '.', '_', '-')", 32)
    return Facts(
        format=fields.maybe("format", form, "onnx"),
        metrics=fields.maybe("metrics", _metrics, {}),
        params=fields.maybe("params", mapping(scalar), {}),
        signature=fields.maybe("signature", any_mapping, {}),
        environment=fields.maybe("environment", any_mapping, {}),
        source=fields.maybe("source", any_mapping, {}),
        card=fields.maybe("card", _card, {}),
        tags=fields.maybe("tags", _tags, {}),
        by=fields.maybe("by", _person, None),
    )


def _take_evidence(fields: Fields) -> EvidenceFacts:
    return EvidenceFacts(
        dataset=fields.take("dataset", text(250, 1)),
        metrics=fields.take("metrics", _metrics),
        name=fields.maybe(
            "name", matching(_NAME, "a name of letters, digits, '_' and '-'", 64), "evaluation"
        ),
        by=fields.maybe("by", _person, None),
    )


def _evidence(value: object, where: Where) -> EvidenceFacts:
    fields = Fields(value, where)
    found = _take_evidence(fields)
    fields.done()
    return found


def _version(value: object, where: Where) -> CaseVersion:
    fields = Fields(value, where)
    found = CaseVersion(
        version=fields.take("version", version),
        facts=_take_facts(fields),
        stage=fields.maybe("stage", _stage_or_none, NONE),
        aliases=fields.maybe("aliases", array(pointer_name, most=100), ()),
        evidence=fields.maybe("evidence", array(_evidence, most=100), ()),
    )
    fields.done()
    return found


def _case_model(value: object, where: Where) -> CaseModel:
    fields = Fields(value, where)
    found = CaseModel(
        versions=fields.take("versions", array(_version, most=1000)),
        previous=fields.maybe("previous", mapping(_versions, key=pointer_name, most=100), {}),
    )
    fields.done()
    return found


def _promote(fields: Fields) -> Step:
    return Promote(fields.take("promote", _reference), fields.take("to", pointer_name))


def _demote(fields: Fields) -> Step:
    return Demote(fields.take("demote", _reference), fields.maybe("to", nullable(_stage_or_none), None))


def _rollback(fields: Fields) -> Step:
    return Rollback(fields.take("rollback", _model), fields.take("stage", pointer_name))


def _alias(fields: Fields) -> Step:
    return SetAlias(fields.take("alias", _reference), fields.take("version", nullable(version)))


def _register(fields: Fields) -> Step:
    model = fields.take("register", _model)
    return Register(model, _take_facts(fields), fields.maybe("version", nullable(text(64, 1)), None))


def _annotate(fields: Fields) -> Step:
    return Annotate(
        reference=fields.take("annotate", _reference),
        description=fields.maybe("description", nullable(text()), None),
        tags=fields.maybe("tags", _tags, {}),
        card=fields.maybe("card", _card, {}),
    )


def _add_evidence(fields: Fields) -> Step:
    return AddEvidence(fields.take("evidence", _reference), _take_evidence(fields))


def _retract(fields: Fields) -> Step:
    name = matching(_NAME, "a name of letters, digits, '_' and '-'", 64)
    return Retract(fields.take("retract", _reference), fields.take("name", name))


def _delete(fields: Fields) -> Step:
    return Delete(fields.take("delete", _reference))


def _rename(fields: Fields) -> Step:
    return Rename(fields.take("rename", _model), fields.take("to", model_name))


def _write(fields: Fields) -> Step:
    return Write(fields.take("write", mapping(_content, key=_path, most=100)))


def _remove(fields: Fields) -> Step:
    return Remove(fields.take("remove", array(_path, most=100, least=1)))


def _replace(fields: Fields) -> Step:
    return Replace(
        fields.take("replace", _path), fields.take("old", text(least=1)), fields.take("new", text())
    )


#: What a step does is told by its key.
_STEPS = {
    "promote": _promote,
    "demote": _demote,
    "rollback": _rollback,
    "alias": _alias,
    "register": _register,
    "annotate": _annotate,
    "evidence": _add_evidence,
    "retract": _retract,
    "delete": _delete,
    "rename": _rename,
    "write": _write,
    "remove": _remove,
    "replace": _replace,
}


def _step(value: object, where: Where) -> Step:
    found = any_mapping(value, where)
    sort = next((key for key in _STEPS if key in found), None)
    if sort is None:
        raise DecodeError(where, f"one of the keys {', '.join(map(repr, _STEPS))} is missing")
    fields = Fields(value, where)
    step = _STEPS[sort](fields)
    fields.done()
    return step


_steps = array(_step, most=100)


def _base(value: object, where: Where) -> CaseBase:
    fields = Fields(value, where)
    models = mapping(_case_model, key=model_name, most=100)
    base = CaseBase(
        models=fields.maybe("models", nullable(models), None),
        steps=fields.maybe("steps", _steps, ()),
    )
    fields.done()
    return base


def _approval(value: object, where: Where) -> CaseApproval:
    fields = Fields(value, where)
    found = CaseApproval(
        by=fields.take("by", _person),
        ago=fields.maybe("ago", duration, timedelta()),
        valid_for=fields.maybe("for", duration, USUAL_VALIDITY),
        revoked=fields.maybe("revoked", boolean, False),
    )
    fields.done()
    return found


def _soaked(value: object, where: Where) -> bool | timedelta:
    return value if isinstance(value, bool) else duration(value, where)


def _world(value: object, where: Where) -> CaseWorld:
    fields = Fields(value, where)
    soaked: bool | timedelta = True
    states = mapping(one_of(*ARTIFACT_STATES), key=_reference)
    world = CaseWorld(
        at=fields.maybe("at", timestamp, USUAL_MOMENT),
        author=fields.maybe("author", nullable(_person), None),
        approvals=fields.maybe("approvals", array(_approval, most=100), ()),
        soaked=fields.maybe("soaked", _soaked, soaked),
        artifacts=fields.maybe("artifacts", states, {}),
    )
    fields.done()
    return world


def _expected(value: object, where: Where) -> Expected:
    fields = Fields(value, where)
    rule = matching(_RULE, "a rule's id such as GR302", 5)
    outcome: Reader[str | None] = nullable(one_of(*(each.value for each in Outcome)))
    found = Expected(
        rule=fields.take("rule", rule),
        says=fields.maybe("says", text(1000), ""),
        outcome=Outcome(said) if (said := fields.maybe("outcome", outcome, None)) else None,
    )
    fields.done()
    return found


def decode_case(value: object) -> PolicyCase:
    """Reads a parsed case. Raises DecodeError."""
    fields = Fields(value, ())
    header(fields, KIND)
    case = PolicyCase(
        title=fields.take("title", text(250, 1)),
        base=fields.maybe("base", _base, CaseBase()),
        change=fields.take("change", array(_step, most=100, least=1)),
        world=fields.maybe("world", _world, CaseWorld()),
        expect=fields.take("expect", array(_expected, most=100)),
    )
    fields.done()
    return case


def load_case(data: bytes, path: str) -> PolicyCase:
    """Reads a case file. Raises InvalidManifest with the place of what is wrong."""
    value = load_value(KIND, data, path)
    try:
        return decode_case(value)
    except DecodeError as error:
        keys = ".".join(str(part) for part in error.where)
        said = f"{keys}: {error.message}" if keys else error.message
        raise InvalidManifest(said, place_in(data, path, error.where), None, error.where) from None
