"""``gitreg import gto``: real git, a real DVC remote of DVC 3 and of DVC 2, and a registry that somebody keeps."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flow_kit import MAIN, Desk, blocking, git, landed
from gto_kit import ANN, OLD, ONNX, SENTIMENT, GtoStory, md5, write_story

from gitreg.core.plan.delete import plan_delete_version
from gitreg.core.plan.imports import LeftOut
from gitreg.core.ports import ForeignRepository
from gitreg.core.record import ImportedFrom
from gitreg.errors import NotFound, Undecided
from gitreg.flows.gto_files import GtoSource
from gitreg.flows.history import history
from gitreg.flows.import_gto import GtoImport, import_gto
from gitreg.flows.land import Landed, LandingMode
from gitreg.flows.propose import Proposed
from gitreg.flows.replay import line_between, replay
from gitreg.flows.workspace import Workspace
from gitreg.surfaces.cli.main import run
from gitreg.wiring.foreign import open_foreign

NAMES = {"nlp/sentiment": "sentiment", "jobs:forecast": "forecast"}


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The usual story's checkout; nobody writes to it."""
    return write_story(tmp_path_factory.mktemp("gto") / "story")


def source_of(repo: Path | str, **said: Any) -> GtoSource:
    repository, open_store = open_foreign(os.fspath(repo))
    return replace(GtoSource(repository, open_store, NAMES, {"prod": "production"}), **said)


def brought(ws: Workspace, repo: Path, *wanted: str, **said: Any) -> dict[str, GtoImport]:
    source = source_of(repo, **{key: said.pop(key) for key in {"repository", "external"} & said.keys()})
    return {done.artifact: done for done in import_gto(ws, source, wanted, **said)}


def why(done: GtoImport) -> dict[str, str]:
    return {left.subject: left.why for left in done.left}


class Unreadable:
    """A repository whose files nobody may save."""

    def __init__(self, real: ForeignRepository) -> None:
        self.label, self.tags, self.tree = real.label, real.tags, real.tree

    def save(self, commit: str, path: str, target: str) -> bool:
        raise AssertionError(path)


def test_whole_registry(solo: Desk, story: Path) -> None:
    ws = solo("solo")
    before = solo.refs("solo")[MAIN]
    found = brought(ws, story)
    assert {name: done.versions for name, done in found.items() if done.versions} == {
        "churn": ("1.0.0", "1.1.0", "1.2.0"),
        "inner": ("1.0.0",),
        "jobs:forecast": ("2.0.0",),
        "nlp/sentiment": ("0.1.0",),
        "old": ("1.0.0",),
    }
    now = ws.current()[1]
    stages = {stage: [pin.version for pin in a.versions] for stage, a in now.stages("churn").items()}
    assert stages == {"staging": ["1.1.0"]}  # as GTO shows it; in prod is a commit of no version
    assert now.stage_of("sentiment", "0.1.0") == "production"
    record = now.demand_record("churn", "1.0.0")
    assert (record.created_by.name, record.created_at.isoformat()) == ("Ann", "2023-09-04T07:02:00+00:00")
    assert record.imported_from == ImportedFrom("gto", os.path.realpath(story), "churn", "v1.0.0")
    assert record.artifact.format == "pickle"
    notes = now.notes("old", "1.0.0")
    assert notes is not None
    assert notes.deprecated is not None
    assert "old@deprecated by Ann" in notes.deprecated.reason
    model = now.model("churn")
    assert model is not None
    assert (model.description, model.scheme) == ("Who leaves.", "semver")
    assert model.tags == {
        "tabular": "true",
        "gto.type": "model",
        "gto.path": "models/churn.pkl",
        "gto.custom": '{"tier": 1}',
    }
    line = line_between(ws, before, solo.refs("solo")[MAIN], 10)
    assert line is not None
    assert [blocking(verdict.findings) for verdict in replay(ws, line)] == [[]] * 5
    for name, version, content in (
        ("forecast", "2.0.0", ONNX),
        ("old", "1.0.0", OLD),
        ("inner", "1.0.0", SENTIMENT["weights/a.bin"]),
    ):
        assert (
            solo.artifacts / "files" / "md5" / md5(content)[:2] / md5(content)[2:]
        ).read_bytes() == content
        assert now.demand_record(name, version).artifact.size == len(content)


