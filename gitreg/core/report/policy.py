"""The policy as it is for one model: every setting of every stage, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitreg.core.codec.yaml import flow_text
from gitreg.core.policy import Policy
from gitreg.core.report.tables import Cell, table
from gitreg.core.report.text import printable

#: What stands beside the stages in the file, and is not for everyone's eyes or shown another way.
_SHOWN_APART = frozenset({"apiVersion", "kind", "people", "stages", "overrides"})


def policy_json(policy: Policy, written: Mapping[str, object], model: str | None) -> dict[str, object]:
    """The policy as plain values, its stages as they are for ``model``; for None without overrides.

    Args:
        written: the parsed file, so that what other parts of the policy say is shown just as it is written.
    """
    rest = {key: value for key, value in written.items() if key not in _SHOWN_APART}
    return {
        "model": model,
        "stages": [
            {key: setting.value for key, setting in (policy.settings(name, model) or {}).items()}
            for name in _stages(policy)
        ],
        "people": [person.id for person in policy.people],
        **rest,
    }


def policy_text(policy: Policy, written: Mapping[str, object], model: str | None) -> str:
    """A row for each setting of each stage, then one for each of the policy's other parts."""
    about = printable(model) if model is not None else "all models, but for what overrides say of some"
    stages = table(["stage", "setting", "value", "set by"], _stage_rows(policy, model))
    rest = table(["", "name", "value"], _rest_rows(policy, written))
    overrides = [] if model is not None else _override_lines(policy)
    return "\n".join([f"the policy for {about}", "", stages, "", rest, *overrides])


def _stages(policy: Policy) -> list[str]:
    """The stages in display order, ``none`` where the policy says something of it."""
    return [str(stage["name"]) for stage in policy.stages]


def _stage_rows(policy: Policy, model: str | None) -> Iterator[list[Cell]]:
    for name in _stages(policy):
        rows = list(_setting_rows(policy, name, model)) or [["", "nothing is asked for", ""]]
        for index, row in enumerate(rows):
            yield [name if index == 0 else "", *row]


def _setting_rows(policy: Policy, name: str, model: str | None) -> Iterator[list[Cell]]:
    for key, setting in (policy.settings(name, model) or {}).items():
        origin = f"the override for {', '.join(setting.models)}" if setting.models else ""
        if key != "name":
            yield from _values(key, setting.value, origin)


def _values(key: str, value: object, origin: str) -> Iterator[list[Cell]]:
    """One row for a value; of a list of mappings (gates, approvals) one for each."""
    each = value if isinstance(value, list) and any(isinstance(item, dict) for item in value) else [value]
    for index, item in enumerate(each):
        first = index == 0
        yield [key if first else "", flow_text(item), origin if first else ""]


def _rest_rows(policy: Policy, written: Mapping[str, object]) -> Iterator[list[Cell]]:
    yield ["people", "", ", ".join(person.id for person in policy.people)]
    for key, value in written.items():
        if key in _SHOWN_APART:
            continue
        items = value.items() if isinstance(value, dict) else [("", value)]
        rows = [row for name, item in items for row in _values(str(name), item, "")]
        for index, (name, shown, _) in enumerate(rows):
            yield [key if index == 0 else "", name, shown]


def _override_lines(policy: Policy) -> list[str]:
    if not policy.overrides:
        return []
    globs = [", ".join(override.models) for override in policy.overrides]
    return ["", f"overrides for: {printable('; '.join(globs))} (--model NAME shows what holds for one)"]
