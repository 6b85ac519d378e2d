"""``gitreg hook``: the pre-receive hook that lets a plain bare repository enforce the rules on every push."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.session import REMOTE, Group, Session, emit, formatted
from gitreg.surfaces.cli.values import TEXT, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitreg.core.findings import Finding


@click.group(cls=Group)
def hook() -> None:
    """Let a bare repository enforce the rules on every push, without a forge.

    \b
    Examples:
      gitreg -R /srv/git/models.git hook install --remote s3://bucket/models
      gitreg -R /srv/git/models.git hook status
    """


@hook.command()
@click.option(
    "--branch", type=TEXT, help="The registry's branch (default: what gitreg.yaml says, else HEAD's)."
)
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=TEXT,
    help="A registry's folder, where it is below a top folder.",
)
@click.option(
    "--user-from",
    metavar="VARIABLE",
    help="The environment variable in which the server says who pushes (default: REMOTE_USER).",
)
@click.option("--max-size", metavar="SIZE", help="The largest push that is taken (default: 64MiB).")
@REMOTE
@formatted("json")
@click.pass_obj
def install(
    session: Session,
    branch: str | None,
    folders: tuple[str, ...],
    user_from: str | None,
    max_size: str | None,
    remote: str | None,
    format: str,
) -> None:
    """Install the pre-receive hook in a bare repository, with the settings that it needs.

    It may be run again: what is not given stays as it was.

    It verifies each commit that a push brings to the registry's branch, and refuses what it cannot verify. A push to a
    repository without a branch must begin a registry with its rules alone.

    \b
    Example:
      cd /srv/git/models.git && gitreg hook install --remote s3://bucket/models
    """
    from gitreg.wiring.hook import install_hook

    most = size(max_size, "--max-size") if max_size else None
    path, settings = install_hook(session.options(remote=remote), branch, folders, user_from, most)
    data = {"hook": os.fspath(path), "branch": settings.branch, "remote": settings.remote}
    emit(format, data, f"Installed {path}; it guards the branch {settings.branch}.")


@hook.command()
@formatted("json")
@click.pass_obj
def status(session: Session, format: str) -> int:
    """Say whether the hook guards the repository. Exit code: 0 it does, 1 it does not.

    \b
    Example:
      cd /srv/git/models.git && gitreg hook status --format json
    """
    from gitreg.wiring.hook import hook_status

    settings, problems = hook_status(session.options())
    data = {
        "branch": settings.branch,
        "remote": settings.remote,
        "guards": not problems,
        "problems": problems,
    }
    emit(format, data, "\n".join(problems or [f"The hook guards the branch {settings.branch}."]))
    return 1 if problems else 0


@hook.command("pre-receive", hidden=True)
def pre_receive() -> int:
    """Judge a push: git runs this in the bare repository, with ``old new ref`` lines on standard input.

    \b
    Example:
      echo "$OLD $NEW refs/heads/main" | gitreg hook pre-receive
    """
    from gitreg.core.findings import exit_code
    from gitreg.flows.receive import receive
    from gitreg.wiring.hook import guarded, pushed_refs

    updates = pushed_refs(sys.stdin.buffer.read())
    for ws, guard, pusher in guarded(os.curdir, updates):
        receipt = receive(ws, guard, updates, pusher, lambda v: _tell(v.findings, f"commit {v.head[:12]}"))
        _tell(receipt.refs, "this push")
        code = exit_code(receipt.findings)
        if code:
            return code
    return 0


def _tell(findings: Sequence[Finding], checked: str) -> None:
    from gitreg.core.report.text import findings_text

    if findings:
        click.echo(findings_text(findings, checked=checked).removesuffix("\n"), err=True)
