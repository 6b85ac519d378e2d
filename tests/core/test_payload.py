"""Addresses of external artifacts: what may be secret in them is found however it is written."""

from __future__ import annotations

import pytest

from gitreg.core.payload import external_uri_problem, without_secrets


@pytest.mark.parametrize(
    ("uri", "bare"),
    [
        ("https://bo:pw@example.com/m", "https://example.com/m"),
        ("https://ghp_token@example.com/m", "https://example.com/m"),
        ("s3://bucket/m?X-Amz-Signature=abc&x=1", "s3://bucket/m"),
        ("https://example.com/m?x%2Damz%2Dsignature=abc", "https://example.com/m"),
        ("https://example.com/m?a=1;token=abc", "https://example.com/m"),
        ("https://example.com/m?client_secret=abc", "https://example.com/m"),
        ("https://example.com/m#access_token=abc&x=1", "https://example.com/m"),
        ("https://example.com/m?x=1#access_token=abc", "https://example.com/m"),
    ],
)
def test_secrets_are_cut_out(uri: str, bare: str) -> None:
    assert without_secrets(uri) == bare
    assert "token" in (external_uri_problem(uri) or "")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/m",
        "ssh://git@example.com/m",
        "https://example.com/m?version=3#part",
        "dbfs:/models/token/sig",
        "https://example.com/signature?model=token",
    ],
)
def test_what_is_no_secret_stays(uri: str) -> None:
    assert without_secrets(uri) == uri
    assert external_uri_problem(uri) is None
