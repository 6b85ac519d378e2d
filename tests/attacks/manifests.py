"""Manifests that some reader misreads, chokes on, or obeys; and the schemas in a team's gates, which are programs."""

from __future__ import annotations

import http.server
import json
import math
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml
from flow_kit import promote

from attacks.attack_kit import BRANCH, Ground, attack

MODEL = "models/credit-risk/model.yaml"
STAGING = "models/credit-risk/stages/staging.yaml"
RECORD = "models/credit-risk/versions/4/version.yaml"
#: Where nobody listens.
NOWHERE = "http://127.0.0.1:9/schema.json"

Shown = Callable[[Ground], None]


def add(ground: Ground, text: str) -> None:
    """More lines in the model's manifest."""
    ground.edit({MODEL: ground.read(MODEL) + text})


def submitted(ground: Ground, path: str = MODEL) -> bytes:
    """What the attacker pushed."""
    return ground.read_bytes(path, BRANCH)


def pyyaml_reads(expected: object, *keys: str | int, path: str = MODEL) -> Shown:
    """Plain PyYAML takes the file and finds that value behind the keys."""

    def show(ground: Ground) -> None:
        found = yaml.safe_load(submitted(ground, path))
        for key in keys:
            found = found[key]
        assert found == expected or (expected != expected and math.isnan(found))

    return show


# -- what is composed behind the reader's back


@attack(expect="GR101", succeeds_against=pyyaml_reads("Another", "title"))
def duplicate_key(ground: Ground) -> None:
    """One reader takes the first value and another the last."""
    add(ground, "title: Another\n")


@attack(expect="GR101", succeeds_against=pyyaml_reads("Another", "title"))
def duplicate_key_in_other_quotes(ground: Ground) -> None:
    """The same key twice, spelled differently."""
    add(ground, '"tit\\x6ce": Another\n')


@attack(expect="GR101", succeeds_against=pyyaml_reads("x", "tags", "b"))
def anchor_and_alias(ground: Ground) -> None:
    """A value that stands somewhere else than where a reviewer looks."""
    add(ground, "tags: {a: &hidden x, b: *hidden}\n")


@attack(expect="GR101", succeeds_against=pyyaml_reads("x", "tags", "a"))
def merge_key(ground: Ground) -> None:
    """Keys that nobody sees at the mapping that gets them."""
    add(ground, "tags: {<<: {a: x}}\n")


def _billions(ground: Ground) -> None:
    """PyYAML takes it; whatever walks through the value never ends."""
    found = yaml.safe_load(submitted(ground))["tags"]
    sizes = {id(found["l0"]): 1}
    for level in range(1, 40):
        sizes[id(found[f"l{level}"])] = sum(sizes[id(inner)] for inner in found[f"l{level}"])
    assert max(sizes.values()) > 10**30


