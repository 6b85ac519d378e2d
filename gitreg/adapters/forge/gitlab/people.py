"""Accounts and e-mail addresses in GitLab's answers, as hands that somebody had in a change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gitreg.adapters.forge.gitlab.api import GitlabApi
from gitreg.adapters.forge.hosted import Json, NotPermitted, Unknown, co_authors
from gitreg.core.ports import Hand

# https://docs.gitlab.com/user/project/settings/project_access_tokens/#bot-users-for-projects,
# https://docs.gitlab.com/user/group/settings/group_access_tokens/#bot-users-for-groups,
# https://docs.gitlab.com/user/profile/service_accounts/
_BOT = re.compile(r"(?:project|group)_[0-9]+_bot(?:_?[0-9a-f]+)?\Z|service_account_", re.IGNORECASE)
# https://docs.gitlab.com/user/profile/#use-an-automatically-generated-private-commit-email
_NOREPLY = re.compile(r"(?:[0-9]+-)?(?P<login>[^@]+)@users\.noreply\.", re.IGNORECASE)
_GHOST = "ghost"


class People:
    """Tells bots from people; GitLab is asked once about each. What it does not tell is added to ``problems``."""

    def __init__(self, api: GitlabApi, problems: list[str]) -> None:
        self._api = api
        self._problems = problems
        self._bots: dict[str, bool] = {}

    def is_bot(self, user: Json) -> bool:
        """Whether an account is none of a person: https://docs.gitlab.com/api/users/#get-a-single-user (``bot``)."""
        name = str(user["username"])
        if name not in self._bots:
            self._bots[name] = bool(_BOT.match(name)) or self._says_bot(user)
        return self._bots[name]

    def _says_bot(self, user: Json) -> bool:
        try:
            found = self._api.get(f"look up {user['username']}", f"/users/{int(user['id'])}")
        except (Unknown, NotPermitted) as error:
            self._problems.append(f"whether {user['username']} is a person is not known: {error.message}")
            return True
        return bool(found.get("bot"))

    def hand_of(self, role: str, user: Json | None) -> Hand | None:
        """The hand of an account; None where GitLab knows none, or put its own in the place of one that was deleted.

        https://docs.gitlab.com/user/profile/account/delete_account/#associated-records
        """
        if not user or user.get("username") in (None, "", _GHOST):
            return None
        return Hand(role, account=str(user["username"]), is_bot=self.is_bot(user))


def hands_in(commit: Json) -> Iterator[Hand]:
    """All hands in a commit, as ``GET /projects/:id/merge_requests/:iid/commits`` has it."""
    yield from _by_email("commit author", str(commit.get("author_email") or ""))
    yield from _by_email("committer", str(commit.get("committer_email") or ""))
    for email in co_authors(str(commit.get("message") or "")):
        yield from _by_email("co-author", email)


def _by_email(role: str, email: str) -> Iterator[Hand]:
    email = email.strip()
    noreply = _NOREPLY.match(email)
    if noreply:
        login = noreply["login"]
        yield Hand(role, account=login, email=email, is_bot=bool(_BOT.match(login)))
    elif email:
        yield Hand(role, email=email)
