"""The contract is one: what a decoder accepts is what the published schema allows, for every kind of manifest.

Three ways to look for a difference: every single change of one place in a full manifest, every bound that a schema
states (at it and just beyond it), and several changes at once, found by hypothesis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.codec.schema import Schemas
from gitreg.core.decode import DecodeError
from tests.core.test_schemas import DECODERS, DOCUMENTS, KINDS, example, subschemas

Path = tuple[str | int, ...]
#: What a change leaves out.
GONE: Any = object()

_HEX = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJwmXBGYpbUvGYuYEWSPh7oE4oXQ0ivGZ0pmTjhUQ0yM"
NUMBERS: list[Any] = [
    0, 1, -1, 100, 101, 10_000, 10_001, 2**53 - 1, 2**53, -(2**53), 10**400,
    0.0, -0.0, 1.0, 0.5, 1e300, float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
TEXTS = [
    "", "x", "X", "x\n", "\nx", " x", "x ", "x\0", "ü", "é", "\ud800", "x y", "x  y", "-x", ".x", "x.",
    "x/y", "x\\y", "x:y",
    # names
    "none", "None", "latest", "v1", "v1x", "production", "con", "CON.txt", "com¹", "売上予測モデル", "हिन्दी",
    "모델", "①", "ﬁ", "²",
    "a" * 64, "a" * 65, "é" * 100, "é" * 101, "version.yaml", "Notes.yaml", "x.dvc", ".gitkeep", "x?y",
    "x\u202ey",
    # versions
    "1", "1.0.0", "1.0.0\n", "01.0.0", "1.0.0-rc.1", "1.0.0-01", "1.0.0+b", "1.0.0-", "1.0",
    "999999999.0.0", "1000000000.0.0",
    "1.0.0-" + ".".join("abcdefgh"), "1.0.0-" + ".".join("abcdefghi"), "1.0.0-" + "a" * 33,
    "1.0.0-" + "a" * 34,
    "1.0.0-" + "a" * 32 + "." + "b" * 25, "1.0.0-" + "a" * 32 + "." + "b" * 26, "1.0.0-" + "0" * 16 + "a",
    "1.0.0-" + "0" * 17 + "a",
    # digests, ids, moments
    f"sha256:{_HEX}", f"sha256:{_HEX}\n", f"sha256:{_HEX.upper()}", f"sha256:{_HEX[1:]}", f"sha256:{_HEX}0",
    f"sha1:{_HEX}", _HEX,
    "7f0c2a3e-5b1d-4c8e-9a44-0d6f3a1b2c5d", "7F0C2A3E-5B1D-4C8E-9A44-0D6F3A1B2C5D",
    "7f0c2a3e5b1d4c8e9a440d6f3a1b2c5d",
    "7f0c2a3e-5b1d-4c8e-9a44-0d6f3a1b2c5d\n",
    "2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z\n", "2026-11-20T10:00:00z", "2026-11-20 10:00:00Z",
    "2026-11-20T10:00:00+00:00",
    "2026-11-20T10:00:00.0Z", "2024-02-29T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-20T24:00:00Z",
    "2026-11-20T23:59:60Z",
    "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "２０２６-11-20T10:00:00Z",
    # local times, times of day, zones
    "2026-12-20T00:00", "2026-12-20T00:00\n", "2026-12-20T24:00", "2026-12-20T10:60", "2027-02-29T10:00",
    "2028-02-29T10:00", "2026-13-01T00:00", "2026-00-01T00:00", "2026-01-00T00:00", "2026-04-31T00:00",
    "1999-12-31T23:59", "2999-12-31T23:59", "3000-01-01T00:00", "2026-12-20 00:00", "2026-12-20",
    "2026-12-20T00:00Z", "２０２６-12-20T00:00",
    "00:00", "16:00", "16:00\n", "23:59", "24:00", "24:01", "23:60", "1:00", "16:0", "16:00:00", "１6:00",
    "UTC", "Europe/Berlin", "Europe/Berlin\n", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "europe/berlin",
    "Europe/", "/Europe", "Europe//Berlin", "../Europe", "Europe/../UTC", "A/B/C/D", "A/B/C/D/E",
    "A" * 31, "A" * 32, "localtime", "Zürich", "mon", "Mon", "monday",
    # packages
    "scikit-learn", "scikit_learn.x", "x-", "_x", "a" * 100, "a" * 101, "scikit-learn\n",
    # branches, formats, durations, keys
    "main", "a/b.c-d_e", "a//b", "a/", "a..b", "a/.b", "-a", "onnx", "ONNX", "a" * 32, "a" * 33, "1m", "0m",
    "99999w", "100000m", "24h",
    "24h\n", "1y", "1.5h", _KEY, f"{_KEY} alice", f"{_KEY} alice\n", f"{_KEY}\n", f"{_KEY} ",
    "ssh-rsa short", f"ssh-rsa {'A' * 8001}",
    # words
    "gitreg/v1", "gitreg/v2", "Policy", "Alias", "local", "hook", "solo", "integer", "semver", "higher",
    "lower", "all", "register",
]  # fmt: skip
OTHERS: list[Any] = [
    None, True, False, [], {}, [None], ["x"], [[]], [{}], {"x": None}, {"x": "y"}, {"": "y"},
    {"x" * 250: 1}, {"x" * 251: 1},
    {"metric": "x", "schema": {}}, {"metric": "x"}, {"schema": {}}, {"schema": []}, {"formats": {}},
    {"formats": None},
    {"card": ["x"]}, {"card": []}, {"environment": {}}, {"environment": None},
    {"environment": {"allow": []}}, {"in": "x", "for": "1h"}, {"approvals": []}, {"group": "x"},
    {"reason": "x"},
    {"days": ["mon"]}, {"days": []}, {"days": None}, {"days": ["mon"], "from": "2026-12-20T00:00"},
    {"from": "16:00", "to": "17:00"}, {"from": "2026-12-20T00:00", "to": "2026-12-21T00:00"},
    {"from": "2026-12-20T00:00"}, {"days": ["mon"], "to": "00:00", "zone": None},
    {"version": 1, "digest": f"sha256:{_HEX}"}, {"version": None, "digest": None}, {"provider": "local"},
]  # fmt: skip
VALUES = [*NUMBERS, *TEXTS, *OTHERS]
KEYS = [
    "",
    "x",
    "x" * 64,
    "x" * 65,
    "x" * 250,
    "x" * 251,
    "none",
    "v1",
    "9",
    "x y",
    "x\n",
    "売上",
    "name",
    "kind",
    "metric",
]


def accepted(kind: str, value: Any) -> bool:
    """Whether the decoder takes the value."""
    try:
        DECODERS[kind](value)
    except DecodeError:
        return False
    return True


def agreed(kind: str, value: Any, schemas: Schemas, change: object = None) -> bool:
    """Asserts that decoder and schema agree; their verdict."""
    verdict = accepted(kind, value)
    problems = schemas.problems(kind, value)
    assert verdict == (not problems), f"{change}: the decoder says {verdict}, the schema: {problems}"
    return verdict


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a value, the outermost first."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


def at(value: Any, path: Path) -> Any:
    """What is at a place."""
    for key in path:
        value = value[key]
    return value


def put(value: Any, path: Path, new: Any) -> Any:
    """A value with another one at a place, or with none there if it is ``GONE``."""
    if not path:
        return new
    key, *rest = path
    changed = list(value) if isinstance(value, list) else dict(value)
    if new is GONE and not rest:
        del changed[key]
    else:
        changed[key] = put(changed[key], tuple(rest), new)
    return changed


def renamed(value: Any, path: Path, key: str) -> Any:
    """A value with the key that leads to a place replaced by another."""
    around = at(value, path[:-1])
    return put(value, path[:-1], {key if old == path[-1] else old: item for old, item in around.items()})


def forms(kind: str, path: Path) -> list[dict[str, Any]]:
    """Every schema (references followed, alternatives apart) that may speak of a place."""
    root = DOCUMENTS[kind.lower()]
    found = [root]
    for key in path:
        found = [inner for form in found for inner in _alternatives(root, _inside(form, key))]
    return found


def _inside(form: dict[str, Any], key: str | int) -> Any:
    if isinstance(key, int):
        return form.get("items")
    return form.get("properties", {}).get(key, form.get("additionalProperties"))


def _alternatives(root: Any, form: Any) -> Iterator[dict[str, Any]]:
    if isinstance(form, dict) and "$ref" in form:
        yield from _alternatives(root, root["$defs"][form["$ref"].removeprefix("#/$defs/")])
    elif isinstance(form, dict):
        yield form
        for inner in form.get("anyOf", ()):
            yield from _alternatives(root, inner)


@cache
def sparse(kind: str) -> Mapping[Path, tuple[Any, Path]]:
    """For each place in the kind's examples a small valid manifest that has it, and where it is there."""
    return {path: _pruned(kind, value, path) for path, value in placed(kind).items()}


