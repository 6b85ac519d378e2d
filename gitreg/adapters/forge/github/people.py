"""Accounts and e-mail addresses in GitHub's answers, as hands that somebody had in a change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gitreg.adapters.forge.hosted import Json
from gitreg.core.ports import Hand

#: Merges and edits on the web pages are committed by GitHub itself.
_ITSELF = "web-flow"
_ITS_EMAIL = "noreply@github.com"
# https://docs.github.com/en/account-and-profile/reference/email-addresses-reference#your-noreply-email-address
_NOREPLY = re.compile(r"(?:[0-9]+\+)?(?P<login>[^@+]+)@users\.noreply\.", re.IGNORECASE)
# https://docs.github.com/en/pull-requests/committing-changes-to-your-project/creating-and-editing-commits/creating-a-commit-with-multiple-authors
_CO_AUTHOR = re.compile(r"^[ \t]*co-authored-by[ \t]*:[^<\n]*<([^>\n]*)>", re.IGNORECASE | re.MULTILINE)


def is_bot(user: Json) -> bool:
    """Whether an account is an app's, or says of itself that it is none of a person (an organisation, a mannequin)."""
    return user.get("type", "User") != "User" or str(user.get("login", "")).lower().endswith("[bot]")


def hand_of(role: str, user: Json | None) -> Hand | None:
    """The hand of an account; None where GitHub knows none, or it is GitHub's own."""
    login = (user or {}).get("login")
    if user is None or not login or str(login).lower() == _ITSELF:
        return None
    return Hand(role, account=str(login), is_bot=is_bot(user))


def hands_in(commit: Json) -> Iterator[Hand]:
    """All hands in a commit, as ``GET /repos/{owner}/{repo}/pulls/{pull_number}/commits`` has it."""
    git = commit["commit"]
    for role, key in (("commit author", "author"), ("committer", "committer")):
        known = hand_of(role, commit.get(key))
        if known is not None:
            yield known
        yield from _by_email(role, str((git.get(key) or {}).get("email") or ""))
    for email in _CO_AUTHOR.findall(str(git.get("message") or "")):
        yield from _by_email("co-author", email)


def _by_email(role: str, email: str) -> Iterator[Hand]:
    email = email.strip()
    noreply = _NOREPLY.match(email)
    if noreply:
        login = noreply["login"]
        yield Hand(role, account=login, email=email, is_bot=login.lower().endswith("[bot]"))
    elif email and email.lower() != _ITS_EMAIL:
        yield Hand(role, email=email)
