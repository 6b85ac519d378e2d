"""What the tests of the scaffolded files start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow_kit import pin


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's configuration reaches a test."""
    pin(monkeypatch, tmp_path / "home")