@cache
def placed(kind: str) -> Mapping[Path, Any]:
    """Every place in the kind's examples, and the first example that has it."""
    found: dict[Path, Any] = {}
    for number in range(len(DOCUMENTS[kind.lower()]["examples"])):
        value = example(kind, number)
        found |= {path: value for path in paths(value) if path not in found}
    return found


def _pruned(kind: str, value: Any, path: Path) -> tuple[Any, Path]:
    for depth in reversed(range(len(path))):
        around, kept = at(value, path[:depth]), path[depth]
        if isinstance(kept, int):
            value, path = put(value, path[:depth], [around[kept]]), (*path[:depth], 0, *path[depth + 1 :])
        for key in around if isinstance(around, dict) else ():
            for less in (GONE, []):
                fewer = put(value, (*path[:depth], key), less)
                if key != kept and accepted(kind, fewer):
                    value = fewer
                    break
    return value, path


def changes(kind: str) -> Iterator[tuple[object, Any]]:
    """Every change of one place: another value, no value, one key more, another key."""
    done = set()
    for place, (value, path) in sparse(kind).items():
        form = tuple(map(id, forms(kind, place)))
        if form not in done:
            yield from (((place, new), put(value, path, new)) for new in VALUES)
            yield from (((place, "bound", new), put(value, path, new)) for new in bounds(kind, place))
        done.add(form)
        if path:
            yield (place, "gone"), put(value, path, GONE)
        inner = at(value, path)
        for key in KEYS if isinstance(inner, dict) else ():
            yield (place, "and", key), put(value, path, inner | {key: inner.get(key)})
        for key in KEYS if path and isinstance(path[-1], str) else ():
            yield (place, "as", key), renamed(value, path, key)


