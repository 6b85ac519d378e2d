"""What gitreg and plain DVC must make alike, each reading what the other wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dvc_kit import Bars, digest_of, dvc, environment, make_registry, objects, read_tree, run, write_tree

import gitreg
from gitreg.adapters.dvc.remote import open_store
from gitreg.adapters.dvc.store import DvcStore
from gitreg.core.codec.dvcfile import decode_dvc, dump_dvc
from gitreg.core.codec.yaml import load_yaml
from gitreg.core.ports import Payload, Presence


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return make_registry(tmp_path)


def open_registry(registry: Path) -> DvcStore:
    return open_store((registry / ".dvc" / "config").read_text(), registry)


def register(store: DvcStore, payload: Path, beside: Path) -> Payload:
    """Stores a payload and writes its pointer, as a registration does."""
    found = store.inspect(str(payload))
    store.upload(str(payload), found, Bars())
    beside.mkdir(parents=True)
    (beside / f"{payload.name}.dvc").write_bytes(dump_dvc(found.pointer))
    return found


def test_plain_dvc_reads_what_gitreg_wrote(registry: Path, tmp_path: Path) -> None:
    store = open_registry(registry)
    folder = write_tree(tmp_path / "outside" / "予測 model's dir")
    file = tmp_path / "outside" / "#1 é.onnx"
    file.write_bytes(b"onnx" * 1000)
    versions = registry / "models" / "m" / "versions"
    register(store, folder, versions / "1")
    register(store, file, versions / "2")
    assert len(objects(registry / ".remote")) == 8

    assert "up to date" not in dvc(registry, "status")
    dvc(registry, "pull")
    assert read_tree(versions / "1" / folder.name) == read_tree(folder)
    assert (versions / "2" / file.name).read_bytes() == file.read_bytes()
    assert "Data and pipelines are up to date." in dvc(registry, "status")
    assert "Cache and remote 'storage' are in sync." in dvc(registry, "status", "-c")

    env = environment(tmp_path)
    run("git", "add", ".", cwd=registry, env=env)
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com")
    run("git", *identity, "commit", "-qm", "register", cwd=registry, env=env)
    for version, payload in (("1", folder), ("2", file)):
        dvc(
            registry, "get", registry, f"models/m/versions/{version}/{payload.name}", "-o", tmp_path / version
        )
    assert read_tree(tmp_path / "1") == read_tree(folder)
    assert (tmp_path / "2").read_bytes() == file.read_bytes()


def test_gitreg_reads_what_plain_dvc_wrote(registry: Path, tmp_path: Path) -> None:
    folder = write_tree(registry / "予測 model's dir")
    file = registry / "#1 é.onnx"
    file.write_bytes(b"onnx" * 1000)
    dvc(registry, "add", "-q", folder.name, f"./{file.name}")
    dvc(registry, "push", "-q")

    store = open_registry(registry)
    for payload in (folder, file):
        written = (registry / f"{payload.name}.dvc").read_bytes()
        found = store.inspect(str(payload))
        assert dump_dvc(found.pointer) == written
        assert decode_dvc(load_yaml(written)) == found.pointer
        assert store.presence([found.pointer]) == {found.pointer: Presence()}
        assert store.files(found.pointer, Bars()) == found.files
        before = objects(registry / ".remote")
        store.upload(str(payload), found, Bars())
        assert objects(registry / ".remote") == before
        store.download(found.pointer, str(tmp_path / payload.name), digest_of(found), Bars())
    assert read_tree(tmp_path / folder.name) == read_tree(folder)
    assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_ignore_rules_count_neither_here_nor_there(registry: Path, tmp_path: Path) -> None:
    (registry / ".dvcignore").write_text("*.bin\n.hidden\n")
    store = open_registry(registry)
    payload = write_tree(registry / "models" / "m" / "model")
    found = store.inspect(str(payload))
    assert len(found.files) == found.pointer.files == 7
    store.upload(str(payload), found, Bars())
    store.download(found.pointer, str(tmp_path / "out"), digest_of(found), Bars())
    assert read_tree(tmp_path / "out") == read_tree(payload)


QUIET = """
import logging, sys
from gitreg.adapters.dvc.remote import open_store
streams = sys.stdout, sys.stderr
store = open_store("", None, name=sys.argv[1])
assert (sys.stdout, sys.stderr) == streams
logging.getLogger("dvc_data.hashfile.transfer").error("not to be seen")
sys.path.insert(0, sys.argv[3])
from dvc_kit import Bars
payload = store.inspect(sys.argv[2])
store.upload(sys.argv[2], payload, Bars())
store.presence([payload.pointer])
store.files(payload.pointer, Bars())
try:
    open_store("", None, name="http://127.0.0.1:9/store").presence([payload.pointer])
except Exception as error:
    assert type(error).__name__ == "Undecided", error
"""


def test_dvc_says_nothing_and_writes_nowhere_else(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "model").write_bytes(b"model")
    env = {k: v for k, v in environment(tmp_path).items() if not k.startswith("DVC_")}
    env |= {"PYTHONPATH": str(Path(gitreg.__file__).parent.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    arguments = [tmp_path / "remote", tmp_path / "model", Path(__file__).parent]
    command = [sys.executable, "-c", QUIET, *map(str, arguments)]
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "model", "remote", "work"]
    assert not list(work.iterdir())
    assert not list((tmp_path / "home").iterdir())
