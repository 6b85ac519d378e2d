"""What people give as options: ``KEY=VALUE`` pairs, ``@FILE`` values, and files of metrics, params or plain data.

Everything that is not of the form asked for is a UsageError that names the option and quotes the offending text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn, TypeAlias, TypeVar

import click

from gitreg.errors import UsageError

if TYPE_CHECKING:
    _TextType = click.ParamType[str]
    from gitreg.core.decode import Reader
    from gitreg.core.names import Version
else:
    _TextType = click.ParamType  # not generic before click 8.5

T = TypeVar("T")
Scalar: TypeAlias = str | int | float | bool | None

#: The largest file that an option reads, in bytes: no manifest may be larger either.
MAX_FILE_BYTES = 1 << 20
_MAX_KEY_CHARACTERS = 250
_QUOTED_CHARACTERS = 200

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")
_DATA_SET = re.compile(r"(?P<name>.+)@(?P<digest>sha256:[0-9a-f]{64})\Z", re.DOTALL)


def pairs(values: Iterable[str], option: str) -> dict[str, str]:
    """``KEY=VALUE`` each; the first ``=`` parts them. Raises UsageError: no ``=``, a bad key, a key given twice."""
    found: dict[str, str] = {}
    for text in values:
        key, equals, value = clean(text, option).partition("=")
        if not equals or not key:
            _refuse(option, text, "is not KEY=VALUE", "write a key, an equals sign, a value: team=risk")
        if len(key) > _MAX_KEY_CHARACTERS:
            _refuse(option, key, f"is a key of more than {_MAX_KEY_CHARACTERS} characters", "shorten it")
        if key in found:
            _refuse(option, key, "is given twice", "keep one of them")
        found[key] = value
    return found


def scalars(values: Iterable[str], option: str) -> dict[str, Scalar]:
    """``KEY=VALUE`` each; a value that JSON reads as a number, true or false is one, and anything else is text.

    ``"3.10"`` in double quotes is text in any case. Raises UsageError as :func:`pairs`.
    """
    return {key: _scalar(value) for key, value in pairs(values, option).items()}


def _scalar(value: str) -> Scalar:
    if value in {"true", "false"}:
        return value == "true"
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1]
    found = _number(value)
    return value if found is None else found


def _number(text: str) -> int | float | None:
    """The number that every JSON reader reads here; None if it is none, or too large to be held exactly."""
    from gitreg.core.names import MAX_INTEGER

    if not _NUMBER.match(text):
        return None
    if _INTEGER.match(text):
        return int(text) if len(text) <= len(str(-MAX_INTEGER)) and abs(int(text)) <= MAX_INTEGER else None
    found = float(text)
    return found if abs(found) != float("inf") else None


def numbers(values: Iterable[str], option: str) -> dict[str, float]:
    """``KEY=NUMBER`` each, finite. Raises UsageError as :func:`pairs`, and where a value is no such number."""
    found = {}
    for key, value in pairs(values, option).items():
        number = _number(value)
        if number is None:
            _refuse(option, f"{key}={value}", "is not a finite number", "write one such as 0.94, 12 or 1e-5")
        found[key] = number
    return found


def sections(values: Iterable[str], option: str) -> dict[str, str]:
    """``SECTION=TEXT`` each, where ``=@FILE`` reads the text from a file. Raises UsageError as :func:`pairs`."""
    return {key: text_or_file(value, option) for key, value in pairs(values, option).items()}


def text_or_file(value: str, option: str) -> str:
    """A text, or after an ``@`` the content of the file of that name. Raises UsageError."""
    return text_file(value[1:], option) if value.startswith("@") else clean(value, option)


def text_file(path: str, option: str) -> str:
    """A UTF-8 text file, without the newlines at its end. Raises UsageError."""
    try:
        return _read(path, option).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        _refuse(option, path, "is not UTF-8 text", "save it as UTF-8")


def metrics_file(path: str, option: str = "--metrics") -> dict[str, float]:
    """Metrics from a JSON or strict YAML file: one mapping from names to finite numbers. Raises UsageError."""
    from gitreg.core.decode import mapping, number

    return _decoded(mapping(number), path, option)


def params_file(path: str, option: str = "--params") -> dict[str, Scalar]:
    """Parameters from a JSON or strict YAML file: one flat mapping from names to scalars. Raises UsageError."""
    from gitreg.core.decode import mapping, scalar

    return _decoded(mapping(scalar), path, option)


def _decoded(read: Reader[T], path: str, option: str) -> T:
    from gitreg.core.decode import DecodeError

    try:
        return read(object_file(path, option), ())
    except DecodeError as error:
        keys = ".".join(str(part) for part in error.where)
        _refuse(option, path, f"does not fit: {keys}: {error.message}", "keep one flat mapping in the file")


def object_file(path: str, option: str = "FILE") -> dict[str, object]:
    """A JSON or strict YAML file that holds one mapping. Raises UsageError: unreadable, too large, or something else.

    What is called ``.yaml`` or ``.yml`` is YAML; anything else that begins with a brace is JSON.
    """
    data = _read(path, option)
    is_yaml = path.lower().endswith((".yaml", ".yml")) or not data.lstrip().startswith(b"{")
    found = _yaml(data, path, option) if is_yaml else _json(data, path, option)
    if not isinstance(found, dict):
        _refuse(option, path, "does not hold one mapping", "write KEY: VALUE lines, or a JSON object")
    return found


def file_bytes(path: str, option: str) -> bytes:
    """The content of a file of at most ``MAX_FILE_BYTES``. Raises UsageError."""
    return _read(path, option)


def _read(path: str, option: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        _refuse(option, path, f"cannot be read: {problem}", "name a file that exists and may be read")
    if len(data) > MAX_FILE_BYTES:
        _refuse(option, path, f"is larger than {MAX_FILE_BYTES // 1024} KiB", "no manifest can hold more")
    return data


def _yaml(data: bytes, path: str, option: str) -> object:
    from gitreg.core.codec.yaml import YamlError, load_yaml

    try:
        return load_yaml(data, MAX_FILE_BYTES)
    except YamlError as error:
        place = f" in line {error.line}" if error.line else ""
        _refuse(option, path, f"is not strict YAML{place}: {error.message}", error.fix)


def _json(data: bytes, path: str, option: str) -> object:
    """JSON without what readers disagree on (RFC 7493): keys given twice, numbers out of range, half characters."""
    import json

    from gitreg.core.codec.yaml import dump_yaml, load_yaml

    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
        load_yaml(dump_yaml(found).encode(), MAX_FILE_BYTES)  # what a manifest can say, and not deeper
    except RecursionError:
        _refuse(option, path, "is nested too deeply", "flatten it")
    except ValueError as error:
        _refuse(option, path, f"is not JSON that a manifest can hold: {error}", "mend the file")
    return found


def _once(entries: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in entries:
        if key in found:
            raise ValueError(f"the key {key!r} stands in one object twice")
        found[key] = value
    return found


def data_set(text: str, option: str) -> tuple[str, str]:
    """A data set's name and digest from ``NAME@sha256:…``. Raises UsageError."""
    match = _DATA_SET.match(clean(text, option))
    if match is None:
        _refuse(
            option,
            text,
            "is not NAME@sha256:DIGEST",
            "sha256sum FILE prints a file's digest: 64 lower-case hex digits",
        )
    return match["name"], match["digest"]


