"""What a check found, in every format: printed, and written to files. The exit code depends on the findings alone."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from secrets import token_hex
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gitreg.errors import ConfigError, GitregError
from gitreg.surfaces.cli.session import formatted, warn

if TYPE_CHECKING:
    from gitreg.core.findings import Finding

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Check:
    """What was judged, and what was found.

    ``what`` says it in words, ``facts`` in plain values; ``rules`` are the ids of the rules that were judged (None is
    all); ``anchor`` is the file at which a finding is shown that has no place of its own. ``not_checked`` are the
    groups of rules that were not asked for, ``note`` what people are told of that.
    """

    findings: Sequence[Finding]
    what: str
    facts: Mapping[str, object] = field(default_factory=dict)
    rules: Sequence[str] | None = None
    anchor: str = "gitreg.yaml"
    not_checked: Sequence[str] = ()
    note: str = ""

    @property
    def skipped(self) -> Sequence[str]:
        """The ids of the rules that were not asked for."""
        from gitreg.core.report.common import rules_by_id
        from gitreg.core.verify.checks import skipped

        rules = rules_by_id()
        judged = rules if self.rules is None else self.rules
        return skipped([rules[id] for id in judged], self.not_checked) if self.not_checked else ()


def _text(check: Check, *, color: bool = False) -> str:
    from gitreg.core.report.text import findings_text

    return findings_text(check.findings, checked=check.what, note=check.note, color=color)


def _json(check: Check) -> str:
    from gitreg.core.report.json import findings_json

    return findings_json(check.findings, check.not_checked, **check.facts)


def _github(check: Check) -> str:
    from gitreg.core.report.github import findings_github

    return findings_github(check.findings, note=check.note)


def _summary(check: Check) -> str:
    from gitreg.core.report.summary import findings_summary

    return findings_summary(check.findings, checked=check.what, facts=check.facts, note=check.note)


def _gitlab(check: Check) -> str:
    from gitreg.core.report.gitlab import findings_gitlab

    return findings_gitlab(check.findings, anchor=check.anchor)


def _junit(check: Check) -> str:
    from gitreg.core.report.junit import findings_junit

    return findings_junit(check.findings, rules=check.rules, skipped=check.skipped)


def _sarif(check: Check) -> str:
    from gitreg import __version__
    from gitreg.core.report.sarif import findings_sarif

    return findings_sarif(check.findings, version=__version__, anchor=check.anchor, skipped=check.skipped)


FORMATS: dict[str, Callable[[Check], str]] = {
    "text": _text,
    "json": _json,
    "github": _github,
    "summary": _summary,
    "gitlab": _gitlab,
    "junit": _junit,
    "sarif": _sarif,
}


@dataclass(frozen=True, slots=True)
class Report:
    """A file that is to have a format."""

    format: str
    path: str


def reporting(command: F) -> Callable[..., Any]:
    """Adds ``--format`` (``text`` by default), and ``--report``, which the command gets as ``reports``.

    With ``--format github`` an error that keeps the command from a verdict is an annotation, too.
    """

    @wraps(command)
    def announced(*args: Any, format: str, **others: Any) -> Any:
        try:
            return command(*args, format=format, **others)
        except GitregError as error:
            if format == "github":
                from gitreg.core.report.github import error_github

                click.echo(error_github(error.message, error.hint))
            raise

    option = click.option(
        "--report",
        "reports",
        metavar="FORMAT=FILE",
        multiple=True,
        callback=_parse_reports,
        help="Write this format to a file, too; may be given several times.",
    )
    return formatted(*(name for name in FORMATS if name != "text"))(option(announced))


def _parse_reports(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[Report, ...]:
    reports = tuple(_parse_report(value) for value in values)
    if len({os.path.realpath(report.path) for report in reports}) < len(reports):
        raise click.BadParameter("two reports cannot go to one file.")
    return reports


def _parse_report(value: str) -> Report:
    format, equals, path = value.partition("=")
    if format not in FORMATS:
        raise click.BadParameter(f"{format!r} is none of {', '.join(FORMATS)}.")
    if not equals or path in ("", "-") or "\0" in path:
        raise click.BadParameter(
            f"{value!r} names no file; write {format}=FILE, or --format {format} to print."
        )
    return Report(format, path)


def deliver(check: Check, format: str, reports: Sequence[Report] = ()) -> int:
    """Prints a format and writes the reports; returns the exit code. Raises ConfigError if one cannot be written.

    It is printed first, and one report that cannot be written does not keep others from it. In a step of GitHub Actions
    the summary is added to the step's, unless a summary was asked for.
    """
    from gitreg.core.findings import exit_code

    shown = _text(check, color=sys.stdout.isatty()) if format == "text" else FORMATS[format](check)
    click.echo(_ended(shown), nl=False)
    problems: list[ConfigError] = []
    for report in reports:
        try:
            _replace(report.path, _ended(FORMATS[report.format](check)))
        except OSError as error:
            problems.append(_unwritable(report, error))
    if all(report.format != "summary" for report in reports):
        _add_to_step(check)
    if problems:
        raise problems[0]
    return exit_code(check.findings)


def _add_to_step(check: Check) -> None:
    """Other commands of the step have written to its summary, too. Nobody asked for it, so it may fail."""
    from gitreg.wiring.ci import step_summary

    path = step_summary()
    if path is None:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(_ended(_summary(check)))
    except (OSError, ValueError) as error:
        warn(f"the step's summary cannot be written to {path!r}: {getattr(error, 'strerror', None) or error}")


def _ended(text: str) -> str:
    """The text with a newline at its end; nothing stays nothing."""
    return text.removesuffix("\n") + "\n" if text else ""


def _unwritable(report: Report, error: OSError) -> ConfigError:
    return ConfigError(
        f"the {report.format} report cannot be written to {report.path!r}: {error.strerror or error}",
        "name a file in a folder that exists and that you may write to",
    )


def _replace(path: str, text: str) -> None:
    """Writes a file so that readers see the old content or the new, never a part. Follows symbolic links."""
    mode = _mode(path)
    target = os.path.realpath(path)
    aside = f"{target}.{token_hex(4)}.tmp"
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(handle, "wb") as file:
            file.write(text.encode())
        if mode is not None:
            os.chmod(aside, mode)
        os.replace(aside, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(aside)
        raise


def _mode(path: str) -> int | None:
    """The permissions of a file that is there already. Pipes, terminals and what is printed to cannot be replaced."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(None, "it is a folder" if stat.S_ISDIR(found.st_mode) else "it is no plain file")
    if any(os.path.samestat(found, os.fstat(stream)) for stream in (1, 2)):
        raise OSError(None, "it is what gitreg prints to")
    return stat.S_IMODE(found.st_mode)
