"""A small registry for tests of reports, search and comparison, built by plans as the tool builds one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from gitreg.core.codec.schema import Schemas
from gitreg.core.plan.alias import plan_set_alias
from gitreg.core.plan.annotate import plan_annotate
from gitreg.core.plan.evidence import NewEvidence, plan_evidence
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import NewModel, Registration, plan_register
from gitreg.core.plan.transition import plan_promote
from gitreg.core.ports import DvcPointer, Identity
from gitreg.core.record import Artifact
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree, files_below
from gitreg.core.verify.rule import Judged
from tests.registry_kit import World, judged

ALICE = Identity("Alice", "alice@example.com")
CREATED = datetime(2026, 11, 20, 10, tzinfo=UTC)
CARD = {"intended_use": "Retail credit.", "limitations": "None known.", "biases": "Few young people."}

GITREG = b"""\
apiVersion: gitreg/v1
kind: Registry
id: 7f0c2a3e-5b1d-4c8e-9a44-0d6f3a1b2c5d
name: tests
branch: main
"""
POLICY = b"""\
apiVersion: gitreg/v1
kind: Policy
people:
  - {id: alice, github: alice-gh, keys: [ssh-ed25519 AlicesKeyAAAAAAAAAAA]}
  - {id: bo, github: bo-gh, keys: [ssh-ed25519 BosKeyAAAAAAAAAAAAAA]}
  - {id: erin, github: erin-gh, keys: [ssh-ed25519 ErinsKeyAAAAAAAAAAAA]}
groups: {ml-platform: [bo], risk-owners: [alice, erin]}
rules: {owners: [risk-owners], approvals: [{group: risk-owners}]}
stages:
  - {name: staging, from: [none, archived]}
  - name: production
    from: [staging]
    holds: 1
    replaced: archived
    soak: {in: staging, for: 24h}
    approvals: [{group: risk-owners, count: 1}]
    rollback: {approvals: [{group: ml-platform, count: 1}]}
    gates:
      - {metric: roc_auc, min: 0.85, worse_than_holder_by_at_most: 0.005}
      - {metric: log_loss, max: 0.5, direction: lower}
      - {schema: {required: [signature]}}
      - {formats: {deny: [pickle]}}
      - {card: [intended_use]}
  - {name: archived, from: [staging, production]}
aliases: [{name: champion, stage: production, protected: true}]
"""


def digest(number: int) -> str:
    """A digest like no other number's."""
    return f"sha256:{number:064x}"


def after(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """The registry once a plan has landed."""
    return laid(snapshot, plan.edits)


def laid(snapshot: Snapshot, edits: Mapping[str, bytes | None]) -> Snapshot:
    """The registry with some files written or removed, in a tree of its own: overlays upon overlays are slow."""
    files = {path: snapshot.tree.blob(entry.oid) for path, entry in files_below(snapshot.tree, "")} | dict(
        edits
    )
    return snapshot.with_tree(MemoryTree({path: data for path, data in files.items() if data is not None}))


def registration(model: str, number: int, **said: Any) -> Registration:
    """A registration of the bytes that ``number`` stands for."""
    artifact = said.pop("artifact", Artifact("model.onnx", digest(number), 1_048_576, 1, "onnx"))
    pointer = DvcPointer(artifact.path, f"{number:032x}", artifact.size, artifact.files)
    said = {"created_by": ALICE, "created_at": CREATED, "create": NewModel()} | said
    return Registration(model, artifact, pointer, **said)


def register(snapshot: Snapshot, model: str, number: int, **said: Any) -> Snapshot:
    """The registry with one version more."""
    return after(snapshot, plan_register(snapshot, registration(model, number, **said)))


def empty() -> Snapshot:
    """A registry of rules alone."""
    return Snapshot(MemoryTree({"gitreg.yaml": GITREG, "policy.yaml": POLICY}))


def columns(names: str) -> dict[str, object]:
    """A JSON Schema of rows with these numeric columns."""
    return {"type": "object", "properties": {name: {"type": "number"} for name in names.split()}}


@cache
def credit_risk() -> Snapshot:
    """``credit-risk``: 1 archived, 2 in production and champion, 3 better and in staging, 4 a pickle in no stage."""
    versions: list[dict[str, Any]] = [
        {"metrics": {"roc_auc": 0.90}},
        {
            "metrics": {"roc_auc": 0.94, "log_loss": 0.3, "accuracy": 0.9},
            "params": {"depth": 3, "scaled": True, "C": 1.0},
            "signature": {"inputs": columns("age income"), "outputs": {"type": "number"}},
            "environment": {"python": "3.11", "requirements": ["numpy==2.4.5", "onnxruntime==1.31.1"]},
            "source": {"commit": "a1b2c3d", "data": [{"name": "train", "digest": digest(77)}]},
        },
        {
            "metrics": {"roc_auc": 0.945, "log_loss": 0.35, "accuracy": 0.9, "recall": 0.8},
            "params": {"depth": 4, "scaled": True, "C": 1.0},
            "signature": {"inputs": columns("age debt"), "outputs": {"type": "number"}},
            "environment": {"python": "3.11", "requirements": ["numpy==2.4.6", "onnxruntime==1.31.1"]},
            "source": {"commit": "a1b2c3d", "data": [{"name": "train", "digest": digest(78)}]},
        },
        {"artifact": Artifact("model.pkl", digest(4), 2_000, 1, "pickle"), "metrics": {"roc_auc": 0.7}},
    ]
    found = empty()
    for number, said in enumerate(versions, 1):
        new = NewModel(owners=("dan", "bo"), task="classification", tags={"team": "risk", "tier": "1"})
        found = register(found, "credit-risk", number, create=new, card=CARD, **said)
    for version in (1, 2):
        for stage in ("staging", "production"):
            found = after(found, plan_promote(found, "credit-risk", version, stage))
    found = after(found, plan_promote(found, "credit-risk", 3, "staging"))
    return after(found, plan_set_alias(found, "credit-risk", "champion", 2))


def annotated(snapshot: Snapshot, version: int, edits: Mapping[tuple[str, ...], object]) -> Snapshot:
    """The registry with other notes on a version of ``credit-risk``."""
    return after(snapshot, plan_annotate(snapshot, "credit-risk", version, edits))


def with_evidence(snapshot: Snapshot, version: int, metrics: Mapping[str, float]) -> Snapshot:
    """The registry with evidence on a version of ``credit-risk``."""
    new = NewEvidence("holdout", "holdout-2026", digest(99), metrics, ALICE, CREATED)
    return after(snapshot, plan_evidence(snapshot, "credit-risk", version, new))


def change(base: Snapshot, head: Snapshot, schemas: Schemas, **world: Any) -> Judged:
    """A change as it is judged, in a world in which all is well but for what is said."""
    return judged(base, head, schemas, World(**world))
