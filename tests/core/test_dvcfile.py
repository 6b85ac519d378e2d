from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.codec.dvcfile import decode_dvc, dump_dvc
from gitreg.core.codec.yaml import load_yaml
from gitreg.core.decode import DecodeError
from gitreg.core.names import payload_name_problem
from gitreg.core.ports import DvcPointer

FILE = DvcPointer("model.onnx", "5d41402abc4b2a76b9719d911017c592", 5, 1)
FOLDER = DvcPointer("model", "4932f9a9ac1ecf71aefd59a42a73e8c7.dir", 1280052, 7)


def fields(**changes: Any) -> dict[str, Any]:
    """The one output of a good file, with changes; None takes a key away."""
    good = {"md5": FOLDER.md5, "size": 5, "nfiles": 7, "hash": "md5", "path": "model"}
    return {key: value for key, value in {**good, **changes}.items() if value is not None}


def test_a_files_pointer_is_what_dvc_add_writes() -> None:
    assert dump_dvc(FILE) == (
        b"outs:\n- md5: 5d41402abc4b2a76b9719d911017c592\n  size: 5\n  hash: md5\n  path: model.onnx\n"
    )


def test_a_directorys_pointer_is_what_dvc_add_writes() -> None:
    assert dump_dvc(FOLDER) == (
        b"outs:\n- md5: 4932f9a9ac1ecf71aefd59a42a73e8c7.dir\n  size: 1280052\n  nfiles: 7\n"
        b"  hash: md5\n  path: model\n"
    )


# What ruamel.yaml, DVC's writer, makes of rare names.
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("売上予測.bin", "売上予測.bin"),
        ("a b.bin", "a b.bin"),
        ("-a", "-a"),
        ("a#b", "a#b"),
        ("a #b", "'a #b'"),
        ("#a", "'#a'"),
        ("- a", "'- a'"),
        ("-", "'-'"),
        ("---a", "'---a'"),
        ("...a", "'...a'"),
        ("[a]", "'[a]'"),
        ("a]", "a]"),
        ("@a", "'@a'"),
        ("a'b", "a'b"),
        ("'a'", "\"'a'\""),
        ("~", "'~'"),
        ("null", "'null'"),
        ("true", "'true'"),
        ("123", "'123'"),
        ("1e5", "'1e5'"),
        ("1.5", "'1.5'"),
        ("2020-01-01", "'2020-01-01'"),
        ("=", "'='"),
        # Differs from ruamel.yaml, which writes YAML 1.2 and leaves it bare:
        ("no", "'no'"),
    ],
)
def test_quotes_are_where_dvc_puts_them(name: str, shown: str) -> None:
    text = dump_dvc(DvcPointer(name, FILE.md5, 5, 1)).decode()
    assert text.splitlines()[-1] == f"  path: {shown}"
    assert decode_dvc(load_yaml(text.encode())).path == name


@pytest.mark.parametrize("md5", ["1" * 32, "1" * 8 + "e" + "1" * 23, "0" * 30 + "e1"])
def test_an_md5_that_looks_like_a_number_stays_text(md5: str) -> None:
    pointer = DvcPointer("m", md5, 5, 1)
    assert f"md5: '{md5}'" in dump_dvc(pointer).decode()
    assert decode_dvc(load_yaml(dump_dvc(pointer))) == pointer


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"]), min_size=1, max_size=12).filter(
    lambda name: payload_name_problem(name) is None
)
md5s = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(names, md5s, st.integers(1, 2**53 - 1), st.one_of(st.none(), st.integers(1, 10**6)))
def test_what_is_written_is_read_back(name: str, md5: str, size: int, files: int | None) -> None:
    pointer = DvcPointer(name, md5 if files is None else f"{md5}.dir", size, files or 1)
    assert decode_dvc(load_yaml(dump_dvc(pointer))) == pointer


@given(st.text("#'-.[]{}&!%@`~=,;()+ aeno01_é", min_size=1, max_size=6))
def test_names_of_special_characters_are_read_back(name: str) -> None:
    if payload_name_problem(name) is None:
        pointer = DvcPointer(name, FILE.md5, 5, 1)
        assert decode_dvc(load_yaml(dump_dvc(pointer))) == pointer


@pytest.mark.parametrize("path", ["a/b", "../a", "a\nouts:", "x.dvc", "version.yaml", ""])
def test_a_name_that_could_break_out_is_not_written(path: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        dump_dvc(DvcPointer(path, FILE.md5, 5, 1))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        [],
        {},
        {"outs": []},
        {"outs": {}},
        {"outs": [fields(), fields(path="other")]},
        {"outs": [fields()], "md5": FILE.md5},
        *(
            {"outs": [fields()], key: value}
            for key, value in [("deps", []), ("wdir", "/"), ("cmd", "x"), ("frozen", True)]
        ),
        *(
            {"outs": [fields()], key: value}
            for key, value in [("meta", {}), ("desc", ""), ("always_changed", True)]
        ),
        *(
            {"outs": [fields(**{key: False})]}
            for key in ["cache", "push", "persist", "isexec", "desc", "type"]
        ),
        *(
            {"outs": [fields(**{key: "x"})]}
            for key in ["remote", "url", "etag", "version_id", "fs_config", "files"]
        ),
        *(
            {"outs": [fields(path=path)]}
            for path in ["", "..", "a/b", "/a", "../a", "a\\b", "version.yaml", 5, None]
        ),
        *({"outs": [fields(hash=name)]} for name in ["sha256", "md5-dos2unix", 5, None]),
        *({"outs": [fields(size=size)]} for size in [0, -1, 1.0, True, "5", 2**53, None]),
        *({"outs": [fields(nfiles=files)]} for files in [0, -1, 1.0, True, "7", None]),
        *(
            {"outs": [fields(md5=md5)]}
            for md5 in ["", "x" * 32, "A" * 32 + ".dir", FILE.md5 + "\n", "../" + "a" * 29, 5, None]
        ),
        {"outs": [fields(md5=FILE.md5)]},  # a file with nfiles
    ],
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(DecodeError):
        decode_dvc(value)


def test_an_error_says_where() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_dvc({"outs": [fields(cache=False)]})
    assert caught.value.where == ("outs", 0, "cache")
    assert "unknown" in caught.value.message
