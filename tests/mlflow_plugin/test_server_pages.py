"""MLflow's own pages on a git registry, in a real browser: what they show, and what becomes of clicks."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flow_kit import git
from server_kit import PASSWORD, Server, client_of, registry

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response

#: An MLflow model as its pages read it: the version's page shows the signature.
MLMODEL = """\
flavors: {python_function: {loader_module: none}}
signature:
  inputs: '[{"type": "double", "name": "age", "required": true}]'
  outputs: '[{"type": "long", "name": "leaves", "required": true}]'
"""
QUIETLY = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: How long a page may take on a busy machine, in milliseconds.
PATIENCE = 60_000


def browser_path() -> str | None:
    """A Chromium of the system, or else the one that Playwright installed."""
    from playwright.sync_api import sync_playwright

    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    with sync_playwright() as play:
        own = play.chromium.executable_path
    return own if os.path.exists(own) else None


@pytest.fixture
def page(server: Server) -> Iterator[Page]:
    """A window of the browser in which alice is logged in; any error that a page meets fails the test."""
    from playwright.sync_api import sync_playwright

    executable = browser_path()
    if executable is None:
        pytest.skip("there is no Chromium")
    problems: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=executable, args=list(QUIETLY))
        made = browser.new_page(
            http_credentials={"username": "alice", "password": PASSWORD},
            viewport={"width": 1400, "height": 1000},
        )
        made.set_default_timeout(PATIENCE)
        made.route(lambda url: not url.startswith(server.url), lambda route: route.abort())
        made.on("pageerror", lambda error: problems.append(str(error)))
        made.on("response", lambda answer: problems.append(answer.url) if is_fault(answer) else None)
        yield made
        browser.close()
    assert problems == []


def is_fault(answer: Response) -> bool:
    """Whether a page is refused something that is not refused for a reason."""
    return answer.status >= 400 and answer.status != 403


def shows(page: Page, *texts: str) -> None:
    """Waits until a page shows all that."""
    for text in texts:
        page.get_by_text(text, exact=True).first.wait_for()


def test_the_pages_show_the_registry_and_change_it(
    server: Server, page: Page, tracking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(server, "eve", monkeypatch)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text(MLMODEL)
    run = client.create_run("0").info.run_id
    client.log_artifacts(run, os.fspath(tmp_path / "model"), "model")
    client.create_registered_model("leavers", tags={"team": "growth"}, description="who leaves us")
    for _ in range(2):
        client.create_model_version(
            "leavers", f"runs:/{run}/model", run, {"kind": "tree"}, description="by hand"
        )
    client.set_registered_model_alias("leavers", "challenger", "2")
    client.transition_model_version_stage("leavers", "1", "Staging")

    def told(form: str) -> str:
        return git(registry(server), "log", "-1", f"--format={form}", "main")

    page.goto(f"{server.url}/#/models")
    shows(page, "leavers", "Version 2")
    page.goto(f"{server.url}/#/models/leavers")
    shows(page, "who leaves us", "growth", "Version 1", "Version 2", "@ challenger", "eve", "by hand")
    page.goto(f"{server.url}/#/models/leavers/versions/1")
    shows(page, "by hand", "Staging", "Inputs (1)", "Outputs (1)")  # which it reads from the artifact
    page.get_by_placeholder("Name").fill("checked")
    page.get_by_placeholder("Value").fill("twice")
    with page.expect_response(lambda answer: "set-tag" in answer.url):
        page.get_by_role("button", name="Add", exact=True).last.click()
    shows(page, "checked", "twice")
    assert told("%s by %an") == "Annotate leavers/1 by alice"
    page.get_by_role("switch").click()  # back to the pages with stages
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    assert move(page, "Staging", "Archived")["model_version"]["current_stage"] == "Archived"
    assert told("%s by %an") == "Promote leavers/1 to archived by alice"
    before = told("%H")
    assert move(page, "Archived", "Production")["error_code"] == "PERMISSION_DENIED"
    page.get_by_text(
        re.compile(r"Promote leavers/1 to production: change request #\d+ asks for it")
    ).wait_for()
    assert told("%H") == before  # as it takes an approval to go live


def move(page: Page, stage: str, to: str) -> dict[str, Any]:
    """Moves the version that a page shows to another stage; what the server answers."""
    page.locator("[class*=stage]").get_by_text(stage, exact=True).first.click()
    page.locator("[role=menuitem]").filter(has_text=to).click()
    with page.expect_response(lambda answer: "transition-stage" in answer.url) as asked:
        page.get_by_role("dialog").get_by_role("button", name="OK").click()
    answer: dict[str, Any] = asked.value.json()
    return answer
