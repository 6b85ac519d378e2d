"""Progress bars on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, Task, TaskID, TextColumn, TransferSpeedColumn
from rich.text import Text

from gitreg.core.ports import ProgressTask


class RichProgress:
    """A ``Progress`` that draws on stderr, and wipes each bar when its step is done."""

    def __init__(self) -> None:
        self._bars: Progress | None = None

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[ProgressTask]:
        """See :class:`gitreg.core.ports.Progress`."""
        with self._bar(label, total, counted=False) as bar:
            yield bar

    @contextmanager
    def count(self, label: str, total: int) -> Iterator[ProgressTask]:
        """See :class:`gitreg.core.ports.Progress`."""
        with self._bar(label, total, counted=True) as bar:
            yield bar

    @contextmanager
    def _bar(self, label: str, total: int, *, counted: bool) -> Iterator[ProgressTask]:
        """A bar below those that are open already: a terminal has one live display."""
        if self._bars is not None:
            outer = self._bars
            id = outer.add_task(label, total=total, counted=counted)
            try:
                yield _Bar(outer, id)
            finally:
                outer.remove_task(id)
            return
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), _Done(), _Speed())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            self._bars = bars
            try:
                yield _Bar(bars, bars.add_task(label, total=total, counted=counted))
            finally:
                self._bars = None


class _Done(DownloadColumn):
    """How much is done: in bytes, or in things."""

    def render(self, task: Task) -> Text:
        """See rich."""
        if task.fields["counted"]:
            return Text(f"{task.completed:g}/{task.total or 0:g}", style="progress.download")
        return super().render(task)


class _Speed(TransferSpeedColumn):
    def render(self, task: Task) -> Text:
        """See rich."""
        return Text("") if task.fields["counted"] else super().render(task)


class _Bar:
    def __init__(self, bars: Progress, id: TaskID) -> None:
        self._bars = bars
        self._id = id

    def advance(self, amount: int) -> None:
        """See :class:`gitreg.core.ports.ProgressTask`."""
        self._bars.advance(self._id, amount)
