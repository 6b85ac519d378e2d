"""Who pushes, as the transport says: never the author that a commit names, which is anybody's to write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gitreg.core.ports import Pusher

#: Where a web server puts the name that it authenticated (https://git-scm.com/docs/git-http-backend).
DEFAULT_VARIABLE = "REMOTE_USER"


def pusher_in(environment: Mapping[str, str], variable: str = DEFAULT_VARIABLE) -> Pusher | None:
    """The person that a hook's environment names; None if it names none.

    First the login in ``variable``; then the public key in the file that ``SSH_USER_AUTH`` names, which sshd
    writes where ``ExposeAuthInfo`` is on (https://man.openbsd.org/sshd_config#ExposeAuthInfo).
    """
    user = environment.get(variable)
    if user:
        return Pusher(user=user)
    file = environment.get("SSH_USER_AUTH")
    key = _key_in(Path(file)) if file else None
    return Pusher(key=key) if key else None


def _key_in(file: Path) -> str | None:
    """The key of the one ``publickey TYPE BASE64`` line; with several, nobody can tell whose word counts."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    keys = {
        " ".join(words[1:3]) for line in lines if (words := line.split())[:1] == ["publickey"] and words[2:]
    }
    return keys.pop() if len(keys) == 1 else None
