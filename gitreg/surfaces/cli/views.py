"""How models and versions are shown: as text for people, and as the plain values of ``--format json``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gitreg.core.report.show import short_digest, show_plain, show_size
from gitreg.core.report.tables import Cell, display_width, table
from gitreg.core.report.text import printable

if TYPE_CHECKING:
    from gitreg.api import ModelSummary, VersionSummary
    from gitreg.core.manifest import EvidenceRecord
    from gitreg.core.names import Version
    from gitreg.core.resolve import Resolution
    from gitreg.core.search import SearchHit

Facts = Sequence[tuple[str, object]]

_MOST_VERSIONS = 4
_MOST_FIELDS = 6


def models_table(models: Sequence[ModelSummary], stages: Sequence[str]) -> str:
    """A line for each model: its newest version, what stands in each of the ``stages``, its aliases."""
    rows: list[list[Cell]] = [
        [
            each.model.name,
            each.latest,
            *(_versions(each.stages.get(stage, ())) for stage in stages),
            _pairs(each.aliases),
        ]
        for each in models
    ]
    return table(["name", "latest", *stages, "aliases"], rows)


def _versions(versions: Sequence[Version]) -> str:
    from gitreg.core.names import version_key

    highest = sorted(versions, key=version_key, reverse=True)
    more = len(highest) - _MOST_VERSIONS
    shown = [str(version) for version in highest[:_MOST_VERSIONS]]
    return ", ".join([*shown, *([f"+{more}"] if more > 0 else [])])


def versions_table(versions: Sequence[VersionSummary]) -> str:
    """A line for each version, in the order given."""
    rows: list[list[Cell]] = [
        [
            each.version,
            each.stage,
            ", ".join(each.aliases),
            f"{each.record.created_at:%Y-%m-%d %H:%M}",
            each.record.created_by.name,
            each.record.artifact.format,
            show_size(each.record.artifact.size),
            "deprecated" if each.notes and each.notes.deprecated else "",
        ]
        for each in versions
    ]
    return table(["version", "stage", "aliases", "registered (UTC)", "by", "format", "size", ""], rows)


def model_text(summary: ModelSummary, versions: Sequence[VersionSummary], commit: str | None) -> str:
    """Everything about a model, its newest versions first."""
    model = summary.model
    facts: Facts = [
        ("title", model.title),
        ("description", model.description),
        ("owners", ", ".join(model.owners)),
        ("task", model.task),
        ("tags", _pairs(model.tags)),
        ("numbering", model.scheme),
        ("latest", summary.latest),
        *((stage, _versions(pins)) for stage, pins in summary.stages.items()),
        ("aliases", _pairs(summary.aliases)),
        ("read at", commit or "the working tree"),
    ]
    listed = versions_table(versions[::-1]) if versions else "no versions"
    return "\n".join([printable(model.name), *_facts(facts), "", *_indented(listed.splitlines())])


def model_json(
    summary: ModelSummary, versions: Sequence[VersionSummary], commit: str | None
) -> dict[str, object]:
    """The same as plain values; the versions' are those of :class:`VersionSummary`."""
    return summary.as_json() | {"versions": [each.as_json() for each in versions], "commit": commit}


def version_text(found: Resolution, summary: VersionSummary, evidence: Sequence[EvidenceRecord]) -> str:
    """Everything about a version."""
    record, notes = summary.record, summary.notes
    blocks: list[tuple[str, Facts]] = [
        ("", _identity(found, summary)),
        ("metrics", _values(record.metrics)),
        ("params", _values(record.params)),
        ("signature", [(side, schema_summary(schema)) for side, schema in record.signature.items()]),
        ("environment", list(_flat(record.environment))),
        ("source", list(_flat(record.source))),
        ("card", list(notes.card.items()) if notes else []),
    ]
    lines = [f"{printable(summary.model)}/{summary.version}"]
    for heading, facts in blocks:
        shown = list(_facts(facts))
        lines += ["", heading] if heading and shown else []
        lines += shown
    if evidence:
        lines += ["", "evidence", *_indented(evidence_table(evidence).splitlines())]
    return "\n".join(lines)


def _identity(found: Resolution, summary: VersionSummary) -> Facts:
    record, notes = summary.record, summary.notes
    artifact, by = record.artifact, record.created_by
    copied = record.copied_from
    files = "1 file" if artifact.files == 1 else f"{artifact.files} files"
    deprecated = notes.deprecated if notes else None
    instead = f"; use {deprecated.use}" if deprecated and deprecated.use is not None else ""
    return [
        ("deprecated", f"{deprecated.reason}{instead}" if deprecated else None),
        ("description", notes.description if notes else None),
        ("tags", _pairs(notes.tags) if notes else None),
        ("stage", summary.stage),
        ("aliases", ", ".join(summary.aliases)),
        ("digest", artifact.digest),
        ("size", f"{show_size(artifact.size)} ({artifact.size} bytes, {files})"),
        ("format", artifact.format),
        ("address", artifact.uri),
        ("path", found.path),
        ("uri", found.uri),
        ("registered", f"{record.created_at:%Y-%m-%d %H:%M:%S} UTC by {by.name} <{by.email}>"),
        ("copied from", f"{copied.model}/{copied.version} of registry {copied.registry}" if copied else None),
        ("read at", found.commit or "the working tree"),
    ]