def test_history_is_the_tags_in_their_order(solo: Desk, story: Path) -> None:
    ws = solo("solo")
    before = solo.refs("solo")[MAIN]
    done = brought(ws, story, "churn")["churn"]
    assert isinstance(done.outcome, Landed)
    log = git(
        solo.root / "solo", "log", "--reverse", "--format=%s", f"{before}..{done.outcome.commit}^2"
    ).splitlines()
    assert log == [
        "Register churn/1.0.0",
        "Register churn/1.1.0",
        "churn: the tag churn#staging#2 puts 1.1.0 into staging",
        "churn: the tag churn#prod#3 puts 1.0.0 into prod",
        "churn: the tag churn#prod#4 puts 1.1.0 into prod",
        "Register churn/1.2.0",
        "churn: the tag churn#staging#6 puts 1.2.0 into staging",
        "churn: the tag churn#staging!#7 takes 1.2.0 out of staging",
        "churn: the tag churn#prod!#8 takes 1.1.0 out of prod",
        "churn: the tag churn#prod#9 puts 1.3.0 into prod",
        "churn: the tag churn@v1.3.0!#10 takes 1.3.0 back",
        "churn: the tag churn#prod#11 puts " + git(story, "rev-parse", "churn#prod#11^{}") + " into prod",
    ]
    first = git(solo.root / "solo", "log", "--format=%B", "-1", f"{done.outcome.commit}^2~11")
    assert f"GTO's tag churn@v1.0.0 by {ANN} on 2023-09-04T07:02:00Z" in first
    assert "\n    The first one." in first
    kinds = {event.kind for event in history(ws, done.outcome.commit, "churn")}
    assert kinds == {"import"}


def test_what_is_not_carried_is_told(solo: Desk, story: Path) -> None:
    found = brought(solo("solo"), story, mode=LandingMode.USUAL)
    told = {left.subject: left.why for done in found.values() for left in done.left}
    assert told.keys() == {
        "churn",
        "churn@v1.3.0",
        "churn#dev",
        "churn#prod",
        "far@v1.0.0",
        "ghost@v1.0.0",
        "lost@v1.0.0",
        "nowhere@v1.0.0",
    }
    assert told["churn"] == "the tag churn@v9.0.0 is lightweight, and so says nothing to GTO"
    assert told["churn@v1.3.0"] == "the tag churn@v1.3.0!#10 takes it back"
    assert "registered as no version" in told["churn#prod"]
    assert "s3://bucket/far.bin" in told["far@v1.0.0"]
    assert "'models/gone.bin' is not at its commit" in told["ghost@v1.0.0"]


def test_second_run_brings_only_what_is_new(solo: Desk, tmp_path: Path) -> None:
    ws = solo("solo")
    story = GtoStory()
    story.commit({"artifacts.yaml": "m: {path: m.bin}\n", "m.bin": "one"})
    story.tag("m@v1.0.0")
    story.tag("m#staging#1")
    first = brought(ws, story.write(tmp_path / "one"))["m"]
    assert first.versions == ("1.0.0",)
    with solo.unchanged("solo"):
        again = brought(ws, tmp_path / "one")["m"]
        assert (again.versions, again.outcome, again.left) == ((), None, ())
    story.commit({"m.bin": "two"})
    story.tag("m@v2.0.0")
    story.tag("m#prod#2")
    story.tag("m#prod#3", at=1)
    last = brought(ws, story.write(tmp_path / "two"))["m"]
    assert last.versions == ("2.0.0",)
    assert last.left == (
        LeftOut("m/1.0.0", "is in production, and here in staging; that stays"),
        LeftOut("m#staging", "v1.0.0 is in production as well, and here in one stage alone"),
    )
    now = ws.current()[1]
    assert now.stage_of("m", "1.0.0") == "staging"


