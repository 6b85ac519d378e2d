"""Findings for terminals, and text that cannot harm one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.report.show import show_change, show_number, show_percent, show_size
from gitreg.core.report.tables import display_width, table
from gitreg.core.report.text import findings_text, inert, printable

STAGE = Location("models/credit-risk/stages/production.yaml", 7, 5)
FAIL = Finding("GR302", "roc_auc is 0.8, and must be at least 0.85", STAGE)
UNKNOWN = Finding("GR401", "approvals could not be read", outcome=Outcome.UNDECIDED)
WARNING = Finding("GR401", "a statement does not count", fix="sign again", outcome=Outcome.WARNING)


class TestFindings:
    def test_come_most_severe_first_with_their_fixes_and_a_count(self) -> None:
        assert findings_text([WARNING, UNKNOWN, FAIL], checked="verified main (1a2b)") == (
            "models/credit-risk/stages/production.yaml:7:5: GR302 roc_auc is 0.8, and must be at least 0.85\n"
            "GR401 undecided: approvals could not be read\n"
            "GR401 warning: a statement does not count\n"
            "    fix: sign again\n"
            "\n"
            "verified main (1a2b): 1 finding, 1 undecided, 1 warning"
        )

    def test_none_is_good_news(self) -> None:
        assert findings_text([], checked="main (1a2b)") == "main (1a2b): nothing to complain about"

    def test_a_warning_alone_stands_in_nobodys_way(self) -> None:
        lines = findings_text([WARNING], checked="main").splitlines()
        assert lines[-1] == "main: nothing to complain about, 1 warning"

    def test_are_counted_in_the_plural(self) -> None:
        other = Finding("GR301", "other")
        assert findings_text([FAIL, other], checked="main").endswith("main: 2 findings")

    def test_are_coloured_only_if_asked(self) -> None:
        assert "\x1b" not in findings_text([FAIL, UNKNOWN, WARNING], checked="main")
        coloured = findings_text([FAIL], checked="main", color=True)
        assert "\x1b[31mGR302\x1b[0m" in coloured
        assert (
            findings_text([], checked="main", color=True) == "main: \x1b[32mnothing to complain about\x1b[0m"
        )

    def test_cannot_send_control_characters(self) -> None:
        evil = "\x1b]0;owned\x07\x9b2J\r\n::error::x\u202e"
        text = findings_text([Finding("GR101", evil, Location(evil), evil)], checked=evil)
        assert len(text.splitlines()) == 4
        assert all(line.isprintable() for line in text.splitlines())

    def test_cannot_be_commands_of_a_ci_runner(self) -> None:
        hostile = Finding("GR201", "##[stop-commands]x", Location("::add-mask::x"))
        first = findings_text([hostile], checked="main").splitlines()[0]
        assert first.startswith("./::add-mask::x: GR201 ")
        assert "##[" not in first
        spaced = findings_text([Finding("GR103", "x", Location("\u3000 ::add-mask::x"))], checked="main")
        assert spaced.startswith("./\u3000 ::add-mask::x: ")


class TestPrintable:
    @pytest.mark.parametrize(
        "text", ["plain", "売上予測モデル", "हिन्दी", "naïve café", "a\u3000b\u00a0c", "😀"]
    )
    def test_leaves_readable_text_alone(self, text: str) -> None:
        assert printable(text) == text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\x1b[31m", "\\x1b[31m"),
            ("\x7f\x9b", "\\x7f\\x9b"),
            ("\u202eevil", "\\u202eevil"),
            ("a\u200bb\u2028", "a\\u200bb\\u2028"),
            ("\ud800", "\\ud800"),
            ("\U000e0041", "\\U000e0041"),
        ],
    )
    def test_shows_what_a_terminal_would_obey_or_hide(self, text: str, shown: str) -> None:
        assert printable(text) == shown

    @given(st.text(st.characters(exclude_categories=[])))
    def test_is_one_line_that_can_be_encoded(self, text: str) -> None:
        shown = printable(text)
        assert len(shown.splitlines()) <= 1
        assert "\x1b" not in shown
        shown.encode()


class TestTables:
    def test_align_by_display_width_and_numbers_to_the_right(self) -> None:
        rows = [["売上予測", 1, 0.5, "x"], ["b", 1000, None, "long"]]
        assert table(["model", "size", "auc", "note"], rows) == (
            "model     size  auc  note\n売上予測     1  0.5  x\nb         1000       long"
        )

    def test_count_combining_marks_as_nothing(self) -> None:
        assert display_width("e\u0301") == 1
        assert display_width("ﾊﾛｰ") == 3
        assert display_width("ハロー") == 6

    def test_without_rows_are_their_headers(self) -> None:
        assert table(["a", "b"], []) == "a  b"

    def test_escape_their_cells(self) -> None:
        assert table(["a"], [["x\x1b[2J\ny"]]) == "a\nx\\x1b[2J\\ny"

    def test_the_widest_texts_are_cut_to_the_width_and_numbers_are_not(self) -> None:
        rows = [["x" * 40, "日" * 20, 123456789012345678]]
        lines = table(["a", "b", "n"], rows, 50).splitlines()
        assert max(display_width(line) for line in lines) <= 50
        assert lines[1].count("…") == 2
        assert lines[1].endswith(table(["n"], [[123456789012345678]]).splitlines()[1])

    def test_only_the_columns_that_may_be_cut_are(self) -> None:
        line = table(["a", "b"], [["x" * 40, "y" * 40]], 60, ("b",)).splitlines()[1]
        assert line == f"{'x' * 40}  {'y' * 17}…"
        assert table(["a", "b"], [["x" * 40, "y" * 40]], 10, ("b",)).splitlines()[1].count("y") == 11

    def test_show_truth_as_yaml_does(self) -> None:
        assert table(["a"], [[True], [None], [False]]) == "a\ntrue\n\nfalse"

    @given(st.lists(st.tuples(st.text(), st.integers() | st.none()), max_size=5))
    def test_have_a_line_for_each_row(self, rows: list[tuple[str, int | None]]) -> None:
        assert len(table(["a", "b"], rows).split("\n")) == len(rows) + 1


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (show_number(100), "100"),
        (show_number(0.123456789), "0.123457"),
        (show_number(2**53 - 1), "9007199254740991"),
        (show_change(0.005), "+0.005"),
        (show_change(-3), "-3"),
        (show_change(None), ""),
        (show_percent(0.5319), "+0.53%"),
        (show_percent(0.00012), "+0.00012%"),
        (show_percent(-1e9), "-1e+09%"),
        (show_percent(None), ""),
        (show_size(0), "0 B"),
        (show_size(1023), "1023 B"),
        (show_size(1024), "1.0 KiB"),
        (show_size(5 * 2**40), "5.0 TiB"),
        (show_size(5000 * 2**40), "5000.0 TiB"),
    ],
)
def test_values_are_written_for_people(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", "\\x3a:error::x"),
        ("a\n  ::set-output name=x::y\nb", "a\n  \\x3a:set-output name=x::y\nb"),
        ("\t::warning::x\n\n::x", "\t\\x3a:warning::x\n\n\\x3a:x"),
        ("a ##[error]x", "a #\\x23[error]x"),
        ("a::b: c\n- ::x\n", "a::b: c\n- ::x\n"),
    ],
)
def test_no_line_of_a_text_is_a_command_of_a_runner(text: str, shown: str) -> None:
    assert inert(text) == shown
