"""GR306: a version has been in the stage before for as long as policy asks, without a break."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitreg.core.delta import Transition
from gitreg.core.findings import Finding
from gitreg.core.policy import Soak, show_period
from gitreg.core.verify.evidence import SoakQuestion, Unknown
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR306", "soak", "A version has been in the stage before for as long as policy asks")


def check(judged: Judged) -> Iterator[Finding]:
    """Looks up the answers to the soak questions of every move."""
    for move in judged.transitions:
        settings = judged.policy.stage(move.target, move.model)
        if settings and settings.soak and asks_to_soak(move):
            yield from judge_soak(judged, move, settings.soak)


def asks_to_soak(move: Transition) -> bool:
    """Whether policy's soak counts for a move: not for what gives way, is rolled back or is imported."""
    return not (move.displaced or move.rollback or move.imported)


def judge_soak(judged: Judged, move: Transition, soak: Soak) -> Iterator[Finding]:
    """Looks up the answer for one move; nothing is a pass."""
    assignment = judged.base.stage(move.model, soak.stage)
    held = {pin.version for pin in assignment.versions} if assignment else set()
    what = f"{move.model}/{move.pin.version} has not been in {soak.stage} for {show_period(soak.period)}"
    question = SoakQuestion(move.model, soak.stage, soak.period)
    answer = judged.evidence.soaks.get(question, Unknown("nobody looked"))
    if move.pin.version not in held:
        fix = f"promote it to {soak.stage} first, wait, then verify again"
        yield RULE.finding(f"{what}: it is not in it", judged.at_stage(move), fix)
    elif answer is False:
        yield _too_early(judged, move, what, question)
    elif isinstance(answer, Unknown):
        yield RULE.undecided(
            f"how long {move.model}/{move.pin.version} has been in {soak.stage} could not be found out: {answer.why}",
            judged.at_stage(move),
        )


def _too_early(judged: Judged, move: Transition, what: str, question: SoakQuestion) -> Finding:
    """Says how long it is still, where that is known."""
    since = judged.evidence.unchanged_since.get(question)
    if since is None:
        return RULE.finding(what, judged.at_stage(move), "wait, then verify again")
    over = since + question.period
    left = show_left(over - judged.evidence.now)
    return RULE.finding(
        f"{what}: {question.stage} is as it is since {since:%Y-%m-%d %H:%M} UTC, with {left} left",
        judged.at_stage(move),
        f"wait until {over:%Y-%m-%d %H:%M:%S} UTC, then verify again",
    )


def show_left(left: timedelta) -> str:
    """What is left of a period, in its two largest units; what has begun of a minute counts as one."""
    minutes = max(1, -int(-left.total_seconds() // 60))
    counts = (("day", minutes // 1440), ("hour", minutes // 60 % 24), ("minute", minutes % 60))
    said = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts if count]
    return " and ".join(said[:2])


SOAK = ChangeRule(RULE, check)