def test_interrupted_import_goes_on(solo: Desk, story: Path) -> None:
    ws = solo("solo")
    running = import_gto(ws, source_of(story), ("churn", "old"))
    assert next(running).artifact == "churn"  # and then somebody presses Ctrl-C
    commit = solo.refs("solo")[MAIN]
    found = brought(ws, story, "churn", "old")
    assert found["churn"].outcome is None
    assert isinstance(found["old"].outcome, Landed)
    assert git(solo.root / "solo", "rev-parse", f"{found['old'].outcome.commit}^1") == commit


def test_dry_run_moves_nothing(solo: Desk, story: Path) -> None:
    ws = solo("solo")
    with solo.unchanged("solo"):
        found = brought(ws, story, dry_run=True)
    assert found["nlp/sentiment"].versions == ("0.1.0",)
    assert "ghost@v1.0.0" in why(found["ghost"])


def test_import_is_one_request_for_each_artifact(desk: Desk, story: Path) -> None:
    ws = desk("bo")
    before = desk.refs()[MAIN]
    done = brought(ws, story, "churn")["churn"]
    assert isinstance(done.outcome, Proposed)
    assert done.outcome.plan.title == "Import churn (3 versions) from gto"
    assert blocking(done.outcome.findings) == ["GR401"]
    again = brought(ws, story, "churn", repository=Unreadable(source_of(story).repository))["churn"]
    assert isinstance(again.outcome, Proposed)
    assert (again.outcome.how, again.outcome.request.id) == ("adopted", done.outcome.request.id)
    with desk.unchanged():
        refused = list(import_gto(desk("dan"), source_of(story), ("old",), LandingMode.REQUEST, dry_run=True))
    assert refused[0].versions == ("1.0.0",)
    for person, act in (("alice", "approve"), ("bo", "merge")):
        key = os.fspath(desk.keys / person)
        assert run(["-C", os.fspath(desk.root / person), "change", act, "1", "--key", key]) == 0
    now = desk.now_on()
    assert now.versions("churn") == ["1.0.0", "1.1.0", "1.2.0"]
    titles = git(desk.origin, "log", "--format=%s", "main").splitlines()
    assert "churn: the tag churn#staging#2 puts 1.1.0 into staging" in titles
    assert run(["-C", os.fspath(desk.root / "bo"), "audit", "--since", before]) == 0


def test_version_that_is_somebody_elses_stays(solo: Desk, tmp_path: Path) -> None:
    ws = solo("solo")
    story = GtoStory()
    story.commit({"artifacts.yaml": "m: {path: m.bin}\n", "m.bin": "one"})
    story.tag("m@v1.0.0")
    brought(ws, story.write(tmp_path / "one"))
    other = GtoStory()
    other.commit({"artifacts.yaml": "m: {path: m.bin}\n", "m.bin": "another"})
    other.tag("m@v1.0.0")
    with solo.unchanged("solo"):
        done = brought(ws, other.write(tmp_path / "two"))["m"]
    assert why(done) == {"m@v1.0.0": "m/1.0.0 is here already, and is not this one"}


def test_versions_that_cannot_be_here_cost_no_transfer(solo: Desk, tmp_path: Path) -> None:
    ws = solo("solo")
    story = GtoStory()
    story.commit({"artifacts.yaml": "m: {path: m.bin}\ncredit-risk: {path: m.bin}\n", "m.bin": "one"})
    story.tag("m@v1.0.0")
    story.tag("m@v1.0.1+linux")
    story.tag("credit-risk@v9.0.0")
    repo = story.write(tmp_path / "repo")
    assert brought(ws, repo, "m")["m"].versions == ("1.0.0",)
    landed(ws, lambda now: plan_delete_version(now, "m", "1.0.0", "wrong", solo.now))
    with solo.unchanged("solo"):
        found = brought(ws, repo)
    assert "deleted here" in why(found["m"])["m@v1.0.0"]
    assert "without build metadata" in why(found["m"])["m@v1.0.1+linux"]
    assert why(found["credit-risk"])["credit-risk"].startswith("'credit-risk' numbers its versions otherwise")


