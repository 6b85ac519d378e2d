"""The rules, specified by example: README.md in this folder says how a case is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from registry_kit import NOW, World, base_files, files_in, shown, snapshot, verdict

from gitreg.core.codec.schema import Schemas
from gitreg.core.findings import Finding, Outcome
from gitreg.core.ports import (
    FILE,
    Conversation,
    DispatchedRun,
    Entry,
    Hand,
    ListedFile,
    Presence,
    Pusher,
    Review,
)
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import RawChange, blob_oid
from gitreg.core.verify.engine import validate
from gitreg.core.verify.evidence import Contents, InnerChange, Landing, Unknown
from gitreg.core.verify.rule import PushedRef
from gitreg.core.verify.rules import PUSH_RULES, SNAPSHOT_RULES, all_rules

HERE = Path(__file__).parent
DOCS = HERE.parent.parent / "docs" / "rules"
RULES = set(all_rules())
OF_REGISTRIES = {each.rule.name for each in SNAPSHOT_RULES}
EXAMPLE = re.compile(r"^```\w+\n.*?^```$", re.MULTILINE | re.DOTALL)
HEAD = "b" * 40
ALL_WRITERS = [
    f"{person}-{where}" for person in ("alice", "bo", "carol", "dan", "erin") for where in ("gh", "gl")
]
CASES = sorted(path.parent for path in HERE.glob("*/*/*/case.yaml"))


@dataclass(frozen=True)
class State:
    """The files of one side of a case, and the modes of those that are not plain files."""

    files: Mapping[str, bytes]
    modes: Mapping[str, str]

    def snapshot(self) -> Snapshot:
        return snapshot(self.files, self.modes)

    def then(self, case: Path, side: str, said: Mapping[str, Any]) -> State:
        """This state with what the case says of a side: what is moved, removed and replaced, then whole files."""
        assert said.keys() <= {"move", "copy", "remove", "replace", "write", "mode"}, said.keys()
        files = dict(self.files)
        for old, new in said.get("move", {}).items():
            files = {_moved(path, old, new): data for path, data in files.items()}
        for old, new in said.get("copy", {}).items():
            files |= {_moved(path, old, new): data for path, data in files.items() if _is_in(path, old)}
        for gone in said.get("remove", []):
            kept = {path: data for path, data in files.items() if not _is_in(path, gone)}
            assert len(kept) < len(files), f"{gone} is not there to be removed"
            files = kept
        for path, texts in said.get("replace", {}).items():
            files[path] = _replaced(files[path].decode(), texts).encode()
        files |= {path: text.encode() for path, text in said.get("write", {}).items()}
        files |= files_in(case / side)
        return State(files, {**self.modes, **said.get("mode", {})})


def _is_in(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


def _moved(path: str, old: str, new: str) -> str:
    return new + path.removeprefix(old) if _is_in(path, old) else path


def _replaced(text: str, texts: Mapping[str, str]) -> str:
    for old, new in texts.items():
        assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def _known(said: object) -> Any:
    """``unknown: why`` is an answer that could not be had."""
    unknown = isinstance(said, str) and said.startswith("unknown: ")
    return Unknown(str(said).removeprefix("unknown: ")) if unknown else said


def _presence(said: Any) -> Presence | Unknown:
    known = _known(said)
    if isinstance(known, Unknown):
        return known
    return Presence(tuple(known.get("missing", ())), tuple(known.get("corrupt", ())))


def _contents(said: Any) -> Contents:
    known = _known(said)
    return tuple(ListedFile(**file) for file in known) if isinstance(known, list) else known


def _entry(said: Mapping[str, Any], key: str) -> Entry | None:
    text = said.get(key)
    return None if text is None else Entry(said.get("mode", FILE), blob_oid(text.encode()))


def _inner(said: Mapping[str, Any]) -> InnerChange:
    """``was`` and ``write`` are the texts before and after (left out: no file); ``size`` counts where it is given."""
    assert said.keys() <= {"commit", "path", "was", "write", "mode", "size"}, said.keys()
    raw = RawChange(said["path"], _entry({**said, "mode": FILE}, "was"), _entry(said, "write"))
    size = said.get("size", None if raw.new is None else len(said["write"]))
    return InnerChange(said["commit"], raw, size)


def _landing(said: Mapping[str, Any]) -> Landing:
    times = {
        key: datetime.fromisoformat(said[key]) for key in ("time", "parent_time", "received") if key in said
    }
    found: dict[str, Any] = {"commit": "c" * 40, "ref": "refs/heads/main", "time": NOW} | {**said} | times
    return Landing(
        **found | {"astray": tuple(RawChange(path, None, None) for path in said.get("astray", ()))}
    )


#: A run that opens a request for somebody, as it should be; a case says what is otherwise.
RUN = {
    "workflow": ".github/workflows/gitreg-promote.yml",
    "event": "workflow_dispatch",
    "branch": "main",
    "title": "Promote credit-risk/3 to production",
}


def _ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def _hand(said: Any, role: str) -> Hand:
    """An account alone, or what a :class:`Hand` takes."""
    return Hand(**{"role": role} | (said if isinstance(said, dict) else {"account": said}))


def _review(said: Mapping[str, Any]) -> Review:
    rest = {"decision": "approved", "commit": HEAD} | {**said}
    return Review(at=_ago(rest.pop("ago", 60)), **rest)


def _run(said: Mapping[str, Any]) -> DispatchedRun:
    rest = RUN | {**said}
    actor = _hand(rest.pop("actor"), "requester")
    return DispatchedRun(actor=actor, started=_ago(rest.pop("ago", 121)), **rest)


def _conversation(said: Any) -> Conversation | Unknown:
    if isinstance(said, Unknown):
        return said
    found = {"provider": "github", "writers": ALL_WRITERS} | said
    return Conversation(
        provider=found["provider"],
        head=HEAD,
        author=_hand(found.get("author", "erin-gh"), "author"),
        hands=tuple(_hand(each, "author") for each in found.get("hands", ())),
        reviews=tuple(map(_review, found.get("reviews", ()))),
        since=_ago(found["since"]) if "since" in found else None,
        writers=frozenset(found["writers"]),
        run=_run(found["run"]) if "run" in found else None,
        void=found.get("void"),
        problems=tuple(found.get("problems", ())),
    )


def _world(said: Mapping[str, Any]) -> World:
    found = {key: _known(value) for key, value in said.items()}
    if "conversation" in found:
        found["conversation"] = _conversation(found["conversation"])
        found = {"author": None, "approvals": [], "request": "1"} | found
    if isinstance(found.get("inner"), list):
        found["inner"] = tuple(map(_inner, found["inner"]))
    if "landing" in found:
        found["landing"] = _landing(found["landing"])
    if "pusher" in found:
        found["pusher"] = Pusher(**found["pusher"])
    if "landers" in found:
        found["landers"] = {path: _known(who) for path, who in found["landers"].items()}
    if isinstance(found.get("approvals"), list):
        given = (each if isinstance(each, dict) else {"by": each} for each in found["approvals"])
        found["approvals"] = tuple(given)
    found["presence"] = {name: _presence(value) for name, value in said.get("presence", {}).items()}
    found["zones"] = {zone: _known(value) for zone, value in said.get("zones", {}).items()}
    found["contents"] = {name: _contents(value) for name, value in said.get("contents", {}).items()}
    return World(**found)


@dataclass(frozen=True)
class Case:
    """One example: what a registry is (``head``), or what a change makes of one (``base``), and what comes of it."""

    base: State
    head: State
    landed: State
    world: World
    is_registry: bool
    push: tuple[PushedRef, ...] | None
    expected: list[tuple[str, str, str, str]]


def read(folder: Path) -> Case:
    said = yaml.safe_load((folder / "case.yaml").read_text())
    keys = {"because", "judge", "base", "head", "landed", "world", "push", "expect"}
    assert said.keys() <= keys, said.keys() - keys
    assert said["because"].strip().endswith("."), "because is a sentence"
    base = State(base_files(), {}).then(folder, "base", said.get("base", {}))
    default = "registry" if folder.parent.parent.name in OF_REGISTRIES else "change"
    return Case(
        base,
        base.then(folder, "head", said.get("head", {})),
        base.then(folder, "landed", said.get("landed", {})),
        _world(said.get("world", {})),
        said.get("judge", default) == "registry",
        tuple(PushedRef(**ref) for ref in said["push"]) if "push" in said else None,
        [_expectation(each) for each in said.get("expect", [])],
    )


def _expectation(said: Mapping[str, str]) -> tuple[str, str, str, str]:
    assert said.keys() <= {"rule", "at", "says", "outcome"}, said.keys()
    return said["rule"], said.get("at", "-"), said["says"], said.get("outcome", "fail")


def _agrees(finding: Finding, expected: tuple[str, str, str, str]) -> bool:
    rule, at, says, outcome = expected
    place = finding.location
    where = "-" if place is None else f"{place.path}:{place.line}" if place.line else place.path
    return (finding.rule, where, finding.outcome) == (rule, at, outcome) and says in finding.message


@pytest.mark.parametrize("folder", CASES, ids=lambda path: path.relative_to(HERE).as_posix())
def test_a_case_has_exactly_the_findings_that_it_expects(folder: Path, schemas: Schemas) -> None:
    case = read(folder)
    if case.push is not None:
        _demand_expected([f for rule in PUSH_RULES for f in rule.check(case.push)], case)
        return
    base, head = case.base.snapshot(), case.head.snapshot()
    if case.is_registry:
        found = validate(head, schemas)
        change = {finding.rule for finding in verdict(base, head, schemas, case.world)}
        assert not found or change & {finding.rule for finding in found}, (
            "a change that leads there is let pass"
        )
    else:
        if not case.world.bootstrap:
            assert shown(validate(base, schemas)) == [], "the base of a case is a valid registry"
        found = verdict(case.landed.snapshot(), head, schemas, case.world, merge_base=base)
    # What other rules merely note is not what a case is about.
    own = {rule.id for rule in RULES if rule.name == folder.parent.parent.name}
    found = [finding for finding in found if finding.outcome is not Outcome.WARNING or finding.rule in own]
    _demand_expected(found, case)


def _demand_expected(found: list[Finding], case: Case) -> None:
    assert len(found) == len(case.expected), shown(found)
    for finding, expected in zip(found, case.expected, strict=True):
        assert _agrees(finding, expected), shown(found)


def test_the_base_is_a_valid_registry(schemas: Schemas) -> None:
    assert shown(validate(snapshot(base_files()), schemas)) == []


def test_ids_and_names_of_rules_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", sorted(RULES, key=lambda r: r.id), ids=lambda rule: rule.name)
def test_every_rule_has_cases_of_its_own(rule: Any) -> None:
    cases = [path for path in CASES if path.parent.parent.name == rule.name]
    assert any(path.parent.name == "pass" for path in cases)
    failing = [read(path) for path in cases if path.parent.name == "fail"]
    assert failing
    assert all(rule.id in {expected[0] for expected in case.expected} for case in failing)


def test_every_case_belongs_to_a_rule_and_passing_ones_expect_nothing() -> None:
    assert {path.parent.parent.name for path in CASES} == {rule.name for rule in RULES}
    assert {path.parent.name for path in CASES} == {"pass", "fail"}
    assert not [path for path in CASES if path.parent.name == "pass" and read(path).expected]


def test_every_rule_has_one_page_and_nothing_else_is_there() -> None:
    assert {path.name for path in DOCS.iterdir()} == {"README.md", *(f"{rule.id}.md" for rule in RULES)}


@pytest.mark.parametrize("rule", sorted(RULES, key=lambda r: r.id), ids=lambda rule: rule.name)
def test_the_page_of_a_rule_has_its_name_and_both_examples(rule: Any) -> None:
    text = (DOCS / f"{rule.id}.md").read_text()
    assert re.findall(r"^# .*", _without_examples(text), re.MULTILINE) == [f"# {rule.id} {rule.name}"]
    assert text.startswith(f"# {rule.id} {rule.name}\n\n")
    examples = EXAMPLE.findall(text)
    assert any(re.search(r"\bfails\b", example, re.IGNORECASE) for example in examples)
    assert any(re.search(r"\bpasses\b", example, re.IGNORECASE) for example in examples)


def test_the_table_of_rules_links_each_page_once() -> None:
    links = re.findall(r"\[([^]]+)\]\((GR\d+\.md)\)", (DOCS / "README.md").read_text())
    assert sorted(links) == sorted((f"{rule.id} {rule.name}", f"{rule.id}.md") for rule in RULES)


def test_findings_link_to_the_page_of_their_rule() -> None:
    root = DOCS.parent.parent
    assert all((root / Finding(rule.id, "x").link).is_file() for rule in RULES)


def _without_examples(text: str) -> str:
    return EXAMPLE.sub("", text)
