"""GR309: nothing enters or leaves a stage in the times in which policy freezes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gitreg.core.delta import Transition
from gitreg.core.findings import Finding, Outcome
from gitreg.core.layout import POLICY_FILE
from gitreg.core.policy import StagePolicy
from gitreg.core.verify.evidence import Evidence, Unknown, stages_in_force, zones_of_new_rules
from gitreg.core.verify.rule import ChangeRule, Judged, Rule
from gitreg.core.windows import NEVER, frozen_until

RULE = Rule("GR309", "windows", "Nothing enters or leaves a stage while policy freezes it")


@dataclass(frozen=True, slots=True)
class Thaw:
    """Whether a stage is frozen now (``outcome`` is None if not), and a line that says until when."""

    stage: str
    summary: str
    outcome: Outcome | None


def check(judged: Judged) -> Iterator[Finding]:
    """Judges the stages that each move leaves and enters; and whether the zones of a new policy are known."""
    for move in judged.transitions:
        for found in judge_windows(judged, move):
            if found.outcome is not None:
                verb = "enter" if found.stage == move.target else "leave"
                yield RULE.finding(
                    f"{move.model}/{move.pin.version} may not {verb} {found.stage}: {found.summary}",
                    judged.at_stage(move),
                    "wait until it is over and verify again; only a rollback need not wait"
                    if found.outcome is Outcome.FAIL
                    else None,
                    found.outcome,
                )
    yield from _new_zones(judged)


def judge_windows(judged: Judged, move: Transition) -> Iterator[Thaw]:
    """What there is to say of each stage with windows that a move must heed."""
    for stage in stages_in_force(move, judged.policy):
        yield _judge(stage, judged.evidence)


def _judge(stage: StagePolicy, evidence: Evidence) -> Thaw:
    """One zone in which it is frozen is enough; one that is not known is too little."""
    ends, unknown = [], []
    for zone in sorted({window.zone for window in stage.windows}):
        local = _local(evidence, zone)
        if isinstance(local, Unknown):
            unknown.append(local.why)
            continue
        end = frozen_until((window for window in stage.windows if window.zone == zone), local)
        ends += [_show(end, zone)] if end else []
    if ends:
        return Thaw(stage.name, f"{stage.name} is frozen {' and '.join(ends)}", Outcome.FAIL)
    if unknown:
        why = f"whether {stage.name} is frozen is not known: {'; '.join(unknown)}"
        return Thaw(stage.name, why, Outcome.UNDECIDED)
    return Thaw(stage.name, f"{stage.name} is not frozen now", None)


def _local(evidence: Evidence, zone: str) -> datetime | Unknown:
    return evidence.local_times.get(zone, Unknown(f"nobody looked at the clocks in {zone}"))


def _show(end: datetime, zone: str) -> str:
    return f"for good ({zone})" if end is NEVER else f"until {end:%Y-%m-%d %H:%M} ({zone})"


def _new_zones(judged: Judged) -> Iterator[Finding]:
    """A zone that a change of the rules brings in must be known, before it freezes a stage for good."""
    known: Iterable[str] = () if judged.bootstrap else judged.policy.zones
    for zone in zones_of_new_rules(judged.head, judged.delta):
        local = _local(judged.evidence, zone)
        if zone not in known and isinstance(local, Unknown):
            path = judged.head.layout.path(POLICY_FILE)
            yield RULE.undecided(f"a window names the time zone {zone}, and {local.why}", path)


WINDOWS = ChangeRule(RULE, check)
