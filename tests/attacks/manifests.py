"""Manifests that some reader misreads, chokes on, or obeys."""

from __future__ import annotations

import yaml

from attacks.attack_kit import Ground, attack

MODEL = "models/credit-risk/model.yaml"


def _pyyaml_takes_the_last(ground: Ground) -> None:
    assert yaml.safe_load(ground.read(MODEL, "attacker"))["title"] == "Another"


@attack(expect="GR101", succeeds_against=_pyyaml_takes_the_last)
def duplicate_key(ground: Ground) -> None:
    """One reader takes the first value and another the last."""
    ground.edit({MODEL: ground.read(MODEL) + "title: Another\n"})


@attack(expect="GR101", isolated=True)
def alias_bomb(ground: Ground) -> None:
    """A few lines that expand to billions of values."""
    rows = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 40)]
    ground.edit({MODEL: ground.read(MODEL) + "\n".join(["tags:", "  l0: &l0 x", *rows]) + "\n"})
