"""The world around a case as evidence: signed statements by the policy's keys, artifacts, the age of stages.

Whatever the rules ask (``required_evidence``) has an answer here; a question without one would be undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.delta import Delta
from gitreg.core.layout import POLICY_FILE
from gitreg.core.manifest import EvidenceRecord
from gitreg.core.names import Version, model_name_problem, parse_version
from gitreg.core.policytest.case import CaseApproval, CaseWorld
from gitreg.core.policytest.people import BrokenCase, email_of, key_of, shifted
from gitreg.core.ports import DvcPointer, ListedFile, Presence, Signature, Statement
from gitreg.core.record import ModelVersion
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import change_id
from gitreg.core.verify.approvals import REVOKE, approval_statement, evidence_digests, opening_statement
from gitreg.core.verify.evidence import Contents, Evidence, SoakQuestion, Unknown, required_evidence

#: What the clocks of a time zone (by its IANA name) show at a moment, as a naive time.
LocalTime: TypeAlias = Callable[[datetime, str], datetime | Unknown]

_WHY = "the case says that nobody knows"


def evidence_of(
    world: CaseWorld, base: Snapshot, head: Snapshot, meaning: Delta, clocks: LocalTime
) -> Evidence:
    """What is known about a change in the world of a case. Raises BrokenCase."""
    registry = base.registry()
    blob = base.blob(base.layout.path(POLICY_FILE))
    required = required_evidence(base, head, meaning, base.policy())
    _demand_known(world, head)
    artifacts = _artifacts(world, head, meaning)
    soaks = {question: _soaked(world, question) for question in required.soaks}
    known = Evidence(
        now=world.at,
        target=f"refs/heads/{registry.branch}",
        registry=registry.id,
        change_id=change_id(meaning.raw),
        policy_blob=blob.oid if blob else "",
        presence={p: _presence(artifacts[p][1], p) for p in required.presence if p in artifacts},
        contents={p: _contents(*artifacts[p]) for p in required.contents if p in artifacts},
        soaks={question: since is None for question, since in soaks.items()},
        unchanged_since={question: since for question, since in soaks.items() if since is not None},
        local_times={zone: clocks(world.at, zone) for zone in required.zones},
        landers={path: _lander(base, path) for path in required.landers},
        rules_changed=None,
    )
    digests = evidence_digests(head, meaning, base.policy())
    statements = tuple(_statements(world, known, digests, base))
    return replace(known, author=_opening(world, known, base), statements=statements)


def _soaked(world: CaseWorld, question: SoakQuestion) -> datetime | None:
    """Since when the stage is as it is, where that is not long enough."""
    if isinstance(world.soaked, bool):
        return None if world.soaked else world.at
    return None if world.soaked >= question.period else shifted(world.at, -world.soaked)


def _lander(base: Snapshot, path: str) -> str | Unknown | None:
    """The person whom the file names as its maker: in a case they landed it, too. None: it has not landed."""
    kind = base.place(path).kind
    found = base.manifest(kind, path) if kind and base.blob(path) else None
    if not isinstance(found, ModelVersion | EvidenceRecord):
        return None
    email = found.created_by.email
    known = (p.id for p in base.policy().people if email == email_of(p))
    return next(known, Unknown(f"{email} is nobody's in the policy"))


# Statements


def _opening(world: CaseWorld, known: Evidence, base: Snapshot) -> Statement | None:
    if world.author is None:
        return None
    key = key_of(base.policy(), world.author, ("world", "author"))
    body = opening_statement(known, known.now) | {"request": known.request}
    return Statement(body, Signature(key, valid=True))


def _statements(world: CaseWorld, known: Evidence, digests: list[str], base: Snapshot) -> Iterator[Statement]:
    for index, said in enumerate(world.approvals):
        key = key_of(base.policy(), said.by, ("world", "approvals", index, "by"))
        signature = Signature(key, valid=True)
        issued = shifted(known.now, -said.ago)
        expires = shifted(issued, said.valid_for)
        yield Statement(approval_statement(known, digests, issued, expires), signature)
        if said.revoked:
            yield Statement(_revocation(known, digests, said), signature)


def _revocation(known: Evidence, digests: list[str], said: CaseApproval) -> dict[str, object]:
    return approval_statement(known, digests, known.now, shifted(known.now, said.valid_for), REVOKE)


# Artifacts


def _artifacts(
    world: CaseWorld, head: Snapshot, meaning: Delta
) -> dict[DvcPointer, tuple[ModelVersion, str]]:
    """The pointer of every artifact that the change may be about, with its record and its state."""
    found: dict[DvcPointer, tuple[ModelVersion, str]] = {}
    for model in meaning.models:
        for version in head.versions(model):
            record, pointer = _read(head, model, version)
            state = world.artifacts.get(f"{model}/{version}", "present")
            if record is not None and pointer is not None and (pointer not in found or state != "present"):
                found[pointer] = (record, state)
    return found


def _read(head: Snapshot, model: str, version: Version) -> tuple[ModelVersion | None, DvcPointer | None]:
    try:
        record = head.record(model, version)
        return record, head.dvc_pointer(model, record) if record else None
    except InvalidManifest:  # the manifest rule reports it
        return None, None


def _demand_known(world: CaseWorld, head: Snapshot) -> None:
    """A name that means nothing would make a case pass for the wrong reason."""
    for name in world.artifacts:
        model, _, number = name.rpartition("/")
        version = parse_version(number)
        if version is None or model_name_problem(model) or not head.is_living(model, version):
            raise BrokenCase(("world", "artifacts", name), f"there is no version {name!r}")


def _presence(state: str, pointer: DvcPointer) -> Presence | Unknown:
    match state:
        case "missing":
            return Presence(missing=(pointer.md5,))
        case "corrupt":
            return Presence(corrupt=(f"{pointer.md5} is corrupt",))
        case "unknown":
            return Unknown(_WHY)
    return Presence()


def _contents(record: ModelVersion, state: str) -> Contents:
    artifact = record.artifact
    if state in {"missing", "corrupt"}:
        return f"it is {state} on the remote"
    if state == "unknown":
        return Unknown(_WHY)
    if artifact.files != 1:
        return Unknown("a case cannot make the files of a folder up")
    return (ListedFile("", artifact.size, artifact.digest.removeprefix("sha256:")),)
