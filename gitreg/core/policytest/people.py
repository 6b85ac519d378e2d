"""The people of a case: who they are in git, which keys they sign with, and where a case goes wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gitreg.core.decode import Where
from gitreg.core.policy import Person, Policy
from gitreg.core.ports import Identity
from gitreg.errors import GitregError

#: Who did what a case gives to nobody.
NOBODY = Identity("Somebody", "somebody@example.com")


class BrokenCase(GitregError):
    """A case that cannot be played: ``where`` leads to the part of it that is wrong."""

    def __init__(self, where: Where, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.where = where


def person(policy: Policy, id: str, where: Where) -> Person:
    """One of the policy's people. Raises BrokenCase."""
    found = next((each for each in policy.people if each.id == id), None)
    if found is None:
        known = ", ".join(each.id for each in policy.people[:20]) or "nobody"
        raise BrokenCase(where, f"{id!r} is not one of the policy's people", f"they are {known}")
    return found


def key_of(policy: Policy, id: str, where: Where) -> str:
    """The key that a person signs with (type and base64). Raises BrokenCase."""
    keys = person(policy, id, where).keys
    if not keys:
        raise BrokenCase(
            where, f"{id} has no key in the policy and so can sign nothing", "give them one under people"
        )
    return " ".join(keys[0].split()[:2])


def identity(policy: Policy, id: str | None, where: Where) -> Identity:
    """Who a person is in git. Raises BrokenCase."""
    if id is None:
        return NOBODY
    found = person(policy, id, where)
    return Identity(found.id, email_of(found))


def email_of(person: Person) -> str:
    """A person's address in git; a made-up one where the policy has none."""
    return person.email or f"{person.id}@example.com"


def shifted(moment: datetime, period: timedelta) -> datetime:
    """The moment a period later; at the end of all dates where there is none."""
    try:
        return moment + period
    except OverflowError:
        return (datetime.min if period < timedelta() else datetime.max).replace(microsecond=0, tzinfo=UTC)
