"""Freeze windows: the clock of a time zone, on real registries."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flow_kit import SOLO_POLICY, Desk, blocking, git, landed, message, promote

from gitreg.core.plan.transition import plan_demote, plan_rollback
from gitreg.core.verify.evidence import Unknown
from gitreg.errors import Undecided
from gitreg.flows.land import Rejected, land
from gitreg.flows.verify import local_time


def with_windows(desk: Desk, windows: str) -> Desk:
    """The registry for one person, with windows on production; versions 1, 2 and 3 in staging before."""
    policy = SOLO_POLICY.replace("holds: 1,", f"holds: 1, windows: [{windows}],")
    (desk.root / "solo/policy.yaml").write_text(policy)
    git(desk.root / "solo", "commit", "-q", "-a", "-m", "Freeze")
    return desk


@pytest.fixture
def frozen(solo: Desk) -> Desk:
    """It is Tuesday noon in UTC, an hour later in Berlin."""
    return with_windows(solo, '{days: [tue], to: "14:00", zone: Europe/Berlin}')


def test_nothing_enters_or_leaves_until_it_is_over(frozen: Desk) -> None:
    with frozen.unchanged("solo"), pytest.raises(Rejected, match="production is frozen until") as error:
        land(frozen("solo"), promote(3, "production"))
    assert "2026-12-01 14:00 (Europe/Berlin)" in message(error)
    assert "wait until it is over" in message(error)
    frozen.later(minutes=59, seconds=59)
    with pytest.raises(Rejected) as error:
        land(frozen("solo"), promote(3, "production"))
    assert isinstance(error.value, Rejected)
    assert blocking(error.value.findings) == ["GR309"]
    frozen.later(seconds=1)
    landed(frozen("solo"), promote(3, "production"))


def test_a_rollback_need_not_wait(frozen: Desk) -> None:
    frozen.later(hours=3)
    landed(frozen("solo"), promote(3, "production"))
    frozen.later(days=6, hours=21)
    with pytest.raises(Rejected, match="production is frozen"):
        land(frozen("solo"), lambda s: plan_demote(s, "credit-risk", 3, "none"))
    landed(frozen("solo"), lambda s: plan_rollback(s, "credit-risk", "production"))


def test_a_zone_that_is_not_in_the_database(solo: Desk) -> None:
    desk = with_windows(solo, "{days: [sun], zone: Europe/Atlantis}")
    with desk.unchanged("solo"), pytest.raises(Undecided, match="no zone 'Europe/Atlantis'"):
        land(desk("solo"), promote(3, "production"))


@pytest.fixture(params=["the system's", "tzdata's"])
def database(request: pytest.FixtureRequest) -> Iterator[None]:
    """The time-zone database that answers; slim images have none but the package's."""
    if request.param == "tzdata's":
        zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()


@pytest.mark.usefixtures("database")
class TestLocalTime:
    @pytest.mark.parametrize(
        ("moment", "zone", "local"),
        [
            ("2026-12-01T12:00:00", "UTC", "2026-12-01T12:00:00"),
            ("2026-12-01T12:00:00", "America/New_York", "2026-12-01T07:00:00"),
            ("2026-12-01T20:00:00", "Asia/Kathmandu", "2026-12-02T01:45:00"),
            # Berlin puts its clocks forward on 29 March 2026 at 1:00 UTC,
            ("2026-03-29T00:59:59", "Europe/Berlin", "2026-03-29T01:59:59"),
            ("2026-03-29T01:00:00", "Europe/Berlin", "2026-03-29T03:00:00"),
            # and back on 25 October: half past two comes twice.
            ("2026-10-25T00:30:00", "Europe/Berlin", "2026-10-25T02:30:00"),
            ("2026-10-25T01:30:00", "Europe/Berlin", "2026-10-25T02:30:00"),
            ("2026-10-25T02:00:00", "Europe/Berlin", "2026-10-25T03:00:00"),
        ],
    )
    def test_is_what_the_clock_on_the_wall_shows(self, moment: str, zone: str, local: str) -> None:
        now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        found = local_time(now, zone)
        assert found == datetime.fromisoformat(local)
        assert isinstance(found, datetime)
        assert found.tzinfo is None

    @pytest.mark.parametrize(
        "zone", ["Europe/Atlantis", "Europe", "Etc", "../../etc/passwd", "", "x" * 5000, "\0"]
    )
    def test_of_what_is_no_zone_is_not_known(self, zone: str) -> None:
        assert isinstance(local_time(datetime(2026, 12, 1, tzinfo=UTC), zone), Unknown)
