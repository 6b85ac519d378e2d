"""Strict YAML: what it refuses, where and with what advice; and that what it takes means the same to every reader."""

from __future__ import annotations

import datetime
import math
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.codec import yaml as codec
from gitreg.core.codec.yaml import (
    MAX_BYTES,
    MAX_DEPTH,
    YamlError,
    dump_yaml,
    load_yaml,
    locate,
    locate_all,
    show_float,
    show_scalar,
)
from gitreg.core.decode import DecodeError, integer

ERROR = object()  # plain PyYAML refuses it as well

Trap = tuple[str, str, tuple[int, int], str | None, Any]


def unclear(text: str, plain: Any, fix: str, place: tuple[int, int] = (1, 4)) -> Trap:
    """A trap whose last word (the first one, at the first column) means different things to different readers."""
    word = text.split(":")[0] if place[1] == 1 else text.split()[-1]
    return text, f"{word[:40]!r} means different things to different readers", place, fix, plain


SECONDS = "2026-11-20T10:00:00"
TEN = datetime.datetime(2026, 11, 20, 10, tzinfo=datetime.UTC)
#: text; message; line and column; advice; what plain PyYAML silently makes of it
TRAPS: list[Trap] = [
    # YAML 1.1 types
    unclear("a: no\n", {"a": False}, 'write false, or "no" for the text'),
    unclear("a: On\n", {"a": True}, 'write true, or "On" for the text'),
    unclear("a: True\n", {"a": True}, 'write true, or "True" for the text'),
    unclear("a: y\n", {"a": "y"}, 'write true, or "y" for the text'),
    unclear("a: NULL\n", {"a": None}, 'write "NULL" for the text'),
    unclear("a:\n  - 010\n", {"a": [8]}, 'write 10 for the number, or "010" for the text', (2, 5)),
    unclear("a: 0o17\n", {"a": "0o17"}, 'write "0o17" for the text'),
    unclear("a: 0x1F\n", {"a": 31}, 'write "0x1F" for the text'),
    unclear("a: 0b11\n", {"a": 3}, 'write "0b11" for the text'),
    unclear("a: 1_0\n", {"a": 10}, 'write 10 for the number, or "1_0" for the text'),
    unclear("a: +1\n", {"a": 1}, 'write 1 for the number, or "+1" for the text'),
    unclear("a: 1:30\n", {"a": 90}, 'write "1:30" for the text'),
    unclear("a: 1:30.5\n", {"a": 90.5}, 'write "1:30.5" for the text'),
    unclear("a: 1e-5\n", {"a": "1e-5"}, 'write 1.0e-05 for the number, or "1e-5" for the text'),
    unclear("a: 1.5e3\n", {"a": "1.5e3"}, 'write 1500.0 for the number, or "1.5e3" for the text'),
    unclear("a: .5\n", {"a": 0.5}, 'write 0.5 for the number, or ".5" for the text'),
    unclear("a: 1.\n", {"a": 1.0}, 'write 1.0 for the number, or "1." for the text'),
    unclear("a: 2026-11-20\n", {"a": datetime.date(2026, 11, 20)}, 'write "2026-11-20" for the text'),
    unclear("a: 2026-11-20T10:00:00Z\n", {"a": TEN}, 'write "2026-11-20T10:00:00Z" for the text'),
    unclear(f"a: {SECONDS}.{'0' * 50}Z\n", {"a": TEN}, f'write "{SECONDS}.{"0" * 50}Z" for the text'),
    unclear("a: .inf\n", {"a": math.inf}, 'write ".inf" for the text'),
    unclear("a: -.INF\n", {"a": -math.inf}, 'write "-.INF" for the text'),
    unclear("a: =\n", ERROR, 'write "=" for the text'),
    unclear("on: push\n", {True: "push"}, 'write true, or "on" for the text', (1, 1)),
    # numbers that not every reader holds
    (
        "a: 9007199254740993\n", "9007199254740993 is not an integer that every reader holds exactly",
        (1, 4), "quote it", {"a": 9007199254740993},
    ),
    ("a: -0\n", "-0 is not an integer that every reader holds exactly", (1, 4), "quote it", {"a": 0}),
    (
        "a: 1.0e+999\n", "1.0e+999 is not a number that every reader holds",
        (1, 4), "write fewer digits", {"a": math.inf},
    ),
    # keys
    ("a: 1\nb: 2\na: 3\n", "the key 'a' stands here twice", (3, 1), "keep one of them", {"a": 3, "b": 2}),
    ('a: 1\n"a": 3\n', "the key 'a' stands here twice", (2, 1), "keep one of them", {"a": 3}),
    ("1: x\n", "the key '1' is not text", (1, 1), 'write "1"', {1: "x"}),
    ("a: {null: x}\n", "the key 'null' is not text", (1, 5), 'write "null"', {"a": {None: "x"}}),
    ("? [a]\n: 1\n", "a key must be plain text", (1, 3), "write each key as text", ERROR),
    # what is composed behind the reader's back
    (
        "a: &x {b: 1}\nc: *x\n", "the anchor &x is not allowed",
        (1, 4), "write the value out where it is used", {"a": {"b": 1}, "c": {"b": 1}},
    ),
    ("a: &x 1\n", "the anchor &x is not allowed", (1, 4), "write the value out where it is used", {"a": 1}),
    ("&x a: 1\n", "the anchor &x is not allowed", (1, 1), "write the value out where it is used", {"a": 1}),
    ("a: *x\n", "the alias *x is not allowed", (1, 4), "write the value out", ERROR),
    ("a:\n  <<: {b: 1}\n", "the merge key << is not allowed", (2, 3), "write the values out", {"a": {"b": 1}}),
    unclear("a: <<\n", ERROR, 'write "<<" for the text'),
    ("a: !!str 3\n", "the tag tag:yaml.org,2002:str is not allowed", (1, 4), "remove it", {"a": "3"}),
    ("a: !!binary aGk=\n", "the tag tag:yaml.org,2002:binary is not allowed", (1, 4), "remove it", {"a": b"hi"}),
    ("a: ! 3\n", "the tag ! is not allowed", (1, 4), "remove it", {"a": 3}),
    ("!!set {a}\n", "the tag tag:yaml.org,2002:set is not allowed", (1, 1), "remove it", {"a"}),
    (
        "%YAML 1.1\n---\na: 1\n", "a YAML directive is not allowed",
        (1, 1), "remove the line that begins with %", {"a": 1},
    ),
    (
        "%TAG ! tag:x,2002:\n---\na: 1\n", "a YAML directive is not allowed",
        (1, 1), "remove the line that begins with %", {"a": 1},
    ),
    ("a: 1\n---\na: 2\n", "a second document begins here", (2, 1), "keep one document in a file", ERROR),
    ("a: 1\n...\n---\n", "a second document begins here", (3, 1), "keep one document in a file", ERROR),
    # what nobody sees
    ("\ufeffa: 1\n", "the file holds the invisible character U+FEFF", (1, 1), "remove it", {"a": 1}),
    (
        "a: 1\nb: x\u202ey\n", "the file holds the invisible character U+202E",
        (2, 5), "remove it", {"a": 1, "b": "x\u202ey"},
    ),
    ("a: x\u2066y\n", "the file holds the invisible character U+2066", (1, 5), "remove it", {"a": "x\u2066y"}),
    ("a: x # \u200f\n", "the file holds the invisible character U+200F", (1, 8), "remove it", {"a": "x"}),
    ("a: 'x\u2028y'\n", "the file holds the invisible character U+2028", (1, 6), "remove it", {"a": "x\u2028y"}),
    ("a: x\u0085b: 1\n", "the file holds the invisible character U+0085", (1, 5), "remove it", {"a": "x", "b": 1}),
    ("a: x\0\n", "the file holds the invisible character U+0000", (1, 5), "remove it", ERROR),
    ("a: x\x1b[2J\n", "the file holds the invisible character U+001B", (1, 5), "remove it", ERROR),
    ("a: x\x7f\n", "the file holds the invisible character U+007F", (1, 5), "remove it", ERROR),
    ("", "the file is empty", (1, 1), None, None),
    ("# nothing\n", "the file is empty", (1, 1), None, None),
]  # fmt: skip


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With either of PyYAML's parsers."""
    if request.param == "python":
        monkeypatch.setattr(codec, "PARSER", yaml.SafeLoader)
    return str(request.param)


