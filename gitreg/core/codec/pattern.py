"""Regular expressions out of a team's JSON Schemas, matched by RE2 in time that grows with the text alone.

Python's ``re`` tries one way after the other: ``(a+)+$`` keeps it busy for years on fifty letters. RE2 follows all ways
at once (https://github.com/google/re2/wiki/Syntax), at the price of look-around and back references. As JSON Schema
has it, a pattern may match anywhere in the text; ``^`` and ``$`` are the ends of the text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

MAX_LENGTH = 200


class PatternError(ValueError):
    """A regular expression is none, or more than can be matched in linear time; the message says which."""


@lru_cache(maxsize=256)
def compile_pattern(source: str) -> Any:
    """The compiled pattern, with the methods of Python's. Raises PatternError."""
    import re2

    if len(source) > MAX_LENGTH:
        raise PatternError(f"it is longer than {MAX_LENGTH} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(source, options=options)
    except re2.error as error:
        reason = error.args[0]
        raise PatternError(
            reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        ) from None
