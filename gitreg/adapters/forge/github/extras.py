"""What is around a pull request: who is asked to review it and its labels, worth a warning at most; and its checks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gitreg.adapters.forge.github.api import GithubApi
from gitreg.adapters.forge.hosted import Json, NotPermitted, Unknown
from gitreg.errors import GitregError, Refused

#: Of labels that gitreg makes: https://docs.github.com/en/rest/issues/labels
COLOUR = "5319e7"
#: The workflow whose red check on a head a later approval can turn green.
WORKFLOW = "gitreg-verify.yml"
#: The workflow that judges what has landed.
AUDIT = "gitreg-audit.yml"

#: What starts runs that judge a request.
_JUDGING = frozenset({"pull_request", "pull_request_review"})
_FAILED = frozenset({"failure", "timed_out", "cancelled", "startup_failure"})


def ask_reviewers(api: GithubApi, pull: Json, accounts: Sequence[str]) -> list[str]:
    """Asks those who are not asked yet; the author cannot be. Returns a line on each who could not be asked."""
    asked = {str(user["login"]).lower() for user in pull.get("requested_reviewers") or []}
    asked.add(str((pull.get("user") or {}).get("login")).lower())
    wanted = [account for account in dict.fromkeys(accounts) if account.lower() not in asked]
    if not wanted:
        return []
    try:
        _ask(api, pull, wanted)
    except Refused as error:
        # One who is no collaborator makes GitHub refuse all.
        return [error.message] if len(wanted) == 1 else _each_asked(api, pull, wanted)
    except GitregError as error:
        return [error.message]
    return []


def _each_asked(api: GithubApi, pull: Json, accounts: Sequence[str]) -> list[str]:
    warnings = []
    for account in accounts:
        try:
            _ask(api, pull, [account])
        except GitregError as error:
            warnings.append(error.message)
    return warnings


def _ask(api: GithubApi, pull: Json, accounts: list[str]) -> None:
    with api.asking(f"ask {', '.join(accounts)} to review #{pull['number']}"):
        api.repository.get_pull(pull["number"]).create_review_request(reviewers=accounts)


def put_labels(api: GithubApi, pull: Json, labels: Sequence[str]) -> list[str]:
    """Adds the labels that are missing, and makes those that the repository does not have. Returns warnings."""
    there = {str(label["name"]).lower() for label in pull.get("labels") or []}
    wanted = [label for label in dict.fromkeys(labels) if label.lower() not in there]
    if not wanted:
        return []
    try:
        known = {str(each["name"]).lower() for each in api.pages("list the labels", f"{api.root}/labels")}
        for label in wanted:
            if label.lower() not in known:
                _make(api, label)
        with api.asking(f"label change request #{pull['number']}"):
            api.repository.get_issue(pull["number"]).add_to_labels(*wanted)
    except GitregError as error:
        return [error.message]
    return []


def _make(api: GithubApi, label: str) -> None:
    try:
        with api.asking(f"make the label {label}"):
            api.repository.create_label(label, COLOUR)
    except Refused as error:
        if "already_exists" not in error.message:
            raise


def rerun_failed(api: GithubApi, head: str) -> str | None:
    """Runs the red jobs of every run of the gate on ``head`` again; returns the runs' URLs, with commas between them.

    Each run leaves a check of its own on the commit, so that those of the request's opening and of each earlier review
    may go on blocking it. None if none is red. Raises as ``GithubApi.asking``.
    https://docs.github.com/en/rest/actions/workflow-runs
    """
    path = f"{api.root}/actions/workflows/{WORKFLOW}/runs"
    try:
        found = api.get("look for runs of the gate", path, head_sha=head, per_page="100")["workflow_runs"]
    except Unknown:  # no such workflow, or it never ran
        return None
    red = [run for run in found if run.get("event") in _JUDGING and run.get("conclusion") in _FAILED]
    again: list[str] = []
    refusal: GitregError | None = None
    for run in red:
        try:
            api.send("run the gate again", "POST", f"{api.root}/actions/runs/{run['id']}/rerun-failed-jobs")
        except (NotPermitted, Refused) as error:  # GitHub refuses a run that somebody else has started again
            refusal = error
        else:
            again.append(str(run["html_url"]))
    if refusal is not None and not again:
        raise refusal
    return ", ".join(again) or None


def audited(api: GithubApi, branch: str) -> Collection[str] | None:
    """The commits of ``branch`` at which the latest runs of the audit came to a verdict.

    A run that was cancelled or deleted is none of them: whoever may write may do that. None where there has been no run
    before this one, as GitHub's count of them tells, which goes on when one is deleted. Raises as ``GithubApi.asking``.
    """
    path = f"{api.root}/actions/workflows/{AUDIT}/runs"
    query = {"branch": branch, "event": "push", "per_page": "100"}
    try:
        runs = api.get("look for earlier audits", path, **query)["workflow_runs"]
    except Unknown:  # no such workflow
        return None
    if all(run["run_number"] == 1 and run["status"] != "completed" for run in runs):
        return None
    return {str(run["head_sha"]) for run in runs if run.get("conclusion") in {"success", "failure"}}