_SIZES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size(text: str, option: str) -> int:
    """``64MiB``, ``1GiB``, ``500KiB`` or a number of bytes, in bytes. Raises UsageError."""
    digits = text.rstrip("BKMGi")
    unit = text[len(digits) :]
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 1 << 40 and unit in _SIZES):
        _refuse(option, text, "is not a size", "write 64MiB, 1GiB or a number of bytes")
    return int(digits) * _SIZES[unit]


def version_number(text: str, option: str) -> Version:
    """A version such as ``3`` or ``1.2.0``. Raises UsageError."""
    from gitreg.core.names import parse_version

    found = parse_version(text)
    if found is None:
        _refuse(
            option, text, "is not a version", "write a number such as 3, or 1.2.0 where versions are SemVer"
        )
    return found


def clean(text: str, option: str) -> str:
    """The text, known to be Unicode: the shell hands bytes that are not on as half characters. Raises UsageError."""
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse(option, text, "is not UTF-8 text", "work in a UTF-8 locale")
    return text


class Text(_TextType):
    """The type of an option or argument that takes a text; ``from_file``: after an ``@``, the content of a file."""

    name = "text"

    def __init__(self, *, from_file: bool = False) -> None:
        self._from_file = from_file

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text. Raises UsageError."""
        option = param.make_metavar(ctx) if isinstance(param, click.Argument) and ctx else _longest(param)
        return text_or_file(value, option) if self._from_file else clean(value, option)


def _longest(param: click.Parameter | None) -> str:
    return max(param.opts, key=len) if param else "a text"


TEXT = Text()
TEXT_OR_FILE = Text(from_file=True)


def _refuse(option: str, text: str, problem: str, hint: str | None = None) -> NoReturn:
    shown = text if len(text) <= _QUOTED_CHARACTERS else f"{text[:_QUOTED_CHARACTERS]}…"
    raise UsageError(f"{option}: {shown!r} {problem}", hint)
