"""Delete a version or a model: a tombstone takes its place, and its numbers stay taken."""

from __future__ import annotations

from datetime import datetime

from gitreg.core.decode import show_time
from gitreg.core.names import NONE, Version, version_key
from gitreg.core.plan.alias import plan_clear_alias
from gitreg.core.plan.plan import Plan, checked, demand_model, new_file
from gitreg.core.record import Pin
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import files_below
from gitreg.errors import Refused


def plan_delete_version(
    snapshot: Snapshot,
    model: str,
    version: Version,
    reason: str | None,
    now: datetime,
    *,
    clear_aliases: bool = False,
    even_if_used: bool = False,
) -> Plan:
    """Replaces a version's files with a tombstone.

    Args:
        clear_aliases: makes the aliases that name it name nothing, in the same change.
        even_if_used: plans it also where a pointer names it, for those who ask what the rules say of it.

    Raises:
        NotFound: no such version.
        Refused: a stage or an alias names it.
        UsageError: the reason is too long, say.
    """
    record = snapshot.demand_record(model, version)
    if not even_if_used:
        _demand_no_stage(snapshot, model, version)
    cleared = _cleared(snapshot, model, version) if clear_aliases else {}
    if not (even_if_used or cleared):
        _demand_no_alias(snapshot, model, version)
    folder = snapshot.layout.version(model, version, "").rstrip("/")
    edits = {**{path: None for path, _ in files_below(snapshot.tree, folder)}, **cleared}
    body = {
        "model": model,
        "version": version,
        "digest": record.artifact.digest,
        "deleted_at": show_time(now),
        "reason": reason,
    }
    edits[f"{folder}/tombstone.yaml"] = new_file("VersionTombstone", body)
    return checked(snapshot, Plan("delete", f"Delete {model}/{version}", (model, str(version)), edits))


def _cleared(snapshot: Snapshot, model: str, version: Version) -> dict[str, bytes | None]:
    plans = [plan_clear_alias(snapshot, model, alias) for alias in snapshot.aliases_of(model, version)]
    return {path: data for plan in plans for path, data in plan.edits.items()}


def plan_delete_model(
    snapshot: Snapshot, model: str, reason: str | None, now: datetime, *, even_if_used: bool = False
) -> Plan:
    """Replaces a model's files with a tombstone that lists its versions; ``even_if_used`` as for a version.

    Raises NotFound, Refused (a pointer is not empty), UsageError (the reason is too long, say).
    """
    demand_model(snapshot, model)
    for version in () if even_if_used else snapshot.versions(model):
        _demand_unused(snapshot, model, version)
    folder = snapshot.layout.model(model, "").rstrip("/")
    pins = [{"version": pin.version, "digest": pin.digest} for pin in _pins(snapshot, model)]
    body = {"model": model, "versions": pins, "deleted_at": show_time(now), "reason": reason}
    edits: dict[str, bytes | None] = {path: None for path, _ in files_below(snapshot.tree, folder)}
    # new_file leaves empty lists out, and this key must be there
    text = new_file("ModelTombstone", body)
    edits[f"{folder}/tombstone.yaml"] = text if pins else text + b"versions: []\n"
    return checked(snapshot, Plan("delete", f"Delete {model}", (model, len(pins)), edits))


def _pins(snapshot: Snapshot, model: str) -> list[Pin]:
    """Every version that the name ever had, with the digest of its bytes."""
    old = snapshot.model_tombstone(model)
    pins = {pin.version: pin for pin in (old.versions if old else ())}
    for version in snapshot.numbers(model):
        record = snapshot.record(model, version)
        tombstone = snapshot.version_tombstone(model, version)
        if record is not None:
            pins[version] = record.pin
        elif tombstone is not None:
            pins[version] = Pin(version, tombstone.digest)
    return sorted(pins.values(), key=lambda pin: version_key(pin.version))


def _demand_unused(snapshot: Snapshot, model: str, version: Version) -> None:
    _demand_no_stage(snapshot, model, version)
    _demand_no_alias(snapshot, model, version)


def _demand_no_stage(snapshot: Snapshot, model: str, version: Version) -> None:
    stage = snapshot.stage_of(model, version)
    if stage != NONE:
        raise Refused(
            f"{model}/{version} is in {stage} and cannot be deleted",
            f"gitreg demote {model}/{version} --to none",
        )


def _demand_no_alias(snapshot: Snapshot, model: str, version: Version) -> None:
    aliases = snapshot.aliases_of(model, version)
    if aliases:
        raise Refused(
            f"{model}@{aliases[0]} names version {version}, which so cannot be deleted",
            f"gitreg alias delete {model} {aliases[0]}",
        )
