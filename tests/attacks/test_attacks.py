"""Every attack of every family: the real command gives the expected answer, and does nothing that it must not."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from attacks.attack_kit import CASES, Attack, Ground
from attacks.attack_list import REQUIRED
from attacks.attack_watch import judge

HERE = Path(__file__).parent
FAMILIES = sorted(
    path.stem for path in HERE.glob("*.py") if not re.match(r"__init__|attack_|conftest|test_", path.name)
)
for family in FAMILIES:
    import_module(f"attacks.{family}")


def _parameter(case: Attack) -> object:
    marks = [pytest.mark.xfail(strict=True, reason=case.xfail)] if case.xfail else []
    return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", [_parameter(case) for case in CASES])
def test_attack(
    case: Attack, ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = judge(case, ground, monkeypatch, capsys)
    assert ran.code == case.code, ran.said()
    assert "Traceback" not in ran.err
    if case.error:
        assert case.error[1] in ran.err
    elif case.rules:
        assert set(case.rules) <= ran.rules(case.outcome), ran.said()
    if case.then:
        case.then(ground, ran)
    if case.succeeds_against:
        case.succeeds_against(ground)


def test_no_two_attacks_have_the_same_name() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("wanted", REQUIRED)
def test_every_attack_that_must_be_withstood_has_cases(wanted: str) -> None:
    assert set(REQUIRED[wanted]) <= {case.name for case in CASES}


def test_every_case_says_what_the_attacker_hopes_for() -> None:
    assert [case.name for case in CASES if not (case.build.__doc__ or "").rstrip().endswith((".", "?"))] == []
