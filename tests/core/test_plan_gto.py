"""Imports from GTO: whatever the tags say, the change is a lawful import, and its steps together are the change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry_kit import NOW, base_files, shown, snapshot, verdict

from gitreg.core.findings import Outcome
from gitreg.core.gto import gto_artifacts
from gitreg.core.plan.gto import Carried, left_out, origin, plan_gto, stage_names
from gitreg.core.plan.imports import ImportedVersion
from gitreg.core.plan.plan import NothingToDo
from gitreg.core.plan.register import NewModel, Registration
from gitreg.core.ports import DvcPointer, Identity, Tag
from gitreg.core.record import Artifact
from tests.core.test_property import SAME_SCHEMAS

ANN = Identity("Ann", "ann@example.com")
VERSIONS = ("1.0.0", "1.1.0", "2.0.0-rc.1")
STAGES = ("dev", "staging", "Production")
#: What people do: register or take back a version, put one into a stage or take it out, or deprecate it all.
ACTS = st.one_of(
    st.tuples(st.sampled_from(["@v{v}", "@v{v}!"]), st.sampled_from(VERSIONS), st.just("")),
    st.tuples(
        st.sampled_from(["#{s}", "#{s}!"]), st.sampled_from((*VERSIONS, "stray")), st.sampled_from(STAGES)
    ),
    st.just(("@deprecated", "1.0.0", "")),
)


def tag(number: int, act: tuple[str, str, str]) -> Tag:
    form, version, stage = act
    time = datetime(2023, 9, 4, tzinfo=UTC) + timedelta(minutes=number)
    name = f"loans-gto{form.format(v=version, s=stage)}#{number + 1}"
    return Tag(name, version, ANN, time, "Said.\n\nCo-authored-by: Mallory <m@example.com>")


def brought(version: str) -> ImportedVersion:
    seed = VERSIONS.index(version) + 900
    registration = Registration(
        model="loans-gto",
        artifact=Artifact("m.bin", f"sha256:{seed:064x}", 10, 1, "custom"),
        pointer=DvcPointer("m.bin", f"{seed:032x}", 10, 1),
        created_by=ANN,
        created_at=NOW,
        description="Said.",
        imported_from=origin("https://git.example.com/models", "loans-gto", version),
    )
    return ImportedVersion(version, registration)


@given(acts=st.lists(ACTS, max_size=12), can=st.sets(st.sampled_from(VERSIONS)))
@settings(max_examples=40, deadline=None)
def test_any_history_is_a_lawful_import(acts: list[tuple[str, str, str]], can: set[str]) -> None:
    begin = [("@v{v}", version, "") for version in VERSIONS]
    tags = [tag(number, act) for number, act in enumerate([*begin, *acts])]
    artifact = gto_artifacts(tags)["loans-gto"]
    base = snapshot(base_files())
    versions = tuple(brought(version) for version in artifact.versions if version in can)
    names = stage_names(base, artifact, {})
    carried = Carried(artifact, versions, NewModel(scheme="semver"), "loans-gto", names)
    left_out(base, carried)
    plan = plan_gto(base, carried)
    files: dict[str, bytes | None] = dict(base_files())
    for step in plan.steps:
        assert step.edits
        assert not step.message.splitlines()[-1].startswith("Co-authored-by")
        files |= step.edits
    head = {path: data for path, data in files.items() if data is not None}
    assert head == {**base_files(), **plan.edits}
    now = snapshot(head)
    assert shown(f for f in verdict(base, now, SAME_SCHEMAS) if f.outcome is not Outcome.WARNING) == []
    there = {s.lower(): a.versions[0].version for s, a in now.stages("loans-gto").items() if a.versions}
    to_be = {s.lower(): v for s, v in artifact.stages().items() if v in can and s in names}
    assert there.items() <= to_be.items()
    assert set(there.values()) == set(to_be.values())
    with pytest.raises(NothingToDo):
        plan_gto(now, carried)
