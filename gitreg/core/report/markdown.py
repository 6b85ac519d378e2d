"""Markdown for GitHub and GitLab that holds text from anywhere, and may end up in a merge commit's message.

So a value must be harmless twice: where it is rendered (no markup, HTML, link, mention, reference or table cell), and
in the raw text, which forges search for commands without regard to code spans: closing keywords
(https://docs.gitlab.com/user/project/issues/managing_issues/#default-closing-pattern), ``[skip ci]``, references.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from gitreg.core.report.show import cut
from gitreg.core.report.text import printable

#: What a code span cannot hold (its fence, a table's border), and what means something to a forge in raw text.
_RISKY = re.compile(
    r"[`|@#]|\bGH-\d|\*\*\*|\[[a-z]+[ _-][a-z]+\]|(?:clos|fix|resolv|implement)\w*:?\s|^\s|\s\Z|^\Z",
    re.IGNORECASE,
)
#: What could mean something in running text, rendered or raw.
_ACTIVE = re.compile(
    r"[`|@#\\<>&*\[\]!~$^{}]|(?<![^\W_])_|_(?![^\W_])|-(?=\d)|:(?=\S)|%(?=\w)|(?<=www)\.", re.IGNORECASE
)


def escape(text: str, most: int = 200) -> str:
    """``text`` as code, cut to ``most`` characters: exactly what it says, and nothing but text wherever it stands.

    Ordinary values become a code span, readable also where Markdown is not rendered. Others become ``<code>`` with
    character references for whatever could mean something, which no search of the raw text recognises. Control and
    invisible characters are shown as :func:`gitreg.core.report.text.printable` shows them.
    """
    shown = cut(printable(text), most)
    if not _RISKY.search(shown):
        return f"`{shown}`"
    return f"<code>{_ACTIVE.sub(lambda match: f'&#x{ord(match[0]):X};', shown)}</code>"


def listed(texts: Iterable[str], most: int = 10) -> str:
    """Some values as code, comma-separated; beyond ``most`` they are counted."""
    shown = list(texts)
    more = [f"and {len(shown) - most} more"] if len(shown) > most else []
    return ", ".join([*(escape(text) for text in shown[:most]), *more])


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> list[str]:
    """The lines of a table of at most ``most`` rows. Cells are Markdown already."""
    lines = [_row(headers), _row(["---"] * len(headers)), *(_row(row) for row in rows[:most])]
    return [*lines, *_left(len(rows) - most)]


def bullets(items: Sequence[str], most: int) -> list[str]:
    """The lines of a list of at most ``most`` items. Items are Markdown already."""
    return [*(f"- {item}" for item in items[:most]), *_left(len(items) - most)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _left(count: int) -> list[str]:
    return ["", f"… and {count} more"] if count > 0 else []


def fit(sections: Iterable[Sequence[str]], limit: int) -> str:
    """The sections (lines each), a blank line between them, as long as they fit; what does not is counted.

    ``limit`` is in characters.
    """
    kept: list[str] = []
    size = dropped = 0
    for text in _texts(sections):
        size += len(text) + 2
        if dropped or size > limit:
            dropped += 1
        else:
            kept.append(text)
    if dropped:
        kept.append(f"… and {dropped} more section{'s' if dropped > 1 else ''}, too long to be shown here")
    return "\n\n".join(kept)


def _texts(sections: Iterable[Sequence[str]]) -> Iterator[str]:
    return ("\n".join(section) for section in sections if section)
