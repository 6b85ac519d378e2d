"""Freeze windows: what is in one, and when it is over, by the clock on the wall."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.windows import DAYS, NEVER, SingleWindow, WeeklyWindow, frozen_until, window


def read(**said: Any) -> WeeklyWindow | SingleWindow:
    return window({key.rstrip("_"): value for key, value in said.items()}, ())


def at(text: str) -> datetime:
    """``fri 16:00`` is of the week that begins on Monday, 30 November 2026; else a date and time."""
    day, clock = text.split(" ")
    date = datetime(2026, 11, 30) + timedelta(days=DAYS.index(day)) if day in DAYS else None
    return datetime.fromisoformat(f"{date:%Y-%m-%d} {clock}" if date else text)


WEEKEND = read(days=["fri", "sat", "sun"])
EVENINGS = read(days=["mon", "tue"], from_="16:00", to="24:00")
NIGHT = read(days=["fri"], from_="18:00", to="08:00")
YEAR_END = read(from_="2026-12-20T00:00", to="2027-01-02T08:00")


@pytest.mark.parametrize(
    ("window", "moment", "end"),
    [
        (WEEKEND, "thu 23:59", None),
        (WEEKEND, "fri 00:00", "sat 00:00"),
        (WEEKEND, "sun 23:59:59", "2026-12-07 00:00"),
        (WEEKEND, "mon 00:00", None),
        (EVENINGS, "mon 15:59:59", None),
        (EVENINGS, "mon 16:00", "tue 00:00"),
        (EVENINGS, "tue 00:00", None),
        (EVENINGS, "tue 23:59", "wed 00:00"),
        (EVENINGS, "wed 20:00", None),
        (NIGHT, "fri 07:00", None),
        (NIGHT, "fri 18:00", "sat 08:00"),
        (NIGHT, "sat 07:59", "sat 08:00"),
        (NIGHT, "sat 08:00", None),
        (NIGHT, "sat 18:00", None),
        (YEAR_END, "2026-12-19 23:59", None),
        (YEAR_END, "2026-12-20 00:00", "2027-01-02 08:00"),
        (YEAR_END, "2027-01-02 07:59", "2027-01-02 08:00"),
        (YEAR_END, "2027-01-02 08:00", None),
    ],
)
def test_a_window_begins_sharp_and_is_over_sharp(window: Any, moment: str, end: str | None) -> None:
    assert window.end_at(at(moment)) == (at(end) if end else None)


class TestFrozenUntil:
    def test_days_that_follow_each_other_are_one_freeze(self) -> None:
        assert frozen_until([WEEKEND], at("fri 12:00")) == at("2026-12-07 00:00")

    def test_windows_that_touch_are_one_freeze(self) -> None:
        assert frozen_until([WEEKEND, read(days=["mon"], to="06:00")], at("sat 12:00")) == at(
            "2026-12-07 06:00"
        )

    def test_what_begins_within_another_goes_on_after_it(self) -> None:
        assert frozen_until([YEAR_END, read(days=["sat"])], at("2026-12-21 12:00")) == at("2027-01-03 00:00")

    def test_a_gap_of_a_minute_ends_it(self) -> None:
        assert frozen_until([read(days=["fri"], to="23:59"), read(days=["sat"])], at("fri 12:00")) == at(
            "fri 23:59"
        )

    def test_outside_of_all_there_is_none(self) -> None:
        assert frozen_until([WEEKEND, EVENINGS, YEAR_END], at("wed 12:00")) is None
        assert frozen_until([], at("wed 12:00")) is None

    @pytest.mark.parametrize(
        "windows",
        [
            [read(days=list(DAYS))],
            [read(days=list(DAYS), from_="08:00", to="08:00")],
            [
                read(days=list(DAYS), from_="22:00", to="06:00"),
                read(days=list(DAYS), from_="05:00", to="22:30"),
            ],
        ],
    )
    def test_what_fills_the_week_never_ends(self, windows: Any) -> None:
        assert frozen_until(windows, at("wed 05:30")) is NEVER

    def test_the_end_of_the_calendar_is_out_of_reach(self) -> None:
        long = read(from_="2000-01-01T00:00", to="2999-12-31T23:59")
        assert frozen_until([long, WEEKEND], at("wed 12:00")) == datetime(2999, 12, 31, 23, 59)


CLOCKS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 30]))
WINDOWS = st.one_of(
    st.builds(
        lambda days, begin, end: read(days=days, from_=begin, to=end),
        st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True),
        CLOCKS,
        CLOCKS | st.just("24:00"),
    ),
    st.builds(
        lambda day, clock, hours: SingleWindow(start := at(f"{day} {clock}"), start + timedelta(hours=hours)),
        st.sampled_from(DAYS),
        CLOCKS,
        st.integers(1, 400),
    ),
)


def in_any(windows: list[Any], moment: datetime) -> bool:
    """The definition: a moment is in a window, whatever comes after it."""
    return any(each.end_at(moment) is not None for each in windows)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(WINDOWS, max_size=4), st.integers(0, 7 * 48))
def test_until_its_end_every_moment_is_frozen_and_the_end_is_not(windows: list[Any], half_hours: int) -> None:
    local = at("mon 00:00") + timedelta(minutes=30 * half_hours)
    end = frozen_until(windows, local)
    assert (end is not None) == in_any(windows, local)
    if end is None:
        return
    last = min(end, local + timedelta(days=30))
    moments = (local + timedelta(minutes=30 * n) for n in range((last - local) // timedelta(minutes=30)))
    assert all(in_any(windows, moment) for moment in moments)
    assert end is NEVER or not in_any(windows, end)


class TestProblems:
    @pytest.mark.parametrize(
        ("window", "problem"),
        [
            (read(days=["mon"], from_="10:00", to="10:00"), "the same time"),
            (read(days=["mon"], to="00:00"), "the same time"),
            (read(days=["mon", "tue", "mon"]), "'mon' stands here twice"),
            (read(from_="2026-12-20T00:00", to="2026-12-20T00:00"), "to is not after from"),
            (read(from_="2026-12-20T00:00", to="2026-12-19T00:00"), "to is not after from"),
        ],
    )
    def test_are_told(self, window: Any, problem: str) -> None:
        assert problem in window.problem

    @pytest.mark.parametrize(
        "window", [WEEKEND, EVENINGS, NIGHT, YEAR_END, read(days=["mon"], from_="10:00")]
    )
    def test_are_none_of_what_means_something(self, window: Any) -> None:
        assert window.problem is None
