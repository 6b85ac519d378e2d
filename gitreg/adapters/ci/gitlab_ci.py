"""GitLab CI: the predefined variables of a pipeline (https://docs.gitlab.com/ci/variables/predefined_variables/)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gitreg.adapters.ci import fields
from gitreg.core.ci_event import CiEvent, EventKind
from gitreg.errors import Refused, Undecided

SYSTEM = "gitlab"
_TRAIN = "merge_train"
_HINT = "run gitreg in a job, without changing GitLab's own variables"


def read(environ: Mapping[str, str]) -> CiEvent:
    """The event of a job's environment.

    A child pipeline of a merge request's pipeline is about that merge request.

    Raises:
        Undecided: the variables do not say it. Refused: the pipeline runs in the fork that the request comes from.
    """
    name = environ.get("CI_PIPELINE_SOURCE", "")
    if not re.fullmatch(r"[a-z_]{1,64}", name):
        raise Undecided("CI_PIPELINE_SOURCE does not say what started this pipeline", _HINT)
    is_request = name == "merge_request_event" or (
        name == "parent_pipeline" and bool(environ.get("CI_MERGE_REQUEST_IID"))
    )
    if is_request:
        _demand_its_project(environ)
        is_train = environ.get("CI_MERGE_REQUEST_EVENT_TYPE") == _TRAIN
        return _of_train(name, environ) if is_train else _of_request(name, environ)
    # Of a tag's pipeline there is a CI_COMMIT_TAG instead of a branch.
    return (
        _of_push(name, environ)
        if name == "push" and not environ.get("CI_COMMIT_TAG")
        else _other(name, environ)
    )


def _demand_its_project(environ: Mapping[str, str]) -> None:
    """By default GitLab runs a fork's pipeline in the fork, whose branches and rules are the fork's owner's.

    https://docs.gitlab.com/ci/pipelines/merge_request_pipelines/#use-with-forked-projects.
    """
    here, there = environ.get("CI_PROJECT_ID"), environ.get("CI_MERGE_REQUEST_PROJECT_ID")
    if here != there:
        raise Refused(
            "this pipeline runs in a fork, where the fork's own rules would judge",
            "run it in the project that the request is for: Run pipeline, in the merge request",
        )


def _of_request(name: str, environ: Mapping[str, str]) -> CiEvent:
    """In a pipeline of merged results the commit is GitLab's trial merge, and the branch's own has another variable."""
    own = "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"
    where = own if environ.get(own) else "CI_COMMIT_SHA"
    return CiEvent(
        EventKind.REQUEST,
        SYSTEM,
        name,
        branch=_branch(environ, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
        head=_commit(environ, where),
        request=_number(environ),
        default_branch=_default(environ),
    )


def _of_train(name: str, environ: Mapping[str, str]) -> CiEvent:
    """What a merge train tries: https://docs.gitlab.com/ci/pipelines/merge_trains/."""
    base = "CI_MERGE_REQUEST_TARGET_BRANCH_SHA"
    return CiEvent(
        EventKind.GROUP,
        SYSTEM,
        name,
        branch=_branch(environ, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
        head=_commit(environ, "CI_COMMIT_SHA"),
        base=_commit(environ, base) if environ.get(base) else None,
        request=_number(environ),
        default_branch=_default(environ),
    )


def _of_push(name: str, environ: Mapping[str, str]) -> CiEvent:
    """Where the branch was before is zeros of a new branch."""
    before = "CI_COMMIT_BEFORE_SHA"
    return CiEvent(
        EventKind.PUSH,
        SYSTEM,
        name,
        branch=_branch(environ, "CI_COMMIT_BRANCH"),
        head=_commit(environ, "CI_COMMIT_SHA"),
        base=fields.commit_or_none(environ.get(before), before),
        default_branch=_default(environ),
    )


def _other(name: str, environ: Mapping[str, str]) -> CiEvent:
    return CiEvent(EventKind.OTHER, SYSTEM, name, default_branch=_default(environ))


def _branch(environ: Mapping[str, str], variable: str) -> str:
    return fields.branch(environ.get(variable), variable)


def _commit(environ: Mapping[str, str], variable: str) -> str:
    return fields.commit(environ.get(variable), variable)


def _number(environ: Mapping[str, str]) -> str:
    return fields.number(environ.get("CI_MERGE_REQUEST_IID"), "CI_MERGE_REQUEST_IID")


def _default(environ: Mapping[str, str]) -> str | None:
    return _branch(environ, "CI_DEFAULT_BRANCH") if environ.get("CI_DEFAULT_BRANCH") else None