@pytest.mark.parametrize("remote", ["gone", "https://[::1/x"])
def test_output_with_a_remote_of_no_use_keeps_no_other_from_coming(
    solo: Desk, tmp_path: Path, remote: str
) -> None:
    story = GtoStory()
    pointer = f"outs: [{{path: a, md5: {'a' * 32}, size: 1, remote: '{remote}'}}]\n"
    story.commit({"artifacts.yaml": "a: {path: a}\nb: {path: b}\n", "a.dvc": pointer, "b": "bytes"})
    story.tag("a@v1.0.0")
    story.tag("b@v1.0.0")
    found = brought(solo("solo"), story.write(tmp_path / "repo"))
    assert (found["a"].versions, found["b"].versions) == ((), ("1.0.0",))
    assert remote in why(found["a"])["a@v1.0.0"]


def test_files_that_are_no_artifact(solo: Desk, tmp_path: Path) -> None:
    names = ("link", "lfs", "void", "folder", "up")
    annotations = (
        "".join(f"{name}: {{path: {name}}}\n" for name in names[:-1]) + "up: {path: ../../etc/passwd}\n"
    )
    story = GtoStory()
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    files = {
        "link": "/etc/passwd",
        "lfs": pointer,
        "void": "",
        "folder/in": "in",
        "folder/out": "/etc/passwd",
    }
    modes = {"link": "120000", "folder/out": "120000"}
    story.commit({"artifacts.yaml": annotations, **files}, modes)
    for name in names:
        story.tag(f"{name}@v1.0.0", "A \x1b[31mred\x1b[0m tag.")
    with solo.unchanged("solo"):
        found = brought(solo("solo"), story.write(tmp_path / "repo"))
    told = {name: " ".join(why(done).values()) for name, done in found.items()}
    assert "symbolic link" in told["link"]
    assert "Git LFS" in told["lfs"]
    assert "is empty" in told["void"]
    assert "'folder/out' is a symbolic link" in told["folder"]
    assert "leads out of the repository" in told["up"]


def test_bytes_that_dvc_has_lost(solo: Desk, tmp_path: Path) -> None:
    repo = write_story(tmp_path / "story")
    name = md5(ONNX)
    place = tmp_path / "story/store/files/md5" / name[:2] / name[2:]
    place.write_bytes(b"other bytes")
    done = brought(solo("solo"), repo, "jobs:forecast")["jobs:forecast"]
    assert "is corrupt" in why(done)["jobs:forecast@v2.0.0"]
    place.unlink()
    for dry_run in (True, False):
        done = brought(solo("solo"), repo, "jobs:forecast", dry_run=dry_run)["jobs:forecast"]
        assert f"{name} is missing" in why(done)["jobs:forecast@v2.0.0"]
    (tmp_path / "story/store").rename(tmp_path / "story/away")
    with pytest.raises(Undecided, match="is not there"):
        brought(solo("solo"), repo, "jobs:forecast")


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize(
    "address", ["https://bo:s3cret@example.com/m", "https://[s3cret", "s3://b/m?sig=s3cret"]
)
def test_secrets_in_an_address_stay_where_they_are(
    solo: Desk, tmp_path: Path, address: str, external: bool
) -> None:
    story = GtoStory()
    story.commit({"artifacts.yaml": "m: {path: m.bin}\n", "m.bin": "one"})
    story.tag("m@v1.0.0")
    story.commit({"artifacts.yaml": f"m: {{path: '{address}'}}\n"})
    story.tag("m@v2.0.0")
    done = brought(solo("solo"), story.write(tmp_path / "repo"), external=external)["m"]
    assert done.versions == ("1.0.0",)
    assert "its bytes are at" in why(done)["m@v2.0.0"]
    assert "s3cret" not in why(done)["m@v2.0.0"]
    model = solo("solo").current()[1].model("m")
    assert model is not None
    assert "s3cret" not in str(model.tags)


