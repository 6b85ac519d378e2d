"""Versions that are called imported so that the gates look away."""

from __future__ import annotations

from flow_kit import promote

from attacks.attack_kit import Ground, attack
from attacks.attack_words import says
from gitreg.core.names import Version
from gitreg.core.plan.transition import plan_promote
from gitreg.core.record import ImportedFrom
from gitreg.core.snapshot import Snapshot

POLICY = "policy.yaml"
ORIGIN = "imported_from: {system: mlflow, registry: 'https://mlflow.example.com', model: m, version: '4'}\n"


def claimed(ground: Ground, number: int = 4) -> dict[str, bytes | None]:
    """A version as anybody registers one, but for the line that says that it comes from elsewhere."""
    origin = ImportedFrom("mlflow", "https://mlflow.example.com", "credit-risk", str(number))
    return ground.new_version(number, imported_from=origin)


def entering(snapshot: Snapshot, stage: str, version: Version) -> dict[str, bytes]:
    """The stage file with one more version, and everything else as it should be."""
    path = snapshot.layout.stage("credit-risk", stage)
    record = snapshot.demand_record("credit-risk", version)
    old = snapshot.stage("credit-risk", stage)
    held = [pin.as_yaml() for pin in (old.versions if old else ())]
    lines = [
        "apiVersion: gitreg/v1",
        "kind: StageAssignment",
        "model: credit-risk",
        f"stage: {stage}",
        f"serial: {(old.serial if old else 0) + 1}",
        f"versions: {[*held, record.pin.as_yaml()]}",
        f"previous: {held}",
        "",
    ]
    return {path: "\n".join(lines).encode()}


def imported_to(ground: Ground, stage: str) -> None:
    """The claimed version and the stage that it enters, in one commit."""
    edits = claimed(ground)
    commit = ground.edit(edits)
    ground.push(ground.tip(), "attacker")
    ground.edit({**edits, **entering(ground.snapshot(commit), stage, 4)})


@attack(expect="GR401", then=says("importing versions needs 1 approval of risk-owners"))
def past_a_gate(ground: Ground) -> None:
    """Staging asks for a metric, and for nobody's approval; what is imported need not have the metric."""
    imported_to(ground, "staging")


@attack(expect=("GR401", "GR108"), then=says("entering production needs 1 approval of risk-owners"))
def past_the_stage_before(ground: Ground) -> None:
    """Versions reach production by way of staging; what is imported comes from nowhere."""
    imported_to(ground, "production")


@attack(expect="GR401", then=says("leaving production needs 1 approval of risk-owners"))
def with_the_holder_pushed_out(ground: Ground) -> None:
    """The holder of production gives way to what is imported, to where nobody is asked."""
    edits = claimed(ground)
    commit = ground.edit(edits)
    moved = plan_promote(ground.snapshot(commit), "credit-risk", 4, "production", even_if_barred=True)
    ground.push(ground.tip(), "attacker")
    ground.edit({**edits, **moved.edits})


@attack(expect="GR302", then=says("may not enter staging"))
def imported_first_and_moved_later(ground: Ground) -> None:
    """The import was approved, with the version in no stage; the line stays in its record, and opens staging."""
    edits = claimed(ground)
    record = next(path for path in edits if path.endswith("version.yaml"))
    edits[record] = (edits[record] or b"").replace(b"roc_auc: 0.9", b"roc_auc: 0.1")
    ground.land(edits)
    ground.edit(entering(ground.snapshot(), "staging", 4))


@attack(expect="GR202")
def origin_written_into_an_old_record(ground: Ground) -> None:
    """Version 3 becomes an import afterwards, in the change that moves it."""
    path = "models/credit-risk/versions/3/version.yaml"
    moved = promote(3, "staging")(ground.snapshot()).edits
    ground.edit({**moved, path: ground.read(path) + ORIGIN})


@attack(expect="GR302", then=says("credit-risk/3 may not enter staging"))
def with_another_version_beside_it(ground: Ground) -> None:
    """What is imported opens the stage also for a version that was here and has not the metric."""
    policy = ground.read(POLICY)
    ground.land({POLICY: policy.replace("min: 0.5", "min: 0.95")})
    edits = claimed(ground)
    ground.edit({**edits, **entering(ground.snapshot(), "staging", 3)})


@attack(expect="GR401", then=says("moving @champion needs 1 approval of risk-owners"))
def with_a_protected_alias(ground: Ground) -> None:
    """An alias that deploy tooling follows moves along with the import, as if it belonged to it."""
    edits = claimed(ground)
    alias = "models/credit-risk/aliases/champion.yaml"
    commit = ground.edit(edits)
    pin = ground.snapshot(commit).demand_record("credit-risk", 4).pin
    old = ground.snapshot().alias("credit-risk", "champion")
    assert old is not None
    assert old.pin is not None
    text = ground.read(alias)
    text = text.replace(f"serial: {old.serial}", f"serial: {old.serial + 1}")
    text = text.replace(f"version: {old.pin.version}", "version: 4").replace(old.pin.digest, pin.digest)
    ground.push(ground.tip(), "attacker")
    ground.edit({**edits, alias: text})
