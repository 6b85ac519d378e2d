"""From gitreg's errors to MLflow's, with the codes that MLflow's clients act on.

No code of the 5xx kind is among them: MLflow's REST client repeats those for minutes, and what was refused stays so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gitreg.errors import AlreadyExists, GitregError, LostRace, NotFound, Refused, Undecided


@contextmanager
def as_mlflow() -> Iterator[None]:
    """Raises MlflowException for every GitregError of the block."""
    try:
        yield
    except GitregError as error:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import ErrorCode

        text = f"{error.message} ({error.hint})" if error.hint else error.message
        raise MlflowException(text, ErrorCode.Value(code_of(error))) from error


def code_of(error: GitregError) -> str:
    """The name of MLflow's error code for an error (https://mlflow.org/docs/latest/api_reference/rest-api.html)."""
    match error:
        case NotFound():
            return "RESOURCE_DOES_NOT_EXIST"
        case LostRace():
            return "RESOURCE_CONFLICT"
        case AlreadyExists():
            return "RESOURCE_ALREADY_EXISTS"
        case Refused():
            return "PERMISSION_DENIED"
        case Undecided():
            return "ABORTED"
    return "INVALID_PARAMETER_VALUE"
