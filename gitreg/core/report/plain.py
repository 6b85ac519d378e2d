"""The Markdown that gitreg writes, as text for a terminal: aligned tables, no marks. Other Markdown stays readable."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from gitreg.core.report.tables import table
from gitreg.core.report.text import printable

_HEADING = re.compile(r"#{1,6} +(.*)\Z")
_FENCE = re.compile(r"(`{3,})\w*\Z")
_RULE = re.compile(r"\|(?: *:?-+:? *\|)+\Z")
_CELL = re.compile(r"(?<!\\)\|")
_COMMENT = re.compile(r"<!--.*?-->\Z")
_SPAN = re.compile(r"`([^`]+)`|<code>(.*?)</code>|\*\*(.+?)\*\*")


def plain_text(markdown: str, width: int | None = None) -> str:
    """A request's text as people read it on a terminal of ``width`` columns (None: as wide as it takes).

    It may come from anybody: of no line is anything obeyed (see :func:`gitreg.core.report.text.printable`).
    """
    return "\n".join(_lines(markdown.replace("\r\n", "\n").split("\n"), width))


def _lines(lines: Sequence[str], width: int | None) -> Iterator[str]:
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence:
            end = next((n for n in range(at + 1, len(lines)) if lines[n] == fence[1]), len(lines))
            yield from (f"  {printable(line)}".rstrip() for line in lines[at + 1 : end])
            at = end + 1
        elif at + 1 < len(lines) and lines[at].startswith("|") and _RULE.match(lines[at + 1]):
            end = next((n for n in range(at, len(lines)) if not lines[n].startswith("|")), len(lines))
            rows = [_cells(line) for n, line in enumerate(lines[at:end]) if n != 1]
            yield from _table(rows, width)
            at = end
        else:
            if not _COMMENT.match(lines[at]):
                yield _line(lines[at])
            at += 1


def _line(line: str) -> str:
    heading = _HEADING.match(line)
    return f"{_inline(heading[1])}:".replace("::", ":") if heading else _inline(line)


def _cells(line: str) -> list[str]:
    return [_inline(cell.strip()) for cell in _CELL.split(line.strip()[1:].removesuffix("|"))]


def _table(rows: list[list[str]], width: int | None) -> Iterator[str]:
    columns = len(rows[0])
    body = [(row + [""] * columns)[:columns] for row in rows[1:]]
    told = [n for n in range(columns) if rows[0][n] or any(row[n] for row in body)]
    kept = [[row[n] for n in told] for row in body]
    inner = None if width is None else width - 2
    text = table([rows[0][n] for n in told], kept, width=inner)
    yield from (f"  {line}".rstrip() for line in text.split("\n"))


def _inline(text: str) -> str:
    return printable(_SPAN.sub(_unmarked, text))


def _unmarked(found: re.Match[str]) -> str:
    code, reference, bold = found.groups()
    if code is not None:
        return str(code)
    return html.unescape(reference) if reference is not None else str(bold)
