"""SSH signatures in the namespace ``gitreg``: making them, checking them, and finding the key to make them with.

OpenSSH's ``ssh-keygen -Y`` (8.2 or newer) does the cryptography. This module reads the armour itself
(https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig), because only a verification against
one named key proves which key signed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from gitreg.core.ports import Signature
from gitreg.errors import ConfigError, Undecided, UsageError

NAMESPACE = "gitreg"
#: In which git signs commits: https://git-scm.com/docs/gitformat-signature.
GIT_NAMESPACE = "git"
#: Neither a signed message nor an armoured signature may be larger, in bytes.
LIMIT = 64 << 10
#: Seconds for a check, which asks nobody, and for signing, where a person may be typing or touching a token.
CHECK_TIMEOUT = 20
SIGN_TIMEOUT = 180

_MAGIC = b"SSHSIG"
_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
# Plain keys only: of a certificate, the authority would have to be trusted too.
_KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "sk-ssh-ed25519@openssh.com",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "ssh-rsa",
    }
)
_INSTALL = "install OpenSSH 8.2 or newer"
_NAME_A_KEY = "set GITREG_SSH_KEY=FILE, or git config gpg.format ssh && git config user.signingkey FILE"
_UNLOCK = "run it in a terminal to be asked for the passphrase, or load the key with ssh-add"


def find_key(git_config: Mapping[str, str], explicit: str | None) -> Path | None:
    """The file of the key to sign with, private or public (then ssh-agent has the private half).

    ``explicit`` wins: the command's option or, without one, the caller's ``GITREG_SSH_KEY``. Then git's own
    ``user.signingkey``, where ``gpg.format`` is ``ssh`` (names in ``git_config`` in lower case, as git lists them).
    Nothing is guessed from ``~/.ssh``: those keys are for logging in, and a signature is a person's word, given only
    with a key that they named for it.

    Raises:
        ConfigError: git's configuration holds the key itself, not the name of a file.
    """
    if explicit:
        return Path(os.path.expanduser(explicit))
    configured = git_config.get("user.signingkey", "")
    if not configured or git_config.get("gpg.format") != "ssh":
        return None
    if configured.startswith(("key::", "ssh-", "ecdsa-", "sk-")) and not Path(configured).exists():
        raise ConfigError(
            "git's user.signingkey holds a key, where gitreg needs the name of a file", _NAME_A_KEY
        )
    return Path(os.path.expanduser(configured))


def normal_key(text: str) -> str:
    """The OpenSSH public key in ``text`` as ``type base64``, without its comment.

    Raises:
        UsageError: it is not a plain public key, or of a type that gitreg does not take.
    """
    words = text.split(maxsplit=2)
    try:
        kind, encoded = words[:2]
        return _key_line(base64.b64decode(encoded, validate=True), kind)
    except ValueError as error:
        raise UsageError(
            f"not an SSH public key: {' '.join(words[:2])[:60]!r}", "it looks like 'ssh-ed25519 AAAA…'"
        ) from error


def fingerprint(key: str) -> str:
    """The sha256 of a normal key's bytes, in hex: OpenSSH's own fingerprint is base64, which no ref can hold."""
    return hashlib.sha256(base64.b64decode(key.split()[1])).hexdigest()


class SshSigner:
    """Signs with the key in one file: a private key, or a public key whose private half ssh-agent has.

    A passphrase is asked for on the terminal; without a terminal signing fails at once.

    Raises:
        ConfigError: the file cannot be read.
    """

    def __init__(self, key_path: Path) -> None:
        self._path = key_path.absolute()
        self._given = _public_key_in(self._path)

    @cached_property
    def public_key(self) -> str:
        """``ssh-ed25519 AAAA…``, without comment.

        Raises:
            ConfigError: the file holds no key, or its public half cannot be had.
        """
        return self._given or self._public_key_beside() or self._public_key_from_private()

    def sign(self, message: bytes) -> str:
        """The armoured signature of ``message``.

        Raises:
            ConfigError: the key cannot be used: locked, not in the agent, or no key at all.
            UsageError: the message is larger than ``LIMIT``.
        """
        return self._sign(message, NAMESPACE)

    def sign_commit(self, payload: bytes) -> str:
        """The armoured signature of a commit, as git itself makes it with ``gpg.format = ssh``. Raises as ``sign``."""
        return self._sign(payload, GIT_NAMESPACE)

    def _sign(self, message: bytes, namespace: str) -> str:
        if len(message) > LIMIT:
            raise UsageError(f"a statement of {len(message)} bytes is too long to sign (at most {LIMIT})")
        return self._run(["-Y", "sign", "-n", namespace, "-f", str(self._path)], message).decode("ascii")

    def _public_key_beside(self) -> str | None:
        beside = Path(f"{self._path}.pub")
        return _public_key_in(beside) if beside.exists() else None

    def _public_key_from_private(self) -> str:
        return normal_key(self._run(["-y", "-f", str(self._path)], b"").decode(errors="replace"))

    def _run(self, arguments: Sequence[str], message: bytes) -> bytes:
        try:
            done = _ssh_keygen(arguments, message, SIGN_TIMEOUT)
        except FileNotFoundError as error:
            raise ConfigError("ssh-keygen is not there", _INSTALL) from error
        except subprocess.TimeoutExpired as error:
            raise ConfigError(f"{self._path}: no signature after {SIGN_TIMEOUT} s", _UNLOCK) from error
        if done.returncode:
            raise ConfigError(f"cannot sign with {self._path}: {_last_line(done.stderr)}", _UNLOCK)
        return done.stdout


def openssh_version() -> str:
    """The version of the OpenSSH whose ``ssh-keygen`` is used (``9.2p1``). Raises ConfigError if there is none.

    ``ssh-keygen`` does not tell its own: it comes with ``ssh``, which does (https://man.openbsd.org/ssh#V).
    """
    if shutil.which("ssh-keygen") is None:
        raise ConfigError("ssh-keygen is not there", _INSTALL)
    try:
        done = subprocess.run(
            ["ssh", "-V"], stdin=subprocess.DEVNULL, capture_output=True, timeout=CHECK_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Undecided(f"ssh does not say its version: {error}", _INSTALL) from error
    return done.stderr.decode(errors="replace").partition(" ")[0].partition(",")[0].removeprefix("OpenSSH_")


@lru_cache(maxsize=256)
def check_signature(message: bytes, armored: str, wanted: str = NAMESPACE) -> Signature:
    """Whether ``armored`` is a signature of exactly ``message`` in the namespace ``wanted``, and by which key.

    The result names a key only if that key did sign. Whatever the armour holds, it is an answer and not an error.

    Raises:
        Undecided: ssh-keygen is missing or did not answer.
    """
    if max(len(message), len(armored)) > LIMIT:
        return Signature(None, False, f"the statement or its signature is larger than {LIMIT} bytes")
    try:
        key, namespace, raw = _parse(armored)
    except ValueError as error:
        return Signature(None, False, f"not an SSH signature: {error}")
    if namespace != wanted.encode():
        return Signature(
            None, False, f"the signature was made for another purpose than {wanted} (its namespace differs)"
        )
    if not _verify(message, raw, key, wanted):
        return Signature(None, False, "the signature does not match the statement")
    return Signature(key, True)


def _verify(message: bytes, raw: bytes, key: str, namespace: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="gitreg-") as folder:
        signers, signature = Path(folder, "signers"), Path(folder, "signature")
        signers.write_text(f'signer namespaces="{namespace}" {key}\n', encoding="ascii")
        # Armoured anew, so that OpenSSH sees the very bytes that were parsed here.
        signature.write_text(_armour(raw), encoding="ascii")
        command = ["-Y", "verify", "-n", namespace, "-I", "signer", "-f", str(signers), "-s", str(signature)]
        try:
            status = _ssh_keygen(command, message, CHECK_TIMEOUT).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Undecided(f"cannot check a signature: ssh-keygen failed ({error})", _INSTALL) from error
    # 255 is OpenSSH's "no"; anything else (a usage error of an old release, a signal) is not an answer.
    if status not in {0, 255}:
        raise Undecided(f"cannot check a signature: ssh-keygen ended with status {status}", _INSTALL)
    return status == 0


def _ssh_keygen(arguments: Sequence[str], stdin: bytes, timeout: int) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "LC_ALL": "C"}
    if not _has_terminal():
        environment["SSH_ASKPASS_REQUIRE"] = "never"
    return subprocess.run(
        ["ssh-keygen", *arguments],
        input=stdin,
        capture_output=True,
        env=environment,
        timeout=timeout,
        check=False,
    )


def _has_terminal() -> bool:
    # ssh-keygen asks for a passphrase here, wherever its standard input comes from.
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("Enter passphrase: ").strip() if lines else "ssh-keygen does not say why"


def _public_key_in(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            first = file.readline(LIMIT)
    except OSError as error:
        raise ConfigError(f"cannot read the SSH key {path}: {error.strerror}", _NAME_A_KEY) from error
    try:
        return normal_key(first.decode(errors="replace"))
    except UsageError:
        return None


def _armour(raw: bytes) -> str:
    return "\n".join([_BEGIN, *textwrap.wrap(base64.b64encode(raw).decode(), 70), _END, ""])


def _parse(armored: str) -> tuple[str, bytes, bytes]:
    """The key that an armoured signature claims, its namespace, and its bytes. Raises ValueError."""
    text = armored.strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        raise ValueError("its armour is missing")
    body = text.removeprefix(_BEGIN).removesuffix(_END)
    raw = base64.b64decode("".join(body.split()), validate=True)
    if raw[:10] != _MAGIC + (1).to_bytes(4):
        raise ValueError("not version 1 of the format")
    public, rest = _string(raw[10:])
    namespace, rest = _string(rest)
    kind, _ = _string(public)
    return _key_line(public, kind.decode("ascii")), namespace, raw


def _key_line(public: bytes, kind: str) -> str:
    """``type base64`` of a key's bytes, which begin with the type too. Raises ValueError."""
    if kind not in _KEY_TYPES or _string(public)[0] != kind.encode():
        raise ValueError("not a plain key of a known type")
    return f"{kind} {base64.b64encode(public).decode()}"


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Splits a string of the SSH wire format (four bytes of length, then the bytes) off ``data``. Raises ValueError."""
    end = 4 + int.from_bytes(data[:4])
    if len(data) < max(end, 4):
        raise ValueError("it is cut short")
    return data[4:end], data[end:]
