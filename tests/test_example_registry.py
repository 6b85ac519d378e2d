"""The example registry: valid, whole, and readable by anything that reads YAML."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from flow_kit import git, pin
from jsonschema import Draft202012Validator

from gitreg.api import Registry, open_registry
from gitreg.core.digest import artifact_digest
from gitreg.core.names import fold
from gitreg.core.ports import ListedFile
from gitreg.flows.policytest import find_cases, find_policy, run_policy_tests

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "example-registry"
MANIFESTS = sorted(path for path in EXAMPLE.glob("**/*.yaml") if "demo" not in path.parts)
VERSIONS = sorted(path.parent for path in EXAMPLE.glob("models/*/versions/*/version.yaml"))


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """The example registry as it lies in this repository, in a folder, committed in a repository of its own."""
    top = tmp_path_factory.mktemp("example")
    with pytest.MonkeyPatch.context() as patch:
        pin(patch, top / "home")
        shutil.copytree(EXAMPLE, top / "repo" / "example-registry")
        git(top / "repo", "init", "-q")
        git(top / "repo", "add", "-A")
        git(top / "repo", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-m", "x")
        with open_registry(top / "repo" / "example-registry") as registry:
            yield registry


def test_valid(committed: Registry) -> None:
    assert committed.validate() == []
    checkout = committed.workspace.repository.top  # type: ignore[attr-defined]
    with open_registry(checkout / "example-registry", worktree=True) as files:
        assert files.validate() == []


def test_nothing_of_it_is_ignored() -> None:
    """What git would leave out of a commit would be missing in every clone."""
    there = {path.relative_to(ROOT).as_posix() for path in EXAMPLE.rglob("*") if path.is_file()}
    listed = git(
        ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "example-registry", check=False
    )
    if not listed:
        pytest.skip("this is no checkout")
    assert {path for path in there if "__pycache__" not in path} <= set(listed.split("\0"))


def test_shows_every_sort_of_thing(committed: Registry) -> None:
    models = {model.model.name: model for model in committed.models()}
    assert len(models) >= 3
    assert models["credit-risk"].stages.keys() == {"staging", "production", "archived"}
    assert "champion" in models["credit-risk"].aliases
    records = [committed.version(f"{path.parent.parent.name}/{path.name}").record for path in VERSIONS]
    assert len({record.artifact.format for record in records}) >= 3
    assert any(record.artifact.files > 1 for record in records)


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_every_artifact_can_be_pulled(committed: Registry, folder: Path, tmp_path: Path) -> None:
    record = committed.version(f"{folder.parent.parent.name}/{folder.name}").record
    place = Path(committed.pull(f"{folder.parent.parent.name}/{folder.name}", tmp_path))
    assert place.name == record.artifact.path
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    listed = [
        ListedFile(
            "" if place.is_file() else path.relative_to(place).as_posix(),
            path.stat().st_size,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in files
    ]
    assert artifact_digest(listed) == record.artifact.digest
    assert (sum(file.size for file in listed), len(listed)) == (record.artifact.size, record.artifact.files)


def test_the_remote_holds_nothing_else() -> None:
    """No object is there that no version refers to, and each is what its name says."""
    needed = set()
    for folder in VERSIONS:
        (pointer,) = folder.glob("*.dvc")
        (out,) = yaml.safe_load(pointer.read_text())["outs"]
        needed.add(out["md5"])
        if out["md5"].endswith(".dir"):
            listing = json.loads((object_of(out["md5"])).read_text())
            needed |= {child["md5"] for child in listing}
    there = {path.parent.name + path.name: path for path in (EXAMPLE / ".remote/files/md5").glob("*/*")}
    assert there.keys() == needed
    for name, path in there.items():
        assert hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == name.removesuffix(".dir")


def object_of(name: str) -> Path:
    return EXAMPLE / ".remote/files/md5" / name[:2] / name[2:]


# Without gitreg


def load(path: Path) -> Any:
    """As any tool reads it."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_plain_reading_from_pointer_to_bytes() -> None:
    """What a deploy tool does with nothing but a YAML reader: stage or alias, record, DVC pointer, object."""
    pointers = [
        *EXAMPLE.glob("models/*/stages/*.yaml"),
        *EXAMPLE.glob("models/*/aliases/*.yaml"),
    ]
    assert len(pointers) >= 6
    for path in pointers:
        pointer = load(path)
        assert pointer[{"StageAssignment": "stage", "Alias": "alias"}[pointer["kind"]]] == path.stem
        for pin_ in pointer.get("versions", [pointer]):
            folder = path.parent.parent / "versions" / str(pin_["version"])
            record = load(folder / "version.yaml")
            assert (record["model"], record["version"]) == (pointer["model"], pin_["version"])
            assert record["artifact"]["digest"] == pin_["digest"]
            (out,) = load(folder / f"{record['artifact']['path']}.dvc")["outs"]
            assert (out["path"], out["size"]) == (record["artifact"]["path"], record["artifact"]["size"])
            content = object_of(out["md5"]).read_bytes()
            if record["artifact"]["files"] == 1 and not out["md5"].endswith(".dir"):
                assert f"sha256:{hashlib.sha256(content).hexdigest()}" == record["artifact"]["digest"]


