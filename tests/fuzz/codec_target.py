"""What must hold of the codec for any bytes at all: the function that is fuzzed, and that the corpus is replayed on.

The first byte chooses the kind of manifest, the rest is the file. Of that:

- the strict reader gives a value, or says with a line what is wrong; it never fails in another way;
- what it takes means the same to PyYAML, and reads back the same after it was written;
- a decoder takes a manifest if and only if its published JSON Schema does (a ``.dvc`` file: if it reads back the same);
- an edit changes the one value that it is to change.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gitreg.core.codec.dvcfile import dump_dvc
from gitreg.core.codec.edit import REMOVE, edit_yaml
from gitreg.core.codec.load import InvalidManifest, load_manifest, size_limit
from gitreg.core.codec.schema import Schemas
from gitreg.core.codec.yaml import PARSER, YamlError, dump_yaml, load_yaml, locate
from gitreg.core.manifest import DECODERS
from gitreg.core.ports import DvcPointer

KINDS = (*DECODERS, "dvc")
SCHEMAS = Path(__file__).parent.parent.parent / "schemas"
#: A key that stands in no file.
NEW = "a key of the fuzzer's own"


@cache
def _schemas() -> Schemas:
    return Schemas({path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")})


def check(data: bytes) -> None:
    """Raises AssertionError (or whatever the codec lets through) if something does not hold."""
    kind, text = KINDS[(data[0] if data else 0) % len(KINDS)], data[1:]
    value, refusal = _read(kind, text)
    found, problem = _decoded(kind, text)
    if refusal is not None:
        assert refusal.message
        assert refusal.line is None or refusal.line >= 1
        assert problem is not None, "what is no YAML became a manifest"
        return
    _check_value(text, value)
    _check_manifest(kind, value, found, problem)
    _check_edits(text, value)


def _read(kind: str, text: bytes) -> tuple[object, YamlError | None]:
    try:
        return load_yaml(text, size_limit(kind)), None
    except YamlError as error:
        return None, error


def _decoded(kind: str, text: bytes) -> tuple[Any, InvalidManifest | None]:
    try:
        return load_manifest(kind, text, "file"), None
    except InvalidManifest as error:
        return None, error


def _check_value(text: bytes, value: object) -> None:
    assert _same(yaml.load(text, Loader=PARSER), value), "PyYAML reads something else"
    assert locate(text, ()) is not None
    try:
        written = dump_yaml(value).encode()
    except ValueError:
        assert _has_long_key(value), "what was read cannot be written"
        return
    assert _same(load_yaml(written, 2 * len(written) + 1), value), "it reads back as something else"


def _has_long_key(value: object) -> bool:
    """A key of over 1000 characters can be read in the form ``? key``, which gitreg does not write."""
    if isinstance(value, dict):
        return any(len(key) > 150 or _has_long_key(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_has_long_key, value))


def _check_manifest(kind: str, value: object, found: Any, problem: InvalidManifest | None) -> None:
    assert problem is None or (problem.problem and problem.location.line is not None)
    if kind == "dvc":
        assert not isinstance(found, DvcPointer) or load_manifest(kind, dump_dvc(found), "file") == found
        return
    problems = _schemas().problems(kind, value)
    assert (problem is None) == (not problems), f"the decoder says {problem}, the schema {problems}"
    if hasattr(found, "as_yaml"):
        assert load_manifest(kind, dump_yaml(found.as_yaml()).encode(), "file") == found


def _check_edits(text: bytes, value: object) -> None:
    if not isinstance(value, dict) or _has_long_key(value) or NEW in value:
        return
    assert _same(load_yaml(edit_yaml(text, {(NEW,): 1}), len(text) + 4096), {**value, NEW: 1})
    for key in list(value)[:2]:
        rest = {name: item for name, item in value.items() if name != key}
        edited = edit_yaml(text, {(key,): REMOVE})
        assert _same(load_yaml(edited, len(text) + 4096), rest)
        edited = edit_yaml(text, {(key, NEW): "x"})
        inner = value[key] if isinstance(value[key], dict) else {}
        assert _same(load_yaml(edited, 2 * len(text) + 4096), {**value, key: {**inner, NEW: "x"}})


def _same(one: object, other: object) -> bool:
    """Unlike ``==``, tells 1, 1.0 and true apart."""
    return repr(one) == repr(other)
