"""Freeze windows: times in which nothing may enter or leave a stage.

Every time here is the *local* time of a zone, as a clock on a wall there shows it: a naive ``datetime``. What that
clock shows at a moment is for others to find out; so nothing here reads a time-zone database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from gitreg.core.decode import (
    DecodeError,
    Fields,
    Reader,
    Where,
    any_mapping,
    array,
    matching,
    one_of,
    show_value,
)

#: The days of the week as ``datetime.weekday`` counts them.
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UTC = "UTC"
#: What :func:`frozen_until` says where no end comes.
NEVER = datetime.max

_DAY = timedelta(days=1)
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z")
_END = re.compile(r"(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z")
# Years are those of the registry's life, so that no sum leaves the calendar.
_LOCAL = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z")
# Names of zones begin with capitals; what else lies in a system's database (localtime, posix/, right/) does not.
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]{0,30}(?:/[A-Z][A-Za-z0-9_+-]{0,30}){0,3}\Z")


@dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """A part of each of some days, every week.

    ``begin`` and ``end`` count from midnight of each day; an ``end`` that is not after ``begin`` is on the next day.
    """

    days: tuple[str, ...]
    begin: timedelta = timedelta()
    end: timedelta = _DAY
    zone: str = UTC

    @property
    def problem(self) -> str | None:
        """Why it means nothing; None if it means something."""
        twice = next((day for day in self.days if self.days.count(day) > 1), None)
        if twice:
            return f"{twice!r} stands here twice"
        same = "from and to are the same time; leave both out for the whole day"
        return same if self.begin == self.end else None

    def end_at(self, local: datetime) -> datetime | None:
        """When the window that ``local`` is in ends; None if it is in none."""
        today = local.replace(hour=0, minute=0, second=0, microsecond=0)
        spans = [self._on(midnight) for midnight in (today - _DAY, today) if self._is_of(midnight)]
        return max((end for begin, end in spans if begin <= local < end), default=None)

    def _is_of(self, midnight: datetime) -> bool:
        return DAYS[midnight.weekday()] in self.days

    def _on(self, midnight: datetime) -> tuple[datetime, datetime]:
        over = timedelta() if self.end > self.begin else _DAY
        return midnight + self.begin, midnight + self.end + over


@dataclass(frozen=True, slots=True)
class SingleWindow:
    """One span of time, from ``begin`` up to but without ``end``."""

    begin: datetime
    end: datetime
    zone: str = UTC

    @property
    def problem(self) -> str | None:
        """Why it means nothing; None if it means something."""
        return None if self.begin < self.end else "to is not after from"

    def end_at(self, local: datetime) -> datetime | None:
        """When the window ends, if ``local`` is in it; else None."""
        return self.end if self.begin <= local < self.end else None


Window: TypeAlias = WeeklyWindow | SingleWindow


def frozen_until(windows: Iterable[Window], local: datetime) -> datetime | None:
    """When the windows (all of one zone) that ``local`` is in are over, with those that follow without a gap.

    None if it is in none of them; ``NEVER`` if they follow each other for ever.
    """
    windows = list(windows)
    end = _end(windows, local)
    if end is not None and _fill_the_week([each for each in windows if isinstance(each, WeeklyWindow)]):
        return NEVER
    while end is not None and (later := _end(windows, end)) is not None:
        end = later
    return end


def _end(windows: Iterable[Window], local: datetime) -> datetime | None:
    ends = (each.end_at(local) for each in windows)
    return max((end for end in ends if end is not None), default=None)


def _fill_the_week(windows: list[WeeklyWindow]) -> bool:
    """Whether there is no moment outside of them. Any week shows that as well as any other."""
    first = end = datetime(2001, 1, 1)
    while end < first + 7 * _DAY and (later := _end(windows, end)) is not None:
        end = later
    return end >= first + 7 * _DAY


_zone: Reader[str] = matching(_ZONE, "the name of a time zone such as Europe/Berlin", 64)
_days = array(one_of(*DAYS), most=7, least=1)
_begin_of_day: Reader[str] = matching(_TIME, 'a time of day such as "16:00"', 40)
_end_of_day: Reader[str] = matching(_END, 'a time of day such as "16:00", up to "24:00"', 40)


def _minutes(clock: str) -> timedelta:
    hours, minutes = clock.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def local_time(value: object, where: Where) -> datetime:
    """A local time to the minute, as ``2026-12-20T00:00``, of the years 2000 to 2999."""
    if isinstance(value, str) and _LOCAL.match(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    what = 'a local time such as "2026-12-20T00:00" (a time of day needs days)'
    raise DecodeError(where, f"{show_value(value)} is not {what}")


def window(value: object, where: Where) -> Window:
    """Reads a window: weekly if it has ``days``, else single. Raises DecodeError."""
    return (_weekly if "days" in any_mapping(value, where) else _single)(value, where)


def _weekly(value: object, where: Where) -> WeeklyWindow:
    fields = Fields(value, where)
    found = WeeklyWindow(
        days=fields.take("days", _days),
        begin=_minutes(fields.maybe("from", _begin_of_day, "00:00")),
        end=_minutes(fields.maybe("to", _end_of_day, "24:00")),
        zone=fields.maybe("zone", _zone, UTC),
    )
    fields.done()
    return found


def _single(value: object, where: Where) -> SingleWindow:
    fields = Fields(value, where)
    found = SingleWindow(
        begin=fields.take("from", local_time),
        end=fields.take("to", local_time),
        zone=fields.maybe("zone", _zone, UTC),
    )
    fields.done()
    return found
