"""A registry in memory, changes to it, and a world in which everything that could be known about them is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.codec.schema import Schemas
from gitreg.core.decode import show_time
from gitreg.core.delta import Delta, VersionRegistered, delta
from gitreg.core.findings import Finding
from gitreg.core.policy import Policy
from gitreg.core.ports import (
    FILE,
    Conversation,
    DvcPointer,
    Entry,
    ListedFile,
    Presence,
    Pusher,
    Signature,
    Statement,
    Tree,
)
from gitreg.core.record import ModelVersion
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree, OverlayTree, blob_oid, candidate, change_id, raw_changes
from gitreg.core.verify.approvals import approval_statement, evidence_digests, opening_statement
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.evidence import (
    Contents,
    Evidence,
    InnerChange,
    Landing,
    Required,
    Unknown,
    required_evidence,
)
from gitreg.core.verify.reviews import titles_of
from gitreg.core.verify.rule import Judged
from gitreg.errors import ConfigError
from gitreg.flows.verify import local_time

SCHEMAS = Path(__file__).parent.parent / "schemas"
BASE = Path(__file__).parent / "rules" / "base"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
TARGET = "refs/heads/main"

Files = Mapping[str, bytes]


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path in it."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@cache
def _base_files() -> dict[str, bytes]:
    return files_in(BASE)


def base_files() -> dict[str, bytes]:
    """The shared base registry."""
    return dict(_base_files())


def tree(files: Files, modes: Mapping[str, str] | None = None) -> Tree:
    """A tree of these files; ``modes`` has those that are not plain files."""
    memory = MemoryTree(files)
    entries: dict[str, Entry | None] = {
        path: Entry(mode, blob_oid(files[path])) for path, mode in (modes or {}).items()
    }
    return OverlayTree(memory, entries, memory) if entries else memory


def snapshot(files: Files, modes: Mapping[str, str] | None = None) -> Snapshot:
    """The registry that these files are."""
    return Snapshot(tree(files, modes))


@dataclass(frozen=True)
class World:
    """What is known about the world. As it stands here, everything is known, and nothing is wrong.

    ``author`` (None: unknown) is an admin; ``approvals`` are the persons who approved just now, or statements;
    ``soaked`` answers every soak question; ``presence`` and ``contents`` answer for artifacts by ``model/version``;
    ``zones`` has the time zones that are not known. ``conversation`` is what a hosted forge knows of the request, which
    then was opened at ``opened``; ``reviewed`` the change id of what its reviewers saw (None: of this very change).
    """

    author: str | None = "erin"
    author_body: Mapping[str, object] = field(default_factory=dict)
    author_signature: str | None = None
    approvals: tuple[Mapping[str, object], ...] | Unknown = tuple({"by": each} for each in ("alice", "bo"))
    soaked: bool | Unknown = True
    presence: Mapping[str, Presence | Unknown] = field(default_factory=dict)
    contents: Mapping[str, Contents] = field(default_factory=dict)
    zones: Mapping[str, Unknown] = field(default_factory=dict)
    now: datetime = NOW
    bootstrap: bool = False
    rules_changed: datetime | Unknown | None = None
    request: str = ""
    pusher: Pusher | None = None
    inner: tuple[InnerChange, ...] | Unknown = ()
    landing: Landing | None = None
    landers: Mapping[str, str | Unknown | None] = field(default_factory=dict)
    conversation: Conversation | Unknown | None = None
    reviewed: str | None = None
    opened: datetime | None = NOW - timedelta(hours=2)
    evidence_changed: datetime | Unknown | None = None


def judged(
    base: Snapshot, head: Snapshot, schemas: Schemas, world: World, merge_base: Snapshot | None = None
) -> Judged:
    """A change as the rules see it: ``head``'s difference from ``merge_base`` (by default ``base``), laid over it."""
    raw = tuple(raw_changes((merge_base or base).tree, head.tree))
    found = candidate(base.tree, raw, head.tree)
    head = base.with_tree(found.tree)
    changes = (*found.changes, *found.conflicts)
    meaning = delta(base, head, changes)
    evidence = _evidence(base, head, meaning, change_id(changes), world)
    return Judged(base, head, meaning, found.conflicts, evidence, schemas, world.bootstrap)


def verdict(
    base: Snapshot,
    head: Snapshot,
    schemas: Schemas,
    world: World | None = None,
    merge_base: Snapshot | None = None,
) -> list[Finding]:
    """The findings of a change."""
    return evaluate(judged(base, head, schemas, world or World(), merge_base))