def test_the_fast_parser_is_used_where_it_is_there() -> None:
    assert yaml.__with_libyaml__
    assert codec.PARSER is yaml.CSafeLoader


@pytest.mark.parametrize(("text", "message", "place", "fix", "plain"), TRAPS)
def test_traps_are_findings(
    text: str, message: str, place: tuple[int, int], fix: str | None, plain: Any, parser: str
) -> None:
    with pytest.raises(YamlError) as raised:
        load_yaml(text.encode())
    error = raised.value
    assert (error.message, (error.line, error.column), error.fix) == (message, place, fix)


@pytest.mark.parametrize(("text", "plain"), [(trap[0], trap[4]) for trap in TRAPS])
def test_plain_pyyaml_walks_into_them(text: str, plain: Any) -> None:
    """The reason for a reader of our own. (``y`` and ``1e-5`` are traps because other readers differ from PyYAML.)"""
    if plain is ERROR:
        with pytest.raises(yaml.YAMLError):
            yaml.safe_load(text)
    else:
        assert repr(yaml.safe_load(text)) == repr(plain)


@pytest.mark.parametrize("text", ["a: .nan\n", "a: .NaN\n"])
def test_not_a_number_is_refused(text: str, parser: str) -> None:
    with pytest.raises(YamlError, match="means different"):
        load_yaml(text.encode())
    assert math.isnan(yaml.safe_load(text)["a"])


