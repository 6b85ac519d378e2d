"""Templates with places to fill in, and parts that belong to the team that uses them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gitreg.core.codec.yaml import show_scalar
from gitreg.errors import Bug, UsageError

_TOKEN = re.compile(r"__([A-Z]+)__")
_PART = re.compile(
    r"^(?P<open>[ ]*# yours \((?P<name>[a-z]+)\).*\n)(?P<body>(?:.*\n)*?)(?P<close>[ ]*# end\n)", re.MULTILINE
)
#: A value that belongs to them: ``runs-on: ubuntu-latest # yours (runner)``.
_LINE = re.compile(
    r"^(?P<key> *[\w-]+: )(?P<value>\S.*?)(?P<mark> # yours \((?P<name>[a-z]+)\).*)$", re.MULTILINE
)


class Script(str):
    """A value of gitreg's own making, in which ``$`` is meant."""


def fill(template: str, values: Mapping[str, str | Sequence[str]]) -> str:
    """The template with each ``__NAME__`` replaced by a YAML scalar, or by a list in brackets.

    What was filled in is not looked at again. Raises UsageError for what the forge would not take for text.
    """
    shown = {name: _shown(value) for name, value in values.items()}
    missing = set(_TOKEN.findall(template)) - set(shown)
    if missing:
        raise Bug(f"nothing was given for {', '.join(sorted(missing))} in a template")
    return _TOKEN.sub(lambda found: shown[found[1]], template)


def _shown(value: str | Sequence[str]) -> str:
    if not isinstance(value, str):
        return f"[{', '.join(_shown(each) for each in value)}]"
    if isinstance(value, Script):
        return show_scalar(str(value))
    # ${{ }} is an expression to GitHub and $[[ ]] one to GitLab, however YAML quotes it; $ begins a variable there.
    if "$" in value or not value.isprintable():
        raise UsageError(
            f"{value!r} cannot stand in a workflow: CI would read more than text in it",
            "rename it; a name without $ and without control characters",
        )
    return show_scalar(value)


def keep_parts(new: str, old: str | None) -> str:
    """``new`` with the parts and values that belong to the team as they are in ``old``, where it has them."""
    parts = {found["name"]: found["body"] for found in _PART.finditer(old or "")}
    values = {found["name"]: found["value"] for found in reversed([*_LINE.finditer(old or "")])}
    text = _LINE.sub(lambda f: f["key"] + values.get(f["name"], f["value"]) + f["mark"], new)
    return _PART.sub(lambda f: f["open"] + parts.get(f["name"], f["body"]) + f["close"], text)
