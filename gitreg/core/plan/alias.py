"""Set and clear aliases."""

from __future__ import annotations

from gitreg.core.manifest import Alias
from gitreg.core.names import Version, pointer_name_problem
from gitreg.core.plan.plan import NothingToDo, Plan, written
from gitreg.core.record import Pin
from gitreg.core.snapshot import Snapshot
from gitreg.errors import NotFound, Refused, UsageError


def plan_set_alias(
    snapshot: Snapshot, model: str, alias: str, version: Version, *, even_if_barred: bool = False
) -> Plan:
    """Makes an alias name a version; ``even_if_barred`` plans also what policy forbids.

    Raises:
        UsageError: not an alias's name, or a stage's.
        NotFound: no such version.
        Refused: policy allows the alias only for versions of another stage.
        NothingToDo: it names this version already.
    """
    pin = snapshot.demand_record(model, version).pin
    problem = pointer_name_problem(alias)
    if problem:
        raise UsageError(f"{alias!r} cannot name an alias: {problem}")
    stages = {*snapshot.policy().stage_names, *snapshot.stages(model)}
    if alias.lower() in {stage.lower() for stage in stages}:
        raise UsageError(f"{alias!r} is the name of a stage", "choose another alias")
    stage = snapshot.policy().alias(alias).stage
    if stage is not None and snapshot.stage_of(model, version) != stage and not even_if_barred:
        raise Refused(
            f"@{alias} may name only versions in {stage}, and {model}/{version} is not",
            f"gitreg promote {model}/{version} --to {stage}",
        )
    return _point(snapshot, model, alias, pin, f"Point {model}@{alias} at version {version}")


def plan_clear_alias(snapshot: Snapshot, model: str, alias: str) -> Plan:
    """Makes an alias name nothing. Raises NotFound if it names nothing already."""
    old = snapshot.alias(model, alias)
    if old is None or old.pin is None:
        raise NotFound(f"{model!r} has no alias {alias!r}", f"gitreg alias list {model} shows all")
    return _point(snapshot, model, alias, None, f"Clear {model}@{old.alias}")


def _point(snapshot: Snapshot, model: str, alias: str, pin: Pin | None, title: str) -> Plan:
    old = snapshot.alias(model, alias) or Alias(model, alias, 0)
    if pin is not None and old.pin == pin:
        raise NothingToDo(f"{model}@{old.alias} already names version {pin.version}")
    new = Alias(model, old.alias, old.serial + 1, pin)
    path = snapshot.layout.alias(model, old.alias)
    edits: dict[str, bytes | None] = {
        path: written(snapshot, path, new.as_yaml(), ("serial", "version", "digest"))
    }
    target = [str(pin.version), pin.digest] if pin else None
    return Plan("alias", title, (model, old.alias, target, old.serial), edits)
