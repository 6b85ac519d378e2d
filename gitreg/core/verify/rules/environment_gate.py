"""GR310: a version's record names the environment that it runs in, and pins it, as the stage it enters asks.

Requirements are read as pip reads the lines of a requirements file
(https://pip.pypa.io/en/stable/reference/requirements-file-format/), each by the standard of dependency specifiers
(https://packaging.python.org/en/latest/specifications/dependency-specifiers/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gitreg.core.decode import show_value
from gitreg.core.delta import Transition
from gitreg.core.findings import Finding, Outcome
from gitreg.core.policy import EnvironmentGate
from gitreg.core.record import ModelVersion
from gitreg.core.verify.gates import GateResult, findings
from gitreg.core.verify.rule import ChangeRule, Judged, Rule

if TYPE_CHECKING:
    from packaging.requirements import Requirement

RULE = Rule("GR310", "environment-gate", "The record names the environment and pins it, as the stage asks")

#: How many lines a finding quotes.
MOST = 10
_COMMENT = re.compile(r"(?:^|\s)#.*")
_HASH_OPTION = re.compile(r"\s--hash[= ]\S+")
_HASH = re.compile(r"sha256=[0-9a-f]{64}|sha384=[0-9a-f]{96}|sha512=[0-9a-f]{128}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """One requirement: its index in the record, its text, the package it names (None: none), and if it is pinned."""

    index: int
    text: str
    package: str | None
    is_pinned: bool


def check(judged: Judged) -> Iterator[Finding]:
    """Judges every environment gate of every move."""
    yield from findings(RULE, judged, EnvironmentGate, judge)


def judge(judged: Judged, move: Transition, record: ModelVersion, gate: EnvironmentGate) -> GateResult:
    """Looks at the Python version and at each requirement."""
    lines = _lines(record.environment)
    wrong = _wrong(lines or [], gate)
    problems = [
        *_of_python(record.environment, gate),
        *_of_requirements(lines, gate),
        *(f"{what}: {_quoted(line.text for line in found)}" for what, found in wrong.items()),
    ]
    if not problems:
        return GateResult(_passed(record.environment, lines or [], gate), None)
    first = [("requirements", line.index) for found in wrong.values() for line in found]
    path = judged.head.layout.version(move.model, record.version)
    return GateResult(
        "; ".join(problems),
        Outcome.FAIL,
        judged.head.locate(path, "environment", *(first[0] if first else ())),
        "records are never edited: register the artifact again with --environment FILE, pinned as by pip freeze",
    )


def package_name(name: str) -> str:
    """A package's name in its one normalized form."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def _passed(environment: Mapping[str, object], lines: list[Line], gate: EnvironmentGate) -> str:
    python = f"Python {environment['python']}" if gate.python else "the environment"
    count = f"{len(lines)} requirement{'s' if len(lines) != 1 else ''}"
    return f"the record names {python} and {count}{', pinned' if gate.pinned and lines else ''}"


def _of_python(environment: Mapping[str, object], gate: EnvironmentGate) -> Iterator[str]:
    from packaging.version import InvalidVersion, Version

    found = environment.get("python")
    if not gate.python:
        return
    try:
        is_known = found is not None and len(Version(str(found)).release) > 1
    except InvalidVersion:
        is_known = False
    if not is_known:
        yield (
            "the record names no Python version"
            if found is None
            else f"{show_value(found)} is no Python version such as 3.11"
        )


def _of_requirements(lines: list[Line] | None, gate: EnvironmentGate) -> Iterator[str]:
    packages = {line.package for line in lines or ()}
    lacking = [name for name in gate.require if package_name(name) not in packages]
    if lines is None and gate.pinned:
        yield "the record lists no requirements"
    elif lacking:
        yield f"the requirements lack {_quoted(lacking)}"


def _wrong(lines: list[Line], gate: EnvironmentGate) -> dict[str, list[Line]]:
    """The lines that the gate does not let pass, by what is wrong with them."""
    allowed = None if gate.allow is None else {package_name(name) for name in gate.allow}
    loose = [line for line in lines if gate.pinned and not line.is_pinned]
    strange = [line for line in lines if allowed is not None and line.package not in allowed]
    found = {f"{len(loose)} of {len(lines)} requirements not pinned": loose, "not allowed": strange}
    return {what: some for what, some in found.items() if some}


def _quoted(texts: Iterable[str]) -> str:
    texts = list(texts)
    more = f" and {len(texts) - MOST} more" if len(texts) > MOST else ""
    return ", ".join(text if len(text) <= 80 else f"{text[:77]}..." for text in texts[:MOST]) + more


def _lines(environment: Mapping[str, object]) -> list[Line] | None:
    """The requirements without blank lines and comments; None if the record lists none."""
    found = environment.get("requirements")
    if not isinstance(found, list):
        return None
    texts = ((index, _COMMENT.sub("", str(text)).strip()) for index, text in enumerate(found))
    return [Line(index, text, *read_requirement(text)) for index, text in texts if text]


@lru_cache(maxsize=4096)
def read_requirement(text: str) -> tuple[str | None, bool]:
    """The package that a line names, and whether it pins it.

    What is no requirement (an option, a path, a bare address) names none and pins nothing.
    """
    from packaging.requirements import Requirement

    try:
        found = Requirement(_HASH_OPTION.sub("", text))
        return package_name(found.name), _is_pinned(found)
    except (ValueError, RecursionError):  # a marker nests as deep as its author likes
        return None, False


def _is_pinned(requirement: Requirement) -> bool:
    """Whether it names one version, or one archive with its hash."""
    if requirement.url is not None:
        address = urlsplit(requirement.url)
        is_web = address.scheme.lower() in {"https", "http"}
        return is_web and any(_HASH.fullmatch(part) for part in address.fragment.split("&"))
    exact = (each for each in requirement.specifier if each.operator in {"==", "==="})
    return any("*" not in each.version for each in exact)


ENVIRONMENT_GATE = ChangeRule(RULE, check)
