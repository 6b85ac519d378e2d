"""``gitreg forge``: what a hosted forge must be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.session import Group, Session, emit, formatted
from gitreg.surfaces.cli.values import TEXT

if TYPE_CHECKING:
    from gitreg.wiring.scaffold import Scaffolded


@click.group(cls=Group)
def forge() -> None:
    """What GitHub or GitLab needs from a registry: workflows, code owners, settings."""


@forge.command()
@click.option(
    "--provider",
    type=click.Choice(["github", "gitlab"]),
    help="For which forge (default: the one that gitreg.yaml names).",
)
@click.option(
    "--action",
    metavar="OWNER/REPO@COMMIT",
    type=TEXT,
    help="The commit of gitreg that CI runs (default: the one in the files, else the one that is installed).",
)
@click.option("--check", is_flag=True, help="Write nothing; say whether the files are as they should be.")
@formatted("json")
@click.pass_obj
def scaffold(session: Session, provider: str | None, action: str | None, check: bool, format: str) -> int:
    """Write the workflows, CODEOWNERS and the ruleset into the checkout, from its gitreg.yaml and policy.yaml.

    It commits nothing: these are rules files, and change by a request of a rules owner. What you have written between
    "yours" and "end" in a workflow is kept, and so are your lines of CODEOWNERS. Exit code with --check: 0 the files
    are as they should be, 1 they are not.

    \b
    Examples:
      gitreg forge scaffold --action your-org/gitreg@5c1f0d3a9be24c4bb1d0f3f1d7f3f6a4d1c2b3a4
      gitreg forge scaffold --check
    """
    from gitreg.wiring.scaffold import scaffold_checkout

    found = scaffold_checkout(session.options(), provider, action, write=not check)
    verb = "differs" if check else "written"
    width = max(len(path) for path in found.files)
    lines = [
        f"{path:<{width}}  {verb if path in found.differing else 'as it should be'}" for path in found.files
    ]
    if found.differing:
        lines.append("Next: gitreg forge scaffold" if check else f"Next: {_how_to_commit(found)}")
    data = {"files": found.files, "differing": found.differing, "notes": found.notes}
    emit(format, data, "\n".join([*lines, *found.notes]))
    return 1 if check and found.differing else 0


def _how_to_commit(found: Scaffolded) -> str:
    if not found.published:
        return "take them into the first commit: git commit --all --amend --no-edit"
    return "commit them on a branch, and propose that: gitreg change open BRANCH"
