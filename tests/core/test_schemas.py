"""The published schemas by themselves, the sentences that are made of them, and the schemas of a team's gates."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gitreg.core.codec.pattern import MAX_LENGTH
from gitreg.core.codec.problems import MOST
from gitreg.core.codec.schema import DIALECT, Problem, Schemas, check_instance, schema_problems
from gitreg.core.manifest import DECODERS as MANIFESTS
from gitreg.core.names import MAX_NAME_BYTES, model_name_problem, payload_name_problem, pointer_name_problem
from gitreg.core.policytest.case import KIND, decode_case
from gitreg.errors import Bug
from tests.conftest import SCHEMAS

#: What is read by a published schema: the manifests, and the cases that a policy is tested with.
DECODERS: dict[str, Callable[[object], object]] = {**MANIFESTS, KIND: decode_case}
KINDS = sorted(DECODERS)
DOCUMENTS: dict[str, Any] = {
    name: json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    for name in ["common", *map(str.lower, KINDS)]
}
COMMON = DOCUMENTS["common"]["$defs"]
EXAMPLES = [(kind, n) for kind in KINDS for n, _ in enumerate(DOCUMENTS[kind.lower()]["examples"])]


DIGEST = "sha256:8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"


def example(kind: str, number: int = 0) -> Any:
    """A copy of one of a schema's examples."""
    return copy.deepcopy(DOCUMENTS[kind.lower()]["examples"][number])


def subschemas(schema: Any, indirect: bool = True) -> Iterator[dict[str, Any]]:
    """A schema and every schema in it; with those that judge a value a second time, or its keys, if ``indirect``."""
    if not isinstance(schema, dict):
        return
    yield schema
    keywords = ["items", "additionalProperties"] + ["propertyNames", "if", "then", "else"] * indirect
    inner = [schema.get(keyword) for keyword in keywords] + schema.get("anyOf", [])
    for keyword in ("properties", "$defs"):
        inner += schema.get(keyword, {}).values()
    for each in inner:
        yield from subschemas(each, indirect)


