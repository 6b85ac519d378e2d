"""What a request's text looks like on a terminal."""

from __future__ import annotations

from gitreg.core.report.markdown import escape
from gitreg.core.report.plain import plain_text

BODY = """### What moves

| model | from |  | registered |
| --- | --- | --- | --- |
| `credit-risk` | `staging` |  | `Alice`, 2026-11-25 |

### Checklist

`credit-risk/1 → production`:

- [x] `moves from staging` (GR301)
- [ ] **not met:** `needs 1 approval` (GR401)

### Rules

```diff
-a: `1`
+| b |
```
<!-- gitreg:status -->
after"""

PLAIN = """What moves:

  model        from     registered
  credit-risk  staging  Alice, 2026-11-25

Checklist:

credit-risk/1 → production:

- [x] moves from staging (GR301)
- [ ] not met: needs 1 approval (GR401)

Rules:

  -a: `1`
  +| b |
after"""


def test_marks_are_gone_and_tables_are_aligned() -> None:
    assert plain_text(BODY) == PLAIN


def test_an_escaped_value_reads_as_what_it_is() -> None:
    for value in ("a|b `c` <d>", "closes #4 @all", "**x**"):
        assert plain_text(f"- name: {escape(value)}") == f"- name: {value}"


def test_nothing_in_somebodys_text_is_obeyed_by_the_terminal() -> None:
    shown = plain_text(
        "### \x1b[31mred\n```\n\x1b]0;title\x07\n| a |\n| --- |\n| \u202e |\n```\n| a |\n| --- |\n| \x07 |"
    )
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_a_fence_or_table_that_does_not_end_loses_nothing() -> None:
    assert plain_text("```\nlast") == "  last"
    assert plain_text("| a | b |\n| --- | --- |\n| c |") == "  a  b\n  c"


def test_a_wide_table_is_cut_to_the_terminal() -> None:
    body = f"| name | n |\n| --- | --- |\n| {'x' * 200} | 7 |"
    assert max(len(line) for line in plain_text(body, 60).split("\n")) == 60
