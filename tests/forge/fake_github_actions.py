"""Workflow runs, checks and statuses: https://docs.github.com/en/rest/actions, https://docs.github.com/en/rest/checks."""

from __future__ import annotations

from typing import Any

from forge.fake_github_calls import REPO, Call, error, iso, operation
from forge.fake_github_json import integration, repository, user
from forge.fake_github_pull_json import minimal_pull
from forge.fake_github_state import Check, Run, Status
from forge.git_host import Answer

# Checks


def _check(call: Call, one: Check) -> dict[str, Any]:
    base = f"{call.host.api}/repos/{call.repo.full_name}"
    done = iso(one.started) if one.status == "completed" else None
    pulls = [pull for pull in call.repo.pulls.values() if pull.head == one.sha and pull.state == "open"]
    return {
        "id": one.id,
        "node_id": f"CR_{one.id}",
        "name": one.name,
        "head_sha": one.sha,
        "external_id": "",
        "url": f"{base}/check-runs/{one.id}",
        "html_url": f"{call.host.url}/{call.repo.full_name}/runs/{one.id}",
        "details_url": f"{call.host.url}/{call.repo.full_name}/runs/{one.id}",
        "status": one.status,
        "conclusion": one.conclusion,
        "started_at": iso(one.started),
        "completed_at": done,
        "output": {
            "title": None,
            "summary": None,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{base}/check-runs/{one.id}/annotations",
        },
        "check_suite": {"id": one.suite},
        "app": integration(call.host, one.app),
        "pull_requests": [minimal_pull(call.host, call.repo, pull) for pull in pulls],
    }


def _commit(call: Call) -> str:
    found = call.repo.bare.resolve(call.param("ref"))
    if found is None:
        raise error(422, f"No commit found for SHA: {call.param('ref')}")
    return found


@operation("GET", REPO + "/commits/{ref}/check-runs", "checks:read")
def list_checks(call: Call) -> Answer:
    query, sha = call.request.query, _commit(call)
    found = [
        one for one in call.repo.checks if one.sha == sha and query.get("check_name", one.name) == one.name
    ]
    if query.get("filter", "latest") == "latest":
        found = list({(one.suite, one.name): one for one in found}.values())
    found = [one for one in found if query.get("status", one.status) == one.status]
    found = [one for one in found if query.get("app_id", str(one.app)) == str(one.app)]
    found.reverse()
    return call.page(
        found, lambda one: _check(call, one), lambda shown: {"total_count": len(found), "check_runs": shown}
    )


def _status(call: Call, one: Status, short: bool) -> dict[str, Any]:
    creator = user(call.host, one.login)
    shown = {
        "id": one.id,
        "node_id": f"SC_{one.id}",
        "url": f"{call.host.api}/repos/{call.repo.full_name}/statuses/{one.sha}",
        "avatar_url": creator["avatar_url"],
        "context": one.context,
        "state": one.state,
        "description": None,
        "target_url": None,
        "created_at": iso(one.at),
        "updated_at": iso(one.at),
    }
    if short:
        shown["target_url"] = f"{call.host.url}/{call.repo.full_name}/commit/{one.sha}"
    return shown if short else shown | {"creator": creator}


@operation("GET", REPO + "/commits/{ref}/statuses", "statuses:read")
def list_statuses(call: Call) -> Answer:
    sha = _commit(call)
    found = [one for one in reversed(call.repo.statuses) if one.sha == sha]
    return call.page(found, lambda one: _status(call, one, short=False))


@operation("GET", REPO + "/commits/{ref}/status", "statuses:read")
def combined_status(call: Call) -> Any:
    sha = _commit(call)
    newest = list({one.context: one for one in call.repo.statuses if one.sha == sha}.values())
    states = {one.state for one in newest}
    failed, base = states & {"failure", "error"}, f"{call.host.api}/repos/{call.repo.full_name}"
    return {
        "state": "failure" if failed else "success" if states == {"success"} else "pending",
        "statuses": [_status(call, one, short=True) for one in newest],
        "sha": sha,
        "total_count": len(newest),
        "repository": repository(call.host, call.repo),
        "commit_url": f"{base}/commits/{sha}",
        "url": f"{base}/commits/{sha}/status",
    }


# Runs


def _head(call: Call, one: Run) -> dict[str, Any]:
    made = call.repo.bare.commit(one.sha)
    people = {"author": made.author, "committer": made.committer}
    return {
        "id": made.oid,
        "tree_id": made.tree,
        "message": made.message,
        "timestamp": iso(made.committer.at),
        **{role: {"name": person.name, "email": person.email} for role, person in people.items()},
    }