def test_artifact_that_the_rules_do_not_let_in(solo: Desk, tmp_path: Path) -> None:
    """It is left out with the reason, and the rest comes."""
    place = solo.root / "solo"
    policy = (place / "policy.yaml").read_text()
    frozen = '{name: production, windows: [{from: "2026-11-01T00:00", to: "2026-12-31T00:00"}], '
    (place / "policy.yaml").write_text(policy.replace("{name: production, ", frozen))
    git(place, "commit", "-q", "-a", "-m", "Freeze production")
    story = GtoStory()
    story.commit({"artifacts.yaml": "m: {path: m.bin}\nn: {path: n.bin}\n", "m.bin": "m", "n.bin": "n"})
    for name in ("m@v1.0.0", "m#prod#1", "n@v1.0.0"):
        story.tag(name)
    found = brought(solo("solo"), story.write(tmp_path / "repo"))
    assert "GR309 m/1.0.0 may not enter production" in why(found["m"])["m"]
    assert isinstance(found["n"].outcome, Landed)


def test_repository_at_a_url(
    solo: Desk, story: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITREG_CACHE_DIR", os.fspath(tmp_path / "cache"))
    repository, open_store = open_foreign(story.as_uri(), os.fspath(story.parent / "store"))
    source = GtoSource(repository, open_store, NAMES)
    (done,) = import_gto(solo("solo"), source, ("nlp/sentiment",))
    assert done.versions == ("0.1.0",)
    assert why(done).keys() == {"nlp/sentiment#prod"}  # no stage of that name, and none was named
    record = solo("solo").current()[1].demand_record("sentiment", "0.1.0")
    assert record.imported_from is not None
    assert record.imported_from.registry == story.as_uri()
    assert record.artifact.files == 2


def test_nothing_to_import(solo: Desk, story: Path, tmp_path: Path) -> None:
    plain = GtoStory()
    plain.commit({"README.md": "Nothing."})
    with pytest.raises(NotFound, match="no tag of GTO's"):
        import_gto(solo("solo"), source_of(plain.write(tmp_path / "plain")))
    with pytest.raises(NotFound, match="no artifact 'chrun'"):
        import_gto(solo("solo"), source_of(story), ("chrun",))


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_at_an_address_can_be_external(solo: Desk, story: Path, dry_run: bool) -> None:
    ws = solo("solo")
    source = replace(source_of(story), external=True)
    (done,) = import_gto(ws, source, ("far",), dry_run=dry_run)
    assert (done.versions, done.left) == (("1.0.0",), ())
    if not dry_run:
        artifact = ws.current()[1].demand_record("far", "1.0.0").artifact
        assert (artifact.format, artifact.uri) == ("external", "s3://bucket/far.bin")


def test_command(solo: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = GtoStory()
    story.commit({"artifacts.yaml": "m: {path: m.bin}\nn: {type: model}\n", "m.bin": "one"})
    story.tag("m@v1.0.0")
    story.tag("m#PRODUCTION#1")
    story.tag("n@v1.0.0")
    repo = os.fspath(story.write(tmp_path / "repo"))
    asked = ["-C", os.fspath(solo.root / "solo"), "import", "gto", repo]
    assert run([*asked, "--artifact", "m", "--dry-run"]) == 0
    assert capsys.readouterr().out == "m: would bring m/1.0.0\n"
    assert run([*asked, "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found[0]["versions"] == ["1.0.0"]
    assert found[0]["landed"] == solo.refs("solo")[MAIN]
    assert found[1]["left"][0]["subject"] == "n@v1.0.0"
    assert solo("solo").current()[1].stage_of("m", "1.0.0") == "production"
    assert run([*asked, "--artifact", "m"]) == 0
    assert capsys.readouterr().out == "m: nothing to bring\n"
    for wrong, message in (
        (["--stage", "prod=live"], "policy has no stage 'live'"),
        (["--artifact", "x"], "has no artifact 'x'"),
    ):
        assert run([*asked, *wrong]) in {1, 2}
        assert message in capsys.readouterr().err
