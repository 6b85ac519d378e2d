"""What tests of the fake forges share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from forge.github_kit import Team, make_template, team


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every team begins with."""
    folder = tmp_path_factory.mktemp("template")
    make_template(folder)
    return folder


@pytest.fixture
def acme(template: Path, tmp_path: Path) -> Iterator[Team]:
    """A public repository on a fake GitHub, and its people."""
    with team(template, tmp_path) as made:
        yield made
