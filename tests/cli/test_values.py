from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.codec.yaml import dump_yaml, load_yaml
from gitreg.core.names import MAX_INTEGER
from gitreg.errors import UsageError
from gitreg.surfaces.cli.values import (
    MAX_FILE_BYTES,
    data_set,
    metrics_file,
    numbers,
    object_file,
    pairs,
    params_file,
    scalars,
    sections,
    text_file,
    text_or_file,
    version_number,
)


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(UsageError) as caught:
        call()
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    def make(content: str | bytes, name: str = "values.json") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return make


def test_pairs_are_parted_at_the_first_equals_sign() -> None:
    assert pairs(["team=risk", "url=https://x/?a=b", "empty="], "--tag") == {
        "team": "risk",
        "url": "https://x/?a=b",
        "empty": "",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["team"], "--tag: 'team' is not KEY=VALUE"),
        (["=risk"], "--tag: '=risk' is not KEY=VALUE"),
        (["a=1", "b=2", "a=1"], "--tag: 'a' is given twice"),
        (["k" * 251 + "=x"], "is a key of more than 250 characters"),
        (["k=\udcff"], "--tag: 'k=\\udcff' is not UTF-8 text"),
    ],
)
def test_what_is_no_pair_is_quoted(given: list[str], said: str) -> None:
    assert said in refusal(lambda: pairs(given, "--tag"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0.1", 0.1),
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("null", "null"),
        ("007", "007"),
        ("9" * 5000, "9" * 5000),
        ("+3", "+3"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("1e999", "1e999"),
        ("٣", "٣"),
        ("", ""),
        ('"3.10"', "3.10"),
        ('"', '"'),
        (str(MAX_INTEGER), MAX_INTEGER),
        (str(MAX_INTEGER + 1), str(MAX_INTEGER + 1)),
        ("lbfgs", "lbfgs"),
    ],
)
def test_scalars_are_typed(text: str, value: object) -> None:
    found = scalars([f"p={text}"], "--param")["p"]
    assert (found, type(found)) == (value, type(value))


@given(st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_python_writes_is_read_as_that_number(number: float) -> None:
    found = numbers([f"m={number!r}"], "--metric")["m"]
    assert (found, type(found)) == (number, type(number))
    assert math.isfinite(found)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_scalar_can_be_written_to_a_manifest(text: str) -> None:
    found = scalars([f"p={text}"], "--param")
    assert load_yaml(dump_yaml(found).encode()) == found


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-Infinity", "1e999", "1_0", "0x10", "1,5", "true", "", " 1", "9" * 400, "1.0.0"]
)
def test_a_metric_is_a_finite_number(text: str) -> None:
    assert "is not a finite number" in refusal(lambda: numbers([f"auc={text}"], "--metric"))


@pytest.mark.parametrize("name", ["metrics.json", "metrics.yaml", "metrics.yml", "metrics", "metrics.txt"])
@pytest.mark.parametrize("content", ['{"roc_auc": 0.94, "rows": 3}', "roc_auc: 0.94\nrows: 3\n"])
def test_metrics_come_from_json_or_yaml(file: Callable[..., str], content: str, name: str) -> None:
    assert metrics_file(file(content, name)) == {"roc_auc": 0.94, "rows": 3}


def test_json_may_have_exponents_that_strict_yaml_refuses(file: Callable[..., str]) -> None:
    assert metrics_file(file('{"loss": 1e-5}')) == {"loss": 1e-5}
    assert "'1e-5' means different things" in refusal(lambda: metrics_file(file("loss: 1e-5", "m.yaml")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"auc": NaN}', "manifest can hold"),
        ('{"auc": 1e999}', "manifest can hold"),
        ('{"auc": "high"}', "does not fit: auc: a number is expected, not 'high'"),
        ('{"auc": true}', "does not fit: auc: a number is expected, not true"),
        ('{"auc": {"mean": 1}}', "does not fit: auc: a number is expected, not a mapping"),
        ('{"auc": 1, "auc": 2}', "the key 'auc' stands in one object twice"),
        ('{"auc": 1', "manifest can hold"),
        ('{"a": ' * 100_000, "nested"),
        ('{"": 1}', "does not fit"),
        ("[1, 2]", "does not hold one mapping"),
        ("auc: 1\nauc: 2\n", "is not strict YAML in line 2: the key 'auc' stands here twice"),
        ("auc: .nan\n", "is not strict YAML in line 1"),
        ("a: &x 1\nb: *x\n", "is not strict YAML in line 1: the anchor &x"),
        ("", "the file is empty"),
        (b"auc: \xff", "is not strict YAML in line 1: the file is not UTF-8"),
        (b'{"auc": "\xff"}', "manifest can hold"),
        (b"x" * (MAX_FILE_BYTES + 1), "is larger than 1024 KiB"),
    ],
)
def test_a_bad_metrics_file_is_refused(file: Callable[..., str], content: str | bytes, said: str) -> None:
    path = file(content, "values")
    message = refusal(lambda: metrics_file(path))
    assert message.startswith("--metrics: ")
    assert said in message


