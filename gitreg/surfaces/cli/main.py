"""The ``gitreg`` command: its groups, its global options, and how errors leave it.

Commands are imported when they are called: ``gitreg resolve`` runs in deploy loops and pays for nothing else.
"""

from __future__ import annotations

import sys
from contextlib import chdir
from importlib import import_module
from typing import Any

import click

from gitreg import __version__
from gitreg.errors import ConfigError, GitregError
from gitreg.surfaces.cli.session import Session

#: Where each command lives, in the order of ``gitreg --help``, under the headings that it shows.
COMMANDS: dict[str, dict[str, str]] = {
    "Begin": {"init": "init:init", "demo": "demo:demo"},
    "Read": {
        "list": "browse:list_models",
        "search": "browse:search",
        "show": "browse:show",
        "resolve": "resolve:resolve",
        "pull": "resolve:pull",
        "history": "browse:history",
    },
    "Change": {
        "register": "register:register",
        "promote": "stage:promote",
        "demote": "stage:demote",
        "rollback": "stage:rollback",
        "copy": "register:copy",
        "import": "importing:importing",
        "export": "exporting:exporting",
        "model": "model:model",
        "version": "version:version",
        "alias": "alias:alias",
        "evidence": "evidence:evidence",
    },
    "Decide": {
        "change": "change:change",
        "verify": "check:verify",
        "validate": "check:validate",
        "audit": "check:audit",
        "ci": "ci:ci",
        "hook": "hook:hook",
        "doctor": "doctor:doctor",
        "forge": "forge:forge",
        "policy": "policy:policy",
    },
}
_PLACES = {name: place for commands in COMMANDS.values() for name, place in commands.items()}


class Commands(click.Group):
    """The top-level group; imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the help."""
        return list(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one command."""
        if cmd_name not in _PLACES:
            return None
        module, _, attribute = _PLACES[cmd_name].partition(":")
        command = getattr(import_module(f"gitreg.surfaces.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggests the command that was probably meant."""
        if args and args[0] not in _PLACES and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], _PLACES, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands under their headings."""
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                found = ((name, self.get_command(ctx, name)) for name in commands)
                formatter.write_dl(
                    [(name, command.get_short_help_str(200)) for name, command in found if command]
                )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "-C",
    "directory",
    metavar="DIR",
    default=".",
    help="Work in DIR, as if gitreg was started there; the paths in other arguments are meant from there.",
)
@click.option(
    "-R",
    "registry",
    metavar="PATH|URL",
    help="The registry's repository: a checkout, a bare repository or a URL; #FOLDER names a folder in it.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
@click.version_option(__version__, "-V", "--version", message="gitreg %(version)s")
@click.pass_context
def cli(ctx: click.Context, directory: str, registry: str | None, debug: bool) -> None:
    """A model registry that lives in git.

    Versions, stages and aliases are files; a promotion is a change request that gitreg writes and proves.

    \b
    Examples:
      gitreg init my-registry
      gitreg register credit-risk model.onnx --create --metric roc_auc=0.94
      gitreg promote credit-risk/3 --to staging
      gitreg resolve credit-risk/production
    """
    if directory != ".":
        try:
            ctx.with_resource(chdir(directory))  # every path in the arguments is meant from there
        except OSError as error:
            raise ConfigError(f"there is no folder {directory!r}: {error.strerror}", "check -C") from None
    ctx.obj = Session(registry, debug)


def main(args: list[str] | None = None) -> None:
    """Runs the command line and exits with its code."""
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Runs the command line; returns its exit code (see gitreg.errors), having said on stderr what went wrong."""
    debug = "--debug" in (sys.argv[1:] if args is None else args)
    try:
        result: Any = cli.main(args, prog_name="gitreg", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted; nothing is half-done")
        return 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _report_usage(error)
    except GitregError as error:
        return _report(error, debug)
    except SystemExit:  # click's way to say that the reader of our output went away
        return 0
    except OSError as error:
        if debug:
            raise
        _say(f"{error.filename or 'the system'}: {error.strerror or error}")
        return 3
    except Exception as error:
        if debug:
            raise
        _say(
            f"this is a bug in gitreg: {type(error).__name__}: {error}",
            "run it again with --debug and report what it prints",
        )
        return 4


def _report_usage(error: click.ClickException) -> int:
    """One line and a hint, as for every other error."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "gitreg"
    message = " ".join(error.format_message().split()).rstrip(".")
    _say(message[:1].lower() + message[1:], f"{command} --help shows how it is used")
    return error.exit_code


def _report(error: GitregError, debug: bool) -> int:
    if debug and error.exit_code:
        import traceback

        traceback.print_exception(error)
    _say(error.message, error.hint)
    return error.exit_code


def _say(message: str, hint: str | None = None) -> None:
    from gitreg.core.report.text import printable

    click.echo(f"gitreg: {printable(message)}", err=True)
    if hint:
        click.echo(f"  hint: {printable(hint)}", err=True)