class TestShippedSchemas:
    @pytest.mark.parametrize("name", sorted(DOCUMENTS))
    def test_are_valid_against_the_metaschema(self, name: str) -> None:
        schema = DOCUMENTS[name]
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == DIALECT
        assert schema["$id"] == f"urn:gitreg:schema:v1:{name}"

    @pytest.mark.parametrize("name", sorted(DOCUMENTS))
    def test_are_complete_in_one_file_each(self, name: str) -> None:
        """An editor or a checker gets one file: every reference leads into its own ``$defs``, all of which are used."""
        schema = DOCUMENTS[name]
        targets = {inner["$ref"] for inner in subschemas(schema) if "$ref" in inner}
        defined = {f"#/$defs/{key}" for key in schema["$defs"]}
        assert targets == defined if name != "common" else targets <= defined

    @pytest.mark.parametrize("name", sorted(DOCUMENTS))
    def test_agree_on_what_they_share(self, name: str) -> None:
        shared = DOCUMENTS[name]["$defs"].keys() & COMMON.keys()
        assert {key: DOCUMENTS[name]["$defs"][key] for key in shared} == {key: COMMON[key] for key in shared}

    def test_share_nothing_that_nobody_uses(self) -> None:
        used = {key for name in DOCUMENTS if name != "common" for key in DOCUMENTS[name]["$defs"]}
        assert COMMON.keys() <= used

    @pytest.mark.parametrize("name", sorted(DOCUMENTS))
    def test_describe_every_property(self, name: str) -> None:
        for inner in subschemas(DOCUMENTS[name]):
            for key, form in inner.get("properties", {}).items():
                described = "description" in form or set(form) <= {"$ref", "type"}
                assert described, f"{name}: {key}"
                if "$ref" in form and "description" not in form:
                    assert DOCUMENTS[name]["$defs"][form["$ref"].split("/")[-1]]["description"], key

    @pytest.mark.parametrize("name", sorted(DOCUMENTS))
    def test_close_every_mapping_whose_keys_are_known(self, name: str) -> None:
        for inner in subschemas(DOCUMENTS[name]):
            if inner.get("type") == "object" and "properties" in inner:
                assert inner["additionalProperties"] is False

    @pytest.mark.parametrize("name", sorted(DOCUMENTS))
    def test_bound_every_text_list_and_open_mapping(self, name: str) -> None:
        for inner in subschemas(DOCUMENTS[name]):
            types = inner.get("type", [])
            if "string" in types and inner.get("description") != "Set, as the version is.":
                assert inner["maxLength"] <= 16_384, inner
            if "array" in types:
                assert inner["maxItems"] <= 10_000, inner
            if isinstance(inner.get("additionalProperties"), dict):
                assert inner["maxProperties"] <= 1000, inner
                assert "propertyNames" in inner
            assert "integer" not in types or {"minimum", "maximum"} <= inner.keys()

    @pytest.mark.parametrize("name", sorted(DOCUMENTS))
    def test_have_patterns_that_every_reader_takes_alike(self, name: str) -> None:
        """``$`` alone lets a last newline pass in Python, and ``\\Z`` is no escape in ECMA 262."""
        for inner in subschemas(DOCUMENTS[name]):
            if "pattern" not in inner:
                assert "format" not in inner
                continue
            pattern, least = inner["pattern"], "a" * inner["maxLength"]
            assert pattern.startswith("^")
            assert pattern.endswith("$(?!\\n)")
            assert "title" in inner, "what the text is not, in a message"
            begun = time.perf_counter()
            re.search(pattern, least + "\n")
            re.search(pattern, "1." * (inner["maxLength"] // 2) + "!")
            assert time.perf_counter() - begun < 0.1

    def test_have_patterns_in_which_no_repetition_is_repeated_without_a_bound(self) -> None:
        """But for a branch's and a key's, whose inner repetitions begin with characters that the outer ones exclude."""
        nested = re.compile(r"[*+}]\)(?:[*+]|\{\d+,\})")
        for name in DOCUMENTS:
            for inner in subschemas(DOCUMENTS[name]):
                assert not nested.search(inner.get("pattern", ""))

    @pytest.mark.parametrize(("kind", "number"), EXAMPLES)
    def test_have_examples_that_validate_and_decode(self, kind: str, number: int, schemas: Schemas) -> None:
        assert schemas.problems(kind, example(kind, number)) == []
        DECODERS[kind](example(kind, number))

    @pytest.mark.parametrize("kind", KINDS)
    def test_have_a_first_example_with_every_key(self, kind: str) -> None:
        schema = DOCUMENTS[kind.lower()]
        assert example(kind).keys() == schema["properties"].keys()

    def test_can_be_read_by_plain_jsonschema(self) -> None:
        for kind, number in EXAMPLES:
            Draft202012Validator(DOCUMENTS[kind.lower()]).validate(example(kind, number))


NAMES = st.text(
    st.sampled_from("aZ0._- é売\u0301ह\n\t/:\\\"'%\u00a0\u00a9Å²①\ud7a3😀$"), max_size=8
) | st.text(max_size=5)


class TestCoarsePatterns:
    """Other tools know the patterns, not the formats: what they refuse must be wrong indeed."""

    @pytest.mark.parametrize(
        ("definition", "problem"),
        [
            (COMMON["modelName"], model_name_problem),
            (COMMON["pointerName"], pointer_name_problem),
            (DOCUMENTS["modelversion"]["properties"]["artifact"]["properties"]["path"], payload_name_problem),
        ],
    )
    def test_refuse_no_good_name(self, definition: Any, problem: Any) -> None:
        @settings(max_examples=300, deadline=None, derandomize=True, database=None)
        @given(NAMES)
        def check(name: str) -> None:
            if problem(name) is None:
                assert re.search(definition["pattern"], name)
                assert definition["minLength"] <= len(name) <= definition["maxLength"] <= MAX_NAME_BYTES

        check()

    @pytest.mark.parametrize(
        "name", ["", ".a", " a", "a.", "a ", "a/b", "a\\b", "a:b", "a\n", "a\u0085", "%", "a*"]
    )
    def test_refuse_the_plainly_wrong(self, name: str) -> None:
        assert not re.search(COMMON["modelName"]["pattern"], name)


def changed(kind: str, *path: Any, to: Any) -> Any:
    """The first example of a kind with one value changed."""
    value = inner = example(kind)
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = to
    return value


def test_jsonschema_is_imported_late() -> None:
    """A resolve or a promotion reads manifests without paying for it."""
    code = "import sys, gitreg.core.codec.schema; sys.exit({'jsonschema', 'referencing'} & sys.modules.keys() != set())"
    subprocess.run([sys.executable, "-c", code], check=True)


class TestSentences:
    @pytest.mark.parametrize(
        ("kind", "path", "to", "message"),
        [
            ("Model", ["title"], 5, "text or null is expected, not 5"),
            (
                "Model",
                ["name"],
                "a/b",
                "'a/b' cannot be a name: '/' (U+002F) is not allowed; use letters, digits, '.', '_', '-'",
            ),
            (
                "Model",
                ["name"],
                "x" * 129,
                f"'{'x' * 76}... cannot be a name: 129 characters are too many (at most 128)",
            ),
            ("Model", ["owners"], ["x"] * 101, "101 entries; at most 100 are allowed"),
            ("Model", ["versions"], "int", "'int' is not 'integer', 'semver' or null"),
            ("Model", ["tags"], {"": "x"}, "0 characters; 1 to 250 are allowed"),
            ("Model", ["kind"], "model", "'model' is not 'Model'"),
            ("ModelVersion", ["version"], True, "an integer or text is expected, not true"),
            ("ModelVersion", ["version"], 1.0, "an integer or text is expected, not 1.0"),
            ("ModelVersion", ["version"], 0, "0 is less than 1"),
            ("ModelVersion", ["version"], "1.x", "'1.x' is not a SemVer version without build metadata"),
            ("ModelVersion", ["artifact", "size"], 2**53, "9007199254740992 is more than 9007199254740991"),
            (
                "ModelVersion",
                ["artifact", "format"],
                "ONNX",
                "'ONNX' is not a format (lower-case letters, digits, '.', '_', '-')",
            ),
            (
                "ModelVersion",
                ["artifact", "path"],
                "a.dvc",
                "'a.dvc' cannot name an artifact: gitreg, DVC or git keep a file of that name",
            ),
            ("ModelVersion", ["metrics", "x"], float("nan"), "a number is expected, not nan"),
            ("ModelVersion", ["metrics", "x"], True, "a number is expected, not true"),
            (
                "ModelVersion",
                ["params", "x"],
                [],
                "text, a number, true, false or null is expected, not a list",
            ),
            (
                "ModelVersion",
                ["created_at"],
                "2026-02-30T10:00:00Z",
                "'2026-02-30T10:00:00Z' is not a UTC time such as \"2026-11-20T10:00:00Z\"",
            ),
            ("Policy", ["stages", 0, "name"], "v3", "'v3' cannot be a name: it is reserved"),
            ("Policy", ["stages", 0, "replaced"], None, "'none' or text is expected, not null"),
            (
                "Policy",
                ["stages", 1, "soak", "for"],
                "1y",
                "'1y' is not a duration such as 30m, 24h, 14d or 2w",
            ),
            ("Alias", ["digest"], None, "text is expected, not null"),
            ("Alias", ["version"], None, f"null is expected, not {DIGEST!r}"),
        ],
    )
    def test_say_what_is_wrong_in_gitregs_words(
        self, kind: str, path: list[Any], to: Any, message: str, schemas: Schemas
    ) -> None:
        (problem,) = schemas.problems(kind, changed(kind, *path, to=to))
        assert problem.message == message
        assert problem.where[: len(path)] == (*path,) or problem.where == ("digest",)

    def test_name_the_missing_key_at_its_mapping(self, schemas: Schemas) -> None:
        value = example("ModelVersion")
        del value["artifact"]["path"], value["artifact"]["size"]
        assert schemas.problems("ModelVersion", value) == [
            Problem(("artifact",), "the key 'path' is missing"),
            Problem(("artifact",), "the key 'size' is missing"),
        ]

    def test_suggest_the_key_that_was_meant(self, schemas: Schemas) -> None:
        value = example("ModelVersion")
        value["verison"] = value.pop("version")
        assert schemas.problems("ModelVersion", value) == [
            Problem((), "the key 'version' is missing"),
            Problem(("verison",), "the key 'verison' is unknown here; did you mean 'version'?"),
        ]

    def test_suggest_no_key_that_is_there_already(self, schemas: Schemas) -> None:
        problems = schemas.problems("Redirect", example("Redirect") | {"too": "x"})
        assert problems == [Problem(("too",), "the key 'too' is unknown here")]

    @pytest.mark.parametrize(
        ("gate", "where", "message"),
        [
            ({}, (), "one of the keys 'metric', 'schema', 'formats', 'card' or 'environment' is missing"),
            ({"metric": "auc", "mix": 1}, ("mix",), "the key 'mix' is unknown here; did you mean 'min'?"),
            ({"metric": "auc", "schema": {}}, ("schema",), "the key 'schema' is unknown here"),
            ({"card": []}, ("card",), "0 entries; 1 to 100 are allowed"),
            ({"formats": {"deny": None}}, ("formats", "deny"), "a list is expected, not null"),
            ([], (), "a mapping is expected, not a list"),
        ],
    )
    def test_speak_of_the_gate_that_was_meant(
        self, gate: Any, where: tuple[str, ...], message: str, schemas: Schemas
    ) -> None:
        problems = schemas.problems("Policy", changed("Policy", "stages", 0, "gates", to=[gate]))
        assert problems == [Problem(("stages", 0, "gates", 0, *where), message)]

    def test_come_in_the_order_of_places(self, schemas: Schemas) -> None:
        pins = [{"version": 0, "digest": "x"} for _ in range(12)]
        problems = schemas.problems("StageAssignment", changed("StageAssignment", "versions", to=pins))
        assert [p.where for p in problems] == [
            ("versions", n, key) for n in range(12) for key in ("digest", "version")
        ]

    def test_stop_before_nobody_reads_them(self, schemas: Schemas) -> None:
        assert len(schemas.problems("Model", changed("Model", "owners", to=[""] * 5000))) == MOST

    def test_know_kinds_by_name_and_by_file(self) -> None:
        for key in ("Alias", "alias", "alias.schema.json"):
            assert Schemas({key: DOCUMENTS["alias"]}).problems("Alias", example("Alias")) == []
        with pytest.raises(Bug, match="no schema"):
            Schemas({}).problems("Alias", {})


RECORD = {"metrics": {"roc_auc": 0.9}, "params": {"n": 3}, "tags": ["a", "b"], "on": True}


KEYWORDS = st.sampled_from(
    [*sorted(Draft202012Validator.VALIDATORS), "then", "else", "$defs", "$anchor", "a", "^a"]
)


class TestTeamSchemas:
    @pytest.mark.parametrize(
        ("schema", "problems"),
        [
            ({}, []),
            ({"$schema": DIALECT, "$id": "urn:x:team", "required": ["metrics"]}, []),
            ({"required": ["signature"]}, [Problem((), "the key 'signature' is missing")]),
            (
                {"properties": {"on": {"type": "integer"}}},
                [Problem(("on",), "an integer is expected, not true")],
            ),
            ({"properties": {"on": {"const": 1}}}, [Problem(("on",), "true is not 1")]),
            ({"properties": {"on": False}}, [Problem(("on",), "nothing may stand here")]),
            (
                {"properties": {"tags": {"minItems": 3}}},
                [Problem(("tags",), "2 entries; at least 3 are allowed")],
            ),
            (
                {"properties": {"metrics": {"additionalProperties": {"minimum": 0.95}}}},
                [Problem(("metrics", "roc_auc"), "0.9 is less than 0.95")],
            ),
            (
                {"properties": {"metrics": {"patternProperties": {"^roc": {"exclusiveMinimum": 0.9}}}}},
                [Problem(("metrics", "roc_auc"), "0.9 is not more than 0.9")],
            ),
            (
                {
                    "properties": {
                        "metrics": {"patternProperties": {"^auc": {}}, "additionalProperties": False}
                    }
                },
                [Problem(("metrics", "roc_auc"), "the key 'roc_auc' is unknown here")],
            ),
            (
                {
                    "properties": {
                        "metrics": {"patternProperties": {"auc$": {}}, "additionalProperties": False}
                    }
                },
                [],
            ),
            (
                {"properties": {"tags": {"items": {"pattern": "^[b-z]"}}}},
                [Problem(("tags", 0), "'a' does not match ^[b-z]")],
            ),
            (
                {"properties": {"params": {"propertyNames": {"maxLength": 0}}}},
                [Problem(("params", "n"), "1 characters; at most 0 are allowed")],
            ),
            (
                {"$ref": "#/$defs/a%20b", "$defs": {"a b": {"required": ["x"]}}},
                [Problem((), "the key 'x' is missing")],
            ),
            ({"not": {"required": ["on"]}}, [Problem((), "a mapping is what the schema rules out")]),
            (
                {"if": {"required": ["on"]}, "then": {"required": ["x"]}},
                [Problem((), "the key 'x' is missing")],
            ),
        ],
    )
    def test_are_applied(self, schema: Any, problems: list[Problem]) -> None:
        assert schema_problems(schema) == []
        assert check_instance(schema, RECORD) == problems

    @pytest.mark.parametrize(
        ("schema", "where", "part"),
        [
            ({"type": "strin"}, ("type",), "'strin'"),
            ({"required": "x"}, ("required",), "a list is expected, not 'x'"),
            ({"$ref": "https://schemas.test/x.json"}, (), "nothing is fetched"),
            ({"$ref": "other.json#/$defs/a"}, (), "nothing is fetched"),
            ({"$ref": "#/$defs/a"}, (), "leads nowhere"),
            ({"$ref": "#/required", "required": ["a"]}, (), "no schema"),
            ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, ("properties", "a"), "leads nowhere"),
            ({"$schema": "http://json-schema.org/draft-07/schema#"}, (), "2020-12"),
            (
                {"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}},
                ("properties", "a"),
                "2020-12",
            ),
            (
                {"properties": {"a": {"$schema": DIALECT}}},
                ("properties", "a"),
                "not supported below the root",
            ),
            ({"$defs": {"a": {"$id": "urn:x"}}}, ("$defs", "a"), "$id is not supported below the root"),
            ({"items": {"$dynamicRef": "#x"}}, ("items",), "$dynamicRef"),
            ({"unevaluatedProperties": False}, (), "unevaluatedProperties"),
            ({"pattern": "(a"}, (), "missing )"),
            ({"pattern": r"(a)\1"}, (), "invalid escape sequence"),
            ({"pattern": "a" * (MAX_LENGTH + 1)}, (), "longer than"),
            ({"patternProperties": {"(?=a)": True}}, (), "invalid perl operator"),
            ({"pattern": "(a{999}){999}"}, (), "invalid repetition size"),
        ],
    )
    def test_are_refused_where_they_cannot_be_used(self, schema: Any, where: Any, part: str) -> None:
        found = schema_problems(schema)
        assert where in [problem.where for problem in found]
        assert any(part in problem.message for problem in found), found
        (problem,) = check_instance(schema, RECORD)
        assert problem.where == ()
        assert problem.message.startswith("this schema cannot be used: ")

    def test_never_open_a_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import socket

        monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a socket was opened"))
        assert check_instance({"allOf": [{"$ref": "http://127.0.0.1:9/schema"}]}, {})

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    @pytest.mark.parametrize("schema", [{}, {"properties": {"a": {"items": {"minimum": 0}}}}])
    def test_never_let_pass_what_is_not_finite(self, number: float, schema: Any) -> None:
        assert check_instance(schema, {"a": [1, number]}) == [
            Problem(("a", 1), f"{number} is not a finite number")
        ]

    @pytest.mark.parametrize(
        ("items", "unique"),
        [
            ([1, True], True),
            ([1, 1.0], False),
            ([{"a": [1]}, {"a": [1.0]}], False),
            ([[], {}, "", None, 0], True),
        ],
    )
    def test_know_what_is_the_same(self, items: list[Any], unique: bool) -> None:
        assert (check_instance({"uniqueItems": True}, items) == []) is unique

    def test_are_stopped(self) -> None:
        """What would take hours (or the stack) ends within seconds, and has not passed."""
        chain = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
        bombs: list[tuple[Any, Any]] = [
            ({"$ref": "#"}, {}),
            ({"$ref": "#/$defs/a0", "$defs": chain | {"a60": {}}}, {}),
            ({"items": {"pattern": "(.*)(.*)(.*)(.*)x$"}}, ["a" * 1000] * 1000),
            ({"allOf": [{"items": {}}] * 1000}, [0] * 100_000),
            ({"items": {"enum": list(range(1000))}}, [-1] * 100_000),
        ]
        for schema, value in bombs:
            begun = time.process_time()
            (problem,) = check_instance(schema, value)
            assert "takes more than" in problem.message
            assert time.process_time() - begun < 10

    def test_cost_little_where_jsonschema_is_quadratic_or_backtracks(self) -> None:
        begun = time.process_time()
        assert check_instance({"uniqueItems": True}, [{"a": n} for n in range(50_000)]) == []
        assert check_instance({"pattern": "^(a+)+$"}, "a" * 5000 + "!") != []
        assert time.process_time() - begun < 5

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def test_never_end_in_a_traceback(self, data: st.DataObject) -> None:
        values = st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-3, 3)
            | st.sampled_from([0.5, "a", "#", "#/$defs/a", "^a", "object", "string"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=4),
            max_leaves=12,
        )
        schema = data.draw(st.dictionaries(KEYWORDS, values, max_size=5))
        check_instance(schema, data.draw(values))
