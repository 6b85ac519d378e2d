"""Test a policy with a team's own examples: find the cases, lay the policy over the registry, play them in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitreg.core.codec.load import load_manifest
from gitreg.core.findings import Outcome
from gitreg.core.layout import POLICY_FILE, REGISTRY_FILE
from gitreg.core.policytest.run import CaseResult, run_case
from gitreg.core.ports import Tree
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree, edited
from gitreg.core.verify.engine import validate
from gitreg.errors import ConfigError, Refused
from gitreg.flows.verify import local_time
from gitreg.flows.workspace import Workspace

#: Where a registry's cases lie, in its folder. For verify they are unmanaged files.
CASES_FOLDER = "policy-tests"


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case's text, and what to call the file in messages."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy's text, and where it is from."""

    path: str
    data: bytes


def find_cases(ws: Workspace) -> list[CaseFile]:
    """The registry's own cases: of the checkout where there is one, else of the registry's branch.

    An empty list where there are none.
    """
    tree = _files(ws)
    folder = Snapshot(tree, ws.root).layout.path(CASES_FOLDER)
    names = sorted(name for name in tree.list(folder) if name.endswith((".yaml", ".yml")))
    blobs = ((f"{folder}/{name}", tree.read(f"{folder}/{name}")) for name in names)
    return [CaseFile(path, blob.data) for path, blob in blobs if blob is not None]


def find_policy(ws: Workspace) -> PolicyFile:
    """The policy as it lies in the checkout where there is one, else as it is on the registry's branch."""
    tree = _files(ws)
    path = Snapshot(tree, ws.root).layout.path(POLICY_FILE)
    blob = tree.read(path)
    if blob is None:
        raise ConfigError(f"there is no {path}", "name one with --policy")
    return PolicyFile(path, blob.data)


def _files(ws: Workspace) -> Tree:
    try:
        return ws.open_worktree()
    except ConfigError:  # a bare repository
        return ws.current()[1].tree


def run_policy_tests(ws: Workspace, cases: Sequence[CaseFile], policy: PolicyFile) -> list[CaseResult]:
    """Plays the cases on the registry's branch as last fetched, under ``policy``. Nothing is written.

    Raises Refused where the policy itself is not a valid one.
    """
    load_manifest("Policy", policy.data, policy.path)
    _, branch = ws.current()
    current = branch.with_tree(edited(branch.tree, {branch.layout.path(POLICY_FILE): policy.data}))
    _demand_sound(ws, current, policy)
    return [run_case(case.path, case.data, current, ws.schemas, local_time) for case in cases]


def _demand_sound(ws: Workspace, current: Snapshot, policy: PolicyFile) -> None:
    """Judges the rules files by themselves: whether the models fit them is another question."""
    paths = [current.layout.path(file) for file in (REGISTRY_FILE, POLICY_FILE)]
    files = {path: blob.data for path in paths if (blob := current.blob(path)) is not None}
    rules = Snapshot(MemoryTree(files), ws.root)
    wrong = [found for found in validate(rules, ws.schemas) if found.outcome is not Outcome.WARNING]
    if wrong:
        place = wrong[0].location
        where = replace(place, path=policy.path) if place and place.path == paths[1] else place
        raise Refused(f"{f'{where}: ' if where else ''}{wrong[0].rule} {wrong[0].message}", wrong[0].fix)
