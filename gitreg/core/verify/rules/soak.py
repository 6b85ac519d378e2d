"""GR306: a version has been in the stage before for as long as policy asks, without a break."""

from __future__ import annotations

from collections.abc import Iterator

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
        if settings and settings.soak and not move.displaced and not move.rollback:
            yield from judge_soak(judged, move, settings.soak)


def judge_soak(judged: Judged, move: Transition, soak: Soak) -> Iterator[Finding]:
    """Looks up the answer for one move; nothing is a pass."""
    assignment = judged.base.stage(move.model, soak.stage)
    held = {pin.version for pin in assignment.versions} if assignment else set()
    what = f"{move.model}/{move.pin.version} has not been in {soak.stage} for {show_period(soak.period)}"
    answer = judged.evidence.soaks.get(
        SoakQuestion(move.model, soak.stage, soak.period), Unknown("nobody looked")
    )
    if move.pin.version not in held or answer is False:
        yield RULE.finding(what, judged.at_stage(move), "wait, then verify again")
    elif isinstance(answer, Unknown):
        yield RULE.undecided(
            f"how long {move.model}/{move.pin.version} has been in {soak.stage} could not be found out: {answer.why}",
            judged.at_stage(move),
        )


SOAK = ChangeRule(RULE, check)
