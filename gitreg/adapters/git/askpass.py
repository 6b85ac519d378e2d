"""Answers git's questions for a user and a password, for one server alone; git runs it as ``GIT_ASKPASS``.

A program of its own: it is run by file name, without site-packages, and imports nothing of gitreg. What it may tell,
and to whom, is in its environment. Any other question gets no answer, and a failure: the URL may be that of a
redirect or of a submodule.

Questions: https://git-scm.com/docs/gitcredentials#_requesting_credentials.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence

SCHEME = "GITREG_ASKPASS_SCHEME"
HOST = "GITREG_ASKPASS_HOST"
USER = "GITREG_ASKPASS_USER"
SECRET = "GITREG_ASKPASS_SECRET"  # noqa: S105  # the variable's name

_QUESTION = re.compile(r"(?P<what>Username|Password) for '(?P<scheme>https?)://(?P<rest>[^\n]*)': \Z")


def answer(question: str, environment: Mapping[str, str]) -> str | None:
    """What to answer; None to a question that is not about the server of the environment."""
    asked = _QUESTION.match(question)
    if asked is None or asked["scheme"] != environment.get(SCHEME):
        return None
    if not _is_at(asked["rest"], environment.get(HOST, "")):
        return None
    return environment.get(USER if asked["what"] == "Username" else SECRET) or None


def _is_at(rest: str, host: str) -> bool:
    """Whether ``[user@]host[/path]`` means this host, however it is read.

    Older versions of git do not escape the user, which may have any characters: ``https://good%2F@evil/`` is asked
    about as ``https://good/@evil``. So nothing before the host may have a slash, and nothing after it an ``@``.
    """
    before, at, after = rest.rpartition("@")
    name, _, _ = after.partition("/")
    return bool(host) and "/" not in before + at and name.lower() == host.lower()


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Prints the answer to the question that is the one argument. Returns 1 if there is none."""
    told = answer(arguments[0], environment) if len(arguments) == 1 else None
    if told is None:
        return 1
    sys.stdout.write(told + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
