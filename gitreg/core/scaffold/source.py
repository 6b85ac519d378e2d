"""Where CI takes gitreg from: a repository and the one commit of it that was reviewed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitreg.errors import UsageError

_SHORT = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100})@([0-9a-f]{40})\Z")
_URL = re.compile(r"(https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?((?:/[A-Za-z0-9._-]+){2,20}))@([0-9a-f]{40})\Z")


@dataclass(frozen=True, slots=True)
class Source:
    """A repository that holds gitreg, and a commit of it (40 hex digits)."""

    url: str
    commit: str

    @property
    def repository(self) -> str:
        """The path of the repository on its host, without ``.git``."""
        return self.url.split("/", 3)[3].removesuffix(".git")

    @property
    def action(self) -> str:
        """The composite action as a workflow names it (https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsuses)."""
        return f"{self.repository}/.github/actions/gitreg@{self.commit}"

    def requirement(self, extra: str) -> str:
        """What pip installs (https://packaging.python.org/specifications/dependency-specifiers/)."""
        return f"gitreg[{extra}] @ git+{self.url}@{self.commit}"


def parse_source(text: str) -> Source:
    """``OWNER/REPOSITORY@COMMIT`` on github.com, or ``https://HOST/PATH@COMMIT``. Raises UsageError.

    A tag or a branch is no commit: who may move it would choose what judges.
    """
    short, full = _SHORT.match(text), _URL.match(text)
    if short:
        return Source(f"https://github.com/{short[1]}", short[2])
    if full and not any(part in (".", "..") for part in full[2].split("/")):
        return Source(full[1], full[3])
    raise UsageError(
        f"{text!r} names no commit of gitreg's repository",
        "write OWNER/REPOSITORY@COMMIT with all 40 digits of the commit, or https://HOST/PATH@COMMIT",
    )
