"""How values are written for people: numbers, differences, sizes, digests."""

from __future__ import annotations

import json


def cut(text: str, most: int) -> str:
    """At most ``most`` characters of a text, the last one an ellipsis where some are missing."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def show_number(value: float) -> str:
    """A number to six digits; integers whole."""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def show_change(value: float | None) -> str:
    """A difference with its sign; nothing where there is none."""
    return "" if value is None else f"{value:+.6g}"


def show_percent(value: float | None) -> str:
    """A difference in percent with its sign; nothing where there is none."""
    if value is None:
        return ""
    return f"{value:+.2f}%" if 0.01 <= abs(value) < 1e6 else f"{value:+.2g}%"


def show_size(size: int) -> str:
    """A number of bytes in the largest binary unit (IEC 80000-13) that leaves at least one."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


def short_digest(digest: str) -> str:
    """The algorithm and twelve hex digits: enough to tell digests apart by eye, never to compare by."""
    return cut(digest, 20)


def show_plain(value: object) -> str:
    """A plain YAML value on one line: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
