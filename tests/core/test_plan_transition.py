"""Promote, demote and roll back: what moves, what gives way, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from registry_kit import base_files, snapshot

from gitreg.core.names import NONE, Version
from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.transition import plan_demote, plan_promote, plan_rollback
from gitreg.core.policy import Override, Policy
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import edited
from gitreg.errors import GitregError, NotFound, Refused

BASE = base_files()
STAGES = "models/credit-risk/stages"
VERSIONS = "gitreg version list credit-risk shows all"
HISTORY = "gitreg history fraud shows what it held"
KNOWN = "its stages are staging, production, archived"


def registry(*replacements: tuple[str, str], **files: bytes) -> Snapshot:
    """The base registry with other texts in its policy, and other stage files."""
    text = BASE["policy.yaml"].decode()
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    stages = {f"{STAGES}/{name}.yaml": data for name, data in files.items()}
    return snapshot({**BASE, "policy.yaml": text.encode(), **stages})


def stage(name: str, serial: int, versions: list[int], previous: list[int]) -> bytes:
    def pins(numbers: list[int]) -> str:
        return "[" + ", ".join(f"{{version: {n}, digest: sha256:{str(n) * 64}}}" for n in numbers) + "]"

    return (
        "apiVersion: gitreg/v1\nkind: StageAssignment\nmodel: credit-risk\n"
        f"stage: {name}\nserial: {serial}\nversions: {pins(versions)}\nprevious: {pins(previous)}\n"
    ).encode()


def after(base: Snapshot, plan: Plan) -> dict[str, tuple[int, list[object], list[object]]]:
    """Serial, versions and previous of every stage file that a plan writes."""
    head = base.with_tree(edited(base.tree, plan.edits))
    found = {name: head.stage("credit-risk", name) for name in ("staging", "production", "archived")}
    return {
        name: (s.serial, [pin.version for pin in s.versions], [pin.version for pin in s.previous])
        for name, s in found.items()
        if s is not None and f"{STAGES}/{name}.yaml" in plan.edits
    }


def test_a_promotion_makes_the_room_that_policy_asks_for() -> None:
    base = registry()
    plan = plan_promote(base, "credit-risk", 3, "production")
    assert after(base, plan) == {
        "staging": (6, [], [3]),
        "production": (3, [3], [2]),
        "archived": (2, [1, 2], [1]),
    }
    assert (plan.kind, plan.title) == ("promote", "Promote credit-risk/3 to production")


@pytest.mark.parametrize(
    ("holds", "archive", "production", "archived"),
    [
        ("    holds: 1\n", None, [3], [1, 2]),
        ("    holds: 1\n", True, [3], [1, 2]),
        ("    holds: 2\n", None, [2, 3], None),
        ("    holds: 2\n", True, [3], [1, 2]),
        ("    holds: 2\n", False, [2, 3], None),
        ("", None, [2, 3], None),
        ("", True, [3], [1, 2]),
        ("", False, [2, 3], None),
    ],
)
def test_who_gives_way_follows_from_holds_and_from_what_is_asked(
    holds: str, archive: bool | None, production: list[int], archived: list[int] | None
) -> None:
    base = registry(("    holds: 1\n", holds))
    found = after(base, plan_promote(base, "credit-risk", 3, "production", archive_existing=archive))
    assert found["production"][1] == production
    assert found.get("archived", (0, None))[1] == archived


def test_a_version_that_is_there_already_is_left_alone_there() -> None:
    base = registry(
        ("    holds: 1\n", ""),
        production=stage("production", 4, [2, 1], []),
        archived=stage("archived", 1, [], []),
    )
    plan = plan_promote(base, "credit-risk", 2, "Production", archive_existing=True)
    assert after(base, plan) == {"production": (5, [2], [2, 1]), "archived": (2, [1], [])}
    assert (plan.kind, plan.title) == ("demote", "Leave credit-risk/2 alone in production")


@pytest.mark.parametrize("archive", [True, False, None])
def test_a_version_that_is_there_alone_stays_so(archive: bool | None) -> None:
    with pytest.raises(NothingToDo, match="credit-risk/2 is already in production"):
        plan_promote(registry(), "credit-risk", 2, "production", archive_existing=archive)


def test_what_is_sent_away_goes_only_where_policy_takes_it() -> None:
    base = registry(
        ("    holds: 1\n", ""),
        ("archived\n    from: [none, staging, production]", "archived\n    from: [none]"),
        production=stage("production", 4, [2, 1], []),
        archived=stage("archived", 1, [], []),
    )
    with pytest.raises(
        Refused, match="credit-risk/1 is in production, and archived takes versions only from none"
    ):
        plan_promote(base, "credit-risk", 2, "production", archive_existing=True)


def test_of_several_holders_the_lowest_gives_way() -> None:
    base = registry(
        ("    holds: 1\n", "    holds: 2\n"),
        production=stage("production", 4, [2, 1], []),
        archived=stage("archived", 1, [], []),
    )
    found = after(base, plan_promote(base, "credit-risk", 3, "production"))
    assert (found["production"][1], found["archived"][1]) == ([2, 3], [1])


def test_what_gives_way_goes_out_of_every_stage_where_policy_names_none() -> None:
    base = registry(("    replaced: archived\n", ""))
    assert set(after(base, plan_promote(base, "credit-risk", 3, "production"))) == {"production", "staging"}


def test_stages_are_found_without_regard_to_case() -> None:
    plan = plan_promote(registry(), "credit-risk", 3, "PRODUCTION")
    assert plan == plan_promote(registry(), "credit-risk", 3, "production")


def test_edits_keep_what_people_wrote_in_the_file() -> None:
    text = (
        BASE[f"{STAGES}/staging.yaml"]
        .decode()
        .replace("serial: 5", "serial: 5   # ask bo before you touch it")
    )
    plan = plan_promote(registry(staging=b"# ours\n" + text.encode()), "credit-risk", 3, "production")
    written = plan.edits[f"{STAGES}/staging.yaml"]
    assert written is not None
    assert b"# ours\n" in written
    assert b"serial: 6   # ask bo before you touch it\n" in written


def test_a_demotion_goes_where_policy_sends_versions_or_where_it_is_asked_to() -> None:
    base = registry()
    assert after(base, plan_demote(base, "credit-risk", 2)) == {
        "production": (3, [], [2]),
        "archived": (2, [1, 2], [1]),
    }
    assert after(base, plan_demote(base, "credit-risk", 2, NONE)) == {"production": (3, [], [2])}
    assert after(base, plan_demote(base, "credit-risk", 1, "staging")) == {
        "archived": (2, [], [1]),
        "staging": (6, [1, 3], [3]),
    }


def test_a_rollback_restores_exactly_what_was_there() -> None:
    base = registry()
    assert after(base, plan_rollback(base, "credit-risk", "production")) == {
        "production": (3, [1], [2]),
        "archived": (2, [2], [1]),
    }


def test_a_rollback_to_what_is_expected_may_be_run_again() -> None:
    base = registry()
    plan = plan_rollback(base, "credit-risk", "production", [1])
    assert plan == plan_rollback(base, "credit-risk", "production")
    rolled_back = registry(production=plan.edits["models/credit-risk/stages/production.yaml"])
    message = "production of 'credit-risk' holds version 1 already"
    refused(
        lambda: plan_rollback(rolled_back, "credit-risk", "production", [1]), NothingToDo, 0, message, None
    )


@pytest.mark.parametrize(("expected", "named"), [([3], "version 3"), ([2, 1], "version 1 and version 2")])
def test_a_rollback_to_something_else_is_refused(expected: list[Version], named: str) -> None:
    message = f"production of 'credit-risk' held version 1 before, not {named}"
    hint = "gitreg promote moves any version that policy lets in"
    refused(
        lambda: plan_rollback(registry(), "credit-risk", "production", expected), Refused, 1, message, hint
    )
    message = f"archived of 'credit-risk' held nothing before, not {named}"
    refused(lambda: plan_rollback(registry(), "credit-risk", "archived", expected), Refused, 1, message, hint)


def test_a_rollback_of_several_versions_keeps_those_that_stayed() -> None:
    base = registry(
        ("    holds: 1\n", ""),
        production=stage("production", 4, [2, 3], [1, 2]),
        staging=stage("staging", 6, [], [3]),
    )
    plan = plan_rollback(base, "credit-risk", "production")
    assert after(base, plan) == {"production": (5, [1, 2], [2, 3]), "archived": (2, [3], [1])}
    assert plan.title == "Roll production back to credit-risk/1 and credit-risk/2"


def test_a_rollback_takes_a_version_out_of_where_it_is_now() -> None:
    base = registry(
        production=stage("production", 3, [3], [2]),
        staging=stage("staging", 6, [], [3]),
        archived=stage("archived", 2, [1, 2], [1]),
    )
    assert after(base, plan_rollback(base, "credit-risk", "staging")) == {
        "staging": (7, [3], []),
        "production": (4, [], [3]),
    }


def refused(
    make: Callable[[], Plan], error: type[GitregError], code: int, message: str, hint: str | None
) -> None:
    with pytest.raises(error) as caught:
        make()
    assert (caught.value.exit_code, caught.value.message, caught.value.hint) == (code, message, hint)


@pytest.mark.parametrize(
    ("version", "target", "error", "message", "hint"),
    [
        (
            9,
            "staging",
            NotFound,
            "version 9 of 'credit-risk' does not exist",
            VERSIONS,
        ),
        (
            3,
            "prod",
            NotFound,
            "the policy has no stage 'prod'",
            KNOWN,
        ),
        (3, NONE, NotFound, "the policy has no stage 'none'", KNOWN),
        (3, "Staging", NothingToDo, "credit-risk/3 is already in staging", None),
        (
            1,
            "production",
            Refused,
            "credit-risk/1 is in archived, and production takes versions only from staging",
            "gitreg promote credit-risk/1 --to staging",
        ),
    ],
)
def test_refusals_of_a_promotion(
    version: int, target: str, error: type[GitregError], message: str, hint: str | None
) -> None:
    code = 0 if error is NothingToDo else 1
    refused(lambda: plan_promote(registry(), "credit-risk", version, target), error, code, message, hint)


def test_a_deleted_version_is_not_promoted() -> None:
    message = "version 0.9.0 of 'fraud' was deleted"
    hint = "gitreg version list fraud shows all"
    refused(lambda: plan_promote(registry(), "fraud", "0.9.0", "staging"), NotFound, 1, message, hint)


def test_nothing_enters_a_stage_without_sources() -> None:
    base = registry(("    from: [staging]\n", "    from: []\n"))
    message = "credit-risk/3 is in staging, and production takes versions only from nowhere"
    refused(lambda: plan_promote(base, "credit-risk", 3, "production"), Refused, 1, message, None)


def test_a_full_stage_is_not_filled_over_if_all_are_to_stay() -> None:
    message = "production of 'credit-risk' holds at most 1, and is full"
    refused(
        lambda: plan_promote(registry(), "credit-risk", 3, "production", archive_existing=False),
        Refused,
        1,
        message,
        "leave --keep out",
    )


@pytest.mark.parametrize("operation", ["promote", "demote", "rollback"])
def test_where_versions_would_be_sent_there_must_be_room(operation: str) -> None:
    base = registry(
        ("    from: [none, staging, production]\n", "    from: [none, staging, production]\n    holds: 1\n")
    )
    plans: dict[str, Callable[[], Plan]] = {
        "promote": lambda: plan_promote(base, "credit-risk", 3, "production"),
        "demote": lambda: plan_demote(base, "credit-risk", 2),
        "rollback": lambda: plan_rollback(other, "credit-risk", "production"),
    }
    other = registry(
        ("    from: [none, staging, production]\n", "    from: [none, staging, production]\n    holds: 1\n"),
        production=stage("production", 3, [2], [3]),
    )
    message = "archived of 'credit-risk' would hold 2 versions, and at most 1 may be there"
    refused(plans[operation], Refused, 1, message, "gitreg demote credit-risk/1 --to none first")


def test_a_rollback_needs_room_as_well() -> None:
    base = registry(production=stage("production", 3, [], [1, 2]))
    message = "production of 'credit-risk' would hold 2 versions, and at most 1 may be there"
    hint = "gitreg demote credit-risk/1 --to none first"
    refused(lambda: plan_rollback(base, "credit-risk", "production"), Refused, 1, message, hint)


@pytest.mark.parametrize(
    ("version", "target", "error", "message"),
    [
        (2, "production", NothingToDo, "credit-risk/2 is already in production"),
        (1, None, Refused, "credit-risk/1 is in archived, and none takes versions only from staging"),
        (
            2,
            "staging",
            Refused,
            "credit-risk/2 is in production, and staging takes versions only from none, archived",
        ),
    ],
)
def test_refusals_of_a_demotion(
    version: int, target: str | None, error: type[GitregError], message: str
) -> None:
    base = registry(("aliases:\n", "  - {name: none, from: [staging]}\naliases:\n"))
    with pytest.raises(error) as caught:
        plan_demote(base, "credit-risk", version, target)
    assert caught.value.message == message


def test_what_is_in_no_stage_is_not_demoted() -> None:
    message = "fraud/1.0.0 is in no stage"
    refused(lambda: plan_demote(registry(), "fraud", "1.0.0"), NothingToDo, 0, message, None)


@pytest.mark.parametrize(
    ("model", "name", "production", "error", "message", "hint"),
    [
        ("credit-risk", "prod", None, NotFound, "the policy has no stage 'prod'", KNOWN),
        ("fraud", "staging", None, Refused, "staging of 'fraud' has nothing to roll back to", HISTORY),
        (
            "credit-risk",
            "production",
            stage("production", 3, [2], [2]),
            NothingToDo,
            "production of 'credit-risk' holds what it held before",
            None,
        ),
        (
            "credit-risk",
            "production",
            stage("production", 3, [2], [4]),
            Refused,
            "credit-risk/4 was deleted and cannot be restored",
            "promote another version",
        ),
    ],
)  # fmt: skip
def test_refusals_of_a_rollback(
    model: str, name: str, production: bytes | None, error: type[GitregError], message: str, hint: str | None
) -> None:
    base = registry(**({"production": production} if production else {}))
    refused(lambda: plan_rollback(base, model, name), error, 0 if error is NothingToDo else 1, message, hint)


def test_the_same_intent_on_the_same_serials_is_the_same_branch() -> None:
    plan = plan_promote(registry(), "credit-risk", 3, "production")
    moved_elsewhere = snapshot(
        {**BASE, "models/fraud/model.yaml": BASE["models/fraud/model.yaml"] + b"task: x\n"}
    )
    assert plan.branch == plan_promote(moved_elsewhere, "credit-risk", 3, "production").branch
    assert plan.branch.startswith("gitreg/promote-")
    moved = registry(archived=stage("archived", 2, [1], []))
    others = [
        plan_promote(moved, "credit-risk", 3, "production"),
        plan_promote(registry(), "credit-risk", 3, "archived"),
        plan_demote(registry(), "credit-risk", 3),
        plan_rollback(registry(), "credit-risk", "production"),
    ]
    assert len({plan.branch, *(other.branch for other in others)}) == 5


def test_a_promotion_that_restores_what_was_there_is_a_rollback() -> None:
    base = registry(
        production=stage("production", 3, [3], [2]),
        staging=stage("staging", 6, [2], [3]),
    )
    plan = plan_promote(base, "credit-risk", 2, "production")
    assert (plan.kind, plan.title) == ("rollback", "Roll production back to credit-risk/2")
    assert after(base, plan)["production"] == (4, [2], [3])


def test_overrides_ignore_case_like_every_look_up() -> None:
    policy = Policy(
        stages=({"name": "production", "approvals": [{"group": "owners"}]},),
        overrides=(Override(("sandbox-*",), {"production": {"approvals": []}}),),
    )
    strict, lax = (policy.stage("production", model) for model in ("credit-risk", "Sandbox-1"))
    assert strict is not None
    assert lax is not None
    assert (len(strict.approvals), len(lax.approvals)) == (1, 0)
