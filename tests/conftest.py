"""What tests of every layer share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flow_kit import make_keys

from gitreg.core.codec.schema import Schemas

SCHEMAS = Path(__file__).parent.parent / "schemas"


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
