"""What ``gitreg doctor`` looks at: this machine, the registry and what it uses, and the settings of its forge."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

from gitreg.adapters.forge.address import GITHUB, Address
from gitreg.adapters.forge.tokens import JOB, Token
from gitreg.core.doctor.files import file_points
from gitreg.core.doctor.github import github_points
from gitreg.core.doctor.gitlab import gitlab_points, is_elsewhere
from gitreg.core.doctor.here import (
    OLDEST_GIT,
    OLDEST_SSH,
    clock_point,
    identity_point,
    key_point,
    version_point,
)
from gitreg.core.doctor.point import Point
from gitreg.core.forge_settings import ForgeInspector, GithubSettings, GitlabSettings, Unread
from gitreg.core.layout import DEFAULT_PROTECTED, Layout
from gitreg.core.manifest import Registry
from gitreg.core.policy import Policy
from gitreg.core.ports import DvcPointer
from gitreg.core.snapshot import Snapshot
from gitreg.errors import GitregError, Undecided
from gitreg.wiring import Opened, Options, load_schemas, open_registry, open_store, workspace

if TYPE_CHECKING:
    from gitreg.adapters.forge.github.api import GithubApi
    from gitreg.adapters.forge.gitlab.api import GitlabApi

T = TypeVar("T")

#: Under which heading the points stand.
MACHINE, REGISTRY = "this machine", "the registry"

_CALLED = {"github": "GitHub", "gitlab": "GitLab"}
_LIBRARIES = {"github": ("PyGithub", "github"), "gitlab": ("python-gitlab", "gitlab")}
#: Of so many models the newest version may be the one that is looked for on the remote.
_LOOKED_AT = 20
#: Asked for where there is no version yet: an object that no remote has.
_NOTHING = DvcPointer("nothing", "0" * 32, 0, 1)


def diagnose(options: Options, *, forge: bool) -> Mapping[str, Sequence[Point]]:
    """The points by heading; ``forge``: the settings of the forge are read, too, over the network.

    Nothing is raised for what is wrong: that is what the points are for.
    """
    found: dict[str, Sequence[Point]] = {MACHINE: list(_machine())}
    try:
        opened = open_registry(options)
    except GitregError as error:
        return found | {REGISTRY: [_failed("registry", error)]}
    found[REGISTRY] = list(_registry_points(opened, options, forge))
    return found | (dict(_forge_section(opened, options)) if forge else {})


def _failed(name: str, error: GitregError, *, needed: bool = True) -> Point:
    """The point about something that raised: what could not be found out is not known to be wrong."""
    ok = None if isinstance(error, Undecided) else False
    return Point(name, ok, error.message, error.hint or "", needed)


def _tried(look: Callable[[], T]) -> T | Unread:
    try:
        return look()
    except GitregError as error:
        return Unread(error.message)


def _machine() -> Iterator[Point]:
    from gitreg.adapters.forge.ssh import openssh_version
    from gitreg.adapters.git.run import run

    def git_version() -> str:
        return run(["version"], os.curdir).decode(errors="replace").removeprefix("git version ").strip()

    yield version_point("git", _tried(git_version), OLDEST_GIT)
    yield version_point("OpenSSH", _tried(openssh_version), OLDEST_SSH)
    try:
        load_schemas()
        yield Point("schemas", True, "they are here")
    except GitregError as error:
        yield _failed("schemas", error)


def _registry_points(opened: Opened, options: Options, forge: bool) -> Iterator[Point]:
    try:
        tip, snapshot = workspace(opened, options).current()
        registry, policy = snapshot.registry(), snapshot.policy()
    except GitregError as error:
        yield _failed("registry", error)
        return
    yield Point("registry", True, f"{registry.name}, {opened.branch} at {tip[:12]}")
    yield _artifacts(opened, snapshot, options.remote)
    yield identity_point(_tried(opened.repository.identity), policy)
    yield _key(opened, options, policy)
    yield from _guards(opened, options, registry, forge)
    yield from _hosted(opened, registry)


def _artifacts(opened: Opened, snapshot: Snapshot, remote: str | None) -> Point:
    """Whether the DVC remote answers, and has what the newest version is made of."""
    name = "DVC remote"
    try:
        store = open_store(opened, snapshot, remote)
        newest = _newest(snapshot)
        title, pointer = newest or ("nothing", _NOTHING)
        presence = store.presence([pointer])[pointer]
    except GitregError as error:
        return _failed(name, error)
    if newest and (presence.missing or presence.corrupt):
        fix = "bring them back: from a backup of the remote, or with dvc push where they still are"
        return Point(name, False, f"it answers, and lacks objects of {title}", fix)
    return Point(
        name, True, f"it answers, and has {title}" if newest else "it answers; there is no version yet"
    )


def _newest(snapshot: Snapshot) -> tuple[str, DvcPointer] | None:
    """The youngest of the highest versions of some models, and its pointer."""
    found: list[tuple[datetime, str, DvcPointer]] = []
    for model in snapshot.models()[:_LOOKED_AT]:
        version = snapshot.latest(model)
        record = None if version is None else snapshot.record(model, version)
        pointer = None if record is None else snapshot.dvc_pointer(model, record)
        if record is not None and pointer is not None:
            found.append((record.created_at, f"{model}/{version}", pointer))
    return max(found, key=lambda each: each[0])[1:] if found else None


def _key(opened: Opened, options: Options, policy: Policy) -> Point:
    signer = _tried(workspace(opened, options).find_signer)
    if signer is None or isinstance(signer, Unread):
        return key_point(signer, policy)
    return key_point(_tried(lambda: signer.public_key), policy)


def _guards(opened: Opened, options: Options, registry: Registry, forge: bool) -> Iterator[Point]:
    """What keeps unverified pushes off the branch where no forge does: gitreg's hook, in a bare repository."""
    if registry.forge.provider != "local":
        return
    needed = registry.enforcement == "hook" or (forge and registry.enforcement != "solo")
    bare = _bare_hub(opened)
    if bare is not None:
        yield _hook(replace(options, directory=bare, registry=None), needed)
    elif registry.enforcement == "solo":
        yield Point("hook", True, "one person works here, and nothing guards the branch", needed=False)
    elif opened.repository.has_origin:
        fix = "run gitreg hook status where the server is"
        yield Point("hook", None, "origin is on another machine, so its hook cannot be seen", fix, needed)
    else:
        fix = "keep the registry in a bare repository with gitreg hook install"
        yield Point(
            "hook", False, "this is a checkout without an origin, so nothing guards the branch", fix, needed
        )


