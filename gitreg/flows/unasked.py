"""A workspace for those who may not, or do not want to, ask the whole world: forks' CI has no secrets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NoReturn

from gitreg.core.ports import (
    ArtifactStore,
    ChangeRequest,
    Commit,
    Conversation,
    NewRequest,
    Signature,
    Signer,
    Statement,
)
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.checks import APPROVALS, ARTIFACTS, asked_for
from gitreg.errors import Bug, Undecided
from gitreg.flows.verify import Verdict
from gitreg.flows.workspace import Workspace


def limited(ws: Workspace, checks: Collection[str]) -> Workspace:
    """The same registry, whose forge and DVC remote are there only for the checks that are asked for.

    Whatever rests on the others is unknown then. The rules that find it undecided are those that were not asked for.
    """
    if APPROVALS not in checks:
        ws = replace(ws, make_forge=UnaskedForge)
    return ws if ARTIFACTS in checks else replace(ws, open_store=_no_store)


def only(verdict: Verdict, checks: Collection[str]) -> Verdict:
    """A verdict by the rules of these checks alone."""
    return replace(verdict, findings=asked_for(verdict.findings, checks))


def _no_store(snapshot: Snapshot) -> ArtifactStore:
    raise Undecided("the DVC remote was not asked", "gitreg verify --checks artifacts asks it")


class UnaskedForge:
    """A ``Forge`` that nobody asks: it knows of no request and of nobody who said anything."""

    @property
    def provider(self) -> str:
        """See :class:`gitreg.core.ports.Forge`."""
        return "local"

    def requests(
        self, states: Iterable[str] = ("open",), *, branch: str | None = None, change_id: str | None = None
    ) -> Sequence[ChangeRequest]:
        """None."""
        return ()

    def request(self, id: str) -> ChangeRequest:
        """Not to be called."""
        self._unasked()

    def about(self, change_id: str, head: str | None) -> ChangeRequest | None:
        """None."""
        return None

    def landed(self, commits: Sequence[str]) -> Mapping[str, ChangeRequest]:
        """None of them."""
        return {}

    def opening(self, id: str) -> Statement | None:
        """None."""
        return None

    def conversation(self, request: ChangeRequest, accounts: Collection[str]) -> Conversation | None:
        """None."""
        return None

    def statements(self, change_id: str, known: Collection[str] | None = None) -> Sequence[Statement]:
        """None."""
        return ()

    def hub_id(self) -> str:
        """Nothing tells this place from another."""
        return ""

    def who_signed(self, commit: Commit) -> Signature | None:
        """Nobody: who merged is not who asked, and that the forge alone could tell."""
        return None

    def open(
        self, new: NewRequest, signer: Signer | None, old_head: str | None, now: datetime
    ) -> ChangeRequest:
        """Not to be called."""
        self._unasked()

    def review(self, request: ChangeRequest, text: str, *, withdraw: bool = False) -> str:
        """Not to be called."""
        self._unasked()

    def comment(self, request: ChangeRequest, text: str) -> str | None:
        """Not to be called."""
        self._unasked()

    def rerun_failed(self, head: str) -> str | None:
        """Not to be called."""
        self._unasked()

    def audited(self) -> Collection[str] | None:
        """Nobody knows."""
        return None

    def state(self, change_id: str, body: Mapping[str, object], signer: Signer, now: datetime) -> str:
        """Not to be called."""
        self._unasked()

    def merge(self, request: ChangeRequest, commit: str, base: str, body: str) -> str:
        """Not to be called."""
        self._unasked()

    def merge_when_ready(self, request: ChangeRequest) -> str | None:
        """Not to be called."""
        self._unasked()

    def merge_by_hand(self, request: ChangeRequest) -> None:
        """Not to be called."""
        self._unasked()

    def close(self, request: ChangeRequest) -> None:
        """Not to be called."""
        self._unasked()

    def _unasked(self) -> NoReturn:
        raise Bug("a forge that was not to be asked was asked")
