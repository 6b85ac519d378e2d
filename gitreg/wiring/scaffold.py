"""The files that a hosted forge needs: their templates, the commit of gitreg that they pin, and the checkout."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from gitreg.core.codec.load import load_manifest
from gitreg.core.layout import DVC_CONFIG, POLICY_FILE, REGISTRY_FILE
from gitreg.core.manifest import Registry
from gitreg.core.policy import Policy
from gitreg.core.ports import Tree
from gitreg.core.scaffold.files import Scaffold, includes_jobs, pinned_source, scaffold_files
from gitreg.core.scaffold.source import Source, parse_source
from gitreg.core.snapshot import Snapshot
from gitreg.errors import ConfigError, UsageError
from gitreg.wiring import Options, data_folder, open_registry, open_worktree

if TYPE_CHECKING:
    from gitreg.core.plan.init import NewRegistry

_NO_SOURCE = (
    "a workflow must name the commit of gitreg that it runs, and this installation does not know its own"
)
_SOURCE_HINT = "give --action OWNER/REPOSITORY@COMMIT: gitreg's repository and all 40 digits of a commit"


@dataclass(frozen=True, slots=True)
class Scaffolded:
    """What became of the files: ``differing`` were not (or, after writing, had not been) as they should be.

    ``notes`` are lines for people, about what gitreg leaves to them; ``published``: the registry is on a hub already,
    as far as is known here.
    """

    files: tuple[str, ...]
    differing: tuple[str, ...]
    notes: tuple[str, ...] = ()
    published: bool = True


def first_files(new: NewRegistry, root: str, source: Source) -> Callable[[Tree], Mapping[str, bytes]]:
    """What makes the forge's files of a registry that is about to begin, from the files that are there.

    Raises InvalidManifest for what cannot stand in its rules, such as a branch that would be more than a name to CI.
    """
    from gitreg.core.plan.init import registry_files

    files = registry_files(new)
    registry = load_manifest("Registry", files[REGISTRY_FILE], REGISTRY_FILE)
    policy = load_manifest("Policy", files[POLICY_FILE], POLICY_FILE)
    assert isinstance(registry, Registry)
    assert isinstance(policy, Policy)
    scaffold = Scaffold(new.forge, source, registry.branch, root, policy, new.remote)
    return lambda present: scaffold_files(scaffold, _template, present)


def scaffold_checkout(
    options: Options, provider: str | None, action: str | None, *, write: bool
) -> Scaffolded:
    """Writes or updates the forge's files in the checkout, from its own gitreg.yaml and policy.yaml; commits nothing.

    Raises:
        ConfigError: no checkout, or no forge that takes files. UsageError: nobody says which gitreg CI is to run.
    """
    opened = open_registry(options)
    tree = open_worktree(opened.repository)
    snapshot = Snapshot(tree, opened.root)
    registry = snapshot.registry()
    chosen = provider or registry.forge.provider
    if chosen == "local":
        raise ConfigError(
            "the forge of this registry is local, which needs no files",
            "write forge: {provider: github} in gitreg.yaml, or give --provider",
        )
    files = expected_files(chosen, snapshot, opened.root, tree, action)
    differing = [path for path, data in files.items() if _differs(tree, path, data)]
    if write and opened.repository.top is not None:
        for path in differing:
            _write(opened.repository.top, path, files[path])
    repository = opened.repository
    published = repository.has_origin and repository.hub_ref(f"refs/heads/{registry.branch}") is not None
    return Scaffolded(tuple(files), tuple(differing), tuple(_notes(chosen, tree, files)), published)


def expected_files(
    provider: str, snapshot: Snapshot, root: str, tree: Tree, action: str | None = None
) -> Mapping[str, bytes]:
    """The files of a forge as gitreg writes them in place of those in ``tree``. Raises as ``scaffold_checkout``."""
    registry = snapshot.registry()
    source = parse_source(action) if action else pinned_source(tree) or installed_source()
    scaffold = Scaffold(
        provider, source, registry.branch, root, snapshot.policy(), _remote_url(snapshot), registry.protected
    )
    return scaffold_files(scaffold, _template, tree)


def installed_source() -> Source:
    """The commit of gitreg that is installed, as pip recorded it. Raises UsageError where it recorded none.

    https://packaging.python.org/specifications/direct-url/ (PEP 610)
    """
    try:
        text = _direct_url(distribution("gitreg"))
    except PackageNotFoundError:
        text = None
    if text is not None:
        with suppress(ValueError, KeyError, TypeError, UsageError):
            said = json.loads(text)
            url = re.sub(r"\.git/?\Z", "", str(said["url"]))
            return parse_source(f"{url}@{said['vcs_info']['commit_id']}")
    raise UsageError(_NO_SOURCE, _SOURCE_HINT)


def _direct_url(found: Distribution) -> str | None:
    return found.read_text("direct_url.json")


def _template(name: str) -> str:
    return (data_folder("scaffold") / name).read_text(encoding="utf-8")


def _remote_url(snapshot: Snapshot) -> str:
    """The DVC remote's URL; "" where none is configured."""
    from gitreg.adapters.dvc.config import choose_remote

    blob = snapshot.blob(snapshot.layout.path(DVC_CONFIG))
    with suppress(ConfigError):
        return choose_remote(blob.data.decode(errors="replace") if blob else "", None, None).url
    return ""


def _differs(tree: Tree, path: str, data: bytes) -> bool:
    blob = tree.read(path)
    return blob is None or blob.data != data


def _notes(provider: str, tree: Tree, files: Mapping[str, bytes]) -> list[str]:
    if provider == "gitlab" and ".gitlab-ci.yml" not in files and not includes_jobs(tree):
        return [".gitlab-ci.yml is yours: add to it  include: [{local: .gitlab/gitreg.yml}]"]
    return []


def _write(top: Path, path: str, data: bytes) -> None:
    """Puts a file in the checkout, whole or not at all. Raises ConfigError where a link leads out of it."""
    target = top / path
    for place in (target, *target.parents):
        if place == top:
            break
        if place.is_symlink():
            raise ConfigError(
                f"{path} would be written through a symbolic link", "make it a plain folder or file"
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{token_hex(4)}.tmp")
    try:
        aside.write_bytes(data)
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
