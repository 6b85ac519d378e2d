"""GitLab's merge requests as change requests, and texts as GitLab takes them.

https://docs.gitlab.com/api/merge_requests/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from gitreg.adapters.forge.hosted import Json
from gitreg.core.ports import ChangeRequest

#: Longer texts and titles GitLab refuses: in characters (https://docs.gitlab.com/administration/instance_limits/).
MOST_TEXT = 1_000_000
MOST_TITLE = 255

_STATES = {"opened": "open", "locked": "open", "merged": "merged"}
_CUT = "\n\n… (the rest is left out: GitLab takes no longer text)\n"
# Lines that GitLab would carry out: https://docs.gitlab.com/user/project/quick_actions/
_QUICK = re.compile(r"^([ \t]*)/(?=[A-Za-z])", re.MULTILINE)


def change_request(found: Json) -> ChangeRequest:
    """One merge request, as ``GET /projects/:id/merge_requests`` has it.

    A branch of another project is called ``number:branch``, which no branch here can be. What was fast-forwarded has
    no merge commit: its head has landed.
    """
    state = _STATES.get(str(found["state"]), "closed")
    merged_as = found.get("merge_commit_sha") or found.get("squash_commit_sha") or found.get("sha")
    is_there = state == "open" and found.get("source_project_id") is not None
    return ChangeRequest(
        id=str(found["iid"]),
        title=str(found["title"]),
        body=str(found.get("description") or ""),
        branch=str(
            found["source_branch"]
            if is_own_branch(found)
            else f"{found.get('source_project_id') or ''}:{found['source_branch']}"
        ),
        target=str(found["target_branch"]),
        state=state,
        head=found.get("sha") if is_there else None,
        change_id="",
        author=None,
        opened_at=moment(found["created_at"]).replace(microsecond=0),
        merged_as=merged_as if state == "merged" else None,
        url=str(found["web_url"]),
        account=(found.get("author") or {}).get("username"),
        merges_itself=state == "open" and bool(found.get("merge_when_pipeline_succeeds")),
    )


def is_own_branch(found: Json) -> bool:
    """Whether the branch is in the very project, and not in a fork (or in one that is gone)."""
    return bool(found.get("source_project_id") == found["target_project_id"])


def moment(text: object) -> datetime:
    """A time as GitLab writes it: ISO 8601, with milliseconds and a zone."""
    return datetime.fromisoformat(str(text))


def inert(text: str) -> str:
    r"""``text`` as something to read: no line of it begins with a quick action.

    ``/approve`` in a description or a note would be carried out in the name of whoever's token it is. It becomes
    ``\/approve``, which is shown as it was.
    """
    return _QUICK.sub(r"\1\\/", text)


def bounded(text: str, keep: Iterable[str] = ()) -> str:
    """``text``, inert, as long as GitLab takes it, with the lines to ``keep`` at its end."""
    safe = inert(text)
    end = "".join(f"\n{line}" for line in keep if line not in safe)
    room = MOST_TEXT - len(end)
    return (safe if len(safe) <= room else safe[: room - len(_CUT)] + _CUT) + end
