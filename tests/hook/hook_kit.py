"""What the hook's tests share: the hook in a bare repository, and pushes with plain git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from flow_kit import Desk, git

from gitreg.surfaces.cli.main import run


def guard(desk: Desk, *options: str) -> None:
    """Installs the hook in the origin, as whoever runs the server does."""
    assert (
        run(
            ["-R", os.fspath(desk.origin), "hook", "install", "--remote", os.fspath(desk.artifacts), *options]
        )
        == 0
    )


def push(folder: Path, *refspecs: str, url: str = "origin") -> tuple[int, str]:
    """A push with plain git: its exit code, and what the other side said."""
    done = subprocess.run(
        ["git", "push", "--porcelain", url, *refspecs], cwd=folder, capture_output=True, check=False
    )
    return done.returncode, done.stderr.decode()


def commit(
    desk: Desk, edits: dict[str, str | None], person: str = "dan", *options: str, message: str = "by hand"
) -> str:
    """Somebody commits on top of the registry's branch in their clone, by hand."""
    folder = desk.root / person
    git(folder, "fetch", "-q", "origin")
    git(folder, "checkout", "-q", "-B", "work", "origin/main")
    return commit_here(folder, edits, *options, message=message)


def commit_here(folder: Path, edits: dict[str, str | None], *options: str, message: str = "by hand") -> str:
    """A commit on what is checked out."""
    for path, text in edits.items():
        place = folder / path
        if text is None:
            place.unlink()
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-q", "-m", message, *options)
    return git(folder, "rev-parse", "HEAD")


def sign_with(desk: Desk, person: str) -> None:
    """git of this clone signs every commit with the person's SSH key."""
    folder = desk.root / person
    for name, value in (
        ("gpg.format", "ssh"),
        ("user.signingKey", os.fspath(desk.keys / person)),
        ("commit.gpgSign", "true"),
    ):
        git(folder, "config", name, value)


def raw_push(desk: Desk, folder: Path, *moves: tuple[str | None, str, str]) -> str:
    """What any client may send to ``git receive-pack``: (old, new, ref) as it likes; what the server answers.

    https://git-scm.com/docs/gitprotocol-pack#_reference_update_request_and_packfile_transfer
    """
    command = ["git", "receive-pack", os.fspath(desk.origin)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        while size := int(server.stdout.read(4), 16):
            server.stdout.read(size - 4)  # which refs there are
        orders = b""
        for number, (old, new, ref) in enumerate(moves):
            line = f"{old or '0' * 40} {new} {ref}".encode() + (b"" if number else b"\0report-status")
            orders += b"%04x" % (len(line) + 4) + line
        wanted = "".join(f"{new}\n" for _, new, _ in moves).encode()
        pack = subprocess.run(
            ["git", "pack-objects", "--revs", "--stdout", "-q"],
            cwd=folder,
            input=wanted,
            capture_output=True,
            check=True,
        )
        out, err = server.communicate(orders + b"0000" + pack.stdout)
    return (out + err).decode(errors="replace")