def _evidence(base: Snapshot, head: Snapshot, meaning: Delta, id: str, world: World) -> Evidence:
    rules = head if world.bootstrap else base
    try:
        policy, registry = rules.policy(), rules.registry().id
    except (ConfigError, InvalidManifest):
        policy, registry = Policy(), ""
    required = required_evidence(base, head, meaning, policy)
    blob = rules.blob("policy.yaml")
    known = Evidence(
        now=world.now,
        target=TARGET,
        registry=registry,
        change_id=id,
        policy_blob=blob.oid if blob else "",
        presence=_presence(head, required, world),
        contents=_contents(head, meaning, required, world),
        soaks=dict.fromkeys(required.soaks, world.soaked),
        rules_changed=world.rules_changed if required.rules else Unknown("nobody asked"),
        local_times={zone: world.zones.get(zone, local_time(world.now, zone)) for zone in required.zones},
        request=world.request,
        pusher=world.pusher,
        inner=world.inner,
        landing=world.landing,
        landers={path: who for path, who in world.landers.items() if path in required.landers},
        conversation=world.conversation,
        reviewed=id if world.reviewed is None else world.reviewed,
        opened=world.opened,
        titles=titles_of(meaning, policy),
        evidence_changed=world.evidence_changed if required.evidence else None,
    )
    statements = _approvals(known, evidence_digests(head, meaning, policy), policy, world)
    return replace(known, author=_opening(known, policy, world), statements=statements)


def _artifacts(head: Snapshot) -> Iterator[tuple[str, ModelVersion, DvcPointer]]:
    """Every version that can be read, as ``model/version``, with its record and pointer."""
    for model in head.models():
        for version in head.versions(model):
            try:
                record = head.record(model, version)
                pointer = head.dvc_pointer(model, record) if record else None
            except InvalidManifest:
                continue
            if record is not None and pointer is not None:
                yield f"{model}/{version}", record, pointer


def _presence(head: Snapshot, required: Required, world: World) -> dict[DvcPointer, Presence | Unknown]:
    told: dict[DvcPointer, Presence | Unknown] = dict.fromkeys(required.presence, Presence())
    told |= {p: world.presence[name] for name, _, p in _artifacts(head) if name in world.presence}
    return {pointer: told[pointer] for pointer in required.presence}


def _contents(head: Snapshot, meaning: Delta, required: Required, world: World) -> dict[DvcPointer, Contents]:
    new = {f"{added.model}/{added.version}" for added in meaning.of(VersionRegistered)}
    found = {
        pointer: world.contents.get(name, (_file(record),))
        for name, record, pointer in _artifacts(head)
        if name in new
    }
    return {pointer: found[pointer] for pointer in required.contents if pointer in found}


def _file(record: ModelVersion) -> ListedFile:
    """The one file that a record describes."""
    return ListedFile("", record.artifact.size, record.artifact.digest.removeprefix("sha256:"))


def _key(person: str | None, policy: Policy) -> str | None:
    keys = [" ".join(key.split()[:2]) for each in policy.people if each.id == person for key in each.keys]
    return keys[0] if keys else None


def _opening(known: Evidence, policy: Policy, world: World) -> Statement | None:
    if world.author is None:
        return None
    body = opening_statement(known, world.now) | {"request": known.request}
    signature = Signature(
        _key(world.author, policy), not world.author_signature, world.author_signature or None
    )
    return Statement({**body, **world.author_body}, signature)


def _approvals(
    known: Evidence, digests: list[str], policy: Policy, world: World
) -> tuple[Statement, ...] | Unknown:
    if isinstance(world.approvals, Unknown):
        return world.approvals
    return tuple(_approval(known, digests, policy, world.now, each) for each in world.approvals)


def _approval(
    known: Evidence, digests: list[str], policy: Policy, now: datetime, said: Mapping[str, object]
) -> Statement:
    """``by`` is who signs, ``key`` another key, ``invalid`` what the signature lacks; all else is of the body."""
    rest = dict(said)
    by, key, invalid = rest.pop("by"), rest.pop("key", None), rest.pop("invalid", None)
    body = approval_statement(known, digests, now, now + timedelta(days=30))
    body |= {name: show_time(value) if isinstance(value, datetime) else value for name, value in rest.items()}
    body = {name: value for name, value in body.items() if value is not None}
    signature = Signature(str(key or _key(str(by), policy)), not invalid, str(invalid) if invalid else None)
    return Statement(body, signature)


def shown(findings: Iterable[Finding]) -> list[str]:
    """Findings as lines, for the message of a failing assertion."""
    return [f"{f.outcome} {f.rule} {f.location or '-'}: {f.message}" for f in findings]


__all__ = [
    "FILE",
    "NOW",
    "SCHEMAS",
    "World",
    "base_files",
    "files_in",
    "judged",
    "shown",
    "snapshot",
    "tree",
    "verdict",
]
