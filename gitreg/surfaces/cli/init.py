"""``gitreg init``: begin a registry."""

from __future__ import annotations

import os

import click

from gitreg.surfaces.cli.session import Session, emit, formatted
from gitreg.surfaces.cli.values import TEXT


@click.command()
@click.argument("directory", required=False, default=".", type=TEXT)
@click.option("--name", metavar="NAME", help="The registry's name (default: the folder's).", type=TEXT)
@click.option(
    "--branch",
    metavar="BRANCH",
    default="main",
    show_default=True,
    help="The branch whose content is live.",
    type=TEXT,
)
@click.option(
    "--remote",
    metavar="URL",
    help="Where DVC keeps the artifacts: s3://…, gs://…, ssh://… or a folder (default: a folder beside the registry).",
    type=TEXT,
)
@click.option("--semver", is_flag=True, help="Versions are SemVer instead of 1, 2, 3….")
@click.option(
    "--solo", is_flag=True, help="A registry for one person: everything may land directly, nobody approves."
)
@click.option("--key", metavar="FILE", help="Your SSH key, whose public half goes into policy.yaml.")
@formatted("json")
@click.pass_obj
def init(
    session: Session,
    directory: str,
    name: str | None,
    branch: str,
    remote: str | None,
    semver: bool,
    solo: bool,
    key: str | None,
    format: str,
) -> None:
    """Begin a registry in DIRECTORY: its rules, a commented policy, and a DVC remote, as one commit.

    \b
    Examples:
      gitreg init my-registry
      gitreg init . --remote s3://models/dvc
      gitreg init playground --solo
    """
    import uuid
    from datetime import UTC, datetime

    from gitreg.core.plan.init import NewRegistry
    from gitreg.flows.init import init as run
    from gitreg.wiring import create_repository, find_signer

    place = os.path.join(session.directory, directory)
    label = name or os.path.basename(os.path.abspath(place)) or "registry"
    repository, root = create_repository(place, branch)
    signer = find_signer(repository, key)
    new = NewRegistry(
        id=str(uuid.uuid4()),
        name=label,
        branch=branch,
        remote=remote or _default_remote(label, root),
        person=repository.identity(),
        key=signer.public_key if signer else None,
        scheme="semver" if semver else "integer",
        solo=solo,
    )
    commit = run(repository, root, new, datetime.now(UTC).replace(microsecond=0))
    data = {"directory": place, "root": root, "branch": branch, "commit": commit, "remote": new.remote}
    emit(format, data, _welcome(new, place, commit))


def _default_remote(label: str, root: str) -> str:
    """A folder outside the repository, as DVC resolves it: relative to the registry's .dvc folder."""
    up = "../" * (2 + (root.count("/") + 1 if root else 0))
    return f"{up}{label}-artifacts"


def _welcome(new: object, place: str, commit: str) -> str:
    from gitreg.core.plan.init import NewRegistry

    assert isinstance(new, NewRegistry)
    lines = [f"Began the registry {new.name} in {place} (commit {commit[:12]} on {new.branch})."]
    lines += ["  policy.yaml  who may do what; read it first", f"  artifacts    {new.remote} (from .dvc/)"]
    if new.key is None and not new.solo:
        lines.append(
            "  note         no SSH key found: add yours to people in policy.yaml, to sign and to approve"
        )
    if not new.solo:
        lines.append("  note         nobody approves their own change: add a second person to policy.yaml")
    lines.append(f"Next: gitreg -C {place} register my-model model.onnx --create --metric accuracy=0.9")
    return "\n".join(lines)
