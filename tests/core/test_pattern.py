"""Patterns of a team's schemas are matched in linear time, as JSON Schema means them."""

from __future__ import annotations

import pytest

from gitreg.core.codec.pattern import MAX_LENGTH, PatternError, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("auc", "roc_auc", True),
        ("^auc", "roc_auc", False),
        ("^a$", "a", True),
        ("^a$", "a\n", False),
        (r"^\d+$", "12", True),
        (r"^\d+$", "１２", False),
        ("^売上", "売上予測", True),
    ],
)
def test_match_anywhere_between_real_ends(pattern: str, text: str, found: bool) -> None:
    assert bool(compile_pattern(pattern).search(text)) is found


@pytest.mark.parametrize(
    "pattern", ["(", "a)", "[", "*a", "(?=a)", "(?!a)", r"(a)\1", "a{2,1}", "(a{999}){999}", "\\"]
)
def test_are_refused_where_they_cannot_be_matched(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_are_bounded() -> None:
    with pytest.raises(PatternError, match="longer than"):
        compile_pattern("a" * (MAX_LENGTH + 1))


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|a)*b", "(.*)(.*)(.*)(.*)(.*)x$", "(a*)*b"])
def test_what_keeps_python_busy_for_years_ends_at_once(pattern: str) -> None:
    assert not compile_pattern(pattern).search("a" * 16_000 + "!")
