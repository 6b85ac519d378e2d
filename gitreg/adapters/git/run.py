"""Runs git: the environment it gets, and what its failures mean.

The environment is the caller's, less what could make git answer about another repository or with other objects:
of the ``GIT_*`` variables (https://git-scm.com/docs/git#_environment_variables) only those of the transport, of
the identity and of the configuration pass, and inside a hook those of the quarantine.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from gitreg.errors import ConfigError, GitregError, Refused, Undecided

if TYPE_CHECKING:
    from gitreg.core.ports import Credentials

#: Goes in front of every command. No hook or monitor of a repository that is being judged may run, and nothing
#: may tidy up behind a reader's back. ``safe.bareRepository`` guards git's own search for a repository; gitreg
#: names the repository, so that a person's ``explicit`` is met. What a ref will name must outlive a crash.
SETTINGS = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.fsync=committed",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "safe.bareRepository=all",
)  # fmt: skip

_OWN = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "LC_ALL": "C",
}
_PASSES = re.compile(
    r"GIT_(?:SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|PROXY_\w+|SSL_\w+|HTTP_\w+"
    r"|(?:AUTHOR|COMMITTER)_(?:NAME|EMAIL)|CONFIG_\w+)\Z"
)
_QUARANTINE = ("GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")


def environment() -> dict[str, str]:
    """The variables that git is run with."""
    passed = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or _PASSES.match(k)}
    if "GIT_QUARANTINE_PATH" in os.environ:
        passed |= {k: os.environ[k] for k in _QUARANTINE if k in os.environ}
    return passed | _OWN


@dataclass(frozen=True, slots=True)
class Done:
    """What a finished command left."""

    code: int
    stdout: bytes
    stderr: str


#: What git says where a server wants to know who it is, and nothing of the person's answers.
_UNANSWERED = "could not read "
#: How a server asked, by the look-up that had the answer: it will ask so again.
_ASKED: WeakKeyDictionary[Credentials, Done] = WeakKeyDictionary()


def attempt(
    args: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    stdin: bytes = b"",
    extra: Mapping[str, str] | None = None,
) -> Done:
    """Runs ``git ARGS`` in ``folder`` with ``extra`` variables; the caller looks at the exit code.

    Raises:
        ConfigError: there is no git, or no such folder.
    """
    try:
        done = subprocess.run(
            ["git", *SETTINGS, *args],
            cwd=folder,
            input=stdin,
            capture_output=True,
            env=environment() | dict(extra or {}),
            check=False,
        )
    except OSError as error:
        raise not_started(error, folder) from error
    return Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def run(
    args: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    stdin: bytes = b"",
    extra: Mapping[str, str] | None = None,
    remote: str = "its remote",
) -> bytes:
    """Runs ``git ARGS`` in ``folder`` and returns what it printed.

    Raises:
        GitregError: git failed; see :func:`failure`, which also says what ``remote`` is.
    """
    done = attempt(args, folder, stdin=stdin, extra=extra)
    if done.code:
        raise failure(done.stderr, remote)
    return done.stdout


def reach(
    args: Sequence[str],
    folder: str | os.PathLike[str],
    credentials: Credentials | None,
    *,
    extra: Mapping[str, str] | None = None,
) -> Done:
    """As ``attempt``, for a command that talks to a remote; ``credentials`` are asked only where a server wants one.

    That costs a second process and no more: a web server asks before it does anything. Later commands with the same
    ``credentials`` begin with what had to be shown.
    """
    asked = _ASKED.get(credentials) if credentials is not None else None
    if credentials is not None and asked is not None:
        from gitreg.adapters.git.access import again

        done = again(args, folder, credentials, asked, extra=extra)
        if done is not asked and _UNANSWERED not in done.stderr:
            return done
    done = attempt(args, folder, extra=extra)
    if done.code == 0 or credentials is None or _UNANSWERED not in done.stderr:
        return done
    from gitreg.adapters.git.access import again

    answered = again(args, folder, credentials, done, extra=extra)
    if answered.code == 0:
        _ASKED[credentials] = done
    return answered


def not_started(error: OSError, folder: str | os.PathLike[str]) -> ConfigError:
    """The error for a git process that could not be started in ``folder``."""
    if os.path.isdir(folder):
        return ConfigError(f"git could not be started: {error.strerror}", "install git 2.39 or newer")
    return ConfigError(f"there is no folder {os.fspath(folder)!r}")


def redact(text: str) -> str:
    """``text`` without the user and password of the URLs in it, and without what could play tricks on a terminal."""
    plain = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text)
    return re.sub(r"://[^/\s'\"]*@", "://", plain)


_TRANSPORT = re.compile(
    r"could not resolve|unable to access|connection|timed out|does not appear to be a git repository"
    r"|could not read (?:from remote|username|password)|repository .* not found|authentication failed"
    r"|host key verification|hung up|early eof|rpc failed|unable to connect|unable to look up"
    r"|no route to host|disconnect",
    re.IGNORECASE,
)
_DAMAGED = re.compile(
    r"bad object|not a valid (?:object|commit) name|corrupt|missing (?:blob|tree|commit|object)"
    r"|unable to (?:read|unpack)|could not parse|did not receive expected object|cannot read",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left|disk quota exceeded|file too large", re.IGNORECASE)
_FORBIDDEN = re.compile(r"permission|read-only file system|quarantine|operation not permitted", re.IGNORECASE)


def failure(stderr: str, remote: str = "its remote") -> GitregError:
    """What a failed command's messages mean; ``remote`` is how to call the other side, if there was one.

    A remote that does not answer, or not to this person, and an object that cannot be read are Undecided; a
    repository that git does not trust, or a protocol that may not be used, is a ConfigError; what the file system
    forbids is Refused.
    """
    text = redact(stderr)
    if "dubious ownership" in text:
        return _untrusted(text)
    if "not allowed" in text and "transport" in text:
        return ConfigError(f"{remote}: {_last_line(text)}", "use an https, ssh or file URL")
    from gitreg.adapters.git.hosted import turned_away

    if found := turned_away(text, remote):
        return found
    if line := _first_match(_TRANSPORT, text):
        return Undecided(
            f"{remote} could not be reached: {line}", "check the address, the network and your access"
        )
    if line := _first_match(_FULL, text):
        return Undecided(f"git could not write: {line}", "make room on the disk, then run it again")
    if line := _first_match(_DAMAGED, text):
        return Undecided(
            f"git could not read an object: {line}", "git fsck tells more; git fetch may bring it"
        )
    if line := _first_match(_FORBIDDEN, text):
        return Refused(f"git was not permitted: {line}")
    return GitregError(f"git failed: {_last_line(text)}")


def _untrusted(text: str) -> ConfigError:
    found = re.search(r"dubious ownership in repository at '(.*)'", text)
    place = found.group(1) if found else "this repository"
    return ConfigError(
        f"git does not trust {place}: another user owns it",
        f"if you trust its owner: git config --global --add safe.directory {place}",
    )


def _lines(text: str) -> list[str]:
    lines = (re.sub(r"\A(?:fatal|error): ", "", line.strip()) for line in text.splitlines())
    return [line for line in lines if line and not line.startswith(("hint:", "warning:"))]


def _last_line(text: str) -> str:
    return (_lines(text) or ["it gave no reason"])[-1]


def _first_match(pattern: re.Pattern[str], text: str) -> str | None:
    return next((line for line in _lines(text) if pattern.search(line)), None)
