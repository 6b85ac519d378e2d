"""From the environment of a run of CI to the event that started it, and to a workspace that no request chooses."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from gitreg.adapters.ci.event import event_of
from gitreg.core.ci_event import CiEvent
from gitreg.core.ports import Progress
from gitreg.wiring import USUAL_BRANCHES, Options, open_registry, workspace

if TYPE_CHECKING:
    from gitreg.flows.workspace import Workspace


def ci_event() -> CiEvent | None:
    """What this run of CI is about; None outside CI. Raises as :func:`gitreg.adapters.ci.event.event_of`."""
    return event_of(os.environ)


def step_summary() -> str | None:
    """The file to which a step of GitHub Actions adds its summary; None elsewhere."""
    return os.environ.get("GITHUB_STEP_SUMMARY") or None


def workspace_for(event: CiEvent, options: Options, progress: Progress | None = None) -> Workspace:
    """The registry in what CI checked out, fetched first.

    Which branch is the registry's, the repository's default branch says (or ``main`` or ``master``), and never what is
    checked out: it may be the change that is judged.
    """
    branches = tuple(dict.fromkeys([event.default_branch or USUAL_BRANCHES[0], *USUAL_BRANCHES]))
    trusting = replace(options, trusted=branches)
    return workspace(open_registry(trusting), trusting, progress)
