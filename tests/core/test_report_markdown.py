"""Values in Markdown: shown exactly, and nothing but text, rendered and raw.

GitHub's and GitLab's renderers follow CommonMark with tables; markdown-it (which rich brings) does the same here.
"""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from gitreg.core.report.markdown import bullets, escape, fit, listed, table
from gitreg.core.report.text import printable

RENDERER = MarkdownIt("commonmark", {"html": True}).enable("table")

HOSTILE = [
    "`", "``` `` `", "a`b", "`@root`", "|", "a | b", "a\\|b", "\\", "trailing\\", "\\`", "`` \\` | ``",
    "@alice", "cc @org/team!", "Closes #1", "fixes: group/project#12", "Resolves https://github.com/o/r/issues/3",
    "closing GH-12", "gh-7", "Implements ABC-123", "[skip ci]", "[ci-skip]", "***NO_CI***", "o/r@1234567",
    "<script>alert(1)</script>", "<img src=x onerror=y>", "</code>", "<!-- x -->", "&lt;b&gt;", "&#35;1",
    "[x](https://evil.example)", "![x](https://evil.example/pixel)", "<https://evil.example>", "www.evil.example",
    "https://evil.example/#1", "bo@evil.example", "*a* **b** _c_ __d__ ~~e~~", "$x$ $`y`$", ":smile:", "/approve",
    "# title", "- item", "1. item", "> quote", "---", "    code", "```\nfence\n```", "line\n\n## next", "\r\n/merge",
    "\x1b[2J", "\u202eevil", "a\u200bb", "", " ", "  two  ", "!1 $2 %3 ~bug &4", "^alert#5", "x{+ a +}{- b -}", "[^1]",
    "%(x) \"q\" 'q'", "\t", "a\u2028b", "｜", "＠alice",
]  # fmt: skip

#: What GitHub, GitLab and CI systems look for in a merge commit's raw text.
ORDERS = re.compile(
    r"(?<![\w`])@\w|(?<!&)#\d|\bGH-\d|\[(?:skip|no)[ _-]ci\]|\[ci[ _-]skip\]|\*\*\*NO_CI"
    r"|(?:clos|fix|resolv|implement)(?:e[sd]?|ing)?:? +(?:[A-Z][A-Z0-9_]+-\d|https?:|[\w/.-]*#\d)",
    re.IGNORECASE,
)


def inline(text: str) -> list[Token]:
    """The inline tokens of a text, all of whose blocks must be ``expected``."""
    return [child for token in RENDERER.parse(text) for child in token.children or ()]


def text_of(tokens: list[Token]) -> str:
    """What a reader sees, and that it can be nothing else."""
    for token in tokens:
        assert token.type in {"text", "code_inline"} or token.content in {"<code>", "</code>"}, token
    return "".join(token.content for token in tokens if token.type != "html_inline")


@pytest.mark.parametrize("text", HOSTILE)
class TestHostileText:
    def test_is_shown_as_it_is_in_a_sentence(self, text: str) -> None:
        shown = text_of(inline(f"see {escape(text)} there"))
        assert shown == f"see {printable(text)} there"

    def test_stays_in_its_cell(self, text: str) -> None:
        lines = table(["a", "b", "c"], [[escape(text), "x", escape(text)], ["1", "2", "3"]], 9)
        tokens = RENDERER.parse("\n".join(lines))
        cells = [
            token for index, token in enumerate(tokens) if tokens[index - 1].type in {"td_open", "th_open"}
        ]
        assert [text_of(cell.children or []).strip() for cell in cells] == [
            *"abc", printable(text).strip(), "x", printable(text).strip(), *"123",
        ]  # fmt: skip

    def test_stays_in_its_item(self, text: str) -> None:
        tokens = RENDERER.parse("\n".join(bullets([escape(text), "other"], 9)))
        assert sum(token.type == "list_item_open" for token in tokens) == 2
        assert {token.type for token in tokens if token.nesting == 0} <= {"inline"}

    def test_orders_nothing_in_raw_text(self, text: str) -> None:
        assert not ORDERS.search(f"see {escape(text)} there")


@given(st.text(max_size=30))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    escaped = escape(text)
    assert "\n" not in escaped
    assert "|" not in escaped
    tokens = inline(f"x {escaped} y")
    assert text_of(tokens).split() == f"x {printable(text)} y".split()


@given(st.text("`|@#<>&*_[]()!\\ a1-:.", max_size=12))
def test_any_marks_are_shown_as_they_are(text: str) -> None:
    assert text_of(inline(f"x {escape(text)} y")).split() == f"x {text} y".split()


@pytest.mark.parametrize(
    "text",
    ["credit-risk/3", "売上予測モデル/2", "हिन्दी", "roc_auc is 0.945 (≥ 0.85)", "numpy>=2,<3", "dvc[s3]==3.2", "0.5 %",
     "https://mlflow.example/runs/1?x=2&y=3", "gitreg rollback 'a b' --stage production", "a → b", '{"minimum": 0}'],
)  # fmt: skip
def test_ordinary_values_are_plain_code_spans(text: str) -> None:
    assert escape(text) == f"`{text}`"


def test_references_in_text_are_broken_but_the_rest_stays_readable() -> None:
    assert escape("moving @champion, see #12") == "<code>moving &#x40;champion, see &#x23;12</code>"
    assert html.unescape(escape("Closes ABC-12")) == "<code>Closes ABC-12</code>"


def test_long_values_are_cut() -> None:
    assert escape("a" * 300) == f"`{'a' * 199}…`"
    assert len(escape("@" * 10_000, 60)) < 400


def test_lists_and_tables_say_what_they_leave_out() -> None:
    assert bullets(["a", "b", "c"], 2) == ["- a", "- b", "", "… and 1 more"]
    assert table(["h"], [["a"], ["b"]], 1) == ["| h |", "| --- |", "| a |", "", "… and 1 more"]
    assert listed(["a", "b", "c"], 2) == "`a`, `b`, and 1 more"


def test_sections_that_do_not_fit_are_counted() -> None:
    assert fit([["a", "b"], [], ["c"]], 100) == "a\nb\n\nc"
    assert fit([["a" * 50], ["b" * 60], ["c"]], 100).splitlines() == [
        "a" * 50, "", "… and 2 more sections, too long to be shown here",
    ]  # fmt: skip
