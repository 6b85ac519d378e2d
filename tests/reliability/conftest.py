"""Fixtures of the reliability tests. What they share with the benchmarks lies there."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks"))
