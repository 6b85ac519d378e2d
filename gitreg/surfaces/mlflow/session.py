"""A git registry as one thread of an MLflow program works with it."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING

from gitreg.errors import Undecided
from gitreg.surfaces.mlflow.uri import RegistryUri

if TYPE_CHECKING:
    from gitreg.core.snapshot import Snapshot
    from gitreg.flows.catalog import Catalog
    from gitreg.flows.land import Landed, LandingMode, Planner, Proposed
    from gitreg.flows.workspace import Workspace


class Session:
    """One registry, opened.

    Attributes:
        workspace: what the flows work with.
    """

    def __init__(self, uri: RegistryUri) -> None:
        from gitreg.flows.catalog import Catalog
        from gitreg.surfaces.mlflow import caller
        from gitreg.wiring import Options, open_registry, workspace

        options = Options(registry=uri.registry, remote=uri.remote, warn=warn)
        opened = open_registry(options)
        self.uri = uri
        self.opened = opened
        self.workspace: Workspace = workspace(opened, options)
        self.workspace.find_author = caller.author
        self.workspace.demand_allowed = caller.demand_role
        self._catalog: Catalog = Catalog(self.workspace)
        self._fetched: float | None = None

    def refresh(self) -> None:
        """Fetches what is new, unless that was just done; where the hub does not answer, the last state is read on."""
        now = time.monotonic()
        if self._fetched is not None and now - self._fetched < self.uri.refresh:
            return
        try:
            self.workspace.repository.fetch()
        except Undecided as error:
            warn(f"{error.message}; reading what was fetched before")
        self._fetched = now

    @property
    def catalog(self) -> Catalog:
        """What lists and look-ups read, with what is new."""
        self.refresh()
        return self._catalog

    def snapshot(self) -> Snapshot:
        """The registry as it is now."""
        self.refresh()
        return self.workspace.current()[1]

    def land(self, make_plan: Planner) -> Landed | Proposed:
        """Lands a plan as the URI's ``changes`` says. Raises as :func:`gitreg.flows.land.land`."""
        from gitreg.flows.land import land

        return land(self.workspace, make_plan, self.mode)

    @property
    def mode(self) -> LandingMode:
        """How changes land, as the URI's ``changes`` says."""
        from gitreg.flows.land import LandingMode

        chosen = {"direct": LandingMode.DIRECT, "request": LandingMode.REQUEST}
        return LandingMode.WHERE_ALLOWED if self.uri.changes is None else chosen[self.uri.changes]

    def now(self) -> datetime:
        """The moment, in UTC."""
        return self.workspace.clock()


def warn(line: str) -> None:
    """Tells the program's log something."""
    import logging

    logging.getLogger("gitreg.mlflow").warning("%s", line)


class Sessions:
    """A session for each thread that asks for one: what reads a repository is not shared between threads.

    Nor between processes: a fork begins with none.
    """

    def __init__(self, uri: RegistryUri) -> None:
        self._uri = uri
        self._local = threading.local()

    def get(self) -> Session:
        """This thread's session. Raises as opening a registry does."""
        opened: tuple[int, Session] | None = getattr(self._local, "opened", None)
        if opened is None or opened[0] != os.getpid():
            opened = self._local.opened = (os.getpid(), Session(self._uri))
        return opened[1]
