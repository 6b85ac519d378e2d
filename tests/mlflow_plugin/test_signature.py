"""What a model's files say, as a record has it. Signatures are made by MLflow; its checks and ours must agree."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.models import ModelSignature
from mlflow.models.utils import _enforce_schema
from mlflow.types.schema import AnyType, Array, ColSpec, DataType, Map, Object, Property, Schema, TensorSpec

from gitreg.core.codec.yaml import MAX_RECORD_BYTES, dump_yaml, load_yaml
from gitreg.surfaces.mlflow.signature import (
    MAX_FILE,
    MAX_SIGNATURE,
    Unreadable,
    environment,
    fitting,
    json_schemas,
    read_mlmodel,
)

POINT = Object([Property("x", "double"), Property("note", "string", required=False)])


def schemas(inputs: Schema, outputs: Schema | None = None) -> dict[str, Any]:
    """The JSON Schemas of a signature as MLflow writes it into an MLmodel; and as they come back from a record."""
    written = ModelSignature(inputs, outputs).to_dict()
    found = json_schemas({"signature": written})
    assert load_yaml(dump_yaml(found).encode(), MAX_RECORD_BYTES) == found
    return found


def valid(schema: Any, value: object) -> bool:
    jsonschema.Draft202012Validator.check_schema(schema)
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize(
    ("kind", "value", "bad"),
    [
        ("boolean", True, 1),
        ("integer", -(2**31), 2**31),
        ("long", 2**40, 1.5),
        ("float", 1.5, "1.5"),
        ("double", 1.5, None),
        ("string", "a", 1),
        ("binary", base64.b64encode(b"a").decode(), 1),
        ("datetime", "2026-11-20T10:00:00", 1),
        (Array("long"), [1, 2], [1.5]),
        (Array(Array("string")), [["a"], []], ["a"]),
        (POINT, {"x": 1.0}, {"note": "n"}),
        (POINT, {"x": 1.0, "note": None}, {"x": "1"}),
        (Map("double"), {"a": 1.0}, {"a": "b"}),
        (Map(Array(POINT)), {"a": [{"x": 1.0}]}, {"a": [{}]}),
    ],
    ids=str,
)
def test_a_column_of_each_type(kind: Any, value: object, bad: object) -> None:
    schema = schemas(Schema([ColSpec(kind, "c"), ColSpec("long", "n")]))["inputs"]
    assert valid(schema, {"c": value, "n": 1})
    assert valid(schema, {"c": value, "n": 1, "more": "columns are passed over"})
    assert not valid(schema, {"c": bad, "n": 1})
    assert not valid(schema, {"n": 1})


def test_an_optional_column_may_be_missing_or_null() -> None:
    schema = schemas(Schema([ColSpec("long", "n", required=False)]))["inputs"]
    assert valid(schema, {})
    assert valid(schema, {"n": None})
    assert not valid(schema, {"n": "a"})


def test_anything_is_anything() -> None:
    schema = schemas(Schema([ColSpec(AnyType(), "a"), ColSpec(Array(AnyType()), "b")]))["inputs"]
    assert valid(schema, {"a": None, "b": [1, "x", None]})
    assert not valid(schema, {"a": None, "b": {}})


def test_columns_without_names_are_a_row_in_their_order() -> None:
    schema = schemas(Schema([ColSpec("long"), ColSpec("string")]))["inputs"]
    assert valid(schema, [1, "a"])
    assert not valid(schema, ["a", 1])
    assert not valid(schema, [1])
    assert not valid(schema, [1, "a", 2])


def test_a_single_column_without_a_name_is_its_value() -> None:
    assert schemas(Schema([ColSpec("string")]))["inputs"] == {"type": "string"}


@pytest.mark.parametrize(
    ("dtype", "shape", "array"),
    [
        ("float32", (-1, 2), [[1.0, 2.0], [3.0, 4.0]]),
        ("int64", (-1,), [1, 2, 3]),
        ("uint8", (2, -1, 1), [[[1]], [[2]]]),
        ("bool", (1,), [True]),
        ("str", (-1,), ["a"]),
        ("float64", (), 1.5),
    ],
)
def test_a_tensor_of_each_sort(dtype: str, shape: tuple[int, ...], array: object) -> None:
    spec = TensorSpec(np.dtype(dtype), shape)
    schema = schemas(Schema([spec]))["inputs"]
    assert valid(schema, array)
    assert not valid(schema, [array])


def test_a_tensor_has_its_shape_and_its_type() -> None:
    schema = schemas(Schema([TensorSpec(np.dtype("int64"), (-1, 2))]))["inputs"]
    assert not valid(schema, [[1, 2, 3]])
    assert not valid(schema, [[1, 2.5]])
    assert not valid(schema, [[1]])


def test_a_tensor_of_python_objects_may_hold_anything() -> None:
    schema = schemas(Schema([TensorSpec(np.dtype("object"), (-1,))]))["inputs"]
    assert schema == {"type": "array", "items": {}}


def test_named_tensors_are_an_object() -> None:
    specs = [TensorSpec(np.dtype("float64"), (-1, 1), "image"), TensorSpec(np.dtype("int64"), (-1,), "ids")]
    schema = schemas(Schema(specs))["inputs"]
    assert valid(schema, {"image": [[0.5]], "ids": [1]})
    assert not valid(schema, {"image": [[0.5]]})


def test_what_mlflow_accepts_is_valid() -> None:
    """A frame that passes MLflow's own check, row by row as JSON has it."""
    inputs = Schema(
        [
            ColSpec("double", "d"),
            ColSpec("long", "n"),
            ColSpec("string", "s"),
            ColSpec("boolean", "b"),
            ColSpec("datetime", "t"),
            ColSpec(Array("double"), "a"),
            ColSpec(POINT, "o"),
            ColSpec("string", "left_out", required=False),
        ]
    )
    frame = pd.DataFrame(
        {
            "d": [0.5, 2.0],
            "n": [1, 2],
            "s": ["a", "b"],
            "b": [True, False],
            "t": [dt.datetime(2026, 11, 20), dt.datetime(2026, 11, 21)],
            "a": [[1.0], [2.0, 3.0]],
            "o": [{"x": 1.0}, {"x": 2.0, "note": "n"}],
        }
    )
    _enforce_schema(frame, inputs)
    schema = schemas(inputs)["inputs"]
    for row in json.loads(frame.to_json(orient="records", date_format="iso")):
        assert valid(schema, row), row


