"""GitHub Actions: the name of the event and the file with its payload.

https://docs.github.com/actions/reference/workflows-and-actions/variables and
https://docs.github.com/webhooks/webhook-events-and-payloads.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping

from gitreg.adapters.ci import fields
from gitreg.core.ci_event import CiEvent, EventKind
from gitreg.errors import Refused, Undecided

#: In bytes. GitHub itself sends no larger payloads.
MOST_BYTES = 25 * 1024 * 1024

SYSTEM = "github"
_HEADS, _TAGS = "refs/heads/", "refs/tags/"
#: The branches that a merge queue makes end so: the number of the request, and what it is built on.
_QUEUED = re.compile(r"/pr-([1-9][0-9]{0,14})-(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_HINT = "run gitreg in a step of a job, without changing GITHUB_EVENT_NAME and GITHUB_EVENT_PATH"


def read(environ: Mapping[str, str]) -> CiEvent:
    """The event of a job's environment.

    Raises:
        Undecided: the payload cannot be read. Refused: it is ``pull_request_target``.
    """
    name = environ.get("GITHUB_EVENT_NAME", "")
    if not re.fullmatch(r"[a-z_]{1,64}", name):
        raise Undecided("GITHUB_EVENT_NAME does not say which event started this run", _HINT)
    if name == "pull_request_target":
        raise Refused(
            "gitreg does not run on pull_request_target: it would read what others wrote beside your secrets",
            "let the workflow run on pull_request; forks without secrets: gitreg verify --checks structure",
        )
    known = {
        "pull_request": _of_request,
        "pull_request_review": _of_request,
        "merge_group": _of_group,
        "push": _of_push,
    }
    payload = _payload(environ.get("GITHUB_EVENT_PATH", ""))
    read_it = known.get(name)
    return (
        read_it(name, payload)
        if read_it
        else CiEvent(EventKind.OTHER, SYSTEM, name, default_branch=_default(payload))
    )


def _payload(path: str) -> Mapping[str, object]:
    try:
        return _mapping(json.loads(_content(path)), "object")
    except OSError as error:
        raise Undecided(f"the event file {path!r} cannot be read: {error.strerror or error}", _HINT) from None
    except (ValueError, RecursionError):
        raise Undecided(f"the event file {path!r} is not JSON", _HINT) from None


def _content(path: str) -> bytes:
    """A plain file's content: a pipe would be waited for. Raises OSError, Undecided."""
    if not path or "\0" in path:
        raise Undecided("GITHUB_EVENT_PATH names no file", _HINT)
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(None, "it is no plain file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(None, f"it has more than {MOST_BYTES} bytes")
    return content


def _of_request(name: str, payload: Mapping[str, object]) -> CiEvent:
    """https://docs.github.com/webhooks/webhook-events-and-payloads#pull_request; of all its actions."""
    request = _mapping(payload.get("pull_request"), "pull_request")
    head, base = (_mapping(request.get(end), f"pull_request.{end}") for end in ("head", "base"))
    return CiEvent(
        EventKind.REQUEST,
        SYSTEM,
        name,
        branch=fields.branch(base.get("ref"), "pull_request.base.ref"),
        head=fields.commit(head.get("sha"), "pull_request.head.sha"),
        request=fields.number(request.get("number"), "pull_request.number"),
        default_branch=_default(payload),
    )


def _of_group(name: str, payload: Mapping[str, object]) -> CiEvent:
    """https://docs.github.com/webhooks/webhook-events-and-payloads#merge_group."""
    group = _mapping(payload.get("merge_group"), "merge_group")
    queued = _QUEUED.search(str(group.get("head_ref", ""))[-200:])
    return CiEvent(
        EventKind.GROUP,
        SYSTEM,
        name,
        branch=_short(group.get("base_ref"), "merge_group.base_ref"),
        head=fields.commit(group.get("head_sha"), "merge_group.head_sha"),
        base=fields.commit(group.get("base_sha"), "merge_group.base_sha"),
        request=queued[1] if queued else "",
        default_branch=_default(payload),
    )


def _of_push(name: str, payload: Mapping[str, object]) -> CiEvent:
    """https://docs.github.com/webhooks/webhook-events-and-payloads#push."""
    ref = payload.get("ref")
    if isinstance(ref, str) and ref.startswith(_TAGS):
        return CiEvent(EventKind.OTHER, SYSTEM, name, default_branch=_default(payload))
    return CiEvent(
        EventKind.PUSH,
        SYSTEM,
        name,
        branch=_short(ref, "ref"),
        head=fields.commit_or_none(payload.get("after"), "after"),
        base=fields.commit_or_none(payload.get("before"), "before"),
        forced=payload.get("forced") is True,
        default_branch=_default(payload),
    )


def _short(ref: object, where: str) -> str:
    if not isinstance(ref, str) or not ref.startswith(_HEADS):
        raise fields.wrong(where, ref, "the full name of a branch")
    return fields.branch(ref.removeprefix(_HEADS), where)


def _default(payload: Mapping[str, object]) -> str | None:
    """A schedule's payload, say, may have no repository."""
    repository = payload.get("repository")
    name = repository.get("default_branch") if isinstance(repository, dict) else None
    return None if name is None else fields.branch(name, "repository.default_branch")


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Undecided(f"the event file has no {where} that could be read", _HINT)
    return value
