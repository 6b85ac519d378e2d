"""Plain-text tables: no borders, aligned also where characters are two columns wide, numbers to the right."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

from gitreg.core.report.show import show_number
from gitreg.core.report.text import printable

Cell: TypeAlias = str | int | float | None

_GAP = "  "


#: No column of text is cut to fewer terminal columns than this.
_LEAST = 12


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    width: int | None = None,
    cutting: Collection[str] | None = None,
) -> str:
    """Lines of aligned columns under their headers, without a final newline.

    A column of numbers alone is aligned to the right, its header too; None is an empty cell. Texts may come from
    anywhere: control characters are escaped.

    Args:
        width: how many terminal columns there are; the widest texts are cut to fit, if they can be.
        cutting: the headers of the columns whose texts may be cut (None: all).
    """
    cells = [list(row) for row in rows]
    right = [_is_numeric([row[column] for row in cells]) for column in range(len(headers))]
    lines = [[printable(header) for header in headers], *([_shown(cell) for cell in row] for row in cells)]
    widths = [max(display_width(line[column]) for line in lines) for column in range(len(headers))]
    if width is not None:
        soft = [
            not is_number and (cutting is None or header in cutting)
            for header, is_number in zip(headers, right, strict=True)
        ]
        widths = _narrowed(widths, soft, width)
        lines = [[_cut(cell, most) for cell, most in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(_line(line, widths, right) for line in lines)


def _narrowed(widths: list[int], soft: Sequence[bool], width: int) -> list[int]:
    """The widths with those of the widest ``soft`` columns made less, until all fit or none can give more."""
    found = list(widths)
    over = sum(found) + len(_GAP) * (len(found) - 1) - width
    while over > 0:
        wide = [n for n, each in enumerate(found) if soft[n] and each > _LEAST]
        if not wide:
            break
        found[max(wide, key=lambda n: found[n])] -= 1
        over -= 1
    return found


def _cut(cell: str, most: int) -> str:
    """The beginning of a text that is too wide, with an ellipsis."""
    if display_width(cell) <= most:
        return cell
    kept, used = "", 0
    for character in cell:
        used += _columns(character)
        if used > most - 1:
            break
        kept += character
    return f"{kept}…"


def _is_numeric(column: Sequence[Cell]) -> bool:
    present = [cell for cell in column if cell is not None]
    return bool(present) and all(
        isinstance(cell, int | float) and not isinstance(cell, bool) for cell in present
    )


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return printable(cell) if isinstance(cell, str) else show_number(cell)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        padding + cell if to_right else cell + padding
        for cell, width, to_right in zip(cells, widths, right, strict=True)
        for padding in [" " * (width - display_width(cell))]
    )
    return _GAP.join(padded).rstrip()


def display_width(text: str) -> int:
    """How many terminal columns a text takes (https://www.unicode.org/reports/tr11/): marks none, wide ones two."""
    return len(text) if text.isascii() else sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
