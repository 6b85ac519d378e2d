"""The embedded forge: change requests, approvals and merges as refs of the hub, with nothing but git.

- ``refs/gitreg/requests/<number>``: a request's record (record.py), created once, then edited by compare-and-swap.
- ``refs/gitreg/approvals/…``: the signed statements that every forge has (signed.py).
- ``refs/gitreg/hub``: the name of this repository, which no copy of it bears; the server's own (``gitreg hook``).

All of it is as of the repository's last fetch, like every other ref of the hub. Whoever may push may write these
refs, so whatever they hold is read as hostile.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from gitreg.adapters.forge.local.finished import Finished
from gitreg.adapters.forge.local.record import CLOSED, MERGED, OPEN, Record, decode, encode
from gitreg.adapters.forge.signed import APPROVALS, SignedForge
from gitreg.adapters.forge.statements import canonical
from gitreg.core.ports import (
    BRANCH_PREFIX,
    ChangeRequest,
    Conversation,
    NewRequest,
    RefUpdate,
    Repository,
    Signer,
    Statement,
)
from gitreg.errors import LostRace, NotFound, Refused, Undecided, UsageError

REQUESTS = "refs/gitreg/requests/"
HUB = "refs/gitreg/hub"

_PLACE = re.compile(r"[0-9a-f]{64}/[0-9a-f]{64}/[0-9a-f]{32}\Z")
#: How far ahead of the last one a new request's number may be: else somebody could take the last number that there is.
_AHEAD = 1000
_NUMBER = re.compile(r"[1-9][0-9]{0,14}\Z")
#: How often somebody else may take the next number first.
_ATTEMPTS = 12
#: The longest pause before the first further attempt, in seconds; each may be longer by as much again.
_PAUSE = 0.1


class LocalForge(SignedForge):
    """A ``Forge`` on a repository's hub.

    Args:
        repository: reads and writes the hub.
        trunk: the registry's branch. No request is made of it, as its branch is deleted with a request.
        finished: what need not be read to find open requests; without it, everything is.
    """

    def __init__(self, repository: Repository, trunk: str, finished: Finished | None = None) -> None:
        super().__init__(repository)
        self._trunk = trunk
        self._finished = finished

    @property
    def provider(self) -> str:
        """See :class:`gitreg.core.ports.Forge`."""
        return "local"

    def open(
        self, new: NewRequest, signer: Signer | None, old_head: str | None, now: datetime
    ) -> ChangeRequest:
        """Pushes the branch from ``old_head`` (None: it does not exist) and files its request in one update.

        Raises:
            LostRace: the branch is not at ``old_head``.
            UsageError: the branch or the change id cannot be a request's, or the texts are too long.
        """
        if new.branch in {new.target, self._trunk}:
            raise UsageError(
                f"the branch {new.branch!r} cannot ask to be merged", "make another branch of it"
            )
        for attempt in range(1, _ATTEMPTS):
            try:
                return self._open(new, signer, old_head, now)
            except LostRace:
                self._catch_up(attempt)
                if self._head(new.branch) != old_head:
                    raise
        return self._open(new, signer, old_head, now)

    def requests(
        self, states: Iterable[str] = (OPEN,), *, branch: str | None = None, change_id: str | None = None
    ) -> Sequence[ChangeRequest]:
        """The requests in these states, by number; only those of one branch, or about one change, if it is named.

        Refs that hold no request are left out. Signatures are checked of those alone that are returned.
        """
        return [
            self._show(record)
            for _, record in self._records(frozenset(states))
            if branch in {None, record.branch} and change_id in {None, record.change_id}
        ]

    def request(self, id: str) -> ChangeRequest:
        """The request called ``4`` or ``#4``.

        Raises:
            NotFound: there is none of that number.
            Undecided: its ref does not hold a request.
        """
        return self._show(self._record(id)[1])

    def about(self, change_id: str, head: str | None) -> ChangeRequest | None:
        """See :class:`gitreg.core.ports.Forge`. The newest; a signed one if any is, as anybody may file others."""
        found = list(reversed(self.requests(change_id=change_id)))
        signed = (each for each in found if each.author is not None and each.author.signature.valid)
        return next(signed, found[0] if found else None)

    def landed(self, commits: Sequence[str]) -> Mapping[str, ChangeRequest]:
        """See :class:`gitreg.core.ports.Forge`. Of several requests that claim a commit, the first counts."""
        sought = set(commits)
        merged = (r for r in reversed(self.requests((MERGED,))) if r.target == self._trunk)
        return {r.merged_as: r for r in merged if r.merged_as in sought and r.merged_as is not None}

    def conversation(self, request: ChangeRequest, accounts: Collection[str]) -> Conversation | None:
        """None: nothing counts here but what is signed."""
        return None

    def review(self, request: ChangeRequest, text: str, *, withdraw: bool = False) -> str:
        """Raises Refused: nothing counts here but what is signed."""
        raise Refused("this forge keeps no reviews", "gitreg change approve signs with your SSH key")

    def comment(self, request: ChangeRequest, text: str) -> str | None:
        """None: there are no comments here."""
        return None

    def rerun_failed(self, head: str) -> str | None:
        """Raises Refused: nothing runs here."""
        raise Refused("this forge runs no CI", "have your CI judge the change again: gitreg verify")

    def audited(self) -> Collection[str] | None:
        """None: nothing runs here."""
        return None

    def opening(self, id: str) -> Statement | None:
        """See :class:`gitreg.core.ports.Forge`."""
        _, record = self._record(id)
        return record.opening(_request_ref(record.number))

    def hub_id(self) -> str:
        """What ``refs/gitreg/hub`` holds; "" without it. Raises Undecided if it cannot be read."""
        oid = self._repository.hub_ref(HUB)
        blob = b"" if oid is None else self._blob(oid)
        if blob is None:
            raise Undecided(f"{HUB} cannot be read: {oid} is no file or missing", "git fetch may bring it")
        return blob[:200].decode("ascii", "replace").strip()

    def merge(self, request: ChangeRequest, commit: str, base: str, body: str) -> str:
        """Moves the target from ``base`` to ``commit``, marks the request merged, deletes gitreg's branch: all or none.

        Raises:
            LostRace: the target, the branch or the request is not what it was when ``request`` was read.
            Refused: the request is not open.
        """
        old, record = self._unchanged(request)
        landing = RefUpdate(_branch_ref(record.target), base, commit)
        self._end(
            request, landing, self._filing(replace(record, state=MERGED, merged_as=commit, body=body), old)
        )
        return commit

    def merge_when_ready(self, request: ChangeRequest) -> str | None:
        """See :class:`gitreg.core.ports.Forge`. There is nothing here that could."""
        return f"nothing here merges by itself: gitreg change merge {request.id}"

    def merge_by_hand(self, request: ChangeRequest) -> None:
        """See :class:`gitreg.core.ports.Forge`. Nothing here merges otherwise."""

    def close(self, request: ChangeRequest) -> None:
        """Ends a request without merging and deletes its branch if gitreg made it. Raises as ``merge`` does."""
        old, record = self._unchanged(request)
        self._end(request, self._filing(replace(record, state=CLOSED), old))

    def ends_request(self, update: RefUpdate) -> bool:
        """See :class:`gitreg.core.ports.Guard`."""
        if not update.ref.startswith(REQUESTS) or update.new is None:
            return False
        record = self._pushed_record(update.ref, update.new)
        return isinstance(record, Record) and record.state != OPEN

    def lands_request(self, update: RefUpdate) -> tuple[str, str] | None:
        """See :class:`gitreg.core.ports.Guard`."""
        if not update.ref.startswith(REQUESTS) or update.new is None:
            return None
        record = self._pushed_record(update.ref, update.new)
        if isinstance(record, str) or record.state != MERGED or record.merged_as is None:
            return None
        return str(record.number), record.merged_as

    def objection(self, update: RefUpdate, landing: Mapping[str, str | None]) -> str | None:
        """See :class:`gitreg.core.ports.Guard`.

        Requests are never deleted, and stay as they are once they are over; statements are only ever added.
        """
        if update.ref.startswith(REQUESTS):
            return self._objection_to_request(update, landing)
        if update.ref.startswith(APPROVALS):
            return self._objection_to_statement(update)
        return (
            "it names this repository, and is the server's own"
            if update.ref == HUB
            else "gitreg keeps nothing there"
        )

    def _objection_to_request(self, update: RefUpdate, landing: Mapping[str, str | None]) -> str | None:
        if update.new is None:
            return "a change request is closed, never deleted"
        record = self._pushed_record(update.ref, update.new)
        if isinstance(record, str):
            return record
        if update.old is None:
            return self._objection_to_new(record)
        before = self._pushed_record(update.ref, update.old)
        return None if isinstance(before, str) else self._objection_to_edit(before, record, landing)

    def _objection_to_new(self, record: Record) -> str | None:
        if record.state != OPEN:
            return "a change request begins open"
        is_far = record.number > self._next_number() + _AHEAD
        return "its number is far ahead of the last one" if is_far else None

    def _objection_to_edit(
        self, before: Record, record: Record, landing: Mapping[str, str | None]
    ) -> str | None:
        """A request ends as it was, or is renewed by whoever opened it; merged is what lands on the trunk."""
        if before.state != OPEN:
            return f"the change request is {before.state}, and stays as it is"
        if record.state == OPEN:
            return None if _is_renewal(before, record) else "only who opened the request may renew it"
        if replace(record, state=OPEN, merged_as=None, body=before.body) != before:
            return "a request ends as it was"
        lands = record.target == self._trunk and landing.get(_branch_ref(record.target)) == record.merged_as
        if record.state == MERGED and not lands:
            return "a request is marked merged only by the push that lands it"
        return None

    def _objection_to_statement(self, update: RefUpdate) -> str | None:
        if update.old is not None or update.new is None:
            return "a statement is never changed or deleted; gitreg change approve --revoke takes an approval back"
        place = update.ref.removeprefix(APPROVALS)
        if not _PLACE.match(place):
            return "a statement is kept under its change, its key and a name of its own (hex digits)"
        try:
            found = self._statement(update.ref, update.new)
        except Undecided as error:
            return error.message
        if not found.signature.valid:
            return f"this is no valid statement: {found.signature.problem}"
        return (
            None
            if found.body.get("change") == place.split("/")[0]
            else "the statement is about another change"
        )

    def _pushed_record(self, ref: str, oid: str) -> Record | str:
        """The request that a ref would hold; or why it would hold none."""
        number = ref.removeprefix(REQUESTS)
        if not _NUMBER.match(number):
            return "a change request is kept under its number"
        try:
            return self._decode(oid, int(number))
        except ValueError as error:
            return f"this is no change request: {error}"

    def _open(
        self, new: NewRequest, signer: Signer | None, old_head: str | None, now: datetime
    ) -> ChangeRequest:
        adopted = self._open_record_of(new.branch)
        number = adopted[1].number if adopted else self._next_number()
        # Signed with its number: an opening that was withdrawn opens no other request.
        statement = {**new.statement, "request": str(number)}
        record = Record(
            number=number,
            title=new.title,
            body=new.body,
            branch=new.branch,
            target=new.target,
            state=OPEN,
            change_id=new.change_id,
            opened_at=adopted[1].opened_at if adopted else now.astimezone(UTC).replace(microsecond=0),
            merged_as=None,
            statement=statement,
            signature=signer.sign(canonical(statement)) if signer else None,
        )
        push = RefUpdate(_branch_ref(new.branch), old_head, new.head)
        self._repository.update([push, self._filing(record, adopted[0] if adopted else None)])
        return record.request(_request_ref(record.number), new.head)

    def _open_record_of(self, branch: str) -> tuple[str, Record] | None:
        found = (item for item in self._records(frozenset({OPEN})) if item[1].branch == branch)
        return next(found, None)

    def _next_number(self) -> int:
        return max(_numbers(self._repository.hub_refs(REQUESTS)), default=0) + 1

    def _catch_up(self, attempt: int) -> None:
        time.sleep(secrets.SystemRandom().uniform(0, _PAUSE * attempt))
        self._repository.fetch()

    def _end(self, request: ChangeRequest, *updates: RefUpdate) -> None:
        """Files the end of a request. Its branch goes with it if gitreg made it; a person's own is theirs to delete."""
        branch = RefUpdate(_branch_ref(request.branch), request.head, None)
        is_ours = request.head is not None and request.branch.startswith(BRANCH_PREFIX)
        self._repository.update([*updates, branch] if is_ours else updates)

    def _filing(self, record: Record, old: str | None) -> RefUpdate:
        return RefUpdate(_request_ref(record.number), old, self._repository.write_blob(encode(record)))

    def _unchanged(self, request: ChangeRequest) -> tuple[str, Record]:
        old, record = self._record(request.id)
        if record.state != OPEN:
            raise Refused(f"change request #{record.number} is {record.state} already")
        if self._show(record) != request:
            raise LostRace(f"change request #{record.number} has changed meanwhile", "look at it again")
        return old, record

    def _records(self, states: frozenset[str]) -> list[tuple[str, Record]]:
        """The blobs and the records of the requests in some states, by number."""
        refs = self._repository.hub_refs(REQUESTS)
        places = [(refs[ref], number) for number in _numbers(refs) if (ref := _request_ref(number)) in refs]
        if states != {OPEN} or self._finished is None:
            return [found for found in self._read(places) if found[1].state in states]
        known = self._finished.known()
        found = self._read([place for place in places if place[0] not in known])
        over = {oid for oid, record in found if record.state != OPEN}
        if over:
            self._finished.remember(over | (known & {oid for oid, _ in places}))
        return [each for each in found if each[0] not in over]

    def _read(self, places: Sequence[tuple[str, int]]) -> list[tuple[str, Record]]:
        """Those of some blobs that hold the request of their number, with it."""
        found = []
        blobs = self._repository.blobs([oid for oid, _ in places])
        for (oid, number), blob in zip(places, blobs, strict=True):
            with suppress(ValueError):
                found.append((oid, self._decoded(oid, blob, number)))
        return found

    def _record(self, id: str) -> tuple[str, Record]:
        number = id.removeprefix("#")
        oid = self._repository.hub_ref(REQUESTS + number) if _NUMBER.match(number) else None
        if oid is None:
            raise NotFound(
                f"there is no change request {id[:80]!r}", "name it by its number in the list of requests"
            )
        try:
            return oid, self._decode(oid, int(number))
        except ValueError as error:
            raise Undecided(f"{REQUESTS}{number} does not hold a change request: {error}") from error

    def _decode(self, oid: str, number: int) -> Record:
        return self._decoded(oid, self._blob(oid), number)

    def _decoded(self, oid: str, blob: bytes | None, number: int) -> Record:
        if blob is None:
            raise ValueError(f"the file {oid} is missing from the repository")
        record = decode(blob, number)
        if record.branch in {record.target, self._trunk}:
            raise ValueError(f"its branch {record.branch!r} cannot be a request's")
        return record

    def _show(self, record: Record) -> ChangeRequest:
        return record.request(_request_ref(record.number), self._head(record.branch))

    def _head(self, branch: str) -> str | None:
        return self._repository.hub_ref(_branch_ref(branch))


def _is_renewal(before: Record, record: Record) -> bool:
    """Whether the new opening is signed with the key of the old one, for the same branch and target."""
    if (before.branch, before.target) != (record.branch, record.target):
        return False
    old, new = (each.opening(_request_ref(each.number)) for each in (before, record))
    if old is None or not old.signature.valid:
        return True
    return new is not None and new.signature.valid and new.signature.key == old.signature.key


def _numbers(refs: Iterable[str]) -> list[int]:
    """The numbers that are taken, ascending: ``…/4/anything`` stands in the way of ``…/4`` as well."""
    names = {ref.removeprefix(REQUESTS).split("/")[0] for ref in refs}
    return sorted(int(name) for name in names if _NUMBER.match(name))


def _request_ref(number: int) -> str:
    return f"{REQUESTS}{number}"


def _branch_ref(branch: str) -> str:
    return f"refs/heads/{branch}"
