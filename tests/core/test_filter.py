"""The grammar of filters: what is read, what is refused and where, and what matches."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.filter import MAX_DEPTH, And, Comparison, Key, Not, Or, like, matches, parse_filter
from gitreg.errors import UsageError


class Row:
    """A version from a dict of key to value, or to a list of values."""

    def __init__(self, **said: Any) -> None:
        self.said = {key.replace("__", "."): value for key, value in said.items()}
        self.asked: list[str] = []

    def values(self, key: Key) -> Sequence[object]:
        self.asked.append(str(key))
        value = self.said.get(str(key), [])
        return value if isinstance(value, list) else [value]


def found(text: str, **said: Any) -> bool:
    return matches(parse_filter(text), Row(**said))


def equal(key: str, value: Any) -> Comparison:
    field, _, name = key.partition(".")
    return Comparison(Key(field, name or None), "=", (value,))


class TestReading:
    def test_and_binds_closer_than_or_and_not_closest(self) -> None:
        text = "name = 'a' OR NOT format = 'b' AND task = 'c'"
        assert parse_filter(text) == Or(
            (equal("name", "a"), And((Not(equal("format", "b")), equal("task", "c"))))
        )

    def test_parentheses_come_first(self) -> None:
        text = "(name='a' or format='b') and not(task='c' and owner='d')"
        assert parse_filter(text) == And(
            (
                Or((equal("name", "a"), equal("format", "b"))),
                Not(And((equal("task", "c"), equal("owner", "d")))),
            )
        )

    def test_nothing_matches_everything(self) -> None:
        assert parse_filter(" \n") == And(())
        assert found("")

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("tags.a = 'it''s'", "it's"),
            ('tags.a = "say ""hi"""', 'say "hi"'),
            ('tags.a = "it\'s"', "it's"),
            ("tags.a = ''", ""),
            ("tags.a = '売上'", "売上"),
            ("params.a = 1", 1),
            ("params.a = -1.5e-3", -0.0015),
            ("params.a = .5", 0.5),
            ("params.a = +2", 2),
            ("params.a = true", True),
            ("params.a = FALSE", False),
            ("params.a=9007199254740993", 9007199254740993),
            ("version = 3", 3),
            ("version = '3'", 3),
            ("version = '1.4.0-rc.1'", "1.4.0-rc.1"),
            ("created_at = '2026-11-20'", datetime(2026, 11, 20, tzinfo=UTC)),
            ("created_at = '2026-11-20T10:00:00Z'", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ],
    )
    def test_values_are_of_their_kind(self, text: str, value: object) -> None:
        read = parse_filter(text)
        assert isinstance(read, Comparison)
        assert read.values == (value,)
        assert type(read.values[0]) is type(value)

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("params.a.b-c/d = 1", "a.b-c/d"),
            ("params.`a b` = 1", "a b"),
            ("params.`a``b` = 1", "a`b"),
            ("params.`x = 1 AND y`=1", "x = 1 AND y"),
            ("params.größe = 1", "größe"),
        ],
    )
    def test_keys_may_have_odd_characters(self, text: str, name: str) -> None:
        read = parse_filter(text)
        assert isinstance(read, Comparison)
        assert read.key == Key("params", name)

    def test_lists_have_any_number_of_values(self) -> None:
        assert parse_filter("version IN (1, 2)") == Comparison(Key("version"), "IN", (1, 2))


