"""Signatures in commits: gitreg reads what git writes, git takes what gitreg writes, and tricks are no signature."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from git_kit import git
from hypothesis import given
from hypothesis import strategies as st

from gitreg.adapters.forge.ssh import GIT_NAMESPACE, SshSigner, check_signature
from gitreg.adapters.git.commits import parse_commit, with_signature
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import Identity

OID = "a" * 40
HEADERS = b"tree " + b"b" * 40 + b"\nauthor A <a@example.com> 1 +0000\ncommitter A <a@example.com> 1 +0000\n"
ARMOR = "-----BEGIN SSH SIGNATURE-----\nAAAA\nBBBB\n-----END SSH SIGNATURE-----"


@pytest.fixture
def signer(tmp_path: Path) -> SshSigner:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.fspath(key)], check=True)
    return SshSigner(key)


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    folder = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", os.fspath(folder)], check=True)
    return GitRepository.open(folder)


@given(st.binary(max_size=200), st.sampled_from([b"", b"encoding UTF-8\n"]))
def test_a_signature_is_about_the_commit_without_it(message: bytes, extra: bytes) -> None:
    plain = HEADERS + extra + b"\n" + message
    sealed = parse_commit(OID, with_signature(plain, ARMOR + "\n")).sealed
    assert sealed is not None
    assert sealed.payload == plain
    assert sealed.armor.strip() == ARMOR
    assert parse_commit(OID, plain).sealed is None


@pytest.mark.parametrize(
    "data",
    [
        HEADERS + b"\ngpgsig -----BEGIN SSH SIGNATURE-----\n",  # in the message
        with_signature(with_signature(HEADERS + b"\nx", ARMOR), ARMOR),  # two of them
        HEADERS + b"gpgsig-sha256 x\n\nx",
        with_signature(HEADERS + b"gpgsig-sha256 x\n\nx", ARMOR),
        HEADERS.rstrip(b"\n"),
    ],
)
def test_what_readers_could_take_differently_is_no_signature(data: bytes) -> None:
    assert parse_commit(OID, data + b"\n").sealed is None


def test_git_takes_what_gitreg_signs(repository: GitRepository, signer: SshSigner, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    tree = repository.write_tree("", {})
    who, now = Identity("A", "a@example.com"), datetime(2026, 1, 1, tzinfo=UTC)
    oid = repository.write_commit(tree, [], "signed\n", who, now, signer.sign_commit)
    signers = tmp_path / "signers"
    signers.write_text(f"a@example.com {signer.public_key}\n")
    command = ["-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", oid]
    folder = repository.top or tmp_path
    done = subprocess.run(["git", *command], cwd=folder, capture_output=True, check=False)
    assert b'Good "git" signature for a@example.com' in done.stderr
    assert repository.commit(oid).message == "signed\n"
    assert git(folder, "fsck", "--strict") is not None


def test_gitreg_takes_what_git_signs(repository: GitRepository, signer: SshSigner, tmp_path: Path) -> None:
    folder = repository.top or tmp_path
    settings = {
        "user.name": "A",
        "user.email": "a@example.com",
        "gpg.format": "ssh",
        "user.signingKey": os.fspath(tmp_path / "key"),
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    subprocess.run(
        ["git", *options, "commit", "-q", "--allow-empty", "-S", "-m", "by git"], cwd=folder, check=True
    )
    sealed = repository.commit(repository.resolve("HEAD")).sealed
    assert sealed is not None
    found = check_signature(sealed.payload, sealed.armor, GIT_NAMESPACE)
    assert (found.valid, found.key) == (True, signer.public_key)
    assert not check_signature(sealed.payload + b"x", sealed.armor, GIT_NAMESPACE).valid
    assert "another purpose" in (check_signature(sealed.payload, sealed.armor).problem or "")
