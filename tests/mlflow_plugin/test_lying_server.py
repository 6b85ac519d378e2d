"""An MLflow server that is after the machine of whoever imports its registry."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flow_kit import SOLO_POLICY, SOLO_REGISTRY, Desk, fast_import, git, rules
from http_kit import listening

from gitreg.core.plan.imports import LeftOut
from gitreg.errors import Undecided
from gitreg.flows.importing import Imported, import_models
from gitreg.surfaces.mlflow.reading import MlflowSource


class Liar:
    """What the server says of the one version that it claims to have."""

    def __init__(self) -> None:
        self.version: dict[str, object] = {"name": "m", "version": "1", "status": "READY"}
        self.source = ""
        self.is_endless = False
        self.headers: list[str | None] = []

    def answer(self, call: str) -> dict[str, object]:
        if call.endswith("registered-models/search"):
            more = {"next_page_token": "more"} if self.is_endless else {}
            return {"registered_models": [{"name": "m"}], **more}
        if call.endswith("registered-models/get"):
            return {"registered_model": {"name": "m", "aliases": [{"alias": "a", "version": "one"}]}}
        if call.endswith("model-versions/search"):
            return {"model_versions": [self.version]}
        if call.endswith("model-versions/get"):
            return {"model_version": self.version | {"source": self.source}}
        if call.endswith("get-download-uri"):
            return {"artifact_uri": self.source}
        return {}


@pytest.fixture
def liar() -> Liar:
    return Liar()


@pytest.fixture
def url(liar: Liar, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Says nothing."""

        def do_GET(self) -> None:
            liar.headers.append(self.headers.get("Authorization"))
            data = json.dumps(liar.answer(urlsplit(self.path).path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            self.do_GET()

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with listening(Handler) as url:
        yield url


@pytest.fixture
def here(tmp_path: Path, keys: Path) -> Iterator[Desk]:
    """An empty registry of one person, in ``solo``."""
    solo = tmp_path / "here" / "solo"
    solo.mkdir(parents=True)
    git(solo, "init", "-q", "--initial-branch=main")
    fast_import(solo, [("Begin the registry", rules(SOLO_POLICY, SOLO_REGISTRY))])
    git(solo, "config", "user.name", "Dan")
    git(solo, "config", "user.email", "dan@example.com")
    git(solo, "reset", "-q", "--hard")
    desk = Desk(tmp_path / "here", keys)
    yield desk
    desk.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of whoever imports."""
    place = tmp_path / "ssh" / "id_ed25519"
    place.parent.mkdir()
    place.write_text("PRIVATE KEY")
    return place


def brought(desk: Desk, url: str) -> Imported:
    return import_models(desk("solo"), MlflowSource(url), only=["m"])


@pytest.mark.parametrize("form", ["{}", "file://{}", "{folder}", "file://{folder}/", "FILE://{}"])
def test_no_file_of_this_machine_is_taken_on_its_word(
    liar: Liar, url: str, here: Desk, secret: Path, form: str
) -> None:
    liar.source = form.format(secret, folder=secret.parent)
    found = brought(here, url)
    (left,) = found.left
    assert (left.subject, found.models.get("m", ())) == ("m/1", ())
    assert "no MLflow model is there" in left.why
    assert here.objects() == set()


def test_a_model_on_a_file_system_that_both_see_is_taken(
    liar: Liar, url: str, here: Desk, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "MLmodel").write_text("flavors: {}\n")
    liar.source = os.fspath(tmp_path / "shared")
    assert brought(here, url).models == {"m": (1,)}


def test_no_other_registry_of_this_machine_is_taken(liar: Liar, url: str, here: Desk) -> None:
    liar.source = f"gitreg://{here.root / 'solo'}?model=private&version=1"
    (left,) = brought(here, url).left
    assert "is another registry" in left.why


@pytest.mark.parametrize("scheme", ["http", "mlflow-artifacts"])
def test_credentials_are_not_shown_to_another_host(
    liar: Liar, url: str, here: Desk, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "s3cret")
    port = url.rpartition(":")[2]
    liar.source = (
        f"{scheme}://localhost:{port}/mlflow-artifacts/artifacts/m"  # another name for it: another host
    )
    (left,) = brought(here, url).left
    assert "would be shown MLflow's credentials" in left.why
    asked = len(liar.headers)
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    brought(here, url)
    assert len(liar.headers) > asked
    assert liar.headers[-1] is None


def test_answers_without_an_end_are_not_followed(liar: Liar, url: str, here: Desk) -> None:
    liar.is_endless = True
    with pytest.raises(Undecided, match="no end"):
        brought(here, url)


@pytest.mark.parametrize("milliseconds", [10**18, -(10**18), -1])
def test_a_date_that_no_calendar_has_stops_nobody(liar: Liar, url: str, milliseconds: int) -> None:
    liar.version["creation_timestamp"] = milliseconds
    assert MlflowSource(url).model("m").versions[0].created_at.year in (1970, 9999)


def test_what_has_no_number_is_told(liar: Liar, url: str, here: Desk) -> None:
    liar.version["version"] = "1; rm -rf"
    found = brought(here, url)
    assert found.left == (LeftOut("m/1; rm -rf", "its number is none"),)