REFUSED = [
    ("name", 5, "an operator (=, !=, <, <=, >, >=, LIKE, ILIKE, IN) is expected"),
    ("name =", 7, "a value is expected: a number, true, false, or text in quotes"),
    ("name = x", 8, "a value is expected: a number, true, false, or text in quotes"),
    ("name = 'x", 8, "a value is expected: a number, true, false, or text in quotes"),
    ("= 'x'", 1, "a key is expected, not '='"),
    ("name = 'x' format = 'y'", 12, "AND, OR or the end is expected, not 'format'"),
    ("name = 'x' AND", 15, "a key is expected"),
    ("name = 'x')", 11, "AND, OR or the end is expected, not ')'"),
    ("(name = 'x'", 12, "')' is expected"),
    ("name IN 'x'", 9, "'(' is expected, not \"'x'\""),
    ("name IN ()", 10, "a value is expected: a number, true, false, or text in quotes"),
    ("name IN ('x',)", 14, "a value is expected: a number, true, false, or text in quotes"),
    ("name == 'x'", 7, "a value is expected: a number, true, false, or text in quotes"),
    ("nam = 'x'", 1, "there is no key 'nam'; did you mean name?"),
    ("metric.auc > 1", 1, "there is no key 'metric.auc'; did you mean metrics.…?"),
    ("metrics > 1", 1, "there is no key 'metrics'; did you mean metrics.…?"),
    ("name.x = '1'", 1, "there is no key 'name.x'"),
    ("zzz = 1", 1, "there is no key 'zzz' (there are name, version, stage,"),
    ("params.`a = 1", 1, "there is no key 'params.'; did you mean params.…?"),
    ("params.x`y` = 1", 9, "an operator"),
    ("metrics.auc > '0.9'", 15, "metrics.auc is compared with a number"),
    ("metrics.auc > true", 15, "metrics.auc is compared with a number"),
    ("metrics.auc LIKE '9%'", 13, "metrics.auc is not text, so LIKE does not apply"),
    ("tags.year = 2026", 13, "tags.year is compared with text in quotes"),
    ("version = 3.5", 11, "version is compared with a version: 3, or '1.4.0'"),
    ("version = 1.2.0", 11, "a value is expected"),
    ("version = 'x'", 11, "version is compared with a version"),
    ("version = 0", 11, "version is compared with a version"),
    ("deprecated > true", 12, "deprecated is true or false, so only = and != apply"),
    ("deprecated = 'true'", 14, "deprecated is compared with true or false"),
    ("created_at > 'yesterday'", 14, "created_at is compared with a UTC time"),
    ("created_at > '2026-02-30'", 14, "created_at is compared with a UTC time"),
    ("params.a = 1e999", 12, "a value is expected"),
    ("name LIKE 5", 11, "name is compared with text in quotes"),
    ("name NOT IN ('x')", 6, "an operator"),
    ("name = 'x' && format = 'y'", 12, "AND, OR or the end is expected, not '&'"),
]


class TestRefusing:
    @pytest.mark.parametrize(("text", "column", "problem"), REFUSED, ids=[text for text, *_ in REFUSED])
    def test_says_where_and_what(self, text: str, column: int, problem: str) -> None:
        with pytest.raises(UsageError) as caught:
            parse_filter(text)
        assert caught.value.message.startswith(f"column {column} of the filter: {problem}")
        assert caught.value.hint == f"look at the ^ in: {text[: column - 1]}^{text[column - 1 :]}"

    def test_shows_only_what_surrounds_the_place_on_one_line(self) -> None:
        text = f"name = '{'x' * 100}' AND\n\x1b[2J oops ' AND name = '{'y' * 100}'"
        with pytest.raises(UsageError) as caught:
            parse_filter(text)
        assert caught.value.hint is not None
        assert len(caught.value.hint) < 110
        assert caught.value.hint.isprintable()

    def test_bounds_depth_and_length(self) -> None:
        depth = MAX_DEPTH - 1
        parse_filter("(" * depth + "name = 'x'" + ")" * depth)
        for text in ("(" * 5000 + "name = 'x'" + ")" * 4000, "NOT " * 2000 + "name = 'x'", "x" * 10_001):
            with pytest.raises(UsageError):
                parse_filter(text)

    @given(st.text("na'\"`()=<>!,. metrics%_0123eE+-ANDORNOTLIKE", max_size=40))
    def test_is_all_that_happens_to_nonsense(self, text: str) -> None:
        with contextlib.suppress(UsageError):
            matches(parse_filter(text), Row(name="a", metrics__a=1.0))


