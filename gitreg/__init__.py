"""gitreg: a model registry that lives in git.

Model versions, stages and aliases are YAML manifests in a git repository; artifacts are tracked by DVC; a promotion is
a change request that gitreg writes and proves::

     git objects ─load─▶ Snapshot ─plan─▶ Plan (edits, title, base commit) ─commit─▶ branch ─open─▶ change request
                            │
       base and head Snapshots ─delta─▶ Changes ─┬─▶ verify (+ Evidence) ─▶ Findings ─▶ report
                                                 └─▶ history ─▶ Events
       one Snapshot ─────────────────────────────────▶ resolve ─▶ deploy tooling

Imports run downward only: ``surfaces → api → wiring → flows | adapters → core → errors``; ``core`` is pure.

The public API is :func:`open_registry` and what it returns; see :mod:`gitreg.api`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitreg.api import ModelSummary, Registry, VersionSummary, open_registry
    from gitreg.core.resolve import Resolution
    from gitreg.errors import GitregError

__version__ = "0.1.0"
__all__ = ["GitregError", "ModelSummary", "Registry", "Resolution", "VersionSummary", "open_registry"]

_HOMES = {"GitregError": "gitreg.errors", "Resolution": "gitreg.core.resolve"}


def __getattr__(name: str) -> object:
    """Imports the API when it is first asked for: importing gitreg itself costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'gitreg' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "gitreg.api")), name)
