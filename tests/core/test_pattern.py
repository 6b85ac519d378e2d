"""Patterns of strangers match what Python's ``re`` matches, in linear time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.codec.pattern import PatternError, compile_pattern

ATOMS = st.sampled_from(
    ["a", "b", "é", ".", r"\d", r"\w", r"\s", "[ab]", "[^a]", r"[a\-c&]", r"[\d_]", r"\.", r"\n", "-", " "]
)
PLACES = st.sampled_from(["^", "$", r"\b", r"\B", r"\A", r"\Z"])
REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "{0}"])
PATTERNS = st.recursive(
    st.tuples(ATOMS, REPEATS).map("".join) | PLACES,
    lambda inner: (
        st.lists(inner, max_size=4).map("".join)
        | st.tuples(inner, inner).map("|".join)
        | st.tuples(st.sampled_from(["(", "(?:"]), inner, st.just(")"), REPEATS).map("".join)
    ),
    max_leaves=8,
)


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(PATTERNS, st.text("aabbc1é -&.\n_", min_size=1, max_size=7))
def test_match_as_python_does(pattern: str, text: str) -> None:
    spelled = re.sub(r"\\.|\[[^\]]*\]|[$.]", lambda m: {"$": r"\Z", ".": r"[^\n\r]"}.get(m[0], m[0]), pattern)
    try:
        expected = re.search(spelled, text, re.ASCII) is not None
    except re.error:  # `(?:…)?` before a place, `a**` made of parts
        return
    assert compile_pattern(pattern).is_in(text, lambda steps: None) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "a)",
        "[",
        "]",
        "*a",
        "a**",
        "(?=a)",
        "(?!a)",
        "(?<x>a)",
        r"(a)\1",
        "a{2,1}",
        "[z-a]",
        "[a--b]",
        "{",
        r"\p{L}",
        r"\q",
        "((((a{0}){999}){999}){999}){999}",
        "(((){999}){999}){999}",
        "\\",
    ],
)
def test_are_refused_where_they_cannot_be_matched(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "(a|a)*b", "(.*)(.*)(.*)(.*)(.*)x$", "(a?){50}a{50}$", "(a*)*b"]
)
def test_take_steps_in_proportion_to_the_text(pattern: str) -> None:
    def steps(length: int) -> int:
        taken: list[int] = []
        assert not compile_pattern(pattern).is_in("a" * length + "!", taken.append)
        return sum(taken)

    assert steps(4000) < 2.2 * steps(2000)
