"""Statements as blobs: what is signed, and what hostile blobs come to."""

from __future__ import annotations

import json
import subprocess

import pytest

from gitreg.adapters.forge.ssh import SshSigner
from gitreg.adapters.forge.statements import MAX_DEPTH, canonical, read_object, seal, unseal
from gitreg.core.ports import READ_LIMIT
from gitreg.errors import UsageError

BODY: dict[str, object] = {
    "action": "approve",
    "change": "c" * 64,
    "evidence": [{"digest": "sha256:0"}],
    "name": "売上",
}


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> SshSigner:
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return SshSigner(path)


def test_there_is_one_way_to_write_a_statement() -> None:
    assert canonical({"b": [1, True, None], "a": {"z": "é\n", "y": ""}}) == (
        '{"a":{"y":"","z":"é\\n"},"b":[1,true,null]}'.encode()
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_say_is_not_signed(value: object) -> None:
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        canonical({"a": value})


def test_a_statement_comes_back_as_it_was_made(signer: SshSigner) -> None:
    found = unseal(seal(BODY, signer), "refs/x")
    assert found.body == BODY
    assert found.ref == "refs/x"
    assert (found.signature.key, found.signature.valid) == (signer.public_key, True)


def test_layout_is_not_what_is_signed(signer: SshSigner) -> None:
    pretty = json.dumps(json.loads(seal(BODY, signer)), indent=4, ensure_ascii=True).encode()
    assert unseal(pretty, "").signature.valid


@pytest.mark.parametrize(
    "change", [{"action": "revoke"}, {"extra": 1}, {"name": "売 上"}, {"evidence": []}, {"change": "d" * 64}]
)
def test_a_changed_statement_is_not_what_was_signed(signer: SshSigner, change: dict[str, object]) -> None:
    envelope = json.loads(seal(BODY, signer))
    envelope["statement"].update(change)
    found = unseal(json.dumps(envelope).encode(), "")
    assert not found.signature.valid
    assert found.signature.key is None


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


HOSTILE = {
    "nothing": b"",
    "not text": b"\xff\xfe",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "not JSON": b"statement: {}",
    "no object": b"[1]",
    "NaN": b'{"a": NaN}',
    "minus infinity": b'{"a": -Infinity}',
    "infinity in disguise": b'{"a": 1e999}',
    "a huge integer": b'{"a": ' + b"9" * 5000 + b"}",
    "a repeated key": b'{"statement": {}, "statement": {"a": 1}, "signature": ""}',
    "a repeated key inside": b'{"statement": {"a": 1, "a": 2}, "signature": ""}',
    "a lone surrogate": b'{"a": "\\ud800"}',
    "deep": nested(MAX_DEPTH + 2),
    "very deep": nested(100_000),
    "very deep lists": b'{"a":' + b"[" * 500_000,
    "large": b'{"a": "' + b"x" * READ_LIMIT + b'"}',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_blobs_are_no_statements(data: bytes) -> None:
    found = unseal(data, "refs/x")
    assert (dict(found.body), found.signature.key, found.signature.valid) == ({}, None, False)
    assert str(found.signature.problem).startswith("not a statement: ")
    with pytest.raises(ValueError, match=r"."):
        read_object(data)


@pytest.mark.parametrize(
    "envelope",
    [
        {},
        {"statement": {}},
        {"statement": [], "signature": ""},
        {"statement": {}, "signature": None},
        {"statement": {}, "signature": "", "comment": ""},
    ],
)
def test_an_envelope_has_two_parts(envelope: dict[str, object]) -> None:
    assert str(unseal(json.dumps(envelope).encode(), "").signature.problem).startswith("not a statement: ")


def test_nesting_is_allowed_up_to_a_bound() -> None:
    assert read_object(nested(MAX_DEPTH))
    with pytest.raises(ValueError, match="too deeply"):
        read_object(nested(MAX_DEPTH + 1))


def test_a_statement_too_long_to_be_signed_is_not_valid(signer: SshSigner) -> None:
    envelope = json.loads(seal(BODY, signer))
    envelope["statement"]["padding"] = "x" * (70 << 10)
    assert "larger than" in str(unseal(json.dumps(envelope).encode(), "").signature.problem)
