"""Every file that a hosted forge needs, from the registry, its policy, and the files that are there already."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gitreg.core.layout import DEFAULT_PROTECTED, Layout
from gitreg.core.policy import Policy
from gitreg.core.ports import Tree
from gitreg.core.scaffold.owners import DEFAULT_PLACE, PLACES, codeowners
from gitreg.core.scaffold.ruleset import ruleset_json
from gitreg.core.scaffold.source import Source, parse_source
from gitreg.core.scaffold.template import Script, fill, keep_parts
from gitreg.errors import ConfigError, Refused

RULESET = ".github/gitreg-ruleset.json"
GITLAB_MAIN = ".gitlab-ci.yml"
GITLAB_JOBS = ".gitlab/gitreg.yml"

#: The templates of each forge, and where they go in the repository.
TEMPLATES: Mapping[str, Mapping[str, str]] = {
    "github": {
        f"github/{name}.yml": f".github/workflows/{name}.yml"
        for name in ("gitreg-verify", "gitreg-promote", "gitreg-audit")
    },
    "gitlab": {"gitlab/gitlab-ci.yml": GITLAB_MAIN, "gitlab/gitreg.yml": GITLAB_JOBS},
}

_REMOTE = re.compile(r"([a-z0-9]+)://")
#: DVC reads these without a plug-in of its own: https://dvc.org/doc/user-guide/data-management/remote-storage.
_BUILT_IN = frozenset({"http", "https", "file", "local", "remote"})
_PLUGINS = {"webdavs": "webdav"}
_FOLDER = re.compile(r"^ +(?:directory|GITREG_DIRECTORY): (.*)$", re.MULTILINE)
_PIN = re.compile(r"\b([\w.-]+/[\w.-]+)/\.github/actions/gitreg@([0-9a-f]{40})\b")
_REQUIREMENT = re.compile(r"@ git\+(https://\S+@[0-9a-f]{40})\b")


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What the files depend on.

    ``root`` is the registry's folder ("" is the repository's root); ``protected`` the globs of ``gitreg.yaml``;
    ``remote`` the DVC remote's URL or folder; ``source`` where CI takes gitreg from.
    """

    provider: str
    source: Source
    branch: str
    root: str
    policy: Policy
    remote: str = ""
    protected: Sequence[str] = ()

    @property
    def layout(self) -> Layout:
        """Which file is what in this registry."""
        return Layout(self.root, self.globs)

    @property
    def globs(self) -> Sequence[str]:
        """The protected files outside the registry's folder."""
        return self.protected or DEFAULT_PROTECTED


def scaffold_files(scaffold: Scaffold, template: Callable[[str], str], present: Tree) -> Mapping[str, bytes]:
    """The files by their path from the repository's root, as they should be; ``template`` reads one by its name.

    What belongs to others in a file that is ``present`` is kept: their lines of CODEOWNERS, their parts of workflows,
    and a ``.gitlab-ci.yml`` that gitreg did not write.

    Raises:
        ConfigError: the files would not be protected, or nobody could be asked for a review.
        UsageError: a name cannot stand in such a file. Refused: a file that is there is not text.
    """
    texts: dict[str, str] = {}
    for name, path in TEMPLATES[scaffold.provider].items():
        old = _text(present, path)
        if path == GITLAB_MAIN and old is not None and not _is_ours(old):
            continue  # it is the team's; includes_jobs says whether it is enough
        new = fill(template(name), _values(scaffold))
        _demand_own(path, new, old)
        texts[path] = keep_parts(new, old)
    place = owners_place(scaffold.provider, present)
    texts[place] = codeowners(
        scaffold.policy, scaffold.provider, scaffold.layout, scaffold.globs, _text(present, place)
    )
    if scaffold.provider == "github":
        texts[RULESET] = ruleset_json(scaffold.branch)
    _demand_protected(scaffold, [*texts, *TEMPLATES[scaffold.provider].values()])
    return {path: text.encode() for path, text in texts.items()}


def owners_place(provider: str, present: Tree) -> str:
    """Which CODEOWNERS this forge reads: the first that is there, since a second one would not count."""
    there = (path for path in PLACES[provider] if present.read(path) is not None)
    return next(there, DEFAULT_PLACE[provider])


def includes_jobs(present: Tree) -> bool:
    """Whether a ``.gitlab-ci.yml`` (of whoever wrote it) brings in gitreg's jobs."""
    return GITLAB_JOBS in (_text(present, GITLAB_MAIN) or "")


def pinned_source(present: Tree) -> Source | None:
    """The commit of gitreg that scaffolded files name by now; None where there are none."""
    for path in (*TEMPLATES["github"].values(), GITLAB_JOBS):
        text = _text(present, path) or ""
        pin, requirement = _PIN.search(text), _REQUIREMENT.search(text)
        if pin:
            return parse_source(f"{pin[1]}@{pin[2]}")
        if requirement:
            return parse_source(requirement[1])
    return None


def remote_kind(remote: str) -> str:
    """The kind of a DVC remote for which DVC needs a plug-in (``s3``); "" where it needs none."""
    found = _REMOTE.match(remote)
    return "" if not found or found[1] in _BUILT_IN else _PLUGINS.get(found[1], found[1])


def _values(scaffold: Scaffold) -> Mapping[str, str | Sequence[str]]:
    kind = remote_kind(scaffold.remote)
    requirements = [scaffold.source.requirement(scaffold.provider), *([f"dvc-{kind}"] if kind else [])]
    quoted = " ".join(f'"{each}"' for each in requirements)
    return {
        "ACTION": scaffold.source.action,
        "BRANCH": scaffold.branch,
        "DIRECTORY": scaffold.root or ".",
        "REMOTE": kind,
        "INSTALL": Script(f'"$GITREG_ENV/bin/python" -I -m pip install --quiet {quoted}'),
        "LANDED": Script(f'$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "{scaffold.branch}"'),
        "STAGES": scaffold.policy.stage_names,
    }


def _demand_protected(scaffold: Scaffold, paths: Sequence[str]) -> None:
    """A file that runs the checks, and that anybody may change, checks nothing."""
    open_ones = [path for path in dict.fromkeys(paths) if not scaffold.layout.is_rules(path)]
    if open_ones:
        raise ConfigError(
            f"{open_ones[0]} would not be protected by gitreg.yaml, so anybody could change what checks their change",
            f"add {', '.join(open_ones)} to protected in gitreg.yaml, or leave the key out for the default",
        )


def _is_ours(text: str) -> bool:
    return text.startswith("# Written by gitreg")


def _demand_own(path: str, new: str, old: str | None) -> None:
    """What somebody else wrote, or what another registry of this repository needs, is not written over."""
    if old is not None and not _is_ours(old):
        raise Refused(f"{path} is there already, and gitreg did not write it", "move it out of the way")
    if old is not None and set(_FOLDER.findall(old)) != set(_FOLDER.findall(new)):
        raise Refused(
            f"{path} checks another registry of this repository",
            "add jobs for this one by hand, beside those that gitreg wrote",
        )


def _text(present: Tree, path: str) -> str | None:
    blob = present.read(path)
    if blob is None:
        return None
    try:
        return blob.data.decode()
    except UnicodeDecodeError:
        raise Refused(f"{path} is not UTF-8 text", "mend or remove it") from None
