"""What is wrong with an instance, in sentences for people: jsonschema's errors, told as the decoders would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gitreg.core.decode import (
    DecodeError,
    Reader,
    Where,
    model_name,
    payload_name,
    pointer_name,
    show_value,
    timestamp,
)
from gitreg.core.windows import local_time

#: A ``jsonschema.ValidationError``; its stubs call every attribute unset, which no error that was raised is.
Error: TypeAlias = Any

#: More than anybody mends at once; each costs its reader a look for its line.
MOST = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: the keys and indices that lead to it from the document's root, and a sentence."""

    where: Where
    message: str


#: The formats of the published schemas: what no pattern can say of names and times.
FORMATS: Mapping[str, Reader[object]] = {
    "gitreg-model-name": model_name,
    "gitreg-pointer-name": pointer_name,
    "gitreg-payload-name": payload_name,
    "gitreg-timestamp": timestamp,
    "gitreg-local-time": local_time,
}


def refusal(read: Reader[object], value: object) -> str | None:
    """Why a text is not what ``read`` reads; None if it is (or is no text)."""
    try:
        read(value, ()) if isinstance(value, str) else None
    except DecodeError as error:
        return error.message
    return None


def told(errors: Iterable[Error]) -> list[Problem]:
    """The problems that some errors come down to, in the order of places, each once; the first ``MOST`` of them."""
    problems = {problem for error in _strongest(list(errors)) for problem in _tell(error)}
    order = sorted(problems, key=lambda p: ([(isinstance(part, str), part) for part in p.where], p.message))
    return order[:MOST]


def _strongest(errors: Sequence[Error]) -> Iterator[Error]:
    """Leaves out of several ways to say that a text is of the wrong form all but the one that says most."""
    best: dict[Where, int] = {}
    for error in errors:
        if error.validator in _FORMS:
            place, rank = tuple(error.absolute_path), _FORMS.index(str(error.validator))
            best[place] = min(rank, best.get(place, rank))
    for error in errors:
        rank = best.get(tuple(error.absolute_path), 0)
        if error.validator not in _FORMS or _FORMS.index(str(error.validator)) == rank:
            yield error


_FORMS = ("format", "maxLength", "minLength", "pattern")


def _tell(error: Error) -> Iterator[Problem]:
    """The problems that an error comes down to: of alternatives, those of the one that was probably meant."""
    where, branches = tuple(error.absolute_path), _branches(error)
    if not branches:
        yield Problem(where, _sentence(error))
        return
    meant = [branch for branch in branches if not _misfits(branch, where)]
    if not meant:
        yield Problem(where, _other_sort(error))
        return
    begun = [branch for branch in meant if not _missing(branch, where)]
    if not begun and len(meant) > 1:
        keys = [repr(key) for branch in meant for key in _missing(branch, where)]
        yield Problem(where, f"one of the keys {_either(keys)} is missing")
        return
    for inner in _strongest(min(begun or meant, key=len)):
        yield from _tell(inner)


def _branches(error: Error) -> list[list[Error]]:
    """The errors of each alternative of ``anyOf`` or ``oneOf``; empty for other errors."""
    found: dict[object, list[Error]] = {}
    if error.validator in {"anyOf", "oneOf"}:
        for inner in error.context or ():
            found.setdefault(inner.relative_schema_path[0], []).append(inner)
    return list(found.values())


def _misfit(error: Error, where: Where) -> list[str]:
    """What was expected at ``where``, if another sort of value is there altogether; else empty."""
    if tuple(error.absolute_path) != where:
        return []
    if error.validator == "type":
        names = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return [word for name in names for word in _TYPES[name]]
    if error.validator in {"const", "enum"}:
        values = error.validator_value if error.validator == "enum" else [error.validator_value]
        return [show_value(value) for value in values]
    misfits = [_misfits(branch, where) for branch in _branches(error)]
    return [expected for misfit in misfits for expected in misfit] if all(misfits) else []


def _misfits(branch: Iterable[Error], where: Where) -> list[str]:
    return next((misfit for error in branch if (misfit := _misfit(error, where))), [])


def _missing(branch: Iterable[Error], where: Where) -> list[str]:
    lacking = [e for e in branch if e.validator == "required" and tuple(e.absolute_path) == where]
    return [key for key in lacking[0].validator_value if key not in lacking[0].instance] if lacking else []


_TYPES = {
    "object": ["a mapping"],
    "array": ["a list"],
    "string": ["text"],
    "integer": ["an integer"],
    "number": ["a number"],
    "boolean": ["true", "false"],
    "null": ["null"],
}


def _either(choices: Sequence[str]) -> str:
    choices = list(dict.fromkeys(choices))
    return " or ".join([", ".join(choices[:-1]), choices[-1]] if len(choices) > 1 else choices)


def _sentence(error: Error) -> str:
    tell = _SENTENCES.get(str(error.validator))
    sentence = tell(error) if tell else str(error.message)
    return sentence if len(sentence) <= 300 else f"{sentence[:297]}..."


def _size(error: Error) -> str:
    what = str(error.validator)[3:]
    return f"{len(error.instance)} {_COUNTED[what]}; {_bounds(error, what)} are allowed"


_COUNTED = {"Length": "characters", "Items": "entries", "Properties": "keys"}


def _bounds(error: Error, what: str) -> str:
    least, most = error.schema.get(f"min{what}"), error.schema.get(f"max{what}")
    if least is None or most is None:
        return f"at most {most}" if least is None else f"at least {least}"
    return f"{least} to {most}"


def _other_sort(error: Error) -> str:
    expected = _misfit(error, tuple(error.absolute_path))
    return f"{_either(expected)} is expected, not {show_value(error.instance)}"


def _choice(error: Error) -> str:
    return f"{show_value(error.instance)} is not {_either(_misfit(error, tuple(error.absolute_path)))}"


def _form(error: Error) -> str:
    wanted = error.schema.get("title")
    shown = show_value(error.instance)
    return f"{shown} is not {wanted}" if wanted else f"{shown} does not match {error.validator_value}"


_SENTENCES: Mapping[str, Callable[[Error], str]] = {
    "None": lambda e: "nothing may stand here",  # the schema ``false``
    "type": _other_sort,
    "const": _choice,
    "enum": _choice,
    "pattern": _form,
    "format": lambda e: str(refusal(FORMATS[e.validator_value], e.instance)),
    "minLength": _size,
    "maxLength": _size,
    "minItems": _size,
    "maxItems": _size,
    "minProperties": _size,
    "maxProperties": _size,
    "minimum": lambda e: f"{e.instance} is less than {e.validator_value}",
    "maximum": lambda e: f"{e.instance} is more than {e.validator_value}",
    "exclusiveMinimum": lambda e: f"{e.instance} is not more than {e.validator_value}",
    "exclusiveMaximum": lambda e: f"{e.instance} is not less than {e.validator_value}",
    "oneOf": lambda e: f"{show_value(e.instance)} is of more than one of the forms that exclude each other",
    "not": lambda e: f"{show_value(e.instance)} is what the schema rules out",
}
