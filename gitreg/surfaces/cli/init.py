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
    from gitreg.flows.init import Scaffolder
    from gitreg.wiring.ground import Ground


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
@click.option(
    "--forge",
    type=click.Choice(["local", "github", "gitlab"]),
    default="local",
    show_default=True,
    help="Where change requests live. For github and gitlab the workflows and CODEOWNERS are written, too.",
)
@click.option("--account", metavar="LOGIN", help="Your account on that forge, for policy.yaml.", type=TEXT)
@click.option(
    "--action",
    metavar="OWNER/REPO@COMMIT",
    help="The commit of gitreg that CI runs (default: the one that is installed).",
    type=TEXT,
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
    forge: str,
    account: str | None,
    action: str | None,
    key: str | None,
    format: str,
) -> None:
    """Begin a registry in DIRECTORY: its rules, a commented policy, and a DVC remote, as one commit.

    \b
    Examples:
      gitreg init my-registry
      gitreg init . --remote s3://models/dvc
      gitreg init playground --solo
      gitreg init . --forge github --account alice-gh --remote s3://models/dvc
    """
    import uuid
    from datetime import UTC, datetime

    from gitreg.core.plan.init import NewRegistry
    from gitreg.flows.init import init as run
    from gitreg.wiring import find_signer
    from gitreg.wiring.ground import broken_ground

    if solo and hook:
        raise UsageError(
            "--solo and --hook exclude each other", "in a registry of one person nobody needs a hook"
        )
    _demand_forge_fits(forge, account, action, solo or hook)
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
            forge=forge,
            account=account,
        )
        now = datetime.now(UTC).replace(microsecond=0)
        commit = run(ground.repository, ground.root, new, now, _scaffolder(new, ground.root, action))
    data = {
        "directory": place,
        "root": ground.root,
        "branch": new.branch,
        "commit": commit,
        "remote": new.remote,
    }
    emit(format, data, _welcome(new, ground, place, commit))


def _demand_forge_fits(forge: str, account: str | None, action: str | None, direct: bool) -> None:
    """Raises UsageError for options that contradict each other."""
    from gitreg.core.policy import is_account

    if forge == "local" and (account or action):
        raise UsageError(
            "--account and --action are about a hosted forge", "add --forge github or --forge gitlab"
        )
    if forge != "local" and direct:
        raise UsageError(
            f"--solo and --hook exclude --forge {forge}: its requests are what is judged",
            "leave them out; on a hosted forge nothing lands directly",
        )
    if account and not is_account(account):
        raise UsageError(f"--account: {account!r} can be no account on {forge}", "give your login, without @")
    if forge != "local" and not account:
        raise UsageError(
            f"--forge {forge} takes --account: whom {forge} asks about changes of the rules",
            f"give --account LOGIN, your account on {forge}",
        )


def _scaffolder(new: NewRegistry, root: str, action: str | None) -> Scaffolder | None:
    """What makes the files that the forge needs; None where it needs none. Raises UsageError."""
    if new.forge == "local":
        return None
    from gitreg.core.scaffold.source import parse_source
    from gitreg.wiring.scaffold import first_files, installed_source

    return first_files(new, root, parse_source(action) if action else installed_source())


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
    if new.key is None and not new.solo and new.forge == "local":
        lines.append(
            "  note         no SSH key found: add yours to people in policy.yaml, to sign and to approve"
        )
    if not new.solo and new.forge == "local":
        lines.append("  note         nobody approves their own change: add a second person to policy.yaml,")
        lines.append("               and take that into the first commit: git commit -a --amend --no-edit")
    if new.hook and "://" not in new.remote:
        lines.append("  note         the hook looks for artifacts where gitreg hook install --remote says")
    if ground.repository.head_branch() != new.branch:
        lines.append(f"  note         another branch is checked out; git switch {new.branch} shows the files")
    if ground.has_origin and new.forge == "local":
        lines.append(f"  note         git push origin {new.branch} makes it the registry of all clones")
    if new.forge != "local":
        return "\n".join([*lines, *_hosted_steps(new, place, has_origin=ground.has_origin)])
    where = "" if place == "." else f" -C {shlex.quote(place)}"
    file = shlex.quote(os.path.relpath("model.onnx", place))
    lines.append(f"Next: gitreg{where} register my-model {file} --create --metric accuracy=0.9")
    return "\n".join(lines)


def _hosted_steps(new: NewRegistry, place: str, *, has_origin: bool) -> list[str]:
    """What is left to do before a registry on a hosted forge is one: nothing can be registered until it is pushed."""
    forge = {"github": "GitHub", "gitlab": "GitLab"}[new.forge]
    steps = [
        f"cd {shlex.quote(place)}" if place != "." else "",
        "add a second person to policy.yaml, since nobody approves their own change",
        "gitreg forge scaffold && git commit --all --amend --no-edit",
        "" if has_origin else f"git remote add origin URL   (of an empty repository on {forge})",
        f"git push -u origin {new.branch}",
        f"gitreg doctor --forge   (says what {forge} must be told to enforce)",
    ]
    return ["Next:", *(f"  {number}. {step}" for number, step in enumerate(filter(None, steps), 1))]
