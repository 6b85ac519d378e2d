"""Which files outside the registry's folder are rules: the globs of ``protected``."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.layout import DEFAULT_PROTECTED, Layout, Sort, matches_glob


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        (".github/**", ".github/workflows/x.yml", True),
        (".github/**", ".github", False),
        (".github/**", "x/.github/y", False),
        ("CODEOWNERS", "docs/CODEOWNERS", False),
        ("**/CODEOWNERS", "CODEOWNERS", True),
        ("**/CODEOWNERS", "a/b/CODEOWNERS", True),
        ("**/CODEOWNERS", "a/bCODEOWNERS", False),
        ("*.yml", "a.yml", True),
        ("*.yml", "a/b.yml", False),
        ("ci/?.sh", "ci/a.sh", True),
        ("ci/?.sh", "ci//.sh", False),
        ("a**b", "a/x/b", True),
        ("***", "a/b", True),
        ("", "a", False),
        ("[ab].(x|y)$", "[ab].(x|y)$", True),
        ("a", "a\n", False),
    ],
)
def test_globs(pattern: str, path: str, expected: bool) -> None:
    assert matches_glob(pattern, path) is expected


def as_regular_expression(pattern: str) -> re.Pattern[str]:
    """The same, tried one way after the other."""
    special = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    parts = filter(None, re.split(r"(\*\*/|\*+|\?)", pattern))
    source = "".join(special.get(part, ".*" if set(part) == {"*"} else re.escape(part)) for part in parts)
    return re.compile(source + r"\Z", re.DOTALL)


@given(
    st.lists(st.sampled_from(["a", "b", "/", "?", "*", "**", "**/"]), max_size=6).map("".join),
    st.text("ab/", max_size=8),
)
def test_globs_mean_what_regular_expressions_would(pattern: str, path: str) -> None:
    assert matches_glob(pattern, path) == bool(as_regular_expression(pattern).match(path))


@pytest.mark.parametrize(
    "pattern", ["**/" * 100 + "x", "**/a" * 100, "*a" * 200, "?*" * 200 + "/", "**a" * 150]
)
def test_no_glob_takes_long(pattern: str) -> None:
    begin = time.monotonic()
    for path in ("a/" * 60 + "y", "a" * 250):
        matches_glob(pattern, path)
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("root", ["", "some/folder"])
def test_another_gitreg_yaml_is_a_rules_file(root: str) -> None:
    layout = Layout(root)
    assert {layout.place(path).sort for path in ("gitreg.yaml", "x/gitreg.yaml", "a/b/gitreg.yaml")} == {
        Sort.RULES
    }
    assert layout.place(layout.path("models/a/gitreg.yaml")).sort is Sort.UNKNOWN
    assert layout.place("x/policy.yaml").sort is Sort.UNMANAGED


def test_workflows_are_rules_by_default() -> None:
    for path in (".github/workflows/a.yml", ".gitlab-ci.yml", "CODEOWNERS"):
        assert Layout("registry", DEFAULT_PROTECTED).place(path).sort is Sort.RULES
