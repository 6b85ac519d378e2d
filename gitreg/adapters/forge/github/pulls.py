"""GitHub's pull requests as change requests, and what gitreg leaves in their text for itself.

https://docs.github.com/en/rest/pulls/pulls
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from gitreg.adapters.forge.address import Address, named_server
from gitreg.adapters.forge.hosted import Json
from gitreg.core.ports import ChangeRequest

#: Longer texts and titles GitHub refuses: in characters.
MOST_TEXT = 65536
MOST_TITLE = 256

#: A line of its own: no name or note in a request's text can be one.
_RUN = re.compile(r"^<!-- gitreg:run=([1-9][0-9]{0,19}) -->\r?$", re.MULTILINE)
_CUT = "\n\n… (the rest is left out: GitHub takes no longer text)\n"


def change_request(pull: Json, repository: str) -> ChangeRequest:
    """One pull request. A branch of another repository is called ``owner:branch``, which no branch here can be.

    Args:
        pull: as ``GET /repos/{owner}/{repo}/pulls`` has it.
        repository: ``owner/name`` of the repository that it is in.
    """
    merged = pull.get("merged_at") is not None
    state = "merged" if merged else str(pull["state"])
    own = is_own_branch(pull, repository)
    user = pull.get("user") or {}
    return ChangeRequest(
        id=str(pull["number"]),
        title=str(pull["title"]),
        body=str(pull.get("body") or ""),
        branch=str(pull["head"]["ref"] if own else pull["head"].get("label") or f":{pull['head']['ref']}"),
        target=str(pull["base"]["ref"]),
        state=state,
        head=str(pull["head"]["sha"]) if state == "open" and pull["head"].get("repo") else None,
        change_id="",
        author=None,
        opened_at=moment(pull["created_at"]),
        merged_as=pull.get("merge_commit_sha") if merged else None,
        url=str(pull["html_url"]),
        account=user.get("login"),
        merges_itself=state == "open" and bool(pull.get("auto_merge")),
    )


def is_own_branch(pull: Json, repository: str) -> bool:
    """Whether the branch is in the very repository, and not in a fork (or in one that is gone)."""
    return repository_of(pull["head"]) == repository.lower()


def is_into(pull: Json, repository: str) -> bool:
    """Whether it asks to be merged there: lists by commit have those of other repositories, too."""
    return repository_of(pull["base"]) == repository.lower()


def repository_of(end: Json) -> str | None:
    """``owner/name`` in lower case of the repository of one end of a pull request; None if it is gone."""
    return str(end["repo"]["full_name"]).lower() if end.get("repo") else None


def moment(text: str) -> datetime:
    """A time as GitHub writes it: ISO 8601, in UTC."""
    return datetime.fromisoformat(text)


def bounded(text: str, keep: Iterable[str] = ()) -> str:
    """``text`` as long as GitHub takes it, with the lines to ``keep`` at its end."""
    there = text.splitlines()
    end = "".join(f"\n{line}" for line in keep if line not in there)
    room = MOST_TEXT - len(end)
    return (text if len(text) <= room else text[: room - len(_CUT)] + _CUT) + end


def runs_named(body: str) -> list[int]:
    """The runs of Actions that opened or renewed the request on somebody's behalf, in that order."""
    return [int(number) for number in _RUN.findall(body)]


def run_marks(body: str, environment: Mapping[str, str], address: Address) -> list[str]:
    """The marks of the runs to be kept in a request's text: those in its old ``body``, and of this very run.

    https://docs.github.com/en/actions/reference/workflows-and-actions/variables
    """
    run = environment.get("GITHUB_RUN_ID", "")
    here = (
        environment.get("GITHUB_REPOSITORY", "").lower() == address.repository.lower()
        and named_server(environment, "GITHUB_SERVER_URL") == address.host
    )
    marks = [f"<!-- gitreg:run={number} -->" for number in runs_named(body)]
    own = f"<!-- gitreg:run={run} -->"
    if here and _RUN.fullmatch(own):
        marks = [mark for mark in marks if mark != own] + [own]
    return list(dict.fromkeys(marks))
