"""Which change requests of a hosted forge merge by themselves: those of kinds that policy lets land directly.

Nothing lands directly on a hosted forge. There its check and its reviews are what a direct landing is verified by.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitreg.core.ports import ChangeRequest
from gitreg.core.verify.rule import Judged
from gitreg.flows.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AutoMerge:
    """What became of asking the forge to merge a request by itself; ``why`` says why it will not (None: it will)."""

    why: str | None = None

    @property
    def is_on(self) -> bool:
        """Whether the request merges by itself."""
        return self.why is None


def merges_itself(ws: Workspace, judged: Judged) -> bool:
    """Whether a change is to merge by itself: all that it does is of kinds that the base's policy lists as direct."""
    if ws.forge.provider == "local" or judged.bootstrap or not judged.kinds:
        return False
    policy = judged.base.policy()
    return all(policy.allows_direct(kind) for kind in judged.kinds)


def demand_by_hand(ws: Workspace, judged: Judged, request: ChangeRequest | None) -> None:
    """Sees to it that the open request which a change is to take over merges by itself only if that change may.

    To be asked before the change is pushed to it: from then on the forge might merge it. Raises as
    ``Forge.merge_by_hand``.
    """
    if request is not None and request.merges_itself and not merges_itself(ws, judged):
        ws.forge.merge_by_hand(request)


def ask_to_merge(ws: Workspace, judged: Judged, request: ChangeRequest) -> AutoMerge | None:
    """Has the forge merge an open request by itself, if what it does may; None if it may not."""
    if not merges_itself(ws, judged):
        return None
    return AutoMerge(ws.forge.merge_when_ready(request))
