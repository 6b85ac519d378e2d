"""What GTO's tags and annotations say, whatever strangers write into them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from gitreg.core.gto import (
    MAX_TAG,
    Action,
    AnnotationFile,
    TagName,
    Tracked,
    annotation_files,
    dvc_files_of,
    gto_artifacts,
    load_foreign,
    parse_tag_name,
    placed,
    read_annotation,
    stages_after,
    steps,
    tracked_in,
)
from gitreg.core.ports import Identity, Tag

ANN = Identity("Ann", "ann@example.com")
BEGIN = datetime(2023, 9, 4, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("churn@v3.1.0", TagName("churn", Action.REGISTER, version="3.1.0")),
        ("churn@v3.1.0#4", TagName("churn", Action.REGISTER, version="3.1.0", counter=4)),
        ("churn@v1.0.0!#5", TagName("churn", Action.DEREGISTER, version="1.0.0", counter=5)),
        ("churn@v1.0.0-rc.1+b.2", TagName("churn", Action.REGISTER, version="1.0.0-rc.1+b.2")),
        ("churn#prod#3", TagName("churn", Action.ASSIGN, stage="prod", counter=3)),
        ("churn#prod", TagName("churn", Action.ASSIGN, stage="prod")),
        ("churn#1", TagName("churn", Action.ASSIGN, stage="1")),
        ("churn#prod!#7", TagName("churn", Action.UNASSIGN, stage="prod", counter=7)),
        ("churn@deprecated#9", TagName("churn", Action.DEPRECATE, counter=9)),
        ("a/b=nlp/x@v0.0.1", TagName("a/b:nlp/x", Action.REGISTER, version="0.0.1")),
    ],
)
def test_tag_names(name: str, said: TagName) -> None:
    assert parse_tag_name(name) == said


@pytest.mark.parametrize(
    "name",
    [
        *("v1.0.0", "release-1", "churn", "churn@", "churn#", "@v1.0.0", "#prod#1", "churn@created"),
        *("churn@v1", "churn@1.0.0", "churn@v01.0.0", "churn@v1.0.0\n", "churn@v٣.0.0", "churn@deprecated!"),
        *("churn#prod#x", "churn#prod#1#2", "churn#-prod", "-churn@v1.0.0", "../x@v1.0.0", "a=b=@v1.0.0"),
        *("churn@v1.0.0#-1", "churn@v1.0.0" + "#1" * 2, "c" * MAX_TAG + "@v1.0.0", "\x1b[2J@v1.0.0"),
    ],
)
def test_other_tags_are_no_part_of_the_registry(name: str) -> None:
    assert parse_tag_name(name) is None


def tags(*names: str) -> list[Tag]:
    """Tags a minute apart; ``name at COMMIT`` is of another commit than the newest version's."""
    found: list[Tag] = []
    commit = ""
    for number, text in enumerate(names):
        name, _, place = text.partition(" at ")
        commit = place or (name if "@v" in name else commit)
        found.append(Tag(name, commit, ANN, BEGIN + timedelta(minutes=number), name))
    return found


def test_stage_goes_back_to_the_version_before_where_one_is_taken_out() -> None:
    story = tags(
        "m@v1.0.0", "m#prod#1", "m@v2.0.0", "m#prod#2", "m#dev#3", "m#prod!#4", "m@v2.0.0!#5 at m@v2.0.0"
    )
    artifact = gto_artifacts(story)["m"]
    seen = [stages_after(artifact.events[: count + 1]) for count in range(len(artifact.events))]
    one, two = {"prod": "1.0.0"}, {"prod": "2.0.0"}
    assert seen == [{}, one, one, two, two | {"dev": "2.0.0"}, one | {"dev": "2.0.0"}, one]
    assert artifact.versions == ["1.0.0"]
    assert {version: tag.name for version, tag in artifact.taken_back.items()} == {"2.0.0": "m@v2.0.0!#5"}


def test_tags_of_one_second_go_by_their_counters() -> None:
    story = tags("m@v1.0.0", "m#prod#2", "m#prod!#3", "m#prod#10")
    together = [Tag(tag.name, tag.commit, ANN, BEGIN, "") for tag in reversed(story)]
    assert [event.tag.name for event in gto_artifacts(together)["m"].events] == [tag.name for tag in story]


def test_commit_that_is_no_version_or_two() -> None:
    story = tags("m@v1.0.0", "m#prod#1", "m#prod#2 at stray", "m@v2.0.0 at m@v1.0.0", "m#dev#3 at m@v1.0.0")
    artifact = gto_artifacts(story)["m"]
    assert artifact.stages() == {"prod": "stray"}
    assert len(artifact.unread) == 2
    assert artifact.unread[1] == "the tag m#dev#3 is about a commit that is several versions: 1.0.0, 2.0.0"


def test_lightweight_tags_say_nothing() -> None:
    light = Tag("m@v1.0.0", "c", None, None)
    artifact = gto_artifacts([light])["m"]
    assert (artifact.events, len(artifact.unread)) == ((), 1)


