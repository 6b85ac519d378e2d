"""The verdict as Markdown: what it says, that it is never too large, and that nothing breaks out of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from gitreg.core.findings import Finding, Location, Outcome
from gitreg.core.report.summary import MOST_BYTES, findings_summary
from tests.core.finding_kit import FAIL, UNKNOWN, WARNING, findings, texts, unhurried

RENDERER = MarkdownIt("commonmark", {"html": True}).enable("table")
FRAME = ["heading", "paragraph", "bullet_list", "list_item", "table", "thead", "tbody", "tr", "th", "td"]


def tokens(text: str) -> list[Token]:
    return RENDERER.parse(text)


def count(text: str, type: str) -> int:
    return sum(token.type == type for token in tokens(text))


def is_only_text(text: str) -> bool:
    """Whether all of it is the report's own frame, and text or code in it."""
    blocks = {f"{name}_{end}" for name in FRAME for end in ("open", "close")} | {"inline"}
    inner = [child for token in tokens(text) for child in token.children or ()]
    return all(token.type in blocks for token in tokens(text)) and all(
        child.type in {"text", "code_inline"} or child.content in {"<code>", "</code>"} for child in inner
    )


def test_says_the_verdict_what_was_checked_and_every_finding() -> None:
    facts = {"base": "1a2b", "kinds": ["promote", "alias"], "change": None}
    assert findings_summary([WARNING, UNKNOWN, FAIL], checked="change #4 on 1a2b", facts=facts) == (
        "## gitreg: fail\n"
        "\n"
        "Checked <code>change &#x23;4 on 1a2b</code>: 1 finding, 1 undecided, 1 warning.\n"
        "\n"
        "- `base`: `1a2b`\n"
        "- `kinds`: `promote`, `alias`\n"
        "\n"
        "| outcome | rule | where | what | how to mend it |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| fail | GR302 metric-gate (`docs/rules/GR302.md`) | `models/売上 モデル/versions/3/version.yaml:17:12`"
        " | `roc_auc is 0.8` | `register a better one` |\n"
        "| undecided | GR401 approvals (`docs/rules/GR401.md`) |  | `approvals could not be read` |  |\n"
        "| warning | GR401 approvals (`docs/rules/GR401.md`) | `policy.yaml` | `a statement does not count` |  |"
    )


def test_links_rules_where_the_documentation_has_an_address() -> None:
    text = findings_summary([FAIL], checked="x", docs="https://example.com/gitreg/")
    assert "| [GR302 metric-gate](https://example.com/gitreg/docs/rules/GR302.md) |" in text


def test_nothing_found_is_good_news() -> None:
    text = findings_summary([], checked="the registry in commit 1a2b", facts={"commit": None})
    assert text == "## gitreg: pass\n\nChecked `the registry in commit 1a2b`: nothing to complain about."


def test_undecided_is_no_pass() -> None:
    assert findings_summary([UNKNOWN], checked="x").startswith("## gitreg: undecided\n")
    assert findings_summary([WARNING], checked="x").startswith("## gitreg: pass\n")


def test_is_never_larger_than_github_takes() -> None:
    evil = "@" * 10_000
    many = [Finding("GR101", f"{n}{evil}", Location(evil, n + 1), evil) for n in range(600)]
    text = findings_summary([*many, WARNING], checked=evil, facts={"kinds": [evil] * 100, "base": evil})
    assert MOST_BYTES - 20_000 < len(text.encode()) <= MOST_BYTES
    shown = sum(line.startswith("| fail |") for line in text.splitlines())
    assert text.endswith(f"\n\n… and {len(many) + 1 - shown} more")


def test_shows_thousands_of_ordinary_findings() -> None:
    many = [Finding("GR101", f"wrong {n}", Location("a.yaml", n + 1), "mend it") for n in range(2_000)]
    text = findings_summary(many, checked="x")
    assert text.count("\n| fail |") == 2_000


@unhurried
@given(st.lists(findings, max_size=4), texts, st.dictionaries(texts, texts | st.lists(texts), max_size=2))
def test_nothing_breaks_out_of_its_place(
    found: list[Finding], checked: str, facts: dict[str, object]
) -> None:
    text = findings_summary(found, checked=checked, facts=facts)
    assert is_only_text(text)
    assert count(text, "heading_open") == 1
    assert count(text, "table_open") == bool(found)
    assert count(text, "tr_open") == (len(set(found)) + 1 if found else 0)
    assert count(text, "td_open") == 5 * len(set(found))


def test_what_breaks_out_would_be_seen() -> None:
    for broken in ("<img src=x>", "[x](https://evil.example)", "```\nx\n```", "*x*", "---"):
        assert not is_only_text(f"## gitreg: pass\n\n{broken}")
    assert is_only_text("| a |\n| --- |\n| `b` |")


def test_outcomes_are_words() -> None:
    rows = findings_summary([Finding("GR101", "x", outcome=o) for o in Outcome], checked="x").splitlines()[
        -3:
    ]
    assert [row.split("|")[1].strip() for row in rows] == ["fail", "undecided", "warning"]
