"""Builds the example registry's manifests from what train.py made: `python build.py TRAINED_DIR`.

Every step is the plan that the command of the same name would make, on fixed dates and by fixed people; the change
requests are left out. The rules files beside this script are written by hand.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gitreg.adapters.dvc.remote import open_store
from gitreg.core.digest import artifact_digest
from gitreg.core.manifest import Artifact
from gitreg.core.plan.alias import plan_set_alias
from gitreg.core.plan.evidence import NewEvidence, plan_evidence
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import NewModel, Registration, plan_register
from gitreg.core.plan.transition import plan_promote
from gitreg.core.ports import Identity
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from gitreg.flows.workspace import NoProgress

HERE = Path(__file__).parent
RULES = ("gitreg.yaml", "policy.yaml", ".dvc/config", ".dvc/.gitignore", ".gitignore", ".gitattributes")
DAN = Identity("Dan", "dan@example.com")
BEGIN = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

MODELS = {
    "credit-risk": NewModel(
        title="Credit risk (stand-in)",
        description="A binary classifier on scikit-learn's bundled breast cancer data: a stand-in for a real risk model.",
        owners=("risk-owners",),
        task="binary-classification",
        tags={"team": "risk"},
    ),
    "diabetes-progression": NewModel(
        title="Diabetes progression",
        description="A regressor on scikit-learn's bundled diabetes data.",
        task="regression",
        tags={"team": "health"},
    ),
    "digits": NewModel(
        title="Handwritten digits",
        description="A classifier of 8×8 images on scikit-learn's bundled digits data, as MLflow saves it.",
        task="multiclass-classification",
        tags={"team": "vision"},
    ),
}
REGISTER = (
    ("credit-risk", 1, "onnx"),
    ("credit-risk", 2, "onnx"),
    ("credit-risk", 3, "onnx"),
    ("diabetes-progression", 1, "joblib"),
    ("diabetes-progression", 2, "joblib"),
    ("digits", 1, "mlflow"),
)
MOVES = (
    ("credit-risk", 1, "staging"),
    ("credit-risk", 1, "production"),
    ("credit-risk", 3, "staging"),
    ("credit-risk", 3, "production"),
    ("credit-risk", 2, "staging"),
    ("diabetes-progression", 2, "staging"),
    ("digits", 1, "staging"),
)
ALIASES = (("credit-risk", "champion", 3), ("credit-risk", "challenger", 2), ("digits", "latest-reviewed", 1))


class Builder:
    """The registry's files as they grow, plan by plan, an hour each."""

    def __init__(self, trained: Path) -> None:
        self.trained = trained
        self.files = {path: (HERE / path).read_bytes() for path in RULES}
        self.now = BEGIN
        self.store = open_store((HERE / ".dvc/config").read_text(), HERE)

    def apply(self, make_plan: Callable[[Snapshot], Plan]) -> None:
        """Makes one plan and carries it out."""
        for path, data in make_plan(Snapshot(MemoryTree(self.files))).edits.items():
            if data is None:
                del self.files[path]
            else:
                self.files[path] = data
        self.now += timedelta(hours=1)

    def register(self, model: str, version: int, format: str) -> None:
        """Uploads a trained payload and registers it with all that was measured."""
        folder = self.trained / model / str(version)
        (payload_path,) = (folder / "payload").iterdir()
        payload = self.store.inspect(str(payload_path))
        self.store.upload(str(payload_path), payload, NoProgress())
        artifact = Artifact(
            path=payload.pointer.path,
            digest=artifact_digest(payload.files),
            size=payload.pointer.size,
            files=payload.pointer.files,
            format=format,
        )
        facts = {name: _facts(folder / f"{name}.json") for name in ("params", "metrics", "signature", "environment", "card")}
        asked = Registration(
            model, artifact, payload.pointer, DAN, self.now, create=MODELS[model] if version == 1 else None, **facts
        )
        self.apply(lambda snapshot: plan_register(snapshot, asked))
        holdout = _facts(folder / "evidence" / "holdout.json")
        evidence = NewEvidence(
            name="holdout",
            dataset=holdout["dataset"]["name"],
            dataset_digest=holdout["dataset"]["digest"],
            metrics=holdout["metrics"],
            created_by=DAN,
            created_at=self.now,
        )
        self.apply(lambda snapshot: plan_evidence(snapshot, model, version, evidence))

    def write(self) -> None:
        """Puts the manifests in place of those that are there."""
        shutil.rmtree(HERE / "models", ignore_errors=True)
        for path, data in self.files.items():
            (HERE / path).parent.mkdir(parents=True, exist_ok=True)
            (HERE / path).write_bytes(data)


def _facts(file: Path) -> Any:
    return json.loads(file.read_text())


def main(trained: Path) -> None:
    """Builds the whole registry."""
    shutil.rmtree(HERE / ".remote", ignore_errors=True)
    builder = Builder(trained)
    for model, version, format in REGISTER:
        builder.register(model, version, format)
    for model, version, stage in MOVES:
        builder.apply(lambda s, m=model, v=version, g=stage: plan_promote(s, m, v, g))  # type: ignore[misc]
    for model, alias, version in ALIASES:
        builder.apply(lambda s, m=model, a=alias, v=version: plan_set_alias(s, m, a, v))  # type: ignore[misc]
    builder.write()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
