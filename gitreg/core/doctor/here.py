"""What gitreg needs of the machine on which it runs."""

from __future__ import annotations

from datetime import datetime

from gitreg.core.doctor.point import Point, unread
from gitreg.core.forge_settings import Unread
from gitreg.core.policy import Policy
from gitreg.core.ports import Identity
from gitreg.core.verify.rules.dates import TOLERANCE

OLDEST_GIT = (2, 39)
OLDEST_SSH = (8, 2)


def version_point(name: str, found: str | Unread, oldest: tuple[int, int], *, needed: bool = True) -> Point:
    """A program by its version (``2.43.0``), and whether that is new enough."""
    wanted = ".".join(map(str, oldest))
    fix = f"install {name} {wanted} or newer"
    if isinstance(found, Unread):
        return Point(name, False, found.why, fix, needed)
    numbers = _numbers(found)
    if numbers is None:
        return Point(name, None, f"what version {found!r} is, is not known", fix, needed)
    good = numbers >= oldest
    return Point(name, good, found if good else f"{found} is too old", "" if good else fix, needed)


def _numbers(version: str) -> tuple[int, int] | None:
    major, _, rest = version.partition(".")
    minor = "".join(_leading_digits(rest))
    return (int(major), int(minor)) if major.isdecimal() and minor else None


def _leading_digits(text: str) -> str:
    return text[: next((at for at, each in enumerate(text) if not each.isdecimal()), len(text))]


def identity_point(identity: Identity | Unread, policy: Policy) -> Point:
    """Whose name is in commits that are made here. It proves nothing, and who only verifies needs none."""
    name = "identity"
    if isinstance(identity, Unread):
        return Point(
            name, False, identity.why, "git config --global user.email YOU@EXAMPLE.COM", needed=False
        )
    address = identity.email.casefold()
    person = next((each.id for each in policy.people if (each.email or "").casefold() == address), None)
    known = f"{person} in policy.yaml" if person else "an address that is not in policy.yaml"
    return Point(name, True, f"{identity.name} <{identity.email}>, {known}", needed=False)


def key_point(key: str | Unread | None, policy: Policy) -> Point:
    """Whether the person has an SSH key (type and base64) that the policy knows; who only verifies needs none."""
    name = "SSH key"
    if isinstance(key, Unread):
        return Point(name, False, key.why, "name a key with GITREG_SSH_KEY", needed=False)
    if key is None:
        fix = "git config --global gpg.format ssh; git config --global user.signingkey FILE; or GITREG_SSH_KEY=FILE"
        return Point(name, False, "there is none, so nothing can be signed here", fix, needed=False)
    person = policy.person_with_key(key)
    if person:
        return Point(name, True, f"it is {person.id}'s in policy.yaml", needed=False)
    fix = "add it to people in policy.yaml, by a change request"
    return Point(name, False, "nobody in policy.yaml has it", fix, needed=False)


def clock_point(here: datetime, there: datetime | None) -> Point:
    """How far this machine's clock is from the forge's: soak times and approvals go by both.

    More than ``TOLERANCE`` is also what the rule about dates finds.
    """
    name = "clock"
    if there is None:
        return unread(name, Unread("the forge does not say what time it is"), "", needed=False)
    seconds = int(abs((here - there).total_seconds()))
    good = seconds < TOLERANCE.total_seconds()
    text = f"{seconds} s from the forge's" if seconds else "as the forge's"
    return Point(name, good, text, "" if good else "set this machine's clock")
