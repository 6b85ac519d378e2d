"""gitreg's pre-receive hook in a bare repository: how it is installed, and what it is told by git's configuration.

https://git-scm.com/docs/githooks#pre-receive. The hook runs the Python that installed it.
"""

from __future__ import annotations

import os
import shlex
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitreg.adapters.git.pusher import DEFAULT_VARIABLE
from gitreg.adapters.git.run import attempt, run
from gitreg.core.ports import RefUpdate
from gitreg.errors import ConfigError, NotFound, Refused

NAME = "pre-receive"
MARK = "# made by gitreg hook install"
#: The largest push that is taken by default, in bytes: manifests are small, artifacts go to the DVC remote.
MOST_BYTES = 64 << 20

_HUB = "refs/gitreg/hub"


@dataclass(frozen=True, slots=True)
class HookSettings:
    """What the hook guards.

    ``branch`` is the registry's; ``folders`` are the registries' (none: those that are found); ``remote`` is the DVC
    remote, as ``--remote`` takes it; ``user_from`` is the variable with the login of who pushes.
    """

    branch: str
    folders: tuple[str, ...] = ()
    remote: str | None = None
    user_from: str = DEFAULT_VARIABLE


def install(git_dir: Path, settings: HookSettings, most_bytes: int | None = None) -> Path:
    """Puts the hook and its settings into a bare repository; may be run again. Returns where the hook lies.

    ``most_bytes`` None leaves a bound that is set, and is else ``MOST_BYTES``.

    Raises:
        Refused: another pre-receive hook is there, or ``core.hooksPath`` leads elsewhere.
    """
    hook = git_dir / "hooks" / NAME
    if os.path.lexists(hook) and not is_ours(hook):
        raise Refused(f"{os.fspath(hook)!r} is another hook", "move it away, or run gitreg from it")
    elsewhere = _config(git_dir, "core.hooksPath")
    if elsewhere:
        raise Refused(
            f"core.hooksPath leads to {elsewhere[0]!r}", "take it out of this repository's configuration"
        )
    _configure(git_dir, settings, most_bytes)
    _name_hub(git_dir)
    # So that git finds the commit that brought a file (for gates with "by") at once in any history; git gc keeps it.
    attempt(["commit-graph", "write", "--reachable", "--changed-paths"], git_dir)
    _write(hook)
    _point_head(git_dir, settings.branch)
    return hook


def _point_head(git_dir: Path, branch: str) -> None:
    """In a repository whose HEAD names no branch yet, it is the registry's: a clone checks out what HEAD names."""
    if attempt(["rev-parse", "--verify", "--quiet", "HEAD"], git_dir).code:
        run(["symbolic-ref", "HEAD", f"refs/heads/{branch}"], git_dir)


def is_ours(hook: Path) -> bool:
    """Whether a file is the hook that ``install`` writes."""
    try:
        return MARK in hook.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False


def _configure(git_dir: Path, settings: HookSettings, most_bytes: int | None) -> None:
    kept = _config(git_dir, "receive.maxInputSize")
    wanted: dict[str, Sequence[str]] = {
        "gitreg.branch": [settings.branch],
        "gitreg.folder": settings.folders,
        "gitreg.remote": [settings.remote] if settings.remote else [],
        "gitreg.userFrom": [settings.user_from],
        "receive.fsckObjects": ["true"],
        "receive.maxInputSize": [str(most_bytes)] if most_bytes else kept or [str(MOST_BYTES)],
        "core.logAllRefUpdates": ["true"],  # a bare repository keeps no reflog by itself
    }
    for key, values in wanted.items():
        attempt(["config", "--local", "--unset-all", key], git_dir)
        for value in values:
            run(["config", "--local", "--add", key, value], git_dir)


def _name_hub(git_dir: Path) -> None:
    """Gives the repository a name of its own; a copy of it has the ref, but not the configuration."""
    from gitreg.adapters.git.refs import move_here

    known = _config(git_dir, "gitreg.hub")
    name = known[0] if known else str(uuid.uuid4())
    if not known:
        run(["config", "--local", "gitreg.hub", name], git_dir)
    blob = run(["hash-object", "-w", "--stdin"], git_dir, stdin=f"{name}\n".encode()).decode().strip()
    old = attempt(["rev-parse", "--verify", "--quiet", _HUB], git_dir).stdout.decode().strip() or None
    if old != blob:
        move_here(os.fspath(git_dir), [RefUpdate(_HUB, old, blob)])


def _write(hook: Path) -> None:
    hook.parent.mkdir(exist_ok=True)
    # -P: what lies in the repository's folder is no module to import.
    command = f"exec {shlex.quote(sys.executable)} -P -m gitreg hook {NAME}"
    made = hook.with_name(f".{NAME}.new")
    made.write_text(f"#!/bin/sh\n{MARK}\n{command}\n", encoding="utf-8")
    made.chmod(0o755)
    made.replace(hook)


def settings_of(git_dir: Path) -> HookSettings:
    """What ``install`` was told. Raises NotFound if it was not run here."""
    branch = _config(git_dir, "gitreg.branch")
    if not branch:
        raise NotFound(f"{os.fspath(git_dir)!r} has no gitreg hook", "gitreg hook install puts it there")
    remote = _config(git_dir, "gitreg.remote")
    user = _config(git_dir, "gitreg.userFrom")
    return HookSettings(
        branch[-1],
        tuple(_config(git_dir, "gitreg.folder")),
        remote[-1] if remote else None,
        user[-1] if user else DEFAULT_VARIABLE,
    )


def shortcomings(git_dir: Path) -> list[str]:
    """What keeps the hook from guarding the repository; empty if nothing does. Raises as ``settings_of``."""
    settings = settings_of(git_dir)
    hook = git_dir / "hooks" / NAME
    found = []
    if not os.path.lexists(hook):
        found.append("there is no hook; gitreg hook install puts it there")
    elif not is_ours(hook):
        found.append(f"{os.fspath(hook)} is not gitreg's hook")
    elif not os.access(hook, os.X_OK):
        found.append(f"{os.fspath(hook)} is not executable")
    if attempt(["symbolic-ref", "--quiet", f"refs/heads/{settings.branch}"], git_dir).code == 0:
        found.append(f"{settings.branch} stands for another branch, and that one is not guarded")
    if _config(git_dir, "core.hooksPath"):
        found.append("core.hooksPath leads git to other hooks")
    if _config(git_dir, "receive.fsckObjects") != ["true"]:
        found.append("receive.fsckObjects is not set: malformed objects are taken")
    if not any(value.isdigit() and int(value) for value in _config(git_dir, "receive.maxInputSize")):
        found.append("receive.maxInputSize is not set: a push may be of any size")
    return found


def demand_bare(git_dir: Path | None) -> Path:
    """Raises ConfigError for a checkout, whose files and index a push would leave behind."""
    if git_dir is None:
        raise ConfigError("a hook guards a bare repository, and this is a checkout", "name one with -R PATH")
    return git_dir


def _config(git_dir: Path, key: str) -> list[str]:
    """The values of a key, without what gitreg tells the git that it runs; its own keys of this repository alone."""
    own = ["--local"] if key.startswith("gitreg.") else []
    done = attempt(["config", *own, "--show-scope", "-z", "--get-all", key], git_dir)
    words = done.stdout.decode(errors="surrogateescape").split("\0")
    return [value for scope, value in zip(words[::2], words[1::2], strict=False) if scope != "command"]
