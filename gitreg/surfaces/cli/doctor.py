"""``gitreg doctor``: whether what a registry rests on is really there."""

from __future__ import annotations

import click

from gitreg.surfaces.cli.session import REMOTE, Session, emit, formatted


@click.command()
@click.option(
    "--forge",
    is_flag=True,
    help="Read the settings of the forge, too, and fail without those that are needed.",
)
@REMOTE
@formatted("json")
@click.pass_obj
def doctor(session: Session, forge: bool, remote: str | None, format: str) -> int:
    """Say whether this machine, the registry and its forge are set up as they must be.

    On GitHub and GitLab a request brings its own workflow file. So the rules hold only together with settings of the
    forge: --forge reads them as they are now, and says which are missing (docs/security.md). Some are shown to
    administrators alone; what could not be read is not taken for set.

    \b
    [x] it is so                      [ ] it is not
    [?] it could not be found out     [-] advice that is not followed; nothing that is promised rests on it

    Exit code: 0 all that is needed is so, 1 something is not, 3 something could not be found out.

    JSON: exitCode, points (about, name, ok, needed, text, fix); ok is null for what could not be found out.

    \b
    Examples:
      gitreg doctor
      gitreg doctor --forge --format json
    """
    from gitreg.core.doctor.point import exit_code
    from gitreg.core.report.doctor import doctor_json, doctor_text
    from gitreg.wiring.doctor import diagnose

    found = diagnose(session.options(remote=remote), forge=forge)
    emit(format, doctor_json(found), doctor_text(found))
    return exit_code(point for points in found.values() for point in points)
