"""Names, versions and references: what may be called what, and how people write it.

A name must survive every file system and every shell that a registry is cloned to, so the rules follow the
strictest of them: Windows' reserved names and trailing dots
(https://learn.microsoft.com/windows/win32/fileio/naming-a-file), macOS's normalisation, and case-insensitive
look-up everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from gitreg.errors import UsageError

#: A version: a positive integer, or a SemVer string where the model's scheme is ``semver``.
Version: TypeAlias = int | str

#: The stage of a version that no stage file names.
NONE = "none"

MAX_NAME_CHARACTERS = 128
MAX_NAME_BYTES = 200
#: The largest integer that every JSON reader holds exactly (RFC 7493, section 2.2).
MAX_INTEGER = 2**53 - 1

_DEVICES = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$"}) | {
    f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"
}
_POINTER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}\Z")
#: Names that need no look at each character; a part of what is allowed.
_USUAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?\Z")
#: How many names on either side, and how many with the same end, are looked at for what somebody may have meant.
_NEAR = 100
_VERSION_LIKE = re.compile(r"v[0-9]+\Z", re.IGNORECASE)
_INTEGER = re.compile(r"[1-9][0-9]{0,15}\Z")
# https://semver.org/#backusnaur-form-grammar-for-valid-semver-versions, without build metadata.
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_PRERELEASE = r"(?:0|[1-9][0-9]{0,8}|[0-9]{0,16}[A-Za-z-][0-9A-Za-z-]{0,31})"
SEMVER_PATTERN = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRERELEASE}(?:\.{_PRERELEASE}){{0,7}})?"
_SEMVER = re.compile(SEMVER_PATTERN + r"\Z")
#: What gitreg itself calls its files: a payload beside them may not bear such a name.
OWN_FILES = frozenset(
    {"version.yaml", "notes.yaml", "evidence", "tombstone.yaml", "redirect.yaml", "model.yaml", ".gitignore"}
)


def is_text(name: str) -> bool:
    """Whether a name is text: what git gives out for bytes that are none has lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def fold(name: str) -> str:
    """The form under which two names are the same name: NFKC, then case folding, then NFKC again (UAX #31)."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def nearest(name: str, others: Iterable[str]) -> str | None:
    """Which of some other names somebody may have meant; None if none is near.

    Of thousands of names only some are compared in full, as that takes long: one slip leaves the name where it is in
    the alphabet, or its end as it is.
    """
    import difflib

    known = sorted(each for each in others if each != name)
    at, end = bisect_left(known, name), name[len(name) // 2 :]
    near = known[max(0, at - _NEAR) : at + _NEAR]
    near += islice((each for each in known if each.endswith(end)), _NEAR)
    return next(iter(difflib.get_close_matches(name, near, 1)), None)


def model_name_problem(name: str) -> str | None:
    """Says why ``name`` cannot name a model; None if it can."""
    return _size_problem(name) or _characters_problem(name) or _device_problem(name)


def _size_problem(name: str) -> str | None:
    if not name:
        return "a name cannot be empty"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"{len(name)} characters are too many (at most {MAX_NAME_CHARACTERS})"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "it holds a lone surrogate, which no file system can store"
    if size > MAX_NAME_BYTES:
        return f"{size} bytes of UTF-8 are too many (at most {MAX_NAME_BYTES})"
    return None


def _characters_problem(name: str) -> str | None:
    if _USUAL.match(name):
        return None  # the common case first
    if not _is_letter_or_digit(name[0]):
        return f"it begins with {name[0]!r}; begin with a letter or digit"
    for character in name:
        if not (_is_letter_or_digit(character) or _is_mark(character) or character in "._- "):
            return (
                f"{character!r} (U+{ord(character):04X}) is not allowed; use letters, digits, '.', '_', '-'"
            )
    composed = unicodedata.normalize("NFC", name)
    if composed != name:
        other = next((one for one, given in zip(composed, name, strict=False) if one != given), composed[-1])
        return f"it is not in Unicode normal form NFC, which writes {other!r} (U+{ord(other):04X}) in it"
    if name[-1] in ". ":
        return f"it ends in {name[-1]!r}: Windows drops a dot or space at the end"
    if "  " in name:
        return "it holds two spaces in a row"
    return None


def _is_letter_or_digit(character: str) -> bool:
    return unicodedata.category(character) in {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd"}


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Mc"}


def _device_problem(name: str) -> str | None:
    if fold(name.split(".")[0].rstrip()) in _DEVICES or name.split(".")[0].casefold() in _DEVICES:
        return "Windows reserves it as a device name"
    return None


def pointer_name_problem(name: str) -> str | None:
    """Says why ``name`` cannot name a stage or an alias; None if it can."""
    if not _POINTER_NAME.match(name):
        return "use a letter, then up to 63 letters, digits, '.', '_' or '-'"
    if name.endswith("."):
        return "it ends in a dot, which Windows drops"
    if name.lower() in {NONE, "latest"} or _VERSION_LIKE.match(name):
        return "it is reserved"
    return _device_problem(name)


def payload_name_problem(name: str) -> str | None:
    """Says why ``name`` cannot be the file name of an artifact beside its record; None if it can."""
    if len(name) > MAX_NAME_CHARACTERS or len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_CHARACTERS} characters"
    if name in {"", ".", ".."} or any(c in '/\\<>:"|?*' or not c.isprintable() for c in name):
        return "it holds a character that some file system refuses"
    if name[-1] in ". " or name[0] == " ":
        return "it begins or ends with a space, or ends in a dot"
    if unicodedata.normalize("NFC", name) != name:
        return "it is not in Unicode normal form NFC"
    if fold(name) in OWN_FILES or fold(name).endswith(".dvc") or fold(name).startswith(".git"):
        return "gitreg, DVC or git keep a file of that name"
    return _device_problem(name)


# What HFS+ leaves out of names, and what NTFS and git's own checks take for .git:
# https://git-scm.com/docs/git-config#Documentation/git-config.txt-coreprotectHFS, and protectNTFS below it.
_LEFT_OUT = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_DOT_GIT = re.compile(r"(?:\.git|git~1)[ .]*(?::.*)?\Z", re.IGNORECASE | re.DOTALL)


def path_problem(path: str) -> str | None:
    """Says why git would not check a path of a tree out, on one system or another; None if it would."""
    if any(name in {"", ".", ".."} for name in path.split("/")) or ".." in path.split("\\"):
        return "it leads out of its folder"
    if any(_DOT_GIT.match(_LEFT_OUT.sub("", name)) for name in re.split(r"[/\\]", path)):
        return "it lies in a git folder"
    return None


def seen_as(path: str) -> str:
    """The path that some file system takes this one for: without regard to case, width and what it leaves out."""
    names = re.split(r"[/\\]", fold(_LEFT_OUT.sub("", path)))
    return "/".join(name.partition(":")[0].rstrip(" .") or name for name in names)


def is_semver(text: str) -> bool:
    """Whether ``text`` is a SemVer 2.0.0 version without build metadata, of bounded length."""
    return len(text) <= 64 and _SEMVER.match(text) is not None


def version_key(version: Version) -> tuple[object, ...]:
    """Sort key of a version: the number, or SemVer precedence (https://semver.org/#spec-item-11)."""
    if isinstance(version, int):
        return (version,)
    core, _, prerelease = version.partition("-")
    numbers = tuple(int(n) for n in core.split("."))
    if not prerelease:
        return (*numbers, (1,))
    parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in prerelease.split("."))
    return (*numbers, (0, *parts))


