"""Whatever is done to a valid registry, the judges say what is wrong or nothing: never another error, never for long.

By default the same examples are tried each time. With ``GITREG_FUZZ=100`` in the environment it is a hundred times as
many, and others each time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from registry_kit import NOW, World, base_files, judged, tree

from gitreg.core.codec.load import load_value
from gitreg.core.codec.schema import Schemas
from gitreg.core.codec.yaml import dump_yaml, load_yaml
from gitreg.core.findings import Finding, Outcome
from gitreg.core.history import events
from gitreg.core.layout import Layout, Sort
from gitreg.core.ports import EXECUTABLE, FILE, SUBMODULE, SYMLINK, Commit, Identity
from gitreg.core.report.change_request import change_request_body
from gitreg.core.report.github import findings_github
from gitreg.core.report.json import findings_json
from gitreg.core.report.text import findings_text
from gitreg.core.snapshot import ParseCache, Snapshot
from gitreg.core.verify.engine import evaluate, validate
from gitreg.wiring import load_schemas
from tests.core.test_contract import GONE, KEYS, VALUES, at, paths, put, renamed

TIMES = int(os.environ.get("GITREG_FUZZ", "0"))
#: Processor seconds that no judgement of a registry of this size may take, on any machine.
BOUND = 5.0

LAYOUT = Layout("")
FILES = base_files()
SCHEMAS_OF_ALL: Schemas = load_schemas()
MANIFESTS = sorted(path for path in FILES if LAYOUT.place(path).kind is not None)
RECORDS = sorted(path for path in FILES if LAYOUT.place(path).sort is Sort.RECORD)
POINTERS = sorted(path for path in FILES if LAYOUT.place(path).sort is Sort.POINTER)


def fuzzed(examples: int) -> Callable[[Any], Any]:
    """The settings of a test that tries this many examples by default."""
    return settings(
        max_examples=examples * max(TIMES, 1),
        derandomize=not TIMES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


# What is done to bytes

TOKENS = [
    *(b"\0", b"\n", b"\r\n", b"\t", b"  ", b"- ", b": ", b"? ", b"# ", b"{", b"}", b"[", b"]", b'"', b"'"),
    *(b"&a ", b"*a", b"!!str ", b"!!python/name:os.system ", b"<<: ", b"---\n", b"...\n", b"%YAML 1.1\n"),
    *(b"|\n ", b">-\n ", b"/../", b"\\"),
    *(b"\xef\xbb\xbf", b"\xff", b"\xe2\x80\xae", b"\xc2\x85", b"\xed\xa0\x80", b"\xc3\xa9", b"e\xcc\x81"),
    *(b"0", b"1", b"2", b"3", b"9", b"-", b".", b"~", b"null", b"true", b"no", b"1_0", b"1e-5", b".nan", b"2026-11-20"),
    *(b"9" * 400, b"[" * 40, b"[" * 5000, b"{a: " * 5000, b"a" * 70_000, b"1" * 64, b"2" * 64),
    *(b"sha256:", b"production", b"version: 1\n", b"serial: 8\n", b"extra: 1\n"),
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, data: bytes, most: int = 3) -> bytes:
    """Bytes after a few edits: bytes replaced, tokens put in, slices removed, doubled or moved."""
    for _ in range(draw(st.integers(1, most))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.integers(0, 24)))
        head, middle, tail = data[:begin], data[begin:end], data[end:]
        how = draw(st.sampled_from(["byte", "byte", "token", "token", "gone", "doubled", "moved", "cut"]))
        if how == "byte":
            data = head + bytes([draw(st.integers(0, 255))]) + data[begin + 1 :]
        elif how == "token":
            data = head + draw(st.sampled_from(TOKENS)) + data[begin:]
        elif how == "gone":
            data = head + tail
        elif how == "doubled":
            data = head + middle * 2 + tail
        elif how == "moved":
            place = draw(st.integers(0, len(head) + len(tail)))
            data = (head + tail)[:place] + middle + (head + tail)[place:]
        else:
            data = head
    return data


@st.composite
def reshaped(draw: st.DrawFn, data: bytes) -> bytes:
    """A manifest whose value was edited: keys gone, renamed or new, values replaced by any others."""
    value: Any = load_yaml(data)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(paths(value))))
        how = draw(st.sampled_from(["gone", "as", "value", "elsewhere", "more"]))
        if how == "gone" and path:
            value = put(value, path, GONE)
        elif how == "as" and path and isinstance(path[-1], str):
            value = renamed(value, path, draw(st.sampled_from(KEYS)))
        elif how == "elsewhere":
            value = put(value, path, at(value, draw(st.sampled_from(list(paths(value))))))
        elif how == "more" and isinstance(at(value, path), dict):
            value = put(value, path, at(value, path) | {draw(st.sampled_from(KEYS)): 1})
        else:
            value = put(value, path, draw(st.sampled_from(VALUES)))
    try:
        return dump_yaml(value).encode()
    except (ValueError, RecursionError):
        return data


@st.composite
def edited(draw: st.DrawFn, path: str) -> bytes:
    return draw(mutated(FILES[path]) | reshaped(FILES[path]))


# What is done to trees

_MODEL = "models/credit-risk"
NAMES = [
    *("README.md", "models", "models/x", "models/.gitkeep", "automations.yaml", "CODEOWNERS", "sub/.gitmodules"),
    *(".dvc/config", ".dvc/config.local", ".gitattributes", ".github/workflows/x.yml"),
    *(f"{_MODEL}/{name}" for name in ("extra.yaml", "redirect.yaml", "tombstone.yaml", "stages", "versions/3")),
    *(f"{_MODEL}/versions/{name}" for name in ("4/version.yaml", "04/version.yaml", "3/MODEL.onnx", "4")),
    f"{_MODEL}/versions/2/tombstone.yaml",
    *(f"{_MODEL}/versions/3/evidence/{name}.yaml" for name in ("holdout.retracted", "other", "a b")),
    *(f"{_MODEL}/stages/{name}.yaml" for name in ("nosuch", "Production", "none")),
    *(f"{_MODEL}/aliases/{name}.yaml" for name in ("v3", "staging", "Champion", "shadow")),
    *(f"models/{name}/model.yaml" for name in ("Credit-Risk", "re\u0301sume\u0301", "r\u00e9sum\u00e9", "con", "a\\b")),
    *(f"models/{name}/model.yaml" for name in ("\udcff", "a\nb", "\u202eevil", "churn", "credit-scoring", "new", "-x")),
]  # fmt: skip
MODES = [FILE, EXECUTABLE, SYMLINK, SUBMODULE]


@st.composite
def changed_tree(draw: st.DrawFn) -> tuple[Mapping[str, bytes], Mapping[str, str]]:
    """The base registry after a few edits of its tree, and the modes that its files have then."""
    files, modes = dict(FILES), dict[str, str]()
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(sorted(files)))
        how = draw(
            st.sampled_from(["gone", "folder gone", "renamed", "copied", "mode", "edited", "swapped", "new"])
        )
        if how == "gone":
            del files[path]
        elif how == "folder gone":
            folder = draw(st.sampled_from([path[:n] for n in range(len(path)) if path[n] == "/"] or ["none"]))
            files = {name: data for name, data in files.items() if not name.startswith(f"{folder}/")} or files
        elif how in {"renamed", "copied"}:
            data = files.pop(path) if how == "renamed" else files[path]
            _set(files, draw(st.sampled_from([*NAMES, *FILES])), data)
        elif how == "mode":
            modes[path] = draw(st.sampled_from(MODES))
        elif how == "edited":
            files[path] = draw(mutated(files[path]))
        elif how == "swapped":
            other = draw(st.sampled_from(sorted(files)))
            files[path], files[other] = files[other], files[path]
        else:
            _set(files, draw(st.sampled_from(NAMES)), draw(st.sampled_from([b"", b"x\n", *FILES.values()])))
        if not files:
            files["README.md"] = b"nothing is left\n"
    return files, {path: mode for path, mode in modes.items() if path in files}


def _set(files: dict[str, bytes], path: str, data: bytes) -> None:
    """A path is never a file and a folder at once, as in git."""
    above = {path[:n] for n in range(len(path)) if path[n] == "/"}
    if not above & files.keys() and not any(name.startswith(f"{path}/") for name in files):
        files[path] = data


# What must hold


@contextmanager
def in_time() -> Iterator[None]:
    begin = time.process_time()
    yield
    assert time.process_time() - begin < BOUND


#: What was parsed of files that many examples share.
CACHE: ParseCache = {}


def snapshot(files: Mapping[str, bytes], modes: Mapping[str, str] | None = None) -> Snapshot:
    if len(CACHE) > 10_000:
        CACHE.clear()
    return Snapshot(tree(files, modes), "", None, CACHE)


def judgement(files: Mapping[str, bytes], modes: Mapping[str, str] | None = None) -> list[Finding]:
    """What every judge and reporter says of a change of the base registry; that they say it in time, and as text."""
    base, head = snapshot(FILES), snapshot(files, modes)
    with in_time():
        whole = validate(head, SCHEMAS_OF_ALL)
        change = judged(base, head, SCHEMAS_OF_ALL, World())
        found = evaluate(change)
        body = change_request_body(change, found)
        told = list(events(_COMMIT, base, change.head))
    assert body.encode("utf-8")
    for text in (findings_text([*whole, *found], checked="it"), findings_json(found), findings_github(found)):
        text.encode("utf-8")  # no half of a surrogate pair is left in it
    assert all(event.kind for event in told)
    return [finding for finding in found if finding.outcome is not Outcome.WARNING]


def says_the_same(path: str, content: bytes) -> bool:
    """Whether a pointer's value is what it was; or, with all approvals given, a move as gitreg writes one."""
    kind = LAYOUT.place(path).kind
    assert kind is not None
    old: Any = load_value(kind, FILES[path], path)
    new: Any = load_value(kind, content, path)
    moved = new["serial"] == old["serial"] + 1 and new.get("previous") == old.get("versions")
    return new == old or moved


