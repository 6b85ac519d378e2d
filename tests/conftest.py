"""What tests of every layer share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitreg.core.codec.schema import Schemas

SCHEMAS = Path(__file__).parent.parent / "schemas"


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    """The published schemas of the manifests."""
    return Schemas({path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")})
