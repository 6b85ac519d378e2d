"""Signed statements as they are stored: strict JSON in a git blob, ``{"statement": {…}, "signature": "…"}``.

What is signed is the statement's canonical JSON, computed anew from what was read: whoever reads a statement and
whoever checks its signature see the same values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn

from gitreg.adapters.forge.ssh import check_signature
from gitreg.core.ports import READ_LIMIT, Signature, Signer, Statement
from gitreg.errors import UsageError

#: How deep objects and lists may nest.
MAX_DEPTH = 32
#: A change id: a sha256 in hex.
SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def canonical(value: Mapping[str, object]) -> bytes:
    """The one way to write ``value`` as JSON: keys sorted, no spaces, UTF-8 without escapes where JSON allows.

    Raises:
        UsageError: it holds what JSON cannot (NaN, infinities, lone surrogates).
    """
    try:
        text = json.dumps(
            dict(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()
    except ValueError as error:
        raise UsageError(f"this cannot be written as JSON: {error}") from error


def read_object(data: bytes) -> dict[str, object]:
    """Decodes one JSON object that anybody may have written.

    Raises:
        ValueError: it is too large or too deep, repeats a key, holds what ``canonical`` refuses, or is no object.
    """
    if len(data) > READ_LIMIT:
        raise ValueError(f"it is larger than {READ_LIMIT} bytes")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_without_repetition, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    if _is_deeper(value, MAX_DEPTH):
        raise ValueError("it is nested too deeply")
    _demand_canonical(value)
    return value


def seal(body: Mapping[str, object], signer: Signer) -> bytes:
    """Signs a statement; returns the blob to store."""
    return canonical({"statement": dict(body), "signature": signer.sign(canonical(body))})


def unseal(data: bytes, ref: str) -> Statement:
    """Reads a stored statement and checks its signature. A blob that is none gives an invalid, empty statement."""
    try:
        envelope = read_object(data)
    except ValueError as error:
        return _invalid(ref, f"not a statement: {error}")
    body, armored = envelope.get("statement"), envelope.get("signature")
    if (
        envelope.keys() != {"statement", "signature"}
        or not isinstance(body, dict)
        or not isinstance(armored, str)
    ):
        return _invalid(
            ref, "not a statement: it is not made of an object 'statement' and a string 'signature'"
        )
    return signed(body, armored, ref)


def signed(body: Mapping[str, object], armored: str, ref: str) -> Statement:
    """The statement ``body`` with what checking ``armored`` against it finds."""
    return Statement(body, check_signature(canonical(body), armored), ref)


def _invalid(ref: str, problem: str) -> Statement:
    return Statement({}, Signature(None, False, problem), ref)


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it repeats a key")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(child, levels - 1) for child in children)


def _demand_canonical(value: Mapping[str, object]) -> None:
    try:
        canonical(value)
    except UsageError as error:
        raise ValueError(error.message) from error


def demand_change_id(value: str) -> None:
    """Raises UsageError unless ``value`` is a change id: a sha256 in hex, safe in a ref's name."""
    if not SHA256.match(value):
        raise UsageError(f"{value[:80]!r} is not a change id (64 hex digits)")
