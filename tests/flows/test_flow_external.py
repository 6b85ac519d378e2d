"""External versions: registered by their address, of which nothing else is stored, and not to be pulled."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from flow_kit import Desk, git, promote

from gitreg.core.names import Reference
from gitreg.core.payload import external_payload
from gitreg.errors import Refused, UsageError
from gitreg.flows.copy import copy
from gitreg.flows.land import Landed, Rejected, land
from gitreg.flows.pull import pull
from gitreg.flows.register import NewVersion, register

URI = "https://api.example.com/models/大-2"


def external(desk: Desk, uri: str = URI, **said: object) -> Landed:
    found = register(desk("solo"), NewVersion("credit-risk", uri=uri, **said))  # type: ignore[arg-type]
    assert isinstance(found, Landed)
    return found


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/model",
        "sftp://user@host/model",
        "wasbs://container@account.blob.core.windows.net/model",
        "https://api.example.com/models?id=7#large",
        "openai:gpt",
        "/mnt/share/model",
    ],
)
def test_an_address_may_be_any(uri: str) -> None:
    assert external_payload(uri).files[0].size == len(uri)


def test_its_address_is_stored_like_any_artifact(solo: Desk, tmp_path: Path) -> None:
    external(solo, format="onnx", path=str(tmp_path / "is never read"))
    record = solo("solo").current()[1].demand_record("credit-risk", 4)
    data = URI.encode()
    assert record.artifact.as_yaml() == {
        "path": "external.uri",
        "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "size": len(data),
        "files": 1,
        "format": "external",
        "uri": URI,
    }
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert (solo.artifacts / "files" / "md5" / md5[:2] / md5[2:]).read_bytes() == data


def test_pull_refuses_it_and_says_the_address(solo: Desk, tmp_path: Path) -> None:
    external(solo)
    ws = solo("solo")
    with pytest.raises(Refused, match="bytes of credit-risk/4 are not in this registry, but at https"):
        pull(ws, ws.current()[1], Reference("credit-risk", 4), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_it_can_be_copied_and_promoted(solo: Desk) -> None:
    external(solo)
    ws = solo("solo")
    land(ws, promote(4, "staging"))
    copy(ws, Reference("credit-risk", 4), ws, "credit-risk", again=True)
    one, other = (ws.current()[1].demand_record("credit-risk", number).artifact for number in (4, 5))
    assert one == other


def test_a_formats_gate_bars_it(solo: Desk) -> None:
    folder = solo.root / "solo"
    text = (folder / "policy.yaml").read_text()
    gate = "{name: production, gates: [{formats: {deny: [external]}}],"
    (folder / "policy.yaml").write_text(text.replace("{name: production,", gate))
    git(folder, "commit", "-qam", "Nothing external is live")
    external(solo)
    with pytest.raises(Rejected, match="the format external is denied"):
        land(solo("solo"), promote(4, "production"))


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("", "0 characters"),
        ("x" * 2001, "2001 characters"),
        ("https://example.com/\n", "cannot be seen"),
        (" s3://bucket/model", "cannot be seen"),
        ("https://[half", "no URI"),
        ("https://me:s3cret@example.com/m", "a password or a token"),
        ("https://t0ken@example.com/m", "a password or a token"),
        ("ftp://me:s3cret@example.com/m", "a password or a token"),
        ("https://b.s3.amazonaws.com/m?X-Amz-Date=1&X-Amz-Signature=s3cret", "a password or a token"),
        ("wasbs://c@a.blob.core.windows.net/m?sv=1&sig=s3cret", "a password or a token"),
    ],
)
def test_an_address_that_is_none(solo: Desk, uri: str, says: str) -> None:
    with solo.unchanged("solo"), pytest.raises(UsageError, match=says) as error:
        external(solo, uri)
    assert "s3cret" not in str(error.value)
    assert "t0ken" not in str(error.value)
