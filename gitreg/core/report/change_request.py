"""The text of a change request: what a reviewer needs to decide in two minutes, read off the change itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from gitreg.core.compare import (
    Comparison,
    Metric,
    Side,
    Status,
    Trend,
    changed,
    compare,
    notes_entries,
    source_values,
)
from gitreg.core.delta import AliasMoved, RulesChanged, StageChanged, Transition, VersionRegistered, serves
from gitreg.core.findings import Finding, Outcome, sort_findings
from gitreg.core.names import Version, version_key
from gitreg.core.record import ModelVersion
from gitreg.core.report.change_lines import CELL, change_lines, differences, name_of, readable, values_line
from gitreg.core.report.diff import edits_diff
from gitreg.core.report.markdown import bullets, escape, fit, listed, table
from gitreg.core.report.show import short_digest, show_change, show_number, show_percent, show_size
from gitreg.core.verify.checklist import ChecklistItem, checklist
from gitreg.core.verify.rule import Judged
from gitreg.core.verify.rules import metric_gate

#: In characters; GitHub takes 65,536 (https://github.com/orgs/community/discussions/27190), and some may be added.
MOST_CHARACTERS = 60_000
#: Rows of a table or list; versions that are described one by one.
MOST_ROWS = 30
MOST_VERSIONS = 5
#: Lines of the difference of rules files.
MOST_DIFF_LINES = 200

#: How the line begins that says how an open request is judged.
JUDGE_IT = "- judge it: "

_TRENDS = {Trend.BETTER: "▲ better", Trend.WORSE: "▼ worse"}
_BOXES = {None: "[x]", Outcome.FAIL: "[ ] **not met:**", Outcome.UNDECIDED: "[ ] **unknown:**"}
_OUTCOMES = {Outcome.FAIL: "", Outcome.UNDECIDED: "**undecided:** ", Outcome.WARNING: "warning: "}


def change_request_body(judged: Judged, findings: Iterable[Finding] | None = None) -> str:
    """Markdown for GitHub and GitLab that says what a change does, derived from its two trees alone.

    What it shows of names, notes and other people's text can be nothing but text (see
    :mod:`gitreg.core.report.markdown`); long lists are cut, and the whole has at most ``MOST_CHARACTERS``.

    Args:
        findings: what verify says of it, to be listed too.
    """
    entering = _entering(judged)
    sections = [
        *_imports(judged),
        *_moves(judged),
        *_comparisons(judged, entering),
        _checklist(checklist(judged)),
        *_additions(judged),
        _headed("Findings", _findings(findings)),
        _closer(judged, entering),
    ]
    return fit(sections, MOST_CHARACTERS)


def verdict_body(judged: Judged, findings: Iterable[Finding]) -> str:
    """The same for who has read what the change does: what is shown and what is missing first, the rest folded away."""
    entering = _entering(judged)
    state = [_checklist(checklist(judged)), _headed("Findings", _findings(findings))]
    rest = [
        *_imports(judged),
        *_moves(judged),
        *_comparisons(judged, entering),
        *_additions(judged),
        _closer(judged, entering),
    ]
    shown = fit(state, MOST_CHARACTERS // 2)
    folded = fit(rest, MOST_CHARACTERS // 2)
    return f"{shown}\n\n<details><summary>What it does</summary>\n\n{folded}\n\n</details>"


def _entering(judged: Judged) -> list[Transition]:
    """The moves that somebody decides on; where an import puts versions was decided elsewhere."""
    return [move for move in judged.transitions if serves(move, judged.policy) and not move.imported]


def _comparisons(judged: Judged, entering: Sequence[Transition]) -> list[list[str]]:
    return [section for move in entering[:MOST_VERSIONS] for section in _against_holder(judged, move)]


def _additions(judged: Judged) -> list[list[str]]:
    """What a change does beside moving versions."""
    return [
        *_registrations(judged),
        _headed("Also", bullets(change_lines(judged), MOST_ROWS)),
        _rules(judged),
    ]


def _headed(title: str, lines: Sequence[str]) -> list[str]:
    return [f"### {title}", "", *lines] if lines else []


def _record(judged: Judged, model: str, version: Version) -> ModelVersion | None:
    return readable(lambda: judged.head.record(model, version))


# What is imported


def _imports(judged: Judged) -> Iterator[list[str]]:
    """A row for each model that comes from another system, with all that comes of it."""
    found = [(model, _record(judged, model, version)) for model, version in judged.delta.imported]
    records: dict[str, list[ModelVersion]] = {}
    for model, record in found:
        if record is not None and record.imported_from is not None:
            records.setdefault(model, []).append(record)
    if not records:
        return
    every = [record for some in records.values() for record in some]
    size = show_size(sum(record.artifact.size for record in every))
    origins = {
        (each.imported_from.system, each.imported_from.registry) for each in every if each.imported_from
    }
    places = [f"{escape(system)} at {escape(place, 2 * CELL)}" for system, place in sorted(origins)]
    rows = [_imported_row(judged, model, some) for model, some in sorted(records.items())]
    yield _headed(
        "What is imported",
        [
            f"Versions: {len(every)}, with {size}; models: {len(records)}. They say that they come from"
            f" {', '.join(places[:MOST_VERSIONS])}.",
            "",
            *table(["model", "versions", "stages", "aliases", "size"], rows, MOST_ROWS),
        ],
    )


def _imported_row(judged: Judged, model: str, records: Sequence[ModelVersion]) -> list[str]:
    numbers = sorted((record.version for record in records), key=version_key)
    moves = [move for move in judged.transitions if move.imported and move.model == model]
    aliases = [move.alias for move in judged.delta.of(AliasMoved) if move.model == model]
    return [
        escape(model),
        listed([str(number) for number in numbers], MOST_VERSIONS),
        listed([f"{move.target} {move.pin.version}" for move in moves], MOST_VERSIONS) if moves else "",
        listed(aliases, MOST_VERSIONS) if aliases else "",
        show_size(sum(record.artifact.size for record in records)),
    ]


# What moves


def _moves(judged: Judged) -> Iterator[list[str]]:
    # What gives way comes behind what it gives way to.
    moves = sorted(judged.transitions, key=lambda move: move.displaced)
    if not moves:
        return
    headers = ["model", "version", "from", "to", "", "digest", "size", "format", "registered"]
    rows = [_move(move, _record(judged, move.model, move.pin.version)) for move in moves]
    yield _headed("What moves", table(headers, rows, MOST_ROWS))
    pins = {(move.model, move.pin) for move in moves}
    named = [f"{name_of(model, pin.version)} is {escape(pin.digest)}" for model, pin in sorted(pins, key=str)]
    emptied = [
        f"{escape(change.stage)} of {escape(change.model)} then holds no version"
        for change in judged.delta.of(StageChanged)
        if change.left and change.new is not None and not change.new.versions
    ]
    yield bullets([*named, *emptied], MOST_ROWS)


def _move(move: Transition, record: ModelVersion | None) -> list[str]:
    notes = {"gives way": move.displaced, "rollback": move.rollback, "import": move.imported}
    note = next((note for note, applies in notes.items() if applies), "")
    ends = [escape(end) for end in (move.model, str(move.pin.version), move.source, move.target)]
    facts = [show_size(record.artifact.size), escape(record.artifact.format)] if record else ["", ""]
    registered = f"{escape(record.created_by.name, CELL)}, {record.created_at:%Y-%m-%d}" if record else ""
    return [*ends, note, escape(short_digest(move.pin.digest)), *facts, registered]


# A version that enters a stage against the one that holds it


def _against_holder(judged: Judged, move: Transition) -> Iterator[list[str]]:
    candidate = _record(judged, move.model, move.pin.version)
    holder = _holder(judged, move)
    if candidate is None:
        return
    name, stage = name_of(move.model, candidate.version), escape(move.target)
    if holder is None:
        yield _headed(
            f"{name} for {stage}",
            [
                "Nothing to compare with: the stage holds no version.",
                "",
                *bullets(_facts(candidate), MOST_ROWS),
            ],
        )
        return
    found = compare(Side(move.model, holder), Side(move.model, candidate), judged.policy.direction)
    title = f"{name} against {name_of(move.model, holder.version)}, the version in {stage} so far"
    yield _headed(title, [*_metrics(found), "", *_differences(found)])


def _holder(judged: Judged, move: Transition) -> ModelVersion | None:
    """Whom the metric gates compare with."""
    pin = readable(lambda: metric_gate.holder_of(judged.base, move))
    return readable(lambda: judged.base.record(move.model, pin.version)) if pin else None


def _metrics(found: Comparison) -> list[str]:
    if not found.metrics:
        return ["Neither version has metrics."]
    headers = ["metric", "candidate", "holder", "difference", "percent", ""]
    return table(headers, [_metric(metric) for metric in found.metrics], MOST_ROWS)


def _metric(metric: Metric) -> list[str]:
    numbers = ["" if number is None else show_number(number) for number in (metric.other, metric.one)]
    if metric.status is Status.SAME:
        return [escape(metric.key, CELL), *numbers, "", "", "="]
    difference = [show_change(metric.difference), show_percent(metric.percent)]
    return [escape(metric.key, CELL), *numbers, *difference, _TRENDS[metric.trend] if metric.trend else ""]


def _differences(found: Comparison) -> list[str]:
    """A line for each part in which the two versions differ, and one for those in which they do not."""
    parts = {name: part for name, part in found.parts.items() if name not in {"artifact", "notes"} and part}
    parts["format"] = tuple(entry for entry in found.artifact if entry.key == "format")
    lines = [f"{name}: {differences(changed(part))}" for name, part in parts.items() if changed(part)]
    same = [name for name, part in parts.items() if not changed(part)]
    return bullets([*lines, *([f"the same: {', '.join(same)}"] if same else [])], MOST_ROWS)


# The checklist


def _checklist(items: Sequence[ChecklistItem]) -> list[str]:
    lines: list[str] = []
    for subject, group in groupby(items, lambda item: item.subject):
        points = [f"{_BOXES[item.outcome]} {escape(item.text, 400)} ({item.rule})" for item in group]
        lines += [f"{escape(subject)}:", "", *bullets(points, MOST_ROWS), ""]
    return _headed("Checklist", lines[:-1])


# Registrations


def _registrations(judged: Judged) -> Iterator[list[str]]:
    added = judged.delta.of(VersionRegistered)
    for each in added[:MOST_VERSIONS]:
        verb = "Imports" if each.imported else "Copies" if each.copied else "Registers"
        yield _headed(
            f"{verb} {name_of(each.model, each.version)}", bullets(_registration(judged, each), MOST_ROWS)
        )
    if len(added) > MOST_VERSIONS:
        rest = [f"{each.model}/{each.version}" for each in added[MOST_VERSIONS:]]
        verbs = {"imports" if each.imported else "registers" for each in added[MOST_VERSIONS:]}
        yield [f"… and {' and '.join(sorted(verbs))} {listed(rest, MOST_ROWS)}"]


def _registration(judged: Judged, added: VersionRegistered) -> list[str]:
    record = _record(judged, added.model, added.version)
    notes = readable(lambda: judged.head.notes(added.model, added.version))
    said = {entry.key: entry.other for entry in notes_entries(None, notes)}
    facts = _facts(record, added.copied) if record else ["its record cannot be read"]
    return [*facts, *([f"notes: {values_line(said)}"] if said else [])]


def _facts(record: ModelVersion, copied: bool = False) -> list[str]:
    """What a record says; ``copied``: what it says of its origin is known to be so."""
    artifact = record.artifact
    files = f", {artifact.files} files" if artifact.files > 1 else ""
    by = f"{escape(record.created_by.name, CELL)}, {record.created_at:%Y-%m-%d %H:%M} UTC"
    lines = [
        f"{escape(artifact.path)}, {show_size(artifact.size)}{files}, format {escape(artifact.format)}",
        f"digest {escape(artifact.digest)}",
        f"registered by {by}",
    ]
    origin = record.copied_from
    if origin is not None and copied:
        lines.append(f"copied from {name_of(origin.model, origin.version)} of this registry")
    elif origin is not None:
        place = f"{name_of(origin.model, origin.version)} of the registry {escape(origin.registry)}"
        lines.append(f"says that it was copied from {place}")
    foreign = record.imported_from
    if foreign is not None:
        there = f"{escape(foreign.model, CELL)}, version {escape(foreign.version, CELL)}"
        lines.append(f"is {there} in {escape(foreign.system)} at {escape(foreign.registry, CELL)}")
    source = source_values(record.source)
    parts = {"metrics": record.metrics, "params": record.params, "source": source}
    lines += [f"{name}: {values_line(values)}" for name, values in parts.items() if values]
    lines += [f"environment: {listed(_environment(record), 20)}"] if record.environment else []
    return [*lines, f"signature: {listed(record.signature) if record.signature else 'none'}"]


def _environment(record: ModelVersion) -> list[str]:
    lines = record.environment.get("requirements")
    python = [f"python {record.environment['python']}"] if "python" in record.environment else []
    return [*python, *(str(line) for line in (lines if isinstance(lines, list) else []))]


def _rules(judged: Judged) -> list[str]:
    """The difference of every rules file: it is what people approve."""
    paths = [change.path for change in judged.delta.of(RulesChanged)]
    blobs = {path: judged.head.blob(path) for path in paths}
    text = edits_diff(judged.base, {path: blob.data if blob else None for path, blob in blobs.items()})
    lines = text.split("\n")[:MOST_DIFF_LINES] if text else []
    left = text.count("\n") + 1 - len(lines)
    fence = "`" * (3 + max((len(run) for run in re.findall("`+", text)), default=0))
    more = [f"… and {left} more lines"] if lines and left else []
    return _headed("Rules", [f"{fence}diff", *lines, fence, *more]) if lines else []


# Findings, and where to look next


def _findings(findings: Iterable[Finding] | None) -> list[str]:
    if findings is None:
        return []
    shown = [_finding(finding) for finding in sort_findings(findings)]
    return bullets(shown, MOST_ROWS) or ["Nothing to complain about."]


def _finding(finding: Finding) -> str:
    place = f" at {escape(str(finding.location))}" if finding.location else ""
    remedy = f" → {escape(finding.fix, 400)}" if finding.fix else ""
    return f"{finding.rule} {_OUTCOMES[finding.outcome]}{escape(finding.message, 400)}{place}{remedy}"


def _closer(judged: Judged, entering: Sequence[Transition]) -> list[str]:
    number = judged.evidence.request
    lines = [
        f"judge it: {_command('verify', number)}"
        if number
        else f"judge it: {escape('gitreg verify N')}, where N is the number of this request"
    ]
    for move in entering[:MOST_VERSIONS]:
        holder = _holder(judged, move)
        if holder is not None:
            pair = [f"{move.model}/{version}" for version in (holder.version, move.pin.version)]
            lines.append(f"compare: {_command('version', 'compare', *pair)}")
        version = f"{move.model}/{move.pin.version}"
        lines.append(
            f"read its bytes, each checked against the digest: {_command('pull', version, 'candidate')}"
        )
    own = [move for move in judged.transitions if not move.displaced]
    made = [_make(move, judged) for move in own if not move.imported]
    lines += [f"make the same change: {command}" for command in dict.fromkeys(made[:MOST_VERSIONS])]
    undo = [_undo(judged, move) for move in own]
    lines += [f"undo, once it has landed: {command}" for command in dict.fromkeys(undo[:MOST_VERSIONS])]
    return _headed("Look closer", bullets(lines, MOST_ROWS))


def _make(move: Transition, judged: Judged) -> str:
    """The command that plans such a move."""
    version = f"{move.model}/{move.pin.version}"
    if move.rollback:
        return _command("rollback", move.model, "--stage", move.rollback)
    return _command("promote" if serves(move, judged.policy) else "demote", version, "--to", move.target)


def _undo(judged: Judged, move: Transition) -> str:
    """A rollback of the stage that the move is about, if that held something before; else a demotion."""
    stage = move.rollback or (move.target if serves(move, judged.policy) else move.source)
    before = readable(lambda: judged.base.stage(move.model, stage))
    if before is None or not before.versions:
        return _command("demote", f"{move.model}/{move.pin.version}")
    return _command("rollback", move.model, "--stage", stage)


def _command(*words: str) -> str:
    return escape(shlex.join(["gitreg", *words]))