def test_values_are_what_they_look_like() -> None:
    """A reader of YAML 1.1 sees the same types as one of 1.2: times are text, versions numbers."""
    for folder in VERSIONS:
        record = load(folder / "version.yaml")
        assert isinstance(record["created_at"], str)
        assert isinstance(record["version"], int)
        assert all(type(value) in {int, float} for value in record["metrics"].values())
        assert isinstance(record["environment"]["python"], str)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.relative_to(EXAMPLE).as_posix())
def test_published_schemas_hold(path: Path) -> None:
    """Each schema is one file that an editor or a checker needs nothing beside."""
    value = load(path)
    schema = json.loads((ROOT / "schemas" / f"{value['kind'].lower()}.schema.json").read_text())
    problems = [error.message for error in Draft202012Validator(schema).iter_errors(value)]
    assert problems == []


@pytest.mark.skipif(shutil.which("yq") is None, reason="yq is not installed")
def test_yq() -> None:
    stage = os.fspath(EXAMPLE / "models/credit-risk/stages/production.yaml")
    done = subprocess.run(
        ["yq", "-r", ".versions[0].version", stage], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(load(Path(stage))["versions"][0]["version"])


# The policy


def test_policy_names_only_what_is_there(committed: Registry) -> None:
    policy = committed.snapshot.policy()
    people = {person.id for person in policy.people}
    assert {member for members in policy.groups.values() for member in members} <= people
    assert all(person.keys for person in policy.people)
    stages = {fold(path.stem) for path in EXAMPLE.glob("models/*/stages/*.yaml")}
    assert stages <= {fold(name) for name in policy.stage_names}
    for alias in policy.aliases:
        assert alias.stage is None or alias.stage in policy.stage_names


def test_everyone_has_a_part() -> None:
    """A role for each, and stages that nobody fills alone: that is what the example is about."""
    policy = load(EXAMPLE / "policy.yaml")
    assert {"data_scientist", "ml_engineer", "admin"} == policy["roles"].keys()
    production = next(stage for stage in policy["stages"] if stage["name"] == "production")
    assert production["approvals"]
    assert production["gates"]


def test_its_own_cases_hold(committed: Registry) -> None:
    """And they can fail: under a policy without gates two of them do."""
    ws = committed.workspace
    cases = find_cases(ws)
    assert len(cases) >= 3
    results = run_policy_tests(ws, cases, find_policy(ws))
    assert [(case.path, case.outcome) for case in results if case.outcome != "pass"] == []
    found = find_policy(ws)
    lax = found.data.replace(b"deny: [pickle, joblib]", b"deny: []").replace(b"min: 0.85}", b"min: 0.1}")
    outcomes = {
        Path(case.path).stem: case.outcome for case in run_policy_tests(ws, cases, replace(found, data=lax))
    }
    assert outcomes["pickles-never-go-live"] == "fail"
    assert outcomes["rules-are-not-loosened-alone"] == "error", "the gate that it speaks of is gone"
    assert outcomes["good-and-approved-goes-live"] == "pass"


def test_cases_survive_a_new_build() -> None:
    """build.py clears what it writes, and nothing else."""
    text = (EXAMPLE / "build.py").read_text()
    assert set(re.findall(r"rmtree\(HERE / \"(.+?)\"", text)) == {"models", ".remote"}
