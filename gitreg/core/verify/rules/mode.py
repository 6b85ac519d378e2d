"""GR104: manifests and rules are plain files: no symlinks, no submodules, not executable."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.findings import Finding
from gitreg.core.layout import Layout, Sort
from gitreg.core.ports import EXECUTABLE, FILE, SUBMODULE, SYMLINK
from gitreg.core.verify.rule import ChangeRule, Judged, Rule, Scope, SnapshotRule

RULE = Rule("GR104", "mode", "Manifests and rules are plain files")

_CALLED = {SYMLINK: "a symbolic link", SUBMODULE: "a submodule", EXECUTABLE: "executable"}


def check(scope: Scope) -> Iterator[Finding]:
    """Looks at the mode of every file concerned below models/."""
    for entry, place in scope.files:
        if entry.mode != FILE:
            yield _finding(place.path, entry.mode)


def check_rules_files(judged: Judged) -> Iterator[Finding]:
    """Looks at the mode of every rules file of the registry's own that changed (workflows may run scripts)."""
    own = Layout(judged.base.root, protected=())
    for raw in judged.delta.raw:
        if raw.new and raw.new.mode != FILE and own.place(raw.path).sort is Sort.RULES:
            yield _finding(raw.path, raw.new.mode)


def _finding(path: str, mode: str) -> Finding:
    return RULE.finding(
        f"the file is {_CALLED.get(mode, f'of mode {mode}')}", path, "commit it as a plain file, mode 100644"
    )


MODE = SnapshotRule(RULE, check)
MODE_OF_RULES = ChangeRule(RULE, check_rules_files)
