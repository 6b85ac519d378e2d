"""What may be called what: names in any script, references, and the order of versions."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core import names
from gitreg.core.names import (
    MAX_INTEGER,
    MAX_NAME_BYTES,
    MAX_NAME_CHARACTERS,
    OWN_FILES,
    Reference,
    Version,
    fold,
    is_semver,
    model_name_problem,
    nearest,
    parse_reference,
    parse_version,
    path_problem,
    payload_name_problem,
    pointer_name_problem,
    seen_as,
    version_key,
)
from gitreg.errors import UsageError


@pytest.mark.parametrize(
    "name",
    [
        "credit-risk",
        "v3",  # a model may be called so: its name stands alone in no reference
        "Fraud Detection v2.1_beta",
        "7",
        "売上予測モデル",
        "हिन्दी",
        "ไทย",
        "العربية",
        "Ünïcödé",
        "Ελληνικά.v1",
        "𝐱" * 50,
        "é" * 100,
        "x" * MAX_NAME_CHARACTERS,
        "console",
        "com10",
        "null",
        "a.b.c",
        "a-",
        "a_",
    ],
)
def test_good_model_names(name: str) -> None:
    assert model_name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "a name cannot be empty"),
        ("x" * 129, "129 characters are too many (at most 128)"),
        ("é" * 101, "202 bytes of UTF-8 are too many (at most 200)"),
        ("\ud800", "it holds a lone surrogate, which no file system can store"),
        (".hidden", "it begins with '.'; begin with a letter or digit"),
        ("-rf", "it begins with '-'; begin with a letter or digit"),
        (" a", "it begins with ' '; begin with a letter or digit"),
        ("\u0301a", "it begins with '\u0301'; begin with a letter or digit"),
        ("😀", "it begins with '😀'; begin with a letter or digit"),
        ("a/b", "'/' (U+002F) is not allowed; use letters, digits, '.', '_', '-'"),
        ("a\\b", "'\\\\' (U+005C) is not allowed; use letters, digits, '.', '_', '-'"),
        ("a\n", "'\\n' (U+000A) is not allowed; use letters, digits, '.', '_', '-'"),
        ("a\u200bb", "'\\u200b' (U+200B) is not allowed; use letters, digits, '.', '_', '-'"),
        ("a\u202eb", "'\\u202e' (U+202E) is not allowed; use letters, digits, '.', '_', '-'"),
        ("a\u00a0b", "'\\xa0' (U+00A0) is not allowed; use letters, digits, '.', '_', '-'"),
        ("a@b", "'@' (U+0040) is not allowed; use letters, digits, '.', '_', '-'"),
        ("x²", "'²' (U+00B2) is not allowed; use letters, digits, '.', '_', '-'"),
        (
            unicodedata.normalize("NFD", "é"),
            "it is not in Unicode normal form NFC, which writes 'é' (U+00E9) in it",
        ),
        # The ångström sign.
        ("\u212b", "it is not in Unicode normal form NFC, which writes 'Å' (U+00C5) in it"),
        ("a.", "it ends in '.': Windows drops a dot or space at the end"),
        ("a ", "it ends in ' ': Windows drops a dot or space at the end"),
        ("a  b", "it holds two spaces in a row"),
        ("con", "Windows reserves it as a device name"),
        ("CON.txt", "Windows reserves it as a device name"),
        ("Nul .tar.gz", "Windows reserves it as a device name"),
        ("aux", "Windows reserves it as a device name"),
        ("COM1", "Windows reserves it as a device name"),
        ("lpt0.onnx", "Windows reserves it as a device name"),
        ("ｃｏｎ", "Windows reserves it as a device name"),  # full width, folded
    ],
)
def test_bad_model_names(name: str, problem: str) -> None:
    assert model_name_problem(name) == problem


@pytest.mark.parametrize("name", ["production", "Champion", "a", "a.b-c_d", "x" * 64, "v1x", "v", "nones"])
def test_good_pointer_names(name: str) -> None:
    assert pointer_name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("", "use a letter"),
        ("1a", "use a letter"),
        ("-a", "use a letter"),
        ("a b", "use a letter"),
        ("a/b", "use a letter"),
        ("a\n", "use a letter"),
        ("é", "use a letter"),
        ("x" * 65, "use a letter"),
        ("a.", "ends in a dot"),
        ("none", "reserved"),
        ("None", "reserved"),
        ("LATEST", "reserved"),
        ("v1", "reserved"),
        ("V007", "reserved"),
        ("con", "device"),
        ("Com1.x", "device"),
    ],
)
def test_bad_pointer_names(name: str, part: str) -> None:
    assert part in (pointer_name_problem(name) or "")


@pytest.mark.parametrize(
    "name",
    [
        "model.onnx",
        "model",
        "my model (2).tar.gz",
        "売上.bin",
        ".hidden",
        "x" * 128,
        "a~b",
        "-",
    ],
)
def test_good_payload_names(name: str) -> None:
    assert payload_name_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "a/b", "a\\b", "a:b", "a*", "a?", 'a"', "a|b", "a<b", "a\n", "a\u202eb", " a", "a ",
        "a.", "x" * 129, "é" * 101,
    ]
    + [
        "nul", "CON.bin", unicodedata.normalize("NFD", "é"), "model.onnx.dvc", "A.DVC", ".git",
        ".gitmodules", ".GitKeep", "\ud800",
    ]
    + [name.upper() for name in sorted(OWN_FILES)],
)  # fmt: skip
def test_bad_payload_names(name: str) -> None:
    assert payload_name_problem(name)


class TestFolding:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("Credit-Risk", "credit-risk"),
            ("straße", "STRASSE"),
            ("ﬁt", "fit"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("K", "\u212a"),  # Kelvin sign
            ("Å", "\u212b"),
            ("モデル", "ﾓﾃﾞﾙ"),
            ("Ａ１", "a1"),
            ("e\u0301", "É"),
        ],
    )
    def test_makes_one_name_of_what_looks_the_same(self, one: str, other: str) -> None:
        assert fold(one) == fold(other)

    @pytest.mark.parametrize(("one", "other"), [("a", "а"), ("resume", "résumé"), ("a-b", "a_b"), ("ı", "i")])
    def test_keeps_apart_what_is_spelled_differently(self, one: str, other: str) -> None:
        assert fold(one) != fold(other)

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(st.text(max_size=12))
    def test_is_done_once_for_all(self, name: str) -> None:
        assert fold(fold(name)) == fold(name)
        assert fold(unicodedata.normalize("NFD", name)) == fold(name)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters() | st.sampled_from("aZ0._- "), min_size=1, max_size=10))
def test_a_good_model_name_fits_every_file_system_and_reference(name: str) -> None:
    if model_name_problem(name) is None:
        assert len(name.encode()) <= MAX_NAME_BYTES
        assert not set(name) & set('/\\<>:"|?*@\0')
        assert name.isprintable()
        assert name == unicodedata.normalize("NFC", name)
        assert name.split(".")[0].strip().lower() not in {"con", "nul", "prn", "aux"}
        for reference in (Reference(name), Reference(name, version=3), Reference(name, alias="a")):
            assert parse_reference(str(reference)) == reference


class TestReferences:
    @pytest.mark.parametrize("scheme", ["", "models:/"])
    @pytest.mark.parametrize(
        ("text", "reference"),
        [
            ("credit-risk/3", Reference("credit-risk", version=3)),
            ("credit-risk/1.4.0-rc.1", Reference("credit-risk", version="1.4.0-rc.1")),
            ("credit-risk/latest", Reference("credit-risk")),
            ("credit-risk/Latest", Reference("credit-risk")),
            ("credit-risk/production", Reference("credit-risk", stage="production")),
            ("credit-risk@champion", Reference("credit-risk", alias="champion")),
            ("売上予測モデル@champion", Reference("売上予測モデル", alias="champion")),
            ("my model v2/9007199254740991", Reference("my model v2", version=MAX_INTEGER)),
        ],
    )
    def test_are_read(self, text: str, reference: Reference, scheme: str) -> None:
        assert parse_reference(scheme + text) == reference

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("credit-risk", "it names no version, stage or alias"),
            ("", "it names no version, stage or alias"),
            ("/3", "it names no model"),
            ("@champion", "it names no model"),
            ("credit-risk/", "'' is no version, stage or alias"),
            ("credit-risk@", "'' is no version, stage or alias"),
            ("credit-risk/v3", "'v3' is no version, stage or alias (it is reserved)"),
            ("credit-risk/none", "(it is reserved)"),
            ("credit-risk@latest", "(it is reserved)"),
            ("credit-risk/0", "'0' is no version"),
            ("credit-risk/03", "'03' is no version"),
            ("credit-risk/1.4", "'1.4' is no version"),
            ("credit-risk/9007199254740992", "is no version"),
            ("a/b/3", "'/' (U+002F) is not allowed"),
            ("--upload-pack=x/3", "begins with '-'"),
            ("a/3\n", "is no version"),
            ("../x/3", "begins with '.'"),
        ],
    )
    def test_are_refused_in_one_line(self, text: str, part: str) -> None:
        with pytest.raises(UsageError) as raised:
            parse_reference(text)
        assert part in raised.value.message
        assert "\n" not in raised.value.message
        assert raised.value.hint == "write NAME/3, NAME/latest, NAME/production or NAME@champion"


class TestVersions:
    @pytest.mark.parametrize(
        ("text", "version"),
        [
            ("1", 1),
            ("42", 42),
            ("9007199254740991", MAX_INTEGER),
            ("0.0.0", "0.0.0"),
            ("1.0.0-alpha.1", "1.0.0-alpha.1"),
            ("1.0.0-0a", "1.0.0-0a"),
            ("1.0.0--", "1.0.0--"),
        ],
    )
    def test_are_read(self, text: str, version: Version) -> None:
        assert parse_version(text) == version
        assert type(parse_version(text)) is type(version)

    # The invalid ones of https://regex101.com/r/vkijKf/1/, to which semver.org refers, and gitreg's own.
    @pytest.mark.parametrize(
        "text",
        [
            "", "0", "-1", "01", "1.2", "1.2.3-0123", "1.2.3-0123.0123", "1.1.2+.123", "+invalid",
            "-invalid", "alpha", "alpha.beta", "1.2.3.DEV", "1.2-SNAPSHOT", "1.0.0-alpha_beta",
            "1.0.0-alpha..", "1.0.0-alpha..1", "01.1.1", "1.01.1", "1.1.01", "-1.0.3-gamma", "1.2.31.2.3",
            "1.0.0-", "1.0.0+build", "1.0.0-rc.1+build", "v1.0.0", "1.0.0\n", "１.0.0", "9007199254740992",
            "1" * 17, "1.0.0-" + "a" * 60,
        ],
    )  # fmt: skip
    def test_are_refused(self, text: str) -> None:
        assert parse_version(text) is None
        assert not is_semver(text)

    #: https://semver.org/#spec-item-11: each precedes the next.
    SPEC = (
        "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
        "1.0.0", "2.0.0", "2.1.0", "2.1.1",
    )  # fmt: skip

    def test_stand_in_the_order_of_the_specification(self) -> None:
        shuffled = list(self.SPEC)
        random.Random(0).shuffle(shuffled)
        assert sorted(shuffled, key=version_key) == list(self.SPEC)

    @pytest.mark.parametrize(
        ("lower", "higher"),
        [
            (2, 10),
            ("1.9.0", "1.10.0"),
            ("1.0.0-2", "1.0.0-11"),
            ("1.0.0-999999999", "1.0.0-a"),
            ("1.0.0-A", "1.0.0-a"),
            ("1.0.0-a", "1.0.0-a.0"),
            ("1.0.0-a-b", "1.0.0-b"),
            ("1.0.0-1a", "1.0.0-1b"),
        ],
    )
    def test_have_an_order(self, lower: Version, higher: Version) -> None:
        assert version_key(lower) < version_key(higher)


@pytest.mark.parametrize("problem", [model_name_problem, pointer_name_problem, payload_name_problem])
def test_no_name_is_slow_to_judge(problem: Callable[[str], str | None]) -> None:
    for name in ("a" * 1_000_000, "\u0301" * 1_000_000, "." * 1_000_000):
        assert problem(name)


@given(st.text(max_size=12) | st.text(alphabet="aZ09._- é", max_size=12))
def test_usual_names_are_judged_as_all_others(name: str) -> None:
    with patch.object(names, "_USUAL", re.compile("(?!)")):
        thorough = model_name_problem(name)
    assert model_name_problem(name) == thorough


@given(st.text(max_size=20))
def test_names_in_ascii_are_folded_as_all_others(name: str) -> None:
    nfkc = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    assert fold(name) == nfkc
    assert fold(name.encode("ascii", "ignore").decode()) == name.encode("ascii", "ignore").decode().casefold()


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            *("..", "a/../b", "./a", "a//b", "/a", "a/", "", "a\\..\\b"),
            *(".git", ".GIT/config", "a/.git", "git~1", "GIT~1/x", ".git. .", ".git::$INDEX_ALLOCATION"),
            *("a\\.git\\config", ".g\u200cit", "\ufeff.git"),
        ],
    )
    def test_that_no_checkout_holds(self, path: str) -> None:
        assert path_problem(path)

    @pytest.mark.parametrize(
        "path", ["a", ".gitignore", "git", "a/git~2", "a.git", "...", "a\\b", "a b", ".git-x"]
    )
    def test_that_one_holds(self, path: str) -> None:
        assert path_problem(path) is None

    @pytest.mark.parametrize(
        "path", ["A/B.yaml", "a\\b.yaml", "ａ/b.yaml.", "a ./b.yaml:x", "a/b\u200d.yaml", "a/b.yaml"]
    )
    def test_that_some_system_takes_for_another(self, path: str) -> None:
        assert seen_as(path) == "a/b.yaml"

    @pytest.mark.parametrize("judge", [path_problem, seen_as])
    def test_are_judged_quickly(self, judge: Callable[[str], object]) -> None:
        for path in ("." * 1_000_000 + "a", ".git" + " " * 1_000_000 + "a", "/" * 1_000_000, "a:" * 500_000):
            judge(path)


@pytest.mark.parametrize("slip", ["credit-rsik", "credit-risks", "redit-risk", "dredit-risk", "credit-ris"])
def test_what_was_meant_is_found_among_many_names(slip: str) -> None:
    many = [f"{team}-{number:04}" for team in ("aaa", "credit", "zzz") for number in range(3000)]
    assert nearest(slip, [*many, "credit-risk"]) == "credit-risk"
    assert nearest("no such thing", many) is None
    assert nearest("credit-risk", ["credit-risk"]) is None
