"""GR303: a version's record satisfies the JSON Schema of the stage it enters."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.codec.load import load_value, place_in
from gitreg.core.codec.schema import check_instance
from gitreg.core.delta import Transition
from gitreg.core.findings import Finding, Outcome
from gitreg.core.policy import SchemaGate
from gitreg.core.record import ModelVersion
from gitreg.core.verify.gates import GateResult, findings
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

RULE = Rule("GR303", "schema-gate", "The record satisfies the stage's JSON Schema")


def check(judged: Judged) -> Iterator[Finding]:
    """Judges every schema gate of every move."""
    yield from findings(RULE, judged, SchemaGate, judge)


def judge(judged: Judged, move: Transition, record: ModelVersion, gate: SchemaGate) -> GateResult:
    """Validates the record as it is written."""
    path = judged.head.layout.version(move.model, record.version)
    blob = judged.head.blob(path)
    assert blob is not None, "the record was read from it"
    problems = check_instance(gate.schema, load_value("ModelVersion", blob.data, path))
    if not problems:
        return GateResult("the record satisfies the schema", None)
    first = problems[0]
    keys = ".".join(str(part) for part in first.where)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return GateResult(
        f"the record does not satisfy the schema: {keys + ': ' if keys else ''}{first.message}{more}",
        Outcome.FAIL,
        place_in(blob.data, path, first.where),
        "records are never edited: register the artifact again with what is missing",
    )


SCHEMA_GATE = ChangeRule(RULE, check)
