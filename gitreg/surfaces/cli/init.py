"""``gitreg init``: begin a registry."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

import click

from gitreg.errors import UsageError
from gitreg.surfaces.cli.session import emit, formatted
from gitreg.surfaces.cli.values import TEXT

if TYPE_CHECKING:
    from gitreg.core.plan.init import NewRegistry
    from gitreg.wiring import Ground


@click.command()
@click.argument("directory", required=False, default=".", type=TEXT)
@click.option("--name", metavar="NAME", help="The registry's name (default: the folder's).", type=TEXT)
@click.option(
    "--branch",
    metavar="BRANCH",
    help="The branch whose content is live (default: the one that is checked out, main in a new repository).",
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
@click.option(
    "--hook",
    is_flag=True,
    help="A registry for a repository that gitreg hook install guards: what policy lists may land directly.",
)
@click.option("--key", metavar="FILE", help="Your SSH key, whose public half goes into policy.yaml.")
@formatted("json")
def init(
    directory: str,
    name: str | None,
    branch: str | None,
    remote: str | None,
    semver: bool,
    solo: bool,
    hook: bool,
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
    from gitreg.wiring import broken_ground, find_signer

    if solo and hook:
        raise UsageError(
            "--solo and --hook exclude each other", "in a registry of one person nobody needs a hook"
        )
    place = os.path.normpath(directory)
    label = name or os.path.basename(os.path.abspath(place)) or "registry"
    url = None if remote is None else _remote(remote, place)
    with broken_ground(place, branch) as ground:
        signer = find_signer(ground.repository, key)
        new = NewRegistry(
            id=str(uuid.uuid4()),
            name=label,
            branch=ground.branch,
            remote=url or _default_remote(label, ground.root),
            person=ground.repository.identity(),
            key=signer.public_key if signer else None,
            scheme="semver" if semver else "integer",
            solo=solo,
            hook=hook,
        )
        commit = run(ground.repository, ground.root, new, datetime.now(UTC).replace(microsecond=0))
    data = {
        "directory": place,
        "root": ground.root,
        "branch": new.branch,
        "commit": commit,
        "remote": new.remote,
    }
    emit(format, data, _welcome(new, ground, place, commit))


def _default_remote(label: str, root: str) -> str:
    """A folder outside the repository, as DVC resolves it: relative to the registry's .dvc folder."""
    up = "../" * (2 + (root.count("/") + 1 if root else 0))
    stem = re.sub(r"[^\w.-]+", "-", label)
    return f"{up}{stem}-artifacts"


def _remote(given: str, place: str) -> str:
    """What --remote means, as .dvc/config says it: a relative folder is meant from here, and read from .dvc."""
    if not given or not given.isprintable() or '"' in given or "%(" in given:
        raise UsageError(f"--remote: {given!r} is no URL and no folder", "give s3://bucket/path, or a folder")
    if "://" in given or os.path.isabs(os.path.expanduser(given)):
        return given
    return os.path.relpath(given, os.path.join(place, ".dvc"))


def _welcome(new: NewRegistry, ground: Ground, place: str, commit: str) -> str:
    lines = [f"Began the registry {new.name} in {place} (commit {commit[:12]} on {new.branch})."]
    lines += ["  policy.yaml  who may do what; read it first", f"  artifacts    {new.remote} (from .dvc/)"]
    if "://" not in new.remote and not new.solo:
        lines.append(
            "  note         that is a folder on this machine; --remote names one that a team can reach"
        )
    if new.key is None and not new.solo:
        lines.append(
            "  note         no SSH key found: add yours to people in policy.yaml, to sign and to approve"
        )
    if not new.solo:
        lines.append("  note         nobody approves their own change: add a second person to policy.yaml,")
        lines.append("               and take that into the first commit: git commit -a --amend --no-edit")
    if new.hook and "://" not in new.remote:
        lines.append("  note         the hook looks for artifacts where gitreg hook install --remote says")
    if ground.repository.head_branch() != new.branch:
        lines.append(f"  note         another branch is checked out; git switch {new.branch} shows the files")
    if ground.has_origin:
        lines.append(f"  note         git push origin {new.branch} makes it the registry of all clones")
    where = "" if place == "." else f" -C {shlex.quote(place)}"
    file = shlex.quote(os.path.relpath("model.onnx", place))
    lines.append(f"Next: gitreg{where} register my-model {file} --create --metric accuracy=0.9")
    return "\n".join(lines)