@pytest.mark.parametrize("path", ["missing.json", ".", "nul\0byte"])
def test_an_unreadable_file_is_a_usage_error(path: str) -> None:
    assert f"--metrics: {path!r} cannot be read" in refusal(lambda: metrics_file(path))


def test_params_are_scalars(file: Callable[..., str]) -> None:
    content = '{"depth": 3, "rate": 0.1, "solver": "lbfgs", "warm": true, "seed": null}'
    expected = {"depth": 3, "rate": 0.1, "solver": "lbfgs", "warm": True, "seed": None}
    assert params_file(file(content)) == expected
    assert "--params: " in refusal(lambda: params_file(file('{"grid": [1, 2]}')))


def test_an_object_file_is_any_mapping_that_a_manifest_can_hold(file: Callable[..., str]) -> None:
    schema = {"inputs": {"type": "object", "properties": {"age": {"type": "number", "minimum": 1e-5}}}}
    assert object_file(file(dump_yaml(schema), "s.yml")) == schema
    deep = '{"a":' * 40 + "1" + "}" * 40
    assert "nested deeper than 32 levels" in refusal(lambda: object_file(file(deep), "--signature"))
    half = '{"a": "\\ud800"}'
    assert refusal(lambda: object_file(file(half), "--signature")).startswith("--signature: ")


def test_sections_are_texts_or_files(file: Callable[..., str]) -> None:
    path = file("Line one.\nLine two.\n\n", "limits.md")
    found = sections([f"limitations=@{path}", "use=Scoring."], "--card")
    assert found == {"limitations": "Line one.\nLine two.", "use": "Scoring."}
    assert "--card: 'missing.md' cannot be read" in refusal(lambda: sections(["a=@missing.md"], "--card"))


def test_texts_are_utf8(file: Callable[..., str]) -> None:
    assert text_or_file("ünïcode", "--title") == "ünïcode"
    assert "--title: " in refusal(lambda: text_or_file("\udcff", "--title"))
    assert "is not UTF-8 text" in refusal(lambda: text_file(file(b"\xff"), "--description-file"))


def test_a_data_set_is_a_name_and_a_digest() -> None:
    digest = "sha256:" + "0a" * 32
    assert data_set(f"hold@out@{digest}", "--dataset") == ("hold@out", digest)


@pytest.mark.parametrize(
    "text",
    [
        "holdout",
        "holdout@sha256:abc",
        "@sha256:" + "0a" * 32,
        "h@sha256:" + "0A" * 32,
        "h@sha256:" + "0a" * 32 + "\n",
    ],
)
def test_a_data_set_has_both(text: str) -> None:
    assert f"--dataset: {text!r} is not NAME@sha256:DIGEST" in refusal(lambda: data_set(text, "--dataset"))


def test_versions_are_numbers_or_semver() -> None:
    assert version_number("3", "--use") == 3
    assert version_number("1.2.0-rc.1", "--use") == "1.2.0-rc.1"


@pytest.mark.parametrize("text", ["0", "v3", "1.2", "latest", "٣"])
def test_what_is_no_version_is_quoted(text: str) -> None:
    assert f"--use: {text!r} is not a version" in refusal(lambda: version_number(text, "--use"))