def test_version_is_in_the_last_of_its_stages() -> None:
    held = {"dev": "2.0.0", "prod": "1.0.0", "staging": "2.0.0"}
    names = {"dev": "dev", "staging": "staging", "prod": "production"}
    assert placed(held, names) == {"staging": "2.0.0", "production": "1.0.0"}
    assert placed(held | {"prod": "2.0.0"}, names) == {"production": "2.0.0"}
    assert placed(held, {"prod": "production"}) == {"production": "1.0.0"}


def test_steps_are_what_changes_here() -> None:
    story = tags(
        "m@v1.0.0", "m#prod#1", "m#qa#2", "m@v2.0.0", "m#prod#3", "m@v3.0.0", "m#prod#4", "m@deprecated"
    )
    artifact = gto_artifacts(story)["m"]
    found = steps(artifact, ["1.0.0", "3.0.0"], {"prod": "production"})
    assert [(each.event.tag.name, each.registers, dict(each.stages)) for each in found] == [
        ("m@v1.0.0", "1.0.0", {}),
        ("m#prod#1", None, {"production": "1.0.0"}),
        ("m#prod#3", None, {}),  # of a version that is not carried: production has not the one before
        ("m@v3.0.0", "3.0.0", {}),
        ("m#prod#4", None, {"production": "3.0.0"}),
    ]
    assert artifact.deprecation is not None
    assert (
        gto_artifacts([*story, *tags("m@v4.0.0")])["m"].deprecation is not None
    )  # it is older than the deprecation


OWN = AnnotationFile("artifacts.yaml", "churn")


def test_annotations() -> None:
    found = read_annotation(b"churn: {type: model, path: ./models//x, labels: [a, 1], custom: {k: [1]}}", OWN)
    assert found is not None
    assert (found.type, found.path, found.labels) == ("model", "models/x", ("a", "1"))
    assert found.custom == '{"k": [1]}'
    assert read_annotation(b"other: {}", OWN) is None
    assert read_annotation(b"", OWN) is None
    inside = AnnotationFile("jobs/dvc.yaml", "f", "jobs")
    dvc = read_annotation(b"stages: {}\nartifacts: {f: {path: ../x.bin, desc: 'It is.'}}", inside)
    assert dvc is not None
    assert (dvc.path, dvc.description) == ("x.bin", "It is.")
    for pipeline_alone in (b"stages: {}", b"artifacts:", b"artifacts: {other: {path: x}}"):
        assert read_annotation(pipeline_alone, inside) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "churn: {path: ../x}",
            "churn: {path: /etc/passwd}",
            "churn: {path: .git/config}",
            "churn: [",
            "- churn",
        ),
        *(
            "a: &a [1]\nchurn: {path: *a}",
            "churn: !!python/object/apply:os.system [id]",
            "churn: 1",
            "[" * (1 << 20),
            f"churn: 1{':1' * 200}.5",  # a number to the base of 60
        ),
    ],
)
def test_annotations_that_lead_astray_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it |leads out"):
        read_annotation(text.encode(), OWN)


@pytest.mark.parametrize(
    ("custom", "kept"),
    [
        ("{1: a, b: c}", {"1": "a", "b": "c"}),
        ("[{2026-01-01: x}]", [{"2026-01-01": "x"}]),
    ],
)
def test_what_json_cannot_have_for_a_key_is_a_text(custom: str, kept: object) -> None:
    found = read_annotation(f"churn: {{custom: {custom}}}".encode(), OWN)
    assert found is not None
    assert json.loads(found.custom or "") == kept


def test_files_that_annotate() -> None:
    assert [file.path for file in annotation_files("churn")] == ["artifacts.yaml", "dvc.yaml"]
    assert annotation_files("a/b:churn") == [AnnotationFile("a/b/dvc.yaml", "churn", "a/b")]
    assert annotation_files("../..:churn") == []


def test_outputs_that_dvc_tracks() -> None:
    name = "a" * 32
    assert dvc_files_of("a/b/m") == [
        "a/b/m.dvc",
        "a/b.dvc",
        "a.dvc",
        "a/b/dvc.lock",
        "a/dvc.lock",
        "dvc.lock",
    ]
    assert dvc_files_of("m") == ["m.dvc", "dvc.lock"]
    lock = f"schema: '2.0'\nstages:\n  t: {{outs: [{{path: b/m, md5: {name}.dir, nfiles: 2, size: 9, hash: md5}}]}}\n"
    assert list(tracked_in(lock.encode(), "a/dvc.lock")) == [Tracked("a/b/m", f"{name}.dir", 9, 2)]
    old = f"outs:\n- {{path: m, md5: {name}, size: 9, remote: cold}}\n- {{path: etag, etag: x}}\n"
    assert list(tracked_in(old.encode(), "a/m.dvc")) == [Tracked("a/m", name, 9, 1, "cold", legacy=True)]


def test_yaml_of_strangers_is_a_mapping_without_anchors() -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    with pytest.raises(ValueError, match="alias"):
        load_foreign(bomb.encode())
    assert load_foreign(b"a: no") == {"a": False}
