"""Edits change what they are asked to, and leave alone what people wrote around it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.codec.edit import REMOVE, edit_yaml
from gitreg.core.codec.yaml import YamlError, load_yaml

NOTES = """\
# Notes on version 3, kept by the risk team.
apiVersion: gitreg/v1
kind: VersionNotes
model:   credit-risk      # spaces and all

tags:
  # who looked at it
  reviewed: "yes"         # by Alice
  tier: 1
card:
  intended_use: |
    Ranking of applications.

    Not for companies.
  limitations: >-
    None known
    so far.
deprecated: null  # not yet
"""

#: what is changed; the lines that go; the lines that come instead
EXAMPLES: list[tuple[dict[tuple[str, ...], object], str, str]] = [
    ({("tags", "tier"): 2}, "  tier: 1\n", "  tier: 2\n"),
    (
        {("tags", "reviewed"): "no"},
        '  reviewed: "yes"         # by Alice\n',
        '  reviewed: "no"         # by Alice\n',
    ),
    ({("tags", "new"): "x y"}, "card:\n", "  new: x y\ncard:\n"),
    ({("tags", "tier"): REMOVE}, "  tier: 1\n", ""),
    (
        {("tags",): REMOVE},
        'tags:\n  # who looked at it\n  reviewed: "yes"         # by Alice\n  tier: 1\n',
        "",
    ),
    (
        {("tags",): {}},
        'tags:\n  # who looked at it\n  reviewed: "yes"         # by Alice\n  tier: 1\n',
        "tags: {}\n",
    ),
    ({("model",): "other"}, "model:   credit-risk      # spaces", "model: other      # spaces"),
    (
        {("deprecated",): {"reason": "x"}},
        "deprecated: null  # not yet\n",
        "deprecated: {reason: x}  # not yet\n",
    ),
    (
        {("deprecated", "use"): [1]},
        "deprecated: null  # not yet\n",
        "deprecated:  # not yet\n  use:\n    - 1\n",
    ),
    (
        {("card", "intended_use"): "short"},
        "  intended_use: |\n    Ranking of applications.\n\n    Not for companies.\n",
        "  intended_use: short\n",
    ),
    (
        {("card", "limitations"): "a\nb"},
        "  limitations: >-\n    None known\n    so far.\n",
        '  limitations: "a\\nb"\n',
    ),
    ({("card", "biases"): "few"}, "deprecated: null", "  biases: few\ndeprecated: null"),
    ({("description",): "last"}, "  # not yet\n", "  # not yet\ndescription: last\n"),
    ({("a", "b", "c"): 1}, "  # not yet\n", "  # not yet\na:\n  b: {c: 1}\n"),
    ({("kind",): "VersionNotes"}, "", ""),
    ({("gone", "too"): REMOVE}, "", ""),
    ({("kind", "too"): REMOVE}, "", ""),
]


@pytest.mark.parametrize(("changes", "before", "after"), EXAMPLES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_only_what_is_meant_changes(
    changes: dict[tuple[str, ...], object], before: str, after: str, newline: str
) -> None:
    assert NOTES.count(before) == 1 or not before
    expected = NOTES.replace(before, after, 1) if before else NOTES
    edited = edit_yaml(NOTES.replace("\n", newline).encode(), changes)
    assert edited.decode() == expected.replace("\n", newline)


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        # `==` does not tell these apart, YAML does
        ("a: 1\n", {("a",): True}, "a: true\n"),
        ("a: 1\n", {("a",): 1.0}, "a: 1.0\n"),
        ("a: 0 # c\n", {("a",): False}, "a: false # c\n"),
        # flow style
        ("a: {x: 1, z: 2}  # c\n", {("a", "x"): 3}, "a: {x: 3, z: 2}  # c\n"),
        ("a: {x: 1}  # c\nb: 1\n", {("a", "x"): REMOVE}, "a: {}  # c\nb: 1\n"),
        ("a: [1,\n  2]  # c\nb: 1\n", {("a",): []}, "a: []  # c\nb: 1\n"),
        # the last key of a mapping that stays
        ("a:\n  x: 1  # c\nb: 1\n", {("a", "x"): REMOVE}, "a: {}  # c\nb: 1\n"),
        ("a:  # c\n  x: 1\nb: 1\n", {("a", "x"): REMOVE}, "a: {}  # c\nb: 1\n"),
        # values on further lines
        ("a:  # c\n  long text\n  over lines\nb: 1\n", {("a",): "x"}, "a: x  # c\nb: 1\n"),
        ("a:\n- 1\n# c\n- 2\nb: 1\n", {("a",): [3]}, "a:\n  - 3\nb: 1\n"),
        ("a: 1  # c\nb: 1\n", {("a",): {"x": {"z": 1}}}, "a:  # c\n  x: {z: 1}\nb: 1\n"),
        ("a:  # c\n  x: 1\nb: 1\n", {("a",): [[1]]}, "a:  # c\n  - - 1\nb: 1\n"),
        # block scalars end where another indentation begins
        ("o:\n  a: |\n    t\n  b: 1\n", {("o", "a"): 5}, "o:\n  a: 5\n  b: 1\n"),
        ("o:\n  a: |\n    t\n\nb: 1\n", {("o", "a"): 5}, "o:\n  a: 5\n\nb: 1\n"),
        ("o:\n  a: |\n    t\nb: 1\n", {("o", "c"): 5}, "o:\n  a: |\n    t\n  c: 5\nb: 1\n"),
        ("a: |+\n  t\n\n", {("b",): 5}, "a: |+\n  t\n\nb: 5\n"),
        ("a: |\n  t\nb: 1\n", {("a",): REMOVE}, "b: 1\n"),
        # ends of files, markers, other scripts
        ("a: 1", {("b",): 2}, "a: 1\nb: 2\n"),
        ("a: 1", {("a",): 2}, "a: 2"),
        ("---\na: 1 # c\n...\n", {("b",): 2}, "---\na: 1 # c\nb: 2\n...\n"),
        ("ключ: 😀 # ж\na: 1 # ж\n", {("a",): "é"}, "ключ: 😀 # ж\na: é # ж\n"),
        ('"a b": 1 # c: d\n', {("a b",): 2}, '"a b": 2 # c: d\n'),
        ('"a: b": 1\n', {("a: b",): 2}, '"a: b": 2\n'),
        ("  a: 1\n  b: 2\n", {("c",): 3}, "  a: 1\n  b: 2\n  c: 3\n"),
        ("a:\nb: 1\n", {("a",): "x"}, "a: x\nb: 1\n"),
        ("a: # c\nb: 1\n", {("a", "x"): 1}, "a: {x: 1} # c\nb: 1\n"),
        # several, one after the other
        ("a: 1\n# c\nb: 2\n", {("a",): REMOVE, ("b",): 3, ("c",): 4}, "# c\nb: 3\nc: 4\n"),
        # layouts that are not spliced come out right, if plain
        ("{a: 1} # c\n", {("a",): 2}, "a: 2\n"),
        ("a: |\n  t", {("b",): 1}, "a: t\nb: 1\n"),
        ("? a\n", {("a",): 1}, "a: 1\n"),
        ("a: 1\n", {("a",): REMOVE}, "{}\n"),
        ("[1, 2]\n", {("a",): 1}, "a: 1\n"),
        ("# nothing but null\n~\n", {("a",): 1}, "a: 1\n"),
    ],
)
def test_layouts(before: str, changes: dict[tuple[str, ...], object], after: str) -> None:
    assert edit_yaml(before.encode(), changes).decode() == after


def test_what_is_no_strict_yaml_is_not_edited() -> None:
    with pytest.raises(YamlError, match="stands here twice"):
        edit_yaml(b"a: 1\na: 2\n", {("a",): 3})


def test_what_strict_yaml_cannot_say_is_not_written() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        edit_yaml(b"a: 1\n", {("a",): float("nan")})


def test_the_text_given_is_not_touched_where_nothing_changes() -> None:
    odd = b"a:    1   # c\n\n\n"
    assert edit_yaml(odd, {("a",): 1, ("b",): REMOVE}) is odd


KEYS = st.sampled_from(["a", "b", "cc", "d e", "é", "no", "f:g", "1"])
SCALARS = st.sampled_from(
    [None, True, 0, 1, -1, 1.5, "x", "no", "1", "long text with words", "a\nb", "é😀", "# no", "a: b", ""]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)
COMMENTS = st.sampled_from(["", "", "", "  # c", " # a: b", "\t# tab"])
BREAKS = st.sampled_from(["", "", "", "\n", "# own line\n", "    # deep\n", "\n# one\n\n"])


@st.composite
def documents(draw: st.DrawFn, depth: int = 0) -> str:
    """A block mapping as people write them: any layout, comments and blank lines anywhere."""
    lines = []
    for key in draw(st.lists(KEYS, min_size=1, max_size=4, unique=True)):
        shown = key if key in {"a", "b", "cc", "d e", "é"} and draw(st.booleans()) else f'"{key}"'
        lines += [draw(BREAKS), f"{'  ' * depth}{shown}:", draw(entries(depth))]
    return "".join(lines)


@st.composite
def entries(draw: st.DrawFn, depth: int) -> str:
    """What stands behind a key and its colon, in one of many layouts."""
    pad, comment = "  " * (depth + 1), draw(COMMENTS)
    if depth < 3 and draw(st.integers(0, 2)) == 0:
        return f"{comment}\n{draw(documents(depth + 1))}"
    layouts = [
        f" 1{comment}\n",
        f"   'it''s'{comment}\n",
        f' "q # no: c"{comment}\n',
        f"{comment}\n",
        f" plain text{comment}\n",
        f" plain\n{pad}folded{comment}\n",
        f"{comment}\n{pad}below\n",
        f" |\n{pad}one\n\n{pad}  two # no comment\n",
        f" >-{comment}\n{pad}one\n{pad}two\n",
        f" |+\n{pad}one\n\n",
        f" [1, {{b: 'x'}}]{comment}\n",
        f" {{a: 1, b: [2]}}{comment}\n",
        f" {{a: 1,\n{pad}b: 2}}{comment}\n",
        f" []{comment}\n",
        f"{comment}\n{pad}- 1\n{pad}# between\n{pad}- b: 2\n{pad}  cc: 3{comment}\n",
        f"{comment}\n{pad[2:]}- 1{comment}\n{pad[2:]}- x\n",
        f"{comment}\n{pad}-\n{pad}  - |\n{pad}     t\n",
    ]
    return draw(st.sampled_from(layouts))


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, tuple[str, ...], object]:
    """A document, where to change it and to what."""
    text = draw(documents())
    where: tuple[str, ...] = ()
    inner: Any = load_yaml(text.encode())
    while not where or (isinstance(inner, dict) and inner and draw(st.booleans())):
        key = draw(st.sampled_from(sorted(inner)) | KEYS)
        where, inner = (*where, key), inner.get(key)
    return text, where, draw(st.just(REMOVE) | VALUES)


def with_change(value: Any, where: tuple[str, ...], new: object) -> Any:
    """What a value is after a change, said in the plainest way."""
    inner = value = copy.deepcopy(value)
    for key in where[:-1]:
        if not isinstance(inner.get(key), dict):
            if new is REMOVE:
                return value
            inner[key] = {}
        inner = inner[key]
    if new is REMOVE:
        inner.pop(where[-1], None)
    else:
        inner[where[-1]] = new
    return value


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(edits())
def test_the_result_reads_as_the_old_value_with_just_the_change(edit: Any) -> None:
    text, where, new = edit
    edited = edit_yaml(text.encode(), {where: new})
    assert repr(load_yaml(edited)) == repr(with_change(load_yaml(text.encode()), where, new))


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(documents(), st.data())
def test_other_lines_survive_byte_for_byte(text: str, data: st.DataObject) -> None:
    """Whatever is edited in the middle, what is before and behind it stays; and in it, where a key is added.

    But for blocks that would swallow what stands behind a key that is removed: those are written anew.
    """
    text = text.replace("|+", "|").replace("    # deep", "# deep")
    before, behind = "# top\nfirst: [1,  2]   # odd spaces\n\n", "# tail\nlast:   'x' # end\n\n# bye\n"
    inside = "".join(f"  {line}" if line.strip() else line for line in text.splitlines(keepends=True))
    whole = f"{before}middle:\n{inside}{behind}"
    key = data.draw(KEYS)
    edited = edit_yaml(whole.encode(), {("middle", key): data.draw(st.just(REMOVE) | VALUES)}).decode()
    assert edited.startswith(before)
    assert edited.endswith(behind)
    if key not in load_yaml(text.encode()):  # type: ignore[operator]
        assert set(inside.splitlines()) <= set(edited.splitlines())
