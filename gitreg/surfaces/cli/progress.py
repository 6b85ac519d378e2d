"""Progress bars on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from gitreg.core.ports import ProgressTask


class RichProgress:
    """A ``Progress`` that draws on stderr, and wipes each bar when its step is done."""

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[ProgressTask]:
        """See :class:`gitreg.core.ports.Progress`."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            yield _Bar(bars, bars.add_task(label, total=total))


class _Bar:
    def __init__(self, bars: Progress, id: TaskID) -> None:
        self._bars = bars
        self._id = id

    def advance(self, amount: int) -> None:
        """See :class:`gitreg.core.ports.ProgressTask`."""
        self._bars.advance(self._id, amount)