@pytest.mark.parametrize(
    ("text", "line"), [
        ("a: [1\nb: 2\n", 2), ("a: 'x\n", 2), ("a: b: c\n", 1), ("\ta: 1\n", 1), ("a: @x\n", 1),
        ("a: %x\n", 1),
    ]
)  # fmt: skip
def test_what_is_no_yaml_has_a_place(text: str, line: int) -> None:
    with pytest.raises(YamlError, match=r"^not YAML: ") as raised:
        load_yaml(text.encode())
    assert raised.value.line in {line, line + 1}
    assert raised.value.column is not None


def test_what_is_not_utf8_has_a_line() -> None:
    with pytest.raises(YamlError, match="the file is not UTF-8") as raised:
        load_yaml("a: x\nb: é\n".encode("latin-1"))
    assert raised.value.line == 2
    with pytest.raises(YamlError, match="not UTF-8"):
        load_yaml("a: 1\n".encode("utf-16"))
    assert yaml.safe_load("a: 1\n".encode("utf-16")) == {"a": 1}


def test_size_is_bounded() -> None:
    fits = b"a: " + b"x" * (MAX_BYTES - 3)
    assert load_yaml(fits) == {"a": "x" * (MAX_BYTES - 3)}
    with pytest.raises(YamlError, match="the file is larger than 64 KiB"):
        load_yaml(fits + b"x")
    assert load_yaml(fits + b"x", MAX_BYTES + 1)


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_depth_is_bounded_before_anything_is_composed(brackets: str, parser: str) -> None:
    def nested(depth: int) -> bytes:
        opening = "{a: " if brackets == "{}" else "["
        return (opening * depth + "1" + brackets[1] * depth).encode()

    load_yaml(nested(MAX_DEPTH))
    with pytest.raises(YamlError, match="nested deeper than 32 levels"):
        load_yaml(nested(MAX_DEPTH + 1))
    if parser == "libyaml":  # PyYAML's composer recurses: in C until the process dies, in Python until this
        with pytest.raises(YamlError, match="nested deeper"):
            load_yaml(b"[" * 500_000, 1 << 20)
        with pytest.raises(RecursionError):
            yaml.safe_load("[" * 5000)


def test_a_thousand_laughs_cost_nothing() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    with pytest.raises(YamlError, match="the anchor &a0 "):
        load_yaml("\n".join(lines).encode())


