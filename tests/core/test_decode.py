"""The readers that all decoders are made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from gitreg.core.decode import show_time, timestamp


@given(st.datetimes(timezones=st.just(UTC)))
@example(datetime(226, 11, 20, 10, tzinfo=UTC))  # found by fuzzing: strftime writes three digits
def test_a_time_is_read_as_it_was_written(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    assert timestamp(show_time(moment), ()) == moment


def test_a_time_is_written_in_utc() -> None:
    moment = datetime(2026, 11, 20, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert show_time(moment) == "2026-11-20T10:00:00Z"
