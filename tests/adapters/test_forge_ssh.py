"""SSH signatures, made and checked with real keys and the real ssh-keygen."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitreg.adapters.forge.ssh import (
    LIMIT,
    SshSigner,
    check_signature,
    find_key,
    fingerprint,
    normal_key,
)
from gitreg.core.ports import Signature
from gitreg.errors import ConfigError, Undecided, UsageError

MESSAGE = b'{"action":"approve"}'


def make_key(path: Path, *options: str, passphrase: str = "") -> Path:
    kind = options or ("-t", "ed25519")
    subprocess.run(
        ["ssh-keygen", "-q", *kind, "-N", passphrase, "-C", "me@here", "-f", str(path)], check=True
    )
    return path


def openssh_sign(key: Path, message: bytes, namespace: str = "gitreg") -> str:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key)]
    return subprocess.run(command, input=message, capture_output=True, check=True).stdout.decode()


def public_half(key: Path) -> str:
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


def rewrapped(raw: bytes) -> str:
    return f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(raw).decode()}\n-----END SSH SIGNATURE-----\n"


def unwrapped(armored: str) -> bytes:
    return base64.b64decode("".join(armored.splitlines()[1:-1]))


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("key") / "id")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    started = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"(SSH_\w+)=([^;]+);", started))
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    yield
    subprocess.run(["ssh-agent", "-k"], capture_output=True, check=True, env=os.environ | found)


# --- signing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [("-t", "ed25519"), ("-t", "ecdsa"), ("-t", "rsa", "-b", "2048")])
def test_every_key_type_signs_and_is_named_by_its_signature(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = make_key(tmp_path / "a key", *options)
    signer = SshSigner(path)
    assert signer.public_key == public_half(path)
    assert check_signature(MESSAGE, signer.sign(MESSAGE)) == Signature(public_half(path), True)


def test_a_signature_is_one_that_openssh_itself_accepts(tmp_path: Path, key: Path) -> None:
    (tmp_path / "sig").write_text(SshSigner(key).sign(MESSAGE))
    (tmp_path / "signers").write_text(f"alice {public_half(key)}\n")
    command = ["ssh-keygen", "-Y", "verify", "-n", "gitreg", "-I", "alice"]
    files = ["-f", str(tmp_path / "signers"), "-s", str(tmp_path / "sig")]
    assert subprocess.run([*command, *files], input=MESSAGE, capture_output=True).returncode == 0


def test_a_private_key_alone_knows_its_public_half(tmp_path: Path) -> None:
    path = make_key(tmp_path / "id")
    expected = public_half(path)
    Path(f"{path}.pub").unlink()
    assert SshSigner(path).public_key == expected
    assert check_signature(MESSAGE, SshSigner(path).sign(MESSAGE)).key == expected


@pytest.mark.usefixtures("agent")
def test_a_public_key_signs_through_the_agent(tmp_path: Path) -> None:
    path = make_key(tmp_path / "id")
    subprocess.run(["ssh-add", "-q", str(path)], check=True)
    path.unlink()
    signer = SshSigner(Path(f"{path}.pub"))
    assert check_signature(MESSAGE, signer.sign(MESSAGE)) == Signature(signer.public_key, True)


def test_a_key_path_is_never_read_as_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_key(tmp_path / "-q")
    assert check_signature(MESSAGE, SshSigner(Path("-q")).sign(MESSAGE)).valid


def test_a_missing_key_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the SSH key .*absent: No such file") as error:
        SshSigner(tmp_path / "absent")
    assert "GITREG_SSH_KEY" in str(error.value.hint)


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directory"):
        SshSigner(tmp_path)


def test_a_file_that_holds_no_key_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "id"
    path.write_text("not a key\n")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="cannot sign with"):
        SshSigner(path).sign(MESSAGE)
    with pytest.raises(ConfigError, match="cannot sign with"):
        SshSigner(path).public_key  # noqa: B018


def test_a_public_key_without_its_private_half_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    path = make_key(tmp_path / "id")
    path.unlink()
    with pytest.raises(ConfigError, match="cannot sign with"):
        SshSigner(Path(f"{path}.pub")).sign(MESSAGE)


def test_the_public_half_of_another_key_beside_is_noticed(tmp_path: Path, key: Path) -> None:
    path = make_key(tmp_path / "id")
    Path(f"{path}.pub").write_text(Path(f"{key}.pub").read_text())
    with pytest.raises(ConfigError, match="doesn't match"):
        SshSigner(path).sign(MESSAGE)


def test_a_locked_key_fails_at_once_where_nobody_can_be_asked(tmp_path: Path) -> None:
    path = make_key(tmp_path / "id", passphrase="secret words")
    script = (
        "import pathlib, sys; from gitreg.adapters.forge.ssh import SshSigner; "
        "SshSigner(pathlib.Path(sys.argv[1])).sign(b'x')"
    )
    asked = tmp_path / "asked"
    askpass = tmp_path / "askpass"
    askpass.write_text(f"#!/bin/sh\ntouch '{asked}'\nsleep 60\n")
    askpass.chmod(0o700)
    environment = os.environ | {"DISPLAY": ":99", "SSH_ASKPASS": str(askpass), "SSH_AUTH_SOCK": ""}
    # A session of its own has no terminal.
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=30,
    )
    assert done.stderr.splitlines()[-1].startswith("gitreg.errors.ConfigError: cannot sign with")
    assert "passphrase" in done.stderr.splitlines()[-1]
    assert not asked.exists()


def test_a_message_too_long_to_be_checked_is_not_signed(key: Path) -> None:
    with pytest.raises(UsageError, match="too long to sign"):
        SshSigner(key).sign(b"x" * (LIMIT + 1))


def test_without_ssh_keygen_nothing_is_signed(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="ssh-keygen") as error:
        SshSigner(key).sign(MESSAGE)
    assert "OpenSSH" in str(error.value.hint)


# --- checking ----------------------------------------------------------------------------------------------------


def test_a_changed_message_is_not_what_was_signed(key: Path) -> None:
    checked = check_signature(MESSAGE + b" ", SshSigner(key).sign(MESSAGE))
    assert checked == Signature(None, False, "the signature does not match the statement")


def test_a_signature_for_another_namespace_does_not_count(key: Path) -> None:
    checked = check_signature(MESSAGE, openssh_sign(key, MESSAGE, "git"))
    assert (checked.key, checked.valid) == (None, False)
    assert "another purpose" in str(checked.problem)


def test_claiming_another_key_proves_nothing(tmp_path: Path, key: Path) -> None:
    other = make_key(tmp_path / "other")
    raw = unwrapped(openssh_sign(other, MESSAGE))
    own, claimed = (base64.b64decode(public_half(k).split()[1]) for k in (other, key))
    checked = check_signature(MESSAGE, rewrapped(raw.replace(own, claimed)))
    assert checked == Signature(None, False, "the signature does not match the statement")


def test_a_certificate_is_not_a_key(tmp_path: Path) -> None:
    authority, path = make_key(tmp_path / "ca"), make_key(tmp_path / "id")
    command = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", "signer", f"{path}.pub"]
    subprocess.run(command, check=True, capture_output=True)
    checked = check_signature(MESSAGE, openssh_sign(tmp_path / "id-cert.pub", MESSAGE))
    assert (checked.key, checked.valid) == (None, False)


@pytest.mark.parametrize(
    "armored",
    [
        "",
        "garbage",
        "-----BEGIN SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\n!!!\n-----END SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\n\ud800é\n-----END SSH SIGNATURE-----",
        rewrapped(b""),
        rewrapped(b"SSHSIG"),
        rewrapped(b"SSHSIG\0\0\0\x02" + b"\0" * 40),
        rewrapped(b"SSHSIG\0\0\0\x01\xff\xff\xff\xff"),
        rewrapped(b"SSHSIG\0\0\0\x01" + b"\0" * 40),
        "x" * (LIMIT + 1),
    ],
)
def test_hostile_armour_is_answered_and_never_raises(armored: str) -> None:
    checked = check_signature(MESSAGE, armored)
    assert (checked.key, checked.valid) == (None, False)
    assert checked.problem


def test_every_cut_and_every_flipped_byte_is_refused(key: Path) -> None:
    raw = unwrapped(openssh_sign(key, MESSAGE))
    damaged = [raw[:end] for end in range(0, len(raw), 9)]
    damaged += [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(0, len(raw), 9)]
    # Bytes behind the end are no part of the format, and a second signature there must not be smuggled in.
    damaged.append(raw + b"\0")
    for candidate in damaged:
        assert not check_signature(MESSAGE, rewrapped(candidate)).valid


def test_armour_may_be_wrapped_in_any_way(key: Path) -> None:
    armored = SshSigner(key).sign(MESSAGE)
    assert check_signature(MESSAGE, rewrapped(unwrapped(armored))).valid
    assert check_signature(MESSAGE, "\n" + armored.replace("\n", "\r\n")).valid


def test_without_ssh_keygen_a_check_is_undecided(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    armored = SshSigner(key).sign(b"not checked before")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Undecided, match="cannot check a signature"):
        check_signature(b"not checked before", armored)


def test_an_ssh_keygen_that_cannot_verify_is_undecided(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    armored = SshSigner(key).sign(b"not checked either")
    old = tmp_path / "ssh-keygen"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Undecided, match="status 1"):
        check_signature(b"not checked either", armored)


# --- keys --------------------------------------------------------------------------------------------------------


def test_a_key_is_normalised_to_type_and_bytes(key: Path) -> None:
    line = Path(f"{key}.pub").read_text()
    assert line.strip().endswith("me@here")
    assert normal_key(f"  {line}") == public_half(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        "ssh-ed25519 AAAA",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIEVfRVPfIV+H+cznGp6FQoZaoPCDky6mG4epzOjCXj7z",
        "ssh-dss AAAAB3NzaC1kc3M=",
        "hello world",
    ],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not an SSH public key"):
        normal_key(text)


def test_a_fingerprint_is_openssh_s_own_in_hex(key: Path) -> None:
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(key)], capture_output=True, text=True, check=True
    ).stdout
    encoded = shown.split()[1].removeprefix("SHA256:")
    assert fingerprint(public_half(key)) == base64.b64decode(encoded + "=").hex()


def test_the_explicit_key_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    config = {"gpg.format": "ssh", "user.signingkey": "~/.ssh/git.pub"}
    assert find_key(config, "~/mine") == Path("/home/alice/mine")
    assert find_key(config, None) == Path("/home/alice/.ssh/git.pub")
    assert find_key(config, "") == Path("/home/alice/.ssh/git.pub")


@pytest.mark.parametrize("config", [{}, {"gpg.format": "ssh"}, {"user.signingkey": "ABCD1234"}])
def test_no_key_is_guessed(config: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ssh").mkdir()
    make_key(tmp_path / ".ssh" / "id_ed25519")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_key(config, None) is None


@pytest.mark.parametrize("literal", ["key::ssh-ed25519 AAAA", "ssh-ed25519 AAAA me"])
def test_a_key_in_git_s_configuration_itself_is_explained(literal: str) -> None:
    with pytest.raises(ConfigError, match="name of a file"):
        find_key({"gpg.format": "ssh", "user.signingkey": literal}, None)
