"""What the local forge stores of a change request: one JSON blob under ``refs/gitreg/requests/<number>``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from gitreg.adapters.forge.statements import SHA256, canonical, read_object, signed
from gitreg.core.decode import (
    DecodeError,
    Fields,
    any_mapping,
    integer,
    matching,
    nullable,
    one_of,
    show_time,
    text,
    timestamp,
)
from gitreg.core.ports import READ_LIMIT, ChangeRequest, Statement
from gitreg.errors import UsageError

OPEN, MERGED, CLOSED = "open", "merged", "closed"

# What https://git-scm.com/docs/git-check-ref-format forbids in a character; git itself checks the rest.
_BRANCH = matching(re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]+\Z"), "a branch name", 200)
_COMMIT = matching(re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z"), "a commit id", 64)
_CHANGE_ID = matching(SHA256, "a change id (64 hex digits)", 100)


@dataclass(frozen=True, slots=True)
class Record:
    """A stored change request. ``statement`` is what its opener said, ``signature`` their armour (None if unsigned)."""

    number: int
    title: str
    body: str
    branch: str
    target: str
    state: str
    change_id: str
    opened_at: datetime
    merged_as: str | None
    statement: Mapping[str, object]
    signature: str | None

    def request(self, ref: str, head: str | None) -> ChangeRequest:
        """The change request that this record tells of, stored at ``ref``, whose branch is now at ``head``."""
        return ChangeRequest(
            id=str(self.number),
            title=self.title,
            body=self.body,
            branch=self.branch,
            target=self.target,
            state=self.state,
            # Once a request is over, a branch of that name is another request's.
            head=head if self.state == OPEN else None,
            change_id=self.change_id,
            # Nothing rests on who opened a request that is over, and each signature costs a process to check.
            author=self.opening(ref) if self.state == OPEN else None,
            opened_at=self.opened_at,
            merged_as=self.merged_as,
        )

    def opening(self, ref: str) -> Statement | None:
        """What its opener signed, with what checking it found."""
        return None if self.signature is None else signed(self.statement, self.signature, ref)


def encode(record: Record) -> bytes:
    """The blob of ``record``.

    Raises:
        UsageError: readers would not take it: a text is too long, or a branch or the change id is none.
    """
    data = canonical(asdict(record) | {"opened_at": show_time(record.opened_at)})
    try:
        decode(data, record.number)
    except ValueError as error:
        raise UsageError(f"this cannot be a change request: {error}") from error
    return data


def decode(data: bytes, number: int) -> Record:
    """Reads the blob of request ``number``, which anybody may have written.

    Raises:
        ValueError: it is not the record of that request.
    """
    try:
        return _record(Fields(read_object(data), ()), number)
    except DecodeError as error:
        raise ValueError(": ".join([*map(str, error.where), error.message])) from error


def _record(fields: Fields, number: int) -> Record:
    record = Record(
        number=fields.take("number", integer(number, number)),
        title=fields.take("title", text(READ_LIMIT)),
        body=fields.take("body", text(READ_LIMIT)),
        branch=fields.take("branch", _BRANCH),
        target=fields.take("target", _BRANCH),
        state=fields.take("state", one_of(OPEN, MERGED, CLOSED)),
        change_id=fields.take("change_id", _CHANGE_ID),
        opened_at=fields.take("opened_at", timestamp),
        merged_as=fields.take("merged_as", nullable(_COMMIT)),
        statement=fields.take("statement", any_mapping),
        signature=fields.take("signature", nullable(text(READ_LIMIT))),
    )
    fields.done()
    return record
