"""What is shown and kept of addresses and errors: nothing that is secret."""

from __future__ import annotations

import pytest

from gitreg.surfaces.mlflow.shown import error_line, server_address, source_address, without_credentials


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:secret@db/mlflow?sslpassword=x", "postgresql://db/mlflow"),
        ("postgresql://me:p@ss@db/mlflow", "postgresql://db/mlflow"),
        ("https://token@mlflow.example.com/#/x", "https://mlflow.example.com/#/x"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
    ],
)
def test_a_server_is_shown_without_user_and_parameters(uri: str, shown: str) -> None:
    assert server_address(uri) == shown


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("s3://bucket/model?versionId=3", "s3://bucket/model?versionId=3"),
        ("https://me:p@ss@host/model?X-Amz-Signature=1&a=b", "https://host/model"),
        ("sftp://me@host/model", "sftp://me@host/model"),
        ("http://[", "the source"),
        ("/a/\udcff", "/a/?"),
    ],
)
def test_a_source_keeps_what_names_it(uri: str, shown: str) -> None:
    assert source_address(uri) == shown


def test_an_error_is_one_line() -> None:
    said = ValueError("no https://me:p@ss@host/x\n  nor https://host/a@b")
    assert error_line(said) == "no https://host/x nor https://host/a@b"
    assert error_line(ValueError()) == "ValueError"
    assert without_credentials("pkg @ git+https://t0ken@host/x@v1") == "pkg @ git+https://host/x@v1"
