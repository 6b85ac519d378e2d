"""A git registry as one thread of an MLflow program works with it."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from gitreg.errors import Undecided
from gitreg.surfaces.mlflow.uri import RegistryUri

if TYPE_CHECKING:
    from gitreg.core.snapshot import Snapshot
    from gitreg.flows.catalog import Catalog
    from gitreg.flows.land import Landed, LandingMode, Planner, Proposed
    from gitreg.flows.workspace import Workspace
    from gitreg.wiring import Opened


class Freshness:
    """When the hub was last asked what is new, for all threads of a program that read the same registry.

    An outage is told once, however often it is met, and so is its end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: float | None = None
        self._is_out = False

    def keep(self, fetch: Callable[[], None], every: float) -> None:
        """Sees to it that what is read is not older than ``every`` seconds, by ``fetch`` if need be.

        One thread fetches for all. The others read on meanwhile, unless nothing was fetched yet, or each call is to
        see the newest state (``every`` is 0): then they wait for it. Where the hub does not answer, the last state is
        read on.
        """
        begin = time.monotonic()
        if not self._lock.acquire(blocking=self._asked is None or every == 0):
            return
        try:
            if self._asked is None or begin - self._asked > every:
                self._fetch(fetch)
        finally:
            self._lock.release()

    def _fetch(self, fetch: Callable[[], None]) -> None:
        begin = time.monotonic()
        try:
            fetch()
        except Undecided as error:
            begin = time.monotonic()  # what takes long to fail is not tried again at once
            self._told(f"{error.message}; reading what was fetched before")
        else:
            self._told(None)
        self._asked = begin

    def opened(self, outage: str | None) -> None:
        """Notes that the registry was opened just now, which asked the hub; ``outage`` is why it did not answer."""
        with self._lock:
            self._asked = time.monotonic()
            self._told(outage)

    def _told(self, outage: str | None) -> None:
        was_out, self._is_out = self._is_out, outage is not None
        if outage is not None and not was_out:
            warn(outage)
        elif was_out and outage is None:
            warn("the registry's remote answers again")


class Session:
    """One registry, opened.

    Attributes:
        workspace: what the flows work with.
    """

    def __init__(
        self, uri: RegistryUri, freshness: Freshness | None = None, like: Opened | None = None
    ) -> None:
        """Opens the registry; or ``like`` a session of another thread, which costs nothing. Raises as opening does."""
        from gitreg.flows.catalog import Catalog
        from gitreg.surfaces.mlflow import caller
        from gitreg.wiring import Options, open_again, open_registry, workspace

        self.uri = uri
        self._freshness = freshness or Freshness()
        told: list[str] = []
        opening = Options(registry=uri.registry, remote=uri.remote, warn=told.append)
        self.opened = open_again(like) if like is not None else open_registry(opening)
        if like is None and uri.is_remote:
            self._freshness.opened(told[0] if told else None)
        self.workspace: Workspace = workspace(self.opened, replace(opening, warn=warn))
        self.workspace.find_author = caller.author
        self.workspace.demand_allowed = caller.demand_role
        self._catalog: Catalog = Catalog(self.workspace)

    def refresh(self) -> None:
        """Fetches what is new, unless that was just done; where the hub does not answer, the last state is read on."""
        self._freshness.keep(self.workspace.repository.fetch, self.uri.refresh)

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


#: How many sessions of a process keep what reads their repository running.
AWAKE = 8


class _Desk:
    """One thread's session: its git process ends with the thread, whoever else still knows the repository."""

    def __init__(self, session: Session) -> None:
        self.session = session
        weakref.finalize(self, session.opened.repository.close)


class Sessions:
    """A session for each thread that asks for one: what reads a repository is not shared between threads.

    A server's threads come and go, dozens of them. The git process that reads for a session ends with its thread; and
    before that, once enough others have been asked for since. The next question starts it again.
    """

    def __init__(self, uri: RegistryUri) -> None:
        self._uri = uri
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._awake: OrderedDict[int, weakref.ref[Session]] = OrderedDict()
        self._freshness = Freshness()
        self._opening = threading.Lock()
        self._first: Opened | None = None

    def get(self) -> Session:
        """This thread's session. Raises as opening a registry does."""
        if self._process != os.getpid():
            self._begin()  # what was open before a fork is the parent's
        desk: _Desk | None = getattr(self._local, "desk", None)
        if desk is None:
            with self._opening:
                desk = self._local.desk = _Desk(Session(self._uri, self._freshness, self._first))
                self._first = self._first or desk.session.opened
        self._keep_awake(desk.session)
        return desk.session

    def _keep_awake(self, session: Session) -> None:
        with self._lock:
            self._awake[id(session)] = weakref.ref(session)
            self._awake.move_to_end(id(session))
            idle = [self._awake.popitem(last=False)[1]() for _ in range(len(self._awake) - AWAKE)]
        for each in idle:
            if each is not None:
                each.opened.repository.close()