def test_inputs_and_outputs_are_told_apart() -> None:
    found = schemas(Schema([ColSpec("long", "n")]), Schema([TensorSpec(np.dtype("float64"), (-1,))]))
    assert found["inputs"]["properties"] == {"n": {"type": "integer"}}
    assert found["outputs"] == {"type": "array", "items": {"type": "number"}}
    assert json_schemas({}) == {}


def nested(depth: int) -> str:
    spec: dict[str, Any] = {"type": "long"}
    for _ in range(depth):
        spec = {"type": "array", "items": spec}
    return json.dumps([spec])


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        ([], None),
        ("text", "no mapping"),
        ({"inputs": "["}, "no JSON"),
        ({"inputs": "[" * 100_000}, "no JSON"),
        ({"inputs": "{}"}, "no list"),
        ({"inputs": "[]"}, "no list"),
        ({"inputs": "[1]"}, "no list"),
        ({"inputs": '[{"type": "quaternion"}]'}, "unknown type 'quaternion'"),
        ({"inputs": '[{"type": ["long"]}]'}, "unknown type"),
        ({"inputs": '[{"type": "array"}]'}, "no mapping"),
        ({"inputs": '[{"type": "object"}]'}, "no properties"),
        ({"inputs": '[{"type": "tensor"}]'}, "no type and shape"),
        ({"inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [true]}}]'}, "length"),
        ({"inputs": nested(30)}, "nested deeper"),
    ],
)
def test_a_signature_of_another_form_is_told(signature: object, says: str | None) -> None:
    if says is None:
        assert json_schemas({"signature": signature}) == {}
        return
    with pytest.raises(Unreadable, match=says):
        json_schemas({"signature": signature})