def _bare_hub(opened: Opened) -> str | None:
    """The folder of the hub where that is a repository on this machine, and not this checkout itself."""
    repository = opened.repository
    if not repository.has_origin:
        return os.fspath(repository.git_dir) if repository.top is None else None
    path = (repository.origin_url() or "").removeprefix("file://")
    place = os.path.join(repository.top or repository.git_dir, path)
    return place if path and os.path.isdir(place) else None


def _hook(options: Options, needed: bool) -> Point:
    from gitreg.wiring.hook import hook_status

    try:
        settings, problems = hook_status(options)
    except GitregError as error:
        return _failed("hook", error, needed=needed)
    if problems:
        return Point("hook", False, "; ".join(problems), "gitreg hook install mends most of it", needed)
    return Point("hook", True, f"it guards the branch {settings.branch}", needed=needed)


def _hosted(opened: Opened, registry: Registry) -> Iterator[Point]:
    """Where the hosted forge is, whether it can be spoken to, and with which token: never its value."""
    from gitreg.wiring.forge import address, token

    provider = registry.forge.provider
    if provider == "local":
        text = "local: requests and approvals are refs of the repository"
        yield Point("forge", True, text, needed=False)
        return
    try:
        where = address(opened)
        yield Point("forge", True, where.page)
    except GitregError as error:
        yield _failed("forge", error)
        return
    library, module = _LIBRARIES[provider]
    there = find_spec(module) is not None
    text = f"{library} is {'here' if there else 'not installed'}"
    yield Point("library", there, text, "" if there else f"pip install 'gitreg[{provider}]'")
    try:
        yield _token(token(where))
    except GitregError as error:
        yield _failed("token", error, needed=False)


def _token(found: Token) -> Point:
    fix = "set GITLAB_TOKEN: a job token may read neither approvals nor settings" if found.kind == JOB else ""
    return Point("token", not fix, f"a {found.kind}, from {found.source}", fix, needed=False)


def _forge_section(opened: Opened, options: Options) -> Iterator[tuple[str, Sequence[Point]]]:
    from gitreg.wiring.forge import address, settings, token

    try:
        if settings(opened).provider == "local":
            return
        where = address(opened)
        facts = _read(where, token(where), opened.branch)
    except GitregError as error:
        # Whatever the reason is, they are not known.
        yield "the forge", [Point("settings", None, f"could not be read: {error.message}", error.hint or "")]
        return
    about = f"{_CALLED[where.provider]}, {where.repository}"
    yield about, list(_settings_points(facts))
    yield f"the files on {opened.branch}", list(_file_points(opened, options, where.provider, facts))


def _read(where: Address, token: Token, branch: str) -> GithubSettings | GitlabSettings:
    api: GithubApi | GitlabApi
    inspector: ForgeInspector
    if where.provider == GITHUB:
        from gitreg.adapters.forge.github.api import GithubApi
        from gitreg.adapters.forge.github.settings import GithubInspector

        api = GithubApi(where, token)
        inspector = GithubInspector(api)
    else:
        from gitreg.adapters.forge.gitlab.api import GitlabApi
        from gitreg.adapters.forge.gitlab.settings import GitlabInspector

        api = GitlabApi(where, token)
        inspector = GitlabInspector(api)
    with closing(api):
        return inspector.settings(branch)


def _settings_points(facts: GithubSettings | GitlabSettings) -> Iterator[Point]:
    yield from github_points(facts) if isinstance(facts, GithubSettings) else gitlab_points(facts)
    yield clock_point(datetime.now(UTC), facts.time)


def _file_points(
    opened: Opened, options: Options, provider: str, facts: GithubSettings | GitlabSettings
) -> Iterator[Point]:
    """About the branch as it is on the forge now, so it is fetched."""
    from gitreg.wiring.scaffold import expected_files

    ws = workspace(opened, options)
    try:
        ws.repository.fetch()
        _, snapshot = ws.current()
        registry, policy = snapshot.registry(), snapshot.policy()
    except GitregError as error:
        yield _failed("files", error)
        return
    globs = registry.protected or DEFAULT_PROTECTED
    expected = _tried(lambda: expected_files(provider, snapshot, opened.root, snapshot.tree))
    elsewhere = isinstance(facts, GitlabSettings) and is_elsewhere(facts.ci_config)
    layout = Layout(opened.root, globs)
    yield from file_points(provider, policy, layout, globs, expected, snapshot.tree, elsewhere=elsewhere)
