"""What ``gitreg doctor`` found, for the terminal and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gitreg.core.doctor.point import Point, exit_code
from gitreg.core.report.tables import display_width
from gitreg.core.report.text import printable

_BOXES = {True: "[x]", False: "[ ]", None: "[?]"}
_ADVICE = "[-]"


def doctor_text(sections: Mapping[str, Sequence[Point]]) -> str:
    """A box for each point, under what it is about; then a line that sums up.

    ``[x]`` it is so, ``[ ]`` it is not, ``[?]`` it could not be found out, ``[-]`` advice that is not followed.
    """
    width = max((display_width(point.name) for points in sections.values() for point in points), default=0)
    lines: list[str] = []
    for about, points in sections.items():
        lines += [f"{printable(about)}:", *_section(points, width), ""]
    return "\n".join([*lines, _summary([point for points in sections.values() for point in points])])


def _section(points: Sequence[Point], width: int) -> Iterator[str]:
    """What mends several points in a row is said once, below the last of them."""
    for number, point in enumerate(points):
        following = points[number + 1] if number + 1 < len(points) else None
        yield from _lines(point, width, is_told_below=following is not None and _same_fix(point, following))


def _same_fix(one: Point, other: Point) -> bool:
    return (one.fix, one.needed) == (other.fix, other.needed) and True not in (one.ok, other.ok)


def _lines(point: Point, width: int, *, is_told_below: bool) -> Iterator[str]:
    box = _ADVICE if not point.needed and point.ok is False else _BOXES[point.ok]
    name = point.name + " " * (width - display_width(point.name))
    yield f"  {box} {name}  {printable(point.text)}"
    if point.fix and point.ok is not True and not is_told_below:
        yield f"      {' ' * width}  {'advice' if box == _ADVICE else 'fix'}: {printable(point.fix)}"


def _summary(points: Sequence[Point]) -> str:
    needed = [point for point in points if point.needed]
    counts = [
        (sum(point.ok is False for point in needed), "not so"),
        (sum(point.ok is None for point in needed), "could not be found out"),
    ]
    parts = [f"{sum(point.ok is True for point in needed)} so", *(f"{n} {word}" for n, word in counts if n)]
    return f"{len(needed)} points: {', '.join(parts)}"


def doctor_json(sections: Mapping[str, Sequence[Point]]) -> dict[str, object]:
    """The same as plain values; ``ok`` is null where it could not be found out."""
    points = [point for each in sections.values() for point in each]
    return {
        "exitCode": exit_code(points),
        "points": [
            {
                "about": about,
                "name": point.name,
                "ok": point.ok,
                "needed": point.needed,
                "text": point.text,
                "fix": point.fix or None,
            }
            for about, each in sections.items()
            for point in each
        ],
    }
