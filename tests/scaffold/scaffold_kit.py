"""What the tests of the scaffolded files share: a policy, a source, and the templates as they are shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gitreg.core.codec.load import load_manifest
from gitreg.core.policy import Policy
from gitreg.core.scaffold.files import Scaffold, scaffold_files
from gitreg.core.scaffold.source import Source, parse_source
from gitreg.core.tree import MemoryTree

ROOT = Path(__file__).parents[2]
COMMIT = "3f786850e387550fdab836ed7e6dc881de23001b"
SOURCE = parse_source(f"acme/gitreg@{COMMIT}")
ACTION = ROOT / ".github" / "actions" / "gitreg"

POLICY = """\
apiVersion: gitreg/v1
kind: Policy
people:
  - {id: alice, github: Alice-GH, gitlab: alice, email: alice@example.com}
  - {id: bo, github: bo-gh, email: bo@example.com}
  - {id: carol, email: carol@example.com}
  - {id: ci, github: "ci-gh", bot: true}
groups: {owners: [alice, carol, ci], ml: [bo]}
rules: {owners: [owners], approvals: [{group: owners, count: 1}]}
stages:
  - {name: staging, from: [none]}
  - {name: "on", from: [staging]}
  - {name: production, from: [staging], approvals: [{group: owners, count: 2}]}
"""


def policy(text: str = POLICY) -> Policy:
    found = load_manifest("Policy", text.encode(), "policy.yaml")
    assert isinstance(found, Policy)
    return found


def template(name: str) -> str:
    return (ROOT / "gitreg" / "scaffold" / name).read_text()


def made(
    provider: str = "github",
    present: dict[str, str] | None = None,
    *,
    source: Source = SOURCE,
    root: str = "",
    branch: str = "main",
    **more: Any,
) -> dict[str, str]:
    """The files as text, for a repository in which ``present`` is there already."""
    scaffold = Scaffold(provider, source, branch, root, more.pop("policy", None) or policy(), **more)
    tree = MemoryTree({path: text.encode() for path, text in (present or {}).items()})
    return {path: data.decode() for path, data in scaffold_files(scaffold, template, tree).items()}


def workflow(files: dict[str, str], name: str) -> dict[Any, Any]:
    """A workflow, parsed. YAML 1.1 takes the key ``on`` for true; GitHub does not."""
    found = yaml.safe_load(files[f".github/workflows/gitreg-{name}.yml"])
    found["on"] = found.pop(True)
    return dict(found)