def test_a_deep_signature_fits_a_record() -> None:
    found = json_schemas({"signature": {"inputs": nested(23)}})
    assert load_yaml(dump_yaml({"signature": found}).encode(), MAX_RECORD_BYTES) == {"signature": found}


def test_every_type_that_mlflow_has_is_known() -> None:
    for kind in DataType:
        assert schemas(Schema([ColSpec(kind, "c")]))["inputs"]["properties"]["c"]


# The folder


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &a [1]\nb: [*a, *a]\n", "aliases"),
        ("[" * 70 + "]" * 70, "nested deeper"),
        ("[" * 100_000, "not YAML|nested deeper"),
        ("- a list\n", "no mapping"),
        ("a: [\n", "not YAML"),
        ("a: !!python/object/apply:os.system [echo]\n", "not YAML"),
        ("\x00", "not YAML"),
        (f"a: '{'x' * MAX_FILE}'\n", "larger than"),
    ],
)
def test_a_hostile_mlmodel_is_not_read(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(Unreadable, match=says):
        read_mlmodel(os.fspath(tmp_path))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("signature: {}\n")
    (tmp_path / "MLmodel").symlink_to("elsewhere")
    with pytest.raises(Unreadable, match="cannot be read"):
        read_mlmodel(os.fspath(tmp_path))


def said(folder: Path) -> tuple[dict[str, object], list[str]]:
    warnings: list[str] = []
    return environment(os.fspath(folder), warnings.append), warnings


def test_the_environment_is_that_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "python_env.yaml").write_text("python: 3.11.7\ndependencies: [-r requirements.txt]\n")
    (tmp_path / "requirements.txt").write_text("# made by hand\nmlflow==3.17.2\n\n  scikit-learn==1.7.0  \n")
    assert said(tmp_path) == (
        {"python": "3.11.7", "requirements": ["mlflow==3.17.2", "scikit-learn==1.7.0"]},
        [],
    )


def test_a_version_of_python_that_yaml_takes_for_a_number_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "python_env.yaml").write_text("python: 3.10\n")
    assert said(tmp_path)[0] == {}


def test_conda_stands_in(tmp_path: Path) -> None:
    conda = {"dependencies": ["python=3.10.4", "pip<=23", {"pip": ["mlflow", "numpy==2.0"]}]}
    (tmp_path / "conda.yaml").write_text(yaml.safe_dump(conda))
    assert said(tmp_path)[0] == {"python": "3.10.4", "requirements": ["mlflow", "numpy==2.0"]}


def test_no_token_of_a_package_index_gets_into_a_record(tmp_path: Path) -> None:
    lines = "--extra-index-url https://user:s3cret@pypi.example.com/simple\nx @ git+https://tok3n@git.example.com/x\n"
    (tmp_path / "requirements.txt").write_text(lines)
    assert said(tmp_path)[0]["requirements"] == [
        "--extra-index-url https://pypi.example.com/simple",
        "x @ git+https://git.example.com/x",
    ]


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({f"c{n:05}": {"type": "number"} for n in range(20_000)}, "larger than"),
        ({"\ud800": {}}, "half a character"),
        ({"minItems": 10**20}, "strict YAML"),
        (json.loads('{"a":' * 32 + "1" + "}" * 32), "nested deeper"),
    ],
)
def test_what_a_record_cannot_say_is_told_before(part: dict[str, object], says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        fitting(part, MAX_SIGNATURE)
    assert fitting({}, MAX_SIGNATURE) == {}


def test_requirements_without_end_are_cut_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("a\n" * 2100 + "b" * 2000)
    found, warnings = said(tmp_path)
    assert found["requirements"] == ["a"] * 2000
    assert warnings == ["101 requirements of the model are not in its record: too long, or too many"]


def test_an_environment_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "python_env.yaml").write_text("python: [\n")
    found, warnings = said(tmp_path)
    assert found == {}
    assert "python_env.yaml: it is not YAML" in warnings[0]


def test_a_folder_that_says_nothing(tmp_path: Path) -> None:
    assert said(tmp_path) == ({}, [])
    assert read_mlmodel(os.fspath(tmp_path)) == {}
