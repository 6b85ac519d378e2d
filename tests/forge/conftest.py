"""What tests of the fake forges share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from forge.github_kit import Team, team


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Team]:
    """A public repository on a fake GitHub, and its people."""
    with team(tmp_path) as made:
        yield made
