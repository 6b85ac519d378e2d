from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from cli_kit import Registry

from gitreg.surfaces.cli.main import cli, run

#: What ``gitreg resolve`` must not pay for: deploy tooling runs it in a loop.
HEAVY = {"dvc", "dvc_data", "git", "jsonschema", "referencing", "rich"}


def walk(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below one, itself included, with its words."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            yield from walk(found, (*path, name))


COMMANDS = [(path, command) for path, command in walk(cli) if path]
IDS = [" ".join(path) for path, _ in COMMANDS]


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=IDS)
def test_every_command_explains_itself(path: tuple[str, ...], command: click.Command) -> None:
    help_text = inspect.cleandoc(command.help or "")
    assert help_text.split("\n")[0].endswith((".", ")")), "the first line is a sentence"
    if not isinstance(command, click.Group):
        assert "\b\nExample" in help_text, "there is no example"
        assert f"gitreg {path[0]}" in help_text.partition("\b\nExample")[2]


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=IDS)
def test_every_option_is_explained(path: tuple[str, ...], command: click.Command) -> None:
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{param.opts[0]} is not explained"


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=IDS)
def test_every_help_is_printed(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: gitreg {' '.join(path)}")
    assert "\b" not in out


def test_every_reading_command_speaks_json() -> None:
    """What takes ``--rev`` reads, and what reads can be read by programs."""
    reading = [(path, {opt for p in command.params for opt in p.opts}) for path, command in COMMANDS]
    reading = [(path, options) for path, options in reading if "--rev" in options]
    assert {" ".join(path) for path, _ in reading} >= {"list", "search", "show", "resolve", "history"}
    for path, options in reading:
        assert {"--at", "--worktree", "--format"} <= options, path


def test_a_mistyped_command_is_met_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serch"]) == 2
    assert "Did you mean 'search'?" in capsys.readouterr().err


def imported_by(*args: str) -> set[str]:
    """The top-level modules that a run of the command line leaves imported."""
    script = (
        "import sys; from gitreg.surfaces.cli.main import run; code = run(sys.argv[1:]);"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("path", [path for path, command in COMMANDS if isinstance(command, click.Group)])
def test_a_group_says_in_whole_what_its_commands_do(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*path, "--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


@pytest.mark.parametrize("format", ["text", "json", "env", "uri", "path"])
def test_resolve_pays_for_nothing_that_it_does_not_need(shared_repo: Registry, format: str) -> None:
    folder = os.fspath(shared_repo.folder)
    for reference in ("credit-risk/production", "credit-risk@champion", "churn/latest"):
        found = imported_by("-R", folder, "resolve", reference, "--format", format)
        assert found.isdisjoint(HEAVY), found.intersection(HEAVY)


def test_the_help_pays_for_no_library() -> None:
    assert imported_by("--help").isdisjoint(HEAVY)
