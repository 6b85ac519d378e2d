"""What the commands of one invocation share: where they work, and how they print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gitreg.errors import GitregError, UsageError

if TYPE_CHECKING:
    from gitreg.api import Registry
    from gitreg.core.ci_event import CiEvent
    from gitreg.flows.land import LandingMode
    from gitreg.flows.workspace import Workspace
    from gitreg.wiring import Options

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Reading:
    """Which revision a reading command reads: ``--rev``, ``--at``, ``--worktree``."""

    rev: str | None = None
    at: str | None = None
    worktree: bool = False


@dataclass(frozen=True, slots=True)
class Landing:
    """How a writing command lands its plan, and prints what became of it; ``direct`` is None where nothing is said."""

    direct: bool | None
    dry_run: bool
    key: str | None
    format: str

    @property
    def mode(self) -> LandingMode:
        """The same, as the flows take it."""
        from gitreg.flows.land import LandingMode

        if self.direct is None:
            return LandingMode.USUAL
        return LandingMode.DIRECT if self.direct else LandingMode.REQUEST


@dataclass
class Session:
    """The global options; ``-C`` is obeyed by now."""

    registry: str | None
    debug: bool

    def options(
        self, *, remote: str | None = None, key: str | None = None, registry: str | None = None
    ) -> Options:
        """The options as wiring takes them."""
        from gitreg.wiring import Options

        return Options(registry=registry or self.registry, remote=remote, key=key, warn=warn)

    def read(self, when: Reading, remote: str | None = None) -> Registry:
        """The registry at the commit that a reading command's options choose."""
        from gitreg.api import open_registry

        moment = parse_time(when.at) if when.at else None
        return open_registry(
            options=self.options(remote=remote),
            rev=when.rev,
            at=moment,
            worktree=when.worktree,
            progress=progress(),
        )

    def workspace(
        self, *, remote: str | None = None, key: str | None = None, registry: str | None = None
    ) -> Workspace:
        """What a writing command works with."""
        from gitreg.wiring import open_registry, workspace

        options = self.options(remote=remote, key=key, registry=registry)
        return workspace(open_registry(options), options, progress())

    def workspace_for(self, event: CiEvent, *, remote: str | None = None) -> Workspace:
        """What a command works with that judges what a run of CI is about."""
        from gitreg.wiring.ci import workspace_for

        return workspace_for(event, self.options(remote=remote), progress())


def warn(line: str) -> None:
    """Tells a person something on stderr."""
    from gitreg.core.report.text import printable

    click.echo(f"gitreg: warning: {printable(line)}", err=True)


def progress() -> Any:
    """Bars on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        return None
    from gitreg.surfaces.cli.progress import RichProgress

    return RichProgress()


def terminal_width() -> int | None:
    """How many columns a table has room for; None where nobody looks at a terminal, so that nothing is cut."""
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


class Group(click.Group):
    """A group of commands that says in whole what each of them does."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands; click alone would cut what they do to fit one line."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(200)) for name, command in found if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def parse_time(text: str) -> datetime:
    """A moment from ISO 8601; without an offset it is UTC; a bare date is its beginning. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a time", "write 2026-11-20 or 2026-11-20T10:00:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def emit(format: str, data: object, text: str) -> None:
    """Prints a result: as JSON, or as text for people."""
    if format == "json":
        import json

        click.echo(
            json.dumps(data, indent=2, default=str)
        )  # in ASCII: no terminal obeys what a manifest says
    elif text:
        from gitreg.core.report.text import inert

        click.echo(inert(text.removesuffix("\n")))


def reading(command: F) -> Callable[..., Any]:
    """Adds ``--rev``, ``--at`` and ``--worktree``, which the command gets as ``when``."""

    @wraps(command)
    def bundled(*args: Any, rev: str | None, at: str | None, worktree: bool, **others: Any) -> Any:
        return command(*args, when=Reading(rev, at, worktree), **others)

    decorated: Callable[..., Any] = bundled
    for option in (
        click.option("--worktree", is_flag=True, help="Read the files as they lie in the checkout."),
        click.option(
            "--at", metavar="TIME", help="Read the registry as it was then (ISO 8601; UTC without an offset)."
        ),
        click.option(
            "--rev", metavar="REV", help="Read this commit, branch or tag instead of the registry's branch."
        ),
    ):
        decorated = option(decorated)
    return decorated


def formatted(*formats: str) -> Callable[[F], F]:
    """Adds ``--format``; ``text`` is the default."""
    return click.option(
        "--format",
        type=click.Choice(["text", *formats]),
        default="text",
        show_default=True,
        help="How to print.",
    )


_DIFF = "Print the diff and the change request's text; write nothing."


def landing(command: F, dry_run: str = _DIFF) -> Callable[..., Any]:
    """Adds what every command that writes takes, which it gets as ``how``; see :class:`Landing`.

    ``dry_run`` is the help of ``--dry-run``.
    """

    @wraps(command)
    def bundled(
        *args: Any, direct: bool | None, dry_run: bool, key: str | None, format: str, **others: Any
    ) -> Any:
        try:
            return command(*args, how=Landing(direct, dry_run, key, format), **others)
        except GitregError as error:
            if error.exit_code or format != "json":
                raise
            emit(format, {"landed": False, "nothingToDo": error.message}, "")  # as good as done

    decorated: Callable[..., Any] = bundled
    for option in (
        formatted("json"),
        click.option(
            "--key", metavar="FILE", help="The SSH key that signs the change request (GITREG_SSH_KEY)."
        ),
        click.option("--dry-run", is_flag=True, help=dry_run),
        click.option(
            "--direct/--request",
            default=None,
            help="Land on the branch at once where policy allows it, or open a change request (the default"
            " unless the registry is for one person).",
        ),
    ):
        decorated = option(decorated)
    return decorated


def landing_imports(command: F) -> Callable[..., Any]:
    """As ``landing``, for a command that makes change after change."""
    return landing(command, "Say what would be imported, and what not; write nothing.")


REMOTE = click.option(
    "--remote", metavar="NAME|URL", help="The DVC remote, instead of the one that .dvc/config names."
)