class TestMatching:
    @pytest.mark.parametrize(
        ("text", "said", "expected"),
        [
            ("name = 'Credit-Risk'", {"name": "credit-risk"}, True),
            ("name != 'CREDIT-RISK'", {"name": "credit-risk"}, False),
            ("stage IN ('Staging', 'production')", {"stage": "staging"}, True),
            ("format = 'ONNX'", {"format": "onnx"}, False),
            ("version > 9", {"version": 10}, True),
            ("version > '1.9.0'", {"version": "1.10.0"}, True),
            ("version < '1.10.0'", {"version": "1.10.0-rc.1"}, True),
            ("version != 3", {"version": "1.0.0"}, False),
            ("version LIKE '1.%'", {"version": "1.10.0"}, True),
            ("metrics.auc >= 0.9", {"metrics__auc": 0.9}, True),
            ("metrics.auc = 1", {"metrics__auc": 1.0}, True),
            ("metrics.auc IN (1, 2)", {"metrics__auc": 2}, True),
            ("params.n = 100", {"params__n": 100}, True),
            ("params.n = '100'", {"params__n": 100}, True),
            ("params.n = 100", {"params__n": "100"}, False),
            ("params.n = 1", {"params__n": True}, False),
            ("params.n = true", {"params__n": 1}, False),
            ("params.n = 'true'", {"params__n": True}, True),
            ("params.n > 'b'", {"params__n": "c"}, True),
            ("params.n LIKE '1_0'", {"params__n": 100}, True),
            ("deprecated = true", {"deprecated": True}, True),
            ("deprecated != true", {"deprecated": False}, True),
            ("created_at >= '2026-11-20'", {"created_at": datetime(2026, 11, 20, 10, tzinfo=UTC)}, True),
            (
                "created_at < '2026-11-20T10:00:00Z'",
                {"created_at": datetime(2026, 11, 20, 10, tzinfo=UTC)},
                False,
            ),
            ("created_at LIKE '2026-11-%'", {"created_at": datetime(2026, 11, 20, 10, tzinfo=UTC)}, True),
            ("alias = 'b'", {"alias": ["a", "b"]}, True),
            ("alias != 'b'", {"alias": ["a", "b"]}, True),
            ("NOT alias = 'b'", {"alias": ["a", "b"]}, False),
            ("tags.team ILIKE 'RIS_'", {"tags__team": "risk"}, True),
            ("tags.team LIKE 'RIS_'", {"tags__team": "risk"}, False),
        ],
    )
    def test_compares_each_kind_in_its_way(self, text: str, said: dict[str, Any], expected: bool) -> None:
        assert found(text, **said) is expected

    @pytest.mark.parametrize("operator", ["=", "!=", "<", "<=", ">", ">="])
    @pytest.mark.parametrize("said", [{}, {"params__a": None}])
    def test_what_is_missing_satisfies_nothing_but_not(self, operator: str, said: dict[str, Any]) -> None:
        assert not found(f"params.a {operator} 1", **said)
        assert found(f"NOT params.a {operator} 1", **said)
        assert not found("params.a LIKE '%'", **said)
        assert not found("params.a IN (1)", **said)

    def test_asks_only_for_what_the_outcome_hangs_on(self) -> None:
        row = Row(name="a")
        assert not matches(parse_filter("name = 'b' AND metrics.auc > 1"), row)
        assert matches(parse_filter("name = 'a' OR metrics.auc > 1"), row)
        assert row.asked == ["name", "name"]


def like_by_regex(text: str, pattern: str) -> bool:
    parts = {"%": ".*", "_": "."}
    return re.fullmatch("".join(parts.get(c, re.escape(c)) for c in pattern), text, re.DOTALL) is not None


class TestLike:
    @given(st.text("ab%_\n", max_size=8), st.text("ab%_\n", max_size=6))
    def test_is_what_a_regular_expression_says(self, text: str, pattern: str) -> None:
        assert like(text, pattern) is like_by_regex(text, pattern)

    @pytest.mark.parametrize(
        ("text", "pattern", "expected"),
        [("", "", True), ("", "%", True), ("a", "", False), ("STRASSE", "straße", True), ("İ", "%", True)],
    )
    def test_without_case_folds_both(self, text: str, pattern: str, expected: bool) -> None:
        assert like(text, pattern, ignore_case=True) is expected

    def test_takes_linear_time(self) -> None:
        begun = time.perf_counter()
        assert not like("a" * 16_000, "%a" * 2_000 + "%b")
        assert time.perf_counter() - begun < 2
