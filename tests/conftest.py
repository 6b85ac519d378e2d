"""What tests of every layer share."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_kit import make_keys

from gitreg.core.codec.schema import Schemas

SCHEMAS = Path(__file__).parent.parent / "schemas"
#: A place in memory that many systems have, and the bytes that must be free there.
MEMORY, ENOUGH = Path("/dev/shm"), 4 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Keeps temporary files in memory, if there is room and nobody set ``TMPDIR``: tests make a million small ones."""
    if (
        "TMPDIR" not in os.environ
        and os.access(MEMORY, os.W_OK | os.X_OK)
        and shutil.disk_usage(MEMORY).free >= ENOUGH
    ):
        os.environ["TMPDIR"] = os.fspath(MEMORY)
        tempfile.tempdir = None  # what was read before is read again


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    """The published schemas of the manifests."""
    return Schemas({path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")})


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an SSH key for each person, and one of somebody whom the policy does not know."""
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def outside_ci() -> Iterator[None]:
    """The tests may run in CI, whose event is not theirs, and whose summaries they must not write."""
    names = [name for name in os.environ if name.startswith(("CI_", "GITHUB_", "GITLAB_", "RUNNER_"))]
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def compiled() -> Iterator[None]:
    """The programs that tests start may keep what Python compiles: the hook alone is a hundred modules, each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield
