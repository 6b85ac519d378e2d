"""Which event started this run of CI."""

from __future__ import annotations

from collections.abc import Mapping

from gitreg.core.ci_event import CiEvent


def event_of(environ: Mapping[str, str]) -> CiEvent | None:
    """What the run is about, by its environment; None outside CI (or in CI of which gitreg knows nothing).

    Raises:
        Undecided: the event cannot be read, or holds what no such event holds.
        Refused: it is one in which nothing that other people wrote may be touched.
    """
    if environ.get("GITHUB_ACTIONS") == "true":
        from gitreg.adapters.ci.github_actions import read

        return read(environ)
    if environ.get("GITLAB_CI") == "true":
        from gitreg.adapters.ci.gitlab_ci import read as read_variables

        return read_variables(environ)
    return None
