"""One point of a diagnosis, and what many of them come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gitreg.core.forge_settings import Unread


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that was looked at.

    ``ok`` is None if it could not be found out; ``text`` says what was found, ``fix`` what to do about it ("" where
    nothing is to be done). What is not ``needed`` is advice: nothing that is promised depends on it.
    """

    name: str
    ok: bool | None
    text: str
    fix: str = ""
    needed: bool = True


def exit_code(points: Iterable[Point]) -> int:
    """0: all that is needed is so; 1: something is not; 3: something could not be found out, and all else is so."""
    found = {point.ok for point in points if point.needed}
    return 1 if False in found else 3 if None in found else 0


def unread(name: str, setting: Unread, fix: str, *, needed: bool = True) -> Point:
    """The point about a setting that could not be read."""
    return Point(name, None, f"could not be read: {setting.why}", fix, needed)
