"""Two versions compared, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from gitreg.core.compare import Comparison, Entry, Metric, Status, changed
from gitreg.core.report.show import cut, show_change, show_number, show_percent, show_plain
from gitreg.core.report.tables import Cell, table
from gitreg.core.report.text import printable

#: How much of a value is shown in a column.
_COLUMN = 48

_MARKS = {Status.SAME: " ", Status.CHANGED: "~", Status.ADDED: "+", Status.REMOVED: "-"}


def compare_text(comparison: Comparison) -> str:
    """A table for each part that differs: changed values first, marked ``~``, ``+`` or ``-``.

    All metrics are shown; of other parts what is the same is only counted.
    """
    sections = [_metrics(comparison)] if comparison.metrics else []
    sections += [_part(comparison, name, found) for name, found in comparison.parts.items() if changed(found)]
    same = [
        f"{name} ({len(found)})" for name, found in comparison.parts.items() if found and not changed(found)
    ]
    if same:
        sections.append(f"the same: {', '.join(same)}")
    title = f"{printable(comparison.one)} → {printable(comparison.other)}"
    return "\n\n".join([title, *sections])


def _metrics(comparison: Comparison) -> str:
    headers = ["", "metrics", comparison.one, comparison.other, "difference", "percent", ""]
    ordered = sorted(comparison.metrics, key=lambda metric: metric.status is Status.SAME)
    return table(headers, [_metric(metric) for metric in ordered])


def _metric(metric: Metric) -> Sequence[Cell]:
    same = metric.status is Status.SAME
    return [
        _MARKS[metric.status],
        metric.key,
        metric.one,
        metric.other,
        "" if same else show_change(metric.difference),
        "" if same else show_percent(metric.percent),
        metric.trend.value if metric.trend and not same else "",
    ]


def _part(comparison: Comparison, name: str, found: tuple[Entry, ...]) -> str:
    differing = changed(found)
    rows: list[Sequence[Cell]] = [
        [_MARKS[entry.status], entry.key, _value(entry.one), _value(entry.other)] for entry in differing
    ]
    if len(differing) < len(found):
        rows.append(["", f"({len(found) - len(differing)} the same)", "", ""])
    return table(["", name, comparison.one, comparison.other], rows)


def _value(value: object) -> Cell:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return show_number(value)
    return cut(printable(show_plain(value)), _COLUMN)