def bounds(kind: str, place: Path) -> Iterator[Any]:
    """Values at the bounds that the schema states of a place, and just beyond them."""
    here = at(placed(kind)[place], place)
    for form in forms(kind, place):
        for length in _near(form, "Length"):
            yield from ("a" * length, "é" * length, "😀" * length)
        yield from _near(form, "imum")
        for count in _near(form, "Items") if isinstance(here, list) and here else ():
            yield [_least(kind, (*place, 0))] * count
        for count in _near(form, "Properties") if isinstance(here, dict) and here else ():
            yield {f"k{n}": next(iter(here.values())) for n in range(count)}


def _least(kind: str, place: Path) -> Any:
    """What stands at a place, without the keys that it can do without."""
    value, path = sparse(kind)[place]
    inner = at(value, path)
    for key in inner if isinstance(inner, dict) else ():
        if accepted(kind, fewer := put(value, (*path, key), GONE)):
            value = fewer
    return at(value, path)


def _near(form: dict[str, Any], what: str) -> Iterator[int]:
    for bound, step in (("min", -1), ("max", 1)):
        if bound + what in form:
            yield from (number for number in (form[bound + what], form[bound + what] + step) if number >= -1)


@pytest.mark.parametrize("kind", KINDS)
def test_examples_reach_every_part_of_their_schema(kind: str) -> None:
    """That what follows is not blind to some of it."""
    reached = {id(form) for path in placed(kind) for form in forms(kind, path)}
    parts = subschemas(DOCUMENTS[kind.lower()], indirect=False)
    assert [part for part in parts if "$ref" not in part and id(part) not in reached] == []


#: Where there are more, a part is tried each day, and all of them within days.
MOST_CHANGES = 1000


def of_today(found: list[tuple[object, Any]]) -> list[tuple[object, Any]]:
    parts = -(-len(found) // MOST_CHANGES)
    return found[datetime.now(UTC).toordinal() % parts :: parts]


@pytest.mark.parametrize("kind", KINDS)
def test_agree_on_every_single_change(kind: str, schemas: Schemas) -> None:
    tried = of_today(list(changes(kind)))
    verdicts = Counter(agreed(kind, value, schemas, change) for change, value in tried)
    assert verdicts[True] > 30
    assert verdicts[False] > 300


@st.composite
def changed(draw: st.DrawFn, kind: str) -> Any:
    """An example with up to three changes, each at any place of what the changes before have left."""
    value = example(kind, draw(st.integers(0, len(DOCUMENTS[kind.lower()]["examples"]) - 1)))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(paths(value))))
        inner = at(value, path)
        how = draw(st.sampled_from(["gone", "as", "value", "known", "known", "more"]))
        if how == "gone" and path:
            value = put(value, path, GONE)
        elif how == "as" and path and isinstance(path[-1], str):
            value = renamed(value, path, draw(st.sampled_from(KEYS) | st.text(max_size=4)))
        elif how == "value":
            value = put(value, path, draw(ANYTHING))
        elif how == "known":  # something that stands elsewhere in the same manifest, and so may fit
            value = put(value, path, at(example(kind), draw(st.sampled_from(list(paths(example(kind)))))))
        elif isinstance(inner, dict):
            value = put(value, path, inner | {draw(st.sampled_from(KEYS)): draw(ANYTHING)})
        elif isinstance(inner, list):
            value = put(value, path, [*inner, draw(ANYTHING)])
    return value


SCALARS = (
    st.sampled_from([*NUMBERS, *TEXTS, None, True, False]) | st.text(max_size=6) | st.floats() | st.integers()
)
ANYTHING = (
    SCALARS
    | st.sampled_from(OTHERS)
    | st.lists(SCALARS, max_size=2)
    | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)
)


@pytest.mark.parametrize("kind", KINDS)
def test_agree_on_several_changes(kind: str, schemas: Schemas) -> None:
    verdicts: Counter[bool] = Counter()

    @settings(max_examples=120, deadline=None, derandomize=True, database=None)
    @given(changed(kind))
    def check(value: Any) -> None:
        verdicts[agreed(kind, value, schemas)] += 1

    check()
    assert min(verdicts[True], verdicts[False]) > 10


def test_agree_on_an_alias_that_is_half_empty(schemas: Schemas) -> None:
    alias = example("Alias")
    for version in (1, "1.0.0", None, 0, GONE):
        for digest in (alias["digest"], None, "", GONE):
            value = put(put(alias, ("version",), version), ("digest",), digest)
            verdict = agreed("Alias", value, schemas)
            assert verdict == (
                (version in (1, "1.0.0") and digest == alias["digest"]) or (version is digest is None)
            )
