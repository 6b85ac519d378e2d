"""What the files of an MLflow model say about it: its signature as JSON Schemas, and the environment it runs in.

The files are somebody else's: they are read up to a bound, as plain YAML and JSON, and nothing in them is executed.
Their forms: https://mlflow.org/docs/latest/ml/model/ (MLmodel, python_env.yaml, conda.yaml, requirements.txt).
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gitreg.surfaces.mlflow.shown import without_credentials

MLMODEL = "MLmodel"
#: No file is read further, in bytes; nothing deeper than this many levels.
MAX_FILE = 4 << 20
MAX_NESTING = 64
#: A schema in a record may be nested so deep; a record itself may be a little deeper.
MAX_SCHEMA_DEPTH = 24
MAX_REQUIREMENTS, MAX_REQUIREMENT = 2000, 1000
#: What a signature and an environment may take of a record's megabyte, in bytes of its text.
MAX_SIGNATURE, MAX_ENVIRONMENT = 350_000, 60_000

Schema = dict[str, Any]
Warn = Callable[[str], None]


class Unreadable(ValueError):
    """A file says nothing that can be put into a record; the message says why."""


def read_mlmodel(folder: str) -> Mapping[str, object]:
    """What the ``MLmodel`` of a folder says; empty where there is none.

    Raises:
        Unreadable: it is too large, or no plain YAML mapping.
    """
    value = _yaml(os.path.join(folder, MLMODEL))
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"{MLMODEL} is no mapping")
    return value


def json_schemas(mlmodel: Mapping[str, object]) -> dict[str, object]:
    """A model's signature as JSON Schemas (2020-12), by ``inputs`` and ``outputs``; what it does not say is left out.

    Of columns the schema is of one row: an object where they have names, else an array; of a single column without
    a name it is that of its value. Of tensors it is of the whole tensor, of named ones of an object of them.

    Raises:
        Unreadable: it is of no form that MLflow writes (``mlflow.types.schema``).
    """
    signature = mlmodel.get("signature") or {}
    if not isinstance(signature, dict):
        raise Unreadable("the signature is no mapping")
    found: dict[str, object] = {}
    for side in ("inputs", "outputs"):
        text = signature.get(side)
        if text is not None:
            found[side] = _schema(_specs(side, text))
    return found


def _specs(side: str, text: object) -> Sequence[Mapping[str, Any]]:
    try:
        specs = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        raise Unreadable(f"the {side} of the signature are no JSON") from None
    if not isinstance(specs, list) or not specs or not all(isinstance(spec, dict) for spec in specs):
        raise Unreadable(f"the {side} of the signature are no list of columns or tensors")
    return specs


def _schema(specs: Sequence[Mapping[str, Any]]) -> Schema:
    values = [_value(spec, 0) for spec in specs]
    names = [spec.get("name") for spec in specs]
    if all(isinstance(name, str) for name in names):
        return _object(
            dict(zip(map(str, names), zip(values, map(_is_required, specs), strict=True), strict=True))
        )
    if len(values) == 1:
        return values[0]
    rows = [
        value if _is_required(spec) else _or_null(value) for value, spec in zip(values, specs, strict=True)
    ]
    return {"type": "array", "prefixItems": rows, "minItems": len(rows), "maxItems": len(rows)}


def _is_required(spec: Mapping[str, Any]) -> bool:
    return spec.get("required", True) is not False and spec.get("optional", False) is not True


def _object(fields: Mapping[str, tuple[Schema, bool]]) -> Schema:
    required = [name for name, (_, is_required) in fields.items() if is_required]
    properties = {name: schema if needed else _or_null(schema) for name, (schema, needed) in fields.items()}
    found: Schema = {"type": "object", "properties": properties}
    return found | {"required": required} if required else found


def _or_null(schema: Schema) -> Schema:
    """What may also be missing: MLflow takes None for it."""
    if not schema:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}


# MLflow reads binary values from base64 text, and datetimes from ISO 8601.
_SCALARS: Mapping[str, Schema] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "binary": {"type": "string", "contentEncoding": "base64"},
    "datetime": {"type": "string", "format": "date-time"},
    "sparkml_vector": {"type": "array", "items": {"type": "number"}},
    "any": {},
}


def _value(spec: object, depth: int) -> Schema:
    if depth > MAX_SCHEMA_DEPTH:
        raise Unreadable(f"the signature is nested deeper than {MAX_SCHEMA_DEPTH} levels")
    if not isinstance(spec, dict):
        raise Unreadable("a type in the signature is no mapping")
    kind = spec.get("type")
    if isinstance(kind, str) and kind in _SCALARS:
        return dict(_SCALARS[kind])
    match kind:
        case "tensor":
            return _tensor(spec.get("tensor-spec"))
        case "array":
            return {"type": "array", "items": _value(spec.get("items"), depth + 1)}
        case "map":
            return {"type": "object", "additionalProperties": _value(spec.get("values"), depth + 1)}
        case "object":
            return _properties(spec.get("properties"), depth)
    raise Unreadable(f"the signature has the unknown type {str(kind)[:80]!r}")


def _properties(properties: object, depth: int) -> Schema:
    if not isinstance(properties, dict):
        raise Unreadable("an object in the signature has no properties")
    # Two levels: one is the mapping of the properties.
    return _object({name: (_value(each, depth + 2), _is_required(each)) for name, each in properties.items()})


# By how numpy's names of types begin: https://numpy.org/doc/stable/user/basics.types.html
_ELEMENTS: Sequence[tuple[str, Schema]] = (
    ("bool", {"type": "boolean"}),
    ("int", {"type": "integer"}),
    ("uint", {"type": "integer", "minimum": 0}),
    ("float", {"type": "number"}),
    ("str", {"type": "string"}),
    ("bytes", {"type": "string", "contentEncoding": "base64"}),
    ("datetime64", {"type": "string", "format": "date-time"}),
)


def _tensor(spec: object) -> Schema:
    dtype, shape = (spec.get("dtype"), spec.get("shape")) if isinstance(spec, dict) else (None, None)
    if not isinstance(dtype, str) or not isinstance(shape, list) or len(shape) > MAX_SCHEMA_DEPTH:
        raise Unreadable("a tensor in the signature has no type and shape")
    schema: Schema = next((dict(found) for name, found in _ELEMENTS if dtype.startswith(name)), {})
    for length in reversed(shape):
        if type(length) is not int or length < -1:
            raise Unreadable(f"a tensor in the signature has the length {str(length)[:80]}")
        schema = {"type": "array", "items": schema}
        if length >= 0:
            schema |= {"minItems": length, "maxItems": length}
    return schema


def environment(folder: str, warn: Warn) -> dict[str, object]:
    """``python`` (its version) and ``requirements`` (lines as pip takes them) of a model's folder, as far as it says.

    ``requirements.txt`` and ``python_env.yaml`` come first, ``conda.yaml`` stands in. Credentials in the addresses of
    package indexes are left out.
    """
    try:
        conda = _yaml(os.path.join(folder, "conda.yaml"))
        env = _yaml(os.path.join(folder, "python_env.yaml"))
        text = _read(os.path.join(folder, "requirements.txt"))
        lines = _conda_pip(conda) if text is None else text.decode(errors="replace").splitlines()
        found = {"python": _python(env) or _conda_python(conda), "requirements": _requirements(lines, warn)}
        return fitting({key: value for key, value in found.items() if value}, MAX_ENVIRONMENT)
    except Unreadable as error:
        warn(f"the environment of the model is not in its record: {error}")
        return {}


def fitting(part: dict[str, object], most: int) -> dict[str, object]:
    """A part of a record, if a record can say it in at most so many bytes. Raises Unreadable."""
    from gitreg.core.codec.yaml import YamlError, dump_yaml, load_yaml

    try:
        data = dump_yaml({"part": part}).encode()
        load_yaml(data, most)
    except (ValueError, YamlError) as error:
        raise Unreadable(f"a record cannot say it: {error}") from None
    return part


def _requirements(lines: Sequence[str], warn: Warn) -> list[str]:
    said = [line.strip() for line in lines]
    kept = [without_credentials(line) for line in said if line and not line.startswith("#")]
    short = [line for line in kept if len(line) <= MAX_REQUIREMENT][:MAX_REQUIREMENTS]
    if len(short) < len(kept):
        warn(
            f"{len(kept) - len(short)} requirements of the model are not in its record: too long, or too many"
        )
    return short


def _python(env: object) -> str | None:
    found = env.get("python") if isinstance(env, dict) else None
    # YAML reads an unquoted 3.10 as 3.1.
    return found[:250] if isinstance(found, str) else None


def _conda(conda: object) -> Sequence[object]:
    found = conda.get("dependencies") if isinstance(conda, dict) else None
    return found if isinstance(found, list) else ()


def _conda_python(conda: object) -> str | None:
    named = (each for each in _conda(conda) if isinstance(each, str))
    matches = (re.match(r"python\s*=+\s*([0-9][0-9A-Za-z.]*)", each) for each in named)
    return next((match[1][:250] for match in matches if match), None)


def _conda_pip(conda: object) -> Sequence[str]:
    groups = (each.get("pip") for each in _conda(conda) if isinstance(each, dict))
    return [line for group in groups if isinstance(group, list) for line in group if isinstance(line, str)]


def _read(path: str) -> bytes | None:
    """A plain file of bounded size; None where there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"{os.path.basename(path)} cannot be read: {error.strerror}") from None
    with open(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Unreadable(f"{os.path.basename(path)} is no file")
        data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise Unreadable(f"{os.path.basename(path)} is larger than {MAX_FILE} bytes")
    return data


def _yaml(path: str) -> object:
    """The value of a YAML file, None where there is none. What could swell or crash a reader is refused first."""
    import yaml

    data = _read(path)
    if data is None:
        return None
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _demand_tame(yaml, yaml.parse(data, loader))
        return yaml.load(data, loader)  # noqa: S506  # a safe one
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        why = str(error) if isinstance(error, Unreadable) else "it is not YAML"
        raise Unreadable(f"{os.path.basename(path)}: {why}") from None


def _demand_tame(yaml: Any, events: Any) -> None:
    """Raises Unreadable for aliases, which multiply, and for deep nesting, on which libyaml's composer crashes."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise Unreadable("it has aliases")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_NESTING:
            raise Unreadable(f"it is nested deeper than {MAX_NESTING} levels")