def _run(call: Call, one: Run) -> dict[str, Any]:
    base = f"{call.host.api}/repos/{call.repo.full_name}"
    own, actor = f"{base}/actions/runs/{one.id}", user(call.host, one.login)
    place = repository(call.host, call.repo)
    ends = ("jobs", "logs", "artifacts", "cancel", "rerun")
    return {
        "id": one.id,
        "name": one.name,
        "node_id": f"WFR_{one.id}",
        "path": one.path,
        "display_title": one.title or one.name,
        "run_number": one.number,
        "run_attempt": one.attempt,
        "event": one.event,
        "status": one.status,
        "conclusion": one.conclusion,
        "workflow_id": one.workflow,
        "check_suite_id": one.suite,
        "check_suite_node_id": f"CS_{one.suite}",
        "head_branch": one.branch,
        "head_sha": one.sha,
        "head_commit": _head(call, one),
        "repository": place,
        "head_repository": place,
        "pull_requests": [
            minimal_pull(call.host, call.repo, call.repo.pulls[number]) for number in one.pulls
        ],
        "referenced_workflows": [],
        "actor": actor,
        "triggering_actor": user(call.host, one.again or one.login),
        "created_at": iso(one.at),
        "run_started_at": iso(one.at),
        "updated_at": iso(one.ended or one.at),
        "previous_attempt_url": None,
        "url": own,
        "html_url": f"{call.host.url}/{call.repo.full_name}/actions/runs/{one.id}",
        "check_suite_url": f"{base}/check-suites/{one.suite}",
        "workflow_url": f"{base}/actions/workflows/{one.workflow}",
        **{f"{end}_url": f"{own}/{end}" for end in ends},
    }


@operation("GET", REPO + "/actions/runs", "actions:read")
def list_runs(call: Call) -> Answer:
    return _list(call, call.repo.runs)


@operation("GET", REPO + "/actions/workflows/{workflow_id}/runs", "actions:read")
def list_runs_of_workflow(call: Call) -> Answer:
    """A workflow is named by its number or its file's name."""
    name = call.param("workflow_id")
    runs = [one for one in call.repo.runs if name in (str(one.workflow), one.path.rpartition("/")[2])]
    if not runs:
        raise error(404, "Not Found")
    return _list(call, runs)


def _list(call: Call, runs: list[Run]) -> Answer:
    query = call.request.query
    found = [
        one
        for one in reversed(runs)
        if query.get("head_sha", one.sha) == one.sha
        and query.get("event", one.event) == one.event
        and query.get("branch", one.branch) == one.branch
        and query.get("actor", one.login).lower() == one.login.lower()
        and query.get("status", one.status) in (one.status, one.conclusion)
    ]
    return call.page(
        found, lambda one: _run(call, one), lambda shown: {"total_count": len(found), "workflow_runs": shown}
    )


def _named(call: Call) -> Run:
    for one in call.repo.runs:
        if str(one.id) == call.param("run_id"):
            return one
    raise error(404, "Not Found")


@operation("GET", REPO + "/actions/runs/{run_id}", "actions:read")
def get_run(call: Call) -> Any:
    return _run(call, _named(call))


@operation("GET", REPO + "/actions/runs/{run_id}/jobs", "actions:read")
def list_jobs(call: Call) -> Answer:
    run = _named(call)
    checks = list({one.name: one for one in call.repo.checks if one.suite == run.suite}.values())
    return call.page(
        checks, lambda one: _job(call, run, one), lambda shown: {"total_count": len(checks), "jobs": shown}
    )


def _job(call: Call, run: Run, one: Check) -> dict[str, Any]:
    base = f"{call.host.api}/repos/{call.repo.full_name}"
    nobody = dict.fromkeys(("runner_id", "runner_name", "runner_group_id", "runner_group_name"))
    return nobody | {
        "id": one.id,
        "run_id": run.id,
        "run_url": f"{base}/actions/runs/{run.id}",
        "run_attempt": run.attempt,
        "node_id": f"CR_{one.id}",
        "head_sha": one.sha,
        "head_branch": run.branch,
        "url": f"{base}/actions/jobs/{one.id}",
        "html_url": f"{call.host.url}/{call.repo.full_name}/actions/runs/{run.id}/job/{one.id}",
        "check_run_url": f"{base}/check-runs/{one.id}",
        "status": one.status,
        "conclusion": one.conclusion,
        "created_at": iso(one.started),
        "started_at": iso(one.started),
        "completed_at": iso(one.started) if one.status == "completed" else None,
        "name": one.name,
        "steps": [],
        "labels": ["ubuntu-latest"],
        "workflow_name": run.name,
    }


@operation("POST", REPO + "/actions/runs/{run_id}/rerun-failed-jobs", "actions:write")
def rerun_failed_jobs(call: Call) -> Answer:
    run = _named(call)
    call.need_role("write", "Must have write access.")
    if run.status != "completed":
        raise error(403, "This workflow is already running")
    if run.conclusion == "success":
        raise error(403, "This workflow run cannot be retried")
    run.attempt, run.status, run.conclusion, run.at = run.attempt + 1, "queued", None, call.host.now
    newest = {check.name: check for check in call.repo.checks if check.suite == run.suite}
    for one in [check for check in newest.values() if check.conclusion != "success"]:
        again = Check(
            call.host.next_id(), one.name, one.sha, run.suite, "queued", None, call.host.now, one.app
        )
        call.repo.checks.append(again)
    call.host.reruns.append(run)
    return Answer(201, {})
