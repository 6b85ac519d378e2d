"""What GitHub must enforce on the registry's branch, in the form in which its settings take it.

https://docs.github.com/rest/repos/rules#create-a-repository-ruleset; the same file goes through Settings, Rules,
Rulesets, Import a ruleset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

#: The required check: the name of the job in ``gitreg-verify.yml``.
CHECK = "gitreg"
#: GitHub Actions itself, as an App: no other one can report the check.
ACTIONS_APP = 15368


def ruleset(branch: str) -> Mapping[str, object]:
    """The ruleset of a registry whose branch is ``branch``.

    One approving review is required of every request. gitreg counts approvals by the policy, and would ask for none
    where the policy asks for none. But a request brings its own workflows. Where no review is required GitHub does
    not say that it demands that of a code owner; and anybody with write access can report any check from a workflow
    of another branch. A second person must have looked.
    """
    return {
        "name": "gitreg",
        "target": "branch",
        "enforcement": "active",
        "bypass_actors": [],
        "conditions": {"ref_name": {"include": [f"refs/heads/{branch}"], "exclude": []}},
        "rules": [
            {"type": "deletion"},
            {"type": "non_fast_forward"},
            {
                "type": "pull_request",
                "parameters": {
                    "allowed_merge_methods": ["merge"],
                    "dismiss_stale_reviews_on_push": True,
                    "require_code_owner_review": True,
                    "require_last_push_approval": True,
                    "required_approving_review_count": 1,
                    "required_review_thread_resolution": False,
                },
            },
            {
                "type": "required_status_checks",
                "parameters": {
                    "do_not_enforce_on_create": False,
                    "required_status_checks": [{"context": CHECK, "integration_id": ACTIONS_APP}],
                    "strict_required_status_checks_policy": True,
                },
            },
        ],
    }


def ruleset_json(branch: str) -> str:
    """The same as a file."""
    return json.dumps(ruleset(branch), indent=2) + "\n"
