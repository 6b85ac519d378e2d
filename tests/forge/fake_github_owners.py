"""CODEOWNERS, as far as accounts are named in it.

https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from forge.bare import Bare
from forge.fake_github_state import GitHubRepository, Pull

#: Where the file may be; the first one counts.
PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")


@dataclass(frozen=True, slots=True)
class Line:
    """One line that names owners; ``number`` counts from 1."""

    number: int
    text: str
    pattern: str
    owners: tuple[str, ...]

    def covers(self, path: str) -> bool:
        """Whether the pattern, which is written as in ``.gitignore``, matches a file."""
        return re.match(_expression(self.pattern), path) is not None


def owners_file(bare: Bare, rev: str) -> tuple[str, list[Line]] | None:
    """Where CODEOWNERS is at a revision, and its lines."""
    for place in PLACES:
        data = bare.blob(rev, place)
        if data is not None:
            return place, [
                line
                for line in map(_line, *zip(*enumerate(data.decode().splitlines(), 1), strict=True))
                if line
            ]
    return None


def _line(number: int, text: str) -> Line | None:
    words = text.partition("#")[0].split()
    return Line(number, text, words[0], tuple(words[1:])) if words else None


def _expression(pattern: str) -> str:
    anchored = "/" in pattern.rstrip("/")
    inner = re.escape(pattern.strip("/")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*")
    inner = inner.replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    if pattern == "*":
        inner = ".*"
    end = "/" if pattern.endswith("/") else r"(?:/|\Z)" if not pattern.endswith("/*") else r"\Z"
    return ("" if anchored else "(?:.*/)?") + inner + end


def waiting_for(repo: GitHubRepository, pull: Pull, approved: Collection[str]) -> list[str]:
    """The owners of changed files of whom none has approved yet, each line once; by the base's CODEOWNERS."""
    found = owners_file(repo.bare, pull.base)
    start = repo.bare.merge_base(pull.base, pull.head) or pull.base
    paths = [one.path for one in repo.bare.files(start, pull.head)]
    missing = []
    for path in paths:
        # The last line that matches is the one that counts.
        line = next((line for line in reversed(found[1] if found else []) if line.covers(path)), None)
        owners = [owner.removeprefix("@") for owner in line.owners] if line else []
        if owners and not any(owner.lower() in approved for owner in owners):
            missing.append(" and/or ".join(owners))
    return list(dict.fromkeys(missing))
