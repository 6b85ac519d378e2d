"""One tree of errors. Each carries what a person needs: one line, a hint, and the exit code of the command.

Exit codes: 0 yes; 1 a finding, or no such thing; 2 usage or configuration; 3 could not be decided; 4 a bug.
"""

from __future__ import annotations

from typing import ClassVar


class GitregError(Exception):
    """Base of every error that gitreg raises on purpose.

    Args:
        message: one line that says what is wrong and where.
        hint: one line that says what to do about it.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class NotFound(GitregError):
    """The registry holds no such model, version, stage, alias, revision or change request."""

    exit_code = 1


class Refused(GitregError):
    """The request is understood and may not happen: it breaks a rule of the registry."""

    exit_code = 1


class AlreadyExists(Refused):
    """The name is taken, or was and stays so."""


class UsageError(GitregError):
    """An argument is not of the form that the operation takes."""

    exit_code = 2


class ConfigError(GitregError):
    """Something around the registry is missing or set up wrongly (no registry here, no identity, no remote)."""

    exit_code = 2


class Undecided(GitregError):
    """It could not be found out: network, missing object, unreadable file. Never to be taken for a pass."""

    exit_code = 3


class LostRace(Undecided):
    """A ref did not have the expected old value: somebody else was faster. Fetch, plan again, retry."""


class Bug(GitregError):
    """gitreg contradicts itself; worth a report."""

    exit_code = 4