_COMMIT = Commit("1" * 40, "2" * 40, ("3" * 40,), Identity("Dan", "dan@example.com"), NOW, "a change\n")


@fuzzed(200)
@given(st.data())
def test_a_manifest_with_other_bytes_is_judged(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(MANIFESTS))
    judgement({**FILES, path: data.draw(edited(path))})


@fuzzed(200)
@given(changed_tree())
def test_any_tree_is_judged(changed: tuple[Mapping[str, bytes], Mapping[str, str]]) -> None:
    judgement(*changed)


@fuzzed(100)
@given(st.data())
def test_a_record_with_other_bytes_is_a_finding(data: st.DataObject) -> None:
    """Not even a comment: a record is never edited."""
    path = data.draw(st.sampled_from(RECORDS))
    content = data.draw(edited(path))
    assume(content != FILES[path])
    assert judgement({**FILES, path: content})


@fuzzed(150)
@given(st.data())
def test_a_pointer_with_other_bytes_is_a_finding_or_says_the_same(data: st.DataObject) -> None:
    """Every approval is given here, so that only the rules of the file itself can object."""
    path = data.draw(st.sampled_from(POINTERS))
    content = data.draw(edited(path))
    assume(content != FILES[path])
    assert judgement({**FILES, path: content}) or says_the_same(path, content)


@fuzzed(100)
@given(st.data())
def test_one_byte_of_a_pointer_is_a_finding_or_says_the_same(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(POINTERS))
    place = data.draw(st.integers(0, len(FILES[path]) - 1))
    content = FILES[path][:place] + bytes([data.draw(st.integers(0, 255))]) + FILES[path][place + 1 :]
    assert judgement({**FILES, path: content}) or says_the_same(path, content)
