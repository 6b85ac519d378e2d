"""What people give as options: ``KEY=VALUE`` pairs, ``@FILE`` values, and files of metrics, params or plain data.

Everything that is not of the form asked for is a UsageError that names the option and quotes the offending text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from gitreg.errors import UsageError

if TYPE_CHECKING:
    from gitreg.core.names import Version
    from gitreg.core.plan.plan import Plan
    from gitreg.core.snapshot import Snapshot

Scalar: TypeAlias = str | int | float | bool | None

#: The largest file that an option reads, in bytes: no manifest may be larger either.
MAX_FILE_BYTES = 1 << 20
_MAX_KEY_CHARACTERS = 250
_QUOTED_CHARACTERS = 60

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")
_DATA_SET = re.compile(r"(?P<name>.+)@(?P<digest>sha256:[0-9a-f]{64})\Z", re.DOTALL)


def pairs(values: Iterable[str], option: str) -> dict[str, str]:
    """``KEY=VALUE`` each; the first ``=`` parts them. Raises UsageError: no ``=``, a bad key, a key given twice."""
    found: dict[str, str] = {}
    for text in values:
        key, equals, value = clean(text, option).partition("=")
        if not equals or not key:
            _refuse(option, text, "is not KEY=VALUE")
        if len(key) > _MAX_KEY_CHARACTERS:
            _refuse(option, key, f"is a key of more than {_MAX_KEY_CHARACTERS} characters")
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

    if len(text) > _QUOTED_CHARACTERS or not _NUMBER.match(text):
        return None
    if _INTEGER.match(text):
        return int(text) if abs(int(text)) <= MAX_INTEGER else None
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
        _refuse(option, path, "is not UTF-8 text")


def metrics_file(path: str, option: str = "--metrics") -> dict[str, float]:
    """Metrics from a JSON or strict YAML file: one mapping from names to finite numbers. Raises UsageError."""
    from gitreg.core.decode import mapping, number

    return _decoded(mapping(number), path, option)


def params_file(path: str, option: str = "--params") -> dict[str, Scalar]:
    """Parameters from a JSON or strict YAML file: one flat mapping from names to scalars. Raises UsageError."""
    from gitreg.core.decode import mapping, scalar

    return _decoded(mapping(scalar), path, option)


def _decoded(
    read: Callable[[object, tuple[str | int, ...]], dict[str, Scalar] | dict[str, float]],
    path: str,
    option: str,
) -> dict:
    from gitreg.core.decode import DecodeError

    try:
        return read(object_file(path, option), ())
    except DecodeError as error:
        keys = ".".join(str(part) for part in error.where)
        _refuse(option, path, f"{keys}: {error.message}" if keys else error.message)


def object_file(path: str, option: str = "FILE") -> dict[str, object]:
    """A JSON or strict YAML file that holds one mapping. Raises UsageError: unreadable, too large, or something else.

    What is called ``.yaml`` or ``.yml`` is YAML; anything else that begins with a brace is JSON.
    """
    data = _read(path, option)
    is_yaml = path.lower().endswith((".yaml", ".yml")) or not data.lstrip().startswith(b"{")
    found = _yaml(data, path, option) if is_yaml else _json(data, path, option)
    if not isinstance(found, dict):
        _refuse(option, path, "does not hold a mapping")
    return found