def version_json(
    found: Resolution, summary: VersionSummary, evidence: Iterable[EvidenceRecord]
) -> dict[str, object]:
    """The same as plain values: the record's keys, those of :class:`VersionSummary`, and how it was found."""
    return summary.as_json() | {
        "evidence": [evidence_json(each) for each in evidence],
        "reference": found.reference,
        "path": found.path,
        "uri": found.uri,
        "commit": found.commit,
    }


def hits_table(hits: Iterable[SearchHit]) -> str:
    """A line for each version that was found."""
    rows: list[list[Cell]] = [
        [
            f"{hit.model}/{hit.version}",
            hit.stage,
            ", ".join(hit.aliases),
            f"{hit.record.created_at:%Y-%m-%d %H:%M}",
            hit.record.artifact.format,
            _pairs(hit.record.metrics),
        ]
        for hit in hits
    ]
    return table(["version", "stage", "aliases", "registered (UTC)", "format", "metrics"], rows)


def hit_json(hit: SearchHit) -> dict[str, object]:
    """A version that was found, as plain values."""
    from gitreg.core.decode import show_time

    artifact = hit.record.artifact
    return {
        "model": hit.model,
        "version": hit.version,
        "stage": hit.stage,
        "aliases": list(hit.aliases),
        "digest": artifact.digest,
        "size": artifact.size,
        "format": artifact.format,
        "created_at": show_time(hit.record.created_at),
        "metrics": dict(hit.record.metrics),
        "params": dict(hit.record.params),
    }


def evidence_table(evidence: Iterable[EvidenceRecord]) -> str:
    """A line for each piece of evidence."""
    rows: list[list[Cell]] = [
        [
            each.name,
            each.dataset,
            short_digest(each.dataset_digest),
            _pairs(each.metrics),
            f"{each.created_at:%Y-%m-%d %H:%M}",
            each.created_by.name,
            each.source,
        ]
        for each in evidence
    ]
    return table(["name", "data set", "its digest", "metrics", "added (UTC)", "by", "source"], rows)


def evidence_json(each: EvidenceRecord) -> dict[str, object]:
    """A piece of evidence as plain values, under the keys of its manifest."""
    from gitreg.core.decode import show_time

    return {
        "name": each.name,
        "digest": each.digest,
        "dataset": {"name": each.dataset, "digest": each.dataset_digest},
        "metrics": dict(each.metrics),
        "source": each.source,
        "created_at": show_time(each.created_at),
        "created_by": {"name": each.created_by.name, "email": each.created_by.email},
    }


def schema_summary(schema: object) -> str:
    """One line on a JSON Schema: its type, and for objects their fields."""
    if not isinstance(schema, Mapping):
        return show_plain(schema)
    if schema.get("type") == "array":
        return f"array of {schema_summary(schema.get('items', {}))}"
    fields = schema.get("properties")
    if not isinstance(fields, Mapping):
        return show_plain(schema.get("type", "anything"))
    named = [f"{name} {_type(field)}" for name, field in list(fields.items())[:_MOST_FIELDS]]
    more = ["…"] if len(fields) > _MOST_FIELDS else []
    return f"{len(fields)} {'field' if len(fields) == 1 else 'fields'}: {', '.join([*named, *more])}"


def _type(schema: object) -> str:
    return show_plain(schema.get("type", "anything")) if isinstance(schema, Mapping) else show_plain(schema)


def _values(values: Mapping[str, object]) -> Facts:
    """Null and empty text are values, too."""
    return [(key, show_plain(value) or '""') for key, value in values.items()]


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={show_plain(value)}" for key, value in values.items())


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The leaves of nested mappings under dotted keys; of a list, each item."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield from ((prefix + key, _item(item)) for item in value)
        else:
            yield prefix + key, value


def _item(item: object) -> object:
    return " ".join(show_plain(value) for value in item.values()) if isinstance(item, Mapping) else item


def _facts(facts: Facts) -> Iterator[str]:
    """Labels and values in two columns; what is not said is left out, and text of several lines stays so."""
    said = [(printable(label), _lines(value)) for label, value in facts if value not in (None, "")]
    width = max((display_width(label) for label, _ in said), default=0)
    for label, lines in said:
        margin = label + " " * (width - display_width(label))
        for number, line in enumerate(lines):
            yield f"  {margin if number == 0 else ' ' * width}  {line}".rstrip()


def _lines(value: object) -> list[str]:
    return [printable(line) for line in show_plain(value).splitlines()] or [""]


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}".rstrip() for line in lines)
