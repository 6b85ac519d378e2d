"""A git registry as one thread of an MLflow program works with it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from gitreg.errors import Undecided
from gitreg.surfaces.mlflow.uri import RegistryUri

if TYPE_CHECKING:
    from gitreg.core.snapshot import Snapshot
    from gitreg.flows.catalog import Catalog
    from gitreg.flows.land import Landed, LandingMode, Planner
    from gitreg.flows.propose import Proposed
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

    def renew(self) -> None:
        """As ``refresh``, however lately that was done."""
        self._freshness.keep(self.workspace.repository.fetch, 0)

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

    def close(self) -> None:
        """Ends the git process that reads for it; a later read starts another."""
        self.opened.repository.close()


def warn(line: str) -> None:
    """Tells the program's log something."""
    import logging

    logging.getLogger("gitreg.mlflow").warning("%s", line)


#: How many sessions stay open while nobody works with them.
KEPT = 4


class Sessions:
    """The open sessions of one registry: each works for one thread at a time, and is lent to the next one then.

    A server's threads come and go, dozens of them. What they have open is at no time more than they work with at once.
    """

    def __init__(self, uri: RegistryUri) -> None:
        self._uri = uri
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._freshness = Freshness()
        self._first: Opened | None = None

    @contextmanager
    def lent(self) -> Iterator[Session]:
        """A session that is no other thread's meanwhile; in such a block of the same thread, the one that it has.

        Raises as opening a registry does.
        """
        if self._process != os.getpid():
            self._begin()  # what was open before a fork is the parent's
        session: Session | None = getattr(self._mine, "session", None)
        if session is not None:
            yield session
            return
        session = self._mine.session = self._taken()
        try:
            yield session
        finally:
            self._mine.session = None
            self._give_back(session)

    @property
    def mine(self) -> Session:
        """The session that is lent to this thread."""
        session = getattr(self._mine, "session", None)
        assert isinstance(session, Session), "a block of lent() is around it"
        return session

    def _taken(self) -> Session:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if (
                self._first is None
            ):  # the others wait for it, and then open the registry without a look at the remote
                session = Session(self._uri, self._freshness)
                self._first = session.opened
                return session
        return Session(self._uri, self._freshness, self._first)

    def _give_back(self, session: Session) -> None:
        with self._lock:
            if len(self._idle) < KEPT:
                self._idle.append(session)
                return
        session.close()


@lru_cache(maxsize=8)
def shared_sessions(uri: RegistryUri) -> Sessions:
    """The sessions of all that know a registry by its address alone, such as artifacts: it is opened once for them."""
    return Sessions(uri)
