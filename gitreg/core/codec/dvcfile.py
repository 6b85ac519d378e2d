"""``.dvc`` files with one output: the text that DVC 3 writes for ``dvc add``, and a strict reader.

The format is DVC's (https://dvc.org/doc/user-guide/project-structure/dvc-files). gitreg admits a closed part of it:
what ``dvc add`` writes for a file or directory beside the ``.dvc`` file, kept in the remote under its md5. Every other
key makes DVC fetch from elsewhere, run something or not fetch at all, so it has no place in a record.
"""

from __future__ import annotations

import re

from gitreg.core.codec.yaml import looks_like_another_type
from gitreg.core.decode import DecodeError, Fields, Where, array, integer, matching, one_of, text
from gitreg.core.names import payload_name_problem
from gitreg.core.ports import DvcPointer

_OBJECT_NAME = re.compile(r"[0-9a-f]{32}(?:\.dir)?\Z")
# What cannot begin a plain scalar, or ends one early (https://yaml.org/spec/1.2.2/#733-plain-style).
_NEEDS_QUOTES = re.compile(
    r"""[!"#%&'*,>@\[\]`{|}] | [-:?](?:\ |\Z) | --- | \.\.\. | .*(?:\ \#|:\ |:\Z)""", re.VERBOSE
)


def dump_dvc(pointer: DvcPointer) -> bytes:
    """The text of ``<path>.dvc``, byte for byte what ``dvc add`` writes for the same file or directory.

    Two sorts of rare names differ in form, not in meaning: a long one with spaces is not folded over lines, and one
    that YAML 1.1 takes for another type (``no``) is quoted, as the strict reader wants it.

    Raises:
        ValueError: the path cannot name a payload.
    """
    problem = payload_name_problem(pointer.path)
    if problem:
        raise ValueError(f"{pointer.path!r} cannot name an artifact: {problem}")
    lines = [f"- md5: {_scalar(pointer.md5)}", f"  size: {pointer.size}"]
    if pointer.is_directory:
        lines.append(f"  nfiles: {pointer.files}")
    lines += ["  hash: md5", f"  path: {_scalar(pointer.path)}"]
    return "\n".join(["outs:", *lines, ""]).encode()


def decode_dvc(value: object) -> DvcPointer:
    """Reads the parsed content of a ``.dvc`` file.

    Raises:
        DecodeError: it is not one output as ``dvc add`` writes it; ``where`` leads to what is wrong.
    """
    fields = Fields(value, ())
    (pointer,) = fields.take("outs", array(_output, least=1, most=1))
    fields.done()
    return pointer


def _output(value: object, where: Where) -> DvcPointer:
    fields = Fields(value, where)
    md5 = fields.take(
        "md5", matching(_OBJECT_NAME, "32 lower-case hex digits, for a directory with '.dir'", 36)
    )
    size = fields.take("size", integer(1))
    files = fields.take("nfiles", integer(1)) if md5.endswith(".dir") else 1
    fields.take("hash", one_of("md5"))
    path = fields.take("path", _basename)
    fields.done()
    return DvcPointer(path, md5, size, files)


def _basename(value: object, where: Where) -> str:
    name = text()(value, where)
    problem = payload_name_problem(name)
    if problem:
        raise DecodeError(where, f"{name!r} cannot name an artifact: {problem}")
    return name


def _scalar(value: str) -> str:
    """One line of text as DVC's YAML writer shows it: plain where that reads back, else quoted."""
    if not (_NEEDS_QUOTES.match(value) or looks_like_another_type(value) or value in {"~", ""}):
        return value
    return f'"{value}"' if "'" in value else f"'{value}'"
