"""Add evidence to a version, and retract it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gitreg.core.decode import show_time
from gitreg.core.names import Version, fold, model_name_problem
from gitreg.core.plan.plan import Plan, checked, new_file
from gitreg.core.ports import Identity
from gitreg.core.snapshot import Snapshot
from gitreg.errors import Refused, UsageError


@dataclass(frozen=True, slots=True)
class NewEvidence:
    """Metrics of a version on one data set (``dataset_digest`` is ``sha256:…``), and where they come from."""

    name: str
    dataset: str
    dataset_digest: str
    metrics: Mapping[str, float]
    created_by: Identity
    created_at: datetime
    source: str | None = None


def plan_evidence(snapshot: Snapshot, model: str, version: Version, new: NewEvidence) -> Plan:
    """Adds evidence. Raises NotFound, UsageError (bad name), Refused (the name is taken)."""
    record = snapshot.demand_record(model, version)
    path = _free_path(snapshot, model, version, new.name)
    body = {
        "model": model,
        "version": version,
        "name": new.name,
        "digest": record.artifact.digest,
        "dataset": {"name": new.dataset, "digest": new.dataset_digest},
        "metrics": dict(new.metrics),
        "source": new.source,
        "created_at": show_time(new.created_at),
        "created_by": {"name": new.created_by.name, "email": new.created_by.email},
    }
    title = f"Add evidence {new.name} to {model}/{version}"
    said = [new.dataset, new.dataset_digest, sorted(new.metrics.items())]
    edits = {path: new_file("Evidence", body)}
    return checked(snapshot, Plan("evidence", title, (model, str(version), new.name, said), edits))


def _free_path(snapshot: Snapshot, model: str, version: Version, name: str) -> str:
    path = snapshot.layout.version(model, version, f"evidence/{name}.yaml")
    if snapshot.layout.place(path).kind != "Evidence" or model_name_problem(name):
        raise UsageError(f"{name!r} cannot name evidence", "use letters, digits, '_' and '-'")
    folder, _, file = path.rpartition("/")
    if any(fold(other) == fold(file) for other in snapshot.tree.list(folder)):
        raise Refused(
            f"{model}/{version} has evidence {name!r}, and evidence is never edited", "choose another name"
        )
    return path


def plan_retract(
    snapshot: Snapshot, model: str, version: Version, name: str, reason: str, by: Identity, now: datetime
) -> Plan:
    """Adds a retraction beside evidence.

    Raises Refused (no such evidence, or it is retracted), UsageError (the reason is too long, say).
    """
    if name not in snapshot.evidence_names(model, version):
        raise Refused(
            f"{model}/{version} has no evidence {name!r} that counts", "gitreg show lists its evidence"
        )
    body = {
        "model": model,
        "version": version,
        "name": name,
        "reason": reason,
        "created_at": show_time(now),
        "created_by": {"name": by.name, "email": by.email},
    }
    path = snapshot.layout.version(model, version, f"evidence/{name}.retracted.yaml")
    title = f"Retract evidence {name} of {model}/{version}"
    edits: dict[str, bytes | None] = {path: new_file("EvidenceRetraction", body)}
    return checked(snapshot, Plan("evidence", title, (model, str(version), name, "retract"), edits))
