"""The files that a registry begins with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitreg.core.codec.yaml import show_scalar
from gitreg.core.ports import Identity


@dataclass(frozen=True, slots=True)
class NewRegistry:
    """What a person says of a registry that they begin.

    ``remote`` is the DVC remote's URL; ``person`` is the first of the people, ``key`` their SSH public key, if they
    have one; ``solo`` makes a registry for one person, on which everything may land directly; ``hook`` one whose
    repository is guarded by gitreg's hook. ``forge`` is ``local``, ``github`` or ``gitlab``, and ``account`` the
    person's name on that forge.
    """

    id: str
    name: str
    branch: str
    remote: str
    person: Identity
    key: str | None = None
    scheme: str = "integer"
    solo: bool = False
    hook: bool = False
    forge: str = "local"
    account: str | None = None


def registry_files(new: NewRegistry) -> Mapping[str, bytes]:
    """The rules files of a new registry, by their path in its folder."""
    texts = {
        "gitreg.yaml": _registry(new),
        "policy.yaml": _solo_policy(new) if new.solo else _team_policy(new),
        ".dvc/config": _dvc_config(new.remote),
        ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
        ".gitignore": _GITIGNORE,
        ".gitattributes": _GITATTRIBUTES,
    }
    return {path: text.encode() for path, text in texts.items()}


_FORGES = {
    "local": "change requests are refs of this repository, or of its origin",
    "github": "change requests are pull requests; host and repository come from origin's URL",
    "gitlab": "change requests are merge requests; host and repository come from origin's URL",
}


def _registry(new: NewRegistry) -> str:
    enforcement = "solo" if new.solo else "hook" if new.hook else "requests"
    return f"""\
# What makes this folder a gitreg registry. A rules file: only the rules owners change it (see policy.yaml).
apiVersion: gitreg/v1
kind: Registry
id: {new.id}                # never changes; approvals are about this registry alone
name: {show_scalar(new.name)}
branch: {show_scalar(new.branch)}           # what stands on it is live
forge: {{provider: {new.forge}}}     # {_FORGES[new.forge]}
enforcement: {enforcement}      # requests: people merge only what verify passed; hook: gitreg's pre-receive hook; solo
versions: {new.scheme}         # how versions are numbered where a model does not say: integer or semver
"""


def person_id(person: Identity) -> str:
    """A short id for a person: what stands before the @ of their address."""
    found = re.sub(r"[^A-Za-z0-9._-]+", "-", person.email.partition("@")[0]).strip("-._")[:64]
    return found or "me"


def _person(new: NewRegistry) -> str:
    keys = f", keys: [{show_scalar(new.key)}]" if new.key else ""
    account = f", {new.forge}: {show_scalar(new.account)}" if new.account else ""
    return (
        f"{{id: {show_scalar(person_id(new.person))}{account}, email: {show_scalar(new.person.email)}{keys}}}"
    )


def _team_policy(new: NewRegistry) -> str:
    me = show_scalar(person_id(new.person))
    return f"""\
# Who may do what, and what a version must show before it goes live. A rules file: a change to it is judged by the
# policy that it would replace. Every key is explained in gitreg's docs/policy.md.
apiVersion: gitreg/v1
kind: Policy

# The people whose approvals count. keys are SSH public keys (cat ~/.ssh/id_ed25519.pub). Nobody approves their own
# change: add a second person before you publish this, and take that into the first commit (git commit -a --amend).
people:
  - {_person(new)}
  # - {{id: ci, bot: true, keys: ["ssh-ed25519 AAAA…"]}}     # a program may propose; its approvals never count

groups:
  maintainers: [{me}]

# Who may change the rules files, and whose approval that takes. An owner is always its author, or approves it.
rules:
  owners: [maintainers]
  approvals: [{{group: maintainers, count: 1}}]

# Kinds of change that may land without a change request, where gitreg's hook guards the branch:
# register annotate evidence promote demote rollback alias copy rename delete rules
direct: []

# In display order. A version is in at most one stage; "none" means that no stage names it.
stages:
  - name: staging
    from: [none, archived]
    # gates:
    #   - {{metric: accuracy, min: 0.80}}

  - name: production
    from: [staging]
    holds: 1                      # at most one version; the one that it replaces goes to:
    replaced: archived
    approvals: [{{group: maintainers, count: 1}}]     # nobody approves their own change
    rollback: {{approvals: [{{group: maintainers, count: 1}}]}}
    # soak: {{in: staging, for: 24h}}
    # windows:                    # when nothing enters or leaves it, but by a rollback
    #   - {{days: [fri, sat, sun], zone: Europe/Berlin}}
    #   - {{from: "2026-12-20T00:00", to: "2027-01-02T08:00", zone: Europe/Berlin}}
    # gates:
    #   - {{metric: accuracy, min: 0.85, worse_than_holder_by_at_most: 0.005}}
    #   - {{schema: {{required: [signature, environment]}}}}
    #   - {{formats: {{deny: [pickle, joblib]}}}}
    #   - {{card: [intended_use, limitations]}}
    #   - {{environment: {{python: true, pinned: true}}}}

  - name: archived
    from: [none, staging, production]

# Aliases that only point at versions in a stage; protected ones take that stage's approvals.
aliases:
  - {{name: champion, stage: production, protected: true}}
"""


def _solo_policy(new: NewRegistry) -> str:
    return f"""\
# The policy of a registry that one person keeps: everything may land directly, and nothing asks for approval.
# Every key is explained in gitreg's docs/policy.md.
apiVersion: gitreg/v1
kind: Policy

people:
  - {_person(new)}

rules:
  owners: []

direct: [all]

# In display order. A version is in at most one stage; "none" means that no stage names it.
stages:
  - name: staging
    from: [none, archived]
  - name: production
    holds: 1                      # at most one version; the one that it replaces goes to:
    replaced: archived
  - name: archived
"""


def _dvc_config(remote: str) -> str:
    return f"""\
[core]
    remote = storage
    analytics = false
['remote "storage"']
    url = {_quoted(remote)}
"""


def _quoted(value: str) -> str:
    """A value as ConfigObj reads it back, which takes a comma for a list and a hash for a comment."""
    return f'"{value}"' if re.search(r"[,#']|^ | $", value) else value


_GITIGNORE = """\
# Artifacts lie beside their manifests after a pull, and are never committed: DVC keeps them.
# (?* and not *: DVC takes the latter for the folder itself, and would look for nothing in it.)
/models/*/versions/*/?*
!/models/*/versions/*/*.dvc
!/models/*/versions/*/version.yaml
!/models/*/versions/*/notes.yaml
!/models/*/versions/*/tombstone.yaml
!/models/*/versions/*/evidence/
"""
_GITATTRIBUTES = """\
# Manifests are compared byte for byte, and two changes of one file always conflict.
/models/** -text -merge
"""
