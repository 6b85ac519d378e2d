"""Versions that are called imported so that the gates look away."""

from __future__ import annotations

from collections.abc import Mapping

from flow_kit import promote

from attacks.attack_kit import Ground, attack
from attacks.attack_words import says
from gitreg.core.names import Version
from gitreg.core.plan.alias import plan_clear_alias
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.transition import plan_demote, plan_promote
from gitreg.core.record import ImportedFrom
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import edited

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


def numbered(edits: Mapping[str, bytes | None], number: int) -> dict[str, bytes | None]:
    """Version 4 as another one."""
    old, new = b"version: 4\n", b"version: %d\n" % number
    return {
        path.replace("versions/4/", f"versions/{number}/"): data and data.replace(old, new)
        for path, data in edits.items()
    }


@attack(expect=("GR108", "GR401"))
def two_into_a_stage_for_one(ground: Ground) -> None:
    """Production holds one version; two come in from elsewhere at once, and which of them serves nobody approved."""
    edits = {**claimed(ground), **numbered(claimed(ground), 5)}
    commit = ground.edit(edits)
    both = entering(ground.snapshot(commit), "production", 4)
    path = next(iter(both))
    record = ground.snapshot(commit).demand_record("credit-risk", 5)
    both[path] = both[path].replace(b"versions: [", b"versions: [%r, " % record.pin.as_yaml())
    ground.push(ground.tip(), "attacker")
    ground.edit({**edits, **both})


@attack(expect="GR206")
def over_a_tombstone(ground: Ground) -> None:
    """What was deleted comes back under its number, with other bytes, from elsewhere."""
    ground.plan(lambda s: plan_delete_version(s, "credit-risk", 3, None, ground.desk.now), branch="main")
    ground.edit(numbered(claimed(ground), 3))


@attack(expect="GR204", then=says("a rename carries every file over"))
def carried_along_by_a_rename(ground: Ground) -> None:
    """All that a rename adds below the new name is the rename's: so are, perhaps, a version and its way to a stage."""
    edits = claimed(ground)
    commit = ground.edit(edits)
    edits |= entering(ground.snapshot(commit), "staging", 4)
    ground.push(ground.tip(), "attacker")
    moved = plan_rename(ground.snapshot(), "credit-risk", "risk", ground.desk.now).edits
    own = {
        path.replace("models/credit-risk/", "models/risk/"): data and data.replace(b"credit-risk", b"risk")
        for path, data in edits.items()
    }
    ground.edit({**moved, **own})


@attack(expect="GR205")
def with_the_rules_that_it_needs(ground: Ground) -> None:
    """The import and the policy that asks nobody for it, in one change."""
    lax = ground.read(POLICY).replace("approvals: [{group: risk-owners, count: 1}]", "approvals: []")
    ground.edit({**claimed(ground), POLICY: lax})


@attack(expect="GR401", then=says("importing versions needs 1 approval of risk-owners"))
def by_its_number_alone(ground: Ground) -> None:
    """A number out of turn is an import, too, with all that is spared imports; nothing in its record says so."""
    edits = numbered(ground.new_version(4), 9)
    commit = ground.edit(edits)
    ground.push(ground.tip(), "attacker")
    ground.edit({**edits, **entering(ground.snapshot(commit), "staging", 9)})


@attack(expect="GR209", then=says("gives the record other content"))
def with_another_record_among_its_steps(ground: Ground) -> None:
    """An import may have a history of its own: in it the version has other metrics, under its number for ever."""
    edits = claimed(ground)
    record = next(path for path in edits if path.endswith("version.yaml"))
    base = ground.tip()
    ground.git("fetch", "-q", "origin")
    better = ground.commit(
        ground.tree({**edits, record: (edits[record] or b"").replace(b"0.9", b"0.99")}, base), base
    )
    last = ground.commit(ground.tree({record: edits[record]}, better), better)
    ground.push(ground.commit(ground.tree({}, last), base, last))


@attack(expect="GR209")
def with_a_strange_history_for_its_steps(ground: Ground) -> None:
    """The second parent has nothing in common with the registry, and brings whatever it likes into its history."""
    base = ground.tip()
    ground.git("fetch", "-q", "origin")
    record = "models/credit-risk/versions/3/version.yaml"
    other = ground.commit(ground.tree({record: ground.read(record).replace("0.9", "0.99"), "README": "x"}))
    ground.push(ground.commit(ground.tree(claimed(ground), base), base, other))


@attack(expect="GR401", then=says("moving @champion needs 1 approval of risk-owners"))
def alias_cleared_by_a_deletion(ground: Ground) -> None:
    """Who deletes a version clears its aliases with it: one of them is protected."""
    ground.plan(lambda s: plan_demote(s, "credit-risk", 1, "none"), branch="main")
    ground.plan(lambda s: plan_delete_version(s, "credit-risk", 1, None, ground.desk.now, clear_aliases=True))


@attack(expect="GR204", then=says("is deleted while @champion names a version"))
def alias_gone_with_the_model(ground: Ground) -> None:
    """All paths of a model go with it, and with them the alias that policy protects."""
    ground.plan(
        lambda s: plan_demote(s, "credit-risk", 1, "none"),
        lambda s: plan_demote(s, "credit-risk", 2, "none"),
        branch="main",
    )
    now = ground.snapshot()
    cleared = plan_clear_alias(now, "credit-risk", "champion").edits
    free = now.with_tree(edited(now.tree, cleared))
    ground.edit(plan_delete_model(free, "credit-risk", None, ground.desk.now).edits)
