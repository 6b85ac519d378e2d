"""``gitreg policy``: what the policy asks for, what a promotion still lacks, whether it does what it should."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from gitreg.surfaces.cli.session import (
    REMOTE,
    Group,
    Reading,
    Session,
    emit,
    formatted,
    parse_time,
    reading,
    warn,
)
from gitreg.surfaces.cli.values import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitreg.api import Registry
    from gitreg.flows.explain import Explanation
    from gitreg.flows.policytest import CaseFile


@click.group(cls=Group)
def policy() -> None:
    """Look at the policy: what it asks for, what a promotion still lacks, whether it does what it should."""


@policy.command("show")
@click.option("--model", metavar="NAME", type=TEXT, help="As it is for this model, with all overrides.")
@formatted("json")
@reading
@click.pass_obj
def show_policy(session: Session, model: str | None, format: str, when: Reading) -> None:
    """Show the policy: of all models, or as it is for one after all overrides.

    The model need not exist yet: overrides go by names alone.

    JSON: model, stages (a list, with the keys of policy.yaml), people (their ids), the other parts of policy.yaml as
    they are written, commit.

    \b
    Examples:
      gitreg policy show
      gitreg policy show --model credit-risk
      gitreg policy show --model sandbox-7 --worktree --format json
    """
    from gitreg.core.codec.load import load_value
    from gitreg.core.layout import POLICY_FILE
    from gitreg.core.report.policy import policy_json, policy_text

    registry = session.read(when)
    snapshot = registry.snapshot
    found, path = snapshot.policy(), snapshot.layout.path(POLICY_FILE)
    blob = snapshot.blob(path)
    written = load_value("Policy", blob.data, path) if blob else None
    assert isinstance(written, dict), "the policy was read from it"
    if model is not None and model not in snapshot.models():
        warn(f"no model is called {model!r}; this is what would hold for one")
    data = policy_json(found, written, model) | {"commit": registry.commit}
    emit(format, data, policy_text(found, written, model))


@policy.command()
@click.argument("reference", metavar="REF", type=TEXT)
@click.option("--to", "stage", metavar="STAGE", required=True, help="The stage to enter.", type=TEXT)
@REMOTE
@formatted("json")
@reading
@click.pass_obj
def explain(
    session: Session, reference: str, stage: str, remote: str | None, format: str, when: Reading
) -> int:
    """Say what is still missing for a promotion, point by point.

    It is the checklist of a change request, made before there is one. It asks for nothing and writes nothing. If the
    request is open already, its author and approvals count; else it is judged as if you proposed it, by your SSH key.

    With --at, the registry and the time are those of that moment.

    Exit code: 0 all is met, 1 something is not, 3 something could not be found out.

    JSON: reference, model, version, stage, title, request, commit, verdict, exitCode, author, points (subject, rule,
    outcome, text, fix), approvals (reason, group, count, expireSeconds, members, given, outcome), soaks (model, stage,
    periodSeconds, over, since, until), findings (what is beyond the list, as in gitreg verify).

    \b
    Examples:
      gitreg policy explain credit-risk/3 --to production
      gitreg policy explain credit-risk/staging --to production --format json
    """
    from gitreg.core.names import parse_reference
    from gitreg.core.plan.plan import NothingToDo
    from gitreg.flows.explain import explain as run

    registry = session.read(when, remote)
    ws = registry.workspace
    moment = parse_time(when.at) if when.at else None
    history = registry.commit or ws.repository.resolve("HEAD")
    try:
        found = run(ws, registry.snapshot, history, parse_reference(reference), stage, moment)
    except NothingToDo as error:
        if format != "json":
            raise
        emit(
            format,
            {"reference": reference, "verdict": "pass", "exitCode": 0, "nothingToDo": error.message},
            "",
        )
        return 0
    _show_explanation(registry, found, stage, format)
    return found.exit_code


def _show_explanation(registry: Registry, found: Explanation, stage: str, format: str) -> None:
    from gitreg.core.report.explain import explanation_json, explanation_text
    from gitreg.core.verify.approvals import author_of

    judged, version = found.judged, found.version
    for line in version.warnings:
        warn(line)
    author = author_of(judged.evidence, judged.policy)
    proposed = f"change #{found.request.id}" if found.request else "not proposed yet"
    who = f"by {author}" if author else "by nobody known"
    place = registry.commit[:12] if registry.commit else "the working tree"
    title = f"{found.plan.title} ({proposed}, {who}, on {place})"
    facts = {
        "reference": version.reference,
        "model": version.model,
        "version": version.record.version,
        "stage": stage,
        "title": found.plan.title,
        "request": found.request.id if found.request else None,
        "commit": registry.commit,
    }
    rest = explanation_json(judged, found.points, found.findings, found.verdict, found.exit_code)
    text = explanation_text(title, found.points, found.findings, color=sys.stdout.isatty())
    emit(format, facts | rest, text)


@policy.command("test")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=TEXT)
@click.option(
    "--policy",
    "file",
    metavar="FILE",
    type=TEXT,
    help="Test this policy (default: policy.yaml as it lies in the checkout, or on the registry's branch).",
)
@formatted("json")
@click.pass_obj
def test_policy(session: Session, paths: Sequence[str], file: str | None, format: str) -> int:
    """Play your own examples against the policy, and see that it does what you mean.

    A case is a YAML file: a registry, a change, the world around it, and the findings that are expected
    (docs/policy-tests.md). PATHs are such files, or folders with them; by default all in policy-tests/. Everything
    happens in memory, by the rules of gitreg verify. Nothing is written.

    Exit code: 0 all cases end as expected, 1 one does not, 2 one cannot be played.

    JSON: policy, exitCode, counts (pass, fail, error), cases (path, title, outcome, missing, unexpected, findings,
    error).

    \b
    Examples:
      gitreg policy test
      gitreg policy test policy-tests/no-pickle.yaml --policy proposed-policy.yaml
    """
    from gitreg.core.policytest.run import exit_code
    from gitreg.core.report.policytest import cases_json, cases_text
    from gitreg.errors import ConfigError
    from gitreg.flows.policytest import CASES_FOLDER, PolicyFile, find_cases, find_policy, run_policy_tests
    from gitreg.surfaces.cli.values import file_bytes

    ws = session.workspace()
    cases = list(_named_cases(paths)) if paths else find_cases(ws)
    if not cases:
        where = " and ".join(paths) or f"{CASES_FOLDER}/"
        raise ConfigError(f"there are no cases in {where}", "docs/policy-tests.md says how to write one")
    tested = PolicyFile(file, file_bytes(file, "--policy")) if file is not None else find_policy(ws)
    results = run_policy_tests(ws, cases, tested)
    emit(format, cases_json(results, tested.path), cases_text(results, tested.path))
    return exit_code(results)


def _named_cases(paths: Sequence[str]) -> Iterator[CaseFile]:
    """The files that are named, and those in the folders that are."""
    from gitreg.flows.policytest import CaseFile
    from gitreg.surfaces.cli.values import file_bytes

    for path in paths:
        names = sorted(os.listdir(path)) if os.path.isdir(path) else [""]
        for name in names:
            if not name or name.endswith((".yaml", ".yml")):
                place = os.path.join(path, name) if name else path
                yield CaseFile(place, file_bytes(place, "PATH"))
