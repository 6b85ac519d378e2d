"""The contract of all forges, on GitLab: two people with a token each, who push over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from forge_contract import Desk, ForgeContract

from forge.gitlab_kit import world


class TestTwoPeopleOnGitlab(ForgeContract):
    @pytest.fixture
    def desks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Desk, Desk]]:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
        monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
        with world(tmp_path) as made:
            yield made.desk("alice"), made.desk("bob")
