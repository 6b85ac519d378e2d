"""The contract of all forges, on GitHub: two people with a token each, who push over HTTP."""

from __future__ import annotations

import pytest
from forge_contract import Desk, ForgeContract

from forge.github_world import World


class TestTwoPeopleOnGithub(ForgeContract):
    @pytest.fixture
    def desks(self, hub: World) -> tuple[Desk, Desk]:
        return hub.desk("alice-gh"), hub.desk("bob-gh")
