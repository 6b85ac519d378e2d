"""What GitHub and GitLab say when they turn git away, in one line each, with what to do about it.

Their words: https://docs.github.com/en/get-started/git-basics/troubleshooting-common-git-errors,
https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets,
https://docs.gitlab.com/user/project/repository/branches/protected/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gitreg.errors import GitregError, Refused, Undecided

_NAMELESS = re.compile(r"could not read (?:username|password) for '([^']*)'", re.IGNORECASE)
_REJECTED = re.compile(
    r"authentication failed for|invalid username or (?:token|password)|http basic: access denied",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(
    r"permission to .* denied|denied to|returned error: 403|not allowed to (?:push|pull|download)"
    r"|write access to repository not granted|archived so it is read-only",
    re.IGNORECASE,
)
_HIDDEN = re.compile(
    r"repository '.*' not found|returned error: 404|repository not found"
    r"|could not be found or you don't have permission",
    re.IGNORECASE,
)
_BUSY = re.compile(r"returned error: 429|rate limit|too many requests", re.IGNORECASE)
_BROKEN = re.compile(r"internal server error|service unavailable|timed? ?out|failure\Z", re.IGNORECASE)

_WORKFLOW = re.compile(r"refusing to allow .* to create or update workflow", re.IGNORECASE)
_PROTECTED = re.compile(
    r"protected branch|GH006|GH013|repository rule violations|not allowed to (?:force )?push (?:code )?to"
    r"|cannot (?:create|update|delete) ref due to|not allowed to create protected",
    re.IGNORECASE,
)
# What only says that something is protected; the reasons are in the other lines.
_HEADLINE = re.compile(
    r"GH006: Protected branch update failed|GH013: Repository rule violations found"
    r"|review all repository rules at|\W*\Z",
    re.IGNORECASE,
)
_MOST_REASONS = 3

_TOKENS = "GH_TOKEN or GITHUB_TOKEN for GitHub, GITLAB_TOKEN for GitLab"
_WRITE = "write access to the repository's contents (GitLab: the scope write_repository)"


def turned_away(text: str, remote: str) -> GitregError | None:
    """What it means that a server let git do nothing; None if that is not what ``text`` says.

    It is always Undecided: nothing was read, so nothing was found out.
    """
    unread = f"{remote} could not be reached"
    if found := _NAMELESS.search(text):
        return Undecided(
            f"{unread}: nothing here tells {found[1]} who you are",
            f"set a token ({_TOKENS}), set up a credential helper of git, or use an SSH URL",
        )
    if _REJECTED.search(text):
        return Undecided(
            f"{unread}: it does not accept the user and password or token that it was given",
            f"it may be wrong, expired or revoked: renew it ({_TOKENS}); what a credential helper, GIT_ASKPASS or "
            "http.extraHeader has goes before",
        )
    if _BUSY.search(text):
        return Undecided(f"{unread}: it has had too many requests", "wait a while, then run it again")
    if _FORBIDDEN.search(text):
        return Undecided(
            f"{unread}: it denies access: {_said(_FORBIDDEN, text)}",
            "check what your token or SSH key may read",
        )
    if _HIDDEN.search(text):
        return Undecided(
            f"{unread}: {_said(_HIDDEN, text)}",
            "check the address; a forge says the same of a repository that your token or SSH key may not see",
        )
    return None


def push_denied(text: str, remote: str) -> Refused | None:
    """What it means that a server took no push at all from this account; None if that is not what ``text`` says."""
    if _REJECTED.search(text) or _BUSY.search(text) or not _FORBIDDEN.search(text):
        return None
    return Refused(f"{remote} does not let you push: {_said(_FORBIDDEN, text)}", f"it takes {_WRITE}")


def push_declined(ref: str, summary: str, said: Sequence[str], remote: str) -> GitregError | None:
    """What it means that a forge's own rules declined a ref; None if they did not.

    Args:
        ref: the ref's full name on the remote.
        summary: git's word for the rejection.
        said: the lines that the other side printed.
        remote: what to call it.
    """
    if _WORKFLOW.search(summary):
        return Refused(
            f"{remote} refused {ref}: {summary}",
            "the token needs the permission to write workflows (a classic one: the scope 'workflow'); "
            "the GITHUB_TOKEN of Actions cannot have it",
        )
    if any(_PROTECTED.search(text) for text in (summary, *said)):
        plain = [_plain(line) for line in said]
        reasons = [line for line in plain if not _HEADLINE.match(line)] or [summary]
        more = f"; and {len(reasons) - _MOST_REASONS} more" if len(reasons) > _MOST_REASONS else ""
        return Refused(f"{remote} protects {ref}: {'; '.join(reasons[:_MOST_REASONS])}{more}", _way_in(ref))
    if _BROKEN.search(summary):
        return Undecided(f"{remote} could not move {ref}: {summary}", "run it again in a while")
    return None


def _way_in(ref: str) -> str:
    for own in ("refs/heads/gitreg/", "refs/gitreg/"):
        if ref.startswith(own):
            return f"the rules there must let this account create, move and delete {own}*"
    return "propose it as a change request instead, or ask who sets the rules there"


def _said(pattern: re.Pattern[str], text: str) -> str:
    """What the other side says about it, or if it says nothing, what git does."""
    lines = text.splitlines()
    words = [_plain(line) for line in lines if line.startswith(("remote:", "ERROR:"))]
    told = [word for word in words if word][:_MOST_REASONS]
    return "; ".join(told) or next(_plain(line) for line in lines if pattern.search(line))


def _plain(line: str) -> str:
    """A line without the labels in front of it."""
    return re.sub(r"\A(?:(?:remote|fatal|error|ERROR|GitLab): *|- +)+", "", line.strip())