def parse_version(text: str) -> Version | None:
    """Reads a version as it is written in a path or a reference; None if it is not one."""
    if _INTEGER.match(text) and int(text) <= MAX_INTEGER:
        return int(text)
    return text if is_semver(text) else None


@dataclass(frozen=True, slots=True)
class Reference:
    """What a person or a tool asks for: one of version, stage and alias is set, or none for ``latest``."""

    model: str
    version: Version | None = None
    stage: str | None = None
    alias: str | None = None

    def __str__(self) -> str:
        if self.alias is not None:
            return f"{self.model}@{self.alias}"
        selector = self.version if self.version is not None else self.stage
        return f"{self.model}/{selector if selector is not None else 'latest'}"


def parse_reference(text: str) -> Reference:
    """Reads ``name/3``, ``name/latest``, ``name/production`` or ``name@champion``, with or without ``models:/``.

    Raises:
        UsageError: it is none of these.
    """
    body = text.removeprefix("models:/")
    model, at, alias = body.partition("@")
    selector = ""
    if not at:
        model, slash, selector = body.rpartition("/")
        if not slash:
            raise _no_reference(text, "it names no version, stage or alias")
    problem = model_name_problem(model) if model else "it names no model"
    if problem:
        raise _no_reference(text, problem)
    if at:
        return Reference(model, alias=_demand_pointer_name(alias, text))
    if selector.casefold() == "latest":
        return Reference(model)
    version = parse_version(selector)
    if version is not None:
        return Reference(model, version=version)
    return Reference(model, stage=_demand_pointer_name(selector, text))


_REFERENCE_HINT = "write NAME/3, NAME/latest, NAME/production or NAME@champion"


def _no_reference(text: str, problem: str) -> UsageError:
    return UsageError(f"{text!r} is not a reference: {problem}", _REFERENCE_HINT)


def _demand_pointer_name(name: str, text: str) -> str:
    problem = pointer_name_problem(name)
    if problem:
        raise _no_reference(text, f"{name!r} is no version, stage or alias ({problem})")
    return name