@attack(expect="GR101", isolated=True, succeeds_against=_billions)
def alias_bomb(ground: Ground) -> None:
    """A few lines that expand to billions of values."""
    rows = [f"  l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 40)]
    add(ground, "\n".join(["tags:", "  l0: &l0 x", *rows, ""]))


def _unsafe_load_runs_it(ground: Ground) -> None:
    yaml.unsafe_load(submitted(ground))
    assert ground.canary.exists()


@attack(expect="GR101", succeeds_against=_unsafe_load_runs_it)
def python_object(ground: Ground) -> None:
    """A tag that makes a reader run a command."""
    add(ground, f"description: !!python/object/apply:os.system ['{ground.payload}']\n")


@attack(expect="GR101", succeeds_against=pyyaml_reads(b"hidden", "description"))
def binary_tag(ground: Ground) -> None:
    """Text that is not what it looks like."""
    add(ground, "description: !!binary aGlkZGVu\n")


@attack(expect="GR101")
def tag_directive(ground: Ground) -> None:
    """A directive that gives the tags below it another meaning."""
    ground.edit({MODEL: "%TAG ! tag:yaml.org,2002:python/\n---\n" + ground.read(MODEL)})


def _second_document_is_read(ground: Ground) -> None:
    assert [found.get("title") for found in yaml.safe_load_all(submitted(ground))] == [
        "Credit risk",
        "Another",
    ]


@attack(expect="GR101", succeeds_against=_second_document_is_read)
def second_document(ground: Ground) -> None:
    """Some readers take the first document, some the last."""
    add(ground, "---\napiVersion: gitreg/v1\nkind: Model\nname: credit-risk\ntitle: Another\n")


# -- what nobody sees


@attack(expect="GR101", succeeds_against=pyyaml_reads("Credit risk", "title"))
def utf16(ground: Ground) -> None:
    """A file that git calls binary and shows no difference of, while YAML readers take it."""
    ground.edit({MODEL: ground.read(MODEL).encode("utf-16")})


@attack(expect="GR101", succeeds_against=pyyaml_reads("Credit risk", "title"))
def byte_order_mark(ground: Ground) -> None:
    """A first key that is another key for readers that keep the mark."""
    ground.edit({MODEL: b"\xef\xbb\xbf" + ground.read(MODEL).encode()})


@attack(expect="GR101")
def not_utf8(ground: Ground) -> None:
    """Bytes of which every reader makes something else."""
    ground.edit({MODEL: ground.read(MODEL).encode() + b"description: caf\xe9\n"})


def _git_shows_nothing(ground: Ground) -> None:
    assert "Binary files" in ground.git("diff", "main", BRANCH, folder="origin.git")


@attack(expect="GR101", succeeds_against=_git_shows_nothing)
def nul(ground: Ground) -> None:
    """One NUL, and git calls the file binary: nobody sees what else changed in it."""
    add(ground, "description: 'x\0'\n")


@attack(expect="GR101", succeeds_against=pyyaml_reads("owned by \u202emaet-ksir\u202c", "description"))
def bidirectional_text(ground: Ground) -> None:
    """A line that reads differently on the reviewer's screen than it is stored."""
    add(ground, "description: owned by \u202emaet-ksir\u202c\n")


@attack(expect="GR101", succeeds_against=pyyaml_reads(2, "a"))
def line_separator(ground: Ground) -> None:
    """A line break that YAML sees and an editor does not: the rest of a comment is a key."""
    add(ground, "# harmless\u2028a: 2\n")


# -- what YAML 1.1 takes for something else


@attack(expect="GR101", succeeds_against=pyyaml_reads(False, "title"))
def norway(ground: Ground) -> None:
    """A word that is ``false`` to some readers."""
    ground.edit({MODEL: ground.read(MODEL).replace("title: Credit risk", "title: no")})


@attack(expect="GR101", succeeds_against=pyyaml_reads(2, "versions", 0, "version", path=STAGING))
def octal_version(ground: Ground) -> None:
    """A pointer that names one version to one reader and another version to another."""
    ground.edit({STAGING: ground.read(STAGING).replace("version: 2,", "version: 0b10,")})


@attack(expect="GR101", succeeds_against=pyyaml_reads(2, "versions", 0, "version", path=STAGING))
def version_with_underscore(ground: Ground) -> None:
    """As above, with digits that look like nothing special."""
    ground.edit({STAGING: ground.read(STAGING).replace("version: 2,", "version: 0_2,")})


@attack(expect="GR101", succeeds_against=pyyaml_reads(3723, "tags", "a"))
def sexagesimal(ground: Ground) -> None:
    """A time of day that is a number of seconds."""
    add(ground, "tags: {a: 1:02:03}\n")


def record(ground: Ground, old: str, new: str) -> None:
    """Registers version 4 with one place of its record changed."""
    edits = ground.new_version()
    text = (edits[RECORD] or b"").decode()
    assert text.count(old) == 1, text
    ground.edit({**edits, RECORD: text.replace(old, new)})


@attack(expect="GR101", succeeds_against=pyyaml_reads(math.nan, "metrics", "roc_auc", path=RECORD))
def not_a_number(ground: Ground) -> None:
    """A metric that is below no bound, since nothing compares with it."""
    record(ground, "roc_auc: 0.9", "roc_auc: .nan")


@attack(expect="GR101", succeeds_against=pyyaml_reads(math.inf, "metrics", "roc_auc", path=RECORD))
def infinite(ground: Ground) -> None:
    """A metric that beats every holder for ever."""
    record(ground, "roc_auc: 0.9", "roc_auc: 1.0e+999")


@attack(expect="GR101", succeeds_against=pyyaml_reads(2**53 + 1, "metrics", "roc_auc", path=RECORD))
def integer_beyond_doubles(ground: Ground) -> None:
    """A number that readers in other languages round to another one."""
    record(ground, "roc_auc: 0.9", f"roc_auc: {2**53 + 1}")


def _pyyaml_gives_up(ground: Ground) -> None:
    with pytest.raises(ValueError, match="integer string conversion"):
        yaml.safe_load(submitted(ground, RECORD))


@attack(expect="GR101", isolated=True, succeeds_against=_pyyaml_gives_up)
def huge_integer(ground: Ground) -> None:
    """Half a megabyte of digits, which take quadratic time to be a number."""
    record(ground, "roc_auc: 0.9", f"roc_auc: {'9' * 500_000}")


# -- what is too much


def _recursion(ground: Ground) -> None:
    with pytest.raises(RecursionError):
        yaml.safe_load(submitted(ground))


@attack(expect="GR101", isolated=True, succeeds_against=_recursion)
def thirty_thousand_levels(ground: Ground) -> None:
    """A document so deep that what composes it runs out of stack, and in C takes the process with it."""
    add(ground, f"tags: {'[' * 30_000}{']' * 30_000}\n")


@attack(expect="GR101", isolated=True, succeeds_against=_recursion)
def thirty_thousand_levels_in_blocks(ground: Ground) -> None:
    """As above, with nothing that ends the levels."""
    add(ground, f"tags:\n{'- ' * 30_000}x\n")


@attack(expect="GR101", isolated=True)
def ten_megabytes(ground: Ground) -> None:
    """A manifest that takes minutes to read."""
    add(ground, "tags:\n" + "".join(f"  key{n}: value\n" for n in range(650_000)))


@attack(expect="GR101", isolated=True)
def hundred_megabytes_of_nothing(ground: Ground) -> None:
    """A blob that is small in the pack, and takes all memory where it is unpacked."""
    ground.edit({MODEL: b"\n" * 100_000_000})


@attack(expect="GR101", isolated=True)
def many_problems(ground: Ground) -> None:
    """As many problems as fit into a file, each of which is looked up in it."""
    params = ", ".join(f"k{n}: []" for n in range(40_000))
    record(ground, "metrics:", f"params: {{{params}}}\nmetrics:")


# -- schemas in a team's gates: the attacker writes what they are matched against, or the schema itself


def gated(ground: Ground, schema: dict[str, Any]) -> None:
    """What the team had: a schema that records must satisfy before they enter staging."""
    policy = ground.read("policy.yaml")
    gate = "gates: [{metric: roc_auc, min: 0.5}]"
    assert policy.count(gate) == 1
    ground.land({"policy.yaml": policy.replace(gate, f"gates: [{{schema: {json.dumps(schema)}}}]")})


def promote_new(ground: Ground, **said: Any) -> None:
    """Registers version 4 and promotes it, in two commits of one branch."""
    edits = ground.new_version(**said)
    ground.edit(edits)
    ground.plan(promote(4, "staging"))


def _dollar_admits_a_newline(ground: Ground) -> None:
    assert re.search(r"^[0-9.]+$", "3.11\n")


@attack(expect="GR303", succeeds_against=_dollar_admits_a_newline)
def pattern_and_trailing_newline(ground: Ground) -> None:
    """``$`` also matches before a last newline, so that a pattern lets one through."""
    pattern = {"type": "string", "pattern": "^[0-9.]+$"}
    gated(ground, {"properties": {"environment": {"properties": {"python": pattern}}}})
    promote_new(ground, environment={"python": "3.11\n"})


def _re_never_ends(ground: Ground) -> None:
    code = "import re; re.search('^(a+)+$', 'a' * 60 + '!')"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", code], timeout=1, check=False)


@attack(expect="GR303", isolated=True, succeeds_against=_re_never_ends)
def catastrophic_backtracking(ground: Ground) -> None:
    """A text on which the team's own pattern takes years."""
    pattern = {"type": "string", "pattern": "^(a+)+$"}
    gated(ground, {"properties": {"environment": {"properties": {"python": pattern}}}})
    promote_new(ground, environment={"python": "a" * 200 + "!"})


@attack(expect="GR303", isolated=True)
def schema_that_takes_for_ever(ground: Ground) -> None:
    """A record so wide that the team's schema, which refers to itself, never comes to an end with it."""
    chain = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
    gated(ground, {"$ref": "#/$defs/a0", "$defs": {**chain, "a60": {}}})
    promote_new(ground)


def _jsonschema_fetches(ground: Ground) -> None:
    """Plain jsonschema asks the network for what a ``$ref`` names."""
    asked: list[str] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        schema = {"$ref": f"http://127.0.0.1:{server.server_port}/schema.json"}
        with pytest.warns(DeprecationWarning, match="remote references"):
            jsonschema.validate({}, schema, cls=jsonschema.Draft202012Validator)
    assert asked == ["/schema.json"]


def propose_schema(ground: Ground, schema: dict[str, Any]) -> None:
    """A change of the policy that brings a gate of the attacker's own."""
    gate = "gates: [{metric: roc_auc, min: 0.5}]"
    ground.edit(
        {
            "policy.yaml": ground.read("policy.yaml").replace(
                gate, f"gates: [{{schema: {json.dumps(schema)}}}]"
            )
        }
    )


@attack(expect="GR111", succeeds_against=_jsonschema_fetches)
def reference_to_the_network(ground: Ground) -> None:
    """The judge fetches what the attacker names, from inside the team's network."""
    propose_schema(ground, {"$ref": NOWHERE})


@attack(expect="GR111")
def reference_to_a_local_file(ground: Ground) -> None:
    """The judge reads a file of the machine that it runs on."""
    propose_schema(ground, {"properties": {"metrics": {"$ref": "file:///etc/passwd"}}})


@attack(expect="GR111")
def dialect_from_the_network(ground: Ground) -> None:
    """As above, by way of the schema's dialect."""
    propose_schema(ground, {"$schema": NOWHERE})


@attack(expect="GR111")
def identifier_that_turns_references(ground: Ground) -> None:
    """An ``$id`` in the middle makes ``#/…`` mean a place on another machine."""
    propose_schema(ground, {"allOf": [{"$id": NOWHERE, "$ref": "#/$defs/a"}], "$defs": {"a": {}}})


@attack(expect="GR111", isolated=True)
def pattern_of_the_attacker(ground: Ground) -> None:
    """A pattern of one's own that takes years on every record."""
    propose_schema(ground, {"propertyNames": {"pattern": "^(?=(a+)+$)"}})


@attack(outcome="harmless")
def reference_in_a_signature(ground: Ground) -> None:
    """A model's signature is a schema, too; whoever checks it might fetch what it refers to."""
    signature = {"inputs": {"$schema": NOWHERE, "$ref": NOWHERE}, "outputs": {"type": "array"}}
    ground.edit(ground.new_version(signature=signature))
