"""GR210: the registry's branch tells the time: commits are dated after their parents, and when they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gitreg.core.decode import show_time
from gitreg.core.findings import Finding
from gitreg.core.verify.evidence import Landing
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR210", "dates", "Commits on the registry's branch are dated when they land")

#: How far a commit's date may be from the clock of the server that takes it.
TOLERANCE = timedelta(minutes=10)
_FIX = "make the commit anew: gitreg change merge, or git commit --amend --reset-author --no-edit"


def check(judged: Judged) -> Iterator[Finding]:
    """Looks at the date of the commit that lands the change: soak times are measured with it."""
    landing = judged.evidence.landing
    if landing is None:
        return
    if landing.parent_time is not None and landing.time < landing.parent_time:
        yield RULE.finding(
            f"{landing.commit[:12]} is dated {show_time(landing.time)}, before its parent"
            f" ({show_time(landing.parent_time)})",
            fix=_FIX,
        )
    elif landing.received is not None:
        yield from _far_from_the_clock(landing, landing.received, judged.bootstrap)


def _far_from_the_clock(landing: Landing, received: datetime, bootstrap: bool) -> Iterator[Finding]:
    """A registry may have been made some time before it is first pushed: nothing rests on that date yet."""
    is_late = received - landing.time > TOLERANCE and not bootstrap
    if is_late or landing.time - received > TOLERANCE:
        yield RULE.finding(
            f"{landing.commit[:12]} is dated {show_time(landing.time)}, but it is {show_time(received)} here",
            fix=_FIX,
        )


DATES = ChangeRule(RULE, check)
