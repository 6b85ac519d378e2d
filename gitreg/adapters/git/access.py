"""Runs a git command again with a credential, where a web server wanted one and nothing of the person's had it.

What the person set up comes first: a credential helper, an askpass program of their own, a header in git's
configuration. The secret is in the environment of the second process, and nowhere else: neither in its arguments nor
in a file. Credential helpers are left out of that process, since git would give them the secret to keep.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gitreg.adapters.git import askpass
from gitreg.adapters.git.run import Done, attempt
from gitreg.core.ports import Credential, Credentials

# Of git's credential.c; the user in the URL may be unescaped, so a host is what no reading makes another one of.
_UNANSWERED = re.compile(
    r"could not read (?:Username|Password) for '(?P<scheme>https?)://(?:[^/\n]*@)?(?P<host>[^/@'\n]+)(?:/[^@\n]*)?': "
)
# An empty value clears the list, also of those for one server alone:
# https://git-scm.com/docs/gitcredentials#Documentation/gitcredentials.txt-helper
_NO_HELPERS = ("-c", "credential.helper=")


def again(
    args: Sequence[str],
    folder: str | os.PathLike[str],
    credentials: Credentials,
    before: Done,
    *,
    extra: Mapping[str, str] | None = None,
) -> Done:
    """What the command leaves with a credential for the server that wanted one; ``before`` if there is none."""
    wanted = _UNANSWERED.search(before.stderr)
    credential = credentials(wanted["scheme"], wanted["host"].lower()) if wanted else None
    if credential is None:
        return before
    with _askpass(credential) as variables:
        done = attempt([*_NO_HELPERS, *args], folder, extra={**(extra or {}), **variables})
    # A server may repeat in its complaint what it was sent.
    return replace(done, stderr=done.stderr.replace(credential.secret, "[token]"))


@contextmanager
def _askpass(credential: Credential) -> Iterator[Mapping[str, str]]:
    """The variables with which git asks :mod:`gitreg.adapters.git.askpass`.

    Git runs a file, and no installer is sure to leave a module executable; hence the script around it.
    """
    with tempfile.TemporaryDirectory(prefix="gitreg-askpass-") as folder:
        script = Path(folder) / "askpass"
        script.write_text(_script(credential), encoding="utf-8")
        script.chmod(0o700)
        yield {
            "GIT_ASKPASS": os.fspath(script),
            askpass.SCHEME: credential.scheme,
            askpass.HOST: credential.host,
            askpass.USER: credential.user,
            askpass.SECRET: credential.secret,
        }


#: Users that git shows as they are, without escapes.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+\Z")


def _script(credential: Credential) -> str:
    """A shell script that leaves git's questions to the program.

    The two that git nearly always asks it answers itself, which saves starting Python twice: those that name the server
    and nothing else, word for word. Other programs' arguments are for all to see, so that nothing but the shell's own
    ``printf`` may print the secret; hence no ``PATH`` there.
    """
    program = [sys.executable or "python3", "-I", "-S", os.path.abspath(askpass.__file__)]
    cases = "".join(
        f"{shlex.quote(question)}) printf '%s\\n' \"${name}\" 2>/dev/null && exit;;\n"
        for question, name in _usual(credential).items()
    )
    return f"""\
#!/bin/sh
before=$PATH
PATH=/dev/null
case $1 in
{cases}esac
PATH=$before
exec {shlex.join(program)} "$1"
"""


def _usual(credential: Credential) -> dict[str, str]:
    """The questions that git asks about a server, and the variables that answer them."""
    if not (_PLAIN.match(credential.user) and credential.host and credential.secret):
        return {}
    scheme, user, host = credential.scheme, credential.user, credential.host
    return {
        f"Username for '{scheme}://{host}': ": askpass.USER,
        f"Password for '{scheme}://{user}@{host}': ": askpass.SECRET,
    }
