"""Moves refs, all or none, each from its expected old value: in this repository, or at ``origin`` by a push."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gitreg.adapters.git.run import Done, attempt, failure, reach, redact, run
from gitreg.core.ports import Credentials, RefUpdate
from gitreg.errors import Bug, GitregError, LostRace, Refused, Undecided

_OID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{")
_LOG = "gitreg"
_AGAIN = "fetch and try again"


def is_ref(ref: str) -> bool:
    """Whether ``ref`` can be the full name of a ref (https://git-scm.com/docs/git-check-ref-format)."""
    names = ref.split("/")
    well_formed = all(name and not name.startswith(".") and not name.endswith(".lock") for name in names)
    if len(names) < 3 or names[0] != "refs" or not well_formed or ref.endswith(".") or _FORBIDDEN.search(ref):
        return False
    return not any("\ud800" <= character <= "\udfff" for character in ref)


def is_oid(text: str) -> bool:
    """Whether ``text`` is a full object id."""
    return _OID.match(text) is not None


def is_absent(common_dir: Path, name: str) -> bool:
    """Whether there is for certain no ref ``name``, or none below it if it ends in a slash.

    Costs no process. Only where refs are kept as files (https://git-scm.com/docs/gitrepository-layout, "refs") it can
    be told so; no is "look", never "there is one".
    """
    try:
        if (common_dir / "reftable").exists() or os.path.lexists(common_dir / name.rstrip("/")):
            return False
        packed = (common_dir / "packed-refs").read_bytes()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    end = b"" if name.endswith("/") else b"\n"
    return b" " + name.encode("utf-8", "surrogateescape") + end not in packed


def move_here(folder: str, updates: Sequence[RefUpdate]) -> None:
    """Moves refs of the repository in ``folder`` in one transaction.

    Raises:
        LostRace: one of them is not where it was expected to be.
        Refused: a name is in the way of another (``a`` and ``a/b``), or git may not write.
    """
    _demand_well_formed(updates)
    lines = ["start", *(_order(update) for update in updates), "prepare", "commit", ""]
    done = attempt(
        ["update-ref", "--no-deref", "-m", _LOG, "--stdin"], folder, stdin="\n".join(lines).encode()
    )
    if done.code:
        raise _move_failure(done.stderr)


def _order(update: RefUpdate) -> str:
    if update.old is None:
        return f"create {update.ref} {update.new}"
    if update.new is None:
        return f"delete {update.ref} {update.old}"
    return f"update {update.ref} {update.new} {update.old}"


def _demand_well_formed(updates: Sequence[RefUpdate]) -> None:
    for update in updates:
        if not is_ref(update.ref):
            raise Bug(f"{update.ref!r} is no name of a ref")
        ends = [oid for oid in (update.old, update.new) if oid is not None]
        if not ends or not all(is_oid(oid) for oid in ends):
            raise Bug(f"{update.ref!r} cannot move from {update.old!r} to {update.new!r}")


# The texts of refs.c, refs/files-backend.c and builtin/receive-pack.c, of git 2.39 to 2.50.
_HOPELESS = re.compile(
    r"; cannot create|cannot process '.*' and '.*' at the same time|permission denied|read-only",
    re.IGNORECASE,
)
_MOVED = re.compile(
    r"but expected|already exists|unable to resolve reference|incorrect old value|\.lock': file exists"
    r"|stale info|fetch first|remote ref does not exist|transaction failed|failed to update ref|cannot lock ref",
    re.IGNORECASE,
)

_LOCKED = re.compile(r"cannot lock ref|but expected|\.lock': File exists")


def _move_failure(stderr: str) -> GitregError:
    known = failure(stderr)
    if _HOPELESS.search(stderr):
        return Refused(known.message)
    if _MOVED.search(stderr):
        return LostRace(f"somebody else was faster: {known.message}", _AGAIN)
    return known


def push(
    folder: str,
    updates: Sequence[RefUpdate],
    remote: Callable[[], str],
    credentials: Credentials | None = None,
) -> None:
    """Moves refs of ``origin`` in one push; ``remote`` is what to call it in messages.

    A ref that is at its new value already counts as moved: the answer to an earlier push may have been lost.

    Raises:
        LostRace: one of them is not where it was expected to be.
        Refused: a hook or a rule of the other side declined; the message is its own.
        Undecided: the other side could not be reached.
    """
    _demand_well_formed(updates)
    leases = [f"--force-with-lease={update.ref}:{update.old or ''}" for update in updates]
    moves = [f"{update.new or ''}:{update.ref}" for update in updates]
    options = ["--porcelain", "--atomic", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"]
    done = reach(["push", *options, *leases, "--end-of-options", "origin", *moves], folder, credentials)
    if done.code:
        raise _push_failure(done, remote())


def _push_failure(done: Done, remote: str) -> GitregError:
    """Format: https://git-scm.com/docs/git-push#_output."""
    rows = [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines()]
    rejected = [(row[1].partition(":")[2], row[2]) for row in rows if len(row) > 2 and row[0] == "!"]
    cause = next((one for one in rejected if "(atomic push fail" not in one[1]), None)
    if cause is None:
        return _not_even_tried(done.stderr, remote)
    ref, summary = cause
    said = _remote_words(done.stderr)
    if _MOVED.search(summary) and not _HOPELESS.search("; ".join(said)):
        return LostRace(f"{ref} moved at {remote} meanwhile", _AGAIN)
    from gitreg.adapters.git.hosted import push_declined

    plain = redact(summary).removeprefix("[remote rejected] (").removesuffix(")")
    return push_declined(ref, plain, said, remote) or _refusal(ref, redact(summary), said, remote)


def _refusal(ref: str, summary: str, said: list[str], remote: str) -> Refused:
    """What a hook of the other side declined: the first thing that it says, and the first remedy, if it names one."""
    words = [word for word in said if not word.startswith("fix:")]
    fix = next((word.removeprefix("fix:").strip() for word in said if word.startswith("fix:")), None)
    more = f" (and more: {words[-1]})" if len(words) > 1 else ""
    return Refused(
        f"{remote} refused {ref}: {words[0] if words else summary}{more}", fix or f"it says: {summary}"
    )


def _not_even_tried(stderr: str, remote: str) -> GitregError:
    from gitreg.adapters.git.hosted import push_denied

    return push_denied(redact(stderr), remote) or failure(stderr, remote)


def _remote_words(stderr: str) -> list[str]:
    """The lines that the other side printed."""
    lines = redact(stderr).splitlines()
    words = (line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:"))
    return [word for word in words if word]


#: How often others may fetch into the same repository first, and the longest pause before each further attempt.
_FETCHES = 20
_PAUSE = 0.2
# An empty --refmap: what the person's own configuration fetches is not touched.
_QUIETLY = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap=")


def fetch(
    folder: str,
    refspecs: Sequence[str],
    remote: Callable[[], str],
    credentials: Credentials | None = None,
) -> None:
    """Brings over refs of ``origin``; ``remote`` is what to call it in messages.

    Another process that fetches here at the same time moves the same refs, and the later one cannot lock them; then
    it is asked again what they are.

    Raises:
        LostRace: others were first time and again.
        Undecided: the other side could not be reached.
    """
    for attempted in range(1, _FETCHES + 1):
        args = ["fetch", "--prune", *_QUIETLY, "--end-of-options", "origin", *refspecs]
        done = reach(args, folder, credentials)
        if done.code == 0:
            return
        if not _LOCKED.search(done.stderr) or _HOPELESS.search(done.stderr):
            raise failure(done.stderr, remote())
        if attempted < _FETCHES:
            _pause()
    told = next(line for line in redact(done.stderr).splitlines() if _LOCKED.search(line))
    raise LostRace(f"others fetch from {remote()} here all the time: {told}", "try again")


def bring(folder: str, ref: str, remote: Callable[[], str], credentials: Credentials | None = None) -> None:
    """Brings over what one ref of ``origin`` names; no ref here moves.

    Raises:
        Undecided: the other side has no such ref, or could not be reached.
    """
    done = reach(["fetch", *_QUIETLY, "--end-of-options", "origin", ref], folder, credentials)
    if "couldn't find remote ref" in done.stderr:
        raise Undecided(f"{remote()} has no {ref}", "try again")
    if done.code:
        raise failure(done.stderr, remote())


def _pause() -> None:
    import random  # takes longer than all else that resolving a reference imports from the standard library

    time.sleep(random.uniform(0, _PAUSE))  # noqa: S311  # only to keep racers apart


def track(folder: str, moved: Sequence[tuple[str, str | None]]) -> None:
    """Notes in this repository where ``origin`` has its refs after a push."""
    lines = [f"update {ref} {oid}" if oid else f"delete {ref}" for ref, oid in moved]
    run(["update-ref", "--no-deref", "-m", _LOG, "--stdin"], folder, stdin="\n".join([*lines, ""]).encode())