@pytest.mark.parametrize(
    "text", ["1" * 60_000, "1." * 30_000, "1:" * 30_000, "-" * 60_000, "0" * 60_000 + "x", "_" * 60_000]
)
def test_long_scalars_are_judged_quickly(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(YamlError):
        load_yaml(b"a: " + text.encode())
    dump_yaml({"a": text})
    assert time.process_time() - begun < 1


def test_integers_are_told_from_what_resembles_them() -> None:
    for text in ("1.0", "true", '"1"'):
        with pytest.raises(DecodeError, match="an integer is expected"):
            integer()(load_yaml(text.encode()), ())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: -9007199254740991", {"a": -9007199254740991}),
        ("a: 0", {"a": 0}),
        ("a: 0.5", {"a": 0.5}),
        ("a: -1.5e-7", {"a": -1.5e-7}),
        ("a: true", {"a": True}),
        ("a: null", {"a": None}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: ''", {"a": ""}),
        ("a: 'no'", {"a": "no"}),
        ('"1": x', {"1": "x"}),
        ("a: 1.0.0", {"a": "1.0.0"}),
        ("a: v1", {"a": "v1"}),
        ("a: nothing", {"a": "nothing"}),
        ("a: 3 apples", {"a": "3 apples"}),
        ("a: sha256:0", {"a": "sha256:0"}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: >-\n  x\n  y\n", {"a": "x y"}),
        ("a: [1, {b: c}]\n", {"a": [1, {"b": "c"}]}),
        ("---\na: 1\n...\n", {"a": 1}),
        ("a: 売上予測モデル # コメント\r\nb: x\r\n", {"a": "売上予測モデル", "b": "x"}),
        ("? a\n: b\n", {"a": "b"}),
    ],
)
def test_the_rest_reads_as_it_looks(text: str, value: object, parser: str) -> None:
    found = load_yaml(text.encode())
    assert repr(found) == repr(value)
    assert repr(yaml.safe_load(text)) == repr(value)


PIECES = st.sampled_from(
    [
        "0", "1", "7", "9", ".", ":", "-", "+", "_", "e", "E", "x", "o", "b", "f", "A", " ", "y", "n", "t",
        "O", "~", "=", "<", "T", "Z", "inf", "nan", "null", "true", "no", "off", "2026-11-20", "1:30", "é",
        "/", "@", "%", "`", "!", "&", "*", "#", "'", '"', "\n ", ": ", ", ", "{", "}", "[", "]", "- ", "? ",
        "|\n  ", ">\n  ", "\n", "\r\n",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(["", "a: ", "a:\n  - ", "a: [", "a: {b: "]), st.lists(PIECES, max_size=8).map("".join))
def test_what_is_accepted_means_the_same_to_pyyaml(start: str, rest: str) -> None:
    text = start + rest + {"a: [": "]", "a: {b: ": "}"}.get(start, "")
    try:
        value = load_yaml(text.encode())
    except YamlError:
        return
    assert repr(yaml.load(text, Loader=yaml.CSafeLoader)) == repr(value)


class TestLocate:
    text = "a: 1\nключ:   # ж\n  - x: {w: [1, 2]}\n    é: |\n      text\n  -\nlast: 3\n"

    @pytest.mark.parametrize(
        ("where", "place"),
        [
            ((), (1, 1)),
            (("a",), (1, 1)),
            (("ключ",), (2, 1)),
            (("ключ", 0), (3, 5)),
            (("ключ", 0, "x"), (3, 5)),
            (("ключ", 0, "x", "w"), (3, 9)),
            (("ключ", 0, "x", "w", 1), (3, 16)),
            (("ключ", 0, "é"), (4, 5)),
            (("ключ", 0, "gone"), (3, 5)),
            (("ключ", 0, "x", "w", 1, "deeper"), (3, 16)),
            (("gone", "deeper"), (1, 1)),
            (("last",), (7, 1)),
        ],
    )
    def test_knows_places(self, where: Any, place: tuple[int, int], parser: str) -> None:
        assert locate(self.text.encode(), where) == place
        assert locate(self.text.replace("\n", "\r\n").encode(), where) == place

    def test_knows_many_places_from_one_pass(self) -> None:
        """A file of 1 MiB may have fifty things wrong with it."""
        data = ("params:\n" + "".join(f"  k{n}: []\n" for n in range(20_000))).encode()
        begin = time.process_time()
        assert locate_all(data, [("params", f"k{n}") for n in range(500)]) == [(n + 2, 3) for n in range(500)]
        assert time.process_time() - begin < 20

    @pytest.mark.parametrize("data", [b"", b"a: no\n", b"a: [", b"\xff"])
    def test_knows_none_in_what_is_no_strict_yaml(self, data: bytes) -> None:
        assert locate(data, ("a",)) is None


CHARACTERS = st.characters(exclude_categories=["Cs"])
WORDS = st.sampled_from(
    [
        "no", "y", "null", "~", "1", "010", "1:30", "1e5", "2026-11-20", "<<", "=", ".inf", "- a", "a: b",
        "a #b", "#a", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a", "---", "...", "a\nb", "a\n", "\na", " a",
        "a ", "\ta", "a\\b", 'a"b', "a'b", "{a}", "[a]", "a,b", "?", "-", ":", "a:", "é", "売上", "😀",
        "\u2028", "\ufeff", "\x85", "\u202e", "\x7f", "\x00", "１", "x" * 300,
    ]
)  # fmt: skip
TEXTS = WORDS | st.text(CHARACTERS, max_size=12)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)


class TestDump:
    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(VALUES)
    def test_reads_back_as_the_same(self, value: object) -> None:
        text = dump_yaml(value)
        assert repr(load_yaml(text.encode())) == repr(value)
        assert repr(yaml.safe_load(text)) == repr(value)

    def test_is_how_manifests_look(self) -> None:
        pin = {"version": 3, "digest": "sha256:8f43"}
        value: object = {
            "name": "credit-risk",
            "versions": [pin],
            "previous": [],
            "tags": {},
            "runs": [["a", 1], {"b": {"c": [2]}}],
            "when": "2026-11-20T10:00:00Z",
            "text": "two\nlines",
            "none": None,
            "rate": 1e-05,
        }
        assert dump_yaml(value) == (
            "name: credit-risk\n"
            "versions:\n"
            '  - {version: 3, digest: "sha256:8f43"}\n'
            "previous: []\n"
            "tags: {}\n"
            "runs:\n"
            "  - - a\n"
            "    - 1\n"
            "  - b:\n"
            "      c:\n"
            "        - 2\n"
            'when: "2026-11-20T10:00:00Z"\n'
            'text: "two\\nlines"\n'
            "none: null\n"
            "rate: 1.0e-05\n"
        )

    @pytest.mark.parametrize(
        "value",
        [
            math.nan, math.inf, {"a": -math.inf}, 2**53, -(2**53), [10**400], "\ud800", {"k" * 1001: 1},
            {"\x01" * 200: 1}, {1: 2}, {None: 1}, b"x", {1, 2}, datetime.date(2026, 1, 1),
        ],
    )  # fmt: skip
    def test_refuses_what_strict_yaml_cannot_say(self, value: object) -> None:
        with pytest.raises(ValueError, match=r".") as raised:
            dump_yaml(value)
        assert len(str(raised.value)) < 100

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (1.0, "1.0"),
            (1e22, "1.0e+22"),
            (1e-7, "1.0e-07"),
            (-0.0, "-0.0"),
            (1.5e300, "1.5e+300"),
            (0.1, "0.1"),
        ],
    )
    def test_shows_floats_so_that_every_reader_knows_them_for_such(self, value: float, text: str) -> None:
        assert show_float(value) == text
        assert repr(yaml.safe_load(text)) == repr(value)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (True, "true"),
            (None, "null"),
            (3, "3"),
            ("true", '"true"'),
            ("3", '"3"'),
            ("a b", "a b"),
            ("", '""'),
            ("é", "é"),
        ],
    )
    def test_quotes_what_needs_it(self, value: object, text: str) -> None:
        assert show_scalar(value) == text
