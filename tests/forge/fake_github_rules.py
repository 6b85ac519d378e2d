"""The operations on rules and settings: https://docs.github.com/en/rest/repos/rules."""

from __future__ import annotations

from typing import Any

from forge.fake_github_calls import REPO, Call, error, invalid, iso, operation
from forge.fake_github_owners import owners_file
from forge.fake_github_state import ROLES, Ruleset
from forge.git_host import Answer


def _ruleset(call: Call, one: Ruleset, whole: bool) -> dict[str, Any]:
    """A ruleset; who may pass by it is shown to those alone who may change it."""
    own = f"{call.host.api}/repos/{call.repo.full_name}/rulesets/{one.id}"
    shown = {
        "id": one.id,
        "name": one.data["name"],
        "target": one.data.get("target", "branch"),
        "source_type": "Repository",
        "source": call.repo.full_name,
        "enforcement": one.data["enforcement"],
        "node_id": f"RRS_{one.id}",
        "created_at": iso(one.created),
        "updated_at": iso(one.updated),
        "_links": {
            "self": {"href": own},
            "html": {"href": f"{call.host.url}/{call.repo.full_name}/rules/{one.id}"},
        },
    }
    if whole:
        shown |= {"conditions": one.data.get("conditions", {}), "rules": one.data.get("rules", [])}
        shown["current_user_can_bypass"] = _bypass(call, one)
        if _may_edit(call):
            shown["bypass_actors"] = one.data.get("bypass_actors", [])
    return shown


def _bypass(call: Call, one: Ruleset) -> str:
    login = call.actor.login if call.actor else ""
    for mode, word in (("always", "always"), ("pull_request", "pull_requests_only")):
        if call.host.rules.bypasses(call.repo, one, login, mode):
            return word
    return "never"


def _may_edit(call: Call) -> bool:
    token = call.request.token
    if token is None:
        return False
    if token.kind == "classic":
        return "repo" in token.scopes and call.has_role("admin")
    return "administration:write" in token.scopes and call.has_role("admin")


def _named(call: Call) -> Ruleset:
    found = {str(number): one for number, one in call.repo.rulesets.items()}.get(call.param("ruleset_id"))
    if found is None:
        raise error(404, "Not Found")
    return found


@operation("GET", REPO + "/rulesets")
def list_rulesets(call: Call) -> Answer:
    return call.page(list(call.repo.rulesets.values()), lambda one: _ruleset(call, one, whole=False))


@operation("GET", REPO + "/rulesets/{ruleset_id}")
def get_ruleset(call: Call) -> Any:
    return _ruleset(call, _named(call), whole=True)


@operation("POST", REPO + "/rulesets", "administration:write")
def create_ruleset(call: Call) -> Answer:
    _need_edit(call)
    data = call.request.data
    if data["name"] in (one.data["name"] for one in call.repo.rulesets.values()):
        raise invalid("RepositoryRuleset", "name", "Name must be unique")
    made = Ruleset(call.host.next_id(), data, call.host.now, call.host.now)
    call.repo.rulesets[made.id] = made
    call.host.guard(call.repo)
    return Answer(201, _ruleset(call, made, whole=True))


@operation("PUT", REPO + "/rulesets/{ruleset_id}", "administration:write")
def update_ruleset(call: Call) -> Any:
    _need_edit(call)
    one = _named(call)
    one.data, one.updated = one.data | call.request.data, call.host.now
    return _ruleset(call, one, whole=True)


@operation("DELETE", REPO + "/rulesets/{ruleset_id}", "administration:write")
def delete_ruleset(call: Call) -> Answer:
    _need_edit(call)
    del call.repo.rulesets[_named(call).id]
    return Answer(204)


def _need_edit(call: Call) -> None:
    if not _may_edit(call):
        raise error(404, "Not Found")


@operation("GET", REPO + "/rules/branches/{branch:path}")
def rules_of_branch(call: Call) -> Answer:
    rules = [rule for rule in call.host.rules.rules_of(call.repo, call.param("branch")) if rule.ruleset]

    def shown(rule: Any) -> dict[str, Any]:
        about = {"ruleset_source_type": "Repository", "ruleset_source": call.repo.full_name}
        parameters = {"parameters": rule.parameters} if rule.parameters else {}
        return {"type": rule.type, **parameters, **about, "ruleset_id": rule.ruleset.id}

    return call.page(rules, shown)


@operation("GET", REPO + "/codeowners/errors", "contents:read")
def codeowners_errors(call: Call) -> Any:
    rev = call.repo.bare.resolve(call.request.query.get("ref", call.repo.default_branch))
    found = owners_file(call.repo.bare, rev) if rev else None
    if found is None:
        raise error(404, "Not Found")
    place, lines = found
    wrong = [(line, owner) for line in lines for owner in line.owners if not _can_own(call, owner)]
    return {"errors": [_owner_error(place, line, owner) for line, owner in wrong]}


def _can_own(call: Call, owner: str) -> bool:
    role = call.host.granted(owner.removeprefix("@"), call.repo)
    return ROLES.index(role) >= ROLES.index("write")


def _owner_error(place: str, line: Any, owner: str) -> dict[str, Any]:
    column = line.text.index(owner) + 1
    suggestion = f"make sure {owner} exists and has write access to the repository"
    where = f"{line.number}:{column}"
    return {
        "line": line.number,
        "column": column,
        "source": line.text + "\n",
        "kind": "Unknown owner",
        "suggestion": suggestion,
        "message": f"Unknown owner on line {where}: {suggestion}\n\n  {line.text}\n{' ' * (column + 1)}^",
        "path": place,
    }


@operation("GET", REPO + "/actions/permissions/workflow", "administration:read")
def workflow_permissions(call: Call) -> Any:
    call.need_role("admin")
    return {
        "default_workflow_permissions": call.repo.token_permissions,
        "can_approve_pull_request_reviews": call.repo.actions_may_approve,
    }
